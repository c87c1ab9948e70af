//! Networks that nobody would build: hosts anywhere, addresses, routes, rules and settings at random, traffic into all
//! of it. Whatever happens, nothing panics, no frame is lost from the books, no packet outlives its time to live, tables
//! stay within bounds, and in the end there is silence.
//!
//! `LVSIM_FUZZ=1000000 cargo test --release -p scenarios --test random_networks` is the long run.

#[path = "../../net-model/tests/fuzz/harness.rs"]
mod harness;

use harness::{fuzz, one};
use net_model::addr::{Addr, Mac};
use net_model::capture::{Captured, Direction};
use net_model::host::InterfaceKind;
use net_model::ipvs::{Kernel, Protocol};
use net_model::packet::{Body, Payload};
use net_model::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target,
};
use net_model::{HostId, Network, Options, SwitchId};
use scenarios::apply::Shell;
use scenarios::console::Command;
use scenarios::console::names::Names;
use sim_core::{Dist, Duration, Stream, Time, Timers, Wheel};
use std::collections::BTreeMap;

/// The most memory that all cases together may have in use at a time.
const MEMORY: usize = 256 << 20;
const HOSTS: usize = 6;
const SWITCHES: usize = 3;
/// A packet leaves hosts at most this often: each takes one from its time to live.
const TTL: usize = 64;
/// `gc_thresh3`
const NEIGHBOURS: usize = 1024;
/// After this long nobody tries any more: sixteen retransmissions of TCP.
const SILENCE: Duration = Duration::from_secs(1500);

const CABLE: LinkSpec =
    LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(50), queue_bytes: 1 << 20, loss: 0.0 };

/// A step of a story.
#[derive(Clone, Debug)]
enum Step {
    /// A cable from an interface of a host to a switch.
    Plug(usize, usize, usize),
    /// A command on a host.
    Command(usize, String),
    Ping(usize, Addr, u16),
    /// A client asks an address, by UDP or TCP, with so many bytes.
    Ask(usize, Addr, bool, u32),
    Pull(usize, bool),
    Crash(usize, bool),
    Wait(Duration),
}

#[test]
fn whatever_is_built_stays_within_bounds() {
    fuzz(400, MEMORY, story, run);
}

fn story(stream: &mut Stream) -> Vec<Step> {
    let mut steps = Vec::new();
    for host in 0..HOSTS {
        steps.push(Step::Plug(host, 0, host % 2));
        if stream.chance(0.4) {
            steps.push(Step::Plug(host, 1, stream.below(SWITCHES as u64) as usize));
        }
        steps.push(Step::Command(host, format!("ip addr add 10.0.{}.{}/24 dev eth0", host % 2, host + 1)));
        if stream.chance(0.5) {
            steps.push(Step::Command(host, "sysctl -w net.ipv4.ip_forward=1".to_owned()));
        }
        if stream.chance(0.7) {
            let gateway = 1 + host % 2 + 2 * stream.below(3) as usize; // one on the same switch, perhaps the host itself
            steps.push(Step::Command(host, format!("ip route add default via 10.0.{}.{gateway}", host % 2)));
        }
    }
    for _ in 0..10 + stream.below(50) {
        let host = stream.below(HOSTS as u64) as usize;
        steps.push(match stream.below(20) {
            0..=11 => Step::Command(host, command(stream)),
            12..=14 => Step::Ping(host, addr(stream), one(stream, &[0, 56, 1472, 3000])),
            15 | 16 => {
                Step::Ask(host, addr(stream), stream.chance(0.4), one(stream, &[1, 100, 4000, 30_000]))
            }
            17 => Step::Pull(host, stream.chance(0.5)),
            18 => Step::Crash(host, stream.chance(0.7)),
            _ => Step::Wait(Duration::from_millis(one(stream, &[1, 50, 1000, 6000, 60_000]))),
        });
    }
    steps
}

/// One of few addresses, so that the parts of a network have to do with one another.
fn addr(stream: &mut Stream) -> Addr {
    let host = one(stream, &[1, 2, 3, 4, 5, 6, 100, 100, 100, 254, 255, 0]);
    Addr::v4(0x0a00_0000 | (stream.below(3) as u32) << 8 | host)
}

