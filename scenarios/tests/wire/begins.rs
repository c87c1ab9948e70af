//! When the programs of a set-up sent their first frames: that is read from the recording.
//!
//! Starting a process took the recording machine a while, and nobody can compute how long. But the first frame of each
//! program stands in the recording: the set-up is run, the first frames of its programs are held beside the recorded
//! ones, each program is moved by the difference, until all begin when they should. Everything after a first frame is
//! the simulation's.

use crate::lab;
use crate::recording::{Recording, Wire};
use std::collections::BTreeMap;

/// So near to the recorded one is a first frame in place, in seconds: recordings have five digits.
const NEAR: f64 = 0.000_01;
/// Each round puts at least one more program into its place.
const ROUNDS: usize = 16;
/// An announcement that is repeated after more than this, in seconds, is another program's.
const REPEATED: f64 = 1.01;

/// The first frames of a program.
struct Start {
    who: String,
    /// When the first one was seen, on each wire that saw one.
    seen: BTreeMap<usize, f64>,
}

/// Runs the set-up of a recording with its programs in their places: what was printed, and the wires.
pub(crate) fn simulate(recording: &Recording) -> (Vec<String>, Vec<Wire>) {
    let recorded = starts(&recording.wires);
    let mut begins = Vec::new();
    for _ in 0..ROUNDS {
        let run = lab::simulate(recording, &begins);
        let moved = moved(&run.begins, &recorded, &starts(&run.wires));
        begins.clone_from(&run.begins);
        let is_in_place = moved.iter().all(|(_, by)| by.abs() <= NEAR);
        if is_in_place {
            return (run.printed, run.wires);
        }
        for (program, by) in moved {
            begins[program] += by;
        }
    }
    let run = lab::simulate(recording, &begins);
    (run.printed, run.wires)
}

/// By how much programs are to be moved: each begins with the first frame that nobody before it has sent.
fn moved(begins: &[f64], recorded: &[Start], simulated: &[Start]) -> Vec<(usize, f64)> {
    let mut moved: Vec<(usize, f64)> = Vec::new();
    for (there, here) in recorded.iter().zip(simulated) {
        let program = begins.iter().rposition(|begin| *begin <= here.at()).unwrap_or(0);
        let (wire, at) = there.first();
        if let Some(seen) = here.seen.get(&wire).filter(|_| moved.iter().all(|(other, _)| *other != program))
        {
            moved.push((program, at - seen));
        }
    }
    moved
}

impl Start {
    /// The wire that saw it first, and when.
    fn first(&self) -> (usize, f64) {
        let first = self.seen.iter().min_by(|a, b| a.1.total_cmp(b.1));
        first.map(|(wire, at)| (*wire, *at)).expect("somebody saw it")
    }

    fn at(&self) -> f64 {
        self.first().1
    }
}

/// The first frames of all programs, in order of time.
fn starts(wires: &[Wire]) -> Vec<Start> {
    let mut starts: Vec<Start> = Vec::new();
    for (wire, seen) in wires.iter().enumerate() {
        let mut last: BTreeMap<String, f64> = BTreeMap::new();
        for line in &seen.lines {
            let Some(who) = who_begins(&line.text) else { continue };
            let before = last.insert(who.clone(), line.at);
            let is_program =
                before.is_none_or(|before| who.starts_with("announces") && line.at - before > REPEATED);
            if !is_program {
                continue;
            }
            let near = |start: &&mut Start| start.who == who && (start.at() - line.at).abs() < REPEATED;
            match starts.iter_mut().find(near) {
                Some(start) => {
                    start.seen.entry(wire).or_insert(line.at);
                }
                None => starts.push(Start { who, seen: BTreeMap::from([(wire, line.at)]) }),
            }
        }
    }
    starts.sort_by(|a, b| a.at().total_cmp(&b.at()));
    starts
}

/// Whose frame this is, if programs begin with such a one: a SYN, an echo request, a datagram, a question
/// about an IPv6 neighbour, or an announcement.
fn who_begins(text: &str) -> Option<String> {
    if text.contains("Flags [S],") || text.contains(" UDP ") && text.contains("UDP, length") {
        let (before, _) = text.rsplit_once(" > ")?;
        return before.rsplit(' ').next().map(str::to_owned);
    }
    if let Some((_, echo)) = text.split_once(" echo request, id ") {
        return echo.split_once(',').map(|(id, _)| format!("ping {id}"));
    }
    if let Some((_, about)) = text.split_once("> ff02::1:ff") {
        return Some(format!("looks for {about}")); // a program whose packet never leaves begins so
    }
    if let Some((_, about)) = text.split_once("> ff02::1: ICMP6, neighbor advertisement") {
        return Some(format!("announces{about}"));
    }
    let is_announced = text.contains("(bc) tell") || text.contains("> bc ARP Reply");
    is_announced.then(|| format!("announces {}", text.contains("Reply")))
}
