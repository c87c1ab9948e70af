//! Statistics: live counters, the shown ones, and smoothed rates.
//!
//! Listings show what a job copied at its last run, every two seconds; `ipvsadm -Z` makes the shown values the zero
//! point and forgets nothing that came after them.

use super::Director;
use super::clock::Alarm;
use super::view::{Counters, Rates, Shown};
use schedulers::DestinationId;
use sim_core::{Duration, Time};

/// The period of the job.
const PERIOD: Duration = Duration::from_secs(2);

impl Director {
    /// The job runs since boot; here it begins to matter.
    pub(super) fn start_estimator(&mut self, now: Time) {
        if self.next_estimate == Time::NEVER {
            self.estimate_at(self.clock.next_of_series(now, PERIOD));
        }
    }

    /// The job's next run, where it does not run since boot: its phase is that of the moment in which the host's network
    /// namespace was made.
    pub fn estimate_at(&mut self, at: Time) {
        self.next_estimate = at;
        self.clock.post(at, Alarm::Estimate);
    }

    pub(super) fn estimate(&mut self, now: Time) {
        if now != self.next_estimate {
            return; // an alarm of another phase
        }
        if self.settings.run_estimation != 0 {
            self.settle_all();
            let Director { services, destinations, .. } = self;
            for service in services.iter_mut() {
                service.statistics.estimate();
                service.order.iter().for_each(|id| destinations.get_mut(*id).statistics.estimate());
            }
            self.totals.estimate();
        }
        self.next_estimate = self.clock.post_after(now, PERIOD, Alarm::Estimate);
    }

    /// Packets are counted at their destination only. This passes on what has come since the last time.
    pub(super) fn settle(&mut self, id: DestinationId) {
        let record = self.destinations.get_mut(id);
        let news = record.settle();
        if let Some(service) = self.services.get_mut(record.service) {
            service.statistics.live.add(news);
        }
        self.totals.live.add(news);
    }

    pub(super) fn settle_all(&mut self) {
        let Director { services, destinations, totals, .. } = self;
        for service in services.iter_mut() {
            for id in &service.order {
                let news = destinations.get_mut(*id).settle();
                service.statistics.live.add(news);
                totals.live.add(news);
            }
        }
    }
}

/// The statistics of a destination, a service or the whole director.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    /// Counted since the object exists.
    pub(super) live: Counters,
    /// `live` at the last job.
    copied: Counters,
    /// `copied` when it was zeroed last.
    zero: Counters,
    /// Scaled moving averages, in the order of [`Counters`]' fields.
    averages: [i64; 5],
}

impl Counters {
    #[inline]
    pub(super) fn count_in(&mut self, bytes: u64) {
        self.in_packets += 1;
        self.in_bytes += bytes;
    }

    #[inline]
    pub(super) fn count_out(&mut self, bytes: u64) {
        self.out_packets += 1;
        self.out_bytes += bytes;
    }

    fn fields(self) -> [u64; 5] {
        [self.conns, self.in_packets, self.out_packets, self.in_bytes, self.out_bytes]
    }

    pub(super) fn add(&mut self, other: Counters) {
        self.conns += other.conns;
        self.in_packets += other.in_packets;
        self.out_packets += other.out_packets;
        self.in_bytes += other.in_bytes;
        self.out_bytes += other.out_bytes;
    }

    pub(super) fn minus(self, other: Counters) -> Counters {
        Counters {
            conns: self.conns - other.conns,
            in_packets: self.in_packets - other.in_packets,
            out_packets: self.out_packets - other.out_packets,
            in_bytes: self.in_bytes - other.in_bytes,
            out_bytes: self.out_bytes - other.out_bytes,
        }
    }
}

/// How a rate is scaled: the average is kept in 1/2^`average` per period of 2 s, shown after a shift by `shown`.
/// Packets and connections have ten bits of fraction, bytes five.
const SCALES: [(u32, u32); 5] = [(9, 10), (9, 10), (9, 10), (4, 5), (4, 5)];

impl Statistics {
    /// The job: copies the counters and moves each average a quarter of the way to the rate of the last period.
    fn estimate(&mut self) {
        let before = std::mem::replace(&mut self.copied, self.live).fields();
        let after = self.copied.fields();
        for (i, (scale, _)) in SCALES.into_iter().enumerate() {
            let rate = ((after[i] - before[i]) << scale) as i64;
            self.averages[i] += (rate - self.averages[i]) >> 2;
        }
    }

    /// `ipvsadm -Z`.
    pub(super) fn zero(&mut self) {
        self.zero = self.copied;
        self.averages = [0; 5];
    }

    /// What listings show.
    pub(super) fn shown(&self) -> Shown {
        let rate = |i: usize| {
            let (scale, shift) = SCALES[i];
            ((self.averages[i] + (1 << scale) - 1) >> shift) as u64
        };
        let rates = Rates {
            conns: rate(0),
            in_packets: rate(1),
            out_packets: rate(2),
            in_bytes: rate(3),
            out_bytes: rate(4),
        };
        Shown { counters: self.copied.minus(self.zero), rates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded: 100 packets of 100 bytes in one period, listed after each of the next jobs.
    #[test]
    fn rates_decay_by_a_quarter_each_job() {
        let mut statistics = Statistics::default();
        for _ in 0..100 {
            statistics.live.conns += 1;
            statistics.live.count_in(100);
        }
        let mut shown = Vec::new();
        for _ in 0..18 {
            statistics.estimate();
            shown.push(statistics.shown().rates);
        }
        let packets: Vec<u64> = shown.iter().map(|rates| rates.in_packets).collect();
        let bytes: Vec<u64> = shown.iter().map(|rates| rates.in_bytes).collect();
        assert_eq!(packets, [12, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, [1250, 937, 703, 527, 395, 297, 222, 167, 125, 94, 70, 53, 40, 30, 22, 17, 12, 9]);
    }

    #[test]
    fn zeroing_forgets_nothing_since_the_last_job() {
        let mut statistics = Statistics::default();
        statistics.live.count_in(40);
        statistics.estimate();
        statistics.live.count_in(40);
        statistics.zero();
        assert_eq!(statistics.shown(), Shown::default());
        statistics.estimate();
        assert_eq!(statistics.shown().counters.in_packets, 1);
    }
}
