//! The latency at every percentile, the axis stretched towards the tail: each step to the right is ten times
//! rarer.

use super::canvas::Text;
use super::panel::{EndLabel, FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::theme::{Role, SERIES};
use super::{Drawing, Size, svg::Svg};
use crate::compare::{Group, ranking};
use crate::finding::{at_load, join};
use crate::format::seconds;
use crate::summary::{Summary, quantile_s};
use crate::{Labelled, groups};
use sim_core::Histogram;

/// Height of the picture in pixels.
const HEIGHT: f64 = 330.0;
/// The tail ends at 99.999 %.
const MOST_NINES: f64 = 5.0;

struct Curve {
    name: String,
    latency: Histogram,
    role: Role,
}

/// Draws client groups of one run, or the variants of a comparison at its highest load.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let groups = groups(runs);
    let ranked = ranking(&groups);
    let (curves, finding) = match runs {
        [run] => (of_run(run), run_finding(run)),
        _ => (of_comparison(&ranked), comparison_finding(&ranked)),
    };
    if curves.is_empty() {
        return Drawing::nothing("No request was answered", "There is no latency to show.", size);
    }
    let reading = "Latency below which that share of the requests lies, from the first SYN to the last byte; each \
                   step to the right is ten times rarer.";
    Drawing { finding, reading: reading.into(), svg: picture(&curves, size) }
}

fn of_run(run: &Labelled) -> Vec<Curve> {
    let clients: Vec<_> = run.outcome.clients.iter().filter(|c| c.latency.count() > 0).collect();
    if clients.len() > SERIES.len() {
        let latency = Summary::of(&run.outcome).latency;
        return vec![Curve { name: "all clients".into(), latency, role: Role::Blue }];
    }
    let curve = |(client, role): (&&net_model::outcome::ClientOutcome, Role)| Curve {
        name: client.name.clone(),
        latency: client.latency.clone(),
        role,
    };
    clients.iter().zip(SERIES).map(curve).collect()
}

fn of_comparison(ranked: &[&Group]) -> Vec<Curve> {
    let answered: Vec<_> = ranked.iter().filter(|g| g.latency.count() > 0).collect();
    let last = answered.len().saturating_sub(1);
    let role = |i: usize| match i {
        _ if answered.len() <= SERIES.len() => SERIES[i],
        0 => Role::Blue,
        i if i == last => Role::Vermilion,
        _ => Role::Context,
    };
    let curve = |(i, group): (usize, &&&Group)| Curve {
        name: group.name.clone(),
        latency: group.latency.clone(),
        role: role(i),
    };
    answered.iter().enumerate().map(curve).collect()
}

fn run_finding(run: &Labelled) -> String {
    let summary = Summary::of(&run.outcome);
    let at = |q| quantile_s(&summary.latency, q).map_or(String::new(), seconds);
    match summary.latency.count() {
        0 => String::new(),
        1..100 => format!("Half of the requests take {} or less, all of them {}", at(0.5), at(1.0)),
        100..10_000 => {
            format!("Half of the requests take {} or less, one in a hundred more than {}", at(0.5), at(0.99))
        }
        _ => format!(
            "Half of the requests take {} or less, one in a hundred over {}, one in a thousand over {}",
            at(0.5),
            at(0.99),
            at(0.999)
        ),
    }
}

fn comparison_finding(ranked: &[&Group]) -> String {
    let tail = |g: &&&Group| quantile_s(&g.latency, 0.999).map(|s| (s, g.name.clone()));
    let mut tails: Vec<_> = ranked.iter().filter_map(|g| tail(&g)).collect();
    tails.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(best), Some(worst)) = (tails.first(), tails.last()) else {
        return "No request was answered".into();
    };
    let at = at_load(ranked);
    if worst.0 < 1.05 * best.0 {
        return format!(
            "{at}one request in a thousand takes more than {}, whatever the variant",
            seconds(best.0)
        );
    }
    let near: Vec<&str> = tails.iter().filter(|t| t.0 < 1.05 * best.0).map(|t| t.1.as_str()).collect();
    let leaders = if near.len() <= 3 { join(&near) } else { best.1.clone() };
    let text = format!(
        "{at}one request in a thousand takes over {} under {leaders}, over {} under {}",
        seconds(best.0),
        seconds(worst.0),
        worst.1
    );
    if at.is_empty() { text.replacen("one", "One", 1) } else { text }
}

/// How far into the tail so many values reach: their number's decimal logarithm.
fn reach(latency: &Histogram) -> f64 {
    libm::log10(latency.count().max(1) as f64).min(MOST_NINES)
}

fn picture(curves: &[Curve], size: Size) -> Svg {
    let width = size.width();
    let nines = curves.iter().map(|c| reach(&c.latency)).fold(1.0, f64::max);
    let at = |c: &Curve, nines: f64| quantile_s(&c.latency, 1.0 - libm::pow(10.0, -nines)).unwrap_or(0.0);
    let low = curves.iter().map(|c| at(c, 0.05)).fold(f64::INFINITY, f64::min);
    let high = curves.iter().map(|c| at(c, reach(&c.latency))).fold(0.0, f64::max);
    let ticks = [(0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")]
        .map(|(n, label)| (n, label.to_string()));
    let ticks: Vec<_> = ticks.into_iter().filter(|(n, _)| *n <= nines).collect();
    let x = Scale::exact(0.0, nines, 5, Unit::Plain).with_ticks(ticks);
    let longest = curves.iter().map(|c| c.name.chars().count().min(14)).max().unwrap_or(0) as f64;
    let y = Scale::log(low, high, 7, Unit::Seconds);
    let panel = Panel::new(width, (HEAD, HEIGHT - FOOT - FOOT_TITLE), longest * 7.4 + 18.0, x, y);
    Svg::draw(width, HEIGHT, |canvas| {
        panel.draw_axes(canvas, "share of the requests that are faster", "latency");
        let mut labels = Vec::new();
        // The best is drawn last, on top.
        for curve in curves.iter().rev() {
            let end = reach(&curve.latency);
            let points: Vec<(f64, f64)> =
                (0..=100).map(|i| end * f64::from(i) / 100.0).map(|n| panel.at((n, at(curve, n)))).collect();
            canvas.path(&points, curve.role, if curve.role == Role::Context { 1.4 } else { 2.2 });
            let y = points.last().map_or(panel.bottom, |p| p.1);
            labels.push(EndLabel { y, text: crate::table::clipped(&curve.name, 14), role: curve.role });
        }
        // The best and the worst have precedence.
        labels.reverse();
        if labels.len() > 2 {
            labels[1..].rotate_right(1);
        }
        panel.draw_some_end_labels(canvas, &labels);
        if let [only] = curves {
            for n in [0.301, 1.0, 2.0, 3.0, 4.0].into_iter().filter(|n| *n < reach(&only.latency) - 0.2) {
                let (px, py) = panel.at((n, at(only, n)));
                canvas.dot((px, py), 3.2, only.role);
                let text = Text::label(only.role).halo();
                let text = if n < 0.5 { text } else { text.end() };
                let (dx, dy) = if n < 0.5 { (9.0, 4.0) } else { (-5.0, -12.0) };
                canvas.text(px + dx, py + dy, &seconds(at(only, n)), text);
            }
        }
    })
}
