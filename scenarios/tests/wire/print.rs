//! Frames as `tcpdump -e -n -v` prints them, in the shortened form of the recordings.
//!
//! Like tcpdump, a [`Printer`] remembers the first acknowledging segment of each conversation and prints sequence
//! numbers relative to it; the SYN and whatever acknowledges nothing keep their absolute ones.

use net_model::addr::{Addr, Mac};
use net_model::packet::{
    Arp, ArpOp, Body, Encapsulation, Flags, Frame, Icmp, Ndisc, NdiscFlags, NdiscKind, Packet, Payload,
    Segment,
};
use std::fmt::Write;

/// What tcpdump remembers of a conversation: addresses and ports (lower address first), and both first numbers.
struct Conversation {
    ends: [(Addr, u16); 2],
    first: u32,
    second: u32,
}

/// The printer of one interface.
#[derive(Default)]
pub(crate) struct Printer {
    conversations: Vec<Conversation>,
}

impl Printer {
    /// The line of a frame, without its time. A tunnel device shows no link addresses.
    pub(crate) fn line(&mut self, frame: &Frame, is_tunnel: bool) -> String {
        match &frame.body {
            Body::Arp(arp) => format!("{} > {} {}", short(frame.src), short(frame.dst), arp_text(arp)),
            Body::Ip(packet) if is_tunnel => format!("ip: {}", self.packet(packet)),
            Body::Ip(packet) => {
                let length = packet.wire_len() + 14;
                let (src, dst) = (short(frame.src), short(frame.dst));
                format!("{src} > {dst}, length {length}: {}", self.packet(packet))
            }
        }
    }

    /// A packet, its tunnel header first.
    fn packet(&mut self, packet: &Packet) -> String {
        let Some(outer) = &packet.outer else { return self.inner(packet) };
        let protocol = match outer.kind {
            Encapsulation::IpIp => "IPIP",
            Encapsulation::Gre { .. } => "GRE",
            Encapsulation::Gue { .. } => "UDP",
        };
        let head = match outer.src.is_v4() {
            true => header(outer.tos, outer.ttl, outer.id, outer.df, protocol, packet.wire_len()),
            false => header_v6(outer.tos, outer.ttl, "IPv6", packet.wire_len()),
        };
        format!("{head} {} > {}: {}", outer.src, outer.dst, self.inner(packet))
    }

    fn inner(&mut self, packet: &Packet) -> String {
        let protocol = match &packet.payload {
            Payload::Tcp(_) => "TCP",
            Payload::Udp(_) | Payload::Sync(_) => "UDP",
            Payload::Icmp(_) if packet.src.is_v4() => "ICMP",
            Payload::Icmp(_) | Payload::Ndisc(_) => "ICMPv6",
            Payload::Sctp(_) => "SCTP",
            Payload::Other(_) => "other",
        };
        let head = match packet.src.is_v4() {
            true => header(packet.tos, packet.ttl, packet.id, packet.df, protocol, packet.len),
            false => header_v6(packet.tos, packet.ttl, protocol, packet.len),
        };
        let body = match &packet.payload {
            Payload::Tcp(segment) => self.segment(packet, segment),
            Payload::Icmp(icmp) if packet.src.is_v4() => {
                format!("{} > {}: {}", packet.src, packet.dst, self.icmp(packet, icmp))
            }
            Payload::Icmp(icmp) => format!("{} > {}: {}", packet.src, packet.dst, icmp_v6(icmp)),
            Payload::Ndisc(message) => format!("{} > {}: {}", packet.src, packet.dst, ndisc(message)),
            _ => format!("{} > {}", packet.src, packet.dst),
        };
        format!("{head} {body}")
    }

