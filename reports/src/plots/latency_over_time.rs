//! Mean latency of each client group over time: what a burst, a failing server or a changed weight does.

use super::lines::{self, step};
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{seconds, short};
use crate::series::times_s;
use net_model::outcome::{ClientOutcome, Outcome};

/// Height of the panel.
const PANEL: f64 = 160.0;

/// Time and mean latency, both in seconds.
type Points = Vec<(f64, f64)>;

/// Draws the client groups of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let groups: Vec<(&str, Points)> = runs.first().map(|r| means(&r.outcome)).unwrap_or_default();
    let all = || groups.iter().flat_map(|(name, points)| points.iter().map(move |(t, s)| (*name, *t, *s)));
    let Some((slowest, at, worst)) = all().reduce(|a, b| if b.2 > a.2 { b } else { a }) else {
        return Drawing::nothing(
            "There is no latency to follow over time",
            "No requests, or no samples.",
            size,
        );
    };
    let mut sorted: Vec<f64> = all().map(|(.., s)| s).collect();
    sorted.sort_by(f64::total_cmp);
    let typical = crate::series::rank(&sorted, 0.5);
    let who = if groups.len() > 1 { format!(" for {slowest}") } else { String::new() };
    let finding = if worst > 1.5 * typical {
        format!(
            "At {} a request takes {} on average{who}, {}× the usual {}",
            seconds(at),
            seconds(worst),
            short(worst / typical),
            seconds(typical)
        )
    } else {
        format!("Latency stays near {} all the time", seconds(typical))
    };
    let reading = "Mean latency of successful requests, by the time at which they began.";
    let end = runs.first().map_or(1.0, |r| times_s(&r.outcome).last().copied().unwrap_or(1.0));
    Drawing { finding, reading: reading.into(), svg: picture(&groups, (end, worst), size) }
}

/// The groups that were ever answered, each with the mean of few windows.
fn means(outcome: &Outcome) -> Vec<(&str, Points)> {
    let times = times_s(outcome);
    let points = |client: &ClientOutcome| {
        let n = times.len().min(client.latency_series.len());
        let mut points = Points::new();
        for window in times[..n].chunks(step(n)).zip(client.latency_series[..n].chunks(step(n))) {
            let count: u64 = window.1.iter().map(|(n, _)| n).sum();
            let sum: f64 = window.1.iter().map(|(n, mean)| *n as f64 * mean).sum();
            if count > 0 {
                points.push((window.0[window.0.len() - 1], sum / count as f64));
            }
        }
        points
    };
    let groups = outcome.clients.iter().map(|c| (c.name.as_str(), points(c)));
    groups.filter(|(_, points)| !points.is_empty()).collect()
}

fn picture(groups: &[(&str, Points)], (end, worst): (f64, f64), size: Size) -> Svg {
    let x = Scale::exact(0.0, end, if size == Size::Wide { 8 } else { 4 }, Unit::Seconds);
    let y = Scale::linear(0.0, worst, 4, Unit::Seconds);
    let panel = Panel::new(size.width(), (HEAD, HEAD + PANEL), lines::name_room(groups), x, y);
    Svg::draw(size.width(), HEAD + PANEL + FOOT + FOOT_TITLE, |canvas| {
        panel.draw_axes(canvas, "time since the start", "mean latency");
        lines::draw_points(canvas, &panel, groups);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};

    #[test]
    fn a_steady_run_is_called_steady_and_a_spike_is_named() {
        let mut run = sample::run(&Sample { requests_per_s: 200.0, ..Sample::default() });
        for (n, mean) in &mut run.outcome.clients[0].latency_series {
            (*n, *mean) = (10, 0.005);
        }
        let finding = |run: &Labelled| draw(std::slice::from_ref(run), Size::Wide).finding;
        assert_eq!(finding(&run), "Latency stays near 5 ms all the time");
        for (_, mean) in &mut run.outcome.clients[0].latency_series[100..104] {
            *mean = 0.050;
        }
        assert_eq!(finding(&run), "At 10.4 s a request takes 50 ms on average, 10× the usual 5 ms");
    }
}
