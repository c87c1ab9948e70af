//! Destinations: what schedulers see of them stays hot and contiguous, the rest lies beside it.

use super::config::{DestinationConfig, DestinationKey, Forwarding, ServiceKey, Tunnel};
use super::connection::flag;
use super::estimator::Statistics;
use super::kernel::Kernel;
use super::service::ServiceId;
use super::threshold::Thresholds;
use super::view::Counters;
use schedulers::DestinationId;
use sim_core::Time;

/// Everything about a destination that schedulers do not look at.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: DestinationKey,
    pub(super) config: DestinationConfig,
    /// The service it belongs (or, in the trash, belonged) to.
    pub(super) service: ServiceId,
    pub(super) service_key: ServiceKey,
    pub(super) statistics: Statistics,
    /// Of the live counters, what service and director have been told.
    pub(super) settled: Counters,
    /// Templates that point here.
    pub(super) persistent: u32,
    /// Entries of the connection table that point here, templates included.
    pub(super) references: u32,
    /// In the trash: since when nothing refers to it.
    pub(super) idle_since: Option<Time>,
    pub(super) path_mtu: LearntMtu,
}

/// A path MTU that an ICMP error told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LearntMtu {
    pub(super) bytes: u16,
    /// Until when it holds; since the beginning of time it holds no more.
    pub(super) until: Time,
}

impl LearntMtu {
    /// What it is now, if it still holds.
    #[inline]
    pub(super) fn at(self, now: Time) -> Option<u16> {
        (now < self.until).then_some(self.bytes)
    }
}

impl Record {
    /// The connection flags that the forwarding method gives.
    pub(super) fn flags(&self) -> u32 {
        match self.config.forwarding {
            Forwarding::Masquerade => flag::MASQUERADE,
            Forwarding::Route => flag::ROUTE | flag::NO_OUTPUT,
            Forwarding::Tunnel(_) => flag::TUNNEL | flag::NO_OUTPUT,
        }
    }

    /// The tunnel to it, if it is behind one.
    #[inline]
    pub(super) fn tunnel(&self) -> Tunnel {
        match self.config.forwarding {
            Forwarding::Tunnel(tunnel) => tunnel,
            Forwarding::Masquerade | Forwarding::Route => Tunnel::IpIp,
        }
    }

    /// What has been counted since the last time.
    pub(super) fn unsettled(&self) -> Counters {
        self.statistics.live.minus(self.settled)
    }

    /// The same, and from now on it counts as told.
    pub(super) fn settle(&mut self) -> Counters {
        let news = self.unsettled();
        self.settled = self.statistics.live;
        news
    }

    pub(super) fn thresholds(&self) -> Thresholds {
        Thresholds { upper: self.config.upper, lower: self.config.lower }
    }
}

/// All destinations of all services, and those in the trash.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    /// What schedulers see, indexed by id.
    pub(super) pool: Vec<schedulers::Destination>,
    records: Vec<Record>,
    free: Vec<DestinationId>,
    /// Removed, but remembered.
    pub(super) trash: Vec<DestinationId>,
    /// When the trash is looked through next.
    pub(super) trash_due: Time,
}

impl Destinations {
    #[inline]
    pub(super) fn get(&self, id: DestinationId) -> &Record {
        &self.records[id.index()]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: DestinationId) -> &mut Record {
        &mut self.records[id.index()]
    }

    /// The destination, if there is such a one.
    #[inline]
    pub(super) fn find_mut(&mut self, id: DestinationId) -> Option<&mut Record> {
        self.records.get_mut(id.index())
    }

    /// The destination, if there is such a one and it is in service.
    pub(super) fn at_work(&self, id: DestinationId) -> Option<&Record> {
        self.pool.get(id.index()).filter(|figures| figures.available)?;
        self.records.get(id.index())
    }

    /// Counts an event, if there is such a destination and it is in service.
    #[inline(always)] // once a packet
    pub(super) fn count(&mut self, id: DestinationId, event: impl Fn(&mut Counters)) {
        if self.pool.get(id.index()).is_some_and(|figures| figures.available) {
            event(&mut self.records[id.index()].statistics.live);
        }
    }

    /// Is it in the trash? What there is not (an entry without destination) is not in the trash either.
    #[inline]
    pub(super) fn is_gone(&self, id: DestinationId) -> bool {
        self.pool.get(id.index()).is_some_and(|figures| !figures.available)
    }

    /// Active and inactive connections together: what thresholds count.
    pub(super) fn connections(&self, id: DestinationId) -> u32 {
        let figures = &self.pool[id.index()];
        (figures.active + figures.inactive) as u32
    }

    pub(super) fn insert(&mut self, figures: schedulers::Destination, record: Record) -> DestinationId {
        match self.free.pop() {
            Some(id) => {
                self.pool[id.index()] = figures;
                self.records[id.index()] = record;
                id
            }
            None => {
                self.pool.push(figures);
                self.records.push(record);
                DestinationId::new(self.pool.len() as u32 - 1)
            }
        }
    }

    /// Forgets a destination of the trash; its id will be used again.
    pub(super) fn forget(&mut self, id: DestinationId) {
        self.free.push(id);
    }

    /// An entry was bound: counts, then the overload test.
    pub(super) fn bind(&mut self, kernel: Kernel, id: DestinationId, template: bool, inactive: bool) {
        let record = &mut self.records[id.index()];
        let figures = &mut self.pool[id.index()];
        record.references += 1;
        match (template, inactive) {
            (true, _) => record.persistent += 1,
            (false, true) => figures.inactive += 1,
            (false, false) => figures.active += 1,
        }
        if record.config.upper != 0 && (!template || kernel == Kernel::Classic) {
            let count = (figures.active + figures.inactive) as u32;
            figures.overloaded = record.thresholds().bound(kernel, figures.overloaded, count);
        }
    }

    /// An entry was released: counts, then the overload test.
    pub(super) fn release(&mut self, kernel: Kernel, id: DestinationId, template: bool, inactive: bool) {
        let record = &mut self.records[id.index()];
        let figures = &mut self.pool[id.index()];
        record.references -= 1;
        match (template, inactive) {
            (true, _) => record.persistent -= 1,
            (false, true) => figures.inactive -= 1,
            (false, false) => figures.active -= 1,
        }
        let count = (figures.active + figures.inactive) as u32;
        figures.overloaded = record.thresholds().released(kernel, figures.overloaded, count, template);
    }

    /// A connection became active or inactive.
    #[inline]
    pub(super) fn shift(&mut self, id: DestinationId, to_inactive: bool) {
        let figures = &mut self.pool[id.index()];
        let by = if to_inactive { -1 } else { 1 };
        figures.active += by;
        figures.inactive -= by;
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.pool.capacity() * size_of::<schedulers::Destination>()
            + self.records.capacity() * size_of::<Record>()
            + (self.free.capacity() + self.trash.capacity()) * size_of::<DestinationId>()
    }
}
