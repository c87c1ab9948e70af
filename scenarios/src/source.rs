//! The text of an input file, and places in it.

use std::ops::Range;
use std::sync::Arc;

/// A place in a source: bytes `start .. end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start .. end`.
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// As a range of `usize`.
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// An input text with its name as the user wrote it (`-` becomes `standard input`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// File name for messages.
    pub name: Arc<str>,
    /// The whole text, UTF-8.
    pub text: Arc<str>,
}

impl Source {
    /// A source called `name`.
    pub fn new(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Line and column of a byte offset, both from 1, columns in characters.
    pub fn line_column(&self, offset: u32) -> (usize, usize) {
        let offset = floor_char_boundary(&self.text, offset as usize);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        (line, 1 + before[line_start..].chars().count())
    }

    /// Where line `index` (from 0) of a block of text sits in this file.
    ///
    /// `block` is the span of the YAML scalar. In a literal block (`|`) every line has a line of its own, indented;
    /// for other styles, and for text without a place, the whole scalar is the answer. Returns the line's first byte
    /// and its text.
    pub fn block_line(&self, block: Span, index: usize) -> Option<(u32, &str)> {
        let from = block.start as usize;
        let text = self.text.get(from..)?;
        // The span starts at the indicator, or (as some parsers see it) at the first content line.
        let body_start =
            if text.starts_with(['|', '>']) { from + text.find('\n')? + 1 } else { self.line_start(from) };
        let body = self.text.get(body_start..)?;
        let indent = body.lines().find(|line| !line.trim().is_empty())?;
        let indent = indent.len() - indent.trim_start_matches(' ').len();
        let mut at = body_start;
        for (number, line) in body.split('\n').enumerate() {
            if number == index {
                let cut = indent.min(line.len());
                return Some(((at + cut) as u32, line.get(cut..)?.trim_end_matches('\r')));
            }
            at += line.len() + 1;
        }
        None
    }

    /// The place of `columns` (bytes) in line `line` (from 0) of the text of the scalar at `scalar`.
    ///
    /// Where the text cannot be found letter by letter (escapes, folded lines) the whole scalar is the answer.
    pub fn within(&self, scalar: Span, line: usize, columns: std::ops::Range<usize>) -> Span {
        let Some(written) = self.text.get(scalar.range()) else { return scalar };
        let is_block = written.starts_with(['|', '>']) || written.trim_end().contains('\n');
        let start = if is_block {
            self.block_line(scalar, line).map(|(start, _)| start)
        } else {
            Some(scalar.start + u32::from(written.starts_with(['\'', '"'])))
        };
        let Some(start) = start else { return scalar };
        let limit = self.text.len();
        let at = |column: usize| (start as usize).saturating_add(column).min(limit);
        Span::new(at(columns.start), at(columns.end.max(columns.start)))
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..floor_char_boundary(&self.text, offset)].rfind('\n').map_or(0, |at| at + 1)
    }
}

/// The largest character boundary at or below `offset`.
pub(crate) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = Source::new("x", "é: 1\nb: 2\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(2), (1, 2));
        assert_eq!(source.line_column(6), (2, 1));
        assert_eq!(source.line_column(1), (1, 1), "inside a character");
        assert_eq!(source.line_column(9999), (3, 1));
    }

    #[test]
    fn a_line_of_a_literal_block_keeps_its_place() {
        let text = "rules: |\n    -A -t a\n\n    -C\nnext: 1\n";
        let source = Source::new("x", text);
        let block = Span::new(text.find('|').unwrap(), text.find("next").unwrap());
        let (start, line) = source.block_line(block, 2).unwrap();
        assert_eq!((source.line_column(start), line), ((4, 5), "-C"));
        let (start, line) = source.block_line(block, 0).unwrap();
        assert_eq!((source.line_column(start), line), ((2, 5), "-A -t a"));
    }
}
