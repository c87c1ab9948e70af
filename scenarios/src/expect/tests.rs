use super::*;
use expect_test::{Expect, expect};
use net_model::outcome::{
    ArpAnswer, ClientOutcome, DestinationOutcome, DirectorOutcome, DropCount, FrameBalance, ServerOutcome,
    ServiceOutcome,
};
use proptest::prelude::*;
use sim_core::{Duration, Histogram, Time};

const KNOWN: Known<'_> = Known {
    servers: &["web1", "web2"],
    clients: &["browsers"],
    places: &["director", "web1", "web2", "lan"],
};

fn server(name: &str, weight: i64, accepted: u64) -> ServerOutcome {
    ServerOutcome {
        name: name.into(),
        weight,
        accepted,
        completed: accepted,
        overflowed: 0,
        sojourn: Histogram::new(),
        utilisation: 0.5,
        series: Default::default(),
    }
}

fn outcome() -> Outcome {
    let mut latency = Histogram::new();
    latency.record(Duration::from_millis(5));
    Outcome {
        seed: 1,
        duration: Duration::from_secs(1),
        events: 0,
        hops: 0,
        fingerprint: 0,
        frames: FrameBalance::default(),
        servers: vec![server("web1", 3, 620), server("web2", 2, 380)],
        clients: vec![ClientOutcome {
            name: "browsers".into(),
            started: 1000,
            succeeded: 999,
            failed: vec![(Failure::TimedOut, 1)],
            retransmissions: 2,
            connect: Histogram::new(),
            latency,
            latency_series: Vec::new(),
        }],
        directors: vec![director()],
        links: Vec::new(),
        drops: vec![DropCount {
            place: "web1".into(),
            reason: DropReason::ReversePath,
            count: 7,
            series: Vec::new(),
        }],
        sample_times: Vec::new(),
        arp_answers: vec![ArpAnswer {
            addr: "10.0.0.100".parse().unwrap(),
            host: "director".into(),
            count: 1,
            first: Time::ZERO,
        }],
        arp_caches: Vec::new(),
    }
}

fn director() -> DirectorOutcome {
    let destination = |name: &str, conns| DestinationOutcome {
        name: name.into(),
        forwarding: "Route",
        weight: 1,
        conns,
        active: 0,
        inactive: 0,
        in_packets: 0,
        out_packets: 0,
    };
    let service = |name: &str, a, b| ServiceOutcome {
        name: name.into(),
        scheduler: "rr".into(),
        destinations: vec![destination("10.0.0.11:80", a), destination("10.0.0.12:80", b)],
    };
    DirectorOutcome {
        name: "director".into(),
        services: vec![service("TCP 10.0.0.100:80", 600, 300), service("FWM 10", 20, 80)],
        connections: 12,
    }
}

fn holds(line: &str) -> bool {
    Expectation::parse(line, KNOWN).unwrap_or_else(|why| panic!("{line}: {why:?}")).check(&outcome()).is_ok()
}

#[test]
fn lines_that_hold_and_lines_that_do_not() {
    for line in [
        "success >= 99.9%",
        "success browsers in 99%..100%",
        "answered >= 99.9%",
        "started = 1000",
        "failures = 1",
        "failures timed-out browsers <= 1",
        "failures refused = 0",
        "latency p99 < 20ms",
        "latency mean browsers in 4ms..6ms",
        "retransmissions = 2",
        "served web1 in 61%..63%",
        "scheduled = 1000",
        "scheduled director to 10.0.0.12:80 = 380",
        "scheduled via 10.0.0.100:80 = 900",
        "scheduled via 10 to 10.0.0.11:80 = 20",
        "entries = 12",
        "entries director in 10..20",
        "served web[1-2] > 100",
        "utilisation web1 < 51%",
        "balance < 1.04",
        "jain > 0.99",
        "arp 10.0.0.100 = director",
        "arp 10.0.0.100 != web1",
        "drops = 7",
        "drops web1 rp-filter > 0",
        "drops lan = 0",
    ] {
        assert!(holds(line), "{line}");
    }
    for line in
        ["success >= 100%", "served web[1-2] > 50%", "arp 10.0.0.100 = web1, director", "drops rp-filter = 0"]
    {
        assert!(!holds(line), "{line}");
    }
}

#[test]
fn a_measure_of_nothing_does_not_hold() {
    assert!(!holds("connect p50 < 1s"));
    assert!(!holds("arp 10.0.0.99 = director"));
}

fn check_failure(line: &str, text: &Expect) {
    text.assert_eq(&Expectation::parse(line, KNOWN).unwrap().check(&outcome()).unwrap_err().to_string());
}

#[test]
fn a_failure_says_what_came_instead_and_where_to_look() {
    check_failure(
        "served web[1-2] <= 50%",
        &expect![[r#"
            expected served web[1-2] <= 50%
                 got web1 62.000%
                look at the table of servers, and at the connections of each destination (ipvsadm -Ln)"#]],
    );
    check_failure(
        "arp 10.0.0.100 = web1",
        &expect![[r#"
            expected arp 10.0.0.100 = web1
                 got director
                look at arp_ignore on every host that has the address (ip addr show)"#]],
    );
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    let told = |line: &str| {
        let misread = Expectation::parse(line, KNOWN).unwrap_err();
        format!("{line}\n  at `{}`: {}\n  {}", &line[misread.columns], misread.message, misread.help)
    };
    let lines = [
        "success",
        "sucess > 1%",
        "success browser > 99%",
        "latency < 20ms",
        "latency p99 < 20",
        "served web3 > 1",
        "served web1 in 60%",
        "drops rp_filter = 0",
        "arp 10.0.0.100 < director",
        "balance now < 1",
    ];
    expect![[r#"
        success
          at `success`: no operator in this line
          a line reads MEASURE OPERATOR VALUE, as in `success >= 99.9%`; operators: = != < <= > >= in
        sucess > 1%
          at `sucess`: `sucess` is not a measure
          did you mean `success`?
        success browser > 99%
          at `browser`: no client group is called `browser`
          did you mean `browsers`?
        latency < 20ms
          at `y`: a statistic is missing here
          one of: p50, p90, p95, p99, p99.9, mean, max
        latency p99 < 20
          at `20`: `20` cannot be compared with this measure
          expected a duration (20ms)
        served web3 > 1
          at `web3`: no server is called `web3`
          did you mean `web1`?
        served web1 in 60%
          at `60%`: `60%` is not a range
          write a range as `in 60%..62%`
        drops rp_filter = 0
          at `rp_filter`: `rp_filter` is neither a place nor a reason of drops
          did you mean `rp-filter`?
        arp 10.0.0.100 < director
          at `<`: names have no order
          write `arp ADDRESS = HOST` or `arp ADDRESS != HOST`
        balance now < 1
          at `now`: `now` is one word too many
          an operator belongs here"#]]
    .assert_eq(&lines.map(told).join("\n"));
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in "(balance|success|latency|served|drops|arp|p99|web1|=|<|in|\\.\\.|%| |\\PC){0,12}") {
        match Expectation::parse(&line, KNOWN) {
            Ok(expectation) => drop(expectation.check(&outcome())),
            Err(misread) => prop_assert!(line.get(misread.columns.clone()).is_some(), "{misread:?}"),
        }
    }
}
