//! The network layer of one host: interfaces, addresses, routes, neighbours and settings in one value.
//!
//! The administrator's side is in `admin.rs`, `address.rs`, `rules.rs` and `sysctl.rs`; the packet's side in
//! `route.rs` (where does it go?), `route_input.rs` (whose is it?), `arp.rs` and here (which link address?).

use super::arp::ArpSend;
use super::arptables::ArpTables;
use super::conf::{Conf, ConfKey, HostConf, HostKey, NeighKey, NeighbourConf};
use super::exception::{Exception, Exceptions};
use super::fib::{Fib, RouteKind};
use super::interface::{Address, AddressSpec, Interface, InterfaceId, InterfaceKind, SourceCheck};
use super::limit::Limits;
use super::mark::Netfilter;
use super::neighbour::{Expired, Lookup, Neighbour, NeighbourId, Neighbours, Policy, Thresholds};
use super::route::RouteCache;
use super::surroundings::Remembered;
use super::timers::Timers;
use crate::addr::{Addr, Mac};
use sim_core::{Duration, Stream, Time};

/// The network layer of one host. `H` is what waits for a link address: a frame's id.
#[derive(Clone, Debug)]
#[repr(C)] // what every packet needs stands in front, in few cache lines
pub struct Stack<H> {
    pub(super) interfaces: Vec<Interface>,
    pub(super) cache: RouteCache,
    pub(super) generation: u32,
    /// Is each of `own` in table local (and not deleted from it by hand)?
    pub(super) own_are_local: bool,
    pub(super) forwards_v6: bool,
    /// `ip_forward_use_pmtu`, where forwarding sees it at a glance.
    pub(super) forwards_by_path_mtu: bool,
    /// Addresses configured on interfaces that are up, sorted.
    pub(super) own: Vec<Addr>,
    pub(super) neighbours: Neighbours<H>,
    pub(super) exceptions: Exceptions,
    pub(super) remembered: Remembered,
    /// iptables rules.
    pub netfilter: Netfilter,
    /// arptables rules.
    pub arptables: ArpTables,
    pub(super) fib: Fib,
    /// Addresses published by hand (`ip neigh add proxy`).
    pub(super) published: Vec<(Addr, InterfaceId)>,
    pub(super) limits: Limits,
    pub(super) conf_all: Conf,
    pub(super) conf_default: Conf,
    pub(super) neigh_default: NeighbourConf,
    pub(super) host: HostConf,
    pub(super) local_ports: (u16, u16),
    pub(super) stream: Stream,
    pub(super) hash_seed: u64,
    ip_id: u16,
    next_redraw: Time,
}

/// Where a frame for a next hop goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// To this link address.
    Mac(Mac),
    /// Nobody knows yet.
    Wait {
        /// The entry to wait at ([`Stack::hold`]).
        id: NeighbourId,
        /// The request to send, if one is due.
        ask: Option<ArpSend>,
    },
    /// The neighbour cache is full (`gc_thresh3`): the packet is dropped.
    TableFull,
}

/// What a timer of the neighbour cache demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighbourAction {
    /// Send this request.
    Ask(ArpSend),
    /// Nobody answered: what waits must be dropped ([`Stack::discard`]), oldest first, and its senders be told.
    Failed(NeighbourId),
}

/// What setting an interface up or down leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkChange<H> {
    /// Gratuitous requests to send (`arp_notify`).
    pub announce: Vec<ArpSend>,
    /// What waited for neighbours of the interface.
    pub dropped: Vec<H>,
}

const REDRAW_INTERVAL: Duration = Duration::from_secs(300);

