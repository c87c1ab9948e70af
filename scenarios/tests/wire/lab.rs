//! The machine on which the set-ups run: the helpers of `recordings/lib.sh` on simulated hosts.

use crate::listing;
use crate::print::Printer;
use crate::programs::{self, Program};
use crate::recording::{Line, Recording, Wire};
use crate::script::{self, Machine};
use net_model::addr::{Addr, Mac, Prefix};
use net_model::capture::{Captured, Direction, Tap};
use net_model::host::conf::ConfKey;
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::Kernel;
use net_model::spec::LinkSpec;
use net_model::verdict::DropReason;
use net_model::{HostId, Network, Options, SwitchId};
use scenarios::apply::Shell;
use scenarios::console::Command;
use scenarios::console::names::Names;
use sim_core::{Duration, Time, Timers, Wheel};
use std::collections::BTreeMap;

/// The virtual time of the recording's t = 0: there is time to set up before.
pub(crate) const ZERO: Duration = Duration::from_millis(1300);
/// What a frame takes to the next host: `netem` adds 100 µs on each host port, and the recording machine itself took 50 µs
/// on average. Round trips that its TCP measured were so long, and timers depend on them.
const DELAY: Duration = Duration::from_micros(150);
/// The virtual address of all set-ups.
const VIP: &str = "10.0.0.100";
/// That of the set-ups with IPv6.
const VIP6: &str = "2001:db8::100";

/// The simulated machine.
pub(crate) struct Lab {
    pub(crate) network: Network,
    hosts: BTreeMap<String, HostId>,
    switches: BTreeMap<String, SwitchId>,
    names: Names,
    /// The times of the marks still to come (last first).
    marks: Vec<f64>,
    /// When the programs are to begin, as far as that is known, and when they have begun.
    wanted: Vec<f64>,
    begins: Vec<f64>,
    taps: Vec<(String, Tap)>,
    captured: Vec<Captured>,
    /// Programs in the background.
    jobs: Vec<Program>,
    /// Bytes of answers, by port.
    answers: BTreeMap<u16, u32>,
    has_ipip: bool,
    has_gre: bool,
    has_ip6_tunnel: bool,
    next_ping_id: u16,
    printed: String,
}

/// What came of a set-up.
pub(crate) struct Run {
    /// What was printed.
    pub(crate) printed: Vec<String>,
    /// The wires that the recording has.
    pub(crate) wires: Vec<Wire>,
    /// When the programs that send began, in seconds.
    pub(crate) begins: Vec<f64>,
}

/// Runs the set-up of a recording. Its programs begin at the instants of `begins`, further ones at once.
pub(crate) fn simulate(recording: &Recording, begins: &[f64]) -> Run {
    let mut lab = Lab::new(recording, begins);
    script::run(&recording.script, &mut lab);
    lab.collect();
    let wires = recording.wires.iter().map(|wire| lab.wire(&wire.name)).collect();
    Run { printed: lab.printed.lines().map(str::to_owned).collect(), wires, begins: lab.begins }
}

impl Lab {
    fn new(recording: &Recording, begins: &[f64]) -> Lab {
        let uptime = Duration::from_secs_f64(recording.uptime) - ZERO;
        let options = Options {
            seed: 1,
            timers: Timers::Wheel(Wheel::new(250, uptime)),
            sampling: Duration::from_secs(1000),
        };
        let mut marks = recording.marks();
        marks.reverse();
        let mut network = Network::new(options);
        network.share_one_kernel(); // the recordings were made in namespaces
        Lab {
            network,
            hosts: BTreeMap::new(),
            switches: BTreeMap::new(),
            names: Names::default(),
            marks,
            wanted: begins.to_vec(),
            begins: Vec::new(),
            taps: Vec::new(),
            captured: Vec::new(),
            jobs: Vec::new(),
            answers: BTreeMap::new(),
            has_ipip: true,
            has_gre: false,
            has_ip6_tunnel: true,
            next_ping_id: 1,
            printed: String::new(),
        }
    }

