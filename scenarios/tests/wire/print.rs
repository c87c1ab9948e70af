//! Frames as `tcpdump -e -n -v` prints them, in the shortened form of the recordings.
//!
//! Like tcpdump, a [`Printer`] remembers the first acknowledging segment of each conversation and prints sequence
//! numbers relative to it; the SYN and whatever acknowledges nothing keep their absolute ones.

use net_model::addr::{Addr, Mac};
use net_model::packet::{
    Arp, ArpOp, Body, Datagram, Encapsulation, Flags, Frame, Icmp, Ndisc, NdiscFlags, NdiscKind, Outer,
    Packet, Payload, Segment,
};
use std::fmt::{self, Write};

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
        let head = Header {
            tos: outer.tos,
            ttl: outer.ttl,
            id: outer.id,
            df: outer.df,
            part: String::new(),
            protocol: encapsulation(outer.kind),
            len: packet.wire_len(),
        };
        let (src, dst) = (outer.src, outer.dst);
        match outer.kind {
            Encapsulation::IpIp if !src.is_v4() => {
                let head = header_v6(outer.tos, outer.ttl, "IPv6", head.len);
                format!("{head} {src} > {dst}: {}", self.inner(packet))
            }
            Encapsulation::IpIp => format!("{head} {src} > {dst}: {}", self.inner(packet)),
            Encapsulation::Gre { checksum } => {
                let checksum = if checksum { ", checksum" } else { "" };
                let len = head.len - 20;
                format!("{head} {src} > {dst}: GREv0{checksum}, length {len} {}", self.inner(packet))
            }
            // tcpdump does not look into it.
            Encapsulation::Gue { sport, dport, .. } => {
                format!("{head} {src}.{sport} > {dst}.{dport}: UDP, length {}", head.len - 28)
            }
        }
    }

    fn inner(&mut self, packet: &Packet) -> String {
        let head = Header {
            tos: packet.tos,
            ttl: packet.ttl,
            id: packet.id,
            df: packet.df,
            part: part(packet),
            protocol: protocol_name(packet),
            len: packet.len,
        };
        let head = match packet.src.is_v4() {
            true => head.to_string(),
            false => header_v6(packet.tos, packet.ttl, protocol_name(packet), packet.len),
        };
        format!("{head} {}", self.body(packet))
    }

    /// What is behind the header, with the ends in front.
    fn body(&mut self, packet: &Packet) -> String {
        let ends = format!("{} > {}", packet.src, packet.dst);
        match &packet.payload {
            Payload::Tcp(segment) => self.segment(packet, segment),
            Payload::Icmp(icmp) if packet.src.is_v4() => format!("{ends}: {}", self.icmp(packet, icmp)),
            Payload::Icmp(icmp) => format!("{ends}: {}", icmp_v6(icmp)),
            Payload::Ndisc(message) => format!("{ends}: {}", ndisc(message)),
            Payload::Udp(Datagram { sport, dport }) => {
                format!("{}.{sport} > {}.{dport}: UDP, length {}", packet.src, packet.dst, packet.len - 28)
            }
            Payload::Fragment(fragment) => match fragment.whole.as_deref() {
                None => format!("{ends}: ip-proto-{}", fragment.protocol),
                Some(whole) if whole.outer.is_some() => {
                    let missing = whole.len - (packet.len - 20);
                    let inner = self.inner(&Packet { outer: None, ..whole.clone() });
                    format!("{ends}: truncated-ip - {missing} bytes missing! {inner}")
                }
                // The length of a datagram stands in its header, that of an ICMP message does not.
                Some(Packet { payload: Payload::Icmp(icmp), .. }) => {
                    format!("{ends}: {}", self.icmp(packet, icmp))
                }
                Some(whole) => self.body(whole),
            },
            _ => ends,
        }
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
                (Some(Outer { kind: Encapsulation::Gue { dport, .. }, .. }), _) => {
                    format!("{to} udp port {dport} unreachable")
                }
                // tcpdump takes for a port what stands where TCP has it: the type of what is in GRE, IPv4 …
                (Some(Outer { kind: Encapsulation::Gre { .. }, .. }), _) => {
                    format!("{to} protocol 47 port {} unreachable", 0x0800)
                }
                // … and in IP in IP the length of the inner packet.
                _ => format!("{to} protocol {} port {} unreachable", protocol_of(quote), quote.len),
            },
            (3, 4) => format!("{to} unreachable - need to frag (mtu {})", icmp.info),
            (5, 1) => format!("redirect {to} to host {}", Addr::v4(icmp.info)),
            (11, 0) => "time exceeded in-transit".to_owned(),
            (11, 1) => "ip reassembly time exceeded".to_owned(),
            (kind, code) => format!("type {kind} code {code}"),
        };
        format!("ICMP {what}, length {length} {}", self.packet(quote))
    }
}

/// An IP header as tcpdump shows it.
struct Header {
    tos: u8,
    ttl: u8,
    id: u16,
    df: bool,
    /// Which fragment it is.
    part: String,
    protocol: &'static str,
    len: u16,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tos = if self.tos == 0 { String::new() } else { format!("tos {:#x}, ", self.tos) };
        let df = if self.df { ", DF" } else { "" };
        write!(f, "({tos}ttl {}, id {}{df}{}, {} {})", self.ttl, self.id, self.part, self.protocol, self.len)
    }
}

/// Offset and "more" of a fragment.
fn part(packet: &Packet) -> String {
    match (packet.fragment_offset, packet.more_fragments) {
        (0, false) => String::new(),
        (offset, true) => format!(", offset {offset}, +"),
        (offset, false) => format!(", offset {offset}"),
    }
}

fn encapsulation(kind: Encapsulation) -> &'static str {
    match kind {
        Encapsulation::IpIp => "IPIP",
        Encapsulation::Gre { .. } => "GRE",
        Encapsulation::Gue { .. } => "UDP",
    }
}

fn protocol_name(packet: &Packet) -> &'static str {
    match packet.protocol() {
        1 => "ICMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        58 => "ICMPv6",
        132 => "SCTP",
        _ => "other",
    }
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
