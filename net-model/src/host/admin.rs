//! What the administrator does to interfaces, routes, rules and neighbours: `ip link`, `ip route`, `ip rule`,
//! `ip neigh`.
//!
//! Each operation either works or is refused with the message that ip(8) prints.

use super::arp::ArpSend;
use super::conf::ConfKey;
use super::fib::{Key, NextHop, RouteEntry, RouteKind, RouteSpec, Rule, TABLE_LOCAL};
use super::interface::{Interface, InterfaceId, InterfaceKind, Scope};
use super::neighbour::{NeighbourId, NeighbourState};
use super::stack::{LinkChange, Stack};
use crate::addr::{Addr, Mac};
use sim_core::{Duration, Time};
use std::fmt;

/// Why the kernel refuses; printed as ip(8) prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdminError {
    /// The address, route or rule exists.
    Exists,
    /// No such address on the interface.
    AddressNotFound,
    /// No such route.
    RouteNotFound,
    /// No such neighbour or rule.
    NotFound,
    /// The gateway is not reached directly.
    InvalidGateway,
    /// The preferred source is not an address of the host.
    InvalidSource,
    /// The outgoing interface is down.
    DeviceDown,
    /// A route without a way.
    NoDevice,
    /// Arguments that do not go together.
    InvalidArgument,
    /// The neighbour cache is full.
    TableFull,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdminError::Exists => "RTNETLINK answers: File exists",
            AdminError::AddressNotFound => "RTNETLINK answers: Cannot assign requested address",
            AdminError::RouteNotFound => "RTNETLINK answers: No such process",
            AdminError::NotFound => "RTNETLINK answers: No such file or directory",
            AdminError::InvalidGateway => "Error: Nexthop has invalid gateway.",
            AdminError::InvalidSource => "Error: Invalid prefsrc address.",
            AdminError::DeviceDown => "Error: Device for nexthop is not up.",
            AdminError::NoDevice => "RTNETLINK answers: No such device",
            AdminError::InvalidArgument => "RTNETLINK answers: Invalid argument",
            AdminError::TableFull => "RTNETLINK answers: No buffer space available",
        })
    }
}

impl std::error::Error for AdminError {}

impl<H> Stack<H> {
    /// A new interface, down and without addresses; its settings are those of `default`.
    pub fn add_interface(&mut self, name: &str, kind: InterfaceKind, mac: Mac) -> InterfaceId {
        let id = InterfaceId(self.interfaces.len() as u16);
        self.interfaces.push(Interface {
            name: name.to_owned(),
            kind,
            mac,
            mtu: kind.default_mtu(),
            up: false,
            carrier: true,
            arp: kind == InterfaceKind::Ethernet,
            conf: self.conf_default.inherited(),
            neigh: self.neigh_default.inherited(),
            reachable_time: Duration::ZERO,
            addresses: Vec::new(),
        });
        self.draw_reachable_time(id);
        self.changed();
        id
    }

    /// `ip link set DEV up` or `down`. Down: the routes through it and its neighbours are gone; the `local` routes of
    /// its addresses stay.
    pub fn set_up(&mut self, id: InterfaceId, up: bool) -> LinkChange<H> {
        let mut change = LinkChange { announce: Vec::new(), dropped: Vec::new() };
        let was_up = std::mem::replace(&mut self.interfaces[id.index()].up, up);
        if up && !was_up {
            self.add_all_kernel_routes(id);
            change.announce = self.announce(id);
        } else if was_up && !up {
            self.remove_routes_through(id);
            self.neighbours.remove_where(|n| n.interface == id, &mut change.dropped);
        }
        self.changed();
        change
    }

    /// The cable is plugged in or out. Out: neighbours that were not set by hand are forgotten
    /// (`arp_evict_nocarrier`).
    pub fn set_carrier(&mut self, id: InterfaceId, carrier: bool) -> Vec<H> {
        let mut dropped = Vec::new();
        let had_carrier = std::mem::replace(&mut self.interfaces[id.index()].carrier, carrier);
        if had_carrier && !carrier && self.is_on(id, ConfKey::ArpEvictNocarrier) {
            let is_here = |n: &super::neighbour::Neighbour<H>| n.interface == id;
            self.neighbours
                .remove_where(|n| is_here(n) && n.state != NeighbourState::Permanent, &mut dropped);
        }
        dropped
    }

    /// `ip link set DEV arp on` or `off` (`ifconfig DEV -arp`). Off: its neighbours are forgotten.
    pub fn set_arp(&mut self, id: InterfaceId, arp: bool) -> Vec<H> {
        let mut dropped = Vec::new();
        self.interfaces[id.index()].arp = arp;
        if !arp {
            self.neighbours.remove_where(|n| n.interface == id, &mut dropped);
        }
        dropped
    }

