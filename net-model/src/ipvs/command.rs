//! What `ipvsadm` changes: services, destinations, statistics, timeouts.

use super::Director;
use super::clock::Alarm;
use super::config::{
    DestinationConfig, DestinationKey, Forwarding, KernelError, ServiceConfig, ServiceKey, TimeoutSettings,
};
use super::destination::{LearntMtu, Record};
use super::estimator::Statistics;
use super::service::{Service, ServiceId};
use super::tcp_state;
use super::verdict::Surroundings;
use super::view::Counters;
use crate::addr::Addr;
use schedulers::{AnyScheduler, DestinationId, Destinations as List};
use sim_core::{Duration, Time};

/// How often a scheduler's housekeeping runs.
pub(super) const COLLECT: Duration = Duration::from_secs(60);

impl Director {
    /// `ipvsadm -A`.
    ///
    /// # Errors
    /// [`KernelError::ServiceExists`], [`KernelError::SchedulerNotFound`].
    pub fn add_service(
        &mut self,
        now: Time,
        key: ServiceKey,
        config: &ServiceConfig,
    ) -> Result<(), KernelError> {
        self.changes(now);
        if self.services.id(key).is_some() {
            return Err(KernelError::ServiceExists);
        }
        let scheduler = bind(config, &List::EMPTY)?;
        self.calls.note_engine(config.engine.as_deref());
        let statistics = Statistics::default();
        let service = Service { key, config: config.clone(), scheduler, order: Vec::new(), statistics };
        let id = self.services.insert(service);
        self.clock.post_after(now, COLLECT, Alarm::Scheduler(id));
        self.start_estimator(now);
        Ok(())
    }

    /// `ipvsadm -E`. With the scheduler the service already has, the scheduler keeps its state.
    ///
    /// # Errors
    /// [`KernelError::NoSuchService`], [`KernelError::SchedulerNotFound`]; nothing changes then.
    pub fn edit_service(
        &mut self,
        now: Time,
        key: ServiceKey,
        config: &ServiceConfig,
    ) -> Result<(), KernelError> {
        self.changes(now);
        let id = self.services.id(key).ok_or(KernelError::NoSuchService)?;
        let Director { services, destinations, .. } = self;
        let service = services.get_mut(id).ok_or(KernelError::NoSuchService)?;
        let list = List { order: &service.order, pool: &destinations.pool };
        let fresh = bind(config, &list)?;
        let other_flags = config.scheduler_flags != service.config.scheduler_flags;
        if fresh.name() != service.scheduler.name() || other_flags && knows_flags(fresh.name()) {
            service.scheduler = fresh;
        }
        service.config = config.clone();
        self.calls.note_engine(config.engine.as_deref());
        Ok(())
    }

    /// `ipvsadm -D`: the destinations go to the trash, the connections stay until they expire.
    ///
    /// # Errors
    /// [`KernelError::NoSuchService`].
    pub fn delete_service(&mut self, now: Time, key: ServiceKey) -> Result<(), KernelError> {
        self.changes(now);
        let id = self.services.id(key).ok_or(KernelError::NoSuchService)?;
        let service = self.services.remove(id).ok_or(KernelError::NoSuchService)?;
        for destination in service.order {
            self.throw_away(now, destination);
        }
        Ok(())
    }

    /// `ipvsadm -C`.
    pub fn flush(&mut self, now: Time) {
        let keys: Vec<ServiceKey> = self.services.iter().map(|(_, service)| service.key).collect();
        for key in keys {
            self.delete_service(now, key).expect("the service was just listed");
        }
    }

