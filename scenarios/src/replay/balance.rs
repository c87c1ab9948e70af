//! Who got how many connections of a replayed capture.

use super::Replay;
use net_model::ipvs::{DestinationKey, Director, ServiceKey};

/// The connections of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct ServiceBalance {
    /// Which.
    pub service: ServiceKey,
    /// Its scheduler; none if the service is gone.
    pub scheduler: Option<String>,
    /// Connections (or datagrams) that got no server.
    pub refused: u64,
    /// Its servers, in the order of the rules, then servers that are gone.
    pub servers: Vec<ServerBalance>,
}

/// The connections of a server.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerBalance {
    /// Which.
    pub server: DestinationKey,
    /// The host's name, if the scenario has one for the address.
    pub name: Option<String>,
    /// Its weight; none if it is gone.
    pub weight: Option<i32>,
    /// Decisions for it.
    pub connections: u64,
    /// Packets to it.
    pub packets: u64,
    /// Bytes to it.
    pub bytes: u64,
}

impl Replay<'_> {
    /// The balance of all services.
    pub(super) fn balance(&mut self) -> Vec<ServiceBalance> {
        let mut chosen = std::mem::take(&mut self.chosen);
        let mut services: Vec<ServiceBalance> = Vec::new();
        let director = self.assembled.network.host(self.id()).director.as_deref();
        for view in director.into_iter().flat_map(Director::services) {
            let servers = view.destinations.iter().map(|server| ServerBalance {
                server: server.key,
                name: self.name_of(server.key.addr).map(str::to_owned),
                weight: Some(server.config.weight),
                connections: chosen.remove(&(view.key, server.key)).unwrap_or(0),
                packets: server.live.in_packets,
                bytes: server.live.in_bytes,
            });
            services.push(ServiceBalance {
                service: view.key,
                scheduler: Some(view.config.scheduler.clone()),
                refused: self.refused.get(&view.key).copied().unwrap_or(0),
                servers: servers.collect(),
            });
        }
        for ((service, server), connections) in chosen {
            let name = self.name_of(server.addr).map(str::to_owned);
            let gone = ServerBalance { server, name, weight: None, connections, packets: 0, bytes: 0 };
            match services.iter_mut().find(|balance| balance.service == service) {
                Some(balance) => balance.servers.push(gone),
                None => {
                    let refused = self.refused.get(&service).copied().unwrap_or(0);
                    services.push(ServiceBalance { service, scheduler: None, refused, servers: vec![gone] });
                }
            }
        }
        services
    }
}
