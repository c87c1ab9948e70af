//! The reference workload W1: packet forwarding through a director, with everything on.
//!
//! ```text
//! 64 clients - switch A - director - switch B - 16 servers
//! ```
//!
//! Links of 10 Gbit/s and 5 µs, store and forward everywhere, 100,000 connections a second in all. A connection asks
//! with 200 bytes, is answered at once with two full segments, and is closed by the client. Under NAT and under direct
//! routing alike the director is the servers' gateway, so every frame crosses four links.

use crate::addr::{Addr, Mac, Prefix};
use crate::host::fib::RouteSpec;
use crate::host::interface::AddressSpec;
use crate::host::{InterfaceId, InterfaceKind};
use crate::ipvs::{
    DestinationConfig, DestinationKey, Forwarding, Kernel, Protocol, ServiceConfig, ServiceKey,
};
use crate::network::{HostId, Memory, Network, Options, SwitchId};
use crate::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target,
};
use sim_core::{Dist, Duration, Histogram, Time, Timers};

/// The virtual service of the workload.
const VIP: Addr = Addr::v4(0x0a00_0001);
const PORT: u16 = 80;
/// Addresses: clients 10.0.1.0/24 …, servers 10.1.0.0/16.
const CLIENTS: u32 = 0x0a00_0100;
const SERVERS: u32 = 0x0a01_0002;
const GATEWAY: Addr = Addr::v4(0x0a01_0001);

/// How large the workload is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Workload {
    /// Client hosts, at most 60,000.
    pub clients: u32,
    /// Real servers, at most 60,000.
    pub servers: u32,
    /// Connections a second in all.
    pub rate: f64,
    /// Forwarding method: masquerading or direct routing.
    pub forwarding: Forwarding,
    /// The scheduler's name.
    pub scheduler: &'static str,
    /// Who closes; [`Close::None`] keeps every connection open.
    pub close: Close,
    /// Each client host stands for this many addresses.
    pub addresses: u32,
    /// Distance of the samples of all series.
    pub sampling: Duration,
    /// The seed.
    pub seed: u64,
}

/// What a run of the workload did. How long it took is the caller's to measure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// Frames delivered over a link.
    pub hops: u64,
    /// Connections whose answer was complete.
    pub connections: u64,
    /// Agenda entries handled.
    pub events: u64,
    /// Rolling hash of everything that happened.
    pub fingerprint: u64,
    /// First SYN to the last byte of the answer, mean.
    pub latency: Duration,
    /// Bytes of heap memory at the end.
    pub memory: Memory,
}

impl Default for Workload {
    /// W1 under direct routing.
    fn default() -> Workload {
        Workload {
            clients: 64,
            servers: 16,
            rate: 100_000.0,
            forwarding: Forwarding::Route,
            scheduler: "wlc",
            close: Close::Client,
            addresses: 1,
            sampling: Duration::from_millis(100),
            seed: 1,
        }
    }
}

impl Workload {
    /// Runs for this much virtual time.
    pub fn measure(&self, duration: Duration) -> Measured {
        let mut net = self.build();
        net.run_until(Time::ZERO + duration);
        let outcome = net.outcome();
        let mut latency = Histogram::new();
        outcome.clients.iter().for_each(|client| latency.merge(&client.latency));
        Measured {
            hops: outcome.hops,
            connections: outcome.clients.iter().map(|client| client.succeeded).sum(),
            events: outcome.events,
            fingerprint: outcome.fingerprint,
            latency: latency.mean(),
            memory: net.memory(),
        }
    }

    /// The network, ready to run.
    pub fn build(&self) -> Network {
        let options = Options { seed: self.seed, timers: Timers::default(), sampling: self.sampling };
        let mut net = Network::new(options);
        let (a, b) = (net.add_switch("a"), net.add_switch("b"));
        self.add_director(&mut net, a, b);
        for n in 0..self.servers {
            self.add_server(&mut net, b, n);
        }
        for n in 0..self.clients {
            self.add_client(&mut net, a, n);
        }
        net
    }

    fn add_director(&self, net: &mut Network, a: SwitchId, b: SwitchId) {
        let director = net.add_host("director");
        for (name, switch, mac, addr) in [("eth0", a, 1, VIP), ("eth1", b, 2, GATEWAY)] {
            let interface = attach(net, director, name, switch, mac);
            let stack = &mut net.host_mut(director).stack;
            stack.add_address(interface, AddressSpec::new(addr, 16)).expect("the address is free");
        }
        let stack = &mut net.host_mut(director).stack;
        for (name, value) in [("net.ipv4.ip_forward", "1"), ("net.ipv4.conf.all.accept_local", "1")] {
            stack.sysctl_set(name, value).expect("the setting exists");
        }
        net.director(director, Kernel::New);
        let host = net.host_mut(director);
        let ipvs = host.director.as_mut().expect("it was just made");
        let service = ServiceKey::Address { protocol: Protocol::Tcp, addr: VIP, port: PORT };
        let config = ServiceConfig {
            scheduler: self.scheduler.to_owned(),
            scheduler_flags: 0,
            persistence: None,
            netmask: Addr::BROADCAST_V4,
            one_packet: false,
            engine: None,
        };
        ipvs.add_service(Time::ZERO, service, &config).expect("the scheduler exists");
        for n in 0..self.servers {
            let destination = DestinationKey { addr: Addr::v4(SERVERS + n), port: PORT };
            let config = DestinationConfig { forwarding: self.forwarding, weight: 1, upper: 0, lower: 0 };
            ipvs.add_destination(Time::ZERO, service, destination, &config, &host.stack)
                .expect("the server is new");
        }
    }

