//! Scenarios on a real Linux kernel, beside the simulation: the same scenario, the same answers, or the first difference.
//!
//! [`plan`] turns a scenario into commands, [`rehearse`] into a [`job`] with everything the simulation has drawn; a
//! backend does the job and writes a [`transcript`]; [`compare`] holds it against the simulation's own.

pub mod agent;
pub mod backend;
pub mod campaign;
pub mod channel;
pub mod compare;
pub mod feed;
pub mod job;
pub mod missing;
pub mod plan;
pub mod recording;
pub mod rehearse;
pub mod report;
pub mod script;
pub mod this_kernel;
pub mod transcript;
pub mod vm;

use compare::Comparison;
use rehearse::Rehearsed;
use scenarios::scenario::Scenario;
use transcript::Transcript;

/// Holds a kernel's account of a rehearsed scenario against the simulation.
///
/// # Errors
/// What is wrong with a capture, in words.
pub fn judge(scenario: &Scenario, rehearsed: &Rehearsed, seen: &Transcript) -> Result<Comparison, String> {
    let fed = feed::feed(scenario, &rehearsed.job, seen)?;
    Ok(compare::compare(&rehearsed.job, &rehearsed.simulated, seen, &fed))
}
