//! A picture as SVG text: what plotters wrote, made themable and small.

use super::canvas::{Canvas, SCALE};
use super::theme::ROLES;
use crate::format::unbroken;
use std::fmt::Write as _;

/// A picture without its title; embed it in a page or make a file of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    /// Elements, in units of 1 / [`SCALE`].
    elements: String,
}

const FONT: &str = "system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif";

impl Svg {
    /// Draws a picture of this size.
    pub(crate) fn draw(width: f64, height: f64, paint: impl FnOnce(&mut Canvas<'_>)) -> Svg {
        let mut raw = String::new();
        let mut canvas = Canvas::new(&mut raw, width, height);
        paint(&mut canvas);
        canvas.finish();
        Svg { width, height, elements: themed(&raw) }
    }

    /// Width and height in units, which are pixels at full size.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// The picture for a page that has the style sheet of `html/style.css`: colours follow the theme, the width
    /// follows the page. `title` and `description` are for those who cannot see it.
    pub fn inline(&self, id: &str, title: &str, description: &str, class: &str) -> String {
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>\n{}</svg>",
            (self.width * SCALE) as i64,
            (self.height * SCALE) as i64,
            escaped(title),
            escaped(description),
            self.elements
        )
    }

    /// A file of its own: on white, the finding as its title above the picture.
    pub fn standalone(&self, finding: &str, reading: &str) -> String {
        let margin = 16.0;
        let mut head = String::new();
        let mut y = margin;
        let [ink, muted] = [0, 1].map(|i| hex(ROLES[i].2));
        for (text, size, weight, colour) in [(finding, 17.0, "600", ink), (reading, 12.5, "400", muted)] {
            for line in balanced(&unbroken(text), (self.width / (size * 0.58)) as usize) {
                y += size * 1.28;
                let _ = writeln!(
                    head,
                    "<text x=\"{margin}\" y=\"{y:.1}\" font-size=\"{size}\" font-weight=\"{weight}\" \
                     fill=\"{colour}\">{}</text>",
                    escaped(&line)
                );
            }
            y += 4.0;
        }
        y += margin - 4.0;
        let (width, height) = (self.width + 2.0 * margin, y + self.height + margin);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height:.1}\" \
             viewBox=\"0 0 {width} {height:.1}\" role=\"img\" font-family=\"{FONT}\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n{head}\
             <g transform=\"translate({margin} {y:.1}) scale({})\">\n{}</g>\n</svg>\n",
            escaped(finding),
            escaped(reading),
            hex(ROLES[3].2),
            1.0 / SCALE,
            self.elements
        )
    }

    /// A coordinate outside the picture, if there is one.
    #[cfg(test)]
    pub(crate) fn stray_point(&self) -> Option<(f64, f64)> {
        let document = format!("<g>{}</g>", self.elements);
        let document = roxmltree::Document::parse(&document).unwrap();
        let number =
            |n: roxmltree::Node<'_, '_>, key: &str| n.attribute(key).and_then(|v| v.parse::<f64>().ok());
        let mut points = Vec::new();
        for node in document.descendants() {
            for (x, y) in [("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")] {
                points.extend(number(node, x).zip(number(node, y)));
            }
            if let (Some(x), Some(y), Some(w), Some(h)) =
                (number(node, "x"), number(node, "y"), number(node, "width"), number(node, "height"))
            {
                points.push((x + w, y + h));
            }
            for pair in node.attribute("points").unwrap_or("").split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                points.push((x.parse().unwrap(), y.parse().unwrap()));
            }
            if let (Some(x), Some(y), Some(size)) =
                (number(node, "x"), number(node, "y"), number(node, "font-size"))
            {
                let long = node.text().unwrap_or("").chars().count() as f64 * size * 0.5;
                let (left, right) = match node.attribute("text-anchor") {
                    Some("end") => (x - long, x),
                    Some("middle") => (x - long / 2.0, x + long / 2.0),
                    _ => (x, x + long),
                };
                points.extend([(left, y), (right, y)]);
            }
        }
        let (w, h) = (self.width * SCALE, self.height * SCALE);
        // Half a unit of slack for strokes that run along the edge.
        let inside = |&(x, y): &(f64, f64)| x >= -5.0 && y >= -5.0 && x <= w + 5.0 && y <= h + 5.0;
        points.into_iter().find(|p| !inside(p)).map(|(x, y)| (x / SCALE, y / SCALE))
    }
}

