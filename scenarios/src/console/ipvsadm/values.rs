//! How ipvsadm reads values: numbers as C's `strtol`, addresses as `inet_aton`, ports as numbers or names.

use super::super::names::Names;
use net_model::addr::{Addr, Family};
use net_model::ipvs::Protocol;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// A decimal number in `range`: white space and a sign may lead, nothing may follow.
pub(super) fn number(text: &str, range: RangeInclusive<i64>) -> Option<i64> {
    let digits = text.trim_start_matches(is_c_space);
    let value: i64 = digits.parse().ok()?;
    range.contains(&value).then_some(value)
}

/// What C's `atoi` makes of a text: its leading number, 0 if there is none.
pub(super) fn atoi(text: &str) -> i64 {
    let text = text.trim_start_matches(is_c_space);
    let sign = usize::from(text.starts_with(['+', '-']));
    let end = text[sign..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| n + sign);
    text[..end].parse().unwrap_or(0)
}

/// An IPv4 address in one to four parts, each decimal, octal (`010`) or hexadecimal (`0x0a`); the last part fills
/// the remaining bytes.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(is_c_space).next()?;
    let parts: Vec<u32> = text.split('.').map(c_integer).collect::<Option<_>>()?;
    let (&last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|&part| part > 255) {
        return None;
    }
    let free_bits = 32 - 8 * first.len() as u32;
    if free_bits < 32 && last >> free_bits != 0 {
        return None;
    }
    let high = first.iter().fold(0_u32, |high, part| high << 8 | part);
    Some(Ipv4Addr::from_bits(high.checked_shl(free_bits).unwrap_or(0) | last))
}

/// An IPv4 address or the name of a host that has one.
pub(super) fn ipv4(text: &str, names: &Names) -> Option<Ipv4Addr> {
    inet_aton(text).or_else(|| names.ipv4_of(text))
}

/// The argument of -t, -u, --sctp-service or -r: an address and, if one was given, a port. Port names need a protocol.
pub(super) fn endpoint(text: &str, protocol: Option<Protocol>, names: &Names) -> Option<(Addr, Option<u16>)> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let port = |text: &str| port(text, protocol, names);
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let port_text = after.strip_prefix(':')?;
        return match inside.parse::<Ipv6Addr>() {
            Ok(v6) => Some((Addr::v6(v6.to_bits()), Some(port(port_text)?))),
            // Brackets round something else: its port is not looked at.
            Err(_) => Some((Addr::v4(ipv4(inside, names)?.to_bits()), None)),
        };
    }
    if let Ok(v6) = text.parse::<Ipv6Addr>() {
        return Some((Addr::v6(v6.to_bits()), None));
    }
    let (host, port_text) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let addr = Addr::v4(ipv4(host, names)?.to_bits());
    match port_text {
        Some(text) => Some((addr, Some(port(text)?))),
        None => Some((addr, None)),
    }
}

/// A netmask of `len` leading ones, as an address.
pub(super) fn mask(family: Family, len: u8) -> Addr {
    match family {
        Family::V4 => Addr::BROADCAST_V4.masked(len),
        Family::V6 => Addr::v6(u128::MAX).masked(len),
    }
}

fn port(text: &str, protocol: Option<Protocol>, names: &Names) -> Option<u16> {
    match number(text, 0..=65_535) {
        Some(port) => Some(port as u16),
        None => names.port_of(text, protocol?),
    }
}

/// An unsigned integer as in a C program: `10`, `012`, `0xa`.
fn c_integer(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let is_plain = digits.chars().all(|c| c.is_ascii_hexdigit());
    if is_plain { u32::from_str_radix(digits, radix).ok() } else { None }
}

fn is_c_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_with_nothing_behind_them() {
        for (text, value) in [("80", 80), ("+81", 81), (" 82", 82), ("080", 80), ("007", 7)] {
            assert_eq!(number(text, 0..=65_535), Some(value), "{text:?}");
        }
        for text in ["", "80 ", "0x50", "-1", "65536", "1.5", "10s", "99999999999999999999", "+ 1"] {
            assert_eq!(number(text, 0..=65_535), None, "{text:?}");
        }
    }

    #[test]
    fn atoi_takes_what_it_can() {
        for (text, value) in
            [("64", 64), ("64x", 64), ("abc", 0), ("", 0), ("-3", -3), ("255.255.255.0", 255)]
        {
            assert_eq!(atoi(text), value, "{text:?}");
        }
    }

    #[test]
    fn inet_aton_fills_from_the_right() {
        let good = [
            ("10.1", "10.0.0.1"),
            ("0x0a000001", "10.0.0.1"),
            ("010.0.0.1", "8.0.0.1"),
            ("24", "0.0.0.24"),
            ("255.255", "255.0.0.255"),
            ("1.2.772", "1.2.3.4"),
            ("0", "0.0.0.0"),
        ];
        for (text, address) in good {
            assert_eq!(inet_aton(text).map(|a| a.to_string()).as_deref(), Some(address), "{text}");
        }
        for text in ["10.0.0.256", "", "ffffff00", "/24", "1.2.3.4.5", "10.", "256.1", "10.0.0.+1"] {
            assert_eq!(inet_aton(text), None, "{text:?}");
        }
    }

    #[test]
    fn endpoints() {
        let names = Names::default();
        let read = |text| endpoint(text, Some(Protocol::Tcp), &names).map(|(a, p)| format!("{a} {p:?}"));
        assert_eq!(read("10.0.0.1:http").as_deref(), Some("10.0.0.1 Some(80)"));
        assert_eq!(read("10.0.0.1").as_deref(), Some("10.0.0.1 None"));
        assert_eq!(read("[::1]:443").as_deref(), Some("::1 Some(443)"));
        assert_eq!(read("::1:80").as_deref(), Some("::1:80 None"));
        assert_eq!(read("[10.0.0.1]:80").as_deref(), Some("10.0.0.1 None"));
        for text in ["80", "", "[::1]", "[::1]80", "[::1", "10.0.0.1:", "10.0.0.1:nosuch", ":80", "nosuch:80"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
