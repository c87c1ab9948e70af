//! The figures of one run: totals over client groups, each server's share against its fair share, losses.

use net_model::outcome::{DropCount, Failure, Outcome};
use net_model::verdict::DropReason;
use sim_core::Histogram;

/// Totals of a run over all client groups, servers and places.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Exchanges begun.
    pub started: u64,
    /// Exchanges that ended with the whole answer.
    pub succeeded: u64,
    /// Exchanges that ended otherwise; the rest of `started` was still open when the run ended.
    pub failed: u64,
    /// Failures by cause, in order of [`Failure`]; no zeros.
    pub causes: Vec<(Failure, u64)>,
    /// Succeeded divided by ended, 0 to 1; none if nothing ended.
    pub success: Option<f64>,
    /// Successful exchanges per second of virtual time.
    pub throughput: f64,
    /// Latency of all successful exchanges.
    pub latency: Histogram,
    /// Largest ratio of a server's requests to its fair share; none without requests or weights.
    pub max_over_fair: Option<f64>,
    /// Jain's fairness index of requests divided by weight: 1 is perfect, 1/n is one server doing it all.
    pub jain: Option<f64>,
    /// Packets lost for a reason that one may want to mend.
    pub lost: u64,
    /// Packets discarded as a matter of course (see [`is_harmless`]).
    pub discarded: u64,
}

/// What one server got and what its weight entitles it to.
#[derive(Clone, PartialEq, Debug)]
pub struct Share {
    /// Server name.
    pub name: String,
    /// Weight at the end of the run.
    pub weight: i64,
    /// Requests accepted.
    pub accepted: u64,
    /// Part of all requests, 0 to 1; 0 if there were none.
    pub part: f64,
    /// The weight's part of all weights, 0 to 1; 0 if all weights are 0.
    pub fair: f64,
}

impl Share {
    /// How many times its fair share the server got; none if it is entitled to nothing or nobody asked.
    pub fn ratio(&self, total: u64) -> Option<f64> {
        (self.fair > 0.0 && total > 0).then(|| self.part / self.fair)
    }
}

impl Summary {
    /// Adds up a run.
    pub fn of(outcome: &Outcome) -> Summary {
        let clients = &outcome.clients;
        let succeeded: u64 = clients.iter().map(|c| c.succeeded).sum();
        let causes: Vec<(Failure, u64)> = Failure::ALL
            .into_iter()
            .map(|cause| {
                let counts = clients.iter().flat_map(|c| &c.failed).filter(|(f, _)| *f == cause);
                (cause, counts.map(|(_, n)| n).sum())
            })
            .filter(|&(_, n)| n > 0)
            .collect();
        let failed = causes.iter().map(|(_, n)| n).sum();
        let mut latency = Histogram::new();
        clients.iter().for_each(|c| latency.merge(&c.latency));
        let weighted: Vec<(u64, i64)> = outcome.servers.iter().map(|s| (s.accepted, s.weight)).collect();
        let lost_or_not = |harmless: bool| -> u64 {
            outcome.drops.iter().filter(|d| is_harmless(d.reason) == harmless).map(|d| d.count).sum()
        };
        Summary {
            started: clients.iter().map(|c| c.started).sum(),
            succeeded,
            failed,
            causes,
            success: (succeeded + failed > 0).then(|| succeeded as f64 / (succeeded + failed) as f64),
            throughput: per_second(succeeded, outcome),
            latency,
            max_over_fair: max_over_fair(&weighted),
            jain: jain(&weighted),
            lost: lost_or_not(false),
            discarded: lost_or_not(true),
        }
    }

    /// The latency in seconds below which the share `q` of the requests lies; none without requests.
    pub fn latency_s(&self, q: f64) -> Option<f64> {
        quantile_s(&self.latency, q)
    }
}

