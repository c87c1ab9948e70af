//! The reference workload W1, and what its connections take while they are open.

use super::figure::{Figure, Printer, grouped, median, timed};
use anyhow::Result;
use net_model::ipvs::{Forwarding, Tunnel};
use net_model::spec::Close;
use net_model::workload::Workload;
use sim_core::{Duration, Time};

/// What a run of W1 did while it was timed.
struct Done {
    hops: u64,
    connections: u64,
    events: u64,
}

/// Hops per second under each forwarding method.
pub(super) fn forwarding(seconds: f64, runs: u32, printer: &mut Printer) -> Result<()> {
    printer.heading("W1: packets of 100,000 connections a second, everything on")?;
    let methods = [
        ("dr", Forwarding::Route),
        ("nat", Forwarding::Masquerade),
        ("tun", Forwarding::Tunnel(Tunnel::IpIp)),
    ];
    for (name, forwarding) in methods {
        let workload = Workload { forwarding, ..Workload::default() };
        let (wall, done) = median((0..runs).map(|_| measure(&workload, seconds)).collect());
        let per_second = |count: u64| count as f64 / wall;
        printer.figure(&Figure {
            workload: &format!("W1-{name}"),
            units: "hops",
            count: done.hops,
            seconds: Some(wall),
            more: &[("connections", done.connections.into()), ("events", done.events.into())],
            text: format!(
                "{name:4} {:6.2} M hops/s  {:6.0} k connections/s  {:5.1} ns/hop  {:.2} events/hop",
                per_second(done.hops) / 1e6,
                per_second(done.connections) / 1e3,
                wall * 1e9 / done.hops as f64,
                done.events as f64 / done.hops as f64,
            ),
        })?;
    }
    Ok(())
}

fn measure(workload: &Workload, seconds: f64) -> (f64, Done) {
    let mut network = workload.build();
    // The first tenth fills caches, tables and pools.
    network.run_until(Time::ZERO + Duration::from_secs_f64(seconds / 10.0));
    let before = (network.hops(), network.events());
    let (wall, ()) = timed(|| network.run_until(Time::ZERO + Duration::from_secs_f64(seconds * 1.1)));
    let connections: u64 = network.outcome().clients.iter().map(|group| group.succeeded).sum();
    let done = Done {
        hops: network.hops() - before.0,
        connections: (connections as f64 / 1.1) as u64,
        events: network.events() - before.1,
    };
    (wall, done)
}

/// Bytes of each open connection: clients and servers keep theirs open after the answer.
pub(super) fn memory(connections: u32, printer: &mut Printer) -> Result<()> {
    const RATE: f64 = 250_000.0;
    let workload = Workload { close: Close::None, rate: RATE, ..Workload::default() };
    let measured = workload.measure(Duration::from_secs_f64(f64::from(connections) / RATE));
    let open = measured.connections;
    printer.heading(&format!("Memory: bytes of each of {} open connections", grouped(open)))?;
    let memory = measured.memory;
    let parts = [
        ("sockets", "two sockets and their index", memory.sockets),
        ("director", "entry of the director, index, alarm", memory.directors),
        ("exchanges", "what clients do", memory.exchanges),
        ("requests", "what servers do", memory.requests),
        ("events", "pending events", memory.events),
        ("all", "all in", memory.total()),
    ];
    for (name, what, bytes) in parts {
        let each = bytes as f64 / open.max(1) as f64;
        printer.figure(&Figure {
            workload: &format!("memory-{name}"),
            units: "bytes",
            count: bytes as u64,
            seconds: None,
            more: &[("connections", open.into()), ("each", each.into())],
            text: format!("{what:36} {each:6.1}"),
        })?;
    }
    Ok(())
}
