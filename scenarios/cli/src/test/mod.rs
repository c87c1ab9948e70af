//! `lvsim test`: scenarios that check themselves, many at once.

mod formats;
mod suite;

use crate::stop::Stop;
use crate::terminal::{is_watched, print};
use anyhow::{Context, Result, bail};
use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use suite::{Case, Verdict};

/// Run scenarios and see whether their `expect:` lines hold.
///
/// A golden beside a scenario, `golden/NAME.txt`, must agree with what `lvsim run` prints (as far as its line "The first
/// connection"). What a kernel did, `recorded/NAME.json` (written by `lvsim replay --record`), must agree in decisions,
/// listings and outcomes. A file that is no scenario is a failed case. The exit status is 0 if all passed, 1 if a case failed, 2
/// if there was nothing to test or Ctrl-C ended it; what was finished by then is reported.
#[derive(clap::Args)]
#[command(after_help = "Example: lvsim test scenarios/gallery --junit results.xml")]
pub(crate) struct Args {
    /// Scenario files, and folders: all .yaml and .yml files in them and below
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// Write the results as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the results in the Test Anything Protocol
    #[arg(long)]
    tap: bool,
    /// Scenarios at a time; default: one for each processor. The results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print only what failed
    #[arg(short, long, conflicts_with = "tap")]
    quiet: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let files = files(&args.paths)?;
    if let Some(file) = &args.junit {
        // What cannot be written is said before anything is run.
        write(file, "")?;
    }
    let stop = Stop::listen()?;
    let cases = run_all(args, &files, &stop)?;
    if args.tap {
        print(&formats::tap(&cases))?;
    } else {
        let text = formats::text(&cases, args.quiet);
        if !text.is_empty() {
            print(&text)?;
        }
    }
    if let Some(file) = &args.junit {
        write(file, &formats::junit(&cases))?;
    }
    if cases.len() < files.len() {
        bail!(
            "stopped: the results are of the {} of {} scenarios that were finished",
            cases.len(),
            files.len()
        );
    }
    let failed = cases.iter().any(|case| matches!(case.verdict, Verdict::Failed(_)));
    Ok(ExitCode::from(u8::from(failed)))
}

/// The cases that were finished, in the order of the files.
fn run_all(args: &Args, files: &[PathBuf], stop: &Stop) -> Result<Vec<Case>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build()?;
    let bar = if args.quiet || !is_watched() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(files.len() as u64)
    };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} scenarios, {eta} to go");
    bar.set_style(style.expect("the template is constant"));
    let cases: Vec<Option<Case>> = pool.install(|| {
        files.par_iter().progress_with(bar.clone()).map(|file| suite::case(file, stop)).collect()
    });
    bar.finish_and_clear();
    Ok(cases.into_iter().flatten().collect())
}

/// All scenario files that the arguments name, each once.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !path.is_dir() {
            if !path.exists() {
                bail!("there is no {}: name scenario files, or folders that hold some", path.display());
            }
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        below(path, &mut files)?;
        if files.len() == before {
            bail!("no scenario in {}: scenarios are files that end in .yaml or .yml", path.display());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

/// The scenario files of a folder and of those in it, by name; hidden folders are passed over.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().with_context(unreadable)?;
    paths.sort();
    for path in paths {
        let is_hidden =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.'));
        if path.is_dir() {
            if !is_hidden && !path.is_symlink() {
                below(&path, files)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
