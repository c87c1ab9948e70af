//! A reader for the `ipvsadm` and `iptables` lines of the recordings: only what occurs there.

use crate::driver::{Host, MarkRule, endpoint, protocol_number};
use net_model::addr::{Addr, Family, Prefix};
use net_model::ipvs::{
    DestinationConfig, DestinationKey, Forwarding, GueChecksum, Protocol, ServiceConfig, ServiceKey,
    TimeoutSettings, Tunnel,
};

/// Runs `ipvsadm ARGS`; it must succeed.
pub(crate) fn ipvsadm(host: &mut Host, args: &str) -> Result<(), String> {
    let line = Line::read(args);
    let now = host.now;
    let director = &mut host.director;
    let service = || line.service.expect("a service");
    let destination = || line.destination();
    let done = match line.command {
        "-A" => director.add_service(now, service(), &line.service_config()),
        "-E" => director.edit_service(now, service(), &line.service_config()),
        "-D" => director.delete_service(now, service()),
        "-a" => director.add_destination(now, service(), destination(), &line.config(), &host.links),
        "-e" => director.edit_destination(now, service(), destination(), &line.config()),
        "-d" => director.delete_destination(now, service(), destination()),
        "-Z" => director.zero(now, line.service),
        "--set" => director.set_timeouts(line.timeouts.expect("three timeouts")),
        other => panic!("unknown command {other}"),
    };
    done.map_err(|error| format!("ipvsadm {args}: {error:?}"))
}

/// Adds a rule of `iptables -t mangle -A PREROUTING … -j MARK --set-mark N`.
pub(crate) fn iptables(host: &mut Host, args: &str) {
    let mut words = args.split(' ');
    let mut rule = MarkRule { to: Prefix::new(Addr::UNSPECIFIED_V4, 0), protocol: 0, port: None, mark: 0 };
    while let Some(option) = words.next() {
        let value = words.next().expect("options have values");
        match option {
            "-t" | "-A" | "-j" => {}
            "-d" => rule.to = prefix(value),
            "-p" => rule.protocol = protocol_number(value),
            "--dport" => rule.port = Some(value.parse().expect("a port")),
            "--set-mark" => rule.mark = value.parse().expect("a mark"),
            other => panic!("unknown option {other}"),
        }
    }
    host.rules.push(rule);
}

fn prefix(text: &str) -> Prefix {
    let (addr, len) = text.split_once('/').unwrap_or((text, "128"));
    Prefix::new(addr.parse().expect("an address"), len.parse().expect("a prefix length"))
}

/// The options of a command line.
struct Line<'a> {
    command: &'a str,
    service: Option<ServiceKey>,
    server: Option<&'a str>,
    scheduler: &'a str,
    flags: Vec<&'a str>,
    persistence: Option<u32>,
    netmask: Option<&'a str>,
    one_packet: bool,
    engine: Option<&'a str>,
    method: char,
    tunnel: &'a str,
    tunnel_port: u16,
    tunnel_checksum: bool,
    weight: i32,
    upper: u32,
    lower: u32,
    timeouts: Option<TimeoutSettings>,
}

