fn main() {
    let secs: f64 = std::env::args().nth(1).map_or(1.0, |s| s.parse().unwrap());
    let nat = std::env::args().nth(2).is_some_and(|s| s == "nat");
    let mut w = net_model::workload::Workload::default();
    if nat {
        w.forwarding = net_model::ipvs::Forwarding::Masquerade;
    }
    let mut net = w.build();
    let t = std::time::Instant::now();
    net.run_until(sim_core::Time::ZERO + sim_core::Duration::from_secs_f64(secs));
    let s = t.elapsed().as_secs_f64();
    let o = net.outcome();
    let started: u64 = o.clients.iter().map(|c| c.started).sum();
    let ok: u64 = o.clients.iter().map(|c| c.succeeded).sum();
    println!(
        "hops {} events {} started {started} ok {ok} in {s:.3}s: {:.2} M hops/s {:.0} k conn/s; hops/conn {:.1}",
        o.hops,
        o.events,
        o.hops as f64 / s / 1e6,
        ok as f64 / s / 1e3,
        o.hops as f64 / ok as f64
    );
    println!("{:?} fingerprint {:?}", o.frames, o.fingerprint);
    for d in &o.drops {
        println!("{} {:?} {}", d.place, d.reason, d.count);
    }
    println!("lat {} conn {}", o.clients[0].latency.mean(), o.clients[0].connect.mean());
    println!("{:?}", o.directors[0].services[0].destinations[0]);
}
