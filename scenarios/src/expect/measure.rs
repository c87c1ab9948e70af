//! The measures: how each is written, in which units it is compared, where its numbers are in an outcome.

use super::{Failure, Known, Measure, Misread, Statistic, Unit, misread, unknown};
use crate::names::{NamePattern, suggestion};
use net_model::outcome::{ClientOutcome, DirectorOutcome, Outcome, ServerOutcome};
use net_model::verdict::DropReason;
use sim_core::Histogram;
use std::ops::Range;

const MEASURES: [&str; 15] = [
    "balance",
    "jain",
    "success",
    "answered",
    "started",
    "failures",
    "latency",
    "connect",
    "retransmissions",
    "served",
    "utilisation",
    "arp",
    "drops",
    "scheduled",
    "entries",
];

/// The words before the operator, read from left to right.
struct Reader<'a> {
    words: &'a [(Range<usize>, &'a str)],
    known: Known<'a>,
    end: usize,
}

/// Reads the words before the operator.
pub(super) fn parse(
    text: &str,
    words: &[(Range<usize>, &str)],
    known: Known<'_>,
) -> Result<Measure, Misread> {
    let Some(((columns, name), rest)) = words.split_first() else {
        return Err(misread(
            0..text.len(),
            "the line begins with its operator".into(),
            "name a measure before it",
        ));
    };
    let mut reader = Reader { words: rest, known, end: columns.end };
    let measure = match *name {
        "balance" => Measure::Balance,
        "jain" => Measure::Jain,
        "success" => Measure::Success(reader.client()?),
        "answered" => Measure::Answered(reader.client()?),
        "started" => Measure::Started(reader.client()?),
        "failures" => Measure::Failures(reader.cause(), reader.client()?),
        "latency" => Measure::Latency(reader.statistic()?, reader.client()?),
        "connect" => Measure::Connect(reader.statistic()?, reader.client()?),
        "retransmissions" => Measure::Retransmissions(reader.client()?),
        "served" => Measure::Served(reader.servers()?),
        "utilisation" => Measure::Utilisation(reader.servers()?),
        "arp" => Measure::Arp(reader.address()?),
        "drops" => reader.drops()?,
        "scheduled" => reader.scheduled()?,
        "entries" => Measure::Entries(reader.place()?),
        other => {
            let near = suggestion(other, MEASURES);
            let help = near.map_or_else(
                || format!("one of: {}", MEASURES.join(", ")),
                |n| format!("did you mean `{n}`?"),
            );
            return Err(misread(columns.clone(), format!("`{other}` is not a measure"), &help));
        }
    };
    match reader.words.first() {
        None => Ok(measure),
        Some((columns, word)) => Err(misread(
            columns.clone(),
            format!("`{word}` is one word too many"),
            "an operator belongs here",
        )),
    }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Range<usize>, &'a str)> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        self.end = first.0.end;
        Some(first.clone())
    }

    fn needed(&mut self, what: &str, help: &str) -> Result<(Range<usize>, &'a str), Misread> {
        let end = self.end;
        self.next()
            .ok_or_else(|| misread(end.saturating_sub(1)..end, format!("{what} is missing here"), help))
    }

    fn client(&mut self) -> Result<Option<String>, Misread> {
        let Some((columns, name)) = self.next() else { return Ok(None) };
        match self.known.clients.contains(&name) {
            true => Ok(Some(name.into())),
            false => Err(unknown(columns, "client group", name, self.known.clients)),
        }
    }

    fn place(&mut self) -> Result<Option<String>, Misread> {
        let Some((columns, name)) = self.next() else { return Ok(None) };
        match self.known.places.contains(&name) {
            true => Ok(Some(name.into())),
            false => Err(unknown(columns, "host", name, self.known.places)),
        }
    }

    fn servers(&mut self) -> Result<NamePattern, Misread> {
        let (columns, name) =
            self.needed("a server", "name a host that runs a server, or a group: web[1-3]")?;
        let pattern = NamePattern::parse(name).map_err(|why| {
            let (message, help) = why.split_once('\n').unwrap_or((&why, ""));
            misread(columns.clone(), message.into(), help)
        })?;
        for index in [0, pattern.count().saturating_sub(1)] {
            let member = pattern.member(u32::try_from(index).unwrap_or(u32::MAX - 1));
            if !self.known.servers.contains(&&*member) {
                return Err(unknown(columns, "server", &member, self.known.servers));
            }
        }
        Ok(pattern)
    }

    fn address(&mut self) -> Result<net_model::addr::Addr, Misread> {
        let (columns, text) = self.needed("an address", "write `arp 10.0.0.100 = director`")?;
        text.parse()
            .map_err(|_| misread(columns, format!("`{text}` is not an IP address"), "as in 10.0.0.100"))
    }

    fn statistic(&mut self) -> Result<Statistic, Misread> {
        const HELP: &str = "one of: p50, p90, p95, p99, p99.9, mean, max";
        let (columns, word) = self.needed("a statistic", HELP)?;
        let quantile = || word.strip_prefix('p')?.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p));
        match word {
            "mean" => Ok(Statistic::Mean),
            "max" => Ok(Statistic::Max),
            _ => quantile()
                .map(|percent| Statistic::Quantile(percent / 100.0))
                .ok_or_else(|| misread(columns, format!("`{word}` is not a statistic"), HELP)),
        }
    }

    fn cause(&mut self) -> Option<Failure> {
        let (_, word) = self.words.first()?;
        let cause = Failure::ALL.into_iter().find(|cause| cause.name() == *word)?;
        self.next();
        Some(cause)
    }

    /// `[DIRECTOR] [via SERVICE] [to SERVER]`
    fn scheduled(&mut self) -> Result<Measure, Misread> {
        let has_director = self.words.first().is_some_and(|(_, word)| !matches!(*word, "via" | "to"));
        let director = if has_director { self.place()? } else { None };
        let service = self.after("via", "name a service as ipvsadm -Ln does: 10.0.0.100:80, or its mark")?;
        let server = self.after("to", "name a server as ipvsadm -Ln does: 10.0.0.11:80")?;
        Ok(Measure::Scheduled { director, service, server })
    }

    /// The word after this one, if this one comes next.
    fn after(&mut self, word: &str, help: &str) -> Result<Option<String>, Misread> {
        if self.words.first().is_none_or(|(_, next)| *next != word) {
            return Ok(None);
        }
        self.next();
        self.needed("a name", help).map(|(_, name)| Some(name.to_string()))
    }

    fn drops(&mut self) -> Result<Measure, Misread> {
        let (mut place, mut reason) = (None, None);
        while let Some((columns, word)) = self.next() {
            if let Some(found) = DropReason::ALL.iter().find(|reason| reason.name() == word) {
                reason = Some(*found);
            } else if self.known.places.contains(&word) && place.is_none() {
                place = Some(word.to_string());
            } else {
                let known = DropReason::ALL
                    .iter()
                    .map(|reason| reason.name())
                    .chain(self.known.places.iter().copied());
                let help = suggestion(word, known).map_or_else(
                    || {
                        "reasons are named as in the table of drops: queue-full, rp-filter, no-route …"
                            .to_string()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(misread(
                    columns,
                    format!("`{word}` is neither a place nor a reason of drops"),
                    &help,
                ));
            }
        }
        Ok(Measure::Drops(place, reason))
    }
}

/// The units in which a measure can be compared.
pub(super) fn units(measure: &Measure) -> &'static [Unit] {
    match measure {
        Measure::Latency(..) | Measure::Connect(..) => &[Unit::Time],
        Measure::Success(_) | Measure::Answered(_) | Measure::Utilisation(_) => &[Unit::Percent],
        Measure::Served(_) => &[Unit::Percent, Unit::Plain],
        Measure::Balance
        | Measure::Jain
        | Measure::Started(_)
        | Measure::Failures(..)
        | Measure::Retransmissions(_)
        | Measure::Arp(_)
        | Measure::Drops(..)
        | Measure::Scheduled { .. }
        | Measure::Entries(_) => &[Unit::Plain],
    }
}

