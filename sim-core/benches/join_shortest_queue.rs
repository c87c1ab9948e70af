//! 100 servers and the shortest queue, requests per second: `cargo bench -p sim-core --bench join_shortest_queue`.

use divan::{Bencher, counter::ItemsCount};

use sim_core::workload;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn requests(bencher: Bencher) {
    const REQUESTS: u64 = 1_000_000;
    bencher.counter(ItemsCount::new(REQUESTS)).bench(|| {
        let outcome = workload::run(1, REQUESTS);
        (outcome.response.mean(), outcome.fingerprint)
    });
}
