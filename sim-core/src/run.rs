//! The near part of the [agenda](crate::agenda): a few entries, sorted.

/// When, and what.
pub(crate) type Entry<E> = (u64, E);

/// Entries in order of time and of posting, in the midst of more places than they need: both ends can grow, so that a
/// new entry, be it due soon or late, moves the fewer of the others.
///
/// The places in front hold times that have passed, those behind the end of time: a search needs no other end, and the
/// nearest entries are looked at and moved without asking which of them have to be. How many these are is a matter of
/// chance, and a processor that bets on it loses more time than a few moves too many take.
#[derive(Clone, Debug)]
pub(crate) struct Run<E> {
    places: [Entry<E>; PLACES],
    head: u8,
    tail: u8,
}

/// As many as there are bytes, with which they are numbered.
const PLACES: usize = 1 << u8::BITS;
/// Where a run begins: it moves on as entries are dropped.
const START: u8 = 32;
/// So many entries may move without being asked.
const NEAR: usize = 4;

impl<E: Copy + Default> Run<E> {
    /// No entries.
    pub(crate) fn new() -> Run<E> {
        let mut run = Run { places: [(0, E::default()); PLACES], head: START, tail: START };
        run.settle();
        run
    }

    /// How many entries there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.tail.wrapping_sub(self.head))
    }

    /// The first entry.
    #[inline]
    pub(crate) fn first(&self) -> Option<Entry<E>> {
        (self.head != self.tail).then(|| self.places[usize::from(self.head)])
    }

    /// The entry with this number, from 0.
    #[inline]
    pub(crate) fn get(&self, n: usize) -> Entry<E> {
        self.places[usize::from(self.head) + n]
    }

    /// Drops the first entry, of which there must be one.
    #[inline]
    pub(crate) fn drop_first(&mut self) {
        self.head = self.head.wrapping_add(1);
    }

    /// Keeps the first `n` entries.
    pub(crate) fn truncate(&mut self, n: usize) {
        let end = usize::from(self.head) + n;
        self.places[end..usize::from(self.tail)].iter_mut().for_each(|place| place.0 = u64::MAX);
        self.tail = end as u8;
    }

    /// Inserts an entry behind all that are due at the same time or before.
    #[inline(always)] // a part of post
    pub(crate) fn insert(&mut self, entry: Entry<E>) {
        let middle = (usize::from(self.head) + usize::from(self.tail)) / 2;
        if self.places[middle].0 <= entry.0 {
            self.insert_from_back(entry);
        } else {
            self.insert_from_front(entry);
        }
    }

    /// The same, looking for the place from the end.
    #[inline(always)] // a part of post
    pub(crate) fn insert_from_back(&mut self, entry: Entry<E>) {
        let first = usize::from(self.tail).wrapping_sub(NEAR);
        // Behind the new last place there must be another one.
        if first > PLACES - (NEAR + 2) {
            return self.settle_and_insert(entry);
        }
        self.tail = self.tail.wrapping_add(1);
        let near = near(&mut self.places, first);
        let mut later = 0;
        for n in (0..NEAR).rev() {
            let other = near[n];
            let is_later = usize::from(other.0 > entry.0);
            near[n + is_later] = other;
            later += is_later;
        }
        (near[NEAR - later].0, near[NEAR - later].1) = entry; // part by part, without a copy in memory
        if later == NEAR {
            self.move_forward(first);
        }
    }

    #[inline(always)] // a part of post
    fn insert_from_front(&mut self, entry: Entry<E>) {
        let first = usize::from(self.head).wrapping_sub(1);
        if first > PLACES - (NEAR + 1) {
            return self.settle_and_insert(entry);
        }
        self.head = first as u8;
        let near = near(&mut self.places, first);
        let mut later = 0;
        for n in 1..=NEAR {
            let other = near[n];
            let is_later = usize::from(other.0 > entry.0);
            near[n - 1 + is_later] = other;
            later += is_later;
        }
        (near[NEAR - later].0, near[NEAR - later].1) = entry; // part by part, without a copy in memory
        if later == 0 {
            self.move_back(first + NEAR);
        }
    }

    /// The same after the entries have moved to where a run begins.
    #[cold]
    #[inline(never)]
    fn settle_and_insert(&mut self, entry: Entry<E>) {
        self.settle();
        self.insert(entry);
    }

    /// Moves an entry behind all that are due at the same time or before.
    #[inline(never)]
    fn move_back(&mut self, mut place: usize) {
        while self.places[place + 1].0 <= self.places[place].0 {
            self.places.swap(place, place + 1);
            place += 1;
        }
    }

    /// Moves an entry in front of all that are due later.
    #[inline(never)]
    fn move_forward(&mut self, mut place: usize) {
        while self.places[place - 1].0 > self.places[place].0 {
            self.places.swap(place, place - 1);
            place -= 1;
        }
    }

    /// Moves all entries to where a run begins.
    fn settle(&mut self) {
        let len = self.tail - self.head;
        self.places.copy_within(usize::from(self.head)..usize::from(self.tail), usize::from(START));
        (self.head, self.tail) = (START, START + len);
        let (passed, ahead) = self.places.split_at_mut(usize::from(self.head));
        passed.iter_mut().for_each(|place| place.0 = 0);
        ahead[usize::from(len)..].iter_mut().for_each(|place| place.0 = u64::MAX);
    }
}

/// A place and those behind it.
#[inline(always)] // the bounds are known
fn near<E>(places: &mut [Entry<E>; PLACES], first: usize) -> &mut [Entry<E>; NEAR + 1] {
    places[first..].first_chunk_mut().expect("there are places enough behind it")
}
