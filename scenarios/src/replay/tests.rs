//! What a run has written down decides the same when it is read back.

use super::{Replay, Replayed};
use crate::assemble::assemble;
use crate::load::load;
use crate::recording::record_watched;
use crate::scenario::Scenario;
use net_model::ipvs::Decision;
use net_model::pcap::Reader;
use sim_core::{Duration, Time};
use std::path::{Path, PathBuf};

/// Captures go on for so long after the last timed event; the rest of a run repeats what has been seen.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Of services with more servers than this only the choice is compared, not the figures of every candidate.
const MANY: usize = 32;

fn gallery() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("gallery");
    let files = std::fs::read_dir(folder).expect("the gallery exists").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

/// A decision without the number that the simulator gives to its connections: no packet carries it.
fn comparable(decision: &Decision) -> Decision {
    let mut decision = Decision { flow: 0, ..decision.clone() };
    if decision.candidates.len() > MANY {
        decision.candidates.clear();
    }
    decision
}

/// Runs a scenario with a capture at one director: its decisions, and the file.
fn recorded(scenario: &Scenario, director: &str) -> (Vec<Decision>, Vec<u8>) {
    let (mut decisions, mut file) = (Vec::new(), Vec::new());
    let mut look =
        |seen: &net_model::capture::Captured| decisions.extend(seen.decisions.iter().map(comparable));
    let done = record_watched(scenario, &[director.to_owned()], &mut file, &mut |_| true, &mut look);
    done.unwrap().expect("nobody stops it");
    (decisions, file)
}

/// Replays a capture: the decisions, and what is left.
fn replayed(scenario: &Scenario, director: &str, file: &[u8]) -> (Vec<Decision>, Replayed) {
    let mut replay = Replay::begin(scenario, Some(director)).unwrap().reading_ahead();
    let (mut reader, mut decisions) = (Reader::new(file).unwrap(), Vec::new());
    while let Some(record) = reader.next().unwrap() {
        decisions.extend(replay.packet(&record).iter().map(comparable));
    }
    decisions.extend(replay.rest().iter().map(comparable));
    (decisions, replay.finish())
}

fn directors(scenario: &Scenario) -> Vec<String> {
    let assembled = assemble(scenario).unwrap();
    let names = scenario.hosts.iter().zip(&assembled.hosts);
    let names = names.filter(|(_, id)| assembled.network.host(**id).director.is_some());
    names.map(|(host, _)| host.name.clone()).collect()
}

/// Compares run and replay of one scenario; how many decisions there were.
fn compare(path: &Path) -> usize {
    let mut scenario = load(path).unwrap_or_else(|error| panic!("{error}")).scenario;
    let last = scenario.events.last().map_or(Time::ZERO, |event| event.at);
    scenario.duration = scenario.duration.min(last.since(Time::ZERO) + AFTERWARDS);
    let mut compared = 0;
    for director in directors(&scenario) {
        let (expected, file) = recorded(&scenario, &director);
        let (decisions, done) = replayed(&scenario, &director, &file);
        for (run, replay) in expected.iter().zip(&decisions) {
            assert_eq!(run, replay, "{director} in {}", path.display());
        }
        assert_eq!(decisions.len(), expected.len(), "{director} in {}", path.display());
        let counts = &done.counts;
        let left = counts.entered + counts.arp + counts.sent + counts.elsewhere;
        assert_eq!((counts.read, counts.late, counts.merged), (left, 0, 0), "{}", path.display());
        let connections = done.services.iter().flat_map(|service| &service.servers);
        let chosen: u64 = connections.map(|server| server.connections).sum();
        assert_eq!(chosen, expected.iter().filter(|decision| decision.outcome.is_ok()).count() as u64);
        compared += expected.len();
    }
    compared
}

#[test]
fn every_scenario_of_the_gallery_decides_the_same_from_its_capture() {
    let files = gallery();
    // Two at a time: they take a second or two each.
    let halves = [0, 1].map(|half| files.iter().skip(half).step_by(2).collect::<Vec<_>>());
    let compared: usize = std::thread::scope(|scope| {
        let halves = halves.each_ref().map(|half| {
            scope.spawn(move || half.iter().map(|path| compare(path)).filter(|count| *count > 0).count())
        });
        halves.into_iter().map(|half| half.join().expect("the other thread's panic is shown")).sum()
    });
    assert!(compared * 10 > files.len() * 9, "{compared} of {} scenarios decided anything", files.len());
}
