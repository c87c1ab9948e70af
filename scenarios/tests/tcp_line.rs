//! Where the model of TCP ends (`docs/network.md`, "TCP"): what loss does to a flight, packet by packet, on both sides of
//! the line. The cable carries a segment of 1500 bytes in a millisecond, and a rule on the server drops one of ten.

use net_model::trace::Selection;
use net_model::transcript::Stage;
use scenarios::explain::explain;
use scenarios::load::load_text;
use sim_core::{Duration, Time};
use std::path::Path;

/// A flight of ten segments; what comes to the server between two instants is lost.
fn scenario(lost: Option<(Time, Time)>) -> String {
    let rule = |at: Time, verb: &str| {
        format!("\n  - {{at: {}ns, on: web, run: \"iptables {verb} INPUT -p tcp -j DROP\"}}", at.as_nanos())
    };
    let events = lost.map_or(" []".to_owned(), |(from, until)| rule(from, "-A") + &rule(until, "-D"));
    format!(
        "duration: 5s
timers: ideal
networks: {{lan: {{prefix: 10.0.0.0/24, cable: {{rate: 12Mbit, delay: 500us}}}}}}
hosts:
  client: {{interfaces: {{eth0: {{network: lan, address: 10.0.0.50/24}}}}}}
  web: {{interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}}}, server: {{response: 100B}}}}
clients:
  one: {{on: client, to: 10.0.0.11:80, arrivals: {{constant: 1/s}}, limit: 1, request: 14480B}}
events:{events}
"
    )
}

/// What the client sent and got, in order of time.
struct Seen {
    /// Its data segments: when, and the segment in words.
    sent: Vec<(Time, String)>,
    /// When data segments came to the server.
    arrived: Vec<Time>,
    /// When acknowledgements came back, and their words.
    acks: Vec<(Time, String)>,
}

fn run(lost: Option<(Time, Time)>) -> Seen {
    let text = scenario(lost);
    let loaded = load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}\n{text}"));
    let selection = Selection { exchange: Some(1), ..Selection::default() };
    let (run, walks) = explain(&loaded.scenario, selection, &mut |_| true).unwrap().expect("nobody stops it");
    assert_eq!(run.outcome.clients[0].succeeded, 1, "the request gets through all the same");
    let mut seen = Seen { sent: Vec::new(), arrived: Vec::new(), acks: Vec::new() };
    for walk in &walks {
        let first = &walk.steps[0];
        let words = walk.title().to_owned();
        let is_full = words.ends_with("len 1500");
        let input =
            walk.steps.iter().find(|step| step.stage == Stage::Input && step.text.contains(": in on"));
        match first.place.as_str() {
            "client" if is_full => {
                seen.sent.push((first.time, words));
                seen.arrived.extend(input.map(|step| step.time));
            }
            "web" if words.contains("[.]") => seen.acks.extend(input.map(|step| (step.time, words))),
            _ => {}
        }
    }
    seen
}

/// Loses segments of the flight, counted from 0, on their first journey.
fn without(lost: std::ops::RangeInclusive<usize>) -> Seen {
    let whole = run(None);
    assert_eq!((whole.sent.len(), whole.arrived.len()), (10, 10), "ten segments are the initial window");
    let around = Duration::from_micros(400);
    let from = Time::ZERO + whole.arrived[*lost.start()].since(Time::ZERO + around);
    run(Some((from, whole.arrived[*lost.end()] + around)))
}

/// On this side of the line everything is Linux's: the end of a flight is asked for by a tail loss probe, two round trips
/// and 2 ms after it was sent, and not by the retransmission timer (over 200 ms).
#[test]
fn a_lost_end_is_found_by_a_probe() {
    let seen = without(8..=9);
    let probe = seen.sent[10].0;
    let last =
        seen.acks.iter().map(|ack| ack.0).rfind(|at| *at < probe).expect("the first eight were acknowledged");
    let milliseconds = probe.since(last).as_nanos() as f64 / 1e6;
    assert!((4.0..60.0).contains(&milliseconds), "{milliseconds} ms after the last acknowledgement");
}

/// Beyond it: Linux (RACK) would wait a quarter of a round trip from the first duplicate acknowledgement on, and send the
/// lost segment alone. Here the third one sends it again, and two more behind it that are still under way, as many
/// as half the window allows.
#[test]
fn a_lost_segment_is_sent_again_with_the_third_duplicate_acknowledgement() {
    let seen = without(2..=2);
    let selective: Vec<Time> =
        seen.acks.iter().filter(|ack| ack.1.ends_with("len 64")).map(|ack| ack.0).collect();
    let again: Vec<Time> = seen.sent[10..].iter().map(|sent| sent.0).collect();
    assert_eq!(again, [selective[2]; 3]);
}

#[test]
fn the_page_says_so() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/network.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    for sentence in [
        "the third duplicate acknowledgement sends again what has not been acknowledged",
        "tail loss probe",
        "the receive window is constant",
        "no pacing",
    ] {
        assert!(page.contains(sentence), "docs/network.md does not say: {sentence}");
    }
}
