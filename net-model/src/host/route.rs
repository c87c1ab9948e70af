//! Output routing: which interface, next hop and source address does a packet to this destination get?
//!
//! What `ip route get` answers: the walk of the rules, the exceptions learnt for the destination, and the source
//! address the host chooses for its own packets. Answers are remembered per destination and mark until anything
//! changes. IPv6 differs in one point here: source selection follows RFC 6724 instead of list order.

use super::fib::{Key, NextHop, RouteEntry, RouteKind, TABLE_LOCAL};
use super::icmp;
use super::interface::{InterfaceId, Scope};
use super::ndisc::is_link_local;
use super::route_cache::SlotId;
use super::stack::Stack;
use crate::addr::Addr;
use crate::verdict::DropReason;

/// The way of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The outgoing interface; lo for local destinations.
    pub oif: InterfaceId,
    /// What kind of destination.
    pub kind: RouteClass,
    /// Whose link address the frame gets: the gateway or the destination itself.
    pub next_hop: Addr,
    /// The source address: the one asked for, else the host's choice (unspecified if it has none).
    pub source: Addr,
    /// The largest IP packet that fits, in bytes: for forwarded packets that of the route or interface, for the host's
    /// own also what path-MTU discovery has learnt.
    pub mtu: u32,
    /// A path MTU too small to be believed was reported: packets go without DF.
    pub mtu_locked: bool,
}

/// What kind of destination a packet has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteClass {
    /// One other host.
    Unicast,
    /// This host.
    Local,
    /// Every host of the link, or a multicast group.
    Broadcast,
}

/// Why a host cannot send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteError {
    /// No route matches: ENETUNREACH, ICMP 3/0.
    NoRoute,
    /// An `unreachable` route: EHOSTUNREACH, ICMP 3/1.
    Unreachable,
    /// A `prohibit` route: EACCES, ICMP 3/13.
    Prohibited,
    /// A `blackhole` route: EINVAL, silence.
    Blackhole,
    /// The source asked for is not an address of this host: EINVAL.
    SourceNotLocal,
}

impl RouteError {
    /// The reason under which the packet is counted.
    pub const fn drop_reason(self) -> DropReason {
        match self {
            RouteError::NoRoute => DropReason::NoRoute,
            RouteError::Unreachable => DropReason::Unreachable,
            RouteError::Prohibited => DropReason::Prohibit,
            RouteError::Blackhole => DropReason::Blackhole,
            RouteError::SourceNotLocal => DropReason::MartianSource,
        }
    }

    /// The ICMP error a router answers with.
    pub const fn icmp(self) -> Option<icmp::Error> {
        match self {
            RouteError::NoRoute => Some(icmp::Error::NetUnreachable),
            RouteError::Unreachable => Some(icmp::Error::HostUnreachable),
            RouteError::Prohibited => Some(icmp::Error::Prohibited),
            RouteError::Blackhole | RouteError::SourceNotLocal => None,
        }
    }

    /// The error a program of the host sees, by its name in errno.h.
    pub const fn errno(self) -> &'static str {
        match self {
            RouteError::NoRoute => "ENETUNREACH",
            RouteError::Unreachable => "EHOSTUNREACH",
            RouteError::Prohibited => "EACCES",
            RouteError::Blackhole | RouteError::SourceNotLocal => "EINVAL",
        }
    }
}

/// What the tables say about a destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The kind of the route; none if there is none.
    pub(super) kind: Option<RouteKind>,
    pub(super) oif: InterfaceId,
    pub(super) next_hop: Addr,
    /// Has the route no gateway?
    pub(super) on_link: bool,
    pub(super) source: Addr,
    /// For forwarded packets.
    pub(super) mtu: u32,
    /// For the host's own packets.
    pub(super) path_mtu: u32,
    pub(super) mtu_locked: bool,
    /// Was the way chosen among several?
    pub(super) is_multipath: bool,
}

impl Answer {
    /// There is no route.
    pub(super) const NO_ROUTE: Answer = Answer {
        kind: None,
        oif: InterfaceId::LO,
        next_hop: Addr::UNSPECIFIED_V4,
        on_link: false,
        source: Addr::UNSPECIFIED_V4,
        mtu: 0,
        path_mtu: 0,
        mtu_locked: false,
        is_multipath: false,
    };
}

