//! Ctrl-C: exit status 2, what is finished is kept, nothing is half-written.
#![cfg(target_os = "linux")]

use crate::lvsim::{SMALL, command, scratch};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The small cluster for hours of virtual time.
fn long_scenario(folder: &Path) {
    let long = SMALL.replace("duration: 1s", "duration: 5h");
    assert_ne!(long, SMALL);
    std::fs::write(folder.join("long.yaml"), long).expect("it can be written");
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = command(args);
    let streams = command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    streams.spawn().expect("the binary starts")
}

/// Waits until the kernel says of a process what we want to hear: `/proc/PID/FILE`, read again and again.
fn wait_until(child: &Child, file: &str, holds: impl Fn(&str) -> bool) {
    let path = format!("/proc/{}/{file}", child.id());
    while !holds(&std::fs::read_to_string(&path).expect("the process is there")) {
        std::thread::yield_now();
    }
}

/// Does the process catch SIGINT (number 2)?
fn listens(status: &str) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|mask| mask & 0b10 != 0)
}

/// Has the process computed for half a second? (`stat` counts hundredths in the twelfth word after the name.)
fn has_worked(stat: &str) -> bool {
    let words = stat.rsplit(')').next().unwrap_or_default();
    words.split_whitespace().nth(11).and_then(|word| word.parse().ok()).is_some_and(|ticks: u64| ticks >= 50)
}

fn interrupt(child: Child) -> Output {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    child.wait_with_output().expect("it ends")
}

/// What is in a folder besides the scenario.
fn left_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("it is there");
    let names =
        entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "long.yaml").collect()
}

#[test]
fn a_run_that_is_stopped_leaves_nothing_behind() {
    let folder = scratch("stopped-run");
    long_scenario(&folder);
    let child = start(&folder, &["run", "long.yaml", "--out", "out", "--pcap", "packets.pcapng"]);
    wait_until(&child, "status", listens);
    let output = interrupt(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("stopped: a run that did not reach its end has no result"), "{stderr}");
    assert_eq!(output.stdout, b"");
    assert!(left_in(&folder).is_empty(), "{:?}", left_in(&folder));
}

#[test]
fn a_comparison_that_is_stopped_keeps_what_is_finished() {
    let folder = scratch("stopped-compare");
    long_scenario(&folder);
    // At a millionth of the load the hours pass at once; at a hundred times the load they take minutes.
    let loads = ["--loads", "0.000001,100", "--replicas", "1", "--schedulers", "rr", "--threads", "1"];
    let child = start(&folder, &[&["compare", "long.yaml", "--out", "out"], &loads[..]].concat());
    wait_until(&child, "status", listens);
    wait_until(&child, "stat", has_worked);
    let output = interrupt(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("the results above are of the 1 of 2 runs that were finished"), "{stderr}");
    assert_eq!(left_in(&folder), ["out"]);
    let outcome = std::fs::read_to_string(folder.join("out/outcome.json")).expect("the report is whole");
    let outcome: serde_json::Value = serde_json::from_str(&outcome).expect("it is JSON");
    assert_eq!(outcome["runs"].as_array().map(Vec::len), Some(1));
    assert!(folder.join("out/manifest.json").exists());
}

#[test]
fn a_test_that_is_stopped_reports_what_is_finished() {
    let folder = scratch("stopped-test");
    long_scenario(&folder);
    std::fs::write(folder.join("a.yaml"), format!("{SMALL}expect:\n  - success = 100%\n"))
        .expect("it can be written");
    let child = start(&folder, &["test", "a.yaml", "long.yaml", "--threads", "1", "--junit", "results.xml"]);
    wait_until(&child, "status", listens);
    wait_until(&child, "stat", has_worked);
    let output = interrupt(child);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stdout.contains("ok    a.yaml  1 expectation\n"), "{stdout}");
    assert!(stderr.contains("the results are of the 1 of 2 scenarios that were finished"), "{stderr}");
    let xml = std::fs::read_to_string(folder.join("results.xml")).expect("it was written");
    assert!(xml.contains("tests=\"1\" failures=\"0\""), "{xml}");
}
