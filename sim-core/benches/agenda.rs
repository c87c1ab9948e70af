//! The agenda against the queues it was chosen from, in the hold model: take the earliest entry, post it again
//! later. `cargo bench -p sim-core --bench agenda`; items are holds.
//!
//! Delays come from a table, so that the queue is measured and not the logarithm.

use divan::{Bencher, black_box, counter::ItemsCount};
use sim_core::{Agenda, Stream, Time};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

fn main() {
    divan::main();
}

/// Holds of one iteration.
const HOLDS: u32 = 100_000;
/// One jiffy of 4 ms: where timers are due.
const TICK: u64 = 4_000_000;
/// Far timers are marked in their payload, to be posted again far away.
const FAR: u32 = 1 << 31;

/// Exponential delays, 20 entries a microsecond whatever the number of entries.
#[divan::bench(types = [Agenda<u32>, Binary, Quaternary, Radix], args = [20, 100, 2_000, 10_000, 1_000_000])]
fn hold<Q: Queue>(bencher: Bencher, pending: u32) {
    run::<Q>(bencher, &exponential_delays(50.0 * f64::from(pending)), pending, 0);
}

/// The same where a sorted ring is not hopeless yet.
#[divan::bench(args = [20, 100, 2_000])]
fn hold_in_a_ring(bencher: Bencher, pending: u32) {
    run::<Ring>(bencher, &exponential_delays(50.0 * f64::from(pending)), pending, 0);
}

/// 100 entries within microseconds, and many timers up to 15 minutes ahead.
#[divan::bench(types = [Agenda<u32>, Binary, Quaternary, Radix], args = [1_000_000])]
fn hold_beside_timers<Q: Queue>(bencher: Bencher, timers: u32) {
    run::<Q>(bencher, &exponential_delays(5_000.0), 100, timers);
}

/// What one hop takes at 10 Gbit/s and 5 µs: the four frame sizes of a short connection.
#[divan::bench(types = [Agenda<u32>, Binary, Quaternary, Radix, Ring], args = [20, 100])]
fn hold_fixed_delays<Q: Queue>(bencher: Bencher, pending: u32) {
    let mut stream = Stream::new(1, "sizes");
    let delays: Vec<u64> =
        (0..4096).map(|_| [5_056, 5_062, 5_216, 6_214][stream.below(4) as usize]).collect();
    run::<Q>(bencher, &delays, pending, 0);
}

fn exponential_delays(mean_ns: f64) -> Vec<u64> {
    let mut stream = Stream::new(1, "delays");
    (0..4096).map(|_| (stream.exponential() * mean_ns) as u64).collect()
}

fn run<Q: Queue>(bencher: Bencher, delays: &[u64], pending: u32, timers: u32) {
    let mut queue = Q::default();
    let mut stream = Stream::new(1, "timers");
    for i in 0..pending {
        queue.post(delays[i as usize % delays.len()], i);
    }
    for i in 0..timers {
        queue.post((1 + stream.below(225_000)) * TICK, FAR | i);
    }
    let mut delays = delays.iter().cycle();
    bencher.counter(ItemsCount::new(HOLDS)).bench_local(|| {
        for _ in 0..HOLDS {
            let (now, payload) = queue.pop();
            let delay = if payload & FAR == 0 { delays.next() } else { None };
            queue.post(now + delay.copied().unwrap_or(15_000 * TICK), black_box(payload));
        }
    });
}

/// What the hold model needs of a queue.
trait Queue: Default {
    fn post(&mut self, at: u64, payload: u32);
    fn pop(&mut self) -> (u64, u32);
}

impl Queue for Agenda<u32> {
    fn post(&mut self, at: u64, payload: u32) {
        Agenda::post(self, Time::from_nanos(at), payload);
    }

    fn pop(&mut self) -> (u64, u32) {
        let (at, payload) = Agenda::pop(self).expect("a hold posts what it takes");
        (at.as_nanos(), payload)
    }
}

/// The standard library's heap, with a sequence number.
#[derive(Default)]
struct Binary {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    posted: u64,
}

impl Queue for Binary {
    fn post(&mut self, at: u64, payload: u32) {
        self.posted += 1;
        self.heap.push(Reverse((at, self.posted, payload)));
    }

    fn pop(&mut self) -> (u64, u32) {
        let Reverse((at, _, payload)) = self.heap.pop().expect("a hold posts what it takes");
        (at, payload)
    }
}

/// A heap with four children a node; time, sequence number and payload in one 128-bit key.
#[derive(Default)]
struct Quaternary {
    heap: Vec<u128>,
    posted: u32,
}

impl Queue for Quaternary {
    fn post(&mut self, at: u64, payload: u32) {
        self.posted = self.posted.wrapping_add(1);
        let key = u128::from(at) << 64 | u128::from(self.posted) << 32 | u128::from(payload);
        let mut i = self.heap.len();
        self.heap.push(key);
        while i > 0 && self.heap[(i - 1) / 4] > key {
            self.heap[i] = self.heap[(i - 1) / 4];
            i = (i - 1) / 4;
        }
        self.heap[i] = key;
    }

    fn pop(&mut self) -> (u64, u32) {
        let first = self.heap[0];
        let last = self.heap.pop().expect("a hold posts what it takes");
        let n = self.heap.len();
        let mut i = 0;
        while 4 * i + 1 < n {
            let children = 4 * i + 1..n.min(4 * i + 5);
            let least = children.min_by_key(|&child| self.heap[child]).expect("there is a child");
            if self.heap[least] > last {
                break;
            }
            self.heap[i] = self.heap[least];
            i = least;
        }
        if n > 0 {
            self.heap[i] = last;
        }
        ((first >> 64) as u64, first as u32)
    }
}

/// A radix heap: bucket k holds times that differ from the last one taken in bit k − 1 and none above.
struct Radix {
    buckets: Vec<Vec<(u64, u32)>>,
    taken: usize,
    last: u64,
}

impl Default for Radix {
    fn default() -> Radix {
        Radix { buckets: vec![Vec::new(); 65], taken: 0, last: 0 }
    }
}

impl Queue for Radix {
    fn post(&mut self, at: u64, payload: u32) {
        self.buckets[64 - (at ^ self.last).leading_zeros() as usize].push((at, payload));
    }

    fn pop(&mut self) -> (u64, u32) {
        if self.taken == self.buckets[0].len() {
            self.buckets[0].clear();
            self.taken = 0;
            let fullest =
                self.buckets.iter().position(|b| !b.is_empty()).expect("a hold posts what it takes");
            let mut entries = std::mem::take(&mut self.buckets[fullest]);
            self.last = entries.iter().map(|&(at, _)| at).min().expect("the bucket is not empty");
            for (at, payload) in entries.drain(..) {
                self.post(at, payload);
            }
            self.buckets[fullest] = entries;
        }
        self.taken += 1;
        self.buckets[0][self.taken - 1]
    }
}

/// One ring, sorted by insertion from its tail.
#[derive(Default)]
struct Ring {
    entries: VecDeque<(u64, u32)>,
}

impl Queue for Ring {
    fn post(&mut self, at: u64, payload: u32) {
        let mut i = self.entries.len();
        self.entries.push_back((at, payload));
        while i > 0 && self.entries[i - 1].0 > at {
            self.entries[i] = self.entries[i - 1];
            i -= 1;
        }
        self.entries[i] = (at, payload);
    }

    fn pop(&mut self) -> (u64, u32) {
        self.entries.pop_front().expect("a hold posts what it takes")
    }
}
