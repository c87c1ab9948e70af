//! The sequence diagram of one connection: a lifeline for each host, an arrow for each packet on its way from one host to
//! the next, time running downwards.

use crate::format::{plural, seconds};
use crate::plots::canvas::{Canvas, Text, text_width};
use crate::plots::theme::Role;
use crate::plots::{Drawing, Size, Svg};
use crate::table::clipped;
use std::fmt::Write;

/// The most arrows of a picture, and the most lines of text; what comes between the first and last is left out.
const MOST_ARROWS: usize = 60;
/// So many of the last are always shown.
const LAST: usize = 8;
/// Columns of text for the way from one lifeline to the next.
const GAP: usize = 22;
/// Height of an arrow's row in a picture.
const ROW: f64 = 26.0;
/// Height of the names above the lifelines.
const NAMES: f64 = 30.0;

/// A packet on its way from one host to the next.
#[derive(Clone, PartialEq, Debug)]
pub struct Hop {
    /// When it left, in seconds since the start of the run.
    pub sent_s: f64,
    /// Index of the host that sent it.
    pub from: usize,
    /// Index of the host that got it; that which sent it, if it never left.
    pub to: usize,
    /// What it is, in few words: `[S]`, `[P.] 200 bytes`.
    pub label: String,
    /// Why it was dropped at its end, if it was.
    pub dropped: Option<String>,
}

/// The packets of a connection.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ladder {
    /// Names of the hosts, from left to right.
    pub hosts: Vec<String>,
    /// Packets in order of time.
    pub hops: Vec<Hop>,
    /// How it ended, in a sentence without full stop: the title.
    pub finding: String,
}

/// A row: an arrow, or how many are left out.
enum Row<'a> {
    Arrow(&'a Hop),
    LeftOut(usize),
}

impl Ladder {
    fn rows(&self) -> Vec<Row<'_>> {
        let hops = &self.hops;
        if hops.len() <= MOST_ARROWS {
            return hops.iter().map(Row::Arrow).collect();
        }
        let first = MOST_ARROWS - LAST;
        let last = hops.len() - LAST;
        let mut rows: Vec<Row<'_>> = hops[..first].iter().map(Row::Arrow).collect();
        rows.push(Row::LeftOut(last - first));
        rows.extend(hops[last..].iter().map(Row::Arrow));
        rows
    }

    /// The diagram in letters.
    pub fn text(&self) -> String {
        let start = self.hops.first().map_or(0.0, |hop| hop.sent_s);
        let column = |host: usize| 13 + host * GAP;
        let width = column(self.hosts.len().saturating_sub(1)) + 1;
        let mut text = format!("{}\n\n", self.finding);
        let mut names = vec![' '; width + GAP];
        for (host, name) in self.hosts.iter().enumerate() {
            let name = clipped(name, GAP - 2);
            let from = column(host).saturating_sub(name.chars().count() / 2);
            put(&mut names, from, &name);
        }
        let _ = writeln!(text, "{}", names.iter().collect::<String>().trim_end());
        for row in self.rows() {
            let mut line = vec![' '; width];
            (0..self.hosts.len()).for_each(|host| line[column(host)] = '|');
            match row {
                Row::Arrow(hop) => {
                    let after = format!("{:>9.3} ms", (hop.sent_s - start) * 1e3);
                    put(&mut line, 0, &after[after.len().saturating_sub(12)..]);
                    arrow(&mut line, column(hop.from), column(hop.to), hop);
                }
                Row::LeftOut(count) => {
                    put(&mut line, 14, &format!(" … {} …", plural(count as u64, "packet")));
                }
            }
            let _ = writeln!(text, "{}", line.iter().collect::<String>().trim_end());
        }
        text
    }

    /// The diagram as a picture.
    pub fn draw(&self, size: Size) -> Drawing {
        let reading = "Time runs downwards, in milliseconds since the first packet; steps are not to scale. Each arrow is \
                       a packet on its way from one host to the next; a cross is where one was dropped.";
        if self.hops.is_empty() {
            return Drawing::nothing(&self.finding, "There are no packets to show.", size);
        }
        let rows = self.rows();
        let height = NAMES + ROW * rows.len() as f64 + 12.0;
        let svg = Svg::draw(size.width(), height, |canvas| self.paint(canvas, &rows, size));
        Drawing { finding: self.finding.clone(), reading: reading.into(), svg }
    }

    fn paint(&self, canvas: &mut Canvas<'_>, rows: &[Row<'_>], size: Size) {
        let (left, right) =
            if size == Size::Wide { (96.0, size.width() - 40.0) } else { (68.0, size.width() - 30.0) };
        let step = (right - left) / (self.hosts.len().max(2) - 1) as f64;
        let x = |host: usize| left + step * host as f64;
        let bottom = NAMES + ROW * rows.len() as f64 + 6.0;
        let most = (step / 8.5) as usize;
        for (host, name) in self.hosts.iter().enumerate() {
            canvas.line((x(host), NAMES - 8.0), (x(host), bottom), Role::Context, 1.0);
            canvas.text(x(host), 11.0, &clipped(name, most.max(4)), Text::label(Role::Ink).bold().middle());
        }
        let start = self.hops.first().map_or(0.0, |hop| hop.sent_s);
        for (at, row) in rows.iter().enumerate() {
            let y = NAMES + ROW * (at as f64 + 0.6);
            let hop = match row {
                Row::Arrow(hop) => *hop,
                Row::LeftOut(count) => {
                    let text = format!("… {} …", plural(*count as u64, "packet"));
                    canvas.text((left + right) / 2.0, y, &text, Text::muted().middle().halo());
                    continue;
                }
            };
            let time = millis((hop.sent_s - start) * 1e3);
            canvas.text(left - 22.0, y, &time, Text::muted().end());
            paint_hop(canvas, (x(hop.from), x(hop.to)), y, hop, step);
        }
    }
}

