//! What a kernel did, held against the simulation.
//!
//! Two questions. Did the kernel's director decide as the simulated one does when it gets the same packets in the same
//! order ([`crate::feed`])? And did the clients see what they see in the simulation, where the order of packets that
//! arrive nearly at once may be another?

use crate::decided::{Decided, Kernel};
use crate::feed::Fed;
use crate::flows::{Flow, Flows};
use crate::history;
use crate::job::Job;
use crate::rehearse::SNAPSHOT;
use crate::transcript::{Answer, Outcome, Transcript};
use net_model::ipvs::endpoint;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What was compared, and what differs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comparison {
    /// Decisions of directors that were made twice, by the kernel and by the simulation, about the same packets.
    pub decisions: usize,
    /// Packets that directors got and sent.
    pub packets: u64,
    /// Flows that directors sent, each on its interface: so many packets, so many bytes.
    pub flows: usize,
    /// Listings.
    pub listings: usize,
    /// How attempts ended for their clients.
    pub outcomes: usize,
    /// Attempts that another server took than in the simulation's own run.
    pub moved: usize,
    /// Decisions about connections that no server ever took, which the kernel did not tell.
    pub untaken: usize,
    /// Flows that were not compared, because a next hop never told the kernel's director its link address.
    pub undelivered: usize,
    /// Decisions and listings that were not compared, because chance had dropped entries before.
    pub chance: usize,
    /// Outcomes that were not compared, because the kernel itself does not repeat them.
    pub unsettled: usize,
    /// Listings that were not compared, because the kernel's second answer was the simulation's.
    pub unsettled_listings: usize,
    /// Everything that differs, in the order of time.
    pub differences: Vec<Difference>,
}

/// Something that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When, in nanoseconds from the beginning.
    pub at: u64,
    /// What, in words, with both sides.
    pub text: String,
}

/// What a kernel does not repeat when the scenario begins at another phase of its timers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unsettled {
    /// Attempts that ended otherwise.
    pub attempts: BTreeSet<usize>,
    /// Looks about which the simulation and the kernel agreed the second time. A packet that enters within microseconds
    /// of a tick of the kernel's clock, for one, sets a timer by the count before the tick or by the one after it.
    pub looks: BTreeSet<usize>,
}

/// Compares a kernel's account of a job with the simulation's, and with what simulated directors made of its packets.
///
/// What is unsettled is left out where it differs.
pub fn compare(
    job: &Job,
    simulated: &Transcript,
    seen: &Transcript,
    fed: &[Fed],
    unsettled: &Unsettled,
) -> Comparison {
    let mut comparison = Comparison::default();
    for director in fed {
        comparison.packets += director.packets;
        if director.is_busy {
            comparison.own_run(job, simulated, seen, director.director);
            continue;
        }
        comparison.decisions(job, seen, director);
        comparison.listings(seen, director, unsettled);
        comparison.flows(job, director);
    }
    comparison.outcomes(job, simulated, seen, &unsettled.attempts);
    comparison.differences.sort_by_key(|difference| difference.at);
    comparison
}

/// What a kernel does not repeat, given its two accounts and what simulated directors made of the second one's packets.
pub fn unsettled(first: &Transcript, second: &Transcript, fed: &[Fed]) -> Unsettled {
    let pairs = first.attempts.iter().zip(&second.attempts).enumerate();
    let answers = fed.iter().flat_map(|director| &director.answers);
    let agreed =
        answers.filter(|(look, answer)| listing_difference(answer, &second.answers[*look]).is_none());
    Unsettled {
        attempts: pairs.filter(|(_, (a, b))| a.end != b.end).map(|(index, _)| index).collect(),
        looks: agreed.map(|(look, _)| *look).collect(),
    }
}

/// Has a kernel done otherwise in a second run, since an instant: chosen another server, or listed something else?
pub fn differs_since(since: u64, job: &Job, first: &Transcript, second: &Transcript) -> bool {
    let attempts = first.attempts.iter().zip(&second.attempts).zip(&job.attempts);
    let mut later = attempts.filter(|(_, attempt)| attempt.at >= since);
    let mut answers = first.answers.iter().zip(&second.answers).filter(|(answer, _)| answer.at >= since);
    later.any(|((a, b), _)| a.server != b.server) || answers.any(|(a, b)| listing_difference(a, b).is_some())
}

