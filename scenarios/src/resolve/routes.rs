//! `routes: auto`: static routes along the shortest ways, as an administrator who knows the plan would write them.

use crate::console::Command;
use crate::console::names::Names;
use crate::native;
use crate::scenario::{Host, Line, Network};
use crate::source::Span;
use crate::topology::Topology;
use std::ops::Range;
use std::sync::Arc;

/// A group of hosts that wants its routes found.
pub(super) struct Automatic {
    /// The members.
    pub(super) hosts: Range<usize>,
    /// The word `auto`.
    pub(super) span: Span,
    /// How many lines of the set-up come before the routes.
    pub(super) before: usize,
}

/// Is this item of `routes` the word `auto`?
pub(super) fn is_auto(route: &str) -> bool {
    route.trim() == "auto"
}

/// Adds the routes to the set-up of those that want them.
pub(super) fn automatic(groups: &[Automatic], networks: &[Network], hosts: &mut [Host]) {
    if groups.is_empty() {
        return;
    }
    let forwards: Vec<bool> = hosts.iter().map(forwards).collect();
    for group in groups {
        let Some(first) = hosts.get(group.hosts.start) else { continue };
        let routes = Topology::new(networks, hosts).routes(group.hosts.start, |host| forwards[host]);
        let mut setup = first.setup.to_vec();
        let lines = routes.into_iter().map(|route| {
            let text = format!("ip route add {route}");
            Line { span: group.span, added: text.len(), text }
        });
        setup.splice(group.before..group.before, lines);
        let setup: Arc<[Line]> = setup.into();
        let end = group.hosts.end.min(hosts.len());
        hosts[group.hosts.start..end].iter_mut().for_each(|host| host.setup = setup.clone());
    }
}

/// Does the set-up turn on forwarding?
fn forwards(host: &Host) -> bool {
    let settings = host.setup.iter().filter_map(|line| match native::read(line, &Names::default()) {
        Ok(Some(Command::Sysctl(settings))) => Some(settings),
        _ => None,
    });
    let forwarding = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding"];
    let last = settings.flatten().rfind(|setting| forwarding.contains(&&*setting.dotted()));
    last.is_some_and(|setting| setting.value.trim() != "0")
}
