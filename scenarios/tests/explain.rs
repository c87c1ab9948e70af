//! What `explain` does: it follows packets without changing what happens to them, and compares runs.

use expect_test::{Expect, expect};
use net_model::trace::{Dropped, Selection, What};
use scenarios::explain::{PacketWalk, explain};
use scenarios::load::{load, load_text};
use scenarios::run::run;
use scenarios::scenario::Scenario;
use scenarios::what_if::{Change, compare};
use std::path::Path;

fn gallery(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("gallery").join(name).with_extension("yaml");
    load(&file).unwrap_or_else(|error| panic!("{error}")).scenario
}

fn walks(scenario: &Scenario, selection: Selection) -> Vec<PacketWalk> {
    explain(scenario, selection, &mut |_| true).expect("it can be set up").expect("nobody stops it").1
}

/// Followed packets take the careful way through a host, others the short one: both lead to the same run.
#[test]
fn following_every_packet_changes_nothing() {
    let nothing = Selection { packet: Some(u32::MAX), ..Selection::default() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("gallery");
    let files = std::fs::read_dir(folder).expect("the gallery exists").map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    let mut compared = 0;
    for path in files {
        let scenario = load(&path).unwrap_or_else(|error| panic!("{error}")).scenario;
        let alone = run(&scenario).expect("it can be set up").outcome;
        if alone.hops > 300_000 {
            continue; // the small ones have all kinds of packets between them
        }
        let (followed, walks) =
            explain(&scenario, nothing.clone(), &mut |_| true).unwrap().expect("nobody stops it");
        assert_eq!(walks, []);
        let both =
            [&alone, &followed.outcome].map(|outcome| (outcome.fingerprint, outcome.events, outcome.hops));
        assert_eq!(both[0], both[1], "{}", path.display());
        assert_eq!(alone.drops, followed.outcome.drops, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

/// Every frame that is sent belongs to the walk of one packet, and a packet found by its number is the same packet.
#[test]
fn a_number_names_a_packet() {
    let scenario = gallery("dr-arp-announce");
    let all = walks(&scenario, Selection::default());
    let numbers: Vec<u32> = all.iter().map(|walk| walk.number).collect();
    assert_eq!(numbers, (1..=all.len() as u32).collect::<Vec<u32>>(), "no packet is missing");
    for number in [1, 2, 9, 77] {
        let one = walks(&scenario, Selection { packet: Some(number), ..Selection::default() });
        assert_eq!(one, [all[number as usize - 1].clone()]);
    }
    let arp = walks(&scenario, Selection { what: What::Arp, ..Selection::default() });
    assert!(arp.iter().all(|walk| walk.title().starts_with("ARP ")));
    assert!(arp.iter().all(|walk| all.contains(walk)));
    let first = walks(&scenario, Selection { exchange: Some(1), ..Selection::default() });
    assert!(first.len() >= 8 && first.iter().all(|walk| all.contains(walk)), "{}", first.len());
}

/// A walk begins where the packet is made; each of its copies ends at some host.
#[test]
fn the_walk_of_a_question_and_its_copies() {
    let walk = walks(&gallery("dr-arp-problem"), Selection { packet: Some(4), ..Selection::default() });
    let lines: Vec<String> = walk[0]
        .steps
        .iter()
        .map(|step| format!("{} {} {}: {}", step.time, step.place, step.stage.name(), step.text))
        .collect();
    expect![[r#"
        0.012777 router output: ARP who-has 10.0.0.100 tell 10.0.0.254: out of eth0 to everybody (tells an address of the interface; net.ipv4.conf.all.arp_announce = 0)
        0.012777 router.eth0 > lan link: 46 bytes, at the far end at 0.012827
        0.012827 lan switch: ff:ff:ff:ff:ff:ff is for all: a copy to every other port
        0.012878 web2 input: ARP who-has 10.0.0.100 tell 10.0.0.254: in on eth0
        0.012878 web2 arp: answers: 10.0.0.100 is on lo, and net.ipv4.conf.all.arp_ignore = 0 does not hide it on eth0; learns that 10.0.0.254 is at 02:00:00:00:00:04
        0.012878 web1 input: ARP who-has 10.0.0.100 tell 10.0.0.254: in on eth0
        0.012878 web1 arp: answers: 10.0.0.100 is on lo, and net.ipv4.conf.all.arp_ignore = 0 does not hide it on eth0; learns that 10.0.0.254 is at 02:00:00:00:00:04
        0.012878 director input: ARP who-has 10.0.0.100 tell 10.0.0.254: in on eth0
        0.012878 director arp: answers: 10.0.0.100 is on eth0; learns that 10.0.0.254 is at 02:00:00:00:00:04
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn of_lost_packets_the_first_of_each_kind() {
    let lost = walks(
        &gallery("three-ways-to-fail"),
        Selection { dropped: Dropped::FirstOfEach, ..Selection::default() },
    );
    let told: Vec<String> = lost
        .iter()
        .map(|walk| {
            let (place, reason) = walk.dropped.as_ref().expect("it was lost");
            format!("{place}: {} ({})", reason.name(), walk.title())
        })
        .collect();
    expect![[r#"
        director: neighbour-failed (ttl 64 198.51.100.10.32768 > 10.0.0.100.80: [S], len 60)
        web1: no-socket (ttl 64 198.51.100.10.32769 > 10.0.0.100.81: [S], len 60)
        director: no-destination (ttl 64 198.51.100.10.32770 > 10.0.0.100.82: [S], len 60)
    "#]]
    .assert_eq(&(told.join("\n") + "\n"));
}

/// When, the packet in both runs, and how many requests were answered in both.
fn told(scenario: &Scenario, change: &str) -> String {
    let change = Change::read(change, scenario).unwrap_or_else(|misread| panic!("{misread}"));
    let compared =
        compare(scenario, &[change], &mut |_| true).expect("it can be set up").expect("not stopped");
    let answered = [&compared.before, &compared.after].map(|run| run.outcome.clients[0].succeeded);
    let Some(difference) = compared.difference else {
        return format!("no difference; answered {answered:?}\n");
    };
    let [before, after] = difference.walks.map(|walk| walk.map(|walk| walk.steps).unwrap_or_default());
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let line = |steps: &[scenarios::run::Step]| {
        steps.get(same).map_or("nothing".into(), |step| format!("{}: {}", step.place, step.text))
    };
    format!("{}\n- {}\n+ {}\nanswered {answered:?}\n", difference.time, line(&before), line(&after))
}

#[test]
fn what_if_names_the_decision_that_differs() {
    let check =
        |name: &str, change: &str, expected: Expect| expected.assert_eq(&told(&gallery(name), change));
    check(
        "dr-vip-missing",
        "web[1-2]: ip addr add 10.0.0.100/32 dev lo",
        expect![[r#"
        1.000908
        - web2: 10.0.0.100 is not an address of web2, and net.ipv4.ip_forward = 0 forbids to forward what comes in on eth0
        + web2: for this host: 10.0.0.100 is on lo, and its addresses count on every interface
        answered [0, 4]
    "#]],
    );
    check(
        "dr-arp-announce",
        "web[1-2]: net.ipv4.conf.all.arp_announce=2",
        expect![[r#"
        0.500908
        - web2: link address of 10.0.0.254 unknown: the packet waits for the answer to "ARP who-has 10.0.0.254 tell 10.0.0.100"
        + web2: link address of 10.0.0.254 unknown: the packet waits for the answer to "ARP who-has 10.0.0.254 tell 10.0.0.12"
        answered [119, 119]
    "#]],
    );
    check(
        "nat-without-ip-forward",
        "director: net.ipv4.ip_forward=1",
        expect![[r#"
        1.001009
        - director: 198.51.100.10 is not an address of director, and net.ipv4.ip_forward = 0 forbids to forward what comes in on eth0
        + director: for another host: forwarded towards 10.0.0.254 (default via 10.0.0.254 dev eth0)
        answered [0, 4]
    "#]],
    );
    check(
        "tun-rp-filter",
        "web1: net.ipv4.conf.tunl0.rp_filter=2",
        expect![[r#"
            2.000505
            - web1: net.ipv4.conf.all.rp_filter = 1 and the way back to 198.51.100.10 is default via 10.0.0.254 dev eth0, not by tunl0
            + web1: taken by the program that listens at TCP port 80
            answered [0, 2]
        "#]],
    );
    check(
        "dr-no-route-back",
        "web1: ip route add default via 10.0.0.254",
        expect![[r#"
        2.000505
        - web1: ttl 64 10.0.0.100.80 > 198.51.100.10.32769: [S.], len 60: dropped (no-route). No route to the destination. Add a route: ip route add default via GATEWAY.
        + web1: ttl 64 10.0.0.100.80 > 198.51.100.10.32769: [S.], len 60: out of eth0 via 10.0.0.254
        answered [0, 2]
    "#]],
    );
    check(
        "static-arp-failover",
        "router: ip neigh del 10.0.0.100 dev eth0",
        expect![[r#"
        1.000302
        - router.eth0 > lan: 78 bytes, at the far end at 1.000353
        + router: link address of 10.0.0.100 unknown: the packet waits for the answer to "ARP who-has 10.0.0.100 tell 10.0.0.254"
        answered [9, 59]
    "#]],
    );
    check(
        "nat-redirects",
        "director: net.ipv4.conf.eth0.send_redirects=0",
        expect![[r#"
            1.001009
            - director: ttl 64 10.0.0.1 > 10.0.0.11: ICMP redirect, len 88: out of eth0
            + nothing
            answered [2, 6]
        "#]],
    );
    check(
        "dr-arptables",
        "client: net.ipv4.conf.all.log_martians=1",
        expect![[r#"
        no difference; answered [299, 299]
    "#]],
    );
    check(
        "dr-arptables",
        "director@10s: ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 0",
        expect![[r#"
        10.000253
        - director: service TCP 10.0.0.100:80 matched by protocol, address and port; scheduler rr decides: the first usable server after the one chosen last, going round the list in list order (newest first)
          the server chosen last stands at place 1 of the list
          10.0.0.12:80          weight 1     active 0      inactive 50     visited as number 2 of the walk
          10.0.0.11:80          weight 1     active 0      inactive 49     visited as number 1 of the walk  <- chosen
          there are no ties: the position in the list decides
        + director: service TCP 10.0.0.100:80 matched by protocol, address and port; scheduler rr decides: the first usable server after the one chosen last, going round the list in list order (newest first)
          the server chosen last stands at place 1 of the list
          10.0.0.12:80          weight 1     active 0      inactive 50     visited as number 2 of the walk  <- chosen
          10.0.0.11:80          weight 0     active 0      inactive 49     visited as number 1 of the walk  (quiesced: its weight is 0)
          there are no ties: the position in the list decides
        answered [299, 299]
    "#]],
    );
}

#[test]
fn changes_that_cannot_be_made() {
    let scenario = gallery("dr-vip-missing");
    let check = |text: &str, expected: Expect| {
        let misread = Change::read(text, &scenario).expect_err(text);
        expected.assert_eq(&misread.to_string());
    };
    check(
        "net.ipv4.ip_forward=1",
        expect![[r#"
        `net.ipv4.ip_forward=1` names no host
          help: write HOST: SETTING=VALUE or HOST: COMMAND, such as 'web1: net.ipv4.conf.all.arp_ignore=1' or 'director@10s: ipvsadm -C'"#]],
    );
    check(
        "wbe1: net.ipv4.ip_forward=1",
        expect![[r#"
        no host is called `wbe1`
          help: did you mean `web1`?"#]],
    );
    check(
        "web1: ipvsadm -A",
        expect![[r#"
        You need to supply the 'service-address' option for the 'add-service' command: ipvsadm -A
          help: add -t, -u, --sctp-service or -f"#]],
    );
    check(
        "web1: rm -rf /",
        expect![[r#"
        the program `rm' is not modelled: rm -rf /
          help: use one of: ipvsadm, ipvsadm-save, ipvsadm-restore, ip, vconfig, ifconfig, route, arp, sysctl, echo, iptables, ip6tables, arptables, modprobe, rmmod"#]],
    );
    check(
        "web1@soon: ip link set eth0 down",
        expect![[r#"
        `soon` is not a time
          help: write a number and a unit: web1@10s"#]],
    );
    check(
        "web1: # nothing",
        expect![[r#"
        `web1: # nothing` changes nothing
          help: write HOST: SETTING=VALUE or HOST: COMMAND, such as 'web1: net.ipv4.conf.all.arp_ignore=1' or 'director@10s: ipvsadm -C'"#]],
    );
}

/// A setting that the kernel would refuse is an error at the host, as in a scenario.
#[test]
fn a_refused_change_is_a_problem() {
    let text = "duration: 1s\ncluster: {forwarding: dr, vips: 10.0.0.100, services: {port: 80}, servers: {web1: {}}}\n\
                clients: {browsers: {arrivals: {constant: 1/s}}}\n";
    let loaded = load_text("x", "x", text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    for change in ["web1: ip route add default via 10.9.9.9", "web1: net.ipv4.ip_fordward=1"] {
        let change = Change::read(change, &loaded.scenario).unwrap();
        let problems = compare(&loaded.scenario, &[change], &mut |_| true).expect_err("the kernel refuses");
        assert!(problems[0].message.starts_with("web1: "), "{problems:?}");
        assert!(problems[0].help.is_some(), "{problems:?}");
    }
}

/// Who takes a packet that is for its host: a socket, a program that listens, or nobody, and what nobody's answer is.
#[test]
fn who_takes_a_packet() {
    let told = |to: &str, server: &str| {
        let text = format!(
            "duration: 3s
networks: {{lan: {{prefix: 10.0.0.0/24}}}}
hosts:
  client: {{interfaces: {{eth0: {{network: lan, address: 10.0.0.50/24}}}}}}
  web: {{interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}}}, server: {server}}}
clients:
  one: {{on: client, to: {to}, arrivals: {{constant: 1/s}}, limit: 1}}
"
        );
        let scenario = load_text("t", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}")).scenario;
        let walks = walks(&scenario, Selection { exchange: Some(1), ..Selection::default() });
        let steps = walks.iter().flat_map(|walk| &walk.steps);
        let mut told: Vec<String> = Vec::new();
        for step in steps {
            let line = format!("{} {}: {}", step.place, step.stage.name(), step.text);
            let is_meant =
                ["taken by", "no program", "no socket"].iter().any(|words| step.text.starts_with(words));
            if is_meant && !told.contains(&line) {
                told.push(line);
            }
        }
        told.join("\n")
    };
    expect![[r#"
        web input: taken by the program that listens at TCP port 80
        client input: taken by the TCP socket 10.0.0.50:32768 connected to 10.0.0.11:80 (SYN_SENT)
        web input: taken by the TCP socket 10.0.0.11:80 connected to 10.0.0.50:32768 (SYN_RECV)
        web input: taken by the TCP socket 10.0.0.11:80 connected to 10.0.0.50:32768 (ESTABLISHED)
        client input: taken by the TCP socket 10.0.0.50:32768 connected to 10.0.0.11:80 (ESTABLISHED)
        web input: taken by the TCP socket 10.0.0.11:80 connected to 10.0.0.50:32768 (FIN_WAIT1)
        client input: taken by the TCP socket 10.0.0.50:32768 connected to 10.0.0.11:80 (LAST_ACK)"#]]
    .assert_eq(&told("10.0.0.11:80", "{ports: 80}"));
    expect![[r#"
        web input: no program listens at TCP port 81 of web: the answer is a reset
        client input: taken by the TCP socket 10.0.0.50:32768 connected to 10.0.0.11:81 (SYN_SENT)"#]]
    .assert_eq(&told("10.0.0.11:81", "{ports: 80}"));
    expect![[r#"
        web input: taken by the program that listens at UDP port 53
        client input: taken by the UDP socket 10.0.0.50:32768 connected to 10.0.0.11:53 (waits for an answer)"#]].assert_eq(&told("udp 10.0.0.11:53", "{ports: 53, protocol: udp}"));
    expect!["web input: no program listens at UDP port 54 of web: the answer is ICMP port unreachable"]
        .assert_eq(&told("udp 10.0.0.11:54", "{ports: 53, protocol: udp}"));
}
