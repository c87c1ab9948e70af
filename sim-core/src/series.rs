//! When a run samples its quantities, and how the samples stay few.
//!
//! A sample is taken at the end of every interval. When there are 400 of them the interval is doubled and each two
//! become one, so that a run of any length leaves 200 … 399 samples and their memory is bounded. The columns belong to
//! whoever measures: plain vectors, one value an interval, thinned by [`thin`] when [`Sampling::sampled`] says so.
//!
//! ```
//! use sim_core::series::{Sampling, sum, latest, thin};
//! use sim_core::{Duration, Time};
//! let mut sampling = Sampling::every(Duration::from_millis(100));
//! let (mut queue_length, mut drops) = (Vec::new(), Vec::new());
//! while sampling.next_sample() <= Time::from_nanos(60_000_000_000) {
//!     queue_length.push(3u32); // a state: what it is at this instant
//!     drops.push(1u32); // a count: how many since the last sample
//!     if sampling.sampled() {
//!         thin(&mut queue_length, latest);
//!         thin(&mut drops, sum);
//!     }
//! }
//! assert_eq!(sampling.interval(), Duration::from_millis(200));
//! assert_eq!((sampling.times().count(), queue_length.len(), drops.len()), (300, 300, 300));
//! assert_eq!(drops.iter().sum::<u32>(), 400 + 100, "400 intervals of 100 ms, then 100 of 200 ms");
//! ```

use crate::{Duration, Time};
use std::ops::Add;

/// So many samples at most, an even number.
const MOST: usize = 400;

/// The clock of all series of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sampling {
    interval: Duration,
    taken: usize,
    next: Time,
}

impl Sampling {
    /// Samples every `interval`, until there are too many.
    ///
    /// # Panics
    /// If the interval is zero.
    pub fn every(interval: Duration) -> Sampling {
        assert!(interval > Duration::ZERO, "a sampling interval is longer than zero");
        Sampling { interval, taken: 0, next: Time::ZERO + interval }
    }

    /// Samples a run of known length at a round interval, 1, 2, 2.5 or 5 and zeros, so that there are 200 … 399 of
    /// them (fewer for a run shorter than 200 ns).
    pub fn of_run(length: Duration) -> Sampling {
        let least = length.as_nanos() / MOST as u64 + 1;
        let mut ten = 1u64;
        while ten.saturating_mul(10) < least {
            ten *= 10;
        }
        // Tenths, as there is no 2.5 ns.
        let round = [10, 20, 25, 50, 100].map(|tenths| (ten.saturating_mul(tenths)).div_ceil(10));
        let interval = round.into_iter().find(|&ns| ns >= least).unwrap_or(least);
        Sampling::every(Duration::from_nanos(interval))
    }

    /// The distance of the samples, at present.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// When the next sample is due.
    #[inline]
    pub fn next_sample(&self) -> Time {
        self.next
    }

    /// Notes that every column has got the value of the interval that ended at [`next_sample`](Sampling::next_sample).
    /// If this returns true the interval has been doubled, and every column must be [thinned](thin) now.
    #[must_use = "if this is true, every column must be thinned"]
    pub fn sampled(&mut self) -> bool {
        self.taken += 1;
        let too_many = self.taken == MOST;
        if too_many {
            self.taken /= 2;
            self.interval += self.interval;
        }
        self.next = self.end_of(self.taken);
        too_many
    }

    /// The instants of the samples taken: the ends of their intervals.
    pub fn times(&self) -> impl Iterator<Item = Time> {
        (0..self.taken).map(|i| self.end_of(i))
    }

    /// The index of the interval in which `at` lies, for what is counted by another instant than the present. An
    /// interval includes its beginning and not its end.
    #[inline]
    pub fn interval_of(&self, at: Time) -> usize {
        (at.as_nanos() / self.interval.as_nanos()) as usize
    }

    fn end_of(&self, index: usize) -> Time {
        Time::from_nanos(self.interval.as_nanos().saturating_mul(index as u64 + 1))
    }
}

