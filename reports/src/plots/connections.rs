//! Active and inactive connections of each server over time, as `ipvsadm -Ln` counts them.

use super::lines::{self, MOST_LINES, thinned};
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{grouped, seconds};
use crate::series::times_s;
use net_model::outcome::{Outcome, ServerSeries};

/// Height of each of the two panels.
const PANEL: f64 = 150.0;

/// Draws the connections of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let Some(outcome) = runs.first().map(|r| &r.outcome) else {
        return nothing(size);
    };
    let times = times_s(outcome);
    let active = of(outcome, |s| &s.active);
    let inactive = of(outcome, |s| &s.inactive);
    let peak = active.iter().map(|(_, v)| v.iter().copied().fold(0.0, f64::max)).enumerate();
    let Some((busiest, peak)) = peak.reduce(|a, b| if b.1 > a.1 { b } else { a }) else {
        return nothing(size);
    };
    let total_peak = |series: &[(&str, Vec<f64>)]| -> f64 {
        (0..times.len()).map(|i| series.iter().map(|(_, v)| v[i]).sum::<f64>()).fold(0.0, f64::max)
    };
    if times.is_empty() || peak == 0.0 && total_peak(&inactive) == 0.0 {
        return nothing(size);
    }
    let finding = match active.as_slice() {
        [one] => format!("{} peaks at {} active connections", one.0, grouped(peak as u64)),
        _ => format!(
            "{} peaks at {} active connections; all servers together at {}",
            active[busiest].0,
            grouped(peak as u64),
            grouped(total_peak(&active) as u64)
        ),
    };
    let each = times.get(1).zip(times.first()).map_or(0.0, |(b, a)| b - a);
    let step = lines::step(times.len()) as f64 * each;
    let reading = if active.len() > MOST_LINES {
        format!(
            "Connections per server, means of {}: median, 10 to 90 % and extremes of all servers.",
            seconds(step)
        )
    } else {
        format!("Connections per server, means of {}.", seconds(step))
    };
    Drawing { finding, reading, svg: picture(&times, &active, &inactive, size) }
}

fn nothing(size: Size) -> Drawing {
    Drawing::nothing("No connection was ever open", "There are no connections to count.", size)
}

fn of(outcome: &Outcome, field: fn(&ServerSeries) -> &Vec<u32>) -> Vec<(&str, Vec<f64>)> {
    let values = |series: &ServerSeries| {
        let mut values: Vec<f64> = field(series).iter().copied().map(f64::from).collect();
        values.resize(outcome.sample_times.len(), 0.0);
        values
    };
    outcome.servers.iter().map(|s| (s.name.as_str(), values(&s.series))).collect()
}

fn picture(times: &[f64], active: &[(&str, Vec<f64>)], inactive: &[(&str, Vec<f64>)], size: Size) -> Svg {
    let width = size.width();
    let end = times.last().copied().unwrap_or(1.0);
    let x = Scale::exact(0.0, end, if size == Size::Wide { 8 } else { 4 }, Unit::Seconds);
    let second = HEAD + PANEL + FOOT + HEAD;
    let mut panels = Vec::new();
    for (top, series) in [(HEAD, active), (second, inactive)] {
        let thin: Vec<(&str, Vec<f64>)> = series.iter().map(|(n, v)| (*n, thinned(times, v).1)).collect();
        let most = thin.iter().flat_map(|(_, v)| v).copied().fold(1.0, f64::max);
        let y = Scale::linear(0.0, most, 4, Unit::Count);
        let room = if series.len() > MOST_LINES { 70.0 } else { lines::name_room(series) };
        panels.push((Panel::new(width, (top, top + PANEL), room, x.clone(), y), thin));
    }
    let left = panels.iter().map(|(p, _)| p.left).fold(0.0, f64::max);
    let (thin_times, _) = thinned(times, times);
    Svg::draw(width, second + PANEL + FOOT + FOOT_TITLE, |canvas| {
        let titles = [("", "active connections"), ("time since the start", "inactive connections")];
        for ((panel, series), (x_title, y_title)) in panels.iter_mut().zip(titles) {
            panel.left = left;
            panel.draw_axes(canvas, x_title, y_title);
            lines::draw(canvas, panel, &thin_times, series);
        }
    })
}
