//! iptables from end to end: what a client hears of REJECT, states of connections, REDIRECT, tunnels, and what is refused;
//! as Linux 6.1 and iptables 1.8.9 had it.

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
    routes: default via 192.168.1.1{}
clients:
  browsers: {{on: client, to: 10.0.0.100:80, arrivals: {{constant: 10/s}}, limit: 1}}
",
        rules("router"),
        rules("director"),
        rules("web"),
        rules("client")
    )
}

/// How the exchange ended, and who dropped what.
fn outcome(place: &str, rule: &str) -> (String, Vec<String>) {
    outcome_of(&scenario(place, rule))
}

fn outcome_of(text: &str) -> (String, Vec<String>) {
    let loaded = load_text("t.yaml", "t", text, Path::new("")).unwrap_or_else(|p| panic!("{p}\n{text}"));
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

/// What iptables 1.8.9 said to each line; its own words, and ours only where it blames the kernel's log.
#[test]
fn iptables_refuses_in_its_own_words() {
    let table = [
        ("-p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "too many ports specified"),
        ("-p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16", "too many ports specified"),
        ("-p tcp -m multiport --dports 80,100:90", "invalid portrange specified"),
        ("-p tcp -m multiport --dports 80,abc", "invalid port/service `abc' specified"),
        ("-p tcp -m multiport --dports 80,70000", "invalid port/service `70000' specified"),
        ("-p tcp -m multiport", "multiport expection an option"),
        (
            "-m multiport --dports 80",
            "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'",
        ),
        ("-p icmp -m multiport --dports 80", "multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP"),
        ("-p tcp --dports 80,81", "unknown option \"--dports\""),
        ("-p tcp --dport 80,81", "invalid port/service `80,81' specified"),
        ("-p tcp --dport 100:90", "invalid portrange (min > max)"),
        ("-p tcp --dport ! 80", "invalid port/service `!' specified"),
        ("--dport 80", "unknown option \"--dport\""),
        ("-p icmp --dport 80", "unknown option \"--dport\""),
        ("! -p tcp --dport 80", "Invalid argument."),
        ("--mark 1", "unknown option \"--mark\""),
        ("-m mark", "mark: option \"--mark\" must be specified"),
        ("-m mark --mark abc", "mark: bad integer value for option \"--mark\", or out of range."),
        ("-m state", "state: option \"--state\" must be specified"),
        ("--state NEW", "unknown option \"--state\""),
        ("-m conntrack --state NEW", "unknown option \"--state\""),
        ("-m state --ctstate NEW", "unknown option \"--ctstate\""),
        ("-m state --state NEWW", "Bad state \"NEWW\""),
        ("-m state --state NEW,,ESTABLISHED", "Bad state \",ESTABLISHED\""),
        ("-m conntrack --ctstate BOGUS", "Bad ctstate \"BOGUS\""),
        ("-m conntrack", "conntrack: At least one option is required"),
        ("-o eth0", "Can't use -o with INPUT"),
        ("-m nonsense", "Couldn't load match `nonsense':No such file or directory"),
        ("-s 10.0.0.1 -s 10.0.0.2", "multiple -s flags not allowed"),
        ("-j DROP", "multiple -j flags not allowed"),
        ("-I INPUT", "Cannot use -I with -A"),
    ];
    for (rule, problem) in table {
        refuses(&format!("iptables -A INPUT {rule} -j ACCEPT"), problem);
    }
    refuses("iptables -A OUTPUT -i eth0 -j ACCEPT", "Can't use -i with OUTPUT");
    refuses("iptables -t mangle -A PREROUTING -o eth0 -j ACCEPT", "Can't use -o with PREROUTING");
    refuses("iptables -t nat -A OUTPUT -i eth0 -p tcp -j REDIRECT", "Can't use -i with OUTPUT");
    refuses("iptables -A input -j ACCEPT", "No chain/target/match by that name.");
    refuses("iptables -A INPUT -j MARKK", "Couldn't load target `MARKK':No such file or directory");
    refuses("iptables -j DROP", "no command specified");
    let nat = |rest: &str, problem: &str| refuses(&format!("iptables -t nat {rest}"), problem);
    nat("-A PREROUTING -j REDIRECT --to-ports 80", "Need TCP, UDP, SCTP or DCCP with port specification");
    nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 90-80", "Port range `80' funky");
    nat("-A PREROUTING -p tcp -j REDIRECT --to-ports abc", "Port `abc' not valid");
    let inhibited =
        "The \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.";
    nat("-A PREROUTING -j DROP", inhibited);
    nat("-P PREROUTING DROP", inhibited);
}

fn refuses(line: &str, problem: &str) {
    let error = Command::parse(line, &Default::default()).expect_err(line);
    assert_eq!(error.problem, problem, "{line}");
    assert!(!error.cure.is_empty(), "{line}");
}

/// Lines that iptables 1.8.9 takes.
#[test]
fn what_iptables_takes() {
    for rule in [
        "-A INPUT -p tcp -m multiport --dports 1,2,3:4,5,6,7,8,9,10,11,12,13,14,15 -j ACCEPT",
        "-A INPUT -p tcp -m multiport --ports 80,90:100 -j ACCEPT",
        "-A INPUT -p tcp -m multiport ! --dports 80,90 -j ACCEPT",
        "-A INPUT -p tcp --dport 90: -j ACCEPT",
        "-A INPUT -p tcp --dport http -j ACCEPT",
        "-A INPUT -p tcp ! --dport 80 -j ACCEPT",
        "-A INPUT -m mark ! --mark 0x1/0xff -j ACCEPT",
        "-A INPUT -m state --state new -j ACCEPT",
        "-A INPUT -m state ! --state NEW -j ACCEPT",
        "-A INPUT -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT",
        "-A INPUT -p tcp",
        "-A INPUT -j MARK --set-mark 1",
        "-t nat -A PREROUTING -p tcp -j REDIRECT --to-port 80",
        "-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 80-90",
        "-t nat -A PREROUTING -j REDIRECT",
        "-t nat -A OUTPUT -p tcp -d 10.0.0.100 --dport 80 -j REDIRECT --to-ports 8080",
        "-w -L INPUT -n -v --line-numbers",
        "-t nat -L -n",
    ] {
        let line = format!("iptables {rule}");
        Command::parse(&line, &Default::default())
            .unwrap_or_else(|error| panic!("{line}: {}", error.problem));
    }
}

/// The table of states that `mangle` counters of Linux 6.1 showed, as ways to let an exchange pass or not.
#[test]
fn states_of_connections_on_clients_routers_and_real_servers() {
    let established = "-A INPUT -p tcp -m state --state NEW,ESTABLISHED -j ACCEPT";
    let table = [
        ("client", vec!["-A INPUT -m state --state ESTABLISHED -j ACCEPT", "-P INPUT DROP"], "ok"),
        ("client", vec!["-A INPUT -m state --state NEW -j ACCEPT", "-P INPUT DROP"], "waits"),
        ("web", vec![established, "-P INPUT DROP"], "ok"),
        ("web", vec!["-A OUTPUT -m conntrack ! --ctstate ESTABLISHED -j DROP"], "ok"),
        ("web", vec!["-A INPUT -m state --state ESTABLISHED -j ACCEPT", "-P INPUT DROP"], "waits"),
        ("router", vec!["-A FORWARD -m state --state INVALID,UNTRACKED -j DROP"], "ok"),
        ("router", vec!["-A FORWARD -m state --state ESTABLISHED -j DROP"], "waits"),
        ("director", vec!["-A INPUT -p tcp -m state --state ESTABLISHED -j DROP"], "ok"),
        ("director", vec!["-A OUTPUT -m state ! --state UNTRACKED,INVALID -j DROP"], "ok"),
        ("director", vec!["-A OUTPUT -m state --state UNTRACKED -j DROP"], "waits"),
    ];
    for (place, rules, expected) in table {
        assert_eq!(outcome(place, &rules.join("\", \"")).0, expected, "{place}: {rules:?}");
    }
}

/// The client's own REDIRECT catches what it would have sent away: seen on Linux 6.1, with a program on port 8080.
#[test]
fn a_host_redirects_its_own_connections_to_itself() {
    let rule = "-t nat -A OUTPUT -p tcp -d 10.0.0.100 --dport 80 -j REDIRECT --to-ports 8080";
    assert_eq!(outcome("client", rule).0, "refused", "nobody listens there, and it is its own reset");
    let with_server = scenario("client", rule).replace(
        "routes: default via 192.168.1.1",
        "routes: default via 192.168.1.1\n    server: {ports: 8080}",
    );
    assert_eq!(outcome_of(&with_server).0, "ok");
}

/// What IPVS sends passes OUTPUT: its mangle table may drop it, or mark it, and a mark routes it anew. Under direct
/// routing the destination is the director's own address, so it is lost to the director itself, which refuses it: seen on
/// Linux 6.1.
#[test]
fn marks_of_what_ipvs_sends_route_it_anew() {
    let drop = "-t mangle -A OUTPUT -p tcp --dport 80 -j DROP";
    assert_eq!(outcome("director", drop), ("waits".to_owned(), vec!["filter-drop".to_owned()]));
    let mark = "-t mangle -A OUTPUT -p tcp --dport 80 -j MARK --set-mark 5";
    assert_eq!(outcome("director", mark).0, "refused");
}

/// A tunnel hides what it carries: OUTPUT of the director and the first INPUT of the real server see IP in IP, the second
/// INPUT, behind tunl0, sees the segment.
#[test]
fn rules_see_the_outer_header_of_a_tunnel_and_then_what_was_inside() {
    let tunnel = |place: &str, rule: &str| {
        let text = scenario(place, rule)
            .replace("-r 10.0.0.11 -g", "-r 10.0.0.11 -i")
            .replace("lo: {address: 10.0.0.100/32}", "tunl0: {address: 10.0.0.100/32, up: true}")
            .replace(
                "net.ipv4.conf.all.arp_announce: 2",
                "net.ipv4.conf.all.arp_announce: 2, net.ipv4.conf.all.rp_filter: 0",
            );
        outcome_of(&text).0
    };
    assert_eq!(tunnel("nobody", ""), "ok");
    let table = [
        ("director", "-t mangle -A OUTPUT -p tcp -j DROP", "ok"),
        ("director", "-t mangle -A OUTPUT -p 4 -d 10.0.0.11 -j DROP", "waits"),
        ("director", "-t mangle -A OUTPUT -d 10.0.0.100 -j DROP", "ok"),
        ("director", "-t mangle -A OUTPUT -p 4 -j MARK --set-mark 1", "ok"),
        ("director", "-A OUTPUT -m state ! --state NEW -j DROP", "ok"),
        ("web", "-t mangle -A INPUT -i eth0 -p tcp -j DROP", "ok"),
        ("web", "-t mangle -A INPUT -i eth0 -p 4 -j DROP", "waits"),
        ("web", "-t mangle -A INPUT -i tunl0 -p tcp -j DROP", "waits"),
        ("web", "-A INPUT -i tunl0 -p 4 -j DROP", "ok"),
        ("web", "-A INPUT -i tunl0 -d 10.0.0.100 -p tcp --dport 80 -j DROP", "waits"),
    ];
    for (place, rule, expected) in table {
        assert_eq!(tunnel(place, rule), expected, "{place}: {rule}");
    }
}

/// The rules of iptables are not those of ip6tables.
#[test]
fn each_family_has_its_own_rules() {
    let text =
        scenario("web", "").replace("\n    iptables: [\"\"]", "\n    commands: ip6tables -P INPUT DROP");
    assert_eq!(outcome_of(&text).0, "ok");
}

#[test]
fn what_is_refused_with_a_cure() {
    let table = [
        ("iptables -A INPUT -j REJECT --reject-with nonsense", "unknown reject type \"nonsense\""),
        ("iptables -A INPUT -j REJECT --reject-with tcp-reset", "only TCP has resets"),
        ("iptables -A INPUT -p udp -j REJECT --reject-with tcp-reset", "only TCP has resets"),
        ("iptables -t mangle -A PREROUTING -j REJECT", "REJECT is for the filter table"),
        ("iptables -A INPUT -p tcp -j REDIRECT", "REDIRECT is for the table nat"),
        (
            "iptables -t nat -A POSTROUTING -p tcp -j REDIRECT",
            "the chain POSTROUTING of this table is not modelled",
        ),
        ("iptables -t nat -A POSTROUTING -j MASQUERADE", "the target `MASQUERADE' is not modelled"),
    ];
    for (line, problem) in table {
        let error = Command::parse(line, &Default::default()).expect_err(line);
        assert_eq!(error.problem, problem, "{line}");
        assert!(!error.cure.is_empty(), "{line}");
    }
}
