//! From the words of a file to a [`Scenario`]: groups become hosts, names become indices, defaults are filled in.

mod files;
mod routes;
mod traffic;
mod vlans;

use crate::decode::{List, Spanned};
use crate::names::{NamePattern, suggestion};
use crate::native;
use crate::problem::Problem;
use crate::scenario::{Action, Event, Host, Interface, Line, Network, Scenario};
use crate::schema::{CableText, Document, HostText, InterfaceText};
use crate::source::{Source, Span};
use net_model::addr::{Addr, Mac};
use net_model::spec::LinkSpec;
use routes::{Automatic, is_auto};
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time};
use std::path::Path;
use std::sync::Arc;

/// More hosts than this are refused.
pub const MAX_HOSTS: u64 = 100_000;
/// More samples than this in a time series are refused.
const MAX_SAMPLES: u64 = 100_000;

/// Turns a document into a scenario; problems are added to `problems`, files that were read to `sources`.
///
/// The scenario is complete even if there were problems, but then means nothing.
pub fn resolve(
    name: &str,
    document: &Document,
    directory: &Path,
    sources: &mut Vec<Source>,
    problems: &mut Vec<Problem>,
) -> Scenario {
    let mut resolver = Resolver {
        directory,
        sources,
        problems,
        hosts: FxHashMap::default(),
        automatic: Vec::new(),
        next_mac: 0,
    };
    let duration = document.duration.value.0;
    if duration == Duration::ZERO {
        resolver.error(
            document.duration.span,
            "a run of no length",
            "set `duration` to the virtual time to simulate",
        );
    }
    let networks = resolver.networks(document);
    let mut hosts = resolver.hosts(document, &networks);
    routes::automatic(&resolver.automatic, &networks, &mut hosts);
    let clients = resolver.clients(document, duration);
    let mut events = resolver.events(document, &hosts, duration);
    events.sort_by_key(|event| event.at);
    Scenario {
        name: name.into(),
        about: document.about.as_ref().map_or_else(String::new, |about| about.value.trim().to_string()),
        seed: document.seed.map_or(1, |seed| seed.value),
        duration,
        sampling: resolver.sampling(document, duration),
        timers: document.timers.map_or_else(Default::default, |timers| timers.value),
        kernel: document.kernel.map_or_else(Default::default, |kernel| kernel.value),
        networks,
        hosts,
        clients,
        events,
        expect: Vec::new(),
    }
}

struct Resolver<'a> {
    directory: &'a Path,
    sources: &'a mut Vec<Source>,
    problems: &'a mut Vec<Problem>,
    /// Host names, each with its index.
    hosts: FxHashMap<String, usize>,
    /// Groups that want `routes: auto`.
    automatic: Vec<Automatic>,
    next_mac: u64,
}

