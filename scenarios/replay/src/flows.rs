//! What directors sent, flow by flow and interface by interface: the same packets in, the same packets out.
//!
//! Left out is what a host says of its own accord, at instants that nothing which came in decides: who asks for link
//! addresses and for routers, who listens to which group, and what directors tell each other about connections.

use net_model::addr::Addr;
use net_model::packet::{ArpOp, Body, Encapsulation, Frame, NdiscKind, Packet, Payload};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Packets of one kind that leave by one interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Flow {
    /// Index into the job's taps.
    pub tap: usize,
    /// The tag of its VLAN; 0 for none.
    pub vlan: u16,
    /// The protocol number, of the packet inside if there is a tunnel.
    pub protocol: u8,
    /// From where.
    pub src: Addr,
    /// To where.
    pub dst: Addr,
    /// Source and destination port, or type and code of ICMP.
    pub ports: Option<(u16, u16)>,
    /// The tunnel around it: protocol number and ends.
    pub tunnel: Option<(u8, Addr, Addr)>,
}

/// How much of a flow was sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets, tunnel headers included.
    pub bytes: u64,
}

/// What was sent, by flow.
pub type Flows = BTreeMap<Flow, Volume>;

/// Who was asked for a link address, and how often since it has last answered.
#[derive(Clone, Default, Debug)]
pub struct Questions {
    open: BTreeMap<(usize, Addr), u32>,
    /// The interfaces behind which somebody did not answer.
    pub silent: BTreeSet<usize>,
}

/// After so many questions in vain a kernel gives a neighbour up (`mcast_solicit`, `ucast_solicit`).
const QUESTIONS: u32 = 3;

impl Questions {
    /// A director has sent this frame, perhaps a question, out of the interface `tap`.
    pub fn asked(&mut self, tap: usize, frame: &Frame) {
        let target = match &frame.body {
            Body::Arp(arp) if arp.op == ArpOp::Request && arp.sender != arp.target => arp.target,
            Body::Ip(Packet { payload: Payload::Ndisc(ask), .. }) if ask.kind == NdiscKind::Solicitation => {
                ask.target
            }
            Body::Arp(_) | Body::Ip(_) => return,
        };
        let times = self.open.entry((tap, target)).or_default();
        *times += 1;
        if *times == QUESTIONS {
            self.silent.insert(tap);
        }
    }

    /// A director has got this frame, perhaps an answer, at the interface `tap`.
    pub fn answered(&mut self, tap: usize, frame: &Frame) {
        let who = match &frame.body {
            Body::Arp(arp) => arp.sender,
            Body::Ip(Packet { payload: Payload::Ndisc(answer), .. }) => answer.target,
            Body::Ip(_) => return,
        };
        self.open.remove(&(tap, who));
    }
}

/// Counts a frame that left by the interface `tap`.
pub fn count(flows: &mut Flows, tap: usize, frame: &Frame) {
    if let Some((flow, packet)) = Flow::of(tap, frame) {
        let volume = flows.entry(flow).or_default();
        volume.packets += 1;
        volume.bytes += u64::from(packet.wire_len());
    }
}

impl Flow {
    fn of(tap: usize, frame: &Frame) -> Option<(Flow, &Packet)> {
        let Body::Ip(packet) = &frame.body else { return None };
        if is_own_accord(packet) {
            return None;
        }
        let ports = match &packet.payload {
            Payload::Icmp(icmp) => Some((u16::from(icmp.kind), u16::from(icmp.code))),
            _ => packet.ports(),
        };
        let tunnel = packet.outer.as_ref().map(|outer| {
            let protocol = match outer.kind {
                Encapsulation::IpIp if packet.src.is_v4() => 4,
                Encapsulation::IpIp => 41,
                Encapsulation::Gre { .. } => 47,
                Encapsulation::Gue { .. } => 17,
            };
            (protocol, outer.src, outer.dst)
        });
        let (src, dst, protocol) = (packet.src, packet.dst, packet.protocol());
        Some((Flow { tap, vlan: frame.vlan, protocol, src, dst, ports, tunnel }, packet))
    }
}

