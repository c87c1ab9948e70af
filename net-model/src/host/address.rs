//! Adding and deleting addresses: `ip addr add`, `ip addr del`, and the routes that come and go with them.
//!
//! An address makes a `local` route, which exists even while the interface is down; its subnet and broadcast routes
//! need the interface up. On lo the subnet of an address becomes *local* as a whole, which is why a virtual address
//! with a /24 mask on lo cuts a real server off from its own network.

use super::admin::AdminError;
use super::conf::ConfKey;
use super::fib::{NextHop, RouteEntry, RouteKind, TABLE_LOCAL, TABLE_MAIN};
use super::interface::{Address, AddressSpec, AddressState, InterfaceId, InterfaceKind, Scope};
use super::ndisc;
use super::stack::Stack;
use crate::addr::{Addr, Prefix};

impl<H> Stack<H> {
    /// `ip addr add ADDR/LEN … dev INTERFACE`. Errors: the same address and mask twice; another scope than that of the
    /// address whose subnet it shares.
    pub fn add_address(&mut self, id: InterfaceId, spec: AddressSpec) -> Result<(), AdminError> {
        self.add_address_as(id, spec, AddressState::Usable)
    }

    pub(super) fn add_address_as(
        &mut self,
        id: InterfaceId,
        spec: AddressSpec,
        state: AddressState,
    ) -> Result<(), AdminError> {
        let scope = spec.scope.unwrap_or_else(|| default_scope(spec.addr));
        let mut address = Address {
            addr: spec.addr,
            len: spec.len.min(spec.addr.width()),
            scope,
            broadcast: spec.broadcast,
            label: spec.label,
            secondary: false,
            deprecated: spec.deprecated,
            state,
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
        if !spec.addr.is_v4() {
            self.interfaces[id.index()].speaks_v6 = true;
            self.take_link_local(id);
        }
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
    /// prefers it as source (the `local` routes of its secondaries name it too).
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
            self.fib.remove_all(|r| r.src == Some(address.addr));
        }
    }

    /// An Ethernet interface that speaks IPv6 has a link-local address of its own, made from its link address.
    pub(super) fn take_link_local(&mut self, id: InterfaceId) {
        let interface = &self.interfaces[id.index()];
        let has_one = interface.addresses.iter().any(|a| ndisc::is_link_local(a.addr));
        if interface.kind == InterfaceKind::Ethernet && interface.speaks_v6 && !has_one {
            let own = AddressSpec::new(ndisc::link_local_of(interface.mac), 64);
            self.add_address(id, own).expect("an interface without link-local address can take one");
        }
    }

    /// The link goes down: IPv6 addresses go with it (`keep_addr_on_down` is 0), those of IPv4 stay.
    pub(super) fn lose_v6_addresses(&mut self, id: InterfaceId) {
        let list = &mut self.interfaces[id.index()].addresses;
        let lost: Vec<Address> = list.extract_if(.., |a| !a.addr.is_v4()).collect();
        for address in &lost {
            self.remove_kernel_routes(id, address);
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
        if address.state != AddressState::Usable {
            return Vec::new();
        }
        let subnet = address.subnet();
        let is_host = address.len == address.addr.width();
        let is_lo = interface.kind == InterfaceKind::Loopback;
        let mut local = route(RouteKind::Local, Prefix::host(address.addr), Scope::Host);
        if address.secondary {
            let is_primary = |a: &&Address| !a.secondary && a.subnet() == subnet;
            local.src = interface.addresses.iter().find(is_primary).map(|a| a.addr);
        }
        let mut routes = vec![(TABLE_LOCAL, local)];
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
                // The routes of IPv6 prefer no source: it is chosen for each destination.
                false => {
                    let src = address.addr.is_v4().then_some(address.addr);
                    (TABLE_MAIN, RouteEntry { src, ..route(RouteKind::Unicast, subnet, Scope::Link) })
                }
            });
        }
        routes
    }
}

/// Where an address belongs in the list: secondaries at the end, primaries behind the last primary whose scope is not
/// wider. IPv6: the newest in front, wide scopes first.
fn place(list: &[Address], address: &Address) -> usize {
    if address.secondary {
        return list.len();
    }
    if !address.addr.is_v4() {
        let behind = list.iter().position(|a| !a.addr.is_v4() && a.scope >= address.scope);
        return behind.unwrap_or(list.len());
    }
    let before = list.iter().rposition(|a| a.addr.is_v4() && !a.secondary && a.scope >= address.scope);
    before.map_or(0, |at| at + 1)
}

fn default_scope(addr: Addr) -> Scope {
    match addr {
        _ if addr.is_loopback() => Scope::Host,
        _ if ndisc::is_link_local(addr) => Scope::Link,
        _ => Scope::Global,
    }
}

/// Is it the same route, whatever source it prefers? Subnet routes are told apart by their source.
fn is_same(a: &RouteEntry, b: &RouteEntry) -> bool {
    let is_host = a.prefix.len() == a.prefix.addr().width();
    a.kind == b.kind && a.prefix == b.prefix && a.hops == b.hops && (is_host || a.src == b.src)
}

