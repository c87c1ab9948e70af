//! Output routing: which interface, next hop and source address does a packet to this destination get?
//!
//! What `ip route get` answers: the walk of the rules, the exceptions learnt for the destination, and the source
//! address the host chooses for its own packets. Answers are remembered per destination and mark until anything
//! changes. IPv6 differs in one point here: source selection prefers the longest common prefix instead of list order.

use super::fib::{Key, NextHop, RouteEntry, RouteKind, TABLE_LOCAL};
use super::icmp;
use super::interface::{Interface, InterfaceId, Scope};
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

const CACHE_SLOTS: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Slot {
    dst: Addr,
    mark: u32,
    generation: u32,
    answer: Answer,
}

/// The last answers, one slot for each of a few hash values.
#[derive(Clone, Debug)]
pub(super) struct RouteCache(Box<[Slot; CACHE_SLOTS]>);

impl RouteCache {
    pub(super) fn new() -> RouteCache {
        let nothing = Slot { dst: Addr::UNSPECIFIED_V4, mark: 0, generation: 0, answer: NO_ROUTE };
        RouteCache(Box::new([nothing; CACHE_SLOTS]))
    }
}

const NO_ROUTE: Answer = Answer {
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

impl<H> Stack<H> {
    /// Is this an address of the host, on whatever interface (or in a prefix made local)?
    #[inline]
    pub fn is_local(&self, addr: Addr) -> bool {
        self.local_kind(addr) == Some(RouteKind::Local)
    }

    /// The way to `dst`. With a source, it must be local and is kept; without, the host chooses.
    pub fn route_output(&mut self, dst: Addr, src: Option<Addr>, mark: u32) -> Result<Route, RouteError> {
        if let Some(src) = src
            && !self.is_local(src)
        {
            return Err(RouteError::SourceNotLocal);
        }
        let key = Key { dst, src, mark, iif: None };
        let answer = self.answer(&key);
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
    #[inline]
    pub(super) fn local_kind(&self, addr: Addr) -> Option<RouteKind> {
        let local = self.fib.table(TABLE_LOCAL)?;
        local.lookup(addr).map(|entry| entry.kind)
    }

    /// What the tables say, from memory if possible.
    #[inline]
    pub(super) fn answer(&mut self, key: &Key) -> Answer {
        let slot = slot_of(key);
        let cached = &self.cache.0[slot];
        if cached.generation == self.generation && cached.dst == key.dst && cached.mark == key.mark {
            return cached.answer;
        }
        self.look_up(key, slot)
    }

    #[inline(never)]
    pub(super) fn look_up(&mut self, key: &Key, slot: usize) -> Answer {
        let Some(entry) = self.fib.lookup(key) else {
            if self.fib.is_cacheable {
                self.remember(key, slot, NO_ROUTE);
            }
            return NO_ROUTE;
        };
        let is_cacheable = self.fib.is_cacheable && entry.hops.len() <= 1;
        let hop = self.choose_hop(entry, key);
        let mut answer = self.describe(entry, hop, key.dst);
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
        if is_cacheable {
            self.remember(key, slot, answer);
        }
        answer
    }

    fn remember(&mut self, key: &Key, slot: usize, answer: Answer) {
        self.cache.0[slot] = Slot { dst: key.dst, mark: key.mark, generation: self.generation, answer };
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
                entry.src.or_else(|| self.select_source(oif, next_hop, limit)).unwrap_or(unspecified)
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

    /// IPv6: an address of the same reach (link-local for link-local) with the longest common prefix.
    fn select_source_v6(&self, oif: InterfaceId, target: Addr) -> Option<Addr> {
        let is_link_local = |a: Addr| a.to_bits() >> 118 == 0x3fa;
        let common = |a: Addr| (a.to_bits() ^ target.to_bits()).leading_zeros();
        let best = |interfaces: &[Interface]| {
            let all = interfaces.iter().flat_map(Interface::addresses).map(|a| a.addr);
            let fitting =
                all.filter(|a| !a.is_v4() && !a.is_loopback() && is_link_local(*a) == is_link_local(target));
            fitting.fold(None, |best: Option<Addr>, a| match best {
                Some(b) if common(b) >= common(a) => best,
                Some(_) | None => Some(a),
            })
        };
        let at = oif.index();
        best(&self.interfaces[at..=at]).or_else(|| best(&self.interfaces))
    }
}

fn is_group(dst: Addr) -> bool {
    dst.is_multicast() || dst == Addr::BROADCAST_V4
}

#[inline]
fn slot_of(key: &Key) -> usize {
    let [high, low] = key.dst.words();
    let mixed = (low ^ high.rotate_left(32) ^ u64::from(key.mark)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 59) as usize
}
