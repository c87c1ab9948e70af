//! A hash index of slot numbers, in lines of the processor's cache.
//!
//! A line has room for fifteen numbers and counts how many had to go past it to the next. What the number leaves free of
//! its 32 bits shows a part of the key's hash, so that a line seldom sends anybody to a record that is not the one. The
//! keys and their hashes are elsewhere, in the records.

/// Fifteen entries, those in use in front, and how many that belong here or before lie further on.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line([u32; LINE + 1]);

const LINE: usize = 15;
/// The last word counts: in its lowest bits the entries in use, above them who went past.
const COUNTS: usize = LINE;
const USED: u32 = 15;
const ONE_PAST: u32 = 16;
/// The index grows when lines have more entries than this on average.
const FULL: usize = 12;
/// An index of more lines than this, a megabyte, is large.
const LARGE: usize = 1 << 14;

impl Line {
    /// A bit for each place whose word is `word` where `mask` has ones. Without a branch: a few vector instructions.
    #[inline(always)]
    fn places(&self, word: u32, mask: u32) -> u32 {
        let mut places = 0;
        for (at, other) in self.0.iter().enumerate() {
            places |= u32::from((other ^ word) & mask == 0) << at;
        }
        places & ((1 << LINE) - 1)
    }

    /// How many places are in use: these are the first.
    #[inline(always)]
    fn used(&self) -> usize {
        (self.0[COUNTS] & USED) as usize
    }

    /// Has anything that belongs here or before gone past?
    #[inline(always)]
    fn has_past(&self) -> bool {
        self.0[COUNTS] >= ONE_PAST
    }
}

/// From the hash of a key to the number of its record.
#[derive(Debug, Default)]
pub(super) struct Index {
    lines: Vec<Line>,
    len: usize,
    /// Bits of an entry that are the number of the record, plus one; the others are the last bits of the hash.
    slot_bits: u32,
}

impl Index {
    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// Reads from the line of a hash, so that a look-up soon after finds it near.
    pub(super) fn glance(&self, hash: u32) -> u32 {
        self.lines.get(self.home(hash)).map_or(0, |line| line.0[COUNTS])
    }

    /// Finds the record with this hash that `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.lines.is_empty() {
            return None;
        }
        let numbers = (1 << self.slot_bits) - 1;
        let mut at = self.home(hash);
        loop {
            let line = &self.lines[at];
            let mut likely = line.places(hash << self.slot_bits, !numbers);
            while likely != 0 {
                let number = (line.0[likely.trailing_zeros() as usize] & numbers).wrapping_sub(1);
                if number < numbers && is_it(number) {
                    return Some(number);
                }
                likely &= likely - 1;
            }
            if !line.has_past() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Adds a record; `records` tells the hashes and numbers of those that are there.
    #[inline]
    pub(super) fn insert<R: Iterator<Item = (u32, u32)>>(
        &mut self,
        hash: u32,
        slot: u32,
        records: impl FnOnce() -> R,
    ) {
        if self.len >= self.lines.len() * FULL || (slot + 1) >> self.slot_bits != 0 {
            self.grow(slot, records());
        }
        self.len += 1;
        self.enter(hash, slot);
    }

    /// Removes a record that is there.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let entry = self.entry(hash, slot);
        let mut at = self.home(hash);
        loop {
            let line = &mut self.lines[at];
            let place = line.places(entry, u32::MAX);
            if place != 0 {
                let last = line.used() - 1;
                line.0[place.trailing_zeros() as usize] = line.0[last];
                line.0[last] = 0;
                line.0[COUNTS] -= 1;
                break;
            }
            assert!(line.has_past(), "only what is in the index is removed");
            line.0[COUNTS] -= ONE_PAST;
            at = self.after(at);
        }
        self.len -= 1;
    }

    fn enter(&mut self, hash: u32, slot: u32) {
        let entry = self.entry(hash, slot);
        let mut at = self.home(hash);
        loop {
            let line = &mut self.lines[at];
            let used = line.used();
            if used < LINE {
                line.0[used] = entry;
                line.0[COUNTS] += 1;
                return;
            }
            assert!(line.0[COUNTS] < u32::MAX - ONE_PAST, "fewer than 2^28 records go past a line");
            line.0[COUNTS] += ONE_PAST;
            at = self.after(at);
        }
    }

    /// More lines, if they are full, and room for the numbers to come. Growing looks at every record, so small indexes
    /// double; of millions of records the spare room counts, so large ones grow by a quarter. The records come in the
    /// order in which they lie in memory: in the order of the old lines, nearly each would have to be waited for.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, slot: u32, records: impl Iterator<Item = (u32, u32)>) {
        let is_full = self.len >= self.lines.len() * FULL;
        let lines = self.lines.len();
        let more = if lines < LARGE { lines.max(4) } else { lines / 4 };
        self.lines = Vec::new(); // before there are others
        self.lines = vec![Line([0; LINE + 1]); if is_full { lines + more } else { lines }];
        self.slot_bits = (u32::BITS - (slot + 1).leading_zeros()).max(self.slot_bits).max(8);
        records.for_each(|(hash, slot)| self.enter(hash, slot));
    }

    #[inline]
    fn entry(&self, hash: u32, slot: u32) -> u32 {
        hash << self.slot_bits | (slot + 1)
    }

    /// The line where a record belongs: neighbouring hashes have neighbouring places.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.lines.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.lines.len() { 0 } else { at + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The index agrees with a sorted map, whatever comes and goes, and however badly the hashes are spread.
        #[test]
        fn behaves_like_a_map(
            shift in prop::sample::select(vec![0u32, 16, 29]),
            steps in prop::collection::vec((0u32..3000, prop::bool::weighted(0.7)), 1..3000),
        ) {
            let hash = |slot: u32| slot.wrapping_mul(0x9e37_79b9) >> shift << shift;
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for (slot, add) in steps {
                match (add, model.contains_key(&slot)) {
                    (true, false) => {
                        index.insert(hash(slot), slot, || model.keys().map(|slot| (hash(*slot), *slot)));
                        model.insert(slot, ());
                    }
                    (false, true) => { index.remove(hash(slot), slot); model.remove(&slot); }
                    _ => {}
                }
            }
            prop_assert_eq!(index.len, model.len());
            for slot in 0..3000 {
                let found = index.find(hash(slot), |found| found == slot);
                prop_assert_eq!(found, model.contains_key(&slot).then_some(slot));
            }
        }
    }

    #[test]
    fn a_record_takes_about_six_bytes() {
        let hash = |slot: u32| slot.wrapping_mul(0x9e37_79b9);
        let mut index = Index::default();
        (0..1_000_000)
            .for_each(|slot| index.insert(hash(slot), slot, || (0..slot).map(|old| (hash(old), old))));
        let each = index.memory() as f64 / 1e6;
        assert!((5.3..6.8).contains(&each), "{each} bytes a record");
    }
}
