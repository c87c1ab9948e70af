//! Which addresses the members of a cluster get.

use super::Changes;
use crate::decode::{Named, Spanned, decode};
use crate::names::NamePattern;
use crate::native::unknown_scheduler;
use crate::problem::Problem;
use crate::resolve::MAX_HOSTS;
use crate::schema::{
    ArpStyle, ClientSide, ClientText, Cluster, Method, RealServersText, ServiceText, TunnelText,
};
use crate::source::Span;
use crate::tree::Node;
use net_model::addr::{Addr, Prefix};
use net_model::spec::Sources;
use std::collections::BTreeSet;

/// The network of director and real servers if the cluster does not say.
const LAN: &str = "10.0.0.0/24";
/// The network of clients behind a router (set aside for documentation by RFC 5737).
const OUTSIDE: &str = "198.51.100.0/24";

/// The same for IPv6 (RFC 3849), where nothing is said: those of the clients, and of real servers apart. Director and real
/// servers are where the virtual address is.
const OUTSIDE_V6: &str = "2001:db8:c::/64";
const INNER_V6: &str = "2001:db8:5::/64";

/// A cluster with every address settled.
pub(super) struct Plan<'a> {
    pub(super) cluster: Spanned<Cluster>,
    /// The cluster as it was written, for the parts that are passed on word by word.
    pub(super) node: &'a Node,
    pub(super) method: Method,
    pub(super) tunnel: Tunnel,
    pub(super) scheduler: Option<String>,
    pub(super) arp: ArpStyle,
    pub(super) lan: Prefix,
    /// The real servers' own network, if there is one.
    pub(super) inner: Option<Prefix>,
    pub(super) outside: Option<Prefix>,
    pub(super) director: Addr,
    /// The director's address in the real servers' network.
    pub(super) director_inner: Option<Addr>,
    /// The router's addresses: in the cluster's network, and in the real servers'.
    pub(super) router: Option<Addr>,
    pub(super) router_inner: Option<Addr>,
    pub(super) client: Addr,
    pub(super) groups: Vec<Group>,
    /// Prefixes that client groups use as sources.
    pub(super) sources: Vec<Prefix>,
}

/// What the tunnels are made of, if there are any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tunnel {
    Ipip,
    Ipip6,
    Gre,
    Gue {
        /// The UDP port at which they end.
        port: u16,
    },
}

impl Tunnel {
    /// The port of tunnels in UDP where the cluster does not say (the one assigned to GUE).
    const GUE_PORT: u16 = 6080;

    fn of(cluster: &Cluster, is_v4: bool) -> Tunnel {
        match cluster.tunnel.map_or_else(Default::default, |tunnel| tunnel.value) {
            TunnelText::Ipip if is_v4 => Tunnel::Ipip,
            TunnelText::Ipip => Tunnel::Ipip6,
            TunnelText::Gre => Tunnel::Gre,
            TunnelText::Gue => {
                Tunnel::Gue { port: cluster.tunnel_port.map_or(Tunnel::GUE_PORT, |port| port.value) }
            }
        }
    }

    /// The device of a real server that gets what comes out of it.
    pub(super) const fn device(self) -> &'static str {
        match self {
            Tunnel::Ipip | Tunnel::Gue { .. } => "tunl0",
            Tunnel::Ipip6 => "ip6tnl0",
            Tunnel::Gre => "gre0",
        }
    }

    /// The options of ipvsadm behind `-i`.
    pub(super) fn options(self) -> String {
        match self {
            Tunnel::Ipip | Tunnel::Ipip6 => String::new(),
            Tunnel::Gre => " --tun-type gre".to_owned(),
            Tunnel::Gue { port } => format!(" --tun-type gue --tun-port {port}"),
        }
    }
}