impl Resolver<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(span, message).help(help));
    }

    /// An error whose text has the cure on its second line.
    fn told(&mut self, span: Span, text: &str) {
        let (message, help) = text.split_once('\n').unwrap_or((text, "see docs/scenario-language.md"));
        self.error(span, message, help);
    }

    fn sampling(&mut self, document: &Document, duration: Duration) -> Duration {
        let Some(sampling) = document.sampling else {
            return Duration::from_nanos((duration.as_nanos() / 100).max(1));
        };
        let interval = sampling.value.0.as_nanos();
        if interval == 0 || duration.as_nanos() / interval > MAX_SAMPLES {
            let help = format!("a run has at most {MAX_SAMPLES} samples: choose a longer `sampling`");
            self.error(sampling.span, "samples without end", help);
        }
        Duration::from_nanos(interval.max(1))
    }

    fn networks(&mut self, document: &Document) -> Vec<Network> {
        let mut networks: Vec<Network> = Vec::new();
        for (name, text) in &document.networks.0 {
            if let Err(why) = NamePattern::parse(name).and_then(|pattern| match pattern.range {
                Some(_) => Err("a network is not a group\ngive each network a name of its own".to_string()),
                None => Ok(()),
            }) {
                self.told(name.span, &why);
            }
            let _ = self.cable(&text.cable, &CableText::default());
            let mtu = text.mtu.map_or(1500, |mtu| mtu.value);
            if let Some(mtu) = text.mtu.filter(|mtu| mtu.value < 68) {
                self.error(mtu.span, "IPv4 needs an MTU of 68 at least", "1500 is Ethernet's");
            }
            networks.push(Network {
                name: name.value.clone(),
                span: name.span,
                prefix: text.prefix.map(|p| p.value.0),
                mtu,
            });
        }
        networks
    }

    /// A cable: the interface's own words, then the network's, then the defaults.
    fn cable(&mut self, own: &CableText, network: &CableText) -> LinkSpec {
        let rate = own.rate.or(network.rate);
        if let Some(rate) = rate.filter(|rate| rate.value.0 == 0) {
            self.error(
                rate.span,
                "a cable of rate 0 carries nothing",
                "leave `rate` out for 1Gbps, or unplug it in `events`",
            );
        }
        LinkSpec {
            rate_bps: rate.map_or(1_000_000_000, |rate| rate.value.0.max(1)),
            delay: own.delay.or(network.delay).map_or(Duration::from_micros(50), |delay| delay.value.0),
            queue_bytes: own.queue.or(network.queue).map_or(1_500_000, |queue| queue.value.0),
            loss: own.loss.or(network.loss).map_or(0.0, |loss| loss.value.0),
        }
    }

    fn hosts(&mut self, document: &Document, networks: &[Network]) -> Vec<Host> {
        let mut hosts = Vec::new();
        for (name, text) in &document.hosts.0 {
            let pattern = match NamePattern::parse(name) {
                Ok(pattern) => pattern,
                Err(why) => {
                    self.told(name.span, &why);
                    continue;
                }
            };
            if hosts.len() as u64 + pattern.count() > MAX_HOSTS {
                let message = format!("`{name}` makes more than {MAX_HOSTS} hosts", name = name.value);
                self.error(name.span, message, "a simulation has memory for fewer: make the group smaller");
                continue;
            }
            self.group(&pattern, name.span, text, document, networks, &mut hosts);
        }
        hosts
    }

    /// All hosts of a group.
    fn group(
        &mut self,
        pattern: &NamePattern,
        span: Span,
        text: &HostText,
        document: &Document,
        networks: &[Network],
        hosts: &mut Vec<Host>,
    ) {
        let setup: Arc<[Line]> = self.setup(text).into();
        if let Some(word) = text.routes.0.iter().find(|route| is_auto(route)) {
            let before = text.sysctls.0.len();
            self.automatic.push(Automatic {
                hosts: hosts.len()..hosts.len() + pattern.count() as usize,
                span: word.span,
                before,
            });
        }
        let servers = self.servers(&text.server);
        let mut plugs = Vec::new();
        let mut vlans = Vec::new();
        for (name, interface) in &text.interfaces.0 {
            plugs.push(self.plug(name, interface, pattern.count(), document, networks));
            vlans.push((self.vlan(name, interface, text), self.port(interface)));
        }
        // The count was checked against the limit above.
        for index in 0..pattern.count() as u32 {
            let name = pattern.member(index);
            if self.hosts.insert(name.clone(), hosts.len()).is_some() {
                let message = format!("a host called `{name}` exists already");
                self.error(span, message, "names are unique, those within groups included");
                return;
            }
            let each = text.interfaces.0.iter().zip(&plugs).zip(&vlans);
            let interfaces = each.map(|(((name, text), plug), (vlan, port))| Interface {
                name: name.value.clone(),
                span: name.span,
                plug: *plug,
                mac: self.mac(text, index),
                addresses: text.address.0.iter().map(|address| member_address(address, index)).collect(),
                up: text.up.is_none_or(|up| up.value),
                vlan: vlan.clone(),
                port: port.clone(),
                segment: None,
            });
            let interfaces = vlans::with_segments(interfaces.collect());
            hosts.push(Host { name, span, interfaces, setup: setup.clone(), servers: servers.clone() });
        }
    }

    fn mac(&mut self, text: &InterfaceText, index: u32) -> Mac {
        if text.network.is_none() {
            return Mac::ZERO;
        }
        self.next_mac += 1;
        // Locally administered addresses, numbered in the order of the file.
        text.mac.map_or(Mac::from_bits(0x0200_0000_0000 | self.next_mac), |mac| {
            Mac::from_bits(mac.value.0.to_bits() + u64::from(index))
        })
    }

    /// Checks an interface and finds its network and cable.
    fn plug(
        &mut self,
        name: &Spanned<String>,
        text: &InterfaceText,
        members: u64,
        document: &Document,
        networks: &[Network],
    ) -> Option<(usize, LinkSpec)> {
        let is_virtual = is_virtual(name);
        if name.is_empty() || name.len() > 15 || name.contains(|c: char| c.is_whitespace() || c == '/') {
            self.error(
                name.span,
                format!("`{}` is no interface name", name.value),
                "1 to 15 characters, as in eth0",
            );
        }
        for address in &text.address.0 {
            let count = address.value.0.count();
            let shared = is_virtual && count == 1;
            if count != u128::from(members) && !shared {
                let (s, t) = (if count == 1 { "" } else { "es" }, if members == 1 { "" } else { "s" });
                let message = format!("{count} address{s} for {members} host{t}");
                self.error(
                    address.span,
                    message,
                    "write the first and the last address of the group: 10.0.1.1-10.0.1.250/16",
                );
            }
        }
        let Some(network) = &text.network else {
            if !is_virtual && !name.contains('.') {
                let message = format!("`{}` is not plugged into a network", name.value);
                let cure = "add `network: NAME`; only lo, tunl0, gre0, ip6tnl0, dummy0 and VLANs (eth0.10) have none";
                self.error(name.span, message, cure);
            }
            return None;
        };
        if name.contains('.') {
            return None; // vlans.rs says so
        }
        if is_virtual {
            self.error(
                network.span,
                format!("`{}` has no cable", name.value),
                "remove `network`, or name the interface eth0",
            );
            return None;
        }
        let Some(index) = networks.iter().position(|known| known.name == network.value) else {
            self.unknown(network, "network", networks.iter().map(|network| &*network.name));
            return None;
        };
        Some((index, self.cable(&text.cable, &document.networks.0[index].1.cable)))
    }

    fn unknown<'n>(
        &mut self,
        name: &Spanned<String>,
        what: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let help = match suggestion(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.take(12).collect::<Vec<_>>().join(", ")),
        };
        self.error(name.span, format!("no {what} is called `{}`", name.value), help);
    }

    /// The command lines that set a host up, in the order in which a boot would run them.
    fn setup(&mut self, text: &HostText) -> Vec<Line> {
        let source = self.sources[0].clone();
        let mut setup = Vec::new();
        for (key, value) in &text.sysctls.0 {
            let span = Span { start: key.span.start, end: value.span.end.max(key.span.end) };
            let whole = format!("sysctl -w {}={}", key.value, value.value);
            setup.push(Line { span, text: whole, added: "sysctl -w ".len() });
        }
        let mut each = |list: &List<Spanned<String>>, program: &str| {
            for item in list.0.iter().filter(|item| !is_auto(item)) {
                setup.extend(native::lines(&source, item.span, item, program));
            }
        };
        each(&text.routes, "ip route add");
        each(&text.iptables, "iptables");
        each(&text.arptables, "arptables");
        for (block, program) in [(&text.ipvsadm, "ipvsadm"), (&text.commands, "")] {
            if let Some(block) = block {
                setup.extend(native::lines(&source, block.span, block, program));
            }
        }
        setup
    }

    fn events(&mut self, document: &Document, hosts: &[Host], duration: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        for event in &document.events.0 {
            if event.at.value.0 > duration {
                let help = format!("the run ends at {duration}");
                self.error(event.at.span, "this happens after the end of the run", help);
            }
            let Some(host) = self.host(&event.on) else { continue };
            let find =
                |name: &str| hosts[host].interfaces.iter().position(|interface| interface.name == name);
            let mut actions = Vec::new();
            if let Some(run) = &event.run {
                let source = self.sources[0].clone();
                let lines = native::lines(&source, run.span, run, "");
                actions.extend(lines.into_iter().map(Action::Run));
            }
            for (name, unplug) in [(&event.unplug, true), (&event.plug, false)] {
                let Some(name) = name else { continue };
                match find(name) {
                    Some(interface) if unplug => actions.push(Action::Unplug(interface)),
                    Some(interface) => actions.push(Action::Plug(interface)),
                    None => self.unknown(name, "interface", hosts[host].interfaces.iter().map(|i| &*i.name)),
                }
            }
            actions.extend(event.host.map(|change| Action::Host(change.value)));
            let kinds =
                [event.run.is_some(), event.unplug.is_some(), event.plug.is_some(), event.host.is_some()];
            if kinds.iter().filter(|given| **given).count() != 1 {
                let message = "an event is exactly one of `run`, `unplug`, `plug`, `host`";
                self.error(event.span, message, "as in {at: 30s, on: director, run: ipvsadm -C}");
            }
            let at = Time::ZERO + event.at.value.0;
            events.extend(actions.into_iter().map(|action| Event { at, host, span: event.span, action }));
        }
        events
    }

    fn host(&mut self, name: &Spanned<String>) -> Option<usize> {
        let found = self.hosts.get(&name.value).copied();
        if found.is_none() {
            let mut known: Vec<String> = self.hosts.keys().cloned().collect();
            known.sort_unstable();
            self.unknown(name, "host", known.iter().map(String::as_str));
        }
        found
    }
}

/// `lo`, `tunl0`, `gre0`, `ip6tnl0`, `dummy0`: interfaces without a cable.
fn is_virtual(name: &str) -> bool {
    name == "lo" || ["tunl", "gre", "ip6tnl", "dummy"].iter().any(|kind| name.starts_with(kind))
}

fn member_address(address: &Spanned<crate::units::Cidr>, index: u32) -> (Addr, u8) {
    let range = address.value.0;
    let step = if range.first == range.last { 0 } else { u128::from(index) };
    (range.first.offset(step), range.len)
}
