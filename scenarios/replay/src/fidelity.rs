//! Results of many replays, kept in a file, and the page that shows them.

use crate::compare::Comparison;
use crate::job::Job;
use crate::pace::Paced;
use crate::rehearse::SNAPSHOT;
use crate::transcript::Transcript;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Results of replays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// The kernel: `Linux 6.1.0-56-cloud-amd64`.
    pub kernel: String,
    /// The scenarios, by name.
    pub scenarios: Vec<Entry>,
    /// Those that could not be replayed, by name.
    #[serde(default)]
    pub failed: Vec<Failed>,
}

/// A scenario that could not be replayed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// The scenario's name.
    pub name: String,
    /// Why not, in a line.
    pub why: String,
}

/// What came out of the replay of a scenario.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)] // results of earlier versions lack some numbers
pub struct Entry {
    /// The scenario's name.
    pub name: String,
    /// Things that differ.
    pub differences: usize,
    /// Decisions compared.
    pub decisions: usize,
    /// Packets that directors got and sent.
    pub packets: u64,
    /// Flows that directors sent, each on its interface.
    pub flows: usize,
    /// Listings and snapshots compared.
    pub listings: usize,
    /// Outcomes compared.
    pub outcomes: usize,
    /// Decisions and listings that were left out, because chance had dropped entries before.
    #[serde(default)]
    pub chance: usize,
    /// Outcomes that the kernel itself does not repeat.
    pub unsettled: usize,
    /// Listings of which the kernel's second one is the simulation's.
    #[serde(default)]
    pub unsettled_listings: usize,
    /// Decisions about connections that no server ever took.
    pub untaken: usize,
    /// Flows whose next hop never told its link address.
    pub undelivered: usize,
    /// Attempts that another server took than in the simulation's own run.
    pub moved: usize,
    /// It went so many times slower than the scenario says.
    pub slower: u32,
    /// Wall time in seconds, rounded.
    pub seconds: u64,
    /// Do cables lose packets?
    pub is_lossy: bool,
    /// Attempts that each server took.
    pub servers: Vec<Taken>,
    /// Active connections of all directors over time.
    pub active: Active,
}

/// Attempts that a server took.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Taken {
    /// Its host.
    pub server: String,
    /// In the simulation's own run.
    pub simulation: u64,
    /// On the kernel.
    pub kernel: u64,
}

/// Active connections at the instants of the snapshots.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Active {
    /// Seconds from the beginning.
    pub times: Vec<f64>,
    /// In the simulation's own run.
    pub simulation: Vec<u64>,
    /// On the kernel.
    pub kernel: Vec<u64>,
}

impl Results {
    /// Puts an entry in its place; one of the same name makes room.
    pub fn put(&mut self, kernel: &str, entry: Entry) {
        kernel.clone_into(&mut self.kernel);
        self.failed.retain(|failed| failed.name != entry.name);
        match self.scenarios.binary_search_by(|known| known.name.cmp(&entry.name)) {
            Ok(at) => self.scenarios[at] = entry,
            Err(at) => self.scenarios.insert(at, entry),
        }
    }

