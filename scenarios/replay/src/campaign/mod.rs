//! The campaign: many random cases, each played by the simulation and by somebody else, and compared.
//!
//! A [case](case::Case) is [drawn](draw::draw) from its seed and number, becomes an [ordinary scenario](files), and is
//! put on [trial](trial::Trial): the simulation plays it, a [witness](trial::Witness) plays it (a kernel, a recording,
//! a deliberately wrong simulator), and what they say about it must agree: who served each exchange and how it ended,
//! what every command printed, the director's tables at the end. Cases in which something depends on when exactly a
//! kernel timer fires are drawn anew, and what a witness itself does not repeat is left out. A counterexample is
//! [made small](smallest).

pub mod case;
pub mod draw;
pub mod files;
mod menu;
pub mod record;
pub mod script;
pub mod shrink;
pub mod trial;

use crate::backend::BackendError;
use crate::compare::Difference;
use case::Case;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;
use trial::{Findings, Trial, Witness};

/// A case is drawn anew so often, at most, until nothing in it depends on the phase of timers.
const ATTEMPTS: u64 = 12;

/// What has been compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
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
    /// Fates and listings that were left out, because the witness itself does not repeat them.
    pub unrepeated: usize,
    /// Those of them that the witness had as the simulation has them when it was asked again.
    pub agreed_again: usize,
    /// The number of the first case that was not played.
    pub next: u64,
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
        self.unrepeated += findings.unrepeated;
        self.agreed_again += findings.agreed_again;
    }
}

/// A case about which simulation and witness disagree.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Its number.
    pub number: u64,
    /// The case, with the simulation's account of it.
    pub trial: Trial,
    /// What differs, in order of time.
    pub differences: Vec<Difference>,
}

/// The case with this number, drawn until nothing in it depends on the phase of timers; none if that does not succeed.
pub fn settled(seed: u64, number: u64) -> Option<Trial> {
    let draws = (0..ATTEMPTS).filter_map(|attempt| Trial::new(&draw::draw(seed, number, attempt)));
    draws.into_iter().find(|trial| !trial.is_unsettled())
}

/// Plays cases, batch by batch. After each batch `judged` hears of everything so far, and of the cases of that batch
/// that differ; it says whether the campaign goes on.
///
/// # Errors
/// The witness could not testify. What `judged` has heard of stays true.
pub fn run(
    seed: u64,
    numbers: Range<u64>,
    witness: &mut dyn Witness,
    judged: &mut dyn FnMut(&Tally, Vec<Counterexample>) -> bool,
) -> Result<Tally, BackendError> {
    let mut tally = Tally { next: numbers.start, ..Tally::default() };
    while tally.next < numbers.end {
        let until = (tally.next + witness.batch() as u64).min(numbers.end);
        let drawn: Vec<(u64, Option<Trial>)> =
            (tally.next..until).into_par_iter().map(|number| (number, settled(seed, number))).collect();
        let unsettled = drawn.iter().filter(|(_, trial)| trial.is_none()).count() as u64;
        let (numbers, trials): (Vec<u64>, Vec<Trial>) =
            drawn.into_iter().filter_map(|(number, trial)| Some((number, trial?))).unzip();
        let all = compare(&trials, witness)?;
        let mut different = Vec::new();
        for ((number, trial), findings) in numbers.into_iter().zip(trials).zip(all) {
            tally.add(&trial, &findings);
            if !findings.differences.is_empty() {
                different.push(Counterexample { number, trial, differences: findings.differences });
            }
        }
        tally.unsettled += unsettled;
        tally.next = until;
        if !judged(&tally, different) {
            break;
        }
    }
    Ok(tally)
}

/// What a witness says about cases, held against the simulation. Of a case that differs it is asked a second time: what
/// it does not repeat proves nothing.
fn compare(trials: &[Trial], witness: &mut dyn Witness) -> Result<Vec<Findings>, BackendError> {
    if trials.is_empty() {
        return Ok(Vec::new());
    }
    let testimonies = witness.testify(trials)?;
    let mut all: Vec<Findings> =
        trials.iter().zip(&testimonies).map(|(trial, testimony)| trial.compare(testimony, None)).collect();
    let doubtful: Vec<usize> = (0..all.len()).filter(|at| !all[*at].differences.is_empty()).collect();
    let again: Vec<Trial> = doubtful.iter().map(|at| trials[*at].clone()).collect();
    for (at, second) in doubtful.into_iter().zip(witness.testify_again(&again)?) {
        all[at] = trials[at].compare(&testimonies[at], Some(&second));
    }
    Ok(all)
}

/// The smallest case that still shows a difference. `tried` hears of each round of candidates, with the smallest so far,
/// and says whether to go on.
///
/// # Errors
/// The witness could not testify.
pub fn smallest(
    mut found: Counterexample,
    witness: &mut dyn Witness,
    tried: &mut dyn FnMut(&Counterexample) -> bool,
) -> Result<Counterexample, BackendError> {
    let mut trouble = None;
    let mut is_over = false;
    let (case, batch) = (found.trial.case.clone(), witness.batch());
    shrink::shrink(case, batch, &mut |candidates: &[Case]| {
        if is_over || trouble.is_some() {
            return None;
        }
        let different = first_different(candidates, witness).unwrap_or_else(|error| {
            trouble = Some(error);
            None
        });
        let at = different.map(|(at, trial, differences)| {
            found = Counterexample { number: found.number, trial, differences };
            at
        });
        is_over = !tried(&found);
        at
    });
    trouble.map_or(Ok(found), Err)
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
    let all = compare(&trials, witness)?;
    let judged = places.into_iter().zip(trials).zip(all);
    Ok(judged.into_iter().find_map(|((at, trial), findings)| {
        (!findings.differences.is_empty()).then_some((at, trial, findings.differences))
    }))
}
