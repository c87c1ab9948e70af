//! Deliberately wrong directors, for the tests of tests: a campaign that compares simulation and kernel must catch each.
//!
//! Exists with the feature `mutants` alone, which only tests ask for; then [`Director::local_in`] comes by here. The logic
//! itself knows nothing of mutants: one lies to the director while it looks at a packet (other settings, other figures of
//! servers, another scheduler, another mark), and puts everything back before anybody can see it. Which mutant acts is a
//! matter of the thread, so that tests run side by side.

use super::Director;
use super::config::ServiceConfig;
use super::connection::{Slot, Tuple};
use super::director::Hook;
use super::settings::Settings;
use super::verdict::{Surroundings, Verdict};
use crate::addr::Addr;
use crate::packet::Packet;
use schedulers::{AnyScheduler, Destination, DestinationId, Destinations};
use sim_core::Time;
use std::cell::RefCell;

macro_rules! mutants {
    ($($name:ident $title:literal;)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mutant {
            $(#[doc = $title] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$name),*];

            /// What is wrong, in words.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Mutant::$name => $title,)*
                }
            }
        }
    };
}

mutants! {
    WrrRestarts               "wrr begins anew at each change of its servers";
    WlcForgetsInactive        "wlc without the inactive term";
    HysteresisOffByOne        "an overloaded server is taken back one connection too early";
    OverloadIgnored           "schedulers do not look at the overload flag";
    TemplatesHonourWeight     "templates of servers with weight 0 are not obeyed";
    PersistenceNotRenewed     "a new connection does not renew its template";
    NetmaskIgnored            "the persistence netmask is ignored";
    RrStartsAtOldest          "rr goes round from the oldest server";
    ShIgnoresWeights          "sh gives each server one slot in turn";
    HashIgnoresFlags          "the flags of sh and mh are ignored";
    SedIsWlc                  "sed decides as wlc does";
    NqPassesIdleOver          "nq decides as sed does";
    LcHonoursWeights          "lc decides as wlc does";
    QuiescedServerServes      "weight 0 counts as 1";
    UdpTimeoutShort           "UDP entries live two thirds of their time";
    ReuseIgnored              "a SYN on a closed entry goes to its old server";
    MarksLast                 "firewall marks are looked at after addresses";
    GoneServerRescheduled     "connections of a removed server are scheduled anew";
}

thread_local! {
    static ACTING: RefCell<Option<(Mutant, Memory)>> = const { RefCell::new(None) };
}

/// What a mutant remembers from one packet to the next: the servers of the service it has seen last.
type Memory = Vec<(DestinationId, i32)>;

/// Does something while a mutant acts in all directors of this thread.
pub fn acting<T>(mutant: Mutant, work: impl FnOnce() -> T) -> T {
    ACTING.set(Some((mutant, Vec::new())));
    let done = work();
    ACTING.set(None);
    done
}

/// What is put back after a packet.
struct Truth {
    settings: Settings,
    udp: u32,
    mark: u32,
    /// What schedulers see of destinations.
    pool: Vec<Destination>,
    /// The scheduler and the configuration of each service.
    services: Vec<(AnyScheduler, ServiceConfig)>,
    /// When templates were renewed.
    templates: Vec<(Slot, Time)>,
}

/// Does a mutant act in this thread?
pub(super) fn acts() -> bool {
    let acting = ACTING.take();
    let acts = acting.is_some();
    ACTING.set(acting);
    acts
}

impl Director {
    /// LOCAL_IN as a mutant would have it; none if no mutant acts in this thread.
    pub(super) fn mutated(
        &mut self,
        now: Time,
        packet: &mut Packet,
        host: &impl Surroundings,
    ) -> Option<Verdict> {
        let (mutant, mut memory) = ACTING.take()?;
        self.change_for_good(mutant, &mut memory);
        let truth = self.truth(packet);
        self.lie(mutant, packet);
        let lies = self.destinations.pool.clone();
        let verdict = self.reply_or_request(now, packet, host, Hook::LocalIn);
        self.put_back(mutant, truth, &lies, packet);
        ACTING.set(Some((mutant, memory)));
        Some(verdict)
    }

    /// What stays as the mutant has made it.
    fn change_for_good(&mut self, mutant: Mutant, memory: &mut Memory) {
        match mutant {
            Mutant::WrrRestarts => {
                let weight = |id: &DestinationId| (*id, self.destinations.pool[id.index()].weight);
                let services = self.services.iter().filter(|(_, service)| service.scheduler.name() == "wrr");
                let servers = services.flat_map(|(_, service)| &service.order).map(weight).collect();
                if *memory != servers {
                    *memory = servers;
                    self.bind_anew("wrr", "wrr", false);
                }
            }
            Mutant::HysteresisOffByOne => {
                for at in 0..self.destinations.pool.len() {
                    let id = DestinationId::new(at as u32);
                    let thresholds = self.destinations.get(id).thresholds();
                    if thresholds.upper != 0 && self.destinations.connections(id) <= thresholds.relief() {
                        self.destinations.pool[at].overloaded = false;
                    }
                }
            }
            Mutant::ShIgnoresWeights => {
                let weights = self.figures(|server| server.weight = server.weight.min(1));
                self.bind_anew("sh", "sh", true);
                self.destinations.pool = weights;
            }
            _ => {}
        }
    }

