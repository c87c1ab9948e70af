//! `lvsim explain`: why a packet went where it went.

mod ladder;
mod packets;
mod what_if;

use crate::options::{Input, refuse};
use crate::stop::Stop;
use crate::terminal::print;
use anyhow::{Result, bail};
use net_model::addr::Addr;
use net_model::verdict::DropReason;
use scenarios::run::{Step, Watch, run_watched};
use scenarios::units::Period;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Follow packets through clients, switches, routers, director and servers, and name what decided.
///
/// Each line is a step: when, where, which stage, what happened and why: the address, route, rule, setting or table entry
/// that decided; for a scheduler's choice every candidate with its figures and the rule for ties; for a drop the reason
/// and the cure.
#[derive(clap::Args)]
#[command(after_help = "\
Which packets?
  lvsim explain FILE                         all packets of the first connection
  lvsim explain FILE --flow 3 --ladder       the third, as a sequence diagram
  lvsim explain FILE --drops                 the first lost packet of each kind, and why
  lvsim explain FILE --arp 10.0.0.100        who asked for the virtual address, who answered, who believed it
  lvsim explain FILE --icmp --at 10s         ICMP messages after 10 s
  lvsim explain FILE --packets               one line for each packet, with its number
  lvsim explain FILE --packet 17             the walk of one of them
What would change it?
  lvsim explain FILE --what-if 'web1: net.ipv4.conf.all.arp_ignore=1'
  lvsim explain FILE --what-if 'web[1-2]: ip addr add 10.0.0.100/32 dev lo' --what-if 'director@10s: ipvsadm -C'")]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    choice: Choice,
    /// Only what is sent at this instant or later: `65s`, `1500ms`
    #[arg(long, value_name = "TIME", help_heading = "Narrow it down")]
    at: Option<Period>,
    /// Only what is sent up to this instant
    #[arg(long, value_name = "TIME", help_heading = "Narrow it down")]
    until: Option<Period>,
    /// Only steps on this host, switch or link
    #[arg(long, value_name = "NAME", help_heading = "Narrow it down")]
    on: Option<String>,
    /// So many packets at most
    #[arg(long, value_name = "N", help_heading = "Narrow it down")]
    limit: Option<usize>,
    /// Draw the connection as a sequence diagram instead of telling it
    #[arg(long, help_heading = "How to show it", conflicts_with_all = ["json", "what_if"])]
    ladder: bool,
    /// Write the sequence diagram of the connection into this folder, as a page and as SVG
    #[arg(long, value_name = "DIR", help_heading = "How to show it", conflicts_with = "what_if")]
    out: Option<PathBuf>,
    /// Print the steps as JSON, one a line
    #[arg(long, help_heading = "How to show it", conflicts_with = "what_if")]
    json: bool,
}

