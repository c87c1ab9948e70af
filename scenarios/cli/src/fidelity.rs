//! `lvsim fidelity`: results of `lvsim replay` as a page with pictures.

use crate::replay::read_results;
use crate::terminal::print;
use anyhow::{Context, Result};
use replay::fidelity::{Entry, Results};
use reports::plots::Size;
use reports::plots::fidelity::{Pair, active, balance};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a page of what `lvsim replay --results FILE` has kept: what was compared, how much, and the result.
///
/// The page and its pictures are written beside FILE: `fidelity.md`, `fidelity-balance.svg`, `fidelity-active.svg`. The
/// same results give the same bytes.
#[derive(clap::Args)]
#[command(after_help = "Example: lvsim fidelity docs/fidelity.json")]
pub(crate) struct Args {
    /// The results
    #[arg(value_name = "FILE")]
    results: PathBuf,
    /// Scenarios to draw, separated by commas; default: some in which something happens
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    show: Vec<String>,
}

/// The most scenarios in a picture.
const SHOWN: usize = 5;
/// The most servers of a scenario whose balance is drawn.
const SERVERS: usize = 6;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let results = read_results(&args.results)?;
    let folder = args.results.parent().unwrap_or(Path::new("."));
    for (name, text) in files(&results, &args.show, &gallery(folder)) {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of the scenarios that the page is about: those in the folder to which its links lead.
fn gallery(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("../scenarios/gallery")).into_iter().flatten().flatten();
    let files =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let mut names: Vec<String> =
        files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort_unstable();
    names
}

/// The page and its pictures, with the names of their files.
fn files(results: &Results, show: &[String], gallery: &[String]) -> [(&'static str, String); 3] {
    let balances = balance(&pairs(results, show, unevenness), Size::Wide);
    let connections = active(&pairs(results, show, liveliness), Size::Wide);
    [
        ("fidelity.md", results.page(gallery)),
        ("fidelity-balance.svg", balances.svg.standalone(&balances.finding, &balances.reading)),
        ("fidelity-active.svg", connections.svg.standalone(&connections.finding, &connections.reading)),
    ]
}

/// The scenarios to draw: those that were named, else those with the highest worth, one of each family (the word before
/// the first hyphen).
fn pairs(results: &Results, show: &[String], worth: fn(&Entry) -> f64) -> Vec<Pair> {
    if !show.is_empty() {
        let named = results.scenarios.iter().filter(|entry| show.contains(&entry.name));
        return named.map(pair).collect();
    }
    let mut entries: Vec<&Entry> = results.scenarios.iter().filter(|entry| worth(entry) > 0.0).collect();
    entries.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    let family = |entry: &Entry| entry.name.split('-').next().unwrap_or_default().to_owned();
    let mut families = Vec::new();
    entries.retain(|entry| {
        let is_new = !families.contains(&family(entry));
        families.push(family(entry));
        is_new
    });
    entries.into_iter().take(SHOWN).map(pair).collect()
}

/// How uneven the servers' shares are; 0 if there is little to see.
fn unevenness(entry: &Entry) -> f64 {
    let took = || entry.servers.iter().map(|server| server.kernel);
    let total: u64 = took().sum();
    if !(2..=SERVERS).contains(&entry.servers.len()) || total < 100 {
        return 0.0;
    }
    let (most, least) = (took().max().unwrap_or(0), took().min().unwrap_or(0));
    (most - least) as f64 / total as f64 * entry.servers.len() as f64
}

/// How much the number of connections changes, beside its peak; 0 if there are few.
fn liveliness(entry: &Entry) -> f64 {
    let kernel: Vec<f64> = entry.active.kernel.iter().map(|count| *count as f64).collect();
    let peak = kernel.iter().copied().fold(0.0, f64::max);
    let moving = kernel.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if peak < 20.0 || moving < 10 {
        return 0.0;
    }
    let mean = kernel.iter().sum::<f64>() / kernel.len() as f64;
    let spread = kernel.iter().map(|count| (count - mean).abs()).sum::<f64>() / kernel.len() as f64;
    spread / peak
}

fn pair(entry: &Entry) -> Pair {
    let servers = entry.servers.iter().map(|took| (took.server.clone(), [took.simulation, took.kernel]));
    Pair {
        name: entry.name.clone(),
        servers: servers.collect(),
        times: entry.active.times.clone(),
        active: [entry.active.simulation.clone(), entry.active.kernel.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page in `docs/` is what the command makes of the results there, byte for byte.
    #[test]
    fn the_page_and_the_command_are_in_step() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let results = read_results(&docs.join("fidelity.json")).expect("they are there");
        for (name, text) in files(&results, &[], &gallery(&docs)) {
            let there = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(
                there == text,
                "docs/{name} is older than its command: lvsim fidelity docs/fidelity.json"
            );
        }
    }

    /// The page shows nothing that is gone.
    #[test]
    fn the_page_is_about_the_gallery() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let results = read_results(&root.join("docs/fidelity.json")).expect("they are there");
        for entry in &results.scenarios {
            let file = root.join(format!("scenarios/gallery/{}.yaml", entry.name));
            assert!(file.exists(), "{} is gone: take it out of docs/fidelity.json", entry.name);
        }
    }
}
