//! A rectangle with two axes: few pale grid lines, the unit of y above its axis, labels at the ends of lines.

use super::canvas::{Canvas, Text, text_width};
use super::scale::Scale;
use super::theme::Role;

/// A rectangle on the canvas in which x and y are data.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
}

/// Room above a panel for the title of its y axis.
pub(crate) const HEAD: f64 = 26.0;
/// Room below a panel for the labels of its x axis.
pub(crate) const FOOT: f64 = 22.0;
/// More room below for the title of the x axis.
pub(crate) const FOOT_TITLE: f64 = 20.0;

/// A name beside the end of a line.
#[derive(Clone, Debug)]
pub(crate) struct EndLabel {
    pub(crate) y: f64,
    pub(crate) text: String,
    pub(crate) role: Role,
}

impl Panel {
    /// A panel between `top` and `bottom` that leaves room for the labels of y at its left and `right_room`
    /// at its right.
    pub(crate) fn new(width: f64, (top, bottom): (f64, f64), right_room: f64, x: Scale, y: Scale) -> Panel {
        let widest = y.ticks.iter().map(|(_, l)| text_width(l)).fold(0.0, f64::max);
        Panel { left: widest + 10.0, top, right: width - right_room.max(10.0), bottom, x, y }
    }

    /// The place of a value on x.
    pub(crate) fn x_of(&self, v: f64) -> f64 {
        self.left + self.x.place(v) * (self.right - self.left)
    }

    /// The place of a value on y.
    pub(crate) fn y_of(&self, v: f64) -> f64 {
        self.bottom - self.y.place(v) * (self.bottom - self.top)
    }

    /// The place of a point.
    pub(crate) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x_of(x), self.y_of(y))
    }

    /// Grid lines, labels and titles; an empty title takes no room.
    pub(crate) fn draw_axes(&self, canvas: &mut Canvas<'_>, x_title: &str, y_title: &str) {
        for (v, label) in &self.y.ticks {
            let y = self.y_of(*v);
            canvas.line((self.left, y), (self.right, y), Role::Grid, 1.0);
            canvas.text(self.left - 7.0, y, label, Text::muted().end());
        }
        self.draw_x_axis(canvas, x_title);
        canvas.text(0.0, self.top - HEAD / 2.0 - 2.0, y_title, Text::label(Role::Ink));
    }

    /// Only the horizontal axis: small ticks, labels and title.
    pub(crate) fn draw_x_axis(&self, canvas: &mut Canvas<'_>, title: &str) {
        let mut free_from = f64::NEG_INFINITY;
        for (v, label) in &self.x.ticks {
            let x = self.x_of(*v);
            let half = text_width(label) / 2.0;
            canvas.line((x, self.bottom), (x, self.bottom + 4.0), Role::Context, 1.0);
            if x - half > free_from {
                canvas.text(x, self.bottom + 13.0, label, Text::muted().middle());
                free_from = x + half + 6.0;
            }
        }
        let middle = (self.left + self.right) / 2.0;
        canvas.text(middle, self.bottom + FOOT + FOOT_TITLE / 2.0, title, Text::muted().middle());
    }

    /// Pale lines up from the ticks of x.
    pub(crate) fn draw_x_grid(&self, canvas: &mut Canvas<'_>) {
        for (v, _) in &self.x.ticks {
            let x = self.x_of(*v);
            canvas.line((x, self.top), (x, self.bottom), Role::Grid, 1.0);
        }
    }

    /// Names at the right edge as far as there is room for all of them; else those that come first, each of the
    /// others only where it is in nobody's way.
    pub(crate) fn draw_some_end_labels(&self, canvas: &mut Canvas<'_>, labels: &[EndLabel]) {
        const GAP: f64 = 15.0;
        if labels.len() as f64 * GAP <= 0.8 * (self.bottom - self.top) {
            return self.draw_end_labels(canvas, labels);
        }
        let mut chosen: Vec<EndLabel> = Vec::new();
        for label in labels {
            if chosen.iter().all(|c| (c.y - label.y).abs() >= GAP) {
                chosen.push(label.clone());
            }
        }
        self.draw_end_labels(canvas, &chosen);
    }

    /// Names at the right edge, moved apart where they would overlap.
    pub(crate) fn draw_end_labels(&self, canvas: &mut Canvas<'_>, labels: &[EndLabel]) {
        let wanted: Vec<f64> = labels.iter().map(|l| l.y).collect();
        let places = spread(&wanted, 15.0, self.top, self.bottom);
        for (label, y) in labels.iter().zip(places) {
            if (y - label.y).abs() > 3.0 {
                canvas.line((self.right + 2.0, label.y), (self.right + 9.0, y), Role::Context, 0.8);
            }
            canvas.text(self.right + 12.0, y, &label.text, Text::label(label.role));
        }
    }
}

/// Places at least `gap` apart (as far as they fit between `low` and `high`), each as near as possible to
/// where it is wanted: neighbours that are too close form a block, and the block centres on their mean.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]).then(a.cmp(&b)));
    let gap = gap.min((high - low) / wanted.len().max(1) as f64);
    // Each block: (members, centre).
    let mut blocks: Vec<(Vec<usize>, f64)> = Vec::new();
    let clamp = |members: &[usize], centre: f64| {
        let half = gap * (members.len() as f64 - 1.0) / 2.0;
        centre.clamp((low + half).min(high - half), (high - half).max(low + half))
    };
    for i in order {
        let mut block = (vec![i], wanted[i].clamp(low, high));
        while let Some((members, centre)) = blocks.last() {
            let room = gap * (members.len() + block.0.len()) as f64 / 2.0;
            if block.1 - centre >= room - 1e-9 {
                break;
            }
            let (mut members, _) = blocks.pop().unwrap_or_default();
            members.append(&mut block.0);
            let mean = members.iter().map(|&m| wanted[m]).sum::<f64>() / members.len() as f64;
            block = (members.clone(), clamp(&members, mean));
        }
        blocks.push(block);
    }
    let mut places = vec![0.0; wanted.len()];
    for (members, centre) in blocks {
        let first = centre - gap * (members.len() as f64 - 1.0) / 2.0;
        for (k, i) in members.into_iter().enumerate() {
            places[i] = first + gap * k as f64;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[10.0, 50.0, 90.0], 15.0, 0.0, 100.0), [10.0, 50.0, 90.0]);
    }

    #[test]
    fn crowded_labels_move_apart_around_their_middle() {
        assert_eq!(spread(&[50.0, 50.0, 50.0], 15.0, 0.0, 100.0), [35.0, 50.0, 65.0]);
    }

    #[test]
    fn labels_stay_inside() {
        let places = spread(&[99.0, 100.0, 98.0, 97.0], 15.0, 0.0, 100.0);
        assert!(places.iter().all(|p| (0.0..=100.0).contains(p)), "{places:?}");
        assert_eq!(places[1], 100.0);
        let crowded = spread(&[1.0; 40], 15.0, 0.0, 100.0);
        assert!(crowded.iter().all(|p| (-1e-9..=100.0 + 1e-9).contains(p)), "{crowded:?}");
    }
}
