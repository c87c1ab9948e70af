//! Who has the virtual address, and who believes it: several owners, entries that never change, packets that come home.

use super::View;
use super::lvs::owns;
use net_model::addr::Addr;
use net_model::ipvs::{Forwarding, ServiceKey};

pub(super) fn check(view: &mut View<'_>) {
    let vips = virtual_addresses(view);
    for vip in vips {
        several_owners(view, vip);
        unchangeable(view, vip);
    }
    for director in 0..view.scenario.hosts.len() {
        clients_on_director(view, director);
        answers_through_director(view, director);
    }
}

/// The addresses of all virtual services, in order.
fn virtual_addresses(view: &View<'_>) -> Vec<Addr> {
    let services = view.facts.iter().flat_map(|facts| &facts.services);
    let mut vips: Vec<Addr> = services.filter_map(|(_, key, _)| address_of(key)).collect();
    vips.sort_unstable();
    vips.dedup();
    vips
}

fn address_of(key: &ServiceKey) -> Option<Addr> {
    match key {
        ServiceKey::Address { addr, .. } => Some(*addr),
        ServiceKey::Mark { .. } => None,
    }
}

/// Two directors that answer ARP for one address on one wire.
fn several_owners(view: &mut View<'_>, vip: Addr) {
    let hosts = &view.scenario.hosts;
    let serves =
        |host: usize| view.facts[host].services.iter().any(|(_, key, _)| address_of(key) == Some(vip));
    let mut answering: Vec<(usize, usize)> = Vec::new();
    for host in (0..hosts.len()).filter(|host| serves(*host) && owns(view, *host, vip)) {
        for interface in &hosts[host].interfaces {
            let Some((network, _)) = interface.plug else { continue };
            let ignore = view.facts[host].conf(&interface.name, "arp_ignore");
            let is_here = interface.addresses.iter().any(|(addr, _)| *addr == vip);
            let is_loud = if vip.is_v4() { ignore == 0 || ignore == 1 && is_here } else { is_here };
            if interface.up && is_loud && !view.facts[host].is_opaque {
                answering.push((network, host));
            }
        }
    }
    answering.sort_unstable();
    let pair = answering.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    let Some(&[(_, one), (_, other)]) = pair else { return };
    let message = format!(
        "{} and {} both have the virtual address {vip} and answer ARP for it: clients go to the one that spoke last",
        hosts[one].name, hosts[other].name
    );
    let help = "only the director on duty has the address; the other gets it by an event (`ip addr add`)";
    view.warn_once(hosts[other].span, "several owners", message, help);
}

/// A neighbour entry for a virtual address that was set for good.
fn unchangeable(view: &mut View<'_>, vip: Addr) {
    for host in 0..view.scenario.hosts.len() {
        let facts = view.facts[host].clone();
        if let Some((span, _)) = facts.permanent.iter().find(|(_, addr)| *addr == vip) {
            let name = &view.scenario.hosts[host].name;
            let message = format!(
                "{name} has a permanent ARP entry for the virtual address {vip}: no failover can change it"
            );
            let help = "remove it, and let arp_ignore on the real servers solve the ARP problem";
            view.warn_once(*span, "permanent", message, help);
        }
    }
}

/// A client program on the director: by direct routing or tunnel its requests carry the virtual address as source.
fn clients_on_director(view: &mut View<'_>, director: usize) {
    let facts = view.facts[director].clone();
    for group in view.scenario.clients.iter().filter(|group| group.host == director) {
        let vip = group.spec.target.addr;
        let server = facts.destinations.iter().find_map(|(_, key, server, config)| {
            let is_meant = address_of(key) == Some(vip) && config.forwarding != Forwarding::Masquerade;
            let host = view.owners.get(&server.addr)?.first()?.0;
            (is_meant && host != director && owns(view, host, vip)).then_some(host)
        });
        let Some(server) = server.filter(|_| owns(view, director, vip)) else { continue };
        let (name, own) = (&view.scenario.hosts[server].name, &view.scenario.hosts[director].name);
        let message = format!(
            "these clients are on {own} itself: requests that {name} gets carry {vip} as source, its own address, \
             and are dropped"
        );
        let help = "let them ask a real server directly, or run them on another host";
        view.warn_once(group.span, "client on director", message, help);
    }
}

/// Real servers whose answers, with the virtual address as source, go through a director that has this address.
fn answers_through_director(view: &mut View<'_>, director: usize) {
    let facts = view.facts[director].clone();
    for (_, key, server, config) in &facts.destinations {
        let Some(vip) = address_of(key) else { continue };
        let Some(&(host, _)) = view.owners.get(&server.addr).and_then(|owners| owners.first()) else {
            continue;
        };
        let answers = view.facts[host].clone();
        let goes_there = answers.gateway().is_some_and(|gateway| owns(view, director, gateway));
        // IPv6 forwards packets from an address of its own.
        let has_source = vip.is_v4() && owns(view, director, vip) && !accepts_local(view, director);
        let is_direct = config.forwarding != Forwarding::Masquerade && host != director;
        if !(is_direct && goes_there && has_source && !facts.is_opaque) {
            continue;
        }
        let (name, own) = (&view.scenario.hosts[host].name, &view.scenario.hosts[director].name);
        let message = format!(
            "answers of {name} go through {own}, which has their source {vip} itself and drops them as martians"
        );
        let help = "let the default route of the server lead to the router; or set \
                    net.ipv4.conf.all.accept_local to 1 on the director";
        let place = answers.default_route.unwrap_or(view.scenario.hosts[host].span);
        view.warn_once(place, "through director", message, help);
    }
}

fn accepts_local(view: &View<'_>, host: usize) -> bool {
    let interfaces = &view.scenario.hosts[host].interfaces;
    interfaces.iter().any(|interface| view.facts[host].conf(&interface.name, "accept_local") != 0)
}
