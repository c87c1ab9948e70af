//! Where the kernel's count of ticks is, which decides when its timers fire.
//!
//! Jiffies are counted from boot, but not all of them: some are missed while the kernel looks for its clock. Each boot
//! misses others, so `/proc/timer_list` is asked.

use super::monotonic;
use crate::job::TICK;
use std::time::Duration;

/// Jiffies at boot: five minutes before the counter's lower half overflows.
const AT_BOOT: u64 = (1 << 32) - 300 * 250;
/// How often the list is read: a tick in the middle of it makes the lag one too small.
const LOOKS: usize = 3;

/// By how many nanoseconds the kernel's jiffies lag behind its monotonic clock; 0 if it does not say.
pub(super) fn lag() -> u64 {
    let looks = (0..LOOKS).filter_map(|_| {
        // A moment after a tick, so that the next one is far.
        std::thread::sleep(Duration::from_nanos(TICK - monotonic() % TICK + TICK / 8));
        lag_in(&std::fs::read_to_string("/proc/timer_list").ok()?)
    });
    looks.max().unwrap_or(0)
}

/// The lag that a timer list shows: its "now", and how many ticks have been counted by then.
fn lag_in(list: &str) -> Option<u64> {
    let number = |prefix: &str| {
        let line = list.lines().find_map(|line| line.trim().strip_prefix(prefix))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let ticks = number("jiffies:")?.checked_sub(AT_BOOT)?;
    (number("now at")? / TICK).checked_sub(ticks).map(|missed| missed * TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_what_was_missed_at_boot() {
        // From Linux 6.1.0-56-cloud-amd64.
        let list = "Timer List Version: v0.9\nHRTIMER_MAX_CLOCK_BASES: 8\nnow at 34833196028 nsecs\n\ncpu: 0\n\
                    \x20 .last_jiffies   : 4294900945\njiffies: 4294900983\n";
        assert_eq!(lag_in(list), Some(21 * TICK));
        assert_eq!(lag_in("now at 34833196028 nsecs\n"), None);
        assert_eq!(lag_in(""), None);
    }
}
