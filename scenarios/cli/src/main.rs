//! `lvsim`: a discrete-event simulator of Linux Virtual Server clusters.
//!
//! Arguments in, exit status out: 0 fine, 1 an expectation of the scenario failed, 2 the command, the scenario or the
//! machine did not allow it.

mod bench;
mod check;
mod compare;
mod exec;
mod expand;
mod explain;
mod fidelity;
mod fuzz;
mod kernel;
mod list;
mod options;
mod pcap;
mod replay;
mod replay_pcap;
mod run;
mod schema;
mod stop;
mod stopwatch;
mod terminal;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Simulate Linux Virtual Server (LVS/IPVS) clusters packet by packet, as the Linux kernel would handle them.
///
/// A scenario is one YAML file: networks, hosts, a director's ipvsadm rules as you would type them, clients and
/// servers. Start with `lvsim compare scenarios/gallery/quickstart.yaml`, see the others with `lvsim list gallery`.
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a scenario once: a table, and with --out a report
    Run(run::Args),
    /// Run a scenario with other schedulers, forwarding methods, loads and seeds, and compare
    Compare(compare::Args),
    /// Run all scenarios of a folder and check their `expect:` lines and goldens, for build servers
    Test(test::Args),
    /// Read a scenario and say what is wrong or suspicious, without running it
    Check(check::Args),
    /// Show the walk of one connection through every stage, with the reason of each decision
    Explain(explain::Args),
    /// Run a scenario up to an instant and type commands on one of its hosts
    Exec(exec::Args),
    /// Run a scenario on a real Linux kernel, beside the simulation, and compare
    Replay(replay::Args),
    /// Make a page with pictures of what replays have compared
    Fidelity(fidelity::Args),
    /// Play random cases on a real Linux kernel, beside the simulation, and make the first difference small
    Fuzz(fuzz::Args),
    /// Get the kernel for `lvsim replay`, or say which one it is
    Kernel(kernel::Args),
    /// Let the packets of a capture enter a director: what would it have decided?
    ReplayPcap(replay_pcap::Args),
    /// Print the long form of a scenario: what `cluster:` stands for on each host, and why
    Expand(expand::Args),
    /// List what there is: schedulers, forwarding methods, drop reasons, gallery
    List(list::Args),
    /// Print the JSON Schema of the scenario language, for editors
    Schema,
    /// Measure the simulator's speed and memory on this machine
    Bench(bench::Args),
}

fn main() -> ExitCode {
    // The guest of `lvsim replay` has this very program as its first process.
    if let Some(code) = ::replay::agent::init::run_if_asked() {
        return code;
    }
    let cli = Cli::parse();
    let result = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Exec(args) => exec::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Fidelity(args) => fidelity::run(&args),
        Verb::Fuzz(args) => Ok(fuzz::run(&args)),
        Verb::Kernel(args) => kernel::run(&args),
        Verb::ReplayPcap(args) => replay_pcap::run(&args),
        Verb::Expand(args) => expand::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Schema => schema::run(),
        Verb::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::tell(terminal::error_text(&error));
            ExitCode::from(2)
        }
    }
}
