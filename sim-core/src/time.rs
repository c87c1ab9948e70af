//! Virtual time: nanoseconds since the start of the run, in 64 bits (584 years).

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An instant of virtual time, in nanoseconds since the start of the run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(u64);

/// A length of virtual time, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Duration(u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Time = Time(0);
    /// Later than everything: "never".
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `ns` nanoseconds after the start.
    pub const fn from_nanos(ns: u64) -> Time {
        Time(ns)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for display and statistics only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time that has passed since `earlier`, zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);
    /// Longer than any run.
    pub const MAX: Duration = Duration(u64::MAX);

    /// A duration of `ns` nanoseconds.
    pub const fn from_nanos(ns: u64) -> Duration {
        Duration(ns)
    }

    /// A duration of `us` microseconds.
    pub const fn from_micros(us: u64) -> Duration {
        Duration(us.saturating_mul(1_000))
    }

    /// A duration of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Duration {
        Duration(ms.saturating_mul(1_000_000))
    }

    /// A duration of `s` seconds.
    pub const fn from_secs(s: u64) -> Duration {
        Duration(s.saturating_mul(1_000_000_000))
    }

    /// A duration of `s` seconds, rounded to the nanosecond; negative and undefined become zero, overlong [`Duration::MAX`].
    pub fn from_secs_f64(s: f64) -> Duration {
        // `as` saturates, and turns NaN into 0.
        Duration((s * 1e9 + 0.5) as u64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds, for display and statistics only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(d.0))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Add for Duration {
    type Output = Duration;
    fn add(self, d: Duration) -> Duration {
        Duration(self.0.saturating_add(d.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Duration {
    type Output = Duration;
    fn sub(self, d: Duration) -> Duration {
        Duration(self.0.saturating_sub(d.0))
    }
}

impl fmt::Display for Time {
    /// Seconds with six decimals, as packet traces print them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

impl fmt::Display for Duration {
    /// The largest unit that keeps the number at 1 or more: `1.5 s`, `250 µs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        match self.0 {
            0 => write!(f, "0 s"),
            1..1_000 => write!(f, "{ns} ns"),
            1_000..1_000_000 => write!(f, "{} µs", ns / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{} ms", ns / 1e6),
            _ => write!(f, "{} s", ns / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert_eq!(Time::from_nanos(3).since(Time::from_nanos(5)), Duration::ZERO);
        assert_eq!(Duration::from_nanos(3) - Duration::from_nanos(5), Duration::ZERO);
        assert_eq!(Duration::from_secs(u64::MAX), Duration::MAX);
    }

    #[test]
    fn seconds_are_rounded_to_nanoseconds() {
        let check = |seconds, ns| assert_eq!(Duration::from_secs_f64(seconds).as_nanos(), ns);
        check(1.5, 1_500_000_000);
        check(1.4e-9, 1);
        check(1.6e-9, 2);
        check(-1.0, 0);
        check(f64::NAN, 0);
        check(f64::INFINITY, u64::MAX);
    }

    #[test]
    fn instants_read_like_packet_traces_and_durations_like_prose() {
        let time = |ns| Time::from_nanos(ns).to_string();
        assert_eq!(
            [time(0), time(1_031_000_999), time(62_000_001_000)],
            ["0.000000", "1.031000", "62.000001"]
        );
        let duration = |ns| Duration::from_nanos(ns).to_string();
        assert_eq!([duration(0), duration(999), duration(250_000)], ["0 s", "999 ns", "250 µs"]);
        assert_eq!([duration(1_500_000), duration(1_500_000_000)], ["1.5 ms", "1.5 s"]);
    }
}
