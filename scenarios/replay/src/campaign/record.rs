//! What a witness said about cases, kept: so that the simulation can be held against a kernel where there is none.
//!
//! A record is a line of JSON with the case itself, so that it stays true when cases are drawn in another way.

use super::Tally;
use super::case::Case;
use super::trial::{Findings, Trial, Witness};
use crate::backend::BackendError;
use crate::compare::Difference;
use crate::transcript::Transcript;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// A case and what a witness said about it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The case.
    pub case: Case,
    /// What the witness said.
    pub testimony: Transcript,
}

/// Reads records, one a line.
///
/// # Errors
/// The number of the line (from 1) that is no record, and why.
pub fn read(text: &str) -> Result<Vec<Record>, (usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| (at + 1, error.to_string()))).collect()
}

/// Records as text.
pub fn write(records: &[Record]) -> String {
    let lines =
        records.iter().map(|record| serde_json::to_string(record).expect("a record is plain data") + "\n");
    lines.collect()
}

/// Holds the simulation against records: the tally, and what differs, by the index of its record. A case that depends on
/// the phase of timers by now counts as unsettled.
pub fn check(records: &[Record]) -> (Tally, Vec<(usize, Vec<Difference>)>) {
    let (mut tally, mut different) = (Tally::default(), Vec::new());
    let judged: Vec<Option<(Trial, Findings)>> = records
        .par_iter()
        .map(|Record { case, testimony }| {
            let trial = Trial::new(case).filter(|trial| !trial.is_unsettled())?;
            let findings = trial.compare(testimony, None);
            Some((trial, findings))
        })
        .collect();
    for (index, judged) in judged.into_iter().enumerate() {
        let Some((trial, findings)) = judged else {
            tally.unsettled += 1;
            continue;
        };
        tally.add(&trial, &findings);
        if !findings.differences.is_empty() {
            different.push((index, findings.differences));
        }
    }
    (tally, different)
}

/// A witness of whom everything is written down, as soon as it was said.
pub struct Recorder<'a> {
    /// The witness.
    pub witness: &'a mut dyn Witness,
    /// Where to.
    pub out: &'a mut dyn Write,
    /// What that is called, should it refuse.
    pub path: String,
}

impl Witness for Recorder<'_> {
    fn name(&self) -> String {
        self.witness.name()
    }

    fn batch(&self) -> usize {
        self.witness.batch()
    }

    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        let testimonies = self.witness.testify(trials)?;
        let records = trials
            .iter()
            .zip(&testimonies)
            .map(|(trial, testimony)| Record { case: trial.case.clone(), testimony: testimony.clone() });
        let text = write(&records.collect::<Vec<_>>());
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| BackendError::File { path: self.path.clone(), error })?;
        Ok(testimonies)
    }

    fn testify_again(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        self.witness.testify_again(trials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::run;
    use crate::campaign::trial::Together;

    #[test]
    fn what_was_recorded_can_be_checked_later() {
        let mut out = Vec::new();
        let mut recorder = Recorder { witness: &mut Together, out: &mut out, path: "memory".into() };
        let tally = run(6, 0..4, &mut recorder, &mut |_, _| true).expect("simulations testify");
        let mut records = read(std::str::from_utf8(&out).expect("JSON is text")).expect("just written");
        assert_eq!(write(&records).as_bytes(), out);
        assert_eq!(check(&records), (Tally { next: 0, ..tally }, Vec::new()));
        let end = &mut records[1].testimony.attempts[3].end;
        *end = crate::transcript::End::Reset;
        let (tally, different) = check(&records);
        assert_eq!((tally.different, different.first().map(|(index, _)| *index)), (1, Some(1)));
        assert_eq!(read("\n{}\n").map_err(|(line, _)| line), Err(2));
    }
}
