//! The hash index of the connection table: from the hash of a key to the slot of its newest entry.
//!
//! Eight cells make a bucket, and a bucket is a cache line. A cell holds the whole hash, one byte of it (the tag) side by
//! side with those of the other cells: a look-up compares eight tags at once, reads one line here and then the very entry
//! it wants. What does not fit into its bucket lies in the next one; a bucket with a free cell ends the search. A large
//! index grows by a quarter, and a hash keeps its relative place: growing reads and writes in order.

/// An index from 24-bit hashes to 32-bit values.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    len: usize,
}

/// Cells of a bucket.
const CELLS: usize = 8;

/// The taken cells come first.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// The lowest byte of each hash; the first cell's is the lowest byte.
    tags: u64,
    /// The two other bytes.
    rests: [u16; CELLS],
    values: [u32; CELLS],
    /// Cells taken.
    len: u32,
}

/// The value of a free cell.
const FREE: u32 = u32::MAX;

/// How full the index may be, in cells of a hundred.
const FULL: usize = 55;

/// Buckets of an empty index.
const FEWEST: usize = 8;

/// An index of so many buckets, a megabyte, is large: it no longer doubles.
const LARGE: usize = 1 << 14;

/// Bits of a hash; there may be more in the number, and they are ignored.
const HASH_BITS: u32 = 24;

/// The lowest and the highest bit of every byte.
const LOWEST: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// The place of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    bucket: usize,
    cell: usize,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { tags: 0, rests: [0; CELLS], values: [FREE; CELLS], len: 0 };

    #[inline]
    fn is_full(&self) -> bool {
        self.len as usize == CELLS
    }

    /// The highest bit of the byte of each cell with this tag. Bytes above such a one may be marked without reason.
    #[inline]
    fn tagged(&self, tag: u8) -> u64 {
        let differences = self.tags ^ (u64::from(tag) * LOWEST);
        differences.wrapping_sub(LOWEST) & !differences & HIGHEST
    }

    fn hash(&self, cell: usize) -> u32 {
        u32::from(self.rests[cell]) << 8 | (self.tags >> (8 * cell)) as u32 & 0xff
    }

    fn set(&mut self, cell: usize, hash: u32, value: u32) {
        let shift = 8 * cell;
        self.tags = self.tags & !(0xff << shift) | u64::from(hash as u8) << shift;
        self.rests[cell] = (hash >> 8) as u16;
        self.values[cell] = value;
    }

    /// Takes the first free cell.
    fn push(&mut self, hash: u32, value: u32) {
        self.set(self.len as usize, hash, value);
        self.len += 1;
    }

    /// Frees a cell: the last one takes its place.
    fn remove(&mut self, cell: usize) {
        let last = self.len as usize - 1;
        self.set(cell, self.hash(last), self.values[last]);
        self.values[last] = FREE;
        self.len -= 1;
    }
}

impl Index {
    pub(super) fn new() -> Index {
        Index { buckets: vec![Bucket::EMPTY; FEWEST], len: 0 }
    }

    /// How many values it holds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first value under this hash in its own bucket: mostly the one that is wanted, for little.
    #[inline(always)] // once a packet
    pub(super) fn likely(&self, hash: u32) -> Option<u32> {
        let bucket = &self.buckets[self.home(hash)];
        let tagged = bucket.tagged(hash as u8);
        let cell = tagged.trailing_zeros() as usize / 8 % CELLS;
        let (rest, value) = (bucket.rests[cell], bucket.values[cell]);
        (tagged != 0 && rest == (hash >> 8) as u16 && value != FREE).then_some(value)
    }

    /// Reads from the bucket of a hash, so that a look-up soon after finds it near.
    pub(super) fn glance(&self, hash: u32) -> u64 {
        self.buckets[self.home(hash)].tags
    }

    /// The value under this hash that `is_wanted`, and its place.
    pub(super) fn find(&self, hash: u32, mut is_wanted: impl FnMut(u32) -> bool) -> Option<(Place, u32)> {
        let mut bucket = self.home(hash);
        let rest = (hash >> 8) as u16;
        loop {
            let cells = &self.buckets[bucket];
            let mut tagged = cells.tagged(hash as u8);
            while tagged != 0 {
                let cell = tagged.trailing_zeros() as usize / 8;
                let value = cells.values[cell];
                if cells.rests[cell] == rest && value != FREE && is_wanted(value) {
                    return Some((Place { bucket, cell }, value));
                }
                tagged &= tagged - 1;
            }
            if !cells.is_full() {
                return None;
            }
            bucket = self.after(bucket);
        }
    }

