//! The memory of the connection table: entries in pages that never move, so that a million of them grow without being
//! copied and without much room to spare.

use super::connection::{Connection, Slot};

/// Entries of a page, which has 8 KiB: it is filled when it is made, and its last entry shall be taken before the cache
/// has forgotten that.
const PAGE: usize = 1 << 7;

type Page = Box<[Connection; PAGE]>;

/// Entries by their slots. A slot is reused last in, first out.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pages: Vec<Page>,
    /// Slots that ever held an entry.
    len: usize,
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
        let slot = match self.free {
            Some(slot) => {
                self.free = self.get(slot).older.some();
                slot
            }
            None => {
                if self.len == self.pages.len() * PAGE {
                    self.pages.push(page(&connection));
                }
                self.len += 1;
                Slot::new(self.len as u32 - 1)
            }
        };
        *self.get_mut(slot) = connection;
        slot
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, slot: Slot) {
        let next = self.free.replace(slot).unwrap_or(Slot::NONE);
        self.get_mut(slot).older = next;
    }

    /// Every slot that ever held an entry, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        (0u32..).map(Slot::new).zip(self.pages.iter().flat_map(|page| page.iter())).take(self.len)
    }

    /// How many slots there are, taken or free.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.pages.len() * size_of::<[Connection; PAGE]>() + self.pages.capacity() * size_of::<Page>()
    }
}

/// A new page. What it is filled with does not matter: nobody looks at a slot before it has been given out.
fn page(filling: &Connection) -> Page {
    let entries = vec![filling.clone(); PAGE];
    entries.try_into().expect("a page has as many entries as a page")
}
