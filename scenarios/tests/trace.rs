//! A recorded trace plays as written: instants, ports, hold times, sizes, pings, and who closes.

use net_model::transcript::Stage;
use scenarios::load::load;
use scenarios::run::{Step, Watch, run, run_watched};
use std::path::Path;

fn scenario() -> scenarios::scenario::Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/recorded.yaml");
    load(&file).expect("the scenario is right").scenario
}

/// The walk of the flow with this number.
fn walk(number: u32) -> Vec<Step> {
    let mut go_on = |_| true;
    let watched = run_watched(&scenario(), &mut Watch { follow: Some(number), progress: &mut go_on });
    watched.expect("the hosts are set up").expect("nobody stopped it").transcript
}

/// Packets that leave the client, as `[flags], len N`, with their instants in milliseconds.
fn sent_by_client(walk: &[Step]) -> Vec<(u64, String)> {
    let out = walk.iter().filter(|step| step.place == "client" && step.stage == Stage::Output);
    out.map(|step| {
        let packet = step.text.split(": ").nth(1).unwrap_or_default();
        (step.time.as_nanos() / 1_000_000, packet.to_owned())
    })
    .collect()
}

#[test]
fn every_row_is_played_and_answered() {
    let run = run(&scenario()).expect("the hosts are set up");
    let clients = &run.outcome.clients[0];
    assert_eq!((clients.started, clients.succeeded), (5, 5));
    assert!(clients.failed.is_empty());
}

#[test]
fn the_server_holds_and_closes() {
    let walk = walk(1);
    let answers = walk.iter().find(|step| step.stage == Stage::Server).expect("the server answers");
    assert_eq!(answers.text, "answers with 5000 bytes, 50 ms after the request");
    assert!(walk[0].text.contains("from 10.9.0.1:1001 to TCP 10.0.0.100:80"));
    let fin = walk.iter().find(|step| step.text.contains("[F.]") || step.text.contains("[FP.]"));
    assert!(fin.expect("somebody closes").place.starts_with("web"), "the server closes first");
}

#[test]
fn the_client_closes_or_resets() {
    assert!(sent_by_client(&walk(2)).iter().any(|(_, packet)| packet.starts_with("[F.]")));
    assert!(sent_by_client(&walk(3)).iter().any(|(_, packet)| packet.starts_with("[R.]")));
}

#[test]
fn an_open_connection_pings() {
    let pings: Vec<u64> = sent_by_client(&walk(4))
        .iter()
        .filter(|(_, packet)| packet == "[P.], len 53")
        .map(|(millisecond, _)| *millisecond)
        .collect();
    // The run ends at 3 s; the connection is open from 30 ms on.
    assert_eq!(pings, [530, 1030, 1530, 2030, 2530]);
}

#[test]
fn udp_rows_are_datagrams() {
    let walk = walk(5);
    assert!(walk[0].text.contains("to UDP 10.0.0.100:53"));
    assert!(walk.iter().any(|step| step.text.contains("has the whole answer of 300 bytes")));
}