    /// A scenario could not be replayed: what is known of it from earlier is of another program, and goes.
    pub fn fail(&mut self, name: &str, why: &str) {
        self.scenarios.retain(|entry| entry.name != name);
        self.failed.retain(|failed| failed.name != name);
        let why = why.lines().next().unwrap_or_default().into();
        self.failed.push(Failed { name: name.into(), why });
        self.failed.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// As a file: a line for each scenario.
    pub fn text(&self) -> String {
        let entries: Vec<String> = self.scenarios.iter().map(json).collect();
        let failed: Vec<String> = self.failed.iter().map(json).collect();
        let lines = |of: &[String]| {
            if of.is_empty() { "[]".into() } else { format!("[\n{}\n]", of.join(",\n")) }
        };
        let (kernel, entries, failed) = (json(&self.kernel), lines(&entries), lines(&failed));
        format!("{{\"kernel\":{kernel},\"scenarios\":{entries},\"failed\":{failed}}}\n")
    }

    /// Those of a gallery's scenarios that have no results, and why.
    fn absent(&self, gallery: &[String]) -> String {
        let is_there = |name: &&String| self.scenarios.iter().any(|entry| entry.name == **name);
        let absent: Vec<&String> = gallery.iter().filter(|name| !is_there(name)).collect();
        if absent.is_empty() {
            return String::new();
        }
        let mut text = String::from("\nNot replayed:\n\n");
        for name in absent {
            let failed = self.failed.iter().find(|failed| failed.name == *name);
            let why = failed.map_or("nobody has tried", |failed| &failed.why);
            let _ = writeln!(text, "- [{name}](../scenarios/gallery/{name}.yaml): {why}");
        }
        text
    }

    /// The page: what was compared, how much, and the result; of a gallery's scenarios also which are missing. The pictures
    /// lie beside it.
    pub fn page(&self, gallery: &[String]) -> String {
        let differ = self.scenarios.iter().filter(|entry| entry.differences > 0).count();
        let mut text = format!(
            "# The simulation beside a real kernel\n\n\
             <!-- Made by `lvsim fidelity docs/fidelity.json`; the results by `lvsim replay scenarios/gallery --results \
             docs/fidelity.json`. -->\n\n\
             The scenarios in the table below were played by {} in a virtual machine and by the simulation, as\n\
             [replay.md](replay.md) describes: {} scenarios, of which {differ} differ; {}.\n\n",
            self.kernel,
            self.scenarios.len(),
            self.completeness(gallery),
        );
        text += &self.totals();
        text += PICTURES;
        text += "| scenario | decisions | packets | flows | listings | outcomes | differences | moved | s | not compared |\n\
                 |---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
        for entry in &self.scenarios {
            text += &entry.row();
        }
        text + &self.absent(gallery) + NOTES
    }

    /// What was compared, and how much of it.
    fn totals(&self) -> String {
        let sum = |of: fn(&Entry) -> u64| grouped(self.scenarios.iter().map(of).sum());
        let rows = [
            (
                "decisions: which server gets a connection, as the kernel itself tells it",
                sum(|e| e.decisions as u64),
                "another server, given the same packets in the same order",
            ),
            (
                "listings: `ipvsadm -Ln`, `--stats`, `-Lnc` in the end, and 40 snapshots of `/proc/net/ip_vs`",
                sum(|e| e.listings as u64),
                "any weight, count, counter, connection entry or state",
            ),
            (
                "outcomes: how each attempt ended for its client",
                sum(|e| e.outcomes as u64),
                "refused instead of answered, and so on",
            ),
            (
                "packets that directors got and sent",
                sum(|e| e.packets),
                "(what they got is the question to the other rows)",
            ),
            (
                "flows that directors sent, each on its interface",
                sum(|e| e.flows as u64),
                "a packet or a byte more or less, addresses, ports, tunnels and VLANs",
            ),
        ];
        let mut text = String::from("| what is compared | how many | differences are |\n|---|---:|---|\n");
        for (what, count, differs) in rows {
            let _ = writeln!(text, "| {what} | {count} | {differs} |");
        }
        text
    }

    fn completeness(&self, gallery: &[String]) -> String {
        let is_there = |name: &&String| self.scenarios.iter().any(|entry| entry.name == **name);
        match (gallery.len(), gallery.iter().filter(is_there).count()) {
            (all, there) if all == there => "that is the whole gallery".into(),
            (all, there) => format!("{} of the gallery's {all} are missing", all - there),
        }
    }
}

/// Between the two tables.
const PICTURES: &str = "
Both on the same axes: the simulation's own run, and the kernel. Where both lines of active connections part, packets met
another order (see *moved* below); a director that gets the kernel's packets counts as the kernel does, at each instant
shown, or the table would say so.

![Attempts that each server took](fidelity-balance.svg)

![Active connections over time](fidelity-active.svg)

";

/// Below the table.
const NOTES: &str = "
*Moved* are connections that met another order of packets at the director than in the simulation's own run, and so
another server; a scheduler that counts connections cannot do otherwise. *s* is the wall time, a second run included
where one was needed to find out what the kernel does not repeat. Nowhere compared are clocks: when an entry expires, how
long an answer took.
";

impl Entry {
    /// What came out of a replay that could be compared.
    pub fn new(paced: &Paced, seen: &Transcript, comparison: &Comparison, seconds: f64) -> Entry {
        let job = &paced.rehearsed.job;
        let cables = paced.scenario.hosts.iter().flat_map(|host| &host.interfaces);
        Entry {
            name: job.name.clone(),
            differences: comparison.differences.len(),
            decisions: comparison.decisions,
            packets: comparison.packets,
            flows: comparison.flows,
            listings: comparison.listings,
            outcomes: comparison.outcomes,
            chance: comparison.chance,
            unsettled: comparison.unsettled,
            unsettled_listings: comparison.unsettled_listings,
            untaken: comparison.untaken,
            undelivered: comparison.undelivered,
            moved: comparison.moved,
            slower: paced.slower,
            seconds: seconds.round() as u64,
            is_lossy: cables.filter_map(|interface| interface.plug).any(|(_, cable)| cable.loss > 0.0),
            servers: taken(job, &paced.rehearsed.simulated, seen),
            active: Active::of(job, &paced.rehearsed.simulated, seen),
        }
    }

