//! The director alone: packets straight into its hook.

use super::figure::{Figure, Printer, grouped, median, timed};
use anyhow::Result;
use net_model::ipvs::Forwarding;
use net_model::ipvs::workload::Alone;

const SERVERS: u32 = 10;

/// New connections and packets of established ones, per second, and the size of the table.
pub(super) fn run(connections: u32, runs: u32, printer: &mut Printer) -> Result<()> {
    let entries = grouped(connections.into());
    printer.heading(&format!("The director alone: wlc, {SERVERS} servers, {entries} connections"))?;
    let new = {
        let mut alone = Alone::new("wlc", Forwarding::Route, SERVERS);
        alone.open(connections);
        median((0..runs).map(|_| timed(|| alone.open(connections))).collect()).0
    };
    rate(printer, "director-new", "connections", "new connections", connections, new)?;
    let mut alone = Alone::new("wlc", Forwarding::Route, SERVERS);
    alone.establish(connections);
    let mut pass = |busy| median((0..runs).map(|_| timed(|| alone.pass(connections, busy))).collect()).0;
    let (hot, random) = (pass(connections.min(1_000)), pass(connections));
    let foreseen =
        median((0..runs).map(|_| timed(|| alone.pass_foreseen(connections, connections))).collect()).0;
    rate(printer, "director-busy", "packets", "packets of 1,000 busy connections", connections, hot)?;
    let what = format!("packets of any of {entries}");
    rate(printer, "director-random", "packets", &what, connections, random)?;
    rate(printer, "director-bursts", "packets", "the same, in bursts of 32", connections, foreseen)?;
    let bytes = alone.memory();
    let each = bytes as f64 / alone.entries() as f64;
    printer.figure(&Figure {
        workload: "director-memory",
        units: "bytes",
        count: bytes as u64,
        seconds: None,
        more: &[("entries", alone.entries().into()), ("each", each.into())],
        text: format!("{:36} {each:6.1}", "bytes an entry, index and alarm"),
    })
}

fn rate(printer: &Printer, workload: &str, units: &str, what: &str, count: u32, seconds: f64) -> Result<()> {
    let per_second = f64::from(count) / seconds / 1e6;
    printer.figure(&Figure {
        workload,
        units,
        count: count.into(),
        seconds: Some(seconds),
        more: &[],
        text: format!("{what:36} {per_second:6.2} M/s"),
    })
}
