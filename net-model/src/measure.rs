//! Sampling a running network, and the outcome of a finished one.

use crate::addr::Addr;
use crate::holders::Holders;
use crate::host::Host;
use crate::network::Network;
use crate::outcome::{
    ArpAnswer, ClientOutcome, DestinationOutcome, DirectorOutcome, DropCount, Failure, FrameBalance,
    LinkOutcome, Outcome, ServerOutcome, ServerSeries, ServiceOutcome,
};
use crate::recorder::Place;
use crate::server::Server;
use rustc_hash::FxHashMap;
use sim_core::{Duration, Histogram, Time};

/// The series of a run.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    times: Vec<Time>,
    series: Vec<ServerSeries>,
    /// Busy nanoseconds of each server host at the last sample.
    busy_ns: Vec<u128>,
    /// Which serving host has an address, as of this state of all hosts' addresses.
    owner: FxHashMap<Addr, usize>,
    owner_as_of: u64,
    holders: Holders,
}

/// Active and inactive connections and the sum of weights of one host.
#[derive(Clone, Copy, Default)]
struct Directed {
    active: u32,
    inactive: u32,
    weight: i64,
    is_served: bool,
}

impl Measure {
    /// Takes a sample of every host that runs server programs.
    pub(crate) fn sample(&mut self, now: Time, hosts: &[Host]) {
        let serving: Vec<&Host> = hosts.iter().filter(|host| !host.servers.is_empty()).collect();
        self.series.resize_with(serving.len(), ServerSeries::default);
        self.busy_ns.resize(serving.len(), 0);
        let elapsed = self.times.last().map_or(Duration::ZERO, |last| now.since(*last));
        self.times.push(now);
        self.holders.sample(now, hosts);
        let directed = self.directed(hosts, &serving);
        for (at, host) in serving.iter().enumerate() {
            let busy_ns: u128 = host.servers.iter().map(|server| server.busy_ns(now)).sum();
            let workers: u32 = host.servers.iter().map(|server| server.spec.workers).sum();
            let capacity = elapsed.as_nanos() as f64 * f64::from(workers);
            let busy = (busy_ns - self.busy_ns[at]) as f64;
            self.busy_ns[at] = busy_ns;
            let series = &mut self.series[at];
            series.active.push(directed[at].active);
            series.inactive.push(directed[at].inactive);
            series.accepted.push(host.servers.iter().map(|server| server.accepted).sum());
            series.queue.push(host.servers.iter().map(Server::load).sum());
            series.utilisation.push(if capacity > 0.0 { (busy / capacity) as f32 } else { 0.0 });
        }
    }

    /// Notes whose address is whose, if any address may have changed.
    fn find_owners(&mut self, serving: &[&Host]) {
        let as_of = serving.iter().map(|host| u64::from(host.stack.fib_generation())).sum();
        if self.owner_as_of == as_of {
            return;
        }
        self.owner_as_of = as_of;
        self.owner.clear();
        for (at, host) in serving.iter().enumerate() {
            let addresses = host.stack.interfaces().flat_map(|(_, interface)| interface.addresses());
            for address in addresses {
                self.owner.entry(address.addr).or_insert(at);
            }
        }
    }

    /// What all directors think of each serving host.
    fn directed(&mut self, hosts: &[Host], serving: &[&Host]) -> Vec<Directed> {
        self.find_owners(serving);
        let mut directed = vec![Directed::default(); serving.len()];
        for director in hosts.iter().filter_map(|host| host.director.as_deref()) {
            for service in director.services() {
                for destination in service.destinations {
                    if let Some(&at) = self.owner.get(&destination.key.addr) {
                        directed[at].active += destination.active;
                        directed[at].inactive += destination.inactive;
                        directed[at].weight += i64::from(destination.config.weight);
                        directed[at].is_served = true;
                    }
                }
            }
        }
        directed
    }
}

impl Network {
    /// What the run has left behind so far.
    pub fn outcome(&mut self) -> Outcome {
        let duration = self.now().since(Time::ZERO);
        let serving: Vec<&Host> = self.hosts.iter().filter(|host| !host.servers.is_empty()).collect();
        let directed = self.measure.directed(&self.hosts, &serving);
        let mut series = self.measure.series.clone();
        series.resize_with(serving.len(), ServerSeries::default);
        let servers = serving.iter().zip(series).zip(&directed);
        let servers =
            servers.map(|((host, series), directed)| server_outcome(host, series, directed, self.now()));
        let wiring = &self.cx.wiring;
        Outcome {
            seed: self.options.seed,
            duration,
            events: self.events,
            hops: wiring.hops(),
            fingerprint: self.fingerprint.value(),
            frames: FrameBalance {
                sent: wiring.frames.sent(),
                delivered: self.cx.recorder.delivered,
                dropped: self.cx.recorder.dropped_frames,
                in_flight: wiring.frames.under_way(),
            },
            servers: servers.collect(),
            clients: self.client_outcomes(),
            directors: self.director_outcomes(),
            links: self.link_outcomes(duration),
            drops: self.drop_counts(),
            sample_times: self.measure.times.clone(),
            arp_answers: self.arp_answers(),
            arp_caches: self.measure.holders.outcome(&self.hosts),
        }
    }

