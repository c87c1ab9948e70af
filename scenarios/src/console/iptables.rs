//! `iptables`: firewall marks in the table mangle, simple rules of the table filter, REDIRECT in the table nat.
//!
//! What iptables 1.8.9 refuses is refused in its words, with a cure; what it takes and is not modelled is named.

mod matches;
mod targets;

use super::names::Names;
use super::words::{Args, ParseError, Word};
use matches::Matches;
pub use net_model::host::mark::{Chain, Condition as PacketCondition, Target};
use targets::{check_target, parse_target};

/// A change of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Iptables {
    /// `iptables` or `ip6tables`?
    pub is_v6: bool,
    /// The chains: one, or all of the table for `-F` without a chain.
    pub chains: Vec<Chain>,
    /// What happens to them.
    pub change: Change,
}

/// What happens to a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// `-A`
    Append(Rule),
    /// `-I`, at this place counted from 1
    Insert(u32, Rule),
    /// `-D` with the rule spelled out
    Delete(Rule),
    /// `-D` with a number, counted from 1
    DeleteAt(u32),
    /// `-F`
    Flush,
    /// `-P`: does what no rule decides drop?
    Policy {
        /// `-P CHAIN DROP`
        drops: bool,
    },
    /// `-S`, `-L`, `-Z`, `-X`: nothing
    List,
}

/// A rule: all conditions must be met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The conditions, each with whether it must hold (false for `!`).
    pub matches: Vec<(Condition, bool)>,
    /// `-j`
    pub target: Target,
}

/// A property of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// `-i`
    In(String),
    /// `-o`
    Out(String),
    /// Any other: address, protocol, port, mark.
    Packet(PacketCondition),
}

/// A command letter with what follows it; the rule is still to come.
enum Action {
    Append,
    Insert(u32),
    Delete(Option<u32>),
    Flush,
    Policy { drops: bool },
    List,
}

impl Action {
    /// The change that it is with its rule.
    fn with(self, rule: Rule) -> Change {
        match self {
            Action::Append => Change::Append(rule),
            Action::Insert(place) => Change::Insert(place, rule),
            Action::Delete(None) => Change::Delete(rule),
            Action::Delete(Some(place)) => Change::DeleteAt(place),
            Action::Flush => Change::Flush,
            Action::Policy { drops } => Change::Policy { drops },
            Action::List => Change::List,
        }
    }
}

/// The tables that are modelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Filter,
    Mangle,
    Nat,
}

/// Options of listings and of waiting, which change nothing.
const OPTIONS_WITHOUT_EFFECT: [&str; 9] =
    ["-n", "--numeric", "-v", "--verbose", "-x", "--exact", "--line-numbers", "-w", "--wait"];

/// Reads an `iptables` or `ip6tables` command.
pub(super) fn parse(words: &[Word], names: &Names) -> Result<Iptables, ParseError> {
    let is_v6 = words.first().is_some_and(|word| word.text.ends_with("ip6tables"));
    let mut args = Args::after_program(words);
    let mut table = Table::Filter;
    let mut command: Option<(&Word, Action, Option<&Word>)> = None;
    let mut target: Option<(&Word, Target)> = None;
    let mut matches = Matches::new(names);
    let mut is_negated = false;
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "!" => {
                is_negated = true;
                continue;
            }
            "-t" | "--table" => table = parse_table(args.expect("table")?)?,
            "-j" | "--jump" => {
                if target.is_some() {
                    return Err(ParseError::at(word, "multiple -j flags not allowed", "write two rules"));
                }
                let name = args.expect("target")?;
                target = Some((name, parse_target(name, &mut args)?));
            }
            text if OPTIONS_WITHOUT_EFFECT.contains(&text) => {}
            text => match (parse_action(text, &mut args)?, &command) {
                (Some(_), Some((first, ..))) => {
                    let problem = format!("Cannot use {text} with {}", first.text);
                    return Err(ParseError::at(word, problem, "one command per line"));
                }
                (Some((action, chain)), None) => command = Some((word, action, chain)),
                (None, _) => matches.read(word, &mut args, !is_negated)?,
            },
        }
        is_negated = false;
    }
    let Some((_, action, chain)) = command else {
        return Err(args.wrong("no command specified", "begin with -A CHAIN"));
    };
    let chains = match chain {
        Some(word) => vec![parse_chain(word, table)?],
        None => table.chains().iter().map(|(_, chain)| *chain).collect(),
    };
    if table == Table::Nat && matches!(action, Action::Policy { drops: true }) {
        return Err(args.wrong(NOT_FOR_FILTERING, "let the table filter drop: leave out -t nat"));
    }
    let rule = Rule {
        matches: matches.finish(&args, chains[0])?,
        target: target.map_or(Target::Continue, |(_, target)| target),
    };
    if let Some((word, _)) = target {
        check_target(word, &args, table, &rule)?;
    }
    let change = action.with(rule);
    Ok(Iptables { is_v6, chains, change })
}