impl<H> Stack<H> {
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
            own_are_local: false,
            generation: 1,
            neighbours: Neighbours::new(timers),
            published: Vec::new(),
            limits: Limits::new(),
            conf_all: Conf::all(),
            conf_default: Conf::new(),
            neigh_default: NeighbourConf::new(),
            host: HostConf::new(),
            local_ports: (32768, 60999),
            forwards_v6: false,
            forwards_by_path_mtu: false,
            stream,
            hash_seed: 0,
            ip_id: 0,
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
        self.own.contains(&addr)
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
        let policy = policy(&self.interfaces[oif.index()], thresholds);
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
        let policy = policy(&self.interfaces[oif.index()], thresholds);
        match self.neighbours.resolve(now, oif, next_hop, source, &policy) {
            Lookup::Mac(mac) => Resolution::Mac(mac),
            Lookup::Wait { id, ask } => Resolution::Wait { id, ask: ask.and_then(|ask| self.solicit(&ask)) },
            Lookup::TableFull => Resolution::TableFull,
        }
    }

    /// Lets an item wait for a link address. `source` is its source address, `truesize` the buffer memory it takes
    /// ([`truesize`]). What no longer fits into the queue (`unres_qlen_bytes`) is pushed to `dropped`, oldest first.
    pub fn hold(&mut self, id: NeighbourId, item: H, source: Addr, truesize: u32, dropped: &mut Vec<H>) {
        let interface = self.neighbours.get(id).interface;
        let limit = self.interfaces[interface.index()].neigh.get(NeighKey::UnresQlenBytes);
        self.neighbours.hold(id, item, source, truesize, limit as u32, dropped);
    }

    /// The next item that waited at a neighbour whose link address is now known, and that address.
    pub fn release(&mut self, now: Time, id: NeighbourId) -> Option<(H, Mac)> {
        let item = self.neighbours.pop_waiting(id)?;
        let interface = self.neighbours.get(id).interface;
        let policy = policy(&self.interfaces[interface.index()], self.thresholds());
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
        let next = neighbours.min(expiry);
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

    /// Does what is due by `now`; what the neighbour cache demands is pushed to `out`, in order.
    pub fn on_timer(&mut self, now: Time, out: &mut Vec<NeighbourAction>) {
        self.redraw_reachable_times(now);
        if self.exceptions.expire(now) {
            self.changed();
        }
        let thresholds = self.thresholds();
        while let Some(id) = self.neighbours.pop_fired(now) {
            let interface = &self.interfaces[self.neighbours.get(id).interface.index()];
            let policy = policy(interface, thresholds);
            match self.neighbours.fire(now, id, &policy) {
                Some(Expired::Ask(ask)) => out.extend(self.solicit(&ask).map(NeighbourAction::Ask)),
                Some(Expired::Failed(id)) => out.push(NeighbourAction::Failed(id)),
                None => {}
            }
        }
    }

    /// Something changed that answers may depend on.
    pub(super) fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        for at in 0..self.interfaces.len() {
            self.interfaces[at].source_check = self.source_check(InterfaceId(at as u16));
        }
        let up = self.interfaces.iter().filter(|i| i.up);
        self.own = up.flat_map(Interface::addresses).map(|a| a.addr).collect();
        self.own_are_local = self.own.iter().all(|addr| self.local_kind(*addr) == Some(RouteKind::Local));
    }

    #[inline]
    pub(super) fn thresholds(&self) -> Thresholds {
        Thresholds {
            keep: self.host.get(HostKey::NeighGcThresh1) as usize,
            pressure: self.host.get(HostKey::NeighGcThresh2) as usize,
            limit: self.host.get(HostKey::NeighGcThresh3) as usize,
        }
    }

    /// Every five minutes all interfaces draw anew how long a confirmation lasts.
    pub(super) fn redraw_reachable_times(&mut self, now: Time) {
        if now < self.next_redraw {
            return;
        }
        self.next_redraw = now + REDRAW_INTERVAL;
        for at in 0..self.interfaces.len() {
            self.draw_reachable_time(InterfaceId(at as u16));
        }
    }

    pub(super) fn draw_reachable_time(&mut self, id: InterfaceId) {
        let interface = &mut self.interfaces[id.index()];
        let base = interface.neigh.get(NeighKey::BaseReachableTimeMs) as u64 * 1_000_000;
        let drawn = if base == 0 { 0 } else { base / 2 + self.stream.below(base) };
        interface.reachable_time = Duration::from_nanos(drawn);
    }
}

/// How an interface treats its neighbours.
#[inline]
pub(super) fn policy(interface: &Interface, thresholds: Thresholds) -> Policy<'_> {
    Policy { conf: &interface.neigh, reachable_time: interface.reachable_time, thresholds }
}

/// The buffer memory that a waiting packet of `len` bytes is charged with: about what a network card's receive buffers
/// and the kernel's own allocations take.
pub const fn truesize(len: u16) -> u32 {
    match len {
        0..=320 => 768,
        321..=832 => 1280,
        _ => 2304,
    }
}
