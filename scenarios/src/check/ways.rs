//! Do packets find their way: from the clients to the address they ask for, and from those who answer back to them?
//!
//! The routes that the set-up makes are followed from host to host, as packets would; where they end too early, the
//! topology knows the line that is missing.

use super::View;
use crate::source::Span;
use net_model::addr::{Addr, Prefix};
use net_model::ipvs::{Forwarding, ServiceKey};
use net_model::spec::{Arrivals, Sources};

/// Longer ways are circles.
const MAX_HOSTS: usize = 64;

/// What keeps packets from arriving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    /// This host has no route.
    NoRoute(usize),
    /// This host is asked to forward, but does not.
    NotForwarding(usize),
    /// This host's route names a gateway that no neighbour has.
    NoGateway(usize, Addr),
    /// The routes lead to this host a second time.
    Circle(usize),
}

impl View<'_> {
    /// The way of requests; an error if it cannot even begin.
    pub(super) fn way_there(&mut self, client: usize, addr: Addr, span: Span) {
        let name = self.scenario.hosts[client].name.clone();
        match self.follow(client, addr) {
            None => {}
            Some(Obstacle::NoRoute(host)) if host == client => {
                let help = self.missing_route(client, addr);
                self.error(span, format!("{name} has no route to {addr}"), help);
            }
            Some(obstacle) => self.blame(obstacle, addr, &format!("requests of {name}")),
        }
    }

    /// The way of answers, from everybody who may have to give one.
    pub(super) fn ways_back(&mut self) {
        for group in &self.scenario.clients {
            let Some(source) = self.source_of(group.host, &group.spec.sources) else { continue };
            let targets = match &group.spec.arrivals {
                Arrivals::Trace(_) => continue, // its rows name their sources
                _ => group.spec.target,
            };
            for host in self.answering(targets.addr) {
                if host == group.host {
                    continue;
                }
                if let Some(obstacle) = self.follow(host, source) {
                    let name = self.scenario.hosts[host].name.clone();
                    self.blame(obstacle, source, &format!("answers of {name}"));
                }
            }
        }
    }

    /// The hosts whose packets clients of this address get: its owners, and the real servers behind them that answer
    /// by themselves.
    fn answering(&self, addr: Addr) -> Vec<usize> {
        let owners = self.owners.get(&addr).into_iter().flatten().map(|(host, _)| *host);
        let mut answering: Vec<usize> =
            owners.filter(|host| !self.facts[*host].services.is_empty()).collect();
        for index in 0..answering.len() {
            for (_, key, server, config) in &self.facts[answering[index]].destinations {
                let is_meant = match key {
                    ServiceKey::Address { addr: vip, .. } => *vip == addr,
                    ServiceKey::Mark { .. } => true,
                };
                let answers_itself = is_meant && config.forwarding != Forwarding::Masquerade;
                let hosts = self.owners.get(&server.addr).into_iter().flatten();
                answering.extend(hosts.filter(|_| answers_itself).map(|(host, _)| *host));
            }
        }
        answering.sort_unstable();
        answering.dedup();
        answering
    }

    /// An address that a client group sends from.
    fn source_of(&self, host: usize, sources: &Sources) -> Option<Addr> {
        match sources {
            Sources::Uniform(prefix) | Sources::RoundRobin(prefix) => Some(prefix.addr()),
            Sources::Host => {
                let plugged = self.scenario.hosts[host].interfaces.iter().filter(|i| i.segment.is_some());
                let mut addresses = plugged.flat_map(|interface| &interface.addresses);
                addresses.next().map(|(addr, _)| *addr)
            }
        }
    }

    /// Follows the routes from a host to an address; none if they arrive, or if only a run can tell.
    fn follow(&self, from: usize, addr: Addr) -> Option<Obstacle> {
        let mut host = from;
        for _ in 0..MAX_HOSTS {
            let facts = &self.facts[host];
            let is_refused = facts.refused.iter().any(|prefix| prefix.contains(addr));
            if facts.is_opaque || is_refused || self.is_own(host, addr) {
                return None;
            }
            if host != from && facts.sysctl(forwarding_of(addr)) == 0 {
                return Some(Obstacle::NotForwarding(host));
            }
            if self.is_near(host, addr) {
                return None;
            }
            let matching = facts.routes.iter().filter(|(prefix, _)| prefix.contains(addr));
            let Some((_, gateway)) = matching.max_by_key(|(prefix, _)| prefix.len()) else {
                return Some(Obstacle::NoRoute(host));
            };
            let gateway = (*gateway)?; // `dev eth0`: whoever answers there
            let next = self.owners.get(&gateway).into_iter().flatten().map(|(owner, _)| *owner);
            let Some(next) = next.filter(|owner| *owner != host).min() else {
                return Some(Obstacle::NoGateway(host, gateway));
            };
            host = next;
        }
        Some(Obstacle::Circle(host))
    }

    fn is_own(&self, host: usize, addr: Addr) -> bool {
        self.owners.get(&addr).into_iter().flatten().any(|(owner, _)| *owner == host)
            || self.facts[host].locals.iter().any(|local| local.contains(addr))
    }

    /// Is the address in one of the host's own networks?
    fn is_near(&self, host: usize, addr: Addr) -> bool {
        let mut addresses =
            self.scenario.hosts[host].interfaces.iter().flat_map(|interface| &interface.addresses);
        addresses.any(|(own, len)| Prefix::new(*own, *len).contains(addr))
    }

    fn blame(&mut self, obstacle: Obstacle, addr: Addr, whose: &str) {
        let (Obstacle::NoRoute(host)
        | Obstacle::NotForwarding(host)
        | Obstacle::NoGateway(host, _)
        | Obstacle::Circle(host)) = obstacle;
        let (name, span) = (self.scenario.hosts[host].name.clone(), self.scenario.hosts[host].span);
        let (kind, message, help) = match obstacle {
            Obstacle::NoRoute(_) => {
                let message = format!("{name} has no route to {addr}: {whose} end there");
                ("no route", message, self.missing_route(host, addr))
            }
            Obstacle::NotForwarding(_) => {
                let message = format!("{name} does not forward: {whose} to {addr} end there");
                let setting = forwarding_of(addr);
                ("not forwarding", message, format!("add `sysctls: {{{setting}: 1}}` to {name}"))
            }
            Obstacle::NoGateway(_, gateway) => {
                let message = format!("no host has the address {gateway}, the gateway of {name} to {addr}");
                ("no gateway", message, self.missing_route(host, addr))
            }
            Obstacle::Circle(_) => {
                let message = format!("{whose} to {addr} go round in a circle through {name}");
                (
                    "circle",
                    message,
                    "follow the routes from gateway to gateway; one of them points back".into(),
                )
            }
        };
        self.warn_once(span, kind, message, help);
    }

    /// The cure for a missing route.
    fn missing_route(&self, from: usize, addr: Addr) -> String {
        let name = &self.scenario.hosts[from].name;
        let owner = self.owners.get(&addr).into_iter().flatten().map(|(host, _)| *host).min();
        let claimed = || self.facts.iter().position(|facts| facts.locals.iter().any(|l| l.contains(addr)));
        let Some(to) = owner.or_else(claimed) else {
            return "add `routes: default via GATEWAY` to that host, or an interface in the same network"
                .into();
        };
        let target = &self.scenario.hosts[to].name;
        if !self.topology.connects(from, to) {
            return format!(
                "no cables lead from {name} to {target}: plug both into one network, or a router into both of theirs"
            );
        }
        let forwards = |host: usize| self.facts[host].sysctl(forwarding_of(addr)) != 0;
        match self.topology.gateway(from, to, forwards, addr.is_v4()) {
            Some(gateway) => {
                let through = &self.scenario.hosts[gateway.host].name;
                format!("add `routes: default via {}` ({through}) or `routes: auto` to {name}", gateway.addr)
            }
            None => format!("give {name} an address of the network that it shares with {target}"),
        }
    }
}

/// The setting that makes a host a router.
pub(super) fn forwarding_of(addr: Addr) -> &'static str {
    if addr.is_v4() { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" }
}
