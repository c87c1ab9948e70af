//! How a simulation is compared with a recording: the one place that says what must be equal and how nearly.
//!
//! Every frame must be there, in the same order on each interface, with the same link and network addresses, protocol,
//! flags, lengths, time to live, ARP and ICMP contents. What the kernel chooses at random is replaced by names, the same
//! number by the same name: initial sequence numbers (`A`, `A+1`), IP identifications (`i1`, `i1+1`; those of a TCP
//! socket count from its first), ephemeral ports (`p1`), the identifiers of echoes. Windows of segments other than SYN
//! follow the memory accounting of receive buffers and are not compared.

use crate::recording::Wire;
use std::collections::BTreeMap;

/// A frame may be this much earlier or later than recorded, in seconds: one tick of the kernel's clock (1/250 s).
pub(crate) const TICK: f64 = 0.004;

/// The first difference between recorded and simulated wires, side by side.
pub(crate) fn wires(recorded: &[Wire], simulated: &[Wire]) -> Result<(), String> {
    let mut differences = String::new();
    for (recorded, simulated) in recorded.iter().zip(simulated) {
        if let Err(difference) = wire(recorded, simulated) {
            differences += &difference;
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

fn wire(recorded: &Wire, simulated: &Wire) -> Result<(), String> {
    let (left, right) = (Masked::wire(recorded), Masked::wire(simulated));
    let length = left.len().max(right.len());
    let same = |at: usize| match (left.get(at), right.get(at)) {
        (Some(a), Some(b)) => a.1 == b.1 && (a.0 - b.0).abs() <= TICK,
        _ => false,
    };
    let Some(first) = (0..length).find(|at| !same(*at)) else { return Ok(()) };
    let mut text = format!("{}: frame {} of {}\n", recorded.name, first + 1, left.len());
    for at in first.saturating_sub(3)..(first + 8).min(length) {
        let sign = if same(at) { ' ' } else { '!' };
        for (side, lines) in [("recorded ", &left), ("simulated", &right)] {
            let (time, line) = lines.get(at).map_or((f64::NAN, "nothing"), |(time, line)| (*time, line));
            text += &format!("{sign} {side} {time:>10.5} {line}\n");
        }
    }
    Err(text)
}

/// Names for the random numbers of a wire.
#[derive(Default)]
struct Masked {
    sequences: Vec<u32>,
    identifications: BTreeMap<String, u16>,
    ports: Vec<String>,
}

impl Masked {
    fn wire(wire: &Wire) -> Vec<(f64, String)> {
        let mut masked = Masked::default();
        wire.lines.iter().map(|line| (line.at, masked.line(&line.text))).collect()
    }

    fn line(&mut self, text: &str) -> String {
        let text = without_checksums(text);
        let text = self.ports(&text);
        let text = self.identifications(&text);
        let text = self.sequences(&text);
        without_windows(&text)
    }

    fn ports(&mut self, text: &str) -> String {
        words(text, |word, _| {
            let (body, tail) = split_tail(word);
            let dots = body.bytes().filter(|b| *b == b'.').count();
            let (addr, port) = body.rsplit_once('.')?;
            let is_ephemeral = dots == 4 && port.parse::<u16>().is_ok_and(|port| port >= 32_768);
            if !is_ephemeral {
                return None;
            }
            Some(format!("{addr}.{}{tail}", name(&mut self.ports, port.to_owned(), "p")))
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

/// The first difference between what was printed and what the simulation prints.
pub(crate) fn printed(recorded: &[String], simulated: &[String]) -> Result<(), String> {
    let length = recorded.len().max(simulated.len());
    let at = |lines: &[String], n: usize| lines.get(n).cloned().unwrap_or_else(|| "nothing".to_owned());
    let Some(first) = (0..length).find(|&n| at(recorded, n) != at(simulated, n)) else { return Ok(()) };
    let mut text = format!("printed line {}\n", first + 1);
    for n in first.saturating_sub(1)..(first + 6).min(length) {
        text += &format!("  recorded  {}\n  simulated {}\n", at(recorded, n), at(simulated, n));
    }
    Err(text)
}
