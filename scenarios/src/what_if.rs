//! What if? A scenario runs as it is and with a change, and the first packet that differs tells why.

use crate::assemble::names;
use crate::console::Command;
use crate::console::ipvsadm::Tool;
use crate::explain::{PacketWalk, walks};
use crate::names::{NamePattern, suggestion};
use crate::problem::Problem;
use crate::run::{Journey, Run, Step, run, step_of};
use crate::scenario::{Action, Event, Line, Scenario};
use crate::units::Period;
use net_model::Network;
use net_model::trace::{self, Selection};
use net_model::transcript::Stage;
use sim_core::{Duration, Time};
use std::sync::Arc;

/// Two runs are compared in so many steps: what waits for the other run is in memory.
const STEPS: u64 = 20_000;

/// A change of one host or several: a setting or a command, from the start or from an instant on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// As it was written.
    pub text: String,
    hosts: Vec<usize>,
    at: Option<Time>,
    line: String,
}

/// What is wrong with a change, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}\n  help: {cure}")]
pub struct Misread {
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl Change {
    /// Reads `web1: net.ipv4.conf.all.arp_ignore=1`, `web[1-3]: ip link set tunl0 up`,
    /// `director@10s: ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.11 -g -w 2`.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn read(text: &str, scenario: &Scenario) -> Result<Change, Misread> {
        let misread = |problem: String, cure: &str| Misread { problem, cure: cure.into() };
        const FORM: &str = "write HOST: SETTING=VALUE or HOST: COMMAND, \
            such as 'web1: net.ipv4.conf.all.arp_ignore=1' or 'director@10s: ipvsadm -C'";
        let (head, command) =
            text.split_once(": ").ok_or_else(|| misread(format!("`{text}` names no host"), FORM))?;
        let (name, at) = match head.split_once('@') {
            Some((name, at)) => {
                let at: Period = at.trim().parse().map_err(|_| {
                    misread(format!("`{at}` is not a time"), "write a number and a unit: web1@10s")
                })?;
                (name.trim(), Some(Time::ZERO + at.0))
            }
            None => (head.trim(), None),
        };
        let pattern = NamePattern::parse(name).map_err(|problem| misread(problem, FORM))?;
        let hosts: Vec<usize> =
            (0..scenario.hosts.len()).filter(|host| pattern.matches(&scenario.hosts[*host].name)).collect();
        if hosts.is_empty() {
            let known = || scenario.hosts.iter().map(|host| &*host.name);
            let cure = match suggestion(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", known().take(12).collect::<Vec<_>>().join(", ")),
            };
            return Err(misread(format!("no host is called `{name}`"), &cure));
        }
        let line = as_command(command.trim());
        match Command::parse(&line, &names(scenario)) {
            Ok(Some(_)) => Ok(Change { text: text.trim().into(), hosts, at, line }),
            Ok(None) => Err(misread(format!("`{text}` changes nothing"), FORM)),
            Err(error) => Err(Misread { problem: format!("{}: {line}", error.problem), cure: error.cure }),
        }
    }

    /// Makes the change.
    pub fn apply(&self, scenario: &mut Scenario) {
        for &host in &self.hosts {
            let span = scenario.hosts[host].span;
            let line = Line { span, text: self.line.clone(), added: self.line.len() };
            match self.at {
                None => {
                    let mut setup = scenario.hosts[host].setup.to_vec();
                    setup.push(line);
                    scenario.hosts[host].setup = Arc::from(setup);
                }
                Some(at) => scenario.events.push(Event { at, host, span, action: Action::Run(line) }),
            }
        }
        scenario.events.sort_by_key(|event| event.at);
    }
}

/// `net.ipv4.ip_forward=1` is short for a command.
fn as_command(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_setting = text.contains('=') && first.starts_with("net") && Tool::named(first).is_none();
    if is_setting { format!("sysctl -w {}", text.replace(" = ", "=")) } else { text.to_owned() }
}

/// Two runs of one scenario, one of them changed.
#[derive(Clone, Debug)]
pub struct Compared {
    /// As it is.
    pub before: Run,
    /// With the changes.
    pub after: Run,
    /// The first difference on the wires; none if there is none.
    pub difference: Option<Difference>,
}

/// The first difference between two runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When.
    pub time: Time,
    /// The packet whose fate differs, or that only one run has, in each run.
    pub walks: [Option<PacketWalk>; 2],
}

