//! GRE and GUE from end to end: what a how-to tells the administrator to type, and what is said if a line is missing.

use scenarios::console::Command;
use scenarios::exec::{Line, exec};
use scenarios::load::load_text;
use scenarios::run::run;
use sim_core::{Duration, Time};
use std::path::Path;

/// A director that tunnels to one real server, which a test sets up.
fn scenario(tunnel: &str, server: &str) -> String {
    format!(
        "duration: 5s
networks: {{lan: {{prefix: 10.0.0.0/24}}}}
hosts:
  director:
    interfaces: {{eth0: {{network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.11 -i {tunnel}
  web:
    sysctls: {{net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}}
    server: {{}}
    {server}
  client: {{interfaces: {{eth0: {{network: lan, address: 10.0.0.50/24}}}}}}
clients:
  browsers: {{on: client, to: 10.0.0.100:80, arrivals: {{constant: 10/s}}, limit: 10}}
"
    )
}

/// Interfaces of the real server, then its commands.
fn with(interfaces: &str, commands: &str) -> String {
    let commands: String = commands.lines().map(|line| format!("\n      {line}")).collect();
    format!(
        "interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}, {interfaces}}}\n    commands: |\n      # set-up{commands}"
    )
}

/// How many of ten requests succeed, and why packets were dropped.
fn outcome(tunnel: &str, server: &str) -> (u64, Vec<&'static str>) {
    let text = scenario(tunnel, server);
    let loaded = load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}\n{text}"));
    let run = run(&loaded.scenario).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut reasons: Vec<_> = run.outcome.drops.iter().map(|drop| drop.reason.name()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    (run.outcome.clients[0].succeeded, reasons)
}

const GUE: &str = "--tun-type gue --tun-port 6080";
const CHECKED: &str = "--tun-type gre --tun-csum";
const MODPROBE: &str = "modprobe ip_gre\nip addr add 10.0.0.100/32 dev gre0\nip link set gre0 up";

#[test]
fn real_servers_that_are_set_up() {
    let table = [
        ("--tun-type ipip", "tunl0: {address: 10.0.0.100/32}", ""),
        ("--tun-type ipip", "lo: {address: 10.0.0.100/32}", "modprobe ipip\nip link set tunl0 up"),
        ("--tun-type gre", "gre0: {address: 10.0.0.100/32}", ""),
        ("--tun-type gre", "lo: {}", MODPROBE),
        (
            CHECKED,
            "lo: {address: 10.0.0.100/32}",
            "ip link add gre1 type gre local 10.0.0.11 remote any icsum ttl 64\nip link set gre1 up",
        ),
        (GUE, "tunl0: {address: 10.0.0.100/32}", "ip fou add port 6080 gue"),
        (&format!("{GUE} --tun-csum"), "tunl0: {address: 10.0.0.100/32}", "ip fou add port 6080 gue"),
        (&format!("{GUE} --tun-remcsum"), "tunl0: {address: 10.0.0.100/32}", "ip fou add port 6080 gue"),
    ];
    for (tunnel, interfaces, commands) in table {
        assert_eq!(
            outcome(tunnel, &with(interfaces, commands)),
            (10, vec![]),
            "{tunnel} {interfaces} {commands}"
        );
    }
}

#[test]
fn real_servers_with_something_missing() {
    let vip = "lo: {address: 10.0.0.100/32}";
    let table = [
        ("--tun-type gre", vip, "", "no-protocol"),
        ("--tun-type gre", vip, "modprobe ip_gre", "no-tunnel"),
        (CHECKED, "gre0: {address: 10.0.0.100/32}", "", "tunnel-checksum"),
        (GUE, "tunl0: {address: 10.0.0.100/32}", "", "no-tunnel-port"),
        (GUE, "tunl0: {address: 10.0.0.100/32}", "ip fou add port 6080 ipproto 4", "tunnel-header"),
        (GUE, "tunl0: {address: 10.0.0.100/32, up: false}", "ip fou add port 6080 gue", "no-tunnel"),
        (GUE, vip, "ip fou add port 6080 gue", "no-protocol"),
    ];
    for (tunnel, interfaces, commands, reason) in table {
        let (succeeded, reasons) = outcome(tunnel, &with(interfaces, commands));
        assert_eq!(succeeded, 0, "{tunnel} {interfaces} {commands}");
        assert!(reasons.contains(&reason), "{tunnel} {interfaces} {commands}: {reasons:?}");
    }
}

/// Recorded from Linux 6.1: nobody answers for the real server of a tunnel, so the director hears from itself that it is
/// unreachable. In IPv4 that counts as a packet of the service's own, each time with what was inside; in IPv6 it does not.
/// The client hears nothing.
#[test]
fn tunnels_to_nobody() {
    let counters = |vip: &str, server: &str| {
        let text = format!(
            "duration: 10s
networks: {{lan: {{}}}}
hosts:
  director:
    interfaces: {{eth0: {{network: lan, address: [10.0.0.1/24, 10.0.0.100/32, 2001:db8::1/64, 2001:db8::100/128]}}}}
    ipvsadm: |
      -A -t {vip}:80 -s rr
      -a -t {vip}:80 -r {server} -i
  web:
    interfaces: {{eth0: {{network: lan, address: [10.0.0.11/24, 2001:db8::11/64]}}}}
    server: {{}}
  client: {{interfaces: {{eth0: {{network: lan, address: [10.0.0.50/24, 2001:db8::50/64]}}}}}}
clients:
  one: {{on: client, to: '{vip}:80', arrivals: {{constant: 1/s}}, limit: 1, timeout: 900ms}}
events:
  - {{at: 500ms, on: web, run: ip link set eth0 down}}
"
        );
        let loaded = load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}\n{text}"));
        let scenario = &loaded.scenario;
        let line =
            Line::read("ipvsadm -Ln --stats --exact", scenario).expect("a command").expect("not empty");
        let at = Time::ZERO + Duration::from_secs(9);
        let answers = exec(scenario, 0, &[at], &[line], &mut |_| true).expect("it is set up");
        let table = answers.expect("nobody stops it").remove(0).output.stdout;
        let service = table.lines().find(|line| line.starts_with("TCP")).expect("the service");
        let numbers = service.split_whitespace().skip(3).map(|word| word.parse().expect("a number"));
        numbers.collect::<Vec<u64>>()
    };
    // Packets in and out, bytes in and out.
    assert_eq!(counters("10.0.0.100", "10.0.0.11"), [1, 1, 60, 60]);
    assert_eq!(counters("[2001:db8::100]", "2001:db8::11"), [1, 0, 80, 0]);
}

/// `lvsim check` knows before the run.
#[test]
fn what_check_says() {
    let vip = "lo: {address: 10.0.0.100/32}";
    let plain = |interfaces: &str| {
        format!("interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}, {interfaces}}}")
    };
    let table = [
        ("--tun-type gre", plain("gre0: {address: 10.0.0.100/32}"), ""),
        ("--tun-type gre", plain(vip), "web has no gre0 (the ip_gre module is not loaded)"),
        ("--tun-type gre", plain("gre0: {address: 10.0.0.100/32, up: false}"), "gre0 of web is down"),
        (GUE, plain("tunl0: {address: 10.0.0.100/32}"), "no tunnel of web ends at UDP port 6080"),
        (GUE, with("tunl0: {address: 10.0.0.100/32}", "ip fou add port 6080 gue"), ""),
    ];
    for (tunnel, server, warning) in table {
        let text = scenario(tunnel, &server);
        let told = load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}")).warnings;
        let told = told.to_string();
        assert!(told.contains(warning), "{tunnel} {server}:\n{told}");
        assert_eq!(told.is_empty(), warning.is_empty(), "{tunnel} {server}:\n{told}");
    }
}

#[test]
fn commands_that_are_not_understood() {
    let table = [
        ("ip fou add gue", "a port (port 6080) is missing at the end"),
        ("ip fou add port 6080", "a kind (gue) is missing at the end"),
        ("ip fou add port 6080 gue ipproto 4", "fou: cannot set ipproto and gue"),
        ("ip fou add port 0 gue", "`0' is not a port"),
        ("ip fou show", "`ip fou show' is not modelled"),
        ("ip link add gre1 type gre locale 10.0.0.1", "`locale' is not known in ip tunnel"),
        ("ip link add gre1 type vxlan", "devices of type `vxlan' are not modelled here"),
    ];
    for (line, problem) in table {
        let error = Command::parse(line, &Default::default()).expect_err(line);
        assert_eq!(error.problem, problem, "{line}");
        assert!(!error.cure.is_empty());
    }
}
