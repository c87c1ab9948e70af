//! The campaign finds out every deliberately wrong simulator, and shows each mistake with a small counterexample.

use net_model::ipvs::mutant::{Mutant, acting};
use replay::backend::BackendError;
use replay::campaign::trial::{Trial, Witness};
use replay::campaign::{Counterexample, run};
use replay::transcript::Transcript;
use std::fmt::Write;

/// A simulation in which a mutant acts.
struct Wrong(Mutant);

impl Witness for Wrong {
    fn name(&self) -> String {
        self.0.title().into()
    }

    fn batch(&self) -> usize {
        8
    }

    fn testify(&mut self, trials: &[Trial]) -> Result<Vec<Transcript>, BackendError> {
        let testimony = |trial: &Trial| Trial::new(&trial.case).expect("it could be set up before").simulated;
        Ok(acting(self.0, || trials.iter().map(testimony).collect()))
    }
}

fn caught(mutant: Mutant) -> Counterexample {
    let (tally, found) = run(1, 0..400, &mut Wrong(mutant), &mut |_| true).expect("simulations testify");
    found.unwrap_or_else(|| panic!("{} passes as right: {tally:?}", mutant.title()))
}

#[test]
fn each_mutant_is_caught_with_a_small_counterexample() {
    let mut table = String::new();
    for mutant in Mutant::ALL {
        let found = caught(*mutant);
        let case = &found.trial.case;
        let (servers, packets, exchanges) = (case.servers.len(), found.trial.packets, case.asks().count());
        let _ = writeln!(
            table,
            "{:62} case {:3}: {servers} servers, {} commands, {exchanges} exchanges, {packets} packets",
            mutant.title(),
            found.number,
            case.commands()
        );
        assert!(servers <= 5 && packets <= 12 && exchanges <= 12, "{table}\n{case:#?}");
    }
    println!("{table}");
}
