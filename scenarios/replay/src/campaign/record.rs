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
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::io::Write;

/// A case and what a witness said about it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The case.
    pub case: Case,
    /// What the witness said.
    pub testimony: Transcript,
    /// What it said when it was asked again, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Transcript>,
}

/// Reads records, one a line. A later one of the same case takes the place of an earlier one.
///
/// # Errors
/// The number of the line (from 1) that is no record, and why.
pub fn read(text: &str) -> Result<Vec<Record>, (usize, String)> {
    let mut records: Vec<Record> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let record: Record = serde_json::from_str(line).map_err(|error| (at + 1, error.to_string()))?;
        match places.entry(record.case.name.clone()) {
            Entry::Occupied(place) if records[*place.get()].case == record.case => {
                records[*place.get()] = record;
            }
            Entry::Occupied(_) | Entry::Vacant(_) => {
                places.insert(record.case.name.clone(), records.len());
                records.push(record);
            }
        }
    }
    Ok(records)
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
        .map(|Record { case, testimony, again }| {
            let trial = Trial::new(case).filter(|trial| !trial.is_unsettled())?;
            let findings = trial.compare(testimony, again.as_ref());
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

/// A witness of whom everything is written down, as soon as it was said. It is not asked about cases that have been
/// written down before.
pub struct Recorder<'a> {
    witness: &'a mut dyn Witness,
    out: &'a mut dyn Write,
    path: String,
    known: FxHashMap<String, Record>,
}

impl<'a> Recorder<'a> {
    /// Writes down what `witness` says behind what is `known`. `path` is what `out` is called, should it refuse.
    pub fn new(
        witness: &'a mut dyn Witness,
        known: Vec<Record>,
        out: &'a mut dyn Write,
        path: String,
    ) -> Recorder<'a> {
        let known = known.into_iter().map(|record| (record.case.name.clone(), record)).collect();
        Recorder { witness, out, path, known }
    }

    /// What was written down about a case.
    fn known(&self, trial: &Trial) -> Option<&Record> {
        self.known.get(&trial.case.name).filter(|record| record.case == trial.case)
    }

    fn keep(&mut self, records: Vec<Record>) -> Result<(), BackendError> {
        let written = self.out.write_all(write(&records).as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| BackendError::File { path: self.path.clone(), error })?;
        self.known.extend(records.into_iter().map(|record| (record.case.name.clone(), record)));
        Ok(())
    }
}

impl Witness for Recorder<'_> {
    fn name(&self) -> String {
        self.witness.name()
    }

    fn batch(&self) -> usize {
        self.witness.batch()
    }

    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        let new: Vec<Trial> = trials.iter().filter(|trial| self.known(trial).is_none()).cloned().collect();
        let said = if new.is_empty() { Vec::new() } else { self.witness.testify(&new)? };
        let records = new.into_iter().zip(said);
        let records = records.map(|(trial, testimony)| Record { case: trial.case, testimony, again: None });
        self.keep(records.collect())?;
        let known = |trial| self.known(trial).expect("it is known by now").testimony.clone();
        Ok(trials.iter().map(known).collect())
    }

    fn testify_again(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        let is_new = |trial: &&Trial| self.known(trial).is_none_or(|record| record.again.is_none());
        let new: Vec<Trial> = trials.iter().filter(is_new).cloned().collect();
        let said = if new.is_empty() { Vec::new() } else { self.witness.testify_again(&new)? };
        let records = new.iter().zip(said).filter_map(|(trial, again)| {
            self.known(trial).map(|record| Record { again: Some(again), ..record.clone() })
        });
        let records = records.collect();
        self.keep(records)?;
        // Who does not testify a second time says nothing about any case.
        Ok(trials.iter().map_while(|trial| self.known(trial)?.again.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::run;
    use crate::campaign::trial::Together;
    use std::ops::Range;

    /// A witness that counts how many cases it was asked about.
    struct Counting {
        cases: usize,
        again: usize,
    }

    impl Witness for Counting {
        fn name(&self) -> String {
            Together.name()
        }

        fn batch(&self) -> usize {
            2
        }

        fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
            self.cases += trials.len();
            let mut said = Together.testify(trials)?;
            for testimony in &mut said {
                testimony.attempts[0].end = crate::transcript::End::Other(5);
            }
            Ok(said)
        }

        fn testify_again(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
            self.again += trials.len();
            Together.testify(trials)
        }
    }

    /// One that is interrupted goes on where it was, and what was said a second time is remembered as well.
    #[test]
    fn nobody_is_asked_twice_about_what_is_written_down() {
        let mut file = Vec::new();
        let mut play = |numbers: Range<u64>| {
            let mut witness = Counting { cases: 0, again: 0 };
            let known = read(std::str::from_utf8(&file).expect("JSON is text")).expect("our own records");
            let path = "memory".to_owned();
            let mut recorder = Recorder::new(&mut witness, known, &mut file, path);
            let tally = run(6, numbers, &mut recorder, &mut |_, _| true).expect("simulations testify");
            (tally, witness.cases, witness.again)
        };
        let (first, cases, again) = play(0..2);
        assert_eq!((first.different, first.unrepeated, cases, again), (0, 2, 2, 2));
        let (more, cases, again) = play(0..4);
        assert_eq!((more.different, more.unrepeated, cases, again), (0, 4, 2, 2));
        assert_eq!(more.agreed_again, 4, "the second time the witness told the truth");
        assert_eq!(play(0..4), (more, 0, 0));
        let records = read(std::str::from_utf8(&file).expect("JSON is text")).expect("our own records");
        assert_eq!(records.len(), 4, "the second account of a case takes the place of the first");
        assert_eq!(check(&records), (Tally { next: 0, ..more }, Vec::new()));
    }

    #[test]
    fn what_was_recorded_can_be_checked_later() {
        let mut out = Vec::new();
        let mut witness = Together;
        let mut recorder = Recorder::new(&mut witness, Vec::new(), &mut out, "memory".into());
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
