//! What every scheduler of the registry is held to for nothing: it must survive any history, and its figures are
//! measured. `docs/schedulers.md` is about them, and its example is held to the same.

#[path = "example/hrw.rs"]
pub mod hrw;

use expect_test::expect;
use proptest::prelude::*;
use schedulers::{
    AnyScheduler, Cx, Destination, DestinationId, Destinations, Flow, LoadFormula, SCHEDULERS, Scheduler,
};
use sim_core::{Duration, Stream, Time};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// A scheduler under test, of the registry or not.
trait Subject {
    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId>;
    fn added(&mut self, list: &Destinations, id: DestinationId);
    fn updated(&mut self, list: &Destinations, id: DestinationId);
    fn removed(&mut self, after: &Destinations, id: DestinationId, predecessor: Option<DestinationId>);
}

/// A scheduler that is not registered.
struct Unregistered<S>(S);

impl Subject for AnyScheduler {
    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        AnyScheduler::schedule(self, cx)
    }
    fn added(&mut self, list: &Destinations, id: DestinationId) {
        AnyScheduler::added(self, list, id);
    }
    fn updated(&mut self, list: &Destinations, id: DestinationId) {
        AnyScheduler::updated(self, list, id);
    }
    fn removed(&mut self, after: &Destinations, id: DestinationId, predecessor: Option<DestinationId>) {
        AnyScheduler::removed(self, after, id, predecessor);
    }
}

impl<S: Scheduler> Subject for Unregistered<S> {
    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        self.0.schedule(cx)
    }
    fn added(&mut self, list: &Destinations, id: DestinationId) {
        self.0.added(list, id);
    }
    fn updated(&mut self, list: &Destinations, id: DestinationId) {
        self.0.updated(list, id);
    }
    fn removed(&mut self, after: &Destinations, id: DestinationId, predecessor: Option<DestinationId>) {
        self.0.removed(after, id, predecessor);
    }
}

/// All names: those of the registry, and the example's.
fn names() -> impl Iterator<Item = &'static str> {
    SCHEDULERS.iter().map(|entry| entry.name).chain(["hrw"])
}

/// A service with a scheduler.
struct Service {
    subject: Box<dyn Subject>,
    order: Vec<DestinationId>,
    pool: Vec<Destination>,
    random: Stream,
    now: Time,
}

impl Service {
    fn new(name: &str, weights: &[i32]) -> Service {
        let list = Destinations::EMPTY;
        let subject: Box<dyn Subject> = match AnyScheduler::new(name, 0, &list) {
            Some(scheduler) => Box::new(scheduler.expect("none is not too many")),
            None => {
                Box::new(Unregistered(hrw::HighestRandomWeight::bind(0, &list).expect("it always binds")))
            }
        };
        let random = Stream::new(7, "properties");
        let mut service = Service { subject, order: Vec::new(), pool: Vec::new(), random, now: Time::ZERO };
        weights.iter().for_each(|weight| service.add(*weight));
        service
    }

    fn add(&mut self, weight: i32) {
        let id = DestinationId::new(self.pool.len() as u32);
        self.pool.push(Destination {
            addr: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0003 + self.pool.len() as u32)),
            port: 80,
            weight,
            last_weight: weight,
            active: 0,
            inactive: 0,
            overloaded: false,
            available: true,
        });
        self.order.insert(0, id);
        let list = Destinations { order: &self.order, pool: &self.pool };
        self.subject.added(&list, id);
    }

    fn remove(&mut self, at: usize) -> DestinationId {
        let id = self.order.remove(at);
        self.pool[id.index()].available = false;
        let predecessor = at.checked_sub(1).map(|before| self.order[before]);
        let list = Destinations { order: &self.order, pool: &self.pool };
        self.subject.removed(&list, id, predecessor);
        id
    }

    fn edit(&mut self, at: usize, weight: i32) {
        let id = self.order[at];
        let server = &mut self.pool[id.index()];
        server.weight = weight;
        if weight != 0 {
            server.last_weight = weight;
        }
        let list = Destinations { order: &self.order, pool: &self.pool };
        self.subject.updated(&list, id);
    }

    /// The choice for a client. Its target has something of it, for those who look at targets.
    fn choose(&mut self, client: u32) -> Option<DestinationId> {
        let mut cx = Cx {
            list: Destinations { order: &self.order, pool: &self.pool },
            flow: Flow {
                client: IpAddr::V4(Ipv4Addr::from_bits(client)),
                client_port: 20_000,
                target: IpAddr::V4(Ipv4Addr::from_bits(client.rotate_left(7))),
                target_port: 80,
            },
            now: self.now,
            formula: LoadFormula::New,
            random: &mut self.random,
            expiration: Duration::from_secs(86_400),
        };
        self.subject.schedule(&mut cx)
    }
}