    /// Runs the network to an instant; programs in the background print when they end.
    pub(crate) fn reach(&mut self, until: Time) {
        const STEP: Duration = Duration::from_millis(1);
        while self.network.now() < until {
            let next = if self.jobs.is_empty() { until } else { until.min(self.network.now() + STEP) };
            self.network.run_until(next);
            let mut jobs = std::mem::take(&mut self.jobs);
            jobs.retain(|job| match job.ended(&self.network) {
                Some(text) => {
                    self.printed += &text;
                    false
                }
                None => true,
            });
            self.jobs.append(&mut jobs);
        }
    }

    /// The network runs on until a program has ended: what it printed.
    fn wait_for(&mut self, program: &Program) -> String {
        loop {
            if let Some(text) = program.ended(&self.network) {
                // The next process takes a while to start; what is under way arrives meanwhile.
                self.reach(self.network.now() + Duration::from_millis(5));
                return self.console() + &text;
            }
            assert!(self.network.now() < instant(300.0), "a program of the set-up does not end");
            self.reach(self.network.now() + Duration::from_millis(1));
        }
    }

    pub(crate) fn host(&self, name: &str) -> HostId {
        *self.hosts.get(name).unwrap_or_else(|| panic!("no host {name}"))
    }

    pub(crate) fn next_begin(&mut self) -> Time {
        let now = self.network.now();
        let begin = self.wanted.get(self.begins.len()).map_or(now, |begin| instant(*begin).max(now));
        self.begins.push(seconds(begin));
        begin
    }

    pub(crate) fn next_ping_id(&mut self) -> u16 {
        self.next_ping_id += 1;
        self.next_ping_id
    }

    /// A server answers on a port: PORT BYTES.
    fn note_answer(&mut self, args: &[&str]) {
        self.answers.insert(args[0].parse().expect("a port"), args[1].parse().expect("bytes"));
    }

    /// How many bytes the answer from a port has.
    pub(crate) fn answer_of(&self, port: u16) -> u32 {
        self.answers.get(&port).copied().unwrap_or(0)
    }

    /// `mkns`: a host; the modules ipip and ip_gre have made a tunl0 and a gre0 for it, if they are loaded.
    fn make_host(&mut self, name: &str) {
        let id = self.network.add_host(name);
        if self.has_ipip {
            self.network.add_interface(id, "tunl0", InterfaceKind::Tunnel, Mac::ZERO);
        }
        if self.has_gre {
            self.network.add_interface(id, "gre0", InterfaceKind::Gre, Mac::ZERO);
        }
        self.hosts.insert(name.to_owned(), id);
    }

