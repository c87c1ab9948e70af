//! Many servers over time: a line each while they can be told apart, else the band in which they lie.

use super::canvas::{Canvas, text_width};
use super::panel::{EndLabel, Panel};
use super::theme::{Role, SERIES};
use crate::series::rank;
use crate::table::clipped;

/// The most lines that can be told apart.
pub(crate) const MOST_LINES: usize = 6;
/// The most letters of a name beside its line.
const NAME: usize = 12;
/// The most points of a line: more than that is noise at this size.
const MOST_POINTS: usize = 50;

/// Draws one line a series, or bands (all, 10 to 90 %, median) if there are too many. Every series has a value
/// for each time; names are written at the right.
pub(crate) fn draw(canvas: &mut Canvas<'_>, panel: &Panel, times: &[f64], series: &[(&str, Vec<f64>)]) {
    if times.is_empty() || series.is_empty() {
        return;
    }
    let labels = if series.len() <= MOST_LINES {
        lines(canvas, panel, times, series)
    } else {
        bands(canvas, panel, times, series)
    };
    panel.draw_end_labels(canvas, &labels);
}

/// Means of few windows of equal length, so that a line is readable; the time is that of the window's end.
pub(crate) fn thinned(times: &[f64], values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = times.len().min(values.len());
    let step = step(n);
    let windows = || (0..n).step_by(step).map(|from| from..(from + step).min(n));
    let mean = |range: std::ops::Range<usize>| values[range.clone()].iter().sum::<f64>() / range.len() as f64;
    (windows().map(|w| times[w.end - 1]).collect(), windows().map(mean).collect())
}

/// How many of `n` samples [`thinned`] joins.
pub(crate) fn step(n: usize) -> usize {
    n.div_ceil(MOST_POINTS).max(1)
}

fn lines(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    times: &[f64],
    series: &[(&str, Vec<f64>)],
) -> Vec<EndLabel> {
    let mut labels = Vec::new();
    for ((name, values), role) in series.iter().zip(SERIES) {
        let points: Vec<_> = times.iter().copied().zip(values.iter().copied()).collect();
        labels.extend(line(canvas, panel, name, &points, role));
    }
    labels
}

/// Draws lines whose points have times of their own: in colour, or in grey if there are too many of them.
pub(crate) fn draw_points(canvas: &mut Canvas<'_>, panel: &Panel, series: &[(&str, Vec<(f64, f64)>)]) {
    let role = |i| if series.len() <= MOST_LINES { SERIES[i] } else { Role::Context };
    let labels = series
        .iter()
        .enumerate()
        .filter_map(|(i, (name, points))| line(canvas, panel, name, points, role(i)));
    let labels: Vec<EndLabel> = labels.collect();
    panel.draw_some_end_labels(canvas, &labels);
}

/// The room at the right that the names of lines need.
pub(crate) fn name_room<T>(series: &[(&str, T)]) -> f64 {
    series.iter().map(|(name, _)| text_width(&clipped(name, NAME))).fold(0.0, f64::max) + 16.0
}

fn line(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    name: &str,
    points: &[(f64, f64)],
    role: Role,
) -> Option<EndLabel> {
    let points: Vec<_> = points.iter().map(|p| panel.at(*p)).collect();
    match points.as_slice() {
        [only] => canvas.dot(*only, 2.8, role),
        many => canvas.path(many, role, 1.6),
    }
    points.last().map(|&(_, y)| EndLabel { y, text: clipped(name, NAME), role })
}

fn bands(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    times: &[f64],
    series: &[(&str, Vec<f64>)],
) -> Vec<EndLabel> {
    let columns: Vec<Vec<f64>> = (0..times.len())
        .map(|i| {
            let mut column: Vec<f64> = series.iter().map(|(_, values)| values[i]).collect();
            column.sort_by(f64::total_cmp);
            column
        })
        .collect();
    let line = |q: f64| -> Vec<(f64, f64)> {
        times.iter().zip(&columns).map(|(t, column)| panel.at((*t, rank(column, q)))).collect()
    };
    let [lowest, tenth, median, ninetieth, highest] = [0.0, 0.1, 0.5, 0.9, 1.0].map(line);
    let band = |low: &[(f64, f64)], high: &[(f64, f64)]| -> Vec<(f64, f64, f64)> {
        low.iter().zip(high).map(|(l, h)| (l.0, l.1, h.1)).collect()
    };
    canvas.band(&band(&lowest, &highest), Role::Sky, 0.25);
    canvas.band(&band(&tenth, &ninetieth), Role::Sky, 0.5);
    canvas.path(&median, Role::Blue, 2.0);
    let label = |line: &[(f64, f64)], text: &str, role| {
        line.last().map(|&(_, y)| EndLabel { y, text: text.into(), role })
    };
    [
        label(&highest, "highest", Role::Sky),
        label(&ninetieth, "90 %", Role::Sky),
        label(&median, "median", Role::Blue),
        label(&tenth, "10 %", Role::Sky),
        label(&lowest, "lowest", Role::Sky),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_mean_and_the_end() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        let (t, v) = thinned(&times, &times);
        assert_eq!((t.len(), t.last(), v[0]), (50, Some(&200.0), 2.5));
        assert_eq!(thinned(&[], &[]), (vec![], vec![]));
    }
}
