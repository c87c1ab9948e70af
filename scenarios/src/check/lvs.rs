//! What LVS needs on every host, and what people forget: each check is a fault that real clusters have.
//!
//! All are warnings: the scenario runs, and shows what the fault looks like on the wire.

use super::firewall;
use super::ways::forwarding_of;
use super::{View, listens};
use crate::native::unknown_scheduler;
use crate::problem::Problem;
use crate::scenario::{Interface, Line};
use net_model::addr::Addr;
use net_model::ipvs::{DestinationConfig, DestinationKey, Forwarding, Protocol, ServiceKey, Tunnel};
use std::sync::Arc;

pub(super) fn check(view: &mut View<'_>) {
    for director in 0..view.scenario.hosts.len() {
        let facts = view.facts[director].clone();
        for (span, key, config) in &facts.services {
            if let Some(help) = unknown_scheduler(&config.scheduler) {
                view.error(*span, format!("no scheduler is called `{}`", config.scheduler), help);
            }
            if !facts.destinations.iter().any(|(_, service, ..)| service == key) {
                let help = "add `-a` lines for it; without them clients are refused";
                view.warn_once(*span, "no destination", "a virtual service without real server", help);
            }
            if let ServiceKey::Address { addr, .. } = key
                && !owns(view, director, *addr)
                && !facts.is_opaque
                && !view.later.contains(&(director, *addr))
            {
                let name = &view.scenario.hosts[director].name;
                let message = format!("{name} has this service but not its address {addr}");
                let help =
                    format!("add {addr}/32 to an interface: packets for foreign addresses never reach IPVS");
                view.warn_once(*span, "no vip", message, help);
            }
        }
        for (line, key, server, config) in &facts.destinations {
            if !facts.services.iter().any(|(_, service, _)| service == key) {
                let message = "the virtual service of this real server is not defined";
                view.problems
                    .push(Problem::error(line.span, message).help("add it with `-A` above this line"));
                continue;
            }
            firewall::states(view, director, *key, (server.addr, server.port), config.forwarding);
            destination(view, director, line, *key, *server, *config);
        }
    }
}

/// One `-a` line: is the real server fit for its part?
fn destination(
    view: &mut View<'_>,
    director: usize,
    line: &Line,
    key: ServiceKey,
    server: DestinationKey,
    config: DestinationConfig,
) {
    let Some(&(host, at)) = view.owners.get(&server.addr).and_then(|owners| owners.first()) else {
        if !view.facts.iter().any(|facts| facts.is_opaque) {
            let message = format!("no host has the address {}", server.addr);
            view.warn_once(
                line.span,
                "dead",
                message,
                "connections sent there time out: is it meant to be dead?",
            );
        }
        return;
    };
    if host == director || view.facts[host].is_opaque {
        return;
    }
    let name = view.scenario.hosts[host].name.clone();
    let span = view.scenario.hosts[host].span;
    let (protocol, vip, port) = match key {
        ServiceKey::Address { protocol, addr, port } => (protocol, Some(addr), port),
        ServiceKey::Mark { .. } => (Protocol::Tcp, None, 0),
    };
    let is_nat = config.forwarding == Forwarding::Masquerade;
    let redirected = redirected(view, host, key, server, is_nat);
    let wanted = redirected.unwrap_or(if is_nat { server.port } else { port });
    if !listens(&view.scenario.hosts[host], protocol, wanted) {
        let message = format!("no program on {name} listens on port {wanted}");
        view.warn_once(
            span,
            "no server",
            message,
            format!("add `server: {{ports: {wanted}}}`; clients are refused otherwise"),
        );
    }
    match config.forwarding {
        Forwarding::Masquerade => nat(view, director, host, at, server.addr.is_v4()),
        Forwarding::Route => {
            other_port(view, line, port);
            if !share_network(view, director, host) {
                let message = format!("{name} is in another network than its director");
                let help = "direct routing only reaches hosts on the same wire; use -i (tunnel) or -m (NAT)";
                view.warn_once(span, "not adjacent", message, help);
            }
        }
        Forwarding::Tunnel(kind) => {
            tunnel(view, host, kind, &name, server.addr);
            outer_source(view, director, &name, vip);
        }
    }
    if let (Some(vip), false, None) = (vip, is_nat, redirected) {
        virtual_address(view, host, vip);
    }
}

/// The port to which a rule of the real server redirects what the director sends, if one does: the server needs no
/// virtual address then.
fn redirected(
    view: &View<'_>,
    host: usize,
    key: ServiceKey,
    server: DestinationKey,
    is_nat: bool,
) -> Option<u16> {
    let ServiceKey::Address { protocol, addr, port } = key else { return None };
    let (addr, port) = if is_nat { (server.addr, server.port) } else { (addr, port) };
    view.facts[host].firewall.redirects(protocol, addr, port)
}

