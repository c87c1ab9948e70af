//! The simulated director gets the packets that the kernel's director got, in their order and at their times, and
//! decides for itself.
//!
//! Two runs of one scenario are never the same to the microsecond: a processor needs time where the simulation needs
//! none, and of two packets that arrive nearly at once either may be first. For a scheduler that counts connections this
//! is a different question, and a different answer is no error. So the question is made the same.

use crate::compare::listing_difference;
use crate::decided::{Decided, Known};
use crate::flows::{self, Flows, Questions};
use crate::job::{Action, Job, Tap};
use crate::rehearse::LONG_TIMERS;
use crate::transcript::{Answer, Chosen, Transcript};
use net_model::host::InterfaceId;
use net_model::packet::Frame;
use net_model::pcap::{Reader, Record};
use net_model::wire::{LinkType, Read, decode};
use scenarios::exec::Line;
use scenarios::replay::Replay;
use scenarios::scenario::Scenario;
use scenarios::schema::Timers;
use sim_core::{Duration, Time, Wheel};
use std::collections::BTreeMap;

/// So soon after it has come in a packet leaves.
const AT_ONCE: Duration = Duration::from_micros(50);
/// So long after a packet has left its connection's timer is set: a thousand instructions.
const TIMER_SET: Duration = Duration::from_micros(1);

/// What the simulated director did with the kernel's packets.
#[derive(Clone, Debug, Default)]
pub struct Fed {
    /// The director, as an index into the job's hosts.
    pub director: usize,
    /// Packets that were captured.
    pub packets: u64,
    /// Its decisions of which something is known, in order.
    pub decisions: Vec<Decided>,
    /// Connections that the kernel's director made although the simulated one decided nothing.
    pub unasked: Vec<Chosen>,
    /// Its answers to the job's looks at it, with their numbers in the job.
    pub answers: Vec<(usize, Answer)>,
    /// What it sent.
    pub sent: Flows,
    /// What the kernel's director sent.
    pub seen: Flows,
    /// Whom the kernel's director asked for link addresses. The simulated one asks nobody.
    pub questions: Questions,
    /// Since when chance has decided about its table.
    pub chance: Option<Time>,
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
    let mut fed = Fed { director, packets: packets.len() as u64, ..Fed::default() };
    let mut programs = job.servers.iter().map(|server| server.host);
    if programs.any(|host| host == director) || job.attempts.iter().any(|attempt| attempt.host == director) {
        return Ok(Fed { is_busy: true, ..fed });
    }
    let name = &job.hosts[director];
    let mut replay = Replay::begin_watched(scenario, Some(name)).map_err(|error| error.to_string())?;
    if let Some(made) = seen.made.get(director) {
        replay.made_after(Duration::from_nanos(*made));
    }
    let cards = cards(job, director, &replay);
    let hosts: BTreeMap<&str, usize> = job.hosts.iter().map(String::as_str).zip(0..).collect();
    let mut known = Known::new(job, seen, director);
    let mut looks = looks(scenario, job, director)?.into_iter().peekable();
    for (index, packet) in packets.iter().enumerate() {
        let now = packet.time.as_nanos();
        while let Some((number, line)) = looks.peek().filter(|(number, _)| seen.answers[*number].at <= now) {
            let (answer, kernel) = (look(&mut replay, job, seen, *number, line), &seen.answers[*number]);
            // What comes in while the kernel answers may be in its answer, or not.
            if now <= kernel.done && listing_difference(&answer, kernel).is_some() {
                break;
            }
            fed.answers.push((*number, answer));
            looks.next();
        }
        let name = format!("{name}.{}", job.taps[packet.tap].device);
        let next = packets.get(index + 1);
        let left = || next.filter(|next| is_sent(next, &replay, &cards)).map(|next| next.time);
        let time = dealt_with(packet.time, left, Duration::from_nanos(seen.uptime));
        let made = replay.packet(&Record { time, ..packet.record(&name) });
        let host_of = |addr| hosts.get(replay.name_of(addr)?).copied();
        fed.decisions.extend(made.into_iter().filter_map(|decision| known.decided(decision, host_of)));
        fed.count(&mut replay, &cards);
        fed.count_seen(packet, &replay, &cards);
    }
    for (number, line) in looks {
        fed.answers.push((number, look(&mut replay, job, seen, number, &line)));
    }
    fed.count(&mut replay, &cards);
    fed.unasked = known.rest();
    fed.chance = replay.chance_since();
    Ok(fed)
}

/// A card of a director, as both sides know it.
struct Card {
    /// Index into the job's taps.
    tap: usize,
    interface: InterfaceId,
}

fn cards(job: &Job, director: usize, replay: &Replay<'_>) -> Vec<Card> {
    let taps = job.taps.iter().enumerate().filter(|(_, tap)| tap.host == director);
    let cards =
        taps.filter_map(|(tap, Tap { device, .. })| Some(Card { tap, interface: replay.interface(device)? }));
    cards.collect()
}

