//! A capture replayed: its packets enter the director of a scenario at their times, and the director decides.
//!
//! Nobody else acts: clients are silent, and what the director sends goes nowhere. The other packets of its connections,
//! the servers' replies under masquerading among them, come from the capture as well. Timed commands on the director run
//! when their time has come. A capture begins at time 0, unless its times are those of a simulation (before 1971).

mod balance;
mod ports;

pub use balance::{ServerBalance, ServiceBalance};

use crate::assemble::{Assembled, assemble};
use crate::console::ipvsadm::Output;
use crate::names::suggestion;
use crate::problem::Problem;
use crate::run::{Note, happen};
use crate::scenario::{Action, Event, Scenario};
use net_model::HostId;
use net_model::addr::{Addr, Mac};
use net_model::capture::Direction;
use net_model::host::InterfaceId;
use net_model::ipvs::{Decision, DestinationKey, ServiceKey};
use net_model::packet::{Body, Frame};
use net_model::pcap::Record;
use net_model::verdict::DropReason;
use net_model::wire::{Read, Unreadable, decode};
use ports::Port;
use sim_core::{Duration, Time, Wheel};
use std::collections::BTreeMap;

/// Times before this instant (the first second of 1971) are those of a simulation.
const SIMULATED: Time = Time::from_nanos(31_536_000_000_000_000);

/// The distance at which a director copies its counters to the shown ones.
const ESTIMATES: Duration = Duration::from_secs(2);
/// The distance at which its defences look at the table.
const DEFENCES: Duration = Duration::from_secs(1);

/// Packets of a burst.
const BURST: usize = 32;

/// A packet of the capture.
struct Incoming {
    time: Time,
    port: usize,
    direction: Option<Direction>,
    frame: Frame,
}

/// Why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Commands that hosts refuse when they are set up.
    #[error("the scenario cannot be set up")]
    Refused(Vec<Problem>),
    /// Which director?
    #[error("{0}")]
    NoDirector(String),
}

/// What became of the packets of a capture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Packets in the file.
    pub read: u64,
    /// Packets that entered the director.
    pub entered: u64,
    /// ARP, which decides nothing here.
    pub arp: u64,
    /// Packets that the director itself had sent.
    pub sent: u64,
    /// Frames for other hosts, or seen at other hosts of the scenario.
    pub elsewhere: u64,
    /// Packets that cannot be read.
    pub unreadable: BTreeMap<Unreadable, u64>,
    /// Packets with an earlier time than one before them; they entered late.
    pub late: u64,
    /// Packets larger than the interface's MTU, which the card had merged.
    pub merged: u64,
}

/// A replay under way.
pub struct Replay<'a> {
    scenario: &'a Scenario,
    assembled: Assembled,
    host: usize,
    /// What has not happened yet.
    events: &'a [Event],
    notes: Vec<Note>,
    /// The interfaces of the capture that were seen so far.
    ports: Vec<Port>,
    /// Those of the current section of the file, by their numbers in it.
    current: Vec<Option<usize>>,
    /// Packets that have been read and have not entered yet.
    burst: Vec<Incoming>,
    /// How many of them are read before they enter.
    ahead: usize,
    /// Hosts by the addresses of their plugged interfaces.
    names: BTreeMap<Addr, usize>,
    /// The instant of the capture that is time 0.
    zero: Option<Time>,
    begin: Option<Time>,
    counts: Counts,
    chosen: BTreeMap<(ServiceKey, DestinationKey), u64>,
    refused: BTreeMap<ServiceKey, u64>,
}

/// What a replay leaves behind.
pub struct Replayed {
    /// The director's name.
    pub director: String,
    /// What became of the packets.
    pub counts: Counts,
    /// From the first packet to the last.
    pub span: Duration,
    /// Connections by service, in the order of the rules, then services that are gone.
    pub services: Vec<ServiceBalance>,
    /// What the director has dropped, and why.
    pub drops: Vec<(DropReason, u64)>,
    /// `ipvsadm -Ln` at the end.
    pub listing: String,
    /// What timed commands said.
    pub notes: Vec<Note>,
}

