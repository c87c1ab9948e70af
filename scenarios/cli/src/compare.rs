//! `lvsim compare`: variants of a scenario side by side.

use crate::options::{Input, Output, refuse};
use crate::run::variant_of;
use crate::stop::Stop;
use crate::stopwatch::{Stopwatch, utc_now};
use crate::terminal::{is_watched, print};
use anyhow::{Result, bail};
use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use rayon::prelude::*;
use reports::{Labelled, Report, check_place, comparison_table, write_report};
use scenarios::expand::Changes;
use scenarios::load::Loaded;
use scenarios::problem::Problems;
use scenarios::run::{Watch, run_watched};
use scenarios::schema::Method;
use scenarios::sweep::{Sweep, Variant};
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare schedulers, forwarding methods and loads.
///
/// Every combination is run `--replicas` times with seeds of its own, in parallel; the table shows means with 95 %
/// confidence intervals. Lists are separated by commas; `all` takes every scheduler or method there is.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    output: Output,
    /// Schedulers to compare, or `all`; default: rr, wrr, lc, wlc, sed, nq
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    schedulers: Vec<String>,
    /// Forwarding methods to compare (nat, dr, tun), or `all`; default: the scenario's own
    #[arg(long, value_delimiter = ',', value_name = "METHODS")]
    forwarding: Vec<String>,
    /// Factors on the scenario's load, such as 0.5,0.8,0.9,1; default: 1
    #[arg(long, value_delimiter = ',', value_name = "FACTORS")]
    loads: Vec<f64>,
    /// Runs of each variant, each with other random numbers
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicas: u32,
    /// Runs at a time; default: one for each processor. The results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// What a comparison varies when nobody says.
const DEFAULT_SCHEDULERS: [&str; 6] = ["rr", "wrr", "lc", "wlc", "sed", "nq"];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    let sweep = sweep(args)?;
    let dir = args.output.out.clone().unwrap_or_else(|| PathBuf::from("out").join(&loaded.scenario.name));
    check_place(&dir)?;
    let variants = sweep.variants();
    let stop = Stop::listen()?;
    let (stopwatch, started) = (Stopwatch::start(), utc_now());
    let finished = run_all(args, &loaded, &variants, &stop)?;
    let (total, done) = (variants.len(), finished.len());
    if finished.is_empty() {
        bail!("stopped before any run was finished");
    }
    if args.output.json {
        print(&reports::json(&finished))?;
    } else if !args.input.quiet {
        print(&comparison_table(&finished))?;
    }
    let mut manifest = args.input.manifest(&loaded, args.input.seed.unwrap_or(loaded.scenario.seed));
    manifest.started_utc = Some(started);
    manifest.wall_seconds = Some(stopwatch.elapsed().as_secs_f64());
    let expanded = loaded.expanded(&Changes::default()).map_err(|problems| refuse(&problems))?;
    let report = Report {
        title: &loaded.scenario.name,
        description: &loaded.scenario.about,
        runs: &finished,
        manifest: &manifest,
        scenario: loaded.text(),
        expanded: &expanded,
        png: args.output.png,
    };
    let files = write_report(&dir, &report)?;
    if !args.input.quiet {
        crate::terminal::tell(format_args!("report: {}", files[0].display()));
    }
    if done < total {
        bail!("stopped: the results above are of the {done} of {total} runs that were finished");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs all variants in parallel; those that were finished before a stop, in the order of the sweep.
fn run_all(args: &Args, loaded: &Loaded, variants: &[Variant], stop: &Stop) -> Result<Vec<Labelled>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build()?;
    let bar = if args.input.quiet || !is_watched() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(variants.len() as u64)
    };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} runs, {eta} to go");
    bar.set_style(style.expect("the template is constant"));
    let runs: Vec<Result<Option<Labelled>, Problems>> = pool.install(|| {
        let runs = variants.par_iter().progress_with(bar.clone());
        runs.map(|variant| run_one(args, loaded, variant, stop)).collect()
    });
    bar.finish_and_clear();
    let mut finished = Vec::new();
    for run in runs {
        finished.extend(run.map_err(|problems| refuse(&problems))?);
    }
    Ok(finished)
}

fn run_one(
    args: &Args,
    loaded: &Loaded,
    variant: &Variant,
    stop: &Stop,
) -> Result<Option<Labelled>, Problems> {
    if stop.is_wanted() {
        return Ok(None);
    }
    let mut scenario = loaded.variant(variant)?;
    if let Some(seed) = args.input.seed {
        scenario.seed = seed.wrapping_add(u64::from(variant.replica));
    }
    let mut go_on = |_| !stop.is_wanted();
    let run = run_watched(&scenario, &mut Watch { follow: None, progress: &mut go_on });
    Ok(run.map_err(|problems| loaded.problems(problems))?.map(|run| {
        let mut label = variant_of(&run);
        label.load_percent = (!args.loads.is_empty()).then_some(variant.load * 100.0);
        label.replica = variant.replica;
        Labelled { variant: label, outcome: run.outcome }
    }))
}

/// The variants that the options ask for.
fn sweep(args: &Args) -> Result<Sweep> {
    let all: Vec<&str> = schedulers::SCHEDULERS.iter().map(|entry| entry.name).collect();
    let names = if args.schedulers.is_empty() {
        DEFAULT_SCHEDULERS.iter().map(ToString::to_string).collect()
    } else if args.schedulers.iter().any(|name| name == "all") {
        all.iter().map(ToString::to_string).collect()
    } else {
        args.schedulers.clone()
    };
    if let Some(unknown) = names.iter().find(|name| !all.contains(&name.as_str())) {
        bail!("there is no scheduler `{unknown}`: use `all` or some of {}", all.join(", "));
    }
    let methods = if args.forwarding.iter().any(|name| name == "all") {
        Method::ALL.to_vec()
    } else {
        args.forwarding.iter().map(|name| method(name)).collect::<Result<_>>()?
    };
    if let Some(odd) = args.loads.iter().find(|load| !(load.is_finite() && **load > 0.0)) {
        bail!("a load of {odd}: loads are factors above 0, such as 0.5,0.8,1");
    }
    Ok(Sweep {
        schedulers: without_repeats(&names),
        forwarding: without_repeats(&methods),
        loads: without_repeats(&args.loads),
        replicas: args.replicas,
    })
}

/// A list with each of its items once: the same run twice would pass for two replicas.
fn without_repeats<T: Clone + PartialEq>(list: &[T]) -> Vec<T> {
    list.iter()
        .enumerate()
        .filter(|(at, item)| !list[..*at].contains(item))
        .map(|(_, item)| item.clone())
        .collect()
}

fn method(name: &str) -> Result<Method> {
    match Method::ALL.iter().find(|method| method.name() == name) {
        Some(method) => Ok(*method),
        None => {
            let known: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
            bail!("there is no forwarding method `{name}`: use `all` or some of {}", known.join(", "))
        }
    }
}
