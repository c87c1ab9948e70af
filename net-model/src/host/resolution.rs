//! What the network layer answers when a frame needs a link address, when a timer of the neighbour cache fires, and when a
//! link goes up or down.

use super::ask::Ask;
use super::neighbour::NeighbourId;
use crate::addr::Mac;

/// Where a frame for a next hop goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// To this link address.
    Mac(Mac),
    /// Nobody knows yet.
    Wait {
        /// The entry to wait at ([`Stack::hold`](super::stack::Stack::hold)).
        id: NeighbourId,
        /// The request to send, if one is due.
        ask: Option<Ask>,
    },
    /// The neighbour cache is full (`gc_thresh3`): the packet is dropped.
    TableFull,
}

/// What a timer of the neighbour cache demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighbourAction {
    /// Send this request.
    Ask(Ask),
    /// Nobody answered: what waits must be dropped ([`Stack::discard`](super::stack::Stack::discard)), oldest first, and its senders be told.
    Failed(NeighbourId),
}

/// What setting an interface up or down leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkChange<H> {
    /// What neighbours are told (`arp_notify`, `ndisc_notify`).
    pub announce: Vec<Ask>,
    /// What waited for neighbours of the interface.
    pub dropped: Vec<H>,
}
