//! What the administrator does to routes and rules: `ip route`, `ip rule`.
//!
//! A gateway is checked once, when its route is added: it must be reached directly. A default gateway inside a subnet
//! that lo has made local is accepted; but unless the route names its device, it leads to lo, and nothing ever leaves the
//! host by it.

use super::admin::AdminError;
use super::fib::{Key, NextHop, RouteEntry, RouteKind, RouteSpec, Rule, TABLE_LOCAL, TABLE_MAIN};
use super::interface::{InterfaceId, Scope};
use super::stack::Stack;
use crate::addr::Addr;

impl<H> Stack<H> {
    /// `ip route add`
    pub fn add_route(&mut self, spec: &RouteSpec) -> Result<(), AdminError> {
        let entry = self.route_entry(spec)?;
        let table = self.fib.table(spec.table);
        let is_taken = |r: &RouteEntry| r.prefix == entry.prefix && r.metric == entry.metric;
        if table.is_some_and(|t| t.routes().iter().any(is_taken)) {
            return Err(AdminError::Exists);
        }
        self.fib.insert(spec.table, entry);
        self.routes_changed(spec);
        Ok(())
    }

    /// `ip route replace`: the route of the same prefix and metric, if any, makes room.
    pub fn replace_route(&mut self, spec: &RouteSpec) -> Result<(), AdminError> {
        let entry = self.route_entry(spec)?;
        self.fib.remove_first(spec.table, |r| r.prefix == entry.prefix && r.metric == entry.metric);
        self.fib.insert(spec.table, entry);
        self.routes_changed(spec);
        Ok(())
    }

    /// `ip route del`: the first route that has everything the description names.
    pub fn delete_route(&mut self, spec: &RouteSpec) -> Result<(), AdminError> {
        let is_meant = |r: &RouteEntry| {
            let hop = r.hops.first();
            r.prefix == spec.prefix
                && (spec.kind == RouteKind::Unicast || spec.kind == r.kind)
                && (spec.metric == 0 || spec.metric == r.metric)
                && spec.via.is_none_or(|via| hop.is_some_and(|hop| hop.via == Some(via)))
                && spec.dev.is_none_or(|dev| hop.is_some_and(|hop| hop.dev == dev))
                && spec.src.is_none_or(|src| r.src == Some(src))
        };
        self.fib.remove_first(spec.table, is_meant).ok_or(AdminError::RouteNotFound)?;
        self.routes_changed(spec);
        Ok(())
    }

    /// `ip rule add`; without a preference it goes one before the first rule that is not 0.
    pub fn add_rule(&mut self, preference: Option<u32>, rule: Rule) -> Result<(), AdminError> {
        let first = self.fib.rules().iter().map(|r| r.preference).find(|&p| p > 0);
        let preference = preference.unwrap_or_else(|| first.map_or(32765, |p| p - 1));
        let rule = Rule { preference, ..rule };
        if self.fib.rules().contains(&rule) {
            return Err(AdminError::Exists);
        }
        self.fib.insert_rule(rule);
        self.changed();
        Ok(())
    }

    /// `ip rule del`; without a preference the first rule that is otherwise the same.
    pub fn delete_rule(&mut self, preference: Option<u32>, rule: Rule) -> Result<(), AdminError> {
        let is_meant = |r: &Rule| {
            preference.is_none_or(|p| p == r.preference) && Rule { preference: r.preference, ..rule } == *r
        };
        if !self.fib.remove_rule(is_meant) {
            return Err(AdminError::NotFound);
        }
        self.changed();
        Ok(())
    }

    /// A route as it would stand in its table, or why it cannot.
    fn route_entry(&self, spec: &RouteSpec) -> Result<RouteEntry, AdminError> {
        let hops = match spec.kind {
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
                Vec::new()
            }
            RouteKind::Local => {
                vec![NextHop { via: None, dev: spec.dev.unwrap_or(InterfaceId::LO), weight: 1 }]
            }
            RouteKind::Unicast | RouteKind::Broadcast if spec.multipath.is_empty() => {
                let weight = 1;
                let dev = match (spec.via, spec.dev) {
                    (None, None) => return Err(AdminError::NoDevice),
                    (None, Some(dev)) => dev,
                    (Some(via), dev) => self.gateway_dev(spec.table, via, dev)?,
                };
                vec![NextHop { via: spec.via, dev, weight }]
            }
            RouteKind::Unicast | RouteKind::Broadcast => spec.multipath.clone(),
        };
        if hops.iter().any(|hop| !self.interfaces[hop.dev.index()].up) {
            return Err(AdminError::DeviceDown);
        }
        for hop in &spec.multipath {
            if let Some(via) = hop.via {
                self.gateway_dev(spec.table, via, Some(hop.dev))?;
            }
        }
        if spec.src.is_some_and(|src| !self.is_local(src)) {
            return Err(AdminError::InvalidSource);
        }
        let has_gateway = hops.iter().any(|hop| hop.via.is_some());
        let scope = spec.scope.unwrap_or(match spec.kind {
            RouteKind::Local => Scope::Host,
            RouteKind::Unicast if has_gateway => Scope::Global,
            RouteKind::Unicast | RouteKind::Broadcast => Scope::Link,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
                Scope::Global
            }
        });
        Ok(RouteEntry {
            kind: spec.kind,
            prefix: spec.prefix,
            hops,
            src: spec.src,
            metric: spec.metric,
            mtu: spec.mtu,
            scope,
            by_kernel: false,
        })
    }

    /// The interface through which a gateway is reached directly: asked in the route's own table, unless that is main,
    /// then as for any packet, local before main. So a gateway whose network is an address of lo (`10.0.0.100/24 dev
    /// lo`) is reached through lo, if no other device is named.
    fn gateway_dev(
        &self,
        table: u32,
        via: Addr,
        dev: Option<InterfaceId>,
    ) -> Result<InterfaceId, AdminError> {
        let leads = |r: &&RouteEntry| r.hops.iter().any(|hop| dev.is_none_or(|dev| dev == hop.dev));
        let known = |table: u32| self.fib.table(table).and_then(|t| t.lookup(via));
        let own = if matches!(table, TABLE_LOCAL | TABLE_MAIN) { None } else { known(table) };
        let local = || known(TABLE_LOCAL).filter(|_| via.is_v4()).filter(leads);
        let found =
            own.or_else(local).or_else(|| known(TABLE_MAIN)).or_else(|| self.fib.lookup(&Key::to(via)));
        let hop = found
            .filter(|r| match r.kind {
                RouteKind::Unicast => r.scope >= Scope::Link,
                RouteKind::Local => true,
                RouteKind::Broadcast
                | RouteKind::Blackhole
                | RouteKind::Unreachable
                | RouteKind::Prohibit
                | RouteKind::Throw => false,
            })
            .and_then(|r| r.hops.iter().find(|hop| dev.is_none_or(|dev| dev == hop.dev)));
        hop.filter(|hop| hop.via.is_none()).map(|hop| hop.dev).ok_or(AdminError::InvalidGateway)
    }

    /// What goes when an interface goes down: every route through it, but those to the host itself.
    pub(super) fn remove_routes_through(&mut self, id: InterfaceId) {
        self.fib.remove_all(|r| {
            let had_hops = !r.hops.is_empty();
            if r.kind != RouteKind::Local {
                r.hops.retain(|hop| hop.dev != id);
            }
            had_hops && r.hops.is_empty()
        });
    }

    fn routes_changed(&mut self, spec: &RouteSpec) {
        self.exceptions.forget(spec.prefix);
        self.fib.note_user_local_routes();
        self.changed();
    }
}