    fn add_server(&self, net: &mut Network, switch: SwitchId, n: u32) {
        let server = net.add_host(&format!("server{n}"));
        let eth0 = attach(net, server, "eth0", switch, 0x10_0000 + u64::from(n));
        let stack = &mut net.host_mut(server).stack;
        stack.sysctl_set("net.ipv4.conf.all.arp_ignore", "1").expect("the setting exists");
        stack.sysctl_set("net.ipv4.conf.all.arp_announce", "2").expect("the setting exists");
        stack.add_address(eth0, AddressSpec::new(Addr::v4(SERVERS + n), 16)).expect("the address is free");
        stack.add_address(InterfaceId::LO, AddressSpec::new(VIP, 32)).expect("the address is free");
        if matches!(self.forwarding, Forwarding::Tunnel(_)) {
            let tunnel = stack.add_interface("tunl0", InterfaceKind::Tunnel, Mac::ZERO);
            stack.set_up(tunnel, true);
        }
        let default = RouteSpec::to(Prefix::new(Addr::UNSPECIFIED_V4, 0)).via(GATEWAY);
        stack.add_route(&default).expect("the gateway is on the link");
        net.add_server(
            server,
            ServerSpec {
                protocol: Protocol::Tcp,
                ports: vec![PORT],
                workers: u32::MAX,
                discipline: Discipline::Fifo,
                speed: 1.0,
                service_time: Dist::Constant(0.0),
                response_bytes: Dist::Constant(2896.0),
                backlog: 4096,
                reply_from: ReplyFrom::Asked,
            },
        );
    }

    fn add_client(&self, net: &mut Network, switch: SwitchId, n: u32) {
        let client = net.add_host(&format!("client{n}"));
        let eth0 = attach(net, client, "eth0", switch, 0x20_0000 + u64::from(n));
        let stack = &mut net.host_mut(client).stack;
        stack.add_address(eth0, AddressSpec::new(Addr::v4(CLIENTS + n), 16)).expect("the address is free");
        let mut sources = Sources::Host;
        if self.addresses > 1 {
            let bits = 32 - self.addresses.next_power_of_two().trailing_zeros() as u8;
            let pool = Prefix::new(Addr::v4(0x2000_0000 + (n << 16)), bits.max(16));
            net.host_mut(client).stack.add_local_prefix(pool).expect("the prefix is free");
            let gateway = RouteSpec::to(pool).via(Addr::v4(CLIENTS + n));
            let director = HostId(0);
            net.host_mut(director).stack.add_route(&gateway).expect("the client is on the link");
            sources = Sources::RoundRobin(pool);
        }
        net.add_clients(
            client,
            ClientSpec {
                name: format!("client{n}"),
                sources,
                target: Target { protocol: Protocol::Tcp, addr: VIP, port: PORT },
                arrivals: Arrivals::Poisson(self.rate / f64::from(self.clients)),
                request_bytes: Dist::Constant(200.0),
                close: self.close,
                timeout: None,
                retries: 0,
                start: Time::ZERO,
                stop: Time::NEVER,
                limit: None,
            },
        );
    }
}

fn attach(net: &mut Network, host: HostId, name: &str, switch: SwitchId, mac: u64) -> InterfaceId {
    let cable = LinkSpec {
        rate_bps: 10_000_000_000,
        delay: Duration::from_micros(5),
        queue_bytes: u64::MAX,
        loss: 0.0,
    };
    let mac = Mac::from_bits(0x0200_0000_0000 + mac);
    let interface = net.add_interface(host, name, InterfaceKind::Ethernet, mac);
    net.host_mut(host).stack.set_up(interface, true);
    net.plug(host, interface, switch, &cable);
    interface
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_workload_is_the_same_everywhere() {
        let run =
            |forwarding| Workload { forwarding, ..Workload::default() }.measure(Duration::from_millis(20));
        let direct = run(Forwarding::Route);
        assert_eq!(direct, run(Forwarding::Route));
        // The director is the servers' gateway under both methods: the same frames at the same instants.
        assert_eq!(direct.fingerprint, run(Forwarding::Masquerade).fingerprint);
        // 12 frames over 4 links a connection, and ARP in the first milliseconds.
        let hops = direct.hops as f64 / direct.connections as f64;
        assert!((47.0..51.0).contains(&hops), "{hops} hops a connection");
    }

    #[test]
    fn a_thousand_servers() {
        let measured = Workload { servers: 1000, ..Workload::default() }.measure(Duration::from_millis(30));
        assert!(measured.connections > 2500, "{measured:?}");
    }

    /// An open connection is two sockets, an exchange, an entry of the director, and their indexes. What is spare in
    /// their tables counts, and what the connections of the last fifth of a second have borrowed.
    #[test]
    fn an_open_connection_takes_little_memory() {
        let open = Workload { close: Close::None, rate: 50_000.0, ..Workload::default() };
        let measured = open.measure(Duration::from_millis(2500));
        let each = measured.memory.total() as f64 / measured.connections as f64;
        assert!(measured.connections > 120_000, "{measured:?}");
        assert!(each < 262.0, "{each} bytes a connection: {:?}", measured.memory);
    }
}
