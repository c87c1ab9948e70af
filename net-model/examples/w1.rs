//! probe
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let secs: f64 = a.get(1).map_or(1.0, |s| s.parse().unwrap());
    let mode = a.get(2).map_or("", |s| s);
    let mut w = net_model::workload::Workload::default();
    if mode == "nat" {
        w.forwarding = net_model::ipvs::Forwarding::Masquerade;
    }
    if mode == "many" {
        w.servers = 1000;
    }
    if mode == "open" {
        w.close = net_model::spec::Close::None;
        w.rate = 1e6;
        w.addresses = 16;
        w.servers = 64;
    }
    let t = std::time::Instant::now();
    let m = w.measure(sim_core::Duration::from_secs_f64(secs));
    let s = t.elapsed().as_secs_f64();
    println!(
        "hops {} events {} ok {} in {s:.3}s: {:.2} M hops/s fingerprint {} lat {} mem {:?} each {:.0}",
        m.hops,
        m.events,
        m.connections,
        m.hops as f64 / s / 1e6,
        m.fingerprint,
        m.latency,
        m.memory,
        m.memory.total() as f64 / m.connections as f64
    );
}
