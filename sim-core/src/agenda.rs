//! The agenda: everything that will happen, in order of time, and in order of posting where times are equal.
//!
//! A network simulator keeps a few dozen deliveries some microseconds ahead, which turn over with every hop, and
//! perhaps a million timers seconds to minutes ahead, which hardly move. One structure serves both:
//!
//! - the **run** holds all entries before a **horizon**, sorted. `pop` takes its head; `post` inserts from its tail,
//!   because what is posted last is mostly due last. It stays short: at most 64 entries, unless all are due at the
//!   same nanosecond.
//! - everything else lies unsorted in **slots** (`slots.rs`). Write times as 13 digits of 5 bits. An entry lies at
//!   the level of the highest digit in which it differs from the **base** (an instant not later than the horizon),
//!   in the slot of that digit: level 0 has slots of 1 ns, level 4 of 1 ms, level 7 of 34 s. The lowest slot of the
//!   lowest level holds the next entries, two bit scans away.
//!
//! When the run is used up, the next slot becomes the base. Are there at most 32 entries in it, they are sorted and
//! are the new run, and the horizon is the end of the slot; otherwise they are dealt to the slots of the levels
//! below, which are empty, and the search starts again. So slots are as wide as the density of entries asks, without
//! a setting: 20 frames in flight are sorted 30 µs at a time, and a timer in ten minutes is touched six times.
//! When posting makes the run too long its later part goes back to slots. This is a radix heap (Ahuja, Mehlhorn,
//! Orlin and Tarjan, 1990) that stops dividing as soon as sorting is cheaper. Nothing needs a sequence number:
//! slots keep the order of posting and sorting is stable. Slots are lists of chunks of one pool, so that memory is
//! that of the entries and, after the pool has reached its size, nothing is allocated.
//!
//! The alternatives, in million holds (take the earliest, post it again later) per CPU second, best of five runs on
//! one core of a busy AMD EPYC of the Zen 5 generation (`cargo bench -p sim-core --bench agenda` measures them again):
//!
//! | pending                | 20  | 100 | 2000 | 10⁴ | 10⁶ | 100 and 10⁶ timers | 20, fixed delays |
//! |------------------------|----:|----:|-----:|----:|----:|-------------------:|-----------------:|
//! | `BinaryHeap`           |  43 |  28 |   23 |  17 |   1 |                 10 |               56 |
//! | 4-ary heap of `u128`   |  39 |  25 |   15 |  13 |   4 |                 20 |               51 |
//! | radix heap, bit by bit |  44 |  40 |   36 |  33 |  21 |                 40 |               46 |
//! | one sorted ring        |  72 |  15 |    1 |   – |   – |                  – |              330 |
//! | this, 6-bit digits     | 125 |  42 |   48 |  33 |  22 |                 42 |              330 |
//! | this, 5-bit digits     | 143 |  60 |   50 |  44 |  23 |                 56 |              330 |
//! | this, 4-bit digits     | 143 |  48 |   41 |  36 |  19 |                 48 |              350 |

use crate::Time;
use crate::slots::{Entry, Slots};

/// Future events of type `E`, which is a small plain value: an entry is its time and at most eight bytes.
///
/// ```
/// use sim_core::{Agenda, Time};
/// let mut agenda = Agenda::new();
/// agenda.post(Time::from_nanos(20), 'b');
/// agenda.post(Time::from_nanos(10), 'a');
/// agenda.post(Time::from_nanos(20), 'c');
/// assert_eq!(agenda.peek(), Some(Time::from_nanos(10)));
/// let order: String = std::iter::from_fn(|| agenda.pop()).map(|(_, event)| event).collect();
/// assert_eq!(order, "abc");
/// ```
#[derive(Clone, Debug)]
pub struct Agenda<E> {
    /// All entries before `horizon`, sorted; those before `head` are done.
    run: Vec<Entry<E>>,
    head: usize,
    /// Entries from here on lie in `slots`.
    horizon: u64,
    slots: Slots<E>,
    now: u64,
    len: usize,
}

/// A slot of no more entries than this is sorted, not divided.
const SORTED_AT_ONCE: usize = 32;
/// A run of more entries than this gives its later part back.
const LONGEST_RUN: usize = 2 * SORTED_AT_ONCE;

impl<E: Copy> Agenda<E> {
    /// An agenda with nothing on it, at time zero.
    pub fn new() -> Agenda<E> {
        const { assert!(size_of::<E>() <= 8 && size_of::<Entry<E>>() <= 16, "an event is at most eight bytes") };
        Agenda {
            run: Vec::with_capacity(4 * LONGEST_RUN),
            head: 0,
            horizon: 0,
            slots: Slots::new(),
            now: 0,
            len: 0,
        }
    }

