//! Writing to the terminal: output that survives a closed pipe, errors that look the same everywhere.

use anyhow::Result;
use std::io::{self, IsTerminal, Write};

/// Prints to standard output; a closed pipe (`lvsim … | head`) comes back as an error that ends the program quietly.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
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
        None => format!("error: {error:#}"),
    }
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
