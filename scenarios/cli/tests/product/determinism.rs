//! Same seed, same bytes: every file of a report but `manifest.json`, which says when it was made.

use crate::lvsim::{SMALL, command, root, scratch, text};
use std::collections::BTreeMap;
use std::path::Path;

/// Every file below a folder but the manifest, by its name.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("the report is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = text(path.strip_prefix(folder).expect("it is below")).to_owned();
                found.insert(name, std::fs::read(&path).expect("it can be read"));
            }
        }
    }
    assert!(found.remove("manifest.json").is_some(), "every report has a manifest");
    found
}

/// Calls the binary in a folder of its own with `--out out`: the same words, so that the page may quote them.
fn report(name: &str, args: &[&str]) -> (String, BTreeMap<String, Vec<u8>>) {
    let folder = scratch(name);
    std::fs::write(folder.join("small.yaml"), SMALL).expect("it can be written");
    let output =
        command(args).args(["--out", "out"]).current_dir(&folder).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).expect("tables are UTF-8"), contents(&folder.join("out")))
}

/// Names the files that differ; their bytes would fill the screen.
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert!(one.keys().eq(other.keys()), "{:?}\n{:?}", one.keys(), other.keys());
    assert!(one.len() > 8, "{:?}", one.keys());
    let differ: Vec<&String> = one.keys().filter(|name| one[*name] != other[*name]).collect();
    assert!(differ.is_empty(), "these files differ: {differ:?}");
}

#[test]
fn two_runs_write_the_same_bytes() {
    let (table, files) = report("run-1", &["run", "small.yaml"]);
    let (again, others) = report("run-2", &["run", "small.yaml"]);
    assert_eq!(table, again);
    assert_same(&files, &others);
}

#[test]
fn two_runs_of_a_large_scenario_write_the_same_bytes() {
    let five = root().join("scenarios/gallery/five-uneven-servers.yaml");
    let (table, files) = report("five-1", &["run", text(&five)]);
    let (again, others) = report("five-2", &["run", text(&five)]);
    assert_eq!(table, again);
    assert_same(&files, &others);
}

#[test]
fn a_comparison_does_not_depend_on_the_threads() {
    let compare = |name, threads| {
        let args = ["compare", "small.yaml", "--forwarding", "all", "--loads", "0.5,1", "--threads", threads];
        report(name, &args)
    };
    let ((table, mut one), (again, mut two)) = (compare("threads-1", "1"), compare("threads-2", "2"));
    assert_eq!(table, again);
    // The page quotes the command, and that names the threads.
    for (files, threads) in [(&mut one, "--threads 1"), (&mut two, "--threads 2")] {
        let page = String::from_utf8(files["report.html"].clone()).expect("the page is UTF-8");
        assert!(page.contains(threads));
        files.insert("report.html".to_owned(), page.replace(threads, "--threads N").into_bytes());
    }
    assert_same(&one, &two);
}

#[test]
fn another_seed_gives_other_numbers_and_the_same_seed_the_same() {
    let (own, _) = report("seed-own", &["run", "small.yaml"]);
    let (one, _) = report("seed-1", &["run", "small.yaml", "--seed", "1"]);
    let (two, _) = report("seed-2", &["run", "small.yaml", "--seed", "2"]);
    assert_eq!(own, one, "the seed of a scenario that names none is 1");
    assert_ne!(one, two);
}