/// The servers' shares, in the order of the outcome.
pub fn shares(outcome: &Outcome) -> Vec<Share> {
    let total: u64 = outcome.servers.iter().map(|s| s.accepted).sum();
    let weights: i64 = outcome.servers.iter().map(|s| s.weight.max(0)).sum();
    let part = |x: f64, of: f64| if of > 0.0 { x / of } else { 0.0 };
    outcome
        .servers
        .iter()
        .map(|s| Share {
            name: s.name.clone(),
            weight: s.weight,
            accepted: s.accepted,
            part: part(s.accepted as f64, total as f64),
            fair: part(s.weight.max(0) as f64, weights as f64),
        })
        .collect()
}

/// Is this what happens in every healthy network (a switch floods, a duplicate follows a retransmission)?
pub fn is_harmless(reason: DropReason) -> bool {
    !reason.can_be_mended()
}

/// The drops one may want to mend, most frequent first.
pub(crate) fn losses(outcome: &Outcome) -> Vec<&DropCount> {
    let mut losses: Vec<_> = outcome.drops.iter().filter(|d| !is_harmless(d.reason) && d.count > 0).collect();
    losses
        .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.place, a.reason).cmp(&(&b.place, b.reason))));
    losses
}

/// A histogram's quantile in seconds; none if it is empty.
pub(crate) fn quantile_s(histogram: &Histogram, q: f64) -> Option<f64> {
    (histogram.count() > 0).then(|| histogram.quantile(q).as_secs_f64())
}

/// A count per second of the run; 0 for a run of no length.
pub(crate) fn per_second(count: u64, outcome: &Outcome) -> f64 {
    let seconds = outcome.duration.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// The largest ratio of requests to fair share over servers of positive weight, from (requests, weight).
pub(crate) fn max_over_fair(servers: &[(u64, i64)]) -> Option<f64> {
    let entitled = || servers.iter().filter(|(_, w)| *w > 0);
    let total: u64 = entitled().map(|(n, _)| n).sum();
    let weights: i64 = entitled().map(|(_, w)| w).sum();
    let ratios = entitled().map(|&(n, w)| n as f64 * weights as f64 / (total as f64 * w as f64));
    (total > 0).then(|| ratios.fold(0.0, f64::max))
}

/// Jain's index (Σx)² / (n Σx²) of x = requests / weight over servers of positive weight.
pub(crate) fn jain(servers: &[(u64, i64)]) -> Option<f64> {
    let entitled = servers.iter().filter(|(_, w)| *w > 0);
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for &(requests, weight) in entitled {
        let x = requests as f64 / weight as f64;
        n += 1.0;
        sum += x;
        squares += x * x;
    }
    (squares > 0.0).then(|| sum * sum / (n * squares))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn perfect_balance_is_one() {
        let servers = [(300, 3), (200, 2), (100, 1)];
        assert_eq!(max_over_fair(&servers), Some(1.0));
        assert!((jain(&servers).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_of_four_doing_everything_is_a_quarter() {
        let servers = [(100, 1), (0, 1), (0, 1), (0, 1)];
        assert_eq!(max_over_fair(&servers), Some(4.0));
        assert_eq!(jain(&servers), Some(0.25));
    }

    #[test]
    fn quiesced_servers_do_not_count() {
        assert_eq!(max_over_fair(&[(50, 1), (50, 1), (7, 0)]), Some(1.0));
    }

    #[test]
    fn without_requests_or_weights_there_is_no_balance() {
        for servers in [&[][..], &[(0, 1), (0, 2)], &[(5, 0)]] {
            assert_eq!((max_over_fair(servers), jain(servers)), (None, None));
        }
        let empty = Summary::of(&sample::empty());
        assert_eq!((empty.success, empty.throughput, empty.latency_s(0.99)), (None, 0.0, None));
    }

    #[test]
    fn a_flooded_frame_is_not_a_loss() {
        let outcome = sample::Sample::default().outcome();
        let summary = Summary::of(&outcome);
        assert!(summary.discarded > 0);
        assert_eq!(summary.lost, losses(&outcome).iter().map(|d| d.count).sum::<u64>());
    }

    #[test]
    fn the_parts_of_all_servers_make_a_whole() {
        let shares = shares(&sample::Sample::default().outcome());
        assert!((shares.iter().map(|s| s.part).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares.iter().map(|s| s.fair).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
