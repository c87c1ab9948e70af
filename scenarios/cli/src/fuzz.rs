//! `lvsim fuzz`: many random cases on a real kernel, beside the simulation.

use crate::stop::Stop;
use crate::stopwatch::Stopwatch;
use crate::terminal::{is_watched, print};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use replay::backend::BackendError;
use replay::campaign::record::{self, Record, Recorder};
use replay::campaign::trial::{Kernel as KernelWitness, Together, Trial, Witness};
use replay::campaign::{Counterexample, Tally, files, run as campaign, script, smallest as smaller};
use replay::compare::Difference;
use replay::vm::Machine;
use replay::vm::kernel::{Kernel, cache, cached};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Draw random cases, play them on a real kernel and in the simulation, and compare.
///
/// A case is a small cluster with one to three services and up to five servers, and what its operators and clients do:
/// all schedulers with their flags, weights, thresholds, persistence, firewall marks, forwarding methods, TCP and UDP,
/// edits in the middle of everything, timeouts. The first case that differs is made as small as possible and written as
/// a scenario and as a shell script. The exit status is 0 if nothing differs, 1 if a case differs, and 125 if it cannot be
/// told, as `git bisect run` wants it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  lvsim fuzz --cases 200 --seed 7\n  git bisect run lvsim fuzz --kernel-image bzImage --modules lib/modules/6.12.0 --cases 100"
)]
pub(crate) struct Args {
    /// Who plays the cases beside the simulation
    #[arg(long, value_enum, default_value = "vm")]
    backend: Backend,
    /// How many cases
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Which cases: a seed and a number say everything about a case
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// The number of the first case
    #[arg(long, default_value_t = 0, value_name = "N")]
    first: u64,
    /// Cases in one boot of the virtual machine
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    batch: u16,
    /// Write the smallest counterexample into this folder
    #[arg(long, default_value = "out/fuzz", value_name = "DIR")]
    out: PathBuf,
    /// Keep what the backend said, for `--backend recorded`. What the file already has is not played again
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What was recorded
    #[arg(long, value_name = "FILE", required_if_eq("backend", "recorded"))]
    transcript: Option<PathBuf>,
    /// Another kernel: its bootable image
    #[arg(long, value_name = "FILE", requires = "modules")]
    kernel_image: Option<PathBuf>,
    /// The folder of its modules: lib/modules/VERSION
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Play all cases, whatever differs, and make nothing smaller
    #[arg(long)]
    keep_going: bool,
    /// Make the first counterexample smaller for at most this long; 0: leave it as it was drawn
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    shrink: u64,
    /// So many virtual machines at the same time, each with a part of a batch
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// The processor time that a boot may take; more is an error. By default several times of what its cases need
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u64>,
    /// Keep the account of the campaign in this file (JSON), anew after each batch
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Say nothing if nothing differs
    #[arg(short, long)]
    quiet: bool,
}

/// Who plays the cases beside the simulation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Backend {
    /// A kernel in a virtual machine
    Vm,
    /// The simulation itself, with many cases in one network: they must not matter to one another
    Simulated,
    /// What was recorded with `--record`
    Recorded,
}

/// The exit status that says: cannot tell.
const CANNOT_TELL: u8 = 125;

pub(crate) fn run(args: &Args) -> ExitCode {
    match judge(args) {
        Ok(code) => code,
        Err(error) if crate::terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            crate::terminal::tell(crate::terminal::error_text(&error));
            ExitCode::from(CANNOT_TELL)
        }
    }
}

fn judge(args: &Args) -> Result<ExitCode> {
    let wants_recording = args.transcript.is_some() && args.backend != Backend::Recorded;
    ensure!(
        !wants_recording,
        "`--transcript FILE` is read by `--backend recorded`: add that, or leave it out"
    );
    let stop = Stop::listen()?;
    let found = match args.backend {
        Backend::Recorded => recorded(args)?,
        Backend::Simulated => play(args, &mut Together, &stop)?,
        Backend::Vm => {
            let mut machine = machine(args, &stop)?;
            let name = "a kernel in a virtual machine".to_owned();
            let mut witness = KernelWitness { backend: &mut machine, name, batch: args.batch.into() };
            play(args, &mut witness, &stop)?
        }
    };
    Ok(ExitCode::from(u8::from(found)))
}

