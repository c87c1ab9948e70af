//! `ip`, `ifconfig`, `route` and `arp` carried out.

use super::ip::{self, IpCommand, LinkChange, LinkKind};
use super::shell::Shell;
use net_model::host::fib::{self, RouteKind, Rule};
use net_model::host::interface::{self, InterfaceId, InterfaceKind, Scope};
use net_model::host::neighbour::NeighbourState;

/// Carries out one change; an error is the text that ip(8) prints.
pub(super) fn run(shell: &mut Shell<'_>, command: &IpCommand) -> Result<(), String> {
    match command {
        IpCommand::AddressAdd(spec) => add_address(shell, spec),
        IpCommand::AddressReplace(spec) => {
            let id = shell.interface(&spec.dev)?;
            let stack = &mut shell.network.host_mut(shell.host).stack;
            // A missing address is no error: replacing means "it is there afterwards".
            let _ = stack.delete_address(id, spec.addr, Some(spec.len));
            add_address(shell, spec)
        }
        IpCommand::AddressDelete(spec) => {
            let id = shell.interface(&spec.dev)?;
            let stack = &mut shell.network.host_mut(shell.host).stack;
            stack.delete_address(id, spec.addr, Some(spec.len)).map_err(|error| error.to_string())
        }
        IpCommand::AddressFlush(dev) => flush_addresses(shell, dev),
        IpCommand::AddressOfLabel(spec) => {
            if let Some(label) = &spec.label {
                delete_label(shell, label)?;
            } else {
                flush_addresses(shell, &spec.dev)?;
            }
            add_address(shell, spec)
        }
        IpCommand::LabelDown(label) => delete_label(shell, label),
        IpCommand::RouteAdd(spec) => {
            let spec = route_spec(shell, spec)?;
            stack(shell).add_route(&spec).map_err(|error| error.to_string())
        }
        IpCommand::RouteReplace(spec) => {
            let spec = route_spec(shell, spec)?;
            stack(shell).replace_route(&spec).map_err(|error| error.to_string())
        }
        IpCommand::RouteDelete(spec) => {
            let spec = route_spec(shell, spec)?;
            stack(shell).delete_route(&spec).map_err(|error| error.to_string())
        }
        IpCommand::RuleAdd(spec) => {
            let rule = rule(shell, spec)?;
            stack(shell).add_rule(spec.preference, rule).map_err(|error| error.to_string())
        }
        IpCommand::RuleDelete(spec) => {
            let rule = rule(shell, spec)?;
            stack(shell).delete_rule(spec.preference, rule).map_err(|error| error.to_string())
        }
        IpCommand::LinkAdd(name, kind) => add_link(shell, name, *kind),
        IpCommand::LinkSet(name, change) => set_link(shell, name, *change),
        IpCommand::NeighbourReplace(spec) => set_neighbour(shell, spec),
        IpCommand::NeighbourDelete { addr, dev } => {
            let id = shell.interface(dev)?;
            let frames = stack(shell).delete_neighbour(id, *addr).map_err(|error| error.to_string())?;
            shell.network.discard(shell.host, frames);
            Ok(())
        }
        IpCommand::NeighbourFlush { dev } => {
            let id = dev.as_deref().map(|dev| shell.interface(dev)).transpose()?;
            let frames = stack(shell).flush_neighbours(id);
            shell.network.discard(shell.host, frames);
            Ok(())
        }
        IpCommand::NeighbourProxy { addr, dev } => {
            let id = shell.interface(dev)?;
            stack(shell).publish(id, *addr);
            Ok(())
        }
    }
}

fn stack<'a>(shell: &'a mut Shell<'_>) -> &'a mut net_model::host::Stack<net_model::frames::FrameId> {
    &mut shell.network.host_mut(shell.host).stack
}

fn add_address(shell: &mut Shell<'_>, spec: &ip::AddressSpec) -> Result<(), String> {
    let id = if spec.dev == "tunl0" { shell.tunnel() } else { shell.interface(&spec.dev)? };
    let address = interface::AddressSpec {
        addr: spec.addr,
        len: spec.len,
        scope: spec.scope.map(scope),
        broadcast: spec.broadcast,
        label: spec.label.clone(),
    };
    stack(shell).add_address(id, address).map_err(|error| error.to_string())
}

