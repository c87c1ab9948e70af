//! The director: IPVS of one host, the table of contents of LVS.
//!
//! The hooks of a packet, in order: replies of servers ([`Director::local_in`] at priority 98, FORWARD 100, LOCAL_OUT
//! −99), then requests of clients (LOCAL_IN 99, LOCAL_OUT −98). A request goes through known entry or scheduling,
//! state machine, forwarding method. Without a service of its family nothing is intercepted, not even packets of
//! connections still in the table.

use super::clock::{Alarm, Clock};
use super::command::COLLECT;
use super::connection::{Slot, Tuple, flag};
use super::decision::Decision;
use super::defence::Defences;
use super::destination::Destinations;
use super::estimator::Statistics;
use super::ftp::Helper;
use super::kernel::Kernel;
use super::passage::Seen;
use super::service::Services;
use super::settings::Settings;
use super::sip::Calls;
use super::state::Timeouts;
use super::sync::Sync;
use super::table::Connections;
use super::verdict::{IcmpError, Surroundings, Verdict};
use crate::addr::{Addr, Family};
use crate::packet::{Packet, Payload};
use sim_core::{Stream, Time, Timers};

/// IPVS of one host (one network namespace).
#[derive(Debug)]
pub struct Director {
    pub(super) profile: Kernel,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) timeouts: Timeouts,
    pub(super) services: Services,
    pub(super) destinations: Destinations,
    pub(super) connections: Connections,
    pub(super) calls: Calls,
    pub(super) helper: Helper,
    pub(super) totals: Statistics,
    pub(super) defences: Defences,
    pub(super) decisions: Option<Vec<Decision>>,
    pub(super) stream: Stream,
    pub(super) sync: Sync,
    /// When counters are copied to the shown ones again; [`Time::NEVER`] before the first service.
    pub(super) next_estimate: Time,
    /// Entries whose timers fire at the same instant; empty between calls.
    due: Vec<Slot>,
}

/// Where a packet meets IPVS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hook {
    LocalIn,
    LocalOut,
    Forward,
}

impl Director {
    /// An empty director. `stream` feeds what the kernel leaves to chance (drop_entry, scheduler twos).
    pub fn new(profile: Kernel, timers: Timers, stream: Stream) -> Director {
        Director {
            profile,
            clock: Clock::new(timers),
            settings: Settings::default(),
            timeouts: Timeouts::default(),
            services: Services::default(),
            destinations: Destinations::default(),
            connections: Connections::new(),
            calls: Calls::default(),
            helper: Helper::default(),
            totals: Statistics::default(),
            defences: Defences::default(),
            decisions: None,
            stream,
            sync: Sync::default(),
            next_estimate: Time::NEVER,
            due: Vec::new(),
        }
    }

    /// Are the hooks registered for this family? They are while a service of the family exists.
    #[inline]
    pub fn intercepts(&self, family: Family) -> bool {
        self.services.count(family) > 0
    }

    /// LOCAL_IN: replies (priority 98), then requests (99).
    #[inline(always)] // once a packet
    pub fn local_in(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        #[cfg(feature = "mutants")]
        if let Some(verdict) = self.mutated(now, packet, host) {
            return verdict;
        }
        self.reply_or_request(now, packet, host, Hook::LocalIn)
    }

    /// LOCAL_OUT: replies of local servers (priority −99), then requests of local clients (−98). What IPVS itself has
    /// sent does not come here again.
    pub fn local_out(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        self.reply_or_request(now, packet, host, Hook::LocalOut)
    }

    /// FORWARD: ICMP errors about virtual services (priority 99), then replies (100).
    #[inline(always)] // once a packet
    pub fn forward(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        let Payload::Tcp(segment) = &packet.payload else {
            return self.forward_other(now, packet, host);
        };
        let seen = Seen::of_segment(packet, segment);
        match self.known_reply(&seen) {
            Some(slot) => self.answer(now, packet, seen.signal(), slot),
            None if self.hears_first_words() => {
                return self.first_word(now, packet).unwrap_or(Verdict::Accept);
            }
            None => {}
        }
        Verdict::Accept
    }

    /// The same for a packet of another protocol.
    #[inline(never)]
    fn forward_other(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        if let Payload::Icmp(_) = packet.payload {
            let verdict = self.icmp_request(now, packet, host, Hook::Forward);
            if verdict != Verdict::Accept {
                return verdict;
            }
        }
        let verdict = match Seen::of(packet) {
            Some(seen) => self.reply(now, packet, seen),
            None => self.icmp_reply(packet),
        };
        verdict.unwrap_or(Verdict::Accept)
    }

    /// Do packets of the connection to which this one belongs, as it came, stay in netfilter's connection tracking
    /// (`net.ipv4.vs.conntrack`)? None if it belongs to no connection.
    pub fn keeps_conntrack(&self, packet: &Packet) -> Option<bool> {
        let tuple = Tuple::of(packet)?;
        let slot = self.connections.find_request(&tuple).or_else(|| self.connections.find_reply(&tuple))?;
        Some(self.connections.get(slot).is(flag::CONNTRACK))
    }

    /// When [`Director::advance`] has something to do next, if ever.
    pub fn next_timer(&self) -> Option<Time> {
        Some(self.clock.due()).filter(|due| *due != Time::NEVER)
    }

    /// The same, or never.
    #[inline]
    pub(crate) fn due(&self) -> Time {
        self.clock.due()
    }

    /// Runs everything that is due: expiry, estimator, trash, collectors, defences. Every other entry point does
    /// this first.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        if self.clock.tell(now) {
            self.run_alarms(now);
        }
    }

    /// The same before a command, which may change where packets pass.
    pub(super) fn changes(&mut self, now: Time) {
        self.advance(now);
        self.connections.changes();
    }

    #[inline(never)]
    fn run_alarms(&mut self, now: Time) {
        let mut due = std::mem::take(&mut self.due);
        while let Some((at, alarm)) = self.clock.ring(now) {
            match alarm {
                Alarm::Connection(slot) => {
                    if self.connections.is_due(at, slot, &mut self.clock) {
                        due.push(slot);
                    }
                }
                _ => self.run_job(at, alarm),
            }
            // The timers of one instant fire together.
            if self.clock.due() != at {
                self.expire_all(at, &mut due);
            }
        }
        self.due = due;
    }

    fn run_job(&mut self, at: Time, alarm: Alarm) {
        match alarm {
            Alarm::Connection(_) => {}
            Alarm::Estimate => self.estimate(at),
            Alarm::Trash => self.collect_trash(at),
            Alarm::Defend => self.defend(at),
            Alarm::ExpireGone => self.expire_gone(),
            Alarm::Announce(thread) => self.look_at_announcements(at, thread),
            Alarm::Scheduler(id) => {
                if let Some(service) = self.services.get_mut(id) {
                    let expiration = service.expiration(&self.settings);
                    service.scheduler.collect(at, expiration);
                    self.clock.post_after(at, COLLECT, alarm);
                }
            }
        }
    }
}

/// ICMP port unreachable, ICMPv6 port unreachable.
pub(super) fn port_unreachable(about: Addr) -> IcmpError {
    if about.is_v4() {
        IcmpError { kind: 3, code: 3, info: 0 }
    } else {
        IcmpError { kind: 1, code: 4, info: 0 }
    }
}
