//! One scenario as a test case: it loads, its hosts take their set-up, its expectations hold, its golden agrees, and so
//! does what a kernel was recorded to do.

use crate::run::printed;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;
use replay::pace::paced;
use replay::recording::Recording;
use scenarios::load::{LoadError, Loaded, load};
use scenarios::problem::Problems;
use scenarios::run::{Run, Watch, run_watched};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What comes after this line of a golden is not what `lvsim run` prints.
const WALK: &str = "The first connection";

/// A scenario that was tested.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Case {
    /// The file, as it was named or found.
    pub(super) name: String,
    /// How it went.
    pub(super) verdict: Verdict,
    /// Real time that it took.
    pub(super) took: Duration,
}

/// How a case went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Everything that was to be checked holds: what that was, in words.
    Passed(String),
    /// The scenario says nothing that could be checked, but it can be run.
    Unchecked,
    /// What went wrong, piece by piece, each a few lines.
    Failed(Vec<String>),
}

/// Tests a scenario; none if it was stopped.
pub(super) fn case(file: &Path, stop: &Stop) -> Option<Case> {
    if stop.is_wanted() {
        return None;
    }
    let watch = Stopwatch::start();
    let verdict = match load(file) {
        Ok(loaded) => verdict(file, &loaded, stop)?,
        Err(LoadError::Wrong(problems)) => broken(&problems),
        Err(error @ LoadError::Unreadable { .. }) => Verdict::Failed(vec![error.to_string()]),
    };
    Some(Case { name: file.display().to_string(), verdict, took: watch.elapsed() })
}

/// How the run of a scenario went; none if it was stopped.
fn verdict(file: &Path, loaded: &Loaded, stop: &Stop) -> Option<Verdict> {
    let mut go_on = |_| !stop.is_wanted();
    let run = match run_watched(&loaded.scenario, &mut Watch { follow: None, progress: &mut go_on }) {
        Ok(run) => run?,
        Err(refused) => return Some(broken(&loaded.problems(refused))),
    };
    let mut failures: Vec<String> = run.failed.iter().map(ToString::to_string).collect();
    let golden = beside(file, "golden", "txt");
    let has_golden = golden.exists();
    if has_golden {
        failures.extend(difference(&golden, &run));
    }
    let recording = beside(file, "recorded", "json");
    let has_recording = recording.exists();
    if has_recording {
        failures.extend(recorded(&recording, loaded, stop)?);
    }
    let expectations = loaded.scenario.expect.len();
    Some(if !failures.is_empty() {
        Verdict::Failed(failures)
    } else if expectations == 0 && !has_golden && !has_recording {
        Verdict::Unchecked
    } else {
        Verdict::Passed(checked(expectations, has_golden, has_recording))
    })
}

fn broken(problems: &Problems) -> Verdict {
    Verdict::Failed(vec![problems.render(false).trim_end().to_owned()])
}

/// What was checked, in words.
fn checked(expectations: usize, has_golden: bool, has_recording: bool) -> String {
    let lines = match expectations {
        0 => None,
        1 => Some("1 expectation".to_owned()),
        more => Some(format!("{more} expectations")),
    };
    let golden = has_golden.then(|| "golden".to_owned());
    let kernel = has_recording.then(|| "recorded kernel".to_owned());
    [lines, golden, kernel].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where something about a scenario is, if there is any: in a folder beside it.
fn beside(scenario: &Path, folder: &str, ending: &str) -> PathBuf {
    let name = scenario.file_stem().unwrap_or_default().to_string_lossy();
    scenario.with_file_name(folder).join(format!("{name}.{ending}"))
}

/// In what the simulation differs from what a kernel has been recorded to do; none if it was stopped.
fn recorded(file: &Path, loaded: &Loaded, stop: &Stop) -> Option<Vec<String>> {
    let paced = match paced(&loaded.scenario, &mut |_| !stop.is_wanted()) {
        Ok(paced) => paced?,
        Err(refused) => return Some(vec![loaded.problems(refused).render(false).trim_end().to_owned()]),
    };
    let compared = std::fs::read_to_string(file)
        .map_err(|error| error.to_string())
        .and_then(|text| Recording::read(&text, &paced.rehearsed.job).map_err(|error| error.to_string()))
        .and_then(|seen| replay::judge(&paced.scenario, &paced.rehearsed, &seen, None));
    let failure = |text: String| format!("{}\n{text}", file.display());
    Some(match compared {
        Ok(comparison) => comparison.differences.into_iter().map(|one| failure(one.text)).collect(),
        Err(why) => vec![failure(why)],
    })
}

/// The first line in which a run differs from its golden.
fn difference(file: &Path, run: &Run) -> Option<String> {
    let golden = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Some(format!("cannot read {}: {error}", file.display())),
    };
    let table = golden.split_once(&format!("\n{WALK}\n")).map_or(&*golden, |(table, _)| table);
    let (then, now) = (table.trim_end(), printed(run));
    let now = now.trim_end();
    if then == now {
        return None;
    }
    let at = then.lines().zip(now.lines()).take_while(|(then, now)| then == now).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(its end)").to_owned();
    Some(format!("{}:{}\n  golden: {}\n  now:    {}", file.display(), at + 1, line(then), line(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_lies_in_a_folder_beside_its_scenario() {
        assert_eq!(beside(Path::new("a/b.c.yaml"), "golden", "txt"), Path::new("a/golden/b.c.txt"));
        assert_eq!(beside(Path::new("b.yaml"), "recorded", "json"), Path::new("recorded/b.json"));
    }

    #[test]
    fn what_was_checked_is_said() {
        assert_eq!(checked(1, false, false), "1 expectation");
        assert_eq!(checked(3, true, true), "3 expectations, golden, recorded kernel");
        assert_eq!(checked(0, true, false), "golden");
        assert_eq!(checked(0, false, true), "recorded kernel");
    }
}
