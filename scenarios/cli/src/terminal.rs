//! Writing to the terminal: output that survives a closed pipe, errors that look the same everywhere.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Prints to standard output; a closed pipe (`lvsim … | head`) comes back as an error that ends the program quietly.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
    written.and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Says something on standard error, in lines of its own. Whoever has closed it (`lvsim … 2>&1 | head`) does not want to
/// read it: that is no reason to fail.
pub(crate) fn tell(text: impl Display) {
    let text = text.to_string();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(io::stderr(), "{text}{end}");
}

/// The columns of a terminal on which nobody said otherwise.
const WIDTH: usize = 80;

/// A paragraph in lines of at most 80 columns, all indented.
pub(crate) fn wrapped(indent: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = indent.to_owned();
    for word in text.split_whitespace() {
        if line.len() > indent.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &(std::mem::replace(&mut line, indent.to_owned()) + "\n");
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line += word;
    }
    lines + &line + "\n"
}

/// Does standard error show colours?
pub(crate) fn stderr_has_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Is somebody watching standard error?
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// The text of an error: problems of a scenario come rendered with their excerpts, others get a heading.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Rendered>() {
        Some(Rendered(text)) => text.trim_end().to_owned(),
        None => format!("error: {}", causes(error)),
    }
}

/// The error and its causes, but none that the text before it has named already.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.contains(&cause) {
            text
        } else if text.is_empty() {
            cause
        } else {
            text + ": " + &cause
        }
    })
}

/// An error that is already in its final form.
#[derive(Debug)]
pub(crate) struct Rendered(pub(crate) String);

impl std::fmt::Display for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rendered {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fit_the_terminal() {
        let text = wrapped("    ", &"four ".repeat(40));
        assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [78, 78, 53]);
        assert!(text.lines().all(|line| line.starts_with("    four")));
        assert_eq!(wrapped("", ""), "\n");
    }

    #[test]
    fn a_cause_is_named_once() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let said = anyhow::Error::from(full()).context(format!("cannot write it ({})", full()));
        assert_eq!(error_text(&said), format!("error: cannot write it ({})", full()));
        let new = anyhow::Error::from(full()).context("cannot write it");
        assert_eq!(error_text(&new), format!("error: cannot write it: {}", full()));
    }
}