impl<'a> Line<'a> {
    fn read(args: &'a str) -> Line<'a> {
        let mut words = args.split_ascii_whitespace().peekable();
        let mut line = Line {
            command: words.next().expect("a command"),
            service: None,
            server: None,
            scheduler: "wlc",
            flags: Vec::new(),
            persistence: None,
            netmask: None,
            one_packet: false,
            engine: None,
            method: 'g',
            tunnel: "ipip",
            tunnel_port: 0,
            tunnel_checksum: false,
            weight: 1,
            upper: 0,
            lower: 0,
            timeouts: None,
        };
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
        if line.command == "--set" {
            let mut next = || number(words.next()).expect("a timeout");
            line.timeouts = Some(TimeoutSettings { tcp: next(), tcp_fin: next(), udp: next() });
            return line;
        }
        while let Some(option) = words.next() {
            match option {
                "-t" => line.service = words.next().map(|word| service(Protocol::Tcp, word)),
                "-u" => line.service = words.next().map(|word| service(Protocol::Udp, word)),
                "--sctp-service" => line.service = words.next().map(|word| service(Protocol::Sctp, word)),
                "-f" => {
                    let mark = number(words.next()).expect("a mark");
                    line.service = Some(ServiceKey::Mark { family: Family::V4, mark });
                }
                "-6" => match &mut line.service {
                    Some(ServiceKey::Mark { family, .. }) => *family = Family::V6,
                    other => panic!("-6 belongs to a mark, not to {other:?}"),
                },
                "-r" => line.server = words.next(),
                "-s" => line.scheduler = words.next().expect("a scheduler"),
                "-b" => line.flags = words.next().expect("flags").split(',').collect(),
                "-p" => {
                    let timeout = words.next_if(|word| !word.starts_with('-'));
                    line.persistence =
                        Some(timeout.map_or(300, |word| number(Some(word)).expect("a timeout")));
                }
                "-M" => line.netmask = words.next(),
                "-o" => line.one_packet = true,
                "--pe" => line.engine = words.next(),
                "-g" | "-i" | "-m" => line.method = option.as_bytes()[1] as char,
                "-w" => line.weight = number(words.next()).expect("a weight") as i32,
                "-x" => line.upper = number(words.next()).expect("a threshold"),
                "-y" => line.lower = number(words.next()).expect("a threshold"),
                "--tun-type" => line.tunnel = words.next().expect("a tunnel type"),
                "--tun-port" => line.tunnel_port = number(words.next()).expect("a port") as u16,
                "--tun-csum" => line.tunnel_checksum = true,
                "--tun-nocsum" => line.tunnel_checksum = false,
                other => panic!("unknown option {other}"),
            }
        }
        line
    }

    fn family(&self) -> Family {
        self.service.expect("a service").family()
    }

    fn service_config(&self) -> ServiceConfig {
        let width = if self.family() == Family::V4 { 32 } else { 128 };
        let netmask = match self.netmask {
            Some(mask) if mask.contains('.') => mask.parse().expect("a netmask"),
            Some(len) => Addr::v6(u128::MAX).masked(len.parse().expect("a prefix length")),
            None if width == 32 => Addr::BROADCAST_V4,
            None => Addr::v6(u128::MAX),
        };
        let bit = |flag: &&str| match *flag {
            "flag-1" | "sh-fallback" | "mh-fallback" => 1,
            "flag-2" | "sh-port" | "mh-port" => 2,
            other => panic!("unknown flag {other}"),
        };
        ServiceConfig {
            scheduler: self.scheduler.to_owned(),
            scheduler_flags: self.flags.iter().map(bit).sum(),
            persistence: self.persistence,
            netmask,
            one_packet: self.one_packet,
            engine: self.engine.map(str::to_owned),
        }
    }

    /// With `-g` and `-i` the server's port is the service's.
    fn destination(&self) -> DestinationKey {
        let server = self.server.expect("a server");
        let service_port = match self.service.expect("a service") {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark { .. } => 0,
        };
        let has_port = server.contains("]:") || server.matches(':').count() == 1;
        let (addr, port) = if has_port {
            endpoint(server)
        } else {
            let addr = server.trim_start_matches('[').trim_end_matches(']');
            (addr.parse().expect("an address"), service_port)
        };
        // A command that only names the destination has no method to go by.
        let port = if self.command != "-d" && self.method != 'm' { service_port } else { port };
        DestinationKey { addr, port }
    }

    fn config(&self) -> DestinationConfig {
        let forwarding = match (self.method, self.tunnel) {
            ('m', _) => Forwarding::Masquerade,
            ('g', _) => Forwarding::Route,
            (_, "gre") => Forwarding::Tunnel(Tunnel::Gre { checksum: self.tunnel_checksum }),
            (_, "gue") => {
                let checksum = if self.tunnel_checksum { GueChecksum::Full } else { GueChecksum::None };
                Forwarding::Tunnel(Tunnel::Gue { port: self.tunnel_port, checksum })
            }
            _ => Forwarding::Tunnel(Tunnel::IpIp),
        };
        DestinationConfig { forwarding, weight: self.weight, upper: self.upper, lower: self.lower }
    }
}

fn service(protocol: Protocol, text: &str) -> ServiceKey {
    let (addr, port) = endpoint(text);
    ServiceKey::Address { protocol, addr, port }
}
