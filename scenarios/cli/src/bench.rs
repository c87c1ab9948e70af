//! `lvsim bench`: how fast the simulator is on this machine.

use crate::stopwatch::Stopwatch;
use crate::terminal::print;
use anyhow::Result;
use net_model::ipvs::{Forwarding, Tunnel};
use net_model::workload::Workload;
use sim_core::{Duration, Time};
use std::process::ExitCode;

/// Measure hops per second on the reference workload W1 with everything on: ARP, routing, IPVS with wlc, TCP at both
/// ends, statistics.
///
/// 64 clients - switch - director - switch - 16 servers; 100,000 connections a second of virtual time; one core.
/// Quote ratios from one machine and one moment, never a figure of one machine against a figure of another.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Virtual seconds to simulate for each figure
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Measurements of each; the median counts
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Print one JSON line for each figure
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let methods = [
        ("dr", Forwarding::Route),
        ("nat", Forwarding::Masquerade),
        ("tun", Forwarding::Tunnel(Tunnel::IpIp)),
    ];
    for (name, forwarding) in methods {
        let workload = Workload { forwarding, ..Workload::default() };
        let mut runs: Vec<Measured> = (0..args.runs).map(|_| measure(&workload, args.seconds)).collect();
        runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let median = &runs[runs.len() / 2];
        print(&if args.json { json_line(name, median) } else { text_line(name, median) })?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Measured {
    hops: u64,
    connections: u64,
    events: u64,
    seconds: f64,
}

fn measure(workload: &Workload, seconds: f64) -> Measured {
    let mut network = workload.build();
    // The first tenth fills caches, tables and pools.
    network.run_until(Time::ZERO + Duration::from_secs_f64(seconds / 10.0));
    let before = (network.hops(), network.events());
    let stopwatch = Stopwatch::start();
    network.run_until(Time::ZERO + Duration::from_secs_f64(seconds * 1.1));
    let elapsed = stopwatch.elapsed().as_secs_f64();
    let connections: u64 = network.outcome().clients.iter().map(|group| group.succeeded).sum();
    Measured {
        hops: network.hops() - before.0,
        connections: (connections as f64 / 1.1) as u64,
        events: network.events() - before.1,
        seconds: elapsed,
    }
}

fn text_line(name: &str, median: &Measured) -> String {
    let per_second = |count: u64| count as f64 / median.seconds;
    format!(
        "W1 {name:4} {:6.2} M hops/s  {:6.0} k connections/s  {:5.1} ns/hop  {:.2} events/hop",
        per_second(median.hops) / 1e6,
        per_second(median.connections) / 1e3,
        median.seconds * 1e9 / median.hops as f64,
        median.events as f64 / median.hops as f64,
    )
}

fn json_line(name: &str, median: &Measured) -> String {
    serde_json::json!({
        "workload": format!("W1-{name}"), "units": "hops", "count": median.hops, "connections": median.connections,
        "events": median.events, "wall_s": median.seconds,
    })
    .to_string()
}
