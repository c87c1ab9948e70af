//! Virtual services and their look-up: firewall mark, then protocol + address + port, then FTP data, then port 0.

use super::config::{Protocol, ServiceConfig, ServiceKey};
use super::connection::Tuple;
use super::decision::ServiceRule;
use super::estimator::Statistics;
use super::settings::Settings;
use crate::addr::{Addr, Family};
use crate::packet::proto;
use rustc_hash::FxHashMap;
use schedulers::{AnyScheduler, DestinationId};
use sim_core::Duration;

/// The first port that ordinary programs may bind (`net.ipv4.ip_unprivileged_port_start`).
const UNPRIVILEGED: u16 = 1024;

/// The FTP control and data ports.
pub(super) const FTP: u16 = 21;
pub(super) const FTP_DATA: u16 = 20;

/// The number of a service; never used again after its deletion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ServiceId(u32);

/// A virtual service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) key: ServiceKey,
    pub(super) config: ServiceConfig,
    pub(super) scheduler: AnyScheduler,
    /// Its destinations, newest first.
    pub(super) order: Vec<DestinationId>,
    pub(super) statistics: Statistics,
}

impl Service {
    pub(super) fn family(&self) -> Family {
        self.key.family()
    }

    /// The port, 0 for a firewall-mark service.
    pub(super) fn port(&self) -> u16 {
        match self.key {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark { .. } => 0,
        }
    }

    /// The firewall mark, if that is what identifies it.
    pub(super) fn mark(&self) -> Option<u32> {
        match self.key {
            ServiceKey::Address { .. } => None,
            ServiceKey::Mark { mark, .. } => Some(mark),
        }
    }

    /// The client's network under the persistence netmask.
    pub(super) fn client_network(&self, client: Addr) -> Addr {
        let bits = client.to_bits() & self.config.netmask.to_bits();
        match client.family() {
            Family::V4 => Addr::v4(bits as u32),
            Family::V6 => Addr::v6(bits),
        }
    }

    /// The setting that ages the scheduler's cache.
    pub(super) fn expiration(&self, settings: &Settings) -> Duration {
        let seconds = match self.scheduler.name() {
            "lblcr" => settings.lblcr_expiration,
            _ => settings.lblc_expiration,
        };
        Duration::from_secs(seconds.max(0) as u64)
    }
}

impl ServiceKey {
    /// The address family of the clients.
    pub fn family(self) -> Family {
        match self {
            ServiceKey::Address { addr, .. } => addr.family(),
            ServiceKey::Mark { family, .. } => family,
        }
    }
}

/// All services.
#[derive(Debug, Default)]
pub(super) struct Services {
    slots: Vec<Option<Service>>,
    by_key: FxHashMap<ServiceKey, ServiceId>,
    /// How many services there are of each family.
    families: [u32; 2],
    marks: u32,
    ftp: u32,
    any_port: u32,
}

impl Services {
    /// How many services the family has.
    #[inline]
    pub(super) fn count(&self, family: Family) -> u32 {
        self.families[family as usize]
    }

    pub(super) fn id(&self, key: ServiceKey) -> Option<ServiceId> {
        self.by_key.get(&key).copied()
    }

    #[inline]
    pub(super) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.slots[id.0 as usize].as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        self.slots[id.0 as usize].as_mut()
    }

    /// All services with their ids, in the order of their creation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        let ids = (0..).map(ServiceId);
        ids.zip(&self.slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn insert(&mut self, service: Service) -> ServiceId {
        let id = ServiceId(self.slots.len() as u32);
        self.by_key.insert(service.key, id);
        self.count_kinds(service.key, 1);
        self.slots.push(Some(service));
        id
    }

    pub(super) fn remove(&mut self, id: ServiceId) -> Option<Service> {
        let service = self.slots[id.0 as usize].take()?;
        self.by_key.remove(&service.key);
        self.count_kinds(service.key, u32::MAX);
        Some(service)
    }

    /// The service that takes a packet, and the step of the look-up that found it.
    pub(super) fn find(&self, tuple: &Tuple, mark: u32) -> Option<(ServiceId, ServiceRule)> {
        if mark != 0 && self.marks > 0 {
            let key = ServiceKey::Mark { family: tuple.dst.family(), mark };
            if let Some(id) = self.id(key) {
                return Some((id, ServiceRule::Mark));
            }
        }
        let protocol = Protocol::from_number(tuple.protocol)?;
        let at_port = |port| self.id(ServiceKey::Address { protocol, addr: tuple.dst, port });
        if let Some(id) = at_port(tuple.dport) {
            return Some((id, ServiceRule::Exact));
        }
        let ftp_data = tuple.dport == FTP_DATA || tuple.dport >= UNPRIVILEGED;
        if protocol == Protocol::Tcp
            && self.ftp > 0
            && ftp_data
            && let Some(id) = at_port(FTP)
        {
            return Some((id, ServiceRule::FtpData));
        }
        if self.any_port > 0 { Some((at_port(0)?, ServiceRule::AnyPort)) } else { None }
    }

    /// Adds `one` (1, or −1 as a wrapping number) to the counts that `key` belongs to.
    fn count_kinds(&mut self, key: ServiceKey, one: u32) {
        let add = |count: &mut u32| *count = count.wrapping_add(one);
        add(&mut self.families[key.family() as usize]);
        match key {
            ServiceKey::Mark { .. } => add(&mut self.marks),
            ServiceKey::Address { protocol: Protocol::Tcp, port: FTP, .. } => add(&mut self.ftp),
            ServiceKey::Address { port: 0, .. } => add(&mut self.any_port),
            ServiceKey::Address { .. } => {}
        }
    }
}

impl Protocol {
    /// The protocol of this number, if services can have it.
    pub const fn from_number(number: u8) -> Option<Protocol> {
        match number {
            proto::TCP => Some(Protocol::Tcp),
            proto::UDP => Some(Protocol::Udp),
            proto::SCTP => Some(Protocol::Sctp),
            _ => None,
        }
    }
}