/// Makes one value of each two neighbours of a column, the earlier first; a last one without neighbour stays.
pub fn thin<T: Copy>(column: &mut Vec<T>, mut one_of: impl FnMut(T, T) -> T) {
    let half = column.len().div_ceil(2);
    for i in 0..half {
        column[i] = match column.get(2 * i + 1) {
            Some(&later) => one_of(column[2 * i], later),
            None => column[2 * i],
        };
    }
    column.truncate(half);
}

/// Of two states, the one at the end of the longer interval.
pub fn latest<T>(_earlier: T, later: T) -> T {
    later
}

/// Of two counts, those of the longer interval.
pub fn sum<T: Add<Output = T>>(earlier: T, later: T) -> T {
    earlier + later
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mut sampling: Sampling, length: Duration) -> (Sampling, Vec<u64>, Vec<u64>) {
        let (mut clock, mut nanos) = (Vec::new(), Vec::new());
        while sampling.next_sample() <= Time::ZERO + length {
            clock.push(sampling.next_sample().as_nanos());
            nanos.push(sampling.interval().as_nanos());
            if sampling.sampled() {
                thin(&mut clock, latest);
                thin(&mut nanos, sum);
            }
        }
        (sampling, clock, nanos)
    }

    #[test]
    fn a_run_of_any_length_has_200_to_400_samples() {
        for ns in [200, 399, 400, 401, 1000, 123_456, 1 << 30, 1 << 33, 1 << 40] {
            let (sampling, clock, nanos) =
                run(Sampling::every(Duration::from_nanos(1)), Duration::from_nanos(ns));
            assert!((200..400).contains(&clock.len()), "{} samples of {ns} ns", clock.len());
            assert_eq!(
                clock,
                sampling.times().map(Time::as_nanos).collect::<Vec<_>>(),
                "states are the latest"
            );
            assert!(nanos.iter().all(|&ns| ns == sampling.interval().as_nanos()), "counts are sums");
        }
    }

    #[test]
    fn a_run_of_known_length_has_a_round_interval() {
        let check = |length: Duration, interval: Duration| {
            let sampling = Sampling::of_run(length);
            assert_eq!(sampling.interval(), interval, "for {length}");
            assert!((200..400).contains(&run(sampling, length).0.times().count()));
        };
        check(Duration::from_secs(60), Duration::from_millis(200));
        check(Duration::from_secs(90), Duration::from_millis(250));
        check(Duration::from_secs(100), Duration::from_millis(500));
        check(Duration::from_secs(1), Duration::from_millis(5));
        check(Duration::from_secs(300), Duration::from_secs(1));
        check(Duration::from_secs(900), Duration::from_millis(2500));
        check(Duration::from_micros(777), Duration::from_nanos(2_000));
        for ns in 200..20_000 {
            let taken = run(Sampling::of_run(Duration::from_nanos(ns)), Duration::from_nanos(ns)).1.len();
            assert!((200..400).contains(&taken), "{taken} samples of {ns} ns");
        }
        assert_eq!(Sampling::of_run(Duration::ZERO).interval(), Duration::from_nanos(1));
        assert!(Sampling::of_run(Duration::MAX).interval() >= Duration::from_nanos(u64::MAX / 400));
    }

    #[test]
    fn what_lies_in_an_interval_stays_in_it() {
        let mut sampling = Sampling::every(Duration::from_nanos(10));
        let index = |sampling: &Sampling, ns| sampling.interval_of(Time::from_nanos(ns));
        assert_eq!([0, 9, 10, 19, 20].map(|ns| index(&sampling, ns)), [0, 0, 1, 1, 2]);
        while !sampling.sampled() {}
        assert_eq!([0, 19, 20, 3999].map(|ns| index(&sampling, ns)), [0, 0, 1, 199]);
        assert_eq!(sampling.next_sample(), Time::from_nanos(4020));
    }

    #[test]
    fn a_last_value_without_neighbour_stays() {
        let mut column = vec![1, 2, 3, 4, 5];
        thin(&mut column, sum);
        assert_eq!(column, [3, 7, 5]);
        thin(&mut column, latest);
        assert_eq!(column, [7, 5]);
        let mut empty: Vec<u8> = vec![];
        thin(&mut empty, latest);
        assert_eq!(empty, []);
    }

    #[test]
    #[should_panic(expected = "longer than zero")]
    fn an_interval_takes_time() {
        Sampling::every(Duration::ZERO);
    }
}