    fn segment(&mut self, packet: &Packet, segment: &Segment) -> String {
        let (seq, ack) = self.relative(packet, segment);
        let Segment { sport, dport, flags, len, .. } = *segment;
        let mut text = format!("{}.{sport} > {}.{dport}: Flags [{flags}]", packet.src, packet.dst);
        if len > 0 || flags.has(Flags::SYN.with(Flags::FIN).with(Flags::RST)) {
            write!(text, ", seq {seq}").expect("a string takes it");
            if len > 0 {
                write!(text, ":{}", seq.wrapping_add(u32::from(len))).expect("a string takes it");
            }
        }
        if flags.has(Flags::ACK) {
            write!(text, ", ack {ack}").expect("a string takes it");
        }
        write!(text, ", win {}", segment.window).expect("a string takes it");
        let usual = if packet.src.is_v4() { 1460 } else { 1440 };
        if flags.has(Flags::SYN) && segment.mss != usual {
            write!(text, ", opt mss {},sackOK,TS,wscale 6", segment.mss).expect("a string takes it");
        }
        let blocks = packet.selective();
        if !blocks.is_empty() {
            write!(text, ",sack {} ", blocks.len()).expect("a string takes it");
            for (from, to) in blocks {
                let base = segment.ack.wrapping_sub(ack);
                let (from, to) = (from.wrapping_sub(base), to.wrapping_sub(base));
                write!(text, "{{{from}:{to}}}").expect("a string takes it");
            }
        }
        if len > 0 {
            write!(text, ", length {len}").expect("a string takes it");
        }
        text
    }

    /// Sequence and acknowledgement number as tcpdump shows them.
    fn relative(&mut self, packet: &Packet, segment: &Segment) -> (u32, u32) {
        let Segment { seq, ack, flags, .. } = *segment;
        if !flags.has(Flags::ACK) {
            return (seq, ack);
        }
        let (from, to) = ((packet.src, segment.sport), (packet.dst, segment.dport));
        let is_reversed = from > to;
        let ends = if is_reversed { [to, from] } else { [from, to] };
        let (mine, other) = (seq, ack.wrapping_sub(1));
        let (first, second) = if is_reversed { (other, mine) } else { (mine, other) };
        let known = self.conversations.iter_mut().find(|conversation| conversation.ends == ends);
        match known {
            Some(known) if !flags.has(Flags::SYN) => {
                let (mine, other) =
                    if is_reversed { (known.second, known.first) } else { (known.first, known.second) };
                (seq.wrapping_sub(mine), ack.wrapping_sub(other))
            }
            Some(known) => {
                (known.first, known.second) = (first, second);
                (seq, ack)
            }
            None => {
                self.conversations.push(Conversation { ends, first, second });
                (seq, ack)
            }
        }
    }

    fn icmp(&mut self, packet: &Packet, icmp: &Icmp) -> String {
        let length = packet.len - 20;
        let (high, low) = (icmp.info >> 16, icmp.info & 0xffff);
        let Some(quote) = &icmp.quote else {
            let kind = if icmp.kind == 8 { "request" } else { "reply" };
            return format!("ICMP echo {kind}, id {high}, seq {low}, length {length}");
        };
        let to = quote.routed_dst();
        let what = match (icmp.kind, icmp.code) {
            (3, 0) => format!("net {to} unreachable"),
            (3, 1) => format!("host {to} unreachable"),
            (3, 2) => format!("{to} protocol {} unreachable", protocol_of(quote)),
            (3, 3) => match (&quote.outer, &quote.payload) {
                (None, Payload::Tcp(segment)) => format!("{to} tcp port {} unreachable", segment.dport),
                (None, Payload::Udp(datagram)) => format!("{to} udp port {} unreachable", datagram.dport),
                // tcpdump takes the inner packet's length for a port.
                _ => format!("{to} protocol {} port {} unreachable", protocol_of(quote), quote.len),
            },
            (3, 4) => format!("{to} unreachable - need to frag (mtu {})", icmp.info),
            (5, 1) => format!("redirect {to} to host {}", Addr::v4(icmp.info)),
            (11, 0) => "time exceeded in-transit".to_owned(),
            (kind, code) => format!("type {kind} code {code}"),
        };
        format!("ICMP {what}, length {length} {}", self.packet(quote))
    }
}

