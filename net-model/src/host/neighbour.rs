//! The neighbour cache: which link address has the next hop, and how sure are we?
//!
//! `ip neigh show` prints it. A packet for an unknown next hop waits while three broadcasts ask, one a second; a known
//! address is trusted for a while (REACHABLE), then used on sufferance (STALE) and, once used, checked by three unicast
//! probes (DELAY, PROBE). ARP packets and neighbour discovery change entries by the rules in [`Neighbours::update`];
//! upper layers confirm them. Simplified: the collection of old entries (`gc_thresh1`) happens when a new one is made,
//! not by a timer of its own.

use super::interface::InterfaceId;
pub use super::neighbour_state::NeighbourState;
use super::policy::{Policy, Thresholds};
use super::reachability::Solicitation;
use super::waiting::Waiting;
use crate::addr::{Addr, Mac};
use crate::link::LinkId;
use crate::switch::Path;
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time, Timers};
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An entry of the neighbour cache. Ids of deleted entries are used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NeighbourId(pub(super) u32);

impl NeighbourId {
    /// No entry.
    pub(crate) const NONE: NeighbourId = NeighbourId(u32::MAX);
}

/// An entry of the cache. `H` is what waits for the link address.
#[derive(Clone, Debug)]
#[repr(C, align(64))] // what every packet needs stands in front, in one cache line
pub struct Neighbour<H> {
    /// The link address, meaningful if the state is valid.
    pub mac: Mac,
    pub(super) used: Time,
    pub(super) confirmed: Time,
    pub(crate) header: Header,
    /// The link that the interface is plugged into, once a packet has left.
    pub(crate) link: LinkId,
    /// The interface it is behind.
    pub interface: InterfaceId,
    /// What is known.
    pub state: NeighbourState,
    /// Does it say of itself that it forwards packets (IPv6 only)?
    pub is_router: bool,
    /// The next hop.
    pub addr: Addr,
    /// When its state or link address last changed.
    pub updated: Time,
    /// Requests sent in this round.
    pub(super) probes: u32,
    /// When its timer fires; never if none runs.
    pub(super) due: Time,
    /// The instant for which it is in the queue of timers; never if it is not.
    pub(super) posted: Time,
    /// In a box: whether there is an entry is then told in front, too.
    pub(super) waiting: Box<Waiting<H>>,
}

/// What the frames to a neighbour have in common beside its link address: what Linux keeps with an entry as its
/// "hardware header" (`hh_cache`). It is filled in by the first packet that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// The sender's link address: that of the interface.
    pub(crate) src: Mac,
    /// The way through the switch at the far end of the link.
    pub(crate) path: Path,
}

impl Header {
    const NONE: Header = Header { src: Mac::ZERO, path: Path::NONE };
}

const _: () =
    assert!(std::mem::offset_of!(Neighbour<u32>, addr) == 64 && size_of::<Option<Neighbour<u32>>>() == 128);

/// The answer of [`Neighbours::resolve`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lookup {
    Mac(Mac),
    Wait { id: NeighbourId, ask: Option<Solicitation> },
    TableFull,
}

/// The neighbour cache of a host.
#[derive(Clone, Debug)]
#[repr(C)] // what every packet needs stands in front
pub(super) struct Neighbours<H> {
    /// Grows with every entry that is deleted, and with every change of the host's addresses, routes and settings: while
    /// it stays, an id means the same neighbour and what the host remembers of its ways holds.
    pub(super) epoch: u32,
    /// Was a timer (of an exception, too) set since somebody last asked?
    pub(super) has_news: bool,
    pub(super) entries: Vec<Option<Neighbour<H>>>,
    /// By a hash of the address, the entry that was found last: where to look before the index. A power of two long.
    recent: Vec<Cell<u32>>,
    free: Vec<u32>,
    index: FxHashMap<(Addr, InterfaceId), NeighbourId>,
    /// Instant, then order of arming.
    pub(super) timers: BinaryHeap<Reverse<(Time, u64, u32)>>,
    armed: u64,
    pub(super) timer_kind: Timers,
    last_collection: Time,
}

