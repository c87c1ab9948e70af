//! Persistence (`ipvsadm -p`): a template binds a client network to a server.
//!
//! The template's key does not contain the service: services on one address that use the same key share templates.
//! A valid template decides alone; weight 0 and the overload flag do not matter to it.

use super::Director;
use super::connection::{NewConnection, Slot, flag};
use super::decision::{Chooser, Refusal, ServiceRule};
use super::mapping::Mapping;
use super::scheduling::Applicant;
use super::service::{FTP, Service, ServiceId};
use super::sip::{self, CallId};
use super::verdict::{Surroundings, Verdict};
use crate::addr::{Addr, Family};
use crate::packet::proto;
use crate::verdict::DropReason;
use schedulers::DestinationId;
use sim_core::Time;

/// State of a template: its client has been served.
pub(super) const ASSURED: u8 = 1;

/// Port of a template that was given up.
const GIVEN_UP: u16 = u16::MAX;

/// What a template is found by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct TemplateKey {
    /// 0 for firewall-mark services.
    protocol: u8,
    client: Addr,
    virtual_: (Addr, u16),
    /// The call, where the persistence engine tells calls apart.
    pub(super) call: Option<CallId>,
}

/// The template that a packet belongs under.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: TemplateKey,
    /// Does it name the real server's port, or none?
    exact_port: bool,
    /// Seconds.
    timeout: u32,
}

impl Director {
    /// Opens a connection of a persistent service.
    pub(super) fn open_persistent(
        &mut self,
        now: Time,
        applicant: Applicant<'_>,
        service: ServiceId,
        rule: ServiceRule,
        host: &impl Surroundings,
    ) -> Result<Slot, Verdict> {
        let Some(wanted) = self.template_key(&applicant, service) else {
            self.refused(now, &applicant, service, rule, Refusal::NoEngineKey);
            return Err(Verdict::Drop(DropReason::NoCallId));
        };
        let template = match self.valid_template(&wanted.key) {
            Some(template) => {
                let destination = self.connections.mapping(self.connections.get(template)).destination;
                let chosen = self.destinations.get(destination).key;
                let chooser = Chooser::Template { client: wanted.key.client };
                self.record(now, &applicant, service, rule, chooser, Vec::new(), Ok(chosen));
                template
            }
            None => {
                let Some(destination) = self.choose(now, &applicant, service, rule) else {
                    return self.leave(now, &applicant, service, host);
                };
                self.create_template(now, wanted, applicant.mark, destination)
            }
        };
        let destination = self.connections.mapping(self.connections.get(template)).destination;
        let port = applicant.tuple.dport;
        let service_port = self.services.get(service).map_or(0, Service::port);
        let real_port = match self.destinations.get(destination).key.port {
            0 => port,
            real if port == service_port => real,
            _ => port,
        };
        let slot = self.create(now, &applicant, service, destination, real_port);
        self.hang(now, slot, template);
        Ok(slot)
    }

    /// Creates a template that leads to this destination.
    pub(super) fn create_template(
        &mut self,
        now: Time,
        wanted: Wanted,
        mark: u32,
        destination: DestinationId,
    ) -> Slot {
        let Wanted { key, exact_port, timeout } = wanted;
        let server = self.destinations.get(destination);
        let new = NewConnection {
            protocol: key.protocol,
            client: (key.client, 0),
            mapping: Mapping {
                virtual_: key.virtual_,
                real: (server.key.addr, if exact_port { server.key.port } else { 0 }),
                mark,
                destination,
            },
            flags: server.flags()
                | flag::TEMPLATE
                | flag::INACTIVE
                | if key.call.is_some() { flag::CALL } else { 0 },
            timeout,
        };
        let template = self.connections.insert(now, &new);
        self.bind(template, destination);
        if key.call.is_some() {
            self.calls.bind(key, template);
        }
        template
    }

    /// Puts a new connection under its template, which lives on by that.
    pub(super) fn hang(&mut self, now: Time, slot: Slot, template: Slot) {
        self.connections.get_mut(slot).control = template;
        let template_entry = self.connections.get_mut(template);
        template_entry.controls += 1;
        template_entry.rearm_template(now, template, &mut self.clock);
    }

    /// The template a packet belongs under; none if the persistence engine needs more than there is.
    pub(super) fn template_key(&self, applicant: &Applicant, service: ServiceId) -> Option<Wanted> {
        let service = self.services.get(service)?;
        let tuple = &applicant.tuple;
        let call = match &service.config.engine {
            Some(_) if tuple.protocol == proto::UDP => Some(CallId::from(sip::call_id(applicant.text)?)),
            Some(_) => return None,
            None => None,
        };
        let client = service.client_network(tuple.src);
        let exact_port = service.mark().is_none() && tuple.dport == service.port() && tuple.dport != FTP;
        let (protocol, virtual_) = match service.mark() {
            Some(mark) => {
                let mark = match service.family() {
                    Family::V4 => Addr::v4(mark),
                    // The mark is the first of the address's four words.
                    Family::V6 => Addr::v6(u128::from(mark) << 96),
                };
                (0, (mark, 0))
            }
            None => (tuple.protocol, (tuple.dst, if exact_port { tuple.dport } else { 0 })),
        };
        let key = TemplateKey { protocol, client, virtual_, call };
        Some(Wanted { key, exact_port, timeout: service.config.persistence? })
    }

    /// The template with this key, if its server can still be used; an invalid one is put out of the way.
    pub(super) fn valid_template(&mut self, key: &TemplateKey) -> Option<Slot> {
        let slot = match key.call {
            Some(_) => self.calls.find(key)?,
            None => self.connections.find_template(key.protocol, key.client, key.virtual_)?,
        };
        let mapping = self.connections.mapping(self.connections.get(slot));
        let valid = mapping.destination().is_some_and(|destination| {
            let server = &self.destinations.pool[destination.index()];
            server.available && (self.settings.expire_quiescent_template == 0 || server.weight != 0)
        });
        if valid {
            return Some(slot);
        }
        self.give_up(slot);
        None
    }

    /// Puts a template out of the way: nobody finds it again.
    pub(super) fn give_up(&mut self, slot: Slot) {
        let mut mapping = *self.connections.mapping(self.connections.get(slot));
        mapping.virtual_.1 = GIVEN_UP;
        mapping.real.1 = GIVEN_UP;
        self.connections.remap(slot, &mapping);
        self.calls.give_up(slot);
    }

    /// A connection was established (or its server was heard): its template is good.
    pub(super) fn assure(&mut self, template: Slot) {
        let template = self.connections.get_mut(template);
        if template.is_template() {
            template.state = ASSURED;
        }
    }
}
