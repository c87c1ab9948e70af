//! The network layer of one host: interfaces, addresses, routes, neighbours and settings in one value.
//!
//! The administrator's side is in `admin.rs`, `address.rs`, `rules.rs` and `sysctl.rs`; the packet's side in
//! `route.rs` (where does it go?), `route_input.rs` (whose is it?), `arp.rs` and here (which link address?).

use super::arptables::ArpTables;
use super::conf::{Conf, ConfKey, ConfV6, HostConf, HostKey, NeighKey, NeighbourConf};
use super::dad::Claimed;
use super::exception::{Exception, Exceptions};
use super::fib::{Fib, RouteKind};
use super::interface::{Address, AddressSpec, Interface, InterfaceId, InterfaceKind, NO_PASS, SourceCheck};
use super::limit::Limits;
use super::mark::Netfilter;
use super::neighbour::{Lookup, Neighbour, NeighbourId, Neighbours};
use super::node::DEFAULT_TTL;
pub use super::policy::truesize;
use super::policy::{Policy, REDRAW_INTERVAL};
use super::reachability::Expired;
pub use super::resolution::{LinkChange, NeighbourAction, Resolution};
use super::route_cache::RouteCache;
use super::surroundings::Remembered;
use super::tunnel::Listener;
use crate::addr::{Addr, Mac};
use sim_core::{Stream, Time, Timers};

/// The network layer of one host. `H` is what waits for a link address: a frame's id.
#[derive(Clone, Debug)]
#[repr(C)] // what every packet needs stands in front, in few cache lines
pub struct Stack<H> {
    pub(super) interfaces: Vec<Interface>,
    /// iptables rules.
    pub netfilter: Netfilter,
    /// The pass of the first interface.
    first_pass: u32,
    /// Is each of `own` in table local (and not deleted from it by hand)?
    pub(super) own_are_local: bool,
    pub(super) forwards_v6: bool,
    /// `ip_forward_use_pmtu`, where forwarding sees it at a glance.
    pub(super) forwards_by_path_mtu: bool,
    /// `net.ipv4.ip_default_ttl`
    pub(super) default_ttl: u8,
    pub(super) neighbours: Neighbours<H>,
    pub(super) generation: u32,
    pub(super) cache: RouteCache,
    /// The [`own_bit`]s of `own`: most other addresses are told apart at a glance.
    own_bits: u64,
    /// Addresses configured on interfaces that are up, sorted.
    pub(super) own: Vec<Addr>,
    pub(super) exceptions: Exceptions,
    pub(super) remembered: Remembered,
    /// arptables rules.
    pub arptables: ArpTables,
    pub(super) fib: Fib,
    /// IPv6 addresses that the link is being asked about.
    pub(super) claimed: Vec<Claimed>,
    /// Addresses published by hand (`ip neigh add proxy`).
    pub(super) published: Vec<(Addr, InterfaceId)>,
    /// UDP ports where tunnels end (`ip fou`).
    pub(super) tunnel_ports: Vec<(u16, Listener)>,
    pub(super) limits: Limits,
    pub(super) conf_all: Conf,
    pub(super) conf_default: Conf,
    pub(super) conf_v6_all: ConfV6,
    pub(super) conf_v6_default: ConfV6,
    pub(super) neigh_default: NeighbourConf,
    pub(super) neigh_default_v6: NeighbourConf,
    pub(super) host: HostConf,
    pub(super) local_ports: (u16, u16),
    pub(super) stream: Stream,
    /// What nobody else knows: it goes into hashes of routes and into initial sequence numbers.
    pub(super) hash_seed: u64,
    ip_id: u16,
    pub(super) next_redraw: Time,
}

impl<H> Stack<H> {
    /// What nobody else knows.
    pub(crate) fn secret(&self) -> u64 {
        self.hash_seed
    }

