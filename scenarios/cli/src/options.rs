//! Options that several verbs share, and how a scenario gets from its file into memory.

use crate::terminal::{Rendered, stderr_has_colour};
use anyhow::Result;
use clap::Args;
use reports::Manifest;
use scenarios::load::{LoadError, Loaded, load};
use scenarios::problem::Problems;
use std::path::PathBuf;

/// Which scenario, and with which seed.
#[derive(Args)]
pub(crate) struct Input {
    /// The scenario file; `-` reads standard input
    pub(crate) file: PathBuf,
    /// Use this seed instead of the scenario's: other random numbers, same everything else
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Where results go.
#[derive(Args)]
pub(crate) struct Output {
    /// Write a report into this folder: an HTML page, plots as SVG, tables as CSV and JSON
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write the plots as PNG, too (needs a build with `--features png`)
    #[arg(long, requires = "out")]
    pub(crate) png: bool,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Input {
    /// Reads the scenario. Its warnings go to standard error.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let loaded = load(&self.file).map_err(|error| match error {
            LoadError::Wrong(problems) => refuse(&problems),
            LoadError::Unreadable { .. } => anyhow::Error::from(error),
        })?;
        if !self.quiet && !loaded.warnings.list.is_empty() {
            crate::terminal::tell(loaded.warnings.render(stderr_has_colour()));
        }
        Ok(loaded)
    }

    /// What a report says about where it comes from.
    pub(crate) fn manifest(&self, loaded: &Loaded, seed: u64) -> Manifest {
        Manifest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: std::env::args()
                .skip(1)
                .fold("lvsim".to_owned(), |line, word| line + " " + &quoted(&word)),
            scenario: self.file.display().to_string(),
            scenario_hash: format!("{:016x}", fnv1a(loaded.text().as_bytes())),
            seed,
            started_utc: None,
            wall_seconds: None,
        }
    }
}

/// The error of a scenario with problems.
pub(crate) fn refuse(problems: &Problems) -> anyhow::Error {
    Rendered(problems.render(stderr_has_colour())).into()
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Fowler, Noll and Vo's hash: names a scenario's text, nothing more.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
