//! The tables of one run: servers, clients, drops, who answered ARP.

use super::{Cell, Grid, clipped, number, word, wrapped};
use crate::format::{NONE, percent_cell, sig3};
use crate::summary::{losses, quantile_s, shares};
use crate::{Labelled, finding};
use net_model::outcome::{ClientOutcome, Outcome, ServerOutcome};
use sim_core::Histogram;

/// The most servers, links or services that are listed one by one.
const MOST_ROWS: usize = 24;

/// The summary of a run for the terminal: at most 100 columns, units in the headers.
pub fn run(run: &Labelled) -> String {
    let outcome = &run.outcome;
    let mut parts = vec![
        wrapped(&finding::headline(std::slice::from_ref(run)).replace('\u{2009}', " "), ""),
        identity(outcome),
        servers_grid(outcome).to_text(),
        clients_grid(outcome).to_text(),
        drops(outcome),
    ];
    if !outcome.arp_answers.is_empty() {
        parts.push(arp_grid(outcome).to_text());
    }
    parts.join("\n")
}

/// Servers against their fair share. Of very many only the extremes are listed.
pub(crate) fn servers_grid(outcome: &Outcome) -> Grid {
    let columns = vec![
        word("server"),
        number("weight"),
        number("requests"),
        number("share %"),
        number("fair %"),
        number("got/fair"),
        number("busy %"),
        number("p50 ms"),
        number("p99 ms"),
        number("peak active"),
    ];
    let shares = shares(outcome);
    let total = shares.iter().map(|s| s.accepted).sum();
    let ratio = |i: usize| shares[i].ratio(total);
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let mut note = String::new();
    if order.len() > MOST_ROWS {
        order.sort_by(|&a, &b| ratio(b).unwrap_or(0.0).total_cmp(&ratio(a).unwrap_or(0.0)).then(a.cmp(&b)));
        let left_out = order.len() - MOST_ROWS;
        order.drain(MOST_ROWS / 2..MOST_ROWS / 2 + left_out);
        note = format!(
            "The servers with the largest and smallest got/fair; {left_out} more are in servers.csv."
        );
    }
    let row = |&i: &usize| -> Vec<Cell> {
        let (server, share): (&ServerOutcome, _) = (&outcome.servers[i], &shares[i]);
        vec![
            server.name.clone().into(),
            server.weight.to_string().into(),
            server.accepted.to_string().into(),
            percent_cell(share.part).into(),
            percent_cell(share.fair).into(),
            ratio(i).map_or(NONE.into(), sig3).into(),
            percent_cell(server.utilisation).into(),
            quantile_ms(&server.sojourn, 0.5).into(),
            quantile_ms(&server.sojourn, 0.99).into(),
            server.series.active.iter().max().map_or(NONE.into(), u32::to_string).into(),
        ]
    };
    Grid { title: "Real servers".into(), columns, rows: order.iter().map(row).collect(), note }
}

/// What the client groups saw.
pub(crate) fn clients_grid(outcome: &Outcome) -> Grid {
    let columns = vec![
        word("clients"),
        number("started"),
        number("ok"),
        number("mean ms"),
        number("p50 ms"),
        number("p99 ms"),
        number("p99.9 ms"),
        number("resent"),
        word("failed"),
    ];
    let row = |client: &ClientOutcome| -> Vec<Cell> {
        let causes: Vec<String> =
            client.failed.iter().map(|(cause, n)| format!("{n} {}", cause.name())).collect();
        let mean = (client.latency.count() > 0).then(|| client.latency.mean().as_secs_f64() * 1e3);
        vec![
            client.name.clone().into(),
            client.started.to_string().into(),
            client.succeeded.to_string().into(),
            mean.map_or(NONE.into(), sig3).into(),
            quantile_ms(&client.latency, 0.5).into(),
            quantile_ms(&client.latency, 0.99).into(),
            quantile_ms(&client.latency, 0.999).into(),
            client.retransmissions.to_string().into(),
            if causes.is_empty() { "none".into() } else { causes.join(", ").into() },
        ]
    };
    let rows = outcome.clients.iter().map(row).collect();
    Grid { title: "Clients".into(), columns, rows, note: String::new() }
}