    /// A host as it boots: `lo` is up with 127.0.0.1/8, all settings are at their defaults.
    /// `stream` is the host's own; all its random choices come from there.
    pub fn new(stream: Stream, timers: Timers) -> Stack<H> {
        let mut stack = Stack {
            arptables: ArpTables::default(),
            netfilter: Netfilter::default(),
            interfaces: Vec::new(),
            fib: Fib::new(),
            exceptions: Exceptions::new(),
            cache: RouteCache::new(),
            remembered: Remembered::default(),
            own: Vec::new(),
            own_bits: 0,
            own_are_local: false,
            generation: 1,
            neighbours: Neighbours::new(timers),
            claimed: Vec::new(),
            published: Vec::new(),
            tunnel_ports: Vec::new(),
            limits: Limits::new(),
            conf_all: Conf::all(),
            conf_default: Conf::new(),
            conf_v6_all: ConfV6::all(),
            conf_v6_default: ConfV6::new(),
            neigh_default: NeighbourConf::new(),
            neigh_default_v6: NeighbourConf::of_ipv6(),
            host: HostConf::new(),
            local_ports: (32768, 60999),
            forwards_v6: false,
            forwards_by_path_mtu: false,
            default_ttl: DEFAULT_TTL,
            stream,
            hash_seed: 0,
            ip_id: 0,
            first_pass: NO_PASS + 1,
            next_redraw: Time::ZERO + REDRAW_INTERVAL,
        };
        stack.hash_seed = stack.stream.next_u64();
        stack.ip_id = stack.stream.next_u64() as u16;
        let lo = stack.add_interface("lo", InterfaceKind::Loopback, Mac::ZERO);
        stack.set_up(lo, true);
        for addr in [AddressSpec::new(Addr::v4(0x7f00_0001), 8), AddressSpec::new(Addr::v6(1), 128)] {
            stack.add_address(lo, addr).expect("the first addresses of lo are free");
        }
        stack
    }

    /// The interface of this name.
    pub fn interface(&self, name: &str) -> Option<InterfaceId> {
        let at = self.interfaces.iter().position(|i| i.name == name)?;
        Some(InterfaceId(at as u16))
    }

