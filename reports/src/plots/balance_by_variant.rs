//! How evenly each variant spreads the requests: its busiest server against the fair share.

use super::canvas::Text;
use super::latency_by_variant::{MOST_ROWS, left_out, replicas};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::compare::{Estimate, Group, Metric, ranking};
use crate::finding::at_load;
use crate::format::short;
use crate::{Labelled, groups};

/// Draws the variants at the highest load, best balanced first.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let groups = groups(runs);
    let ranked = ranking(&groups);
    let at = at_load(&ranked);
    let ratio = |g: &Group| g.mean(Metric::MaxOverFair);
    let mut balanced: Vec<&Group> = ranked.into_iter().filter(|g| ratio(g).is_some()).collect();
    balanced.sort_by(|a, b| ratio(a).unwrap_or(0.0).total_cmp(&ratio(b).unwrap_or(0.0)));
    let (Some(best), Some(worst)) = (balanced.first().copied(), balanced.last().copied()) else {
        return Drawing::nothing("There is no balance to compare", "No requests, or no weights.", size);
    };
    let shown = &balanced[..balanced.len().min(MOST_ROWS)];
    let reading = format!(
        "Requests of the busiest server over its fair share (1× is perfect), with Jain’s index; {}.{}",
        replicas(shown),
        left_out(balanced.len())
    );
    Drawing { finding: finding(&at, best, worst), reading, svg: picture(shown, size) }
}

fn finding(at: &str, best: &Group, worst: &Group) -> String {
    let of = |g: &Group| g.mean(Metric::MaxOverFair).unwrap_or(1.0);
    let (low, high) = (of(best), of(worst));
    if high - low < 0.02 {
        let all = if at.is_empty() { "All variants give" } else { "all variants give" };
        return format!("{at}{all} the busiest server {}× its fair share", short(high));
    }
    let low = if low < 1.005 { "exactly".to_string() } else { format!("{}×", short(low)) };
    format!(
        "{at}{} gives the busiest server {low} its fair share, {} {}×",
        best.name,
        worst.name,
        short(high)
    )
}

fn picture(shown: &[&Group], size: Size) -> Svg {
    let names: Vec<&str> = shown.iter().map(|g| g.name.as_str()).collect();
    let highest =
        shown.iter().filter_map(|g| g.get(Metric::MaxOverFair)).map(Estimate::high).fold(1.1, f64::max);
    let scale = Scale::linear(1.0, highest, if size == Size::Wide { 6 } else { 3 }, Unit::Times);
    let rows = Rows::new(&names, scale, 120.0, size);
    rows.draw("busiest server: requests / fair share", |canvas, row| {
        let Some(e) = shown[row].get(Metric::MaxOverFair) else { return };
        let (y, perfect) = (rows.y(row), rows.x(1.0));
        canvas.line((perfect, y - 12.0), (perfect, y + 12.0), Role::Ink, 1.4);
        canvas.line((perfect, y), (rows.x(e.mean), y), Role::Context, 2.0);
        if e.half.is_some() {
            canvas.rect((rows.x(e.low()), y - 5.0), (rows.x(e.high()), y + 5.0), Role::Blue, 0.3);
        }
        canvas.dot((rows.x(e.mean), y), 4.4, Role::Blue);
        let jain = shown[row].mean(Metric::Jain).map_or(String::new(), |j| format!("{j:.3}"));
        let look = Text::label(Role::Blue).end();
        let text = format!("{}×", short(e.mean));
        canvas.text(size.width() - 56.0, y, &text, if row == 0 { look.bold() } else { look });
        canvas.text(size.width() - 2.0, y, &jain, Text::muted().end());
        if row == 0 {
            canvas.text(size.width() - 2.0, rows.caption_y(), "Jain", Text::muted().end());
            canvas.text(perfect, rows.caption_y(), "perfect", Text::muted().middle());
        }
    })
}