/// Who answered ARP for which address: with direct routing it must be the director alone.
pub(crate) fn arp_grid(outcome: &Outcome) -> Grid {
    let rows: Vec<Vec<Cell>> = outcome
        .arp_answers
        .iter()
        .take(MOST_ROWS)
        .map(|a| {
            let first = format!("{:.6}", a.first.as_secs_f64());
            vec![a.addr.to_string().into(), a.host.clone().into(), a.count.to_string().into(), first.into()]
        })
        .collect();
    let note = match outcome.arp_answers.len().saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!("and {more} more"),
    };
    let columns = vec![word("address"), word("answered by"), number("times"), number("first at s")];
    Grid { title: "Who answered ARP".into(), columns, rows, note }
}

/// Each director's services, as `ipvsadm -Ln` would list them at the end of the run.
pub(crate) fn directors_grids(outcome: &Outcome) -> Vec<Grid> {
    let columns = vec![
        word("destination"),
        word("forward"),
        number("weight"),
        number("active"),
        number("inactive"),
        number("conns"),
        number("packets in"),
        number("packets out"),
    ];
    let services = outcome.directors.iter().flat_map(|d| d.services.iter().map(move |s| (d, s)));
    services
        .map(|(director, service)| {
            let rows = service.destinations.iter().take(MOST_ROWS).map(|d| {
                vec![
                    d.name.clone().into(),
                    d.forwarding.into(),
                    d.weight.to_string().into(),
                    d.active.to_string().into(),
                    d.inactive.to_string().into(),
                    d.conns.to_string().into(),
                    d.in_packets.to_string().into(),
                    d.out_packets.to_string().into(),
                ]
            });
            let more = service.destinations.len().saturating_sub(MOST_ROWS);
            Grid {
                title: format!("{}: {} {}", director.name, service.name, service.scheduler),
                columns: columns.clone(),
                rows: rows.collect(),
                note: if more > 0 { format!("and {more} more") } else { String::new() },
            }
        })
        .collect()
}

/// What identifies a run: two runs with the same fingerprint did the same things at the same times.
fn identity(outcome: &Outcome) -> String {
    format!(
        "seed {} · {} s simulated · {} hops · {} events · fingerprint {:016x}\n",
        outcome.seed,
        outcome.duration.as_secs_f64(),
        outcome.hops,
        outcome.events,
        outcome.fingerprint
    )
}

/// Losses with sentence and cure; what is discarded as a matter of course in one line.
fn drops(outcome: &Outcome) -> String {
    let losses = losses(outcome);
    let discarded: u64 =
        outcome.drops.iter().filter(|d| crate::summary::is_harmless(d.reason)).map(|d| d.count).sum();
    let mut out = String::from("Lost packets\n");
    if losses.is_empty() {
        out += "  none\n";
    }
    for drop in losses.iter().take(MOST_ROWS) {
        out += &format!("  {:>9}  {} at {}\n", drop.count, drop.reason.name(), clipped(&drop.place, 50));
        out += &wrapped(&format!("{} {}", drop.reason.sentence(), drop.reason.cure()), "             ");
    }
    if losses.len() > MOST_ROWS {
        out += &format!("  and {} more places, in drops.csv\n", losses.len() - MOST_ROWS);
    }
    if discarded > 0 {
        out += &format!("  {discarded:>9}  discarded as a matter of course (flooded or duplicate frames)\n");
    }
    out
}

fn quantile_ms(histogram: &Histogram, q: f64) -> String {
    quantile_s(histogram, q).map_or(NONE.into(), |s| sig3(s * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};
    use crate::table::WIDTH;
    use expect_test::expect_file;

    #[test]
    fn a_run_reads_like_this() {
        let overloaded = Sample { requests_per_s: 1200.0, seconds: 5, ..Sample::default() };
        expect_file!["../golden/run.txt"].assert_eq(&run(&sample::run(&overloaded)));
    }

    #[test]
    fn every_run_fits_the_terminal() {
        for (name, runs) in sample::extremes() {
            for labelled in &runs {
                let text = run(labelled);
                let widest = text.lines().map(|l| l.chars().count()).max().unwrap_or(0);
                assert!(widest <= WIDTH, "{name}: {widest} columns\n{text}");
                assert!(!text.contains("NaN") && !text.contains("inf "), "{name}\n{text}");
            }
        }
    }

    #[test]
    fn of_a_thousand_servers_the_extremes_are_listed() {
        let outcome = Sample { servers: vec![(1, 1.0); 1000], seconds: 1, ..Sample::default() }.outcome();
        let grid = servers_grid(&outcome);
        assert_eq!(grid.rows.len(), MOST_ROWS);
        assert!(grid.note.contains("976 more"));
    }
}
