//! Does the scenario make sense? Names, addresses, reachability, expectations; and what LVS needs (`lvs.rs`).

mod facts;
mod firewall;
mod lvs;
mod owners;
mod ways;

use crate::console::Command;
use crate::console::ip::IpCommand;
use crate::console::names::Names;
use crate::decode::Spanned;
use crate::expect::{Expectation, Known};
use crate::problem::{Problem, Severity};
use crate::scenario::{Action, Host, Scenario};
use crate::schema::Document;
use crate::source::{Source, Span};
use crate::topology::Topology;
use facts::Facts;
use net_model::addr::Addr;
use net_model::ipvs::Protocol;
use net_model::spec::{Arrivals, Sources, Target};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Ports of a switch.
const MAX_PORTS: usize = 1 << 16;

/// Checks a scenario and reads its expectations into it.
pub fn check(scenario: &mut Scenario, document: &Document, source: &Source, problems: &mut Vec<Problem>) {
    let mut view = View::new(scenario, problems);
    view.addresses();
    view.clients(document);
    // What is wrong in one line would be blamed on others.
    if !view.problems.iter().any(|problem| problem.severity == Severity::Error) {
        view.ways_back();
        view.frame_sizes();
        lvs::check(&mut view);
        owners::check(&mut view);
    }
    if view.scenario.clients.is_empty() {
        let top = Span::default();
        view.warn(top, "nothing happens: there are no client groups", "add `clients:`");
    }
    scenario.expect = expectations(scenario, document, source, problems);
}

/// A scenario with what can be derived from it.
struct View<'a> {
    scenario: &'a Scenario,
    problems: &'a mut Vec<Problem>,
    /// What the setup of each host says; members of a group share it.
    facts: Vec<Arc<Facts>>,
    /// Which hosts have an address, by interface.
    owners: FxHashMap<Addr, Vec<(usize, usize)>>,
    /// Members of a group have the same faults: each is told once a group.
    told: FxHashSet<(Span, &'static str)>,
    topology: Topology<'a>,
    /// Addresses that hosts get in the course of the run.
    later: FxHashSet<(usize, Addr)>,
}

impl<'a> View<'a> {
    fn new(scenario: &'a Scenario, problems: &'a mut Vec<Problem>) -> View<'a> {
        let mut names = Names::default();
        let mut owners: FxHashMap<Addr, Vec<(usize, usize)>> = FxHashMap::default();
        for (index, host) in scenario.hosts.iter().enumerate() {
            for (at, interface) in host.interfaces.iter().enumerate() {
                for (addr, _) in &interface.addresses {
                    owners.entry(*addr).or_default().push((index, at));
                    names.add(*addr, &[&host.name]);
                }
            }
        }
        let mut facts: Vec<Arc<Facts>> = Vec::with_capacity(scenario.hosts.len());
        for (index, host) in scenario.hosts.iter().enumerate() {
            let previous = index.checked_sub(1).map(|at| &scenario.hosts[at]);
            let shared = previous
                .filter(|previous| Arc::ptr_eq(&previous.setup, &host.setup) && !host.setup.is_empty());
            facts.push(match shared {
                Some(_) => facts[index - 1].clone(),
                None => Arc::new(Facts::new(&host.setup, &names, problems)),
            });
        }
        let mut later = FxHashSet::default();
        for event in &scenario.events {
            let Action::Run(line) = &event.action else { continue };
            match crate::native::read(line, &names) {
                Ok(Some(Command::Ip(changes))) => {
                    let added = changes.iter().filter_map(|change| match change {
                        IpCommand::AddressAdd(added) => Some((event.host, added.addr)),
                        _ => None,
                    });
                    later.extend(added);
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let topology = Topology::new(&scenario.networks, &scenario.hosts);
        View { scenario, problems, facts, owners, told: FxHashSet::default(), topology, later }
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(span, message).help(help));
    }

    fn warn(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::warning(span, message).help(help));
    }

    /// Warns, once for each place and kind of fault.
    fn warn_once(
        &mut self,
        span: Span,
        kind: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.told.insert((span, kind)) {
            self.warn(span, message, help);
        }
    }

