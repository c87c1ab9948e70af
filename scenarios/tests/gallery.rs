//! Every scenario of the gallery loads without a warning (but for those that are about a fault), prints as a long form
//! that loads again, runs, and keeps what it promises.

use scenarios::expand::Changes;
use scenarios::load::{Loaded, load, load_text};
use scenarios::run::run;
use std::path::{Path, PathBuf};

/// What a scenario that shows a fault says itself about it.
fn announced(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("it can be read");
    text.lines().filter_map(|line| Some(line.strip_prefix("# check warns: ")?.to_owned())).collect()
}

fn gallery() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("gallery");
    let files = std::fs::read_dir(folder).expect("the gallery exists").map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    assert!(files.len() >= 9, "{files:?}");
    files
}

fn loaded(path: &Path) -> Loaded {
    load(path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_scenario_loads_and_teaches() {
    for path in gallery() {
        let Loaded { scenario, warnings, .. } = loaded(&path);
        assert!(scenario.about.split_whitespace().count() > 30, "{}: explain what it shows", path.display());
        assert!(!scenario.expect.is_empty(), "{}: what must hold?", path.display());
        let mut told: Vec<String> = warnings.list.iter().map(|warning| warning.message.clone()).collect();
        let mut announced = announced(&path);
        told.sort();
        announced.sort();
        assert_eq!(told, announced, "{}", path.display());
    }
}

#[test]
fn every_long_form_is_a_scenario() {
    for path in gallery() {
        let short = loaded(&path);
        let text = short.expanded(&Changes::default()).unwrap();
        let long =
            load_text("long", &short.scenario.name, &text, Path::new("")).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(long.scenario.hosts.len(), short.scenario.hosts.len());
        assert_eq!(
            long.expanded(&Changes::default())
                .unwrap()
                .lines()
                .filter(|l| l.trim_start().starts_with('#'))
                .count(),
            0
        );
    }
}

#[test]
fn every_scenario_keeps_its_promises() {
    for path in gallery() {
        let scenario = loaded(&path).scenario;
        let run = run(&scenario).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
        let told: Vec<String> = run.failed.iter().map(ToString::to_string).collect();
        assert!(run.failed.is_empty(), "{}:\n{}", path.display(), told.join("\n"));
        assert_eq!(run.notes, [], "{}", path.display());
        let frames = run.outcome.frames;
        assert_eq!(frames.sent, frames.delivered + frames.dropped + frames.in_flight, "{}", path.display());
    }
}
