//! `docs/ipvs.md` links each surprise to a test, and to scenarios: they exist. One surprise that no recording shows is
//! tested here.

use scenarios::load::load_text;
use scenarios::run::run;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn page() -> String {
    std::fs::read_to_string(docs().join("ipvs.md")).expect("the page exists")
}

/// The links of a text: name (without back-quotes) and target.
fn links(text: &str) -> Vec<(&str, &str)> {
    let ends = text.match_indices("](");
    ends.map(|(at, _)| {
        let name = &text[text[..at].rfind('[').expect("a link begins") + 1..at];
        let target = text[at + 2..].split(')').next().expect("a link ends");
        (name.trim_matches('`'), target)
    })
    .collect()
}

/// The numbered items below "Surprises".
fn surprises(page: &str) -> Vec<String> {
    let (_, list) = page.split_once("## Surprises").expect("the page lists surprises");
    let mut items: Vec<String> = Vec::new();
    for line in list.lines() {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            items.push(String::new());
        }
        if let Some(item) = items.last_mut() {
            *item += line;
            *item += "\n";
        }
    }
    items
}

#[test]
fn every_link_names_a_test_a_recording_or_a_scenario_that_exists() {
    let page = page();
    let links = links(&page);
    assert!(links.len() > 50, "{links:?}");
    for (name, target) in links {
        let file = docs().join(target);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{name}: no file {target}"));
        let is_there = match file.extension().and_then(|end| end.to_str()) {
            Some("rs") => {
                let before = text.split(&format!("fn {name}(")).next().expect("a first part");
                before.len() < text.len() && before.trim_end().ends_with("#[test]")
            }
            Some("json") => text.contains(&format!("\"{name}\"")),
            _ => file.file_stem().is_some_and(|stem| stem == name),
        };
        assert!(is_there, "{target} has no {name}");
    }
}

#[test]
fn every_surprise_is_linked_to_a_test() {
    let page = page();
    let surprises = surprises(&page);
    assert_eq!(surprises.len(), 20);
    for item in &surprises {
        let is_tested =
            links(item).iter().any(|(_, target)| target.ends_with(".rs") || target.ends_with(".json"));
        assert!(is_tested, "{item}");
    }
}

/// A service on port 21 with one server, one on port 0 with another, both persistent; a client that begins with one.
fn shared(first: u16, second: u16) -> String {
    format!(
        r"
duration: 10s
networks:
  lan: {{prefix: 10.0.0.0/24}}
hosts:
  director:
    interfaces: {{eth0: {{network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}}}
    ipvsadm: |
      -A -t 10.0.0.100:21 -s rr -p 300
      -a -t 10.0.0.100:21 -r 10.0.0.11 -g
      -A -t 10.0.0.100:0 -s rr -p 300
      -a -t 10.0.0.100:0 -r 10.0.0.12 -g
  server[1-2]:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.11-10.0.0.12/24}}, lo: {{address: 10.0.0.100/32}}}}
    sysctls: {{net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}}
    server: {{ports: [21, 80]}}
  client:
    interfaces: {{eth0: {{network: lan, address: 10.0.0.50/24}}}}
clients:
  first: {{on: client, to: 10.0.0.100:{first}, arrivals: {{constant: 1/s}}, limit: 1}}
  second: {{on: client, to: 10.0.0.100:{second}, arrivals: {{constant: 1/s}}, start: 3s, limit: 1}}
"
    )
}

/// How many connections each server accepted.
fn accepted(scenario: &str) -> Vec<u64> {
    let loaded =
        load_text("test", "test", scenario, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    let run = run(&loaded.scenario).unwrap();
    run.outcome.servers.iter().map(|server| server.accepted).collect()
}

#[test]
fn ftp_and_all_ports_share_their_templates() {
    assert_eq!(accepted(&shared(21, 80)), [2, 0], "port 21 came first");
    assert_eq!(accepted(&shared(80, 21)), [0, 2], "port 80 came first");
}
