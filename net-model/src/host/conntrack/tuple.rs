//! What tells connections apart: addresses, protocol, and ports or what stands for them.

use crate::addr::Addr;
use crate::packet::{Encapsulation, Icmp, Outer, Packet, Payload, proto};

/// A direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tuple {
    pub(super) src: Addr,
    pub(super) dst: Addr,
    /// The source port, or the identifier of an echo.
    pub(super) sport: u16,
    /// The destination port, or type and code of an ICMP message.
    pub(super) dport: u16,
    pub(super) protocol: u8,
}

/// Messages of ICMP and ICMPv6 that ask, and those that answer them.
const ASKED_AND_ANSWERED: [(u8, u8); 4] = [(8, 0), (13, 14), (17, 18), (128, 129)];

impl Tuple {
    /// The direction of a packet, going by its outermost header; none if it cannot belong to a connection.
    pub(super) fn of(packet: &Packet) -> Option<Tuple> {
        if let Some(outer) = &packet.outer {
            return Some(Tuple::of_tunnel(outer, packet.src.is_v4()));
        }
        let (sport, dport) = match &packet.payload {
            Payload::Icmp(icmp) => {
                is_conversation(icmp).then(|| ((icmp.info >> 16) as u16, message(icmp.kind, icmp.code)))?
            }
            _ => packet.ports().unwrap_or_default(),
        };
        Some(Tuple { src: packet.src, dst: packet.dst, sport, dport, protocol: packet.protocol() })
    }

    fn of_tunnel(outer: &Outer, carries_v4: bool) -> Tuple {
        let (protocol, sport, dport) = match outer.kind {
            Encapsulation::IpIp if carries_v4 => (proto::IPIP, 0, 0),
            Encapsulation::IpIp => (proto::IPV6, 0, 0),
            Encapsulation::Gre { .. } => (proto::GRE, 0, 0),
            Encapsulation::Gue { sport, dport, .. } => (proto::UDP, sport, dport),
        };
        Tuple { src: outer.src, dst: outer.dst, sport, dport, protocol }
    }

    /// The other direction.
    pub(super) fn inverse(self) -> Tuple {
        let Tuple { src, dst, sport, dport, protocol } = self;
        if matches!(protocol, proto::ICMP | proto::ICMPV6) {
            let [kind, code] = dport.to_be_bytes();
            return Tuple {
                src: dst,
                dst: src,
                dport: message(other_side(kind).unwrap_or(kind), code),
                ..self
            };
        }
        Tuple { src: dst, dst: src, sport: dport, dport: sport, protocol }
    }
}

/// Does a message ask something, or answer? Others can neither begin a connection nor belong to one.
fn is_conversation(icmp: &Icmp) -> bool {
    other_side(icmp.kind).is_some()
}

/// Does a message begin a conversation?
pub(super) fn asks(icmp: &Icmp) -> bool {
    ASKED_AND_ANSWERED.iter().any(|(asked, _)| *asked == icmp.kind)
}

fn other_side(kind: u8) -> Option<u8> {
    ASKED_AND_ANSWERED.iter().find_map(|&(asked, answered)| match kind {
        _ if kind == asked => Some(answered),
        _ if kind == answered => Some(asked),
        _ => None,
    })
}

const fn message(kind: u8, code: u8) -> u16 {
    u16::from_be_bytes([kind, code])
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{addr, tcp};
    use super::*;

    fn echo(kind: u8) -> Packet {
        let icmp = Icmp { kind, code: 0, info: 7 << 16 | 1, quote: None };
        Packet { payload: Payload::Icmp(icmp), ..tcp("192.168.1.10", "10.0.0.11", 84) }
    }

    #[test]
    fn the_inverse_is_what_the_other_side_sends() {
        let mut request = tcp("192.168.1.10", "10.0.0.11", 60);
        request.set_sport(1024);
        request.set_dport(80);
        let mut reply = tcp("10.0.0.11", "192.168.1.10", 60);
        reply.set_sport(80);
        reply.set_dport(1024);
        assert_eq!(Tuple::of(&request).unwrap().inverse(), Tuple::of(&reply).unwrap());
        let answer = Packet { src: addr("10.0.0.11"), dst: addr("192.168.1.10"), ..echo(0) };
        assert_eq!(Tuple::of(&echo(8)).unwrap().inverse(), Tuple::of(&answer).unwrap());
        assert_eq!(Tuple::of(&echo(8)).unwrap().inverse().inverse(), Tuple::of(&echo(8)).unwrap());
    }

    #[test]
    fn an_error_is_no_conversation_and_a_tunnel_is_one_of_its_own() {
        assert_eq!(Tuple::of(&echo(3)), None);
        let outer = Outer {
            kind: Encapsulation::IpIp,
            overhead: 20,
            id: 0,
            df: true,
            ttl: 64,
            tos: 0,
            src: addr("10.0.0.1"),
            dst: addr("10.0.0.11"),
        };
        let tunnelled = Packet { outer: Some(outer), ..echo(8) };
        let tuple = Tuple::of(&tunnelled).unwrap();
        assert_eq!((tuple.protocol, tuple.sport, tuple.src), (proto::IPIP, 0, addr("10.0.0.1")));
    }
}
