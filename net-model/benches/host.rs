//! The network layer's common cases: what every packet asks.

use divan::{Bencher, black_box};
use net_model::addr::{Addr, Mac, Prefix};
use net_model::host::fib::RouteSpec;
use net_model::host::interface::{AddressSpec, InterfaceId, InterfaceKind};
use net_model::host::neighbour::NeighbourState;
use net_model::host::stack::Stack;
use sim_core::{Stream, Time, Timers};

fn main() {
    divan::main();
}

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

/// A director with a virtual address, a default route, and `servers` neighbours.
fn director(servers: u32) -> (Stack<u32>, InterfaceId) {
    let mut host = Stack::new(Stream::new(1, "director"), Timers::linux());
    let eth0 = host.add_interface("eth0", InterfaceKind::Ethernet, Mac::from_bits(1));
    host.set_up(eth0, true);
    for (text, len) in [("10.0.0.1", 16), ("10.0.0.100", 32)] {
        host.add_address(eth0, AddressSpec::new(addr(text), len)).expect("a free address");
    }
    let default = RouteSpec::to(Prefix::new(Addr::UNSPECIFIED_V4, 0)).via(addr("10.0.255.254"));
    host.add_route(&default).expect("the gateway is on the link");
    host.sysctl_set("net.ipv4.ip_forward", "1").expect("the setting exists");
    for n in 0..servers {
        let server = addr("10.0.1.0").offset(u128::from(n));
        host.set_neighbour(Time::ZERO, eth0, server, Mac::from_bits(2), NeighbourState::Reachable)
            .expect("the cache has room");
    }
    (host, eth0)
}

const PACKETS: u32 = 4096;

#[divan::bench]
fn is_local(bencher: Bencher) {
    let (host, _) = director(0);
    let vip = addr("10.0.0.100");
    bencher.counter(PACKETS).bench_local(|| (0..PACKETS).filter(|_| host.is_local(black_box(vip))).count());
}

/// Requests of ever other clients to the virtual address.
#[divan::bench]
fn route_input_to_the_virtual_address(bencher: Bencher) {
    let (mut host, eth0) = director(0);
    let (clients, vip) = (addr("192.168.0.0"), addr("10.0.0.100"));
    bencher.counter(PACKETS).bench_local(|| {
        (0..PACKETS)
            .filter(|&n| host.route_input(clients.offset(u128::from(n)), vip, 0, eth0).is_ok())
            .count()
    });
}

/// The way to one of `n` real servers.
#[divan::bench(args = [1, 16, 1000])]
fn route_output(bencher: Bencher, servers: u32) {
    let (mut host, _) = director(servers);
    let first = addr("10.0.1.0");
    bencher.counter(PACKETS).bench_local(|| {
        (0..PACKETS)
            .filter(|n| host.route_output(first.offset(u128::from(n % servers)), None, 0).is_ok())
            .count()
    });
}

/// The link address of one of `n` real servers.
#[divan::bench(args = [1, 16, 1000])]
fn resolve(bencher: Bencher, servers: u32) {
    let (mut host, eth0) = director(servers);
    let first = addr("10.0.1.0");
    bencher.counter(PACKETS).bench_local(|| {
        for n in 0..PACKETS {
            black_box(host.resolve(Time::ZERO, eth0, first.offset(u128::from(n % servers)), None));
        }
    });
}

/// Answers of real servers that a director forwards to ever other clients.
#[divan::bench]
fn route_input_forwarded(bencher: Bencher) {
    let (mut host, eth0) = director(0);
    let (server, clients) = (addr("10.0.1.1"), addr("192.168.0.0"));
    bencher.counter(PACKETS).bench_local(|| {
        (0..PACKETS)
            .filter(|&n| host.route_input(server, clients.offset(u128::from(n)), 0, eth0).is_ok())
            .count()
    });
}
