//! `lvsim replay-pcap`: the packets of a capture enter a director.

use crate::options::{Input, refuse};
use crate::stop::Stop;
use anyhow::{Context, Result, anyhow, bail};
use net_model::ipvs::{Chooser, Decision, Refusal, endpoint};
use net_model::pcap::Reader;
use scenarios::load::Loaded;
use scenarios::replay::{Replay, ReplayError, Replayed, ServiceBalance};
use scenarios::scenario::Scenario;
use scenarios::sweep::Variant;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Let the packets of a capture enter the director of a scenario at their times, and print what it decides.
///
/// What would `mh` have done with yesterday's traffic? FILE is a pcap or pcapng file of Ethernet, raw IP or `any`,
/// best captured on the director; `-` reads standard input. The scenario gives the director and its rules; its clients
/// and servers stay silent, its timed commands on the director run. Printed are each decision, then the director's
/// table and the balance of the servers. Memory does not grow with the file.
#[derive(clap::Args)]
#[command(
    after_help = "Example: lvsim replay-pcap yesterday.pcap --scenario cluster.yaml --scheduler mh --quiet"
)]
pub(crate) struct Args {
    /// The capture; `-` reads standard input
    file: PathBuf,
    /// The scenario whose director the packets enter
    #[arg(short, long, value_name = "FILE")]
    scenario: PathBuf,
    /// The director, if the scenario has several
    #[arg(long, value_name = "HOST")]
    director: Option<String>,
    /// Another scheduler for every service
    #[arg(long, value_name = "NAME")]
    scheduler: Option<String>,
    /// Print JSON, one object a line: decisions, then the summary
    #[arg(long)]
    json: bool,
    /// Do not print each decision, only the tables at the end
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.file == args.scenario {
        bail!("the capture and the scenario are the same file, {}", args.file.display());
    }
    let loaded = Input { file: args.scenario.clone(), seed: None, quiet: args.quiet }.load()?;
    let scenario = scenario(args, &loaded)?;
    let replay = Replay::begin(&scenario, args.director.as_deref()).map_err(|error| match error {
        ReplayError::Refused(problems) => refuse(&loaded.problems(problems)),
        error @ ReplayError::NoDirector(_) => anyhow!(error),
    })?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = play(args, replay, &mut out);
    let flushed = out.flush().context("cannot write to standard output");
    written.and(flushed)?;
    Ok(ExitCode::SUCCESS)
}

/// The scenario, with the scheduler that was asked for.
fn scenario(args: &Args, loaded: &Loaded) -> Result<Scenario> {
    if args.scheduler.is_none() {
        return Ok(loaded.scenario.clone());
    }
    let variant = Variant { scheduler: args.scheduler.clone(), ..Variant::default() };
    loaded.variant(&variant).map_err(|problems| refuse(&problems))
}

fn play(args: &Args, mut replay: Replay<'_>, out: &mut impl Write) -> Result<()> {
    let stop = Stop::listen()?;
    let file = open(&args.file)?;
    if !is_stdin(&args.file) {
        replay = replay.reading_ahead();
    }
    let read = read(args, &mut replay, file, &stop, out);
    let decisions = replay.rest();
    print(args, &replay, &decisions, out)?;
    read?;
    let done = replay.finish();
    let text = if args.json { format!("{}\n", summary_json(&done)) } else { summary(&done, args.quiet) };
    out.write_all(text.as_bytes()).context(STDOUT)
}

/// The packets of the file, as far as it can be read.
fn read(
    args: &Args,
    replay: &mut Replay<'_>,
    file: impl BufRead,
    stop: &Stop,
    out: &mut impl Write,
) -> Result<()> {
    let wrong = |problem| anyhow!("{}: {problem}", args.file.display());
    let mut reader = Reader::new(file).map_err(wrong)?;
    while let Some(record) = reader.next().map_err(wrong)? {
        let decisions = replay.packet(&record);
        print(args, replay, &decisions, out)?;
        if stop.is_wanted() {
            bail!("stopped");
        }
    }
    Ok(())
}

fn print(args: &Args, replay: &Replay<'_>, decisions: &[Decision], out: &mut impl Write) -> Result<()> {
    for decision in decisions.iter().filter(|_| !args.quiet) {
        if args.json {
            writeln!(out, "{}", decision_json(decision, replay)).context(STDOUT)?;
        } else {
            out.write_all(decision_line(decision, replay).as_bytes()).context(STDOUT)?;
        }
    }
    Ok(())
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

const STDOUT: &str = "cannot write to standard output";

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}

/// `  1.234567s  203.0.113.7:40000 > 10.0.0.100:80 TCP  web1 10.0.0.11:80  mh`
fn decision_line(decision: &Decision, replay: &Replay<'_>) -> String {
    let from = endpoint(decision.client.0, decision.client.1);
    let to = endpoint(decision.target.0, decision.target.1);
    let at = decision.time.as_secs_f64();
    let chosen = match &decision.outcome {
        Ok(server) => {
            let name = replay.name_of(server.addr).map(|name| format!("  {name}")).unwrap_or_default();
            format!("{}{name}  ({})", endpoint(server.addr, server.port), chooser(&decision.chooser))
        }
        Err(refusal) => format!("no server: {}", refusal.sentence()),
    };
    format!("{at:>14.6}  {from:<22} > {to:<20}  {}: {chosen}\n", decision.service)
}

