//! Two transcripts of one job, held against each other.

use crate::job::Job;
use crate::transcript::{Answer, Outcome, Transcript};
use std::fmt::Write;

/// What was compared, and what differs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comparison {
    /// Decisions for a server.
    pub decisions: usize,
    /// How attempts ended.
    pub ends: usize,
    /// Listings.
    pub listings: usize,
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

/// Compares; `left` is the simulation, usually.
pub fn compare(job: &Job, left: &Transcript, right: &Transcript) -> Comparison {
    let mut comparison = Comparison::default();
    for (index, (a, b)) in left.attempts.iter().zip(&right.attempts).enumerate() {
        comparison.decisions += usize::from(a.server.is_some() || b.server.is_some());
        comparison.ends += 1;
        if (a.server, a.end) != (b.server, b.end) {
            let attempt = &job.attempts[index];
            let text = format!(
                "connection {} from {} to {}:\n  {}: {}\n  {}: {}",
                index + 1,
                attempt.local,
                attempt.remote,
                left.by,
                outcome(job, a),
                right.by,
                outcome(job, b)
            );
            comparison.differences.push(Difference { at: attempt.at, text });
        }
    }
    for (a, b) in left.answers.iter().zip(&right.answers) {
        comparison.listings += 1;
        if let Some(text) = listing_difference(a, b) {
            let host = a.host.as_deref().unwrap_or("-");
            let text = format!("{host}# {}\n{text}", a.command);
            comparison.differences.push(Difference { at: a.at, text });
        }
    }
    comparison.differences.sort_by_key(|difference| difference.at);
    comparison
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

fn without_expiry(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.len() > 1 {
        words.remove(1);
    }
    words.join(" ")
}

impl Comparison {
    /// `0 differences in 100 decisions, 3 listings`
    pub fn sentence(&self) -> String {
        let s = if self.differences.len() == 1 { "" } else { "s" };
        format!(
            "{} difference{s} in {} decisions, {} outcomes, {} listings",
            self.differences.len(),
            self.decisions,
            self.ends,
            self.listings
        )
    }
}
