//! A scenario becomes commands: the same network out of namespaces, bridges and virtual cables, as anybody could type it.
//!
//! Every host is a network namespace, every network a bridge, every cable a pair of virtual interfaces whose one end is
//! in the host and whose other end is a port of the bridge. What the scenario says in Linux's own words is left as it is.

use crate::job::{Action, Command, Timed};
use net_model::addr::Prefix;
use net_model::port::{DEFAULT_VLAN, PortVlans};
use net_model::spec::{Arrivals, LinkSpec, Sources};
use scenarios::console::{self, Command as Typed, words};
use scenarios::scenario::{Host, Interface, Line, Scenario};
use scenarios::schema::HostChange;
use sim_core::Duration;

/// Devices that come with a module, by the beginning of their names.
const TUNNELS: [(&str, &str); 3] = [("tunl", "ipip"), ("gre", "ip_gre"), ("ip6tnl", "ip6_tunnel")];

/// Everything that is typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// What builds the network, in order.
    pub setup: Vec<Command>,
    /// What happens later, in order of time.
    pub events: Vec<Timed>,
}

/// Which cables take their time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cables {
    /// Long and slow ones; all others are as fast as the kernel.
    #[default]
    Long,
    /// All of them, to the microsecond.
    All,
}

/// The commands of a scenario, whose short cables are as fast as the kernel.
pub fn plan(scenario: &Scenario) -> Plan {
    plan_with(scenario, Cables::Long)
}

/// The commands of a scenario.
pub fn plan_with(scenario: &Scenario, cables: Cables) -> Plan {
    let mut planner = Planner { scenario, cables, setup: Vec::new() };
    planner.networks();
    planner.namespaces();
    planner.cables();
    for host in &scenario.hosts {
        planner.host(host);
    }
    // Rules may name any host: the scenario's own commands come when all interfaces exist.
    for (index, host) in scenario.hosts.iter().enumerate() {
        planner.set_up(index, host);
    }
    let events = scenario.events.iter().enumerate().flat_map(|(index, event)| {
        let host = &scenario.hosts[event.host];
        event_commands(scenario, event.host, host, &event.action).into_iter().map(move |command| Timed {
            at: event.at.as_nanos(),
            event: index,
            command,
        })
    });
    Plan { events: events.collect(), setup: planner.setup }
}

struct Planner<'a> {
    scenario: &'a Scenario,
    cables: Cables,
    setup: Vec<Command>,
}