/// Real servers with consecutive addresses.
pub(super) struct Group {
    pub(super) name: Spanned<String>,
    pub(super) text: Spanned<RealServersText>,
    pub(super) first: Addr,
    pub(super) count: u32,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        cluster: Spanned<Cluster>,
        node: &'a Node,
        clients: Option<&Node>,
        changes: &Changes,
        problems: &mut Vec<Problem>,
    ) -> Option<Plan<'a>> {
        let before = problems.len();
        let method = changes.forwarding.unwrap_or(cluster.forwarding.value);
        check_parts(&cluster, method, problems);
        let lan = network_of(&cluster);
        check_families(&cluster, lan, problems);
        let inner = cluster.server_network.as_ref().map(|network| match network.prefix {
            Some(prefix) => prefix.value.0,
            None if lan.addr().is_v4() => prefix("192.168.10.0/24"),
            None => prefix(INNER_V6),
        });
        let side = cluster.clients.map_or_else(Default::default, |side| side.value);
        let sources = sources(clients);
        let behind_router = side == ClientSide::Router;
        let needs_router = behind_router || (inner.is_some() && method == Method::Tun);
        let mut taken: BTreeSet<Addr> = cluster.vips.0.iter().map(|vip| vip.value.0).collect();
        let mut take = |given: Option<Addr>, otherwise: Addr| {
            let addr = given.unwrap_or(otherwise);
            taken.insert(addr);
            addr
        };
        let router = needs_router.then(|| take(cluster.gateway.map(|ip| ip.value.0), last_host(lan)));
        let director = take(cluster.director.address.map(|ip| ip.value.0), lan.addr().offset(1));
        let inner_nat = inner.filter(|_| method == Method::Nat);
        let director_inner = inner_nat
            .map(|inner| take(cluster.director.server_address.map(|ip| ip.value.0), inner.addr().offset(1)));
        let router_inner = inner.filter(|_| method == Method::Tun).map(|inner| take(None, last_host(inner)));
        let outside = behind_router.then(|| prefix(if lan.addr().is_v4() { OUTSIDE } else { OUTSIDE_V6 }));
        let client = take(
            None,
            outside.map_or(last_host(lan).offset(u128::MAX), |outside| numbered(outside, [10, 0x10])),
        );
        let home = inner.filter(|_| method != Method::Dr).unwrap_or(lan);
        let groups = groups(&cluster.servers, home, &mut taken, problems);
        let arp = cluster.arp.map_or_else(Default::default, |arp| arp.value);
        (problems.len() == before).then_some(Plan {
            tunnel: Tunnel::of(&cluster, lan.addr().is_v4()),
            cluster,
            node,
            method,
            scheduler: changes.scheduler.clone(),
            arp,
            lan,
            inner,
            outside,
            director,
            director_inner,
            router,
            router_inner,
            client,
            groups,
            sources,
        })
    }

    /// The network in which the real servers live.
    pub(super) fn home(&self) -> Prefix {
        self.inner.unwrap_or(self.lan)
    }

    /// The virtual address of a service.
    pub(super) fn vip(&self, service: &ServiceText) -> Addr {
        service.vip.map_or_else(|| self.cluster.vips.0[0].value.0, |vip| vip.value.0)
    }

    /// The setting that makes a host of the cluster a router.
    pub(super) fn forwarding(&self) -> &'static str {
        if self.lan.addr().is_v4() { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" }
    }

    /// Where the shorthand stands.
    pub(super) fn span(&self) -> Span {
        self.cluster.span
    }
}

fn check_parts(cluster: &Spanned<Cluster>, method: Method, problems: &mut Vec<Problem>) {
    let mut error =
        |span: Span, message: &str, help: &str| problems.push(Problem::error(span, message).help(help));
    if cluster.vips.0.is_empty() {
        error(cluster.span, "a cluster without virtual address", "add `vips: ADDRESS`");
    }
    if cluster.services.0.is_empty() {
        error(cluster.span, "a cluster without service", "add `services: {port: 80}`");
    }
    if cluster.servers.0.is_empty() {
        error(cluster.span, "a cluster without real server", "add `servers: {\"web[1-3]\": {}}`");
    }
    for service in &cluster.services.0 {
        if service.port.value == 0 && service.persistence.is_none() {
            error(
                service.port.span,
                "port 0 (every port) needs `persistence`",
                "give a port, or add `persistence: 5min`",
            );
        }
        if let Some(vip) =
            service.vip.filter(|vip| !cluster.vips.0.iter().any(|known| known.value == vip.value))
        {
            error(
                vip.span,
                "this address is not among `vips`",
                "add it there: the hosts are set up for those",
            );
        }
        if let Some(port) = service.server_port.filter(|_| method != Method::Nat) {
            error(
                port.span,
                "only NAT can change the port",
                "remove `server_port`, or use `forwarding: nat`",
            );
        }
        if let Some(name) = &service.scheduler
            && let Some(help) = unknown_scheduler(name)
        {
            error(name.span, &format!("no scheduler is called `{}`", name.value), &help);
        }
        if let Some(time) = service.persistence.filter(|time| time.value.0.as_nanos() < 1_000_000_000) {
            error(time.span, "persistence is counted in seconds", "at least 1s");
        }
    }
    if let (Some(network), Method::Dr) = (&cluster.server_network, method) {
        let help = "remove `server_network`; NAT and tunnels can have one";
        error(network.span, "direct routing needs director and real servers in one network", help);
    }
}

