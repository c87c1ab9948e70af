//! The far part of the [agenda](crate::agenda): entries in slots by the digits of their time, unsorted.

use crate::run::{Entry, Run};

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

/// A slot: its level, and its digit there.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    level: u32,
    digit: u32,
    /// How many entries it holds.
    pub(crate) len: usize,
}

impl Slot {
    /// Does the slot cover one instant only?
    pub(crate) fn is_instant(self) -> bool {
        self.level == 0
    }
}

impl<E: Copy + Default> Slots<E> {
    pub(crate) fn new() -> Slots<E> {
        Slots {
            base: 0,
            levels: 0,
            occupied: [0; LEVELS],
            slots: [[List::EMPTY; RADIX]; LEVELS],
            pool: Pool::new(),
        }
    }

    /// Adds an entry, which is not before the base.
    #[inline]
    pub(crate) fn file(&mut self, at: u64, event: E) {
        let level = highest_digit(at ^ self.base);
        let digit = digit(at, level);
        self.levels |= 1 << level;
        self.occupied[level as usize] |= 1 << digit;
        self.pool.push(&mut self.slots[level as usize][digit as usize], (at, event));
    }

    /// The time of the earliest entry.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.first().map(|slot| self.list(slot).earliest)
    }

    /// The slot that holds the earliest entry.
    #[inline]
    pub(crate) fn first(&self) -> Option<Slot> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros();
        Some(self.slot(level, self.occupied[level as usize].trailing_zeros()))
    }

    /// Moves the base to the start of the first slot, and deals the entries of that slot to the levels below. If all are
    /// due at the same instant, as kernel timers are by the hundreds, they need no dealing.
    pub(crate) fn divide(&mut self, slot: Slot) {
        let list = *self.list(slot);
        if list.earliest < list.latest {
            self.base = self.start(slot);
            return self.deal(slot);
        }
        self.base = list.earliest;
        self.forget(slot);
        let digit = digit(self.base, 0);
        self.levels |= 1;
        self.occupied[0] |= 1 << digit;
        self.slots[0][digit as usize] = list;
    }

    /// Takes the entries of a slot, in order of posting; of an instant with more than `enough` the first ones only.
    pub(crate) fn take(&mut self, slot: Slot, enough: usize, run: &mut Run<E>) {
        let list = &mut self.slots[slot.level as usize][slot.digit as usize];
        let mut taken = 0;
        while list.len > 0 && taken < enough {
            let n = CHUNK.min(list.len as usize);
            self.pool.entries(list.first)[..n].iter().for_each(|&entry| run.insert_from_back(entry));
            list.first = self.pool.release(list.first);
            list.len -= n as u32;
            taken += n;
        }
        if list.len == 0 {
            self.forget(slot);
        }
    }

    /// Moves the base on to `now`, which is not after any entry.
    pub(crate) fn advance(&mut self, now: u64) {
        let level = highest_digit(now ^ self.base);
        self.base = now;
        self.deal(self.slot(level, digit(now, level)));
    }

    /// Moves the base to the start of a slot.
    pub(crate) fn advance_to(&mut self, slot: Slot) {
        self.base = self.start(slot);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().map(|list| list.len as usize).sum()
    }

    /// Files the entries of a slot again, now that the base has reached it.
    fn deal(&mut self, slot: Slot) {
        let list = *self.list(slot);
        self.forget(slot);
        let (mut chunk, mut left) = (list.first, list.len as usize);
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

    /// Makes a slot an empty one.
    fn forget(&mut self, slot: Slot) {
        let level = slot.level as usize;
        self.slots[level][slot.digit as usize] = List::EMPTY;
        self.occupied[level] &= !(1 << slot.digit);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    fn slot(&self, level: u32, digit: u32) -> Slot {
        let list = &self.slots[level as usize][digit as usize];
        Slot { level, digit, len: list.len as usize }
    }

    fn list(&self, slot: Slot) -> &List {
        &self.slots[slot.level as usize][slot.digit as usize]
    }

    /// The first instant of a slot with entries.
    fn start(&self, slot: Slot) -> u64 {
        self.list(slot).earliest >> (slot.level * DIGIT) << (slot.level * DIGIT)
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

/// The digit of `at` at `level`.
#[inline]
fn digit(at: u64, level: u32) -> u32 {
    (at >> (level * DIGIT)) as u32 % RADIX as u32
}

/// The entries of one slot: a list of chunks in the pool, all full but the last.
#[derive(Clone, Copy, Debug)]
struct List {
    earliest: u64,
    latest: u64,
    first: u32,
    last: u32,
    len: u32,
}

impl List {
    const EMPTY: List = List { earliest: u64::MAX, latest: 0, first: 0, last: 0, len: 0 };

    /// One entry more.
    #[inline]
    fn note(&mut self, at: u64) {
        self.len += 1;
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
    }
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

impl<E: Copy + Default> Pool<E> {
    fn new() -> Pool<E> {
        Pool { entries: Vec::new(), next: Vec::new(), free: NO_CHUNK }
    }

    #[inline]
    fn push(&mut self, list: &mut List, entry: Entry<E>) {
        let place = list.len as usize % CHUNK;
        if place == 0 {
            return self.push_into_new_chunk(list, entry);
        }
        self.entries[list.last as usize * CHUNK + place] = entry;
        list.note(entry.0);
    }

    #[inline(never)] // the other way stays short
    fn push_into_new_chunk(&mut self, list: &mut List, entry: Entry<E>) {
        let chunk = self.take();
        match list.len {
            0 => list.first = chunk,
            _ => self.next[list.last as usize] = chunk,
        }
        list.last = chunk;
        self.entries[chunk as usize * CHUNK] = entry;
        list.note(entry.0);
    }

    /// A free chunk, or a new one.
    fn take(&mut self) -> u32 {
        let chunk = self.free;
        if chunk != NO_CHUNK {
            self.free = self.next[chunk as usize];
            return chunk;
        }
        self.entries.resize(self.entries.len() + CHUNK, (0, E::default()));
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
