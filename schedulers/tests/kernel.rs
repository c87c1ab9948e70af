//! Decisions recorded from Linux 6.1.192, replayed without a director.
//!
//! Only recordings whose answers depend on nothing but the list and the packets: no timers, no closing connections.
//! The format is described in `net-model/tests/vectors/README.md`; the director's tests replay all of them.

use schedulers::{AnyScheduler, Cx, Destination, DestinationId, Destinations, Flow, LoadFormula};
use serde_json::Value;
use sim_core::{Duration, Stream, Time};
use std::net::SocketAddr;

/// A service as the recordings configure it: every packet opens a new connection.
struct Service {
    scheduler: Option<AnyScheduler>,
    order: Vec<DestinationId>,
    pool: Vec<Destination>,
    upper: Vec<i32>,
    random: Stream,
}

impl Service {
    fn new() -> Service {
        let random = Stream::new(1, "recording");
        Service { scheduler: None, order: vec![], pool: vec![], upper: vec![], random }
    }

    fn list(&self) -> Destinations<'_> {
        Destinations { order: &self.order, pool: &self.pool }
    }

    fn ipvsadm(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let value = |option| words.iter().position(|&word| word == option).map(|at| words[at + 1]);
        let number = |option, default| value(option).map_or(default, |text| text.parse::<i32>().unwrap());
        match words[0] {
            "-A" | "-E" => {
                let name = value("-s").unwrap();
                let flags = value("-b").unwrap_or("").split(',').map(|flag| match flag {
                    "sh-fallback" | "mh-fallback" => 1,
                    "sh-port" | "mh-port" => 2,
                    _ => 0,
                });
                if self.scheduler.as_ref().is_none_or(|bound| bound.name() != name || value("-b").is_some()) {
                    let bound = AnyScheduler::new(name, flags.sum(), &self.list()).unwrap().unwrap();
                    self.scheduler = Some(bound);
                }
            }
            command => {
                let addr: SocketAddr = value("-r").unwrap().parse().unwrap();
                self.server(command, addr, number("-w", 1), number("-x", 0));
            }
        }
    }

    fn server(&mut self, command: &str, addr: SocketAddr, weight: i32, upper: i32) {
        let known = self.pool.iter().position(|d| SocketAddr::new(d.addr, d.port) == addr);
        let index = known.unwrap_or_else(|| {
            self.upper.push(0);
            self.pool.push(Destination {
                addr: addr.ip(),
                port: addr.port(),
                weight: 0,
                last_weight: 0,
                active: 0,
                inactive: 0,
                overloaded: false,
                available: false,
            });
            self.pool.len() - 1
        });
        let id = DestinationId::new(index as u32);
        let mut scheduler = self.scheduler.take().unwrap();
        if command == "-d" {
            let at = self.list().position(id);
            self.order.remove(at);
            self.pool[index].available = false;
            scheduler.removed(&self.list(), id, at.checked_sub(1).map(|before| self.order[before]));
        } else {
            let d = &mut self.pool[index];
            d.weight = weight;
            self.upper[index] = upper;
            if weight != 0 || command == "-a" {
                d.last_weight = weight;
            }
            if command == "-a" {
                d.available = true;
                self.order.insert(0, id);
                scheduler.added(&self.list(), id);
            } else {
                scheduler.updated(&self.list(), id);
            }
        }
        self.scheduler = Some(scheduler);
    }

    /// The recorded word for where a packet goes.
    fn send(&mut self, packet: &str) -> String {
        let words: Vec<&str> = packet.split(' ').collect();
        let [client, target]: [SocketAddr; 2] = [words[1].parse().unwrap(), words[2].parse().unwrap()];
        let (client, client_port) = (client.ip(), client.port());
        let (target, target_port) = (target.ip(), target.port());
        let mut cx = Cx {
            list: Destinations { order: &self.order, pool: &self.pool },
            flow: Flow { client, client_port, target, target_port },
            now: Time::ZERO,
            formula: LoadFormula::New,
            random: &mut self.random,
            expiration: Duration::from_secs(86_400),
        };
        let Some(id) = self.scheduler.as_mut().unwrap().schedule(&mut cx) else {
            return "icmp".to_string();
        };
        let d = &mut self.pool[id.index()];
        d.active += 1;
        d.overloaded |= d.active == self.upper[id.index()];
        format!("dr {}", d.addr)
    }
}

/// Replays these recordings of a file and compares every decision.
fn replay(file: &str, ids: &[&str]) {
    let path = format!("{}/../net-model/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    for id in ids {
        let vector = vectors.iter().find(|vector| vector["id"] == *id).expect("the recording exists");
        let mut service = Service::new();
        for (n, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
            if let Some(line) = step["ipvsadm"].as_str() {
                service.ipvsadm(line);
            }
            for send in step["sends"].as_array().into_iter().flatten() {
                let (packet, recorded) = (send[0].as_str().unwrap(), send[1].as_str().unwrap());
                let recorded = if recorded.starts_with("icmp") { "icmp" } else { recorded };
                assert_eq!(service.send(packet), recorded, "{id}, step {n}: {packet}");
            }
        }
    }
}

#[test]
fn round_robin() {
    replay("rr", &["rr-basic", "rr-delete-pointer"]);
}

#[test]
fn weighted_round_robin() {
    replay("wrr", &["wrr-3-2-1", "wrr-gcd"]);
}

#[test]
fn source_hashing() {
    replay("sh", &["sh-basic", "sh-port-fallback", "sh-overload", "sh-ipv6"]);
}

#[test]
fn maglev_hashing() {
    replay("mh", &["mh-basic", "mh-weights-port-fallback", "mh-ipv6"]);
}

#[test]
fn destination_hashing() {
    replay("dh", &["dh-basic"]);
}