/// Direct routing cannot change the port: ipvsadm replaces it without a word.
fn other_port(view: &mut View<'_>, line: &Line, service_port: u16) {
    let mut words = line.text.split_whitespace();
    let Some(server) = words.by_ref().skip_while(|word| !matches!(*word, "-r" | "--real-server")).nth(1)
    else {
        return;
    };
    let port = server.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_some_and(|port| port != service_port) {
        let message = "this port is ignored: only masquerading (-m) can change the port";
        let help = format!(
            "ipvsadm silently takes port {service_port} of the service; use -m, or let the server listen there"
        );
        view.warn_once(line.span, "other port", message, help);
    }
}

fn nat(view: &mut View<'_>, director: usize, host: usize, at: usize, is_v4: bool) {
    let facts = view.facts[director].clone();
    let hosts = &view.scenario.hosts;
    let (name, span) = (hosts[host].name.clone(), hosts[host].span);
    let (director_name, director_span) = (hosts[director].name.clone(), hosts[director].span);
    let forwarding = forwarding_of(if is_v4 { Addr::UNSPECIFIED_V4 } else { Addr::UNSPECIFIED_V6 });
    if facts.sysctl(forwarding) == 0 && !facts.is_opaque {
        let message =
            format!("{director_name} does not forward: answers of masqueraded servers are dropped there");
        view.warn_once(director_span, "ip_forward", message, format!("add `sysctls: {{{forwarding}: 1}}`"));
    }
    let server = view.facts[host].clone();
    let inside = |gateway: Addr| owns(view, director, gateway);
    if !server.gateway().is_some_and(inside) {
        let place = server.default_route.unwrap_or(span);
        let message = format!("answers of {name} do not go through {director_name}");
        let own =
            hosts[director].interfaces.iter().filter(|i| i.segment == hosts[host].interfaces[at].segment);
        let gateway = own.flat_map(|interface| &interface.addresses).find(|(addr, len)| *len != addr.width());
        let gateway = gateway.map_or_else(|| "the director".to_string(), |(addr, _)| addr.to_string());
        view.warn_once(
            place,
            "gateway",
            message,
            format!("under NAT the default gateway is the director: `routes: default via {gateway}`"),
        );
    }
    // With a single network the director sees answers leave where they came in, and redirects.
    let outside: Vec<&Interface> =
        hosts[director].interfaces.iter().filter(|interface| interface.segment.is_some()).collect();
    if let ([interface], true) = (outside.as_slice(), is_v4) {
        let sends = |key: &str| facts.sysctls.get(key).is_none_or(|value| *value != 0);
        let own = format!("net.ipv4.conf.{}.send_redirects", interface.name);
        if (sends("net.ipv4.conf.all.send_redirects") || sends(&own)) && !facts.is_opaque {
            let message = format!(
                "{director_name} will send redirects: after some answers {name} talks to clients directly"
            );
            let help =
                format!("set net.ipv4.conf.all.send_redirects and {own} to 0 (the kernel asks for either)");
            view.warn_once(director_span, "redirects", message, help);
        }
    }
    let near = view
        .scenario
        .clients
        .iter()
        .find(|group| share_network(view, group.host, host) && group.host != director);
    if let Some(group) = near {
        let message =
            format!("these clients share a network with {name}, whose answers then bypass the director");
        view.warn_once(
            group.span,
            "near client",
            message,
            "NAT needs clients elsewhere, or real servers in a network of their own",
        );
    }
}

/// Does the real server take packets out of their tunnel, on the device that its kernel module makes?
fn tunnel(view: &mut View<'_>, host: usize, kind: Tunnel, name: &str, real: Addr) {
    let span = view.scenario.hosts[host].span;
    let facts = view.facts[host].clone();
    if let Tunnel::Gue { port, .. } = kind
        && !facts.tunnel_ports.contains(&port)
    {
        let message = format!("no tunnel of {name} ends at UDP port {port}: it refuses what comes there");
        view.warn_once(span, "fou", message, format!("add the command `ip fou add port {port} gue`"));
    }
    let (device, module, len) = match kind {
        Tunnel::IpIp | Tunnel::Gue { .. } if real.is_v4() => ("tunl", "ipip", 32),
        Tunnel::IpIp | Tunnel::Gue { .. } => ("ip6tnl", "ip6_tunnel", 128),
        Tunnel::Gre { .. } => ("gre", "ip_gre", 32),
    };
    let interfaces = &view.scenario.hosts[host].interfaces;
    match interfaces.iter().find(|interface| interface.name.starts_with(device)) {
        Some(tunnel) if tunnel.up => {
            if facts.conf(&tunnel.name, "rp_filter") == 1 {
                let message =
                    format!("{name} drops what comes out of the tunnel: strict reverse-path filtering");
                let help = format!(
                    "set rp_filter to 0 for `all` and {0} (the larger counts), or {0} to 2",
                    tunnel.name
                );
                view.warn_once(span, "rp_filter", message, help);
            }
        }
        Some(tunnel) => {
            let message = format!("{} of {name} is down: it refuses what comes in a tunnel", tunnel.name);
            let help = format!("remove `up: false`, or run `ip link set {} up`", tunnel.name);
            view.warn_once(span, "tunl0", message, help);
        }
        None if facts.is_opaque || !facts.loaded.is_empty() => {} // commands may make one
        None => {
            let message = format!(
                "{name} has no {device}0 (the {module} module is not loaded): it refuses what comes in a tunnel"
            );
            let help = format!("add `{device}0: {{address: VIP/{len}}}` to its interfaces");
            view.warn_once(span, "tunl0", message, help);
        }
    }
}

