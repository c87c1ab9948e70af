//! When a kernel timer fires: exactly, or late on the coarse wheel of Linux.
//!
//! The kernel's clock ticks 250 times a second (a jiffy is 4 ms) and a timer that is far away fires on a coarse raster:
//! always late, never early.

use sim_core::{Duration, Time};

/// How the timers of the hosts behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Timers {
    /// A timer fires exactly when it was asked to.
    #[default]
    Ideal,
    /// As the timer wheel of Linux with 250 ticks a second.
    Wheel {
        /// Nanoseconds by which the jiffy clock is ahead of the run's clock.
        phase_ns: u64,
    },
}

const JIFFY_NS: u64 = 4_000_000;

impl Timers {
    /// When a timer fires that is asked at `now` to fire after `delay`.
    pub fn fires(self, now: Time, delay: Duration) -> Time {
        match self {
            Timers::Ideal => now + delay,
            Timers::Wheel { phase_ns } => {
                let now_jiffy = (now.as_nanos() + phase_ns) / JIFFY_NS;
                let distance = delay.as_nanos().div_ceil(JIFFY_NS);
                let granularity = granularity(distance);
                let jiffy = ((now_jiffy + distance) / granularity + 1) * granularity;
                Time::from_nanos((jiffy * JIFFY_NS).saturating_sub(phase_ns))
            }
        }
    }
}

/// The raster, in jiffies, of a timer that is `distance` jiffies away.
fn granularity(distance: u64) -> u64 {
    let mut granularity = 1;
    let mut limit = 63;
    while distance >= limit && granularity < 1 << 24 {
        granularity *= 8;
        limit *= 8;
    }
    granularity
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a tick of raster 8 the retransmissions of a SYN come after these numbers of ticks. [seen]
    #[test]
    fn distances_seen_on_the_wire() {
        let wheel = Timers::Wheel { phase_ns: 0 };
        let start = Time::from_nanos(4096 * JIFFY_NS);
        for (asked, ticks) in [(500, 504), (2000, 2048), (4000, 4032), (16000, 16384)] {
            let fires = wheel.fires(start, Duration::from_nanos(asked * JIFFY_NS));
            assert_eq!(fires.since(start).as_nanos() / JIFFY_NS, ticks, "asked for {asked}");
        }
    }
}