/// Where to look when the measure is not as expected.
pub(super) fn look(measure: &Measure) -> &'static str {
    match measure {
        Measure::Balance | Measure::Jain | Measure::Served(_) => {
            "at the table of servers, and at the connections of each destination (ipvsadm -Ln)"
        }
        Measure::Success(_) | Measure::Answered(_) | Measure::Failures(..) | Measure::Started(_) => {
            "at the clients' failures by cause, and at the drops by reason"
        }
        Measure::Latency(..) | Measure::Connect(..) | Measure::Utilisation(_) => {
            "at the servers' queues and utilisation over time, and at the links"
        }
        Measure::Retransmissions(_) | Measure::Drops(..) => "at the drops by place and reason",
        Measure::Arp(_) => "at arp_ignore on every host that has the address (ip addr show)",
        Measure::Scheduled { .. } => {
            "at who answers ARP for the virtual address, and at the rules (ipvsadm -Ln)"
        }
        Measure::Entries(_) => "at the states of the entries and their timers (ipvsadm -Lnc)",
    }
}

/// The names that a measure of names finds, sorted.
pub(super) fn names<'a>(measure: &Measure, outcome: &'a Outcome) -> Vec<&'a str> {
    let Measure::Arp(addr) = measure else { return Vec::new() };
    let mut hosts: Vec<&str> = outcome
        .arp_answers
        .iter()
        .filter(|answer| answer.addr == *addr)
        .map(|answer| &*answer.host)
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// What was measured: a label (empty for a single value) and a number in the base unit.
pub(super) fn values(measure: &Measure, unit: Unit, outcome: &Outcome) -> Vec<(String, f64)> {
    let one = |value: f64| vec![(String::new(), value)];
    let sum = |group: &Option<String>, count: fn(&ClientOutcome) -> u64| {
        one(clients(outcome, group).map(count).sum::<u64>() as f64)
    };
    match measure {
        Measure::Balance => balance(&outcome.servers).map_or_else(Vec::new, one),
        Measure::Jain => jain(&outcome.servers).map_or_else(Vec::new, one),
        Measure::Started(group) => sum(group, |client| client.started),
        Measure::Retransmissions(group) => sum(group, |client| client.retransmissions),
        Measure::Success(group) => {
            let good: u64 = clients(outcome, group).map(|client| client.succeeded).sum();
            let bad: u64 =
                clients(outcome, group).flat_map(|client| &client.failed).map(|(_, count)| count).sum();
            if good + bad == 0 { Vec::new() } else { one(good as f64 / (good + bad) as f64) }
        }
        Measure::Answered(group) => {
            let good: u64 = clients(outcome, group).map(|client| client.succeeded).sum();
            let begun: u64 = clients(outcome, group).map(|client| client.started).sum();
            if begun == 0 { Vec::new() } else { one(good as f64 / begun as f64) }
        }
        Measure::Failures(cause, group) => {
            let counts = clients(outcome, group).flat_map(|client| &client.failed);
            let counts = counts.filter(|(found, _)| cause.is_none_or(|cause| cause == *found));
            one(counts.map(|(_, count)| count).sum::<u64>() as f64)
        }
        Measure::Latency(statistic, group) => time(outcome, *statistic, group, |client| &client.latency),
        Measure::Connect(statistic, group) => time(outcome, *statistic, group, |client| &client.connect),
        Measure::Served(pattern) => {
            let all: u64 = outcome.servers.iter().map(|server| server.accepted).sum();
            let scale = if unit == Unit::Percent { 1.0 / all.max(1) as f64 } else { 1.0 };
            servers(outcome, pattern, |server| server.accepted as f64 * scale)
        }
        Measure::Utilisation(pattern) => servers(outcome, pattern, |server| server.utilisation),
        Measure::Drops(place, reason) => {
            let found = outcome.drops.iter().filter(|drop| {
                place.as_ref().is_none_or(|place| *place == drop.place)
                    && reason.is_none_or(|r| r == drop.reason)
            });
            one(found.map(|drop| drop.count).sum::<u64>() as f64)
        }
        Measure::Scheduled { director, service, server } => {
            scheduled(outcome, director, service, server).map_or_else(Vec::new, one)
        }
        Measure::Entries(director) => {
            one(directors(outcome, director).map(|found| found.connections).sum::<u64>() as f64)
        }
        Measure::Arp(_) => Vec::new(),
    }
}