/// Settles the addresses of the real servers: where they say, else the next free ones from the eleventh on.
fn groups(
    servers: &Named<Spanned<RealServersText>>,
    home: Prefix,
    taken: &mut BTreeSet<Addr>,
    problems: &mut Vec<Problem>,
) -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, text) in &servers.0 {
        let count = NamePattern::parse(name).map_or(0, |pattern| pattern.count().min(MAX_HOSTS));
        if let Some(first) = text.address {
            taken.extend((0..count).map(|index| first.value.0.offset(u128::from(index))));
        }
    }
    let mut next = numbered(home, [11, 0x11]);
    for (name, text) in &servers.0 {
        let count = match NamePattern::parse(name) {
            Ok(pattern) if pattern.count() > MAX_HOSTS => {
                let message = format!("more than {MAX_HOSTS} real servers");
                problems.push(Problem::error(name.span, message).help("make the group smaller"));
                continue;
            }
            Ok(pattern) => pattern.count() as u32,
            Err(why) => {
                let (message, help) = why.split_once('\n').unwrap_or((&why, ""));
                problems.push(Problem::error(name.span, message).help(help));
                continue;
            }
        };
        let last = |first: Addr| first.offset(u128::from(count - 1));
        let first = match text.address {
            Some(ip) => ip.value.0,
            None => {
                while let Some(used) = taken.range(next..=last(next)).next_back() {
                    next = used.offset(1);
                }
                next
            }
        };
        next = if text.address.is_none() { last(first).offset(1) } else { next };
        if !home.contains(first) || !home.contains(last(first)) || last(first) == home.last() {
            let span = text.address.map_or(name.span, |ip| ip.span);
            let from = text.address.map_or_else(String::new, |ip| format!(" from {} on", ip.value.0));
            let message = format!("{count} servers{from} do not fit into {home}");
            problems
                .push(Problem::error(span, message).help("give the network a shorter prefix: 10.0.0.0/16"));
        }
        groups.push(Group { name: name.clone(), text: text.clone(), first, count });
    }
    groups
}

/// The prefixes that client groups use as sources (what cannot be read is reported when the whole file is).
fn sources(clients: Option<&Node>) -> Vec<Prefix> {
    let groups: Option<Named<Spanned<ClientText>>> = clients.and_then(|node| decode(node, &mut Vec::new()));
    let mut prefixes: Vec<Prefix> = Vec::new();
    for (_, group) in groups.unwrap_or_default().0 {
        match group.sources.map(|sources| sources.value.0) {
            Some(Sources::Uniform(prefix) | Sources::RoundRobin(prefix)) if !prefixes.contains(&prefix) => {
                prefixes.push(prefix);
            }
            _ => {}
        }
    }
    prefixes
}

fn prefix(text: &str) -> Prefix {
    text.parse::<crate::units::Network>().map(|network| network.0).expect("the defaults are networks")
}

/// The last address of a network that a host can have; in IPv6, whose networks are endless, the one that ends in fe.
fn last_host(prefix: Prefix) -> Addr {
    let is_large = !prefix.addr().is_v4() && prefix.len() <= 112;
    // One before the broadcast address.
    if is_large { prefix.addr().offset(0xfe) } else { prefix.last().offset(u128::MAX) }
}

/// The address of a network with a number that reads well in each family.
fn numbered(prefix: Prefix, [v4, v6]: [u128; 2]) -> Addr {
    prefix.addr().offset(if prefix.addr().is_v4() { v4 } else { v6 })
}

/// The network of director and real servers.
fn network_of(cluster: &Cluster) -> Prefix {
    let vip = cluster.vips.0.first().map_or(Addr::UNSPECIFIED_V4, |vip| vip.value.0);
    let usual = if vip.is_v4() { prefix(LAN) } else { Prefix::new(vip, 64) };
    cluster.network.prefix.map_or(usual, |network| network.value.0)
}

/// Tunnels can carry IPv4 in IPv6 and IPv6 in IPv4; the shorthand makes neither.
fn check_families(cluster: &Spanned<Cluster>, lan: Prefix, problems: &mut Vec<Problem>) {
    check_tunnel(cluster, lan.addr().is_v4(), problems);
    let stranger = cluster.vips.0.iter().find(|vip| vip.value.0.is_v4() != lan.addr().is_v4());
    if let Some(vip) = stranger {
        let message =
            format!("the virtual address {} is of another family than the network {lan}", vip.value.0);
        let help = "give `vips` and `network: {prefix: …}` of one family; mixed clusters need the long form";
        problems.push(Problem::error(vip.span, message).help(help));
    }
}

/// What is said about tunnels must belong to the tunnels there are.
fn check_tunnel(cluster: &Spanned<Cluster>, is_v4: bool, problems: &mut Vec<Problem>) {
    let mut error =
        |span: Span, message: &str, help: &str| problems.push(Problem::error(span, message).help(help));
    let kind = cluster.tunnel.map_or_else(Default::default, |tunnel| tunnel.value);
    if let Some(tunnel) = cluster.tunnel {
        if cluster.forwarding.value != Method::Tun {
            let help = "write `forwarding: tun`, or remove `tunnel`";
            error(tunnel.span, "only `forwarding: tun` has tunnels", help);
        } else if kind != TunnelText::Ipip && !is_v4 {
            let help = "remove `tunnel` (IPv6 in IPv6 is what is left), or give IPv4 addresses";
            error(tunnel.span, "the shorthand makes tunnels of GRE and GUE for IPv4 only", help);
        }
    }
    match cluster.tunnel_port {
        Some(port) if kind != TunnelText::Gue => {
            let help = "remove `tunnel_port`, or write `tunnel: gue`";
            error(port.span, "only tunnels of GUE end at a port", help);
        }
        Some(port) if port.value == 0 => {
            error(port.span, "port 0 is no port", "the usual one is 6080");
        }
        Some(_) | None => {}
    }
}
