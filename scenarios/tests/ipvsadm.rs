//! ipvsadm against recordings of the real program: every transcript is one line of output.
//!
//! `tests/ipvsadm/README.md` describes the transcripts. What a recording does not tell is the phase of the kernel's
//! jiffy counter, which decides how late its timers were: a transcript passes if every answer comes out under one of
//! the phases.

#[path = "ipvsadm/compare.rs"]
mod compare;
#[path = "ipvsadm/director.rs"]
mod director;
#[path = "ipvsadm/shell.rs"]
mod shell;
#[path = "ipvsadm/transcript.rs"]
mod transcript;

use director::World;
use net_model::ipvs::Timers;
use serde_json::Value;
use shell::Shell;
use sim_core::{Duration, Wheel};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use transcript::{Step, Transcript};

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let index: Value = serde_json::from_str(&read("index.json")).expect("index.json is JSON");
    let entries = index.as_array().expect("index.json is a list");
    let (mut passed, mut failed) = (0, Vec::new());
    for entry in entries {
        let file = entry["file"].as_str().expect("every transcript has a file");
        if !file.contains(&filter) {
            continue;
        }
        let exact = entry["deterministic"].as_bool().expect("deterministic or not");
        match check(file, exact) {
            Ok(()) => {
                println!("test {file} ... ok");
                passed += 1;
            }
            Err(difference) => {
                println!("test {file} ... FAILED");
                failed.push((file, difference));
            }
        }
    }
    for (file, difference) in &failed {
        println!("\n---- {file}\n{difference}");
    }
    println!("\ntest result: {passed} passed; {} failed", failed.len());
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays a transcript under each phase until one gives every answer; the error is that of the phase that came
/// furthest.
fn check(file: &str, exact: bool) -> Result<(), String> {
    let transcript = Transcript::parse(&read(file));
    let phases = if transcript.has_packets() { 64 } else { 1 };
    let mut furthest = (0, String::new());
    for phase in 0..phases {
        match replay(
            file,
            &transcript,
            exact,
            Timers::Wheel(Wheel::new(250, Duration::from_millis(4 * 64 * phase))),
        ) {
            Ok(()) => return Ok(()),
            Err((step, difference)) if step >= furthest.0 => furthest = (step, difference),
            Err(_) => {}
        }
    }
    Err(furthest.1)
}

fn replay(file: &str, transcript: &Transcript, exact: bool, timers: Timers) -> Result<(), (usize, String)> {
    let mut shell = Shell::new(World::of(file, timers));
    for (number, (time, step)) in transcript.steps.iter().enumerate() {
        shell.world.now = *time;
        shell.set_up(file, step.command());
        match step {
            Step::Send { packet, count } => {
                for _ in 0..*count {
                    shell.world.receive(packet);
                }
            }
            Step::Set(counters) => shell.counters = Some(*counters),
            Step::Run { line, stdout, stderr, status } => {
                let answer = shell.run(line);
                let recorded =
                    shell::Answer { stdout: stdout.clone(), stderr: stderr.clone(), status: *status };
                let same = if exact { compare::exactly } else { compare::nearly };
                same(line, &answer, &recorded).map_err(|difference| (number, difference))?;
            }
        }
    }
    Ok(())
}

fn read(file: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ipvsadm").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
