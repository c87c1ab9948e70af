//! A transcript as steps with their times.

use net_model::addr::Addr;
use net_model::packet::{Chunks, Datagram, Flags, Packet, Payload, Segment};
use sim_core::{Duration, Time};

/// Packets follow one another at this distance.
const GAP: f64 = 0.02;
/// SIP messages were sent by a program that waited for an answer.
const SIP_GAP: f64 = 1.0;
/// When the first command of a recording without times ran.
const START: f64 = 1.5;

/// The steps of a recording, each with its time.
pub(crate) struct Transcript {
    pub(crate) steps: Vec<(Time, Step)>,
}

/// What happens.
pub(crate) enum Step {
    /// A command, and what it answered.
    Run { line: String, stdout: String, stderr: String, status: i32 },
    /// Packets arrive.
    Send { packet: Packet, count: u32 },
    /// The counters are set.
    Set([u64; 10]),
}

impl Transcript {
    pub(crate) fn parse(text: &str) -> Transcript {
        let mut steps: Vec<(f64, Step)> = Vec::new();
        // Steps since the last known time, and how long after one another they came.
        let mut now = START;
        let mut pending: Vec<(f64, Option<Step>)> = Vec::new();
        for line in text.lines() {
            let (mark, rest) = line.split_at(line.len().min(2));
            match mark {
                "> " if rest.contains(": SIP ") => {
                    pending.push((SIP_GAP, Some(Step::Send { packet: sip(rest), count: 1 })));
                }
                "> " => {
                    let (packet, count) = packet(rest);
                    pending.push((GAP * f64::from(count), Some(Step::Send { packet, count })));
                }
                "~ " => {
                    let seconds = rest.strip_prefix("sleep ").expect("a sleep").parse().expect("seconds");
                    pending.push((seconds, None));
                }
                "@ " => {
                    let at: f64 = rest.parse().expect("a time");
                    let length: f64 = pending.iter().map(|(length, _)| length).sum();
                    place(&mut steps, &mut pending, at - length);
                    now = at;
                }
                "# " => {
                    if let Some(numbers) = rest.strip_prefix("SET ") {
                        let numbers: Vec<u64> =
                            numbers.split(',').map(|n| n.parse().expect("a counter")).collect();
                        pending.push((0.0, Some(Step::Set(numbers.try_into().expect("ten counters")))));
                    }
                }
                "$ " => {
                    now += place(&mut steps, &mut pending, now);
                    let line = rest.to_string();
                    let run = Step::Run { line, stdout: String::new(), stderr: String::new(), status: 0 };
                    steps.push((now, run));
                }
                _ => answer(line, mark, rest, &mut steps),
            }
        }
        let in_time = |(at, step): (f64, Step)| (Time::ZERO + Duration::from_secs_f64(at), step);
        Transcript { steps: steps.into_iter().map(in_time).collect() }
    }

    pub(crate) fn has_packets(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Send { .. }))
    }
}

impl Step {
    /// The command line, if it is a command.
    pub(crate) fn command(&self) -> Option<&str> {
        match self {
            Step::Run { line, .. } => Some(line),
            Step::Send { .. } | Step::Set(_) => None,
        }
    }
}

/// Gives the pending steps their times, from `start` on; the answer is how long they took.
fn place(steps: &mut Vec<(f64, Step)>, pending: &mut Vec<(f64, Option<Step>)>, start: f64) -> f64 {
    let mut at = start;
    for (length, step) in pending.drain(..) {
        steps.extend(step.map(|step| (at, step)));
        at += length;
    }
    at - start
}

/// A line of the answer of the last command.
fn answer(line: &str, mark: &str, rest: &str, steps: &mut [(f64, Step)]) {
    let Some((_, Step::Run { stdout, stderr, status, .. })) = steps.last_mut() else {
        panic!("an answer before any command: {line}");
    };
    match mark {
        "| " => *stdout += &format!("{rest}\n"),
        "! " => *stderr += &format!("{rest}\n"),
        "|" => stdout.push('\n'),
        "!" => stderr.push('\n'),
        _ => *status = line.strip_prefix("exit ").expect("an exit status").parse().expect("a number"),
    }
}

/// `host proto src sport dst dport flags len [n]`
fn packet(text: &str) -> (Packet, u32) {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, proto, src, sport, dst, dport, flags, len] = words[..8] else { panic!("a packet: {text}") };
    let addr = |text: &str| text.parse::<Addr>().expect("an address");
    let number = |text: &str| text.parse::<u16>().expect("a number");
    let (src, dst, sport, dport, len) = (addr(src), addr(dst), number(sport), number(dport), number(len));
    let (header, payload) = match proto {
        "tcp" => {
            (20, Payload::Tcp(Segment { sport, dport, len, flags: tcp_flags(flags), ..Segment::default() }))
        }
        "udp" => (8, Payload::Udp(Datagram { sport, dport })),
        "sctp" => (32, Payload::Sctp(Chunks { sport, dport, first: 1, second: None })),
        other => panic!("the protocol {other}"),
    };
    let ip = if src.is_v4() { 20 } else { 40 };
    let packet = Packet {
        src,
        dst,
        mark: 0,
        flow: 0,
        len: ip + header + len,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload,
        outer: None,
        text: None,
    };
    (packet, words.get(8).map_or(1, |n| n.parse().expect("a count")))
}

/// `host udp from port PORT to ADDRESS:PORT: SIP METHOD, Call-ID ID`
fn sip(text: &str) -> Packet {
    let (head, id) = text.split_once(", Call-ID ").expect("a Call-ID");
    let (head, method) = head.split_once(": SIP ").expect("a method");
    let words: Vec<&str> = head.split(' ').collect();
    let [host, "udp", "from", "port", sport, "to", target] = words[..] else { panic!("a message: {text}") };
    let src = if host == "c" { "10.0.0.11" } else { "10.0.0.12" };
    let (dst, dport) = target.split_once(':').expect("a port");
    let (mut packet, _) = packet(&format!("{host} udp {src} {sport} {dst} {dport} - 0"));
    packet.say(format!("{method} sip:service SIP/2.0\r\nCall-ID: {id}\r\n\r\n").as_bytes());
    packet
}

fn tcp_flags(letters: &str) -> Flags {
    letters.chars().fold(Flags::default(), |flags, letter| {
        flags.with(match letter {
            'S' => Flags::SYN,
            'A' => Flags::ACK,
            'F' => Flags::FIN,
            'R' => Flags::RST,
            'P' => Flags::PSH,
            other => panic!("the flag {other}"),
        })
    })
}
