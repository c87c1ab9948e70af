//! What waits for a neighbour's link address, by the bytes of memory it takes (`unres_qlen_bytes`).

use super::neighbour::{Neighbour, NeighbourId, Neighbours};
use crate::addr::Addr;
use std::collections::VecDeque;

/// What waits for one neighbour, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Waiting<H> {
    items: VecDeque<Item<H>>,
    bytes: u32,
}

#[derive(Clone, Debug)]
struct Item<H> {
    held: H,
    source: Addr,
    truesize: u32,
}

impl<H> Default for Waiting<H> {
    fn default() -> Waiting<H> {
        Waiting { items: VecDeque::new(), bytes: 0 }
    }
}

impl<H> Waiting<H> {
    /// The oldest ones that no longer fit come out.
    fn push(&mut self, item: Item<H>, limit: u32, dropped: &mut Vec<H>) {
        while self.bytes.saturating_add(item.truesize) > limit {
            let Some(oldest) = self.pop() else { break };
            dropped.push(oldest);
        }
        self.bytes += item.truesize;
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<H> {
        let oldest = self.items.pop_front()?;
        self.bytes -= oldest.truesize;
        Some(oldest.held)
    }

    pub(super) fn into_items(self) -> impl Iterator<Item = H> {
        self.items.into_iter().map(|item| item.held)
    }
}

impl<H> Neighbour<H> {
    /// The source address of the packet that has waited longest.
    pub(super) fn oldest_source(&self) -> Option<Addr> {
        self.waiting.items.front().map(|item| item.source)
    }

    /// How many items wait for its link address.
    pub fn waiting_count(&self) -> usize {
        self.waiting.items.len()
    }

    /// Does anything wait for its link address?
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.items.is_empty()
    }
}

impl<H> Neighbours<H> {
    /// Lets an item wait. The oldest ones that no longer fit come out.
    pub(super) fn hold(
        &mut self,
        id: NeighbourId,
        held: H,
        source: Addr,
        truesize: u32,
        limit: u32,
        dropped: &mut Vec<H>,
    ) {
        self.get_mut(id).waiting.push(Item { held, source, truesize }, limit, dropped);
    }

    /// The oldest waiting item.
    pub(super) fn pop_waiting(&mut self, id: NeighbourId) -> Option<H> {
        self.get_mut(id).waiting.pop()
    }
}
