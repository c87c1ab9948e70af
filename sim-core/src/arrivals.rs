//! When things begin: the instants of an arrival process, one after the other.
//!
//! A process need not be an agenda entry: its next instant may be kept beside the agenda and compared with
//! [`Agenda::peek`], which saves a posting and a taking for every arrival.
//!
//! All random processes are Poisson processes whose rate varies in time. Between two arrivals the integral of the rate
//! is exponential with mean 1, so each takes one draw and follows the rate until that much of it has passed. This
//! is exact: nothing is thinned out, and a change of the rate in the far future changes no earlier arrival.
//!
//! [`Agenda::peek`]: crate::Agenda::peek

use crate::{Dist, Duration, Stream, Time};

/// How arrivals are spread over time. Rates are arrivals per second, zero or more.
#[derive(Clone, PartialEq, Debug)]
pub enum Pattern {
    /// A Poisson process.
    Poisson(f64),
    /// At equal distances, the first one distance after the start.
    Constant(f64),
    /// A Poisson process that is switched on and off; on at the start.
    Bursts {
        /// Rate while on.
        rate: f64,
        /// Length of the on periods in seconds.
        on: Dist,
        /// Length of the off periods in seconds.
        off: Dist,
    },
    /// A Poisson process whose rate is linear between points (instant, rate), in order of time; before the first and
    /// after the last it is constant. Two points at one instant are a step.
    Curve(Vec<(Time, f64)>),
}

/// The arrivals of a [`Pattern`] from a first to a last instant.
///
/// ```
/// use sim_core::arrivals::{ArrivalProcess, Pattern};
/// use sim_core::{Stream, Time};
/// let (start, stop) = (Time::ZERO, Time::from_nanos(1_000_000_000));
/// let mut arrivals = ArrivalProcess::new(Pattern::Poisson(1000.0), start, stop);
/// let mut stream = Stream::new(1, "clients");
/// let mut count = 0;
/// while arrivals.next(&mut stream) != Time::NEVER {
///     count += 1;
/// }
/// assert!((900..1100).contains(&count));
/// ```
#[derive(Clone, Debug)]
pub struct ArrivalProcess {
    kind: Kind,
    /// The last arrival, at first the start.
    at: Time,
    stop: Time,
}

#[derive(Clone, Debug)]
enum Kind {
    Never,
    Poisson { mean_gap_ns: f64 },
    Constant { start: Time, gap_ns: f64, count: u64 },
    Bursts { rate_per_ns: f64, on: Dist, off: Dist, on_until: Option<Time> },
    Curve { points: Vec<(Time, f64)>, next_point: usize },
}

impl ArrivalProcess {
    /// Arrivals not before `start` nor after `stop`.
    ///
    /// # Panics
    /// If a rate is negative or not finite, on periods have no length, or the points of a curve are missing or out of
    /// order.
    pub fn new(pattern: Pattern, start: Time, stop: Time) -> ArrivalProcess {
        let positive = |rate: f64| {
            assert!(rate.is_finite() && rate >= 0.0, "a rate is zero or more");
            rate > 0.0
        };
        let kind = match pattern {
            Pattern::Poisson(rate) if positive(rate) => Kind::Poisson { mean_gap_ns: 1e9 / rate },
            Pattern::Constant(rate) if positive(rate) => {
                Kind::Constant { start, gap_ns: 1e9 / rate, count: 0 }
            }
            Pattern::Bursts { rate, on, off } if positive(rate) => {
                assert!(on.mean() > 0.0, "on periods must have a length");
                Kind::Bursts { rate_per_ns: rate / 1e9, on, off, on_until: None }
            }
            Pattern::Poisson(_) | Pattern::Constant(_) | Pattern::Bursts { .. } => Kind::Never,
            Pattern::Curve(points) => {
                assert!(!points.is_empty(), "a curve has at least one point");
                assert!(points.is_sorted_by_key(|&(at, _)| at), "the points of a curve are in order of time");
                if points.iter().filter(|&&(_, rate)| positive(rate)).count() == 0 {
                    Kind::Never
                } else {
                    Kind::Curve { points, next_point: 0 }
                }
            }
        };
        ArrivalProcess { kind, at: start, stop }
    }