impl<'a> Replay<'a> {
    /// Sets the director up; `director` names it if there are several.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn begin(scenario: &'a Scenario, director: Option<&str>) -> Result<Replay<'a>, ReplayError> {
        let assembled = assemble(scenario).map_err(ReplayError::Refused)?;
        let host = choose(&assembled, scenario, director)?;
        Ok(Replay::of(scenario, assembled, host))
    }

    /// Like [`begin`](Replay::begin); what the director sends is kept until it is [taken](Replay::take_sent).
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn begin_watched(scenario: &'a Scenario, director: Option<&str>) -> Result<Replay<'a>, ReplayError> {
        let mut assembled = assemble(scenario).map_err(ReplayError::Refused)?;
        let host = choose(&assembled, scenario, director)?;
        assembled.network.tap_alone(assembled.hosts[host]);
        Ok(Replay::of(scenario, assembled, host))
    }

    fn of(scenario: &'a Scenario, mut assembled: Assembled, host: usize) -> Replay<'a> {
        assembled.network.isolate(assembled.hosts[host]);
        Replay {
            scenario,
            assembled,
            host,
            events: &scenario.events,
            notes: Vec::new(),
            ports: Vec::new(),
            current: Vec::new(),
            burst: Vec::new(),
            ahead: 1,
            names: names(scenario),
            zero: None,
            begin: None,
            counts: Counts::default(),
            chosen: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// From now on packets are read in bursts, which the director foresees: with a million connections that saves a
    /// tenth of the time. Whoever watches a capture that is still going on does not want to wait for a burst.
    #[must_use]
    pub fn reading_ahead(self) -> Replay<'a> {
        Replay { ahead: BURST, ..self }
    }

    /// The next packet of the capture: what the director decides because of it, or because of the burst that it ends.
    pub fn packet(&mut self, record: &Record<'_>) -> Vec<Decision> {
        self.counts.read += 1;
        match decode(record.link, record.bytes, record.wire_len) {
            Ok(Read { frame, direction }) => {
                let (time, port) = (record.time, self.port_of(record));
                self.burst.push(Incoming { time, port, direction: record.direction.or(direction), frame });
            }
            Err(why) => *self.counts.unreadable.entry(why).or_default() += 1,
        }
        if self.burst.len() < self.ahead { Vec::new() } else { self.rest() }
    }

    /// The packets of the last burst enter: what the director decides because of them.
    pub fn rest(&mut self) -> Vec<Decision> {
        let burst = std::mem::take(&mut self.burst);
        self.foresee(&burst);
        let mut decisions = Vec::new();
        for incoming in burst {
            decisions.extend(self.enter(incoming));
        }
        decisions
    }

    fn foresee(&self, burst: &[Incoming]) {
        let packets = burst.iter().filter_map(|incoming| match &incoming.frame.body {
            Body::Ip(packet) => Some(packet),
            Body::Arp(_) => None,
        });
        if let Some(director) = &self.assembled.network.host(self.id()).director {
            director.foresee(packets);
        }
    }

    fn enter(&mut self, incoming: Incoming) -> Vec<Decision> {
        let place = self.place(&incoming);
        let Incoming { time, frame, .. } = incoming;
        let Some(interface) = place else {
            self.overhear(time, &frame);
            return Vec::new();
        };
        self.reach(time);
        self.counts.entered += 1;
        if let Body::Ip(packet) = &frame.body {
            self.make_room(interface, packet);
        }
        let host = self.id();
        let decisions = self.assembled.network.inject(host, interface, frame);
        for decision in &decisions {
            match decision.outcome {
                Ok(server) => *self.chosen.entry((decision.service, server)).or_default() += 1,
                Err(_) => *self.refused.entry(decision.service).or_default() += 1,
            }
        }
        decisions
    }

    /// A packet that does not enter: of those that the director's own kernel sent, some tell it what it cannot know.
    fn overhear(&mut self, time: Time, frame: &Frame) {
        if let Body::Ip(packet) = &frame.body
            && self.is_own_news(frame)
        {
            let host = self.id();
            self.reach(time);
            self.assembled.network.overhear(host, packet);
        }
    }

    /// Did the director say so because of what the simulated one cannot know, which asks nobody for link addresses?
    pub fn is_own_news(&self, frame: &Frame) -> bool {
        matches!(&frame.body, Body::Ip(packet) if self.assembled.network.is_own_news(self.id(), packet))
    }

    /// What the director has sent since the last call, each frame with its interface, if it is watched.
    pub fn take_sent(&mut self) -> Vec<(InterfaceId, Frame)> {
        let frames = self.assembled.network.take_captured();
        let taps = self.assembled.network.taps();
        frames.into_iter().map(|seen| (taps[seen.tap.0 as usize].1, seen.frame)).collect()
    }

    /// The director's interface of this name.
    pub fn interface(&self, device: &str) -> Option<InterfaceId> {
        self.assembled.network.host(self.id()).stack.interface(device)
    }

    /// The link address that it has now.
    pub fn mac(&self, interface: InterfaceId) -> Mac {
        self.assembled.network.host(self.id()).stack.interface_at(interface).mac
    }

    /// A command that looks at the director (or changes it by hand), after everything of an instant.
    pub fn look(&mut self, at: Time, line: &crate::exec::Line) -> Output {
        self.reach(at);
        self.happen_before(at + Duration::from_nanos(1));
        self.assembled.shell(self.host).type_line(line)
    }

    /// The director's network namespace was made when its kernel had been up for so long: its jobs run since then.
    pub fn made_after(&mut self, uptime: Duration) {
        let since_boot = Wheel::new(250, Duration::ZERO);
        let begin = Time::ZERO + self.scenario.uptime;
        let next_of = |period: Duration| {
            let mut at = Time::ZERO + uptime;
            while at <= begin {
                at = since_boot.fires_at(at, period);
            }
            Time::ZERO + at.since(begin)
        };
        let host = self.id();
        if let Some(director) = &mut self.assembled.network.host_mut(host).director {
            director.estimate_at(next_of(ESTIMATES));
            director.defend_at(next_of(DEFENCES));
        }
    }

    /// Since when chance has decided about the director's table (`drop_entry`).
    pub fn chance_since(&self) -> Option<Time> {
        self.assembled.network.host(self.id()).director.as_ref()?.chance_since()
    }

    /// The name of the host with this address, if the scenario has one.
    pub fn name_of(&self, addr: Addr) -> Option<&str> {
        self.names.get(&addr).map(|host| self.scenario.hosts[*host].name.as_str())
    }

    /// The end of the capture. Take the [`rest`](Replay::rest) of the decisions first.
    pub fn finish(mut self) -> Replayed {
        self.rest();
        let now = self.assembled.network.now();
        self.happen_before(now + Duration::from_nanos(1));
        let line = crate::exec::Line::read("ipvsadm -Ln", self.scenario).expect("it is a command");
        let listing = line.map(|line| self.assembled.shell(self.host).type_line(&line).stdout);
        let services = self.balance();
        Replayed {
            director: self.scenario.hosts[self.host].name.clone(),
            span: now.since(self.begin.unwrap_or(now)),
            services,
            drops: self.assembled.network.drops_of(self.id()).collect(),
            listing: listing.unwrap_or_default(),
            counts: self.counts,
            notes: self.notes,
        }
    }

    fn id(&self) -> HostId {
        self.assembled.hosts[self.host]
    }

    /// Virtual time goes on to the time of a packet. What is to happen at the same instant happens after it.
    fn reach(&mut self, time: Time) {
        let zero = *self.zero.get_or_insert(if time < SIMULATED { Time::ZERO } else { time });
        let at = Time::ZERO + time.since(zero);
        let now = self.assembled.network.now();
        self.counts.late += u64::from(at < now);
        let at = at.max(now);
        self.begin.get_or_insert(at);
        self.happen_before(at);
        self.assembled.network.run_until(at);
    }

    /// The timed events of the director before an instant. Its cables are of no importance.
    fn happen_before(&mut self, until: Time) {
        while let Some((event, rest)) = self.events.split_first().filter(|(event, _)| event.at < until) {
            self.events = rest;
            if event.host == self.host && !matches!(event.action, Action::Plug(_) | Action::Unplug(_)) {
                self.assembled.network.run_until(event.at);
                happen(&mut self.assembled, self.scenario, event, &mut self.notes);
            }
        }
    }
}

/// Hosts by the addresses of their plugged interfaces; an address of several belongs to the first.
fn names(scenario: &Scenario) -> BTreeMap<Addr, usize> {
    let mut names = BTreeMap::new();
    for (at, host) in scenario.hosts.iter().enumerate() {
        let plugged = host.interfaces.iter().filter(|interface| interface.segment.is_some());
        for (addr, _) in plugged.flat_map(|interface| &interface.addresses) {
            names.entry(*addr).or_insert(at);
        }
    }
    names
}

/// The index of the director.
fn choose(assembled: &Assembled, scenario: &Scenario, wanted: Option<&str>) -> Result<usize, ReplayError> {
    let is_director = |host: &usize| assembled.network.host(assembled.hosts[*host]).director.is_some();
    let all: Vec<usize> = (0..scenario.hosts.len()).filter(is_director).collect();
    let name = |host: &usize| scenario.hosts[*host].name.as_str();
    let names = || all.iter().map(name).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        let found = all.iter().find(|host| name(host) == wanted);
        return found.copied().ok_or_else(|| {
            let cure = match suggestion(wanted, all.iter().map(name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the directors are: {}", names()),
            };
            ReplayError::NoDirector(format!("`{wanted}` is no director of this scenario; {cure}"))
        });
    }
    match all[..] {
        [one] => Ok(one),
        [] => {
            let text = "no host of this scenario is a director: give one `ipvs:` rules, or use `cluster:`";
            Err(ReplayError::NoDirector(text.to_owned()))
        }
        _ => {
            let text = format!("the scenario has several directors; choose one with --director: {}", names());
            Err(ReplayError::NoDirector(text))
        }
    }
}

#[cfg(test)]
mod tests;