fn millis(ms: f64) -> String {
    if ms < 999.5 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

/// One arrow with its words above it; where the packet was dropped, a cross and the reason.
fn paint_hop(canvas: &mut Canvas<'_>, (from, to): (f64, f64), y: f64, hop: &Hop, step: f64) {
    let role = if hop.dropped.is_some() { Role::Vermilion } else { Role::Blue };
    let most = ((step.max((to - from).abs()) - 14.0) / 7.6) as usize;
    if from == to {
        let cross = [((-5.0, -5.0), (5.0, 5.0)), ((-5.0, 5.0), (5.0, -5.0))];
        for ((x0, y0), (x1, y1)) in cross {
            canvas.line((to + x0, y + y0), (to + x1, y + y1), role, 1.8);
        }
        let words =
            hop.dropped.as_deref().map_or_else(|| hop.label.clone(), |why| format!("{} {why}", hop.label));
        return beside(canvas, to, y, &words, role);
    }
    let (direction, gap) = if to > from { (1.0, 3.0) } else { (-1.0, 3.0) };
    let (begin, end) = (from + direction * gap, to - direction * gap);
    canvas.line((begin, y), (end, y), role, 1.6);
    for wing in [-4.0, 4.0] {
        canvas.line((end - direction * 7.0, y + wing), (end, y), role, 1.6);
    }
    let (words, why) = match &hop.dropped {
        // The arrow itself is where the reason would stand, or the edge of the picture.
        Some(why) if to < from || text_width(&format!("✕ {why}")) > canvas.width() - to - 12.0 => {
            let both = format!("{} ✕ {why}", hop.label);
            let fits = both.chars().count() <= most;
            (if fits { both } else { format!("✕ {why}") }, None)
        }
        why => (hop.label.clone(), why.as_ref()),
    };
    let words = clipped(&words, most.max(4));
    canvas.text((from + to) / 2.0, y - 9.0, &words, Text::label(role).middle().halo());
    if let Some(why) = why {
        beside(canvas, to, y, &format!("✕ {why}"), role);
    }
}

/// Words to the right of a lifeline, or to its left where there is no room.
fn beside(canvas: &mut Canvas<'_>, x: f64, y: f64, words: &str, role: Role) {
    let room = canvas.width() - x - 12.0;
    let words = clipped(words, 34);
    if text_width(&words) <= room {
        canvas.text(x + 10.0, y, &words, Text::label(role).halo());
    } else {
        canvas.text(x - 10.0, y, &words, Text::label(role).end().halo());
    }
}

/// Letters from a column on.
fn put(line: &mut Vec<char>, from: usize, words: &str) {
    for (at, letter) in words.chars().enumerate() {
        if from + at >= line.len() {
            line.push(letter);
        } else {
            line[from + at] = letter;
        }
    }
}

/// An arrow between two lifelines with its words in the middle.
fn arrow(line: &mut Vec<char>, from: usize, to: usize, hop: &Hop) {
    if from == to {
        let why = hop.dropped.as_deref().unwrap_or_default();
        return put(line, to + 1, &format!("X {} {why}", hop.label));
    }
    let (low, high) = (from.min(to), from.max(to));
    (low + 1..high).for_each(|at| line[at] = '-');
    let head = if to > from { (high - 1, '>') } else { (low + 1, '<') };
    line[head.0] = head.1;
    // There is room for the reason beside the lifeline only on its right.
    let words = match &hop.dropped {
        Some(why) if to < from => format!("X {why}"),
        _ => hop.label.clone(),
    };
    let words = clipped(&words, high - low - 7);
    let middle = low + (high - low - words.chars().count()) / 2;
    put(line, middle, &format!(" {words} "));
    line[head.0] = head.1;
    if let (Some(why), true) = (&hop.dropped, to > from) {
        put(line, high + 1, &format!("X {why}"));
    }
}

/// How a connection ended, for the title: after how long, or why not.
pub(crate) fn duration_words(ladder: &Ladder) -> String {
    let (first, last) = (ladder.hops.first(), ladder.hops.last());
    match (first, last) {
        (Some(first), Some(last)) => seconds(last.sent_s - first.sent_s),
        _ => seconds(0.0),
    }
}

impl Ladder {
    /// A title from what is known: how many packets, how long, how many dropped.
    pub fn with_title(mut self, ending: &str) -> Ladder {
        let dropped = self.hops.iter().filter(|hop| hop.dropped.is_some()).count() as u64;
        let lost = if dropped > 0 { format!(", {dropped} dropped") } else { String::new() };
        let hops = plural(self.hops.len() as u64, "hop");
        self.finding = format!("{ending}: {hops} in {}{lost}", duration_words(&self));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn ladder() -> Ladder {
        let hop = |sent_s: f64, from: usize, to: usize, label: &str, dropped: Option<&str>| Hop {
            sent_s,
            from,
            to,
            label: label.into(),
            dropped: dropped.map(str::to_owned),
        };
        Ladder {
            hosts: ["client", "director", "web1"].map(str::to_owned).to_vec(),
            hops: vec![
                hop(1.0, 0, 1, "[S]", None),
                hop(1.0001, 1, 2, "[S]", None),
                hop(1.0002, 2, 0, "[S.]", None),
                hop(1.0003, 0, 1, "[P.] 200 bytes", Some("not-forwarding")),
                hop(1.0004, 2, 2, "[S.]", Some("no-route")),
            ],
            finding: String::new(),
        }
        .with_title("The client is refused")
    }

    #[test]
    fn in_letters() {
        expect![[r#"
            The client is refused: 5 hops in 400 µs, 2 dropped

                      client               director                web1
                0.000 ms |-------- [S] ------->|                     |
                0.100 ms |                     |-------- [S] ------->|
                0.200 ms |<------------------ [S.] ------------------|
                0.300 ms |--- [P.] 200 bytes ->|X not-forwarding     |
                0.400 ms |                     |                     |X [S.] no-route
        "#]]
        .assert_eq(&ladder().text());
    }

    #[test]
    fn a_long_one_is_shortened() {
        let mut long = ladder();
        let hop = long.hops[0].clone();
        long.hops.extend(std::iter::repeat_n(hop, 200));
        let text = long.text();
        assert!(text.contains("… 145 packets …"), "{text}");
        assert_eq!(text.lines().count(), MOST_ARROWS + 4);
    }

    #[test]
    fn pictures_of_any_width_hold_everything() {
        for size in [Size::Wide, Size::Narrow] {
            let drawing = ladder().draw(size);
            assert_eq!(drawing.svg.stray_point(), None, "{size:?}");
            let nothing = Ladder { hosts: vec![], hops: vec![], finding: "Nothing".into() }.draw(size);
            assert_eq!(nothing.svg.stray_point(), None, "{size:?}");
        }
    }
}