/// Which packets are told of.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Choice {
    /// The connection (or datagram exchange) with this number, counted from 1 in order of beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Which packets")]
    flow: Option<u32>,
    /// The packet with this number, which --packets tells
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Which packets")]
    packet: Option<u32>,
    /// ARP requests and replies (IPv6: neighbour discovery); with an address, those about it
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, value_parser = address, help_heading = "Which packets")]
    arp: Option<Option<Addr>>,
    /// ICMP messages; with an address, those from it or to it
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, value_parser = address, help_heading = "Which packets")]
    icmp: Option<Option<Addr>>,
    /// Lost packets: the first of each place and reason; with a reason, only for that (`lvsim list drops`)
    #[arg(long, value_name = "REASON", num_args = 0..=1, value_parser = reason, help_heading = "Which packets")]
    drops: Option<Option<DropReason>>,
    /// List every packet, one line each; with an address, those from it or to it
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, value_parser = address, help_heading = "Which packets")]
    packets: Option<Option<Addr>>,
    /// Change a host's setting (or run a command on it), and show what that changes; may be repeated
    #[arg(long, value_name = "HOST: CHANGE", action = clap::ArgAction::Append, help_heading = "What would change it")]
    what_if: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let loaded = args.input.load()?;
    let mut scenario = loaded.scenario.clone();
    scenario.seed = args.input.seed.unwrap_or(scenario.seed);
    let stop = Stop::listen()?;
    let Choice { packet, arp, icmp, drops, packets, what_if, .. } = &args.choice;
    if !what_if.is_empty() {
        return what_if::run(args, &loaded, &scenario, &stop);
    }
    if args.ladder || args.out.is_some() {
        return ladder::run(args, &loaded, &scenario, &stop);
    }
    if packet.is_some() || arp.is_some() || icmp.is_some() || drops.is_some() || packets.is_some() {
        return packets::run(args, &loaded, &scenario, &stop);
    }
    let flow = args.choice.flow.unwrap_or(1);
    let mut go_on = |_| !stop.is_wanted();
    let run = run_watched(&scenario, &mut Watch { follow: Some(flow), progress: &mut go_on });
    let Some(run) = run.map_err(|problems| refuse(&loaded.problems(problems)))? else {
        bail!("stopped");
    };
    if run.transcript.is_empty() {
        let begun: u64 = run.outcome.clients.iter().map(|group| group.started).sum();
        bail!("there is no flow {flow}: the run had {begun}; choose a number from 1 to {begun}");
    }
    let mut steps = run.transcript;
    steps.retain(|step| args.shows(step));
    if steps.is_empty() {
        bail!("nothing of flow {flow} is left by --at, --until and --on");
    }
    print(&told(&steps, args.json, ""))?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// Is the step within the window and at the place that were asked for?
    fn shows(&self, step: &Step) -> bool {
        let since = step.time.as_nanos();
        self.at.as_ref().is_none_or(|at| since >= at.0.as_nanos())
            && self.until.as_ref().is_none_or(|until| since <= until.0.as_nanos())
            && self.is_there(step)
    }

    /// Is the step at the place that was asked for?
    fn is_there(&self, step: &Step) -> bool {
        let part_of = |name: &str| {
            step.place == name || step.place.split(" > ").any(|end| end.split('.').next() == Some(name))
        };
        self.on.as_deref().is_none_or(part_of)
    }
}

/// Steps as text, each line with this in front; or as JSON.
fn told(steps: &[Step], as_json: bool, margin: &str) -> String {
    let mut text = String::new();
    let width = steps.iter().map(|step| step.place.chars().count()).max().unwrap_or(0);
    for step in steps {
        if as_json {
            let _ = writeln!(text, "{}", json(step, None));
        } else {
            let _ = writeln!(text, "{margin}{}", line(step, width, margin));
        }
    }
    text
}

/// A step as a line, the name of its place padded to `width`; further lines are indented below it.
fn line(step: &Step, width: usize, margin: &str) -> String {
    let indent = format!("\n{margin}{}", " ".repeat(width + 26));
    let words = step.text.replace('\n', &indent);
    format!("{:>11}  {:width$}  {:10} {words}", step.time, step.place, step.stage.name())
}

fn json(step: &Step, packet: Option<u32>) -> serde_json::Value {
    let mut value = serde_json::json!({
        "time_s": step.time.as_secs_f64(), "place": step.place, "stage": step.stage.name(), "text": step.text,
    });
    if let Some(number) = packet {
        value["packet"] = number.into();
    }
    value
}

fn address(text: &str) -> Result<Addr, String> {
    text.parse().map_err(|_| match std::path::Path::new(text).exists() {
        true => "this is a file: the scenario comes first, `lvsim explain FILE --arp`".to_owned(),
        false => "expected an IP address".to_owned(),
    })
}

fn reason(name: &str) -> Result<DropReason, String> {
    if std::path::Path::new(name).exists() {
        return Err("this is a file: the scenario comes first, `lvsim explain FILE --drops`".to_owned());
    }
    DropReason::named(name).ok_or_else(|| {
        let near = scenarios::names::suggestion(name, DropReason::ALL.iter().map(|reason| reason.name()));
        match near {
            Some(near) => format!("no drop reason is called so; did you mean `{near}`?"),
            None => "no drop reason is called so; `lvsim list drops` has them all".to_owned(),
        }
    })
}