/// What two kernels did with the same job, beside each other. Connections may go elsewhere because packets came in
/// another order: whether a kernel decided wrongly is told by its own comparison with the simulation.
pub fn parted(one: &Transcript, other: &Transcript) -> String {
    let pairs = || one.attempts.iter().zip(&other.attempts);
    let elsewhere = pairs().filter(|(a, b)| a.server != b.server).count();
    let otherwise = pairs().filter(|(a, b)| a.end != b.end).count();
    format!(
        "{} and {}: of {} connections {elsewhere} went to another server, {otherwise} ended otherwise",
        one.by,
        other.by,
        one.attempts.len()
    )
}

impl Comparison {
    /// Each decision of a fed director against what is known of the kernel's.
    fn decisions(&mut self, job: &Job, seen: &Transcript, fed: &Fed) {
        let is_chance = |at: u64| fed.chance.is_some_and(|since| at >= since.as_nanos());
        let mut made: Vec<&Decided> = Vec::with_capacity(fed.decisions.len());
        for decided in &fed.decisions {
            let at = decided.decision.time.as_nanos();
            if decided.kernel == Kernel::Unknown {
                self.untaken += 1;
                continue;
            }
            if is_chance(at) {
                self.chance += 1;
                continue;
            }
            self.decisions += 1;
            made.push(decided);
            if decided.differs() {
                let mut text = decision_text(job, decided);
                if self.differences.is_empty() {
                    text += &history::before(job, seen, fed.director, &made);
                }
                self.differences.push(Difference { at, text });
            }
        }
        for one in fed.unasked.iter().filter(|one| !is_chance(one.at)) {
            self.decisions += 1;
            let text = format!(
                "connection from {} to {}\n  simulation: no decision\n  kernel:     {}",
                one.client, one.service, one.server
            );
            self.differences.push(Difference { at: one.at, text });
        }
    }

    fn listings(&mut self, seen: &Transcript, fed: &Fed, unsettled: &Unsettled) {
        for (look, answer) in &fed.answers {
            let kernel = &seen.answers[*look];
            if fed.chance.is_some_and(|since| answer.at >= since.as_nanos()) {
                self.chance += 1;
            } else if unsettled.looks.contains(look) && listing_difference(answer, kernel).is_some() {
                self.unsettled_listings += 1;
            } else {
                self.listing(answer, kernel);
            }
        }
    }

    fn listing(&mut self, simulation: &Answer, kernel: &Answer) {
        self.listings += 1;
        if let Some(text) = listing_difference(simulation, kernel) {
            let host = simulation.host.as_deref().unwrap_or("-");
            let text = format!("{host}# {}   (- simulation, + kernel)\n{text}", simulation.command);
            self.differences.push(Difference { at: simulation.at, text });
        }
    }

    /// What the two directors sent: how much of each flow on each interface.
    fn flows(&mut self, job: &Job, fed: &Fed) {
        let all: BTreeSet<&Flow> = fed.sent.keys().chain(fed.seen.keys()).collect();
        let volume = |flows: &Flows, flow| flows.get(flow).copied().unwrap_or_default();
        for flow in all {
            let (simulation, kernel) = (volume(&fed.sent, flow), volume(&fed.seen, flow));
            if kernel.packets < simulation.packets && fed.questions.silent.contains(&flow.tap) {
                self.undelivered += 1;
                continue;
            }
            self.flows += 1;
            if simulation != kernel {
                let (host, device) = (&job.hosts[fed.director], &job.taps[flow.tap].device);
                let text = format!(
                    "{host} sent out of {device}: {flow}\n  simulation: {simulation}\n  kernel:     {kernel}"
                );
                self.differences.push(Difference { at: job.end, text });
            }
        }
    }

    /// A director that could not be fed: the servers and listings of the simulation's own run against the kernel's.
    fn own_run(&mut self, job: &Job, simulated: &Transcript, seen: &Transcript, director: usize) {
        let host = Some(&job.hosts[director]);
        for (simulation, kernel) in simulated.answers.iter().zip(&seen.answers) {
            if simulation.host.as_ref() == host {
                self.listing(simulation, kernel);
            }
        }
        for (index, (a, b)) in simulated.attempts.iter().zip(&seen.attempts).enumerate() {
            self.decisions += usize::from(b.server.is_some());
            if b.server.is_some() && a.server != b.server {
                let text = outcome_text(job, index, a, b);
                self.differences.push(Difference { at: job.attempts[index].at, text });
            }
        }
    }