/// Addresses spread over the whole space, always the same.
fn clients(n: u32) -> Vec<u32> {
    let mut random = Stream::new(3, "clients");
    (0..n).map(|_| random.next_u32()).collect()
}

/// Weights 1, 2, 3, 4 and connections that stay: by how many per cent a server's share misses its weight at most.
fn disproportion(name: &str) -> f64 {
    const CHOICES: u32 = 10_000;
    let mut service = Service::new(name, &[1, 2, 3, 4]);
    for client in clients(CHOICES) {
        if let Some(id) = service.choose(client) {
            service.pool[id.index()].active += 1;
        }
    }
    let miss = |server: &Destination| {
        let fair = f64::from(server.weight) / 10.0;
        (f64::from(server.active) / f64::from(CHOICES) / fair - 1.0).abs() * 100.0
    };
    service.pool.iter().map(miss).fold(0.0, f64::max)
}

/// Ten equal servers, nobody busy, one goes: how many per cent of the other servers' clients are led elsewhere. Says
/// something about those only that look at the client or its target.
fn disruption(name: &str) -> f64 {
    let mut service = Service::new(name, &[1; 10]);
    let clients = clients(2_000);
    let before: Vec<_> = clients.iter().map(|client| service.choose(*client)).collect();
    let gone = service.remove(4);
    let stayed = clients.iter().zip(before).filter(|(_, before)| *before != Some(gone));
    let (all, moved) = stayed.fold((0, 0), |(all, moved), (client, before)| {
        (all + 1, moved + u32::from(service.choose(*client) != before))
    });
    100.0 * f64::from(moved) / f64::from(all)
}

/// Four equal servers, one connection at a time, so that everybody is idle: the busiest one's share in per cent; 25 is
/// fair.
fn busiest_of_idle(name: &str) -> f64 {
    const CHOICES: u32 = 2_000;
    let mut service = Service::new(name, &[1; 4]);
    let mut counts = [0_u32; 4];
    for client in clients(CHOICES) {
        if let Some(id) = service.choose(client) {
            counts[id.index()] += 1;
        }
    }
    100.0 * f64::from(counts.into_iter().max().unwrap_or(0)) / f64::from(CHOICES)
}