impl Planner<'_> {
    fn networks(&mut self) {
        self.set(None, "net/ipv6/conf/default/disable_ipv6", "1");
        for index in 0..self.scenario.networks.len() {
            let name = bridge(self.scenario, index);
            let vlans = if tells_vlans_apart(self.scenario, index) { " vlan_filtering 1" } else { "" };
            // Nobody but the hosts speaks: no spanning tree, no questions about multicast groups.
            self.run(None, &format!("ip link add {name} type bridge mcast_snooping 0{vlans}"));
            self.run(None, &format!("ip link set {name} up"));
        }
    }

    fn namespaces(&mut self) {
        for host in &self.scenario.hosts {
            self.run(None, &format!("ip netns add {}", host.name));
        }
        if speaks_ipv6(self.scenario) {
            return;
        }
        for host in &self.scenario.hosts {
            // A kernel without IPv6 is quiet: no router is looked for, no address is tried out.
            for which in ["all", "default"] {
                self.set(Some(&host.name), &format!("net/ipv6/conf/{which}/disable_ipv6"), "1");
            }
        }
    }

    /// All cables: one end in the host, the other a port of the bridge.
    fn cables(&mut self) {
        for (index, host) in self.scenario.hosts.iter().enumerate() {
            for (at, interface) in host.interfaces.iter().enumerate() {
                let Some((network, cable)) = interface.plug else { continue };
                let (port, bridge) = (port(self.scenario, index, at), bridge(self.scenario, network));
                let (mtu, device) = (self.scenario.networks[network].mtu, &interface.name);
                let peer =
                    format!("peer name {device} address {} mtu {mtu} netns {}", interface.mac, host.name);
                self.run(None, &format!("ip link add {port} mtu {mtu} type veth {peer}"));
                // Each packet by itself, as on a wire: no large ones that a card would cut.
                self.run(None, &format!("ip link set {port} master {bridge} gso_max_segs 1 up"));
                self.delay(None, &port, &cable);
                if let Some(carries) = &interface.port {
                    self.port_vlans(&port, carries);
                }
            }
        }
    }

    /// What a port of a bridge carries, instead of VLAN 1 without tags.
    fn port_vlans(&mut self, port: &str, carries: &PortVlans) {
        if carries.untagged != Some(DEFAULT_VLAN) {
            self.run(None, &format!("bridge vlan del dev {port} vid {DEFAULT_VLAN}"));
        }
        for vlan in &carries.tagged {
            self.run(None, &format!("bridge vlan add dev {port} vid {vlan}"));
        }
        if let Some(vlan) = carries.untagged {
            self.run(None, &format!("bridge vlan add dev {port} vid {vlan} pvid untagged"));
        }
    }

    fn host(&mut self, host: &Host) {
        let name = Some(host.name.as_str());
        self.run(name, "ip link set lo up");
        for interface in &host.interfaces {
            let device = &interface.name;
            let up = if interface.up { " up" } else { "" };
            match interface.plug {
                Some((_, cable)) => {
                    self.run(name, &format!("ip link set {device} gso_max_segs 1{up}"));
                    self.delay(name, device, &cable);
                }
                None if device == "lo" => {}
                None => self.virtual_device(name, interface),
            }
            for (addr, len) in &interface.addresses {
                let nodad = if addr.is_v4() { "" } else { " nodad" };
                let deprecated = interface.deprecated.contains(addr);
                let silent = if deprecated { " preferred_lft 0" } else { "" };
                self.run(name, &format!("ip addr add {addr}/{len} dev {device}{nodad}{silent}"));
            }
        }
    }

    fn virtual_device(&mut self, host: Option<&str>, interface: &Interface) {
        let device = &interface.name;
        if let Some((card, id)) = &interface.vlan {
            self.load("8021q");
            self.run(host, &format!("ip link add link {card} name {device} type vlan id {id}"));
        } else if device.starts_with("dummy") {
            self.run(host, &format!("ip link add {device} type dummy"));
        } else {
            let module = TUNNELS.iter().find(|(kind, _)| device.starts_with(kind));
            self.load(module.map_or("ipip", |(_, module)| module));
        }
        if interface.up {
            self.run(host, &format!("ip link set {device} up"));
        }
    }

    /// Loads a module, once: it is there for all hosts.
    fn load(&mut self, module: &str) {
        let command = Command { host: None, action: Action::Load(module.into()) };
        if !self.setup.contains(&command) {
            self.setup.push(command);
        }
    }

    fn delay(&mut self, host: Option<&str>, device: &str, cable: &LinkSpec) {
        if let Some(qdisc) = netem(device, cable, self.cables) {
            self.run(host, &qdisc);
        }
    }

    /// The scenario's own commands, and the addresses its clients come from.
    fn set_up(&mut self, index: usize, host: &Host) {
        for line in host.setup.iter() {
            self.setup.extend(typed(&host.name, line));
        }
        let routed: Vec<Prefix> = host.setup.iter().filter_map(local_route).collect();
        for prefix in sources(self.scenario, index).into_iter().filter(|prefix| !routed.contains(prefix)) {
            let family = if prefix.addr().is_v4() { "" } else { "-6 " };
            let text = format!("ip {family}route replace local {prefix} dev lo");
            self.run(Some(&host.name), &text);
        }
    }

    fn run(&mut self, host: Option<&str>, text: &str) {
        self.setup.push(run(host, text));
    }

    fn set(&mut self, host: Option<&str>, path: &str, value: &str) {
        let action = Action::Set(path.into(), value.into());
        self.setup.push(Command { host: host.map(Into::into), action });
    }
}

/// What an event of the scenario is on a real machine.
fn event_commands(
    scenario: &Scenario,
    index: usize,
    host: &Host,
    action: &scenarios::scenario::Action,
) -> Vec<Command> {
    use scenarios::scenario::Action as Event;
    let port_of = |at: usize| port(scenario, index, at);
    match action {
        Event::Run(line) => typed(&host.name, line),
        Event::Unplug(at) => vec![run(None, &format!("ip link set {} down", port_of(*at)))],
        Event::Plug(at) => vec![run(None, &format!("ip link set {} up", port_of(*at)))],
        Event::Host(change) => {
            // A port that neither learns nor forwards: the host notices nothing, like its neighbours.
            let state = if *change == HostChange::Crash { 0 } else { 3 };
            let plugged =
                host.interfaces.iter().enumerate().filter(|(_, interface)| interface.plug.is_some());
            plugged
                .map(|(at, _)| run(None, &format!("bridge link set dev {} state {state}", port_of(at))))
                .collect()
        }
    }
}

