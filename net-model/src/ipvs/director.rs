//! The director: IPVS of one host, the table of contents of LVS.
//!
//! The hooks of a packet, in order: replies of servers ([`Director::local_in`] at priority 98, FORWARD 100, LOCAL_OUT
//! −99), then requests of clients (LOCAL_IN 99, LOCAL_OUT −98). A request goes through known entry or scheduling,
//! state machine, forwarding method. Without a service of its family nothing is intercepted, not even packets of
//! connections still in the table.

use super::clock::{Alarm, Clock};
use super::command::COLLECT;
use super::connection::{Connection, Slot, Tuple, flag};
use super::decision::Decision;
use super::defence::Defences;
use super::destination::Destinations;
use super::estimator::Statistics;
use super::forwarding::{Forwarder, translate_reply};
use super::kernel::Kernel;
use super::sctp_state::chunk;
use super::service::Services;
use super::settings::Settings;
use super::state::{self, Timeouts};
use super::sync::Sync;
use super::table::Connections;
use super::verdict::{IcmpError, Surroundings, Verdict};
use super::{sctp_state, tcp_state};
use crate::addr::{Addr, Family};
use crate::packet::{Flags, Packet, Payload, proto};
use crate::verdict::DropReason;
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
    pub(super) totals: Statistics,
    pub(super) defences: Defences,
    pub(super) decisions: Option<Vec<Decision>>,
    pub(super) stream: Stream,
    pub(super) sync: Sync,
    pub(super) estimating: bool,
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
            totals: Statistics::default(),
            defences: Defences::default(),
            decisions: None,
            stream,
            sync: Sync::default(),
            estimating: false,
            due: Vec::new(),
        }
    }

    /// Are the hooks registered for this family? They are while a service of the family exists.
    #[inline]
    pub fn intercepts(&self, family: Family) -> bool {
        self.services.count(family) > 0
    }

    /// LOCAL_IN: replies (priority 98), then requests (99).
    #[inline]
    pub fn local_in(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        match self.reply(now, packet) {
            Some(verdict) => verdict,
            None => self.request(now, packet, host, Hook::LocalIn),
        }
    }

    /// LOCAL_OUT: replies of local servers (priority −99), then requests of local clients (−98). What IPVS itself has
    /// sent does not come here again.
    pub fn local_out(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        match self.reply(now, packet) {
            Some(verdict) => verdict,
            None => self.request(now, packet, host, Hook::LocalOut),
        }
    }

    /// FORWARD: ICMP errors about virtual services (priority 99), then replies (100).
    pub fn forward(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        self.advance(now);
        if !self.intercepts(packet.dst.family()) {
            return Verdict::Accept;
        }
        if let Payload::Icmp(_) = packet.payload {
            let verdict = self.icmp_request(now, packet, host, Hook::Forward);
            if verdict != Verdict::Accept {
                return verdict;
            }
        }
        self.reply(now, packet).unwrap_or(Verdict::Accept)
    }

    /// When [`Director::advance`] has something to do next, if ever.
    pub fn next_timer(&self) -> Option<Time> {
        Some(self.clock.due()).filter(|due| *due != Time::NEVER)
    }

    /// Runs everything that is due: expiry, estimator, trash, collectors, defences. Every other entry point does
    /// this first.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        if self.clock.tell(now) {
            self.run_alarms(now);
        }
    }

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
            Alarm::Announce => self.look_at_announcements(at),
            Alarm::Scheduler(id) => {
                if let Some(service) = self.services.get_mut(id) {
                    let expiration = service.expiration(&self.settings);
                    service.scheduler.collect(at, expiration);
                    self.clock.post_after(at, COLLECT, alarm);
                }
            }
        }
    }

    /// A packet from a client: known entry or scheduling, then state, forwarding, timer.
    #[inline]
    fn request(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings, hook: Hook) -> Verdict {
        if self.settings.backup_only != 0 && self.sync.has_backup() {
            return Verdict::Accept;
        }
        let Some(tuple) = Tuple::of(packet) else {
            return match packet.payload {
                Payload::Icmp(_) => self.icmp_request(now, packet, host, hook),
                _ => Verdict::Accept,
            };
        };
        let slot = match self.connections.find_request(&tuple) {
            Some(slot) if !opens(packet) && !self.is_gone(slot) => slot,
            known => match self.renew(now, known, packet, tuple, host, hook) {
                Ok(slot) => slot,
                Err(verdict) => return verdict,
            },
        };
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(slot);
        destinations.count(mapping.destination, |counters| counters.count_in(u64::from(packet.len)));
        let effect = state::track(connection, packet, false, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts
            && let Some(destination) = mapping.destination()
        {
            connection.flags ^= flag::INACTIVE;
            destinations.shift(destination, connection.is(flag::INACTIVE));
        }
        let pmtu_disc = self.settings.pmtu_disc != 0;
        let forwarder = Forwarder { now, hook, host, destinations, pmtu_disc };
        let verdict = forwarder.transmit(connection.method(), mapping, packet);
        connection.in_packets = connection.in_packets.wrapping_add(1);
        if connection.is(flag::ONE_PACKET | flag::NO_CLIENT_PORT) || effect.assures || self.sync.has_master()
        {
            self.finish_unusual(now, slot, tuple.sport, effect.assures);
        } else {
            connection.rearm(now, slot, &mut self.clock);
        }
        verdict
    }

    /// What a client's packet leads to beyond its entry: the template is assured, backups hear of it, the entry goes or
    /// learns the client's port.
    #[inline(never)]
    fn finish_unusual(&mut self, now: Time, slot: Slot, port: u16, assures: bool) {
        let Connection { flags, control, .. } = *self.connections.get(slot);
        if assures {
            self.assure(control);
        }
        if self.sync.has_master() {
            self.announce(now, slot);
        }
        if flags & flag::ONE_PACKET != 0 {
            return self.remove(slot);
        }
        if flags & flag::NO_CLIENT_PORT != 0 {
            self.connections.fill_client_port(slot, port);
        }
        self.connections.get_mut(slot).rearm(now, slot, &mut self.clock);
    }

    /// An entry for a packet that has none, that begins a connection anew, or whose server is gone.
    #[inline(never)]
    fn renew(
        &mut self,
        now: Time,
        known: Option<Slot>,
        packet: &Packet,
        tuple: Tuple,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Result<Slot, Verdict> {
        if let Some(slot) = known {
            if opens(packet) && self.reuses(slot) {
                self.connections.expire_now(now, slot, &mut self.clock);
                if self.connections.get(slot).is(flag::CONNTRACK) {
                    return Err(Verdict::Drop(DropReason::Confirmed));
                }
            } else if !self.is_gone(slot) {
                return Ok(slot);
            } else if self.settings.expire_nodest_conn == 0 {
                return Err(Verdict::Drop(DropReason::DestinationGone));
            } else {
                self.connections.expire_now(now, slot, &mut self.clock);
            }
        }
        self.schedule(now, packet, tuple, host, hook)
    }

    /// A packet from a server: none if it belongs to no connection.
    #[inline]
    fn reply(&mut self, now: Time, packet: &mut Packet) -> Option<Verdict> {
        let Some(tuple) = Tuple::of(packet) else {
            return self.icmp_reply(packet);
        };
        let Some(slot) = self.connections.find_reply(&tuple) else {
            return self.refuse_stray(packet, &tuple);
        };
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(slot);
        if connection.method() == flag::MASQUERADE {
            translate_reply(packet, mapping);
        }
        destinations.count(mapping.destination, |counters| counters.count_out(u64::from(packet.len)));
        let effect = state::track(connection, packet, true, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts
            && let Some(destination) = mapping.destination()
        {
            connection.flags ^= flag::INACTIVE;
            destinations.shift(destination, connection.is(flag::INACTIVE));
        }
        connection.rearm(now, slot, &mut self.clock);
        if effect.assures {
            let control = connection.control;
            self.assure(control);
        }
        Some(Verdict::Accept)
    }

    /// `nat_icmp_send`: a masqueraded server that speaks without a connection is told so.
    fn refuse_stray(&self, packet: &Packet, tuple: &Tuple) -> Option<Verdict> {
        if self.settings.nat_icmp_send == 0 {
            return None;
        }
        let harmless = match &packet.payload {
            Payload::Tcp(segment) => segment.flags.has(Flags::RST),
            Payload::Sctp(chunks) => chunks.first == chunk::ABORT,
            Payload::Udp(_) | Payload::Icmp(_) | Payload::Other(_) => false,
        };
        let mut servers = self.services.iter().flat_map(|(_, service)| &service.order);
        let masqueraded = servers.any(|id| {
            let record = self.destinations.get(*id);
            record.flags() & flag::METHOD == flag::MASQUERADE
                && (record.key.addr, record.key.port) == (tuple.src, tuple.sport)
        });
        let refuse = masqueraded && !harmless;
        refuse.then(|| Verdict::Reject(DropReason::NatIcmp, port_unreachable(tuple.src)))
    }

    /// Does a SYN or INIT on this entry start a new connection, with a new choice?
    fn reuses(&self, slot: Slot) -> bool {
        let connection = self.connections.get(slot);
        if self.settings.expire_nodest_conn != 0
            && let Some(destination) = self.connections.mapping(connection).destination()
            && self.destinations.pool[destination.index()].weight == 0
        {
            return true;
        }
        let mode = self.settings.conn_reuse_mode;
        if mode == 0 || connection.control.some().is_some() {
            return false;
        }
        use tcp_state::state as tcp;
        match (connection.protocol, connection.state) {
            (proto::TCP, tcp::TIME_WAIT | tcp::CLOSE) => true,
            (proto::TCP, tcp::FIN_WAIT) => mode & 2 != 0 && connection.is(flag::NO_OUTPUT),
            (proto::SCTP, state) => state == sctp_state::state::CLOSED,
            _ => false,
        }
    }
}

/// Is this a segment or chunk that opens connections: SYN or INIT?
#[inline]
fn opens(packet: &Packet) -> bool {
    match &packet.payload {
        Payload::Tcp(segment) => segment.flags.has(Flags::SYN),
        Payload::Sctp(chunks) => chunks.first == chunk::INIT,
        Payload::Udp(_) | Payload::Icmp(_) | Payload::Other(_) => false,
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
