//! A scenario that is ready to be assembled: every host on its own, every default filled in, every name resolved.

use crate::expect::Expectation;
use crate::problem::Problem;
use crate::schema::{HostChange, Kernel, Timers};
use crate::source::{Source, Span};
use net_model::addr::{Addr, Mac, Prefix};
use net_model::port::PortVlans;
use net_model::spec::{ClientSpec, LinkSpec, ServerSpec};
use sim_core::{Duration, Time};
use std::sync::Arc;

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Virtual time to simulate.
    pub duration: Duration,
    /// Distance of samples.
    pub sampling: Duration,
    /// How late kernel timers fire.
    pub timers: Timers,
    /// Which kernel, where versions differ.
    pub kernel: Kernel,
    /// Networks in the order of the file.
    pub networks: Vec<Network>,
    /// Hosts in the order of the file, groups member by member.
    pub hosts: Vec<Host>,
    /// Client groups in the order of the file.
    pub clients: Vec<ClientGroup>,
    /// Timed events, in order of time.
    pub events: Vec<Event>,
    /// What must hold at the end.
    pub expect: Vec<Expectation>,
}

/// A network: a switch.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
    /// The addresses that belong here.
    pub prefix: Option<Prefix>,
    /// Largest packet.
    pub mtu: u16,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Where it (or its group) was written.
    pub span: Span,
    /// Interfaces in the order of the file.
    pub interfaces: Vec<Interface>,
    /// Command lines that set it up, in order; shared by the members of a group.
    pub setup: Arc<[Line]>,
    /// Programs that listen.
    pub servers: Arc<[ServerSpec]>,
}

/// One interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// `eth0`, `lo`, `tunl0`
    pub name: String,
    /// Where it was written.
    pub span: Span,
    /// Index into [`Scenario::networks`] of the network it is plugged into, and the cable.
    pub plug: Option<(usize, LinkSpec)>,
    /// Ethernet address; zero for interfaces that have none.
    pub mac: Mac,
    /// Addresses with the length of their network.
    pub addresses: Vec<(Addr, u8)>,
    /// Is it up?
    pub up: bool,
    /// Of `eth0.10`: the name of the card below, and the id.
    pub vlan: Option<(String, u16)>,
    /// What its switch port carries, if anything was said about it.
    pub port: Option<PortVlans>,
    /// Whom it shares broadcasts with; none for interfaces that reach no network.
    pub segment: Option<Segment>,
}

/// A broadcast domain: the index of a network and a VLAN in it, 0 for the frames of those who know of none.
pub type Segment = (usize, u16);

/// A command line with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Where the line was written.
    pub span: Span,
    /// The whole line as a shell would read it: `ipvsadm -A -t 10.0.0.100:80 -s wlc`.
    pub text: String,
    /// How many bytes at the beginning of `text` are not in the file (the program's name, usually).
    pub added: usize,
}

/// A client group and its host.
#[derive(Clone, Debug)]
pub struct ClientGroup {
    /// Index into [`Scenario::hosts`].
    pub host: usize,
    /// Where it was written.
    pub span: Span,
    /// What it does.
    pub spec: ClientSpec,
}

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Time,
    /// Index into [`Scenario::hosts`].
    pub host: usize,
    /// Where it was written.
    pub span: Span,
    /// What.
    pub action: Action,
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A command line is run.
    Run(Line),
    /// The cable of this interface (index into [`Host::interfaces`]) is pulled.
    Unplug(usize),
    /// It is plugged in again.
    Plug(usize),
    /// The host crashes or returns.
    Host(HostChange),
}

impl Line {
    /// The place of some bytes of `text`.
    pub fn place(&self, columns: std::ops::Range<usize>) -> Span {
        let at =
            |column: usize| (self.span.start + column.saturating_sub(self.added) as u32).min(self.span.end);
        Span { start: at(columns.start), end: at(columns.end).max(at(columns.start)) }
    }
}

impl Scenario {
    /// The index of the host called `name`.
    pub fn host(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == name)
    }
}

/// A scenario that was read, with what its author should know.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The scenario.
    pub scenario: Scenario,
    /// Files it was read from; the scenario itself is the first.
    pub sources: Vec<Source>,
    /// Warnings.
    pub warnings: Vec<Problem>,
}
