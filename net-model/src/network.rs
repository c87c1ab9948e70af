//! The network: hosts and wires, put together piece by piece, and the loop that runs them.

use crate::addr::Mac;
use crate::cx::{Cx, Plans};
use crate::event::Event;
use crate::exchange::Exchanges;
use crate::group::{ClientGroup, GroupId};
use crate::host::{Host, InterfaceId, InterfaceKind, Stack};
use crate::ledger::Ledger;
use crate::measure::Measure;
use crate::recorder::Recorder;
use crate::request::Requests;
use crate::server::Server;
use crate::spec::{Arrivals, ClientSpec, ServerSpec};
use crate::tcp::Sockets;
use crate::wiring::Wiring;
use sim_core::{Agenda, Duration, Fingerprint, Stream, Time, Timers};
use std::collections::VecDeque;

/// What holds for a whole run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The seed of all random streams.
    pub seed: u64,
    /// How kernel timers behave.
    pub timers: Timers,
    /// Distance of the samples of all series.
    pub sampling: Duration,
}

/// Bytes of heap memory, by what occupies them: whatever grows with the number of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Sockets of both ends, and the index that finds them.
    pub sockets: usize,
    /// What client programs are doing.
    pub exchanges: usize,
    /// What server programs are doing.
    pub requests: usize,
    /// Connection entries of the directors, their index and alarms.
    pub directors: usize,
    /// Pending events.
    pub events: usize,
}

impl Memory {
    /// All together.
    pub fn total(&self) -> usize {
        self.sockets + self.exchanges + self.requests + self.directors + self.events
    }
}

/// A host of the network, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A switch of the network, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SwitchId(pub(crate) u32);

/// Everything that exists in a run.
pub struct Network {
    pub(crate) options: Options,
    pub(crate) hosts: Vec<Host>,
    pub(crate) switch_names: Vec<String>,
    pub(crate) link_names: Vec<String>,
    pub(crate) cx: Cx,
    pub(crate) measure: Measure,
    /// Host and index on the host of each client group and server.
    pub(crate) groups: Vec<(u32, usize)>,
    pub(crate) servers: Vec<(u32, usize)>,
    pub(crate) events: u64,
    pub(crate) fingerprint: Fingerprint,
    /// Has anything happened yet?
    pub(crate) is_started: bool,
}

/// Building.
impl Network {
    /// An empty network at time 0.
    pub fn new(options: Options) -> Network {
        let recorder = Recorder::new(options.sampling);
        let cx = Cx {
            now: Time::ZERO,
            agenda: Agenda::new(),
            wiring: Wiring::default(),
            sockets: Sockets::default(),
            exchanges: Exchanges::default(),
            requests: Requests::default(),
            plans: Plans::default(),
            recorder,
            loopback: VecDeque::new(),
            confirming: None,
            capture: None,
        };
        Network {
            options,
            hosts: Vec::new(),
            switch_names: Vec::new(),
            link_names: Vec::new(),
            cx,
            measure: Measure::default(),
            groups: Vec::new(),
            servers: Vec::new(),
            events: 0,
            fingerprint: Fingerprint::default(),
            is_started: false,
        }
    }

    /// Adds a switch.
    pub fn add_switch(&mut self, name: &str) -> SwitchId {
        self.switch_names.push(name.to_owned());
        self.cx.wiring.switches.push(crate::switch::Switch::default());
        SwitchId(self.switch_names.len() as u32 - 1)
    }

    /// Gives the ports of a switch an MTU in bytes: larger frames end there (`frame-too-big`). Say it before anything is
    /// plugged in.
    pub fn set_switch_mtu(&mut self, switch: SwitchId, mtu: u32) {
        self.cx.wiring.switches[switch.0 as usize].set_mtu(mtu);
    }

    /// Adds a host: it has lo and nothing else. The name also names its random streams.
    pub fn add_host(&mut self, name: &str) -> HostId {
        let id = self.hosts.len() as u32;
        let stack = Stack::new(Stream::new(self.options.seed, &format!("{name}/stack")), self.options.timers);
        self.hosts.push(Host::new(id, name, stack, self.options.timers));
        HostId(id)
    }

