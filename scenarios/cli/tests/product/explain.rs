//! `lvsim explain` as its users type it.

use crate::lvsim::{lvsim, lvsim_reading, root, scratch, text};
use expect_test::expect;
use serde_json::Value;

fn gallery(name: &str) -> String {
    text(&root().join("scenarios/gallery").join(name).with_extension("yaml")).to_owned()
}

/// Standard output of a call that succeeds.
fn told(name: &str, args: &[&str]) -> String {
    let file = gallery(name);
    let mut all = vec!["explain", &file, "--quiet"];
    all.extend(args);
    lvsim(&all).with_status(0).stdout
}

#[test]
fn lost_packets_come_with_their_way_their_number_and_the_cure() {
    let lost = told("dr-vip-missing", &["--drops"]);
    for part in [
        "packet 1: ttl 64 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60\n",
        "10.0.0.100 is not an address of web2, and net.ipv4.ip_forward = 0",
        "dropped (not-forwarding)",
        "not-forwarding: 14 at web1, 14 at web2\n",
        "Cure: If it is a real server: give it the virtual address",
    ] {
        assert!(lost.contains(part), "{part}\n{lost}");
    }
    assert_eq!(lost.matches("\npacket ").count() + 1, 2, "of each place and reason one\n{lost}");
    let none = told("dr-vip-missing", &["--drops", "no-route"]);
    assert_eq!(none, "No packet was lost for this reason (no-route).\n");
}

#[test]
fn a_healthy_run_has_lost_nothing() {
    assert_eq!(told("dr-tun-without-ip-forward", &["--drops"]), "No packet was lost.\n");
}

