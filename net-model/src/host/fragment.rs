//! Cutting packets that are too large for a link.
//!
//! All fragments but the last carry as many bytes as fit, a multiple of eight, and all carry the identification of the
//! packet. A fragment may be cut again. Routers do so with IPv4 packets that allow it, senders with IPv6 ones.

use crate::packet::{Encapsulation, Fragment, Packet, Payload, proto};

/// Bytes of an IPv4 header, an IPv6 one, and the latter's fragment header.
const V4: u16 = 20;
const V6: u16 = 40;
const V6_FRAGMENT: u16 = 8;

/// The fragments of a packet for an MTU; none if that leaves no room for data.
pub(super) fn cut(packet: &Packet, mtu: u32) -> Option<Vec<Packet>> {
    let header = header_of(packet);
    let is_v4 = packet.routed_src().is_v4();
    let new_header = if is_v4 { V4 } else { V6 + V6_FRAGMENT };
    let room = u16::try_from(mtu).unwrap_or(u16::MAX).checked_sub(new_header)? / 8 * 8;
    let len = packet.wire_len().checked_sub(header)?;
    if room == 0 {
        return None;
    }
    let piece = |from: u16| {
        let (offset, bytes) = (packet.fragment_offset + from, room.min(len - from));
        let is_last = from + bytes == len;
        Packet {
            len: new_header + bytes,
            fragment_offset: offset,
            more_fragments: packet.more_fragments || !is_last,
            df: false,
            payload: part(packet, from == 0),
            ..outermost(packet)
        }
    };
    Some((0..len).step_by(usize::from(room)).map(piece).collect())
}

/// Bytes in front of what is cut: the outermost header, that of a fragment included.
pub(super) fn header_of(packet: &Packet) -> u16 {
    match (packet.routed_src().is_v4(), &packet.payload) {
        (true, _) => V4,
        (false, Payload::Fragment(_)) => V6 + V6_FRAGMENT,
        (false, _) => V6,
    }
}

/// The outermost header of a packet as a packet.
fn outermost(packet: &Packet) -> Packet {
    let plain = Packet { text: None, outer: None, payload: Payload::Other(0), ..packet.clone() };
    match packet.outer {
        None => plain,
        Some(outer) => {
            Packet { src: outer.src, dst: outer.dst, id: outer.id, ttl: outer.ttl, tos: outer.tos, ..plain }
        }
    }
}

/// What a piece carries: the first one that is cut off the whole remembers it.
fn part(packet: &Packet, is_first: bool) -> Payload {
    match &packet.payload {
        Payload::Fragment(fragment) => {
            let whole = fragment.whole.clone().filter(|_| is_first);
            Payload::Fragment(Fragment { whole, ..*fragment })
        }
        _ => {
            let protocol = match packet.outer.map(|outer| outer.kind) {
                None => packet.protocol(),
                Some(Encapsulation::IpIp) if packet.src.is_v4() => proto::IPIP,
                Some(Encapsulation::IpIp) => proto::IPV6,
                Some(Encapsulation::Gre { .. }) => proto::GRE,
                Some(Encapsulation::Gue { .. }) => proto::UDP,
            };
            let whole = is_first.then(|| Box::new(packet.clone()));
            Payload::Fragment(Fragment { protocol, whole })
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::addr::Addr;
    use crate::packet::{Datagram, Icmp, Outer};
    use crate::wire::encode_packet;
    use proptest::prelude::*;

    /// A packet that may be cut: a datagram, an echo request, perhaps in a tunnel.
    pub(in super::super) fn large() -> impl Strategy<Value = Packet> {
        (any::<bool>(), 100u16..9000, any::<u16>(), any::<bool>(), any::<bool>()).prop_map(
            |(is_v4, bytes, id, is_echo, is_tunnelled)| {
                let end = |n: u128| if is_v4 { Addr::v4(n as u32) } else { Addr::v6(n) };
                let header = if is_v4 { 20 } else { 40 };
                let kind = if is_v4 { 8 } else { 128 };
                let payload = match is_echo {
                    true => Payload::Icmp(Icmp { kind, code: 0, info: 7, quote: None }),
                    false => Payload::Udp(Datagram { sport: id, dport: 53 }),
                };
                let outer = Outer {
                    src: Addr::v4(7),
                    dst: Addr::v4(8),
                    kind: Encapsulation::IpIp,
                    overhead: 20,
                    id: !id,
                    df: false,
                    ttl: 62,
                    tos: 0,
                };
                Packet {
                    src: end(1),
                    dst: end(2),
                    mark: 0,
                    flow: 3,
                    len: header + 8 + bytes,
                    id,
                    fragment_offset: 0,
                    more_fragments: false,
                    df: false,
                    ttl: 64,
                    tos: 0,
                    payload,
                    outer: is_tunnelled.then_some(outer),
                    text: None,
                }
            },
        )
    }

    /// The fragments of a packet where it does not fit.
    pub(in super::super) fn fitting(packet: &Packet, mtu: u32) -> Vec<Packet> {
        let fits = u32::from(packet.wire_len()) <= mtu;
        if fits { vec![packet.clone()] } else { cut(packet, mtu).unwrap() }
    }

    /// Bytes behind the outermost header.
    fn body(packet: &Packet) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_packet(packet, &mut bytes);
        bytes.split_off(usize::from(header_of(packet)))
    }

    proptest! {
        /// Side by side the fragments are the packet, byte for byte; each fits, and all but the last end at a multiple of
        /// eight. Cutting them again changes nothing of that.
        #[test]
        fn side_by_side_they_are_the_packet(packet in large(), mtu in 100u32..1500, smaller in 68u32..1500) {
            let once = fitting(&packet, mtu);
            let again = once.iter().flat_map(|fragment| fitting(fragment, smaller)).collect::<Vec<_>>();
            for (fragments, mtu) in [(&once, mtu), (&again, smaller)] {
                let mut seen = Vec::new();
                for (n, fragment) in fragments.iter().enumerate() {
                    prop_assert!(u32::from(fragment.wire_len()) <= mtu);
                    prop_assert_eq!(fragment.more_fragments, n + 1 < fragments.len());
                    prop_assert_eq!(usize::from(fragment.fragment_offset), seen.len());
                    prop_assert!(seen.len() % 8 == 0);
                    seen.extend(body(fragment));
                }
                prop_assert_eq!(seen, body(&packet));
            }
        }
    }

    #[test]
    fn as_linux_cuts_an_echo_request_of_3000_bytes() {
        let echo = Payload::Icmp(Icmp { kind: 8, code: 0, info: 7, quote: None });
        let mut packet = super::super::testing::tcp("10.0.0.1", "10.0.0.2", 3028);
        (packet.len, packet.payload, packet.df) = (3028, echo, false);
        let parts = |packet: &Packet, mtu| {
            let shape = |part: Packet| (part.fragment_offset, part.len);
            cut(packet, mtu).unwrap().into_iter().map(shape).collect::<Vec<_>>()
        };
        assert_eq!(parts(&packet, 1500), [(0, 1500), (1480, 1500), (2960, 68)]);
        let second = &cut(&packet, 1500).unwrap()[1];
        assert_eq!(parts(second, 1400), [(1480, 1396), (2856, 124)]);
        assert_eq!(cut(&packet, 27), None);
    }
}
