//! The explanation of a decision: what a scheduler saw, and what it goes by. Cold code, apart from the decisions.

use crate::{Cx, DestinationId, Scheduler};
use std::fmt;

/// Why a scheduler is about to choose what it chooses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The scheduler's name.
    pub scheduler: &'static str,
    /// The rule that decides, as a sentence.
    pub rule: &'static str,
    /// The rule for ties, as a sentence.
    pub ties: &'static str,
    /// What the decision starts from (a pointer, a hash slot, a cached server), as a sentence.
    pub state: Option<String>,
    /// Every destination of the service, in list order.
    pub candidates: Vec<Candidate>,
}

/// A destination as the scheduler sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which destination.
    pub id: DestinationId,
    /// Its weight.
    pub weight: i32,
    /// Its active connections.
    pub active: i32,
    /// Its inactive connections.
    pub inactive: i32,
    /// What is compared, with its value: `load 514 / weight 2`.
    pub figure: String,
    /// Why it cannot be chosen; none if it can.
    pub objection: Option<&'static str>,
}

/// The account of the decision that `scheduler` is about to take.
pub(crate) fn of<S: Scheduler>(name: &'static str, scheduler: &S, cx: &Cx) -> Account {
    let candidates = cx.list.iter().map(|(id, d)| Candidate {
        id,
        weight: d.weight,
        active: d.active,
        inactive: d.inactive,
        figure: scheduler.figure(cx, id),
        objection: scheduler.objection(cx, id),
    });
    Account {
        scheduler: name,
        rule: S::RULE,
        ties: S::TIES,
        state: scheduler.state(cx),
        candidates: candidates.collect(),
    }
}

impl fmt::Display for Account {
    /// A few lines: the rule, the state, one line per candidate (by id), the tie rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.scheduler, self.rule)?;
        if let Some(state) = &self.state {
            writeln!(f, "  {state}")?;
        }
        for c in &self.candidates {
            let Candidate { weight, active, inactive, figure, .. } = c;
            write!(f, "  #{} weight {weight}, active {active}, inactive {inactive}: {figure}", c.id.index())?;
            match c.objection {
                Some(why) => writeln!(f, " ({why})")?,
                None => writeln!(f)?,
            }
        }
        write!(f, "  {}", self.ties)
    }
}
