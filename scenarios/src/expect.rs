//! `expect:` lines: what must hold when a run ends.
//!
//! Every line reads `MEASURE [OF …] OPERATOR VALUE`:
//!
//! ```text
//! balance <= 1.05                  busiest server over its fair share (by weight)
//! jain >= 0.99                     Jain's index of accepted over weight; 1 is perfect
//! success [GROUP] >= 99.9%         exchanges that ended with the whole answer, of those that ended
//! answered [GROUP] >= 99%          exchanges that ended with the whole answer, of all that were begun
//! started [GROUP] > 1000           exchanges begun
//! failures [CAUSE] [GROUP] = 0     refused, reset, unreachable, timed-out, no-port, no-protocol
//! latency p99 [GROUP] < 20ms       also p50 p90 p95 p99.9 mean max; first SYN to the last byte
//! connect p50 [GROUP] < 1ms        first SYN to the established connection
//! retransmissions [GROUP] = 0      SYN, data and datagrams
//! served SERVER in 60%..62%        share of all accepted connections, or their number
//! utilisation SERVER < 90%         busy worker time
//! arp ADDRESS = HOST[, HOST]       who answered ARP for the address
//! drops [PLACE] [REASON] = 0       frames and packets dropped; reasons as in the table of drops
//! scheduled [DIRECTOR] [via SERVICE] [to SERVER] > 0   connections that IPVS scheduled; SERVICE as in 10.0.0.100:80,
//!                                  or a firewall mark; SERVER as in 10.0.0.11:80; both as `ipvsadm -Ln` names them
//! entries [DIRECTOR] < 5000        entries in the connection table at the end, templates included
//! ```
//!
//! Operators: `=`, `!=`, `<`, `<=`, `>`, `>=`, and `in A..B`. For a group of servers (`served web[1-3] …`) the line
//! must hold for each of them.

mod failed;
mod measure;

pub use failed::Failed;

use crate::names::{NamePattern, suggestion};
use crate::units::Period;
use net_model::addr::Addr;
use net_model::outcome::{Failure, Outcome};
use net_model::verdict::DropReason;
use std::cmp::Ordering;
use std::ops::Range;

/// A line of `expect:`, understood.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The line as it was written.
    pub text: String,
    /// What is measured.
    pub measure: Measure,
    /// What must hold of it.
    pub condition: Condition,
}

/// What an expectation looks at.
#[derive(Clone, PartialEq, Debug)]
pub enum Measure {
    /// Largest ratio of a server's accepted connections to its fair share.
    Balance,
    /// Jain's index of accepted connections over weight.
    Jain,
    /// Share of ended exchanges that succeeded; of one client group or all.
    Success(Option<String>),
    /// Share of all exchanges that succeeded before the end of the run.
    Answered(Option<String>),
    /// Exchanges begun.
    Started(Option<String>),
    /// Failed exchanges, by cause and group.
    Failures(Option<Failure>, Option<String>),
    /// A statistic of the time to the last byte.
    Latency(Statistic, Option<String>),
    /// A statistic of the time to the established connection.
    Connect(Statistic, Option<String>),
    /// Retransmitted segments and datagrams.
    Retransmissions(Option<String>),
    /// What servers accepted; every server that the pattern names.
    Served(NamePattern),
    /// Utilisation of servers; every server that the pattern names.
    Utilisation(NamePattern),
    /// The hosts that answered ARP for an address.
    Arp(Addr),
    /// Drops, by place and reason.
    Drops(Option<String>, Option<DropReason>),
    /// Connections scheduled, by one director or all, of one service or all, to one server or all.
    Scheduled {
        /// The director's name.
        director: Option<String>,
        /// `10.0.0.100:80`, or a firewall mark.
        service: Option<String>,
        /// `10.0.0.11:80`
        server: Option<String>,
    },
    /// Entries in the connection table at the end, of one director or all.
    Entries(Option<String>),
}

/// A statistic of a distribution of durations.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Statistic {
    /// The value below which this share lies.
    Quantile(f64),
    /// The mean.
    Mean,
    /// The largest.
    Max,
}

