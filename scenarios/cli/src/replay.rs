//! `lvsim replay`: scenarios on a real kernel, beside the simulation.

use crate::kernel::missing;
use crate::options::{Input, refuse};
use crate::run::with_bar;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;
use crate::terminal::print;
use crate::test::files;
use anyhow::{Context, Result, anyhow, bail};
use replay::backend::{Backend, BackendError, Done};
use replay::fidelity::{Entry, Results};
use replay::job::Job;
use replay::pace::{Paced, paced};
use replay::plan::plan;
use replay::recording::Recording;
use replay::rehearse::Rehearsed;
use replay::report::{Verdict, junit, table, tap};
use replay::script::script;
use replay::this_kernel::ThisKernel;
use replay::transcript::Transcript;
use replay::vm::Machine;
use replay::vm::kernel::{Kernel, cache, cached, cached_package};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Run scenarios on a real Linux kernel with IPVS, beside the simulation, and compare what both did.
///
/// The kernel runs in a virtual machine that this program makes for the occasion: Debian's stock kernel under QEMU, in
/// virtual time, without root and without KVM (get it once with `lvsim kernel fetch`). Clients and servers are real
/// sockets there, with what the simulation has drawn for them. Compared are the decisions of directors about the packets
/// they got, what `ipvsadm` lists at the end, and how each connection ended for its client.
#[derive(clap::Args)]
#[command(
    after_help = "The exit status is 1 if something differs.\nExample: lvsim replay scenarios/gallery/quickstart.yaml"
)]
pub(crate) struct Args {
    /// Scenario files, and folders: all .yaml and .yml files in them and below
    #[arg(required = true, value_name = "DIR|FILE")]
    files: Vec<PathBuf>,
    /// Use this seed instead of the scenarios': other random numbers, same everything else
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Say nothing but what differs
    #[arg(short, long)]
    quiet: bool,
    /// Print the commands that build the network, as a shell script for any Linux machine, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Who does it: a virtual machine, the kernel of this host (as root), or a recording
    #[arg(long, value_enum, default_value_t = Who::Vm)]
    backend: Who,
    /// Another kernel for the virtual machine: its bootable image
    #[arg(long, value_name = "FILE", requires = "modules")]
    kernel_image: Option<PathBuf>,
    /// The folder of its modules: lib/modules/VERSION
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// A second kernel does the same: a package that `lvsim kernel fetch --package` has got, or with --vs-modules an image
    #[arg(long, value_name = "PACKAGE|FILE")]
    vs: Option<String>,
    /// The folder of the second kernel's modules
    #[arg(long, value_name = "DIR", requires = "vs")]
    vs_modules: Option<PathBuf>,
    /// Write what the kernel did into DIR/SCENARIO.json; `--backend recorded` reads it from there
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Keep what was compared in FILE, beside what it has of other scenarios; `lvsim fidelity FILE` makes a page of it
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the results as TAP
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Who {
    /// A stock Linux kernel under QEMU
    Vm,
    /// The kernel of this host
    Kernel,
    /// What was recorded in the folder of `--record`
    Recorded,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.backend == Who::Recorded && args.record.is_none() {
        bail!("--backend recorded needs the folder of the recordings: --record DIR");
    }
    if args.vs.is_some() && args.backend != Who::Vm {
        bail!("--vs compares two kernels of virtual machines: leave --backend away");
    }
    let (kernel, second) = (first_kernel(args)?, second_kernel(args)?);
    let stop = Stop::listen()?;
    let mut verdicts = Vec::with_capacity(args.files.len());
    for file in files(&args.files)? {
        let loaded = Input { file, seed: args.seed, quiet: args.quiet }.load()?;
        let mut scenario = loaded.scenario.clone();
        scenario.seed = args.seed.unwrap_or(scenario.seed);
        if args.dry_run {
            print(&script(&scenario.name, &plan(&scenario)))?;
            continue;
        }
        let paced = with_bar(&scenario, &stop, args.quiet, |progress| paced(&scenario, progress))
            .map_err(|problems| refuse(&loaded.problems(problems)))?;
        let Some(paced) = paced else { bail!("stopped") };
        let mut accounts = Vec::new();
        for kernel in std::iter::once(&kernel).chain(&second) {
            let (mut verdict, seen) = judge(args, &paced, kernel, &stop)?;
            if second.is_some() {
                let image = kernel.image.file_name().unwrap_or_default().to_string_lossy();
                let by = if verdict.by.is_empty() { &image } else { verdict.by.as_str() };
                verdict.name = format!("{} on {by}", verdict.name);
            }
            if !(args.quiet && verdict.is_good()) {
                print(&verdict.text())?;
            }
            accounts.extend(seen);
            verdicts.push(verdict);
        }
        if let ([one, other], false) = (&accounts[..], args.quiet) {
            print(&format!("  {}\n", replay::compare::parted(one, other)))?;
        }
    }
    if verdicts.len() > 1 && !args.quiet {
        print(&format!("\n{}", table(&verdicts)))?;
    }
    for (path, text) in [(&args.junit, junit(&verdicts)), (&args.tap, tap(&verdicts))] {
        if let Some(path) = path {
            write(path, &text)?;
        }
    }
    Ok(ExitCode::from(u8::from(!verdicts.iter().all(Verdict::is_good))))
}

/// Has it done, and compares. If something differs, it is done again at another phase of the kernel's timers, to find
/// out what the kernel itself does not repeat.
fn judge(args: &Args, paced: &Paced, kernel: &Kernel, stop: &Stop) -> Result<(Verdict, Option<Transcript>)> {
    let stopwatch = Stopwatch::start();
    let Paced { scenario, rehearsed, slower } = paced;
    let seen = perform(args, kernel, stop, rehearsed, 0)?;
    if let (Ok(seen), Some(folder), true) = (&seen, &args.record, args.backend != Who::Recorded) {
        record(folder, rehearsed, seen)?;
    }
    let by = seen.as_ref().map_or_else(|_| String::new(), |seen| seen.by.clone());
    let mut result = seen.and_then(|seen| Ok((replay::judge(scenario, rehearsed, &seen, None)?, seen)));
    if let Ok((comparison, seen)) = &mut result
        && !comparison.differences.is_empty()
        && args.backend != Who::Recorded
        && let Ok(again) = perform(args, kernel, stop, rehearsed, OTHER_PHASE)?
    {
        *comparison = replay::judge(scenario, rehearsed, seen, Some(&again)).map_err(|why| anyhow!(why))?;
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    if let Some(path) = &args.results {
        let mut results = if path.exists() { read_results(path)? } else { Results::default() };
        match &result {
            Ok((comparison, seen)) => results.put(&by, Entry::new(paced, seen, comparison, seconds)),
            Err(why) => results.fail(&scenario.name, why),
        }
        write(path, &results.text())?;
    }
    let (result, seen) = match result {
        Ok((comparison, seen)) => (Ok(comparison), Some(seen)),
        Err(why) => (Err(why), None),
    };
    Ok((Verdict { name: scenario.name.clone(), result, by, slower: *slower, seconds }, seen))
}

/// The results of earlier replays.
pub(crate) fn read_results(path: &Path) -> Result<Results> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} has no results of `lvsim replay --results`", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Has it done, at a phase of the kernel's timers.
fn perform(args: &Args, kernel: &Kernel, stop: &Stop, rehearsed: &Rehearsed, phase: u64) -> Result<Done> {
    let job = Job { phase, ..rehearsed.job.clone() };
    let jobs = std::slice::from_ref(&job);
    let done = match args.backend {
        Who::Vm => {
            let machine = Machine::new(kernel.clone(), own_program()?);
            Machine { interrupted: stop.flag(), ..machine }.perform(jobs)
        }
        Who::Kernel => ThisKernel { program: own_program()?, interrupted: stop.flag() }.perform(jobs),
        Who::Recorded => Ok(vec![Ok(recorded(args, rehearsed)?)]),
    };
    match done {
        Ok(mut done) => done.pop().context("the agent did not answer"),
        // That is this scenario's misfortune: the next one may do better.
        Err(error @ BackendError::Silent { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(anyhow!(error)),
    }
}

/// Another phase of the timer wheel, whose second level turns every 32 ms.
const OTHER_PHASE: u64 = 17_300_000;

/// The kernel that was asked for.
fn first_kernel(args: &Args) -> Result<Kernel> {
    if let Some((image, modules)) = args.kernel_image.clone().zip(args.modules.clone()) {
        let own = Kernel { image, modules };
        whole(&own)?;
        return Ok(own);
    }
    Ok(cached(&cache()).unwrap_or_default())
}

/// The kernel of `--vs`.
fn second_kernel(args: &Args) -> Result<Option<Kernel>> {
    let Some(which) = &args.vs else { return Ok(None) };
    let kernel = match &args.vs_modules {
        Some(modules) => Kernel { image: which.into(), modules: modules.clone() },
        None => match cached_package(&cache(), which) {
            Some(kernel) => kernel,
            None if Path::new(which).exists() => {
                bail!("--vs {which} is a file: say where its modules are with --vs-modules DIR")
            }
            None => bail!("{}", missing(which)),
        },
    };
    whole(&kernel)?;
    Ok(Some(kernel))
}

/// Is it all there? The machine would tell too late, and in its own words.
fn whole(kernel: &Kernel) -> Result<()> {
    let Kernel { image, modules } = kernel;
    if !image.is_file() {
        bail!("there is no kernel image {}", image.display());
    }
    if !modules.join("kernel").is_dir() {
        bail!("{} has no kernel modules: name the kernel's own lib/modules/VERSION", modules.display());
    }
    Ok(())
}

fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

fn place(folder: &Path, rehearsed: &Rehearsed) -> PathBuf {
    folder.join(format!("{}.json", rehearsed.job.name))
}

fn record(folder: &Path, rehearsed: &Rehearsed, seen: &Transcript) -> Result<()> {
    let path = place(folder, rehearsed);
    let recipe = format!("recorded from {} by `lvsim replay --record`", seen.by);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, Recording::new(&recipe, &rehearsed.job, seen).text()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn recorded(args: &Args, rehearsed: &Rehearsed) -> Result<Transcript> {
    let path = place(args.record.as_deref().unwrap_or(Path::new(".")), rehearsed);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Recording::read(&text, &rehearsed.job).with_context(|| path.display().to_string())
}
