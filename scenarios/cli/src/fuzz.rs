//! `lvsim fuzz`: many random cases on a real kernel, beside the simulation.

use crate::stop::Stop;
use crate::terminal::{is_watched, print};
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use replay::campaign::record::{self, Recorder};
use replay::campaign::trial::{Kernel as KernelWitness, Together, Trial, Witness};
use replay::campaign::{Counterexample, Tally, files, run as campaign, script};
use replay::compare::Difference;
use replay::vm::Machine;
use replay::vm::kernel::{Kernel, cache, cached};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    /// Keep what the backend said, for `--backend recorded`
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
    let stop = Stop::listen()?;
    let found = match args.backend {
        Backend::Recorded => recorded(args)?,
        Backend::Simulated => play(args, &mut Together, &stop)?,
        Backend::Vm => {
            let mut machine = machine(args)?;
            let name = "a kernel in a virtual machine".to_owned();
            let mut witness = KernelWitness { backend: &mut machine, name, batch: args.batch.into() };
            play(args, &mut witness, &stop)?
        }
    };
    let Some((trial, differences)) = found else { return Ok(ExitCode::SUCCESS) };
    let about = about(&trial, &differences);
    print(&about)?;
    let file = keep(&args.out, &trial, &about)?;
    crate::terminal::tell(format_args!("written: {} and its script beside it", file.display()));
    Ok(ExitCode::from(1))
}

/// Plays the cases; the smallest counterexample, if there is one.
fn play(args: &Args, witness: &mut dyn Witness, stop: &Stop) -> Result<Option<(Trial, Vec<Difference>)>> {
    let bar = if args.quiet || !is_watched() { ProgressBar::hidden() } else { ProgressBar::new(args.cases) };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} cases, {eta} to go");
    bar.set_style(style.expect("the template is constant"));
    let mut progress = |tally: &Tally| {
        bar.set_position(tally.cases + tally.unsettled);
        !stop.is_wanted()
    };
    let numbers = args.first..args.first.saturating_add(args.cases);
    let mut recorder = Recorder { witness, records: Vec::new() };
    let result = campaign(args.seed, numbers, &mut recorder, &mut progress);
    bar.finish_and_clear();
    if let Some(file) = &args.record {
        let text = record::write(&recorder.records);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let stopped = stop.is_wanted();
    let (tally, found) = match result {
        Err(_) if stopped => bail!("stopped"),
        result => result.map_err(|error| anyhow!(error))?,
    };
    report(args, &tally)?;
    if stopped && found.is_none() {
        bail!("stopped: {} of {} cases were played", tally.cases, args.cases);
    }
    Ok(found.map(|Counterexample { trial, differences, .. }| (trial, differences)))
}

/// Holds the simulation against a recording.
fn recorded(args: &Args) -> Result<Option<(Trial, Vec<Difference>)>> {
    let file = args.transcript.as_deref().context("`--backend recorded` needs `--transcript FILE`")?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let records = record::read(&text).map_err(|(line, why)| anyhow!("{}:{line}: {why}", file.display()))?;
    let (tally, first) = record::check(&records);
    report(args, &tally)?;
    Ok(first.and_then(|(index, differences)| Some((Trial::new(&records[index].case)?, differences))))
}

fn report(args: &Args, tally: &Tally) -> Result<()> {
    let Tally { cases, exchanges, decisions, listings, commands, different, unsettled } = tally;
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
    print(&text)
}

/// The virtual machine that was asked for.
fn machine(args: &Args) -> Result<Machine> {
    let own = args.kernel_image.clone().zip(args.modules.clone());
    let own = own.map(|(image, modules)| Kernel { image, modules });
    let kernel = own.or_else(|| cached(&cache())).unwrap_or_default();
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(Machine::new(kernel, program))
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
