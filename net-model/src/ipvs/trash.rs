//! The trash: a deleted destination is remembered for three minutes or more, with its connections and statistics.
//!
//! Adding the same server to the same service in time revives it. While the trash holds something, a job runs every
//! 60 s: it stamps what nothing refers to, and forgets it at a run 120 s or more after the stamp.

use super::Director;
use super::clock::Alarm;
use super::config::{DestinationConfig, DestinationKey, ServiceKey};
use super::service::ServiceId;
use schedulers::DestinationId;
use sim_core::{Duration, Time};

const PERIOD: Duration = Duration::from_secs(60);
const MEMORY: Duration = Duration::from_secs(120);

impl Director {
    /// Takes a destination out of service. Its place in the service's list is the caller's business.
    pub(super) fn throw_away(&mut self, now: Time, id: DestinationId) {
        self.settle(id);
        self.destinations.pool[id.index()].available = false;
        if self.destinations.trash.is_empty() {
            self.set_trash_timer(now);
        }
        self.destinations.get_mut(id).idle_since = None;
        self.destinations.trash.push(id);
        if self.settings.expire_nodest_conn != 0 {
            self.clock.post_after(now, Duration::ZERO, Alarm::ExpireGone);
        }
    }

    /// Brings a destination of this service back from the trash.
    pub(super) fn revive(
        &mut self,
        service: ServiceId,
        service_key: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
    ) -> Option<DestinationId> {
        let destinations = &mut self.destinations;
        let position = destinations.trash.iter().position(|id| {
            let record = destinations.get(*id);
            record.key == key && record.service_key == service_key
        })?;
        let id = destinations.trash.remove(position);
        let figures = &mut destinations.pool[id.index()];
        figures.available = true;
        figures.last_weight = config.weight;
        let record = destinations.get_mut(id);
        if record.service != service {
            record.service = service;
            record.statistics.zero();
        }
        self.configure(id, config);
        Some(id)
    }

    /// The job; nothing, if its timer has been set anew since.
    pub(super) fn collect_trash(&mut self, now: Time) {
        let Director { destinations, services, .. } = self;
        if destinations.trash_due != now {
            return;
        }
        let mut trash = std::mem::take(&mut destinations.trash);
        trash.retain(|&id| {
            let remembered = services.iter().any(|(_, service)| service.scheduler.refers_to(id));
            let record = destinations.get_mut(id);
            if record.references > 0 || remembered {
                return true;
            }
            let since = *record.idle_since.get_or_insert(now);
            let keep = now.since(since) < MEMORY;
            if !keep {
                destinations.forget(id);
            }
            keep
        });
        destinations.trash = trash;
        if !destinations.trash.is_empty() {
            self.set_trash_timer(now);
        }
    }

    fn set_trash_timer(&mut self, now: Time) {
        self.destinations.trash_due = self.clock.post_after(now, PERIOD, Alarm::Trash);
    }
}