/// A line of the scenario as commands: settings are written, modules loaded, everything else is a program.
fn typed(host: &str, line: &Line) -> Vec<Command> {
    let on = |action| Command { host: Some(host.into()), action };
    if let Ok(Some(Typed::Sysctl(settings))) = Typed::parse(&line.text, &console::names::Names::default()) {
        return settings.into_iter().map(|setting| on(Action::Set(setting.path, setting.value))).collect();
    }
    let Ok(words) = words(&line.text) else { return Vec::new() };
    let is_prompt = |word: &&console::Word| matches!(word.text.as_str(), "sudo" | "$");
    let words: Vec<String> = words.iter().skip_while(is_prompt).map(|word| word.text.clone()).collect();
    match words.first().map(String::as_str) {
        None => Vec::new(),
        Some("modprobe") => {
            let modules = words[1..].iter().filter(|word| !word.starts_with('-'));
            modules.map(|module| on(Action::Load(module.clone()))).collect()
        }
        Some(_) => vec![on(Action::Run(words))],
    }
}

/// The prefix of `ip route add local PREFIX dev lo`.
fn local_route(line: &Line) -> Option<Prefix> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "local")?;
    let (addr, len) = words.get(at + 1)?.split_once('/')?;
    Some(Prefix::new(addr.parse().ok()?, len.parse().ok()?))
}

/// The addresses beside its own that clients on a host come from.
fn sources(scenario: &Scenario, host: usize) -> Vec<Prefix> {
    let mut all = Vec::new();
    for group in scenario.clients.iter().filter(|group| group.host == host) {
        match (&group.spec.sources, &group.spec.arrivals) {
            (_, Arrivals::Trace(rows)) => all.extend(rows.iter().map(|row| Prefix::host(row.client))),
            (Sources::Uniform(prefix) | Sources::RoundRobin(prefix), _) => all.push(*prefix),
            (Sources::Host, _) => {}
        }
    }
    let own = scenario.hosts[host].interfaces.iter().flat_map(|interface| &interface.addresses);
    let own: Vec<Prefix> = own.map(|(addr, _)| Prefix::host(*addr)).collect();
    all.retain(|prefix| !own.contains(prefix));
    all.sort_by_key(|prefix| (prefix.addr(), prefix.len()));
    all.dedup();
    all
}

/// Cables shorter than this are as fast as the kernel: a queue that holds each packet for microseconds costs more than
/// everything else together, and seldom decides anything.
const SHORT: Duration = Duration::from_millis(1);

/// A cable of so many bits a second or fewer makes packets wait for one another: a large one takes 0.1 ms.
const SLOW_BPS: u64 = 100_000_000;

/// Delay, rate and loss of a cable, for one direction of it.
fn netem(device: &str, cable: &LinkSpec, cables: Cables) -> Option<String> {
    let is_long = cable.delay >= SHORT;
    let takes_time = is_long || cable.rate_bps <= SLOW_BPS || cables == Cables::All;
    if !takes_time && cable.loss <= 0.0 {
        return None;
    }
    let mut text = format!("tc qdisc add dev {device} root netem");
    if is_long || cables == Cables::All {
        text += &format!(" delay {}us", cable.delay.as_nanos() as f64 / 1e3);
    }
    if cable.loss > 0.0 {
        text += &format!(" loss {}%", cable.loss * 100.0);
    }
    let limit = (cable.queue_bytes / 1500).clamp(1, 100_000);
    Some(format!("{text} rate {}bit limit {limit}", cable.rate_bps))
}

/// The bridge of a network: its name if an interface can have it and no interface has it.
pub(crate) fn bridge(scenario: &Scenario, network: usize) -> String {
    let name = &scenario.networks[network].name;
    let fits = name.len() <= 15 && !name.starts_with("port") && name != "lo";
    if fits { name.clone() } else { format!("switch{network}") }
}

/// Does a port of this network carry anything but VLAN 1 without tags?
fn tells_vlans_apart(scenario: &Scenario, network: usize) -> bool {
    let interfaces = scenario.hosts.iter().flat_map(|host| &host.interfaces);
    let mut here = interfaces.filter(|interface| interface.plug.is_some_and(|(at, _)| at == network));
    here.any(|interface| interface.port.is_some())
}

/// The bridge's end of a host's cable.
fn port(scenario: &Scenario, host: usize, interface: usize) -> String {
    let plugged = |interfaces: &[Interface]| interfaces.iter().filter(|i| i.plug.is_some()).count();
    let before: usize = scenario.hosts[..host].iter().map(|host| plugged(&host.interfaces)).sum();
    format!("port{}", before + plugged(&scenario.hosts[host].interfaces[..interface]) + 1)
}

/// Does anything here have an IPv6 address?
pub(crate) fn speaks_ipv6(scenario: &Scenario) -> bool {
    let interfaces = scenario.hosts.iter().flat_map(|host| &host.interfaces);
    interfaces.flat_map(|interface| &interface.addresses).any(|(addr, _)| !addr.is_v4())
}

fn run(host: Option<&str>, text: &str) -> Command {
    let words = text.split_whitespace().map(Into::into).collect();
    Command { host: host.map(Into::into), action: Action::Run(words) }
}
