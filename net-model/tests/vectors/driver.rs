//! The director's host as the recordings describe it: two links, local addresses, a local stack without programs.

use net_model::addr::{Addr, Family, Prefix};
use net_model::ipvs::{Director, IcmpError, Kernel, Path, Surroundings, Timers, Verdict};
use net_model::packet::{Chunks, Datagram, Flags, Icmp, Packet, Payload, Segment, proto};
use net_model::verdict::DropReason;
use sim_core::{Duration, Stream, Time, Wheel};

/// The kernel that a recording was made on.
#[derive(Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) profile: Kernel,
    /// Jiffies per second.
    pub(crate) hz: u32,
    /// How far the recording's real time may have run ahead of its waits, in seconds.
    pub(crate) drift: u64,
}

impl Reference {
    pub(crate) fn new_kernel() -> Reference {
        Reference { profile: Kernel::New, hz: 250, drift: 2 }
    }

    pub(crate) fn classic_kernel() -> Reference {
        Reference { profile: Kernel::Classic, hz: 100, drift: 4 }
    }

    /// The length of a jiffy.
    pub(crate) fn tick(self) -> Duration {
        Duration::from_nanos(1_000_000_000 / u64::from(self.hz))
    }

    /// Clocks to try: the coarsest timers of the recordings have steps of 4096 jiffies.
    pub(crate) fn clocks(self) -> impl Iterator<Item = Timers> {
        (0..64).map(move |phase| {
            Timers::Wheel(Wheel::new(self.hz, Duration::from_nanos(self.tick().as_nanos() * 64 * phase)))
        })
    }
}

/// A firewall rule that marks packets.
#[derive(Debug)]
pub(crate) struct MarkRule {
    pub(crate) to: Prefix,
    pub(crate) protocol: u8,
    pub(crate) port: Option<u16>,
    pub(crate) mark: u32,
}

/// Addresses and routes.
pub(crate) struct Links {
    /// Is 10.9.0.0/16 routed to the local host?
    pub(crate) all_local: bool,
    /// MTU of the link to the servers.
    pub(crate) server_mtu: u16,
}

impl Surroundings for Links {
    fn is_local(&self, addr: Addr) -> bool {
        let mine = ["10.1.0.1", "10.0.0.1", "10.9.0.100", "10.9.0.101", "fd01::1", "fd00::1", "fd09::100"];
        let is_mine = mine.iter().any(|text| text.parse() == Ok(addr));
        is_mine || self.all_local && within("10.9.0.0", 16, addr) || within("127.0.0.0", 8, addr)
    }

    fn route(&self, dst: Addr) -> Option<Path> {
        let to_servers = within("10.0.0.0", 24, dst) || within("fd00::", 64, dst);
        let source = match (dst.family(), to_servers) {
            (Family::V4, true) => "10.0.0.1",
            (Family::V4, false) => "10.1.0.1",
            (Family::V6, true) => "fd00::1",
            (Family::V6, false) => "fd01::1",
        };
        let mtu = if to_servers { self.server_mtu } else { 1500 };
        Some(Path { mtu, source: source.parse().expect("a valid address") })
    }
}

fn within(net: &str, len: u8, addr: Addr) -> bool {
    Prefix::new(net.parse().expect("a valid address"), len).contains(addr)
}

/// What leaves the host because of a packet.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Towards a server.
    ToServer(Addr, Packet),
    /// Towards a client.
    ToClient(Packet),
    /// Dropped, or the end of the story.
    Nothing(&'static str),
}

/// The host.
pub(crate) struct Host {
    pub(crate) director: Director,
    pub(crate) links: Links,
    pub(crate) rules: Vec<MarkRule>,
    pub(crate) now: Time,
    /// Does it forward packets that IPVS does not take?
    pub(crate) forwards: bool,
}

impl Host {
    pub(crate) fn new(profile: Kernel, timers: Timers) -> Host {
        Host {
            director: Director::new(profile, timers, Stream::new(0, "director")),
            links: Links { all_local: false, server_mtu: 1500 },
            rules: Vec::new(),
            // Whole minutes after boot: services are not configured at boot.
            now: Time::ZERO + Duration::from_secs(120),
            forwards: true,
        }
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.director.advance(self.now);
    }

