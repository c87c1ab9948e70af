//! Many runs: replicas of one variant become a mean with a 95 % confidence interval, variants a ranking.

use crate::summary::Summary;
use crate::{Labelled, Variant};
use sim_core::Histogram;

/// A figure that runs are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// Succeeded exchanges in percent of ended ones.
    Success,
    /// Successful exchanges per second.
    Throughput,
    /// Median latency in milliseconds.
    P50,
    /// 99th percentile of the latency in milliseconds.
    P99,
    /// 99.9th percentile of the latency in milliseconds.
    P999,
    /// Largest ratio of a server's requests to its fair share.
    MaxOverFair,
    /// Jain's fairness index of requests divided by weight.
    Jain,
    /// Packets lost.
    Lost,
}

impl Metric {
    /// All figures, in the order of the comparison table.
    pub const ALL: [Metric; 8] = [
        Metric::Success,
        Metric::Throughput,
        Metric::P50,
        Metric::P99,
        Metric::P999,
        Metric::MaxOverFair,
        Metric::Jain,
        Metric::Lost,
    ];

    /// Name in a file, with its unit.
    pub const fn column(self) -> &'static str {
        match self {
            Metric::Success => "success_percent",
            Metric::Throughput => "throughput_per_s",
            Metric::P50 => "latency_p50_ms",
            Metric::P99 => "latency_p99_ms",
            Metric::P999 => "latency_p999_ms",
            Metric::MaxOverFair => "max_over_fair_ratio",
            Metric::Jain => "jain_index",
            Metric::Lost => "lost_packets",
        }
    }

    /// Is more better?
    pub const fn is_more_better(self) -> bool {
        matches!(self, Metric::Success | Metric::Throughput | Metric::Jain)
    }

    /// The figure of one run, if it has one.
    pub fn of(self, run: &Summary) -> Option<f64> {
        match self {
            Metric::Success => run.success.map(|s| s * 100.0),
            Metric::Throughput => Some(run.throughput),
            Metric::P50 => run.latency_s(0.5).map(|s| s * 1e3),
            Metric::P99 => run.latency_s(0.99).map(|s| s * 1e3),
            Metric::P999 => run.latency_s(0.999).map(|s| s * 1e3),
            Metric::MaxOverFair => run.max_over_fair,
            Metric::Jain => run.jain,
            Metric::Lost => Some(run.lost as f64),
        }
    }
}

/// A mean over replicas.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Half the width of the 95 % confidence interval (Student's t); none for a single replica.
    pub half: Option<f64>,
}

impl Estimate {
    /// The estimate from one value a replica; none without values.
    pub fn of(values: &[f64]) -> Option<Estimate> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let half = (n > 1).then(|| {
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1) as f64;
            student_t(n - 1) * (variance / n as f64).sqrt()
        });
        Some(Estimate { mean, half })
    }

    /// Lower end of the interval, the mean itself for a single replica.
    pub fn low(self) -> f64 {
        self.mean - self.half.unwrap_or(0.0)
    }

    /// Upper end of the interval, the mean itself for a single replica.
    pub fn high(self) -> f64 {
        self.mean + self.half.unwrap_or(0.0)
    }

    /// Do the two intervals overlap, so that the data do not tell the variants apart?
    pub fn overlaps(self, other: Estimate) -> bool {
        self.low() <= other.high() && other.low() <= self.high()
    }
}

/// The replicas of one variant.
#[derive(Clone, Debug)]
pub struct Group {
    /// The variant, its replica number being that of the first.
    pub variant: Variant,
    /// What distinguishes it from the other groups at the same load: `wlc`, `nat` or `wlc nat`.
    pub name: String,
    /// Number of replicas.
    pub replicas: usize,
    /// Latency of all replicas together.
    pub latency: Histogram,
    /// The figures of the replicas, in order of [`Metric::ALL`].
    estimates: Vec<Option<Estimate>>,
}

impl Group {
    /// The estimate of a figure; none if no replica has it.
    pub fn get(&self, metric: Metric) -> Option<Estimate> {
        Metric::ALL.iter().position(|m| *m == metric).and_then(|i| self.estimates[i])
    }

    /// The mean of a figure; none if no replica has it.
    pub fn mean(&self, metric: Metric) -> Option<f64> {
        self.get(metric).map(|e| e.mean)
    }
}

/// The groups of replicas, in the order in which their first run appears.
pub fn groups(runs: &[Labelled]) -> Vec<Group> {
    let mut members: Vec<Vec<&Labelled>> = Vec::new();
    for run in runs {
        match members.iter_mut().find(|m| same_group(&m[0].variant, &run.variant)) {
            Some(group) => group.push(run),
            None => members.push(vec![run]),
        }
    }
    let schedulers = varies(&members, |v| &v.scheduler);
    let forwardings = varies(&members, |v| &v.forwarding);
    members.iter().map(|runs| group(runs, name(&runs[0].variant, schedulers, forwardings))).collect()
}

