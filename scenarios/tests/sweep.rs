//! Variants: every scheduler and every forwarding method on one scenario, and the same figures for the same seed.

use scenarios::load::{Loaded, load};
use scenarios::run::{Run, run};
use scenarios::schema::Method;
use scenarios::sweep::{Sweep, Variant};
use std::path::Path;

fn gallery(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gallery").join(name);
    load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn run_variant(loaded: &Loaded, variant: &Variant) -> Run {
    let mut scenario = loaded.variant(variant).unwrap_or_else(|problems| panic!("{variant}: {problems}"));
    scenario.duration = sim_core::Duration::from_secs(5).min(scenario.duration);
    scenario
        .clients
        .iter_mut()
        .for_each(|group| group.spec.stop = group.spec.stop.min(sim_core::Time::ZERO + scenario.duration));
    run(&scenario).unwrap_or_else(|problems| panic!("{variant}: {}", loaded.problems(problems)))
}

#[test]
fn every_forwarding_method_serves() {
    for name in ["quickstart.yaml", "dr-weighted.yaml", "maintenance.yaml"] {
        let loaded = gallery(name);
        for method in Method::ALL {
            let run = run_variant(&loaded, &Variant { forwarding: Some(method), ..Variant::default() });
            let client = &run.outcome.clients[0];
            assert_eq!(client.failed, [], "{name} {method:?}");
            assert!(client.succeeded as f64 > 0.95 * client.started as f64, "{name} {method:?}");
            let forwarding = run.outcome.directors[0].services[0].destinations[0].forwarding;
            assert_eq!(
                forwarding,
                match method {
                    Method::Nat => "Masq",
                    Method::Dr => "Route",
                    Method::Tun => "Tunnel",
                }
            );
        }
    }
}

#[test]
fn every_scheduler_serves() {
    let loaded = gallery("dr-weighted.yaml");
    for entry in schedulers::SCHEDULERS {
        let run = run_variant(&loaded, &Variant { scheduler: Some(entry.name.into()), ..Variant::default() });
        assert_eq!(run.outcome.directors[0].services[0].scheduler, entry.name);
        assert_eq!(run.outcome.clients[0].failed, [], "{}", entry.name);
    }
}

#[test]
fn schedulers_of_pasted_rules_can_be_replaced_but_not_their_forwarding() {
    let loaded = gallery("nat-three-servers.yaml");
    let run = run_variant(&loaded, &Variant { scheduler: Some("wlc".into()), ..Variant::default() });
    assert_eq!(run.outcome.directors[0].services[0].scheduler, "wlc");
    let problems =
        loaded.variant(&Variant { forwarding: Some(Method::Dr), ..Variant::default() }).unwrap_err();
    assert!(problems.to_string().contains("only a scenario with `cluster:`"), "{problems}");
}

#[test]
fn an_unknown_scheduler_is_refused() {
    let loaded = gallery("quickstart.yaml");
    let problems =
        loaded.variant(&Variant { scheduler: Some("wcl".into()), ..Variant::default() }).unwrap_err();
    assert!(problems.to_string().contains("did you mean `wlc`?"), "{problems}");
}

#[test]
fn more_load_means_more_exchanges_and_replicas_differ() {
    let loaded = gallery("dr-weighted.yaml");
    let started = |load: f64, replica: u32| {
        run_variant(&loaded, &Variant { load, replica, ..Variant::default() }).outcome.clients[0].started
    };
    let (once, twice) = (started(1.0, 0), started(2.0, 0));
    assert!((1.6..2.4).contains(&(twice as f64 / once as f64)), "{once} {twice}");
    assert_ne!(once, started(1.0, 1));
    assert!(loaded.variant(&Variant { load: 0.0, ..Variant::default() }).is_err());
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let loaded = gallery("quickstart.yaml");
    let sweep =
        Sweep { schedulers: vec!["rr".into(), "wlc".into()], forwarding: vec![], loads: vec![], replicas: 2 };
    let figures = || -> Vec<_> {
        sweep.variants().iter().map(|variant| run_variant(&loaded, variant).outcome.fingerprint).collect()
    };
    let first = figures();
    assert_eq!(first, figures());
    let elsewhere = std::thread::scope(|scope| scope.spawn(figures).join().unwrap());
    assert_eq!(first, elsewhere);
}
