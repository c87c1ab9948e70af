//! Tables: built once as a [`Grid`] of cells, shown as aligned text here and as HTML on the page.

mod comparison;
mod run;

pub use comparison::comparison;
pub(crate) use comparison::grid as comparison_grid;
pub use run::run;
pub(crate) use run::{arp_grid, clients_grid, directors_grids, servers_grid};

/// The widest line of a text table, in columns.
pub(crate) const WIDTH: usize = 100;

/// A table with a title, whose headers carry the units.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Grid {
    /// What the rows are.
    pub(crate) title: String,
    /// Headers.
    pub(crate) columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Said below the table: what was left out, what a mark means; empty for nothing.
    pub(crate) note: String,
}

/// The head of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Column {
    /// Header, with the unit.
    pub(crate) header: &'static str,
    /// Numbers stand at the right, words at the left.
    pub(crate) is_number: bool,
}

/// One figure or word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    /// As shown.
    pub(crate) text: String,
    /// Is it the best of its column (among those it competes with)?
    pub(crate) is_best: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, is_best: false }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        text.to_string().into()
    }
}

/// A column of words.
pub(crate) const fn word(header: &'static str) -> Column {
    Column { header, is_number: false }
}

/// A column of numbers.
pub(crate) const fn number(header: &'static str) -> Column {
    Column { header, is_number: true }
}

impl Grid {
    /// The table as lines of at most [`WIDTH`] columns; long words are cut in the middle, numbers never.
    pub(crate) fn to_text(&self) -> String {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| width(c.header)).collect();
        for row in &self.rows {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(width(&cell.text) + usize::from(cell.is_best));
            }
        }
        shrink(&mut widths, &self.columns);
        let mut out = String::new();
        if !self.title.is_empty() {
            out += &self.title;
            out.push('\n');
        }
        let headers: Vec<Cell> = self.columns.iter().map(|c| c.header.into()).collect();
        out += &self.line(&headers, &widths);
        for row in &self.rows {
            out += &self.line(row, &widths);
        }
        if !self.note.is_empty() {
            out += &wrapped(&self.note, "  ");
        }
        out
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, column), &w) in cells.iter().zip(&self.columns).zip(widths) {
            let mark = if cell.is_best { "*" } else { "" };
            let text = format!("{}{mark}", clipped(&cell.text, w));
            let gap = " ".repeat(w.saturating_sub(width(&text)));
            line += "  ";
            line += &if column.is_number { gap + &text } else { text + &gap };
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// Words wrapped into lines of at most [`WIDTH`] columns, each behind `indent`.
pub(crate) fn wrapped(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut line = indent.to_string();
    for word in text.split_whitespace() {
        if width(&line) + 1 + width(word) > WIDTH && line.trim() != "" {
            out += line.trim_end();
            out.push('\n');
            line = indent.to_string();
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line += word;
    }
    out + line.trim_end() + "\n"
}

/// Takes columns from the widest words until the line fits, leaving each at least eight.
fn shrink(widths: &mut [usize], columns: &[Column]) {
    while widths.iter().map(|w| w + 2).sum::<usize>() > WIDTH {
        let words = (0..widths.len()).filter(|&i| !columns[i].is_number && widths[i] > 8);
        match words.max_by_key(|&i| widths[i]) {
            Some(widest) => widths[widest] -= 1,
            None => return,
        }
    }
}

/// The text cut to `w` columns, an ellipsis in its middle: the ends of host names tell them apart.
pub(crate) fn clipped(text: &str, w: usize) -> String {
    if width(text) <= w {
        return text.into();
    }
    let chars: Vec<char> = text.chars().collect();
    let tail = (w.saturating_sub(1)) / 2;
    let head = w.saturating_sub(1 + tail);
    chars[..head].iter().chain(&['…']).chain(&chars[chars.len() - tail..]).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(name: &str) -> Grid {
        let best = Cell { text: "21.3".into(), is_best: true };
        Grid {
            title: "Latency".into(),
            columns: vec![word("variant"), number("p99 ms")],
            rows: vec![vec![name.into(), best], vec!["rr".into(), "180".into()]],
            note: "* best".into(),
        }
    }

    #[test]
    fn numbers_stand_right_and_words_left() {
        assert_eq!(
            grid("wlc").to_text(),
            "Latency\n  variant  p99 ms\n  wlc       21.3*\n  rr          180\n  * best\n"
        );
    }

    #[test]
    fn no_line_is_too_wide() {
        let text = grid(&"x".repeat(300)).to_text();
        assert!(text.lines().all(|l| width(l) <= WIDTH) && text.contains('…'), "{text}");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(clipped("web-frontend-0001", 9), "web-…0001");
        assert_eq!(clipped("web1", 9), "web1");
    }

    #[test]
    fn words_wrap() {
        let text = wrapped(&"word ".repeat(40), "    ");
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|l| l.starts_with("    word") && width(l) <= WIDTH));
    }
}