    /// Addresses that two hosts have, or that are not of their network; networks that overlap.
    fn addresses(&mut self) {
        let networks = &self.scenario.networks;
        let mut ports = vec![0_usize; networks.len()];
        let interfaces = self.scenario.hosts.iter().flat_map(|host| &host.interfaces);
        interfaces.filter_map(|interface| interface.plug).for_each(|(network, _)| ports[network] += 1);
        for (index, network) in networks.iter().enumerate() {
            if ports[index] > MAX_PORTS {
                let message = format!("{} interfaces in one network", ports[index]);
                self.error(
                    network.span,
                    message,
                    format!("a switch has at most {MAX_PORTS} ports: use several networks"),
                );
            }
            let Some(prefix) = network.prefix else { continue };
            for other in &networks[..index] {
                let Some(before) = other.prefix else { continue };
                if before.contains(prefix.addr()) || prefix.contains(before.addr()) {
                    let message = format!("{} ({prefix}) overlaps {} ({before})", network.name, other.name);
                    self.error(
                        network.span,
                        message,
                        "networks that routers connect have different addresses",
                    );
                }
            }
        }
        for host in &self.scenario.hosts {
            for interface in &host.interfaces {
                let Some((network, 0)) = interface.segment else { continue }; // a VLAN has a prefix of its own
                let network = &networks[network];
                let Some(prefix) = network.prefix else { continue };
                for &(addr, len) in &interface.addresses {
                    let alone = len == addr.width();
                    if !alone
                        && (!prefix.contains(addr) || len != prefix.len())
                        && self.told.insert((interface.span, "prefix"))
                    {
                        let message = format!(
                            "{addr}/{len} on {} is not of network {} ({prefix})",
                            host.name, network.name
                        );
                        let help =
                            format!("give it an address within {prefix}, or plug it into another network");
                        self.error(interface.span, message, help);
                    }
                }
            }
        }
        self.duplicates();
    }

    /// Interfaces that send larger frames than their network carries.
    fn frame_sizes(&mut self) {
        for (index, host) in self.scenario.hosts.iter().enumerate() {
            for (span, dev, mtu) in self.facts[index].mtus.clone() {
                let plugged = host.interfaces.iter().find(|interface| interface.name == dev);
                let Some((network, _)) = plugged.and_then(|interface| interface.plug) else { continue };
                let network = &self.scenario.networks[network];
                if mtu > u32::from(network.mtu) {
                    let message = format!(
                        "{dev} of {} sends packets of {mtu} bytes, the switch of {} carries {}",
                        host.name, network.name, network.mtu
                    );
                    let help = format!(
                        "larger frames are dropped without a word (frame-too-big): give the network `mtu: {mtu}`, or remove this line"
                    );
                    self.warn_once(span, "frame size", message, help);
                }
            }
        }
    }

    /// One address (with its subnet) on two hosts; /32 addresses are shared on purpose, as VIPs are.
    fn duplicates(&mut self) {
        let hosts = &self.scenario.hosts;
        let mut shared: Vec<(Addr, usize, usize, Span)> = Vec::new();
        for (addr, owners) in &self.owners {
            let mut real = owners.iter().filter(|(host, at)| {
                let interface = &hosts[*host].interfaces[*at];
                interface.segment.is_some()
                    && interface.addresses.iter().any(|(a, len)| a == addr && *len != addr.width())
            });
            if let (Some((first, _)), Some((second, at))) = (real.next(), real.next()) {
                shared.push((*addr, *first, *second, hosts[*second].interfaces[*at].span));
            }
        }
        shared.sort_unstable();
        for (addr, first, second, span) in shared {
            if self.told.insert((span, "duplicate")) {
                let message = format!("{} and {} both have {addr}", hosts[first].name, hosts[second].name);
                self.error(
                    span,
                    message,
                    "an address belongs to one interface; groups of hosts need a range of addresses",
                );
            }
        }
    }

