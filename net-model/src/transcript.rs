//! The transcript of one exchange: a line for each step of each packet's walk.

use crate::packet::{Arp, ArpOp, Body, Frame, Icmp, Ndisc, NdiscKind, Outer, Packet, Payload};
use crate::recorder::Place;
use sim_core::Time;
use std::fmt;

/// The steps of a packet's walk, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// `client.rs`: a client program acts.
    Client,
    /// `host/output.rs`: the packet is routed and sent.
    Output,
    /// `host/neighbour.rs`: the next hop's link address.
    Neighbour,
    /// `link.rs`: the frame is on the wire.
    Link,
    /// `switch.rs`: the frame is switched.
    Switch,
    /// `host/input.rs`: the frame is taken in.
    Input,
    /// `host/arp.rs`: what a host makes of an ARP packet.
    Arp,
    /// `host/mark.rs`: firewall marks.
    Mark,
    /// `host/route_input.rs`: deliver, forward or drop?
    Route,
    /// `ipvs/director.rs`: the director's hooks.
    Director,
    /// `schedulers`: a real server is chosen.
    Schedule,
    /// `ipvs/forwarding`: the packet is rewritten or wrapped.
    Forwarding,
    /// `host/sync.rs`: directors tell each other about the connection.
    Sync,
    /// `host/icmp_input.rs`: what a host makes of an ICMP message.
    Icmp,
    /// `server.rs`: the server program acts.
    Server,
    /// The packet ends early.
    Drop,
}

impl Stage {
    /// All stages in the order of the walk.
    pub const ALL: [Stage; 16] = [
        Stage::Client,
        Stage::Output,
        Stage::Neighbour,
        Stage::Link,
        Stage::Switch,
        Stage::Input,
        Stage::Arp,
        Stage::Mark,
        Stage::Route,
        Stage::Director,
        Stage::Schedule,
        Stage::Forwarding,
        Stage::Sync,
        Stage::Icmp,
        Stage::Server,
        Stage::Drop,
    ];

    /// The word in the transcript.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Client => "client",
            Stage::Output => "output",
            Stage::Neighbour => "neighbour",
            Stage::Link => "link",
            Stage::Switch => "switch",
            Stage::Input => "input",
            Stage::Arp => "arp",
            Stage::Mark => "mark",
            Stage::Route => "route",
            Stage::Director => "director",
            Stage::Schedule => "schedule",
            Stage::Forwarding => "forwarding",
            Stage::Sync => "sync",
            Stage::Icmp => "icmp",
            Stage::Server => "server",
            Stage::Drop => "drop",
        }
    }

    /// The file (or folder) that does the step, below `net-model/src`; none for the schedulers' own crate and for drops.
    pub const fn file(self) -> Option<&'static str> {
        match self {
            Stage::Client => Some("client.rs"),
            Stage::Output => Some("host/output.rs"),
            Stage::Neighbour => Some("host/neighbour.rs"),
            Stage::Link => Some("link.rs"),
            Stage::Switch => Some("switch.rs"),
            Stage::Input => Some("host/input.rs"),
            Stage::Arp => Some("host/arp.rs"),
            Stage::Mark => Some("host/mark.rs"),
            Stage::Route => Some("host/route_input.rs"),
            Stage::Director => Some("ipvs/director.rs"),
            Stage::Schedule | Stage::Drop => None,
            Stage::Forwarding => Some("ipvs/forwarding"),
            Stage::Sync => Some("host/sync.rs"),
            Stage::Icmp => Some("host/icmp_input.rs"),
            Stage::Server => Some("server.rs"),
        }
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When.
    pub time: Time,
    /// Where.
    pub place: Place,
    /// Which step.
    pub stage: Stage,
    /// What happened, in words.
    pub text: String,
}

impl fmt::Display for Frame {
    /// The packet inside.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Arp(arp) => arp.fmt(f),
            Body::Ip(packet) => packet.fmt(f),
        }
    }
}

impl fmt::Display for Arp {
    /// In tcpdump's style: `ARP who-has 10.0.0.100 tell 10.0.0.254`, `ARP 10.0.0.100 is-at 02:00:00:00:00:0d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            ArpOp::Request => write!(f, "ARP who-has {} tell {}", self.target, self.sender),
            ArpOp::Reply => write!(f, "ARP {} is-at {}", self.sender, self.sender_mac),
        }
    }
}

impl fmt::Display for Packet {
    /// In tcpdump's style: `ttl 64 10.0.0.9.40000 > 10.0.0.100.80: [S], len 60`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Outer { src, dst, ttl, .. }) = &self.outer {
            write!(f, "ttl {ttl} tunnel {src} > {dst}: ")?;
        }
        write!(f, "ttl {} {}", self.ttl, self.src)?;
        let ports = self.ports();
        if let Some((sport, _)) = ports {
            write!(f, ".{sport}")?;
        }
        write!(f, " > {}", self.dst)?;
        if let Some((_, dport)) = ports {
            write!(f, ".{dport}")?;
        }
        match &self.payload {
            Payload::Tcp(segment) => write!(f, ": [{}]", segment.flags)?,
            Payload::Udp(_) => write!(f, ": UDP")?,
            Payload::Sync(sync) => write!(f, ": UDP, {} connections", sync.message.entries.len())?,
            Payload::Sctp(chunks) => write!(f, ": SCTP chunk {}", chunks.first)?,
            Payload::Icmp(icmp) => write!(f, ": {}", IcmpName(icmp, self.src.is_v4()))?,
            Payload::Fragment(_) => write!(f, ": fragment from byte {} on", self.fragment_offset)?,
            Payload::Ndisc(message) => write!(f, ": {message}")?,
            Payload::Other(number) => write!(f, ": protocol {number}")?,
        }
        write!(f, ", len {}", self.len)
    }
}

impl fmt::Display for Ndisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            NdiscKind::Solicitation => write!(f, "who has {}?", self.target),
            NdiscKind::Probe => write!(f, "has anybody {}?", self.target),
            NdiscKind::Advertisement => write!(f, "{} is here", self.target),
        }
    }
}

/// An ICMP message by name.
struct IcmpName<'a>(&'a Icmp, bool);

impl fmt::Display for IcmpName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, code) = (self.0.kind, self.0.code);
        let name = match (self.1, kind, code) {
            (true, 0, _) | (false, 129, _) => "echo reply",
            (true, 8, _) | (false, 128, _) => "echo request",
            (true, 3, 0) | (false, 1, 0) => "net unreachable",
            (true, 3, 1) | (false, 1, 3) => "host unreachable",
            (true, 3, 2) => "protocol unreachable",
            (true, 3, 3) | (false, 1, 4) => "port unreachable",
            (true, 3, 4) | (false, 2, _) => "packet too big",
            (true, 5, _) => "redirect",
            (true, 11, 0) | (false, 3, 0) => "time exceeded",
            _ => return write!(f, "ICMP {kind}/{code}"),
        };
        write!(f, "ICMP {name}")
    }
}