impl<H> Stack<H> {
    /// Is this an address of the host, on whatever interface (or in a prefix made local)?
    #[inline]
    pub fn is_local(&self, addr: Addr) -> bool {
        (self.own_are_local && self.is_own(addr)) || self.local_kind(addr) == Some(RouteKind::Local)
    }

    /// The way to `dst`. With a source, it must be local and is kept; without, the host chooses.
    #[inline]
    pub fn route_output(&mut self, dst: Addr, src: Option<Addr>, mark: u32) -> Result<Route, RouteError> {
        let id = self.slot_of_answer(dst, src, mark, None);
        if let Some(src) = src
            && !self.cache.slot(id).speaks(src)
        {
            if !self.is_local(src) {
                return Err(RouteError::SourceNotLocal);
            }
            self.cache.slot_mut(id).let_speak(src);
        }
        self.route_at(id, dst, src)
    }

    /// The way to `dst` from a source that need not be local: what IPVS asks for replies of the servers behind it.
    pub(super) fn route_output_as(&mut self, dst: Addr, src: Addr, mark: u32) -> Result<Route, RouteError> {
        let id = self.slot_of_answer(dst, Some(src), mark, None);
        self.route_at(id, dst, Some(src))
    }

    /// Are there rules beside those that every host has?
    #[inline]
    pub(super) fn has_rules(&self) -> bool {
        self.fib.has_custom_rules
    }

    /// The answer at a place of the cache as the way of a packet.
    #[inline]
    fn route_at(&self, id: SlotId, dst: Addr, src: Option<Addr>) -> Result<Route, RouteError> {
        let answer = self.cache.answer(id);
        let (kind, oif, next_hop) = match answer.kind {
            None | Some(RouteKind::Throw) => return Err(RouteError::NoRoute),
            Some(RouteKind::Blackhole) => return Err(RouteError::Blackhole),
            Some(RouteKind::Unreachable) => return Err(RouteError::Unreachable),
            Some(RouteKind::Prohibit) => return Err(RouteError::Prohibited),
            Some(RouteKind::Local) => (RouteClass::Local, InterfaceId::LO, dst),
            Some(RouteKind::Broadcast) => (RouteClass::Broadcast, answer.oif, dst),
            Some(RouteKind::Unicast) if is_group(dst) => (RouteClass::Broadcast, answer.oif, dst),
            Some(RouteKind::Unicast) => (RouteClass::Unicast, answer.oif, answer.next_hop),
        };
        Ok(Route {
            oif,
            kind,
            next_hop,
            source: src.unwrap_or(answer.source),
            mtu: answer.path_mtu,
            mtu_locked: answer.mtu_locked,
        })
    }

    /// The address that speaks for the host towards `target` on this interface: a suitable one of the interface, else
    /// the first global one of any interface, lo first.
    pub fn select_source(&self, oif: InterfaceId, target: Addr, limit: Scope) -> Option<Addr> {
        if !target.is_v4() {
            return self.select_source_v6(oif, target);
        }
        self.interfaces[oif.index()].select(target, limit).or_else(|| {
            let mut global =
                self.addresses().filter(|a| a.addr.is_v4() && !a.secondary && a.scope == Scope::Global);
            global.next().map(|a| a.addr)
        })
    }

    /// The kind of the address in table local.
    pub(super) fn local_kind(&self, addr: Addr) -> Option<RouteKind> {
        let local = self.fib.table(TABLE_LOCAL)?;
        local.lookup(addr).map(|entry| entry.kind)
    }

    /// What the tables say, from memory if possible.
    #[inline]
    pub(super) fn answer(
        &mut self,
        dst: Addr,
        src: Option<Addr>,
        mark: u32,
        iif: Option<InterfaceId>,
    ) -> &Answer {
        let id = self.slot_of_answer(dst, src, mark, iif);
        self.cache.answer(id)
    }

    #[inline]
    fn slot_of_answer(
        &mut self,
        dst: Addr,
        src: Option<Addr>,
        mark: u32,
        iif: Option<InterfaceId>,
    ) -> SlotId {
        match self.cache.find(dst, mark, self.epoch()) {
            Some((id, _)) => id,
            None => self.look_up(&Key { dst, src, mark, iif }),
        }
    }