const NOT_FOR_FILTERING: &str =
    "The \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.";

/// The command that a word stands for, with the word that names its chain.
fn parse_action<'a>(
    text: &str,
    args: &mut Args<'a>,
) -> Result<Option<(Action, Option<&'a Word>)>, ParseError> {
    let of_all_chains = match text {
        "-F" | "--flush" => Some(Action::Flush),
        "-S" | "--list-rules" | "-L" | "--list" | "-Z" | "--zero" | "-X" | "--delete-chain" => {
            Some(Action::List)
        }
        _ => None,
    };
    if let Some(action) = of_all_chains {
        let has_chain = args.peek().is_some_and(|next| !next.starts_with('-'));
        return Ok(Some((action, if has_chain { args.next() } else { None })));
    }
    if !matches!(text, "-A" | "--append" | "-I" | "--insert" | "-D" | "--delete" | "-P" | "--policy") {
        return Ok(None);
    }
    let chain = args.expect("chain")?;
    let action = match text {
        "-A" | "--append" => Action::Append,
        "-I" | "--insert" => Action::Insert(place(args).unwrap_or(1)),
        "-D" | "--delete" => Action::Delete(place(args)),
        _ => Action::Policy { drops: parse_policy(args.expect("policy")?)? },
    };
    Ok(Some((action, Some(chain))))
}

fn place(args: &mut Args) -> Option<u32> {
    let place = args.peek()?.parse().ok()?;
    args.next();
    Some(place)
}

fn parse_table(word: &Word) -> Result<Table, ParseError> {
    let cure = "use mangle for marks, filter to accept or drop, nat for REDIRECT";
    match word.text.as_str() {
        "filter" => Ok(Table::Filter),
        "mangle" => Ok(Table::Mangle),
        "nat" => Ok(Table::Nat),
        other @ ("raw" | "security") => {
            Err(ParseError::at(word, format!("the table `{other}' is not modelled"), cure))
        }
        other => {
            let problem = format!(
                "can't initialize iptables table `{other}': Table does not exist (do you need to insmod?)"
            );
            Err(ParseError::at(word, problem, cure))
        }
    }
}

impl Table {
    /// The chains that are modelled, by name.
    const fn chains(self) -> &'static [(&'static str, Chain)] {
        match self {
            Table::Filter => {
                &[("INPUT", Chain::Input), ("FORWARD", Chain::Forward), ("OUTPUT", Chain::Output)]
            }
            Table::Mangle => &[
                ("PREROUTING", Chain::ManglePrerouting),
                ("INPUT", Chain::MangleInput),
                ("OUTPUT", Chain::MangleOutput),
            ],
            Table::Nat => &[("PREROUTING", Chain::NatPrerouting), ("OUTPUT", Chain::NatOutput)],
        }
    }

    /// Those that Linux has beside them.
    const fn further_chains(self) -> &'static [&'static str] {
        match self {
            Table::Filter => &[],
            Table::Mangle => &["FORWARD", "POSTROUTING"],
            Table::Nat => &["INPUT", "POSTROUTING"],
        }
    }
}

fn parse_chain(word: &Word, table: Table) -> Result<Chain, ParseError> {
    let name = word.text.as_str();
    if let Some((_, chain)) = table.chains().iter().find(|(known, _)| *known == name) {
        return Ok(*chain);
    }
    let problem = match table.further_chains().contains(&name) {
        true => format!("the chain {name} of this table is not modelled"),
        false => "No chain/target/match by that name.".to_owned(),
    };
    let cure = match table {
        Table::Mangle => "with -t mangle use PREROUTING, INPUT or OUTPUT, in capitals",
        Table::Nat => {
            "with -t nat use PREROUTING or OUTPUT, in capitals: of address translation REDIRECT is modelled"
        }
        Table::Filter => {
            "use INPUT, FORWARD or OUTPUT, in capitals; PREROUTING is in the tables mangle and nat"
        }
    };
    Err(ParseError::at(word, problem, cure))
}

/// Does the policy drop?
fn parse_policy(word: &Word) -> Result<bool, ParseError> {
    match word.text.as_str() {
        "ACCEPT" => Ok(false),
        "DROP" => Ok(true),
        _ => Err(ParseError::at(
            word,
            "Bad policy name. Run `dmesg' for more information.",
            "write ACCEPT or DROP, in capitals",
        )),
    }
}
