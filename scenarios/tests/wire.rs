//! The network against recordings of real wires: every set-up is one line of output.
//!
//! `tests/wire/README.md` describes the recordings. `wire/script.rs` reads a set-up, `wire/lab.rs` runs it on simulated
//! hosts, `wire/print.rs` prints the frames as tcpdump does, and `wire/compare.rs` says what must be equal.

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

use recording::Recording;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/recordings");
    let mut passed = 0;
    let mut failed = Vec::new();
    for name in names(&folder).into_iter().filter(|name| filter.split(",").any(|part| name.contains(part))) {
        if std::env::var_os("FIT_UPTIME").is_some() {
            println!("{name}: uptime {:.4}", fitted_uptime(&folder.join(&name)));
            continue;
        }
        match check(&folder.join(&name)) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(difference) => {
                println!("test {name} ... FAILED");
                failed.push((name, difference));
            }
        }
    }
    for (name, difference) in &failed {
        println!("\n---- {name}\n{difference}");
    }
    println!("\ntest result: {passed} passed; {} failed", failed.len());
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a set-up and compares frames and text with the recording.
fn check(folder: &Path) -> Result<(), String> {
    let recording = Recording::read(folder);
    let (printed, wires) = lab::simulate(&recording);
    let frames = compare::wires(&recording.wires, &wires);
    let text = compare::printed(&recording.printed, &printed);
    match (frames, text) {
        (Ok(()), Ok(())) => Ok(()),
        (frames, text) => Err([frames.err(), text.err()].into_iter().flatten().collect()),
    }
}

/// The uptime under which most frames come out as recorded, and nearest to their times: how `clock.txt` was made.
fn fitted_uptime(folder: &Path) -> f64 {
    let mut recording = Recording::read(folder);
    let mut best = (0, f64::INFINITY, 0.0);
    let mut consider = |recording: &mut Recording, uptime: f64| {
        recording.clock.uptime = uptime;
        let (_, wires) = lab::simulate(recording);
        let (equal, apart) = compare::fit(&recording.wires, &wires);
        if (equal, -apart) > (best.0, -best.1) {
            best = (equal, apart, uptime);
        }
        best.2
    };
    for tick in 0..512 {
        consider(&mut recording, 5.501 + f64::from(tick) * 0.004);
    }
    let tick = consider(&mut recording, 5.5);
    for step in -8..=8 {
        consider(&mut recording, tick + f64::from(step) * 0.000_25);
    }
    println!("{best:?} of {}", recording.wires.iter().map(|wire| wire.lines.len()).sum::<usize>());
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
