//! Ways of packets that lead nowhere.

use scenarios::load::load_text;
use std::path::Path;

/// Two networks and a router between them; the routes are the point.
const ROUTED: &str = "duration: 1s
networks: {lan: {prefix: 10.0.0.0/24}, wan: {prefix: 10.1.0.0/24}}
hosts:
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}}
    routes: default via 10.0.0.254
    server: {ports: 80}
    ipvsadm: -A -t 10.0.0.11:80 -s rr
  router:
    interfaces: {eth0: {network: lan, address: 10.0.0.254/24}, eth1: {network: wan, address: 10.1.0.1/24}}
    sysctls: {net.ipv4.ip_forward: 1}
  client:
    interfaces: {eth0: {network: wan, address: 10.1.0.10/24}}
    routes: default via 10.1.0.1
clients:
  browsers: {on: client, to: 10.0.0.11:80, arrivals: {poisson: 10/s}}
";

/// What `check` says about the ways of packets when a text of [`ROUTED`] is replaced: message and cure.
fn ways(from: &str, to: &str) -> String {
    assert!(ROUTED.contains(from));
    let text = ROUTED.replace(from, to);
    let problems = match load_text("web.yaml", "web", &text, Path::new(".")) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let about_ways = problems.list.iter().filter(|problem| !problem.message.contains("virtual service"));
    about_ways
        .map(|problem| format!("{}\n  {}\n", problem.message, problem.help.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn ways_that_lead_nowhere() {
    let table = [
        ("default via 10.1.0.1", "auto", ""),
        (
            "default via 10.1.0.1",
            "10.9.0.0/16 via 10.1.0.1",
            "client has no route to 10.0.0.11\n  add `routes: default via 10.1.0.1` (router) or `routes: auto` to client\n",
        ),
        (
            "default via 10.0.0.254",
            "10.9.0.0/16 via 10.0.0.254",
            "web has no route to 10.1.0.10: answers of web end there\n  \
             add `routes: default via 10.0.0.254` (router) or `routes: auto` to web\n",
        ),
        (
            "default via 10.0.0.254",
            "default via 10.0.0.250",
            "no host has the address 10.0.0.250, the gateway of web to 10.1.0.10\n  \
             add `routes: default via 10.0.0.254` (router) or `routes: auto` to web\n",
        ),
        (
            "    sysctls: {net.ipv4.ip_forward: 1}\n",
            "",
            "router does not forward: requests of client to 10.0.0.11 end there\n  \
             add `sysctls: {net.ipv4.ip_forward: 1}` to router\n",
        ),
        (
            "{network: wan, address: 10.1.0.1/24}",
            "{network: lan, address: 10.0.0.253/24}",
            "router has no route to 10.1.0.10: answers of web end there\n  \
             no cables lead from router to client: plug both into one network, or a router into both of theirs\n\
             no host has the address 10.1.0.1, the gateway of client to 10.0.0.11\n  \
             no cables lead from client to web: plug both into one network, or a router into both of theirs\n",
        ),
    ];
    for (from, to, told) in table {
        let found = ways(from, to);
        assert!(found.starts_with(told), "{from} -> {to}:\n{found}");
        assert_eq!(found.is_empty(), told.is_empty(), "{from} -> {to}:\n{found}");
    }
}