    /// The next arrival; [`Time::NEVER`] if there is none, now and from then on.
    pub fn next(&mut self, stream: &mut Stream) -> Time {
        if self.at > self.stop {
            return Time::NEVER;
        }
        self.at = match &mut self.kind {
            Kind::Never => Time::NEVER,
            Kind::Poisson { mean_gap_ns } => after(self.at, stream.exponential() * *mean_gap_ns),
            Kind::Constant { start, gap_ns, count } => {
                // From the start, not from the last, so that rounding does not add up.
                *count += 1;
                after(*start, *count as f64 * *gap_ns)
            }
            Kind::Bursts { rate_per_ns, on, off, on_until } => {
                next_in_bursts(self.at, self.stop, *rate_per_ns, (&*on, &*off), on_until, stream)
            }
            Kind::Curve { points, next_point } => {
                next_on_curve(self.at, points, next_point, stream.exponential())
            }
        };
        if self.at > self.stop {
            self.at = Time::NEVER;
        }
        self.at
    }
}

/// The instant `ns` nanoseconds after `at`, rounded; never if that is infinite.
fn after(at: Time, ns: f64) -> Time {
    // `as` saturates.
    at + Duration::from_nanos((ns + 0.5) as u64)
}

/// The next arrival of a process that is on until `on_until` (none before the first period), then off and on again.
fn next_in_bursts(
    mut at: Time,
    stop: Time,
    rate_per_ns: f64,
    (on, off): (&Dist, &Dist),
    on_until: &mut Option<Time>,
    stream: &mut Stream,
) -> Time {
    let mut left = stream.exponential();
    let mut seconds = |dist: &Dist| Duration::from_secs_f64(dist.sample(stream));
    let mut end = on_until.unwrap_or_else(|| at + seconds(on));
    while at <= stop && at < Time::NEVER {
        let exposure = end.since(at).as_nanos() as f64 * rate_per_ns;
        if left < exposure {
            *on_until = Some(end);
            return after(at, left / rate_per_ns).min(end);
        }
        left -= exposure;
        at = end + seconds(off);
        end = at + seconds(on);
    }
    Time::NEVER
}

/// The instant at which `left`, the integral of the rate from `at` on, is used up.
fn next_on_curve(mut at: Time, points: &[(Time, f64)], next_point: &mut usize, mut left: f64) -> Time {
    loop {
        while points.get(*next_point).is_some_and(|&(time, _)| time <= at) {
            *next_point += 1;
        }
        let Some(&(end, end_rate)) = points.get(*next_point) else {
            let rate = points[points.len() - 1].1;
            return if rate > 0.0 { after(at, left / rate * 1e9) } else { Time::NEVER };
        };
        let rate = match next_point.checked_sub(1) {
            Some(before) => interpolate(points[before], (end, end_rate), at),
            None => end_rate,
        };
        let seconds = end.since(at).as_secs_f64();
        let exposure = (rate + end_rate) / 2.0 * seconds;
        if left < exposure {
            // rate · x + slope · x² / 2 = left, solved so that nothing cancels.
            let slope = (end_rate - rate) / seconds;
            let root = libm::sqrt((rate * rate + 2.0 * slope * left).max(0.0));
            return after(at, 2.0 * left / (rate + root) * 1e9).min(end);
        }
        left -= exposure;
        at = end;
    }
}