    /// The interface of this number.
    #[inline]
    pub fn interface_at(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id.index()]
    }

    /// A number that no interface of the host had before anything changed: for whoever remembers what came in here.
    #[inline(always)] // once a packet
    pub(super) fn pass_of(&self, id: InterfaceId) -> u32 {
        self.first_pass.wrapping_add(u32::from(id.0))
    }

    /// All interfaces in the order of their numbers.
    pub fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        self.interfaces.iter().enumerate().map(|(at, i)| (InterfaceId(at as u16), i))
    }

    /// The addresses of all interfaces, lo first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.interfaces.iter().flat_map(Interface::addresses)
    }

    /// The routing tables and rules.
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// What was learnt about single destinations.
    pub fn exceptions(&self) -> impl Iterator<Item = (Addr, &Exception)> {
        self.exceptions.iter()
    }

    /// Changes whenever an answer of `is_local`, `route_output` or `route_input` may change, so that a socket may keep
    /// its route as long as this stays.
    #[inline]
    pub fn fib_generation(&self) -> u32 {
        self.generation
    }

    /// Changes whenever anything may change that `route_cache.rs` remembers.
    #[inline]
    pub(crate) fn epoch(&self) -> u32 {
        self.neighbours.epoch
    }

    /// A setting of the host.
    #[inline]
    pub fn host_setting(&self, key: HostKey) -> i64 {
        self.host.get(key)
    }

    /// First and last ephemeral port.
    pub fn local_ports(&self) -> (u16, u16) {
        self.local_ports
    }

    /// The value in force on an interface.
    #[inline]
    pub fn effective(&self, id: InterfaceId, key: ConfKey) -> i64 {
        self.interfaces[id.index()].conf.effective(&self.conf_all, key)
    }

    /// Is the setting in force on an interface?
    #[inline]
    pub(super) fn is_on(&self, id: InterfaceId, key: ConfKey) -> bool {
        self.effective(id, key) != 0
    }

    /// Is it exactly an address configured on an interface that is up?
    #[inline]
    pub(super) fn is_own(&self, addr: Addr) -> bool {
        self.own_bits & own_bit(addr) != 0 && self.own.contains(&addr)
    }

    /// An IP identification for a packet that carries an arbitrary one.
    pub fn next_ip_id(&mut self) -> u16 {
        self.ip_id = self.ip_id.wrapping_add(1);
        self.ip_id
    }

    /// The link address of a next hop that is known and trusted, or being checked while it is used; `confirms` if an
    /// upper layer has proof that packets reach it.
    #[inline]
    pub(crate) fn known_mac(
        &mut self,
        now: Time,
        oif: InterfaceId,
        next_hop: Addr,
        confirms: bool,
    ) -> Option<Mac> {
        self.neighbours.known_mac(now, next_hop, oif, confirms)
    }

    /// The time to live (hop limit) of the host's own packets of a family.
    #[inline]
    pub(crate) fn own_ttl(&self, is_v4: bool) -> u8 {
        if is_v4 { self.default_ttl } else { DEFAULT_TTL }
    }

    /// The link address of a next hop. `source` is the source address of the packet that wants it, if there is one:
    /// requests may announce it.
    pub fn resolve(
        &mut self,
        now: Time,
        oif: InterfaceId,
        next_hop: Addr,
        source: Option<Addr>,
    ) -> Resolution {
        let thresholds = self.thresholds();
        let policy = Policy::of(&self.interfaces[oif.index()], next_hop.is_v4(), thresholds);
        if let Some(id) = self.neighbours.find(next_hop, oif)
            && let Some(mac) = self.neighbours.use_entry(now, id, &policy)
        {
            return Resolution::Mac(mac);
        }
        self.resolve_anew(now, oif, next_hop, source)
    }

    fn resolve_anew(
        &mut self,
        now: Time,
        oif: InterfaceId,
        next_hop: Addr,
        source: Option<Addr>,
    ) -> Resolution {
        if let Some(mac) = self.mapped_mac(oif, next_hop) {
            return Resolution::Mac(mac);
        }
        let thresholds = self.thresholds();
        let policy = Policy::of(&self.interfaces[oif.index()], next_hop.is_v4(), thresholds);
        match self.neighbours.resolve(now, oif, next_hop, source, &policy) {
            Lookup::Mac(mac) => Resolution::Mac(mac),
            Lookup::Wait { id, ask } => Resolution::Wait { id, ask: ask.and_then(|ask| self.solicit(&ask)) },
            Lookup::TableFull => Resolution::TableFull,
        }
    }

    /// Lets an item wait for a link address. `source` is its source address, `truesize` the buffer memory it takes
    /// ([`truesize`]). What no longer fits into the queue (`unres_qlen_bytes`) is pushed to `dropped`, oldest first.
    pub fn hold(&mut self, id: NeighbourId, item: H, source: Addr, truesize: u32, dropped: &mut Vec<H>) {
        let neighbour = self.neighbours.get(id);
        let interface = &self.interfaces[neighbour.interface.index()];
        let policy = Policy::of(interface, neighbour.addr.is_v4(), self.thresholds());
        let limit = policy.conf.get(NeighKey::UnresQlenBytes);
        self.neighbours.hold(id, item, source, truesize, limit as u32, dropped);
    }

    /// The next item that waited at a neighbour whose link address is now known, and that address.
    pub fn release(&mut self, now: Time, id: NeighbourId) -> Option<(H, Mac)> {
        let item = self.neighbours.pop_waiting(id)?;
        let neighbour = self.neighbours.get(id);
        let interface = &self.interfaces[neighbour.interface.index()];
        let policy = Policy::of(interface, neighbour.addr.is_v4(), self.thresholds());
        let mac = self.neighbours.use_entry(now, id, &policy);
        Some((item, mac.expect("items are released only to a known link address")))
    }

    /// The next item that waited in vain at a neighbour.
    pub fn discard(&mut self, id: NeighbourId) -> Option<H> {
        self.neighbours.pop_waiting(id)
    }

    /// The entry for a neighbour, if there is one.
    pub fn neighbour(&self, addr: Addr, interface: InterfaceId) -> Option<&Neighbour<H>> {
        self.neighbours.find(addr, interface).map(|id| self.neighbours.get(id))
    }

    /// The entry of this number; it must exist.
    pub fn neighbour_at(&self, id: NeighbourId) -> &Neighbour<H> {
        self.neighbours.get(id)
    }

    /// All entries, in an order without meaning.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour<H>> {
        self.neighbours.iter()
    }

    /// An upper layer has proof that packets reach this next hop.
    pub fn confirm(&mut self, now: Time, oif: InterfaceId, next_hop: Addr) {
        if let Some(id) = self.neighbours.find(next_hop, oif) {
            self.neighbours.confirm(now, id);
        }
    }

    /// No earlier than this has [`Stack::on_timer`] anything to do. Ask again after every call.
    pub fn next_timer(&self) -> Option<Time> {
        let expiry = self.exceptions.next_expiry();
        let neighbours = self.neighbours.next_timer().unwrap_or(Time::NEVER);
        let next = neighbours.min(expiry).min(self.next_claim());
        (next < Time::NEVER).then_some(next)
    }

    /// How sources are checked on an interface, by the settings.
    fn source_check(&self, id: InterfaceId) -> SourceCheck {
        if id == InterfaceId::LO {
            SourceCheck::None
        } else if self.effective(id, ConfKey::RpFilter) != 0 {
            SourceCheck::WayBack
        } else if self.is_on(id, ConfKey::AcceptLocal) {
            SourceCheck::None
        } else if self.fib.has_custom_rules || self.fib.has_user_local_routes {
            SourceCheck::WayBack
        } else {
            SourceCheck::NotOwn
        }
    }

    /// Was a timer set since [`Stack::next_timer`] was last asked? Sending to a known link address may do so, and this
    /// is cheaper to ask for every packet.
    #[inline]
    pub fn has_set_timer(&mut self) -> bool {
        self.neighbours.take_news()
    }

    /// Does what is due by `now`; what the neighbour cache demands is pushed to `out`, in order.
    pub fn on_timer(&mut self, now: Time, out: &mut Vec<NeighbourAction>) {
        self.redraw_reachable_times(now);
        if self.exceptions.expire(now) {
            self.changed();
        }
        self.pursue_claims(now, out);
        let thresholds = self.thresholds();
        while let Some(id) = self.neighbours.pop_fired(now) {
            let neighbour = self.neighbours.get(id);
            let interface = &self.interfaces[neighbour.interface.index()];
            let policy = Policy::of(interface, neighbour.addr.is_v4(), thresholds);
            match self.neighbours.fire(now, id, &policy) {
                Some(Expired::Ask(ask)) => out.extend(self.solicit(&ask).map(NeighbourAction::Ask)),
                Some(Expired::Failed(id)) => out.push(NeighbourAction::Failed(id)),
                None => {}
            }
        }
    }

    /// Rules may have changed: what was remembered without asking them is forgotten.
    pub(crate) fn rules_changed(&mut self) {
        if !self.netfilter.is_silent() {
            self.netfilter.rules_changed();
            self.changed();
        }
    }

    /// Something changed that answers may depend on.
    pub(super) fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.neighbours.epoch = self.neighbours.epoch.wrapping_add(1);
        for at in 0..self.interfaces.len() {
            let id = InterfaceId(at as u16);
            let (source_check, forwards) = (self.source_check(id), self.is_on(id, ConfKey::Forwarding));
            let interface = &mut self.interfaces[at];
            (interface.source_check, interface.forwards) = (source_check, forwards);
        }
        self.first_pass = self.first_pass.wrapping_add(self.interfaces.len() as u32).max(NO_PASS + 1);
        let up = self.interfaces.iter().filter(|i| i.up);
        self.own = up.flat_map(Interface::speakers).map(|a| a.addr).collect();
        self.own_bits = self.own.iter().fold(0, |bits, addr| bits | own_bit(*addr));
        self.own_are_local = self.own.iter().all(|addr| self.local_kind(*addr) == Some(RouteKind::Local));
    }
}

