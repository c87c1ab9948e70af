//! The memory of the connection table: entries in pages that never move, so that a million of them grow without being
//! copied and without much room to spare.

use super::connection::{Connection, Slot};

/// Entries of a page: half a megabyte.
const PAGE: usize = 1 << 13;

/// Entries by their slots. A slot is reused last in, first out.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// All of them full, but for the last. A page has its memory from the beginning, the first one grows.
    pages: Vec<Vec<Connection>>,
    /// The slot that was freed last; the others follow in `older` of each.
    free: Option<Slot>,
}

impl Entries {
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Connection {
        &self.pages[slot.index() / PAGE][slot.index() % PAGE]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.pages[slot.index() / PAGE][slot.index() % PAGE]
    }

    /// Puts an entry into the slot that was freed last, or into a new one.
    pub(super) fn insert(&mut self, connection: Connection) -> Slot {
        if let Some(slot) = self.free {
            self.free = self.get(slot).older.some();
            *self.get_mut(slot) = connection;
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(if self.pages.is_empty() { 0 } else { PAGE }));
        }
        let before = self.pages.len() - 1;
        let page = &mut self.pages[before];
        page.push(connection);
        Slot::new((before * PAGE + page.len() - 1) as u32)
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, slot: Slot) {
        let next = self.free.replace(slot).unwrap_or(Slot::NONE);
        self.get_mut(slot).older = next;
    }

    /// Every slot that ever held an entry, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        (0u32..).map(Slot::new).zip(self.pages.iter().flatten())
    }

    /// How many slots there are, taken or free.
    pub(super) fn len(&self) -> usize {
        self.pages.last().map_or(0, |page| (self.pages.len() - 1) * PAGE + page.len())
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        let slots: usize = self.pages.iter().map(Vec::capacity).sum();
        slots * size_of::<Connection>() + self.pages.capacity() * size_of::<Vec<Connection>>()
    }
}
