//! Adding and deleting addresses: `ip addr add`, `ip addr del`, and the routes that come and go with them.
//!
//! An address makes a `local` route, which exists even while the interface is down; its subnet and broadcast routes
//! need the interface up. On lo the subnet of an address becomes *local* as a whole, which is why a virtual address
//! with a /24 mask on lo cuts a real server off from its own network.

use super::admin::AdminError;
use super::conf::ConfKey;
use super::fib::{NextHop, RouteEntry, RouteKind, TABLE_LOCAL, TABLE_MAIN};
use super::interface::{Address, AddressSpec, InterfaceId, InterfaceKind, Scope};
use super::stack::Stack;
use crate::addr::{Addr, Prefix};

impl<H> Stack<H> {
    /// `ip addr add ADDR/LEN … dev INTERFACE`. Errors: the same address and mask twice; another scope than that of the
    /// address whose subnet it shares.
    pub fn add_address(&mut self, id: InterfaceId, spec: AddressSpec) -> Result<(), AdminError> {
        let scope = spec.scope.unwrap_or_else(|| default_scope(spec.addr));
        let mut address = Address {
            addr: spec.addr,
            len: spec.len.min(spec.addr.width()),
            scope,
            broadcast: spec.broadcast,
            label: spec.label,
            secondary: false,
        };
        let list = &mut self.interfaces[id.index()].addresses;
        if list.iter().any(|a| a.addr == address.addr && a.len == address.len) {
            return Err(AdminError::Exists);
        }
        let sharing = list.iter().find(|a| a.addr.is_v4() && a.subnet() == address.subnet());
        if let Some(primary) = sharing {
            if primary.scope != scope {
                return Err(AdminError::InvalidArgument);
            }
            address.secondary = true;
        }
        let at = place(list, &address);
        list.insert(at, address.clone());
        self.add_kernel_routes(id, &address);
        self.changed();
        Ok(())
    }

    /// `ip addr del ADDR[/LEN] dev INTERFACE`. A primary takes its secondaries along, unless `promote_secondaries`.
    pub fn delete_address(&mut self, id: InterfaceId, addr: Addr, len: Option<u8>) -> Result<(), AdminError> {
        let promotes = self.is_on(id, ConfKey::PromoteSecondaries);
        let list = &mut self.interfaces[id.index()].addresses;
        let is_meant = |a: &Address| a.addr == addr && len.is_none_or(|len| a.len == len);
        let at = list.iter().position(is_meant).ok_or(AdminError::AddressNotFound)?;
        let mut deleted = vec![list.remove(at)];
        let subnet = deleted[0].subnet();
        let mut promoted = None;
        if !deleted[0].secondary && addr.is_v4() {
            let is_orphan = |a: &Address| a.secondary && a.subnet() == subnet;
            if promotes {
                promoted = list.iter().position(is_orphan);
            } else {
                deleted.extend(list.extract_if(.., |a| is_orphan(a)));
            }
        }
        if let Some(at) = promoted {
            let mut heir = list.remove(at);
            heir.secondary = false;
            let at = place(list, &heir);
            list.insert(at, heir);
        }
        for address in &deleted {
            self.remove_kernel_routes(id, address);
        }
        if promoted.is_some() {
            self.add_all_kernel_routes(id);
        }
        self.changed();
        Ok(())
    }

    /// `ip route add local PREFIX dev lo`: the host stands for every address of the prefix.
    pub fn add_local_prefix(&mut self, prefix: Prefix) -> Result<(), AdminError> {
        let spec = super::fib::RouteSpec::to(prefix).kind(RouteKind::Local).dev(InterfaceId::LO);
        self.add_route(&spec)
    }

    /// The routes that exist because of the addresses of an interface, added where they are missing.
    pub(super) fn add_all_kernel_routes(&mut self, id: InterfaceId) {
        for address in self.interfaces[id.index()].addresses.clone() {
            self.add_kernel_routes(id, &address);
        }
    }