/// One of 64 bits for each address.
#[inline]
fn own_bit(addr: Addr) -> u64 {
    1 << (addr.words()[1].wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

#[cfg(test)]
mod tests {
    use super::super::fib::{RouteKind, RouteSpec, Rule};
    use super::super::icmp::{Cause, Error};
    use super::super::interface::Scope;
    use super::super::neighbour::NeighbourState;
    use super::super::testing::{Host, addr, at, bare, mac, tcp};
    use super::*;
    use crate::addr::Prefix;
    use crate::packet::{Arp, ArpOp};
    use proptest::prelude::*;
    use sim_core::Duration;

    #[test]
    fn a_fresh_host_knows_itself() {
        let mut host: Host = bare(Timers::Ideal);
        assert!(
            host.is_local(addr("127.0.0.1"))
                && host.is_local(addr("127.9.9.9"))
                && host.is_local(addr("::1"))
        );
        assert_eq!(host.route_output(addr("127.0.0.1"), None, 0).unwrap().source, addr("127.0.0.1"));
        assert!(host.route_output(addr("10.0.0.1"), None, 0).is_err());
        assert_eq!(host.next_timer(), None);
    }

    #[test]
    fn using_a_stale_neighbour_sets_a_timer() {
        let mut host = super::super::testing::host(&[("eth0", "10.0.0.11/24")]);
        let id = host.interface("eth0").unwrap();
        host.set_neighbour(at(1.0), id, addr("10.0.0.50"), mac(1), NeighbourState::Stale).unwrap();
        host.has_set_timer();
        host.resolve(at(1.0), id, addr("10.0.0.50"), None);
        assert!(host.has_set_timer());
        host.resolve(at(1.1), id, addr("10.0.0.50"), None);
        assert!(!host.has_set_timer(), "it runs already");
    }

    /// Anything that can happen to a network layer.
    #[derive(Clone, Debug)]
    enum Step {
        AddAddress { on: u16, addr: Addr, len: u8, scope: Scope },
        DeleteAddress { on: u16, addr: Addr },
        Up { on: u16, up: bool },
        Arps { on: u16, arp: bool },
        AddRoute(Box<RouteSpec>),
        DeleteRoute { prefix: Prefix, table: u32 },
        AddRule { mark: u32, table: u32 },
        Sysctl { which: usize, value: i64 },
        Send { to: Addr, mark: u32 },
        Receive { on: u16, from: Addr, to: Addr },
        Hear { on: u16, reply: bool, sender: Addr, target: Addr, at: u8 },
        Learn { dst: Addr, mtu: u32 },
        Wait { ms: u64 },
    }

    fn few_addresses() -> impl Strategy<Value = Addr> {
        let special = [
            "0.0.0.0",
            "255.255.255.255",
            "127.0.0.1",
            "224.0.0.1",
            "10.0.0.255",
            "8.8.8.8",
            "::1",
            "fe80::1",
        ];
        prop_oneof![
            4 => (0u32..2, 0u32..4).prop_map(|(net, host)| Addr::v4(0x0a00_0000 | net << 8 | host)),
            1 => prop::sample::select(special.map(addr).to_vec()),
            1 => (0u128..4).prop_map(|n| Addr::v6(0x2001_0db8 << 96 | n)),
        ]
    }

    fn routes() -> impl Strategy<Value = RouteSpec> {
        use RouteKind::{Blackhole, Broadcast, Local, Prohibit, Throw, Unicast, Unreachable};
        let kinds = [Unicast, Unicast, Unicast, Local, Broadcast, Blackhole, Unreachable, Prohibit, Throw];
        let dev = prop::option::of(0u16..4);
        let via = prop::option::of(few_addresses());
        let tables = prop::sample::select(vec![7u32, 254, 255]);
        (few_addresses(), 0u8..=32, prop::sample::select(kinds.to_vec()), dev, via, tables, 0u32..2).prop_map(
            |(addr, len, kind, dev, via, table, metric)| {
                let dev = dev.map(InterfaceId);
                RouteSpec { kind, dev, via, table, metric, ..RouteSpec::to(Prefix::new(addr, len)) }
            },
        )
    }

    fn steps() -> impl Strategy<Value = Step> {
        let on = 0u16..4;
        let scopes = prop::sample::select(vec![Scope::Global, Scope::Link, Scope::Host]);
        let any_addr = few_addresses;
        prop_oneof![
            (on.clone(), any_addr(), 0u8..=33, scopes).prop_map(|(on, addr, len, scope)| Step::AddAddress {
                on,
                addr,
                len,
                scope
            }),
            (on.clone(), any_addr()).prop_map(|(on, addr)| Step::DeleteAddress { on, addr }),
            (on.clone(), any::<bool>()).prop_map(|(on, up)| Step::Up { on, up }),
            (on.clone(), any::<bool>()).prop_map(|(on, arp)| Step::Arps { on, arp }),
            routes().prop_map(|spec| Step::AddRoute(Box::new(spec))),
            (any_addr(), 0u8..=32, prop::sample::select(vec![7u32, 254]))
                .prop_map(|(a, len, table)| Step::DeleteRoute { prefix: Prefix::new(a, len), table }),
            (0u32..3, prop::sample::select(vec![7u32, 254]))
                .prop_map(|(mark, table)| Step::AddRule { mark, table }),
            (any::<usize>(), 0i64..4).prop_map(|(which, value)| Step::Sysctl { which, value }),
            (any_addr(), 0u32..3).prop_map(|(to, mark)| Step::Send { to, mark }),
            (on.clone(), any_addr(), any_addr()).prop_map(|(on, from, to)| Step::Receive { on, from, to }),
            (on, any::<bool>(), any_addr(), any_addr(), 0u8..3)
                .prop_map(|(on, reply, sender, target, at)| Step::Hear { on, reply, sender, target, at }),
            (any_addr(), 0u32..1600).prop_map(|(dst, mtu)| Step::Learn { dst, mtu }),
            (0u64..20_000).prop_map(|ms| Step::Wait { ms }),
        ]
    }

    /// A host with lo, eth0, eth1 and dummy0, the items that wait in it, and the time.
    struct World {
        host: Stack<u32>,
        now: Time,
        held: u32,
        returned: usize,
    }

    impl World {
        fn apply(&mut self, step: Step) {
            let Self { host, now, .. } = self;
            match step {
                Step::AddAddress { on, addr, len, scope } => {
                    let _ = host.add_address(InterfaceId(on), AddressSpec::new(addr, len).scope(scope));
                }
                Step::DeleteAddress { on, addr } => {
                    let _ = host.delete_address(InterfaceId(on), addr, None);
                }
                Step::Up { on, up } => self.returned += host.set_up(InterfaceId(on), up).dropped.len(),
                Step::Arps { on, arp } => self.returned += host.set_arp(InterfaceId(on), arp).len(),
                Step::AddRoute(spec) => {
                    let _ = host.add_route(&spec);
                }
                Step::DeleteRoute { prefix, table } => {
                    let _ = host.delete_route(&RouteSpec::to(prefix).table(table));
                }
                Step::AddRule { mark, table } => {
                    let _ = host.add_rule(None, Rule { mark: Some((mark, 3)), ..Rule::lookup(0, table) });
                }
                Step::Sysctl { which, value } => {
                    let names = host.sysctl_names();
                    let _ = host.sysctl_set(&names[which % names.len()], &value.to_string());
                }
                Step::Send { to, mark } => self.send(to, mark),
                Step::Receive { on, from, to } => {
                    let refusal = host.route_input(from, to, 0, InterfaceId(on)).err();
                    if let Some(error) = refusal.and_then(|refusal| refusal.icmp) {
                        let about = tcp(&from.to_string(), &to.to_string(), 1500);
                        host.icmp_error(*now, error, Cause::Route, &about, false);
                        host.icmp_error(*now, Error::TimeExceeded, Cause::Packet, &about, false);
                    }
                }
                Step::Hear { on, reply, sender, target, at } => {
                    let op = if reply { ArpOp::Reply } else { ArpOp::Request };
                    let arp = Arp { op, sender_mac: mac(at), sender, target_mac: Mac::ZERO, target };
                    let resolved = host.arp_input(*now, InterfaceId(on), &arp, Mac::BROADCAST).resolved;
                    if let Some(id) = resolved {
                        self.returned += std::iter::from_fn(|| host.release(*now, id)).count();
                    }
                }
                Step::Learn { dst, mtu } => {
                    host.path_mtu_input(*now, dst, mtu);
                }
                Step::Wait { ms } => self.wait(Duration::from_millis(ms)),
            }
        }

        fn send(&mut self, to: Addr, mark: u32) {
            let Self { host, now, held, returned } = self;
            let first = host.route_output(to, None, mark);
            assert_eq!(first, host.route_output(to, None, mark), "the remembered answer is the same");
            let Ok(route) = first else { return };
            if let Resolution::Wait { id, .. } =
                host.resolve(*now, route.oif, route.next_hop, Some(route.source))
            {
                let mut dropped = Vec::new();
                host.hold(id, *held, route.source, truesize(1500), &mut dropped);
                *held += 1;
                *returned += dropped.len();
            }
        }

        fn wait(&mut self, duration: Duration) {
            let end = self.now + duration;
            let mut actions = Vec::new();
            while let Some(next) = self.host.next_timer().filter(|&next| next <= end) {
                self.now = self.now.max(next);
                self.host.on_timer(self.now, &mut actions);
                for action in actions.drain(..) {
                    if let NeighbourAction::Failed(id) = action {
                        self.returned += std::iter::from_fn(|| self.host.discard(id)).count();
                    }
                }
            }
            self.now = end;
        }

        /// What waited must be waiting still or have come back; a fresh host with the same tables must answer the same.
        fn check(&self) {
            let waiting: usize =
                self.host.neighbours().map(super::super::neighbour::Neighbour::waiting_count).sum();
            assert_eq!(self.held as usize, self.returned + waiting, "no item is lost or comes back twice");
            assert!(self.host.neighbours().count() <= 1024);
            for (_, interface) in self.host.interfaces() {
                assert!(interface.addresses().iter().all(|a| self.host.local_kind(a.addr).is_some()));
                // IPv6 addresses are a list of their own, without secondaries.
                let of_v4 = interface.addresses().iter().filter(|a| a.addr.is_v4()).collect::<Vec<_>>();
                let first_secondary = of_v4.iter().position(|a| a.secondary);
                let last_primary = of_v4.iter().rposition(|a| !a.secondary);
                assert!(
                    first_secondary.is_none_or(|s| last_primary.is_some_and(|p| p < s)),
                    "primaries first"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_nothing_is_lost(steps in prop::collection::vec(steps(), 1..80)) {
            for timers in [Timers::Ideal, Timers::linux()] {
                let mut host: Stack<u32> = Stack::new(Stream::new(1, "host"), timers);
                for (name, kind) in
                    [("eth0", InterfaceKind::Ethernet), ("eth1", InterfaceKind::Ethernet), ("dummy0", InterfaceKind::Dummy)]
                {
                    let id = host.add_interface(name, kind, mac(9));
                    host.set_up(id, true);
                }
                let mut world = World { host, now: at(1.0), held: 0, returned: 0 };
                for step in steps.clone() {
                    world.apply(step);
                    world.check();
                }
            }
        }
    }
}
