//! When kernel timers fire: never early, usually late, in steps that grow with the distance.
//!
//! A timer wheel of eight levels stands behind every IPVS timer. `Timers::ideal` is for readers who want a 60 s
//! entry to live 60 s; `Timers::wheel` is what a kernel does.

use sim_core::{Duration, Time};

/// Distance in jiffies below which a granularity applies, and that granularity as a shift.
const LEVELS: [(u64, u32); 7] =
    [(63, 0), (504, 3), (4_032, 6), (32_256, 9), (258_048, 12), (2_064_384, 15), (16_515_072, 18)];

/// The clock that kernel timers live by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Length of a jiffy.
    tick: Duration,
    /// The jiffy counter at the start of the run, or none for timers that are never late.
    boot: Option<u64>,
}

impl Timers {
    /// Timers that fire when they are due (at the earliest one jiffy of 1/250 s after they were set).
    pub const fn ideal() -> Timers {
        Timers { tick: Duration::from_millis(4), boot: None }
    }

    /// The timer wheel of a kernel with `hz` jiffies a second that had counted `jiffies` when the run started.
    ///
    /// # Panics
    /// If `hz` is 0.
    pub const fn wheel(hz: u32, jiffies: u64) -> Timers {
        Timers { tick: Duration::from_nanos(1_000_000_000 / hz as u64), boot: Some(jiffies) }
    }

    /// The length of a jiffy.
    pub const fn tick(self) -> Duration {
        self.tick
    }

    /// When a timer fires that is set at `armed` for `expires`.
    pub fn fires(self, armed: Time, expires: Time) -> Time {
        let tick = self.tick.as_nanos();
        let Some(boot) = self.boot else {
            return expires.max(armed + self.tick);
        };
        let jiffy = |t: Time| boot + t.as_nanos() / tick;
        let (now, due) = (jiffy(armed), jiffy(expires));
        let distance = due.saturating_sub(now);
        let shift = LEVELS.iter().find(|(below, _)| distance < *below).map_or(18, |(_, shift)| *shift);
        let fired = ((due.max(now) >> shift) + 1) << shift;
        Time::from_nanos((fired - boot).saturating_mul(tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(seconds: u64) -> f64 {
        let expires = Time::ZERO + Duration::from_secs(seconds);
        Timers::wheel(250, 1).fires(Time::ZERO, expires).since(expires).as_secs_f64()
    }

    #[test]
    fn wheel_timers_are_late_by_up_to_one_step_of_their_level() {
        assert!(late(10) <= 0.26);
        assert!(late(60) <= 2.05);
        assert!(late(300) <= 16.4);
    }

    #[test]
    fn the_two_second_job_runs_every_2016_milliseconds() {
        let timers = Timers::wheel(250, 0);
        let mut now = timers.fires(Time::ZERO, Time::ZERO + Duration::from_secs(2));
        for _ in 0..100 {
            let next = timers.fires(now, now + Duration::from_secs(2));
            assert_eq!(next.since(now), Duration::from_millis(2016));
            now = next;
        }
    }

    #[test]
    fn ideal_timers_are_on_time_but_never_in_the_same_jiffy() {
        let now = Time::from_nanos(5);
        assert_eq!(Timers::ideal().fires(now, now + Duration::from_secs(60)), now + Duration::from_secs(60));
        assert_eq!(Timers::ideal().fires(now, now), now + Duration::from_millis(4));
    }
}
