//! `lvsim exec`: commands on a host in the middle of a run.

use crate::options::{Input, refuse};
use crate::stop::Stop;
use anyhow::{Context, Result, anyhow, bail};
use scenarios::exec::{Answer, Line, exec};
use scenarios::names::suggestion;
use scenarios::scenario::Scenario;
use scenarios::units::Period;
use sim_core::Time;
use std::io::{Read, Write};
use std::process::ExitCode;

/// Run a scenario up to an instant and type commands on one of its hosts.
///
/// They print what the real tools print, on the same streams. The exit status is that of the last command. With several
/// commands or instants each answer has a heading. Hosts know `ipvsadm`, `ipvsadm-save`,
/// `ipvsadm-restore`, `modprobe`, `ip`, `ifconfig`, `route`, `arp`, `sysctl`,
/// `echo … > /proc/sys/…`, `iptables`, `arptables`, and `cat` for `/proc/net/ip_vs`, `/proc/net/ip_vs_conn`,
/// `/proc/net/ip_vs_conn_sync`, `/proc/net/ip_vs_stats` and the settings below `/proc/sys`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: lvsim exec scenarios/gallery/quickstart.yaml --at 10s --at 20s -H director 'ipvsadm -Ln --stats'"
)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// When: `30s`, `1500ms`; may be repeated. The end of the run if left out
    #[arg(long, value_name = "TIME")]
    at: Vec<Period>,
    /// On which host
    #[arg(short = 'H', long, value_name = "HOST")]
    host: String,
    /// The command lines, each as one argument; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "COMMAND")]
    commands: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    let mut scenario = loaded.scenario.clone();
    scenario.seed = args.input.seed.unwrap_or(scenario.seed);
    let host = host(&scenario, &args.host)?;
    let instants = instants(&scenario, &args.at)?;
    let mut lines = lines(&scenario, &args.commands)?;
    give_input(&mut lines, &args.commands)?;
    let stop = Stop::listen()?;
    let answers = exec(&scenario, host, &instants, &lines, &mut |_| !stop.is_wanted())
        .map_err(|problems| refuse(&loaded.problems(problems)))?;
    let Some(answers) = answers else { bail!("stopped") };
    print(&answers, &args.host, args.input.quiet)?;
    let last = answers.last().map_or(0, |answer| answer.output.status);
    Ok(ExitCode::from(u8::try_from(last).unwrap_or(u8::MAX)))
}

fn host(scenario: &Scenario, name: &str) -> Result<usize> {
    scenario.hosts.iter().position(|host| host.name == name).ok_or_else(|| {
        let names = || scenario.hosts.iter().map(|host| &*host.name);
        match suggestion(name, names()) {
            Some(near) => anyhow!("no host is called `{name}`; did you mean `{near}`?"),
            None => {
                anyhow!(
                    "no host is called `{name}`; one of: {}",
                    names().take(12).collect::<Vec<_>>().join(", ")
                )
            }
        }
    })
}

/// The instants in rising order; the end of the run if none was named.
fn instants(scenario: &Scenario, at: &[Period]) -> Result<Vec<Time>> {
    let end = scenario.duration;
    if let Some(late) = at.iter().find(|at| at.0 > end) {
        bail!(
            "--at {} is after the end of the run at {end}; name an earlier time, or raise `duration:`",
            late.0
        );
    }
    let mut instants: Vec<Time> = at.iter().map(|at| Time::ZERO + at.0).collect();
    if instants.is_empty() {
        instants.push(Time::ZERO + end);
    }
    instants.sort_unstable();
    Ok(instants)
}

fn lines(scenario: &Scenario, commands: &[String]) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for command in commands {
        let mut text = command.clone();
        if command == "-" {
            text.clear();
            std::io::stdin().read_to_string(&mut text).context("cannot read commands from standard input")?;
        }
        for line in text.lines() {
            let read = Line::read(line, scenario).map_err(|error| {
                let mark = " ".repeat(error.columns.start) + &"^".repeat(error.columns.len().max(1));
                anyhow!("{}\n  {line}\n  {mark}\n  help: {}", error.problem, error.cure)
            })?;
            lines.extend(read);
        }
    }
    if lines.is_empty() {
        bail!("no command: write one as an argument ('ipvsadm -Ln'), or one a line after `-`");
    }
    Ok(lines)
}

/// What comes in on standard input is for `ipvsadm-restore` and `ipvsadm -R`, unless it was the commands.
fn give_input(lines: &mut [Line], commands: &[String]) -> Result<()> {
    if commands.iter().all(|command| command != "-") && lines.iter().any(Line::reads) {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        lines.iter_mut().filter(|line| line.reads()).for_each(|line| line.give(&text));
    }
    Ok(())
}

/// Prints each answer on the streams it belongs to; several have headings on standard output.
fn print(answers: &[Answer], host: &str, quiet: bool) -> Result<()> {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    for (number, answer) in answers.iter().enumerate() {
        if answers.len() > 1 && !quiet {
            let gap = if number > 0 { "\n" } else { "" };
            writeln!(out, "{gap}==> {} {host}# {} <==", answer.at, answer.line)?;
        }
        out.write_all(answer.output.stdout.as_bytes())?;
        out.flush()?;
        err.write_all(answer.output.stderr.as_bytes())?;
    }
    Ok(())
}
