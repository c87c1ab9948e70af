//! The recording of what a synchronisation master sends.

use crate::commands;
use crate::driver::{Host, Reference, parse_packet};
use net_model::addr::Addr;
use net_model::ipvs::{Announcement, DaemonConfig, DaemonRole, SyncEntry, SyncMessage, Timers};
use serde_json::{Value, json};
use sim_core::{Duration, Time};

/// Messages leave two to three seconds after their first entry; the phase of the thread is not recorded.
const TOLERANCE_S: f64 = 1.0;

pub(crate) fn run(vector: &Value, reference: Reference) -> Result<(), String> {
    let mut host = Host::new(reference.profile, Timers::ideal());
    for line in vector["setup"].as_array().expect("commands").iter().filter_map(Value::as_str) {
        match line.strip_prefix("ipvsadm --start-daemon master ") {
            Some(_) => start_master(&mut host)?,
            None => commands::ipvsadm(&mut host, line.strip_prefix("ipvsadm ").expect("an ipvsadm command"))?,
        }
    }
    let start = host.now;
    let events = vector["events"].as_array().expect("events");
    for (index, event) in events.iter().enumerate() {
        let recorded_at = |event: &Value| event["sync_message_at"].as_f64();
        if let Some(flags) = event["client_packet"].as_str() {
            go_to(&mut host, start, event["at"].as_f64().expect("an instant"));
            send(&mut host, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}"));
        } else if let Some(act) = event["then"].as_str() {
            let answers: Vec<f64> = events[index + 1..].iter().map_while(recorded_at).collect();
            then(&mut host, start, act, &answers);
        } else {
            let at = recorded_at(event).expect("a message");
            go_to(&mut host, start, at + TOLERANCE_S);
            let sent = host.director.take_announcements();
            compare(event, start, at, &sent)
                .map_err(|difference| format!("message at {at}: {difference}"))?;
            if let Some(next) = events.get(index + 1).and_then(recorded_at) {
                then(&mut host, start, "three segments more", &[next]);
            }
        }
    }
    Ok(())
}

fn start_master(host: &mut Host) -> Result<(), String> {
    let config = DaemonConfig {
        role: DaemonRole::Master,
        interface: "d1".to_owned(),
        sync_id: 7,
        max_len: 0,
        group: "224.0.0.81".parse().expect("an address"),
        port: 8848,
        ttl: 1,
    };
    host.director.start_daemon(host.now, config).map_err(|error| format!("{error:?}"))
}

/// What happened between two messages: some 2.5 s before the message that tells of it.
fn then(host: &mut Host, start: Time, act: &str, answers: &[f64]) {
    let web = "tcp 192.168.1.1:1000 10.9.0.100:80";
    let masqueraded = "tcp 192.168.1.2:1000 10.9.0.100:81";
    let at = |message: usize| answers[message] - 2.5;
    let mut times = |packet: &str, flags: &str, count: usize, message: usize| {
        go_to(host, start, at(message));
        (0..count).for_each(|_| send(host, &format!("{packet} {flags}")));
    };
    match act {
        "60 more acks" => times(web, "A", 60, 0),
        "FIN" => times(web, "FA", 1, 0),
        // Two messages tell of it: the handshake, and four seconds later three more segments.
        "persistent NAT" => {
            times(masqueraded, "S", 1, 0);
            times(masqueraded, "A", 1, 0);
        }
        "three segments more" => times(masqueraded, "A", 3, 0),
        "udp x4" => {
            go_to(host, start, at(0));
            (0..4).for_each(|_| send(host, "udp 192.168.1.2:1000 10.9.0.100:53"));
        }
        other => panic!("unknown event {other}"),
    }
}

fn send(host: &mut Host, packet: &str) {
    host.receive(parse_packet(packet));
}

fn go_to(host: &mut Host, start: Time, seconds: f64) {
    let wait = (start + Duration::from_secs_f64(seconds)).since(host.now);
    host.wait(wait);
}

fn compare(event: &Value, start: Time, at: f64, sent: &[Announcement]) -> Result<(), String> {
    let [announcement] = sent else { return Err(format!("{} messages: {sent:?}", sent.len())) };
    let seconds = announcement.at.since(start).as_secs_f64();
    if (seconds - at).abs() > TOLERANCE_S {
        return Err(format!("sent at {seconds}"));
    }
    let bytes = announcement.message.encode();
    let header: String = bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let message = SyncMessage::decode(&bytes).ok_or("it does not decode")?;
    let entries: Vec<Value> = message.entries.iter().map(entry).collect();
    let got = json!([header, entries]);
    let recorded = json!([event["header"], event["conns"]]);
    if got == recorded { Ok(()) } else { Err(format!("\n  recorded: {recorded}\n  director: {got}")) }
}

fn entry(entry: &SyncEntry) -> Value {
    let text = |addr: Addr| addr.to_string();
    json!({
        "type": 0, "protocol": entry.protocol, "size": 36, "flags": format!("{:08x}", entry.flags),
        "state": entry.state, "cport": entry.client.1, "vport": entry.virtual_.1, "dport": entry.real.1,
        "fwmark": entry.mark, "timeout": entry.timeout,
        "caddr": text(entry.client.0), "vaddr": text(entry.virtual_.0), "daddr": text(entry.real.0),
    })
}
