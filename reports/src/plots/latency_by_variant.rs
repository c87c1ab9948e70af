//! Latency percentiles of each variant on one axis, best first.

use super::canvas::{Canvas, Text};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::compare::{Group, Metric, ranking};
use crate::format::{seconds, short};
use crate::{Labelled, finding, groups};

/// The most variants that one picture shows.
pub(super) const MOST_ROWS: usize = 30;

/// What is marked in each row, with the colour of the mark.
const MARKS: [(Metric, &str, Role); 3] = [
    (Metric::P50, "median", Role::Green),
    (Metric::P99, "p99", Role::Blue),
    (Metric::P999, "p99.9", Role::Vermilion),
];

/// Draws the variants at the highest load.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let groups = groups(runs);
    let ranked = ranking(&groups);
    let finding = finding::latency(&ranked);
    let answered: Vec<&Group> = ranked.into_iter().filter(|g| g.mean(Metric::P99).is_some()).collect();
    if answered.is_empty() {
        return Drawing::nothing(&finding, "There is no latency to show.", size);
    }
    let shown = &answered[..answered.len().min(MOST_ROWS)];
    let reading = format!("{}{}", reading(shown), left_out(answered.len()));
    Drawing { finding, reading, svg: picture(shown, size) }
}

/// Names the variants that did not fit, if any.
pub(super) fn left_out(all: usize) -> String {
    match all.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!(" The {more} worst are in comparison.csv only."),
    }
}

/// How the estimates came about, for subtitles.
pub(super) fn replicas(shown: &[&Group]) -> String {
    match shown.iter().map(|g| g.replicas).max() {
        None | Some(0 | 1) => "one run each".into(),
        Some(n) => format!("means of {n} replicas, 95 % confidence interval"),
    }
}

fn reading(shown: &[&Group]) -> String {
    let load = shown.first().and_then(|g| g.variant.load_percent);
    let load = load.map_or(String::new(), |l| format!(" at {} % load", short(l)));
    format!("Latency of successful requests{load}, best first; {} for p99.", replicas(shown))
}

fn picture(shown: &[&Group], size: Size) -> Svg {
    let names: Vec<&str> = shown.iter().map(|g| g.name.as_str()).collect();
    let value = |g: &Group, metric| g.mean(metric).unwrap_or(0.0) / 1e3;
    let low = shown.iter().map(|g| value(g, Metric::P50)).fold(f64::INFINITY, f64::min);
    let high = shown.iter().map(|g| value(g, Metric::P999)).fold(0.0, f64::max);
    let scale = Scale::log(low, high, if size == Size::Wide { 7 } else { 4 }, Unit::Seconds);
    let rows = Rows::new(&names, scale, 78.0, size);
    rows.draw("latency", |canvas, row| {
        let (group, y) = (shown[row], rows.y(row));
        let x = |metric| rows.x(value(group, metric));
        canvas.line((x(Metric::P50), y), (x(Metric::P999), y), Role::Context, 2.0);
        if let Some(p99) = group.get(Metric::P99).filter(|e| e.half.is_some()) {
            let ends = [p99.low().max(0.0), p99.high()].map(|ms| rows.x(ms / 1e3));
            canvas.rect((ends[0], y - 5.0), (ends[1], y + 5.0), Role::Blue, 0.3);
        }
        for (metric, _, role) in MARKS {
            canvas.dot((x(metric), y), 4.4, role);
        }
        let p99 = seconds(value(group, Metric::P99));
        let look = Text::label(Role::Blue).end();
        canvas.text(size.width() - 2.0, y, &p99, if row == 0 { look.bold() } else { look });
        if row == 0 {
            captions(canvas, &rows, MARKS.map(|(metric, name, role)| (x(metric), name, role)));
            canvas.text(size.width() - 2.0, rows.caption_y(), "p99", Text::label(Role::Blue).end());
        }
    })
}

/// Names the marks of the first row above it, as far as they do not overlap.
fn captions(canvas: &mut Canvas<'_>, rows: &Rows, marks: [(f64, &str, Role); 3]) {
    let mut free_from = f64::NEG_INFINITY;
    for (x, name, role) in marks {
        let half = super::canvas::text_width(name) / 2.0;
        let x = x.max(rows.left() + half).min(rows.right() - half + 20.0).max(free_from + half);
        canvas.text(x, rows.caption_y(), name, Text::label(role).middle());
        free_from = x + half + 6.0;
    }
}
