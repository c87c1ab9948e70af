//! Rows: a name at the left, its mark on a common horizontal axis, what it means at the right.

use super::canvas::{Canvas, Text, text_width};
use super::panel::{FOOT, FOOT_TITLE, HEAD, Panel};
use super::scale::Scale;
use super::theme::Role;
use super::{Size, svg::Svg};
use crate::table::clipped;

/// Height of a row in pixels.
const ROW: f64 = 24.0;

/// A plot, or a part of one, made of rows.
pub(crate) struct Rows {
    names: Vec<String>,
    panel: Panel,
    size: Size,
}

impl Rows {
    /// Rows with these names on this axis, from the top of the picture; `value_room` stays free at the right.
    pub(crate) fn new(names: &[&str], x: Scale, value_room: f64, size: Size) -> Rows {
        let most = if size == Size::Wide { 30 } else { 14 };
        let names: Vec<String> = names.iter().map(|n| clipped(n, most)).collect();
        let left = names.iter().map(|n| text_width(n)).fold(30.0, f64::max) + 10.0;
        let bottom = HEAD + ROW * names.len() as f64 + 4.0;
        let y = Scale::linear(0.0, 1.0, 1, super::scale::Unit::Plain).with_ticks(vec![]);
        let panel = Panel { left, top: HEAD, right: size.width() - value_room.max(14.0), bottom, x, y };
        Rows { names, panel, size }
    }

    /// The same rows below something else of this height.
    pub(crate) fn below(mut self, height: f64) -> Rows {
        self.panel.top += height;
        self.panel.bottom += height;
        self
    }

    /// The same rows, their axis beginning at least this far from the left.
    pub(crate) fn with_left(mut self, left: f64) -> Rows {
        self.panel.left = self.panel.left.max(left);
        self
    }

    /// Where the axis begins.
    pub(crate) fn left(&self) -> f64 {
        self.panel.left
    }

    /// Where the axis ends.
    pub(crate) fn right(&self) -> f64 {
        self.panel.right
    }

    /// Where everything ends, axis labels included.
    pub(crate) fn end(&self, has_title: bool) -> f64 {
        self.panel.bottom + FOOT + if has_title { FOOT_TITLE } else { 0.0 }
    }

    /// The place of a value.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.panel.x_of(value)
    }

    /// The middle of a row.
    pub(crate) fn y(&self, row: usize) -> f64 {
        self.panel.top + ROW * (row as f64 + 0.5)
    }

    /// The height at which to explain the marks of the first row.
    pub(crate) fn caption_y(&self) -> f64 {
        self.panel.top - 12.0
    }

    /// A picture of these rows alone.
    pub(crate) fn draw(&self, x_title: &str, paint: impl FnMut(&mut Canvas<'_>, usize)) -> Svg {
        Svg::draw(self.size.width(), self.end(!x_title.is_empty()), |canvas| {
            self.paint(canvas, x_title, paint);
        })
    }

    /// Draws axis and names, then calls `mark` for each row.
    pub(crate) fn paint(
        &self,
        canvas: &mut Canvas<'_>,
        x_title: &str,
        mut mark: impl FnMut(&mut Canvas<'_>, usize),
    ) {
        self.panel.draw_x_grid(canvas);
        self.panel.draw_x_axis(canvas, x_title);
        for (row, name) in self.names.iter().enumerate() {
            canvas.text(self.panel.left - 10.0, self.y(row), name, Text::label(Role::Ink).end());
            mark(canvas, row);
        }
    }
}
