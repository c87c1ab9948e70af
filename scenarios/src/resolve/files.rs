//! Files that a scenario names: traces and samples of distributions.

use super::Resolver;
use crate::decode::Spanned;
use crate::problem::Problem;
use crate::source::Source;
use std::sync::Arc;

/// Larger files are refused.
const MAX_BYTES: u64 = 1 << 30;

impl Resolver<'_> {
    /// Reads a file that the scenario names; its place in the list of sources and its text.
    pub(super) fn file(&mut self, name: &Spanned<String>) -> Option<(usize, Arc<str>)> {
        let path = self.directory.join(&name.value);
        let told = |why: String, help: &str| Problem::error(name.span, why).help(help);
        let read = std::fs::metadata(&path).and_then(|about| match about.len() > MAX_BYTES {
            true => Err(std::io::Error::other("larger than 1 GB")),
            false => std::fs::read(&path),
        });
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                let why = format!("cannot read `{}`: {error}", path.display());
                self.problems.push(told(why, "file names are relative to the scenario file"));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.sources.push(Source::new(&path.display().to_string(), &text));
                Some((self.sources.len() - 1, text.into()))
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let why = format!("`{}` is not UTF-8: byte {at} is wrong", path.display());
                self.problems.push(told(why, "save the file as UTF-8 (plain ASCII is)"));
                None
            }
        }
    }
}