/// Plays the cases; true if one differs.
fn play(args: &Args, witness: &mut dyn Witness, stop: &Stop) -> Result<bool> {
    let bar = if args.quiet || !is_watched() { ProgressBar::hidden() } else { ProgressBar::new(args.cases) };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} cases, {eta} to go");
    bar.set_style(style.expect("the template is constant"));
    let mut account = Account::begin(args);
    let mut trouble = None;
    let mut judged = |tally: &Tally, different: Vec<Counterexample>| {
        bar.set_position(tally.next - args.first);
        let kept = bar.suspend(|| account.add(args, tally, different));
        let is_good = kept.map_err(|error| trouble = Some(error)).is_ok();
        is_good && !stop.is_wanted() && (args.keep_going || account.found.is_empty())
    };
    let numbers = args.first..args.first.saturating_add(args.cases);
    let result = match &args.record {
        None => campaign(args.seed, numbers, witness, &mut judged),
        Some(file) => {
            let path = file.display().to_string();
            let known = if file.exists() { read_records(file)? } else { Vec::new() };
            let out = File::options().create(true).append(true).open(file);
            let mut out = out.with_context(|| format!("cannot write {path}"))?;
            let mut recorder = Recorder::new(witness, known, &mut out, path);
            campaign(args.seed, numbers, &mut recorder, &mut judged)
        }
    };
    bar.finish_and_clear();
    trouble.map_or(Ok(()), Err)?;
    let next = account.tally.next;
    let again = format!("`--seed {} --first {next}` goes on", args.seed);
    if let Err(error) = &result {
        account.tell(args)?;
        match error {
            BackendError::Interrupted => bail!("stopped before case {next}: {again}"),
            error => bail!("at the cases from {next} on: {error}"),
        }
    }
    account.tell(args)?;
    if let Some(first) = account.found.into_iter().next() {
        if !args.keep_going {
            tell_smallest(args, first, witness, stop)?;
        }
        return Ok(true);
    }
    if stop.is_wanted() {
        bail!("stopped before case {next}: {again}");
    }
    Ok(false)
}

/// Makes a counterexample small, tells it and keeps it.
fn tell_smallest(args: &Args, first: Counterexample, witness: &mut dyn Witness, stop: &Stop) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let mut smallest = first.clone();
    if args.shrink > 0 {
        let bar =
            if args.quiet || !is_watched() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        let ended = smaller(first, witness, &mut |found| {
            let case = &found.trial.case;
            let (steps, servers) = (case.steps.len(), case.servers.len());
            bar.set_message(format!("making it small: {steps} steps, {servers} servers"));
            bar.tick();
            smallest = found.clone();
            !stop.is_wanted() && stopwatch.elapsed().as_secs() < args.shrink
        });
        bar.finish_and_clear();
        match ended {
            Ok(found) => smallest = found,
            Err(BackendError::Interrupted) => {}
            Err(error) => crate::terminal::tell(format_args!("it could not be made smaller: {error}")),
        }
    }
    tell_case(args, &smallest.trial, &smallest.differences)
}

/// Tells a case that differs, and keeps it.
fn tell_case(args: &Args, trial: &Trial, differences: &[Difference]) -> Result<()> {
    let about = about(trial, differences);
    print(&about)?;
    let file = keep(&args.out, trial, &about)?;
    crate::terminal::tell(format_args!("written: {} and its script beside it", file.display()));
    Ok(())
}

/// What a campaign has to tell.
struct Account {
    stopwatch: Stopwatch,
    tally: Tally,
    found: Vec<Counterexample>,
}

impl Account {
    fn begin(args: &Args) -> Account {
        let tally = Tally { next: args.first, ..Tally::default() };
        Account { stopwatch: Stopwatch::start(), tally, found: Vec::new() }
    }

