//! The far part of the [agenda](crate::agenda): entries in slots by the digits of their time, unsorted.

/// When, and what.
pub(crate) type Entry<E> = (u64, E);

/// Entries at or after the horizon, by the highest digit of their time that differs from the base.
#[derive(Clone, Debug)]
pub(crate) struct Slots<E> {
    /// The start of the slot that holds the present and ends at the horizon: so every time to be filed differs from
    /// it in the digit of that slot, or above.
    base: u64,
    /// Bit `level` is set if that level has an entry.
    levels: u16,
    /// Bit `digit` of a level is set if that slot has an entry.
    occupied: [u32; LEVELS],
    slots: [[List; RADIX]; LEVELS],
    pool: Pool<E>,
}

/// Bits of a digit.
const DIGIT: u32 = 5;
/// Slots of a level.
const RADIX: usize = 1 << DIGIT;
/// Digits of a time.
const LEVELS: usize = u64::BITS.div_ceil(DIGIT) as usize;

/// A slot that was taken out: its entries are still to be fetched.
#[derive(Clone, Copy)]
pub(crate) struct Opened {
    first: u32,
    len: usize,
    /// Its first instant: the base.
    pub(crate) start: u64,
    /// How many nanoseconds it covers.
    pub(crate) width: u64,
}

impl Opened {
    /// How many entries it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first instant after it.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.width)
    }
}

impl<E: Copy> Slots<E> {
    pub(crate) fn new() -> Slots<E> {
        Slots {
            base: 0,
            levels: 0,
            occupied: [0; LEVELS],
            slots: [[List::EMPTY; RADIX]; LEVELS],
            pool: Pool::new(),
        }
    }

    #[inline]
    pub(crate) fn file(&mut self, at: u64, event: E) {
        let level = highest_digit(at ^ self.base);
        let digit = (at >> (level * DIGIT)) as usize % RADIX;
        self.levels |= 1 << level;
        self.occupied[level as usize] |= 1 << digit;
        self.pool.push(&mut self.slots[level as usize][digit], (at, event));
    }

    /// The time of the earliest entry.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<u64> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some(self.slots[level][self.occupied[level].trailing_zeros() as usize].earliest)
    }

    /// Takes the first slot out and makes its start the base; none if all are empty.
    pub(crate) fn open_next(&mut self) -> Option<Opened> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        let occupied = &mut self.occupied[level as usize];
        let digit = occupied.trailing_zeros();
        *occupied &= *occupied - 1;
        if *occupied == 0 {
            self.levels &= self.levels - 1;
        }
        let list = std::mem::replace(&mut self.slots[level as usize][digit as usize], List::EMPTY);
        self.base = slot_start(list.earliest, level);
        let width = 1 << (level * DIGIT);
        Some(Opened { first: list.first, len: list.len as usize, start: self.base, width })
    }

    /// Appends the entries of a slot to `run`, in order of posting.
    pub(crate) fn empty_into(&mut self, slot: Opened, run: &mut Vec<Entry<E>>) {
        let (mut chunk, mut left) = (slot.first, slot.len);
        while left > 0 {
            let n = left.min(CHUNK);
            run.extend_from_slice(&self.pool.entries(chunk)[..n]);
            left -= n;
            chunk = self.pool.release(chunk);
        }
    }

    /// Files the entries of a slot again, now that the base has reached it.
    pub(crate) fn deal(&mut self, slot: Opened) {
        let (mut chunk, mut left) = (slot.first, slot.len);
        while left > 0 {
            let n = left.min(CHUNK);
            for i in 0..n {
                let (at, event) = self.pool.entries(chunk)[i];
                self.file(at, event);
            }
            left -= n;
            chunk = self.pool.release(chunk);
        }
    }

    /// Makes the base the start of the widest slot that holds `now` but not `last`; returns the end of that slot.
    pub(crate) fn narrow(&mut self, now: u64, last: u64) -> u64 {
        let level = highest_digit(now ^ last);
        self.base = slot_start(now, level);
        self.base.saturating_add(1 << (level * DIGIT))
    }

    /// For how many entries there is memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.pool.entries.capacity()
    }
}

/// The place of the highest digit that is not zero, 0 if there is none.
#[inline]
fn highest_digit(difference: u64) -> u32 {
    (difference | 1).ilog2() / DIGIT
}

/// The start of the slot of `level` that holds `at`.
fn slot_start(at: u64, level: u32) -> u64 {
    at >> (level * DIGIT) << (level * DIGIT)
}

/// The entries of one slot: a list of chunks in the pool, all full but the last.
#[derive(Clone, Copy, Debug)]
struct List {
    earliest: u64,
    first: u32,
    last: u32,
    len: u32,
}

impl List {
    const EMPTY: List = List { earliest: u64::MAX, first: 0, last: 0, len: 0 };
}

/// Entries of a chunk.
const CHUNK: usize = 16;

/// All chunks; those that are free form a list, last freed first.
#[derive(Clone, Debug)]
struct Pool<E> {
    /// Chunk `c` is `entries[c * CHUNK..][..CHUNK]`.
    entries: Vec<Entry<E>>,
    /// The chunk that follows in its list.
    next: Vec<u32>,
    free: u32,
}

/// The end of the list of free chunks.
const NO_CHUNK: u32 = u32::MAX;

impl<E: Copy> Pool<E> {
    fn new() -> Pool<E> {
        Pool { entries: Vec::new(), next: Vec::new(), free: NO_CHUNK }
    }

    #[inline]
    fn push(&mut self, list: &mut List, entry: Entry<E>) {
        let place = list.len as usize % CHUNK;
        if place == 0 {
            let chunk = self.take(entry);
            match list.len {
                0 => list.first = chunk,
                _ => self.next[list.last as usize] = chunk,
            }
            list.last = chunk;
        }
        self.entries[list.last as usize * CHUNK + place] = entry;
        list.len += 1;
        list.earliest = list.earliest.min(entry.0);
    }

    /// A free chunk; a new one is filled with copies of `entry`, as there is no other value of that type.
    #[inline]
    fn take(&mut self, entry: Entry<E>) -> u32 {
        let chunk = self.free;
        if chunk != NO_CHUNK {
            self.free = self.next[chunk as usize];
            return chunk;
        }
        self.entries.resize(self.entries.len() + CHUNK, entry);
        self.next.push(NO_CHUNK);
        self.next.len() as u32 - 1
    }

    fn entries(&self, chunk: u32) -> &[Entry<E>] {
        &self.entries[chunk as usize * CHUNK..][..CHUNK]
    }

    /// Frees a chunk; returns the one that followed it.
    fn release(&mut self, chunk: u32) -> u32 {
        std::mem::replace(&mut self.next[chunk as usize], std::mem::replace(&mut self.free, chunk))
    }
}
