//! `iptables -j REJECT` from end to end: what the client hears, as a Linux 6.1 client heard it.

use scenarios::console::Command;
use scenarios::load::load_text;
use scenarios::run::run;
use std::path::Path;

/// A client behind a router, a director, a real server; `place` has a rule.
fn scenario(place: &str, rule: &str) -> String {
    let rules =
        |host: &str| if host == place { format!("\n    iptables: [\"{rule}\"]") } else { String::new() };
    format!(
        "duration: 5s
networks: {{lan: {{prefix: 10.0.0.0/24}}, outside: {{prefix: 192.168.1.0/24}}}}
hosts:
  router:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.254/24}}, eth1: {{network: outside, address: 192.168.1.1/24}}}}
    sysctls: {{net.ipv4.ip_forward: 1}}{}
  director:
    interfaces: {{eth0: {{network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}}}
    routes: default via 10.0.0.254
    ipvsadm: |
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g{}
  web:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.11/24}}, lo: {{address: 10.0.0.100/32}}}}
    sysctls: {{net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}}
    routes: default via 10.0.0.254
    server: {{}}{}
  client:
    interfaces: {{eth0: {{network: outside, address: 192.168.1.10/24}}}}
    routes: default via 192.168.1.1
clients:
  browsers: {{on: client, to: 10.0.0.100:80, arrivals: {{constant: 10/s}}, limit: 1}}
",
        rules("router"),
        rules("director"),
        rules("web")
    )
}

/// How the exchange ended, and who dropped what.
fn outcome(place: &str, rule: &str) -> (String, Vec<String>) {
    let text = scenario(place, rule);
    let loaded = load_text("t.yaml", "t", &text, Path::new("")).unwrap_or_else(|p| panic!("{p}\n{text}"));
    let outcome = run(&loaded.scenario).unwrap_or_else(|problems| panic!("{problems:?}")).outcome;
    let client = &outcome.clients[0];
    let end = match client.failed.first() {
        Some((failure, _)) => failure.name().to_owned(),
        None if client.succeeded > 0 => "ok".to_owned(),
        None => "waits".to_owned(),
    };
    let drops = outcome.drops.iter().map(|drop| drop.reason.name().to_owned()).collect();
    (end, drops)
}

/// Seen on Linux 6.1: what connect() says to each type.
#[test]
fn what_a_client_hears() {
    let rule = "-A INPUT -p tcp --dport 80 -j REJECT";
    let table = [
        ("", "refused"),
        (" --reject-with icmp-port-unreachable", "refused"),
        (" --reject-with icmp-net-unreachable", "unreachable"),
        (" --reject-with icmp-host-unreachable", "unreachable"),
        (" --reject-with icmp-proto-unreachable", "no-protocol"),
        (" --reject-with icmp-net-prohibited", "unreachable"),
        (" --reject-with icmp-host-prohibited", "unreachable"),
        (" --reject-with icmp-admin-prohibited", "unreachable"),
        (" --reject-with tcp-reset", "refused"),
    ];
    for (with, heard) in table {
        let (end, drops) = outcome("director", &format!("{rule}{with}"));
        assert_eq!(end, heard, "{with}");
        assert_eq!(drops, ["filter-reject"], "{with}");
    }
    assert_eq!(outcome("director", "-A INPUT -p tcp --dport 80 -j DROP").0, "waits");
    assert_eq!(outcome("director", "-A INPUT -p tcp --dport 81 -j REJECT").0, "ok");
}

/// A router rejects what it should forward, a real server what the director sent: the reset has the virtual address.
#[test]
fn routers_and_real_servers_reject_too() {
    for with in ["", " --reject-with tcp-reset"] {
        let (end, drops) = outcome("router", &format!("-A FORWARD -p tcp --dport 80 -j REJECT{with}"));
        assert_eq!((end.as_str(), drops.len()), ("refused", 1), "{with}");
    }
    let (end, drops) = outcome("web", "-A INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset");
    assert_eq!((end.as_str(), drops), ("refused", vec!["filter-reject".to_owned()]));
}

#[test]
fn what_is_refused_with_a_cure() {
    let table = [
        ("iptables -A INPUT -j REJECT --reject-with nonsense", "unknown reject type \"nonsense\""),
        ("iptables -A INPUT -j REJECT --reject-with tcp-reset", "only TCP has resets"),
        ("iptables -A INPUT -p udp -j REJECT --reject-with tcp-reset", "only TCP has resets"),
        ("iptables -t mangle -A PREROUTING -j REJECT", "REJECT is for the filter table"),
        ("iptables -t nat -A PREROUTING -p tcp -j REDIRECT", "the table `nat' is not modelled"),
        ("iptables -A INPUT -m state --state NEW -j ACCEPT", "the match `state' is not modelled"),
    ];
    for (line, problem) in table {
        let error = Command::parse(line, &Default::default()).expect_err(line);
        assert_eq!(error.problem, problem, "{line}");
        assert!(!error.cure.is_empty(), "{line}");
    }
}
