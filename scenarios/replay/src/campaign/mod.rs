//! The campaign: many random cases, each played by the simulation and by somebody else, and compared.
//!
//! A [case](case::Case) is [drawn](draw::draw) from its seed and number, becomes an [ordinary scenario](files), and is
//! put on [trial](trial::Trial): the simulation plays it, a [witness](trial::Witness) plays it (a kernel, a recording, a
//! deliberately wrong simulator), and what they say about it must agree: who served each exchange and how it ended, what
//! every command printed, the director's tables at the end. Cases in which something depends on when exactly a kernel
//! timer fires are drawn anew. The first counterexample is [made small](shrink::shrink).

pub mod case;
pub mod draw;
pub mod files;
pub mod record;
pub mod script;
pub mod shrink;
pub mod trial;

use crate::backend::BackendError;
use crate::compare::Difference;
use case::Case;
use rayon::prelude::*;
use std::ops::Range;
use trial::{Findings, Trial, Witness};

/// A case is drawn anew so often, at most, until nothing in it depends on the phase of timers.
const ATTEMPTS: u64 = 12;

/// What has been compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Cases.
    pub cases: u64,
    /// Exchanges of clients.
    pub exchanges: usize,
    /// Decisions for a server.
    pub decisions: usize,
    /// Listings, and what commands said.
    pub listings: usize,
    /// Commands typed.
    pub commands: usize,
    /// Cases that differ.
    pub different: u64,
    /// Cases that were not judged: no draw of them was independent of the phase of timers.
    pub unsettled: u64,
}

impl Tally {
    /// One more case.
    fn add(&mut self, trial: &Trial, findings: &Findings) {
        self.cases += 1;
        self.exchanges += findings.exchanges;
        self.decisions += findings.decisions;
        self.listings += findings.listings;
        self.commands += trial.case.commands();
        self.different += u64::from(!findings.differences.is_empty());
    }
}

/// A case about which simulation and witness disagree.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Its number.
    pub number: u64,
    /// The case as small as it gets, with the simulation's account of it.
    pub trial: Trial,
    /// What differs, in order of time.
    pub differences: Vec<Difference>,
}

/// The case with this number, drawn until nothing in it depends on the phase of timers; none if that does not succeed.
pub fn settled(seed: u64, number: u64) -> Option<Trial> {
    let draws = (0..ATTEMPTS).filter_map(|attempt| Trial::new(&draw::draw(seed, number, attempt)));
    draws.into_iter().find(|trial| !trial.is_unsettled())
}

/// Plays cases until one differs, or all have been played; `progress` hears of each batch and may stop the campaign.
///
/// # Errors
/// The witness could not testify.
pub fn run(
    seed: u64,
    numbers: Range<u64>,
    witness: &mut dyn Witness,
    progress: &mut dyn FnMut(&Tally) -> bool,
) -> Result<(Tally, Option<Counterexample>), BackendError> {
    let mut tally = Tally::default();
    let mut next = numbers.start;
    while next < numbers.end {
        let until = (next + witness.batch() as u64).min(numbers.end);
        let drawn: Vec<(u64, Option<Trial>)> =
            (next..until).into_par_iter().map(|number| (number, settled(seed, number))).collect();
        next = until;
        tally.unsettled += drawn.iter().filter(|(_, trial)| trial.is_none()).count() as u64;
        let (numbers, trials): (Vec<u64>, Vec<Trial>) =
            drawn.into_iter().filter_map(|(number, trial)| Some((number, trial?))).unzip();
        let testimonies = if trials.is_empty() { Vec::new() } else { witness.testify(&trials)? };
        for ((number, trial), testimony) in numbers.into_iter().zip(trials).zip(testimonies) {
            let findings = trial.compare(&testimony);
            tally.add(&trial, &findings);
            if !findings.differences.is_empty() {
                let smallest = smaller(number, trial, findings.differences, witness)?;
                return Ok((tally, Some(smallest)));
            }
        }
        if !progress(&tally) {
            break;
        }
    }
    Ok((tally, None))
}

/// The smallest case that still differs.
fn smaller(
    number: u64,
    trial: Trial,
    differences: Vec<Difference>,
    witness: &mut dyn Witness,
) -> Result<Counterexample, BackendError> {
    let mut found = (trial, differences);
    let mut trouble = None;
    let batch = witness.batch();
    let case = found.0.case.clone();
    shrink::shrink(case, batch, &mut |candidates: &[Case]| {
        if trouble.is_some() {
            return None;
        }
        match first_different(candidates, witness) {
            Ok(different) => different.map(|(at, trial, differences)| {
                found = (trial, differences);
                at
            }),
            Err(error) => {
                trouble = Some(error);
                None
            }
        }
    });
    match trouble {
        Some(error) => Err(error),
        None => Ok(Counterexample { number, trial: found.0, differences: found.1 }),
    }
}

/// The first of these cases that differs, and proves something.
fn first_different(
    cases: &[Case],
    witness: &mut dyn Witness,
) -> Result<Option<(usize, Trial, Vec<Difference>)>, BackendError> {
    let trials: Vec<(usize, Trial)> = cases
        .par_iter()
        .enumerate()
        .filter_map(|(at, case)| Some((at, Trial::new(case).filter(|trial| !trial.is_unsettled())?)))
        .collect();
    let (places, trials): (Vec<usize>, Vec<Trial>) = trials.into_iter().unzip();
    if trials.is_empty() {
        return Ok(None);
    }
    let testimonies = witness.testify(&trials)?;
    let judged = places.into_iter().zip(trials).zip(testimonies);
    Ok(judged.into_iter().find_map(|((at, trial), testimony)| {
        let differences = trial.differences(&testimony);
        (!differences.is_empty()).then_some((at, trial, differences))
    }))
}
