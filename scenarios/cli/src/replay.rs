//! `lvsim replay`: a scenario on a real kernel, beside the simulation.

use crate::options::{Input, refuse};
use crate::run::with_bar;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;
use crate::terminal::print;
use anyhow::{Context, Result, anyhow, bail};
use replay::backend::Backend;
use replay::compare::{Comparison, compare};
use replay::feed::feed;
use replay::plan::plan;
use replay::rehearse::{Rehearsed, rehearse};
use replay::script::script;
use replay::transcript::Transcript;
use replay::vm::Machine;
use replay::vm::kernel::{Kernel, cache, cached};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a scenario on a real Linux kernel with IPVS, beside the simulation, and compare what both did.
///
/// The kernel runs in a virtual machine that this program makes for the occasion: Debian's stock kernel under QEMU, in
/// virtual time, without root and without KVM. Clients and servers are real sockets there, with what the simulation has
/// drawn for them. Compared are the server of each connection, how each ended for its client, and what `ipvsadm` lists.
#[derive(clap::Args)]
#[command(
    after_help = "The exit status is 1 if something differs.\nExample: lvsim replay scenarios/gallery/quickstart.yaml"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// Print the commands that build the network, as a shell script for any Linux machine, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Another kernel: its bootable image
    #[arg(long, value_name = "FILE", requires = "modules")]
    kernel_image: Option<PathBuf>,
    /// The folder of its modules: lib/modules/VERSION
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Write what the kernel did into a file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    let mut scenario = loaded.scenario.clone();
    scenario.seed = args.input.seed.unwrap_or(scenario.seed);
    if args.dry_run {
        print(&script(&scenario.name, &plan(&scenario)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::listen()?;
    let rehearsed = with_bar(&scenario, &stop, args.input.quiet, |progress| rehearse(&scenario, progress))
        .map_err(|problems| refuse(&loaded.problems(problems)))?;
    let Some(rehearsed) = rehearsed else { bail!("stopped") };
    let stopwatch = Stopwatch::start();
    let mut machine = machine(args)?;
    let seen = machine.perform(&rehearsed.job).map_err(|error| anyhow!(error))?;
    let _ = std::fs::remove_dir_all(&machine.folder);
    if let Some(path) = &args.record {
        let text = serde_json::to_string(&seen).context("a transcript is plain data")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        for (tap, bytes) in rehearsed.job.taps.iter().zip(&seen.captures) {
            let name = format!("{}.{}.pcap", rehearsed.job.hosts[tap.host], tap.device);
            let path = path.with_extension(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    let fed = feed(&scenario, &rehearsed.job, &seen).map_err(|problem| anyhow!(problem))?;
    let comparison = compare(&rehearsed.job, &rehearsed.simulated, &seen, &fed);
    let seconds = stopwatch.elapsed().as_secs_f64();
    print(&report(&rehearsed, &seen, &comparison, seconds))?;
    Ok(ExitCode::from(u8::from(!comparison.differences.is_empty())))
}

/// The virtual machine that was asked for.
fn machine(args: &Args) -> Result<Machine> {
    let own = args.kernel_image.clone().zip(args.modules.clone());
    let kernel = match own {
        Some((image, modules)) => Kernel { image, modules },
        None => cached(&cache()).unwrap_or_else(|| Kernel { image: PathBuf::new(), modules: PathBuf::new() }),
    };
    Ok(Machine {
        kernel,
        program: std::env::current_exe().context("cannot find this program's own file")?,
        memory: 1024,
        shift: 0,
        folder: std::env::temp_dir().join(format!("lvsim-replay-{}", std::process::id())),
    })
}

fn report(rehearsed: &Rehearsed, seen: &Transcript, comparison: &Comparison, seconds: f64) -> String {
    let mut text =
        format!("{}: {} ({}, {seconds:.1} s)\n", rehearsed.job.name, comparison.sentence(), seen.by);
    if comparison.moved > 0 {
        let _ = writeln!(
            text,
            "{} connections went to another server than in the simulation's own run: packets came in another order",
            comparison.moved
        );
    }
    if let Some(first) = comparison.differences.first() {
        let _ = writeln!(text, "\nfirst, at {:.6} s: {}", first.at as f64 / 1e9, first.text);
    }
    text
}
