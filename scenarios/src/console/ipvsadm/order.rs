//! The order of listings. ipvsadm compares 32-bit values by the sign of their 32-bit difference, so that addresses
//! at least 2³¹ apart sort the wrong way round: 192.168.0.1 comes before 10.0.0.1. The relation is not transitive;
//! what comes out depends on the algorithm, a top-down merge sort.

use net_model::addr::Addr;
use net_model::ipvs::{DestinationView, ServiceKey, ServiceView};

/// Services by mark (none is 0, so marks come last), family, protocol, address and port.
pub(super) fn services<'a>(views: Vec<ServiceView<'a>>) -> Vec<ServiceView<'a>> {
    merge_sort(views, &|a, b| compare_services(a.key, b.key))
}

/// Destinations by address and port; `views` are newest first.
pub(super) fn destinations(views: &[DestinationView]) -> Vec<DestinationView> {
    merge_sort(views.to_vec(), &|a, b| match compare_addresses(a.key.addr, b.key.addr) {
        0 => i32::from(a.key.port) - i32::from(b.key.port),
        difference => difference,
    })
}

fn compare_services(a: ServiceKey, b: ServiceKey) -> i32 {
    let mark = |key| if let ServiceKey::Mark { mark, .. } = key { mark } else { 0 };
    let family = |key| match key {
        ServiceKey::Mark { family, .. } => family as i32,
        ServiceKey::Address { addr, .. } => addr.family() as i32,
    };
    let rest = |key| match key {
        ServiceKey::Mark { .. } => (0, Addr::UNSPECIFIED_V4, 0),
        ServiceKey::Address { protocol, addr, port } => (protocol as i32, addr, i32::from(port)),
    };
    let ((protocol_a, addr_a, port_a), (protocol_b, addr_b, port_b)) = (rest(a), rest(b));
    let steps = [difference(mark(a), mark(b)), family(a) - family(b), protocol_a - protocol_b];
    let first = steps.into_iter().find(|&step| step != 0);
    first.unwrap_or_else(|| match compare_addresses(addr_a, addr_b) {
        0 => port_a - port_b,
        difference => difference,
    })
}

/// The family is not compared: the first address's decides how many words count.
fn compare_addresses(a: Addr, b: Addr) -> i32 {
    let words = if a.is_v4() { 1 } else { 4 };
    let pairs = first_words(a).into_iter().zip(first_words(b)).take(words);
    pairs.map(|(a, b)| difference(a, b)).find(|&d| d != 0).unwrap_or(0)
}

/// The address as four words; an IPv4 address is the first.
fn first_words(addr: Addr) -> [u32; 4] {
    match addr.to_v4_bits() {
        Some(bits) => [bits, 0, 0, 0],
        None => [96, 64, 32, 0].map(|shift| (addr.to_bits() >> shift) as u32),
    }
}

fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Top-down: halves of n/2 and the rest; equal elements are taken from the left.
fn merge_sort<T>(mut items: Vec<T>, compare: &impl Fn(&T, &T) -> i32) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let right = merge_sort(items.split_off(items.len() / 2), compare);
    let left = merge_sort(items, compare);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a, b) <= 0 { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &str, expected: &str) {
        let parsed = addresses.split(' ').map(|a| a.parse::<Addr>().unwrap()).collect();
        let sorted = merge_sort(parsed, &|&a, &b| compare_addresses(a, b));
        let words: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn addresses_far_apart_sort_the_wrong_way_round() {
        check("10.0.0.3 10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2 10.0.0.3");
        check("10.0.0.1 192.168.0.1", "192.168.0.1 10.0.0.1");
        check("10.0.0.5 172.16.0.1", "172.16.0.1 10.0.0.5");
        check("2001:db8::2 2001:db8::1 ::1", "::1 2001:db8::1 2001:db8::2");
        check("::1 ff02::1", "ff02::1 ::1");
    }
}
