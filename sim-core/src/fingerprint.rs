//! A rolling hash of everything that happened, in order.
//!
//! Two runs with the same fingerprint did the same at the same times in the same places; a bug report is the scenario,
//! the seed and the fingerprint. Each step costs one multiplication, about a nanosecond: the 128-bit product of what
//! happened and what was before, folded in two (the step of wyhash). It is meant to notice differences, not to
//! resist forgery.

use crate::Time;
use std::fmt;

/// The hash so far.
///
/// ```
/// use sim_core::{Fingerprint, Time};
/// let mut run = Fingerprint::new();
/// run.add(Time::from_nanos(1_000), 3, 17);
/// assert_eq!(run.to_string(), "a4d9156e955dbee6");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// Odd numbers without structure (from wyhash).
const START: u64 = 0xa076_1d64_78bd_642f;
const STEP: u64 = 0xe703_7ed1_a0b4_28db;

impl Fingerprint {
    /// Nothing has happened.
    pub const fn new() -> Fingerprint {
        Fingerprint(START)
    }

    /// Something happened: when, what and where, by numbers that mean the same in every run of a scenario.
    #[inline]
    pub const fn add(&mut self, at: Time, event: u32, place: u32) {
        let what = (event as u64) << 32 | place as u64;
        let product = (self.0 ^ at.as_nanos()) as u128 * (what ^ STEP) as u128;
        // Adding a constant keeps a product of zero from ending all memory.
        self.0 = ((product as u64) ^ (product >> 64) as u64).wrapping_add(START);
    }

    /// The 64 bits.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint::new()
    }
}

impl fmt::Display for Fingerprint {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(steps: &[(u64, u32, u32)]) -> u64 {
        let mut fingerprint = Fingerprint::new();
        steps.iter().for_each(|&(at, event, place)| fingerprint.add(Time::from_nanos(at), event, place));
        fingerprint.value()
    }

    #[test]
    fn time_event_place_and_order_all_count() {
        let runs: &[&[(u64, u32, u32)]] = &[
            &[],
            &[(0, 0, 0)],
            &[(0, 0, 0), (0, 0, 0)],
            &[(1, 0, 0)],
            &[(0, 1, 0)],
            &[(0, 0, 1)],
            &[(5, 1, 2), (5, 2, 1)],
            &[(5, 2, 1), (5, 1, 2)],
            &[(5, 2, 1), (6, 1, 2)],
        ];
        let values: BTreeSet<u64> = runs.iter().map(|run| of(run)).collect();
        assert_eq!(values.len(), runs.len());
    }

    #[test]
    fn neighbouring_runs_share_no_bits() {
        // Each differs from the first in one step of a hundred, by one nanosecond.
        let run = |changed: usize| {
            let steps: Vec<_> =
                (0..100).map(|i| (1000 * i as u64 + u64::from(i == changed), i as u32 % 7, 3)).collect();
            of(&steps)
        };
        let reference = run(100);
        let differing: u32 = (0..100).map(|i| (run(i) ^ reference).count_ones()).sum();
        // 6400 fair coins: 3200 ± 40.
        assert!((3000..3400).contains(&differing), "{differing} of 6400 bits differ");
    }

    #[test]
    fn it_goes_on_after_a_product_of_zero() {
        let zero = (START, 0, 0);
        assert_ne!(of(&[zero, (1, 2, 3)]), of(&[zero, (1, 2, 4)]));
    }
}
