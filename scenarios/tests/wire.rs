//! The network against recordings of real wires: every set-up is one line of output.
//!
//! `tests/wire/README.md` describes the recordings. `wire/script.rs` reads a set-up, `wire/lab.rs` runs it on simulated
//! hosts (`wire/begins.rs` says when its programs begin), `wire/print.rs` prints the frames as tcpdump does, and `wire/compare.rs` says what must be equal.
//!
//! An argument names recordings to be run, several separated by commas. With `FIT_UPTIME` in the environment the test
//! finds the uptime of each recording instead of comparing: how `uptime.txt` was measured.

#[path = "wire/begins.rs"]
mod begins;
#[path = "wire/compare.rs"]
mod compare;
#[path = "wire/lab.rs"]
mod lab;
#[path = "wire/listing.rs"]
mod listing;
#[path = "wire/print.rs"]
mod print;
#[path = "wire/programs.rs"]
mod programs;
#[path = "wire/recording.rs"]
mod recording;
#[path = "wire/script.rs"]
mod script;

use recording::{Line, Recording};
use std::path::Path;
use std::process::ExitCode;

/// All recordings come out frame for frame.
const RECORDINGS: usize = 49;

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| match &wanted {
        Some(wanted) => wanted.split(',').any(|part| name.contains(part)),
        None => true,
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/recordings");
    let recordings: Vec<String> = names(&folder).into_iter().filter(|name| is_wanted(name)).collect();
    if std::env::var_os("FIT_UPTIME").is_some() {
        recordings
            .iter()
            .for_each(|name| println!("{name}: uptime {:.4}", fitted_uptime(&folder.join(name))));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    is_noticed(&folder.join("01-dr-ok"));
    for name in &recordings {
        let outcome = check(&folder.join(name));
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        failed.extend(outcome.err().map(|difference| (name, difference)));
    }
    for (name, difference) in &failed {
        println!("\n---- {name}\n{difference}");
    }
    println!("\ntest result: {} passed; {} failed", recordings.len() - failed.len(), failed.len());
    let is_complete = wanted.is_some() || recordings.len() == RECORDINGS;
    if failed.is_empty() && is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a set-up and compares frames and text with the recording.
fn check(folder: &Path) -> Result<(), String> {
    let recording = Recording::read(folder);
    let (printed, wires) = begins::simulate(&recording);
    let frames = compare::wires(&recording.wires, &wires);
    let text = compare::printed(&recording.printed, &printed);
    match (frames, text) {
        (Ok(()), Ok(())) => Ok(()),
        (frames, text) => Err([frames.err(), text.err()].into_iter().flatten().collect()),
    }
}

/// The comparison is no formality: a frame that is missing, late, or different is found, and shown beside the recorded.
fn is_noticed(folder: &Path) {
    let recording = Recording::read(folder);
    let changes: [fn(&mut Vec<Line>); 4] = [
        |lines| drop(lines.remove(7)),
        |lines| lines[7].at += 0.002,
        |lines| lines[7].text = lines[7].text.replace("ttl 6", "ttl 5"),
        |lines| lines.push(lines[7].clone()),
    ];
    for change in changes {
        let mut changed = recording.wires.clone();
        change(&mut changed[0].lines);
        let difference = compare::wires(&recording.wires, &changed).expect_err("the change is found");
        let frame = |side: &str| difference.lines().any(|line| line.starts_with(side));
        assert!(frame("! recorded ") && frame("! simulated "), "{difference}");
    }
}

/// The uptime under which most frames come out as recorded, and nearest to their times.
fn fitted_uptime(folder: &Path) -> f64 {
    let mut recording = Recording::read(folder);
    let mut best = (0, f64::INFINITY, 0.0);
    let mut consider = |recording: &mut Recording, uptime: f64| {
        recording.uptime = uptime;
        let (_, wires) = begins::simulate(recording);
        let (equal, apart) = compare::fit(&recording.wires, &wires);
        if (equal, -apart) > (best.0, -best.1) {
            best = (equal, apart, uptime);
        }
        best.2
    };
    for quarter in 0..2048 {
        consider(&mut recording, 5.501 + f64::from(quarter) * 0.001);
    }
    let quarter = consider(&mut recording, 5.5);
    for step in -4..=4 {
        consider(&mut recording, quarter + f64::from(step) * 0.000_25);
    }
    best.2
}

/// The recordings, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the recordings");
    let entries = entries.map(|entry| entry.expect("a readable folder"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
