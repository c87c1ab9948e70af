//! Hosts, cards and switches that do not agree about the size of a frame: what happens, what `check` knows before, what
//! `explain` says after.

use net_model::trace::{Dropped, Selection};
use net_model::verdict::DropReason;
use scenarios::explain::explain;
use scenarios::load::{Loaded, load_text};
use scenarios::run::run;
use std::path::Path;

/// A client asks a server in its network; each line is for that host.
fn scenario(network: &str, client: &str, web: &str, request: &str) -> Loaded {
    let commands =
        |line: &str| if line.is_empty() { String::new() } else { format!("\n    commands: {line}") };
    let text = format!(
        "duration: 20s
networks: {{lan: {{prefix: 10.0.0.0/24{network}}}}}
hosts:
  client:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.50/24}}}}{}
  web:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}}}
    server: [{{ports: 80}}, {{ports: 53, protocol: udp}}]{}
clients:
  some: {{on: client, to: {request}, arrivals: {{constant: 2/s}}, limit: 3}}
",
        commands(client),
        commands(web)
    );
    load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

const JUMBO: &str = "ip link set eth0 mtu 9000";
const LARGE: &str = "10.0.0.11:80, request: 3kB";
const DATAGRAM: &str = "udp 10.0.0.11:53, request: 3kB";

/// How many of three requests succeed, and where frames were too big, and how often.
fn outcome(loaded: &Loaded) -> (u64, Vec<String>) {
    let outcome = run(&loaded.scenario).unwrap_or_else(|problems| panic!("{problems:?}")).outcome;
    let is_meant = |reason: DropReason| reason == DropReason::FrameTooBig;
    let places = outcome.drops.iter().filter(|drop| is_meant(drop.reason)).map(|drop| drop.place.clone());
    (outcome.clients[0].succeeded, places.collect())
}

#[test]
fn a_switch_drops_what_its_ports_do_not_carry() {
    assert_eq!(outcome(&scenario("", "", "", LARGE)), (3, vec![]));
    // Both ends speak of large segments, and no router is there to tell them better: handshakes, then nothing.
    let black_hole = scenario("", JUMBO, JUMBO, LARGE);
    assert_eq!(outcome(&black_hole), (0, vec!["lan".to_owned()]));
    assert_eq!(
        outcome(&scenario("", JUMBO, JUMBO, "10.0.0.11:80, request: 500B")),
        (3, vec![]),
        "small ones pass"
    );
    // One end with the usual MTU keeps the segments small (its MSS), but no datagrams.
    assert_eq!(outcome(&scenario("", JUMBO, "", LARGE)), (3, vec![]));
    assert_eq!(outcome(&scenario("", JUMBO, "", DATAGRAM)), (0, vec!["lan".to_owned()]));
    // The cure is one MTU for all: that of the network, which its hosts take over.
    assert_eq!(outcome(&scenario(", mtu: 9000", "", "", LARGE)), (3, vec![]));
    assert_eq!(outcome(&scenario(", mtu: 9000", "", "", DATAGRAM)), (3, vec![]));
}

#[test]
fn a_card_drops_what_it_has_no_room_for() {
    let small = "ip link set eth0 mtu 1500";
    assert_eq!(outcome(&scenario(", mtu: 9000", "", small, LARGE)), (3, vec![]));
    assert_eq!(outcome(&scenario(", mtu: 9000", "", small, DATAGRAM)), (0, vec!["web".to_owned()]));
}

/// Four bytes are free for a tag. Seen on Linux 6.1: with an MTU of 1500 a packet of 1504 bytes passes, one of 1505 not.
#[test]
fn there_is_room_for_a_tag() {
    for (request, succeeded) in [(1504 - 28, 3), (1505 - 28, 0)] {
        let datagram = format!("udp 10.0.0.11:53, request: {request}B");
        assert_eq!(outcome(&scenario("", JUMBO, "", &datagram)).0, succeeded, "{request} bytes");
        let card = scenario(", mtu: 9000", "", "ip link set eth0 mtu 1500", &datagram);
        assert_eq!(outcome(&card).0, succeeded, "{request} bytes");
    }
}

#[test]
fn check_finds_larger_interfaces_and_explain_the_frames() {
    let told = |loaded: &Loaded| loaded.warnings.to_string();
    let black_hole = scenario("", JUMBO, "", DATAGRAM);
    expect_test::expect![[r#"
        warning: eth0 of client sends packets of 9000 bytes, the switch of lan carries 1500
         --> t.yaml:6:15
          |
        6 |     commands: ip link set eth0 mtu 9000
          |               ^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: larger frames are dropped without a word (frame-too-big): give the network `mtu: 9000`, or remove this line"#]]
    .assert_eq(told(&black_hole).trim_end_matches('\n'));
    assert_eq!(told(&scenario(", mtu: 9000", JUMBO, JUMBO, LARGE)), "");
    assert_eq!(told(&scenario("", "", "ip link set eth0 mtu 1400", LARGE)), "", "a cure for tunnels");

    let selection = Selection { dropped: Dropped::First(DropReason::FrameTooBig), ..Selection::default() };
    let (_, walks) = explain(&black_hole.scenario, selection, &mut |_| true)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .expect("nobody stops it");
    let last = walks[0].steps.last().expect("a walk has steps");
    assert!(last.text.contains("frame-too-big"), "{last:?}");
}
