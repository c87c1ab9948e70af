//! The reference workload W2: queues without a network.

use super::figure::{Figure, Printer, median, timed};
use anyhow::Result;
use sim_core::workload;

const REQUESTS: u64 = 1_000_000;

/// Requests per second. The mean response says whether it was the right model: 1.067 service times.
pub(super) fn run(runs: u32, printer: &mut Printer) -> Result<()> {
    printer.heading("W2: 100 servers, every request to the shortest queue, load 0.9")?;
    let (wall, outcome) = median((0..runs).map(|_| timed(|| workload::run(1, REQUESTS))).collect());
    let response = outcome.response.mean().as_secs_f64();
    printer.figure(&Figure {
        workload: "W2",
        units: "requests",
        count: REQUESTS,
        seconds: Some(wall),
        more: &[("mean_response", response.into())],
        text: format!("{:6.2} M requests/s  mean response {response:.3}", REQUESTS as f64 / wall / 1e6),
    })
}
