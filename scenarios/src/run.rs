//! Running a scenario: its network from the first instant to the last, with what happens in between.

use crate::assemble::{Assembled, assemble};
use crate::expect::Failed;
use crate::native;
use crate::problem::Problem;
use crate::scenario::{Action, Event, Scenario};
use crate::schema::HostChange;
use net_model::Network;
use net_model::outcome::Outcome;
use net_model::transcript::Stage;
use sim_core::Time;

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// The figures.
    pub outcome: Outcome,
    /// What timed commands printed or refused.
    pub notes: Vec<Note>,
    /// The expectations that do not hold.
    pub failed: Vec<Failed>,
    /// The walk of the exchange that was followed, if one was.
    pub transcript: Vec<Step>,
}

/// A step of the walk of an exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When.
    pub time: Time,
    /// The host, switch or link.
    pub place: String,
    /// Which step.
    pub stage: Stage,
    /// What happened, and why.
    pub text: String,
}

/// Something that a timed command said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// When.
    pub at: Time,
    /// Where.
    pub host: String,
    /// The command line.
    pub command: String,
    /// What it printed.
    pub text: String,
}

/// How a run is watched.
pub struct Watch<'a> {
    /// The number (from 1) of an exchange whose walk is recorded.
    pub follow: Option<u32>,
    /// Called now and then with the virtual time reached; false stops the run.
    pub progress: &'a mut dyn FnMut(Time) -> bool,
}

/// Runs a scenario from beginning to end.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn run(scenario: &Scenario) -> Result<Run, Vec<Problem>> {
    let mut on = |_: Time| true;
    Ok(run_watched(scenario, &mut Watch { follow: None, progress: &mut on })?.expect("nobody stopped it"))
}

/// Runs a scenario under observation; none if it was stopped.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn run_watched(scenario: &Scenario, watch: &mut Watch<'_>) -> Result<Option<Run>, Vec<Problem>> {
    let mut assembled = assemble(scenario)?;
    if let Some(number) = watch.follow {
        assembled.network.follow(number);
    }
    let end = Time::ZERO + scenario.duration;
    let mut notes = Vec::new();
    let mut events = scenario.events.iter().peekable();
    // Progress is told between steps, and steps do not change what happens.
    let step = sim_core::Duration::from_nanos((scenario.duration.as_nanos() / 200).max(1));
    let mut next_step = Time::ZERO + step;
    loop {
        let next_event = events.peek().map_or(Time::NEVER, |event| event.at);
        let until = next_event.min(next_step).min(end);
        assembled.network.run_until(until);
        while let Some(event) = events.next_if(|event| event.at <= until) {
            happen(&mut assembled, scenario, event, &mut notes);
        }
        if until >= end {
            break;
        }
        if until >= next_step {
            next_step = until + step;
            if !(watch.progress)(until) {
                return Ok(None);
            }
        }
    }
    let outcome = assembled.network.outcome();
    let failed = scenario.expect.iter().filter_map(|expectation| expectation.check(&outcome).err()).collect();
    let transcript = steps(&assembled.network);
    Ok(Some(Run { outcome, notes, failed, transcript }))
}

/// The transcript with the names of its places, in order of time: a wire's line may be written ahead of it.
fn steps(network: &Network) -> Vec<Step> {
    let lines = network.transcript().iter();
    let mut steps: Vec<Step> = lines
        .map(|line| Step {
            time: line.time,
            place: network.place_name(line.place).to_owned(),
            stage: line.stage,
            text: line.text.clone(),
        })
        .collect();
    steps.sort_by_key(|step| step.time);
    steps
}

/// A timed event happens.
fn happen(assembled: &mut Assembled, scenario: &Scenario, event: &Event, notes: &mut Vec<Note>) {
    let host = assembled.hosts[event.host];
    match &event.action {
        Action::Run(line) => {
            let said = match native::read(line, &assembled.names) {
                Ok(Some(command)) => {
                    assembled.shell(event.host).run(&command).unwrap_or_else(|refused| refused.message)
                }
                Ok(None) => String::new(),
                Err(problem) => problem.message,
            };
            if !said.is_empty() {
                let host = scenario.hosts[event.host].name.clone();
                notes.push(Note { at: event.at, host, command: line.text.clone(), text: said });
            }
        }
        Action::Unplug(interface) | Action::Plug(interface) => {
            let plugged = matches!(event.action, Action::Plug(_));
            assembled.network.set_cable(host, assembled.interfaces[event.host][*interface], plugged);
        }
        Action::Host(change) => assembled.network.set_host_up(host, *change == HostChange::Return),
    }
}