/// What must hold.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// A comparison of numbers, in the base unit of the measure (seconds, counts, shares of one).
    Compare(Comparison, f64, Unit),
    /// Within bounds, both included.
    Within(f64, f64, Unit),
    /// Exactly these names, in any order.
    Names(Vec<String>),
    /// Any others than these names.
    OtherNames(Vec<String>),
}

/// How numbers are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// The unit a number was written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A plain number.
    Plain,
    /// A percentage.
    Percent,
    /// A duration.
    Time,
}

/// Why a line is not an expectation: the columns (bytes), what is wrong, the cure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    /// Where in the line.
    pub columns: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// The cure.
    pub help: String,
}

/// Names that expectations may use.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Hosts that run servers.
    pub servers: &'a [&'a str],
    /// Client groups.
    pub clients: &'a [&'a str],
    /// Hosts, networks: whatever may drop something.
    pub places: &'a [&'a str],
}

const OPERATORS: [(&str, Option<Comparison>); 7] = [
    ("=", Some(Comparison::Equal)),
    ("!=", Some(Comparison::Unequal)),
    ("<", Some(Comparison::Less)),
    ("<=", Some(Comparison::AtMost)),
    (">", Some(Comparison::More)),
    (">=", Some(Comparison::AtLeast)),
    ("in", None),
];

impl Expectation {
    /// Reads a line.
    ///
    /// # Errors
    /// Where in the line, what is wrong, and the cure.
    pub fn parse(text: &str, known: Known<'_>) -> Result<Expectation, Misread> {
        let words = words(text);
        let Some(at) = words.iter().position(|(_, word)| OPERATORS.iter().any(|(name, _)| name == word))
        else {
            let help =
                "a line reads MEASURE OPERATOR VALUE, as in `success >= 99.9%`; operators: = != < <= > >= in";
            return Err(misread(0..text.len(), "no operator in this line".into(), help));
        };
        let (operator_columns, operator) = &words[at];
        let comparison =
            OPERATORS.iter().find(|(name, _)| name == operator).and_then(|(_, comparison)| *comparison);
        let value_start = words.get(at + 1).map_or(text.len(), |(columns, _)| columns.start);
        let value = Words { columns: value_start..text.len(), text: text[value_start..].trim_end() };
        let measure = measure::parse(text, &words[..at], known)?;
        let condition = match (&measure, comparison) {
            (Measure::Arp(_), Some(Comparison::Equal)) => Condition::Names(value.names(known)?),
            (Measure::Arp(_), Some(Comparison::Unequal)) => Condition::OtherNames(value.names(known)?),
            (Measure::Arp(_), _) => {
                let help = "write `arp ADDRESS = HOST` or `arp ADDRESS != HOST`";
                return Err(misread(operator_columns.clone(), "names have no order".into(), help));
            }
            (_, Some(comparison)) => {
                let (number, unit) = value.number(&measure)?;
                Condition::Compare(comparison, number, unit)
            }
            (_, None) => {
                let (low, high, unit) = value.range(&measure)?;
                Condition::Within(low, high, unit)
            }
        };
        Ok(Expectation { text: text.trim().into(), measure, condition })
    }

    /// Does it hold?
    ///
    /// # Errors
    /// What was found instead, and where to look.
    pub fn check(&self, outcome: &Outcome) -> Result<(), Failed> {
        let failed = |got: String| {
            Err(Failed { expected: self.text.clone(), got, look: measure::look(&self.measure).into() })
        };
        match &self.condition {
            Condition::Names(names) | Condition::OtherNames(names) => {
                let found = measure::names(&self.measure, outcome);
                let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
                wanted.sort_unstable();
                let same = found == wanted;
                if same == matches!(self.condition, Condition::Names(_)) {
                    return Ok(());
                }
                failed(if found.is_empty() { "nobody".into() } else { found.join(", ") })
            }
            Condition::Compare(_, _, unit) | Condition::Within(_, _, unit) => {
                let values = measure::values(&self.measure, *unit, outcome);
                if values.is_empty() {
                    return failed("nothing to measure".into());
                }
                let bad: Vec<String> = values
                    .iter()
                    .filter(|(_, value)| !self.condition.holds(*value))
                    .take(5)
                    .map(|(name, value)| format!("{name}{}", show(*value, *unit)))
                    .collect();
                if bad.is_empty() { Ok(()) } else { failed(bad.join(", ")) }
            }
        }
    }
}

