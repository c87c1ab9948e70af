//! `lvsim bench`: how fast and how small the simulator is on this machine.

mod director;
mod figure;
mod networks;
mod queueing;
mod schedulers;

use anyhow::Result;
use figure::Printer;
use std::process::ExitCode;

/// Measure the simulator's speed and memory on this machine.
///
/// w1 forwards packets with everything on: ARP, routing, IPVS with wlc, TCP at both ends, statistics; 64 clients,
/// switch, director, switch, 16 servers; 100,000 connections a second of virtual time. w2 queues requests without a
/// network: 100 servers, join the shortest queue. director is IPVS alone, with a full connection table; schedulers are
/// its choices among 1,000 servers; memory is what an open connection takes, sockets and all.
///
/// All on one core. Quote ratios from one machine and one moment, never a figure of one machine against a figure of
/// another.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure these parts only; several with commas between
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Virtual seconds of w1 for each figure
    #[arg(long, default_value_t = 1.0, value_name = "S", value_parser = seconds)]
    seconds: f64,
    /// Measurements of each; the median counts
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Connections in the table of the director, and open for memory
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    connections: u32,
    /// Print one JSON line for each figure
    #[arg(long)]
    json: bool,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Packet forwarding, hops per second
    W1,
    /// Queueing, requests per second
    W2,
    /// The director alone: new and established connections per second, bytes per entry
    Director,
    /// A decision of each scheduler among 1,000 servers
    Schedulers,
    /// Bytes per open connection, by what holds them
    Memory,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let all = [Part::W1, Part::W2, Part::Director, Part::Schedulers, Part::Memory];
    let mut printer = Printer::new(args.json);
    for part in all.into_iter().filter(|part| args.only.is_empty() || args.only.contains(part)) {
        match part {
            Part::W1 => networks::forwarding(args.seconds, args.runs, &mut printer)?,
            Part::W2 => queueing::run(args.runs, &mut printer)?,
            Part::Director => director::run(args.connections, args.runs, &mut printer)?,
            Part::Schedulers => schedulers::run(args.runs, &mut printer)?,
            Part::Memory => networks::memory(args.connections, &mut printer)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A span of virtual time in which something can be measured.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds are a number from 0.001 to 3600".to_owned()),
    }
}
