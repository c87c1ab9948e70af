//! How many ICMP errors and redirects a host sends.
//!
//! Errors: each recipient has an account of tokens, worth one a second and six at most (`net.ipv4.icmp_ratelimit`), and
//! the host has one for all (`icmp_msgs_per_sec`, `icmp_msgs_burst`). An error because of a missing route costs two
//! tokens. Redirects to one host come at growing distances, nine at most, until the host has been quiet for 20 s.
//! Linux counts the time between two errors in jiffies, so `now` is the last tick.

use crate::addr::Addr;
use sim_core::{Duration, Time};
use std::collections::BTreeMap;

/// Most tokens of an account, in units of `icmp_ratelimit`.
const BURST: u64 = 6;
/// Most tokens that count for an error because of a missing route.
const ROUTE_BURST: u64 = 5;
/// Redirects after which a host gets no more.
const REDIRECTS: u32 = 9;
const REDIRECT_LOAD: Duration = Duration::from_millis(20);
const REDIRECT_SILENCE: Duration = Duration::from_millis(20 << 10);
/// Accounts beyond this number are tidied: a full and quiet one equals a fresh one.
const TIDY_ABOVE: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Account {
    /// In time: a token is worth `icmp_ratelimit`.
    tokens: Duration,
    last: Time,
    redirects: u32,
    last_redirect: Time,
}

/// The accounts of a host.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    accounts: BTreeMap<Addr, Account>,
    tidy_at: usize,
    /// Errors the host may send to anybody, in billionths.
    global: u64,
    global_last: Option<Time>,
}

impl Limits {
    pub(super) fn new() -> Limits {
        Limits { accounts: BTreeMap::new(), tidy_at: TIDY_ABOVE, global: 0, global_last: None }
    }

    /// May an error go to `recipient`? An error about a missing route pays a step of its own first.
    pub(super) fn allows(
        &mut self,
        now: Time,
        recipient: Addr,
        ratelimit: Duration,
        for_route: bool,
    ) -> bool {
        let account = self.account(now, recipient, ratelimit);
        (!for_route || account.pay(now, ratelimit, ROUTE_BURST)) && account.pay(now, ratelimit, BURST)
    }

    /// May the host send another error at all?
    pub(super) fn allows_any(&mut self, now: Time, per_second: u64, burst: u64) -> bool {
        const ONE: u64 = 1_000_000_000;
        let full = burst.saturating_mul(ONE);
        self.global = self.global_last.map_or(full, |last| {
            let earned = now.since(last).as_nanos().saturating_mul(per_second);
            self.global.saturating_add(earned).min(full)
        });
        self.global_last = Some(now);
        let is_allowed = self.global >= ONE;
        if is_allowed {
            self.global -= ONE;
        }
        is_allowed
    }

    /// May a redirect go to `recipient`?
    pub(super) fn allows_redirect(&mut self, now: Time, recipient: Addr, ratelimit: Duration) -> bool {
        let account = self.account(now, recipient, ratelimit);
        if now.since(account.last_redirect) > REDIRECT_SILENCE {
            account.redirects = 0;
        }
        let pause = Duration::from_nanos(REDIRECT_LOAD.as_nanos() << account.redirects.min(REDIRECTS));
        if account.redirects >= REDIRECTS {
            account.last_redirect = now;
            return false;
        }
        let is_due = account.redirects == 0 || now > account.last_redirect + pause;
        if is_due {
            account.redirects += 1;
            account.last_redirect = now;
        }
        is_due
    }

    fn account(&mut self, now: Time, recipient: Addr, ratelimit: Duration) -> &mut Account {
        if self.accounts.len() >= self.tidy_at {
            let full = times(ratelimit, BURST);
            self.accounts.retain(|_, a| {
                a.tokens + now.since(a.last) < full || now.since(a.last_redirect) <= REDIRECT_SILENCE
            });
            self.tidy_at = (2 * self.accounts.len()).max(TIDY_ABOVE);
        }
        self.accounts.entry(recipient).or_insert(Account {
            tokens: times(ratelimit, BURST),
            last: now,
            redirects: 0,
            last_redirect: Time::ZERO,
        })
    }
}

impl Account {
    fn pay(&mut self, now: Time, price: Duration, burst: u64) -> bool {
        self.tokens = (self.tokens + now.since(self.last)).min(times(price, burst));
        self.last = now;
        let has_enough = self.tokens >= price;
        if has_enough {
            self.tokens = self.tokens - price;
        }
        has_enough
    }
}

const fn times(d: Duration, n: u64) -> Duration {
    Duration::from_nanos(d.as_nanos().saturating_mul(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> Time {
        Time::ZERO + Duration::from_secs_f64(seconds)
    }

    fn client() -> Addr {
        "192.168.1.10".parse().unwrap()
    }

    /// Two "time exceeded" and then errors about a missing route, at the very instants of the recording. [seen]
    #[test]
    fn errors_to_one_recipient_as_recorded() {
        let mut limits = Limits::new();
        let recorded = [
            (0.01, false, true),
            (1.03, false, true),
            (1.07, true, true),
            (3.12, true, true),
            (3.13, true, true),
            (4.15, true, true),
            (6.16, true, true),
            (7.17, true, false),
            (8.18, true, false),
            (12.2, true, true),
            (13.2, true, true),
        ];
        for (t, for_route, sent) in recorded {
            assert_eq!(limits.allows(at(t), client(), SECOND, for_route), sent, "at {t} s");
        }
    }

    #[test]
    fn six_errors_at_once_then_one_a_second() {
        let mut limits = Limits::new();
        let at_once = (0..10).filter(|_| limits.allows(at(100.0), client(), SECOND, false)).count();
        assert_eq!(at_once, 6);
        assert!(!limits.allows(at(100.9), client(), SECOND, false));
        assert!(limits.allows(at(101.0), client(), SECOND, false));
    }

    #[test]
    fn fifty_errors_at_once_then_a_thousand_a_second_to_everybody() {
        let mut limits = Limits::new();
        let at_once = (0..100).filter(|_| limits.allows_any(at(5.0), 1000, 50)).count();
        assert_eq!(at_once, 50);
        let later = (0..100).filter(|_| limits.allows_any(at(5.010), 1000, 50)).count();
        assert_eq!(later, 10);
    }

    /// Redirects at a steady stream of packets: at once, then after 40, 80, … ms; nine in all.
    #[test]
    fn redirects_come_at_doubling_distances() {
        let mut limits = Limits::new();
        let mut sent = Vec::new();
        for ms in 0..30_000u64 {
            if limits.allows_redirect(at(60.0) + Duration::from_millis(ms), client(), SECOND) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 41, 122, 283, 604, 1245, 2526, 5087, 10208]);
    }

    #[test]
    fn twenty_seconds_of_silence_bring_redirects_back() {
        let mut limits = Limits::new();
        for ms in 0..20_000u64 {
            limits.allows_redirect(at(60.0) + Duration::from_millis(ms), client(), SECOND);
        }
        assert!(!limits.allows_redirect(at(100.0), client(), SECOND));
        assert!(!limits.allows_redirect(at(120.48), client(), SECOND));
        assert!(limits.allows_redirect(at(140.97), client(), SECOND));
    }
}
