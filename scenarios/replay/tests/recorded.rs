//! What a real kernel did with the test scenarios, held against the simulation: everywhere, also without that kernel.
//!
//! `tests/live.rs` makes the recordings.

use replay::pace::paced;
use replay::recording::Recording;
use replay::rehearse::rehearse;
use std::path::Path;

fn check(name: &str, decisions: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let loaded =
        scenarios::load::load(&folder.join(format!("scenarios/{name}.yaml"))).expect("it is a scenario");
    let rehearsed =
        rehearse(&loaded.scenario, &mut |_| true).expect("hosts take it").expect("nobody stops it");
    let text =
        std::fs::read_to_string(folder.join(format!("recordings/{name}.json"))).expect("it was recorded");
    let seen = Recording::read(&text, &rehearsed.job).expect("it is of this scenario");
    let comparison = replay::judge(&loaded.scenario, &rehearsed, &seen, None).expect("captures can be read");
    let differences: Vec<&str> = comparison.differences.iter().map(|one| one.text.as_str()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(comparison.decisions, decisions);
    assert_eq!(comparison.listings, 3);
    assert!(comparison.flows >= decisions, "{} flows", comparison.flows);
}

#[test]
fn masquerading() {
    check("nat", 29);
}

#[test]
fn direct_routing() {
    check("dr", 45);
}

#[test]
fn tunnels() {
    check("tun", 39);
}

#[test]
fn datagrams() {
    check("udp", 59);
}

#[test]
fn firewall_marks() {
    check("mark", 38);
}

/// Scenarios of the gallery, recorded by `lvsim replay --record scenarios/gallery/recorded`, snapshots included.
#[test]
fn the_recorded_part_of_the_gallery() {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gallery");
    let mut decisions = 0;
    for file in std::fs::read_dir(gallery.join("recorded")).expect("it is there") {
        let file = file.expect("it can be read").path();
        let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let loaded = scenarios::load::load(&gallery.join(format!("{name}.yaml"))).expect("it is a scenario");
        let paced = paced(&loaded.scenario, &mut |_| true).expect("hosts take it").expect("nobody stops it");
        let text = std::fs::read_to_string(&file).expect("it was recorded");
        let seen = Recording::read(&text, &paced.rehearsed.job).expect("it is of this scenario");
        let compared = replay::judge(&paced.scenario, &paced.rehearsed, &seen, None);
        let comparison = compared.expect("captures can be read");
        let texts: Vec<&str> = comparison.differences.iter().map(|one| one.text.as_str()).collect();
        assert!(texts.is_empty(), "{name}: {}", texts.join("\n"));
        assert!(comparison.listings >= 43, "{name}: forty snapshots, and three listings in the end");
        decisions += comparison.decisions;
    }
    assert!(decisions > 200, "{decisions}");
}

#[test]
fn a_kernel_that_decides_otherwise_is_noticed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let loaded = scenarios::load::load(&folder.join("scenarios/nat.yaml")).expect("it is a scenario");
    let rehearsed =
        rehearse(&loaded.scenario, &mut |_| true).expect("hosts take it").expect("nobody stops it");
    let text = std::fs::read_to_string(folder.join("recordings/nat.json")).expect("it was recorded");
    let mut seen = Recording::read(&text, &rehearsed.job).expect("it is of this scenario");
    seen.attempts[6].server = seen.attempts[5].server;
    seen.answers[0].stdout = seen.answers[0].stdout.replace("-> 10.0.0.12", "-> 10.0.0.21");
    let comparison = replay::judge(&loaded.scenario, &rehearsed, &seen, None).expect("captures can be read");
    assert_eq!(comparison.differences.len(), 2, "{:#?}", comparison.differences);
    let first = &comparison.differences[0].text;
    assert!(first.starts_with("connection 7 from "));
    for words in ["the simulated director's table:", "decisions of the service before", "packets before:"] {
        assert!(first.contains(words), "{first}");
    }
    assert!(comparison.differences[1].text.contains("  +   -> 10.0.0.21:8080"));
}

/// A packet that comes while the kernel writes its answer may be in it, or not.
#[test]
fn a_look_takes_its_time() {
    let gallery = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gallery");
    let loaded = scenarios::load::load(&gallery.join("drain-weight-zero.yaml")).expect("it is a scenario");
    let paced = paced(&loaded.scenario, &mut |_| true).expect("hosts take it").expect("nobody stops it");
    let text =
        std::fs::read_to_string(gallery.join("recorded/drain-weight-zero.json")).expect("it was recorded");
    let differences = |begun_earlier: u64, takes: u64| {
        let mut seen = Recording::read(&text, &paced.rehearsed.job).expect("it is of this scenario");
        let look = &mut seen.answers[20];
        look.at -= begun_earlier;
        look.done = look.at + takes;
        let judged = replay::judge(&paced.scenario, &paced.rehearsed, &seen, None);
        judged.expect("captures can be read").differences.len()
    };
    const SECOND: u64 = 1_000_000_000;
    assert_eq!(differences(0, 0), 0);
    assert_eq!(differences(SECOND, 0), 1, "a second before, fewer connections were in the table");
    assert_eq!(differences(SECOND, SECOND), 0);
}
