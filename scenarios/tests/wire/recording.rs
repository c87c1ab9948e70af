//! A recording: what the programs printed, and the frames of each interface.

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
    /// How long the machine had been up at t = 0, in seconds: the phase of the clock of all its timers.
    pub(crate) uptime: f64,
}

impl Wire {
    /// Adds a line of the recording. A loop of equal packets is shortened in it: it is written out.
    fn add(&mut self, line: &str) {
        if line.trim() == "... the same packet, TTL one lower each time ..." {
            self.lines.push(Line { at: f64::NAN, text: String::new() });
            return;
        }
        let (at, text) = line.split_once(' ').unwrap_or_else(|| panic!("a time and a frame: {line}"));
        let next = Line { at: at.parse().expect("seconds"), text: text.to_owned() };
        if self.lines.last().is_some_and(|last| last.at.is_nan()) {
            self.lines.pop();
            self.write_out(&next);
        }
        self.lines.push(next);
    }

    /// The packets of a loop between the last line and `next`: each is the one before the last with a lower TTL.
    fn write_out(&mut self, next: &Line) {
        let begin = self.lines.last().expect("a loop begins with a packet").clone();
        let (from, to) = (ttl(&begin.text), ttl(&next.text));
        for step in 1..from - to {
            let before = self.lines[self.lines.len() - 2].text.clone();
            let old = format!("(ttl {},", ttl(&before));
            let text = before.replace(&old, &format!("(ttl {},", from - step));
            let share = f64::from(step) / f64::from(from - to);
            self.lines.push(Line { at: begin.at + (next.at - begin.at) * share, text });
        }
    }
}

fn ttl(text: &str) -> u32 {
    let (_, after) = text.split_once("(ttl ").expect("an IP packet");
    after.split(',').next().and_then(|ttl| ttl.parse().ok()).expect("a time to live")
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
            uptime: text("uptime.txt").trim().parse().expect("seconds"),
        };
        for line in trace.lines().filter(|line| !line.starts_with("# ")) {
            if let Some(name) = line.strip_prefix("=== ") {
                recording.wires.push(Wire { name: name.to_owned(), lines: Vec::new() });
            } else if let Some(wire) = recording.wires.last_mut() {
                wire.add(line);
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
