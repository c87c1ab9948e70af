//! Outcomes as JSON, units in the names.

use crate::summary::{Summary, is_harmless, quantile_s, shares};
use crate::{Labelled, Variant};
use net_model::outcome::{DestinationOutcome, Outcome};
use serde::Serialize;
use sim_core::Histogram;

/// All runs with everything but their time series (those are in `series.csv`); indented for a single run.
pub fn outcomes(runs: &[Labelled]) -> String {
    let file = File { runs: runs.iter().map(run).collect() };
    if runs.len() <= 1 { pretty(&file) } else { compact(&file) }
}

/// A value as indented JSON that ends with a line break.
pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    let text =
        serde_json::to_string_pretty(value).expect("structs with string keys can always be written as JSON");
    text + "\n"
}

/// A value as JSON in one line.
fn compact<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("structs with string keys can always be written as JSON") + "\n"
}

#[derive(Serialize)]
struct File<'a> {
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    scheduler: &'a str,
    forwarding: &'a str,
    load_percent: Option<f64>,
    replica: u32,
    seed: u64,
    duration_s: f64,
    events: u64,
    hops: u64,
    fingerprint: String,
    summary: Totals,
    frames: Frames,
    servers: Vec<Server<'a>>,
    clients: Vec<Client<'a>>,
    services: Vec<Service<'a>>,
    links: Vec<Link<'a>>,
    drops: Vec<Drop<'a>>,
    arp_answers: Vec<ArpAnswer<'a>>,
    arp_caches: Vec<ArpCache<'a>>,
}

/// Who had an address in the neighbour cache of a host, from when on.
#[derive(Serialize)]
struct ArpCache<'a> {
    host: &'a str,
    address: String,
    holders: Vec<Holder<'a>>,
}

#[derive(Serialize)]
struct Holder<'a> {
    from_s: f64,
    /// None while nobody was known to have it.
    host: Option<&'a str>,
}

#[derive(Serialize)]
struct Totals {
    started: u64,
    succeeded: u64,
    failed: u64,
    success_percent: Option<f64>,
    throughput_per_s: f64,
    latency: Latency,
    max_over_fair_ratio: Option<f64>,
    jain_index: Option<f64>,
    lost_packets: u64,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    max_ms: Option<f64>,
}

#[derive(Serialize)]
struct Frames {
    sent: u64,
    delivered: u64,
    dropped: u64,
    in_flight: u64,
}

#[derive(Serialize)]
struct Server<'a> {
    name: &'a str,
    weight: i64,
    accepted_requests: u64,
    completed_requests: u64,
    overflowed_connections: u64,
    share_percent: f64,
    fair_share_percent: f64,
    utilisation_percent: f64,
    sojourn: Latency,
}

#[derive(Serialize)]
struct Client<'a> {
    name: &'a str,
    started: u64,
    succeeded: u64,
    failed: Vec<Failed>,
    retransmissions: u64,
    connect: Latency,
    latency: Latency,
}

#[derive(Serialize)]
struct Failed {
    cause: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct Service<'a> {
    director: &'a str,
    name: &'a str,
    scheduler: &'a str,
    destinations: Vec<Destination<'a>>,
}

#[derive(Serialize)]
struct Destination<'a> {
    name: &'a str,
    forwarding: &'static str,
    weight: i32,
    scheduled_connections: u64,
    active_connections: u32,
    inactive_connections: u32,
    in_packets: u64,
    out_packets: u64,
}

#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    delivered_frames: u64,
    delivered_bytes: u64,
    dropped_frames: u64,
    utilisation_percent: f64,
}

#[derive(Serialize)]
struct Drop<'a> {
    place: &'a str,
    reason: &'static str,
    packets: u64,
    is_loss: bool,
}

#[derive(Serialize)]
struct ArpAnswer<'a> {
    address: String,
    host: &'a str,
    count: u64,
    first_s: f64,
}

fn run(run: &Labelled) -> Run<'_> {
    let Variant { scheduler, forwarding, load_percent, replica } = &run.variant;
    let outcome = &run.outcome;
    Run {
        scheduler,
        forwarding,
        load_percent: *load_percent,
        replica: *replica,
        seed: outcome.seed,
        duration_s: outcome.duration.as_secs_f64(),
        events: outcome.events,
        hops: outcome.hops,
        fingerprint: format!("{:016x}", outcome.fingerprint),
        summary: totals(outcome),
        frames: Frames {
            sent: outcome.frames.sent,
            delivered: outcome.frames.delivered,
            dropped: outcome.frames.dropped,
            in_flight: outcome.frames.in_flight,
        },
        servers: servers(outcome),
        clients: clients(outcome),
        services: services(outcome),
        links: links(outcome),
        drops: drops(outcome),
        arp_answers: arp_answers(outcome),
        arp_caches: arp_caches(outcome),
    }
}

