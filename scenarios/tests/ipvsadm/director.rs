//! The director's host as the transcripts describe it, and what happens to it between commands.

use net_model::addr::{Addr, Family, Prefix};
use net_model::ipvs::{Director, Kernel, Path, Surroundings, Timers, Verdict};
use net_model::packet::{Flags, Packet, Payload, Segment, proto};
use scenarios::console::iptables::{Change, Condition, Iptables, PacketCondition, Target};
use scenarios::console::ipvsadm::Link;
use scenarios::console::names::Names;
use sim_core::{Stream, Time};

/// Everything that a transcript's commands and packets meet.
pub(crate) struct World {
    pub(crate) director: Director,
    pub(crate) host: Host,
    pub(crate) links: Vec<Link>,
    pub(crate) names: Names,
    pub(crate) now: Time,
    rules: Vec<Iptables>,
    timers: Timers,
}

/// The host's own addresses.
pub(crate) struct Host {
    local: Vec<Addr>,
    broadcast: Vec<Addr>,
}

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        self.local.contains(&addr) || addr.is_loopback()
    }

    fn is_broadcast(&self, addr: Addr) -> bool {
        self.broadcast.contains(&addr)
    }

    fn route(&self, dst: Addr) -> Option<Path> {
        let source = self.local.iter().find(|addr| addr.family() == dst.family())?;
        Some(Path { mtu: 1500, source: *source })
    }
}

impl World {
    /// The set-up that `index.json` describes for this file.
    pub(crate) fn of(file: &str, timers: Timers) -> World {
        let number: u32 = file[..2].parse().expect("transcripts are numbered");
        let local: &[&str] = match number {
            14 => &["192.168.1.1", "192.168.2.1"],
            40.. => &["10.0.0.2", "10.0.0.100", "192.168.10.254", "2001:db8::2", "2001:db8::100"],
            _ => &[],
        };
        let links: &[&str] = if number == 14 { &["lo", "eth0", "eth1"] } else { &[] };
        let addr = |text: &&str| text.parse::<Addr>().expect("an address");
        let link = |name: &&str| Link { name: name.to_string(), is_usable: true };
        World {
            director: Director::new(Kernel::New, timers, Stream::new(0, "director")),
            host: Host { local: local.iter().map(addr).collect(), broadcast: vec![] },
            links: links.iter().map(link).collect(),
            names: if number == 22 { hosts_file() } else { Names::default() },
            now: Time::ZERO,
            rules: vec![],
            timers,
        }
    }

    /// A fresh director: "table and timeouts are cleared".
    pub(crate) fn clear(&mut self) {
        self.director = Director::new(Kernel::New, self.timers, Stream::new(0, "director"));
    }

    /// Three interfaces come into being: two in use, one down.
    pub(crate) fn plug_in(&mut self) {
        let link = |(name, is_usable): (&str, bool)| Link { name: name.to_string(), is_usable };
        self.links = [("eth0", true), ("eth1", true), ("eth2", false)].map(link).to_vec();
        let lans = ["192.168.1.1", "192.168.2.1"].map(|text| text.parse::<Addr>().expect("an address"));
        self.host.local.extend(lans);
        self.host.broadcast = lans.map(|addr| Prefix::new(addr, 24).last()).to_vec();
    }

    pub(crate) fn add_rule(&mut self, rule: Iptables) {
        self.rules.push(rule);
    }

    /// A packet arrives.
    pub(crate) fn receive(&mut self, packet: &Packet) {
        let mut packet = packet.clone();
        for rule in &self.rules {
            if let Change::Append(rule) = &rule.change {
                let hits = rule.matches.iter().all(|(condition, holds)| is_met(condition, &packet) == *holds);
                if let (true, Target::Mark { value, mask }) = (hits, rule.target) {
                    packet.mark = packet.mark & !mask ^ value;
                }
            }
        }
        if !self.host.is_local(packet.dst) {
            packet.ttl -= 1;
            self.director.forward(self.now, &mut packet, &self.host);
            return;
        }
        let verdict = self.director.local_in(self.now, &mut packet, &self.host);
        if verdict == Verdict::Accept {
            self.answer(&packet);
        }
    }

    /// Nothing listens on the director: its stack resets TCP connections, and the resets pass LOCAL_OUT.
    fn answer(&mut self, packet: &Packet) {
        let Payload::Tcp(segment) = &packet.payload else { return };
        if segment.flags.has(Flags::RST) {
            return;
        }
        let flags = if segment.flags.has(Flags::ACK) { Flags::RST } else { Flags::RST.with(Flags::ACK) };
        let payload =
            Payload::Tcp(Segment { sport: segment.dport, dport: segment.sport, flags, ..Segment::default() });
        let len = if packet.src.family() == Family::V4 { 40 } else { 60 };
        let mut reset = Packet { src: packet.dst, dst: packet.src, len, mark: 0, payload, ..packet.clone() };
        debug_assert_eq!(reset.protocol(), proto::TCP);
        self.director.local_out(self.now, &mut reset, &self.host);
    }
}

/// The conditions that the transcripts' rules have.
fn is_met(condition: &Condition, packet: &Packet) -> bool {
    let port = packet.ports().map_or(0, |(_, dport)| dport);
    match condition {
        Condition::Packet(PacketCondition::Destination(prefix)) => prefix.contains(packet.dst),
        Condition::Packet(PacketCondition::Protocol(protocol)) => *protocol == packet.protocol(),
        Condition::Packet(PacketCondition::DestinationPorts(ports)) => {
            ports.iter().any(|(low, high)| (*low..=*high).contains(&port))
        }
        other => panic!("no transcript has {other:?}"),
    }
}

/// The hosts file of transcript 22.
fn hosts_file() -> Names {
    let mut names = Names::default();
    let hosts: [(&str, &[&str]); 7] = [
        ("127.0.0.1", &["localhost"]),
        ("10.0.0.1", &["www.example.com", "www"]),
        ("10.0.1.1", &["realserver-number-one.backend.example.com", "rs1"]),
        ("10.0.1.2", &["rs2.example.com", "rs2"]),
        ("2001:db8::1", &["v6.example.com"]),
        ("10.0.0.2", &["a-very-long-virtual-server-name.with-many-labels.example.com", "vs2"]),
        ("2001:db8::2", &["real6.a-very-long-name-for-a-server.backend.example.com"]),
    ];
    for (addr, host) in hosts {
        names.add(addr.parse().expect("an address"), host);
    }
    names
}
