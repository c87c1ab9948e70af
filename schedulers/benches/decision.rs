//! What one decision costs, by scheduler and number of servers: `cargo bench -p schedulers`.
//!
//! Every server has connections, and each choice opens one more and closes one elsewhere, so that the counters differ.

use divan::{Bencher, black_box};
use schedulers::{AnyScheduler, Cx, Destination, DestinationId, Destinations, Flow, LoadFormula, SCHEDULERS};
use sim_core::{Duration, Stream, Time};
use std::net::{IpAddr, Ipv4Addr};

fn main() {
    divan::main();
}

fn servers(n: u32) -> (Vec<DestinationId>, Vec<Destination>) {
    let destination = |k: u32| Destination {
        addr: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0003 + k)),
        port: 80,
        weight: 100 + (k * 7 % 5) as i32,
        last_weight: 100 + (k * 7 % 5) as i32,
        active: 50 + (k * 31 % 17) as i32,
        inactive: (k * 13 % 101) as i32,
        overloaded: false,
        available: true,
    };
    ((0..n).rev().map(DestinationId::new).collect(), (0..n).map(destination).collect())
}

#[divan::bench(args = SCHEDULERS.iter().map(|entry| entry.name), consts = [16, 1000])]
fn decision<const SERVERS: u32>(bencher: Bencher, name: &str) {
    let (order, mut pool) = servers(SERVERS);
    let mut scheduler = AnyScheduler::new(name, 0, &Destinations { order: &order, pool: &pool })
        .expect("registered")
        .expect("few");
    let mut random = Stream::new(1, "bench");
    let mut turn = 0_u32;
    bencher.bench_local(|| {
        turn = turn.wrapping_add(1);
        let flow = Flow {
            client: IpAddr::V4(Ipv4Addr::from_bits(turn.wrapping_mul(2_654_435_769))),
            client_port: turn as u16,
            target: IpAddr::V4(Ipv4Addr::from_bits(turn % 4096)),
            target_port: 80,
        };
        let mut cx = Cx {
            list: Destinations { order: &order, pool: &pool },
            flow,
            now: Time::ZERO,
            formula: LoadFormula::New,
            random: &mut random,
            expiration: Duration::from_secs(86_400),
        };
        let chosen = scheduler.schedule(&mut cx);
        if let Some(id) = chosen {
            pool[id.index()].active += 1;
            let other = (turn % SERVERS) as usize;
            pool[other].active = (pool[other].active - 1).max(1);
        }
        black_box(chosen)
    });
}