/// Connections that IPVS scheduled; none if there is no such service or server.
fn scheduled(
    outcome: &Outcome,
    director: &Option<String>,
    service: &Option<String>,
    server: &Option<String>,
) -> Option<f64> {
    let services = directors(outcome, director).flat_map(|d| &d.services);
    // Names read `TCP 10.0.0.100:80`, `FWM 10`.
    let services = services.filter(|found| {
        service.as_ref().is_none_or(|name| found.name.split(' ').nth(1) == Some(name.as_str()))
    });
    let destinations = services.flat_map(|found| &found.destinations);
    let counts: Vec<u64> = destinations
        .filter(|found| server.as_ref().is_none_or(|name| *name == found.name))
        .map(|found| found.conns)
        .collect();
    let is_unknown = counts.is_empty() && (service.is_some() || server.is_some());
    (!is_unknown).then(|| counts.iter().sum::<u64>() as f64)
}

fn clients<'a>(outcome: &'a Outcome, group: &'a Option<String>) -> impl Iterator<Item = &'a ClientOutcome> {
    outcome.clients.iter().filter(move |client| group.as_ref().is_none_or(|name| *name == client.name))
}

fn directors<'a>(
    outcome: &'a Outcome,
    director: &'a Option<String>,
) -> impl Iterator<Item = &'a DirectorOutcome> {
    outcome.directors.iter().filter(move |found| director.as_ref().is_none_or(|name| *name == found.name))
}