fn is_own_accord(packet: &Packet) -> bool {
    match &packet.payload {
        Payload::Ndisc(_) | Payload::Sync(_) | Payload::Other(IGMP) => true,
        Payload::Icmp(icmp) => !packet.src.is_v4() && matches!(icmp.kind, 130..=137 | 143),
        _ => false,
    }
}

/// The protocol number of IGMP (RFC 3376).
const IGMP: u8 = 2;

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = |addr: Addr, port: u16| net_model::ipvs::endpoint(addr, port);
        match (self.protocol, self.ports) {
            (1 | 58, Some((kind, code))) => {
                write!(f, "ICMP type {kind} code {code} {} > {}", self.src, self.dst)?;
            }
            (protocol, Some((from, to))) => {
                let (src, dst) = (endpoint(self.src, from), endpoint(self.dst, to));
                write!(f, "{} {src} > {dst}", name(protocol))?;
            }
            (protocol, None) => write!(f, "{} {} > {}", name(protocol), self.src, self.dst)?,
        }
        if let Some((protocol, src, dst)) = self.tunnel {
            write!(f, " in {} {src} > {dst}", name(protocol))?;
        }
        if self.vlan > 0 { write!(f, " on VLAN {}", self.vlan) } else { Ok(()) }
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets, {} bytes", self.packets, self.bytes)
    }
}

fn name(protocol: u8) -> String {
    match protocol {
        4 | 41 => "ipip".into(),
        6 => "TCP".into(),
        17 => "UDP".into(),
        47 => "gre".into(),
        132 => "SCTP".into(),
        other => format!("protocol {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_model::addr::Mac;
    use net_model::packet::Arp;

    fn ask(op: ArpOp, sender: Addr, target: Addr) -> Frame {
        let arp = Arp { op, sender_mac: Mac::ZERO, sender, target_mac: Mac::ZERO, target };
        Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Arp(arp) }
    }

    #[test]
    fn a_neighbour_is_silent_after_three_questions_in_vain() {
        let (director, server) = (Addr::v4(0x0a00_0001), Addr::v4(0x0a00_0002));
        let mut questions = Questions::default();
        for _ in 0..2 {
            questions.asked(0, &ask(ArpOp::Request, director, server));
        }
        questions.answered(0, &ask(ArpOp::Reply, server, director));
        for _ in 0..2 {
            questions.asked(0, &ask(ArpOp::Request, director, server));
        }
        assert!(questions.silent.is_empty(), "it has answered in between");
        questions.asked(0, &ask(ArpOp::Request, director, server));
        assert_eq!(questions.silent, [0].into());
    }

    #[test]
    fn who_announces_itself_asks_nobody() {
        let own = Addr::v4(0x0a00_0001);
        let mut questions = Questions::default();
        (0..3).for_each(|_| questions.asked(0, &ask(ArpOp::Request, own, own)));
        assert!(questions.silent.is_empty());
    }

    #[test]
    fn a_flow_in_words() {
        let (src, dst) = (Addr::v4(0x0a00_0001), Addr::v4(0x0a00_0002));
        let flow = Flow { tap: 0, vlan: 0, protocol: 6, src, dst, ports: Some((1024, 80)), tunnel: None };
        assert_eq!(flow.to_string(), "TCP 10.0.0.1:1024 > 10.0.0.2:80");
        let tunnelled = Flow { vlan: 7, tunnel: Some((4, src, dst)), ..flow };
        assert_eq!(
            tunnelled.to_string(),
            "TCP 10.0.0.1:1024 > 10.0.0.2:80 in ipip 10.0.0.1 > 10.0.0.2 on VLAN 7"
        );
        let error = Flow { protocol: 1, ports: Some((3, 4)), ..flow };
        assert_eq!(error.to_string(), "ICMP type 3 code 4 10.0.0.1 > 10.0.0.2");
        let fragment = Flow { protocol: 17, ports: None, ..flow };
        assert_eq!(fragment.to_string(), "UDP 10.0.0.1 > 10.0.0.2");
    }
}