fn totals(outcome: &Outcome) -> Totals {
    let s = Summary::of(outcome);
    Totals {
        started: s.started,
        succeeded: s.succeeded,
        failed: s.failed,
        success_percent: s.success.map(|x| x * 100.0),
        throughput_per_s: s.throughput,
        latency: latency(&s.latency),
        max_over_fair_ratio: s.max_over_fair,
        jain_index: s.jain,
        lost_packets: s.lost,
    }
}

fn latency(h: &Histogram) -> Latency {
    let ms = |q| quantile_s(h, q).map(|s| s * 1e3);
    let some = |s: f64| (h.count() > 0).then_some(s * 1e3);
    Latency {
        count: h.count(),
        mean_ms: some(h.mean().as_secs_f64()),
        p50_ms: ms(0.5),
        p90_ms: ms(0.9),
        p99_ms: ms(0.99),
        p999_ms: ms(0.999),
        max_ms: some(h.max().as_secs_f64()),
    }
}

fn servers(outcome: &Outcome) -> Vec<Server<'_>> {
    let servers = outcome.servers.iter().zip(shares(outcome));
    servers
        .map(|(s, share)| Server {
            name: &s.name,
            weight: s.weight,
            accepted_requests: s.accepted,
            completed_requests: s.completed,
            overflowed_connections: s.overflowed,
            share_percent: share.part * 100.0,
            fair_share_percent: share.fair * 100.0,
            utilisation_percent: s.utilisation * 100.0,
            sojourn: latency(&s.sojourn),
        })
        .collect()
}

fn clients(outcome: &Outcome) -> Vec<Client<'_>> {
    let clients = outcome.clients.iter();
    clients
        .map(|c| Client {
            name: &c.name,
            started: c.started,
            succeeded: c.succeeded,
            failed: c.failed.iter().map(|(f, n)| Failed { cause: f.name(), count: *n }).collect(),
            retransmissions: c.retransmissions,
            connect: latency(&c.connect),
            latency: latency(&c.latency),
        })
        .collect()
}

fn services(outcome: &Outcome) -> Vec<Service<'_>> {
    let services = outcome.directors.iter().flat_map(|d| d.services.iter().map(move |s| (d, s)));
    services
        .map(|(director, service)| Service {
            director: &director.name,
            name: &service.name,
            scheduler: &service.scheduler,
            destinations: service.destinations.iter().map(destination).collect(),
        })
        .collect()
}

fn destination(d: &DestinationOutcome) -> Destination<'_> {
    Destination {
        name: &d.name,
        forwarding: d.forwarding,
        weight: d.weight,
        scheduled_connections: d.conns,
        active_connections: d.active,
        inactive_connections: d.inactive,
        in_packets: d.in_packets,
        out_packets: d.out_packets,
    }
}

fn links(outcome: &Outcome) -> Vec<Link<'_>> {
    let links = outcome.links.iter();
    links
        .map(|l| Link {
            name: &l.name,
            delivered_frames: l.frames,
            delivered_bytes: l.bytes,
            dropped_frames: l.dropped,
            utilisation_percent: l.utilisation * 100.0,
        })
        .collect()
}

fn drops(outcome: &Outcome) -> Vec<Drop<'_>> {
    let drops = outcome.drops.iter();
    drops
        .map(|d| Drop {
            place: &d.place,
            reason: d.reason.name(),
            packets: d.count,
            is_loss: !is_harmless(d.reason),
        })
        .collect()
}

fn arp_answers(outcome: &Outcome) -> Vec<ArpAnswer<'_>> {
    let answers = outcome.arp_answers.iter();
    answers
        .map(|a| ArpAnswer {
            address: a.addr.to_string(),
            host: &a.host,
            count: a.count,
            first_s: a.first.as_secs_f64(),
        })
        .collect()
}

fn arp_caches(outcome: &Outcome) -> Vec<ArpCache<'_>> {
    outcome
        .arp_caches
        .iter()
        .map(|cache| ArpCache {
            host: &cache.host,
            address: cache.addr.to_string(),
            holders: cache
                .holders
                .iter()
                .map(|(at, host)| Holder { from_s: at.as_secs_f64(), host: host.as_deref() })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};
    use expect_test::expect_file;

    #[test]
    fn a_run_looks_like_this() {
        let two = Sample {
            servers: vec![(1, 1.0), (2, 2.0)],
            requests_per_s: 240.0,
            seconds: 2,
            ..Sample::default()
        };
        expect_file!["golden/outcome.json"].assert_eq(&outcomes(&[sample::run(&two)]));
    }

    #[test]
    fn every_extreme_is_json() {
        for (name, runs) in sample::extremes() {
            let value: serde_json::Value =
                serde_json::from_str(&outcomes(&runs)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(value["runs"].as_array().map(Vec::len), Some(runs.len()), "{name}");
        }
    }
}
