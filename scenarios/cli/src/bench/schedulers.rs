//! What a decision among 1,000 servers costs, for each scheduler of the registry.

use super::figure::{Figure, Printer, median, timed};
use anyhow::{Context, Result};
use schedulers::{AnyScheduler, Cx, Destination, DestinationId, Destinations, Flow, LoadFormula, SCHEDULERS};
use sim_core::{Duration, Stream, Time};
use std::net::{IpAddr, Ipv4Addr};

const SERVERS: u32 = 1_000;
const DECISIONS: u32 = 20_000;

/// Nanoseconds of a decision. Each one leaves an active connection at the server chosen.
pub(super) fn run(runs: u32, printer: &mut Printer) -> Result<()> {
    printer.heading("Schedulers: a decision among 1,000 servers")?;
    for entry in SCHEDULERS {
        let mut service = Service::new(entry.name).context("1,000 servers are too many")?;
        service.decide(DECISIONS / 10);
        let (wall, ()) = median((0..runs).map(|_| timed(|| service.decide(DECISIONS))).collect());
        let each = wall * 1e9 / f64::from(DECISIONS);
        printer.figure(&Figure {
            workload: &format!("scheduler-{}", entry.name),
            units: "decisions",
            count: DECISIONS.into(),
            seconds: Some(wall),
            more: &[("servers", SERVERS.into()), ("ns", each.into())],
            text: format!("{:6} {each:8.1} ns  {}", entry.name, entry.title),
        })?;
    }
    Ok(())
}

/// A service with a scheduler and servers of weight 1.
struct Service {
    scheduler: AnyScheduler,
    order: Vec<DestinationId>,
    pool: Vec<Destination>,
    stream: Stream,
    decided: u32,
}

impl Service {
    fn new(name: &str) -> Option<Service> {
        let pool: Vec<Destination> = (0..SERVERS).map(server).collect();
        let order: Vec<DestinationId> = (0..SERVERS).rev().map(DestinationId::new).collect();
        let scheduler = AnyScheduler::new(name, 0, &Destinations { order: &order, pool: &pool })?.ok()?;
        Some(Service { scheduler, order, pool, stream: Stream::new(1, "director"), decided: 0 })
    }

    fn decide(&mut self, decisions: u32) {
        for _ in 0..decisions {
            self.decided += 1;
            let mut cx = Cx {
                list: Destinations { order: &self.order, pool: &self.pool },
                flow: Flow {
                    client: addr(0xc0a8_0000 + self.decided / 16),
                    client_port: 1024 + (self.decided % 16) as u16,
                    target: addr(0x0a09_0064),
                    target_port: 80,
                },
                now: Time::ZERO + Duration::from_micros(u64::from(self.decided)),
                formula: LoadFormula::New,
                random: &mut self.stream,
                expiration: Duration::from_secs(24 * 60 * 60),
            };
            if let Some(chosen) = self.scheduler.schedule(&mut cx) {
                self.pool[chosen.index()].active += 1;
            }
        }
    }
}

fn server(n: u32) -> Destination {
    Destination {
        addr: addr(0x0a00_0003 + n),
        port: 80,
        weight: 1,
        last_weight: 1,
        active: 0,
        inactive: 0,
        overloaded: false,
        available: true,
    }
}

fn addr(bits: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheduler_decides() {
        for entry in SCHEDULERS {
            let mut service = Service::new(entry.name).expect("it can serve them");
            service.decide(50);
            assert_eq!(service.pool.iter().map(|server| server.active).sum::<i32>(), 50, "{}", entry.name);
        }
    }
}