    /// A packet arrives over either link.
    pub(crate) fn receive(&mut self, mut packet: Packet) -> Outcome {
        for rule in &self.rules {
            let port = packet.ports().map(|(_, port)| port);
            let hit = rule.to.contains(packet.dst)
                && rule.protocol == packet.protocol()
                && (rule.port.is_none() || rule.port == port);
            if hit {
                packet.mark = rule.mark;
            }
        }
        if !self.links.is_local(packet.dst) {
            return self.forward(packet);
        }
        match self.director.local_in(self.now, &mut packet, &self.links) {
            Verdict::Accept => self.local_stack(&packet),
            verdict => self.carry_out(verdict, packet),
        }
    }

    fn forward(&mut self, mut packet: Packet) -> Outcome {
        if !self.forwards {
            return Outcome::Nothing(DropReason::NotForwarding.name());
        }
        if packet.ttl <= 1 {
            return self.send(icmp_about(&packet, IcmpError { kind: 11, code: 0, info: 0 }, &self.links));
        }
        packet.ttl -= 1;
        match self.director.forward(self.now, &mut packet, &self.links) {
            Verdict::Accept => leave(packet),
            verdict => self.carry_out(verdict, packet),
        }
    }

    fn carry_out(&mut self, verdict: Verdict, packet: Packet) -> Outcome {
        match verdict {
            Verdict::Accept => leave(packet),
            Verdict::Send { to } => Outcome::ToServer(to, packet),
            Verdict::Drop(reason) => Outcome::Nothing(reason.name()),
            Verdict::Reject(_, error) => self.send(icmp_about(&packet, error, &self.links)),
            Verdict::Respond(response) => self.send(*response),
        }
    }

    /// A host without programs: resets, port and protocol unreachable, echo replies.
    fn local_stack(&mut self, packet: &Packet) -> Outcome {
        let v4 = packet.src.is_v4();
        let unreachable = |code| IcmpError { kind: if v4 { 3 } else { 1 }, code, info: 0 };
        match &packet.payload {
            Payload::Tcp(segment) if segment.flags.has(Flags::RST) => Outcome::Nothing("no answer"),
            Payload::Tcp(segment) => self.send(reset(packet, segment)),
            Payload::Udp(_) | Payload::Sync(_) => {
                self.send(icmp_about(packet, unreachable(if v4 { 3 } else { 4 }), &self.links))
            }
            Payload::Icmp(Icmp { kind: 8, info, .. }) => self.send(Packet {
                src: packet.dst,
                dst: packet.src,
                ttl: 64,
                payload: Payload::Icmp(Icmp { kind: 0, code: 0, info: *info, quote: None }),
                ..packet.clone()
            }),
            Payload::Icmp(_) | Payload::Ndisc(_) => Outcome::Nothing("no answer"),
            Payload::Sctp(_) | Payload::Fragment(_) | Payload::Other(_) => {
                self.send(icmp_about(packet, unreachable(2), &self.links))
            }
        }
    }

    /// The host's own packets pass LOCAL_OUT.
    fn send(&mut self, mut packet: Packet) -> Outcome {
        match self.director.local_out(self.now, &mut packet, &self.links) {
            Verdict::Accept => leave(packet),
            verdict => self.carry_out(verdict, packet),
        }
    }
}

/// By which link a packet leaves.
fn leave(packet: Packet) -> Outcome {
    let to_servers = within("10.0.0.0", 24, packet.dst) || within("fd00::", 64, packet.dst);
    if to_servers { Outcome::ToServer(packet.dst, packet) } else { Outcome::ToClient(packet) }
}

fn reset(to: &Packet, segment: &Segment) -> Packet {
    let flags = if segment.flags.has(Flags::ACK) { Flags::RST } else { Flags::RST.with(Flags::ACK) };
    let answer = Segment { sport: segment.dport, dport: segment.sport, flags, ..Segment::default() };
    packet(to.dst, to.src, Payload::Tcp(answer))
}

fn icmp_about(about: &Packet, error: IcmpError, links: &Links) -> Packet {
    let source =
        if links.is_local(about.dst) { about.dst } else { links.route(about.src).expect("a route").source };
    let icmp =
        Icmp { kind: error.kind, code: error.code, info: error.info, quote: Some(Box::new(about.clone())) };
    let len = about.len.saturating_add(28).min(576);
    Packet { len, tos: 0xc0, df: false, ..packet(source, about.src, Payload::Icmp(icmp)) }
}

