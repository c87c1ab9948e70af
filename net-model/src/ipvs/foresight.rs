//! Foresight: whoever has the next packets in hand before their time (a capture that is read, a burst) shows them to
//! the director first.
//!
//! In a table of a million entries nearly every look-up waits for memory twice: for the bucket of the index, then for
//! the entry. Packets that come one by one wait one after the other; those of a burst wait together.

use super::Director;
use super::connection::{Slot, Tuple};
use super::table::{Connections, hash};
use crate::packet::Packet;
use std::hint::black_box;

impl Director {
    /// Fetches what these packets will need of the connection table from memory. Some 32 packets at a time are best.
    /// Nothing is decided, counted or changed.
    pub fn foresee<'p>(&self, packets: impl Iterator<Item = &'p Packet> + Clone) {
        self.connections.foresee(packets.filter_map(Tuple::of));
    }
}

impl Connections {
    fn foresee(&self, tuples: impl Iterator<Item = Tuple> + Clone) {
        for tuple in tuples.clone() {
            black_box(self.index.glance(self.foreseen(&tuple)));
        }
        for tuple in tuples {
            if let Some(slot) = self.index.likely(self.foreseen(&tuple)) {
                black_box(self.get(Slot::new(slot)).state);
            }
        }
    }

    /// Clients take ports in turn. With every eighth port of a client the places of this port and of the next seven are
    /// fetched from memory: waiting for four cache lines at once takes no longer than waiting for one.
    #[inline(always)] // once a connection
    pub(super) fn read_ahead(&self, tuple: &Tuple) {
        if tuple.sport.is_multiple_of(8) {
            for ahead in [0, 2, 4, 6] {
                black_box(self.index.glance(hash(tuple.protocol, tuple.src, tuple.sport + ahead)));
            }
        }
    }

    /// The hash that a packet will be looked for under: a server's by the client's port it goes to, if some client has
    /// one like it.
    fn foreseen(&self, tuple: &Tuple) -> u32 {
        let tuple = if self.may_be_reply(tuple) { tuple.reversed() } else { *tuple };
        hash(tuple.protocol, tuple.src, tuple.sport)
    }
}
