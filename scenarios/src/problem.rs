//! What is wrong with an input, where, and the cure; and how that looks.

use crate::source::{Source, Span, floor_char_boundary};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt;

/// More problems than this are only counted.
const MAX_SHOWN: usize = 40;

/// Does the problem stop a run?
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The scenario cannot run.
    Error,
    /// The scenario runs, but probably not as its author thinks.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Index into [`Problems::sources`].
    pub source: usize,
    /// Where.
    pub span: Span,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// An error in the scenario file itself.
    pub fn error(span: Span, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, source: 0, span, message: message.into(), help: None }
    }

    /// A warning about the scenario file itself.
    pub fn warning(span: Span, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(span, message) }
    }

    /// The same problem with its cure.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// Everything that is wrong with an input, in order of position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// The texts that problems point into; the scenario file is the first.
    pub sources: Vec<Source>,
    /// Sorted by source and position.
    pub list: Vec<Problem>,
}

/// A problem as one line of JSON.
#[derive(Serialize)]
struct JsonProblem<'a> {
    severity: Severity,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    help: Option<&'a str>,
}

impl Problems {
    /// Sorts `list` by place; equal problems at one place are told once.
    pub fn new(sources: Vec<Source>, mut list: Vec<Problem>) -> Problems {
        list.sort_by(|a, b| (a.source, a.span, &a.message).cmp(&(b.source, b.span, &b.message)));
        list.dedup();
        Problems { sources, list }
    }

    /// Does any of them stop a run?
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All problems with excerpt, caret and help line; `color` adds ANSI colours.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in self.list.iter().take(MAX_SHOWN) {
            let source = &self.sources[problem.source];
            let level = match problem.severity {
                Severity::Error => Level::ERROR,
                Severity::Warning => Level::WARNING,
            };
            let (excerpt, first_line, span) = excerpt(source, problem.span);
            let snippet = Snippet::source(excerpt)
                .line_start(first_line)
                .path(&*source.name)
                .annotation(AnnotationKind::Primary.span(span));
            let mut group = level.primary_title(&problem.message).element(snippet);
            if let Some(help) = &problem.help {
                group = group.element(Level::HELP.message(help));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        if self.list.len() > MAX_SHOWN {
            text.push_str(&format!("… and {} more\n", self.list.len() - MAX_SHOWN));
        }
        text
    }

    /// One JSON object a line: severity, file, line, column, end_line, end_column, message, help.
    pub fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for problem in &self.list {
            let source = &self.sources[problem.source];
            let (line, column) = source.line_column(problem.span.start);
            let (end_line, end_column) = source.line_column(problem.span.end);
            let json = JsonProblem {
                severity: problem.severity,
                file: &source.name,
                line,
                column,
                end_line,
                end_column,
                message: &problem.message,
                help: problem.help.as_deref(),
            };
            text.push_str(&serde_json::to_string(&json).expect("strings and numbers always serialise"));
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// The lines that the span touches (three at most), their first line number, and the span within them.
fn excerpt(source: &Source, span: Span) -> (&str, usize, std::ops::Range<usize>) {
    let text = &*source.text;
    let start = floor_char_boundary(text, span.start as usize);
    let end = floor_char_boundary(text, span.end as usize).max(start);
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let mut to = end;
    for _ in 0..3 {
        to = text[to..].find('\n').map_or(text.len(), |at| to + at);
        if to >= end {
            break;
        }
    }
    // A span over many lines is shown by its first line.
    let first_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let (to, end) = if end > first_end { (first_end, first_end) } else { (to, end) };
    let line = 1 + text[..from].bytes().filter(|byte| *byte == b'\n').count();
    // A caret needs at least one character to stand under, or the end of the line.
    (&text[from..to], line, start - from..(end - from).max(start - from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn problems() -> Problems {
        let source = Source::new("web.yaml", "seed: 1\nhosts:\n  web1: {colour: red}\n");
        let key = source.text.find("colour").unwrap();
        Problems::new(
            vec![source],
            vec![
                Problem::warning(Span::new(0, 4), "the seed is 1").help("any seed will do"),
                Problem::error(Span::new(key, key + 6), "unknown key `colour`").help("remove it"),
            ],
        )
    }

    #[test]
    fn shows_excerpt_caret_and_cure() {
        expect![[r#"
            warning: the seed is 1
             --> web.yaml:1:1
              |
            1 | seed: 1
              | ^^^^
              |
              = help: any seed will do

            error: unknown key `colour`
             --> web.yaml:3:10
              |
            3 |   web1: {colour: red}
              |          ^^^^^^
              |
              = help: remove it

        "#]]
        .assert_eq(&problems().render(false));
    }

    #[test]
    fn one_json_object_a_line() {
        expect![[r#"
            {"severity":"warning","file":"web.yaml","line":1,"column":1,"end_line":1,"end_column":5,"message":"the seed is 1","help":"any seed will do"}
            {"severity":"error","file":"web.yaml","line":3,"column":10,"end_line":3,"end_column":16,"message":"unknown key `colour`","help":"remove it"}
        "#]]
        .assert_eq(&problems().to_json_lines());
    }

    #[test]
    fn a_span_over_many_lines_shows_its_first() {
        let source = Source::new("x", "a:\n  b: 1\n  c: 2\n");
        let all = Problem::error(Span::new(0, 17), "everything");
        let text = Problems::new(vec![source], vec![all]).to_string();
        assert!(text.contains("1 | a:\n") && !text.contains("b: 1"), "{text}");
    }
}
