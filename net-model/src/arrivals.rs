//! When the exchanges of a client group begin.

use crate::group::ClientGroup;
use crate::spec::Arrivals;
use sim_core::{Duration, Time};

impl ClientGroup {
    /// Does an exchange at `at` lie in the group's period and within its limit?
    pub(crate) fn may_begin(&self, at: Time) -> bool {
        at < self.spec.stop && self.spec.limit.is_none_or(|limit| self.seen.started < limit)
    }

    /// The instants of the first exchanges.
    pub(crate) fn first_arrivals(&mut self) -> Vec<Time> {
        let start = self.spec.start;
        match &self.spec.arrivals {
            Arrivals::Users { users, think } => {
                let (users, think) = (*users, think.clone());
                let instants =
                    (0..users).map(|_| start + Duration::from_secs_f64(think.sample(&mut self.stream)));
                let instants: Vec<Time> = instants.collect();
                instants.into_iter().filter(|at| self.may_begin(*at)).collect()
            }
            Arrivals::Trace(rows) => rows.first().map(|row| row.start).into_iter().collect(),
            _ => self.draw(start).filter(|at| self.may_begin(*at)).into_iter().collect(),
        }
    }

    /// The instant of the exchange after the one that begins `now`; none when there is no further one.
    pub(crate) fn next_arrival(&mut self, now: Time) -> Option<Time> {
        if let Arrivals::Trace(rows) = &self.spec.arrivals {
            self.position.row += 1;
            return rows.get(self.position.row).map(|row| row.start.max(now));
        }
        self.draw(now).filter(|at| self.may_begin(*at))
    }

    fn draw(&mut self, now: Time) -> Option<Time> {
        match &self.spec.arrivals {
            Arrivals::Poisson(rate) => Some(now + gap(self.stream.exponential(), *rate)),
            Arrivals::Constant(rate) => Some(now + gap(1.0, *rate)),
            Arrivals::Bursts { .. } => Some(self.draw_in_burst(now)),
            Arrivals::Curve(_) => self.draw_on_curve(now),
            Arrivals::Users { .. } | Arrivals::Trace(_) => None,
        }
    }

    /// On and off periods alternate, beginning with an on period; arrivals are Poisson while on.
    fn draw_in_burst(&mut self, now: Time) -> Time {
        let Arrivals::Bursts { rate, on, off } = &self.spec.arrivals else {
            unreachable!("called for bursts only")
        };
        let mut at = now;
        if self.position.burst_ends == self.spec.start {
            self.position.burst_ends = at + Duration::from_secs_f64(on.sample(&mut self.stream));
        }
        loop {
            let next = at + gap(self.stream.exponential(), *rate);
            if next <= self.position.burst_ends || at == Time::NEVER {
                return next;
            }
            // The process has no memory: what is left of the gap is drawn anew in the next on period.
            at = self.position.burst_ends + Duration::from_secs_f64(off.sample(&mut self.stream));
            self.position.burst_ends = at + Duration::from_secs_f64(on.sample(&mut self.stream));
        }
    }

    /// A Poisson process whose rate follows the curve: drawn at the highest rate and thinned.
    fn draw_on_curve(&mut self, now: Time) -> Option<Time> {
        let Arrivals::Curve(points) = &self.spec.arrivals else { unreachable!("called for curves only") };
        let highest = points.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let mut at = now;
        while at < self.spec.stop {
            at += gap(self.stream.exponential(), highest);
            if self.stream.uniform() * highest < rate_at(points, at) {
                return Some(at);
            }
        }
        None
    }
}

/// The rate of a piecewise linear curve, constant before its first and after its last point.
fn rate_at(points: &[(Time, f64)], at: Time) -> f64 {
    let after = points.partition_point(|(instant, _)| *instant <= at);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((t0, r0)), Some((t1, r1))) => {
            let share = at.since(t0).as_secs_f64() / t1.since(t0).as_secs_f64();
            r0 + (r1 - r0) * share
        }
        (Some((_, rate)), None) => rate,
        (None, Some((_, rate))) => *rate,
        (None, None) => 0.0,
    }
}

fn gap(units: f64, rate: f64) -> Duration {
    Duration::from_secs_f64(units / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_linear_between_its_points() {
        let s = |s| Time::ZERO + Duration::from_secs(s);
        let points = [(s(10), 100.0), (s(20), 300.0)];
        assert_eq!(rate_at(&points, s(0)), 100.0);
        assert_eq!(rate_at(&points, s(15)), 200.0);
        assert_eq!(rate_at(&points, s(99)), 300.0);
    }
}