/// A new scheduler gets a line here (`UPDATE_EXPECT=1 cargo test -p schedulers`): is it what its author promises?
#[test]
fn figures_of_all_schedulers() {
    let mut table = "scheduler  off weight %  moved on removal %  busiest of 4 idle %\n".to_owned();
    for name in names() {
        let _ = writeln!(
            table,
            "{name:9}  {:12.1}  {:18.1}  {:19.1}",
            disproportion(name),
            disruption(name),
            busiest_of_idle(name)
        );
    }
    expect![[r#"
        scheduler  off weight %  moved on removal %  busiest of 4 idle %
        rr                150.0                 0.0                 25.0
        wrr                 0.0                 0.0                 25.0
        lc                150.0                 0.0                100.0
        wlc                 0.0                 0.0                100.0
        sed                 0.0                 0.0                100.0
        nq                  0.0                 0.0                100.0
        lblc                0.0                 0.0                100.0
        lblcr               0.0                 0.0                100.0
        dh                148.2                90.7                 25.9
        sh                  6.1                90.9                 26.2
        mh                  3.4                 1.3                 25.7
        fo                150.0                 0.0                100.0
        ovf                99.9                 0.0                100.0
        twos                0.2                88.8                 40.1
        hrw                 1.3                 0.0                 26.2
    "#]]
    .assert_eq(&table);
}

/// Something that happens to a service.
#[derive(Clone, Copy, Debug)]
enum Act {
    Add(i32),
    Remove(usize),
    Edit(usize, i32),
    Choose(u32),
    /// A connection of a server ends.
    End(usize),
    Overload(usize, bool),
    Wait(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let weight = prop_oneof![6 => 0..5_i32, 1 => 90..110_i32];
    prop_oneof![
        2 => weight.clone().prop_map(Act::Add),
        1 => (0..8_usize).prop_map(Act::Remove),
        2 => (0..8_usize, weight).prop_map(|(at, weight)| Act::Edit(at, weight)),
        12 => any::<u32>().prop_map(|client| Act::Choose(client % 64)),
        4 => (0..8_usize).prop_map(Act::End),
        1 => (0..8_usize, any::<bool>()).prop_map(|(at, is)| Act::Overload(at, is)),
        1 => (0..200_000_u32).prop_map(Act::Wait),
    ]
}

/// Does it; the choice, if there was one to make.
fn take(service: &mut Service, act: Act) -> Option<Option<DestinationId>> {
    let listed = |service: &Service, at: usize| (!service.order.is_empty()).then(|| at % service.order.len());
    match act {
        Act::Add(weight) => service.add(weight),
        Act::Wait(seconds) => service.now += Duration::from_secs(u64::from(seconds)),
        Act::Choose(client) => {
            let chosen = service.choose(client);
            if let Some(id) = chosen {
                service.pool[id.index()].active += 1;
            }
            return Some(chosen);
        }
        Act::Remove(at) => {
            if let Some(at) = listed(service, at) {
                service.remove(at);
            }
        }
        Act::Edit(at, weight) => {
            if let Some(at) = listed(service, at) {
                service.edit(at, weight);
            }
        }
        Act::End(at) => {
            if let Some(at) = listed(service, at) {
                let server = &mut service.pool[service.order[at].index()];
                server.active = (server.active - 1).max(0);
            }
        }
        Act::Overload(at, is) => {
            if let Some(at) = listed(service, at) {
                service.pool[service.order[at].index()].overloaded = is;
            }
        }
    }
    None
}

proptest! {
    #[test]
    fn whatever_happens_only_usable_servers_of_the_list_are_chosen(acts in prop::collection::vec(act(), 1..80)) {
        for name in names() {
            let mut service = Service::new(name, &[1, 1]);
            for act in &acts {
                if let Some(Some(id)) = take(&mut service, *act) {
                    let server = service.pool[id.index()];
                    prop_assert!(service.order.contains(&id), "{name} chose a server that has gone");
                    // A cache may keep a client at a server that is full.
                    let may_be_full = name == "lblc";
                    prop_assert!(server.weight > 0 && (!server.overloaded || may_be_full), "{name} chose {server:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_history_leads_to_the_same_choices(acts in prop::collection::vec(act(), 1..80)) {
        for name in names() {
            let history = || {
                let mut service = Service::new(name, &[1, 1]);
                acts.iter().map(|act| take(&mut service, *act)).collect::<Vec<_>>()
            };
            prop_assert_eq!(history(), history(), "{}", name);
        }
    }
}

#[test]
fn the_page_shows_the_example_as_it_is() {
    let page = include_str!("../../docs/schedulers.md");
    let example = include_str!("example/hrw.rs");
    assert!(
        page.contains(example),
        "docs/schedulers.md shows another text than schedulers/tests/example/hrw.rs"
    );
    for name in SCHEDULERS.iter().map(|entry| entry.name) {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing on the page");
    }
}