    fn outcomes(
        &mut self,
        job: &Job,
        simulated: &Transcript,
        seen: &Transcript,
        unsettled: &BTreeSet<usize>,
    ) {
        for (index, (a, b)) in simulated.attempts.iter().zip(&seen.attempts).enumerate() {
            if unsettled.contains(&index) {
                self.unsettled += 1;
                continue;
            }
            self.outcomes += 1;
            self.moved += usize::from(a.server != b.server);
            if a.end != b.end {
                let text = outcome_text(job, index, a, b);
                self.differences.push(Difference { at: job.attempts[index].at, text });
            }
        }
    }

    /// `0 differences in 100 decisions, 1100 packets, 3 listings, 100 outcomes`
    pub fn sentence(&self) -> String {
        let s = if self.differences.len() == 1 { "" } else { "s" };
        format!(
            "{} difference{s} in {} decisions, {} packets, {} flows, {} listings, {} outcomes",
            self.differences.len(),
            self.decisions,
            self.packets,
            self.flows,
            self.listings,
            self.outcomes
        )
    }
}

/// How an attempt went on both sides.
fn outcome_text(job: &Job, index: usize, simulation: &Outcome, kernel: &Outcome) -> String {
    let attempt = &job.attempts[index];
    format!(
        "connection {} from {} to {}\n  simulation: {}\n  kernel:     {}",
        index + 1,
        attempt.local,
        attempt.remote,
        outcome(job, simulation),
        outcome(job, kernel)
    )
}

/// Who chose whom, and what the simulated director had to choose from.
fn decision_text(job: &Job, decided: &Decided) -> String {
    let decision = &decided.decision;
    let [client, service] = [decision.client, decision.target].map(|(addr, port)| endpoint(addr, port));
    let number = decided.attempt.map_or(String::new(), |attempt| format!("{} ", attempt + 1));
    let mut text = format!(
        "connection {number}from {client} to {service}\n  simulation: {}\n  kernel:     {}\n  the simulated \
         director's table:",
        decided.choice(job),
        decided.kernels_choice(job)
    );
    for candidate in &decided.decision.candidates {
        let _ = write!(
            text,
            "\n    {} weight {} active {} inactive {}: {}",
            endpoint(candidate.key.addr, candidate.key.port),
            candidate.weight,
            candidate.active,
            candidate.inactive,
            candidate.objection.unwrap_or(&candidate.figure)
        );
    }
    text
}

fn outcome(job: &Job, outcome: &Outcome) -> String {
    let server = outcome.server.map_or("no server", |server| &job.hosts[job.servers[server].host]);
    let ended = outcome.ended.map_or(String::new(), |at| format!(" at {:.6} s", at as f64 / 1e9));
    format!("{server}, {}{ended}", outcome.end.name())
}

/// The lines that differ, as a diff; none if they are the same.
pub(crate) fn listing_difference(a: &Answer, b: &Answer) -> Option<String> {
    let order = |answer: &Answer| {
        let mut lines: Vec<String> = answer.stdout.lines().map(|line| line.trim_end().to_owned()).collect();
        if answer.command.ends_with("-Lnc") {
            // The table is a hash table: its order says nothing. When an entry expires is a clock.
            lines.iter_mut().skip(2).for_each(|line| *line = without_expiry(line));
            lines.sort_unstable();
        }
        if answer.command == SNAPSHOT {
            // So is the table of services, and each network namespace has another hash.
            lines = with_services(&lines);
            lines.sort_unstable();
        }
        lines
    };
    let (a, b) = (order(a), order(b));
    if a == b {
        return None;
    }
    let mut text = String::new();
    for line in a.iter().filter(|line| !b.contains(line)).take(8) {
        let _ = writeln!(text, "  - {line}");
    }
    for line in b.iter().filter(|line| !a.contains(line)).take(8) {
        let _ = writeln!(text, "  + {line}");
    }
    Some(text)
}

/// Each server behind its service.
fn with_services(lines: &[String]) -> Vec<String> {
    let mut service = "";
    let of_service = lines.iter().map(|line| {
        if line.trim_start().starts_with("->") {
            return format!("{service}{line}");
        }
        service = line;
        line.clone()
    });
    of_service.collect()
}

