//! Scenarios on a real Linux kernel, beside the simulation: the same scenario, the same answers, or the first difference.
//!
//! [`plan`] turns a scenario into commands, [`rehearse`] into a [`job`] with everything the simulation has drawn; a
//! backend does the job and writes a [`transcript`]; [`compare`] holds it against the simulation's own.

pub mod agent;
pub mod backend;
pub mod campaign;
pub mod channel;
pub mod compare;
pub mod decided;
pub mod feed;
pub mod fidelity;
pub mod flows;
mod history;
pub mod job;
pub mod missing;
pub mod pace;
pub mod plan;
pub mod recording;
pub mod rehearse;
pub mod report;
pub mod script;
pub mod this_kernel;
pub mod transcript;
pub mod vm;

use compare::{Comparison, Unsettled};
use rehearse::Rehearsed;
use scenarios::scenario::Scenario;
use sim_core::Time;
use transcript::Transcript;

/// Holds a kernel's account of a rehearsed scenario against the simulation.
///
/// `again` is the account of another run, at another phase of the kernel's timers: what it does not repeat is not compared.
///
/// # Errors
/// What is wrong with a capture, in words.
pub fn judge(
    scenario: &Scenario,
    rehearsed: &Rehearsed,
    seen: &Transcript,
    again: Option<&Transcript>,
) -> Result<Comparison, String> {
    let mut fed = feed::feed(scenario, &rehearsed.job, seen)?;
    for director in &mut fed {
        // What chance decides is left out where the kernel itself has shown that it does not repeat it.
        let is_random = |since: &Time| {
            again.is_some_and(|again| compare::differs_since(since.as_nanos(), &rehearsed.job, seen, again))
        };
        director.chance = director.chance.filter(is_random);
    }
    let unsettled = match again {
        Some(again) => compare::unsettled(seen, again, &feed::feed(scenario, &rehearsed.job, again)?),
        None => Unsettled::default(),
    };
    Ok(compare::compare(&rehearsed.job, &rehearsed.simulated, seen, &fed, &unsettled))
}
