//! Files and standard input to scenarios.

use crate::check;
use crate::decode::decode;
use crate::emit::emit;
use crate::expand::{Changes, expand};
use crate::problem::{Problem, Problems};
use crate::resolve::resolve;
use crate::scenario::Scenario;
use crate::schema::Document;
use crate::source::{Source, Span};
use crate::sweep::Variant;
use crate::tree::{Node, parse};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Larger scenario files are refused.
pub const MAX_BYTES: u64 = 10_000_000;

/// Why a scenario could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {name}: {cause}")]
    Unreadable {
        /// The file's name.
        name: String,
        /// What the operating system said, or a limit.
        cause: String,
    },
    /// The text is no scenario.
    #[error("{0}")]
    Wrong(Problems),
}

/// A scenario file that was read and understood.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario as the file has it.
    pub scenario: Scenario,
    /// What its author should know: warnings only.
    pub warnings: Problems,
    name: String,
    directory: PathBuf,
    sources: Vec<Source>,
    tree: Node,
}

/// Loads a file; `-` is standard input.
///
/// # Errors
/// The file cannot be read, or everything that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_string() } else { path.display().to_string() };
    let unreadable = |cause: String| LoadError::Unreadable { name: name.clone(), cause };
    let mut bytes = Vec::new();
    let read = |reader: &mut dyn Read, bytes: &mut Vec<u8>| reader.take(MAX_BYTES + 1).read_to_end(bytes);
    let result = match is_stdin {
        true => read(&mut std::io::stdin().lock(), &mut bytes),
        false => std::fs::File::open(path).and_then(|mut file| read(&mut file, &mut bytes)),
    };
    result.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(
            "larger than 10 MB; write groups of hosts as `web[1-1000]`, traces as CSV files".into(),
        ));
    }
    let directory = if is_stdin { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(LoadError::Wrong(not_utf8(&name, &error))),
    };
    let stem = path.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
    load_text(&name, if is_stdin { "stdin" } else { &stem }, &text, directory).map_err(LoadError::Wrong)
}

/// Loads a text. `file` is its name in messages, `name` the scenario's; other files are found relative to `directory`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_text(file: &str, name: &str, text: &str, directory: &Path) -> Result<Loaded, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(file, text);
    let mut problems = Vec::new();
    let tree = match parse(text, &mut problems) {
        Ok(tree) => tree,
        Err(stopper) => {
            problems.push(stopper);
            return Err(Problems::new(vec![source], problems));
        }
    };
    let mut sources = vec![source.clone()];
    let (scenario, warnings) = build(&tree, name, directory, &Changes::default(), &mut sources, problems)?;
    let (name, directory) = (name.into(), directory.into());
    Ok(Loaded { scenario, warnings, name, directory, sources: vec![source], tree })
}

impl Loaded {
    /// The long form as a scenario file, with comments that say what each generated line is for.
    ///
    /// # Errors
    /// The variant is not possible with this scenario.
    pub fn expanded(&self, changes: &Changes) -> Result<String, Problems> {
        let mut problems = Vec::new();
        let tree = expand(&self.tree, changes, &mut problems);
        match tree.filter(|_| problems.is_empty()) {
            Some(tree) => Ok(emit(&tree)),
            None => Err(Problems::new(self.sources.clone(), problems)),
        }
    }

    /// The scenario as it was written.
    pub fn text(&self) -> &str {
        &self.sources[0].text
    }

    /// The texts that problems point into.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// A variant of the scenario.
    ///
    /// # Errors
    /// The variant is not possible with this scenario.
    pub fn variant(&self, variant: &Variant) -> Result<Scenario, Problems> {
        let (mut scenario, _) = self.build(&variant.changes())?;
        match variant.apply(&mut scenario) {
            Ok(()) => Ok(scenario),
            Err(problem) => Err(Problems::new(self.sources.clone(), vec![problem])),
        }
    }

    /// Problems found later (by [`crate::assemble::assemble`] or [`crate::run::run`]), with the texts they point into.
    pub fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems::new(self.sources.clone(), list)
    }

    fn build(&self, changes: &Changes) -> Result<(Scenario, Problems), Problems> {
        build(&self.tree, &self.name, &self.directory, changes, &mut self.sources.clone(), Vec::new())
    }
}

/// From a tree to a scenario and its warnings, or to everything that is wrong.
fn build(
    tree: &Node,
    name: &str,
    directory: &Path,
    changes: &Changes,
    sources: &mut Vec<Source>,
    mut problems: Vec<Problem>,
) -> Result<(Scenario, Problems), Problems> {
    let long = expand(tree, changes, &mut problems);
    // A shorthand that makes no sense hides what depends on it, but the other parts are still worth reading.
    let document: Option<Document> = decode(long.as_ref().unwrap_or(tree), &mut problems);
    let Some(document) = document.filter(|_| problems.is_empty()) else {
        return Err(Problems::new(std::mem::take(sources), problems));
    };
    let mut scenario = resolve(name, &document, directory, sources, &mut problems);
    if problems.is_empty() {
        check::check(&mut scenario, &document, &sources[0], &mut problems);
    }
    let problems = Problems::new(sources.clone(), problems);
    if problems.has_errors() { Err(problems) } else { Ok((scenario, problems)) }
}

/// Points at the first byte that is no UTF-8.
fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> Problems {
    let at = error.utf8_error().valid_up_to();
    // Up to `at` the repaired text has the same bytes.
    let text = String::from_utf8_lossy(error.as_bytes());
    let byte = error.as_bytes()[at];
    let problem = Problem::error(Span::new(at, at + 3), format!("byte 0x{byte:02x} is not UTF-8 here"));
    let help = "save the file as UTF-8 (in vim: `:set fileencoding=utf-8`; or `iconv -f latin1 -t utf-8`)";
    Problems::new(vec![Source::new(name, &text)], vec![problem.help(help)])
}
