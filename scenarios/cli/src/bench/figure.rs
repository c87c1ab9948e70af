//! Figures: what was counted in which time, as a line of text or of JSON.

use crate::stopwatch::Stopwatch;
use crate::terminal::print;
use anyhow::Result;
use serde_json::{Map, Value};

/// Prints figures under headings.
pub(super) struct Printer {
    json: bool,
    is_first: bool,
}

/// A figure.
pub(super) struct Figure<'a> {
    /// Part and variant: `W1-dr`.
    pub(super) workload: &'a str,
    /// What is counted: `hops`.
    pub(super) units: &'a str,
    pub(super) count: u64,
    /// In which time; none for a count that has nothing to do with time.
    pub(super) seconds: Option<f64>,
    /// Further fields of the JSON line.
    pub(super) more: &'a [(&'a str, Value)],
    /// The line of text.
    pub(super) text: String,
}

impl Printer {
    pub(super) fn new(json: bool) -> Printer {
        Printer { json, is_first: true }
    }

    /// Begins a part; JSON has no headings.
    pub(super) fn heading(&mut self, text: &str) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let gap = if std::mem::take(&mut self.is_first) { "" } else { "\n" };
        print(&format!("{gap}{text}"))
    }

    pub(super) fn figure(&self, figure: &Figure) -> Result<()> {
        if !self.json {
            return print(&format!("  {}", figure.text));
        }
        let mut line = Map::new();
        line.insert("workload".to_owned(), figure.workload.into());
        line.insert("units".to_owned(), figure.units.into());
        line.insert("count".to_owned(), figure.count.into());
        if let Some(seconds) = figure.seconds {
            line.insert("wall_s".to_owned(), seconds.into());
        }
        line.extend(figure.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        print(&Value::Object(line).to_string())
    }
}

/// Seconds that something takes, and what it answers.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let stopwatch = Stopwatch::start();
    let answer = work();
    (stopwatch.elapsed().as_secs_f64(), answer)
}

/// The median by time.
pub(super) fn median<T>(mut runs: Vec<(f64, T)>) -> (f64, T) {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// `1,000,000`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if comma(at) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        assert_eq!([1, 999, 1_000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![(3.0, 'c'), (1.0, 'a'), (2.0, 'b')]), (2.0, 'b'));
    }
}
