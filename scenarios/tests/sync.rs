//! Synchronisation over the simulated network, and what else directors do with routes: who hears a message, who ignores it,
//! which rules hold for packets on their way to a real server and back.

use net_model::transcript::Stage;
use net_model::verdict::DropReason;
use scenarios::exec::{Line, exec};
use scenarios::load::load_text;
use scenarios::run::{Run, Watch, run, run_watched};
use scenarios::scenario::Scenario;
use sim_core::{Duration, Time};
use std::path::Path;

fn scenario(text: &str) -> Scenario {
    load_text("test", "test", text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

fn ran(text: &str) -> Run {
    run(&scenario(text)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What a command prints on a host after some seconds.
fn typed(text: &str, host: &str, second: u64, line: &str) -> String {
    let scenario = scenario(text);
    let host = scenario.hosts.iter().position(|known| known.name == host).expect("the host exists");
    let line = Line::read(line, &scenario).expect("a command").expect("not a comment");
    let at = [Time::ZERO + Duration::from_secs(second)];
    let answers = exec(&scenario, host, &at, &[line], &mut |_| true).expect("set up").expect("not stopped");
    answers.into_iter().map(|answer| answer.output.stdout + &answer.output.stderr).collect()
}

fn drops(run: &Run, place: &str, reason: DropReason) -> u64 {
    let found = run.outcome.drops.iter().filter(|drop| drop.place == place && drop.reason == reason);
    found.map(|drop| drop.count).sum()
}

/// A master, a backup and a host that is neither; ten long connections. `MASTER`, `BACKUP` stand for the options of their
/// daemons, `CABLE` for the cables.
const PAIR: &str = r"
duration: 12s
timers: ideal
networks:
  lan: {prefix: 10.0.0.0/24, cable: CABLE}
hosts:
  master:
    interfaces: {eth0: {network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g
      --start-daemon master MASTER
  backup:
    interfaces: {eth0: {network: lan, address: 10.0.0.2/24}, eth1: {network: lan, address: 10.0.0.3/24}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g
      --start-daemon backup BACKUP
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}, lo: {address: 10.0.0.100/32}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}
    server: {ports: 80, workers: 64, service_time: 30s}
  client:
    interfaces: {eth0: {network: lan, address: 10.0.0.9/24}}
clients:
  patient: {on: client, to: 10.0.0.100:80, arrivals: {constant: 10/s}, limit: 10}
";

fn pair(master: &str, backup: &str) -> String {
    PAIR.replace("MASTER", master).replace("BACKUP", backup).replace("CABLE", "{rate: 1Gbps, delay: 50us}")
}

/// How many connections the backup has copied.
fn copied(text: &str) -> usize {
    typed(text, "backup", 11, "ipvsadm -Lnc").matches("ESTABLISHED").count()
}

#[test]
fn a_backup_copies_what_its_master_announces() {
    let text = pair("", "");
    assert_eq!(copied(&text), 10);
    let listed = typed(&text, "backup", 11, "cat /proc/net/ip_vs_conn_sync");
    assert_eq!(listed.matches(" ESTABLISHED SYNC ").count(), 10, "{listed}");
    let run = ran(&text);
    assert_eq!(drops(&run, "backup", DropReason::SyncNobody), 0);
    // One message, flooded to everybody else: the web server, the client, and the interface without a daemon.
    for (host, count) in [("web", 1), ("client", 1), ("backup", 1)] {
        assert_eq!(drops(&run, host, DropReason::NotInGroup), count, "{host}");
    }
}

#[test]
fn daemons_that_do_not_fit_together_do_nothing() {
    let cases = [
        ("--syncid 1", "--syncid 2", DropReason::SyncOther),
        ("--mcast-port 9000", "", DropReason::SyncNobody),
        ("--mcast-group 224.0.0.82", "", DropReason::NotInGroup),
        ("", "--mcast-interface eth1 --syncid 0 --mcast-port 9000", DropReason::SyncNobody),
    ];
    for (master, backup, reason) in cases {
        let text = pair(master, backup);
        assert_eq!(copied(&text), 0, "{master} {backup}");
        assert!(drops(&ran(&text), "backup", reason) > 0, "{master} {backup}: {reason:?}");
    }
}

#[test]
fn a_backup_without_a_syncid_takes_all_and_any_interface_will_do() {
    assert_eq!(copied(&pair("--syncid 9", "")), 10);
    assert_eq!(copied(&pair("--syncid 9", "--syncid 9 --mcast-interface eth1")), 10);
    assert_eq!(
        copied(&pair(
            "--mcast-group 239.1.1.1 --mcast-port 9000 --mcast-ttl 8",
            "--mcast-group 239.1.1.1 --mcast-port 9000"
        )),
        10
    );
}

#[test]
fn a_lost_message_is_not_repeated() {
    let text = pair("", "").replace(
        "limit: 10}",
        "limit: 10}\nevents:\n  - {at: 1s, on: backup, unplug: eth0}\n  - {at: 6s, on: backup, plug: eth0}",
    );
    assert_eq!(copied(&text), 0);
}

#[test]
fn filter_rules_hold_for_messages_too() {
    let rule = "iptables: -A INPUT -p udp --dport 8848 -j DROP\n    ipvsadm: |\n      -A -t 10.0.0.100:80 -s rr\n      -a -t 10.0.0.100:80 -r 10.0.0.11 -g\n      --start-daemon backup";
    let text = pair("", "").replace("ipvsadm: |\n      -A -t 10.0.0.100:80 -s rr\n      -a -t 10.0.0.100:80 -r 10.0.0.11 -g\n      --start-daemon backup", rule);
    assert_eq!(copied(&text), 0);
    assert_eq!(drops(&ran(&text), "backup", DropReason::FilterDrop), 1);
}

#[test]
fn a_message_longer_than_the_mtu_is_named() {
    let text = pair("--sync-maxlen 8000", "--sync-maxlen 8000").replace("limit: 10}", "limit: 60}");
    let run = ran(&text.replace("constant: 10/s", "constant: 50/s"));
    assert_eq!(drops(&run, "master", DropReason::SyncTooLong), 1);
}

/// Seen on Linux 6.1: nothing comes back to the host that sent it.
#[test]
fn a_host_that_is_both_does_not_hear_itself() {
    let both = "--start-daemon master\n      --start-daemon backup --mcast-interface eth0";
    let text = pair("", "").replace("--start-daemon master ", both);
    let listed = typed(&text, "master", 11, "cat /proc/net/ip_vs_conn_sync");
    assert_eq!((listed.matches(" LOCAL ").count(), listed.matches(" SYNC ").count()), (10, 0), "{listed}");
    assert_eq!(copied(&text), 10);
}

/// A transparent set-up as how-tos build it. METHOD stands for the forwarding method.
const MARKED: &str = r"
duration: 10s
networks:
  lan: {prefix: 10.0.0.0/24}
hosts:
  director:
    interfaces: {eth0: {network: lan, address: 10.0.0.1/24}}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf.all.send_redirects: 0, net.ipv4.conf.eth0.send_redirects: 0}
    iptables: -t mangle -A PREROUTING -d 10.9.0.100 -p tcp --dport 80 -j MARK --set-mark 1
    commands: |
      ip rule add fwmark 1 lookup 100
      ip route add local 0.0.0.0/0 dev lo table 100
    routes: default via 10.0.0.254
    ipvsadm: |
      -A -f 1 -s rr
      -a -f 1 -r 10.0.0.11 METHOD
  router:
    interfaces: {eth0: {network: lan, address: 10.0.0.254/24}, eth1: {network: users, address: 10.1.0.1/24}}
    sysctls: {net.ipv4.ip_forward: 1, net.ipv4.conf.all.send_redirects: 0, net.ipv4.conf.eth0.send_redirects: 0}
    routes: 10.9.0.100/32 via 10.0.0.1
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}, lo: {address: 10.9.0.100/32}, tunl0: {}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2, net.ipv4.conf.all.rp_filter: 0, net.ipv4.conf.tunl0.rp_filter: 0}
    routes: default via GATEWAY
    server: {ports: 80}
  user:
    interfaces: {eth0: {network: users, address: 10.1.0.10/24}}
    routes: default via 10.1.0.1
clients:
  some: {on: user, to: 10.9.0.100:80, arrivals: {constant: 10/s}, limit: 20}
";

/// Seen on Linux 6.1: the mark that made a packet local has no say in its way to the real server.
#[test]
fn the_way_to_a_real_server_does_not_look_at_the_mark() {
    for (method, gateway) in [("-g", "10.0.0.254"), ("-i", "10.0.0.254"), ("-m", "10.0.0.1")] {
        let text = MARKED.replace("METHOD", method).replace("GATEWAY", gateway).replace(
            "  lan: {prefix: 10.0.0.0/24}",
            "  lan: {prefix: 10.0.0.0/24}\n  users: {prefix: 10.1.0.0/24}",
        );
        let run = ran(&text);
        assert_eq!(run.outcome.clients[0].succeeded, 20, "{method}: {:?}", run.outcome.drops);
    }
}

/// A director with a second way out for what comes from the service: nobody answers there.
fn two_ways(rule: &str, reroute: u8) -> Run {
    let text = r"
duration: 10s
cluster:
  forwarding: nat
  vips: 10.0.0.100
  services: {port: 80, scheduler: rr}
  server_network: {prefix: 192.168.10.0/24}
  servers: {web: {}}
hosts:
  director:
    sysctls: {net.ipv4.vs.snat_reroute: REROUTE}
    commands: |
      ip rule add RULE lookup 200
      ip route add default via 10.0.0.77 table 200
clients:
  some: {arrivals: {constant: 10/s}, limit: 10, timeout: 1s}
";
    ran(&text.replace("RULE", rule).replace("REROUTE", &reroute.to_string()))
}

/// Seen on Linux 6.1 with each of these rules.
#[test]
fn replies_are_routed_again_as_the_services() {
    let succeeded = |rule, reroute| two_ways(rule, reroute).outcome.clients[0].succeeded;
    assert_eq!(
        succeeded("from 10.0.0.100", 1),
        0,
        "the reply comes from the service when it is routed again"
    );
    assert_eq!(succeeded("from 10.0.0.100", 0), 10, "it came from the server when it was routed first");
    assert_eq!(succeeded("from 192.168.10.0/24", 1), 10);
    assert_eq!(succeeded("from 192.168.10.0/24", 0), 0);
    assert_eq!(succeeded("iif eth1", 1), 10, "what the director sends itself came in nowhere");
    assert_eq!(succeeded("iif eth1", 0), 0);
}

fn walk(text: &str) -> Vec<String> {
    let mut go_on = |_| true;
    let watched = run_watched(&scenario(text), &mut Watch { follow: Some(1), progress: &mut go_on });
    let steps = watched.expect("set up").expect("not stopped").transcript;
    let rewritten =
        steps.into_iter().filter(|step| step.stage == Stage::Forwarding && step.place == "director");
    rewritten.map(|step| step.text).collect()
}

const NAT: &str = r"
duration: 5s
cluster:
  forwarding: nat
  vips: 10.0.0.100
  services: {port: 80, PROTOCOL}
  server_network: {prefix: 192.168.10.0/24}
  servers: {web: {}}
clients:
  some: {arrivals: {constant: 10/s}, limit: 1, timeout: 1s, sources: 10.9.0.1/32}
";

#[test]
fn the_walk_tells_where_a_reply_gets_the_services_address() {
    let steps = walk(&NAT.replace("PROTOCOL", "protocol: tcp"));
    assert!(steps[0].ends_with("[S], len 60: to real server 192.168.10.11"), "{}", steps[0]);
    assert!(
        steps[1].ends_with(
            "10.0.0.100.80 > 10.9.0.1.32768: [S.], len 60: \
             the reply came from real server 192.168.10.11, its source is now the service"
        ),
        "{}",
        steps[1]
    );
}

#[test]
fn the_walk_tells_where_an_error_gets_the_services_address() {
    let filtered = "\nhosts:\n  web:\n    server: {ports: 81, protocol: udp}\n";
    let steps = walk(&(NAT.replace("PROTOCOL", "protocol: udp") + filtered));
    assert!(
        steps.last().expect("an error").ends_with(
            "10.0.0.100 > 10.9.0.1: ICMP port unreachable, len 256: \
             the error came from 192.168.10.11, its source is now the service"
        ),
        "{steps:?}"
    );
}

#[test]
fn the_walk_tells_of_announcements() {
    let mut go_on = |_| true;
    let watched = run_watched(&scenario(&pair("", "")), &mut Watch { follow: Some(1), progress: &mut go_on });
    let steps = watched.expect("set up").expect("not stopped").transcript;
    let told: Vec<_> = steps.iter().filter(|step| step.stage == Stage::Sync).collect();
    assert_eq!(told.iter().map(|step| &*step.place).collect::<Vec<_>>(), ["master", "backup"]);
    assert!(
        told[0]
            .text
            .ends_with("announces the connection of 10.0.0.9:32768 with 10.0.0.11:80: ESTABLISHED, 900 s"),
        "{}",
        told[0].text
    );
}

/// Seen on Linux 6.1 with IPIP and GRE: the packet that comes out of the tunnel is looked at, whatever `ignore_tunneled`
/// says.
#[test]
fn what_comes_out_of_a_tunnel_is_scheduled_again() {
    for ignore in [0, 1] {
        let text = r"
duration: 10s
networks:
  lan: {prefix: 10.0.0.0/24}
hosts:
  first:
    interfaces: {eth0: {network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.2 -i
  second:
    interfaces: {eth0: {network: lan, address: 10.0.0.2/24}, lo: {address: 10.0.0.100/32}, tunl0: {}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2, net.ipv4.conf.tunl0.rp_filter: 0, net.ipv4.conf.all.rp_filter: 0, net.ipv4.vs.ignore_tunneled: IGNORE}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}, lo: {address: 10.0.0.100/32}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}
    server: {ports: 80}
  client:
    interfaces: {eth0: {network: lan, address: 10.0.0.9/24}}
clients:
  some: {on: client, to: 10.0.0.100:80, arrivals: {constant: 10/s}, limit: 5}
";
        let run = ran(&text.replace("IGNORE", &ignore.to_string()));
        assert_eq!(run.outcome.clients[0].succeeded, 5);
        let second = run.outcome.directors.iter().find(|director| director.name == "second");
        let scheduled = second.expect("a director").services[0].destinations[0].conns;
        assert_eq!(scheduled, 5, "ignore_tunneled={ignore}");
    }
}