/// The groups at the highest load (all of them if the comparison does not vary it), best first: by success
/// to within a percentage point, because a variant that answers fewer requests has it easy, then by p99.
pub(crate) fn ranking(groups: &[Group]) -> Vec<&Group> {
    let highest = groups.iter().filter_map(|g| g.variant.load_percent).fold(f64::NEG_INFINITY, f64::max);
    let mut ranked: Vec<&Group> =
        groups.iter().filter(|g| g.variant.load_percent.is_none_or(|l| l == highest)).collect();
    let best = ranked.iter().filter_map(|g| g.mean(Metric::Success)).fold(0.0, f64::max);
    let key = |g: &Group| {
        let missing = (best - g.mean(Metric::Success).unwrap_or(-1.0)).max(0.0).floor();
        (missing, g.mean(Metric::P99).unwrap_or(f64::INFINITY))
    };
    ranked.sort_by(|a, b| {
        let ((missing_a, p99_a), (missing_b, p99_b)) = (key(a), key(b));
        missing_a.total_cmp(&missing_b).then(p99_a.total_cmp(&p99_b))
    });
    ranked
}

/// The different loads of the groups, ascending; empty if the comparison does not vary the load.
pub(crate) fn loads(groups: &[Group]) -> Vec<f64> {
    let mut loads: Vec<f64> = groups.iter().filter_map(|g| g.variant.load_percent).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    loads
}

fn same_group(a: &Variant, b: &Variant) -> bool {
    a.scheduler == b.scheduler && a.forwarding == b.forwarding && a.load_percent == b.load_percent
}

fn varies(members: &[Vec<&Labelled>], field: fn(&Variant) -> &String) -> bool {
    members.iter().any(|m| field(&m[0].variant) != field(&members[0][0].variant))
}

fn name(variant: &Variant, schedulers: bool, forwardings: bool) -> String {
    match (schedulers, forwardings) {
        (true, true) => format!("{} {}", variant.scheduler, variant.forwarding),
        (false, true) => variant.forwarding.clone(),
        _ if variant.scheduler.is_empty() => "run".into(),
        _ => variant.scheduler.clone(),
    }
}

fn group(runs: &[&Labelled], name: String) -> Group {
    let summaries: Vec<Summary> = runs.iter().map(|r| Summary::of(&r.outcome)).collect();
    let mut latency = Histogram::new();
    summaries.iter().for_each(|s| latency.merge(&s.latency));
    let estimate = |metric: Metric| {
        let values: Vec<f64> = summaries.iter().filter_map(|s| metric.of(s)).collect();
        Estimate::of(&values)
    };
    Group {
        variant: runs[0].variant.clone(),
        name,
        replicas: runs.len(),
        latency,
        estimates: Metric::ALL.into_iter().map(estimate).collect(),
    }
}

/// The 97.5 % quantile of Student's t distribution: a table up to 30 degrees of freedom, then the first
/// terms of its expansion around the normal distribution (exact to four digits there).
fn student_t(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    match TABLE.get(freedom - 1) {
        Some(&t) => t,
        None => 1.95996 + 2.37227 / freedom as f64 + 2.82250 / (freedom * freedom) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_interval_is_students() {
        // Mean 20, standard deviation 1, three replicas: 4.303 / √3.
        let e = Estimate::of(&[19.0, 20.0, 21.0]).unwrap();
        assert_eq!(e.mean, 20.0);
        assert!((e.half.unwrap() - 2.484).abs() < 1e-3);
        assert_eq!(Estimate::of(&[7.0]), Some(Estimate { mean: 7.0, half: None }));
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn the_expansion_continues_the_table() {
        assert!((student_t(31) - 2.0395).abs() < 1e-3);
        assert!((student_t(120) - 1.9799).abs() < 1e-3);
        assert!((student_t(1_000_000) - 1.96).abs() < 1e-3);
    }

    #[test]
    fn replicas_form_one_group() {
        let groups = groups(&sample::comparison(&["rr", "wlc"], &["dr"], &[], 3));
        assert_eq!(
            groups.iter().map(|g| (g.name.as_str(), g.replicas)).collect::<Vec<_>>(),
            [("rr", 3), ("wlc", 3)]
        );
    }

    #[test]
    fn a_group_is_named_by_what_varies() {
        let names = |schedulers, methods| {
            let groups = groups(&sample::comparison(schedulers, methods, &[], 1));
            groups.into_iter().map(|g| g.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["wlc"], &["nat", "dr"]), ["nat", "dr"]);
        assert_eq!(names(&["rr", "wlc"], &["nat", "dr"]), ["rr nat", "rr dr", "wlc nat", "wlc dr"]);
        assert_eq!(names(&["wlc"], &["dr"]), ["wlc"]);
    }

    #[test]
    fn a_variant_that_refuses_half_is_not_the_best() {
        let mut runs = sample::comparison(&["rr", "wlc"], &["dr"], &[], 1);
        for client in &mut runs[0].outcome.clients {
            client.failed = vec![(net_model::outcome::Failure::Refused, client.succeeded)];
            client.latency = Histogram::new();
            client.latency.record(sim_core::Duration::from_micros(1));
        }
        assert_eq!(ranking(&groups(&runs))[0].name, "wlc");
    }

    #[test]
    fn the_ranking_looks_at_the_highest_load() {
        let groups = groups(&sample::comparison(&["rr", "wlc"], &["dr"], &[50.0, 90.0], 1));
        assert_eq!(loads(&groups), [50.0, 90.0]);
        assert!(ranking(&groups).iter().all(|g| g.variant.load_percent == Some(90.0)));
    }
}
