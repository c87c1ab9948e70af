//! The reference workload W1 with everything on: `cargo bench -p net-model --bench w1` prints hops a second.

use divan::{Bencher, counter::ItemsCount};
use net_model::ipvs::Forwarding;
use net_model::workload::Workload;
use sim_core::{Duration, Time};

/// 10,000 connections.
const RUN: Duration = Duration::from_millis(100);

fn main() {
    divan::main();
}

/// Runs the workload; building the network is not counted.
fn run(bencher: Bencher, workload: Workload) {
    let hops = workload.measure(RUN).hops;
    bencher.counter(ItemsCount::new(hops)).with_inputs(|| workload.build()).bench_local_values(|mut net| {
        net.run_until(Time::ZERO + RUN);
        net
    });
}

#[divan::bench(sample_count = 20)]
fn direct_routing(bencher: Bencher) {
    run(bencher, Workload::default());
}

#[divan::bench(sample_count = 20)]
fn masquerading(bencher: Bencher) {
    run(bencher, Workload { forwarding: Forwarding::Masquerade, ..Workload::default() });
}

#[divan::bench(sample_count = 20)]
fn a_thousand_servers(bencher: Bencher) {
    run(bencher, Workload { servers: 1000, ..Workload::default() });
}