    fn truth(&self, packet: &Packet) -> Truth {
        let entries = self.connections.iter().filter(|(_, entry)| entry.is_template());
        let services = self.services.iter();
        Truth {
            settings: self.settings.clone(),
            udp: self.timeouts.udp,
            mark: packet.mark,
            pool: self.destinations.pool.clone(),
            services: services
                .map(|(_, service)| (service.scheduler.clone(), service.config.clone()))
                .collect(),
            templates: entries.map(|(slot, entry)| (slot, entry.armed)).collect(),
        }
    }

    /// What the director believes while it looks at the packet.
    fn lie(&mut self, mutant: Mutant, packet: &mut Packet) {
        match mutant {
            Mutant::WrrRestarts | Mutant::HysteresisOffByOne | Mutant::ShIgnoresWeights => {}
            Mutant::PersistenceNotRenewed => {}
            Mutant::WlcForgetsInactive => {
                let wlc = self.services.iter().filter(|(_, service)| service.scheduler.name() == "wlc");
                for id in wlc.flat_map(|(_, service)| &service.order) {
                    // Thresholds count inactive connections still.
                    if self.destinations.get(*id).thresholds().upper == 0 {
                        self.destinations.pool[id.index()].inactive = 0;
                    }
                }
            }
            Mutant::OverloadIgnored => drop(self.figures(|server| server.overloaded = false)),
            Mutant::QuiescedServerServes => drop(self.figures(|server| server.weight = server.weight.max(1))),
            Mutant::TemplatesHonourWeight => self.settings.expire_quiescent_template = 1,
            Mutant::ReuseIgnored => self.settings.conn_reuse_mode = 0,
            Mutant::GoneServerRescheduled => self.settings.expire_nodest_conn = 1,
            Mutant::NetmaskIgnored => {
                self.services.iter_mut().for_each(|service| service.config.netmask = Addr::BROADCAST_V4);
            }
            Mutant::RrStartsAtOldest => self.turn_round(),
            Mutant::HashIgnoresFlags => {
                ["sh", "mh"].into_iter().for_each(|name| self.bind_anew(name, name, false));
            }
            Mutant::SedIsWlc => self.bind_anew("sed", "wlc", false),
            Mutant::NqPassesIdleOver => self.bind_anew("nq", "sed", false),
            Mutant::LcHonoursWeights => self.bind_anew("lc", "wlc", false),
            Mutant::UdpTimeoutShort => self.timeouts.udp = self.timeouts.udp * 2 / 3,
            Mutant::MarksLast => {
                if Tuple::of(packet).is_some_and(|tuple| self.services.find(&tuple, 0).is_some()) {
                    packet.mark = 0;
                }
            }
        }
    }

    fn put_back(&mut self, mutant: Mutant, truth: Truth, lies: &[Destination], packet: &mut Packet) {
        self.settings = truth.settings;
        self.timeouts.udp = truth.udp;
        packet.mark = truth.mark;
        for ((now, lie), was) in self.destinations.pool.iter_mut().zip(lies).zip(truth.pool) {
            // What the packet itself has changed remains.
            now.inactive += was.inactive - lie.inactive;
            now.weight = was.weight;
            if now.overloaded == lie.overloaded {
                now.overloaded = was.overloaded;
            }
        }
        for (service, (scheduler, config)) in self.services.iter_mut().zip(truth.services) {
            if service.scheduler.name() != scheduler.name() || mutant == Mutant::HashIgnoresFlags {
                service.scheduler = scheduler;
            }
            service.config = config;
        }
        match mutant {
            Mutant::RrStartsAtOldest => self.turn_round(),
            Mutant::PersistenceNotRenewed => {
                for (slot, armed) in truth.templates {
                    self.connections.get_mut(slot).armed = armed;
                }
            }
            _ => {}
        }
    }

    /// Changes what schedulers see of destinations; what it was comes back.
    fn figures(&mut self, change: impl Fn(&mut Destination)) -> Vec<Destination> {
        let before = self.destinations.pool.clone();
        self.destinations.pool.iter_mut().for_each(change);
        before
    }

    /// Binds `other`, with the flags of the service or without, to all services that have the scheduler `name`.
    fn bind_anew(&mut self, name: &str, other: &str, with_flags: bool) {
        let pool = &self.destinations.pool;
        for service in self.services.iter_mut().filter(|service| service.scheduler.name() == name) {
            let list = Destinations { order: &service.order, pool };
            let flags = if with_flags { service.config.scheduler_flags } else { 0 };
            if let Some(Ok(scheduler)) = AnyScheduler::new(other, flags, &list) {
                service.scheduler = scheduler;
            }
        }
    }

    /// The lists of services with rr the other way round.
    fn turn_round(&mut self) {
        let rr = self.services.iter_mut().filter(|service| service.scheduler.name() == "rr");
        rr.for_each(|service| service.order.reverse());
    }
}