fn servers(
    outcome: &Outcome,
    pattern: &NamePattern,
    value: impl Fn(&ServerOutcome) -> f64,
) -> Vec<(String, f64)> {
    let named = |server: &&ServerOutcome| pattern.matches(&server.name);
    outcome.servers.iter().filter(named).map(|server| (format!("{} ", server.name), value(server))).collect()
}

fn time(
    outcome: &Outcome,
    statistic: Statistic,
    group: &Option<String>,
    which: fn(&ClientOutcome) -> &Histogram,
) -> Vec<(String, f64)> {
    let mut all = Histogram::new();
    clients(outcome, group).for_each(|client| all.merge(which(client)));
    if all.count() == 0 {
        return Vec::new();
    }
    let value = match statistic {
        Statistic::Quantile(q) => all.quantile(q),
        Statistic::Mean => all.mean(),
        Statistic::Max => all.max(),
    };
    vec![(String::new(), value.as_secs_f64())]
}

/// Accepted connections over fair share, of the servers that have a weight.
fn shares(servers: &[ServerOutcome]) -> Vec<f64> {
    let weighted = || servers.iter().filter(|server| server.weight > 0);
    let weights: i64 = weighted().map(|server| server.weight).sum();
    let accepted: u64 = weighted().map(|server| server.accepted).sum();
    if accepted == 0 {
        return Vec::new();
    }
    let fair = |server: &ServerOutcome| accepted as f64 * server.weight as f64 / weights as f64;
    weighted().map(|server| server.accepted as f64 / fair(server)).collect()
}

fn balance(servers: &[ServerOutcome]) -> Option<f64> {
    shares(servers).into_iter().reduce(f64::max)
}

fn jain(servers: &[ServerOutcome]) -> Option<f64> {
    let shares = shares(servers);
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}
