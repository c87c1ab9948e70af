//! The recording of the estimator: a burst, then the totals once a second.

use crate::commands;
use crate::driver::{Host, packet};
use net_model::ipvs::{Kernel, Shown, Timers};
use net_model::packet::{Datagram, Packet, Payload};
use serde_json::{Value, json};
use sim_core::Duration;

/// The job runs every two seconds here; the recording's ran every 2.016 s and was sampled half a period off.
pub(crate) fn run(vector: &Value) -> Result<(), String> {
    let mut host = Host::new(Kernel::New, Timers::ideal());
    commands::ipvsadm(&mut host, "-A -u 10.9.0.100:53 -s rr")?;
    commands::ipvsadm(&mut host, "-a -u 10.9.0.100:53 -r 10.0.0.3:53 -g")?;
    host.wait(Duration::from_millis(1_500));
    for client in 0..100u16 {
        let datagram = Payload::Udp(Datagram { sport: 1000 + client, dport: 53 });
        let [src, dst] = ["192.168.1.1", "10.9.0.100"].map(|addr| addr.parse().expect("an address"));
        host.receive(Packet { len: 100, ..packet(src, dst, datagram) });
    }
    for (index, sample) in vector["samples"].as_array().expect("samples").iter().enumerate() {
        let Shown { counters: c, rates: r } = host.director.totals();
        let got = json!([
            [c.conns, c.in_packets, c.out_packets, c.in_bytes, c.out_bytes],
            [r.conns, r.in_packets, r.out_packets, r.in_bytes, r.out_bytes]
        ]);
        if got[0] != sample[1] || got[1] != sample[2] {
            return Err(format!("sample {index}\n  recorded: {sample}\n  director: {got}"));
        }
        host.wait(Duration::from_secs(1));
    }
    Ok(())
}
