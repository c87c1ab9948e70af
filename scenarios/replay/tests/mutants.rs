//! The campaign finds out every deliberately wrong simulator, and shows each mistake with a small counterexample.

use net_model::ipvs::mutant::{Mutant, acting};
use replay::backend::BackendError;
use replay::campaign::record::{self, Record};
use replay::campaign::trial::{Trial, Witness};
use replay::campaign::{Counterexample, Tally, run, smallest};
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
    let (mut witness, mut first) = (Wrong(mutant), None);
    let mut judged = |_: &Tally, different: Vec<Counterexample>| {
        first = different.into_iter().next();
        first.is_none()
    };
    let tally = run(1, 0..400, &mut witness, &mut judged).expect("simulations testify");
    let first = first.unwrap_or_else(|| panic!("{} passes as right: {tally:?}", mutant.title()));
    smallest(first, &mut witness, &mut |_| true).expect("simulations testify")
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
    expect_test::expect![[r#"
        wrr begins anew at each change of its servers                  case  10: 2 servers, 4 commands, 3 exchanges, 4 packets
        wlc without the inactive term                                  case  48: 2 servers, 5 commands, 2 exchanges, 3 packets
        an overloaded server is taken back one connection too early    case   5: 1 servers, 2 commands, 4 exchanges, 4 packets
        schedulers do not look at the overload flag                    case   0: 1 servers, 5 commands, 4 exchanges, 4 packets
        templates of servers with weight 0 are not obeyed              case  13: 1 servers, 4 commands, 2 exchanges, 2 packets
        a new connection does not renew its template                   case  13: 1 servers, 4 commands, 2 exchanges, 4 packets
        the persistence netmask is ignored                             case   2: 1 servers, 4 commands, 1 exchanges, 2 packets
        rr goes round from the oldest server                           case  30: 2 servers, 3 commands, 1 exchanges, 1 packets
        sh gives each server one slot in turn                          case  21: 2 servers, 4 commands, 1 exchanges, 2 packets
        the flags of sh and mh are ignored                             case   3: 2 servers, 4 commands, 1 exchanges, 2 packets
        sed decides as wlc does                                        case   3: 2 servers, 4 commands, 1 exchanges, 2 packets
        nq decides as sed does                                         case   5: 2 servers, 3 commands, 1 exchanges, 5 packets
        lc decides as wlc does                                         case  36: 2 servers, 4 commands, 3 exchanges, 5 packets
        weight 0 counts as 1                                           case   8: 1 servers, 2 commands, 1 exchanges, 1 packets
        UDP entries live two thirds of their time                      case   5: 1 servers, 4 commands, 1 exchanges, 2 packets
        a SYN on a closed entry goes to its old server                 case   4: 1 servers, 4 commands, 2 exchanges, 4 packets
        firewall marks are looked at after addresses                   case   4: 1 servers, 4 commands, 1 exchanges, 5 packets
        connections of a removed server are scheduled anew             case   0: 1 servers, 4 commands, 2 exchanges, 3 packets
    "#]].assert_eq(&table);
}

/// Cases and what Linux 6.1.0-56-cloud-amd64 said about them, recorded with `lvsim fuzz --seed 1 --record`.
const TESTIMONY: &str = include_str!("recordings/campaign.jsonl");

#[test]
fn the_simulation_agrees_with_what_a_kernel_said() {
    let records = record::read(TESTIMONY).expect("it was recorded");
    let (tally, different) = record::check(&records);
    assert!(different.is_empty(), "{different:#?}");
    assert_eq!((tally.cases, tally.unsettled), (40, 0));
    assert!(tally.decisions > 500, "{tally:?}");
}

#[test]
fn what_a_kernel_said_gives_mutants_away() {
    let records = record::read(TESTIMONY).expect("it was recorded");
    let is_caught = |mutant: Mutant| {
        records.iter().any(|Record { case, testimony, .. }| {
            let trial = acting(mutant, || Trial::new(case)).expect("it could be set up before");
            !trial.differences(testimony).is_empty()
        })
    };
    let free: Vec<&str> =
        Mutant::ALL.iter().filter(|mutant| !is_caught(**mutant)).map(|mutant| mutant.title()).collect();
    assert!(free.is_empty(), "{free:?}");
}
