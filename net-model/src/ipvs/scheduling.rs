//! A packet without an entry: may it open a connection, which service takes it, and which destination.

use super::connection::{NO_DESTINATION, NewConnection, Slot, Tuple, flag};
use super::decision::{Chooser, Refusal, ServiceRule};
use super::director::{Hook, port_unreachable};
use super::mapping::Mapping;
use super::sctp_state::chunk;
use super::service::{FTP, FTP_DATA, ServiceId};
use super::tcp_state::Kind;
use super::verdict::{Surroundings, Verdict};
use super::{Director, decision};
use crate::addr::Addr;
use crate::packet::{Packet, Payload, proto};
use crate::verdict::DropReason;
use schedulers::{AnyScheduler, Cx, DestinationId, Destinations as List, Flow};
use sim_core::Time;

/// Seconds that a new entry has before its first packet has gone through the state machine.
pub(super) const PROVISIONAL: u32 = 3;

/// What wants a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant<'a> {
    pub(super) tuple: Tuple,
    pub(super) mark: u32,
    /// What the packet says.
    pub(super) text: &'a [u8],
    /// Trace number of the packet.
    pub(super) flow: u32,
    pub(super) hook: Hook,
}

impl Applicant<'_> {
    pub(super) fn of(packet: &Packet, tuple: Tuple, hook: Hook) -> Applicant<'_> {
        Applicant { tuple, mark: packet.mark, text: packet.text(), flow: packet.flow, hook }
    }
}