    /// Its line of the table.
    fn row(&self) -> String {
        format!(
            "| [{name}](../scenarios/gallery/{name}.yaml) | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            grouped(self.decisions as u64),
            grouped(self.packets),
            grouped(self.flows as u64),
            self.listings,
            grouped(self.outcomes as u64),
            self.differences,
            grouped(self.moved as u64),
            self.seconds,
            self.left_out(),
            name = self.name,
        )
    }

    /// What was not compared, and why.
    fn left_out(&self) -> String {
        let mut parts = Vec::new();
        if self.untaken > 0 {
            parts.push(format!("{} decisions: no server took the connection", grouped(self.untaken as u64)));
        }
        if self.chance > 0 {
            let left_out = grouped(self.chance as u64);
            parts.push(format!(
                "{left_out} decisions and listings: the kernel drops entries at random (`drop_entry`)"
            ));
        }
        if self.unsettled > 0 {
            parts.push(format!(
                "{} outcomes: the kernel does not repeat them",
                grouped(self.unsettled as u64)
            ));
        }
        if self.unsettled_listings > 0 {
            let listings = grouped(self.unsettled_listings as u64);
            parts.push(format!("{listings} listings: the kernel's second answer is the simulation's"));
        }
        if self.undelivered > 0 {
            let flows = grouped(self.undelivered as u64);
            parts.push(format!("{flows} flows: a next hop does not answer"));
        }
        if self.slower > 1 {
            parts.push(format!("played {} times slower", self.slower));
        }
        if self.is_lossy {
            parts.push("which packets cables lose".into());
        }
        parts.join("; ")
    }
}

impl Active {
    fn of(job: &Job, simulated: &Transcript, seen: &Transcript) -> Active {
        let mut active = Active::default();
        let looks = job.looks.iter().zip(&simulated.answers).zip(&seen.answers);
        for ((look, simulation), kernel) in looks.filter(|(_, kernel)| kernel.command == SNAPSHOT) {
            let (at, counts) =
                (look.at as f64 / 1e9, [simulation, kernel].map(|said| in_table(&said.stdout)));
            if active.times.last() == Some(&at) {
                // Another director at the same instant.
                *active.simulation.last_mut().expect("it has one") += counts[0];
                *active.kernel.last_mut().expect("it has one") += counts[1];
            } else {
                active.times.push(at);
                active.simulation.push(counts[0]);
                active.kernel.push(counts[1]);
            }
        }
        active
    }
}

/// The active connections of all servers in `/proc/net/ip_vs`.
fn in_table(text: &str) -> u64 {
    let servers = text.lines().filter(|line| line.trim_start().starts_with("->"));
    servers.filter_map(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok()).sum()
}

/// Attempts that each server host took; those that nobody ever chose are left out.
fn taken(job: &Job, simulated: &Transcript, seen: &Transcript) -> Vec<Taken> {
    let count = |transcript: &Transcript, host: usize| {
        let servers = transcript.attempts.iter().filter_map(|attempt| attempt.server);
        servers.filter(|server| job.servers[*server].host == host).count() as u64
    };
    let mut hosts: Vec<usize> = job.servers.iter().map(|server| server.host).collect();
    hosts.dedup();
    let all = hosts.into_iter().map(|host| Taken {
        server: job.hosts[host].clone(),
        simulation: count(simulated, host),
        kernel: count(seen, host),
    });
    all.filter(|taken| taken.simulation + taken.kernel > 0).collect()
}

/// `12 345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("results are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, differences: usize) -> Entry {
        Entry { name: name.into(), differences, decisions: 1234, slower: 1, ..Entry::default() }
    }

    #[test]
    fn an_entry_takes_the_place_of_an_older_one() {
        let mut results = Results::default();
        results.put("Linux 6.1", entry("b", 1));
        results.put("Linux 6.1", entry("a", 0));
        results.put("Linux 6.1", entry("b", 0));
        let names: Vec<(&str, usize)> =
            results.scenarios.iter().map(|entry| (entry.name.as_str(), entry.differences)).collect();
        assert_eq!(names, [("a", 0), ("b", 0)]);
        assert_eq!(serde_json::from_str::<Results>(&results.text()).unwrap(), results);
    }

    #[test]
    fn the_page_says_what_was_left_out() {
        let mut results = Results::default();
        results.put("Linux 6.1", Entry { untaken: 2, slower: 8, unsettled: 1, ..entry("flood", 0) });
        let page = results.page(&["flood".into()]);
        let row = "| [flood](../scenarios/gallery/flood.yaml) | 1\u{202f}234 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 2 decisions: no \
                   server took the connection; 1 outcomes: the kernel does not repeat them; played 8 times slower |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("1 scenarios, of which 0 differ; that is the whole gallery."), "{page}");
        assert!(!page.contains("Not replayed"), "{page}");
    }

    #[test]
    fn the_page_says_which_scenarios_are_missing() {
        let mut results = Results::default();
        results.put("Linux 6.1", entry("a", 0));
        results.put("Linux 6.1", entry("b", 0));
        results.fail("b", "the agent did not answer\nits last words");
        assert_eq!(serde_json::from_str::<Results>(&results.text()).unwrap(), results);
        let page = results.page(&["a".into(), "b".into(), "c".into()]);
        assert!(page.contains("2 of the gallery's 3 are missing"), "{page}");
        let list = "Not replayed:\n\n- [b](../scenarios/gallery/b.yaml): the agent did not answer\n\
                    - [c](../scenarios/gallery/c.yaml): nobody has tried\n";
        assert!(page.contains(list), "{page}");
        results.put("Linux 6.1", entry("b", 0));
        assert_eq!(results.failed, []);
    }

    #[test]
    fn active_connections_stand_in_the_fifth_column() {
        let table = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n\
                     \x20 -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
                     TCP  0A000064:0050 rr  \n  -> 0A00000C:0050      Route   1      3          7         \n\
                     \x20 -> 0A00000B:0050      Route   1      4          0         \n";
        assert_eq!(in_table(table), 7);
    }
}