/// IPv6 chooses the source of a tunnel by its prefix: a virtual address with /128 wins over the director's own.
fn outer_source(view: &mut View<'_>, director: usize, name: &str, vip: Option<Addr>) {
    let Some(vip) = vip.filter(|vip| !vip.is_v4()) else { return };
    let host = &view.scenario.hosts[director];
    let speaks = |i: &&Interface| {
        let is_longest = i.addresses.iter().any(|(addr, len)| *addr == vip && *len == vip.width());
        i.plug.is_some() && is_longest && !i.deprecated.contains(&vip)
    };
    let Some(holder) = host.interfaces.iter().find(speaks) else { return };
    let message = format!(
        "{} speaks with the virtual address {vip}: {name}, which has it too, refuses tunnels that come from it",
        host.name
    );
    let help = format!("write `{vip}/128 preferred_lft 0`: a deprecated address is not chosen as source");
    view.warn_once(holder.span, "outer source", message, help);
}

/// The virtual address on a real server: present, alone in its network, silent in ARP.
fn virtual_address(view: &mut View<'_>, host: usize, vip: Addr) {
    let facts = view.facts[host].clone();
    let target = &view.scenario.hosts[host];
    let (name, span) = (target.name.clone(), target.span);
    let holder =
        target.interfaces.iter().find(|interface| interface.addresses.iter().any(|(addr, _)| *addr == vip));
    let Some(holder) = holder else {
        if !facts.locals.iter().any(|local| local.contains(vip)) {
            let fate = match facts.sysctl(forwarding_of(vip)) {
                0 => ": it drops what the director sends",
                _ => " but forwards: it sends the packets back to the director, round and round",
            };
            let message = format!("{name} does not have the virtual address {vip}{fate}");
            let help = format!("add `lo: {{address: {vip}/{}}}` to its interfaces", vip.width());
            view.warn_once(span, "vip missing", message, help);
        }
        return;
    };
    if holder.name == "lo" && holder.addresses.iter().any(|(addr, len)| *addr == vip && *len != vip.width()) {
        let message = format!("{vip} on lo with a whole network: {name} takes all of it for its own");
        view.warn_once(holder.span, "vip net", message, format!("write {vip}/{}", vip.width()));
    }
    if !vip.is_v4() {
        if holder.plug.is_some() {
            let wire = &holder.name;
            let message = format!(
                "{name} answers for the virtual address {vip} on {wire}: clients go to whoever spoke last"
            );
            let help =
                format!("put {vip}/128 on lo: IPv6 answers only for the addresses of the wire that asks");
            view.warn_once(span, "ndisc", message, help);
        }
        return;
    }
    let wires: Vec<Arc<str>> =
        target.interfaces.iter().filter(|i| i.segment.is_some()).map(|i| Arc::from(&*i.name)).collect();
    for wire in wires {
        let ignore = facts.conf(&wire, "arp_ignore");
        if ignore == 0 {
            let message = format!(
                "{name} answers ARP for the virtual address {vip}: the fastest answer takes all clients"
            );
            let help = format!("set net.ipv4.conf.all.arp_ignore (or {wire}) to 1; on `lo` it has no effect");
            view.warn_once(span, "arp_ignore", message, help);
        } else if facts.conf(&wire, "arp_announce") < 2 {
            let message = format!(
                "{name} may ask ARP with the virtual address {vip} as sender: routers then send it the clients' packets"
            );
            let help = format!("set net.ipv4.conf.all.arp_announce (or {wire}) to 2");
            view.warn_once(span, "arp_announce", message, help);
        }
    }
}

pub(super) fn owns(view: &View<'_>, host: usize, addr: Addr) -> bool {
    let owners = view.owners.get(&addr).into_iter().flatten();
    owners.into_iter().any(|(owner, _)| *owner == host)
        || view.facts[host].locals.iter().any(|l| l.contains(addr))
}

/// Are two hosts plugged into one network?
fn share_network(view: &View<'_>, one: usize, other: usize) -> bool {
    let networks = |host: usize| view.scenario.hosts[host].interfaces.iter().filter_map(|i| i.segment);
    networks(one).any(|network| networks(other).any(|n| n == network))
}
