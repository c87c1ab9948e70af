//! What holds for every scheduler of the registry, and what each kind promises.

use proptest::prelude::*;
use schedulers::{AnyScheduler, Cx, Destination, DestinationId, Destinations, Flow, LoadFormula, SCHEDULERS};
use sim_core::{Duration, Stream, Time};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

struct Service {
    order: Vec<DestinationId>,
    pool: Vec<Destination>,
    random: Stream,
}

impl Service {
    fn new(servers: &[(i32, i32, bool)]) -> Service {
        let destination = |(n, &(weight, active, overloaded)): (usize, &(i32, i32, bool))| Destination {
            addr: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0003 + n as u32)),
            port: 80,
            weight,
            last_weight: weight,
            active,
            inactive: 0,
            overloaded,
            available: true,
        };
        Service {
            order: (0..servers.len() as u32).rev().map(DestinationId::new).collect(),
            pool: servers.iter().enumerate().map(destination).collect(),
            random: Stream::new(7, "conformance"),
        }
    }

    fn weights(weights: &[i32]) -> Service {
        Service::new(&weights.iter().map(|&weight| (weight, 0, false)).collect::<Vec<_>>())
    }

    fn bind(&self, name: &str) -> AnyScheduler {
        AnyScheduler::new(name, 0, &self.list()).expect("registered").expect("few destinations")
    }

    fn list(&self) -> Destinations<'_> {
        Destinations { order: &self.order, pool: &self.pool }
    }

    fn cx(&mut self, client: u32) -> Cx<'_> {
        let flow = Flow {
            client: IpAddr::V4(Ipv4Addr::from_bits(client)),
            client_port: 20_000,
            target: IpAddr::V4(Ipv4Addr::from_bits(client.rotate_left(7))),
            target_port: 80,
        };
        Cx {
            list: Destinations { order: &self.order, pool: &self.pool },
            flow,
            now: Time::ZERO,
            formula: LoadFormula::New,
            random: &mut self.random,
            expiration: Duration::from_secs(86_400),
        }
    }

    /// How often each server is chosen by clients spread over the address space.
    fn shares(&mut self, scheduler: &mut AnyScheduler, choices: u32) -> Vec<u32> {
        let mut count = vec![0; self.pool.len()];
        for client in clients(choices) {
            if let Some(id) = scheduler.schedule(&mut self.cx(client)) {
                count[id.index()] += 1;
            }
        }
        count
    }

    fn remove(&mut self, scheduler: &mut AnyScheduler, index: usize) {
        let id = DestinationId::new(index as u32);
        let at = self.list().position(id);
        self.order.remove(at);
        self.pool[index].available = false;
        scheduler.removed(&self.list(), id, at.checked_sub(1).map(|before| self.order[before]));
    }
}

/// Addresses spread over the whole space, always the same.
fn clients(n: u32) -> impl Iterator<Item = u32> {
    let mut random = Stream::new(3, "clients");
    (0..n).map(move |_| (random.next_u64() >> 32) as u32)
}

#[test]
fn the_fourteen_of_the_kernel_are_registered_and_documented() {
    let names: Vec<&str> = SCHEDULERS.iter().map(|entry| entry.name).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    let kernel = "dh fo lblc lblcr lc mh nq ovf rr sed sh twos wlc wrr";
    assert_eq!(unique.into_iter().collect::<Vec<_>>().join(" "), kernel);
    for entry in SCHEDULERS {
        let name = entry.name;
        assert!(entry.help.len() > 80 && entry.help.ends_with('.'), "{name}: help is a paragraph");
        assert!(!entry.rule.is_empty() && !entry.ties.is_empty() && !entry.title.is_empty(), "{name}");
        assert!(entry.flags.iter().all(|(flag, _)| flag.starts_with(name)), "{name}: flags carry its name");
        assert_eq!(Service::weights(&[1]).bind(name).name(), name);
    }
    assert!(AnyScheduler::new("RR", 0, &Destinations::EMPTY).is_none(), "case matters");
}

#[test]
fn an_empty_service_has_no_destination() {
    for entry in SCHEDULERS {
        let mut service = Service::weights(&[]);
        let mut scheduler = service.bind(entry.name);
        assert_eq!(scheduler.schedule(&mut service.cx(1)), None, "{}", entry.name);
    }
}

#[test]
fn a_service_may_start_empty_or_full() {
    for entry in SCHEDULERS {
        let full = Service::weights(&[1, 1, 1]);
        let (mut once, mut grown) = (full.bind(entry.name), Service::weights(&[]).bind(entry.name));
        for n in 1..=3 {
            grown.added(&Service::weights(&vec![1; n]).list(), DestinationId::new(n as u32 - 1));
        }
        let (mut a, mut b) = (Service::weights(&[1, 1, 1]), Service::weights(&[1, 1, 1]));
        assert_eq!(a.shares(&mut once, 50), b.shares(&mut grown, 50), "{}: equal weights", entry.name);
    }
}

