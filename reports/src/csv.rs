//! CSV files: one table a file, units in the column names, every row labelled with its variant.

use crate::compare::Metric;
use crate::summary::{is_harmless, losses, per_second, quantile_s, shares};
use crate::{Labelled, groups};
use net_model::outcome::{Failure, Outcome};
use sim_core::Histogram;
use std::io;

/// What every row begins with.
const LABELS: [&str; 4] = ["scheduler", "forwarding", "load_percent", "replica"];
/// The quantiles of a histogram's columns.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// All CSV files of a report: (name, text). Time series are written for a single run only, because those of a
/// comparison would be larger than everything else together.
pub(crate) fn files(runs: &[Labelled]) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("servers.csv", servers(runs)),
        ("clients.csv", clients(runs)),
        ("links.csv", links(runs)),
        ("drops.csv", drops(runs)),
    ];
    match runs {
        [] | [_] => files.extend([
            ("series.csv", server_series(runs)),
            ("series_clients.csv", client_series(runs)),
            ("series_drops.csv", drop_series(runs)),
        ]),
        _ => files.push(("comparison.csv", comparison(runs))),
    }
    files
}

fn servers(runs: &[Labelled]) -> String {
    let mut table = Table::new(&[
        "server",
        "weight",
        "accepted_requests",
        "completed_requests",
        "overflowed_connections",
        "share_percent",
        "fair_share_percent",
        "utilisation_percent",
    ]);
    table.add_histogram("sojourn");
    table.add_column("peak_active_connections");
    for run in runs {
        for (server, share) in run.outcome.servers.iter().zip(shares(&run.outcome)) {
            let mut row = labels(run);
            row.extend([
                server.name.clone(),
                server.weight.to_string(),
                server.accepted.to_string(),
                server.completed.to_string(),
                server.overflowed.to_string(),
                decimal(share.part * 100.0),
                decimal(share.fair * 100.0),
                decimal(server.utilisation * 100.0),
            ]);
            row.extend(histogram(&server.sojourn));
            row.push(server.series.active.iter().max().map(u32::to_string).unwrap_or_default());
            table.row(&row);
        }
    }
    table.text()
}

fn clients(runs: &[Labelled]) -> String {
    let mut table = Table::new(&["client_group", "started", "succeeded"]);
    for cause in Failure::ALL {
        table.add_column(&format!("failed_{}", cause.name().replace('-', "_")));
    }
    table.add_column("retransmissions");
    table.add_column("throughput_per_s");
    table.add_histogram("connect");
    table.add_histogram("latency");
    for run in runs {
        for client in &run.outcome.clients {
            let mut row = labels(run);
            row.extend([client.name.clone(), client.started.to_string(), client.succeeded.to_string()]);
            row.extend(Failure::ALL.map(|cause| {
                let count = client.failed.iter().find(|(f, _)| *f == cause).map_or(0, |(_, n)| *n);
                count.to_string()
            }));
            row.push(client.retransmissions.to_string());
            row.push(decimal(per_second(client.succeeded, &run.outcome)));
            row.extend(histogram(&client.connect));
            row.extend(histogram(&client.latency));
            table.row(&row);
        }
    }
    table.text()
}

fn links(runs: &[Labelled]) -> String {
    let columns = ["link", "delivered_frames", "delivered_bytes", "dropped_frames", "utilisation_percent"];
    let mut table = Table::new(&columns);
    for run in runs {
        for link in &run.outcome.links {
            let mut row = labels(run);
            row.extend([
                link.name.clone(),
                link.frames.to_string(),
                link.bytes.to_string(),
                link.dropped.to_string(),
                decimal(link.utilisation * 100.0),
            ]);
            table.row(&row);
        }
    }
    table.text()
}

fn drops(runs: &[Labelled]) -> String {
    let mut table = Table::new(&["place", "reason", "packets", "is_loss", "sentence", "cure"]);
    for run in runs {
        for drop in &run.outcome.drops {
            let mut row = labels(run);
            row.extend([
                drop.place.clone(),
                drop.reason.name().into(),
                drop.count.to_string(),
                (!is_harmless(drop.reason)).to_string(),
                drop.reason.sentence().into(),
                drop.reason.cure().into(),
            ]);
            table.row(&row);
        }
    }
    table.text()
}

/// One row a sample and server.
fn server_series(runs: &[Labelled]) -> String {
    let mut table = Table::unlabelled(&[
        "time_s",
        "server",
        "active_connections",
        "inactive_connections",
        "accepted_requests_total",
        "queued_requests",
        "utilisation_percent",
    ]);
    each_sample(runs, |outcome, i, time| {
        for server in &outcome.servers {
            let s = &server.series;
            let busy = s.utilisation.get(i).map(|u| decimal(f64::from(*u) * 100.0));
            table.row(&[
                time.into(),
                server.name.clone(),
                sample(&s.active, i),
                sample(&s.inactive, i),
                sample(&s.accepted, i),
                sample(&s.queue, i),
                busy.unwrap_or_default(),
            ]);
        }
    });
    table.text()
}

/// One row a sample and client group: the successful exchanges that began in the interval before.
fn client_series(runs: &[Labelled]) -> String {
    let mut table = Table::unlabelled(&["time_s", "client_group", "succeeded", "latency_mean_ms"]);
    each_sample(runs, |outcome, i, time| {
        for client in &outcome.clients {
            let (count, mean) = client.latency_series.get(i).copied().unwrap_or_default();
            let mean = if count > 0 { decimal(mean * 1e3) } else { String::new() };
            table.row(&[time.into(), client.name.clone(), count.to_string(), mean]);
        }
    });
    table.text()
}

