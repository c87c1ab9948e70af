//! A run with everything that somebody needs who repeats it elsewhere: each attempt of a client with what was drawn for
//! it, and the answers of commands that look at the network while it runs.

use crate::exec::{Answer, Line};
use crate::problem::Problem;
use crate::run::{Journey, Run};
use crate::scenario::Scenario;
use net_model::ledger::Attempt;
use sim_core::Time;

/// A command that looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// When; it may be after the end of the scenario, when clients begin nothing any more.
    pub at: Time,
    /// On which host, by its index in [`Scenario::hosts`].
    pub host: usize,
    /// The command.
    pub line: Line,
}

/// What a rehearsal leaves behind.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The run.
    pub run: Run,
    /// All attempts in the order of their beginning.
    pub attempts: Vec<Attempt>,
    /// The answers, in the order of the looks.
    pub answers: Vec<Answer>,
    /// At each look, how often a packet had gone over a cable.
    pub hops: Vec<u64>,
}

/// Runs a scenario, looks at these instants (in rising order), and keeps a ledger. None if `progress` stopped it.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn rehearse(
    scenario: &Scenario,
    looks: &[Look],
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Rehearsal>, Vec<Problem>> {
    let mut journey = Journey::begin(scenario)?;
    journey.assembled.network.keep_ledger();
    // Elsewhere the hosts are namespaces of one kernel.
    journey.assembled.network.share_one_kernel();
    let mut answers = Vec::with_capacity(looks.len());
    let mut hops = Vec::with_capacity(looks.len());
    for look in looks {
        if !journey.reach(look.at, progress) {
            return Ok(None);
        }
        let output = journey.assembled.shell(look.host).type_line(&look.line);
        answers.push(Answer { at: look.at, line: look.line.text.clone(), output });
        hops.push(journey.assembled.network.hops());
    }
    let end = Time::ZERO + scenario.duration;
    if journey.assembled.network.now() < end && !journey.reach(end, progress) {
        return Ok(None);
    }
    let ledger = journey.assembled.network.take_ledger().expect("it was kept from the beginning");
    Ok(Some(Rehearsal { attempts: ledger.into_attempts(), answers, hops, run: journey.finish() }))
}
