//! The report folder: written beside its place and moved there at the end, so that it is whole or not there.

use crate::plots::{PLOTS, Size};
use crate::{Labelled, Ladder, Manifest, csv, html, json, png};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A report to be written.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What it is about, usually the scenario's title.
    pub title: &'a str,
    /// What it teaches: a few sentences for the head of the page, paragraphs apart by an empty line; may be empty.
    pub description: &'a str,
    /// One run, or all runs of a comparison.
    pub runs: &'a [Labelled],
    /// Where it came from.
    pub manifest: &'a Manifest,
    /// The scenario as the user wrote it.
    pub scenario: &'a str,
    /// Everything the scenario stands for, in its long form and native rules; empty for none.
    pub expanded: &'a str,
    /// Are the plots also wanted as PNG files? Needs the feature `png`.
    pub png: bool,
}

/// The sequence diagram of one connection, to be written.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    /// What it is about, usually the scenario's title.
    pub title: &'a str,
    /// What the scenario teaches.
    pub description: &'a str,
    /// The diagram.
    pub ladder: &'a Ladder,
    /// Every step, as text.
    pub steps: &'a str,
    /// Where it came from.
    pub manifest: &'a Manifest,
}

/// Why a report could not be written. Whatever was in its place before is still there.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder holds something else.
    #[error(
        "{} exists and is not a report of lvsim (it has no manifest.json of ours): \
         choose another folder with --out, or remove it",
        path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("no space left to write {}: free some, or choose a folder on another disk with --out", path.display())]
    DiskFull {
        /// What could not be written.
        path: PathBuf,
    },
    /// The folder cannot be written.
    #[error("cannot write {}: {source}; choose a folder that you may write with --out", path.display())]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// PNG files were wanted from a program without them.
    #[error("this lvsim was built without PNG: build it with `--features png`, or use the SVG files")]
    NoPng,
}

/// Name of the file by which a report folder is recognised.
const MANIFEST: &str = "manifest.json";

/// Writes a report into the folder `dir` and returns the paths of its files, the page first.
///
/// A report that is already there is replaced; any other non-empty folder is left alone.
pub fn write_report(dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>, ReportError> {
    check_place(dir)?;
    write_files(dir, files(report)?)
}

/// Writes the sequence diagram of a connection into the folder `dir`, as a page and as a picture; returns their paths, the
/// page first.
///
/// # Errors
/// As [`write_report`].
pub fn write_explanation(dir: &Path, explanation: &Explanation<'_>) -> Result<Vec<PathBuf>, ReportError> {
    check_place(dir)?;
    let drawing = explanation.ladder.draw(Size::Wide);
    let svg = drawing.svg.standalone(&drawing.finding, &drawing.reading);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("explain.html".into(), html::explanation(explanation).into_bytes()),
        ("plots/ladder.svg".into(), svg.into_bytes()),
        ("steps.txt".into(), explanation.steps.into()),
    ];
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    files.push((MANIFEST.into(), explanation.manifest.to_json(&[], &names).into_bytes()));
    write_files(dir, files)
}

/// Puts files into a folder, all or none.
fn write_files(dir: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Vec<PathBuf>, ReportError> {
    // A link to a folder stays one: the folder it points to is what is replaced.
    let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.into());
    let parent = real.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| error(parent, e))?;
    let name = real.file_name().map_or("report".into(), |n| n.to_string_lossy());
    let beside = |what: &str| parent.join(format!(".{name}.{what}-{}", std::process::id()));
    let scratch = Scratch(beside("new"));
    fs::create_dir_all(scratch.0.join("plots")).map_err(|e| error(&scratch.0, e))?;
    for (file, bytes) in &files {
        // The error names the place where the user expects the file.
        fs::write(scratch.0.join(file), bytes).map_err(|e| error(&dir.join(file), e))?;
    }
    replace(&real, &scratch.0, &beside("old")).map_err(|e| error(dir, e))?;
    Ok(files.into_iter().map(|(file, _)| dir.join(file)).collect())
}

/// May a report be written into this folder, or over what is there? Worth asking before a long run.
///
/// # Errors
/// The folder holds something else, or cannot be looked into.
pub fn check_place(dir: &Path) -> Result<(), ReportError> {
    let mut entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(error(dir, e)),
        Ok(entries) => entries,
    };
    let is_empty = entries.next().is_none();
    let is_ours = || fs::read_to_string(dir.join(MANIFEST)).is_ok_and(|text| Manifest::recognises(&text));
    if is_empty || is_ours() { Ok(()) } else { Err(ReportError::NotOurs { path: dir.into() }) }
}

/// All files of a report: path below the folder, content.
fn files(report: &Report<'_>) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
    let mut files: Vec<(String, Vec<u8>)> = vec![("report.html".into(), html::page(report).into_bytes())];
    for plot in PLOTS.iter().filter(|p| p.suits(report.runs)) {
        let drawing = (plot.draw)(report.runs, Size::Wide);
        let svg = drawing.svg.standalone(&drawing.finding, &drawing.reading);
        if report.png {
            files.push((format!("plots/{}.png", plot.name), png::draw(&svg).ok_or(ReportError::NoPng)?));
        }
        files.push((format!("plots/{}.svg", plot.name), svg.into_bytes()));
    }
    files.extend(csv::files(report.runs).into_iter().map(|(name, text)| (name.into(), text.into_bytes())));
    files.push(("outcome.json".into(), json::outcomes(report.runs).into_bytes()));
    if !report.scenario.is_empty() {
        files.push(("scenario.yaml".into(), report.scenario.into()));
    }
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    files.push((MANIFEST.into(), report.manifest.to_json(report.runs, &names).into_bytes()));
    Ok(files)
}

