//! The model of `sim_core::workload`, run: `cargo run --release -p sim-core --example join_shortest_queue`.

use sim_core::workload;

fn main() {
    let outcome = workload::run(1, 10_000_000);
    println!("requests       {}", outcome.response.count());
    println!("mean response  {:.4} service times", outcome.response.mean().as_secs_f64());
    for q in [0.5, 0.9, 0.99, 0.999] {
        println!("{:>7} %      {:.2}", q * 100.0, outcome.response.quantile(q).as_secs_f64());
    }
    println!("fingerprint    {}", outcome.fingerprint);
}
