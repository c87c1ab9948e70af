//! The director against recordings of real kernels: every vector is one line of output.
//!
//! `tests/vectors/README.md` describes the recordings; those in `classic/` are of a classic kernel. What a recording
//! does not tell is the phase of the kernel's jiffy counter, which decides how late its timers were: a vector passes
//! if the director gives every recorded answer under one of the phases.

#[path = "vectors/announcements.rs"]
mod announcements;
#[path = "vectors/commands.rs"]
mod commands;
#[path = "vectors/driver.rs"]
mod driver;
#[path = "vectors/frames.rs"]
mod frames;
#[path = "vectors/listing.rs"]
mod listing;
#[path = "vectors/rates.rs"]
mod rates;
#[path = "vectors/steps.rs"]
mod steps;

use driver::Reference;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// One line of the test's output.
struct Case {
    name: String,
    outcome: Result<(), String>,
}

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut cases = Vec::new();
    for (prefix, reference) in [("", Reference::new_kernel()), ("classic/", Reference::classic_kernel())] {
        for file in files(&folder.join(prefix)) {
            let text =
                std::fs::read_to_string(folder.join(prefix).join(&file)).expect("a readable recording");
            let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
            run(&format!("{prefix}{file}"), &recording, reference, &filter, &mut cases);
        }
    }
    report(&cases)
}

/// Runs the vectors of one file whose names contain `filter`.
fn run(file: &str, recording: &Value, reference: Reference, filter: &str, cases: &mut Vec<Case>) {
    let single = std::slice::from_ref(recording);
    for vector in recording.as_array().map_or(single, Vec::as_slice) {
        let name = format!("{file} {}", vector["id"].as_str().expect("every vector has an id"));
        if !name.contains(filter) {
            continue;
        }
        let has = |part: &str| vector.get(part).is_some();
        let outcome = match () {
            () if has("steps") => steps::run(vector, reference),
            () if has("cases") => frames::run(vector, reference),
            () if has("samples") => rates::run(vector),
            () if has("events") => announcements::run(vector, reference),
            () => Err("unknown kind of recording".to_owned()),
        };
        cases.push(Case { name, outcome });
    }
}

/// The recordings of a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the recordings");
    let names =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    names
}

fn report(cases: &[Case]) -> ExitCode {
    println!("\nrunning {} tests", cases.len());
    for case in cases {
        println!("test {} ... {}", case.name, if case.outcome.is_ok() { "ok" } else { "FAILED" });
    }
    let failed: Vec<&Case> = cases.iter().filter(|case| case.outcome.is_err()).collect();
    for case in &failed {
        if let Err(difference) = &case.outcome {
            println!("\n---- {}\n{difference}", case.name);
        }
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {} passed; {} failed", cases.len() - failed.len(), failed.len());
    if failed.is_empty() && !cases.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