/// Moves the new folder into its place; the old one goes away only once the new one is there.
fn replace(dir: &Path, new: &Path, old: &Path) -> io::Result<()> {
    if !dir.exists() {
        return fs::rename(new, dir);
    }
    fs::rename(dir, old)?;
    if let Err(e) = fs::rename(new, dir) {
        fs::rename(old, dir)?;
        return Err(e);
    }
    fs::remove_dir_all(old)
}

fn error(path: &Path, source: io::Error) -> ReportError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ReportError::DiskFull { path: path.into() }
        }
        _ => ReportError::Unwritable { path: path.into(), source },
    }
}

/// A folder that goes away again unless it was moved to its place.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is gone if all went well; if it cannot be removed there is nothing better to do.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};

    /// A place of this test's own, empty.
    fn place(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("lvsim-report-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn write(dir: &Path, runs: &[Labelled]) -> Result<Vec<PathBuf>, ReportError> {
        let manifest = Manifest {
            version: "0.1.0".into(),
            command: "lvsim run quickstart.yaml".into(),
            scenario: "quickstart.yaml".into(),
            scenario_hash: "9f86d081884c7d65".into(),
            seed: 1,
            ..Manifest::default()
        };
        let (scenario, expanded) = ("title: Quick start\n", "hosts:\n  director: {}\n");
        let png = cfg!(feature = "png");
        write_report(
            dir,
            &Report {
                title: "Quick start",
                description: "Five uneven servers.",
                runs,
                manifest: &manifest,
                scenario,
                expanded,
                png,
            },
        )
    }

    fn small() -> Vec<Labelled> {
        vec![sample::run(&Sample { seconds: 1, ..Sample::default() })]
    }

    #[test]
    fn a_report_is_complete() {
        let dir = place("complete");
        let paths = write(&dir.join("out"), &small()).unwrap();
        assert!(paths.iter().all(|p| fs::metadata(p).unwrap().len() > 0));
        let names: Vec<_> = paths.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
        for name in ["report.html", "share.svg", "servers.csv", "series.csv", "outcome.json", "manifest.json"]
        {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_report_replaces_a_report_with_the_same_bytes() {
        let dir = place("again");
        let out = dir.join("out");
        let read = |paths: Vec<PathBuf>| paths.iter().map(|p| fs::read(p).unwrap()).collect::<Vec<_>>();
        let first = read(write(&out, &small()).unwrap());
        fs::write(out.join("stale.csv"), "old").unwrap();
        let second = read(write(&out, &small()).unwrap());
        assert!(first == second);
        assert!(!out.join("stale.csv").exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_empty_folder_may_be_filled_but_a_strange_one_is_left_alone() {
        let dir = place("strange");
        write(&dir, &small()).unwrap();
        let thesis = dir.join("work");
        fs::create_dir(&thesis).unwrap();
        fs::write(thesis.join("thesis.tex"), "years").unwrap();
        let error = write(&thesis, &small()).unwrap_err().to_string();
        assert!(
            error.contains("work exists and is not a report of lvsim") && error.contains("--out"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(thesis.join("thesis.tex")).unwrap(), "years");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_a_cure() {
        let dir = place("file");
        fs::write(dir.join("file"), "").unwrap();
        for out in [dir.join("file"), dir.join("file/out")] {
            let error = write(&out, &small()).unwrap_err().to_string();
            assert!(
                error.contains("cannot write") && error.contains("file") && error.contains("--out"),
                "{error}"
            );
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(dir).unwrap();
    }

    /// Leaves its reports in `target/sample-reports`, to be looked at.
    #[test]
    fn reports_of_every_kind_can_be_looked_at() {
        let thousand = Sample {
            servers: (0..1000).map(|i| (1 + i % 4, 1.0 + (i % 4) as f64)).collect(),
            requests_per_s: 150_000.0,
            seconds: 4,
            ..Sample::default()
        };
        let overload = Sample { requests_per_s: 1300.0, backlog: 16, ..Sample::default() };
        let schedulers = ["rr", "wrr", "lc", "wlc", "sed", "nq"];
        let loads = [50.0, 60.0, 70.0, 80.0, 90.0, 95.0];
        let kinds = [
            ("five", vec![sample::run(&Sample::default())]),
            ("thousand", vec![sample::run(&thousand)]),
            ("overload", vec![sample::run(&overload)]),
            ("schedulers", sample::comparison(&schedulers, &["dr"], &[], 3)),
            ("loads", sample::comparison(&schedulers, &["dr"], &loads, 3)),
            ("methods", sample::comparison(&schedulers, &["nat", "dr", "tun"], &[], 2)),
        ];
        for (name, runs) in kinds {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sample-reports").join(name);
            assert!(write(&dir, &runs).unwrap().len() > 8, "{name}");
        }
    }

    #[test]
    fn png_files_come_with_the_feature_only() {
        let dir = place("png");
        let manifest = Manifest::default();
        let report = Report {
            title: "",
            description: "",
            runs: &small(),
            manifest: &manifest,
            scenario: "",
            expanded: "",
            png: true,
        };
        match write_report(&dir.join("out"), &report) {
            Ok(paths) => {
                assert!(cfg!(feature = "png") && paths.iter().any(|p| p.ends_with("plots/share.png")));
            }
            Err(e) => assert!(!cfg!(feature = "png") && e.to_string().contains("--features png"), "{e}"),
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_full_disk_is_named_with_a_cure() {
        // What Linux offers for the purpose: a disk that is always full.
        let cause = match cfg!(target_os = "linux") {
            true => fs::write("/dev/full", "x").unwrap_err(),
            false => io::ErrorKind::StorageFull.into(),
        };
        let full = error(Path::new("out/series.csv"), cause).to_string();
        assert!(full.starts_with("no space left to write out/series.csv: free some"), "{full}");
    }
}
