//! Drawing in pixels with fractions: plotters knows whole units only, so a pixel has [`SCALE`] of them.

use super::theme::Role;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Units of the finished picture per pixel.
pub(crate) const SCALE: f64 = 10.0;

/// Height of ordinary letters in pixels.
pub(crate) const LETTER: f64 = 13.0;

/// Something to draw on; x grows to the right, y downwards.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    size: f64,
    role: Role,
    anchor: HPos,
    bold: bool,
    halo: bool,
}

impl Text {
    /// A label in the letters of this role, to the right of its point and at half height.
    pub(crate) fn label(role: Role) -> Text {
        Text { size: LETTER, role: role.text(), anchor: HPos::Left, bold: false, halo: false }
    }

    /// A smaller text that explains.
    pub(crate) fn muted() -> Text {
        Text { size: 12.0, ..Text::label(Role::Muted) }
    }

    /// To the left of its point.
    pub(crate) fn end(self) -> Text {
        Text { anchor: HPos::Right, ..self }
    }

    /// Around its point.
    pub(crate) fn middle(self) -> Text {
        Text { anchor: HPos::Center, ..self }
    }

    /// In strong letters.
    pub(crate) fn bold(self) -> Text {
        Text { bold: true, ..self }
    }

    /// With an outline of paper, to be read across lines.
    pub(crate) fn halo(self) -> Text {
        Text { halo: true, ..self }
    }
}

/// The width of a text in pixels, roughly and rather too large: what the wider of the common sans-serifs need.
pub(crate) fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' | '\u{2009}' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 0.95,
        'A'..='Z' | '0'..='9' | '×' | '>' | '<' => 0.68,
        _ => 0.62,
    };
    text.chars().map(em).sum::<f64>() * LETTER
}

impl<'a> Canvas<'a> {
    /// A canvas of this size in pixels.
    pub(crate) fn new(buffer: &'a mut String, width: f64, height: f64) -> Canvas<'a> {
        Canvas { backend: SVGBackend::with_string(buffer, (units(width) as u32, units(height) as u32)) }
    }

    /// Its width in pixels.
    pub(crate) fn width(&self) -> f64 {
        f64::from(self.backend.get_size().0) / SCALE
    }

    /// Ends the document.
    pub(crate) fn finish(mut self) {
        sure(self.backend.present());
    }

    /// A straight line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), role: Role, width: f64) {
        sure(self.backend.draw_line(point(from), point(to), &stroke(role, width)));
    }

    /// A line through points.
    pub(crate) fn path(&mut self, points: &[(f64, f64)], role: Role, width: f64) {
        if points.len() > 1 {
            sure(self.backend.draw_path(points.iter().copied().map(point), &stroke(role, width)));
        }
    }

    /// The area between two lines over the same x: (x, low, high).
    pub(crate) fn band(&mut self, points: &[(f64, f64, f64)], role: Role, alpha: f64) {
        if points.len() > 1 {
            let there = points.iter().map(|&(x, low, _)| point((x, low)));
            let back = points.iter().rev().map(|&(x, _, high)| point((x, high)));
            sure(self.backend.fill_polygon(there.chain(back), &fill(role, alpha)));
        }
    }

    /// A filled rectangle between two corners.
    pub(crate) fn rect(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), role: Role, alpha: f64) {
        let corners = (point((x0.min(x1), y0.min(y1))), point((x0.max(x1), y0.max(y1))));
        sure(self.backend.draw_rect(corners.0, corners.1, &fill(role, alpha), true));
    }

    /// A filled circle.
    pub(crate) fn dot(&mut self, centre: (f64, f64), radius: f64, role: Role) {
        sure(self.backend.draw_circle(point(centre), units(radius) as u32, &fill(role, 1.0), true));
    }

    /// A line of text; its middle is at height `y`.
    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str, look: Text) {
        if text.is_empty() {
            return;
        }
        let [r, g, b] = look.role.rgb();
        let colour = RGBColor(r, g, b);
        let family = if look.halo { "halo" } else { "plain" };
        let weight = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        // The backend writes the size divided by 1.24; the sizes used here come out whole.
        let style = TextStyle::from((family, look.size * SCALE * 1.24, weight).into_font())
            .color(&colour)
            .pos(Pos::new(look.anchor, VPos::Center));
        let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        sure(self.backend.draw_text(&clean, &style, point((x, y))));
    }
}

fn units(pixels: f64) -> i32 {
    (pixels * SCALE).round() as i32
}

fn point((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

fn stroke(role: Role, width: f64) -> ShapeStyle {
    let [r, g, b] = role.rgb();
    ShapeStyle { color: RGBColor(r, g, b).to_rgba(), filled: false, stroke_width: units(width) as u32 }
}

fn fill(role: Role, alpha: f64) -> ShapeStyle {
    let [r, g, b] = role.rgb();
    ShapeStyle { color: RGBColor(r, g, b).mix(alpha), filled: true, stroke_width: 0 }
}

/// The SVG backend writes into a string, and that cannot fail.
fn sure<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("drawing into a string cannot fail");
}
