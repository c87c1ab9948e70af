//! What a witness said about cases, kept: so that the simulation can be held against a kernel where there is none.
//!
//! A record is a line of JSON with the case itself, so that it stays true when cases are drawn in another way.

use super::Tally;
use super::case::Case;
use super::trial::{Trial, Witness};
use crate::backend::BackendError;
use crate::compare::Difference;
use crate::transcript::Transcript;
use serde::{Deserialize, Serialize};

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

/// Holds the simulation against records: the tally, and the first record that differs, by its index, with its
/// differences. A case that depends on the phase of timers by now counts as unsettled.
pub fn check(records: &[Record]) -> (Tally, Option<(usize, Vec<Difference>)>) {
    let mut tally = Tally::default();
    let mut first = None;
    for (index, Record { case, testimony }) in records.iter().enumerate() {
        let Some(trial) = Trial::new(case).filter(|trial| !trial.is_unsettled()) else {
            tally.unsettled += 1;
            continue;
        };
        let findings = trial.compare(testimony);
        tally.add(&trial, &findings);
        if !findings.differences.is_empty() && first.is_none() {
            first = Some((index, findings.differences));
        }
    }
    (tally, first)
}

/// A witness of whom everything is written down.
pub struct Recorder<'a> {
    /// The witness.
    pub witness: &'a mut dyn Witness,
    /// What it has said so far.
    pub records: Vec<Record>,
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
        self.records.extend(records);
        Ok(testimonies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::run;
    use crate::campaign::trial::Together;

    #[test]
    fn what_was_recorded_can_be_checked_later() {
        let mut recorder = Recorder { witness: &mut Together, records: Vec::new() };
        let (tally, _) = run(6, 0..4, &mut recorder, &mut |_| true).expect("simulations testify");
        let mut records = read(&write(&recorder.records)).expect("they were just written");
        assert_eq!(records, recorder.records);
        assert_eq!(check(&records), (tally, None));
        let end = &mut records[1].testimony.attempts[3].end;
        *end = crate::transcript::End::Reset;
        let (tally, first) = check(&records);
        assert_eq!((tally.different, first.map(|(index, _)| index)), (1, Some(1)));
        assert_eq!(read("\n{}\n").map_err(|(line, _)| line), Err(2));
    }
}
