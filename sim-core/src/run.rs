//! The near part of the [agenda](crate::agenda): a few entries, sorted, in a ring.

/// When, and what.
pub(crate) type Entry<E> = (u64, E);

/// Entries in order of time and of posting. Both ends of a ring can grow, so that a new entry, be it due soon or late,
/// moves the fewer of the others.
///
/// Places are numbered by bytes, which go round by themselves and never leave the 256 places. The place before the first
/// entry holds a time that has passed, the place behind the last one the end of time: a search needs no other end.
#[derive(Clone, Debug)]
pub(crate) struct Run<E> {
    times: [u64; PLACES],
    events: [E; PLACES],
    head: u8,
    tail: u8,
}

const PLACES: usize = 1 << u8::BITS;

impl<E: Copy + Default> Run<E> {
    /// No entries.
    pub(crate) fn new() -> Run<E> {
        let mut times = [0; PLACES];
        times[0] = u64::MAX;
        Run { times, events: [E::default(); PLACES], head: 0, tail: 0 }
    }

    /// How many entries there are.
    #[inline]
    pub(crate) fn len(&self) -> u8 {
        self.tail.wrapping_sub(self.head)
    }

    /// The first entry.
    #[inline]
    pub(crate) fn first(&self) -> Option<Entry<E>> {
        (self.head != self.tail).then(|| self.get(0))
    }

    /// The entry with this number, from 0.
    #[inline]
    pub(crate) fn get(&self, n: u8) -> Entry<E> {
        let place = self.head.wrapping_add(n);
        (self.times[usize::from(place)], self.events[usize::from(place)])
    }

    /// Drops the first entry, of which there must be one.
    #[inline]
    pub(crate) fn drop_first(&mut self) {
        self.head = self.head.wrapping_add(1);
    }

    /// Keeps the first `n` entries.
    pub(crate) fn truncate(&mut self, n: u8) {
        self.tail = self.head.wrapping_add(n);
        self.times[usize::from(self.tail)] = u64::MAX;
    }

    /// Inserts an entry behind all that are due at the same time or before.
    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry<E>) {
        let middle = self.head.wrapping_add(self.len() / 2);
        if self.times[usize::from(middle)] <= entry.0 {
            self.insert_from_back(entry);
        } else {
            self.insert_from_front(entry);
        }
    }

    /// The same, looking for the place from the end.
    #[inline]
    pub(crate) fn insert_from_back(&mut self, (at, event): Entry<E>) {
        let mut hole = usize::from(self.tail);
        self.tail = self.tail.wrapping_add(1);
        self.times[usize::from(self.tail)] = u64::MAX;
        loop {
            let earlier = hole.wrapping_sub(1) % PLACES;
            let time = self.times[earlier];
            if time <= at {
                break;
            }
            self.times[hole] = time;
            self.events[hole] = self.events[earlier];
            hole = earlier;
        }
        self.times[hole] = at;
        self.events[hole] = event;
    }

    #[inline]
    fn insert_from_front(&mut self, (at, event): Entry<E>) {
        self.head = self.head.wrapping_sub(1);
        let mut hole = usize::from(self.head);
        self.times[hole.wrapping_sub(1) % PLACES] = 0;
        loop {
            let later = hole.wrapping_add(1) % PLACES;
            let time = self.times[later];
            if time > at {
                break;
            }
            self.times[hole] = time;
            self.events[hole] = self.events[later];
            hole = later;
        }
        self.times[hole] = at;
        self.events[hole] = event;
    }
}
