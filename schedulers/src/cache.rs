//! The cache of `lblc` and `lblcr`: what was decided for a destination address, and when it was last used.
//!
//! A chained hash of 1024 buckets. The buckets matter only for the collection, which visits them in turn.

use crate::hash::{fold, golden};
use crate::{Destination, DestinationId, Destinations};
use sim_core::{Duration, Time};
use std::net::IpAddr;

const BITS: u32 = 10;
const BUCKETS: usize = 1 << BITS;
/// Above this many entries the collection begins to remove idle ones early.
const COMFORTABLE: usize = 16 * BUCKETS;
/// At this many entries nothing new is stored.
const FULL: usize = 24 * BUCKETS;
/// The collection runs every minute; each thirtieth run is a full one.
const RUNS_PER_FULL_COLLECTION: u32 = 30;
/// How long an entry must be idle to be removed early.
const IDLE: Duration = Duration::from_secs(360);

/// Decisions by destination address.
#[derive(Clone, Debug)]
pub(crate) struct Cache<V> {
    buckets: Vec<Vec<Cached<V>>>,
    len: usize,
    runs: u32,
    next_bucket: usize,
}

#[derive(Clone, Debug)]
struct Cached<V> {
    target: IpAddr,
    used: Time,
    value: V,
}

impl<V> Cache<V> {
    pub(crate) fn new() -> Cache<V> {
        Cache { buckets: (0..BUCKETS).map(|_| Vec::new()).collect(), len: 0, runs: 0, next_bucket: 0 }
    }

    /// The decision for `target`, without using it.
    pub(crate) fn peek(&self, target: IpAddr) -> Option<&V> {
        self.buckets[bucket(target)].iter().find(|entry| entry.target == target).map(|entry| &entry.value)
    }

    /// The decision for `target`, used now.
    pub(crate) fn get(&mut self, target: IpAddr, now: Time) -> Option<&mut V> {
        let entry = self.buckets[bucket(target)].iter_mut().find(|entry| entry.target == target)?;
        entry.used = now;
        Some(&mut entry.value)
    }

    /// Stores a decision for a target that has none, unless the cache is full.
    pub(crate) fn insert(&mut self, target: IpAddr, now: Time, value: V) {
        if self.len < FULL {
            self.len += 1;
            self.buckets[bucket(target)].push(Cached { target, used: now, value });
        }
    }

    /// All decisions, in no useful order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.buckets.iter().flatten().map(|entry| &entry.value)
    }

    /// The minutely housekeeping: every thirtieth time all entries unused for `expiration` go; in between, if there
    /// are too many, some of those unused for six minutes.
    pub(crate) fn collect(&mut self, now: Time, expiration: Duration) {
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_PER_FULL_COLLECTION) {
            self.sweep(now, expiration, usize::MAX);
        } else if self.len > COMFORTABLE {
            self.sweep(now, IDLE, ((self.len - COMFORTABLE) * 4 / 3).min(COMFORTABLE / 2));
        }
    }

    /// Removes up to `goal` entries unused for `idle`, onward from the bucket where the last sweep ended.
    fn sweep(&mut self, now: Time, idle: Duration, mut goal: usize) {
        for _ in 0..BUCKETS {
            let bucket = &mut self.buckets[self.next_bucket];
            let before = bucket.len();
            bucket.retain(|entry| {
                let stays = goal == 0 || now.since(entry.used) < idle;
                goal -= usize::from(!stays);
                stays
            });
            self.len -= before - bucket.len();
            if goal == 0 {
                return;
            }
            self.next_bucket = (self.next_bucket + 1) % BUCKETS;
        }
    }
}

/// Has a server more active connections than its weight, while another has less than half of its own?
pub(crate) fn is_crowded(d: &Destination, list: &Destinations) -> bool {
    d.active > d.weight && list.iter().any(|(_, e)| e.active.wrapping_mul(2) < e.weight)
}

/// `10.0.0.3:80` for explanations.
pub(crate) fn endpoint(list: &Destinations, id: DestinationId) -> String {
    let d = list.get(id);
    std::net::SocketAddr::new(d.addr, d.port).to_string()
}

fn bucket(target: IpAddr) -> usize {
    golden(fold(target), BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn target(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    #[test]
    fn entries_go_in_the_thirtieth_run_after_their_expiration() {
        let mut cache = Cache::new();
        cache.insert(target(1), at(0), ());
        cache.insert(target(2), at(1795), ());
        for minute in 1..30 {
            cache.collect(at(60 * minute), Duration::from_secs(10));
        }
        assert_eq!(cache.len, 2, "only the thirtieth run collects");
        cache.collect(at(1800), Duration::from_secs(10));
        assert!(cache.peek(target(1)).is_none() && cache.peek(target(2)).is_some());
    }

    #[test]
    fn a_crowded_cache_sheds_idle_entries_a_part_at_a_time() {
        let mut cache = Cache::new();
        for n in 0..30_000 {
            cache.insert(target(n), at(0), ());
        }
        assert_eq!(cache.len, FULL);
        cache.collect(at(60), Duration::MAX);
        assert_eq!(cache.len, FULL, "nothing has been idle for six minutes");
        cache.collect(at(600), Duration::MAX);
        assert_eq!(cache.len, FULL - COMFORTABLE / 2);
        cache.collect(at(660), Duration::MAX);
        assert_eq!(cache.len, FULL - COMFORTABLE / 2, "comfortable again");
        assert_eq!(cache.values().count(), cache.len);
    }
}