    /// A batch was judged: what differs is told at once, and the account is kept.
    fn add(&mut self, args: &Args, tally: &Tally, different: Vec<Counterexample>) -> Result<()> {
        self.tally = *tally;
        for one in &different {
            if args.keep_going {
                tell_case(args, &one.trial, &one.differences)?;
            } else {
                let (name, count) = (&one.trial.case.name, one.differences.len());
                crate::terminal::tell(format_args!("{name}: {count} differences"));
            }
        }
        self.found.extend(different);
        let Some(file) = &args.report else { return Ok(()) };
        let names: Vec<&str> = self.found.iter().map(|one| &*one.trial.case.name).collect();
        let typed: Vec<String> = std::env::args().skip(1).collect();
        let report = serde_json::json!({
            "command": format!("lvsim {}", typed.join(" ")),
            "seed": args.seed,
            "first": args.first,
            "tally": self.tally,
            "different": names,
            "seconds": self.stopwatch.elapsed().as_secs(),
        });
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn tell(&self, args: &Args) -> Result<()> {
        report(args, &self.tally)
    }
}

/// Holds the simulation against a recording.
fn recorded(args: &Args) -> Result<bool> {
    let file = args.transcript.as_deref().context("`--backend recorded` needs `--transcript FILE`")?;
    let records = read_records(file)?;
    let cure = "there is no case in it; `lvsim fuzz --record FILE` writes them";
    ensure!(!records.is_empty(), "{}: {cure}", file.display());
    let (tally, different) = record::check(&records);
    report(args, &tally)?;
    let told = if args.keep_going { different.len() } else { 1 };
    for (index, differences) in different.iter().take(told) {
        let trial = Trial::new(&records[*index].case).expect("it was set up a moment ago");
        tell_case(args, &trial, differences)?;
    }
    Ok(!different.is_empty())
}

fn read_records(file: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    record::read(&text).map_err(|(line, why)| {
        let cure = "this wants what `lvsim fuzz --record FILE` has written";
        anyhow!("{}:{line}: {why}; {cure}", file.display())
    })
}

fn report(args: &Args, tally: &Tally) -> Result<()> {
    let Tally {
        cases,
        exchanges,
        decisions,
        listings,
        commands,
        different,
        unsettled,
        unrepeated,
        agreed_again,
        ..
    } = tally;
    if args.quiet && *different == 0 {
        return Ok(());
    }
    let mut text = format!(
        "{different} of {cases} cases differ: {exchanges} exchanges, {decisions} decisions for a server, {commands} \
         commands, {listings} listings compared"
    );
    if *unsettled > 0 {
        let _ =
            write!(text, "; {unsettled} cases depended on the phase of kernel timers and were not judged");
    }
    if *unrepeated > 0 {
        let _ = write!(
            text,
            "; {unrepeated} answers were left out: the kernel does not repeat them itself, and {agreed_again} of its second ones are the simulation's"
        );
    }
    print(&text)
}

/// The virtual machine that was asked for.
fn machine(args: &Args, stop: &Stop) -> Result<Machine> {
    let own = args.kernel_image.clone().zip(args.modules.clone());
    let own = own.map(|(image, modules)| Kernel { image, modules });
    let kernel = own.or_else(|| cached(&cache())).unwrap_or_default();
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let limit = args.limit.map(Duration::from_secs);
    let (at_once, interrupted) = (args.jobs.into(), stop.flag());
    Ok(Machine { at_once, limit, interrupted, ..Machine::new(kernel, program) })
}

/// What a counterexample shows, in words.
fn about(trial: &Trial, differences: &[Difference]) -> String {
    let case = &trial.case;
    let mut text = format!(
        "{}: {} servers, {} commands, {} exchanges ({} packets from clients)\n",
        case.name,
        case.servers.len(),
        case.commands(),
        case.asks().count(),
        trial.packets
    );
    for difference in differences.iter().take(3) {
        let _ = writeln!(text, "at {:.3} s: {}", difference.at as f64 / 1e9, difference.text.trim_end());
    }
    text
}

/// Writes a counterexample: the scenario, its traces, and the script.
fn keep(folder: &Path, trial: &Trial, about: &str) -> Result<PathBuf> {
    let name = &trial.case.name;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display())).map(|()| file)
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let files::Files { scenario, traces } = files::files(&trial.case, about);
    for (name, text) in &traces {
        write(name, text)?;
    }
    write(&format!("{name}.sh"), &script::script(trial, about))?;
    write(&format!("{name}.yaml"), &scenario)
}