impl<H> Neighbours<H> {
    pub(super) fn new(timer_kind: Timers) -> Neighbours<H> {
        Neighbours {
            entries: Vec::new(),
            free: Vec::new(),
            index: FxHashMap::default(),
            recent: vec![Cell::new(0); 8],
            timers: BinaryHeap::new(),
            armed: 0,
            epoch: 1,
            has_news: false,
            timer_kind,
            last_collection: Time::ZERO,
        }
    }

    pub(super) fn get(&self, id: NeighbourId) -> &Neighbour<H> {
        self.entries[id.0 as usize].as_ref().expect("a neighbour id is used only while its entry exists")
    }

    pub(super) fn get_mut(&mut self, id: NeighbourId) -> &mut Neighbour<H> {
        self.entries[id.0 as usize].as_mut().expect("a neighbour id is used only while its entry exists")
    }

    #[inline]
    pub(super) fn find(&self, addr: Addr, interface: InterfaceId) -> Option<NeighbourId> {
        let [high, low] = addr.words();
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let recent = &self.recent[(mixed >> 40) as usize & (self.recent.len() - 1)];
        let id = recent.get();
        if let Some(Some(entry)) = self.entries.get(id as usize)
            && entry.addr == addr
            && entry.interface == interface
        {
            return Some(NeighbourId(id));
        }
        let id = *self.index.get(&(addr, interface))?;
        recent.set(id.0);
        Some(id)
    }

    /// The link address of an entry that needs nothing done, noting its use, and the proof that packets reach it.
    #[inline]
    pub(super) fn known_mac(
        &mut self,
        now: Time,
        addr: Addr,
        interface: InterfaceId,
        confirms: bool,
    ) -> Option<Mac> {
        let id = self.find(addr, interface)?;
        self.use_settled(now, id, confirms).map(|entry| entry.mac)
    }

    /// The same by the entry's number: the entry itself; none if there is no such entry.
    #[inline(always)] // a part of every way out
    pub(super) fn use_settled(
        &mut self,
        now: Time,
        id: NeighbourId,
        confirms: bool,
    ) -> Option<&mut Neighbour<H>> {
        let entry = self.entries.get_mut(id.0 as usize)?.as_mut()?;
        if !entry.state.is_settled() {
            return None;
        }
        entry.used = now;
        entry.confirmed = if confirms { now } else { entry.confirmed };
        Some(entry)
    }