    /// `mkns6`: the module ip6_tunnel makes an ip6tnl0; addresses are used at once.
    fn make_host_v6(&mut self, name: &str) {
        self.make_host(name);
        if self.has_ip6_tunnel {
            self.network.add_interface(self.host(name), "ip6tnl0", InterfaceKind::TunnelV6, Mac::ZERO);
        }
        self.command(name, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    }

    fn make_switch(&mut self, name: &str) {
        let id = self.network.add_switch(name);
        self.switches.insert(name.to_owned(), id);
    }

    /// `plug NS IF SWITCH MACBYTE ADDR/LEN`
    fn plug(&mut self, host: &str, interface: &str, switch: &str, last: &str, address: &str) {
        let id = self.host(host);
        let mac = Mac::from_bits(0x0200_0000_0000 | u64::from_str_radix(last, 16).expect("a byte"));
        let device = self.network.add_interface(id, interface, InterfaceKind::Ethernet, mac);
        let cable = LinkSpec { rate_bps: 1_000_000_000_000, delay: DELAY, queue_bytes: u64::MAX, loss: 0.0 };
        let back = LinkSpec { delay: Duration::ZERO, ..cable };
        self.network.plug_unequal(id, device, self.switches[switch], &cable, &back);
        let stack = &mut self.network.host_mut(id).stack;
        stack.set_up(device, true);
        let (addr, len) = address.split_once('/').expect("ADDRESS/LENGTH");
        let mut spec = AddressSpec::new(addr.parse().expect("an address"), len.parse().expect("a length"));
        if spec.addr.is_v4() {
            spec.broadcast = Some(Prefix::new(spec.addr, spec.len).last());
        }
        stack.add_address(device, spec).expect("the address is new");
    }

    /// `topo`: client c - switch swc - router rt - switch swl - director d, real servers r1 and r2.
    fn topology(&mut self) {
        ["c", "rt", "d", "r1", "r2"].iter().for_each(|name| self.make_host(name));
        ["swc", "swl"].iter().for_each(|name| self.make_switch(name));
        self.plug("c", "eth0", "swc", "0c", "192.168.1.10/24");
        self.plug("rt", "eth0", "swc", "1e", "192.168.1.1/24");
        self.plug("rt", "eth1", "swl", "fe", "10.0.0.254/24");
        self.plug("d", "eth0", "swl", "0d", "10.0.0.1/24");
        self.plug("r1", "eth0", "swl", "11", "10.0.0.11/24");
        self.plug("r2", "eth0", "swl", "12", "10.0.0.12/24");
        self.command("rt", "sysctl -qw net.ipv4.ip_forward=1");
        self.command("c", "ip route add default via 192.168.1.1");
        for host in ["d", "r1", "r2"] {
            self.command(host, "ip route add default via 10.0.0.254");
        }
    }

    /// `topo6`: the same with IPv6.
    fn topology_v6(&mut self) {
        ["c", "rt", "d", "r1", "r2"].iter().for_each(|name| self.make_host_v6(name));
        ["swc", "swl"].iter().for_each(|name| self.make_switch(name));
        self.plug("c", "eth0", "swc", "0c", "2001:db8:1::10/64");
        self.plug("rt", "eth0", "swc", "1e", "2001:db8:1::1/64");
        self.plug("rt", "eth1", "swl", "fe", "2001:db8::fe/64");
        self.plug("d", "eth0", "swl", "0d", "2001:db8::1/64");
        self.plug("r1", "eth0", "swl", "11", "2001:db8::11/64");
        self.plug("r2", "eth0", "swl", "12", "2001:db8::12/64");
        self.command("rt", "sysctl -qw net.ipv6.conf.all.forwarding=1");
        self.command("c", "ip route add default via 2001:db8:1::1");
        for host in ["d", "r1", "r2"] {
            self.command(host, "ip route add default via 2001:db8::fe");
        }
    }

    /// One of Linux's own commands on a host: what it prints.
    pub(crate) fn command(&mut self, host: &str, line: &str) -> String {
        let command = Command::parse(line, &self.names);
        let command = command.unwrap_or_else(|error| panic!("{line}: {}", error.problem));
        let host = self.host(host);
        let mut files = BTreeMap::new();
        let network = &mut self.network;
        let mut shell = Shell { network, host, names: &self.names, kernel: Kernel::New, files: &mut files };
        match command.map(|command| shell.run(&command)) {
            Some(Ok(printed)) => printed,
            Some(Err(refused)) => format!("{}\n", refused.message),
            None => String::new(),
        }
    }

    /// `rsarp`: a real server keeps quiet about its virtual address.
    fn quieten(&mut self, host: &str) {
        self.command(host, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
    }

    /// A program on a host (`x`).
    fn execute(&mut self, host: &str, words: &[&str], limit: Option<Duration>, background: bool) -> String {
        let line = words.join(" ");
        match words {
            ["tt", "serve", rest @ ..] => {
                self.note_answer(rest);
                programs::serve(&mut self.network, self.hosts[host], rest);
                String::new()
            }
            ["tt", "get", rest @ ..] => {
                let program = programs::get(self, host, rest, limit);
                if background {
                    self.jobs.push(program);
                    return String::new();
                }
                self.wait_for(&program)
            }
            ["tt", "udpserve", rest @ ..] => {
                self.note_answer(rest);
                programs::serve_datagrams(&mut self.network, self.hosts[host], rest);
                String::new()
            }
            ["tt", "udp", rest @ ..] => {
                let program = programs::ask(self, host, rest);
                self.wait_for(&program)
            }
            ["ping", rest @ ..] => programs::ping(self, host, rest),
            ["iarping", rest @ ..] => programs::arping(self, host, rest),
            ["ethtool", ..] => String::new(),
            ["cat", "/proc/net/snmp"] => self.snmp(host),
            ["cat", "/proc/net/netstat"] => String::new(), // the set-up throws it away
            ["nstat", ..] => "#kernel\nIpInReceives                    0                  0.0\n".to_owned(),
            ["arptables", "-L", "-n"] => listing::arptables(&self.network.host(self.hosts[host]).stack),
            ["ip", rest @ ..] if listing::is_question(rest) => {
                listing::ip(&mut self.network, self.hosts[host], rest)
            }
            _ => self.command(host, &line),
        }
    }

    /// Does a command make a host tell its neighbours of an address (`ndisc_notify`)?
    fn speaks_up(&self, host: &str, words: &[&str]) -> bool {
        let (["addr", "add", _, "dev", dev] | ["link", "set", dev, "up"]) = words else { return false };
        let stack = &self.network.host(self.host(host)).stack;
        let is_on = |place: &str| stack.sysctl_get(&format!("net.ipv6.conf.{place}.ndisc_notify"));
        is_on("all").is_ok_and(|value| value == "1") || is_on(dev).is_ok_and(|value| value == "1")
    }

    /// The kernel draws the instant at which it asks for a new address: the recording tells it.
    fn settle_first_question(&mut self, host: &str, words: &[&str]) {
        let &["addr", "add", address, ..] = words else { return };
        let addr = crate::lab::address(address.split('/').next().unwrap_or_default());
        let id = self.host(host);
        if self.network.host(id).stack.is_asking_for(addr) {
            let begin = self.next_begin();
            self.network.host_mut(id).stack.set_first_question(addr, begin);
            self.network.settle(id);
        }
    }

    /// What the taps have seen so far.
    fn collect(&mut self) {
        self.captured.extend(self.network.take_captured());
    }

    /// What the taps of a host have seen, with the names of the devices.
    fn seen_by(&self, host: &str) -> impl Iterator<Item = (&Captured, &str)> {
        let of = |seen: &&Captured| self.taps.iter().find(|tap| tap.1 == seen.tap).expect("a tap");
        let device = move |seen| of(&seen).0.split_once('.').expect("HOST.IF");
        let seen = self.captured.iter().map(move |seen| (seen, device(seen)));
        seen.filter(move |(_, (name, _))| *name == host).map(|(seen, (_, device))| (seen, device))
    }

    fn snmp(&mut self, host: &str) -> String {
        self.collect();
        let stack = &self.network.host(self.host(host)).stack;
        let forwards = stack.forwards(InterfaceId(1), true);
        listing::snmp(&self.seen_by(host).map(|(seen, _)| seen).collect::<Vec<_>>(), forwards)
    }

    /// What hosts that log martians have logged, in order of time.
    fn kernel_log(&mut self) -> String {
        self.collect();
        let mut all: Vec<(&Captured, &str)> = Vec::new();
        for (name, id) in &self.hosts {
            let stack = &self.network.host(*id).stack;
            if stack.effective(InterfaceId::LO, ConfKey::LogMartians) != 0 {
                all.extend(self.seen_by(name));
            }
        }
        all.sort_by_key(|(seen, _)| seen.time);
        listing::martians(all.into_iter())
    }

    /// What the director's kernel says on the console: connections that nobody may take.
    fn console(&mut self) -> String {
        let before = self.captured.len();
        self.collect();
        let is_refused = |seen: &&Captured| seen.dropped == Some(DropReason::NoDestination);
        if !self.captured[before..].iter().any(|seen| is_refused(&seen)) {
            return String::new();
        }
        let services = self.command("d", "ipvsadm -Ln");
        let service = services.lines().find(|line| line.starts_with("TCP ")).expect("a service");
        let words: Vec<&str> = service.split_whitespace().collect();
        format!("[] IPVS: {}: TCP {} - no destination available\n", words[2], words[1])
    }

    /// What tcpdump saw on an interface.
    fn wire(&self, name: &str) -> Wire {
        let tap = self.taps.iter().find(|tap| tap.0 == name);
        let &(_, tap) = tap.unwrap_or_else(|| panic!("nobody listened on {name}"));
        let here = self.captured.iter().filter(|seen| seen.tap == tap);
        // What is sent is seen when it leaves the port of the host.
        let mut seen: Vec<(Time, &Captured)> = here
            .map(|seen| match seen.direction {
                Direction::Out => (seen.time + DELAY, seen),
                Direction::In => (seen.time, seen),
            })
            .collect();
        seen.sort_by_key(|(at, _)| *at);
        let mut printer = Printer::default();
        let is_tunnel = ["tunl0", "gre0", "ip6tnl0"].iter().any(|device| name.ends_with(device));
        let line = |(at, seen): (Time, &Captured)| Line {
            at: seconds(at),
            text: printer.line(&seen.frame, is_tunnel),
        };
        Wire { name: name.to_owned(), lines: seen.into_iter().map(line).collect() }
    }

    /// `capall HOST.IF …`
    fn listen(&mut self, interfaces: &[&str]) {
        for name in interfaces.iter().flat_map(|names| names.split(' ')) {
            let (host, interface) = name.split_once('.').expect("HOST.IF");
            let host = self.host(host);
            let device = self.network.host(host).stack.interface(interface).expect("the interface exists");
            let tap = self.network.tap(host, device);
            self.taps.push(((*name).to_owned(), tap));
        }
    }

    /// The helpers of `lib.sh`, by name.
    fn helper(&mut self, words: &[&str], background: bool) -> String {
        match words {
            ["topo"] => self.topology(),
            ["mkns", hosts @ ..] => hosts.iter().for_each(|host| self.make_host(host)),
            ["sw", name] => self.make_switch(name),
            ["plug", host, interface, switch, mac, address] => {
                self.plug(host, interface, switch, mac, address);
            }
            ["topo6"] => self.topology_v6(),
            ["mkns6", hosts @ ..] => hosts.iter().for_each(|host| self.make_host_v6(host)),
            ["plug6", host, interface, switch, mac, address] => {
                self.plug(host, interface, switch, mac, address);
            }
            ["dirvip6"] => return self.command("d", &format!("ip addr add {VIP6}/128 dev eth0")),
            ["vs6", scheduler, method] => {
                self.command("d", &format!("ipvsadm -A -t [{VIP6}]:80 -s {scheduler}"));
                for server in ["2001:db8::11", "2001:db8::12"] {
                    self.command("d", &format!("ipvsadm -a -t [{VIP6}]:80 -r [{server}]:80 {method}"));
                }
            }
            ["dirvip"] => return self.command("d", &format!("ip addr add {VIP}/32 dev eth0")),
            ["rsarp", host] => self.quieten(host),
            ["rsdr", host] => {
                self.quieten(host);
                return self.command(host, &format!("ip addr add {VIP}/32 dev lo"));
            }
            ["web" | "web6", hosts @ ..] => {
                for host in hosts {
                    self.note_answer(&["80", "100"]);
                    programs::serve(&mut self.network, self.hosts[*host], &["80", "100"]);
                }
            }
            ["vs", scheduler, method] => {
                self.command("d", &format!("ipvsadm -A -t {VIP}:80 -s {scheduler}"));
                for server in ["10.0.0.11", "10.0.0.12"] {
                    self.command("d", &format!("ipvsadm -a -t {VIP}:80 -r {server}:80 {method}"));
                }
            }
            ["xs", host, settings @ ..] => {
                return self.command(host, &format!("sysctl -qw {}", settings.join(" ")));
            }
            ["x", host, program @ ..] => return self.execute(host, program, None, background),
            ["tx", seconds, host, program @ ..] => {
                let limit = Duration::from_secs(seconds.parse().expect("seconds"));
                let printed = self.execute(host, program, Some(limit), background);
                let status = match printed.as_str() {
                    "Terminated\n" => 143,
                    text if text.contains("ok ") => 0,
                    _ => 1,
                };
                return format!("{printed}(exit {status})\n");
            }
            ["neigh" | "neigh6", hosts @ ..] => {
                let list = |host: &&str| {
                    let stack = &self.network.host(self.host(host)).stack;
                    format!("-- neigh {host}\n{}", listing::neighbours(stack, None))
                };
                return hosts.iter().map(list).collect();
            }
            ["ip", "-n", host, rest @ ..] => {
                let words: Vec<&str> = [&["ip"], rest].concat();
                if self.speaks_up(host, rest) {
                    let begin = self.next_begin();
                    self.reach(begin);
                }
                let printed = self.execute(host, &words, None, false);
                self.settle_first_question(host, rest);
                return printed;
            }
            ["capall", interfaces @ ..] => self.listen(interfaces),
            ["mark", title] => return self.mark(title),
            // Before the first mark nothing happens, and taps are set.
            ["sleep", _] if self.network.now() == Time::ZERO => {}
            ["sleep", seconds] => {
                let seconds = Duration::from_secs_f64(seconds.parse().expect("seconds"));
                self.reach(self.network.now() + seconds);
            }
            ["echo", text] => return format!("{text}\n"),
            ["modprobe", "-r", "ipip"] => self.has_ipip = false,
            ["modprobe", "-r", "ip6_tunnel"] => self.has_ip6_tunnel = false,
            ["dump"] => self.reach(self.network.now() + Duration::from_secs(1)),
            ["modprobe", "ip_gre"] => self.has_gre = true,
            ["modprobe", ..] | [".", _] => {}
            ["lsmod"] => {
                return "ip_tunnel              36864  1 ip_gre\n"
                    .repeat(usize::from(!self.hosts.is_empty()));
            }
            ["dmesg"] => return self.kernel_log(),
            other => panic!("no helper {other:?}"),
        }
        String::new()
    }

    /// `mark TITLE`, at the instant at which the recording has it.
    fn mark(&mut self, title: &str) -> String {
        let at = self.marks.pop().expect("the recording has as many marks as the set-up");
        self.reach(instant(at));
        format!("## t={at:.3} {title}\n")
    }
}

impl Machine for Lab {
    fn run(&mut self, words: &[String], in_background: bool) -> String {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.helper(&words, in_background)
    }

    fn print(&mut self, text: &str) {
        self.printed += text;
    }
}

/// The virtual instant of a time of the recording.
pub(crate) fn instant(seconds: f64) -> Time {
    let nanos = ZERO.as_nanos() as i64 + (seconds * 1e9).round() as i64;
    Time::from_nanos(u64::try_from(nanos).expect("set-ups take less than a few seconds"))
}

/// The time of the recording at a virtual instant.
fn seconds(at: Time) -> f64 {
    (at.as_nanos() as f64 - ZERO.as_nanos() as f64) / 1e9
}

/// An address of the set-up.
pub(crate) fn address(text: &str) -> Addr {
    text.parse().unwrap_or_else(|_| panic!("an address: {text}"))
}