fn without_expiry(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.len() > 1 {
        words.remove(1);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::Volume;
    use crate::transcript::End;

    #[test]
    fn two_kernels_beside_each_other() {
        let account = |by: &str, server, end| Transcript {
            by: by.into(),
            attempts: vec![
                Outcome { server: Some(0), end: End::Answered, ended: None },
                Outcome { server, end, ended: None },
            ],
            ..Transcript::default()
        };
        let one = account("Linux 6.1", Some(0), End::Answered);
        let other = account("Linux 6.12", None, End::Refused);
        assert_eq!(
            parted(&one, &other),
            "Linux 6.1 and Linux 6.12: of 2 connections 1 went to another server, 1 ended otherwise"
        );
    }

    fn said(command: &str, stdout: &str) -> Answer {
        Answer { command: command.into(), stdout: stdout.into(), ..Answer::default() }
    }

    /// Two directors that sent so many packets of a flow to a client and of one to a server.
    fn fed(simulation: [u64; 2], kernel: [u64; 2]) -> Fed {
        let addr = |last: u32| net_model::addr::Addr::v4(0x0a00_0000 + last);
        let flow = |dst| Flow {
            tap: 0,
            vlan: 0,
            protocol: 6,
            src: addr(1),
            dst: addr(dst),
            ports: Some((1024, 80)),
            tunnel: None,
        };
        let flows = |packets: [u64; 2]| {
            let volumes = packets.map(|packets| Volume { packets, bytes: 40 * packets });
            [flow(2), flow(3)].into_iter().zip(volumes).collect::<Flows>()
        };
        Fed { sent: flows(simulation), seen: flows(kernel), ..Fed::default() }
    }

    fn cluster() -> Job {
        let tap = crate::job::Tap { host: 0, device: "eth0".into() };
        Job { hosts: vec!["director".into()], taps: vec![tap], ..Job::default() }
    }

    #[test]
    fn directors_send_the_same_of_every_flow() {
        let mut comparison = Comparison::default();
        comparison.flows(&cluster(), &fed([4, 5], [4, 5]));
        assert_eq!((comparison.flows, &comparison.differences[..]), (2, &[][..]));
        comparison.flows(&cluster(), &fed([4, 5], [4, 6]));
        let texts: Vec<&str> = comparison.differences.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "director sent out of eth0: TCP 10.0.0.1:1024 > 10.0.0.3:80\n  simulation: 5 packets, 200 bytes\n  \
              kernel:     6 packets, 240 bytes"
            ]
        );
    }

    #[test]
    fn what_waits_for_a_silent_next_hop_is_not_compared() {
        let mut silent = fed([4, 5], [4, 0]);
        silent.questions.silent.insert(0);
        let mut comparison = Comparison::default();
        comparison.flows(&cluster(), &silent);
        assert_eq!((comparison.flows, comparison.undelivered, comparison.differences.len()), (1, 1, 0));
        let mut more = fed([4, 5], [4, 6]);
        more.questions.silent.insert(0);
        comparison.flows(&cluster(), &more);
        assert_eq!(comparison.differences.len(), 1, "a silent next hop is no reason to send more");
    }

    /// How a listing is judged, if the kernel's second answer to it is this one and the simulation's that.
    fn judged(kernel: &str, again: &str, simulation: &str) -> (usize, usize, usize) {
        let account =
            |text: &str| Transcript { answers: vec![said("ipvsadm -Ln", text)], ..Transcript::default() };
        let fed = |text: &str| Fed { answers: vec![(0, said("ipvsadm -Ln", text))], ..Fed::default() };
        let (seen, second) = (account(kernel), account(again));
        let unsettled = unsettled(&seen, &second, &[fed(simulation)]);
        let mut comparison = Comparison::default();
        comparison.listings(&seen, &fed("8 inactive"), &unsettled);
        (comparison.listings, comparison.unsettled_listings, comparison.differences.len())
    }

    #[test]
    fn a_listing_on_which_both_agree_the_second_time_is_unsettled() {
        assert_eq!(judged("9 inactive", "7 inactive", "7 inactive"), (0, 1, 0));
        assert_eq!(judged("9 inactive", "9 inactive", "8 inactive"), (1, 0, 1), "the kernel repeats it");
        assert_eq!(judged("8 inactive", "7 inactive", "7 inactive"), (1, 0, 0), "both agreed the first time");
    }

    #[test]
    fn the_order_of_hash_tables_says_nothing() {
        let table = ["TCP  A rr\n  -> B 1\n", "TCP  C rr\n  -> B 2\n  -> D 0\n"];
        let (one, other) = (table.concat(), [table[1], table[0]].concat());
        assert_eq!(listing_difference(&said(SNAPSHOT, &one), &said(SNAPSHOT, &other)), None);
        let swapped = one.replace("B 1", "B 9").replace("B 2", "B 1").replace("B 9", "B 2");
        assert!(listing_difference(&said(SNAPSHOT, &one), &said(SNAPSHOT, &swapped)).is_some());
        assert!(listing_difference(&said("ipvsadm -Ln", &one), &said("ipvsadm -Ln", &other)).is_some());
    }
}
