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
use super::verdict::{Surroundings, Verdict};
use crate::addr::{Addr, Family};
use crate::packet::proto;
use crate::verdict::DropReason;
use sim_core::Time;

/// State of a template: its client has been served.
pub(super) const ASSURED: u8 = 1;

/// Port of a template that was given up.
const GIVEN_UP: u16 = u16::MAX;

/// What a template is found by, and the real port it is created with.
#[derive(Clone, Copy, Debug)]
struct TemplateKey {
    /// 0 for firewall-mark services.
    protocol: u8,
    client: Addr,
    virtual_: (Addr, u16),
    /// Does it name the real server's port, or none?
    exact_port: bool,
}

impl Director {
    /// Opens a connection of a persistent service.
    pub(super) fn open_persistent(
        &mut self,
        now: Time,
        applicant: Applicant,
        service: ServiceId,
        rule: ServiceRule,
        host: &impl Surroundings,
    ) -> Result<Slot, Verdict> {
        let Some((key, timeout)) = self.template_key(&applicant, service) else {
            self.refused(now, &applicant, service, rule, Refusal::NoEngineKey);
            return Err(Verdict::Drop(DropReason::NoCallId));
        };
        let template = match self.valid_template(key) {
            Some(template) => {
                let destination = self.connections.mapping(self.connections.get(template)).destination;
                let chosen = self.destinations.get(destination).key;
                let chooser = Chooser::Template { client: key.client };
                self.record(now, &applicant, service, rule, chooser, Vec::new(), Ok(chosen));
                template
            }
            None => {
                let Some(destination) = self.choose(now, &applicant, service, rule) else {
                    return self.leave(now, &applicant, service, host);
                };
                let server = self.destinations.get(destination);
                let new = NewConnection {
                    protocol: key.protocol,
                    client: (key.client, 0),
                    mapping: Mapping {
                        virtual_: key.virtual_,
                        real: (server.key.addr, if key.exact_port { server.key.port } else { 0 }),
                        mark: applicant.mark,
                        destination,
                    },
                    flags: server.flags() | flag::TEMPLATE | flag::INACTIVE,
                    timeout,
                };
                let template = self.connections.insert(now, &new);
                self.bind(template, destination);
                template
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
        self.connections.get_mut(slot).control = template;
        let holder = self.connections.get_mut(template);
        holder.controls += 1;
        holder.rearm(now, template, &mut self.clock);
        Ok(slot)
    }

    /// The template a packet belongs under, and its timeout; none if the persistence engine needs more than there is.
    fn template_key(&self, applicant: &Applicant, service: ServiceId) -> Option<(TemplateKey, u32)> {
        let service = self.services.get(service)?;
        let tuple = &applicant.tuple;
        if service.config.engine.is_some() && tuple.protocol == proto::UDP {
            return None;
        }
        let client = service.client_network(tuple.src);
        let key = match service.mark() {
            Some(mark) => {
                let mark = match service.family() {
                    Family::V4 => Addr::v4(mark),
                    Family::V6 => Addr::v6(u128::from(mark)),
                };
                TemplateKey { protocol: 0, client, virtual_: (mark, 0), exact_port: false }
            }
            None => {
                let exact_port = tuple.dport == service.port() && tuple.dport != FTP;
                let port = if exact_port { tuple.dport } else { 0 };
                TemplateKey { protocol: tuple.protocol, client, virtual_: (tuple.dst, port), exact_port }
            }
        };
        Some((key, service.config.persistence?))
    }

    /// The template with this key, if its server can still be used; an invalid one is put out of the way.
    fn valid_template(&mut self, key: TemplateKey) -> Option<Slot> {
        let slot = self.connections.find_template(key.protocol, key.client, key.virtual_)?;
        let mut mapping = *self.connections.mapping(self.connections.get(slot));
        let valid = mapping.destination().is_some_and(|destination| {
            let server = &self.destinations.pool[destination.index()];
            server.available && (self.settings.expire_quiescent_template == 0 || server.weight != 0)
        });
        if valid {
            return Some(slot);
        }
        mapping.virtual_.1 = GIVEN_UP;
        mapping.real.1 = GIVEN_UP;
        self.connections.remap(slot, &mapping);
        None
    }

    /// A connection was established (or its server was heard): its template is good.
    pub(super) fn assure(&mut self, template: Slot) {
        let template = self.connections.get_mut(template);
        if template.is_template() {
            template.state = ASSURED;
        }
    }
}