    /// The time of the last entry taken: nothing can be posted before it.
    #[inline]
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// How many entries are pending.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts `event` on the agenda, after everything that is already due `at` the same time.
    ///
    /// # Panics
    /// If `at` is before [`now`](Agenda::now): the past does not change.
    #[inline]
    pub fn post(&mut self, at: Time, event: E) {
        let at = at.as_nanos();
        assert!(at >= self.now, "an event was posted {} ns in the past", self.now - at);
        self.len += 1;
        if at >= self.horizon {
            self.slots.file(at, event);
            return;
        }
        if self.run.len() == self.run.capacity() {
            self.forget_done();
        }
        insert_from_tail(&mut self.run, self.head, (at, event));
        if self.run.len() - self.head > LONGEST_RUN {
            self.shorten_run();
        }
    }

    /// When the next entry is due.
    #[inline]
    pub fn peek(&self) -> Option<Time> {
        let next = match self.run.get(self.head) {
            Some(&(at, _)) => Some(at),
            None => self.slots.earliest(),
        };
        next.map(Time::from_nanos)
    }

    /// Takes the next entry and moves [`now`](Agenda::now) to its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        if self.head == self.run.len() && !self.next_run() {
            return None;
        }
        let (at, event) = self.run[self.head];
        self.head += 1;
        self.len -= 1;
        self.now = at;
        Some((Time::from_nanos(at), event))
    }

    /// Makes room at the end of the run if at least half of it is done.
    #[cold]
    fn forget_done(&mut self) {
        if self.head >= self.run.len() / 2 {
            self.run.drain(..self.head);
            self.head = 0;
        }
    }

    /// Fills the used-up run from the slots; false if they are empty.
    fn next_run(&mut self) -> bool {
        self.run.clear();
        self.head = 0;
        while let Some(slot) = self.slots.open_next() {
            if slot.len() <= SORTED_AT_ONCE || slot.width == 1 {
                self.horizon = slot.end();
                self.slots.empty_into(slot, &mut self.run);
                if slot.width > 1 {
                    sort(&mut self.run);
                }
                return true;
            }
            // From here to the end of the slot nothing is sorted yet.
            self.horizon = slot.start;
            self.slots.deal(slot);
        }
        false
    }

    /// Gives the later part of a run that has grown too long back to the slots.
    #[cold]
    fn shorten_run(&mut self) {
        while self.run.len() - self.head > SORTED_AT_ONCE {
            let last = self.run[self.run.len() - 1].0;
            if last == self.now {
                return;
            }
            self.horizon = self.slots.narrow(self.now, last);
            let keep = self.run.partition_point(|&(at, _)| at < self.horizon);
            for &(at, event) in &self.run[keep..] {
                self.slots.file(at, event);
            }
            self.run.truncate(keep);
        }
    }
}

impl<E: Copy> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda::new()
    }
}

/// Inserts an entry into a sorted list, after its equals; looks from the end, and not before `start`.
#[inline]
fn insert_from_tail<E: Copy>(run: &mut Vec<Entry<E>>, start: usize, entry: Entry<E>) {
    run.push(entry);
    let mut pending = run[start..].iter_mut().rev();
    let mut hole = pending.next().expect("one was just pushed");
    for earlier in pending {
        if earlier.0 <= entry.0 {
            break;
        }
        *hole = *earlier;
        hole = earlier;
    }
    *hole = entry;
}