/// One row a sample, place and reason: the packets lost in the interval before.
fn drop_series(runs: &[Labelled]) -> String {
    let mut table = Table::unlabelled(&["time_s", "place", "reason", "packets"]);
    each_sample(runs, |outcome, i, time| {
        for drop in losses(outcome) {
            table.row(&[time.into(), drop.place.clone(), drop.reason.name().into(), sample(&drop.series, i)]);
        }
    });
    table.text()
}

/// Calls `row` with each sample's number and time in seconds.
fn each_sample(runs: &[Labelled], mut row: impl FnMut(&Outcome, usize, &str)) {
    for run in runs {
        for (i, time) in run.outcome.sample_times.iter().enumerate() {
            row(&run.outcome, i, &format!("{:.9}", time.as_secs_f64()));
        }
    }
}

/// The sample of this number; empty if the series is shorter.
fn sample<T: ToString>(series: &[T], i: usize) -> String {
    series.get(i).map(T::to_string).unwrap_or_default()
}

fn comparison(runs: &[Labelled]) -> String {
    let mut table = Table::unlabelled(&["variant", "scheduler", "forwarding", "load_percent", "replicas"]);
    for metric in Metric::ALL {
        table.add_column(&format!("{}_mean", metric.column()));
        table.add_column(&format!("{}_ci95_half", metric.column()));
    }
    for group in groups(runs) {
        let mut row = vec![
            group.name.clone(),
            group.variant.scheduler.clone(),
            group.variant.forwarding.clone(),
            group.variant.load_percent.map(|l| l.to_string()).unwrap_or_default(),
            group.replicas.to_string(),
        ];
        for metric in Metric::ALL {
            let estimate = group.get(metric);
            row.push(estimate.map(|e| decimal(e.mean)).unwrap_or_default());
            row.push(estimate.and_then(|e| e.half).map(decimal).unwrap_or_default());
        }
        table.row(&row);
    }
    table.text()
}

/// A table being written into memory.
struct Table {
    columns: Vec<String>,
    writer: csv::Writer<Vec<u8>>,
    has_rows: bool,
}

impl Table {
    fn new(columns: &[&str]) -> Table {
        let mut table = Table::unlabelled(&LABELS);
        columns.iter().for_each(|c| table.add_column(c));
        table
    }

    fn unlabelled(columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&c| c.to_owned()).collect();
        Table { columns, writer: csv::Writer::from_writer(Vec::new()), has_rows: false }
    }

    fn add_column(&mut self, name: &str) {
        self.columns.push(name.into());
    }

    fn add_histogram(&mut self, name: &str) {
        self.add_column(&format!("{name}_mean_ms"));
        for (quantile, _) in QUANTILES {
            self.add_column(&format!("{name}_{quantile}_ms"));
        }
        self.add_column(&format!("{name}_max_ms"));
    }

    fn row(&mut self, row: &[String]) {
        if !self.has_rows {
            sure(self.writer.write_record(&self.columns));
            self.has_rows = true;
        }
        sure(self.writer.write_record(row));
    }

    fn text(mut self) -> String {
        if !self.has_rows {
            sure(self.writer.write_record(&self.columns));
        }
        let bytes = self.writer.into_inner().map_err(csv::IntoInnerError::into_error);
        let text = bytes.and_then(|b| String::from_utf8(b).map_err(io::Error::other));
        text.expect("text written into memory is text")
    }
}

/// Rows of equal length are written into memory, and that cannot fail.
fn sure(result: csv::Result<()>) {
    result.expect("a row has as many fields as the table has columns");
}

fn labels(run: &Labelled) -> Vec<String> {
    let load = run.variant.load_percent.map(|l| l.to_string()).unwrap_or_default();
    vec![run.variant.scheduler.clone(), run.variant.forwarding.clone(), load, run.variant.replica.to_string()]
}

/// Mean, quantiles and maximum in milliseconds; empty fields without values.
fn histogram(h: &Histogram) -> Vec<String> {
    let some = |s: f64| if h.count() > 0 { decimal(s * 1e3) } else { String::new() };
    let mut fields = vec![some(h.mean().as_secs_f64())];
    fields.extend(QUANTILES.map(|(_, q)| some(quantile_s(h, q).unwrap_or(0.0))));
    fields.push(some(h.max().as_secs_f64()));
    fields
}

/// Six decimals; empty if it is not a number.
fn decimal(x: f64) -> String {
    if x.is_finite() { format!("{x:.6}") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};
    use expect_test::expect_file;

    #[test]
    fn the_files_of_a_run_look_like_this() {
        let run = sample::run(&Sample { requests_per_s: 1200.0, seconds: 5, ..Sample::default() });
        let all = files(&[run]);
        // Of the series the beginning is enough.
        let head = |text: &str| text.lines().take(8).map(|l| format!("{l}\n")).collect::<String>();
        let text: String = all.iter().map(|(name, text)| format!("== {name}\n{}", head(text))).collect();
        expect_file!["golden/run.csv.txt"].assert_eq(&text);
    }

    #[test]
    fn the_file_of_a_comparison_looks_like_this() {
        let runs = sample::comparison(&["rr", "wlc"], &["dr"], &[60.0, 90.0], 2);
        expect_file!["golden/comparison.csv"].assert_eq(&comparison(&runs));
    }

    #[test]
    fn every_row_has_every_column() {
        for (name, runs) in sample::extremes() {
            for (file, text) in files(&runs) {
                let mut reader = csv::Reader::from_reader(text.as_bytes());
                let columns = reader.headers().unwrap().len();
                assert!(reader.records().all(|r| r.unwrap().len() == columns), "{file} of {name}");
                assert!(!text.contains("NaN") && !text.contains("inf,"), "{file} of {name}");
            }
        }
    }
}