    /// Adds an interface to a host.
    pub fn add_interface(&mut self, host: HostId, name: &str, kind: InterfaceKind, mac: Mac) -> InterfaceId {
        self.host_mut(host).stack.add_interface(name, kind, mac)
    }

    /// Starts a server program on a host.
    pub fn add_server(&mut self, host: HostId, spec: ServerSpec) {
        let number = self.servers.len() as u32;
        let seed = self.options.seed;
        let on = self.host_mut(host);
        let name = format!("{}/server{}", on.name, on.servers.len());
        on.servers.push(Server::new(spec, number, seed, &name));
        let index = on.servers.len() - 1;
        self.servers.push((host.0, index));
    }

    /// Puts a client group on a host. Its source prefix, if it has one, becomes local there.
    pub fn add_clients(&mut self, host: HostId, spec: ClientSpec) -> GroupId {
        let id = GroupId(self.groups.len() as u32);
        let rows = match &spec.arrivals {
            Arrivals::Trace(rows) => Some(rows.clone()),
            _ => None,
        };
        self.cx.plans.push(rows);
        let seed = self.options.seed;
        let on = self.host_mut(host);
        on.clients.push(ClientGroup::new(id, spec, seed));
        let index = on.clients.len() - 1;
        self.groups.push((host.0, index));
        if self.is_started {
            self.start_clients(host.0, index);
        }
        id
    }

    /// Makes a host a director, if it is none yet: what `modprobe ip_vs` does.
    pub fn director(&mut self, host: HostId, kernel: crate::ipvs::Kernel) -> &mut crate::ipvs::Director {
        let (seed, timers) = (self.options.seed, self.options.timers);
        let on = self.host_mut(host);
        let name = format!("{}/ipvs", on.name);
        on.director.get_or_insert_with(|| {
            Box::new(crate::ipvs::Director::new(kernel, timers, Stream::new(seed, &name)))
        })
    }

    /// The host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    /// The host, to be administered.
    pub fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0 as usize]
    }

    /// Follows the exchange with this number (from 1): see [`Network::transcript`].
    pub fn follow(&mut self, number: u32) {
        self.cx.recorder.follow(number);
        self.cx.exchanges.keep_all();
    }
}

/// Running.
impl Network {
    /// Keeps a ledger of all attempts from now on.
    pub fn keep_ledger(&mut self) {
        self.cx.recorder.ledger = Some(Box::default());
        self.cx.exchanges.keep_all();
    }

    /// The ledger, if one was kept; it ends here.
    pub fn take_ledger(&mut self) -> Option<Ledger> {
        self.cx.recorder.ledger.take().map(|ledger| *ledger)
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.cx.now
    }

    /// Events handled so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The transcript of the exchange that [`Network::follow`] named.
    pub fn transcript(&self) -> &[crate::transcript::Line] {
        self.cx.recorder.transcript()
    }

    /// Bytes of heap memory that what is under way occupies.
    pub fn memory(&self) -> Memory {
        let directors = self.hosts.iter().filter_map(|host| host.director.as_deref());
        Memory {
            sockets: self.cx.sockets.memory(),
            exchanges: self.cx.exchanges.memory(),
            requests: self.cx.requests.memory(),
            directors: directors.map(crate::ipvs::Director::memory).sum(),
            events: self.cx.agenda.len() * size_of::<(Time, Event)>(),
        }
    }

    /// Frames delivered over a link so far.
    pub fn hops(&self) -> u64 {
        self.cx.wiring.hops()
    }

    /// The first events: samples and first arrivals.
    pub(crate) fn start(&mut self) {
        self.is_started = true;
        self.cx.agenda.post(Time::ZERO, Event::Sample);
        for (host, index) in self.groups.clone() {
            self.start_clients(host, index);
        }
    }

    fn start_clients(&mut self, host: u32, index: usize) {
        let group = &mut self.hosts[host as usize].clients[index];
        let id = group.id;
        for at in group.first_arrivals() {
            self.cx.agenda.post(at, Event::Begin(id));
        }
    }

    pub(crate) fn sample(&mut self) {
        self.measure.sample(self.cx.now, &self.hosts);
        let next = self.cx.now + self.options.sampling;
        self.cx.agenda.post(next, Event::Sample);
    }
}