/// Text between tags or quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            // Control characters are not allowed in XML, not even escaped.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// As few lines of at most `most` characters as possible, of about equal length.
fn balanced(text: &str, most: usize) -> Vec<String> {
    let few = wrapped(text, most).len();
    let narrowest = (1..=most).find(|&w| {
        wrapped(text, w).iter().all(|l| l.chars().count() <= most) && wrapped(text, w).len() <= few
    });
    wrapped(text, narrowest.unwrap_or(most))
}

/// Lines of at most `most` characters.
pub(crate) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Takes the elements out of plotters' document, gives each colour its class and drops what is the default.
fn themed(raw: &str) -> String {
    let inner = raw.split_once(">\n").map_or("", |(_, rest)| rest);
    let inner = inner.trim_end().trim_end_matches("</svg>");
    let mut out = inner
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" \"/>", "\"/>")
        .replace("\n</text>", "</text>")
        .replace("\">\n", "\">")
        // The family carries what plotters' text style cannot: an outline in the colour of the paper.
        .replace(" font-family=\"halo\"", " stroke-width=\"35\" paint-order=\"stroke\" stroke=\"#FFFFFF\"")
        .replace(" font-family=\"plain\"", "")
        .replace(" font-weight=\"bold\"", " font-weight=\"600\"");
    for (_, name, rgb) in ROLES {
        for (attribute, kind) in [("fill", 'f'), ("stroke", 's')] {
            let bare = format!(" {attribute}=\"{}\"", hex(rgb));
            out = out.replace(&bare, &format!("{bare} class=\"{kind}-{name}\""));
        }
    }
    merged_classes(&out)
}

/// An element with a fill and a stroke got two class attributes; XML wants one.
fn merged_classes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let Some((head, tail)) = line.split_once('>') else {
            out += line;
            continue;
        };
        let mut classes = Vec::new();
        let mut rest = head;
        let mut plain = String::new();
        while let Some((before, after)) = rest.split_once(" class=\"") {
            let (class, after) = after.split_once('"').unwrap_or((after, ""));
            plain += before;
            classes.push(class);
            rest = after;
        }
        plain += rest;
        if classes.is_empty() {
            out += line;
            continue;
        }
        let (plain, slash) = plain.strip_suffix('/').map_or((plain.as_str(), ""), |p| (p, "/"));
        let _ = write!(out, "{plain} class=\"{}\"{slash}>{tail}", classes.join(" "));
    }
    out
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Text;
    use super::super::theme::Role;
    use super::*;
    use expect_test::expect;

    #[test]
    fn elements_carry_colour_and_class() {
        let svg = Svg::draw(100.0, 50.0, |c| {
            c.line((0.0, 0.0), (10.0, 5.5), Role::Blue, 2.0);
            c.text(50.0, 20.0, "a < b", Text::label(Role::Ink).halo());
        });
        expect![[r##"
            <line stroke="#0072B2" stroke-width="20" x1="0" y1="0" x2="100" y2="55" class="s-blue"/>
            <text x="500" y="200" dy="0.5ex" text-anchor="start" stroke-width="35" paint-order="stroke" stroke="#FFFFFF" font-size="130" fill="#1B1F24" class="s-paper f-ink">a &lt; b</text>
        "##]]
        .assert_eq(&svg.elements);
    }

    #[test]
    fn a_file_has_its_title_inside() {
        let text = Svg::draw(680.0, 50.0, |_| ()).standalone("A & B", "Read it so.");
        let document = roxmltree::Document::parse(&text).unwrap();
        let texts: Vec<_> =
            document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        assert_eq!(texts, ["A & B", "Read it so."]);
    }

    #[test]
    fn long_titles_wrap() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert!(wrapped("", 7).is_empty());
        assert_eq!(balanced("one two three four", 15), ["one two", "three four"]);
    }
}
