//! Running a scenario: its network from the first instant to the last, with what happens in between.

use crate::assemble::{Assembled, assemble};
use crate::expect::Failed;
use crate::native;
use crate::problem::Problem;
use crate::scenario::{Action, Event, Scenario};
use crate::schema::HostChange;
use net_model::Network;
use net_model::outcome::Outcome;
use net_model::transcript::{Line, Stage};
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
    let mut journey = Journey::begin(scenario)?;
    if let Some(number) = watch.follow {
        journey.assembled.network.follow(number);
    }
    if !journey.reach(Time::ZERO + scenario.duration, watch.progress) {
        return Ok(None);
    }
    Ok(Some(journey.finish()))
}

/// A scenario on its way from the first instant to the last.
pub(crate) struct Journey<'a> {
    /// The network as it is now.
    pub(crate) assembled: Assembled,
    scenario: &'a Scenario,
    /// What has not happened yet.
    events: &'a [Event],
    notes: Vec<Note>,
    /// When progress is told next.
    next_step: Time,
}

impl<'a> Journey<'a> {
    /// Time 0.
    pub(crate) fn begin(scenario: &'a Scenario) -> Result<Journey<'a>, Vec<Problem>> {
        let assembled = assemble(scenario)?;
        let next_step = Time::ZERO + step(scenario);
        Ok(Journey { assembled, scenario, events: &scenario.events, notes: Vec::new(), next_step })
    }

    /// What the journey has led to.
    pub(crate) fn finish(self) -> Run {
        let Journey { mut assembled, scenario, notes, .. } = self;
        let outcome = assembled.network.outcome();
        let failed =
            scenario.expect.iter().filter_map(|expectation| expectation.check(&outcome).err()).collect();
        let transcript = steps(&assembled.network, assembled.network.transcript());
        Run { outcome, notes, failed, transcript }
    }

    /// Goes on until everything of this instant has happened; false if `progress` stopped it.
    pub(crate) fn reach(&mut self, until: Time, progress: &mut dyn FnMut(Time) -> bool) -> bool {
        loop {
            let next_event = self.events.first().map_or(Time::NEVER, |event| event.at);
            let now = next_event.min(self.next_step).min(until);
            self.assembled.network.run_until(now);
            while let Some((event, rest)) = self.events.split_first().filter(|(event, _)| event.at <= now) {
                happen(&mut self.assembled, self.scenario, event, &mut self.notes);
                self.events = rest;
            }
            if now >= until {
                return true;
            }
            if now >= self.next_step {
                self.next_step = now + step(self.scenario);
                if !progress(now) {
                    return false;
                }
            }
        }
    }
}

/// Progress is told between steps, and steps do not change what happens.
fn step(scenario: &Scenario) -> sim_core::Duration {
    sim_core::Duration::from_nanos((scenario.duration.as_nanos() / 200).max(1))
}

/// Lines of a transcript with the names of their places, in order of time: a wire's line may be written ahead of it.
pub(crate) fn steps<'l>(network: &Network, lines: impl IntoIterator<Item = &'l Line>) -> Vec<Step> {
    let mut steps: Vec<Step> = lines.into_iter().map(|line| step_of(network, line)).collect();
    steps.sort_by_key(|step| step.time);
    steps
}

/// A line of a transcript with the name of its place.
pub(crate) fn step_of(network: &Network, line: &Line) -> Step {
    Step {
        time: line.time,
        place: network.place_name(line.place).to_owned(),
        stage: line.stage,
        text: line.text.clone(),
    }
}

/// A timed event happens.
pub(crate) fn happen(assembled: &mut Assembled, scenario: &Scenario, event: &Event, notes: &mut Vec<Note>) {
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
