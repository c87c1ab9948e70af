//! Lost packets by reason and place, and how requests failed.

use super::canvas::Text;
use super::latency_by_variant::{MOST_ROWS, left_out};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::compare::{Group, Metric, ranking};
use crate::finding::failures;
use crate::format::{grouped, percent, plural};
use crate::summary::{Summary, losses};
use crate::{Labelled, groups};
use net_model::outcome::Outcome;

/// The most reasons that are shown.
const MOST_BARS: usize = 10;

/// One bar: name, count, whether clients saw it.
type Bar = (String, u64, bool);

/// Draws the losses of one run, or the failed requests of each variant.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    match runs {
        [] => Drawing::nothing("Nothing was lost", "There is no run.", size),
        [run] => of_run(&run.outcome, size),
        _ => of_comparison(&groups(runs), size),
    }
}

fn of_run(outcome: &Outcome, size: Size) -> Drawing {
    let summary = Summary::of(outcome);
    let losses = losses(outcome);
    if losses.is_empty() && summary.failed == 0 {
        return Drawing::nothing(
            "No packet was lost and no request failed",
            "Every frame arrived, or was still on its way at the end.",
            size,
        );
    }
    let finding = match losses.first() {
        None => format!("{} failed, although no packet was lost", plural(summary.failed, "request")),
        Some(first) if losses.len() == 1 => {
            format!("{} lost: {} at {}", plural(first.count, "packet"), first.reason.name(), first.place)
        }
        Some(first) => format!(
            "{} at {} is behind {} % of {}",
            first.reason.name(),
            first.place,
            percent(first.count as f64 / summary.lost as f64),
            plural(summary.lost, "lost packet")
        ),
    };
    let mut bars: Vec<Bar> = losses
        .iter()
        .take(MOST_BARS)
        .map(|d| (format!("{} at {}", d.reason.name(), d.place), d.count, false))
        .collect();
    bars.extend(summary.causes.iter().map(|(cause, n)| (cause.name().to_string(), *n, true)));
    let reading =
        "Packets that ended on the way, by reason and place, and failed requests as the clients saw them.";
    Drawing { finding, reading: reading.into(), svg: run_picture(&bars, size) }
}

fn run_picture(bars: &[Bar], size: Size) -> Svg {
    let names: Vec<&str> = bars.iter().map(|b| b.0.as_str()).collect();
    let most = bars.iter().map(|b| b.1).max().unwrap_or(1) as f64;
    let scale = Scale::linear(0.0, most, if size == Size::Wide { 4 } else { 2 }, Unit::Count);
    let rows = Rows::new(&names, scale, 70.0, size);
    Svg::draw(size.width(), rows.end(false), |canvas| {
        canvas.text(rows.left(), rows.caption_y(), "packets lost", Text::label(Role::Vermilion));
        if bars.iter().any(|b| b.2) {
            canvas.text(rows.left() + 88.0, rows.caption_y(), "· requests failed", Text::label(Role::Purple));
        }
        rows.paint(canvas, "", |canvas, row| {
            let (_, n, seen_by_clients) = bars[row];
            let role = if seen_by_clients { Role::Purple } else { Role::Vermilion };
            let (y, x) = (rows.y(row), rows.x(n as f64));
            canvas.rect((rows.x(0.0), y - 7.0), (x, y + 7.0), role, 0.9);
            canvas.text(x + 6.0, y, &grouped(n), Text::label(role));
        });
    })
}

fn of_comparison(groups: &[Group], size: Size) -> Drawing {
    let ranked = ranking(groups);
    let failed = |g: &Group| g.mean(Metric::Success).map(|s| 100.0 - s);
    let lost = |g: &Group| g.mean(Metric::Lost).unwrap_or(0.0);
    if ranked.iter().all(|g| failed(g).unwrap_or(0.0) == 0.0 && lost(g) == 0.0) {
        return Drawing::nothing(
            "No variant lost a packet or failed a request",
            "Every frame arrived, or was still on its way.",
            size,
        );
    }
    let mut sorted: Vec<&Group> = ranked.iter().copied().filter(|g| failed(g).is_some()).collect();
    sorted.sort_by(|a, b| failed(a).unwrap_or(0.0).total_cmp(&failed(b).unwrap_or(0.0)));
    if sorted.is_empty() {
        return Drawing::nothing(
            "No request ended in any variant",
            "Packets were lost: see drops.csv.",
            size,
        );
    }
    let finding = failures(&ranked);
    let share = |g: &Group| percent(failed(g).unwrap_or(0.0) / 100.0);
    let shown = &sorted[..sorted.len().min(MOST_ROWS)];
    let most = shown.iter().filter_map(|g| failed(g)).fold(0.0, f64::max);
    let scale = Scale::linear(0.0, most.max(0.1), if size == Size::Wide { 5 } else { 3 }, Unit::Percent);
    let names: Vec<&str> = shown.iter().map(|g| g.name.as_str()).collect();
    let rows = Rows::new(&names, scale, 150.0, size);
    let svg = rows.draw("requests that failed", |canvas, row| {
        let (group, y) = (shown[row], rows.y(row));
        let x = rows.x(failed(group).unwrap_or(0.0));
        canvas.rect((rows.x(0.0), y - 7.0), (x, y + 7.0), Role::Purple, 0.9);
        canvas.text(rows.right() + 12.0, y, &format!("{} %", share(group)), Text::label(Role::Purple));
        canvas.text(size.width() - 2.0, y, &grouped(lost(group).round() as u64), Text::muted().end());
        if row == 0 {
            canvas.text(size.width() - 2.0, rows.caption_y(), "packets lost", Text::muted().end());
        }
    });
    let reading =
        format!("Mean over replicas; lost packets may have been sent again.{}", left_out(sorted.len()));
    Drawing { finding, reading, svg }
}