fn chooser(chooser: &Chooser) -> &'static str {
    match chooser {
        Chooser::Template { .. } => "persistence",
        Chooser::Scheduler { name, .. } => name,
        Chooser::Nobody => "nobody",
    }
}

fn decision_json(decision: &Decision, replay: &Replay<'_>) -> Value {
    let server = decision.outcome.ok();
    json!({
        "kind": "decision",
        "time_s": decision.time.as_secs_f64(),
        "client": endpoint(decision.client.0, decision.client.1),
        "target": endpoint(decision.target.0, decision.target.1),
        "service": decision.service.to_string(),
        "server": server.map(|server| endpoint(server.addr, server.port)),
        "name": server.and_then(|server| replay.name_of(server.addr)),
        "chooser": chooser(&decision.chooser),
        "refusal": decision.outcome.err().map(Refusal::sentence),
    })
}

/// What happened to the packets, the director's table, and the balance.
fn summary(done: &Replayed, quiet: bool) -> String {
    let mut text = String::new();
    let counts = &done.counts;
    let gap = if quiet { "" } else { "\n" };
    let _ = writeln!(
        text,
        "{gap}{} of {} packets entered {}, in {} from the first to the last",
        counts.entered, counts.read, done.director, done.span
    );
    for (count, what) in left_alone(done) {
        let _ = writeln!(text, "  {count:>10}  {what}");
    }
    for note in &done.notes {
        let _ = writeln!(text, "\n{}  {}# {}\n{}", note.at, note.host, note.command, note.text.trim_end());
    }
    let _ = writeln!(text, "\n{}", done.listing.trim_end());
    for service in &done.services {
        text += &balance(service);
    }
    if !done.drops.is_empty() {
        let _ = writeln!(text, "\ndropped by {}", done.director);
        for (reason, count) in &done.drops {
            let _ = writeln!(text, "  {count:>10}  {}: {}", reason.name(), reason.sentence());
        }
    }
    text
}

/// The packets that did not enter, or not as they were, by reason.
fn left_alone(done: &Replayed) -> Vec<(u64, String)> {
    let counts = &done.counts;
    let mut reasons = vec![
        (counts.sent, "left alone: the director had sent them itself".to_owned()),
        (counts.elsewhere, "left alone: for other hosts, or seen at other interfaces".to_owned()),
        (counts.arp, "left alone: ARP".to_owned()),
    ];
    reasons.extend(counts.unreadable.iter().map(|(why, count)| (*count, format!("left alone: {why}"))));
    reasons.push((counts.late, "entered late: packets before them have a later time".to_owned()));
    reasons.push((
        counts.merged,
        "were larger than the MTU (merged by the card) and passed all the same".to_owned(),
    ));
    reasons.retain(|(count, _)| *count > 0);
    reasons
}

fn balance(service: &ServiceBalance) -> String {
    let total: u64 = service.servers.iter().map(|server| server.connections).sum();
    let scheduler = service.scheduler.as_deref().unwrap_or("gone");
    let mut text = format!("\nbalance of {} ({scheduler}): {total} connections", service.service);
    if service.refused > 0 {
        let _ = write!(text, ", {} more got no server", service.refused);
    }
    let _ = writeln!(
        text,
        "\n  {:<22} {:<12} {:>6} {:>12} {:>7} {:>12} {:>14}",
        "server", "name", "weight", "connections", "share", "packets in", "bytes in"
    );
    for server in &service.servers {
        let share = if total == 0 { 0.0 } else { server.connections as f64 * 100.0 / total as f64 };
        let _ = writeln!(
            text,
            "  {:<22} {:<12} {:>6} {:>12} {share:>6.1}% {:>12} {:>14}",
            endpoint(server.server.addr, server.server.port),
            server.name.as_deref().unwrap_or("-"),
            server.weight.map_or("gone".to_owned(), |weight| weight.to_string()),
            server.connections,
            server.packets,
            server.bytes,
        );
    }
    text
}

fn summary_json(done: &Replayed) -> Value {
    let counts = &done.counts;
    let unreadable: serde_json::Map<String, Value> =
        counts.unreadable.iter().map(|(why, count)| (why.to_string(), json!(count))).collect();
    let services: Vec<Value> = done.services.iter().map(service_json).collect();
    let drops: serde_json::Map<String, Value> =
        done.drops.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count))).collect();
    json!({
        "kind": "summary",
        "director": done.director,
        "span_s": done.span.as_secs_f64(),
        "packets": {
            "read": counts.read, "entered": counts.entered, "sent_by_director": counts.sent,
            "elsewhere": counts.elsewhere, "arp": counts.arp, "unreadable": unreadable, "late": counts.late,
            "merged": counts.merged,
        },
        "services": services,
        "drops": drops,
    })
}

fn service_json(service: &ServiceBalance) -> Value {
    let servers: Vec<Value> = service
        .servers
        .iter()
        .map(|server| {
            json!({
                "server": endpoint(server.server.addr, server.server.port), "name": server.name,
                "weight": server.weight, "connections": server.connections, "packets": server.packets,
                "bytes": server.bytes,
            })
        })
        .collect();
    json!({
        "service": service.service.to_string(), "scheduler": service.scheduler, "refused": service.refused,
        "servers": servers,
    })
}
