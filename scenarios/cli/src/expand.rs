//! `lvsim expand`: the long form of a scenario.

use crate::options::{Input, refuse};
use crate::terminal::print;
use anyhow::Result;
use scenarios::expand::Changes;
use std::process::ExitCode;

/// Print what a scenario stands for, host by host, with a comment on why each line is needed.
///
/// The output is a scenario again: a start for changes that `cluster:` cannot express.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    print(&loaded.expanded(&Changes::default()).map_err(|problems| refuse(&problems))?)?;
    Ok(ExitCode::SUCCESS)
}