/// The rate at `at` on the line between two points.
fn interpolate((start, start_rate): (Time, f64), (end, end_rate): (Time, f64), at: Time) -> f64 {
    let share = at.since(start).as_nanos() as f64 / end.since(start).as_nanos() as f64;
    start_rate + (end_rate - start_rate) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Time {
        Time::ZERO + Duration::from_secs_f64(seconds)
    }

    /// All arrivals from `start` to `stop`, in seconds.
    fn arrivals(pattern: Pattern, start: f64, stop: f64) -> Vec<f64> {
        let mut process = ArrivalProcess::new(pattern, at(start), at(stop));
        let mut stream = Stream::new(9, "arrivals");
        std::iter::from_fn(|| Some(process.next(&mut stream)).filter(|&next| next != Time::NEVER))
            .map(Time::as_secs_f64)
            .collect()
    }

    /// As many arrivals between two instants as expected, within four standard deviations of a Poisson variable.
    fn expect(times: &[f64], from: f64, to: f64, mean: f64) {
        let count = times.iter().filter(|&&t| (from..to).contains(&t)).count() as f64;
        assert!((count - mean).abs() <= 4.0 * mean.sqrt(), "{count} from {from} to {to} s, expected {mean}");
    }

    #[test]
    fn poisson_counts_have_their_mean_and_variance() {
        let times = arrivals(Pattern::Poisson(1000.0), 1.0, 101.0);
        assert!(times.is_sorted() && times[0] >= 1.0);
        expect(&times, 1.0, 101.0, 100_000.0);
        // In windows of 10 ms, with 10 arrivals each: the variance is the mean.
        let mut counts = [0f64; 10_000];
        times.iter().for_each(|t| counts[((t - 1.0) * 100.0) as usize] += 1.0);
        let variance = counts.iter().map(|c| (c - 10.0).powi(2)).sum::<f64>() / 1e4;
        assert!((9.4..10.6).contains(&variance), "variance {variance}");
    }

    #[test]
    fn constant_arrivals_do_not_drift() {
        let times = arrivals(Pattern::Constant(3.0), 1.0, 1001.0);
        assert_eq!(times.len(), 3000, "the end included");
        assert_eq!([times[0], times[1], times[2], times[2999]], [1.333333333, 1.666666667, 2.0, 1001.0]);
    }

    #[test]
    fn bursts_are_on_and_off() {
        let pattern = Pattern::Bursts { rate: 500.0, on: Dist::Constant(2.0), off: Dist::Constant(3.0) };
        let times = arrivals(pattern, 10.0, 1010.0);
        expect(&times, 10.0, 1010.0, 200.0 * 1000.0);
        assert!(times.iter().all(|t| (t - 10.0) % 5.0 <= 2.0), "nothing arrives in an off period");
        let random = Dist::Exponential { mean: 0.05 };
        let times = arrivals(Pattern::Bursts { rate: 800.0, on: random.clone(), off: random }, 0.0, 1000.0);
        // 10 000 cycles: the share of time that is on varies by 0.7 %.
        assert!((0.97..1.03).contains(&(times.len() as f64 / 400_000.0)), "{} arrivals", times.len());
    }

    #[test]
    fn a_curve_is_followed() {
        let points = vec![
            (at(10.0), 100.0),
            (at(20.0), 1100.0),
            (at(30.0), 1100.0),
            (at(30.0), 0.0),
            (at(40.0), 0.0),
            (at(50.0), 200.0),
        ];
        let times = arrivals(Pattern::Curve(points), 0.0, 100.0);
        assert!(times.is_sorted());
        expect(&times, 0.0, 10.0, 1000.0);
        expect(&times, 10.0, 15.0, 5.0 * 350.0);
        expect(&times, 15.0, 20.0, 5.0 * 850.0);
        expect(&times, 20.0, 30.0, 11_000.0);
        expect(&times, 30.0, 40.0, 0.0);
        expect(&times, 40.0, 45.0, 250.0);
        expect(&times, 45.0, 50.0, 750.0);
        expect(&times, 50.0, 100.0, 10_000.0);
    }

    /// Inversion, and exactly: the integral of the rate between two arrivals is the number drawn.
    #[test]
    fn a_curve_uses_up_what_was_drawn() {
        let curve = Pattern::Curve(vec![(at(0.0), 0.0), (at(100.0), 50.0)]);
        let times = arrivals(curve, 0.0, 100.0);
        let integral = |t: f64| 0.25 * t * t;
        let mut stream = Stream::new(9, "arrivals");
        let mut before = 0.0;
        for &time in &times {
            let drawn = stream.exponential();
            assert!((integral(time) - integral(before) - drawn).abs() < 1e-6);
            before = time;
        }
        assert!((2300..2700).contains(&times.len()));
    }

    #[test]
    fn the_start_may_be_anywhere_on_a_curve() {
        let curve = Pattern::Curve(vec![(at(0.0), 0.0), (at(100.0), 1000.0), (at(200.0), 1000.0)]);
        let times = arrivals(curve, 50.0, 60.0);
        expect(&times, 50.0, 60.0, 5500.0);
    }

    #[test]
    fn no_rate_no_arrivals() {
        assert_eq!(arrivals(Pattern::Poisson(0.0), 0.0, 1e9), []);
        assert_eq!(arrivals(Pattern::Constant(0.0), 5.0, 1e9), []);
        let off = Pattern::Bursts { rate: 0.0, on: Dist::Constant(1e6), off: Dist::Constant(1e6) };
        assert_eq!(arrivals(off, 0.0, 1e9), []);
        assert_eq!(arrivals(Pattern::Curve(vec![(at(1.0), 0.0)]), 2.0, 1e9), []);
        assert_eq!(arrivals(Pattern::Curve(vec![(at(1.0), 5.0), (at(1.0), 0.0)]), 2.0, 1e9), []);
        assert_eq!(arrivals(Pattern::Poisson(5.0), 2.0, 1.0), [], "the stop is before the start");
    }

    #[test]
    #[should_panic(expected = "order of time")]
    fn the_points_of_a_curve_are_in_order() {
        ArrivalProcess::new(Pattern::Curve(vec![(at(2.0), 1.0), (at(1.0), 1.0)]), Time::ZERO, Time::NEVER);
    }
}
