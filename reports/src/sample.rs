//! Outcomes for tests: a toy cluster (Poisson arrivals, exponential service, first come first served) that is
//! realistic enough for plots to have something to show, and independent of the simulator.

use crate::{Labelled, Variant};
use net_model::outcome::*;
use net_model::verdict::DropReason;
use sim_core::{Duration, Histogram, Time};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A toy cluster; [`Sample::outcome`] runs it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) scheduler: &'static str,
    /// (weight, speed) of each server; service takes 20 ms / speed on average.
    pub(crate) servers: Vec<(i64, f64)>,
    pub(crate) workers: usize,
    pub(crate) backlog: usize,
    pub(crate) requests_per_s: f64,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
}

impl Default for Sample {
    /// Five uneven servers whose weights follow their speed, at three quarters of what they can do.
    fn default() -> Sample {
        Sample {
            scheduler: "wlc",
            servers: vec![(1, 1.0), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)],
            workers: 2,
            backlog: 64,
            requests_per_s: 825.0,
            seconds: 20,
            seed: 1,
        }
    }
}

impl Sample {
    /// Requests per second that keep all servers busy.
    pub(crate) fn capacity(&self) -> f64 {
        self.servers.iter().map(|(_, speed)| speed * self.workers as f64 / 0.020).sum()
    }

    /// Runs the toy cluster.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut cluster = Cluster::new(self);
        let end = self.seconds as f64;
        let interval = end / 200.0;
        let (mut next_arrival, mut next_sample) = (0.0, interval);
        loop {
            next_arrival += cluster.exponential() / self.requests_per_s;
            while next_sample <= next_arrival.min(end) + 1e-12 {
                cluster.depart(next_sample);
                cluster.sample(next_sample, interval);
                next_sample += interval;
            }
            if next_arrival > end {
                break;
            }
            cluster.depart(next_arrival);
            cluster.arrive(next_arrival);
        }
        cluster.finish()
    }
}

/// A comparison as `compare` makes it; an empty list of loads stands for one load that has no name.
pub(crate) fn comparison(
    schedulers: &[&'static str],
    methods: &[&str],
    loads: &[f64],
    n: u32,
) -> Vec<Labelled> {
    let mut runs = Vec::new();
    let percents: Vec<Option<f64>> =
        if loads.is_empty() { vec![None] } else { loads.iter().copied().map(Some).collect() };
    for &scheduler in schedulers {
        for &method in methods {
            for &load_percent in &percents {
                for replica in 0..n {
                    let mut sample = Sample { scheduler, seed: u64::from(replica) + 1, ..Sample::default() };
                    sample.requests_per_s = sample.capacity() * load_percent.unwrap_or(80.0) / 100.0;
                    let variant = Variant {
                        scheduler: scheduler.into(),
                        forwarding: method.into(),
                        load_percent,
                        replica,
                    };
                    runs.push(Labelled { variant, outcome: sample.outcome() });
                }
            }
        }
    }
    runs
}

/// A single run without labels that matter.
pub(crate) fn run(sample: &Sample) -> Labelled {
    let variant =
        Variant { scheduler: sample.scheduler.into(), forwarding: "dr".into(), ..Variant::default() };
    Labelled { variant, outcome: sample.outcome() }
}

/// A run in which nothing existed and nothing happened.
pub(crate) fn empty() -> Outcome {
    Outcome {
        seed: 1,
        duration: Duration::ZERO,
        events: 0,
        hops: 0,
        fingerprint: 0,
        frames: FrameBalance::default(),
        servers: vec![],
        clients: vec![],
        directors: vec![],
        links: vec![],
        drops: vec![],
        sample_times: vec![],
        arp_answers: vec![],
        arp_caches: vec![],
    }
}

/// Inputs that have broken many a plot, each with a name.
pub(crate) fn extremes() -> Vec<(&'static str, Vec<Labelled>)> {
    let label = |outcome| vec![Labelled { variant: Variant::default(), outcome }];
    let base = Sample { seconds: 2, ..Sample::default() };
    let silent = Sample { requests_per_s: 1e-9, ..base.clone() };
    let one = Sample { servers: vec![(1, 1.0)], requests_per_s: 50.0, ..base.clone() };
    let quiesced = Sample { servers: vec![(0, 1.0), (0, 1.0)], requests_per_s: 50.0, ..base.clone() };
    let single = Sample { requests_per_s: 0.6, ..base.clone() };
    let overloaded = Sample { requests_per_s: 5_000.0, backlog: 8, ..base.clone() };
    let many = Sample {
        servers: (0..1000).map(|i| (1 + i % 4, 1.0)).collect(),
        requests_per_s: 30_000.0,
        ..base.clone()
    };
    let mut no_series = base.outcome();
    no_series.sample_times.clear();
    no_series.servers.iter_mut().for_each(|s| s.series = ServerSeries::default());
    let mut long_names = base.outcome();
    long_names.servers[0].name = "web-frontend-0001.cluster.internal.example.com <&\"'>".into();
    vec![
        ("nothing", label(empty())),
        ("no runs", vec![]),
        ("silent", vec![run(&silent)]),
        ("one server", vec![run(&one)]),
        ("quiesced", vec![run(&quiesced)]),
        ("a single request", vec![run(&single)]),
        ("overloaded", vec![run(&overloaded)]),
        ("a thousand servers", vec![run(&many)]),
        ("no series", label(no_series)),
        ("long names", label(long_names)),
        ("silent comparison", vec![run(&silent), run(&Sample { scheduler: "rr", ..silent })]),
        ("one variant", comparison(&["wlc"], &["dr"], &[], 2)),
        ("one load", comparison(&["rr", "wlc"], &["dr"], &[80.0], 1)),
    ]
}

struct Cluster<'a> {
    sample: &'a Sample,
    random: u64,
    /// Departures: time in nanoseconds, server.
    departures: BinaryHeap<Reverse<(u64, usize)>>,
    /// Instants at which each worker of each server becomes free.
    free: Vec<Vec<f64>>,
    active: Vec<u32>,
    /// Connections that ended in the last two seconds.
    closed: Vec<VecDeque<f64>>,
    turn: Vec<f64>,
    busy: Vec<f64>,
    latency: Vec<(u64, f64)>,
    out: Outcome,
}