impl Fed {
    /// Counts what the simulated director has sent.
    fn count(&mut self, replay: &mut Replay<'_>, cards: &[Card]) {
        for (interface, frame) in replay.take_sent() {
            if let Some(card) = cards.iter().find(|card| card.interface == interface)
                && !replay.is_own_news(&frame)
            {
                flows::count(&mut self.sent, card.tap, &frame);
            }
        }
    }

    /// Counts a captured packet if the kernel's director has sent it.
    fn count_seen(&mut self, packet: &Packet, replay: &Replay<'_>, cards: &[Card]) {
        let Ok(Read { frame, .. }) = decode(packet.link, &packet.bytes, packet.wire_len) else { return };
        if !is_own(packet.tap, &frame, replay, cards) {
            return self.questions.answered(packet.tap, &frame);
        }
        self.questions.asked(packet.tap, &frame);
        if !replay.is_own_news(&frame) {
            flows::count(&mut self.seen, packet.tap, &frame);
        }
    }
}

/// Has one of the director's cards sent this frame?
fn is_own(tap: usize, frame: &Frame, replay: &Replay<'_>, cards: &[Card]) -> bool {
    // A card may get another link address on the way.
    cards.iter().any(|card| card.tap == tap && replay.mac(card.interface) == frame.src)
}

fn is_sent(packet: &Packet, replay: &Replay<'_>, cards: &[Card]) -> bool {
    let read = decode(packet.link, &packet.bytes, packet.wire_len);
    read.is_ok_and(|read| is_own(packet.tap, &read.frame, replay, cards))
}

/// The instant, for the simulation, at which the kernel dealt with a packet that came in at one instant and left at another:
/// the first of both, but near a tick of the kernel's clock.
///
/// IPVS sets a connection's timer when the packet has left: if that is after the tick, from the count after it. And a kernel
/// that is dealing with packets when its clock ticks looks after its timers when it is done: a packet that comes in just
/// after a tick at which entries expire comes before that, or they would have kept the kernel from it.
fn dealt_with(came: Time, left: impl FnOnce() -> Option<Time>, uptime: Duration) -> Time {
    let wheel = Wheel::new(250, uptime);
    let jiffy = wheel.jiffies(came);
    let tick = wheel.at_jiffy(jiffy);
    if jiffy.is_multiple_of(LONG_TIMERS) && tick > Time::ZERO && came.since(tick) < AT_ONCE {
        return Time::from_nanos(tick.as_nanos() - 1);
    }
    if wheel.jiffies(came + AT_ONCE) == jiffy {
        return came; // no tick is near, whenever it left
    }
    match left().map(|left| left + TIMER_SET) {
        Some(done) if done.since(came) < AT_ONCE && wheel.jiffies(done) != jiffy => {
            wheel.at_jiffy(wheel.jiffies(done))
        }
        _ => came,
    }
}

impl Packet {
    fn record<'a>(&'a self, name: &'a str) -> Record<'a> {
        Record {
            time: self.time,
            port: self.tap,
            name: Some(name),
            link: self.link,
            bytes: &self.bytes,
            wire_len: self.wire_len,
            direction: None,
        }
    }
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
        ..Answer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up for four times 512 ticks and two milliseconds: the clock ticks at even instants that are no multiples of four.
    const UPTIME: Duration = Duration::from_millis(16_386);

    /// Where a packet that comes and leaves so many nanoseconds after a tick is put, in nanoseconds after that tick; so many
    /// ticks after entries expire.
    fn put(ticks: u64, came: u64, left: Option<u64>) -> i64 {
        let wheel = Wheel::new(250, UPTIME);
        let round = wheel.jiffies(Time::from_nanos(100_000_000_000)).next_multiple_of(LONG_TIMERS);
        let tick = wheel.at_jiffy(round + ticks);
        let at = |after: u64| tick + Duration::from_nanos(after);
        let dealt = dealt_with(at(came), || left.map(at), UPTIME);
        dealt.as_nanos().cast_signed() - tick.as_nanos().cast_signed()
    }

    #[test]
    fn most_packets_are_dealt_with_when_they_come() {
        assert_eq!(put(7, 1_000_000, Some(1_008_000)), 1_000_000);
        assert_eq!(put(7, 6_694, Some(14_972)), 6_694);
        assert_eq!(put(7, 3_996_252, None), 3_996_252);
        assert_eq!(put(7, 3_900_000, Some(4_100_000)), 3_900_000, "that is another packet");
    }

    #[test]
    fn a_packet_that_leaves_after_a_tick_counts_from_there() {
        assert_eq!(put(7, 3_996_252, Some(4_000_082)), 4_000_000);
        assert_eq!(put(7, 3_995_000, Some(3_999_500)), 4_000_000, "its timer is set a moment later");
        assert_eq!(put(7, 3_990_000, Some(3_998_000)), 3_990_000);
    }

    #[test]
    fn a_packet_just_after_a_tick_comes_before_the_entries_that_expire_then() {
        assert_eq!(put(0, 6_694, Some(14_972)), -1);
        assert_eq!(put(0, 60_000, Some(68_000)), 60_000);
    }
}