    /// Asks the tables; the slot that remembers the answer.
    #[inline(never)]
    fn look_up(&mut self, key: &Key) -> SlotId {
        // A packet to 0.0.0.0 is for the host itself.
        let to_self = Key { dst: Addr::v4(0x7f00_0001), ..*key };
        let asked = if key.dst == Addr::UNSPECIFIED_V4 { &to_self } else { key };
        let (answer, is_lasting) = match self.fib.lookup(asked) {
            None => (Answer::NO_ROUTE, true),
            Some(entry) => (self.answer_by(entry, asked), entry.hops.len() <= 1),
        };
        let epoch = if is_lasting && self.fib.is_cacheable { self.epoch() } else { 0 };
        self.cache.put(key.dst, key.mark, epoch, answer)
    }

    /// What a route says, and what was learnt about the destination.
    fn answer_by(&self, entry: &RouteEntry, key: &Key) -> Answer {
        let mut answer = self.describe(entry, self.choose_hop(entry, key), key.dst);
        if let Some(exception) = self.exceptions.get(key.dst)
            && entry.kind == RouteKind::Unicast
        {
            if let Some(gateway) = exception.gateway {
                answer.next_hop = gateway;
                answer.on_link = false;
            }
            if exception.mtu != 0 {
                answer.path_mtu = answer.path_mtu.min(exception.mtu);
                answer.mtu_locked = exception.mtu_locked;
            }
        }
        answer
    }

    /// One way for each flow: by a hash of source and destination with a seed of the host's own.
    pub(super) fn choose_hop(&self, entry: &RouteEntry, key: &Key) -> Option<NextHop> {
        if entry.hops.len() <= 1 {
            return entry.hops.first().copied();
        }
        let total: u64 = entry.hops.iter().map(|hop| u64::from(hop.weight)).sum();
        let mut share = self.flow_hash(key) % total.max(1);
        let chosen = entry.hops.iter().find(|hop| {
            let is_here = share < u64::from(hop.weight);
            share = share.saturating_sub(u64::from(hop.weight));
            is_here
        });
        chosen.or(entry.hops.last()).copied()
    }

    fn flow_hash(&self, key: &Key) -> u64 {
        let src = key.src.unwrap_or(Addr::UNSPECIFIED_V4).words();
        let dst = key.dst.words();
        [src[0], src[1], dst[0], dst[1]].iter().fold(self.hash_seed, |h, w| {
            let mixed = (h ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 32
        })
    }

    pub(super) fn describe(&self, entry: &RouteEntry, hop: Option<NextHop>, dst: Addr) -> Answer {
        let oif = hop.map_or(InterfaceId::LO, |hop| hop.dev);
        let via = hop.and_then(|hop| hop.via);
        let next_hop = via.unwrap_or(dst);
        let device_mtu = self.interfaces[oif.index()].mtu;
        let mtu = if entry.mtu == 0 { device_mtu } else { entry.mtu };
        let limit = if via.is_some() { Scope::Global } else { Scope::Link };
        let unspecified = if dst.is_v4() { Addr::UNSPECIFIED_V4 } else { Addr::UNSPECIFIED_V6 };
        let source = match entry.kind {
            RouteKind::Local => entry.src.unwrap_or(dst),
            RouteKind::Unicast | RouteKind::Broadcast => {
                let target = if dst.is_v4() { next_hop } else { dst };
                entry.src.or_else(|| self.select_source(oif, target, limit)).unwrap_or(unspecified)
            }
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
                unspecified
            }
        };
        let path_mtu =
            if entry.kind == RouteKind::Local { self.interfaces[InterfaceId::LO.index()].mtu } else { mtu };
        Answer {
            kind: Some(entry.kind),
            oif,
            next_hop,
            on_link: via.is_none(),
            source,
            mtu,
            path_mtu,
            mtu_locked: false,
            is_multipath: entry.hops.len() > 1,
        }
    }

    /// The way of a multipath route that leaves by this interface.
    pub(super) fn hop_through(&self, key: &Key, dev: InterfaceId) -> Option<NextHop> {
        self.fib.lookup(key)?.hops.iter().find(|hop| hop.dev == dev).copied()
    }

