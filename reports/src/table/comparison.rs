//! The table of a comparison: one row a variant, each figure a mean over replicas with its confidence interval.

use super::{Cell, Column, Grid, number, word, wrapped};
use crate::compare::{Estimate, Group, Metric};
use crate::format::{NONE, sig3};
use crate::{Labelled, finding, groups};

/// The figures that fit a terminal; the files have all.
const SHOWN: [Metric; 7] = [
    Metric::Success,
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::MaxOverFair,
    Metric::Jain,
    Metric::Lost,
];

/// The comparison for the terminal: at most 100 columns, the best of each column marked.
pub fn comparison(runs: &[Labelled]) -> String {
    let headline = finding::headline(runs).replace('\u{2009}', " ");
    wrapped(&headline, "") + "\n" + &grid(runs).to_text()
}

/// One row a variant and load; the best is marked among the variants at one load.
pub(crate) fn grid(runs: &[Labelled]) -> Grid {
    let mut groups = groups(runs);
    // By load, then in the caller's order (the sort is stable).
    groups.sort_by(|a, b| {
        let load = |g: &Group| g.variant.load_percent.unwrap_or(0.0);
        load(a).total_cmp(&load(b))
    });
    let has_loads = groups.iter().any(|g| g.variant.load_percent.is_some());
    let mut columns = vec![word("variant")];
    if has_loads {
        columns.push(number("load %"));
    }
    columns.extend(SHOWN.map(header));
    let row = |group: &Group| {
        let mut row: Vec<Cell> = vec![group.name.clone().into()];
        if has_loads {
            row.push(group.variant.load_percent.map_or(NONE.into(), sig3).into());
        }
        let rivals: Vec<&Group> =
            groups.iter().filter(|g| g.variant.load_percent == group.variant.load_percent).collect();
        row.extend(SHOWN.map(|metric| cell(group, metric, &rivals)));
        row
    };
    let rows = groups.iter().map(row).collect();
    Grid { title: String::new(), columns, rows, note: note(&groups) }
}

fn header(metric: Metric) -> Column {
    number(match metric {
        Metric::Success => "ok %",
        Metric::Throughput => "ok/s",
        Metric::P50 => "p50 ms",
        Metric::P99 => "p99 ms",
        Metric::P999 => "p99.9 ms",
        Metric::MaxOverFair => "max/fair",
        Metric::Jain => "Jain",
        Metric::Lost => "lost",
    })
}

fn cell(group: &Group, metric: Metric, rivals: &[&Group]) -> Cell {
    let shown = |g: &Group| g.get(metric).map_or(NONE.to_string(), |e| estimate(e, metric));
    let text = shown(group);
    let means: Vec<f64> = rivals.iter().filter_map(|g| g.mean(metric)).collect();
    let best = means.iter().copied().reduce(if metric.is_more_better() { f64::max } else { f64::min });
    // Where all look the same there is no best.
    let differ = rivals.iter().any(|g| shown(g) != text);
    Cell { is_best: differ && best.is_some() && group.mean(metric) == best, text }
}

/// `21.3 ±0.4`; the interval has as many decimals as the mean.
fn estimate(e: Estimate, metric: Metric) -> String {
    let mean = match metric {
        Metric::Success => crate::format::percent_cell(e.mean / 100.0),
        Metric::Jain => format!("{:.3}", e.mean),
        _ => sig3(e.mean),
    };
    let decimals = mean.split_once('.').map_or(0, |(_, d)| d.len());
    match e.half {
        None => mean,
        Some(half) => format!("{mean} ±{half:.decimals$}"),
    }
}

fn note(groups: &[Group]) -> String {
    let replicas = groups.iter().map(|g| g.replicas).max().unwrap_or(0);
    let best = "* best of its column";
    let load = if crate::compare::loads(groups).is_empty() { "" } else { " at this load" };
    match replicas {
        0 | 1 => format!("{best}{load}. One replica: chance is not accounted for (--replicas)."),
        n => format!("{best}{load}. Mean of {n} replicas ± 95 % confidence interval."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use expect_test::expect_file;

    #[test]
    fn a_comparison_reads_like_this() {
        let runs = sample::comparison(&["rr", "wrr", "lc", "wlc"], &["dr"], &[60.0, 90.0], 3);
        expect_file!["../golden/comparison.txt"].assert_eq(&comparison(&runs));
    }

    #[test]
    fn every_comparison_fits_the_terminal() {
        for (name, runs) in sample::extremes() {
            let text = comparison(&runs);
            let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
            assert!(widest <= crate::table::WIDTH, "{name}: {widest} columns\n{text}");
            assert!(!text.contains("NaN") && !text.contains("inf "), "{name}\n{text}");
        }
    }

    #[test]
    fn equal_variants_have_no_best() {
        let grid = grid(&sample::comparison(&["wlc", "wlc "], &["dr"], &[], 1));
        assert!(grid.rows.iter().flatten().all(|cell| !cell.is_best));
    }
}
