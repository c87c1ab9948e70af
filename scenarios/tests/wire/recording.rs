//! A recording: what the programs printed, and the frames of each interface.

use std::collections::BTreeMap;
use std::path::Path;

/// A frame of a recording or of a simulation.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Line {
    /// Seconds from the first frame of the recording.
    pub(crate) at: f64,
    /// As tcpdump prints it.
    pub(crate) text: String,
}

/// What tcpdump saw on one interface (`HOST.IF`).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Wire {
    /// The interface.
    pub(crate) name: String,
    /// Its frames in order.
    pub(crate) lines: Vec<Line>,
}

/// One recording.
pub(crate) struct Recording {
    /// The set-up script.
    pub(crate) script: String,
    /// What the programs printed, line by line.
    pub(crate) printed: Vec<String>,
    /// The wires, in the order of the recording.
    pub(crate) wires: Vec<Wire>,
    /// What the recording does not tell.
    pub(crate) clock: Clock,
}

/// What a recording does not tell but its frames depend on.
#[derive(Clone, Default, Debug)]
pub(crate) struct Clock {
    /// How long the machine had been up at t = 0, in seconds.
    pub(crate) uptime: f64,
    /// When each program that sends packets sent its first one, in the order of the set-up.
    pub(crate) begins: Vec<f64>,
    /// Reachable times in seconds, by `HOST.IF`.
    pub(crate) reachable: BTreeMap<String, f64>,
    /// Spans of time whose frames the recording leaves out.
    pub(crate) left_out: Vec<(f64, f64)>,
}

impl Recording {
    /// Reads the recording in a folder.
    pub(crate) fn read(folder: &Path) -> Recording {
        let text = |file: &str| {
            let path = folder.join(file);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let trace = text("trace.txt");
        let mut recording = Recording {
            script: text("setup.sh"),
            printed: Vec::new(),
            wires: Vec::new(),
            clock: Clock::parse(&text("clock.txt")),
        };
        for line in trace.lines().filter(|line| !line.starts_with("# ")) {
            if let Some(name) = line.strip_prefix("=== ") {
                recording.wires.push(Wire { name: name.to_owned(), lines: Vec::new() });
            } else if let Some(wire) = recording.wires.last_mut() {
                let (at, text) = line.split_once(' ').unwrap_or_else(|| panic!("a time and a frame: {line}"));
                wire.lines.push(Line { at: at.parse().expect("seconds"), text: text.to_owned() });
            } else {
                recording.printed.push(line.to_owned());
            }
        }
        while recording.printed.last().is_some_and(String::is_empty) {
            recording.printed.pop();
        }
        recording
    }

    /// When the set-up's marks were printed, in seconds.
    pub(crate) fn marks(&self) -> Vec<f64> {
        let marks = self.printed.iter().filter_map(|line| line.strip_prefix("## t="));
        marks.map(|mark| mark.split(' ').next().unwrap_or_default().parse().expect("seconds")).collect()
    }
}

impl Clock {
    fn parse(text: &str) -> Clock {
        let mut clock = Clock::default();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let seconds = |word: &str| word.parse::<f64>().unwrap_or_else(|_| panic!("seconds: {word}"));
            match words[..] {
                [] => {}
                ["uptime", s] => clock.uptime = seconds(s),
                ["begin", ref times @ ..] => clock.begins.extend(times.iter().map(|s| seconds(s))),
                ["reachable", interface, s] => {
                    clock.reachable.insert(interface.to_owned(), seconds(s));
                }
                ["left-out", from, to] => clock.left_out.push((seconds(from), seconds(to))),
                _ => panic!("what is `{line}'?"),
            }
        }
        clock
    }
}
