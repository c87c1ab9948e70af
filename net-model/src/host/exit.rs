//! The way out that was taken last: route, interface, cable and link address of a destination, found by one look.
//!
//! It stands with the remembered answer of the tables (`route.rs`) and falls with it. The neighbour's entry stays the
//! judge of its link address: an exit is only the place of that entry, and void once any entry has been deleted.

use super::neighbour::NeighbourId;
use super::route::{Route, RouteClass};
use super::stack::Stack;
use crate::addr::{Addr, Mac};
use crate::link::LinkId;
use sim_core::Time;

/// What a host remembers of a way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    neighbour: NeighbourId,
    /// The state of the neighbour cache for which the exit holds.
    removals: u32,
    link: LinkId,
    /// The largest own packet that fits.
    mtu: u32,
    src: Mac,
}

impl Exit {
    /// No way out is known.
    pub(super) const NONE: Exit =
        Exit { neighbour: NeighbourId(u32::MAX), removals: 0, link: LinkId(0), mtu: 0, src: Mac::ZERO };
}

/// What a packet asks that wants to leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaver {
    /// Where it is routed to.
    pub(crate) to: Addr,
    /// Its source, if that must be an address of the host.
    pub(crate) speaker: Option<Addr>,
    pub(crate) mark: u32,
    /// Its length in bytes, compared with what fits.
    pub(crate) len: u32,
    /// Has an upper layer proof that packets reach the next hop?
    pub(crate) confirms: bool,
}

/// How a frame leaves: the link, and its addresses there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    pub(crate) link: LinkId,
    pub(crate) src: Mac,
    pub(crate) dst: Mac,
    /// The length of its packet in bytes.
    pub(crate) len: u32,
}

impl<H> Stack<H> {
    /// The way out, if it is remembered and its neighbour needs nothing done. The use of the neighbour is noted.
    #[inline(always)] // a part of known_way
    pub(crate) fn known_exit(&mut self, now: Time, leaver: Leaver) -> Option<Leave> {
        let slot = self.cache.valid(leaver.to, leaver.mark, self.generation)?;
        let exit = &slot.exit;
        let speaks = leaver.speaker.is_none() || leaver.speaker == slot.speaker;
        if !speaks || leaver.len > exit.mtu || exit.removals != self.neighbours.removals {
            return None;
        }
        let dst = self.neighbours.use_settled(now, exit.neighbour, leaver.confirms)?;
        Some(Leave { link: exit.link, src: exit.src, dst, len: leaver.len })
    }

    /// Remembers the way that `route`, the answer for this destination and mark, has just opened through a cable.
    pub(crate) fn learn_exit(&mut self, to: Addr, mark: u32, route: &Route, link: LinkId) {
        let Some(neighbour) = self.neighbours.find(route.next_hop, route.oif) else { return };
        let interface = &self.interfaces[route.oif.index()];
        let (is_up, src) = (interface.up, interface.mac);
        let removals = self.neighbours.removals;
        if let Some(slot) = self.cache.valid(to, mark, self.generation)
            && is_up
            && route.kind == RouteClass::Unicast
        {
            slot.exit = Exit { neighbour, removals, link, mtu: slot.answer.path_mtu, src };
        }
    }
}
