//! The hash index of the connection table: open addressing, eight bytes a cell, at most half full.
//!
//! A cell holds the whole hash, so a look-up reads one cache line here and then the very entry it wants. Of entries
//! with equal hashes the newer stands first: insertion pushes the older ones along, removal closes the gap in order.

/// An index from 32-bit hashes to 32-bit values.
#[derive(Debug)]
pub(super) struct Index {
    /// A power of two of them.
    cells: Vec<Cell>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    hash: u32,
    value: u32,
}

const EMPTY: u32 = u32::MAX;

impl Index {
    pub(super) fn new() -> Index {
        Index { cells: vec![Cell { hash: 0, value: EMPTY }; 4096], len: 0 }
    }

    /// How many values it holds.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The newest value under this hash that `matches`.
    #[inline]
    pub(super) fn find(&self, hash: u32, matches: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.cells.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let cell = self.cells[at & mask];
            if cell.value == EMPTY {
                return None;
            }
            if cell.hash == hash && matches(cell.value) {
                return Some(cell.value);
            }
            at += 1;
        }
    }

    /// Adds a value in front of those with the same hash.
    pub(super) fn insert(&mut self, hash: u32, value: u32) {
        if 2 * self.len >= self.cells.len() {
            self.grow();
        }
        self.len += 1;
        let mask = self.cells.len() - 1;
        let (mut at, mut carried) = (hash as usize & mask, value);
        loop {
            let cell = &mut self.cells[at & mask];
            if cell.value == EMPTY {
                *cell = Cell { hash, value: carried };
                return;
            }
            if cell.hash == hash {
                std::mem::swap(&mut cell.value, &mut carried);
            }
            at += 1;
        }
    }

    /// Removes a value, which must be there.
    pub(super) fn remove(&mut self, hash: u32, value: u32) {
        let mask = self.cells.len() - 1;
        let mut gap = hash as usize & mask;
        while self.cells[gap].value != value {
            assert!(self.cells[gap].value != EMPTY, "only what is in the table is removed from it");
            gap = (gap + 1) & mask;
        }
        let mut next = gap;
        loop {
            next = (next + 1) & mask;
            let cell = self.cells[next];
            if cell.value == EMPTY {
                break;
            }
            // A cell may move back into the gap if its home is not after it.
            let from_home = next.wrapping_sub(cell.hash as usize) & mask;
            if from_home >= (next.wrapping_sub(gap) & mask) {
                self.cells[gap] = cell;
                gap = next;
            }
        }
        self.cells[gap].value = EMPTY;
        self.len -= 1;
    }

    /// How many cells there are.
    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The value of the cell that `random` chooses, if it holds one.
    pub(super) fn cell(&self, random: u64) -> Option<u32> {
        let cell = self.cells[random as usize & (self.cells.len() - 1)];
        (cell.value != EMPTY).then_some(cell.value)
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// Doubles the cells. Runs backwards from an empty cell, so that what stood first is inserted last.
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.cells);
        self.cells = vec![Cell { hash: 0, value: EMPTY }; 2 * old.len()];
        self.len = 0;
        let start = old.iter().position(|cell| cell.value == EMPTY).unwrap_or(0);
        let (before, after) = old.split_at(start);
        for cell in before.iter().rev().chain(after.iter().rev()).filter(|cell| cell.value != EMPTY) {
            self.insert(cell.hash, cell.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The index against a list that is searched from its newest end. Few hashes, so that many are equal.
        #[test]
        fn finds_the_newest_whatever_came_and_went(steps in prop::collection::vec((0u32..40, any::<bool>()), 0..6000)) {
            let mut index = Index::new();
            let mut list: Vec<(u32, u32)> = Vec::new();
            for (value, (key, add)) in (0u32..).zip(steps) {
                // Homes at both ends of the cells, so that runs wrap around.
                let hash = key.wrapping_mul(3).wrapping_sub(60);
                if add {
                    index.insert(hash, value);
                    list.push((hash, value));
                } else if let Some(at) = list.iter().position(|(h, _)| *h == hash) {
                    let (hash, value) = list.remove(at);
                    index.remove(hash, value);
                }
                let newest = list.iter().rev().find(|(h, _)| *h == hash).map(|(_, value)| *value);
                prop_assert_eq!(index.find(hash, |_| true), newest);
                let oldest = list.iter().find(|(h, _)| *h == hash).map(|(_, value)| *value);
                prop_assert_eq!(index.find(hash, |value| Some(value) == oldest), oldest);
            }
            prop_assert_eq!(index.len(), list.len());
        }
    }
}
