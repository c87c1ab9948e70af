//! How a simulation is compared with a recording: the one place that says what must be equal and how nearly.
//!
//! Every frame must be there, in the same order on each interface, with the same link and network addresses, protocol,
//! flags, lengths, time to live, ARP and ICMP contents. What the kernel chooses at random is replaced by names, the same
//! number by the same name: initial sequence numbers (`A`, `A+1`), IP identifications (`i1`, `i1+1`; those of a TCP
//! socket count from its first), ephemeral ports (`p1`), the identifiers of echoes, the numbers of questions about
//! duplicate addresses; labels of IPv6 flows are left out. Windows of segments other than SYN
//! follow the memory accounting of receive buffers and are not compared.

use crate::recording::{Line, Wire};
use std::collections::BTreeMap;

/// A frame may be this much earlier or later than recorded, in seconds. The clock rules leave nothing to chance: with the
/// phase of the jiffy counter known, a timer fires at the very tick, 4 ms from the next. What is left is what the
/// recording machine took to carry frames and to run programs, and that was never a millisecond more or less than here.
const APART: f64 = 0.001;
/// Frames between different stations that are this close, in seconds, have no order: twice the delay of a port, so that
/// one may have overtaken the other by coming through it a little sooner.
const NO_ORDER: f64 = 0.000_2;
/// How much longer than here a program took that measured itself, in seconds: it had to be loaded.
const PROCESS: f64 = 0.013;
/// A program that measured itself may have taken so much less, in seconds: it printed three digits.
const ROUNDED: f64 = 0.001;