/// A command, sensible or not.
fn command(stream: &mut Stream) -> String {
    let (a, b, c) = (addr(stream), addr(stream), addr(stream));
    let dev = one(stream, &["eth0", "eth0", "eth1", "lo", "tunl0"]);
    let len = one(stream, &[32, 32, 24, 16, 8]);
    let vip = "10.0.0.100";
    match stream.below(26) {
        0..=2 => format!("ip addr add {a}/{len} dev {dev}"),
        3 => format!("ip addr add {vip}/32 dev {dev}"),
        4 => format!("ip addr del {a}/{len} dev {dev}"),
        5 => format!("ip link set {dev} {}", one(stream, &["up", "down", "arp off", "mtu 1400", "mtu 576"])),
        6..=8 => format!("ip route add default via {a}"),
        9 => format!("ip route add {a}/32 via {b} dev {dev} mtu {}", one(stream, &[600, 1300, 1500])),
        10 => {
            format!("ip route add {} {a}/32", one(stream, &["blackhole", "unreachable", "prohibit", "throw"]))
        }
        11 => format!("ip route add {a}/32 nexthop via {b} nexthop via {c} weight 2"),
        12 => format!("ip rule add fwmark {} lookup 100", stream.below(2)),
        13 => format!("ip route add local 0/0 dev lo table {}", one(stream, &[100, 254])),
        14 => {
            format!("ip neigh replace {a} lladdr 02:00:00:00:00:0{} dev {dev} nud permanent", stream.below(7))
        }
        15 => format!("ip neigh add proxy {a} dev {dev}"),
        16..=18 => setting(stream),
        19 => "sysctl -w net.ipv4.ip_forward=1".to_owned(),
        20 => rule(stream, a),
        21 => format!("arptables -A {} {a} -j DROP", one(stream, &["INPUT -d", "OUTPUT -s"])),
        22 | 23 => {
            format!("ipvsadm -A -{} {vip}:80 -s {}", one(stream, &["t", "u"]), one(stream, &["rr", "sh"]))
        }
        _ => format!(
            "ipvsadm -a -{} {vip}:80 -r {a}:80 {}",
            one(stream, &["t", "u"]),
            one(stream, &["-g", "-m", "-i", "-i --tun-type gue --tun-port 6080", "-i --tun-type gre"])
        ),
    }
}

fn setting(stream: &mut Stream) -> String {
    let of = one(stream, &["all", "all", "eth0", "eth1", "lo", "tunl0"]);
    let names = [
        "arp_ignore",
        "arp_announce",
        "arp_filter",
        "arp_accept",
        "arp_notify",
        "proxy_arp",
        "rp_filter",
        "accept_local",
        "send_redirects",
        "accept_redirects",
        "forwarding",
        "shared_media",
        "route_localnet",
    ];
    let value = one(stream, &[0, 1, 1, 1, 2, 3, 8]);
    format!("sysctl -w net.ipv4.conf.{of}.{}={value}", one(stream, &names))
}

fn rule(stream: &mut Stream, addr: Addr) -> String {
    let rules = [
        "iptables -A INPUT -j DROP -s",
        "iptables -A FORWARD -j DROP -d",
        "iptables -A OUTPUT -j DROP -d",
        "iptables -t mangle -A PREROUTING -j MARK --set-mark 1 -d",
        "iptables -A INPUT -p udp -j DROP -s",
        "iptables -A INPUT -m state --state INVALID -j DROP -s",
        "iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 80 -d",
        "iptables -t nat -A OUTPUT -p udp -j REDIRECT -d",
    ];
    format!("{} {addr}", one(stream, &rules))
}

/// The network of a story, and what is to be held against it.
struct World {
    network: Network,
    hosts: Vec<HostId>,
    switches: Vec<SwitchId>,
    plugged: Vec<(usize, usize)>,
    pings: u16,
    /// How often the echo request of this number, and its answers, left hosts.
    left: BTreeMap<(u8, u32), usize>,
}

fn run(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.take(step);
        let reached = world.network.now() + Duration::from_millis(20);
        world.pass(reached);
    }
    let calm = world.network.now() + SILENCE;
    world.pass(calm);
    let hops = world.network.hops();
    world.pass(calm + SILENCE);
    assert_eq!(world.network.hops(), hops, "somebody still sends");
    let in_flight = world.network.outcome().frames.in_flight;
    assert_eq!(in_flight, 0, "a frame waits for ever");
}

impl World {
    fn new() -> World {
        let timers = Timers::Wheel(Wheel::new(250, Duration::from_secs(1000)));
        let mut network = Network::new(Options { seed: 1, timers, sampling: Duration::from_secs(1000) });
        let switches: Vec<SwitchId> = (0..SWITCHES).map(|n| network.add_switch(&format!("s{n}"))).collect();
        network.connect_switches(switches[0], switches[2], &CABLE);
        let hosts: Vec<HostId> = (0..HOSTS).map(|n| network.add_host(&format!("h{n}"))).collect();
        let mut world =
            World { network, hosts, switches, plugged: Vec::new(), pings: 0, left: BTreeMap::new() };
        for (number, host) in world.hosts.clone().into_iter().enumerate() {
            world.equip(number as u64, host);
        }
        world.network.tap_all();
        world
    }