    fn client_outcomes(&self) -> Vec<ClientOutcome> {
        let mut groups: Vec<_> = self.hosts.iter().flat_map(|host| &host.clients).collect();
        groups.sort_by_key(|group| group.id);
        groups
            .iter()
            .map(|group| ClientOutcome {
                name: group.spec.name.clone(),
                started: group.seen.started,
                succeeded: group.seen.succeeded,
                failed: Failure::ALL
                    .iter()
                    .map(|failure| (*failure, group.seen.failed[*failure as usize]))
                    .filter(|(_, count)| *count > 0)
                    .collect(),
                retransmissions: group.seen.retransmissions,
                connect: group.seen.connect.clone(),
                latency: group.seen.latency.clone(),
                latency_series: group
                    .seen
                    .by_interval
                    .iter()
                    .map(|(count, sum)| {
                        (*count, if *count == 0 { 0.0 } else { *sum as f64 / *count as f64 / 1e9 })
                    })
                    .collect(),
            })
            .collect()
    }

    fn director_outcomes(&self) -> Vec<DirectorOutcome> {
        let directors = self.hosts.iter().filter_map(|host| Some((host, host.director.as_deref()?)));
        directors
            .map(|(host, director)| DirectorOutcome {
                name: host.name.clone(),
                services: director.services().map(|service| service_outcome(&service)).collect(),
                connections: director.connection_count() as u64,
            })
            .collect()
    }

    fn link_outcomes(&self, duration: Duration) -> Vec<LinkOutcome> {
        let links = self.cx.wiring.links.iter().zip(&self.link_names);
        links
            .map(|(link, name)| {
                let count = link.count();
                let share = count.busy_ns as f64 / duration.as_nanos().max(1) as f64;
                LinkOutcome {
                    name: name.clone(),
                    frames: count.frames,
                    bytes: count.bytes,
                    dropped: count.dropped,
                    utilisation: share.min(1.0),
                }
            })
            .collect()
    }

    fn drop_counts(&self) -> Vec<DropCount> {
        let drops = self.cx.recorder.drops.iter();
        drops
            .map(|((place, reason), drops)| DropCount {
                place: self.place_name(*place).to_owned(),
                reason: *reason,
                count: drops.count,
                series: drops.series.clone(),
            })
            .collect()
    }

    fn arp_answers(&self) -> Vec<ArpAnswer> {
        let mut answers: Vec<ArpAnswer> = self
            .cx
            .recorder
            .arp_answers
            .iter()
            .map(|((addr, host), answers)| ArpAnswer {
                addr: *addr,
                host: self.hosts[*host as usize].name.clone(),
                count: answers.count,
                first: answers.first,
            })
            .collect();
        answers.sort_by_key(|answer| answer.first);
        answers
    }

    /// The name of a place, as users know it.
    pub fn place_name(&self, place: Place) -> &str {
        match place {
            Place::Link(link) => &self.link_names[link.0 as usize],
            Place::Switch(switch) => &self.switch_names[switch as usize],
            Place::Host(host) => &self.hosts[host as usize].name,
        }
    }
}

fn server_outcome(host: &Host, series: ServerSeries, directed: &Directed, now: Time) -> ServerOutcome {
    let mut sojourn = Histogram::new();
    for server in &host.servers {
        sojourn.merge(&server.sojourn);
    }
    let busy_ns: u128 = host.servers.iter().map(|server| server.busy_ns(now)).sum();
    let workers: u32 = host.servers.iter().map(|server| server.spec.workers).sum();
    let capacity = now.as_nanos() as f64 * f64::from(workers);
    ServerOutcome {
        name: host.name.clone(),
        weight: if directed.is_served { directed.weight } else { 0 },
        accepted: host.servers.iter().map(|server| server.accepted).sum(),
        completed: host.servers.iter().map(|server| server.completed).sum(),
        overflowed: host.servers.iter().map(|server| server.overflowed).sum(),
        sojourn,
        utilisation: if capacity > 0.0 { busy_ns as f64 / capacity } else { 0.0 },
        series,
    }
}

fn service_outcome(service: &crate::ipvs::ServiceView<'_>) -> ServiceOutcome {
    let destinations = service.destinations.iter().map(|destination| DestinationOutcome {
        name: crate::ipvs::endpoint(destination.key.addr, destination.key.port),
        forwarding: destination.config.forwarding.name(),
        weight: destination.config.weight,
        conns: destination.live.conns,
        active: destination.active,
        inactive: destination.inactive,
        in_packets: destination.live.in_packets,
        out_packets: destination.live.out_packets,
    });
    ServiceOutcome {
        name: service.key.to_string(),
        scheduler: service.config.scheduler.clone(),
        destinations: destinations.collect(),
    }
}
