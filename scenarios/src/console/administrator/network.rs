//! `ip`, `ifconfig`, `route` and `arp` on a host.

use super::super::ip::{
    AddressSpec, IpCommand, LinkChange, LinkKind, NeighbourSpec, NextHop, RouteSpec, RuleSpec,
};
use super::{Administrator, Effects};
use net_model::addr::{Addr, Mac};
use net_model::host::admin::AdminError;
use net_model::host::fib::{self, TABLE_MAIN};
use net_model::host::interface::{self, InterfaceId, InterfaceKind};
use net_model::host::neighbour::NeighbourState;

impl<H> Administrator<'_, H> {
    pub(super) fn ip(&mut self, change: &IpCommand, effects: &mut Effects<H>) -> Result<(), String> {
        let refused = |error: AdminError| error.to_string();
        match change {
            IpCommand::AddressAdd(spec) => self.add_address(spec),
            IpCommand::AddressReplace(spec) => {
                let id = self.dev(&spec.dev)?;
                if self.stack.interface_at(id).has(spec.addr) {
                    self.stack.delete_address(id, spec.addr, Some(spec.len)).map_err(refused)?;
                }
                self.add_address(spec)
            }
            IpCommand::AddressDelete(spec) => {
                let id = self.dev(&spec.dev)?;
                self.stack.delete_address(id, spec.addr, Some(spec.len)).map_err(refused)
            }
            IpCommand::AddressFlush(dev) => {
                let id = self.dev(dev)?;
                while let Some(first) = self.stack.interface_at(id).addresses().first() {
                    let (addr, len) = (first.addr, first.len);
                    self.stack.delete_address(id, addr, Some(len)).map_err(refused)?;
                }
                Ok(())
            }
            IpCommand::AddressOfLabel(spec) => {
                let id = self.dev(&spec.dev)?;
                if let Some((addr, len)) = self.labelled(id, spec.label.as_deref(), spec.addr.is_v4()) {
                    self.stack.delete_address(id, addr, Some(len)).map_err(refused)?;
                }
                self.add_address(spec)
            }
            IpCommand::LabelDown(label) => {
                let id = self.dev(label.split(':').next().unwrap_or(label))?;
                let found = self.labelled(id, Some(label), true);
                let (addr, len) = found.ok_or("SIOCSIFFLAGS: Cannot assign requested address")?;
                self.stack.delete_address(id, addr, Some(len)).map_err(refused)
            }
            IpCommand::RouteAdd(spec) => self.stack.add_route(&self.route(spec)?).map_err(refused),
            IpCommand::RouteReplace(spec) => self.stack.replace_route(&self.route(spec)?).map_err(refused),
            IpCommand::RouteDelete(spec) => self.stack.delete_route(&self.route(spec)?).map_err(refused),
            IpCommand::RuleAdd(spec) => {
                let rule = self.policy(spec)?;
                self.stack.add_rule(spec.preference, rule).map_err(refused)
            }
            IpCommand::RuleDelete(spec) => {
                let rule = self.policy(spec)?;
                self.stack.delete_rule(spec.preference, rule).map_err(refused)
            }
            IpCommand::LinkAdd(name, kind) => self.add_link(name, *kind),
            IpCommand::LinkSet(name, change) => {
                let id = self.dev(name)?;
                self.set_link(id, *change, effects);
                Ok(())
            }
            IpCommand::NeighbourReplace(_)
            | IpCommand::NeighbourDelete { .. }
            | IpCommand::NeighbourFlush { .. }
            | IpCommand::NeighbourProxy { .. } => self.neighbour(change, effects),
        }
    }

    fn add_address(&mut self, spec: &AddressSpec) -> Result<(), String> {
        let id = self.dev(&spec.dev)?;
        let address = interface::AddressSpec {
            addr: spec.addr,
            len: spec.len,
            scope: spec.scope,
            broadcast: spec.broadcast,
            label: spec.label.clone(),
        };
        self.stack.add_address(id, address).map_err(|error| error.to_string())
    }

    /// The address with this label; without a label the first that has none.
    fn labelled(&self, id: InterfaceId, label: Option<&str>, is_v4: bool) -> Option<(Addr, u8)> {
        let addresses = self.stack.interface_at(id).addresses();
        let found = addresses.iter().find(|a| a.label.as_deref() == label && a.addr.is_v4() == is_v4)?;
        Some((found.addr, found.len))
    }

    fn route(&self, spec: &RouteSpec) -> Result<fib::RouteSpec, String> {
        let dev = spec.dev.as_deref().map(|name| self.dev(name)).transpose()?;
        let hop = |hop: &NextHop| {
            let name = hop.dev.as_deref().ok_or("Error: Nexthop has no device.")?;
            Ok(fib::NextHop { via: hop.via, dev: self.dev(name)?, weight: hop.weight })
        };
        // `dev eth0:0` prefers the alias's address as a source; on lo the local route speaks for it anyway.
        let alias = spec.alias.as_deref().zip(dev).filter(|(_, id)| *id != InterfaceId::LO);
        let of_alias =
            alias.and_then(|(label, id)| self.labelled(id, Some(label), spec.prefix.addr().is_v4()));
        let route = fib::RouteSpec {
            table: spec.table.unwrap_or(TABLE_MAIN),
            kind: fib::RouteKind::Unicast,
            prefix: spec.prefix,
            via: spec.via,
            dev,
            src: spec.src.or(of_alias.map(|(addr, _)| addr)),
            metric: spec.metric,
            mtu: spec.mtu,
            scope: spec.scope,
            multipath: spec.hops.iter().map(hop).collect::<Result<_, String>>()?,
        };
        Ok(if spec.table.is_some() {
            fib::RouteSpec { kind: spec.kind, ..route }
        } else {
            route.kind(spec.kind)
        })
    }

    fn policy(&self, spec: &RuleSpec) -> Result<fib::Rule, String> {
        Ok(fib::Rule {
            preference: spec.preference.unwrap_or(0),
            mark: spec.mark,
            from: spec.from,
            to: spec.to,
            iif: spec.iif.as_deref().map(|name| self.dev(name)).transpose()?,
            table: spec.table,
        })
    }

    fn add_link(&mut self, name: &str, kind: LinkKind) -> Result<(), String> {
        if self.stack.interface(name).is_some() {
            return Err(AdminError::Exists.to_string());
        }
        let kind = match kind {
            LinkKind::Dummy => InterfaceKind::Dummy,
            LinkKind::IpIp => InterfaceKind::Tunnel,
        };
        self.stack.add_interface(name, kind, Mac::ZERO);
        Ok(())
    }

    fn set_link(&mut self, id: InterfaceId, change: LinkChange, effects: &mut Effects<H>) {
        let change = match change {
            LinkChange::Up(up) => self.stack.set_up(id, up),
            LinkChange::Mac(mac) => self.stack.set_mac(id, mac),
            LinkChange::Mtu(mtu) => return self.stack.set_mtu(id, mtu),
            LinkChange::Arp(arp) => return effects.dropped.extend(self.stack.set_arp(id, arp)),
        };
        effects.announce.extend(change.announce);
        effects.dropped.extend(change.dropped);
    }

    fn neighbour(&mut self, change: &IpCommand, effects: &mut Effects<H>) -> Result<(), String> {
        match change {
            IpCommand::NeighbourReplace(spec) => {
                let id = self.device_towards(spec)?;
                let state =
                    if spec.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
                let set = self.stack.set_neighbour(self.now, id, spec.addr, spec.mac, state);
                effects.resolved.extend(set.map_err(|error| error.to_string())?);
            }
            IpCommand::NeighbourDelete { addr, dev } => {
                let id = self.dev(dev)?;
                let dropped = self.stack.delete_neighbour(id, *addr).map_err(|error| error.to_string())?;
                effects.dropped.extend(dropped);
            }
            IpCommand::NeighbourFlush { dev } => {
                let id = dev.as_deref().map(|name| self.dev(name)).transpose()?;
                effects.dropped.extend(self.stack.flush_neighbours(id));
            }
            IpCommand::NeighbourProxy { addr, dev } => {
                let id = self.dev(dev)?;
                self.stack.publish(id, *addr);
            }
            _ => {}
        }
        Ok(())
    }

    /// The device of a neighbour; without a name the one that routing chooses, as `arp -s` does.
    fn device_towards(&mut self, spec: &NeighbourSpec) -> Result<InterfaceId, String> {
        if let Some(name) = &spec.dev {
            return self.dev(name);
        }
        let route = self.stack.route_output(spec.addr, None, 0);
        let direct = route.ok().filter(|route| route.next_hop == spec.addr);
        direct.map(|route| route.oif).ok_or_else(|| "SIOCSARP: Network is unreachable".to_string())
    }
}
