//! Records in numbered slots, for what comes and goes by the million: sockets, transfers, exchanges, requests.
//!
//! A pool grows by pages that never move, so that growing copies nothing and at most one page is spare. A slot that
//! becomes free is the next to be used, its memory being in the cache; free slots form a list through themselves.

/// Something that lies in a pool.
pub(crate) trait Record: Clone {
    /// What lies in a slot that was never used.
    const BLANK: Self;

    /// Where a free record keeps the number of the next free one. No other record needs this field then.
    fn link(&mut self) -> &mut u32;
}

/// Records of a page.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 9;
/// The end of the list of free slots; also for whoever keeps the number of a slot, or none.
pub(crate) const NONE: u32 = u32::MAX;

/// Records in numbered slots.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    pages: Vec<Box<[T; PAGE]>>,
    /// Slots that were ever used: all before this number.
    used: u32,
    /// The slot that was freed last.
    free: u32,
    len: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool { pages: Vec::new(), used: 0, free: NONE, len: 0 }
    }
}

impl<T: Record> Pool<T> {
    /// Records in use.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Slots that were ever used: their numbers are below this.
    #[inline]
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.pages.len() * size_of::<[T; PAGE]>() + self.pages.capacity() * size_of::<Box<[T; PAGE]>>()
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
        let slot = self.used;
        assert!(slot < NONE - 1, "fewer than 2^32 records at a time");
        if slot as usize >> PAGE_BITS == self.pages.len() {
            let page = vec![T::BLANK; PAGE].into_boxed_slice().try_into();
            self.pages.push(page.unwrap_or_else(|_| unreachable!("it has the length of a page")));
        }
        self.used += 1;
        slot
    }

    /// The record.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u32) -> &T {
        &self.pages[slot as usize >> PAGE_BITS][slot as usize % PAGE]
    }

    /// The record, to be changed.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.pages[slot as usize >> PAGE_BITS][slot as usize % PAGE]
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
    fn what_was_freed_last_is_used_next_and_records_stay_where_they_are() {
        let mut pool = Pool::default();
        let slots: Vec<u32> = (0..5000).map(|n| pool.insert(Thing(n))).collect();
        let memory = pool.memory();
        assert!(memory < 4 * (5000 + PAGE) + 1000, "{memory} bytes for 5000 records of four");
        let first: *const Thing = pool.get(slots[0]);
        (0..100_000).for_each(|n| assert_eq!(pool.insert(Thing(n)), 5000 + n));
        assert_eq!(first, std::ptr::from_ref(pool.get(slots[0])));
        pool.remove(slots[7]);
        pool.remove(slots[9]);
        assert_eq!((pool.insert(Thing(1)), pool.insert(Thing(2))), (slots[9], slots[7]));
        assert_eq!((pool.len(), pool.used()), (105_000, 105_000));
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
