//! When a Linux kernel timer really fires.
//!
//! Linux counts time in jiffies, 1/HZ second each (4 ms on Debian), and keeps its timers on a wheel that is coarser
//! the farther away they are. A timer asked for at jiffy `now` to expire at `E` = now + d fires at the jiffy
//! G · (⌊E / G⌋ + 1): never early, always after E, up to G jiffies late. G is 1 for d < 63 and eight times as much
//! for every factor of eight in d:
//!
//! | d in jiffies below | 63 | 504 | 4032 | 32 256 | 258 048 | 2 064 384 | 16 515 072 |
//! |--------------------|---:|----:|-----:|-------:|--------:|----------:|-----------:|
//! | granularity G      |  1 |   8 |   64 |    512 |    4096 |    32 768 |    262 144 |
//!
//! So the retransmission of a SYN asked for in 1 s comes after 1.000 … 1.032 s, and a connection entry of 300 s
//! lives up to 316.4 s. Where on the raster a run begins depends on how long the machine has been up: the jiffy
//! counter starts at −300 · HZ at boot.

use crate::{Duration, Time};

/// The timers of a host: exact, or as late as those of a Linux kernel.
///
/// ```
/// use sim_core::{Duration, Time, Timers};
/// let booted_at_zero = Timers::linux();
/// let second = Duration::from_secs(1);
/// // 250 jiffies from −75 000 are −74 750; the next multiple of 8 is −74 744.
/// assert_eq!(booted_at_zero.fires_at(Time::ZERO, second), Time::from_nanos(1_024_000_000));
/// assert_eq!(Timers::ideal().fires_at(Time::ZERO, second), Time::from_nanos(1_000_000_000));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timers {
    /// A timer fires when asked to.
    Ideal,
    /// A timer fires when the kernel's wheel gets to it.
    Wheel(Wheel),
}

impl Timers {
    /// Exact timers.
    pub const fn ideal() -> Timers {
        Timers::Ideal
    }

    /// Debian's kernel, HZ = 250, booted at time zero.
    pub const fn linux() -> Timers {
        Timers::Wheel(Wheel::new(250, Duration::ZERO))
    }

    /// When a timer fires that is set `now` to expire after `delay`.
    #[inline]
    pub fn fires_at(&self, now: Time, delay: Duration) -> Time {
        match self {
            Timers::Ideal => now + delay,
            Timers::Wheel(wheel) => wheel.fires_at(now, delay),
        }
    }

    /// What a kernel that counts time in jiffies takes for `now`: the instant of the last tick.
    #[inline]
    pub fn last_tick(&self, now: Time) -> Time {
        match self {
            Timers::Ideal => now,
            Timers::Wheel(wheel) => wheel.at_jiffy(wheel.jiffies(now)),
        }
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::linux()
    }
}

/// The jiffy counter of a kernel and the arithmetic of its timer wheel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wheel {
    tick_ns: u64,
    /// ⌈2⁶⁴ / `tick_ns`⌉: a multiplication instead of a division for every packet.
    reciprocal: u64,
    uptime_ns: u64,
    /// The counter at boot, modulo 2³²: −300 · HZ.
    boot_jiffies: u64,
}

impl Wheel {
    /// A kernel with `hz` jiffies a second that had been up for `uptime` when the run began.
    ///
    /// # Panics
    /// If `hz` is zero or above 1 000 000.
    pub const fn new(hz: u32, uptime: Duration) -> Wheel {
        assert!(hz > 0 && hz <= 1_000_000, "HZ is 100, 250, 300 or 1000");
        let tick_ns = 1_000_000_000 / hz as u64;
        Wheel {
            tick_ns,
            reciprocal: u64::MAX / tick_ns + 1,
            uptime_ns: uptime.as_nanos(),
            boot_jiffies: (1 << 32) - 300 * hz as u64,
        }
    }

    /// The length of a jiffy.
    #[inline]
    pub const fn tick(&self) -> Duration {
        Duration::from_nanos(self.tick_ns)
    }

    /// The jiffy counter at `now`; at boot it is 2³² − 300 · HZ.
    #[inline]
    pub const fn jiffies(&self, now: Time) -> u64 {
        self.boot_jiffies + self.ticks(now.as_nanos().saturating_add(self.uptime_ns))
    }

