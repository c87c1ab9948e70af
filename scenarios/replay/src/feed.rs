//! The simulated director gets the packets that the kernel's director got, in their order and at their times, and
//! decides for itself.
//!
//! Two runs of one scenario are never the same to the microsecond: a processor needs time where the simulation needs
//! none, and of two packets that arrive nearly at once either may be first. For a scheduler that counts connections this
//! is a different question, and a different answer is no error. So the question is made the same.

use crate::job::{Action, Job};
use crate::transcript::{Answer, Transcript};
use net_model::ipvs::Decision;
use net_model::pcap::{Reader, Record};
use net_model::wire::LinkType;
use scenarios::exec::Line;
use scenarios::replay::Replay;
use scenarios::scenario::Scenario;
use scenarios::schema::Timers;
use sim_core::{Duration, Time};

/// What the simulated director did with the kernel's packets.
#[derive(Clone, Debug, Default)]
pub struct Fed {
    /// The director, as an index into the job's hosts.
    pub director: usize,
    /// Packets that went in.
    pub packets: u64,
    /// Its decisions, in order, each with the host it chose, as an index into the job's hosts.
    pub decisions: Vec<(Decision, Option<usize>)>,
    /// Its answers to the job's looks at it, with their numbers in the job.
    pub answers: Vec<(usize, Answer)>,
    /// Programs of its own take part, whose packets no card shows: it was not fed.
    pub is_busy: bool,
}

/// A packet of a capture.
pub(crate) struct Packet {
    pub(crate) time: Time,
    /// Index into the job's taps.
    pub(crate) tap: usize,
    pub(crate) link: LinkType,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: usize,
}

/// Feeds every director of a job with what was captured at it.
///
/// # Errors
/// What is wrong with a capture or the scenario, in words.
pub fn feed(scenario: &Scenario, job: &Job, seen: &Transcript) -> Result<Vec<Fed>, String> {
    let scenario = as_it_happened(scenario, job, seen);
    let mut directors: Vec<usize> = job.taps.iter().map(|tap| tap.host).collect();
    directors.dedup();
    directors.into_iter().map(|director| feed_one(&scenario, job, seen, director)).collect()
}

fn feed_one(scenario: &Scenario, job: &Job, seen: &Transcript, director: usize) -> Result<Fed, String> {
    let packets = packets(job, seen, director)?;
    let mut programs = job.servers.iter().map(|server| server.host);
    if programs.any(|host| host == director) || job.attempts.iter().any(|attempt| attempt.host == director) {
        return Ok(Fed { director, packets: packets.len() as u64, is_busy: true, ..Fed::default() });
    }
    let mut replay =
        Replay::begin(scenario, Some(&job.hosts[director])).map_err(|error| error.to_string())?;
    if let Some(made) = seen.made.get(director) {
        replay.made_after(Duration::from_nanos(*made));
    }
    let mut fed = Fed { director, packets: packets.len() as u64, ..Fed::default() };
    let mut looks = looks(scenario, job, director)?.into_iter().peekable();
    for packet in &packets {
        while let Some((number, line)) =
            looks.next_if(|(number, _)| seen.answers[*number].at <= packet.time.as_nanos())
        {
            fed.answers.push((number, look(&mut replay, job, seen, number, &line)));
        }
        let name = format!("{}.{}", job.hosts[director], job.taps[packet.tap].device);
        let record = Record {
            time: packet.time,
            port: packet.tap,
            name: Some(&name),
            link: packet.link,
            bytes: &packet.bytes,
            wire_len: packet.wire_len,
            direction: None,
        };
        for decision in replay.packet(&record) {
            let name = decision.outcome.ok().and_then(|server| replay.name_of(server.addr));
            let host = name.and_then(|name| job.hosts.iter().position(|host| host == name));
            fed.decisions.push((decision, host));
        }
    }
    for (number, line) in looks {
        fed.answers.push((number, look(&mut replay, job, seen, number, &line)));
    }
    Ok(fed)
}

/// The scenario with its events at the instants at which the kernel had carried them out.
fn as_it_happened(scenario: &Scenario, job: &Job, seen: &Transcript) -> Scenario {
    let mut scenario = scenario.clone();
    for (timed, (_, done)) in job.events.iter().zip(&seen.done) {
        scenario.events[timed.event].at = Time::from_nanos(*done);
    }
    scenario.events.sort_by_key(|event| event.at);
    scenario.timers = Timers::Wheel;
    scenario.uptime = Duration::from_nanos(seen.uptime);
    scenario
}

/// All packets that were seen at a director, in order of time.
pub(crate) fn packets(job: &Job, seen: &Transcript, director: usize) -> Result<Vec<Packet>, String> {
    let mut packets = Vec::new();
    for (tap, file) in seen.captures.iter().enumerate().filter(|(tap, _)| job.taps[*tap].host == director) {
        let mut reader = Reader::new(&file[..]).map_err(|problem| problem.to_string())?;
        while let Some(record) = reader.next().map_err(|problem| problem.to_string())? {
            let time = Time::from_nanos(record.time.as_nanos().saturating_sub(seen.zero));
            let (link, bytes, wire_len) = (record.link, record.bytes.to_vec(), record.wire_len);
            packets.push(Packet { time, tap, link, bytes, wire_len });
        }
    }
    packets.sort_by_key(|packet| packet.time);
    Ok(packets)
}

/// The looks at a director, with their numbers in the job.
fn looks(scenario: &Scenario, job: &Job, director: usize) -> Result<Vec<(usize, Line)>, String> {
    let name = Some(&job.hosts[director]);
    let of_it = job.looks.iter().enumerate().filter(|(_, look)| look.command.host.as_ref() == name);
    let lines = of_it.map(|(number, look)| {
        let Action::Run(words) = &look.command.action else { return Ok(None) };
        let line = Line::read(&words.join(" "), scenario).map_err(|error| error.problem)?;
        Ok(line.map(|line| (number, line)))
    });
    lines.filter_map(Result::transpose).collect()
}

fn look(replay: &mut Replay<'_>, job: &Job, seen: &Transcript, number: usize, line: &Line) -> Answer {
    let (look, at) = (&job.looks[number], seen.answers[number].at);
    let output = replay.look(Time::from_nanos(at), line);
    Answer {
        at,
        host: look.command.host.clone(),
        command: line.text.clone(),
        stdout: output.stdout,
        stderr: output.stderr,
        status: output.status,
    }
}
