//! `lvsim run`: one run of a scenario.

use crate::options::{Input, Output, refuse};
use crate::pcap::{Capture, recorded};
use crate::stop::Stop;
use crate::stopwatch::{Stopwatch, utc_now};
use crate::terminal::{is_watched, print};
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use reports::{Labelled, Report, Variant, check_place, run_table, write_report};
use scenarios::expand::Changes;
use scenarios::problem::Problem;
use scenarios::run::{Run, Watch, run_watched};
use scenarios::scenario::Scenario;
use sim_core::Time;
use std::fmt::Write;
use std::process::ExitCode;

/// Run a scenario once.
///
/// The exit status is 1 if an `expect:` line of the scenario does not hold.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    capture: Capture,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    if let Some(dir) = &args.output.out {
        check_place(dir)?;
    }
    let mut scenario = loaded.scenario.clone();
    scenario.seed = args.input.seed.unwrap_or(scenario.seed);
    let stop = Stop::listen()?;
    let stopwatch = Stopwatch::start();
    let started = utc_now();
    let finished = match &args.capture.pcap {
        Some(file) => {
            recorded(&scenario, &stop, args.input.quiet, file, &args.capture.pcap_interface, &loaded)?
        }
        None => watched(&scenario, &stop, args.input.quiet)
            .map_err(|problems| refuse(&loaded.problems(problems)))?,
    };
    let Some(run) = finished else {
        bail!(
            "stopped: a run that did not reach its end has no result (shorten `duration:` for a quick look)"
        );
    };
    let labelled = [Labelled { variant: variant_of(&run), outcome: run.outcome.clone() }];
    if args.output.json {
        print(&reports::json(&labelled))?;
    } else if !args.input.quiet {
        print(&printed(&run))?;
    }
    if let Some(dir) = &args.output.out {
        let mut manifest = args.input.manifest(&loaded, scenario.seed);
        manifest.started_utc = Some(started);
        manifest.wall_seconds = Some(stopwatch.elapsed().as_secs_f64());
        let expanded = loaded.expanded(&Changes::default()).map_err(|problems| refuse(&problems))?;
        let report = Report {
            title: &scenario.name,
            description: &scenario.about,
            runs: &labelled,
            manifest: &manifest,
            scenario: loaded.text(),
            expanded: &expanded,
            png: args.output.png,
        };
        let files = write_report(dir, &report)?;
        if !args.input.quiet {
            crate::terminal::tell(format_args!("report: {}", files[0].display()));
        }
    }
    Ok(verdict(&run))
}

/// Runs a scenario with a progress bar if somebody watches; none if it was stopped.
pub(crate) fn watched(scenario: &Scenario, stop: &Stop, quiet: bool) -> Result<Option<Run>, Vec<Problem>> {
    with_bar(scenario, stop, quiet, |progress| run_watched(scenario, &mut Watch { follow: None, progress }))
}

/// Shows a progress bar, if somebody watches, while something runs that tells how far virtual time has come.
pub(crate) fn with_bar<T>(
    scenario: &Scenario,
    stop: &Stop,
    quiet: bool,
    work: impl FnOnce(&mut dyn FnMut(Time) -> bool) -> T,
) -> T {
    let bar = if quiet || !is_watched() { ProgressBar::hidden() } else { ProgressBar::new(1000) };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} elapsed, {eta} to go");
    bar.set_style(style.expect("the template is constant"));
    let end = scenario.duration.as_nanos().max(1);
    let mut progress = |now: Time| {
        bar.set_position(now.as_nanos().saturating_mul(1000) / end);
        !stop.is_wanted()
    };
    let done = work(&mut progress);
    bar.finish_and_clear();
    done
}

/// What is printed of a run: its table, what timed commands said, which expectations failed.
pub(crate) fn printed(run: &Run) -> String {
    let labelled = Labelled { variant: variant_of(run), outcome: run.outcome.clone() };
    let mut text = run_table(&labelled);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text + &notes(run)
}

/// What timed commands said, and which expectations failed.
pub(crate) fn notes(run: &Run) -> String {
    let mut text = String::new();
    for note in &run.notes {
        let _ = writeln!(text, "\n{}  {}# {}\n{}", note.at, note.host, note.command, note.text.trim_end());
    }
    for failed in &run.failed {
        let _ = writeln!(text, "\n{failed}");
    }
    text
}

/// The scheduler and forwarding method that the directors really used.
pub(crate) fn variant_of(run: &Run) -> Variant {
    let services = run.outcome.directors.iter().flat_map(|director| &director.services);
    let mut schedulers: Vec<&str> = Vec::new();
    let mut methods: Vec<&str> = Vec::new();
    for service in services {
        schedulers.push(&service.scheduler);
        methods.extend(service.destinations.iter().map(|destination| match destination.forwarding {
            "Masq" => "nat",
            "Tunnel" => "tun",
            _ => "dr",
        }));
    }
    let joined = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.dedup();
        names.join("+")
    };
    Variant { scheduler: joined(schedulers), forwarding: joined(methods), load_percent: None, replica: 0 }
}

/// The exit status of a finished run.
fn verdict(run: &Run) -> ExitCode {
    if run.failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    crate::terminal::tell(format_args!("{} of the scenario's expectations failed", run.failed.len()));
    ExitCode::from(1)
}
