//! Read-only views for listings.

use super::config::{Forwarding, ServiceKey, Tunnel};
use super::connection::{Connection, flag};
use super::service::Service;
use super::settings::SysctlError;
use super::view::{ConnectionView, DestinationView, ServiceView, Shown};
use super::{Director, state};
use schedulers::DestinationId;
use sim_core::{Duration, Time};

impl Director {
    /// `sysctl -w net.ipv4.vs.NAME=VALUE`.
    ///
    /// # Errors
    /// An unknown name or a value that the kernel refuses.
    pub fn sysctl_set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        self.settings.set(name, value)?;
        self.connections.changes();
        self.judge_defences(self.clock.now());
        Ok(())
    }

    /// `sysctl net.ipv4.vs.NAME`.
    ///
    /// # Errors
    /// An unknown name.
    pub fn sysctl_get(&self, name: &str) -> Result<String, SysctlError> {
        self.settings.get(name)
    }

    /// Are replies of masqueraded servers routed again (`snat_reroute`)?
    pub fn reroutes_replies(&self) -> bool {
        self.settings.snat_reroute != 0
    }

    /// The services, in the order of their creation (the kernel's own order depends on addresses in its memory).
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.services.iter().map(|(_, service)| self.view(service))
    }

    /// One service.
    pub fn service(&self, key: ServiceKey) -> Option<ServiceView<'_>> {
        Some(self.view(self.services.get(self.services.id(key)?)?))
    }

    /// The connection table at `now`, in an order that carries no meaning.
    pub fn connections(&self, now: Time) -> impl Iterator<Item = ConnectionView> {
        self.connections.iter().map(move |(slot, connection)| {
            let call = connection.is(flag::CALL).then(|| self.calls.name(slot)).flatten();
            ConnectionView { call: call.cloned(), ..self.view_connection(connection, now) }
        })
    }

    /// Statistics of the whole director, as shown.
    pub fn totals(&self) -> Shown {
        self.totals.shown()
    }

    /// Bytes of heap memory in use, roughly: what grows with the number of connections and destinations.
    pub fn memory(&self) -> usize {
        self.connections.memory() + self.calls.memory() + self.destinations.memory() + self.clock.memory()
    }

    /// Entries in the connection table, templates included.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn view<'a>(&'a self, service: &'a Service) -> ServiceView<'a> {
        let mut live = service.statistics.live;
        service.order.iter().for_each(|id| live.add(self.destinations.get(*id).unsettled()));
        ServiceView {
            key: service.key,
            config: &service.config,
            shown: service.statistics.shown(),
            live,
            destinations: service.order.iter().map(|id| self.view_destination(*id)).collect(),
        }
    }

    fn view_destination(&self, id: DestinationId) -> DestinationView {
        let record = self.destinations.get(id);
        let figures = &self.destinations.pool[id.index()];
        DestinationView {
            key: record.key,
            config: record.config,
            active: figures.active as u32,
            inactive: figures.inactive as u32,
            persistent: record.persistent,
            overloaded: figures.overloaded,
            shown: record.statistics.shown(),
            live: record.statistics.live,
        }
    }

    fn view_connection(&self, connection: &Connection, now: Time) -> ConnectionView {
        let mapping = self.connections.mapping(connection);
        let forwarding =
            match connection.method() {
                flag::MASQUERADE => Some(Forwarding::Masquerade),
                flag::TUNNEL => Some(mapping.destination().map_or(Forwarding::Tunnel(Tunnel::IpIp), |id| {
                    self.destinations.get(id).config.forwarding
                })),
                flag::BYPASS => None,
                _ => Some(Forwarding::Route),
            };
        ConnectionView {
            protocol: connection.protocol,
            client: (connection.client, connection.client_port),
            virtual_: mapping.virtual_,
            real: mapping.real,
            state: state::name(connection),
            left: connection.expires().since(now),
            timeout: Duration::from_secs(u64::from(connection.timeout)),
            flags: connection.flags & !flag::PRIVATE,
            template: connection.is_template(),
            by_sync: connection.is(flag::SYNC),
            mark: mapping.mark,
            in_packets: connection.in_packets,
            forwarding,
            call: None,
        }
    }
}
