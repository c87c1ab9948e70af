//! The reference workload W2, and a complete model in a hundred lines.
//!
//! 100 servers, each with its own queue; every request goes to the server with the fewest requests, the first of
//! them where several have as few. Arrivals are a Poisson process at 90 % of what the servers can do, service times
//! are exponential with mean 1 (a second).

use crate::arrivals::{ArrivalProcess, Pattern};
use crate::{Agenda, Duration, Fingerprint, Histogram, Stream, Time};

const SERVERS: u32 = 100;
const LOAD: f64 = 0.9;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// From the arrival of a request to the end of its service.
    pub response: Histogram,
    /// Of all arrivals and departures.
    pub fingerprint: Fingerprint,
}

/// Serves `requests` requests.
pub fn run(seed: u64, requests: u64) -> Outcome {
    let mut arrivals_stream = Stream::new(seed, "arrivals");
    let mut service_stream = Stream::new(seed, "service");
    let pattern = Pattern::Poisson(LOAD * f64::from(SERVERS));
    let mut arrivals = ArrivalProcess::new(pattern, Time::ZERO, Time::NEVER);
    // The only event is the departure of a request, and says from which server. Each queue is in order, so a
    // departure is known as soon as the request arrives.
    let mut departures: Agenda<u32> = Agenda::new();
    let mut free_at = [Time::ZERO; SERVERS as usize];
    let mut queues = Queues::new();
    let mut outcome = Outcome { response: Histogram::new(), fingerprint: Fingerprint::new() };

    let mut arrival = arrivals.next(&mut arrivals_stream);
    while outcome.response.count() < requests {
        // An arrival is no event: its time is compared with that of the first departure.
        if departures.peek().is_some_and(|departure| departure <= arrival)
            && let Some((now, server)) = departures.pop()
        {
            queues.leave(server);
            outcome.fingerprint.add(now, 0, server);
            continue;
        }
        let now = arrival;
        let server = queues.join_shortest();
        let service = Duration::from_secs_f64(service_stream.exponential());
        let departure = now.max(free_at[server as usize]) + service;
        free_at[server as usize] = departure;
        departures.post(departure, server);
        outcome.response.record(departure.since(now));
        outcome.fingerprint.add(now, 1, server);
        arrival = arrivals.next(&mut arrivals_stream);
    }
    outcome
}

/// Which server holds how many requests: a set of servers for every number, as a bit map.
struct Queues {
    length: [u32; SERVERS as usize],
    /// Bit `server` of `with[n]` is set if it holds `n` requests.
    with: Vec<u128>,
}

impl Queues {
    fn new() -> Queues {
        Queues { length: [0; SERVERS as usize], with: vec![(1 << SERVERS) - 1] }
    }

    /// Adds a request where there are the fewest; returns the server.
    fn join_shortest(&mut self) -> u32 {
        let shortest = self.with.iter().position(|&set| set != 0).expect("every server is in one set");
        let server = self.with[shortest].trailing_zeros();
        if shortest + 1 == self.with.len() {
            self.with.push(0);
        }
        self.move_to(server, self.length[server as usize] + 1);
        server
    }

    /// Takes a request away.
    fn leave(&mut self, server: u32) {
        self.move_to(server, self.length[server as usize] - 1);
    }

    fn move_to(&mut self, server: u32, length: u32) {
        let before = std::mem::replace(&mut self.length[server as usize], length);
        self.with[before as usize] ^= 1 << server;
        self.with[length as usize] ^= 1 << server;
    }
}
