//! The command line: each verb, its exit status, and what it says when something is wrong.

use crate::lvsim::{Called, SMALL, command, lvsim, lvsim_reading, root, scratch, text};
use serde_json::Value;
use std::process::Stdio;

/// Runs the small cluster from standard input, with these lines added to it.
fn run_with(more: &str) -> Called {
    lvsim_reading(&format!("{SMALL}{more}"), &["run", "-"])
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// A call that must be refused with the status 2, and the words in which it is.
#[track_caller]
fn refused(args: &[&str], words: &[&str]) {
    let called = lvsim_reading(SMALL, args).with_status(2);
    assert_eq!(called.stdout, "", "what is refused prints nothing");
    for word in words {
        assert!(called.stderr.contains(word), "`{word}` is missing:\n{}", called.stderr);
    }
    assert!(!called.stderr.contains("panicked"), "{}", called.stderr);
}

#[test]
fn the_status_says_how_it_went() {
    let fine = run_with("expect:\n  - success = 100%\n").with_status(0);
    assert!(fine.stdout.contains("fingerprint"), "{}", fine.stdout);
    let failed = run_with("expect:\n  - success < 50%\n").with_status(1);
    assert!(failed.stdout.contains("expected success < 50%"), "{}", failed.stdout);
    assert!(failed.stderr.contains("1 of the scenario's expectations failed"), "{}", failed.stderr);
    let wrong = run_with("expects:\n").with_status(2);
    assert!(wrong.stderr.contains("standard input:12:1"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("help:"), "{}", wrong.stderr);
}

#[test]
fn what_does_not_exist_is_refused_with_what_does() {
    refused(&["simulate"], &["unrecognized subcommand", "--help"]);
    refused(&["run"], &["<FILE>"]);
    refused(&["run", "absent.yaml"], &["cannot read absent.yaml"]);
    refused(&["run", "."], &["cannot read ."]);
    refused(&["compare", "-", "--schedulers", "rr,best"], &["no scheduler `best`", "wlc"]);
    refused(&["compare", "-", "--forwarding", "bridge"], &["no forwarding method `bridge`", "nat, dr, tun"]);
    refused(&["compare", "-", "--loads", "0"], &["a load of 0", "above 0"]);
    refused(&["compare", "-", "--loads", "nan"], &["a load of NaN", "above 0"]);
    refused(&["compare", "-", "--replicas", "0"], &["--replicas"]);
    refused(&["explain", "-", "--flow", "0"], &["--flow"]);
    refused(&["bench", "--seconds", "0"], &["from 0.001 to 3600"]);
    refused(&["list", "animals"], &["schedulers", "forwarding", "drops", "gallery"]);
}

#[test]
fn json_is_json() {
    let run = json(&lvsim_reading(SMALL, &["run", "-", "--json"]).with_status(0).stdout);
    assert_eq!(run["runs"][0]["scheduler"], "rr");
    let args = ["compare", "-", "--json", "--schedulers", "rr,wlc,rr", "--replicas", "2", "--out", "json"];
    let compare = json(&lvsim_reading(SMALL, &args).with_status(0).stdout);
    let schedulers = compare["runs"].as_array().expect("a list").iter().map(|run| run["scheduler"].clone());
    assert_eq!(schedulers.collect::<Vec<_>>(), ["rr", "rr", "wlc", "wlc"], "a repeated name is one variant");
    for line in lvsim_reading(SMALL, &["explain", "-", "--json"]).with_status(0).stdout.lines() {
        assert!(json(line)["time_s"].is_f64(), "{line}");
    }
    let problems = lvsim_reading("duration: never\n", &["check", "-", "--json"]).with_status(2).stdout;
    let problem = json(problems.lines().next().expect("there is a problem"));
    assert_eq!(problem["severity"], "error");
    let schema = json(&lvsim(&["schema"]).with_status(0).stdout);
    assert!(schema["properties"]["cluster"].is_object(), "{schema}");
}

#[test]
fn quiet_is_silent() {
    let out = scratch("quiet").join("out");
    for verb in ["run", "compare"] {
        let called = lvsim_reading(SMALL, &[verb, "-", "--quiet", "--out", text(&out)]).with_status(0);
        assert_eq!((called.stdout.as_str(), called.stderr.as_str()), ("", ""), "{verb}");
        assert!(out.join("report.html").exists(), "{verb}");
    }
    let arp = root().join("scenarios/gallery/dr-arp-problem.yaml");
    assert!(lvsim(&["run", text(&arp)]).with_status(0).stderr.contains("warning"));
    assert_eq!(lvsim(&["run", text(&arp), "--quiet"]).with_status(0).stderr, "");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_run() {
    let folder = scratch("places");
    std::fs::write(folder.join("file"), "mine").expect("it can be written");
    std::fs::create_dir(folder.join("photos")).expect("it can be made");
    std::fs::write(folder.join("photos/cat.jpg"), "mine").expect("it can be written");
    for verb in ["run", "compare"] {
        let photos = folder.join("photos");
        refused(
            &[verb, "-", "--out", text(&photos)],
            &["photos exists and is not a report of lvsim", "--out"],
        );
        assert_eq!(std::fs::read(folder.join("photos/cat.jpg")).expect("it is still there"), b"mine");
        refused(&[verb, "-", "--out", text(&folder.join("file"))], &["cannot write", "file", "--out"]);
        // A cause is named once.
        let called =
            lvsim_reading(SMALL, &[verb, "-", "--out", text(&folder.join("file/deep"))]).with_status(2);
        assert_eq!(called.stderr.matches("os error").count(), 1, "{}", called.stderr);
    }
    let mut left: Vec<_> = std::fs::read_dir(&folder)
        .expect("it is there")
        .map(|entry| entry.expect("it is read").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["file", "photos"], "nothing is half-written");
}

#[test]
fn a_report_replaces_the_report_before_it() {
    let out = scratch("twice").join("out");
    lvsim_reading(SMALL, &["compare", "-", "--out", text(&out)]).with_status(0);
    assert!(out.join("comparison.csv").exists());
    lvsim_reading(SMALL, &["run", "-", "--out", text(&out)]).with_status(0);
    assert!(!out.join("comparison.csv").exists() && out.join("series.csv").exists());
}

#[test]
fn explain_says_how_many_flows_there_were() {
    let walk = lvsim_reading(SMALL, &["explain", "-"]).with_status(0).stdout;
    for stage in ["schedule", "forwarding", "neighbour", "<- chosen"] {
        assert!(walk.contains(stage), "{stage}\n{walk}");
    }
    let begun =
        json(&lvsim_reading(SMALL, &["run", "-", "--json"]).stdout)["runs"][0]["summary"]["started"].clone();
    refused(
        &["explain", "-", "--flow", "1000000"],
        &["there is no flow 1000000", &format!("choose a number from 1 to {begun}")],
    );
}

#[test]
fn lists_fit_a_terminal() {
    for (topic, words) in [
        ("schedulers", &["wlc", "Rule:", "Ties:"][..]),
        ("forwarding", &["nat", "dr", "tun"]),
        ("drops", &["backlog-full", "Cure:"]),
        ("gallery", &["quickstart.yaml", "thousand-servers.yaml"]),
    ] {
        let listed = command(&["list", topic]).current_dir(root()).output().expect("the binary starts");
        let listed = String::from_utf8(listed.stdout).expect("lists are UTF-8");
        assert!(words.iter().all(|word| listed.contains(word)), "{topic}:\n{listed}");
        let wide: Vec<&str> = listed.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{topic}: {wide:?}");
    }
    refused(&["list", "gallery"], &["scenarios/gallery", "root of the repository"]);
}

#[test]
fn every_verb_helps() {
    let help = lvsim(&["--help"]).with_status(0).stdout;
    for verb in ["run", "compare", "test", "check", "explain", "expand", "list", "schema", "bench"] {
        assert!(help.contains(&format!("  {verb} ")), "{verb}\n{help}");
        let help = lvsim(&[verb, "--help"]).with_status(0).stdout;
        assert!(help.contains(&format!("Usage: lvsim {verb}")), "{help}");
    }
    lvsim(&["--version"]).with_status(0);
    lvsim::<&str>(&[]).with_status(2);
}

#[test]
fn bench_measures_every_method() {
    let args = ["bench", "--only", "w1", "--seconds", "0.02", "--runs", "1", "--json"];
    let lines = lvsim(&args).with_status(0).stdout;
    let lines: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert!(line["count"].as_u64() > Some(0) && line["connections"].as_u64() > Some(0), "{line}");
    }
}

#[test]
fn bench_measures_the_parts_it_is_asked_for() {
    let small = ["--runs", "1", "--seconds", "0.01", "--connections", "2000"];
    let figures = |parts: &str| {
        let args = [&["bench", "--json", "--only", parts], &small[..]].concat();
        let lines = lvsim(&args).with_status(0).stdout;
        let name = |line: &str| json(line)["workload"].as_str().expect("a name").to_owned();
        lines.lines().map(name).collect::<Vec<_>>()
    };
    assert_eq!(figures("w2"), ["W2"]);
    assert_eq!(
        figures("director"),
        ["director-new", "director-busy", "director-random", "director-bursts", "director-memory"]
    );
    assert_eq!(figures("schedulers,memory").len(), 14 + 6);
    let text = lvsim(&[&["bench"], &small[..]].concat()).with_status(0).stdout;
    for words in ["W1: ", "W2: ", "The director alone", "Schedulers: ", "Memory: ", "all in"] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    refused(&["bench", "--only", "w3"], &["[possible values: w1, w2, director, schedulers, memory]"]);
}

#[test]
fn a_closed_pipe_is_nobody_s_fault() {
    for args in [&["list", "schedulers"][..], &["schema"], &["explain", "-"], &["run", "-", "--json"]] {
        let (reader, writer) = std::io::pipe().expect("pipes exist");
        drop(reader);
        let scenario = scratch(&format!("pipe-{}", args[0])).join("small.yaml");
        std::fs::write(&scenario, SMALL).expect("it can be written");
        let small = std::fs::File::open(&scenario).expect("it was just written");
        let child = command(args).stdin(small).stdout(writer).stderr(Stdio::piped()).spawn();
        let output = child.expect("the binary starts").wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

/// What Linux offers for the purpose: a disk that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = command(&["list"]).stdout(full).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write to standard output: No space left"), "{said}");
}

#[test]
fn input_that_is_no_scenario_is_refused() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x]\n".to_owned()
        + &('b'..='m')
            .map(|c| {
                let before = (c as u8 - 1) as char;
                format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 8].join(", "))
            })
            .collect::<String>();
    let thousand_million = SMALL.replace("web[1-2]", "web[1-1000000000]");
    let too_fast = SMALL.replace("100/s", "1000000000000/s");
    let never = SMALL.replace("100/s", "0/s");
    for scenario in ["", "[", "- 1\n- 2\n", "name: 7\n", &bomb, &thousand_million, &too_fast, &never] {
        let called = lvsim_reading(scenario, &["check", "-"]).with_status(2);
        assert!(called.stderr.contains("error:") && called.stderr.contains("help:"), "{}", called.stderr);
    }
}

/// `lvsim … 2>&1 | head`, and head has seen enough.
#[test]
fn a_closed_standard_error_is_no_reason_to_crash() {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    let scenario = root().join("scenarios/gallery/dr-arp-problem.yaml"); // it has warnings
    let status =
        command(&["check".as_ref(), scenario.as_os_str()]).stdout(Stdio::null()).stderr(writer).status();
    assert_eq!(status.expect("the binary starts").code(), Some(0));
}