fn header(tos: u8, ttl: u8, id: u16, df: bool, protocol: &str, len: u16) -> String {
    let tos = if tos == 0 { String::new() } else { format!("tos {tos:#x}, ") };
    let df = if df { ", DF" } else { "" };
    format!("({tos}ttl {ttl}, id {id}{df}, {protocol} {len})")
}

fn header_v6(tos: u8, hops: u8, protocol: &str, len: u16) -> String {
    let class = if tos == 0 { String::new() } else { format!("class {tos:#x}, ") };
    format!("({class}hlim {hops}, {protocol} {len})")
}

/// An ICMPv6 message; tcpdump does not print what an error quotes.
fn icmp_v6(icmp: &Icmp) -> String {
    let to = icmp.quote.as_ref().map(|quote| quote.routed_dst().to_string()).unwrap_or_default();
    let what = match (icmp.kind, icmp.code) {
        (128, _) => format!("echo request, id {}, seq {}", icmp.info >> 16, icmp.info & 0xffff),
        (129, _) => format!("echo reply, id {}, seq {}", icmp.info >> 16, icmp.info & 0xffff),
        (1, 0) => format!("destination unreachable, unreachable route {to}"),
        (1, 3) => format!("destination unreachable, unreachable address {to}"),
        // Of the ports of a packet in a packet tcpdump knows nothing.
        (1, 4) if icmp.quote.as_ref().is_some_and(|quote| quote.outer.is_some()) => {
            "destination unreachable, unreachable port [|icmp6]".to_owned()
        }
        (2, _) => format!("packet too big, mtu {}", icmp.info),
        (4, 1) => format!("parameter problem, next header - octet {}", icmp.info),
        (kind, code) => format!("type {kind} code {code}"),
    };
    format!("ICMP6, {what}")
}

fn ndisc(message: &Ndisc) -> String {
    let (target, length) = (message.target, message.bytes());
    let at = |what: &str| match message.link_address() {
        Some(mac) => format!(", {what} lladdr {}", short(mac)),
        None => String::new(),
    };
    let asked = format!("ICMP6, neighbor solicitation, length {length}, who has {target}");
    match message.kind {
        NdiscKind::Solicitation => format!("{asked}{}", at("source")),
        NdiscKind::Probe => format!("{asked}, nonce {:012x}", message.probe_number().unwrap_or(0)),
        NdiscKind::Advertisement => {
            let names = [
                (NdiscFlags::ROUTER, "router"),
                (NdiscFlags::SOLICITED, "solicited"),
                (NdiscFlags::OVERRIDE, "override"),
            ];
            let set: Vec<&str> =
                names.iter().filter(|(flag, _)| message.flags.has(*flag)).map(|(_, name)| *name).collect();
            let flags = set.join(", ");
            let length = format!("length {length}, tgt is {target}, Flags [{flags}]");
            format!("ICMP6, neighbor advertisement, {length}{}", at("target"))
        }
    }
}

fn protocol_of(packet: &Packet) -> u8 {
    if packet.outer.is_some() { 4 } else { packet.protocol() }
}

fn arp_text(arp: &Arp) -> String {
    match arp.op {
        ArpOp::Request if arp.target_mac == Mac::ZERO => {
            format!("ARP Request who-has {} tell {}", arp.target, arp.sender)
        }
        ArpOp::Request => {
            format!("ARP Request who-has {} ({}) tell {}", arp.target, short(arp.target_mac), arp.sender)
        }
        ArpOp::Reply => format!("ARP Reply {} is-at {}", arp.sender, short(arp.sender_mac)),
    }
}

/// 02:00:00:00:00:XX as XX, everybody's address as bc.
fn short(mac: Mac) -> String {
    let text = mac.to_string();
    match text.strip_prefix("02:00:00:00:00:") {
        Some(last) => last.to_owned(),
        None if mac == Mac::BROADCAST => "bc".to_owned(),
        None => text,
    }
}