    /// IPv6 (RFC 6724, as far as it matters here): an address of the same reach, rather one that is not deprecated,
    /// rather one of the outgoing interface, then the one that has most leading bits in common with the destination, of
    /// which only those of its prefix count. So a virtual address with /128 wins over the host's own with /64.
    fn select_source_v6(&self, oif: InterfaceId, target: Addr) -> Option<Addr> {
        let wants_link_local = is_link_local(target);
        let mut best: Option<((bool, bool, u32), Addr)> = None;
        for (id, interface) in self.interfaces() {
            for a in interface.speakers().filter(|a| !a.addr.is_v4() && !a.addr.is_loopback()) {
                if is_link_local(a.addr) != wants_link_local || wants_link_local && id != oif {
                    continue;
                }
                let common = (a.addr.to_bits() ^ target.to_bits()).leading_zeros().min(u32::from(a.len));
                let merit = (!a.deprecated, id == oif, common);
                if best.is_none_or(|(most, _)| merit > most) {
                    best = Some((merit, a.addr));
                }
            }
        }
        best.map(|(_, addr)| addr)
    }
}

fn is_group(dst: Addr) -> bool {
    dst.is_multicast() || dst == Addr::BROADCAST_V4
}

#[cfg(test)]
mod tests {
    use super::super::fib::{RouteSpec, Rule, TABLE_MAIN};
    use super::super::interface;
    use super::super::testing::*;
    use super::*;
    use crate::addr::Prefix;

    /// `ip route get DST`: interface, next hop, source.
    fn get(host: &mut Host, dst: &str) -> String {
        match host.route_output(addr(dst), None, 0) {
            Ok(route) => {
                let name = &host.interface_at(route.oif).name;
                format!("{} dev {name} src {}", route.next_hop, route.source)
            }
            Err(error) => error.errno().to_owned(),
        }
    }

