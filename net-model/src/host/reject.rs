//! `-j REJECT`: a packet is dropped, and its sender hears of it by ICMP or, for TCP, by a reset.
//!
//! The reset speaks for the receiver, whoever that is: its source is the packet's destination. Seen on Linux 6.1 in INPUT
//! of a director and of a real server, and in FORWARD of a router, which sends ICMP errors from an address of its own.

use super::icmp::{Cause, Error};
use super::interface::InterfaceId;
use super::mark::{Chain, Netfilter, Passing, Target};
use super::node::{DEFAULT_TTL, Host};
use crate::addr::Mac;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::packet::{Body, Flags, Frame, Packet, Payload, Segment};
use crate::recorder::Place;
use crate::tcp::socket::size;
use crate::verdict::DropReason;

/// What the sender of a rejected packet is told: `--reject-with`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// `icmp-net-unreachable`, 3/0
    NetUnreachable,
    /// `icmp-host-unreachable`, 3/1
    HostUnreachable,
    /// `icmp-proto-unreachable`, 3/2
    ProtocolUnreachable,
    /// `icmp-port-unreachable`, 3/3; also if nothing was said
    PortUnreachable,
    /// `icmp-net-prohibited`, 3/9
    NetProhibited,
    /// `icmp-host-prohibited`, 3/10
    HostProhibited,
    /// `icmp-admin-prohibited`, 3/13
    AdminProhibited,
    /// `tcp-reset`
    Reset,
}

impl Netfilter {
    /// What a chain that drops a packet tells its sender, if anything.
    fn rejection(&self, chain: Chain, passing: Passing<'_>) -> Option<Rejection> {
        let number = self.dropping_rule(chain, passing)?;
        match self.chain(passing.packet.routed_src().family(), chain)[number - 1].target {
            Target::Reject(rejection) => Some(rejection),
            Target::Accept
            | Target::Drop
            | Target::Mark { .. }
            | Target::Redirect { .. }
            | Target::Continue => None,
        }
    }
}

impl Host {
    /// A chain has dropped or refused a packet.
    #[cold]
    pub(super) fn end_by_filter(
        &mut self,
        cx: &mut Cx,
        frame: FrameId,
        chain: Chain,
        iif: Option<InterfaceId>,
        oif: Option<InterfaceId>,
    ) {
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        let passing = Passing { packet: &packet, iif, oif };
        let place = Place::Host(self.id);
        let Some(rejection) = self.stack.netfilter.rejection(chain, passing) else {
            return cx.drop(place, frame, DropReason::FilterDrop);
        };
        cx.drop(place, frame, DropReason::FilterReject);
        let error = match rejection {
            Rejection::NetUnreachable => Error::NetUnreachable,
            Rejection::HostUnreachable => Error::HostUnreachable,
            Rejection::ProtocolUnreachable => Error::ProtocolUnreachable,
            Rejection::PortUnreachable => Error::PortUnreachable,
            Rejection::NetProhibited => Error::NetProhibited,
            Rejection::HostProhibited => Error::HostProhibited,
            Rejection::AdminProhibited => Error::Prohibited,
            Rejection::Reset => return self.reset_for_receiver(cx, &packet),
        };
        self.send_error(cx, &packet, error, Cause::Packet);
    }

    /// A reset that seems to come from the receiver of a segment.
    fn reset_for_receiver(&mut self, cx: &mut Cx, packet: &Packet) {
        let Some(reset) = reset(packet) else { return };
        let Ok(route) = self.stack.route_output(reset.dst, None, 0) else { return };
        let to = reset.dst;
        if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
            conntrack.answer(cx.now, &reset);
        }
        let frame = Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Ip(reset) };
        let frame = cx.wiring.frames.send(frame);
        self.emit(cx, frame, &route, to);
    }
}

/// The reset that answers a segment; none for what is no segment, or a reset itself.
fn reset(packet: &Packet) -> Option<Packet> {
    let Payload::Tcp(segment) = packet.payload else { return None };
    if packet.outer.is_some() || packet.fragment_offset > 0 || segment.flags.has(Flags::RST) {
        return None;
    }
    let ends = u32::from(segment.flags.has(Flags::SYN)) + u32::from(segment.flags.has(Flags::FIN));
    let (seq, ack, flags) = match segment.flags.has(Flags::ACK) {
        true => (segment.ack, 0, Flags::RST),
        false => (0, segment.seq.wrapping_add(u32::from(segment.len) + ends), Flags::RST.with(Flags::ACK)),
    };
    let (sport, dport) = (segment.dport, segment.sport);
    let answer = Segment { sport, dport, seq, ack, flags, header: 20, ..Segment::default() };
    Some(Packet {
        src: packet.dst,
        dst: packet.src,
        mark: 0,
        flow: packet.flow,
        len: size::RST + if packet.dst.is_v4() { 0 } else { size::V6 },
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: DEFAULT_TTL,
        tos: 0,
        payload: Payload::Tcp(answer),
        outer: None,
        text: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::mark::FilterRule;
    use super::super::testing::tcp;
    use super::*;
    use crate::addr::Family::V4;

    fn segment(flags: Flags) -> Packet {
        let segment =
            Segment { sport: 1024, dport: 80, seq: 1000, ack: 77, len: 16, flags, ..Segment::default() };
        Packet { payload: Payload::Tcp(segment), ..tcp("192.168.1.10", "10.0.0.100", 68) }
    }

    /// RFC 9293, as Linux 6.1 does it.
    #[test]
    fn a_reset_answers_in_the_name_of_the_receiver() {
        let answer = |flags| {
            reset(&segment(flags)).map(|packet| {
                let Payload::Tcp(sent) = packet.payload else { panic!("a reset is a segment") };
                (packet.src.to_string(), sent.dport, sent.seq, sent.ack, sent.flags.to_string())
            })
        };
        let vip = || "10.0.0.100".to_owned();
        assert_eq!(answer(Flags::SYN), Some((vip(), 1024, 0, 1017, "R.".to_owned())));
        assert_eq!(answer(Flags::ACK), Some((vip(), 1024, 77, 0, "R".to_owned())));
        assert_eq!(answer(Flags::RST), None);
        assert_eq!(reset(&Packet { payload: Payload::Other(50), ..segment(Flags::SYN) }), None);
        assert_eq!(reset(&Packet { fragment_offset: 8, ..segment(Flags::SYN) }), None);
    }

    #[test]
    fn the_rule_that_ends_a_packet_says_what_its_sender_hears() {
        let mut netfilter = Netfilter::default();
        let packet = segment(Flags::SYN);
        let passing = Passing { packet: &packet, iif: None, oif: None };
        netfilter.set_policy(V4, Chain::Input, true);
        assert_eq!(netfilter.rejection(Chain::Input, passing), None, "the policy drops silently");
        let rule = FilterRule { matches: Vec::new(), target: Target::Reject(Rejection::Reset) };
        netfilter.chain_mut(V4, Chain::Input).push(rule);
        assert_eq!(netfilter.rejection(Chain::Input, passing), Some(Rejection::Reset));
        assert_eq!(netfilter.rejection(Chain::Forward, passing), None);
    }
}
