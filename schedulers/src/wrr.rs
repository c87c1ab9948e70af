//! `wrr`, weighted round robin: turns in proportion to the weights, interleaved.
//!
//! State: `last` (the destination chosen last, or the head), the current weight `cw`, the step (the greatest common
//! divisor of all positive weights) and the maximum (the largest weight, less step − 1). A round of the list takes
//! each destination whose weight is at least `cw`; then `cw` falls by the step, and below 1 it returns to the maximum.
//! * add, edit, remove: all the same. The walk returns to the head — even if an edit changes nothing — and step and
//!   maximum are found anew; `cw` is only rounded to the new step, or lowered to the new maximum. The sequence thus
//!   depends on the history of the list, not only on its weights.
//!
//! Ties do not occur: list order decides within a round. A round in which nobody qualifies costs a walk of the list.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// The state of `wrr`.
#[derive(Clone, Debug)]
pub struct WeightedRoundRobin {
    last: Option<usize>,
    current: i32,
    maximum: i32,
    step: i32,
}

impl Scheduler for WeightedRoundRobin {
    const HELP: &'static str = "Like rr, but a server of weight 3 gets three turns where one of weight 1 gets one, \
        interleaved rather than in a row. For servers of unequal strength and connections of similar cost.";
    const RULE: &'static str = "the next server in list order whose weight is at least the current weight; at the end \
        of the list the current weight falls by the step";
    const TIES: &'static str = "there are no ties: the position in the list decides";

    fn bind(_flags: u8, list: &Destinations) -> Result<WeightedRoundRobin, TooMany> {
        let (step, maximum) = step_and_maximum(list);
        Ok(WeightedRoundRobin { last: None, current: maximum, maximum, step })
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        if self.maximum == 0 {
            return None;
        }
        let Destinations { order, pool } = cx.list;
        let start = self.last;
        let (mut stop, mut restarted, mut last_pass) = (None, false, false);
        let mut from = start.map_or(0, |last| last + 1);
        loop {
            for (at, &id) in order.iter().enumerate().skip(from) {
                let d = &pool[id.index()];
                if d.weight >= self.current && !d.overloaded {
                    self.last = Some(at);
                    return Some(id);
                }
                if stop == Some(at) {
                    self.last = stop;
                    return None;
                }
            }
            self.current -= self.step;
            if self.current <= 0 {
                self.current = self.maximum;
                if last_pass || start.is_none() {
                    self.last = None;
                    return None;
                }
                restarted = true;
            }
            // The lowest weight is reached: whoever is not found until the start is met again is not there.
            last_pass = self.current <= self.step;
            if last_pass && restarted {
                stop = start;
            }
            from = 0;
        }
    }

    fn added(&mut self, list: &Destinations, _id: DestinationId) {
        self.adjust(list);
    }

    fn updated(&mut self, list: &Destinations, _id: DestinationId) {
        self.adjust(list);
    }

    fn removed(&mut self, after: &Destinations, _id: DestinationId, _predecessor: Option<DestinationId>) {
        self.adjust(after);
    }

    fn state(&self, _cx: &Cx) -> Option<String> {
        let WeightedRoundRobin { current, step, maximum, .. } = self;
        let place = self.last.map_or("at the head".to_string(), |at| format!("after place {}", at + 1));
        Some(format!("current weight {current}, step {step}, maximum {maximum}; the walk goes on {place} of the list"))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let weight = cx.list.get(id).weight;
        let relation = if weight >= self.current { "≥" } else { "<" };
        format!("weight {weight} {relation} current weight {}", self.current)
    }
}

impl WeightedRoundRobin {
    fn adjust(&mut self, list: &Destinations) {
        self.last = None;
        (self.step, self.maximum) = step_and_maximum(list);
        if self.current > self.maximum || self.current == 0 {
            self.current = self.maximum;
        } else if self.step > 1 {
            self.current = self.current / self.step * self.step + 1;
        }
    }
}

/// The greatest common divisor of the positive weights (1 if there are none), and the largest weight less step − 1.
fn step_and_maximum(list: &Destinations) -> (i32, i32) {
    let positive = list.iter().map(|(_, d)| d.weight).filter(|&w| w > 0);
    let step = positive.clone().reduce(gcd).unwrap_or(1);
    (step, positive.max().unwrap_or(0) - (step - 1))
}

/// The greatest common divisor of two positive numbers.
pub(crate) fn gcd(mut a: i32, mut b: i32) -> i32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    /// Weights added one by one to a bound scheduler, as ipvsadm does.
    fn service(weights: &[i32]) -> (Pool, crate::AnyScheduler) {
        let mut pool = Pool::weights(&[]);
        let mut wrr = pool.bind("wrr", 0);
        for &weight in weights {
            pool.add(&mut wrr, weight);
        }
        (pool, wrr)
    }

    #[test]
    fn three_two_one_shows_its_history() {
        // The current weight stood at 3, 2 and 1 while the servers came: the first round takes everybody.
        let (mut pool, mut wrr) = service(&[1, 2, 3]);
        assert_eq!(pool.run(&mut wrr, 12), "3 2 1 3 3 2 3 2 1 3 3 2");
        // Bound to a finished list, the scheduler starts at the maximum instead.
        let mut pool = Pool::weights(&[1, 2, 3]);
        let mut wrr = pool.bind("wrr", 0);
        assert_eq!(pool.run(&mut wrr, 6), "3 3 2 3 2 1");
    }

    #[test]
    fn an_edit_that_changes_nothing_returns_to_the_head() {
        let (mut pool, mut wrr) = service(&[1, 1, 1]);
        assert_eq!(pool.run(&mut wrr, 2), "3 2");
        pool.edit(&mut wrr, 0, 1);
        assert_eq!(pool.run(&mut wrr, 2), "3 2");
    }

    #[test]
    fn a_common_divisor_makes_no_difference_to_the_shares() {
        let (mut pool, mut wrr) = service(&[30, 20, 10]);
        let turns = pool.run(&mut wrr, 60);
        let count = |server: &str| turns.split(' ').filter(|&word| word == server).count();
        assert_eq!((count("1"), count("2"), count("3")), (30, 20, 10));
    }

    #[test]
    fn nobody_usable_fails_and_recovers() {
        let (mut pool, mut wrr) = service(&[2, 1]);
        assert_eq!(pool.run(&mut wrr, 1), "2");
        pool.set(0, |d| d.overloaded = true);
        pool.set(1, |d| d.overloaded = true);
        assert_eq!(pool.run(&mut wrr, 3), "- - -");
        pool.set(1, |d| d.overloaded = false);
        assert_eq!(pool.run(&mut wrr, 3), "2 2 2");
        pool.edit(&mut wrr, 0, 0);
        pool.edit(&mut wrr, 1, 0);
        assert_eq!(pool.run(&mut wrr, 2), "- -");
    }
}