#[cfg(test)]
mod tests {
    use super::super::fib::RouteSpec;
    use super::super::testing::*;
    use super::*;

    /// The routes with something to do with 10.0.0.0/8, as `ip route show table …` would print them.
    fn routes(host: &Host, table: u32) -> Vec<String> {
        let name = |id: InterfaceId| host.interface_at(id).name.clone();
        let ten = prefix("10.0.0.0/8");
        let routes = host.fib().table(table).unwrap().routes().iter();
        let ours = routes.filter(|r| ten.contains(r.prefix.addr()) || r.prefix.len() == 0);
        let print = |r: &RouteEntry| {
            let kind = match r.kind {
                RouteKind::Local => "local ",
                RouteKind::Broadcast => "broadcast ",
                _ => "",
            };
            let hop = r.hops.first().unwrap();
            let via = hop.via.map_or(String::new(), |via| format!(" via {via}"));
            let src = r.src.map_or(String::new(), |src| format!(" src {src}"));
            format!("{kind}{}{via} dev {}{src}", r.prefix, name(hop.dev))
        };
        ours.map(print).collect()
    }

    fn check(interfaces: &[(&str, &str)], local: &[&str], main: &[&str]) {
        let host = host(interfaces);
        assert_eq!(routes(&host, TABLE_LOCAL), local, "table local of {interfaces:?}");
        assert_eq!(routes(&host, TABLE_MAIN), main, "table main of {interfaces:?}");
    }

    /// The table of what an address brings along. [seen]
    #[test]
    fn an_address_brings_routes_along() {
        check(
            &[("eth0", "10.0.0.11/24")],
            &["local 10.0.0.11/32 dev eth0 src 10.0.0.11", "broadcast 10.0.0.255/32 dev eth0 src 10.0.0.11"],
            &["10.0.0.0/24 dev eth0 src 10.0.0.11"],
        );
        check(&[("eth0", "10.0.0.100/32")], &["local 10.0.0.100/32 dev eth0 src 10.0.0.100"], &[]);
        check(&[("lo", "10.0.0.100/32")], &["local 10.0.0.100/32 dev lo src 10.0.0.100"], &[]);
        check(
            &[("lo", "10.0.0.100/24")],
            &[
                "local 10.0.0.100/32 dev lo src 10.0.0.100",
                "broadcast 10.0.0.255/32 dev lo src 10.0.0.100",
                "local 10.0.0.0/24 dev lo src 10.0.0.100",
            ],
            &[],
        );
        check(&[("tunl0", "10.0.0.100/32")], &["local 10.0.0.100/32 dev tunl0 src 10.0.0.100"], &[]);
        check(&[("dummy0", "10.0.0.100/32")], &["local 10.0.0.100/32 dev dummy0 src 10.0.0.100"], &[]);
    }

    /// Seen on Linux 6.1.192: /31 subnets have no broadcast address; an explicit one stands behind the address itself.
    #[test]
    fn small_subnets_and_explicit_broadcast_addresses() {
        check(
            &[("eth0", "10.4.0.2/31")],
            &["local 10.4.0.2/32 dev eth0 src 10.4.0.2"],
            &["10.4.0.2/31 dev eth0 src 10.4.0.2"],
        );
        check(
            &[("lo", "10.3.0.2/31")],
            &["local 10.3.0.2/32 dev lo src 10.3.0.2", "local 10.3.0.2/31 dev lo src 10.3.0.2"],
            &[],
        );
        let mut host = host(&[]);
        let vip =
            AddressSpec { broadcast: Some(addr("10.0.0.100")), ..AddressSpec::new(addr("10.0.0.100"), 32) };
        host.add_address(InterfaceId::LO, vip).unwrap();
        let expected =
            ["local 10.0.0.100/32 dev lo src 10.0.0.100", "broadcast 10.0.0.100/32 dev lo src 10.0.0.100"];
        assert_eq!(routes(&host, TABLE_LOCAL), expected);
        assert!(host.is_local(addr("10.0.0.100")));
    }

    /// [seen] A virtual address on an interface that is down is local all the same; only the subnet needs it up.
    #[test]
    fn the_local_route_outlives_the_interface() {
        let mut host = host(&[("dummy0", "10.7.0.9/24")]);
        let dummy0 = host.interface("dummy0").unwrap();
        host.set_up(dummy0, false);
        assert_eq!(routes(&host, TABLE_LOCAL), ["local 10.7.0.9/32 dev dummy0 src 10.7.0.9"]);
        assert_eq!(routes(&host, TABLE_MAIN), [""; 0]);
        assert!(host.is_local(addr("10.7.0.9")));
        host.set_up(dummy0, true);
        assert_eq!(routes(&host, TABLE_MAIN), ["10.7.0.0/24 dev dummy0 src 10.7.0.9"]);
        host.delete_address(dummy0, addr("10.7.0.9"), Some(24)).unwrap();
        assert!(!host.is_local(addr("10.7.0.9")));
        assert_eq!(routes(&host, TABLE_MAIN), [""; 0]);
    }

    fn listed(host: &Host) -> Vec<(String, bool)> {
        host.interface_at(ETH0).addresses().iter().map(|a| (a.addr.to_string(), a.secondary)).collect()
    }