    /// `ip link set DEV mtu N`
    pub fn set_mtu(&mut self, id: InterfaceId, mtu: u32) {
        self.interfaces[id.index()].mtu = mtu;
        self.changed();
    }

    /// `ip link set DEV address MAC`: its neighbours are forgotten, and `arp_notify` announces the change.
    pub fn set_mac(&mut self, id: InterfaceId, mac: Mac) -> LinkChange<H> {
        let mut dropped = Vec::new();
        self.interfaces[id.index()].mac = mac;
        self.neighbours.remove_where(|n| n.interface == id, &mut dropped);
        LinkChange { announce: self.announce(id), dropped }
    }

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

    /// `ip neigh replace ADDR lladdr MAC dev DEV nud STATE` (`arp -s`). What waits may go if an entry comes back.
    pub fn set_neighbour(
        &mut self,
        now: Time,
        id: InterfaceId,
        addr: Addr,
        mac: Mac,
        state: NeighbourState,
    ) -> Result<Option<NeighbourId>, AdminError> {
        let thresholds = self.thresholds();
        let neighbour = match self.neighbours.find(addr, id) {
            Some(neighbour) => neighbour,
            None => self.neighbours.create(now, addr, id, &thresholds).ok_or(AdminError::TableFull)?,
        };
        let policy = super::stack::policy(&self.interfaces[id.index()], thresholds);
        let is_resolved = self.neighbours.set(now, neighbour, mac, state, &policy);
        Ok(is_resolved.then_some(neighbour))
    }

    /// `ip neigh del ADDR dev DEV`; what waited comes out.
    pub fn delete_neighbour(&mut self, id: InterfaceId, addr: Addr) -> Result<Vec<H>, AdminError> {
        let neighbour = self.neighbours.find(addr, id).ok_or(AdminError::NotFound)?;
        let mut dropped = Vec::new();
        self.neighbours.remove(neighbour, &mut dropped);
        Ok(dropped)
    }

    /// `ip neigh flush [dev DEV]`: all but permanent entries; what waited comes out.
    pub fn flush_neighbours(&mut self, dev: Option<InterfaceId>) -> Vec<H> {
        let mut dropped = Vec::new();
        let is_meant = |n: &super::neighbour::Neighbour<H>| {
            dev.is_none_or(|dev| n.interface == dev) && n.state != NeighbourState::Permanent
        };
        self.neighbours.remove_where(is_meant, &mut dropped);
        dropped
    }

    /// `ip neigh add proxy ADDR dev DEV`: answer requests for an address that is routed through another interface.
    pub fn publish(&mut self, id: InterfaceId, addr: Addr) {
        if !self.published.contains(&(addr, id)) {
            self.published.push((addr, id));
        }
    }

    /// A gratuitous request or reply for an address, as `arping -U` and `arping -A` send them after a failover.
    pub fn gratuitous(&self, id: InterfaceId, addr: Addr, op: crate::packet::ArpOp) -> ArpSend {
        let sender_mac = self.interfaces[id.index()].mac;
        let target_mac = match op {
            crate::packet::ArpOp::Request => Mac::BROADCAST,
            crate::packet::ArpOp::Reply => sender_mac,
        };
        let arp = crate::packet::Arp { op, sender_mac, sender: addr, target_mac, target: addr };
        ArpSend { interface: id, to: Mac::BROADCAST, arp, delay: Duration::ZERO }
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

    /// The interface through which a gateway is reached directly: asked in the route's own table, and if that knows
    /// nothing by all rules.
    fn gateway_dev(
        &self,
        table: u32,
        via: Addr,
        dev: Option<InterfaceId>,
    ) -> Result<InterfaceId, AdminError> {
        let table = if table == TABLE_LOCAL { None } else { self.fib.table(table) };
        let found = table.and_then(|t| t.lookup(via)).or_else(|| self.fib.lookup(&Key::to(via)));
        let hop = found
            .filter(|r| r.kind == RouteKind::Unicast && r.scope >= Scope::Link)
            .and_then(|r| r.hops.iter().find(|hop| dev.is_none_or(|dev| dev == hop.dev)));
        hop.filter(|hop| hop.via.is_none()).map(|hop| hop.dev).ok_or(AdminError::InvalidGateway)
    }

    fn remove_routes_through(&mut self, id: InterfaceId) {
        self.fib.remove_all(|_, r| {
            let is_own_address =
                r.by_kernel && r.kind == RouteKind::Local && r.prefix.len() == r.prefix.addr().width();
            let before = r.hops.len();
            if !is_own_address {
                r.hops.retain(|hop| hop.dev != id);
            }
            before > 0 && r.hops.is_empty()
        });
        self.fib.note_user_local_routes();
    }

    fn routes_changed(&mut self, spec: &RouteSpec) {
        self.exceptions.forget(spec.prefix);
        self.fib.note_user_local_routes();
        self.changed();
    }
}
