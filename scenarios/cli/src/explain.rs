//! `lvsim explain`: the walk of one connection.

use crate::options::{Input, refuse};
use crate::stop::Stop;
use crate::terminal::print;
use anyhow::{Result, bail};
use scenarios::run::{Watch, run_watched};
use std::fmt::Write;
use std::process::ExitCode;

/// Follow one connection packet by packet through clients, switches, director and servers.
///
/// Each line is a step: when, where, which stage, what happened and why. For a scheduler's choice every candidate is
/// shown with its figures and the rule for ties; for a drop the reason and the cure.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// The number of the connection (or datagram exchange), counted from 1 in order of beginning
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    flow: u32,
    /// Print the steps as JSON, one a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    let mut scenario = loaded.scenario.clone();
    scenario.seed = args.input.seed.unwrap_or(scenario.seed);
    let stop = Stop::listen()?;
    let mut go_on = |_| !stop.is_wanted();
    let run = run_watched(&scenario, &mut Watch { follow: Some(args.flow), progress: &mut go_on });
    let Some(run) = run.map_err(|problems| refuse(&loaded.problems(problems)))? else {
        bail!("stopped");
    };
    if run.transcript.is_empty() {
        let begun: u64 = run.outcome.clients.iter().map(|group| group.started).sum();
        bail!("there is no flow {}: the run had {begun}; choose a number from 1 to {begun}", args.flow);
    }
    let mut text = String::new();
    let width = run.transcript.iter().map(|step| step.place.len()).max().unwrap_or(0);
    for step in &run.transcript {
        if args.json {
            let line = serde_json::json!({
                "time_s": step.time.as_secs_f64(), "place": step.place, "stage": step.stage.name(), "text": step.text,
            });
            let _ = writeln!(text, "{line}");
        } else {
            let indent = " ".repeat(width + 26);
            let words = step.text.replace('\n', &format!("\n{indent}"));
            let _ =
                writeln!(text, "{:>11}  {:width$}  {:10} {words}", step.time, step.place, step.stage.name());
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
