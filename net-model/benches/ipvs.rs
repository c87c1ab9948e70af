//! The director's hot paths with a million connections in the table.
//!
//! `cargo bench -p net-model --bench ipvs`; "items" are packets or connections.

use divan::Bencher;
use divan::counter::ItemsCount;
use net_model::addr::Addr;
use net_model::ipvs::{
    DestinationConfig, DestinationKey, Director, Forwarding, Kernel, Path, Protocol, ServiceConfig,
    ServiceKey, Surroundings, Timers, Tunnel, Verdict,
};
use net_model::packet::{Flags, Packet, Payload, Segment};
use sim_core::{Duration, Stream, Time};

const CONNECTIONS: u32 = 1_000_000;
const SERVERS: u32 = 10;
const MANY_SERVERS: u32 = 1_000;
const VIP: Addr = Addr::v4(0x0a09_0064);

fn main() {
    let (director, _) = filled(Forwarding::Route);
    let bytes = director.memory() as f64 / f64::from(CONNECTIONS);
    println!("{bytes:.0} bytes per connection, table and timers included");
    divan::main();
}

struct Host;

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        addr == VIP || addr == Addr::v4(0x0a00_0001)
    }

    fn route(&self, _: Addr) -> Option<Path> {
        Some(Path { mtu: 1500, source: Addr::v4(0x0a00_0001) })
    }
}

fn director(scheduler: &str, forwarding: Forwarding, servers: u32) -> Director {
    let mut director = Director::new(Kernel::New, Timers::linux(), Stream::new(1, "director"));
    let service = ServiceKey::Address { protocol: Protocol::Tcp, addr: VIP, port: 80 };
    let config = ServiceConfig {
        scheduler: scheduler.to_owned(),
        scheduler_flags: 0,
        persistence: None,
        netmask: Addr::BROADCAST_V4,
        one_packet: false,
        engine: None,
    };
    director.add_service(Time::ZERO, service, &config).expect("the scheduler exists");
    for server in 0..servers {
        let key = DestinationKey { addr: Addr::v4(0x0a00_0003 + server), port: 80 };
        let config = DestinationConfig { forwarding, weight: 1, upper: 0, lower: 0 };
        director.add_destination(Time::ZERO, service, key, &config, &Host).expect("a new server");
    }
    director
}

/// A packet of connection `n`; connections are spread over client addresses and ports.
fn packet(n: u32, flags: Flags) -> Packet {
    Packet {
        src: Addr::v4(0xc0a8_0000 + n / 16),
        dst: VIP,
        mark: 0,
        flow: 0,
        len: 40,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload: Payload::Tcp(Segment {
            sport: 1024 + (n % 16) as u16,
            dport: 80,
            flags,
            ..Segment::default()
        }),
        outer: None,
        text: None,
    }
}

/// A director with a million established connections, and the time they were established at.
fn filled(forwarding: Forwarding) -> (Director, Time) {
    let mut director = director("wlc", forwarding, SERVERS);
    let mut now = Time::ZERO;
    for n in 0..CONNECTIONS {
        now += Duration::from_micros(10);
        for flags in [Flags::SYN, Flags::ACK] {
            director.local_in(now, &mut packet(n, flags), &Host);
        }
    }
    (director, now)
}

/// Packets of established connections: of some busy ones, or of all, in an order that no cache likes.
#[divan::bench(sample_count = 5, sample_size = 1, args = [1_000, 100_000, CONNECTIONS])]
fn established_route(bencher: Bencher, busy: u32) {
    established(bencher, Forwarding::Route, busy);
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [1_000, 100_000, CONNECTIONS])]
fn established_tunnel(bencher: Bencher, busy: u32) {
    established(bencher, Forwarding::Tunnel(Tunnel::IpIp), busy);
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [1_000, 100_000, CONNECTIONS])]
fn established_masquerade(bencher: Bencher, busy: u32) {
    established(bencher, Forwarding::Masquerade, busy);
}

fn established(bencher: Bencher, forwarding: Forwarding, busy: u32) {
    let (mut director, mut now) = filled(forwarding);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| {
        let mut sent = 0;
        for n in 0..CONNECTIONS {
            now += Duration::from_micros(1);
            let mut packet = packet(n.wrapping_mul(611_953) % busy, Flags::ACK);
            sent += u32::from(matches!(director.local_in(now, &mut packet, &Host), Verdict::Send { .. }));
        }
        assert_eq!(sent, CONNECTIONS);
    });
}

/// Half-open connections at 17,000 a second: a million in the table, each new one outlives the oldest.
#[divan::bench(sample_count = 5, sample_size = 1, args = ["rr", "wlc", "mh"])]
fn new_connections(bencher: Bencher, scheduler: &str) {
    let mut director = director(scheduler, Forwarding::Route, SERVERS);
    let mut now = Time::ZERO;
    let mut n = 0;
    let mut open = move |count: u32| {
        for _ in 0..count {
            now += Duration::from_micros(60);
            n += 1;
            director.local_in(now, &mut packet(n, Flags::SYN), &Host);
        }
        director.connection_count()
    };
    open(CONNECTIONS);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| assert!(open(CONNECTIONS) > 900_000));
}

/// The cost of a decision among a thousand servers: 10,000 connections, 17,000 a second.
#[divan::bench(sample_count = 5, sample_size = 1, args = schedulers::SCHEDULERS.iter().map(|entry| entry.name))]
fn decisions_among_1000_servers(bencher: Bencher, scheduler: &str) {
    const DECISIONS: u32 = 10_000;
    let mut director = director(scheduler, Forwarding::Route, MANY_SERVERS);
    let (mut now, mut n) = (Time::ZERO, 0);
    bencher.counter(ItemsCount::new(DECISIONS)).bench_local(|| {
        for _ in 0..DECISIONS {
            now += Duration::from_micros(60);
            n += 1;
            director.local_in(now, &mut packet(n, Flags::SYN), &Host);
        }
    });
}
