//! A service in miniature for the schedulers' own tests: servers by index, list order newest first.

use crate::*;
use std::net::{IpAddr, Ipv4Addr};

/// The destinations 10.0.0.3, .4, .5 … (indices 0, 1, 2 …) of one service.
pub(crate) struct Pool {
    order: Vec<DestinationId>,
    pool: Vec<Destination>,
    random: Stream,
    pub(crate) now: Time,
}

impl Pool {
    /// One server per weight, added in this order, so that the last stands at the head.
    pub(crate) fn weights(weights: &[i32]) -> Pool {
        let mut pool = Pool { order: vec![], pool: vec![], random: Stream::new(1, "test"), now: Time::ZERO };
        for &weight in weights {
            pool.push(weight);
        }
        pool
    }

    fn push(&mut self, weight: i32) -> DestinationId {
        let n = self.pool.len();
        self.pool.push(Destination {
            addr: IpAddr::V4(Ipv4Addr::new(10, 0, (n / 250) as u8, (3 + n % 250) as u8)),
            port: 80,
            weight,
            last_weight: weight,
            active: 0,
            inactive: 0,
            overloaded: false,
            available: true,
        });
        self.order.insert(0, DestinationId::new(n as u32));
        DestinationId::new(n as u32)
    }

    pub(crate) fn list(&self) -> Destinations<'_> {
        Destinations { order: &self.order, pool: &self.pool }
    }

    pub(crate) fn get(&self, index: usize) -> Destination {
        self.pool[index]
    }

    pub(crate) fn set(&mut self, index: usize, change: impl FnOnce(&mut Destination)) {
        change(&mut self.pool[index]);
    }

    pub(crate) fn bind(&self, name: &str, flags: u8) -> AnyScheduler {
        AnyScheduler::new(name, flags, &self.list()).expect("a scheduler").expect("few destinations")
    }

    /// Adds a server with this weight and tells the scheduler.
    pub(crate) fn add(&mut self, scheduler: &mut AnyScheduler, weight: i32) {
        let id = self.push(weight);
        scheduler.added(&self.list(), id);
    }

    pub(crate) fn edit(&mut self, scheduler: &mut AnyScheduler, index: usize, weight: i32) {
        self.pool[index].weight = weight;
        if weight != 0 {
            self.pool[index].last_weight = weight;
        }
        scheduler.updated(&self.list(), DestinationId::new(index as u32));
    }

    pub(crate) fn remove(&mut self, scheduler: &mut AnyScheduler, index: usize) {
        let id = DestinationId::new(index as u32);
        let at = self.list().position(id);
        self.order.remove(at);
        self.pool[index].available = false;
        let predecessor = at.checked_sub(1).map(|before| self.order[before]);
        scheduler.removed(&self.list(), id, predecessor);
    }

    fn cx(&mut self, client: &str, port: u16, target: &str) -> Cx<'_> {
        Cx {
            list: Destinations { order: &self.order, pool: &self.pool },
            flow: Flow {
                client: client.parse().unwrap(),
                client_port: port,
                target: target.parse().unwrap(),
                target_port: 80,
            },
            now: self.now,
            formula: LoadFormula::New,
            random: &mut self.random,
            expiration: Duration::from_secs(86_400),
        }
    }

    /// The index of the server chosen for this flow.
    pub(crate) fn choose(
        &mut self,
        scheduler: &mut AnyScheduler,
        client: &str,
        port: u16,
        target: &str,
    ) -> Option<usize> {
        scheduler.schedule(&mut self.cx(client, port, target)).map(DestinationId::index)
    }

    /// One choice for a flow that does not matter.
    pub(crate) fn next(&mut self, scheduler: &mut AnyScheduler) -> Option<usize> {
        self.choose(scheduler, "192.168.1.1", 20_000, "10.9.0.100")
    }

    /// `n` choices as server numbers, counted from 1 in the order of adding: `3 2 1 3`; `-` for none.
    pub(crate) fn run(&mut self, scheduler: &mut AnyScheduler, n: usize) -> String {
        let words = (0..n).map(|_| self.next(scheduler).map_or("-".to_string(), |i| (i + 1).to_string()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// As [`Pool::run`], each choice leaving an active connection behind.
    pub(crate) fn fill(&mut self, scheduler: &mut AnyScheduler, n: usize) -> String {
        let words = (0..n).map(|_| match self.next(scheduler) {
            Some(i) => {
                self.pool[i].active += 1;
                (i + 1).to_string()
            }
            None => "-".to_string(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn account(&mut self, scheduler: &AnyScheduler) -> String {
        scheduler.account(&self.cx("192.168.1.1", 20_000, "10.9.0.100")).to_string()
    }
}
