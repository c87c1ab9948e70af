//! What a user sees when the input is wrong: every kind of mistake with its place, its name and its cure.

mod clusters;
mod commands;
mod files;
mod language;
mod names;
mod never_panics;
mod sizes;
mod ways;

use expect_test::Expect;
use scenarios::load::load_text;
use std::path::Path;

/// A small scenario that is right, but for what a test changes.
const GOOD: &str = "\
duration: 10s
networks:
  lan: {prefix: 10.0.0.0/24}
hosts:
  director:
    interfaces: {eth0: {network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s wlc
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g
  web1:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}, lo: {address: 10.0.0.100/32}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}
    server: {ports: 80}
  client:
    interfaces: {eth0: {network: lan, address: 10.0.0.50/24}}
clients:
  browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
";

fn told(text: &str) -> String {
    let told = match load_text("web.yaml", "web", text, Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(problems) => problems.to_string(),
    };
    told.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "")
}

/// The messages for the good scenario with `old` replaced by `new`.
fn check(old: &str, new: &str, messages: &Expect) {
    assert!(GOOD.contains(old), "{old}");
    messages.assert_eq(&told(&GOOD.replace(old, new)));
}

#[test]
fn the_good_scenario_is_good() {
    assert_eq!(told(GOOD), "");
}