impl<'a> Cluster<'a> {
    fn new(sample: &'a Sample) -> Cluster<'a> {
        let n = sample.servers.len();
        let server = |(i, &(weight, _)): (usize, &(i64, f64))| ServerOutcome {
            name: format!("web{}", i + 1),
            weight,
            accepted: 0,
            completed: 0,
            overflowed: 0,
            sojourn: Histogram::new(),
            utilisation: 0.0,
            series: ServerSeries::default(),
        };
        let client = ClientOutcome {
            name: "browsers".into(),
            started: 0,
            succeeded: 0,
            failed: vec![],
            retransmissions: 0,
            connect: Histogram::new(),
            latency: Histogram::new(),
            latency_series: vec![],
        };
        let overflow =
            DropCount { place: "web1".into(), reason: DropReason::BacklogFull, count: 0, series: vec![] };
        let flood =
            DropCount { reason: DropReason::OtherHost, count: 4, series: vec![4], ..overflow.clone() };
        let duration = Duration::from_secs(sample.seconds);
        let out = Outcome {
            seed: sample.seed,
            duration,
            servers: sample.servers.iter().enumerate().map(server).collect(),
            clients: vec![client],
            drops: vec![overflow, flood],
            ..empty()
        };
        Cluster {
            sample,
            random: sample.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            departures: BinaryHeap::new(),
            free: vec![vec![0.0; sample.workers]; n],
            active: vec![0; n],
            closed: vec![VecDeque::new(); n],
            turn: vec![0.0; n],
            busy: vec![0.0; n],
            latency: vec![(0, 0.0)],
            out,
        }
    }

    fn exponential(&mut self) -> f64 {
        // SplitMix64, inverse transform.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        -libm::log(1.0 - (z >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// Smallest key wins; the key says what the scheduler looks at.
    fn choose(&mut self) -> Option<usize> {
        let (servers, active, turn) = (&self.sample.servers, &self.active, &self.turn);
        let key = |i: usize| {
            let (weight, load) = (servers[i].0 as f64, f64::from(active[i]));
            match self.sample.scheduler {
                "rr" => turn[i],
                "wrr" => turn[i] / weight,
                "lc" => load,
                "sed" => (load + 1.0) / weight,
                "nq" if active[i] == 0 => 0.0,
                "nq" => (load + 1.0) / weight,
                _ => load / weight,
            }
        };
        let candidates = (0..servers.len()).filter(|&i| servers[i].0 > 0);
        let best = candidates.min_by(|&a, &b| key(a).total_cmp(&key(b)))?;
        self.turn[best] += 1.0;
        Some(best)
    }

    fn arrive(&mut self, now: f64) {
        let service = 0.020 * self.exponential();
        let chosen = self.choose();
        self.out.clients[0].started += 1;
        self.out.hops += 14;
        let Some(i) =
            chosen.filter(|&i| (self.active[i] as usize) < self.sample.workers + self.sample.backlog)
        else {
            if let Some(i) = chosen {
                self.out.servers[i].overflowed += 1;
            }
            self.out.drops[0].count += 1;
            self.out.drops[0].series.resize(self.out.sample_times.len() + 1, 0);
            *self.out.drops[0].series.last_mut().unwrap() += 1;
            match self.out.clients[0].failed.first_mut() {
                Some((_, n)) => *n += 1,
                None => self.out.clients[0].failed.push((Failure::TimedOut, 1)),
            }
            return;
        };
        let service = service / self.sample.servers[i].1;
        let worker =
            (0..self.sample.workers).min_by(|&a, &b| self.free[i][a].total_cmp(&self.free[i][b])).unwrap();
        let done = self.free[i][worker].max(now) + service;
        self.free[i][worker] = done;
        self.busy[i] += service;
        self.active[i] += 1;
        self.departures.push(Reverse(((done * 1e9) as u64, i)));
        self.out.servers[i].accepted += 1;
        self.out.servers[i].sojourn.record(Duration::from_secs_f64(done - now));
        let latency = done - now + 0.000_4;
        self.out.clients[0].succeeded += 1;
        self.out.clients[0].latency.record(Duration::from_secs_f64(latency));
        self.out.clients[0].connect.record(Duration::from_micros(400));
        let (n, mean) = self.latency.last_mut().unwrap();
        *n += 1;
        *mean += (latency - *mean) / *n as f64;
    }

    fn depart(&mut self, now: f64) {
        while let Some(&Reverse((at, i))) = self.departures.peek().filter(|d| d.0.0 as f64 <= now * 1e9) {
            self.departures.pop();
            self.active[i] -= 1;
            self.out.servers[i].completed += 1;
            self.closed[i].push_back(at as f64 / 1e9);
        }
    }

    fn sample(&mut self, now: f64, interval: f64) {
        self.out.sample_times.push(Time::ZERO + Duration::from_secs_f64(now));
        for (i, server) in self.out.servers.iter_mut().enumerate() {
            while self.closed[i].front().is_some_and(|t| *t < now - 2.0) {
                self.closed[i].pop_front();
            }
            let busy = self.free[i].iter().filter(|t| **t > now - interval / 2.0).count();
            server.series.active.push(self.active[i]);
            server.series.inactive.push(self.closed[i].len() as u32);
            server.series.accepted.push(server.accepted);
            server.series.queue.push(self.active[i]);
            server.series.utilisation.push(busy as f32 / self.sample.workers as f32);
        }
        self.latency.push((0, 0.0));
    }

    fn finish(mut self) -> Outcome {
        let seconds = self.sample.seconds as f64;
        let out = &mut self.out;
        for (i, server) in out.servers.iter_mut().enumerate() {
            server.utilisation = (self.busy[i] / seconds / self.sample.workers as f64).min(1.0);
            for (name, share) in
                [(format!("web{}.eth0 > lan", i + 1), 40.0), (format!("lan > web{}.eth0", i + 1), 3.0)]
            {
                let bytes = (server.accepted as f64 * share * 1000.0) as u64;
                let utilisation = (bytes as f64 * 8.0 / seconds / 1e9).min(1.0);
                out.links.push(LinkOutcome { name, frames: bytes / 1400, bytes, dropped: 0, utilisation });
            }
        }
        self.latency.pop();
        out.clients[0].latency_series = self.latency;
        out.events = out.hops + out.clients[0].started;
        out.fingerprint = out.hops.wrapping_mul(0x0123_4567_89ab_cdef) ^ self.random;
        out.frames = FrameBalance {
            sent: out.hops,
            delivered: out.hops.saturating_sub(4),
            dropped: out.hops.min(4),
            in_flight: 0,
        };
        let destinations = out.servers.iter().enumerate().map(|(i, s)| DestinationOutcome {
            name: format!("10.0.0.{}:80", i + 2),
            forwarding: "Route",
            weight: s.weight as i32,
            conns: s.accepted,
            active: self.active[i],
            inactive: self.closed[i].len() as u32,
            in_packets: 6 * s.accepted,
            out_packets: 0,
        });
        let service = ServiceOutcome {
            name: "TCP 10.0.0.100:80".into(),
            scheduler: self.sample.scheduler.into(),
            destinations: destinations.collect(),
        };
        out.directors =
            vec![DirectorOutcome { name: "director".into(), services: vec![service], connections: 12 }];
        let addr = "10.0.0.100".parse().unwrap();
        out.arp_answers =
            vec![ArpAnswer { addr, host: "director".into(), count: 2, first: Time::from_nanos(150_000) }];
        let second = Time::from_nanos(1_000_000_000);
        let holders = vec![
            (Time::ZERO, Some("director".into())),
            (second, None),
            (second + second.since(Time::ZERO), Some("web1".into())),
        ];
        out.arp_caches = vec![ArpCache { host: "router".into(), addr, holders }];
        out.drops.retain(|d| d.count > 0);
        self.out
    }
}
