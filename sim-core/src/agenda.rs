//! The agenda: everything that will happen, in order of time, and in order of posting where times are equal.
//!
//! A network simulator keeps a few dozen deliveries some microseconds ahead, which turn over with every hop, and
//! perhaps a million timers seconds to minutes ahead, which hardly move. One structure serves both:
//!
//! - the **run** (`run.rs`) holds all entries before a **horizon**, sorted. `pop` takes its head; `post`
//!   inserts from the nearer end: a wire that sends on posts for a moment from now, a frame that sets out is due last.
//!   It stays short: at most 64 entries.
//! - everything else lies unsorted in **slots** (`slots.rs`). Write times as 13 digits of 5 bits. An entry lies at
//!   the level of the highest digit in which it differs from the **base** (an instant not later than any entry), in the
//!   slot of that digit: level 0 has slots of 1 ns, level 4 of 1 ms, level 7 of 34 s. The lowest slot of the lowest
//!   level holds the next entries, two bit scans away.
//!
//! When the run is used up, the next slot becomes the base. Are there at most 32 entries in it, they are sorted and are
//! the new run, as are those of the following slots while there are few; otherwise they are dealt to the slots of the
//! levels below, which are empty, and the search starts again. The earliest entry that stays is the new horizon: if
//! that is a timer in 4 ms, all frames until then pass through the run alone. So slots are as wide as the density of
//! entries asks, without a setting, and a timer in ten minutes is touched six times; kernel timers, which fall due by
//! the hundreds at one instant, move as a whole. When posting makes the run too long its later part goes back to slots.
//! This is a radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990) that stops dividing as soon as sorting is cheaper.
//! Nothing needs a sequence number: slots keep the order of posting and sorting is stable. Slots are lists of chunks of
//! one pool, so that memory is that of the entries and, after the pool has reached its size, nothing is allocated.
//!
//! The alternatives, in million holds (take the earliest, post it again later) per second, the best of a hundred runs on
//! one core of a busy AMD EPYC of the Zen 5 generation (`cargo bench -p sim-core --bench agenda` measures them again):
//!
//! | pending                | 20  | 100 | 2000 | 10⁴ | 10⁶ | 100 and 10⁶ timers | 20, fixed delays |
//! |------------------------|----:|----:|-----:|----:|----:|-------------------:|-----------------:|
//! | `BinaryHeap`           |  36 |  26 |   19 |   8 | 0.4 |                  7 |               54 |
//! | 4-ary heap of `u128`   |  47 |  32 |   11 |  16 |   1 |                 15 |               59 |
//! | radix heap, bit by bit |  39 |  38 |   34 |  32 |  44 |                 37 |               43 |
//! | one sorted ring        |  72 |   9 |  0.4 |   – |   – |                  – |              258 |
//! | this                   | 145 |  51 |   36 |  33 |  14 |                 55 |              336 |
//!
//! Digits of 4 and of 6 bits take 2 % and 9 % more instructions than those of 5 for the events of the reference workload.

use crate::Time;
use crate::run::{Entry, Run};
use crate::slots::Slots;

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
    /// All entries before `horizon`.
    run: Run<E>,
    /// Not later than any entry in `slots`.
    horizon: u64,
    slots: Slots<E>,
    now: u64,
}

/// A slot of no more entries than this is sorted, not divided.
const SORTED_AT_ONCE: usize = 32;
/// A run of fewer entries than this takes the next slot too.
const ENOUGH: usize = 12;
/// A run of so many entries gives its later part back when there is another one,
const LONGEST_RUN: usize = 64;
/// and keeps about so many.
const KEPT: usize = 32;

impl<E: Copy + Default> Agenda<E> {
    /// An agenda with nothing on it, at time zero.
    pub fn new() -> Agenda<E> {
        const { assert!(size_of::<E>() <= 8 && size_of::<Entry<E>>() <= 16, "an event is at most eight bytes") };
        Agenda { run: Run::new(), horizon: 0, slots: Slots::new(), now: 0 }
    }

    /// The time of the last entry taken: nothing can be posted before it.
    #[inline]
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// How many entries are pending; counts them.
    pub fn len(&self) -> usize {
        self.run.len() + self.slots.len()
    }

