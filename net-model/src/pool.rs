//! Records in numbered slots, for what comes and goes by the million: sockets, transfers, exchanges, requests.
//!
//! A small pool doubles; a large one grows by a sixteenth, so that little is spare. (Pages that never move would copy
//! nothing at all, but cost every look at a record twice the instructions.) A slot that becomes free is the next to be
//! used, its memory being in the cache; free slots form a list through themselves.

/// Something that lies in a pool.
pub(crate) trait Record: Clone {
    /// What lies in a slot that was never used.
    const BLANK: Self;

    /// Where a free record keeps the number of the next free one. No other record needs this field then.
    fn link(&mut self) -> &mut u32;
}

/// A pool of more records than this is large.
const LARGE: usize = 1 << 14;
/// The end of the list of free slots; also for whoever keeps the number of a slot, or none.
pub(crate) const NONE: u32 = u32::MAX;

/// Records in numbered slots.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    /// All slots that were ever used.
    slots: Vec<T>,
    /// The slot that was freed last.
    free: u32,
    len: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool { slots: Vec::new(), free: NONE, len: 0 }
    }
}

impl<T: Record> Pool<T> {
    /// Records in use.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<T>()
    }

    /// Puts a record into the slot that was freed last, or into a new one.
    #[inline]
    pub(crate) fn insert(&mut self, record: T) -> u32 {
        let slot = self.take();
        *self.get_mut(slot) = record;
        slot
    }

    /// Takes the slot that was freed last, or a new one. What lies in it is what lay in it, or blank.
    #[inline]
    pub(crate) fn take(&mut self) -> u32 {
        self.len += 1;
        if self.free == NONE {
            return self.extend();
        }
        let slot = self.free;
        self.free = *self.get_mut(slot).link();
        slot
    }

    /// Frees a slot.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) {
        self.len -= 1;
        let next = std::mem::replace(&mut self.free, slot);
        *self.get_mut(slot).link() = next;
    }

    /// A slot that was never used.
    #[cold]
    fn extend(&mut self) -> u32 {
        let used = self.slots.len();
        assert!(used < NONE as usize - 1, "fewer than 2^32 records at a time");
        if used == self.slots.capacity() {
            self.slots.reserve_exact(if used < LARGE { used.max(64) } else { used / 16 });
        }
        self.slots.push(T::BLANK);
        used as u32
    }

    /// The record.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u32) -> &T {
        &self.slots[slot as usize]
    }

    /// The record, if the slot was ever used: for numbers of which nobody knows whether they mean a slot.
    #[inline(always)]
    pub(crate) fn guess(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)
    }

    /// The same, to be changed.
    #[inline(always)]
    pub(crate) fn guess_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)
    }

    /// All slots that were ever used, also those that are free.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots)
    }

    /// The record, to be changed.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slots[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, Debug)]
    struct Thing(u32);

    impl Record for Thing {
        const BLANK: Thing = Thing(0);

        fn link(&mut self) -> &mut u32 {
            &mut self.0
        }
    }

    #[test]
    fn what_was_freed_last_is_used_next_and_little_is_spare() {
        let mut pool = Pool::default();
        (0..100_000).for_each(|n| assert_eq!(pool.insert(Thing(n)), n));
        let memory = pool.memory();
        assert!(memory < 4 * 106_300, "{memory} bytes for 100,000 records of four");
        pool.remove(7);
        pool.remove(9);
        assert_eq!((pool.insert(Thing(1)), pool.insert(Thing(2))), (9, 7));
        assert_eq!((pool.len(), pool.slots.len()), (100_000, 100_000));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((any::<bool>(), any::<u32>()), 1..2000)) {
            let mut pool = Pool::default();
            let mut model: BTreeMap<u32, u32> = BTreeMap::new();
            for (add, x) in steps {
                let chosen = model.keys().nth(x as usize % model.len().max(1)).copied();
                match chosen {
                    Some(slot) if !add => { pool.remove(slot); model.remove(&slot); }
                    _ => prop_assert_eq!(model.insert(pool.insert(Thing(x)), x), None),
                }
                prop_assert_eq!(pool.len(), model.len());
            }
            prop_assert!(model.iter().all(|(&slot, &x)| *pool.get(slot) == Thing(x)));
        }
    }
}
