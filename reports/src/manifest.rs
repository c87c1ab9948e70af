//! What produced a report: enough to produce it again.

use crate::{Labelled, Variant};
use serde::Serialize;

/// What the caller knows about a report besides its outcomes.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Version of lvsim.
    pub version: String,
    /// The command line as typed.
    pub command: String,
    /// Path of the scenario file, `-` for standard input.
    pub scenario: String,
    /// Hash of the scenario's text, in hexadecimal.
    pub scenario_hash: String,
    /// The seed given or chosen; replicas derive theirs from it.
    pub seed: u64,
    /// When it began, in UTC, such as `2026-11-21T05:34:00Z`. Appears in `manifest.json` only.
    pub started_utc: Option<String>,
    /// How long it took in real time. Appears in `manifest.json` only.
    pub wall_seconds: Option<f64>,
}

/// The value of `tool` by which a folder is recognised as a report.
const TOOL: &str = "lvsim";

#[derive(Serialize)]
struct File<'a> {
    tool: &'a str,
    version: &'a str,
    command: &'a str,
    scenario: &'a str,
    scenario_hash: &'a str,
    seed: u64,
    fingerprint: String,
    runs: Vec<Run<'a>>,
    files: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    started_utc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Run<'a> {
    scheduler: &'a str,
    forwarding: &'a str,
    load_percent: Option<f64>,
    replica: u32,
    seed: u64,
    fingerprint: String,
}

impl Manifest {
    /// The text of `manifest.json` for a report with these files.
    pub(crate) fn to_json<'a>(&self, runs: &'a [Labelled], files: &[String]) -> String {
        let run = |run: &'a Labelled| {
            let Variant { scheduler, forwarding, load_percent, replica } = &run.variant;
            let fingerprint = format!("{:016x}", run.outcome.fingerprint);
            let (load_percent, replica, seed) = (*load_percent, *replica, run.outcome.seed);
            Run { scheduler, forwarding, load_percent, replica, seed, fingerprint }
        };
        crate::json::pretty(&File {
            tool: TOOL,
            version: &self.version,
            command: &self.command,
            scenario: &self.scenario,
            scenario_hash: &self.scenario_hash,
            seed: self.seed,
            fingerprint: format!("{:016x}", fingerprint(runs)),
            runs: runs.iter().map(run).collect(),
            files,
            started_utc: self.started_utc.as_deref(),
            wall_seconds: self.wall_seconds,
        })
    }

    /// Is this the text of a report's manifest?
    pub(crate) fn recognises(text: &str) -> bool {
        let value: Result<serde_json::Value, _> = serde_json::from_str(text);
        value.is_ok_and(|v| v["tool"] == TOOL && v["runs"].is_array())
    }
}

/// One number for all runs: that of a single run itself, else FNV-1a over theirs in order.
pub(crate) fn fingerprint(runs: &[Labelled]) -> u64 {
    if let [run] = runs {
        return run.outcome.fingerprint;
    }
    let bytes = runs.iter().flat_map(|r| r.outcome.fingerprint.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_manifest_recognises_its_own_text_only() {
        let text = Manifest::default().to_json(&sample::comparison(&["wlc"], &["dr"], &[], 1), &[]);
        assert!(Manifest::recognises(&text));
        for other in ["", "{}", "[1]", "{\"tool\": \"lvsim\"}", "{\"tool\": \"other\", \"runs\": []}"] {
            assert!(!Manifest::recognises(other), "{other}");
        }
    }

    #[test]
    fn a_single_run_keeps_its_fingerprint() {
        let runs = sample::comparison(&["wlc"], &["dr"], &[], 2);
        assert_eq!(fingerprint(&runs[..1]), runs[0].outcome.fingerprint);
        let swapped = [runs[1].clone(), runs[0].clone()];
        assert_ne!(fingerprint(&runs), fingerprint(&swapped));
    }
}
