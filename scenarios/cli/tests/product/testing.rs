//! `lvsim test`: what it finds, what it says, its exit statuses.

use crate::lvsim::{SMALL, lvsim, scratch, text};
use std::path::Path;

/// A folder with a scenario that passes, one that fails, one that checks nothing, one in a folder below, and one that is
/// none.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = scratch(name);
    std::fs::create_dir_all(folder.join("below")).expect("it can be made");
    write(&folder.join("good.yaml"), &format!("{SMALL}expect:\n  - success = 100%\n  - started > 50\n"));
    write(&folder.join("bad.yaml"), &format!("{SMALL}expect:\n  - success < 50%\n  - started > 50\n"));
    write(&folder.join("silent.yml"), SMALL);
    write(&folder.join("below/broken.yaml"), "duration: soon\n");
    write(&folder.join("notes.txt"), "no scenario");
    folder
}

fn write(file: &Path, content: &str) {
    std::fs::write(file, content).expect("it can be written");
}

#[test]
fn a_folder_is_tested_whole_and_a_broken_file_is_a_failed_case() {
    let folder = folder("testing-folder");
    let called = lvsim(&["test", text(&folder)]).with_status(1);
    let lines: Vec<&str> = called.stdout.lines().collect();
    assert!(lines[0].starts_with("FAIL") && lines[0].ends_with("bad.yaml"), "{}", called.stdout);
    for words in [
        "      expected success < 50%\n",
        "      error: ",
        "broken.yaml:1:11",
        "good.yaml          2 expectations\n",
        "silent.yml         nothing to check",
        "4 scenarios: 1 passed, 2 failed, 1 without anything to check\n",
    ] {
        assert!(called.stdout.contains(words), "`{words}` is missing:\n{}", called.stdout);
    }
    assert_eq!(called.stderr, "", "nobody watches");
    let again = lvsim(&["test", text(&folder), "--threads", "1"]).with_status(1);
    assert_eq!(again.stdout, called.stdout, "the number of threads changes nothing");
}

#[test]
fn the_status_says_whether_all_passed() {
    let folder = folder("testing-status");
    let good = folder.join("good.yaml");
    let called = lvsim(&["test", text(&good), text(&good)]).with_status(0);
    assert!(called.stdout.ends_with("1 scenario: 1 passed, 0 failed\n"), "once: {}", called.stdout);
    assert_eq!(lvsim(&["test", text(&good), "--quiet"]).with_status(0).stdout, "");
    for (path, words) in [("absent", "there is no absent"), ("empty", "no scenario in")] {
        let path = if path == "empty" { scratch("testing-empty") } else { path.into() };
        let called = lvsim(&["test", text(&path)]).with_status(2);
        assert!(called.stderr.contains(words), "{}", called.stderr);
    }
    let nowhere = folder.join("nowhere/results.xml");
    let called = lvsim(&["test", text(&good), "--junit", text(&nowhere)]).with_status(2);
    assert!(called.stderr.contains("cannot write") && called.stdout.is_empty(), "{}", called.stderr);
}

#[test]
fn build_servers_read_the_results() {
    let folder = folder("testing-formats");
    let file = folder.join("results.xml");
    let called = lvsim(&["test", text(&folder), "--tap", "--junit", text(&file)]).with_status(1);
    assert!(called.stdout.starts_with("TAP version 14\n1..4\nnot ok 1 - "), "{}", called.stdout);
    assert!(called.stdout.contains("silent.yml # SKIP nothing to check\n"), "{}", called.stdout);
    let xml = std::fs::read_to_string(file).expect("it was written");
    assert!(xml.contains(r#"tests="4" failures="2" errors="0" skipped="1""#), "{xml}");
    assert!(xml.contains("broken.yaml:1:11") && xml.ends_with("</testsuites>\n"), "{xml}");
}

#[test]
fn a_golden_must_agree() {
    let folder = scratch("testing-golden");
    let (scenario, golden) = (folder.join("small.yaml"), folder.join("golden/small.txt"));
    write(&scenario, SMALL);
    std::fs::create_dir_all(folder.join("golden")).expect("it can be made");
    let now = lvsim(&["run", text(&scenario)]).with_status(0).stdout;
    write(&golden, &format!("{now}\nThe first connection\nis another matter\n"));
    let called = lvsim(&["test", text(&folder)]).with_status(0);
    assert!(called.stdout.contains("small.yaml  golden\n"), "{}", called.stdout);
    write(&golden, &now.replace("Clients", "Guests"));
    let called = lvsim(&["test", text(&folder)]).with_status(1);
    assert!(called.stdout.contains("golden: Guests\n        now:    Clients\n"), "{}", called.stdout);
}