    fn clients(&mut self, document: &Document) {
        for group in &self.scenario.clients {
            let text =
                document.clients.0.iter().find(|(name, _)| name.span == group.span).map(|(_, text)| text);
            let span = text.and_then(|text| text.to.as_ref()).map_or(group.span, |to| to.span);
            let host = &self.scenario.hosts[group.host];
            if !host.interfaces.iter().any(|interface| interface.segment.is_some()) {
                self.error(
                    group.span,
                    format!("{} is not attached to any network", host.name),
                    "add an interface with `network:` to it",
                );
                continue;
            }
            if let Sources::Uniform(prefix) | Sources::RoundRobin(prefix) = group.spec.sources
                && !self.facts[group.host]
                    .locals
                    .iter()
                    .any(|local| local.contains(prefix.addr()) && local.len() <= prefix.len())
            {
                let message = format!("{} does not own the addresses {prefix}", host.name);
                let help = format!(
                    "add the route `local {prefix} dev lo` to it, and a route to {prefix} where answers come from"
                );
                self.warn(group.span, message, help);
            }
            let mut targets: Vec<Target> = match &group.spec.arrivals {
                Arrivals::Trace(rows) => rows.iter().map(|row| row.target).collect(),
                _ => vec![group.spec.target],
            };
            targets.sort_unstable_by_key(|target| (target.addr, target.port, target.protocol));
            targets.dedup();
            for target in targets.into_iter().take(100) {
                self.target(group.host, target, span);
            }
        }
    }

    /// Can this host reach that target, and does anybody answer there?
    fn target(&mut self, client: usize, target: Target, span: Span) {
        let Target { protocol, addr, port } = target;
        self.way_there(client, addr, span);
        let owners: Vec<usize> =
            self.owners.get(&addr).into_iter().flatten().map(|(host, _)| *host).collect();
        let by_commands =
            self.facts.iter().any(|facts| facts.is_opaque || facts.locals.iter().any(|l| l.contains(addr)));
        if owners.is_empty() {
            if !by_commands {
                let help = "give it to the director: address: [10.0.0.1/24, VIP/32]";
                self.error(span, format!("unreachable: no host has the address {addr}"), help);
            }
            return;
        }
        let served = owners.iter().any(|host| {
            self.facts[*host].has_service(protocol, addr, port)
                || listens(&self.scenario.hosts[*host], protocol, port)
        });
        if !served && !by_commands {
            let word = if protocol == Protocol::Udp { "udp " } else { "" };
            let message = format!("nobody serves {word}{addr}:{port}");
            self.warn(
                span,
                message,
                "add a virtual service (`ipvsadm: |`), or a `server` on the host that has the address",
            );
        }
    }
}

/// Does a program on the host listen on the port?
fn listens(host: &Host, protocol: Protocol, port: u16) -> bool {
    host.servers
        .iter()
        .any(|server| server.protocol == protocol && (port == 0 || server.ports.contains(&port)))
}

fn expectations(
    scenario: &Scenario,
    document: &Document,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Vec<Expectation> {
    let hosts = &scenario.hosts;
    let servers: Vec<&str> =
        hosts.iter().filter(|host| !host.servers.is_empty()).map(|host| &*host.name).collect();
    let clients: Vec<&str> = scenario.clients.iter().map(|group| &*group.spec.name).collect();
    let mut places: Vec<&str> = hosts.iter().map(|host| &*host.name).collect();
    places.extend(scenario.networks.iter().map(|network| &*network.name));
    let known = Known { servers: &servers, clients: &clients, places: &places };
    let read = |line: &Spanned<String>| match Expectation::parse(line, known) {
        Ok(expectation) => Ok(expectation),
        Err(misread) => {
            let place = source.within(line.span, 0, misread.columns);
            Err(Problem::error(place, misread.message).help(misread.help))
        }
    };
    let (good, bad): (Vec<_>, Vec<_>) = document.expect.0.iter().map(read).partition(Result::is_ok);
    problems.extend(bad.into_iter().filter_map(Result::err));
    good.into_iter().filter_map(Result::ok).collect()
}
