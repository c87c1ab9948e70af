//! What the native text of a host says, as far as checks need it.

use super::firewall::Firewall;
use crate::console::Command;
use crate::console::ip::{IpCommand, LinkChange, RouteKind, RouteSpec};
use crate::console::ipvsadm::Request;
use crate::console::names::Names;
use crate::native::read;
use crate::problem::Problem;
use crate::scenario::Line;
use crate::source::Span;
use net_model::addr::{Addr, Prefix};
use net_model::ipvs::{DestinationConfig, DestinationKey, Protocol, ServiceConfig, ServiceKey};
use std::collections::BTreeMap;

/// What the setup of a host says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Kernel settings that were made.
    pub(super) sysctls: BTreeMap<String, i64>,
    /// Routes: destination, gateway, place.
    pub(super) routes: Vec<(Prefix, Option<Addr>)>,
    /// Where the default route was written.
    pub(super) default_route: Option<Span>,
    /// Prefixes that are local as a whole.
    pub(super) locals: Vec<Prefix>,
    /// Prefixes that are refused on purpose: blackhole, unreachable, prohibit.
    pub(super) refused: Vec<Prefix>,
    /// Virtual services.
    pub(super) services: Vec<(Span, ServiceKey, ServiceConfig)>,
    /// Destinations of virtual services.
    pub(super) destinations: Vec<(Line, ServiceKey, DestinationKey, DestinationConfig)>,
    /// Neighbours whose link address was set for good.
    pub(super) permanent: Vec<(Span, Addr)>,
    /// Rules of iptables.
    pub(super) firewall: Firewall,
    /// UDP ports where tunnels end.
    pub(super) tunnel_ports: Vec<u16>,
    /// MTUs that interfaces were given.
    pub(super) mtus: Vec<(Span, String, u32)>,
    /// Devices that came with modules; they are down.
    pub(super) loaded: Vec<&'static str>,
    /// Other commands change addresses or routes: only a run will tell.
    pub(super) is_opaque: bool,
}

impl Facts {
    /// Reads the lines; those that cannot be read are reported.
    pub(super) fn new(lines: &[Line], names: &Names, problems: &mut Vec<Problem>) -> Facts {
        let mut facts = Facts::default();
        for line in lines {
            match read(line, names) {
                Ok(Some(Command::Ipvsadm(request))) => facts.rule(line, &request),
                Ok(Some(Command::Sysctl(settings))) => {
                    settings.iter().for_each(|setting| facts.set(&setting.dotted(), &setting.value));
                }
                Ok(Some(Command::Ip(changes))) => {
                    changes.iter().for_each(|change| facts.change(line, change));
                }
                Ok(Some(Command::Iptables(change))) => facts.firewall.change(line.span, &change),
                Ok(Some(Command::Arptables(_) | Command::Call(_))) => {
                    facts.is_opaque = true;
                }
                Ok(Some(Command::Modules(_)) | None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        facts
    }

    /// A kernel setting, 0 if it was never made.
    pub(super) fn sysctl(&self, key: &str) -> i64 {
        self.sysctls.get(key).copied().unwrap_or(0)
    }

    /// The larger of the values for `all` and the interface: what counts for most ARP settings and rp_filter.
    pub(super) fn conf(&self, interface: &str, key: &str) -> i64 {
        let of = |name: &str| self.sysctl(&format!("net.ipv4.conf.{name}.{key}"));
        of("all").max(of(interface))
    }

    /// The gateway of the default route.
    pub(super) fn gateway(&self) -> Option<Addr> {
        self.routes.iter().find(|(prefix, _)| prefix.len() == 0).and_then(|(_, gateway)| *gateway)
    }

    /// Is there a virtual service for the target?
    pub(super) fn has_service(&self, protocol: Protocol, addr: Addr, port: u16) -> bool {
        self.services.iter().any(|(_, key, _)| match key {
            ServiceKey::Address { protocol: p, addr: a, port: at } => {
                (*p, *a) == (protocol, addr) && (*at == port || *at == 0)
            }
            ServiceKey::Mark { .. } => true,
        })
    }

    fn rule(&mut self, line: &Line, request: &Request) {
        match request {
            Request::AddService(key, config) => self.services.push((line.span, *key, config.clone())),
            Request::AddDestination(key, server, config) => {
                self.destinations.push((line.clone(), *key, *server, *config));
            }
            _ => {}
        }
    }

    fn change(&mut self, line: &Line, change: &IpCommand) {
        match change {
            IpCommand::RouteAdd(route) | IpCommand::RouteReplace(route) => self.route(line, route),
            IpCommand::NeighbourReplace(entry) => {
                if entry.permanent {
                    self.permanent.push((line.span, entry.addr));
                }
            }
            IpCommand::FouAdd(port, _) => self.tunnel_ports.push(*port),
            IpCommand::LinkSet(dev, LinkChange::Mtu(mtu)) => {
                self.mtus.push((line.span, dev.clone(), *mtu));
            }
            IpCommand::LinkLoad(name, _) => self.loaded.push(name),
            // Whatever else changes addresses, links or neighbours is beyond these checks.
            _ => self.is_opaque = true,
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        // ip_forward and conf.all.forwarding are two names of one thing.
        let key = if key == "net.ipv4.conf.all.forwarding" { "net.ipv4.ip_forward" } else { key };
        if let Ok(value) = value.trim().parse() {
            self.sysctls.insert(key.into(), value);
        }
    }

    fn route(&mut self, line: &Line, route: &RouteSpec) {
        match route.kind {
            RouteKind::Local => self.locals.push(route.prefix),
            RouteKind::Unicast => {
                if route.prefix.len() == 0 {
                    self.default_route = Some(line.span);
                }
                let first_hop = route.hops.first().and_then(|hop| hop.via);
                self.routes.push((route.prefix, route.via.or(first_hop)));
            }
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
                self.refused.push(route.prefix);
            }
            RouteKind::Broadcast | RouteKind::Throw => {}
        }
    }
}