    /// When the counter gets to `jiffy`: the instant of all timers that fire then. Never before the run begins.
    #[inline]
    pub const fn at_jiffy(&self, jiffy: u64) -> Time {
        let since_boot = jiffy.saturating_sub(self.boot_jiffies).saturating_mul(self.tick_ns);
        Time::from_nanos(since_boot.saturating_sub(self.uptime_ns))
    }

    /// When a timer fires that is set `now` to expire after `delay`, rounded up to whole jiffies.
    #[inline]
    pub const fn fires_at(&self, now: Time, delay: Duration) -> Time {
        let jiffies = self.ticks(delay.as_nanos().saturating_add(self.tick_ns - 1));
        self.at_jiffy(fires_at_jiffy(self.jiffies(now), jiffies))
    }

    /// Whole jiffies in `ns`.
    #[inline]
    const fn ticks(&self, ns: u64) -> u64 {
        // The reciprocal is rounded up, and the estimate is at most one too large.
        let estimate = ((ns as u128 * self.reciprocal as u128) >> 64) as u64;
        if estimate as u128 * self.tick_ns as u128 > ns as u128 { estimate - 1 } else { estimate }
    }
}

/// The jiffy at which a timer fires that is set at jiffy `now` to expire `delay` jiffies later.
#[inline]
pub const fn fires_at_jiffy(now: u64, delay: u64) -> u64 {
    // The granularity of a level is 8ˡᵉᵛᵉˡ, its reach 63 times that. A delay below 2^(6 + 3·level) is within the
    // reach of `level`, or just beyond it.
    let bits = u64::BITS - (delay | 1).leading_zeros();
    let level = bits.saturating_sub(6).div_ceil(3);
    let shift = 3 * (level + (delay >> (3 * level) >= 63) as u32);
    (((now + delay) >> shift) + 1) << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn t(seconds: f64) -> Time {
        Time::ZERO + s(seconds)
    }

    /// The table, row by row.
    fn granularity(d: u64) -> u64 {
        let rows = [
            (63, 1),
            (504, 8),
            (4_032, 64),
            (32_256, 512),
            (258_048, 4_096),
            (2_064_384, 32_768),
            (16_515_072, 262_144),
        ];
        rows.iter().find(|&&(below, _)| d < below).expect("within the table").1
    }

    #[test]
    fn the_rule_agrees_with_the_table_at_every_edge() {
        for d in [
            0, 1, 62, 63, 64, 503, 504, 4_031, 4_032, 32_255, 32_256, 258_047, 258_048, 2_064_383, 16_515_071,
        ] {
            let g = granularity(d);
            for now in [0, 1, 7, 8, 63, 64, 1_000_003, 4_294_892_296] {
                assert_eq!(fires_at_jiffy(now, d), ((now + d) / g + 1) * g, "{d} jiffies from jiffy {now}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_rule_agrees_with_the_table(now in 0u64..1 << 40, d in (0u32..24).prop_flat_map(|b| 0..1u64 << b)) {
            let d = d.min(16_515_071);
            let g = granularity(d);
            prop_assert_eq!(fires_at_jiffy(now, d), ((now + d) / g + 1) * g);
        }

        #[test]
        fn jiffies_are_whole_ticks(ns in any::<u64>(), hz in prop::sample::select(vec![100u32, 250, 300, 1000])) {
            let wheel = Wheel::new(hz, Duration::ZERO);
            prop_assert_eq!(wheel.ticks(ns), ns / wheel.tick_ns);
        }

        #[test]
        fn a_timer_is_never_early_nor_later_than_its_granularity(
            now in 0u64..1 << 50, delay in 0u64..60_000_000_000_000, uptime in 0u64..1 << 50,
        ) {
            let wheel = Wheel::new(250, Duration::from_nanos(uptime));
            let (now, delay) = (Time::from_nanos(now), Duration::from_nanos(delay));
            let fires = wheel.fires_at(now, delay);
            let jiffies = delay.as_nanos().div_ceil(4_000_000);
            // The present is up to a jiffy after the count that the timer starts from.
            prop_assert!(fires + wheel.tick() > now + delay);
            let latest = (jiffies + granularity(jiffies)) * 4_000_000;
            prop_assert!(fires.since(now) <= Duration::from_nanos(latest));
            prop_assert_eq!(wheel.at_jiffy(wheel.jiffies(fires)), fires);
        }
    }

    /// Recorded from Linux 6.1: one unanswered SYN, each delay asked for when the one before fired. The first, third
    /// and sixth depend on the phase; this boot began on such a one.
    #[test]
    fn retransmissions_of_a_syn() {
        let asked = [1, 2, 4, 8, 16, 32, 64];
        let seen = [1.031, 2.016, 4.064, 8.192, 16.128, 32.256, 65.536];
        let agrees = |timers: &Timers, sent: Time| {
            let mut now = sent;
            asked.iter().zip(seen).all(|(&asked, seen)| {
                let fires = timers.fires_at(now, Duration::from_secs(asked));
                let waited = fires.since(std::mem::replace(&mut now, fires)).as_secs_f64();
                (waited - seen).abs() < 0.001
            })
        };
        // The raster of the coarsest timer here repeats every 512 jiffies. Send a millisecond after a tick.
        let timers = Timers::linux();
        let phases = (0..512).filter(|&jiffy| agrees(&timers, t(f64::from(jiffy) * 0.004 + 0.001))).count();
        assert!((1..16).contains(&phases), "{phases} of 512 phases explain the recording");
    }

    #[test]
    fn delays_that_do_not_depend_on_the_phase() {
        // Set on the raster of the timer before, as the retransmissions are.
        let timers = Timers::linux();
        let check = |raster_jiffies: u64, asked: f64, waits: f64| {
            let wheel = Wheel::new(250, Duration::ZERO);
            let start = wheel.at_jiffy((wheel.jiffies(Time::ZERO) / raster_jiffies + 1) * raster_jiffies);
            assert_eq!(timers.fires_at(start, s(asked)).since(start), s(waits), "{asked} s");
        };
        check(8, 2.0, 2.016);
        check(64, 8.0, 8.192);
        check(64, 16.0, 16.128);
        check(512, 64.0, 65.536);
        // The collectors of IPVS; its estimator is the first line.
        check(512, 60.0, 61.44);
    }

    #[test]
    fn a_connection_entry_of_300_s_lives_up_to_16_4_s_longer() {
        let timers = Timers::linux();
        let lives: Vec<f64> = (0..4096)
            .map(|i| {
                timers
                    .fires_at(t(f64::from(i) * 0.004), s(300.0))
                    .since(t(f64::from(i) * 0.004))
                    .as_secs_f64()
            })
            .collect();
        let (least, most) = lives.iter().fold((f64::MAX, 0f64), |(a, b), &x| (a.min(x), b.max(x)));
        assert!((least - 300.004).abs() < 1e-9 && (most - 316.384).abs() < 1e-9, "{least} … {most}");
    }

    #[test]
    fn short_timers_come_one_jiffy_later() {
        // A retransmission time-out of 51 jiffies fires at the 52nd tick: 204 to 208 ms after arming.
        let timers = Timers::linux();
        assert_eq!(timers.fires_at(t(0.0), s(0.204)), t(0.208));
        assert_eq!(timers.fires_at(t(0.003), s(0.204)), t(0.208));
        assert_eq!(timers.fires_at(t(0.003), s(0.2031)), t(0.208), "delays are rounded up to jiffies");
    }

    #[test]
    fn between_two_ticks_no_time_passes() {
        let timers = Timers::Wheel(Wheel::new(250, Duration::from_millis(1)));
        for (now, tick) in [(0.003, 0.003), (0.0069, 0.003), (0.007, 0.007), (0.001, 0.0)] {
            assert_eq!(timers.last_tick(t(now)), t(tick), "at {now} s");
        }
        assert_eq!(Timers::ideal().last_tick(t(0.0069)), t(0.0069));
    }

    #[test]
    fn uptime_shifts_the_raster() {
        let timers = Timers::Wheel(Wheel::new(250, Duration::from_millis(5)));
        assert_eq!(timers.fires_at(Time::ZERO, s(0.1)), t(0.103));
        let wheel = Wheel::new(1000, Duration::from_secs(300));
        assert_eq!(wheel.jiffies(Time::ZERO), 1 << 32, "300 s after boot the 32-bit counter wraps");
    }
}