    /// All entries, in no meaningful but always the same order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Neighbour<H>> {
        self.entries.iter().flatten()
    }

    /// The link address of a next hop, or a place to wait for it.
    #[inline]
    pub(super) fn resolve(
        &mut self,
        now: Time,
        interface: InterfaceId,
        addr: Addr,
        source: Option<Addr>,
        policy: &Policy<'_>,
    ) -> Lookup {
        let Some(id) = self.find(addr, interface) else {
            return match self.create(now, addr, interface, &policy.thresholds) {
                Some(id) => self.ask_anew(now, id, source, policy),
                None => Lookup::TableFull,
            };
        };
        match self.use_entry(now, id, policy) {
            Some(mac) => Lookup::Mac(mac),
            None if self.get(id).state == NeighbourState::Incomplete => Lookup::Wait { id, ask: None },
            None => self.ask_anew(now, id, source, policy),
        }
    }

    /// The link address of an entry that has one, noting its use.
    #[inline]
    pub(super) fn use_entry(&mut self, now: Time, id: NeighbourId, policy: &Policy<'_>) -> Option<Mac> {
        let entry = self.get_mut(id);
        entry.used = now;
        let mac = entry.mac;
        match entry.state {
            NeighbourState::Reachable
            | NeighbourState::Permanent
            | NeighbourState::Delay
            | NeighbourState::Probe => Some(mac),
            NeighbourState::Stale => {
                entry.state = NeighbourState::Delay;
                entry.updated = now;
                self.arm(now, id, policy.delay());
                Some(mac)
            }
            NeighbourState::Incomplete | NeighbourState::Failed => None,
        }
    }

    /// Makes an entry that knows nothing yet; none if the table is full.
    pub(super) fn create(
        &mut self,
        now: Time,
        addr: Addr,
        interface: InterfaceId,
        thresholds: &Thresholds,
    ) -> Option<NeighbourId> {
        self.collect(now, thresholds);
        if self.index.len() >= thresholds.limit {
            return None;
        }
        let entry = Neighbour {
            addr,
            interface,
            state: NeighbourState::Failed,
            mac: Mac::ZERO,
            updated: now,
            confirmed: Time::ZERO,
            used: now,
            header: Header::NONE,
            link: LinkId(0),
            probes: 0,
            due: Time::NEVER,
            posted: Time::NEVER,
            waiting: Box::default(),
            is_router: false,
        };
        let id = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.entries.push(None);
                self.entries.len() as u32 - 1
            }
        };
        self.entries[id as usize] = Some(entry);
        if self.entries.len() * 2 > self.recent.len() {
            self.recent = vec![Cell::new(id); self.recent.len() * 4];
        }
        self.index.insert((addr, interface), NeighbourId(id));
        Some(NeighbourId(id))
    }

    /// Begins a round of broadcast requests; the first goes out at once.
    fn ask_anew(&mut self, now: Time, id: NeighbourId, source: Option<Addr>, policy: &Policy<'_>) -> Lookup {
        let entry = self.get_mut(id);
        entry.state = NeighbourState::Incomplete;
        entry.updated = now;
        entry.probes = 1;
        let ask = Solicitation {
            id,
            interface: entry.interface,
            target: entry.addr,
            to: None,
            packet_source: source,
        };
        self.arm(now, id, policy.retrans());
        Lookup::Wait { id, ask: (policy.broadcasts() > 0).then_some(ask) }
    }

    /// Deletes an entry; what waited comes out.
    pub(super) fn remove(&mut self, id: NeighbourId, dropped: &mut Vec<H>) {
        let entry = self.entries[id.0 as usize].take().expect("a neighbour is deleted once");
        self.epoch = self.epoch.wrapping_add(1);
        self.index.remove(&(entry.addr, entry.interface));
        self.free.push(id.0);
        dropped.extend(entry.waiting.into_items());
    }

    /// Deletes the entries for which `which` holds; what waited comes out.
    pub(super) fn remove_where(&mut self, which: impl Fn(&Neighbour<H>) -> bool, dropped: &mut Vec<H>) {
        for slot in 0..self.entries.len() {
            if self.entries[slot].as_ref().is_some_and(&which) {
                self.remove(NeighbourId(slot as u32), dropped);
            }
        }
    }

    /// Forgets old entries if there are many: only those with no timer and nothing waiting may go.
    fn collect(&mut self, now: Time, thresholds: &Thresholds) {
        const PRESSURE_AGE: Duration = Duration::from_secs(5);
        const STALE_AGE: Duration = Duration::from_secs(60);
        const INTERVAL: Duration = Duration::from_secs(15);
        let count = self.index.len();
        let since = now.since(self.last_collection);
        let is_pressed = count >= thresholds.limit || (count >= thresholds.pressure && since > PRESSURE_AGE);
        if !is_pressed && (count <= thresholds.keep || since < INTERVAL) {
            return;
        }
        self.last_collection = now;
        let is_old = |entry: &Neighbour<H>| match entry.state {
            NeighbourState::Failed => true,
            NeighbourState::Stale if is_pressed => now.since(entry.updated) > PRESSURE_AGE,
            NeighbourState::Stale => now.since(entry.used.max(entry.confirmed)) > STALE_AGE,
            NeighbourState::Incomplete
            | NeighbourState::Reachable
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent => false,
        };
        self.remove_where(|entry| !entry.is_awaited() && is_old(entry), &mut Vec::new());
    }

    pub(super) fn arm(&mut self, now: Time, id: NeighbourId, delay: Duration) {
        let due = self.timer_kind.fires_at(now, delay);
        let entry = self.get_mut(id);
        entry.due = due;
        if due < entry.posted {
            self.post(id, due);
        }
    }

    pub(super) fn post(&mut self, id: NeighbourId, at: Time) {
        self.get_mut(id).posted = at;
        self.armed += 1;
        self.has_news = true;
        self.timers.push(Reverse((at, self.armed, id.0)));
    }

    /// Was a timer set since this was last asked?
    pub(super) fn take_news(&mut self) -> bool {
        let has_news = self.has_news;
        if has_news {
            self.has_news = false;
        }
        has_news
    }

    /// No earlier than this does a timer fire.
    pub(super) fn next_timer(&self) -> Option<Time> {
        self.timers.peek().map(|Reverse((at, _, _))| *at)
    }
}