    fn add_kernel_routes(&mut self, id: InterfaceId, address: &Address) {
        for (table, route) in self.kernel_routes(id, address) {
            let exists = self.fib.table(table).is_some_and(|t| t.routes().iter().any(|r| is_same(r, &route)));
            if !exists {
                self.fib.insert(table, route);
            }
        }
    }

    /// Removes the routes of an address that is gone, but those that other addresses need too, and every route that
    /// prefers it as source.
    fn remove_kernel_routes(&mut self, id: InterfaceId, address: &Address) {
        let others = self.interfaces[id.index()].addresses.clone();
        let needed: Vec<_> = others.iter().flat_map(|a| self.kernel_routes(id, a)).collect();
        for (table, route) in self.kernel_routes(id, address) {
            if !needed.iter().any(|(t, r)| *t == table && is_same(r, &route)) {
                self.fib.remove_first(table, |r| r.by_kernel && is_same(r, &route));
                self.exceptions.forget(route.prefix);
            }
        }
        if !self.interfaces.iter().any(|i| i.has(address.addr)) {
            self.fib.remove_all(|_, r| r.src == Some(address.addr));
        }
    }

    /// The routes that an address brings along while its interface is in its present state.
    fn kernel_routes(&self, id: InterfaceId, address: &Address) -> Vec<(u32, RouteEntry)> {
        let interface = &self.interfaces[id.index()];
        let route = |kind, prefix, scope| RouteEntry {
            kind,
            prefix,
            hops: vec![NextHop { via: None, dev: id, weight: 1 }],
            src: Some(address.addr),
            metric: 0,
            mtu: 0,
            scope,
            by_kernel: true,
        };
        let subnet = address.subnet();
        let is_host = address.len == address.addr.width();
        let is_lo = interface.kind == InterfaceKind::Loopback;
        let mut routes =
            vec![(TABLE_LOCAL, route(RouteKind::Local, Prefix::host(address.addr), Scope::Host))];
        if !interface.up {
            return routes;
        }
        let mut broadcast = |b: Addr| {
            routes.push((TABLE_LOCAL, route(RouteKind::Broadcast, Prefix::host(b), Scope::Link)));
        };
        if let Some(b) = address.broadcast.filter(|b| *b != Addr::BROADCAST_V4) {
            broadcast(b);
        }
        let has_subnet = !address.secondary && !is_host && (!is_lo || address.addr.is_v4());
        if has_subnet && address.addr.is_v4() && address.len < 31 && address.broadcast != Some(subnet.last())
        {
            broadcast(subnet.last());
        }
        if has_subnet {
            routes.push(match is_lo {
                true => (TABLE_LOCAL, route(RouteKind::Local, subnet, Scope::Host)),
                false => (TABLE_MAIN, route(RouteKind::Unicast, subnet, Scope::Link)),
            });
        }
        routes
    }
}

/// Where an address belongs in the list: secondaries at the end, primaries behind the last primary whose scope is not
/// wider.
fn place(list: &[Address], address: &Address) -> usize {
    if address.secondary {
        return list.len();
    }
    let before = list.iter().rposition(|a| !a.secondary && a.scope >= address.scope);
    before.map_or(0, |at| at + 1)
}

fn default_scope(addr: Addr) -> Scope {
    let is_link_local_v6 = !addr.is_v4() && addr.to_bits() >> 118 == 0x3fa;
    match addr {
        _ if addr.is_loopback() => Scope::Host,
        _ if is_link_local_v6 => Scope::Link,
        _ => Scope::Global,
    }
}

/// Is it the same route, whatever source it prefers? Subnet routes are told apart by their source.
fn is_same(a: &RouteEntry, b: &RouteEntry) -> bool {
    let is_host = a.prefix.len() == a.prefix.addr().width();
    a.kind == b.kind && a.prefix == b.prefix && a.hops == b.hops && (is_host || a.src == b.src)
}
