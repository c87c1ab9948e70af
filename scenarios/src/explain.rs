//! The walks of single packets of a run, whatever they are: TCP and UDP, ARP, ICMP.

use crate::problem::Problem;
use crate::run::{Journey, Run, Step, steps};
use crate::scenario::Scenario;
use net_model::Network;
use net_model::trace::{Selection, Walk};
use net_model::verdict::DropReason;
use sim_core::Time;

/// The walk of one packet, from the host that sends it to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketWalk {
    /// Its number among all packets of the run, from 1.
    pub number: u32,
    /// What happened to it.
    pub steps: Vec<Step>,
    /// Where and why it ended early, if it did.
    pub dropped: Option<(String, DropReason)>,
}

/// Runs a scenario to its end and keeps the walks of the packets that are selected; none if it was stopped.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn explain(
    scenario: &Scenario,
    selection: Selection,
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<(Run, Vec<PacketWalk>)>, Vec<Problem>> {
    let mut journey = Journey::begin(scenario)?;
    journey.assembled.network.follow_packets(selection);
    if !journey.reach(Time::ZERO + scenario.duration, progress) {
        return Ok(None);
    }
    let walks = walks(&mut journey.assembled.network);
    Ok(Some((journey.finish(), walks)))
}

/// The walks so far, with the names of their places.
pub(crate) fn walks(network: &mut Network) -> Vec<PacketWalk> {
    let walks = network.take_walks();
    let named = |walk: &Walk| PacketWalk {
        number: walk.number,
        steps: steps(network, &walk.lines),
        dropped: walk.dropped.map(|(place, reason)| (network.place_name(place).to_owned(), reason)),
    };
    walks.iter().map(named).collect()
}

impl PacketWalk {
    /// The packet in words: what its first host sent.
    pub fn title(&self) -> &str {
        let first = self.steps.first().map_or("", |step| &*step.text);
        let end = [": out of", ": in on", ": to this host"].iter().filter_map(|end| first.find(end)).min();
        &first[..end.unwrap_or(first.len())]
    }
}
