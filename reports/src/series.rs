//! Figures over time: the samples of a run gathered into few windows, so that each holds enough requests.

use crate::summary::{jain, max_over_fair};
use net_model::outcome::{Outcome, ServerOutcome};

/// Balance of the requests that were accepted within a window of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Window {
    /// Start in seconds.
    pub(crate) from_s: f64,
    /// End in seconds.
    pub(crate) to_s: f64,
    /// Largest ratio of requests to fair share; none if nothing was accepted.
    pub(crate) max_over_fair: Option<f64>,
    /// Jain's index; none if nothing was accepted.
    pub(crate) jain: Option<f64>,
}

/// The most windows that a plot can show.
const MOST_WINDOWS: u64 = 60;
/// Requests per server that a window should hold, lest chance looks like imbalance (1/√50 = 14 %).
const ENOUGH: u64 = 50;

/// The run cut into windows of equal length, as many as the requests allow, at least four.
pub(crate) fn balance(outcome: &Outcome) -> Vec<Window> {
    let samples = outcome.servers.iter().map(|s| s.series.accepted.len()).min().unwrap_or(0);
    let samples = samples.min(outcome.sample_times.len());
    let entitled = outcome.servers.iter().filter(|s| s.weight > 0).count() as u64;
    if samples == 0 || entitled == 0 {
        return Vec::new();
    }
    let total: u64 = outcome.servers.iter().map(|s| s.series.accepted[samples - 1]).sum();
    let windows = (total / (ENOUGH * entitled)).clamp(4, MOST_WINDOWS).min(samples as u64) as usize;
    // Window i ends with sample (i + 1) × samples / windows, so that all are used.
    let ends = (1..=windows).map(|i| i * samples / windows - 1);
    let mut from: Option<usize> = None;
    let window = |to: usize| {
        let before = from.replace(to);
        let requests = |s: &ServerOutcome| {
            let accepted = |i: usize| s.series.accepted[i];
            (accepted(to).saturating_sub(before.map_or(0, accepted)), s.weight)
        };
        let requests: Vec<(u64, i64)> = outcome.servers.iter().map(requests).collect();
        Window {
            from_s: before.map_or(0.0, |f| outcome.sample_times[f].as_secs_f64()),
            to_s: outcome.sample_times[to].as_secs_f64(),
            max_over_fair: max_over_fair(&requests),
            jain: jain(&requests),
        }
    };
    ends.map(window).collect()
}

/// The sample instants in seconds.
pub(crate) fn times_s(outcome: &Outcome) -> Vec<f64> {
    outcome.sample_times.iter().map(|t| t.as_secs_f64()).collect()
}

/// The value below which the share `q` of the ascending values lies (nearest rank); 0 without values.
pub(crate) fn rank(ascending: &[f64], q: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    ascending.get((q * last as f64).round() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};

    #[test]
    fn windows_cover_the_run_without_gaps() {
        let windows = balance(&Sample::default().outcome());
        assert!((4..=60).contains(&windows.len()));
        assert_eq!((windows[0].from_s, windows.last().unwrap().to_s), (0.0, 20.0));
        assert!(windows.windows(2).all(|w| w[0].to_s == w[1].from_s && w[0].from_s < w[0].to_s));
        assert!(windows.iter().all(|w| w.max_over_fair.unwrap() >= 1.0 && w.jain.unwrap() <= 1.0 + 1e-12));
    }

    #[test]
    fn a_run_without_samples_has_no_windows() {
        assert_eq!(balance(&sample::empty()), []);
    }

    #[test]
    fn few_requests_give_few_windows() {
        let few = Sample { requests_per_s: 10.0, ..Sample::default() }.outcome();
        assert!(balance(&few).len() <= 5);
    }

    #[test]
    fn ranks_are_nearest() {
        assert_eq!([0.0, 0.5, 1.0].map(|q| rank(&[1.0, 2.0, 9.0], q)), [1.0, 2.0, 9.0]);
        assert_eq!(rank(&[], 0.5), 0.0);
    }
}