/// Insertion sort: stable, and the fastest for a few entries.
fn sort<E: Copy>(run: &mut [Entry<E>]) {
    for end in 1..run.len() {
        let entry = run[end];
        let mut i = end;
        while i > 0 && run[i - 1].0 > entry.0 {
            run[i] = run[i - 1];
            i -= 1;
        }
        run[i] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(ns: u64) -> Time {
        Time::from_nanos(ns)
    }

    #[test]
    fn equal_times_come_out_in_order_of_posting() {
        // Enough to divide slots down to a single nanosecond, posted both before and after they are in the run.
        let mut agenda = Agenda::new();
        for i in 0..500u32 {
            agenda.post(at(7_000_000), i);
        }
        agenda.post(at(1), 1000);
        assert_eq!(agenda.pop(), Some((at(1), 1000)));
        for i in 500..1000 {
            agenda.post(at(7_000_000), i);
        }
        for i in 0..1000 {
            assert_eq!(agenda.pop(), Some((at(7_000_000), i)));
            agenda.post(at(7_000_000), 1000 + i);
        }
        assert_eq!(agenda.len(), 1000);
    }

    #[test]
    fn an_entry_may_be_due_now_or_at_the_end_of_time() {
        let mut agenda = Agenda::new();
        agenda.post(Time::NEVER, 3u8);
        agenda.post(at(5), 1);
        assert_eq!(agenda.pop(), Some((at(5), 1)));
        agenda.post(agenda.now(), 2);
        agenda.post(Time::NEVER, 4);
        assert_eq!(agenda.pop(), Some((at(5), 2)));
        assert_eq!(agenda.pop(), Some((Time::NEVER, 3)));
        agenda.post(Time::NEVER, 5);
        assert_eq!(agenda.pop(), Some((Time::NEVER, 4)));
        assert_eq!(agenda.pop(), Some((Time::NEVER, 5)));
        assert_eq!((agenda.pop(), agenda.peek(), agenda.is_empty()), (None, None, true));
    }

    #[test]
    #[should_panic(expected = "posted 3 ns in the past")]
    fn the_past_is_refused() {
        let mut agenda = Agenda::new();
        agenda.post(at(10), ());
        agenda.pop();
        agenda.post(at(7), ());
    }

    /// A million events after warm-up need no memory that the warm-up did not, be the entries few (one long run) or
    /// many (slots).
    #[test]
    fn memory_is_reused() {
        for pending in [1, 20, 60, 100, 2000] {
            let mut agenda = Agenda::new();
            let mut x = 1u64;
            let mut hold = |agenda: &mut Agenda<u32>, n: u32| {
                for _ in 0..n {
                    let (now, event) = agenda.pop().expect("as many are posted as are taken");
                    x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let far = if x >> 59 == 0 { 4_000_000_000 } else { 8_000 };
                    agenda.post(at(now.as_nanos() + (x >> 40) % far), event);
                }
            };
            (0..pending).for_each(|i| agenda.post(at(u64::from(i)), i));
            hold(&mut agenda, 300_000);
            let memory = (agenda.slots.capacity(), agenda.run.capacity());
            assert!(
                memory.0 < 5000 && memory.1 <= 4 * LONGEST_RUN,
                "{pending} entries have memory for {memory:?}"
            );
            hold(&mut agenda, 1_000_000);
            assert_eq!((agenda.slots.capacity(), agenda.run.capacity()), memory);
        }
    }

    /// What a model does next: how far ahead it posts, or how many entries it takes.
    #[derive(Clone, Debug)]
    enum Step {
        Post(u64),
        PostMany(u64, u16),
        PostAtTick(u64),
        Pop(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u64..8_000).prop_map(Step::Post),
            2 => (0u64..4).prop_map(Step::Post),
            1 => (0u32..40).prop_flat_map(|bits| 0..1u64 << bits).prop_map(Step::Post),
            1 => (0u64..3_000, 1u16..200).prop_map(|(d, n)| Step::PostMany(d, n)),
            1 => (1u64..225_000).prop_map(Step::PostAtTick),
            6 => (1u16..4).prop_map(Step::Pop),
            1 => (1u16..300).prop_map(Step::Pop),
        ];
        prop::collection::vec(step, 1..400)
    }

    /// The specification: a sorted map by time and number of posting.
    #[derive(Default)]
    struct Model {
        pending: BTreeMap<(Time, u32), ()>,
        posted: u32,
    }

    impl Model {
        fn post(&mut self, agenda: &mut Agenda<u32>, at: Time) {
            agenda.post(at, self.posted);
            self.pending.insert((at, self.posted), ());
            self.posted += 1;
        }

        fn pop(&mut self, agenda: &mut Agenda<u32>) {
            assert_eq!(agenda.peek(), self.pending.keys().next().map(|&(at, _)| at));
            assert_eq!(agenda.len(), self.pending.len());
            assert_eq!(agenda.pop(), self.pending.pop_first().map(|(entry, ())| entry));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn agrees_with_a_sorted_map(steps in steps()) {
            let mut agenda = Agenda::new();
            let mut model = Model::default();
            for step in steps {
                let now = agenda.now().as_nanos();
                match step {
                    Step::Post(delay) => model.post(&mut agenda, at(now + delay)),
                    Step::PostMany(delay, n) => {
                        (0..u64::from(n)).for_each(|i| model.post(&mut agenda, at(now + delay + i % 7)));
                    }
                    Step::PostAtTick(ticks) => {
                        model.post(&mut agenda, at((now / 4_000_000 + ticks) * 4_000_000));
                    }
                    Step::Pop(n) => (0..n).for_each(|_| model.pop(&mut agenda)),
                }
            }
            while !model.pending.is_empty() {
                model.pop(&mut agenda);
            }
            model.pop(&mut agenda);
        }
    }
}