    /// `ipvsadm -a`: the new destination becomes the head of the list. One that is remembered comes back with its
    /// connections and statistics.
    ///
    /// # Errors
    /// [`KernelError::ServiceNotDefined`], [`KernelError::DestinationExists`], [`KernelError::OutOfRange`],
    /// [`KernelError::InvalidOperation`].
    pub fn add_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
        host: &impl Surroundings,
    ) -> Result<(), KernelError> {
        self.changes(now);
        let id = self.services.id(service).ok_or(KernelError::ServiceNotDefined)?;
        check_figures(config)?;
        let is_unicast = is_usable_address(key.addr) && !host.is_broadcast(key.addr);
        if !is_unicast && !host.is_local(key.addr) {
            return Err(KernelError::InvalidOperation);
        }
        self.check_families(service, key, config)?;
        if self.find_destination(id, key).is_some() {
            return Err(KernelError::DestinationExists);
        }
        if self.services.get(id).is_some_and(|s| s.order.len() >= s.scheduler.capacity()) {
            return Err(KernelError::InvalidOperation);
        }
        let destination = match self.revive(id, service, key, config) {
            Some(remembered) => remembered,
            None => self.destinations.insert(figures(key, config), record(id, service, key, config)),
        };
        let Director { services, destinations, .. } = self;
        if let Some(service) = services.get_mut(id) {
            service.order.insert(0, destination);
            let list = List { order: &service.order, pool: &destinations.pool };
            service.scheduler.added(&list, destination);
        }
        Ok(())
    }

    /// `ipvsadm -e`. The position in the list stays.
    ///
    /// # Errors
    /// [`KernelError::ServiceNotDefined`], [`KernelError::NoSuchDestination`], [`KernelError::OutOfRange`],
    /// [`KernelError::InvalidOperation`].
    pub fn edit_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
    ) -> Result<(), KernelError> {
        self.changes(now);
        let id = self.services.id(service).ok_or(KernelError::ServiceNotDefined)?;
        check_figures(config)?;
        self.check_families(service, key, config)?;
        let destination = self.find_destination(id, key).ok_or(KernelError::NoSuchDestination)?;
        self.configure(destination, config);
        if config.weight != 0 {
            self.destinations.pool[destination.index()].last_weight = config.weight;
        }
        let Director { services, destinations, .. } = self;
        if let Some(service) = services.get_mut(id) {
            let list = List { order: &service.order, pool: &destinations.pool };
            service.scheduler.updated(&list, destination);
        }
        Ok(())
    }

    /// `ipvsadm -d`: the destination goes to the trash.
    ///
    /// # Errors
    /// [`KernelError::ServiceNotDefined`], [`KernelError::NoSuchDestination`].
    pub fn delete_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
    ) -> Result<(), KernelError> {
        self.changes(now);
        let id = self.services.id(service).ok_or(KernelError::ServiceNotDefined)?;
        let destination = self.find_destination(id, key).ok_or(KernelError::NoSuchDestination)?;
        self.throw_away(now, destination);
        let Director { services, destinations, .. } = self;
        if let Some(service) = services.get_mut(id) {
            let list = List { order: &service.order, pool: &destinations.pool };
            let position = list.position(destination);
            let predecessor = position.checked_sub(1).map(|before| service.order[before]);
            service.order.remove(position);
            let after = List { order: &service.order, pool: &destinations.pool };
            service.scheduler.removed(&after, destination, predecessor);
        }
        Ok(())
    }

    /// `ipvsadm -Z`: zeroes what is shown of one service and its destinations, or of everything.
    ///
    /// # Errors
    /// [`KernelError::NoSuchService`].
    pub fn zero(&mut self, now: Time, service: Option<ServiceKey>) -> Result<(), KernelError> {
        self.changes(now);
        let only = match service {
            Some(key) => Some(self.services.id(key).ok_or(KernelError::NoSuchService)?),
            None => {
                self.totals.zero();
                None
            }
        };
        let ids: Vec<ServiceId> = self.services.iter().map(|(id, _)| id).collect();
        for id in ids.into_iter().filter(|id| only.is_none_or(|only| only == *id)) {
            let Director { services, destinations, .. } = self;
            if let Some(service) = services.get_mut(id) {
                service.statistics.zero();
                service.order.iter().for_each(|id| destinations.get_mut(*id).statistics.zero());
            }
        }
        Ok(())
    }

    /// `ipvsadm --set`: 0 leaves a timeout alone. Connections feel it with their next packet.
    ///
    /// # Errors
    /// [`KernelError::InvalidOperation`] above (2³¹ − 1) / 250 seconds.
    pub fn set_timeouts(&mut self, timeouts: TimeoutSettings) -> Result<(), KernelError> {
        let TimeoutSettings { tcp, tcp_fin, udp } = timeouts;
        if tcp.max(tcp_fin).max(udp) > i32::MAX as u32 / 250 {
            return Err(KernelError::InvalidOperation);
        }
        let set = |timeout: &mut u32, value: u32| {
            if value != 0 {
                *timeout = value;
            }
        };
        set(&mut self.timeouts.tcp[usize::from(tcp_state::state::ESTABLISHED)], tcp);
        set(&mut self.timeouts.tcp[usize::from(tcp_state::state::FIN_WAIT)], tcp_fin);
        set(&mut self.timeouts.udp, udp);
        Ok(())
    }

    /// The timeouts that `ipvsadm --set` changes.
    pub fn timeouts(&self) -> TimeoutSettings {
        let tcp = |state: u8| self.timeouts.tcp[usize::from(state)];
        TimeoutSettings {
            tcp: tcp(tcp_state::state::ESTABLISHED),
            tcp_fin: tcp(tcp_state::state::FIN_WAIT),
            udp: self.timeouts.udp,
        }
    }

    /// Applies the part of a configuration that new and edited destinations share.
    pub(super) fn configure(&mut self, id: DestinationId, config: &DestinationConfig) {
        let count = self.destinations.connections(id);
        let record = self.destinations.get_mut(id);
        let before = record.thresholds();
        record.config = *config;
        let after = record.thresholds();
        let figures = &mut self.destinations.pool[id.index()];
        figures.weight = config.weight;
        figures.overloaded = after.edited(self.profile, before, figures.overloaded, count);
    }

    fn find_destination(&self, service: ServiceId, key: DestinationKey) -> Option<DestinationId> {
        let order = &self.services.get(service)?.order;
        order.iter().copied().find(|id| self.destinations.get(*id).key == key)
    }

    /// Servers of the other family can only be reached through a tunnel, and not while connections are synchronised.
    fn check_families(
        &self,
        service: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
    ) -> Result<(), KernelError> {
        let tunnel = matches!(config.forwarding, Forwarding::Tunnel(_));
        let mixed = service.family() != key.addr.family();
        if mixed && (!tunnel || self.daemons().next().is_some()) {
            Err(KernelError::InvalidOperation)
        } else {
            Ok(())
        }
    }
}