    /// [seen] Source selection: eth0 has .11/24, .21/24 (secondary), .22/25, .23/32.
    #[test]
    fn the_source_suits_the_next_hop() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.21/24 10.0.0.22/25 10.0.0.23/32")]);
        via(&mut host, "default", "10.0.0.254");
        assert_eq!(get(&mut host, "10.0.0.1"), "10.0.0.1 dev eth0 src 10.0.0.22");
        assert_eq!(get(&mut host, "10.0.0.200"), "10.0.0.200 dev eth0 src 10.0.0.11");
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.254 dev eth0 src 10.0.0.11");
    }

    /// [seen] eth0 has only a host-scope address, lo a global one.
    #[test]
    fn an_interface_without_acceptable_address_borrows_one_of_lo() {
        let mut host = host(&[("eth0", "192.168.7.1/32@host"), ("lo", "192.168.5.1/32")]);
        host.add_route(&RouteSpec::to(prefix("10.0.0.0/24")).dev(ETH0)).unwrap();
        via(&mut host, "default", "10.0.0.254");
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.254 dev eth0 src 192.168.5.1");
    }

    #[test]
    fn a_preferred_source_is_used_and_a_given_one_kept() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/32")]);
        let route = RouteSpec::to(prefix("default")).via(addr("10.0.0.254")).src(addr("10.0.0.100"));
        host.add_route(&route).unwrap();
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.254 dev eth0 src 10.0.0.100");
        let bound = host.route_output(addr("8.8.8.8"), Some(addr("10.0.0.11")), 0).unwrap();
        assert_eq!(bound.source, addr("10.0.0.11"));
        let stranger = host.route_output(addr("8.8.8.8"), Some(addr("10.0.0.12")), 0);
        assert_eq!(stranger, Err(RouteError::SourceNotLocal));
    }

    /// Seen on Linux 6.1.192, by `ip route get`.
    #[test]
    fn special_destinations() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.12/24")]);
        assert_eq!(get(&mut host, "10.0.0.12"), "10.0.0.12 dev lo src 10.0.0.11", "a secondary");
        assert_eq!(get(&mut host, "255.255.255.255"), "ENETUNREACH");
        assert_eq!(get(&mut host, "224.0.0.81"), "ENETUNREACH");
        via(&mut host, "default", "10.0.0.50");
        for group in ["255.255.255.255", "224.0.0.81", "10.0.0.255"] {
            assert_eq!(get(&mut host, group), format!("{group} dev eth0 src 10.0.0.11"));
            assert_eq!(host.route_output(addr(group), None, 0).unwrap().kind, RouteClass::Broadcast);
        }
        assert_eq!(get(&mut host, "0.0.0.0"), "0.0.0.0 dev lo src 127.0.0.1");
    }

    /// Seen on Linux 6.1.192: no address of global scope anywhere means no source towards a gateway.
    #[test]
    fn narrow_scopes_do_not_speak_to_gateways() {
        let mut host = host(&[("eth0", "10.0.0.11/24@link"), ("lo", "10.0.0.77/32@link 10.0.0.78/32@host")]);
        via(&mut host, "default", "10.0.0.50");
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.50 dev eth0 src 0.0.0.0");
        assert_eq!(get(&mut host, "10.0.0.9"), "10.0.0.9 dev eth0 src 10.0.0.11");
    }

    #[test]
    fn own_addresses_never_leave_the_host() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/32")]);
        let route = host.route_output(addr("10.0.0.100"), None, 0).unwrap();
        assert_eq!(
            (route.kind, route.oif, route.source),
            (RouteClass::Local, InterfaceId::LO, addr("10.0.0.100"))
        );
        assert_eq!(route.mtu, 65536);
    }

    /// Seen on Linux 6.1.192: `ip route get 10.99.1.2` after `ip route add local 10.99.0.0/16 dev lo`.
    #[test]
    fn a_host_stands_for_every_address_of_a_local_prefix() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.add_local_prefix(prefix("10.99.0.0/16")).unwrap();
        assert_eq!(get(&mut host, "10.99.1.2"), "10.99.1.2 dev lo src 10.99.1.2");
        assert!(host.is_local(addr("10.99.255.255")));
        assert!(host.route_output(addr("10.0.0.50"), Some(addr("10.99.3.3")), 0).is_ok());
    }

    /// [seen] What each type of route means to a local sender and, as ICMP type and code, to a packet passing through.
    #[test]
    fn route_types() {
        use RouteKind::{Blackhole, Prohibit, Throw, Unicast, Unreachable};
        let table = [
            (Blackhole, "EINVAL", None),
            (Unreachable, "EHOSTUNREACH", Some((3, 1))),
            (Prohibit, "EACCES", Some((3, 13))),
            (Throw, "ENETUNREACH", Some((3, 0))),
            (Unicast, "ENETUNREACH", Some((3, 0))),
        ];
        for (kind, errno, icmp) in table {
            let mut host = host(&[("eth0", "10.0.0.254/24")]);
            sysctl(&mut host, "ip_forward=1");
            if kind != Unicast {
                host.add_route(&RouteSpec::to(prefix("10.9.0.0/16")).kind(kind)).unwrap();
            }
            assert_eq!(get(&mut host, "10.9.0.1"), errno);
            let refusal = host.route_input(addr("10.0.0.50"), addr("10.9.0.1"), 0, ETH0).unwrap_err();
            let header = refusal.icmp.map(|e| e.header(true)).map(|(kind, code, _)| (kind, code));
            assert_eq!(header, icmp, "{kind:?}");
        }
    }

    #[test]
    fn throw_goes_on_with_the_next_rule() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.add_rule(Some(100), Rule::lookup(0, 7)).unwrap();
        host.add_route(&RouteSpec::to(prefix("10.0.0.64/26")).kind(RouteKind::Throw).table(7)).unwrap();
        host.add_route(&RouteSpec::to(prefix("10.0.0.0/8")).kind(RouteKind::Prohibit).table(7)).unwrap();
        assert_eq!(get(&mut host, "10.0.0.65"), "10.0.0.65 dev eth0 src 10.0.0.11");
        assert_eq!(get(&mut host, "10.0.0.1"), "EACCES");
    }

    #[test]
    fn longest_prefix_then_lowest_metric_wins() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        let to = |gateway: &str, metric| RouteSpec::to(prefix("default")).via(addr(gateway)).metric(metric);
        host.add_route(&to("10.0.0.1", 100)).unwrap();
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.1 dev eth0 src 10.0.0.11");
        host.add_route(&to("10.0.0.2", 0)).unwrap();
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.2 dev eth0 src 10.0.0.11");
        assert_eq!(
            host.add_route(&to("10.0.0.3", 100)).unwrap_err().to_string(),
            "RTNETLINK answers: File exists"
        );
        via(&mut host, "8.8.0.0/16", "10.0.0.4");
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.4 dev eth0 src 10.0.0.11");
        host.delete_route(&RouteSpec::to(prefix("8.8.0.0/16"))).unwrap();
        host.delete_route(&to("10.0.0.2", 0)).unwrap();
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.1 dev eth0 src 10.0.0.11");
        let gone = host.delete_route(&RouteSpec::to(prefix("8.8.0.0/16"))).unwrap_err();
        assert_eq!(gone.to_string(), "RTNETLINK answers: No such process");
    }

    /// Seen on Linux 6.1.192, the texts included.
    #[test]
    fn routes_that_are_refused() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("dummy0", "")]);
        let dummy0 = host.interface("dummy0").unwrap();
        host.set_up(dummy0, false);
        let to = |text: &str| RouteSpec::to(prefix(text));
        let table = [
            (to("10.5.0.0/16").via(addr("10.0.0.1")).src(addr("9.9.9.9")), "Error: Invalid prefsrc address."),
            (to("10.6.0.0/16").dev(dummy0), "Error: Device for nexthop is not up."),
            (to("10.6.0.0/16"), "RTNETLINK answers: No such device"),
            (to("default").via(addr("10.77.0.1")), "Error: Nexthop has invalid gateway."),
            (to("default").via(addr("10.0.0.254")).dev(dummy0), "Error: Nexthop has invalid gateway."),
        ];
        for (spec, text) in table {
            assert_eq!(host.add_route(&spec).unwrap_err().to_string(), text, "{spec:?}");
        }
    }

    /// Seen on Linux 6.1.192: a virtual address /24 on lo makes the subnet local. A gateway in it is still accepted, but
    /// if the route does not name its device it leads to lo. Rules of one's own change nothing.
    #[test]
    fn a_gateway_that_lo_has_made_local() {
        let fresh = || host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/24")]);
        let default = || RouteSpec::to(prefix("default")).via(addr("10.0.0.254"));
        let mut host = fresh();
        host.add_route(&default()).unwrap();
        assert!(get(&mut host, "8.8.8.8").contains("dev lo"), "{}", get(&mut host, "8.8.8.8"));
        assert_eq!(
            get(&mut host, "10.0.0.50"),
            "10.0.0.50 dev lo src 10.0.0.100",
            "the subnet never leaves the host"
        );
        let mut host = fresh();
        host.add_route(&default().dev(ETH0)).unwrap();
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.254 dev eth0 src 10.0.0.11");
        let mut host = fresh();
        host.add_rule(None, Rule::lookup(0, 7)).unwrap();
        host.add_route(&default()).unwrap();
        assert!(get(&mut host, "8.8.8.8").contains("dev lo"), "{}", get(&mut host, "8.8.8.8"));
        let broadcast = RouteSpec::to(prefix("default")).via(addr("10.0.0.255"));
        assert_eq!(
            fresh().add_route(&broadcast).unwrap_err().to_string(),
            "Error: Nexthop has invalid gateway."
        );
    }

    /// Seen on Linux 6.1.192: a rule without preference goes before the others, the same one twice included.
    #[test]
    fn marks_choose_the_table() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        let marked = Rule { mark: Some((1, u32::MAX)), ..Rule::lookup(0, 100) };
        host.add_rule(None, marked).unwrap();
        host.add_rule(None, marked).unwrap();
        let preferences: Vec<_> = host.fib().rules().iter().map(|r| r.preference).collect();
        assert_eq!(preferences, [0, 32764, 32765, 32766, 32767]);
        let everything =
            RouteSpec::to(Prefix::new(Addr::UNSPECIFIED_V4, 0)).kind(RouteKind::Local).table(100);
        host.add_route(&everything).unwrap();
        let kind = |host: &mut Host, mark| host.route_output(addr("10.0.0.50"), None, mark).map(|r| r.kind);
        assert_eq!(kind(&mut host, 1), Ok(RouteClass::Local));
        assert_eq!(kind(&mut host, 0), Ok(RouteClass::Unicast));
        host.delete_rule(None, marked).unwrap();
        host.delete_rule(Some(32765), marked).unwrap();
        assert_eq!(kind(&mut host, 1), Ok(RouteClass::Unicast));
        let gone = host.delete_rule(None, marked).unwrap_err();
        assert_eq!(gone.to_string(), "RTNETLINK answers: No such file or directory");
    }

    #[test]
    fn a_rule_by_source_is_asked_every_time() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.100/32")]);
        via(&mut host, "default", "10.0.0.254");
        host.add_rule(Some(100), Rule { from: Some(prefix("10.0.0.100")), ..Rule::lookup(0, 7) }).unwrap();
        host.add_route(&RouteSpec::to(prefix("default")).via(addr("10.0.0.253")).table(7)).unwrap();
        let mut next_hop = |src| host.route_output(addr("8.8.8.8"), src, 0).unwrap().next_hop;
        for _ in 0..2 {
            assert_eq!(next_hop(Some(addr("10.0.0.100"))), addr("10.0.0.253"));
            assert_eq!(next_hop(Some(addr("10.0.0.11"))), addr("10.0.0.254"));
            assert_eq!(next_hop(None), addr("10.0.0.254"));
        }
    }

    #[test]
    fn several_ways_share_the_flows() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        let hop = |gateway: &str, weight| NextHop { via: Some(addr(gateway)), dev: ETH0, weight };
        let multipath = vec![hop("10.0.0.1", 1), hop("10.0.0.2", 3)];
        host.add_route(&RouteSpec { multipath, ..RouteSpec::to(prefix("default")) }).unwrap();
        let mut firsts = 0;
        for n in 0..400 {
            let dst = addr("8.0.0.0").offset(n);
            let next_hop = host.route_output(dst, None, 0).unwrap().next_hop;
            assert_eq!(host.route_output(dst, None, 0).unwrap().next_hop, next_hop, "one way for each flow");
            firsts += usize::from(next_hop == addr("10.0.0.1"));
        }
        assert!((60..140).contains(&firsts), "a quarter of the flows, not {firsts} of 400");
    }

    #[test]
    fn answers_are_forgotten_when_anything_changes() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        assert_eq!(get(&mut host, "8.8.8.8"), "ENETUNREACH");
        let before = host.fib_generation();
        via(&mut host, "default", "10.0.0.254");
        assert_ne!(host.fib_generation(), before);
        assert_eq!(get(&mut host, "8.8.8.8"), "10.0.0.254 dev eth0 src 10.0.0.11");
        add(&mut host, "lo", "8.8.8.8/32");
        assert_eq!(get(&mut host, "8.8.8.8"), "8.8.8.8 dev lo src 8.8.8.8");
        host.set_up(ETH0, false);
        assert_eq!(get(&mut host, "9.9.9.9"), "ENETUNREACH");
        assert_eq!(host.fib().table(TABLE_MAIN).unwrap().routes().len(), 0);
    }

    /// Seen on Linux 6.1.
    #[test]
    fn ipv6_routes_and_sources() {
        let mut host = host(&[("eth0", "fe80::11/64 2001:db8::11/64 2001:db8:1::11/64")]);
        host.add_route(&RouteSpec::to(Prefix::new(Addr::UNSPECIFIED_V6, 0)).via(addr("2001:db8::254")))
            .unwrap();
        assert_eq!(get(&mut host, "2001:db8::50"), "2001:db8::50 dev eth0 src 2001:db8::11");
        assert_eq!(get(&mut host, "2001:db8:1::50"), "2001:db8:1::50 dev eth0 src 2001:db8:1::11");
        assert_eq!(get(&mut host, "fe80::50"), "fe80::50 dev eth0 src fe80::11");
        assert_eq!(get(&mut host, "2001:db8::254"), "2001:db8::254 dev eth0 src 2001:db8::11");
        let newest = "2001:db8::254 dev eth0 src 2001:db8:1::11";
        assert_eq!(get(&mut host, "2001:db9::1"), newest, "of two that suit alike the newer one speaks");
        assert_eq!(get(&mut host, "10.0.0.1"), "ENETUNREACH");
        assert!(host.is_local(addr("::1")) && host.is_local(addr("2001:db8:1::11")));
    }

    /// Recorded from Linux 6.1 (28-ipv6-tun-ok, 28a-ipv6-tun-vip-speaks): the virtual address with /128 speaks to
    /// its neighbours, unless it is deprecated.
    #[test]
    fn ipv6_a_virtual_address_speaks_for_the_director() {
        for (deprecated, speaker) in [(false, "2001:db8::100"), (true, "2001:db8::1")] {
            let mut host = host(&[("eth0", "2001:db8::1/64")]);
            let vip = interface::AddressSpec::new(addr("2001:db8::100"), 128);
            let vip = interface::AddressSpec { deprecated, ..vip };
            host.add_address(ETH0, vip).unwrap();
            let expected = format!("2001:db8::12 dev eth0 src {speaker}");
            assert_eq!(get(&mut host, "2001:db8::12"), expected);
        }
    }
}
