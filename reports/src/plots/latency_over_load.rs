//! How latency grows with the load, for each variant.

use super::canvas::Canvas;
use super::panel::{EndLabel, FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::theme::{Role, SERIES};
use super::{Drawing, Size, svg::Svg};
use crate::compare::{Group, Metric, loads, ranking};
use crate::format::{seconds, short};
use crate::{Labelled, finding, groups};

/// Heights of the two panels in pixels.
const PANELS: [(Metric, &str, f64); 2] =
    [(Metric::P99, "p99 latency", 230.0), (Metric::P50, "median latency", 130.0)];

/// One variant: its groups by ascending load.
struct Curve<'a> {
    name: &'a str,
    points: Vec<&'a Group>,
    role: Role,
}

/// Draws the variants over the loads of the comparison.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let groups = groups(runs);
    let loads = loads(&groups);
    let curves = curves(&groups);
    let answered = groups.iter().any(|g| g.mean(Metric::P99).is_some());
    if loads.len() < 2 || !answered {
        return Drawing::nothing("There is nothing to show over load", "The load was not varied.", size);
    }
    let half =
        if groups.iter().any(|g| g.replicas > 1) { "; bands are 95 % confidence intervals" } else { "" };
    let reading = format!("Load in percent of what the servers can do at most{half}.");
    Drawing { finding: finding(&groups, &curves), reading, svg: picture(&curves, &loads, size) }
}

fn curves(groups: &[Group]) -> Vec<Curve<'_>> {
    let ranked = ranking(groups);
    let role = |i: usize| match i {
        _ if ranked.len() <= SERIES.len() => SERIES[i],
        0 => Role::Blue,
        i if i + 1 == ranked.len() => Role::Vermilion,
        _ => Role::Context,
    };
    let points = |name: &str| {
        let mut points: Vec<&Group> =
            groups.iter().filter(|g| g.name == name && g.mean(Metric::P99).is_some()).collect();
        let load = |g: &Group| g.variant.load_percent.unwrap_or(0.0);
        points.sort_by(|a, b| load(a).total_cmp(&load(b)));
        points
    };
    let curve = |(i, g): (usize, &&'_ Group)| (i, g.name.clone());
    let names: Vec<(usize, String)> = ranked.iter().enumerate().map(curve).collect();
    names
        .into_iter()
        .map(|(i, name)| Curve { name: &ranked[i].name, points: points(&name), role: role(i) })
        .collect()
}

/// How each p99 changes from the lowest load to the highest, best against worst.
fn finding(groups: &[Group], curves: &[Curve<'_>]) -> String {
    let change = |c: &Curve<'_>| {
        let p99 = |g: &Group| g.mean(Metric::P99).map(|ms| ms / 1e3);
        Some((p99(c.points.first()?)?, p99(c.points.last()?)?, c.name.to_string()))
    };
    let mut changes: Vec<_> = curves.iter().filter_map(change).collect();
    changes.sort_by(|a, b| a.1.total_cmp(&b.1));
    let loads = loads(groups);
    let (Some(best), Some(worst), [low, .., high]) = (changes.first(), changes.last(), loads.as_slice())
    else {
        return finding::latency(&ranking(groups));
    };
    let said = |(from, to, name): &(f64, f64, String)| {
        format!("from {} to {} under {name}", seconds(*from), seconds(*to))
    };
    let span = format!("From {} to {} % load, p99 goes", short(*low), short(*high));
    if changes.len() == 1 || worst.1 < 1.05 * best.1 {
        return format!("{span} {}", said(best));
    }
    format!("{span} {}, {}", said(best), said(worst))
}

fn picture(curves: &[Curve<'_>], loads: &[f64], size: Size) -> Svg {
    let width = size.width();
    let longest = curves.iter().map(|c| c.name.chars().count().min(14)).max().unwrap_or(0) as f64;
    let ticks = loads.iter().map(|l| (*l, format!("{} %", short(*l)))).collect();
    let x = Scale::exact(loads[0], loads[loads.len() - 1], 5, Unit::Percent).with_ticks(ticks);
    let mut top = HEAD;
    let mut panels = Vec::new();
    for (metric, title, height) in PANELS {
        let means =
            || curves.iter().flat_map(|c| &c.points).filter_map(|g| g.mean(metric)).map(|ms| ms / 1e3);
        let (low, high) = (means().fold(f64::INFINITY, f64::min), means().fold(0.0, f64::max));
        let y = Scale::log(low, high, 6, Unit::Seconds);
        panels.push((
            metric,
            title,
            Panel::new(width, (top, top + height), longest * 7.4 + 18.0, x.clone(), y),
        ));
        top += height + FOOT + HEAD;
    }
    let left = panels.iter().map(|p| p.2.left).fold(0.0, f64::max);
    let last = panels.len() - 1;
    Svg::draw(width, top - HEAD + FOOT_TITLE, |canvas| {
        for (i, (metric, title, panel)) in panels.iter_mut().enumerate() {
            panel.left = left;
            panel.draw_axes(canvas, if i == last { "offered load" } else { "" }, title);
            draw_curves(canvas, panel, curves, *metric);
        }
    })
}

fn draw_curves(canvas: &mut Canvas<'_>, panel: &Panel, curves: &[Curve<'_>], metric: Metric) {
    let mut labels = Vec::new();
    // The best is drawn last, on top.
    for curve in curves.iter().rev() {
        let at = |g: &Group, ms: f64| panel.at((g.variant.load_percent.unwrap_or(0.0), ms / 1e3));
        let points: Vec<_> = curve.points.iter().filter_map(|g| g.mean(metric).map(|m| at(g, m))).collect();
        let band: Vec<_> = curve
            .points
            .iter()
            .filter_map(|g| g.get(metric).map(|e| (at(g, e.low()).0, at(g, e.low()).1, at(g, e.high()).1)))
            .collect();
        canvas.band(&band, curve.role, 0.15);
        canvas.path(&points, curve.role, if curve.role == Role::Context { 1.4 } else { 2.2 });
        points.iter().for_each(|p| canvas.dot(*p, 2.8, curve.role));
        if let Some(&(_, y)) = points.last() {
            labels.push(EndLabel { y, text: crate::table::clipped(curve.name, 14), role: curve.role });
        }
    }
    // The best and the worst have precedence.
    labels.reverse();
    if labels.len() > 2 {
        labels[1..].rotate_right(1);
    }
    panel.draw_some_end_labels(canvas, &labels);
}