/// A packet as the recordings send them: 40 bytes of TCP, 28 of UDP, TTL 64.
pub(crate) fn packet(src: Addr, dst: Addr, payload: Payload) -> Packet {
    let transport = match &payload {
        Payload::Tcp(_) => 20,
        Payload::Udp(_) | Payload::Sync(_) => 8,
        Payload::Sctp(_) => 16,
        Payload::Icmp(_) | Payload::Fragment(_) | Payload::Other(_) => 8,
        Payload::Ndisc(message) => message.bytes(),
    };
    Packet {
        src,
        dst,
        mark: 0,
        flow: 0,
        len: transport + if src.is_v4() { 20 } else { 40 },
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: src.is_v4(),
        ttl: 64,
        tos: 0,
        payload,
        outer: None,
        text: None,
    }
}

/// `10.0.0.3:80`, `[fd00::3]:80`
pub(crate) fn endpoint(text: &str) -> (Addr, u16) {
    let (addr, port) = text.rsplit_once(':').expect("ADDRESS:PORT");
    let addr = addr.trim_start_matches('[').trim_end_matches(']');
    (addr.parse().expect("a valid address"), port.parse().expect("a valid port"))
}

/// The letters of TCP flags, in the order in which the recordings write them.
const LETTERS: [(char, Flags); 5] =
    [('S', Flags::SYN), ('A', Flags::ACK), ('F', Flags::FIN), ('P', Flags::PSH), ('R', Flags::RST)];

pub(crate) fn flags(letters: &str) -> Flags {
    let flag = |letter| LETTERS.iter().find(|(l, _)| *l == letter).expect("a TCP flag").1;
    letters.chars().map(flag).fold(Flags::default(), Flags::with)
}

/// `SA`
pub(crate) fn letters(flags: Flags) -> String {
    LETTERS.iter().filter(|(_, flag)| flags.has(*flag)).map(|(letter, _)| letter).collect()
}

/// `tcp 192.168.1.1:2000 10.9.0.100:80 S`
pub(crate) fn parse_packet(text: &str) -> Packet {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let protocol = word().expect("a protocol");
    let (src, sport) = endpoint(word().expect("a source"));
    let (dst, dport) = endpoint(word().expect("a destination"));
    let detail = word();
    let payload = match protocol {
        "tcp" => {
            let flags = flags(detail.expect("TCP flags"));
            Payload::Tcp(Segment { sport, dport, flags, ..Segment::default() })
        }
        "udp" => Payload::Udp(Datagram { sport, dport }),
        "sctp" => {
            let first = detail.and_then(|number| number.parse().ok()).expect("a chunk type");
            Payload::Sctp(Chunks { sport, dport, first, second: None })
        }
        other => panic!("unknown protocol {other}"),
    };
    packet(src, dst, payload)
}

/// Where a packet went, in the words of the recordings. `asked` is the packet that came in.
pub(crate) fn describe(asked: &Packet, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Nothing(_) => "none".to_owned(),
        Outcome::ToServer(to, packet) => match (&packet.outer, packet.ports()) {
            (Some(_), _) => format!("tun {to}"),
            (None, _) if packet.dst == asked.dst => format!("dr {to}"),
            (None, Some((_, port))) => format!("nat {}:{port}", packet.dst),
            (None, None) => format!("to server {to}"),
        },
        Outcome::ToClient(packet) => match &packet.payload {
            Payload::Icmp(icmp) => format!("icmp {}/{} to client", icmp.kind, icmp.code),
            Payload::Tcp(segment) => {
                format!("to client from {}:{} {}", packet.src, segment.sport, letters(segment.flags))
            }
            _ => format!("to client from {}", packet.src),
        },
    }
}

/// The number of a protocol's name.
pub(crate) fn protocol_number(name: &str) -> u8 {
    match name {
        "tcp" => proto::TCP,
        "udp" => proto::UDP,
        "sctp" => proto::SCTP,
        other => panic!("unknown protocol {other}"),
    }
}