impl Director {
    /// Opens a connection for a packet that has none, or says what becomes of the packet.
    pub(super) fn schedule(
        &mut self,
        now: Time,
        packet: &Packet,
        tuple: Tuple,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Result<Slot, Verdict> {
        if !self.may_open(packet) {
            return Err(Verdict::Accept);
        }
        self.open(now, Applicant::of(packet, tuple, hook), host)
    }

    /// Looks for the service and lets it choose.
    pub(super) fn open(
        &mut self,
        now: Time,
        applicant: Applicant<'_>,
        host: &impl Surroundings,
    ) -> Result<Slot, Verdict> {
        let Some((service, rule)) = self.services.find(&applicant.tuple, applicant.mark) else {
            return Err(Verdict::Accept);
        };
        if self.defences.drops_packet() {
            self.refused(now, &applicant, service, rule, Refusal::DropDefence);
            return Err(Verdict::Drop(DropReason::DropDefence));
        }
        if applicant.tuple.sport == FTP_DATA {
            self.refused(now, &applicant, service, rule, Refusal::SourcePort20);
            return Err(Verdict::Accept);
        }
        let looped = applicant.hook == Hook::LocalOut || host.is_local(applicant.tuple.src);
        if looped && self.connections.find_request(&applicant.tuple.reversed()).is_some() {
            return Err(Verdict::Accept);
        }
        let Some(virtual_service) = self.services.get(service) else {
            return Err(Verdict::Accept);
        };
        if virtual_service.config.persistence.is_some() {
            return self.open_persistent(now, applicant, service, rule, host);
        }
        if virtual_service.mark().is_none() && virtual_service.port() != applicant.tuple.dport {
            self.refused(now, &applicant, service, rule, Refusal::OtherPort);
            return self.leave(now, &applicant, service, host);
        }
        let Some(destination) = self.choose(now, &applicant, service, rule) else {
            return self.leave(now, &applicant, service, host);
        };
        let real_port = match self.destinations.get(destination).key.port {
            0 => applicant.tuple.dport,
            port => port,
        };
        Ok(self.create(now, &applicant, service, destination, real_port))
    }

    /// Does this packet open connections at all?
    fn may_open(&self, packet: &Packet) -> bool {
        match &packet.payload {
            Payload::Tcp(segment) => match Kind::of(segment) {
                Kind::Rst => false,
                Kind::Syn => true,
                Kind::Fin | Kind::Ack | Kind::Bare => self.settings.sloppy_tcp != 0,
            },
            Payload::Sctp(chunks) => {
                chunks.first == chunk::INIT || self.settings.sloppy_sctp != 0 && chunks.first != chunk::ABORT
            }
            Payload::Udp(_) | Payload::Sync(_) => true,
            Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Fragment(_) | Payload::Other(_) => false,
        }
    }

    /// Asks the service's scheduler.
    pub(super) fn choose(
        &mut self,
        now: Time,
        applicant: &Applicant,
        id: ServiceId,
        rule: ServiceRule,
    ) -> Option<DestinationId> {
        let recording = self.decisions.is_some();
        let Director { services, destinations, settings, stream, profile, .. } = self;
        let service = services.get_mut(id)?;
        let tuple = &applicant.tuple;
        let mut cx = Cx {
            list: List { order: &service.order, pool: &destinations.pool },
            flow: Flow {
                client: tuple.src.into(),
                client_port: tuple.sport,
                target: tuple.dst.into(),
                target_port: tuple.dport,
            },
            now,
            formula: profile.load_formula(),
            random: stream,
            expiration: service.expiration(settings),
        };
        let account = recording.then(|| AnyScheduler::account(&service.scheduler, &cx));
        let chosen = service.scheduler.schedule(&mut cx);
        if let Some(account) = account {
            let outcome = chosen.map(|id| destinations.get(id).key).ok_or(Refusal::NothingUsable);
            let candidates = decision::candidates(&account, destinations);
            let chooser = Chooser::Scheduler {
                name: account.scheduler,
                rule: account.rule,
                ties: account.ties,
                state: account.state,
            };
            self.record(now, applicant, id, rule, chooser, candidates, outcome);
        }
        chosen
    }

    /// Creates the entry of a connection and counts it.
    pub(super) fn create(
        &mut self,
        now: Time,
        applicant: &Applicant,
        service: ServiceId,
        destination: DestinationId,
        real_port: u16,
    ) -> Slot {
        let record = self.destinations.get(destination);
        let tuple = &applicant.tuple;
        let one_packet =
            tuple.protocol == proto::UDP && self.services.get(service).is_some_and(|s| s.config.one_packet);
        let helped = self.helper.helps(tuple, record.flags());
        let new = NewConnection {
            protocol: tuple.protocol,
            client: (tuple.src, tuple.sport),
            mapping: Mapping {
                virtual_: (tuple.dst, tuple.dport),
                real: (record.key.addr, real_port),
                mark: applicant.mark,
                destination,
            },
            flags: record.flags()
                | flag::INACTIVE
                | if one_packet { flag::ONE_PACKET } else { 0 }
                | if self.settings.conntrack != 0 { flag::CONNTRACK } else { 0 }
                | if helped { flag::HELPED } else { 0 },
            timeout: PROVISIONAL,
        };
        let slot = self.connections.insert(now, &new);
        self.bind(slot, destination);
        self.destinations.count(destination, |counters| counters.conns += 1);
        slot
    }

    /// Counts an entry at its destination.
    pub(super) fn bind(&mut self, slot: Slot, destination: DestinationId) {
        let connection = self.connections.get(slot);
        let (template, inactive) = (connection.is_template(), connection.is(flag::INACTIVE));
        self.destinations.bind(self.profile, destination, template, inactive);
    }

    /// No destination: past the cache, to the local stack, or an ICMP error.
    pub(super) fn leave(
        &mut self,
        now: Time,
        applicant: &Applicant,
        service: ServiceId,
        host: &impl Surroundings,
    ) -> Result<Slot, Verdict> {
        let Some(service) = self.services.get(service) else {
            return Err(Verdict::Accept);
        };
        let tuple = &applicant.tuple;
        let local = host.is_local(tuple.dst);
        let elsewhere = !local && !tuple.dst.is_multicast() && tuple.dst != Addr::BROADCAST_V4;
        if self.settings.cache_bypass != 0 && service.mark().is_some() && elsewhere {
            return Ok(self.connections.insert(now, &bypass(applicant)));
        }
        if service.port() == FTP && tuple.dport != FTP {
            return Err(Verdict::Accept);
        }
        if !local {
            return Err(Verdict::Drop(DropReason::NoDestination));
        }
        Err(Verdict::Reject(DropReason::NoDestination, port_unreachable(tuple.dst)))
    }

    /// Is the entry's destination in the trash?
    #[inline(always)] // once a packet
    pub(super) fn is_gone(&self, slot: Slot) -> bool {
        let mapping = self.connections.mapping(self.connections.get(slot));
        self.destinations.is_gone(mapping.destination)
    }
}

/// The entry of a packet that goes on to its original destination.
fn bypass(applicant: &Applicant) -> NewConnection {
    let tuple = &applicant.tuple;
    let nowhere = if tuple.dst.is_v4() { Addr::UNSPECIFIED_V4 } else { Addr::UNSPECIFIED_V6 };
    NewConnection {
        protocol: tuple.protocol,
        client: (tuple.src, tuple.sport),
        mapping: Mapping {
            virtual_: (tuple.dst, tuple.dport),
            real: (nowhere, 0),
            mark: applicant.mark,
            destination: NO_DESTINATION,
        },
        flags: flag::BYPASS | flag::INACTIVE,
        timeout: PROVISIONAL,
    }
}