fn flush_addresses(shell: &mut Shell<'_>, dev: &str) -> Result<(), String> {
    let id = shell.interface(dev)?;
    let stack = stack(shell);
    while let Some(first) = stack.interface_at(id).addresses().first() {
        let (addr, len) = (first.addr, first.len);
        stack.delete_address(id, addr, Some(len)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn delete_label(shell: &mut Shell<'_>, label: &str) -> Result<(), String> {
    let id = shell.interface(label)?;
    let stack = stack(shell);
    let labelled = stack.interface_at(id).addresses().iter().find(|a| a.label.as_deref() == Some(label));
    if let Some((addr, len)) = labelled.map(|a| (a.addr, a.len)) {
        stack.delete_address(id, addr, Some(len)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn route_spec(shell: &Shell<'_>, spec: &ip::RouteSpec) -> Result<fib::RouteSpec, String> {
    let kind = match spec.kind {
        ip::RouteKind::Unicast => RouteKind::Unicast,
        ip::RouteKind::Local => RouteKind::Local,
        ip::RouteKind::Broadcast => RouteKind::Broadcast,
        ip::RouteKind::Blackhole => RouteKind::Blackhole,
        ip::RouteKind::Unreachable => RouteKind::Unreachable,
        ip::RouteKind::Prohibit => RouteKind::Prohibit,
        ip::RouteKind::Throw => RouteKind::Throw,
    };
    let dev = spec.dev.as_deref().map(|dev| shell.interface(dev)).transpose()?;
    let labelled = spec.alias.as_deref().and_then(|alias| address_of_label(shell, alias));
    let hops = spec.hops.iter().map(|hop| {
        let dev = match (&hop.dev, hop.via) {
            (Some(dev), _) => shell.interface(dev)?,
            (None, Some(via)) => {
                interface_towards(shell, via).ok_or("Error: Nexthop has invalid gateway.")?
            }
            (None, None) => {
                return Err("Error: either \"to\" is duplicate, or \"nexthop\" has no way".to_string());
            }
        };
        Ok(fib::NextHop { via: hop.via, dev, weight: hop.weight })
    });
    let mut route = fib::RouteSpec::to(spec.prefix).kind(kind);
    if let Some(table) = spec.table {
        route = route.table(table);
    }
    route.via = spec.via;
    route.dev = dev;
    route.src = spec.src.or(labelled);
    route.metric = spec.metric;
    route.mtu = spec.mtu;
    route.scope = spec.scope.map(scope);
    route.multipath = hops.collect::<Result<_, String>>()?;
    Ok(route)
}

/// The interface whose subnet holds an address.
fn interface_towards(shell: &Shell<'_>, addr: net_model::addr::Addr) -> Option<InterfaceId> {
    let stack = &shell.network.host(shell.host).stack;
    stack.interfaces().find(|(_, interface)| interface.on_link(addr)).map(|(id, _)| id)
}

fn address_of_label(shell: &Shell<'_>, label: &str) -> Option<net_model::addr::Addr> {
    let id = shell.interface(label).ok()?;
    let interface = shell.network.host(shell.host).stack.interface_at(id);
    interface.addresses().iter().find(|a| a.label.as_deref() == Some(label)).map(|a| a.addr)
}

fn rule(shell: &Shell<'_>, spec: &ip::RuleSpec) -> Result<Rule, String> {
    Ok(Rule {
        preference: spec.preference.unwrap_or(0),
        mark: spec.mark,
        from: spec.from,
        to: spec.to,
        iif: spec.iif.as_deref().map(|dev| shell.interface(dev)).transpose()?,
        table: spec.table,
    })
}

fn add_link(shell: &mut Shell<'_>, name: &str, kind: LinkKind) -> Result<(), String> {
    if shell.interface(name).is_ok() {
        return Err("RTNETLINK answers: File exists".into());
    }
    let kind = match kind {
        LinkKind::Dummy => InterfaceKind::Dummy,
        LinkKind::IpIp => InterfaceKind::Tunnel,
    };
    stack(shell).add_interface(name, kind, net_model::addr::Mac::ZERO);
    Ok(())
}

fn set_link(shell: &mut Shell<'_>, name: &str, change: LinkChange) -> Result<(), String> {
    let id = if name == "tunl0" { shell.tunnel() } else { shell.interface(name)? };
    match change {
        LinkChange::Up(up) => shell.network.set_interface_up(shell.host, id, up),
        LinkChange::Mtu(mtu) => stack(shell).set_mtu(id, mtu),
        LinkChange::Mac(mac) => {
            let change = stack(shell).set_mac(id, mac);
            shell.network.discard(shell.host, change.dropped);
        }
        LinkChange::Arp(arp) => {
            let frames = stack(shell).set_arp(id, arp);
            shell.network.discard(shell.host, frames);
        }
    }
    Ok(())
}

fn set_neighbour(shell: &mut Shell<'_>, spec: &ip::NeighbourSpec) -> Result<(), String> {
    let id = match &spec.dev {
        Some(dev) => shell.interface(dev)?,
        None => interface_towards(shell, spec.addr).ok_or("SIOCSARP: Network is unreachable")?,
    };
    let state = if spec.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
    let now = shell.network.now();
    let set = stack(shell).set_neighbour(now, id, spec.addr, spec.mac, state);
    set.map(|_| ()).map_err(|error| error.to_string())
}

fn scope(scope: ip::Scope) -> Scope {
    match scope {
        ip::Scope::Global => Scope::Global,
        ip::Scope::Link => Scope::Link,
        ip::Scope::Host => Scope::Host,
    }
}
