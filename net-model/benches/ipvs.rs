//! The director's hot paths with a million connections in the table.
//!
//! `cargo bench -p net-model --bench ipvs`; "items" are packets or connections. `lvsim bench --only director` prints the
//! same figures in fewer words.

use divan::Bencher;
use divan::counter::ItemsCount;
use net_model::ipvs::workload::Alone;
use net_model::ipvs::{Forwarding, Tunnel};

const CONNECTIONS: u32 = 1_000_000;
const SERVERS: u32 = 10;
const MANY_SERVERS: u32 = 1_000;

fn main() {
    let mut alone = Alone::new("wlc", Forwarding::Route, SERVERS);
    alone.establish(CONNECTIONS);
    let bytes = alone.memory() as f64 / f64::from(CONNECTIONS);
    println!("{bytes:.0} bytes per connection, table and timers included");
    divan::main();
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
    let mut alone = Alone::new("wlc", forwarding, SERVERS);
    alone.establish(CONNECTIONS);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| alone.pass(CONNECTIONS, busy));
}

/// Half-open connections: a million in the table, each new one outlives the oldest.
#[divan::bench(sample_count = 5, sample_size = 1, args = ["rr", "wlc", "mh"])]
fn new_connections(bencher: Bencher, scheduler: &str) {
    let mut alone = Alone::new(scheduler, Forwarding::Route, SERVERS);
    alone.open(CONNECTIONS);
    bencher.counter(ItemsCount::new(CONNECTIONS)).bench_local(|| alone.open(CONNECTIONS));
    assert!(alone.entries() > 900_000);
}

/// The cost of a decision among a thousand servers.
#[divan::bench(sample_count = 5, sample_size = 1, args = schedulers::SCHEDULERS.iter().map(|entry| entry.name))]
fn decisions_among_1000_servers(bencher: Bencher, scheduler: &str) {
    const DECISIONS: u32 = 10_000;
    let mut alone = Alone::new(scheduler, Forwarding::Route, MANY_SERVERS);
    bencher.counter(ItemsCount::new(DECISIONS)).bench_local(|| alone.open(DECISIONS));
}