#[test]
fn round_robin_is_fair_to_one_turn() {
    let mut service = Service::weights(&[1, 7, 3, 100]);
    let mut rr = service.bind("rr");
    assert_eq!(service.shares(&mut rr, 401), [100, 100, 100, 101]);
}

#[test]
fn weighted_schedulers_are_proportional() {
    let weights = [1, 2, 3, 4];
    // twos draws 0 … 10 for weights that sum to 10, so each share is eleventh parts, the newest server's one more.
    for (name, tolerance) in [("wrr", 0.0), ("sh", 0.05), ("mh", 0.03), ("twos", 0.16)] {
        let mut service = Service::weights(&weights);
        let mut scheduler = service.bind(name);
        let choices = 100_000;
        for (share, weight) in service.shares(&mut scheduler, choices).iter().zip(weights) {
            let (got, fair) = (f64::from(*share) / f64::from(choices), f64::from(weight) / 10.0);
            assert!((got - fair).abs() <= tolerance * fair + 1e-9, "{name}: weight {weight} got {got}");
        }
    }
}

#[test]
fn maglev_moves_few_clients_where_source_hashing_moves_many() {
    let moved = |name: &str| {
        let mut service = Service::weights(&[1; 10]);
        let mut scheduler = service.bind(name);
        let choices = |service: &mut Service, scheduler: &mut AnyScheduler| -> Vec<usize> {
            clients(10_000)
                .map(|client| scheduler.schedule(&mut service.cx(client)).unwrap().index())
                .collect()
        };
        let before = choices(&mut service, &mut scheduler);
        service.remove(&mut scheduler, 4);
        let after = choices(&mut service, &mut scheduler);
        before.iter().zip(&after).filter(|&(b, a)| *b != 4 && b != a).count()
    };
    assert!(moved("mh") < 500, "{} of 9000 clients of other servers moved", moved("mh"));
    assert!(moved("sh") > 5_000, "{} of 9000 clients of other servers moved", moved("sh"));
}

#[test]
fn hashing_is_stable() {
    for name in ["sh", "mh", "dh"] {
        let mut service = Service::weights(&[1, 2, 3]);
        let mut scheduler = service.bind(name);
        let first = scheduler.schedule(&mut service.cx(0xc0a8_0101));
        service.shares(&mut scheduler, 1_000);
        assert_eq!(scheduler.schedule(&mut service.cx(0xc0a8_0101)), first, "{name}");
    }
}

fn servers() -> impl Strategy<Value = Vec<(i32, i32, bool)>> {
    prop::collection::vec((0..6, 0..9, prop::bool::weighted(0.2)), 1..9)
}

proptest! {
    #[test]
    fn quiesced_and_overloaded_servers_are_never_chosen(servers in servers(), client: u32, turns in 1..20) {
        for entry in SCHEDULERS {
            let mut service = Service::new(&servers);
            let mut scheduler = service.bind(entry.name);
            for turn in 0..turns {
                let cx = &mut service.cx(client.wrapping_add(turn as u32));
                if let Some(id) = scheduler.schedule(cx) {
                    let (weight, _, overloaded) = servers[id.index()];
                    prop_assert!(weight > 0 && !overloaded, "{} chose {:?}", entry.name, servers[id.index()]);
                }
            }
        }
    }

    #[test]
    fn whoever_can_serve_is_found(servers in servers(), client: u32) {
        let someone = servers.iter().any(|&(weight, _, overloaded)| weight > 0 && !overloaded);
        for name in ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "lblc", "lblcr", "twos"] {
            let mut service = Service::new(&servers);
            let mut scheduler = service.bind(name);
            prop_assert_eq!(scheduler.schedule(&mut service.cx(client)).is_some(), someone, "{}", name);
        }
    }

    #[test]
    fn an_account_names_every_server_and_objects_to_none_that_is_chosen(servers in servers(), client: u32) {
        for entry in SCHEDULERS {
            let mut service = Service::new(&servers);
            let mut scheduler = service.bind(entry.name);
            for _ in 0..3 {
                let cx = &mut service.cx(client);
                let account = scheduler.account(cx);
                prop_assert_eq!(account.candidates.len(), servers.len());
                if let Some(id) = scheduler.schedule(cx) {
                    let chosen = account.candidates.iter().find(|candidate| candidate.id == id).unwrap();
                    prop_assert_eq!(chosen.objection, None, "{}", entry.name);
                    prop_assert!(!chosen.figure.is_empty());
                }
            }
        }
    }
}
