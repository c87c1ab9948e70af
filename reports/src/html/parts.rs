//! The parts of a page: key figures, tables, losses with their cures.

use crate::Labelled;
use crate::compare::{Group, Metric, ranking};
use crate::finding::join;
use crate::format::{NONE, grouped, percent, rate, seconds, short, unbroken};
use crate::groups;
use crate::summary::{Summary, is_harmless};
use crate::table::{Cell, Grid};
use maud::{Markup, html};
use net_model::verdict::DropReason;

/// A key figure: name, value, what it means.
type Card = (String, String, String);

/// A figure of a comparison: name, what is compared, how it is shown.
type Figure = (&'static str, Metric, fn(f64) -> String);

/// The key figures of a run, or of the best variant of a comparison.
pub(super) fn cards(runs: &[Labelled]) -> Markup {
    let cards = match runs {
        [] => Vec::new(),
        [run] => run_cards(run),
        _ => comparison_cards(&groups(runs)),
    };
    html! {
        section.cards aria-label="Key figures" {
            @for (name, value, meaning) in cards {
                div.card {
                    div.name { (name) }
                    div.value { (unbroken(&value)) }
                    div.meaning { (meaning) }
                }
            }
        }
    }
}

fn run_cards(run: &Labelled) -> Vec<Card> {
    let s = Summary::of(&run.outcome);
    let latency = |q| s.latency_s(q).map_or(NONE.into(), seconds);
    let open = s.started - (s.succeeded + s.failed).min(s.started);
    let busiest = run.outcome.servers.iter().map(|x| x.utilisation).fold(0.0, f64::max);
    vec![
        card(
            "Answered",
            s.success.map_or(NONE.into(), |x| format!("{} %", percent(x))),
            &match (s.failed, open) {
                (0, 0) => format!("all of {} requests", grouped(s.started)),
                (failed, open) => {
                    format!("{} failed, {} still open at the end", grouped(failed), grouped(open))
                }
            },
        ),
        card("Throughput", rate(s.throughput), "answered requests per second"),
        card("Median latency", latency(0.5), "from the first SYN to the last byte"),
        card("p99 latency", latency(0.99), &format!("p99.9 {}", latency(0.999))),
        card(
            "Busiest server",
            s.max_over_fair.map_or(NONE.into(), |x| format!("{}×", short(x))),
            &s.jain.map_or("of its fair share".into(), |j| format!("of its fair share; Jain’s index {j:.3}")),
        ),
        card("Workers busy", format!("{} %", percent(busiest)), "on the busiest server"),
        card(
            "Lost packets",
            grouped(s.lost),
            if s.lost == 0 { "nothing to mend" } else { "reasons and cures below" },
        ),
    ]
}

fn comparison_cards(groups: &[Group]) -> Vec<Card> {
    let ranked = ranking(groups);
    let best = |metric: Metric, show: fn(f64) -> String| -> Option<(String, String)> {
        let mut with: Vec<_> =
            ranked.iter().filter_map(|g| Some((g.mean(metric)?, g.name.clone()))).collect();
        with.sort_by(|a, b| if metric.is_more_better() { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
        let (first, last) = (with.first()?, with.last()?);
        let [value, other] = [first.0, last.0].map(show);
        let equal: Vec<&str> = with.iter().filter(|w| show(w.0) == value).map(|w| w.1.as_str()).collect();
        let leaders = match equal.len() {
            1..=3 => join(&equal),
            n => format!("{} and {} more", first.1, n - 1),
        };
        let meaning = if value == other {
            "the same for all variants".into()
        } else {
            format!("{leaders}; {} has {other}", last.1)
        };
        Some((value, meaning))
    };
    let figures: [Figure; 6] = [
        ("Most answered", Metric::Success, |x| format!("{} %", percent(x / 100.0))),
        ("Best throughput", Metric::Throughput, rate),
        ("Best median", Metric::P50, |x| seconds(x / 1e3)),
        ("Best p99", Metric::P99, |x| seconds(x / 1e3)),
        ("Best balance", Metric::MaxOverFair, |x| format!("{}×", short(x))),
        ("Fewest lost packets", Metric::Lost, |x| grouped(x.round() as u64)),
    ];
    let figures = figures.into_iter().filter_map(|(name, metric, show)| Some((name, best(metric, show)?)));
    figures.map(|(name, (value, meaning))| card(name, value, &meaning)).collect()
}

fn card(name: &str, value: String, meaning: &str) -> Card {
    (name.into(), value, meaning.into())
}

/// A table; it scrolls on its own where the page is narrower.
pub(super) fn table(grid: &Grid) -> Markup {
    let class = |i: usize| if grid.columns[i].is_number { "number" } else { "word" };
    let cell = |i: usize, cell: &Cell| {
        html! { td.(class(i)).best[cell.is_best] { (cell.text) @if cell.is_best { span.sr { " (best)" } } } }
    };
    html! {
        h2 { (grid.title) }
        div.scroll tabindex="0" role="region" aria-label=(grid.title) {
            table {
                thead { tr { @for (i, c) in grid.columns.iter().enumerate() { th.(class(i)) scope="col" { (c.header) } } } }
                tbody { @for row in &grid.rows { tr { @for (i, c) in row.iter().enumerate() { (cell(i, c)) } } } }
            }
        }
        @if !grid.note.is_empty() { p.note { (grid.note.replace("* best", "Bold: best")) } }
    }
}

/// Losses over all runs by reason, with the sentence and the cure, most frequent first.
pub(super) fn losses(runs: &[Labelled]) -> Markup {
    let drops = || runs.iter().flat_map(|r| &r.outcome.drops);
    let mut reasons: Vec<(DropReason, u64, Vec<&str>)> = Vec::new();
    for &reason in DropReason::ALL {
        let mut places: Vec<&str> =
            drops().filter(|d| d.reason == reason).map(|d| d.place.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        let count: u64 = drops().filter(|d| d.reason == reason).map(|d| d.count).sum();
        if count > 0 {
            reasons.push((reason, count, places));
        }
    }
    reasons.sort_by_key(|(reason, count, _)| (is_harmless(*reason), std::cmp::Reverse(*count)));
    html! {
        section aria-label="Lost packets" {
            h2 { "Lost packets" }
            @if reasons.iter().all(|(reason, ..)| is_harmless(*reason)) {
                p { "No packet was lost." }
            }
            @for (reason, count, places) in &reasons {
                div.loss.harmless[is_harmless(*reason)] {
                    div.count { (grouped(*count)) }
                    div {
                        p { strong { (reason.name()) } " at " (some_of(places)) }
                        p { (reason.sentence()) }
                        p.cure { (reason.cure()) }
                    }
                }
            }
        }
    }
}

/// The first places and how many more there are.
fn some_of(places: &[&str]) -> String {
    match places {
        [] => String::new(),
        _ if places.len() <= 4 => places.join(", "),
        _ => format!("{} and {} more places", places[..3].join(", "), places.len() - 3),
    }
}