fn bind(config: &ServiceConfig, list: &List) -> Result<AnyScheduler, KernelError> {
    if config.engine.as_deref().is_some_and(|engine| engine != "sip") {
        return Err(KernelError::SchedulerNotFound);
    }
    match AnyScheduler::new(&config.scheduler, config.scheduler_flags, list) {
        None => Err(KernelError::SchedulerNotFound),
        Some(Err(_too_many)) => Err(KernelError::InvalidOperation),
        Some(Ok(scheduler)) => Ok(scheduler),
    }
}

/// Does the scheduler look at flags? Those that do have a table that follows from the list, and lose nothing when
/// they are bound again.
fn knows_flags(scheduler: &str) -> bool {
    schedulers::SCHEDULERS.iter().any(|entry| entry.name == scheduler && !entry.flags.is_empty())
}

fn check_figures(config: &DestinationConfig) -> Result<(), KernelError> {
    if config.weight < 0 || config.lower > config.upper {
        Err(KernelError::OutOfRange)
    } else if config.upper > i32::MAX as u32 {
        Err(KernelError::InvalidOperation)
    } else {
        Ok(())
    }
}

/// Unicast, as far as the address alone tells.
fn is_usable_address(addr: Addr) -> bool {
    let link_local = !addr.is_v4() && addr.to_bits() >> 118 == 0xfe80 >> 6;
    !(addr.is_unspecified() || addr.is_multicast() || addr == Addr::BROADCAST_V4 || link_local)
}

fn figures(key: DestinationKey, config: &DestinationConfig) -> schedulers::Destination {
    schedulers::Destination {
        addr: key.addr.into(),
        port: key.port,
        weight: config.weight,
        last_weight: config.weight,
        active: 0,
        inactive: 0,
        overloaded: false,
        available: true,
    }
}

fn record(
    service: ServiceId,
    service_key: ServiceKey,
    key: DestinationKey,
    config: &DestinationConfig,
) -> Record {
    Record {
        key,
        config: *config,
        service,
        service_key,
        statistics: Statistics::default(),
        settled: Counters::default(),
        persistent: 0,
        references: 0,
        idle_since: None,
        path_mtu: LearntMtu::default(),
    }
}
