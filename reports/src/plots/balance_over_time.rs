//! How evenly the requests fall over time: the busiest server against its fair share, and Jain's index.

use super::canvas::Text;
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{seconds, short};
use crate::series::{Window, balance, rank};

/// Height of each of the two panels.
const PANEL: f64 = 120.0;

/// Draws the balance of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let windows = runs.first().map(|run| balance(&run.outcome)).unwrap_or_default();
    let ratios: Vec<(f64, f64)> = windows.iter().filter_map(|w| Some((w.to_s, w.max_over_fair?))).collect();
    let Some(worst) = ratios.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a }) else {
        return Drawing::nothing(
            "There is no balance to follow over time",
            "No requests, no weights or no samples.",
            size,
        );
    };
    let mut ascending: Vec<f64> = ratios.iter().map(|r| r.1).collect();
    ascending.sort_by(f64::total_cmp);
    let typical = rank(&ascending, 0.5);
    let length = windows[0].to_s - windows[0].from_s;
    let finding = if worst.1 < 1.05 {
        "Requests are spread as the weights ask, all the time".to_string()
    } else {
        format!(
            "The busiest server typically takes {}× its fair share, at worst {}× (at {})",
            short(typical),
            short(worst.1),
            seconds(worst.0)
        )
    };
    let reading = format!(
        "Requests accepted within windows of {}, weighted. Both are 1 for perfect balance.",
        seconds(length)
    );
    Drawing { finding, reading, svg: picture(&windows, worst, size) }
}

fn picture(windows: &[Window], worst: (f64, f64), size: Size) -> Svg {
    let width = size.width();
    let end = windows.last().map_or(1.0, |w| w.to_s);
    let ticks = if size == Size::Wide { 8 } else { 4 };
    let x = Scale::exact(0.0, end, ticks, Unit::Seconds);
    let lowest = windows.iter().filter_map(|w| w.jain).fold(1.0, f64::min);
    let top = HEAD;
    let second = top + PANEL + FOOT + HEAD;
    let ratio = Scale::linear(1.0, worst.1.max(1.1), 3, Unit::Times);
    let jain = Scale::linear(lowest.min(0.95), 1.0, 3, Unit::Plain);
    let mut upper = Panel::new(width, (top, top + PANEL), 24.0, x.clone(), ratio);
    let mut lower = Panel::new(width, (second, second + PANEL), 24.0, x, jain);
    upper.left = upper.left.max(lower.left);
    lower.left = upper.left;
    Svg::draw(width, second + PANEL + FOOT + FOOT_TITLE, |canvas| {
        upper.draw_axes(canvas, "", "busiest server: requests / fair share");
        lower.draw_axes(canvas, "time since the start", "Jain’s fairness index");
        for (panel, of, role) in [
            (&upper, (|w: &Window| w.max_over_fair) as fn(&Window) -> Option<f64>, Role::Vermilion),
            (&lower, |w: &Window| w.jain, Role::Blue),
        ] {
            let best = panel.y_of(1.0);
            // A window without requests interrupts the line.
            for run in windows.split(|w| of(w).is_none()) {
                let steps: Vec<(f64, f64)> = run
                    .iter()
                    .flat_map(|w| [w.from_s, w.to_s].map(|t| panel.at((t, of(w).unwrap_or(1.0)))))
                    .collect();
                let band: Vec<_> = steps.iter().map(|&(x, y)| (x, y, best)).collect();
                canvas.band(&band, role, 0.18);
                canvas.path(&steps, role, 1.8);
            }
            canvas.line((panel.left, best), (panel.right, best), Role::Ink, 1.2);
        }
        let (x, y) = upper.at(worst);
        let near_end = x > (upper.left + upper.right) / 2.0;
        let text = Text::label(Role::Vermilion).halo();
        canvas.dot((x, y), 3.4, Role::Vermilion);
        let text = if near_end { text.end() } else { text };
        canvas.text(if near_end { x - 7.0 } else { x + 7.0 }, y - 9.0, &format!("{}×", short(worst.1)), text);
    })
}