    /// [seen] Order: primaries by falling scope, in order of insertion within a scope; then secondaries.
    #[test]
    fn primaries_come_first_and_by_scope() {
        let host =
            host(&[("eth0", "10.0.0.1/24 10.0.0.2/24 10.1.0.1/24 10.0.0.3/32 10.2.0.1/24@link 10.0.0.4/24")]);
        let expected = [
            ("10.2.0.1", false),
            ("10.0.0.1", false),
            ("10.1.0.1", false),
            ("10.0.0.3", false),
            ("10.0.0.2", true),
            ("10.0.0.4", true),
        ];
        assert_eq!(listed(&host), expected.map(|(a, s)| (a.to_owned(), s)));
    }

    /// [seen] The refusals and their texts.
    #[test]
    fn refusals() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        let mut add = |text: &str, len, scope| {
            let spec = AddressSpec { scope, ..AddressSpec::new(addr(text), len) };
            host.add_address(ETH0, spec).map_err(|e| e.to_string())
        };
        assert_eq!(add("10.0.0.1", 24, None), Err("RTNETLINK answers: File exists".to_owned()));
        let other_scope = add("10.0.0.2", 24, Some(Scope::Link));
        assert_eq!(other_scope, Err("RTNETLINK answers: Invalid argument".to_owned()));
        assert_eq!(add("10.0.0.1", 25, None), Ok(()));
        let missing = host.delete_address(ETH0, addr("10.0.0.9"), None).map_err(|e| e.to_string());
        assert_eq!(missing, Err("RTNETLINK answers: Cannot assign requested address".to_owned()));
    }

    /// [seen] Deleting a primary deletes its secondaries and every route that prefers one of them as source.
    #[test]
    fn a_primary_takes_its_secondaries_along() {
        let mut host = host(&[("eth0", "10.0.0.1/24 10.20.0.1/24 10.20.0.2/24")]);
        let route = |src: &str| RouteSpec::to(prefix("10.56.0.0/16")).via(addr("10.0.0.254")).src(addr(src));
        host.add_route(&route("10.20.0.2")).unwrap();
        via(&mut host, "default", "10.0.0.254");
        host.delete_address(ETH0, addr("10.20.0.1"), None).unwrap();
        assert_eq!(listed(&host), [("10.0.0.1".to_owned(), false)]);
        let main = ["10.0.0.0/24 dev eth0 src 10.0.0.1", "0.0.0.0/0 via 10.0.0.254 dev eth0"];
        assert_eq!(routes(&host, TABLE_MAIN), main, "a default route without src stays");
    }

    /// Seen on Linux 6.1.192 with promote_secondaries=1.
    #[test]
    fn a_secondary_is_promoted() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.20.0.1/24 10.20.0.2/24 10.20.0.3/24")]);
        sysctl(&mut host, "conf.all.promote_secondaries=1");
        let route = RouteSpec::to(prefix("10.56.0.0/16")).via(addr("10.0.0.254")).src(addr("10.20.0.2"));
        host.add_route(&route).unwrap();
        host.delete_address(ETH0, addr("10.20.0.1"), None).unwrap();
        let expected = [("10.0.0.11", false), ("10.20.0.2", false), ("10.20.0.3", true)];
        assert_eq!(listed(&host), expected.map(|(a, s)| (a.to_owned(), s)));
        let main = [
            "10.0.0.0/24 dev eth0 src 10.0.0.11",
            "10.20.0.0/24 dev eth0 src 10.20.0.2",
            "10.56.0.0/16 via 10.0.0.254 dev eth0 src 10.20.0.2",
        ];
        assert_eq!(routes(&host, TABLE_MAIN), main);
        let local = [
            "local 10.0.0.11/32 dev eth0 src 10.0.0.11",
            "broadcast 10.0.0.255/32 dev eth0 src 10.0.0.11",
            "local 10.20.0.2/32 dev eth0 src 10.20.0.2",
            "local 10.20.0.3/32 dev eth0 src 10.20.0.2",
            "broadcast 10.20.0.255/32 dev eth0 src 10.20.0.2",
        ];
        assert_eq!(routes(&host, TABLE_LOCAL), local);
    }

    /// Seen on Linux 6.1.192: each interface keeps its own `local` route, and the last one frees the source.
    #[test]
    fn one_address_on_two_interfaces() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.200/32"), ("lo", "10.0.0.200/32")]);
        let route = RouteSpec::to(prefix("10.55.0.0/16")).via(addr("10.0.0.254")).src(addr("10.0.0.200"));
        host.add_route(&route).unwrap();
        host.delete_address(ETH0, addr("10.0.0.200"), None).unwrap();
        assert!(host.is_local(addr("10.0.0.200")));
        assert_eq!(routes(&host, TABLE_MAIN).len(), 2);
        host.delete_address(InterfaceId::LO, addr("10.0.0.200"), None).unwrap();
        assert!(!host.is_local(addr("10.0.0.200")));
        assert_eq!(routes(&host, TABLE_MAIN), ["10.0.0.0/24 dev eth0 src 10.0.0.11"]);
    }
}