    /// Adds a value.
    pub(super) fn insert(&mut self, hash: u32, value: u32) {
        if self.len * 100 >= self.buckets.len() * CELLS * FULL {
            self.grow();
        }
        self.len += 1;
        self.enter(hash, value);
    }

    /// Puts another value into a place.
    pub(super) fn replace(&mut self, place: Place, value: u32) {
        self.buckets[place.bucket].values[place.cell] = value;
    }

    /// Frees a place. What lies behind it because its own bucket was full moves up.
    pub(super) fn remove(&mut self, place: Place) {
        self.len -= 1;
        let mut gap = self.take_out(place);
        let mut from = gap.map_or(place.bucket, |bucket| self.after(bucket));
        while let Some(bucket) = gap {
            let was_full = self.buckets[from].is_full();
            let moves = |&cell: &usize| self.reaches(self.buckets[from].hash(cell), bucket, from);
            match (0..self.buckets[from].len as usize).find(moves) {
                Some(cell) => {
                    let (hash, value) = (self.buckets[from].hash(cell), self.buckets[from].values[cell]);
                    self.buckets[bucket].push(hash, value);
                    gap = self.take_out(Place { bucket: from, cell });
                }
                None if !was_full => gap = None,
                None => {}
            }
            from = self.after(from);
        }
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// The bucket where a hash belongs.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let hash = u64::from(hash % (1 << HASH_BITS));
        ((hash * self.buckets.len() as u64) >> HASH_BITS) as usize
    }

    #[inline]
    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    /// Could this hash, which lies in bucket `from`, lie in the earlier bucket `to`?
    fn reaches(&self, hash: u32, to: usize, from: usize) -> bool {
        let n = self.buckets.len();
        let distance = |bucket: usize| (from + n - bucket) % n;
        distance(self.home(hash)) >= distance(to)
    }

    /// Takes a cell out of its bucket; returns the bucket if it was full.
    fn take_out(&mut self, place: Place) -> Option<usize> {
        let bucket = &mut self.buckets[place.bucket];
        let was_full = bucket.is_full();
        bucket.remove(place.cell);
        was_full.then_some(place.bucket)
    }

    fn enter(&mut self, hash: u32, value: u32) {
        let mut at = self.home(hash);
        while self.buckets[at].is_full() {
            at = self.after(at);
        }
        self.buckets[at].push(hash, value);
    }

    fn grow(&mut self) {
        let n = self.buckets.len();
        let larger = vec![Bucket::EMPTY; if n < LARGE { 2 * n } else { n + n / 4 }];
        for bucket in std::mem::replace(&mut self.buckets, larger) {
            for cell in 0..bucket.len as usize {
                self.enter(bucket.hash(cell), bucket.values[cell]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few hashes, so that many are equal, in buckets at both ends, so that many lie far behind their own.
    fn hash(key: u32) -> u32 {
        key.wrapping_mul(0x8001).wrapping_sub(0x0a_0000) % (1 << HASH_BITS)
    }

    proptest! {
        /// The index against a list.
        #[test]
        fn finds_what_is_there_whatever_came_and_went(
            steps in prop::collection::vec((0u32..40, any::<bool>()), 0..3000),
        ) {
            let mut index = Index::new();
            let mut list: Vec<(u32, u32)> = Vec::new();
            for (value, (key, add)) in (0u32..).zip(steps) {
                if add {
                    index.insert(hash(key), value);
                    list.push((key, value));
                } else if let Some(at) = list.iter().position(|(other, _)| *other == key) {
                    let (key, value) = list.swap_remove(at);
                    let (place, _) = index.find(hash(key), |found| found == value).unwrap();
                    index.remove(place);
                }
                prop_assert_eq!(index.len(), list.len());
                for (key, value) in list.iter().rev().take(8) {
                    prop_assert!(index.find(hash(*key), |found| found == *value).is_some());
                }
            }
            for (key, value) in &list {
                prop_assert!(index.find(hash(*key), |found| found == *value).is_some());
            }
            let mut all = 0;
            for key in 0..40 {
                index.find(hash(key), |_| {
                    all += 1;
                    false
                });
            }
            prop_assert_eq!(all, list.len());
        }
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }
}
