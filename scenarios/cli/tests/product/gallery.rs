//! Every scenario of the gallery keeps its promises, and does what its golden says: the tables of `lvsim run`, who
//! answered ARP, and the walk of the first connection. `UPDATE_EXPECT=1 cargo test` writes the goldens anew; read the
//! difference as prose, for a golden is a lesson.

use crate::lvsim::{lvsim, lvsim_reading, root, scratch, text};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// So many steps of a walk show the handshake and the request; after them come the segments of the answer.
const FIRST_STEPS: usize = 60;
/// So many show how it ends.
const LAST_STEPS: usize = 8;
/// So many lines of one step: of a thousand candidates a few are enough.
const FIRST_LINES: usize = 8;
const LAST_LINES: usize = 2;

/// The files of a folder of the gallery with this ending, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}

fn scenarios() -> Vec<PathBuf> {
    files("scenarios/gallery", "yaml")
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).expect("files have names")
}

fn golden(name: &str) -> PathBuf {
    root().join(format!("scenarios/gallery/golden/{name}.txt"))
}

#[test]
fn every_scenario_does_what_its_golden_says() {
    let all = scenarios();
    assert!(all.len() >= 10, "{all:?}");
    // Two at a time: they take a second or two each.
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let differences: Vec<String> = std::thread::scope(|scope| {
        let halves = [even, odd].map(|half| {
            scope.spawn(move || half.iter().filter_map(|(_, path)| difference(path)).collect::<Vec<_>>())
        });
        halves.into_iter().flat_map(|half| half.join().expect("the other thread's panic is shown")).collect()
    });
    assert!(
        differences.is_empty(),
        "{}\n`UPDATE_EXPECT=1 cargo test` writes these goldens anew",
        differences.join("\n")
    );
}

/// What differs from the golden, unless it was to be written anew.
fn difference(scenario: &Path) -> Option<String> {
    let now = observed(scenario);
    let file = golden(name(scenario));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(file.parent().expect("it has one")).expect("the gallery can be written");
        std::fs::write(&file, now).expect("the golden can be written");
        return None;
    }
    let then = std::fs::read_to_string(&file).unwrap_or_default();
    if then == now {
        return None;
    }
    let end = || "(its end)";
    let line = then.lines().zip(now.lines()).take_while(|(then, now)| then == now).count();
    let (then, now) = (then.lines().nth(line).unwrap_or_else(end), now.lines().nth(line).unwrap_or_else(end));
    Some(format!("{}:{}:\n  golden: {then}\n  now:    {now}", file.display(), line + 1))
}

/// Runs a scenario and follows its first connection.
fn observed(scenario: &Path) -> String {
    let out = scratch(&format!("gallery-{}", name(scenario)));
    let run = lvsim(&["run", text(scenario), "--out", text(&out)]).with_status(0);
    frames_are_accounted_for(&out, name(scenario));
    let walk = lvsim(&["explain", text(scenario), "--flow", "1", "--quiet"]).with_status(0);
    format!("{}\nThe first connection\n{}", run.stdout.trim_end().to_owned() + "\n", shortened(&walk.stdout))
}

fn frames_are_accounted_for(out: &Path, name: &str) {
    let text = std::fs::read_to_string(out.join("outcome.json")).expect("the report has it");
    let outcome: Value = serde_json::from_str(&text).expect("it is JSON");
    let frames = &outcome["runs"][0]["frames"];
    let count = |what: &str| frames[what].as_u64().unwrap_or_else(|| panic!("{name}: no {what} in {frames}"));
    assert!(count("sent") > 0, "{name}: {frames}");
    assert_eq!(count("sent"), count("delivered") + count("dropped") + count("in_flight"), "{name}: {frames}");
}

/// The first and last steps of a walk. Continued lines belong to the step before them.
fn shortened(walk: &str) -> String {
    let mut steps: Vec<Vec<String>> = Vec::new();
    for line in walk.lines() {
        match steps.last_mut() {
            Some(step) if line.starts_with(' ') => step.push(line.to_owned()),
            _ => steps.push(vec![line.to_owned()]),
        }
    }
    for step in &mut steps {
        shorten(step, FIRST_LINES, LAST_LINES, "more candidates");
    }
    let mut steps: Vec<String> = steps.iter().map(|lines| lines.join("\n")).collect();
    shorten(&mut steps, FIRST_STEPS, LAST_STEPS, "more steps");
    steps.join("\n") + "\n"
}

/// The first and last of a list, and between them how many are left out.
fn shorten(list: &mut Vec<String>, first: usize, last: usize, what: &str) {
    let left_out = list.len().saturating_sub(first + last);
    if left_out > 1 {
        list.splice(first..first + left_out, [format!("… {left_out} {what} …")]);
    }
}

#[test]
fn every_golden_has_its_scenario() {
    let scenarios = scenarios();
    let dead: Vec<PathBuf> = files("scenarios/gallery/golden", "txt")
        .into_iter()
        .filter(|golden| !scenarios.iter().any(|scenario| name(scenario) == name(golden)))
        .collect();
    assert!(dead.is_empty(), "no scenario has these goldens, remove them: {dead:?}");
}

/// What `check` warns about is what the scenario is about.
#[test]
fn warnings_are_announced() {
    for scenario in scenarios() {
        let warned = lvsim(&["check", text(&scenario), "--json"]).with_status(0).stdout;
        let about = std::fs::read_to_string(&scenario).expect("it can be read");
        for line in warned.lines() {
            let warning: Value = serde_json::from_str(line).expect("one JSON text a line");
            let message = warning["message"].as_str().expect("a warning says what");
            assert!(warning["help"].as_str().is_some_and(|cure| !cure.is_empty()), "{warning}");
            let is_announced = about.contains(&format!("# check warns: {message}"));
            assert!(is_announced, "{}: {warning}", scenario.display());
        }
    }
}

#[test]
fn every_long_form_is_checked_without_errors() {
    for scenario in scenarios() {
        let long = lvsim(&["expand", text(&scenario)]).with_status(0).stdout;
        lvsim_reading(&long, &["check", "-"]).with_status(0);
    }
}
