//! Native text inside a scenario: its lines, and what they ask for.

use crate::console::Command;
use crate::console::ipvsadm::Tool;
use crate::console::names::Names;
use crate::names::suggestion;
use crate::problem::Problem;
use crate::scenario::Line;
use crate::source::{Source, Span};
use schedulers::SCHEDULERS;

/// The lines of a block (or of a single text), each as a whole command.
///
/// Blank lines and lines that begin with `#` are left out. `program` is put in front of lines that do not begin
/// with it already; empty for blocks whose lines are commands as they are.
pub fn lines(source: &Source, span: Span, text: &str, program: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let start = trimmed.as_ptr() as usize - raw.as_ptr() as usize;
        let place = source.within(span, index, start..start + trimmed.len());
        // Text that was made from a shorthand stands nowhere by itself: the shorthand is its place.
        let place = if source.text.get(place.range()) == Some(trimmed) { place } else { span };
        let first = trimmed.split_whitespace().next();
        let has_program = program.is_empty()
            || first == program.split(' ').next()
            || program == "ipvsadm" && first.and_then(Tool::named).is_some();
        lines.push(if has_program {
            Line { span: place, text: trimmed.into(), added: 0 }
        } else {
            Line { span: place, text: format!("{program} {trimmed}"), added: program.len() + 1 }
        });
    }
    lines
}

/// What to write instead of a scheduler that does not exist; none if it does.
pub fn unknown_scheduler(name: &str) -> Option<String> {
    let known = SCHEDULERS.iter().map(|entry| entry.name);
    if known.clone().any(|known| known == name) {
        return None;
    }
    Some(match suggestion(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of: {}", known.collect::<Vec<_>>().join(", ")),
    })
}

/// Reads a command line; none for a comment.
///
/// # Errors
/// What is wrong with it, at its place in the scenario, with the cure.
pub fn read(line: &Line, names: &Names) -> Result<Option<Command>, Problem> {
    Command::parse(&line.text, names)
        .map_err(|error| Problem::error(line.place(error.columns), error.problem).help(error.cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_block_know_their_columns() {
        let text = "ipvsadm: |\n  # rules\n  -A -t 1.2.3.4:80\n\n  ipvsadm -C\n";
        let source = Source::new("x", text);
        let lines =
            lines(&source, Span::new(9, text.len()), "# rules\n-A -t 1.2.3.4:80\n\nipvsadm -C\n", "ipvsadm");
        let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        assert_eq!(texts, ["ipvsadm -A -t 1.2.3.4:80", "ipvsadm -C"]);
        assert_eq!(&source.text[lines[0].place(14..24).range()], "1.2.3.4:80");
        assert_eq!(&source.text[lines[1].place(8..10).range()], "-C");
    }

    #[test]
    fn a_refused_rule_points_at_the_word_to_blame() {
        let text = "rules: |\n  -A -t 1.2.3.4:80 -s rr -w 3\n  ipvsdam -C\n";
        let source = Source::new("x", text);
        let told = lines(&source, Span::new(7, text.len()), "-A -t 1.2.3.4:80 -s rr -w 3\n", "ipvsadm");
        let problem = read(&told[0], &Names::default()).unwrap_err();
        assert_eq!(&source.text[problem.span.range()], "-w", "{problem:?}");
        let told = lines(&source, Span::new(7, text.len()), "\nipvsdam -C\n", "");
        let problem = read(&told[0], &Names::default()).unwrap_err();
        assert_eq!(&source.text[problem.span.range()], "ipvsdam", "{problem:?}");
    }
}