    /// Interfaces, and a server of each protocol.
    fn equip(&mut self, number: u64, host: HostId) {
        for eth in 0..2u64 {
            let mac = Mac::from_bits(0x0200_0000_0000 | number << 8 | eth);
            let id = self.network.add_interface(host, &format!("eth{eth}"), InterfaceKind::Ethernet, mac);
            self.network.set_interface_up(host, id, true);
        }
        self.network.add_interface(host, "tunl0", InterfaceKind::Tunnel, Mac::ZERO);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let spec = ServerSpec {
                protocol,
                ports: vec![80, 8080],
                workers: 1,
                discipline: Discipline::Fifo,
                speed: 1.0,
                service_time: Dist::Constant(0.001),
                response_bytes: Dist::Constant(5000.0),
                backlog: 3,
                reply_from: ReplyFrom::Routed,
            };
            self.network.add_server(host, spec);
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Plug(host, eth, switch) => {
                if !self.plugged.contains(&(*host, *eth)) {
                    self.plugged.push((*host, *eth));
                    let host = self.hosts[*host];
                    let device = self.network.host(host).stack.interface(&format!("eth{eth}"));
                    let device = device.expect("every host has two");
                    self.network.plug(host, device, self.switches[*switch], &CABLE);
                }
            }
            Step::Command(host, line) => self.command(*host, line),
            Step::Ping(host, to, bytes) => {
                self.pings += 1;
                self.network.ping(self.hosts[*host], *to, 1, self.pings, *bytes);
            }
            Step::Ask(host, to, udp, bytes) => self.ask(*host, *to, *udp, *bytes),
            Step::Pull(host, plugged) => {
                let host = self.hosts[*host];
                let device = self.network.host(host).stack.interface("eth0").expect("every host has one");
                self.network.set_cable(host, device, *plugged);
            }
            Step::Crash(host, up) => self.network.set_host_up(self.hosts[*host], *up),
            Step::Wait(duration) => {
                let until = self.network.now() + *duration;
                self.pass(until);
            }
        }
    }

    /// Refusals are answers, too.
    fn command(&mut self, host: usize, line: &str) {
        let names = Names::default();
        let command = Command::parse(line, &names).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let mut files = BTreeMap::new();
        let (network, host) = (&mut self.network, self.hosts[host]);
        let mut shell = Shell { network, host, names: &names, kernel: Kernel::New, files: &mut files };
        let _ = shell.run(&command.expect("a command"));
    }

    fn ask(&mut self, host: usize, to: Addr, udp: bool, bytes: u32) {
        let now = self.network.now();
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let spec = ClientSpec {
            name: format!("asks at {}", now.as_nanos()),
            sources: Sources::Host,
            target: Target { protocol, addr: to, port: 80 },
            arrivals: Arrivals::Users { users: 1, think: Dist::Constant(0.0) },
            request_bytes: Dist::Constant(f64::from(bytes)),
            says: Vec::new(),
            close: Close::Client,
            timeout: Some(Duration::from_secs(30)),
            retries: 1,
            start: now,
            stop: now + Duration::from_secs(1),
            limit: Some(2),
        };
        self.network.add_clients(self.hosts[host], spec);
    }

    /// Time passes, and everything is looked at.
    fn pass(&mut self, until: Time) {
        self.network.run_until(until);
        let frames = self.network.outcome().frames;
        assert_eq!(frames.sent, frames.delivered + frames.dropped + frames.in_flight);
        for seen in self.network.take_captured() {
            self.count(&seen);
        }
        for host in &self.hosts {
            assert!(self.network.host(*host).stack.neighbours().count() <= NEIGHBOURS);
        }
    }

    /// Nothing is forwarded more often than its time to live allows.
    fn count(&mut self, seen: &Captured) {
        let Body::Ip(packet) = &seen.frame.body else { return };
        assert!(packet.ttl > 0, "a packet without time to live on the wire: {packet:?}");
        if let (Payload::Icmp(icmp), Direction::Out) = (&packet.payload, seen.direction)
            && matches!(icmp.kind, 0 | 8)
            && packet.fragment_offset == 0
        {
            let left = self.left.entry((icmp.kind, icmp.info)).or_default();
            *left += 1;
            assert!(*left <= TTL, "it goes round and round: {packet:?}");
        }
    }
}
