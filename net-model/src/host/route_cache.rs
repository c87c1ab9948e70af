//! The routing cache: what the tables said about a destination, and the way out that its packets took last.
//!
//! Linux keeps such answers where packets pass again (at sockets, next hops and IPVS destinations) and trusts them as
//! long as a generation number stays. Here one table a host keeps them, for a destination and a firewall mark. All
//! answers are void after any change that could alter one: of addresses, routes, rules, settings, interfaces, learnt
//! gateways and path MTUs, or when a neighbour is forgotten.

use super::fib::RouteKind;
use super::interface::InterfaceId;
use super::neighbour::NeighbourId;
use super::route::Answer;
use super::route_input::is_ordinary;
use crate::addr::Addr;

/// How many answers a host remembers at first, and at most.
const FIRST_SLOTS: usize = 16;
const MOST_SLOTS: usize = 2048;
/// So many bits tell the addresses of a subnet apart.
const SUBNET_BITS: u32 = 8;

/// What a packet that passes again needs to know about its destination, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    dst: Addr,
    mark: u32,
    /// The state of the host for which all this holds; 0 for none.
    epoch: u32,
    /// For received packets, whose destination is nothing special: deliver, forward, or look closely?
    pub(super) inbound: Fate,
    has_speaker: bool,
    /// The largest packet that takes the way out; 0 while the way is not known.
    pub(super) mtu: u16,
    /// The interface that the route leaves by.
    pub(super) oif: InterfaceId,
    /// The neighbour to whom the way out leads.
    pub(super) neighbour: NeighbourId,
    /// The last source that was found to be local when it sent there.
    speaker: Addr,
}

const _: () = assert!(size_of::<Slot>() == 64, "a packet asks for one cache line");

/// What the destination alone says about a received packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is for this host.
    Deliver,
    /// It is for another host.
    Forward,
    /// More has to be looked at.
    Unclear,
}

/// A slot of the cache: good until the next look-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SlotId(usize);

/// The last answers: one slot for each hash value, and more slots where many destinations are in use.
#[derive(Clone, Debug)]
pub(super) struct RouteCache {
    slots: Vec<Slot>,
    /// The whole answers, beside the slots.
    answers: Vec<Answer>,
}

impl Slot {
    const EMPTY: Slot = Slot {
        dst: Addr::UNSPECIFIED_V4,
        mark: 0,
        epoch: 0,
        inbound: Fate::Unclear,
        has_speaker: false,
        mtu: 0,
        oif: InterfaceId::LO,
        neighbour: NeighbourId(u32::MAX),
        speaker: Addr::UNSPECIFIED_V4,
    };

    /// The destination.
    pub(super) fn dst(&self) -> Addr {
        self.dst
    }

    /// Is this source known to be an address of the host?
    #[inline]
    pub(super) fn speaks(&self, source: Addr) -> bool {
        self.has_speaker && self.speaker == source
    }

    /// From now on it is known.
    pub(super) fn let_speak(&mut self, source: Addr) {
        (self.has_speaker, self.speaker) = (true, source);
    }

    /// The way out is known.
    pub(super) fn learn_exit(&mut self, neighbour: NeighbourId, mtu: u16) {
        (self.neighbour, self.mtu) = (neighbour, mtu);
    }

    #[inline]
    fn is_of(&self, dst: Addr, mark: u32, epoch: u32) -> bool {
        self.dst == dst && self.mark == mark && self.epoch == epoch
    }
}

impl RouteCache {
    pub(super) fn new() -> RouteCache {
        RouteCache { slots: vec![Slot::EMPTY; FIRST_SLOTS], answers: vec![Answer::NO_ROUTE; FIRST_SLOTS] }
    }

    /// What is remembered about a destination and mark, if it holds in this state of the host.
    #[inline(always)] // one look for every packet
    pub(super) fn find(&self, dst: Addr, mark: u32, epoch: u32) -> Option<(SlotId, &Slot)> {
        let place = self.place(dst, mark);
        let slot = &self.slots[place];
        slot.is_of(dst, mark, epoch).then_some((SlotId(place), slot))
    }

    /// What is remembered in a slot.
    #[inline]
    pub(super) fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.0]
    }

    /// The same, to add to it.
    #[inline]
    pub(super) fn slot_mut(&mut self, id: SlotId) -> &mut Slot {
        &mut self.slots[id.0]
    }

    /// The whole answer of a slot.
    #[inline]
    pub(super) fn answer(&self, id: SlotId) -> &Answer {
        &self.answers[id.0]
    }

    /// Remembers an answer; with epoch 0 only until the next look-up. A slot that is in use for another
    /// destination is a reason to have more of them.
    pub(super) fn put(&mut self, dst: Addr, mark: u32, epoch: u32, answer: Answer) -> SlotId {
        let old = &self.slots[self.place(dst, mark)];
        let collides = old.epoch == epoch && !old.is_of(dst, mark, epoch);
        if collides && self.slots.len() < MOST_SLOTS {
            self.grow();
        }
        let inbound = match answer.kind {
            _ if !is_ordinary(dst) => Fate::Unclear,
            Some(RouteKind::Local) => Fate::Deliver,
            Some(RouteKind::Unicast) => Fate::Forward,
            _ => Fate::Unclear,
        };
        let place = self.place(dst, mark);
        self.slots[place] = Slot { dst, mark, epoch, inbound, oif: answer.oif, ..Slot::EMPTY };
        self.answers[place] = answer;
        SlotId(place)
    }

    /// Neighbouring addresses have neighbouring slots: those of a subnet never want the same one, so that the cache
    /// stays small, and lie together in memory.
    #[inline]
    fn place(&self, dst: Addr, mark: u32) -> usize {
        let [high, low] = dst.words();
        let subnet = low >> SUBNET_BITS ^ high.rotate_left(32) ^ u64::from(mark) << 32;
        let start = subnet.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        start.wrapping_add(low) as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let twice = self.slots.len() * 2;
        let slots = std::mem::replace(&mut self.slots, vec![Slot::EMPTY; twice]);
        let answers = std::mem::replace(&mut self.answers, vec![Answer::NO_ROUTE; twice]);
        for (slot, answer) in slots.into_iter().zip(answers) {
            let place = self.place(slot.dst, slot.mark);
            (self.slots[place], self.answers[place]) = (slot, answer);
        }
    }
}
