//! `lvsim check`: everything that is wrong with a scenario, without running it.

use crate::terminal::{Rendered, print, stderr_has_colour};
use anyhow::Result;
use scenarios::assemble::assemble;
use scenarios::load::{LoadError, load};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check scenarios: spelling, names, addresses, rules, and what would not work on a real cluster.
///
/// Errors give the exit status 2; warnings alone 0.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario files; `-` reads standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print the problems as JSON, one a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut has_errors = false;
    for file in &args.files {
        let problems = match load(file) {
            // What the kernel would refuse shows only when the hosts are set up.
            Ok(loaded) => match assemble(&loaded.scenario) {
                Ok(_) => loaded.warnings,
                Err(refused) => loaded.problems(refused),
            },
            Err(LoadError::Wrong(problems)) => problems,
            Err(error @ LoadError::Unreadable { .. }) => return Err(error.into()),
        };
        has_errors |= problems.has_errors();
        if args.json {
            if !problems.list.is_empty() {
                print(&problems.to_json_lines())?;
            }
        } else if problems.list.is_empty() {
            print(&format!("{}: nothing to complain about", file.display()))?;
        } else {
            crate::terminal::tell(Rendered(problems.render(stderr_has_colour())));
        }
    }
    Ok(if has_errors { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