/// The first difference between recorded and simulated wires, side by side.
pub(crate) fn wires(recorded: &[Wire], simulated: &[Wire]) -> Result<(), String> {
    assert_eq!(recorded.len(), simulated.len(), "every recorded interface was watched");
    let differences: String = recorded
        .iter()
        .zip(simulated)
        .filter_map(|(recorded, simulated)| wire(recorded, simulated))
        .collect();
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

fn wire(recorded: &Wire, simulated: &Wire) -> Option<String> {
    let (recorded_lines, simulated_lines) = aligned(recorded, simulated);
    let first = equal_lines(&recorded_lines, &simulated_lines);
    let length = recorded_lines.len().max(simulated_lines.len());
    if first == length {
        return None;
    }
    let mut text = format!("{}: frame {} of {}\n", recorded.name, first + 1, recorded_lines.len());
    for at in first.saturating_sub(3)..(first + 8).min(length) {
        let is_same = at
            < equal_lines(
                &recorded_lines[at.min(recorded_lines.len())..],
                &simulated_lines[at.min(simulated_lines.len())..],
            ) + at;
        for (side, lines) in [("recorded ", &recorded_lines), ("simulated", &simulated_lines)] {
            let (time, line) = lines.get(at).map_or((f64::NAN, "nothing"), |line| (line.at, &line.text));
            text += &format!("{} {side} {time:>10.5} {line}\n", if is_same { ' ' } else { '!' });
        }
    }
    Some(text)
}

/// How many lines from the start are equal.
fn equal_lines(recorded: &[Line], simulated: &[Line]) -> usize {
    let is_equal = |(a, b): &(&Line, &Line)| a.text == b.text && (a.at - b.at).abs() <= APART;
    recorded.iter().zip(simulated).take_while(is_equal).count()
}

/// Both wires with names for random numbers; the simulated frames in the order of the recorded ones where they have none.
fn aligned(recorded: &Wire, simulated: &Wire) -> (Vec<Line>, Vec<Line>) {
    let recorded = Masked::wire(recorded);
    let mut simulated = Masked::wire(simulated);
    for at in 0..recorded.len().min(simulated.len()) {
        let wanted = &recorded[at].text;
        let first = simulated[at].at;
        let near = simulated[at..].iter().take_while(|line| line.at - first <= NO_ORDER).count();
        let Some(ahead) = simulated[at..at + near].iter().position(|line| line.text == *wanted) else {
            continue;
        };
        let may_pass = simulated[at..at + ahead].iter().all(|line| stations(&line.text) != stations(wanted));
        if may_pass {
            simulated[at..=at + ahead].rotate_right(1);
        }
    }
    (recorded, simulated)
}

/// The stations between which a frame travels; on the loopback device, which has no link addresses, the network addresses.
fn stations(text: &str) -> Vec<&str> {
    let ends = match text.split_once(") ") {
        Some((_, ends)) if text.starts_with("00:") => ends,
        _ => text,
    };
    ends.split([' ', ',', ':']).take(3).collect()
}

/// How well a simulation fits: frames that are equal, and how much earlier or later than recorded they are.
pub(crate) fn fit(recorded: &[Wire], simulated: &[Wire]) -> (usize, f64) {
    let mut fit = (0, 0.0);
    for (recorded, simulated) in recorded.iter().zip(simulated) {
        let (recorded, simulated) = aligned(recorded, simulated);
        let equal = equal_lines(&recorded, &simulated);
        fit.0 += equal;
        fit.1 += recorded.iter().zip(&simulated).take(equal).map(|(a, b)| (a.at - b.at).abs()).sum::<f64>();
    }
    fit
}

/// Names for the random numbers of a wire.
#[derive(Default)]
struct Masked {
    sequences: Vec<u32>,
    identifications: BTreeMap<String, u16>,
    ports: Vec<String>,
    pings: Vec<String>,
    nonces: Vec<String>,
}

impl Masked {
    fn wire(wire: &Wire) -> Vec<Line> {
        let mut masked = Masked::default();
        wire.lines.iter().map(|line| Line { at: line.at, text: masked.line(&line.text) }).collect()
    }

    fn line(&mut self, text: &str) -> String {
        let text = without_checksums(text);
        let text = self.ports(&text);
        let text = self.identifications(&text);
        let text = self.sequences(&text);
        let text = self.echoes(&text);
        let text = self.nonces(&text);
        without_windows(&text)
    }

    fn ports(&mut self, text: &str) -> String {
        words(text, |word, _| {
            let (body, tail) = split_tail(word);
            let dots = body.bytes().filter(|b| *b == b'.').count();
            let (addr, port) = body.rsplit_once('.')?;
            let has_port = dots == 4 || dots == 1 && addr.contains(':');
            let is_ephemeral = has_port && port.parse::<u16>().is_ok_and(|port| port >= 32_768);
            if !is_ephemeral {
                return None;
            }
            Some(format!("{addr}.{}{tail}", name(&mut self.ports, format!("{addr}:{port}"), "p")))
        })
    }

    /// `ADDRESS:PORT` in a list of connections.
    fn endpoints(&mut self, text: &str) -> String {
        words(text, |word, _| {
            let (addr, port) = word.rsplit_once(':')?;
            let is_ephemeral = (addr.contains('.') || addr.ends_with(']'))
                && port.parse::<u16>().is_ok_and(|port| port >= 32_768);
            is_ephemeral.then(|| format!("{addr}:{}", name(&mut self.ports, word.to_owned(), "p")))
        })
    }

    /// `id N,`: the numbers of a TCP socket count from its first, others are only told apart.
    fn identifications(&mut self, text: &str) -> String {
        let Some(at) = text.find("(") else { return text.to_owned() };
        let (head, rest) = text.split_at(at);
        let mut out = head.to_owned();
        // Each header in parentheses belongs to the protocol named in it and the ends after it.
        for (n, part) in rest.split('(').enumerate() {
            if n > 0 {
                out.push('(');
            }
            out += &self.identification(part);
        }
        out
    }

    fn identification(&mut self, part: &str) -> String {
        let Some((before, after)) = part.split_once("id ") else { return part.to_owned() };
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let rest = &after[digits.len()..];
        let id: u16 = digits.parse().expect("an identification");
        if id == 0 || !part.contains("ttl") {
            return part.to_owned();
        }
        let is_tcp = rest.contains(" TCP ");
        let shown = if is_tcp {
            let ends = rest.split_once(") ").map_or("", |(_, ends)| ends.split(": ").next().unwrap_or(""));
            let base = *self.identifications.entry(ends.to_owned()).or_insert(id);
            format!("first+{}", id.wrapping_sub(base))
        } else {
            let next = self.identifications.len() as u16;
            let known = *self.identifications.entry(format!("number {id}")).or_insert(next);
            format!("i{known}")
        };
        format!("{before}id {shown}{rest}")
    }

    /// `echo request, id N`: the number of a ping program.
    fn echoes(&mut self, text: &str) -> String {
        let Some(at) = text.find("echo re") else { return text.to_owned() };
        let (head, tail) = text.split_at(at);
        let tail = words(tail, |word, previous| {
            let (body, comma) = split_tail(word);
            (previous == "id").then(|| format!("{}{comma}", name(&mut self.pings, body.to_owned(), "ping")))
        });
        format!("{head}{tail}")
    }

    /// `nonce N`: the number by which a host knows its own question about an address.
    fn nonces(&mut self, text: &str) -> String {
        words(text, |word, previous| {
            (previous == "nonce").then(|| name(&mut self.nonces, word.to_owned(), "nonce"))
        })
    }

    fn sequences(&mut self, text: &str) -> String {
        words(text, |word, previous| {
            if !matches!(previous, "seq" | "ack") {
                return None;
            }
            let (body, tail) = split_tail(word);
            let number = |text: &str| text.parse::<u32>().ok();
            let shown: Option<Vec<String>> =
                body.split(':').map(|part| number(part).map(|n| self.sequence(n))).collect();
            Some(format!("{}{tail}", shown?.join(":")))
        })
    }

    fn sequence(&mut self, number: u32) -> String {
        const FAR: u32 = 100_000;
        if number < FAR {
            return number.to_string();
        }
        let known = self.sequences.iter().position(|base| number.wrapping_sub(*base) < FAR);
        let at = known.unwrap_or_else(|| {
            self.sequences.push(number);
            self.sequences.len() - 1
        });
        let letter = char::from(b'A' + (at % 26) as u8);
        match number.wrapping_sub(self.sequences[at]) {
            0 => format!("{letter}{at}"),
            n => format!("{letter}{at}+{n}"),
        }
    }
}

/// The name of a thing: its place among those seen before.
fn name(known: &mut Vec<String>, thing: String, prefix: &str) -> String {
    let at = known.iter().position(|k| *k == thing).unwrap_or_else(|| {
        known.push(thing);
        known.len() - 1
    });
    format!("{prefix}{at}")
}

fn split_tail(word: &str) -> (&str, &str) {
    let end = word.trim_end_matches([',', ':']).len();
    word.split_at(end)
}

/// Replaces words of a text; `replace` is given the word before, too.
fn words(text: &str, mut replace: impl FnMut(&str, &str) -> Option<String>) -> String {
    let mut previous = "";
    let mut out = Vec::new();
    for word in text.split(' ') {
        out.push(replace(word, previous).unwrap_or_else(|| word.to_owned()));
        previous = word;
    }
    out.join(" ")
}

/// tcpdump's remark about checksums that the loopback device leaves out.
fn without_checksums(text: &str) -> String {
    match (text.find("cksum "), text.find("), ")) {
        (Some(begin), _) => {
            let end = begin + text[begin..].find("), ").map_or(text.len() - begin, |end| end + 3);
            format!("{}{}", &text[..begin], &text[end..])
        }
        (None, _) => text.to_owned(),
    }
}

fn without_windows(text: &str) -> String {
    if text.contains("[S") {
        return text.to_owned();
    }
    words(text, |word, previous| (previous == "win").then(|| format!("*{}", split_tail(word).1)))
}

/// The first difference between what was printed and what the simulation prints. Lists without an order (neighbours,
/// connections) are sorted; programs may have taken as long as [`PROCESS`] says, times left may differ by a second.
pub(crate) fn printed(recorded: &[String], simulated: &[String]) -> Result<(), String> {
    let (recorded, simulated) = (tidied(recorded), tidied(simulated));
    let length = recorded.len().max(simulated.len());
    let at = |lines: &[String], n: usize| lines.get(n).cloned().unwrap_or_else(|| "nothing".to_owned());
    let same = |n: usize| recorded.get(n).zip(simulated.get(n)).is_some_and(|(a, b)| says_the_same(a, b));
    let Some(first) = (0..length).find(|&n| !same(n)) else { return Ok(()) };
    let mut text = format!("printed line {}\n", first + 1);
    for n in first.saturating_sub(1)..(first + 6).min(length) {
        text += &format!("  recorded  {}\n  simulated {}\n", at(&recorded, n), at(&simulated, n));
    }
    Err(text)
}

/// Lines with names for ports; runs of lines that begin with an address or a protocol are lists and sorted.
fn tidied(lines: &[String]) -> Vec<String> {
    let mut masked = Masked::default();
    let is_entry = |line: &String| {
        (line.starts_with("TCP ") || line.starts_with("UDP ")) && !line.contains("Route")
            || line.contains(" dev ") && !line.contains(" via ")
    };
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| without_log_time(line.trim_end()))
        .filter(|line| !is_about_device(line))
        .collect();
    for run in lines.chunk_by_mut(|a, b| is_entry(a) && is_entry(b)) {
        let words = |line: &String, with_colon: bool| {
            let words = line.split(' ').filter(|word| word.contains(':') == with_colon);
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        // Time left, client, virtual server, real server: the client's port, which is arbitrary, decides last.
        run.sort_by_key(|line| {
            let mut ends = words(line, true);
            let client = (ends.len() > 3).then(|| ends.remove(1));
            ends.reverse();
            (words(line, false), ends, client)
        });
    }
    lines.iter().map(|line| masked.endpoints(line)).collect()
}

/// Numbers, kinds and link addresses of devices depend on what else the recording machine had.
fn is_about_device(line: &str) -> bool {
    line.starts_with("    link/")
        || line.starts_with("       valid_lft")
        || line.starts_with("    ipip ")
        || line.contains(": <")
}

/// The clock of the kernel's log is not that of its timers.
fn without_log_time(line: &str) -> String {
    match line.split_once(']') {
        Some((time, text)) if time.starts_with('[') => text.trim_start().to_owned(),
        _ => line.to_owned(),
    }
}

fn says_the_same(recorded: &str, simulated: &str) -> bool {
    if recorded == simulated {
        return true;
    }
    let (a, b) = (recorded.split_whitespace(), simulated.split_whitespace());
    let pairs: Vec<(&str, &str)> = a.zip(b).collect();
    let is_timed = |text: &str| text.contains(" after ");
    let close = |(a, b): &(&str, &str)| {
        a == b
            || is_timed(recorded)
                && a.parse::<f64>().is_ok_and(|a| b.parse::<f64>().is_ok_and(|b| took_as_long(a, b)))
            || milliseconds(a).zip(milliseconds(b)).is_some_and(|(a, b)| took_as_long(a / 1e3, b / 1e3))
            || seconds_left(a).zip(seconds_left(b)).is_some_and(|(a, b)| a.abs_diff(b) <= 1)
    };
    recorded.split_whitespace().count() == simulated.split_whitespace().count() && pairs.iter().all(close)
}

fn took_as_long(recorded: f64, simulated: f64) -> bool {
    (-ROUNDED..=PROCESS).contains(&(recorded - simulated))
}

/// `time=0.1` and `0.1/0.1/0.1` of a ping.
fn milliseconds(word: &str) -> Option<f64> {
    let number =
        word.strip_prefix("time=").or_else(|| word.contains('/').then(|| word.split('/').next()).flatten());
    number?.parse().ok()
}

/// `MM:SS` of a list of connections, `299sec` of a route.
fn seconds_left(word: &str) -> Option<u32> {
    if let Some(seconds) = word.strip_suffix("sec") {
        return seconds.parse().ok();
    }
    let (minutes, seconds) = word.split_once(':')?;
    Some(minutes.parse::<u32>().ok()? * 60 + seconds.parse::<u32>().ok()?)
}