impl Condition {
    fn holds(&self, value: f64) -> bool {
        match self {
            Condition::Compare(comparison, bound, _) => {
                let order = order(value, *bound);
                match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::Unequal => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::AtMost => order.is_le(),
                    Comparison::More => order.is_gt(),
                    Comparison::AtLeast => order.is_ge(),
                }
            }
            Condition::Within(low, high, _) => order(value, *low).is_ge() && order(value, *high).is_le(),
            Condition::Names(_) | Condition::OtherNames(_) => unreachable!("names are compared as names"),
        }
    }
}

/// Compares as decimals read: 999 of 1000 is 99.9%, although 0.999 and 99.9 / 100 differ in their last bit.
fn order(value: f64, bound: f64) -> Ordering {
    if (value - bound).abs() <= 1e-9 * bound.abs() { Ordering::Equal } else { value.total_cmp(&bound) }
}

/// The value part of a line.
struct Words<'a> {
    columns: Range<usize>,
    text: &'a str,
}

impl Words<'_> {
    fn names(&self, known: Known<'_>) -> Result<Vec<String>, Misread> {
        self.text
            .split(',')
            .map(|name| match known.places.contains(&name.trim()) {
                true => Ok(name.trim().to_string()),
                false => Err(unknown(self.columns.clone(), "host", name.trim(), known.places)),
            })
            .collect()
    }

    fn number(&self, measure: &Measure) -> Result<(f64, Unit), Misread> {
        number(self.text.trim(), measure).map_err(|help| {
            misread(
                self.columns.clone(),
                format!("`{}` cannot be compared with this measure", self.text),
                &help,
            )
        })
    }

    fn range(&self, measure: &Measure) -> Result<(f64, f64, Unit), Misread> {
        let read = || {
            let (low, high) = self.text.split_once("..").ok_or("write a range as `in 60%..62%`")?;
            let (low, unit) = number(low.trim(), measure)?;
            let (high, high_unit) = number(high.trim(), measure)?;
            match unit == high_unit && low <= high {
                true => Ok((low, high, unit)),
                false => Err("both ends of a range have the same unit, the smaller one first".to_string()),
            }
        };
        read().map_err(|help| misread(self.columns.clone(), format!("`{}` is not a range", self.text), &help))
    }
}

/// A number in the unit that the measure has; the error is the cure.
fn number(text: &str, measure: &Measure) -> Result<(f64, Unit), String> {
    let units = measure::units(measure);
    let plain = |text: &str| text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
    let read = match text.strip_suffix('%') {
        Some(percent) => plain(percent).map(|number| (number / 100.0, Unit::Percent)),
        None => plain(text)
            .map(|number| (number, Unit::Plain))
            .or_else(|| text.parse::<Period>().ok().map(|period| (period.0.as_secs_f64(), Unit::Time))),
    };
    read.filter(|(_, unit)| units.contains(unit)).ok_or_else(|| {
        let shown: Vec<&str> = units
            .iter()
            .map(|unit| match unit {
                Unit::Plain => "a number (12)",
                Unit::Percent => "a share (99.9%)",
                Unit::Time => "a duration (20ms)",
            })
            .collect();
        format!("expected {}", shown.join(" or "))
    })
}

fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => format!("{}", (value * 1e4).round() / 1e4),
        Unit::Percent => format!("{:.3}%", value * 100.0),
        Unit::Time => sim_core::Duration::from_secs_f64(value).to_string(),
    }
}

/// Words with their columns.
fn words(text: &str) -> Vec<(Range<usize>, &str)> {
    text.split_whitespace()
        .map(|word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            (start..start + word.len(), word)
        })
        .collect()
}

fn misread(columns: Range<usize>, message: String, help: &str) -> Misread {
    Misread { columns, message, help: help.into() }
}

fn unknown(columns: Range<usize>, what: &str, name: &str, known: &[&str]) -> Misread {
    let help = match suggestion(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("the scenario has no {what}"),
        None => format!("one of: {}", known.iter().take(12).copied().collect::<Vec<_>>().join(", ")),
    };
    misread(columns, format!("no {what} is called `{name}`"), &help)
}

#[cfg(test)]
mod tests;