/// Runs a scenario as it is and with changes; none if `progress` stopped it.
///
/// # Errors
/// The commands that hosts refuse when they are set up.
pub fn compare(
    scenario: &Scenario,
    changes: &[Change],
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Compared>, Vec<Problem>> {
    let mut changed = scenario.clone();
    changes.iter().for_each(|change| change.apply(&mut changed));
    let both = [scenario, &changed];
    let Some(found) = first_difference(both, progress)? else { return Ok(None) };
    let difference = match found {
        Some((time, packets)) => Some(Difference { time, walks: walks_of(both, time, packets)? }),
        None => None,
    };
    Ok(Some(Compared { before: run(scenario)?, after: run(&changed)?, difference }))
}

/// A packet of each run, by number.
type Packets = [Option<u32>; 2];

/// When the wires begin to differ, and because of which packet; the outer none if `progress` stopped it.
#[allow(clippy::type_complexity)]
fn first_difference(
    scenarios: [&Scenario; 2],
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Option<(Time, Packets)>>, Vec<Problem>> {
    let mut sides = [Side::begin(scenarios[0])?, Side::begin(scenarios[1])?];
    let end = Time::ZERO + scenarios[0].duration;
    let step = Duration::from_nanos((scenarios[0].duration.as_nanos() / STEPS).max(1));
    let mut now = Time::ZERO;
    while now < end {
        now = (now + step).min(end);
        for side in &mut sides {
            side.reach(now);
        }
        let [one, other] = &mut sides;
        if let Some(found) = compare_so_far(one, other, now == end) {
            return Ok(Some(Some(found)));
        }
        if !progress(now) {
            return Ok(None);
        }
    }
    Ok(Some(None))
}

/// A run that is compared, and what it has told since the last fact that both have in common.
struct Side<'a> {
    journey: Journey<'a>,
    told: std::collections::VecDeque<trace::Step>,
}

impl<'a> Side<'a> {
    fn begin(scenario: &'a Scenario) -> Result<Side<'a>, Vec<Problem>> {
        let mut journey = Journey::begin(scenario)?;
        journey.assembled.network.follow_steps();
        Ok(Side { journey, told: std::collections::VecDeque::new() })
    }

    fn reach(&mut self, now: Time) {
        self.journey.reach(now, &mut |_| true);
        self.told.extend(self.journey.assembled.network.take_steps());
    }

    /// Where the next fact is.
    fn next_fact(&self) -> Option<usize> {
        self.told.iter().position(|step| step.fact != 0)
    }

    fn network(&self) -> &Network {
        &self.journey.assembled.network
    }
}

/// Goes on as far as both runs have the same facts; the first that only one has, with the decision that made it.
fn compare_so_far(one: &mut Side<'_>, other: &mut Side<'_>, is_end: bool) -> Option<(Time, Packets)> {
    loop {
        let facts = [one.next_fact(), other.next_fact()];
        match facts {
            [None, None] => return None,
            [Some(_), None] | [None, Some(_)] if !is_end => return None,
            [Some(here), Some(there)] if is_same(&one.told[here], &other.told[there]) => {
                one.told.drain(..=here);
                other.told.drain(..=there);
            }
            _ => return Some(reason(one, other, facts)),
        }
    }
}

fn is_same(one: &trace::Step, other: &trace::Step) -> bool {
    one.fact == other.fact && (one.line.time, one.line.place) == (other.line.time, other.line.place)
}

/// The first step that differs before a fact that only one run has; or the fact itself.
fn reason(one: &Side<'_>, other: &Side<'_>, facts: [Option<usize>; 2]) -> (Time, Packets) {
    let lines = |side: &Side<'_>, fact: Option<usize>| -> Vec<(u32, Step)> {
        let up_to = fact.map_or(side.told.len(), |at| at + 1);
        side.told.iter().take(up_to).map(|step| (step.packet, step_of(side.network(), &step.line))).collect()
    };
    let (left, right) = (lines(one, facts[0]), lines(other, facts[1]));
    let same = left.iter().zip(&right).take_while(|(a, b)| a.1 == b.1).count();
    let (a, b) = (left.get(same), right.get(same));
    let time = a.iter().chain(b.iter()).map(|(_, step)| step.time).min().unwrap_or(Time::ZERO);
    (time, [a.map(|(packet, _)| *packet), b.map(|(packet, _)| *packet)])
}

/// The walks to show: of the older packet, which both runs know, if it fares differently; else of the newer one, in the
/// run that has it.
fn walks_of(
    both: [&Scenario; 2],
    time: Time,
    packets: Packets,
) -> Result<[Option<PacketWalk>; 2], Vec<Problem>> {
    let Some(older) = packets.into_iter().flatten().min() else { return Ok([None, None]) };
    let [before, after] = both.map(|scenario| walk(scenario, older, time));
    let (before, after) = (before?, after?);
    if decisions(before.as_ref()) != decisions(after.as_ref()) {
        return Ok([before, after]);
    }
    match packets {
        [Some(packet), _] if packet != older => Ok([walk(both[0], packet, time)?, None]),
        [_, Some(packet)] if packet != older => Ok([None, walk(both[1], packet, time)?]),
        _ => Ok([before, after]),
    }
}

/// What hosts made of a packet; when it came and over which wires may be a consequence of something else.
fn decisions(walk: Option<&PacketWalk>) -> Vec<(&str, Stage, &str)> {
    let steps = walk.map_or(&[][..], |walk| &walk.steps).iter();
    let by_hosts = steps.filter(|step| !matches!(step.stage, Stage::Link | Stage::Switch));
    by_hosts.map(|step| (&*step.place, step.stage, &*step.text)).collect()
}

/// The walk of a packet that is under way at an instant.
fn walk(scenario: &Scenario, number: u32, time: Time) -> Result<Option<PacketWalk>, Vec<Problem>> {
    let mut journey = Journey::begin(scenario)?;
    journey.assembled.network.follow_packets(Selection {
        packet: Some(number),
        limit: 1,
        ..Selection::default()
    });
    // Packets are soon at their ends, but for those that wait for a link address.
    let end = (time + Duration::from_secs(5)).min(Time::ZERO + scenario.duration);
    journey.reach(end, &mut |_| true);
    Ok(walks(&mut journey.assembled.network).pop())
}