#[test]
fn a_packet_of_the_list_can_be_followed() {
    let list = told("dr-arp-problem", &["--packets", "10.0.0.100", "--limit", "6"]);
    let list: String = list.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    expect![[r#"
        1  0.012474  client    ttl 64 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60
        4  0.012777  router    ARP who-has 10.0.0.100 tell 10.0.0.254
        5  0.012878  web2      ARP 10.0.0.100 is-at 02:00:00:00:00:03
        6  0.012878  web1      ARP 10.0.0.100 is-at 02:00:00:00:00:02
        7  0.012878  director  ARP 10.0.0.100 is-at 02:00:00:00:00:01
        8  0.013080  web2      ttl 64 10.0.0.100.80 > 198.51.100.10.32768: [S.], len 60
    "#]]
    .assert_eq(&list);
    let one = told("dr-arp-problem", &["--packet", "4", "--on", "web1"]);
    expect![[r#"
        packet 4: ARP who-has 10.0.0.100 tell 10.0.0.254
          0.012878  web1  input      ARP who-has 10.0.0.100 tell 10.0.0.254: in on eth0
          0.012878  web1  arp        answers: 10.0.0.100 is on lo, and net.ipv4.conf.all.arp_ignore = 0 does not hide it on eth0; learns that 10.0.0.254 is at 02:00:00:00:00:04

    "#]].assert_eq(&one);
    let json = told("dr-arp-problem", &["--packet", "4", "--json"]);
    for line in json.lines() {
        let step: Value = serde_json::from_str(line).expect("one JSON text a line");
        assert_eq!(step["packet"], 4);
        assert!(step["time_s"].is_f64() && step["text"].is_string(), "{step}");
    }
    assert_eq!(json.lines().count(), 9);
}

#[test]
fn arp_and_icmp_within_a_window() {
    let arp = told("static-arp-failover", &["--arp", "10.0.0.100", "--at", "11s", "--until", "12s"]);
    assert!(arp.contains("was set by hand (PERMANENT)"), "{arp}");
    let icmp = told("nat-redirects", &["--icmp", "--limit", "2"]);
    assert!(icmp.contains("half-open ones do not count"), "{icmp}");
    assert!(icmp.contains("ICMP redirect") && icmp.contains("does not believe it yet"), "{icmp}");
}

#[test]
fn a_connection_as_a_sequence_diagram() {
    expect![[r#"
        The client fails (refused): 5 hops in 1.01 ms, 1 dropped

                  client                router               director                web1
            0.000 ms |------ [S] 60 B ---->|                     |                     |
            0.303 ms |                     |------ [S] 60 B ---->|                     |
            0.605 ms |                     |                     |------ [S] 60 B ---->|X no-socket
            0.908 ms |                     |<--------------- [R.] 40 B ----------------|
            1.009 ms |<---- [R.] 40 B -----|                     |                     |
    "#]]
    .assert_eq(&told("dr-other-port", &["--ladder"]));
    let out = scratch("explain").join("out");
    told("dr-other-port", &["--out", text(&out)]);
    let page = std::fs::read_to_string(out.join("explain.html")).expect("the page is written");
    assert!(page.contains("The client fails (refused)") && page.contains("no-socket"), "{page}");
    assert!(out.join("plots/ladder.svg").exists() && out.join("manifest.json").exists());
    // A second one takes its place.
    told("dr-arptables", &["--flow", "2", "--out", text(&out)]);
}

#[test]
fn what_if_shows_the_packet_and_the_results() {
    let file = gallery("dr-vip-missing");
    let change = "web[1-2]: ip addr add 10.0.0.100/32 dev lo";
    let compared = lvsim(&["explain", &file, "-q", "--what-if", change]).with_status(0).stdout;
    expect![[r#"
        What if
          web[1-2]: ip addr add 10.0.0.100/32 dev lo

        The first packet with another fate, 1.000908 s: ttl 64 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60
          - as it is, + with the change
          … 13 steps that are the same …
          1.000605  director               schedule   service TCP 10.0.0.100:80 matched by protocol, address and port; scheduler rr decides: the first usable server after the one chosen last, going round the list in list order (newest first)
                                                           the walk starts at the head of the list
                                                           10.0.0.12:80          weight 1     active 0      inactive 0      visited as number 1 of the walk  <- chosen
                                                           10.0.0.11:80          weight 1     active 0      inactive 0      visited as number 2 of the walk
                                                           there are no ties: the position in the list decides
          1.000605  director               forwarding ttl 62 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60: to real server 10.0.0.12
          1.000605  director               output     ttl 62 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60: out of eth0 via 10.0.0.12
          1.000605  director               neighbour  link address of 10.0.0.12 unknown: the packet waits for the answer to "ARP who-has 10.0.0.12 tell 10.0.0.1"
          1.000806  director               neighbour  10.0.0.12 is at 02:00:00:00:00:03: the packet goes on
          1.000806  director.eth0 > lan    link       78 bytes, at the far end at 1.000857
          1.000857  lan                    switch     knows the port of 02:00:00:00:00:03
          1.000908  web2                   input      ttl 62 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60: in on eth0
        - 1.000908  web2                   route      10.0.0.100 is not an address of web2, and net.ipv4.ip_forward = 0 forbids to forward what comes in on eth0
        - 1.000908  web2                   drop       ttl 62 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60: dropped (not-forwarding). The packet is for another host and this host does not forward. If it is a real server: give it the virtual address (ip addr add VIP/32 dev lo). If it is a NAT director: net.ipv4.ip_forward=1.
        + 1.000908  web2                   route      for this host: 10.0.0.100 is on lo, and its addresses count on every interface
        + 1.000908  web2                   input      taken by the program that listens at TCP port 80

                                        as it is  with the change
        * requests answered               0 of 4           4 of 4
        * success                          0.0 %          100.0 %
        * busiest server / fair share          –             1.00
        * median latency                       –           2.1 ms
        * 99th percentile                      –           2.9 ms
        * failed: timed-out                    4             none
        * served by web1                       0                2
        * served by web2                       0                2
          scheduled, TCP 10.0.0.100:80         4                4
          answer ARP for 10.0.0.11          web1             web1
          answer ARP for 10.0.0.12          web2             web2
          answer ARP for 10.0.0.100     director         director
          answer ARP for 198.51.100.1     router           router
        * lost at web1: not-forwarding        14             none
        * lost at web2: not-forwarding        14             none
        * answer ARP for 10.0.0.254         none           router
        * answer ARP for 198.51.100.10      none           client
    "#]].assert_eq(&compared);
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let file = gallery("dr-vip-missing");
    let table: [(&[&str], &str); 8] = [
        (&["--drops", "no-rote"], "did you mean `no-route`?"),
        (&["--arp", "everything"], "expected an IP address"),
        (&["--packet", "0"], "0 is not in"),
        (&["--packet", "99999"], "`--packets` lists them"),
        (&["--flow", "99"], "choose a number from 1 to 4"),
        (&["--flow", "1", "--arp"], "cannot be used with"),
        (&["--what-if", "wbe1: sysctl net.ipv4.ip_forward=1"], "did you mean `web1`?"),
        (&["--what-if", "web1: net.ipv4.ip_fordward=1"], "net.ipv4.ip_fordward"),
    ];
    for (args, answer) in table {
        let mut all = vec!["explain", &file];
        all.extend(args);
        let called = lvsim(&all).with_status(2);
        assert!(called.stderr.contains(answer), "{args:?}: {}", called.stderr);
    }
    let swapped = lvsim_reading("", &["explain", "--arp", &file]).with_status(2).stderr;
    assert!(swapped.contains("the scenario comes first"), "{swapped}");
}