    /// Whether nothing is pending.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.peek().is_none()
    }

    /// Puts `event` on the agenda, after everything that is already due `at` the same time.
    ///
    /// # Panics
    /// If `at` is before [`now`](Agenda::now): the past does not change.
    #[inline]
    pub fn post(&mut self, at: Time, event: E) {
        let at = at.as_nanos();
        if at < self.now {
            refuse(at, self.now);
        }
        if at >= self.horizon {
            self.post_beyond(at, event);
        } else if self.run.len() < LONGEST_RUN {
            self.run.insert((at, event));
        } else {
            self.post_into_full(at, event);
        }
    }

    /// The same at the horizon or behind it.
    #[inline(never)] // the other way stays short
    fn post_beyond(&mut self, at: u64, event: E) {
        self.slots.file(at, event);
    }

    /// The same where the run becomes too long.
    #[cold]
    #[inline(never)]
    fn post_into_full(&mut self, at: u64, event: E) {
        self.run.insert((at, event));
        self.shorten_run();
    }

    /// When the next entry is due.
    #[inline]
    pub fn peek(&self) -> Option<Time> {
        let next = match self.run.first() {
            Some((at, _)) => Some(at),
            None => self.slots.earliest(),
        };
        next.map(Time::from_nanos)
    }

    /// Takes the next entry and moves [`now`](Agenda::now) to its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.pop_until(Time::NEVER)
    }

    /// The same if it is due at `until` or before.
    #[inline]
    pub fn pop_until(&mut self, until: Time) -> Option<(Time, E)> {
        let (at, event) = match self.run.first() {
            Some(first) => first,
            None => self.next_run(until.as_nanos())?,
        };
        if at > until.as_nanos() {
            return None;
        }
        self.run.drop_first();
        self.now = at;
        Some((Time::from_nanos(at), event))
    }

    /// Fills the used-up run from the slots and returns its first entry; none if nothing is due until `until`.
    #[inline(never)]
    fn next_run(&mut self, until: u64) -> Option<Entry<E>> {
        // Only what is taken now may move the base: what is posted later may be due before.
        self.slots.earliest().filter(|&at| at <= until)?;
        let mut slot = self.slots.first()?;
        while slot.len > SORTED_AT_ONCE && !slot.is_instant() {
            self.slots.divide(slot);
            slot = self.slots.first()?;
        }
        self.slots.advance_to(slot);
        self.slots.take(slot, SORTED_AT_ONCE, &mut self.run);
        while let Some(slot) = self.slots.first()
            && self.run.len() + slot.len <= ENOUGH
        {
            self.slots.take(slot, SORTED_AT_ONCE, &mut self.run);
        }
        self.horizon = self.slots.earliest().unwrap_or(u64::MAX);
        self.run.first()
    }

    /// Gives the later part of a run that has grown too long back to the slots.
    fn shorten_run(&mut self) {
        self.slots.advance(self.now);
        self.horizon = self.run.get(KEPT).0;
        // An instant is not cut in two: what is posted for it later must come behind all of it.
        let mut kept = KEPT;
        while kept > 0 && self.run.get(kept - 1).0 == self.horizon {
            kept -= 1;
        }
        for n in kept..self.run.len() {
            let (at, event) = self.run.get(n);
            self.slots.file(at, event);
        }
        self.run.truncate(kept);
    }
}

/// The past does not change.
#[cold]
#[inline(never)]
fn refuse(at: u64, now: u64) -> ! {
    panic!("an event was posted {} ns in the past", now - at)
}

impl<E: Copy + Default> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda::new()
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
            let memory = agenda.slots.capacity();
            assert!(memory < 5000, "{pending} entries have memory for {memory}");
            hold(&mut agenda, 1_000_000);
            assert_eq!(agenda.slots.capacity(), memory);
        }
    }

    /// What a model does next: how far ahead it posts, or how many entries or how much time it takes.
    #[derive(Clone, Debug)]
    enum Step {
        Post(u64),
        PostMany(u64, u16),
        PostAtTick(u64),
        Pop(u16),
        PopUntil(u64),
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
            3 => (0u32..24).prop_flat_map(|bits| 0..1u64 << bits).prop_map(Step::PopUntil),
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

        fn pop_until(&mut self, agenda: &mut Agenda<u32>, until: Time) {
            while self.pending.keys().next().is_some_and(|&(at, _)| at <= until) {
                assert_eq!(agenda.pop_until(until), self.pending.pop_first().map(|(entry, ())| entry));
            }
            assert_eq!(agenda.pop_until(until), None);
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
                    Step::PopUntil(delay) => model.pop_until(&mut agenda, at(now + delay)),
                }
            }
            while !model.pending.is_empty() {
                model.pop(&mut agenda);
            }
            model.pop(&mut agenda);
        }
    }
}
