//! `iptables`: firewall marks in the mangle table, and simple rules of the filter table.

use super::words::{Args, ParseError, Word, number, to_prefix};
use net_model::addr::Prefix;
use net_model::packet::proto;
use std::ops::RangeInclusive;

/// A change of a firewall table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Iptables {
    /// `iptables` or `ip6tables`?
    pub is_v6: bool,
    /// The table.
    pub table: Table,
    /// The chain; none for all (`-F` without a chain).
    pub chain: Option<Chain>,
    /// What happens to it.
    pub change: Change,
}

/// The tables that are modelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// Without `-t`.
    Filter,
    /// `-t mangle`
    Mangle,
}

/// The chains that are modelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chain {
    /// Every packet that arrives, before routing.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets that are passed on.
    Forward,
    /// Packets that this host sends.
    Output,
    /// Every packet that leaves, after routing.
    Postrouting,
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
    /// `-P`
    Policy(Target),
    /// `-S`, `-L`: nothing
    List,
}

/// A rule: all that is given must match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `-s`, and whether it is negated
    pub source: Option<(Prefix, bool)>,
    /// `-d`, and whether it is negated
    pub destination: Option<(Prefix, bool)>,
    /// `-p`, and whether it is negated
    pub protocol: Option<(u8, bool)>,
    /// `--sport`, `--sports`: any of these
    pub source_ports: Vec<RangeInclusive<u16>>,
    /// `--dport`, `--dports`: any of these
    pub destination_ports: Vec<RangeInclusive<u16>>,
    /// `-i`
    pub input: Option<String>,
    /// `-o`
    pub output: Option<String>,
    /// `-m mark --mark VALUE/MASK`
    pub mark: Option<(u32, u32)>,
    /// `-j`
    pub target: Target,
}

/// What a rule does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Lets it pass.
    Accept,
    /// Drops it silently.
    Drop,
    /// Drops it with ICMP port unreachable.
    Reject,
    /// Goes back to the policy of the chain.
    Return,
    /// Sets its mark: mark = mark & !mask ^ value.
    Mark {
        /// What is set.
        value: u32,
        /// The bits that are cleared before.
        mask: u32,
    },
}

/// A command letter with what follows it; the rule is still to come.
enum Action {
    Append,
    Insert(u32),
    Delete(Option<u32>),
    Flush,
    Policy(Target),
    List,
}

/// Reads an `iptables` or `ip6tables` command.
pub(super) fn parse(words: &[Word]) -> Result<Iptables, ParseError> {
    let is_v6 = words.first().is_some_and(|word| word.text.ends_with("ip6tables"));
    let mut args = Args::after_program(words);
    let mut table = Table::Filter;
    let mut command: Option<(Action, Option<Chain>)> = None;
    let mut rule = Rule {
        source: None,
        destination: None,
        protocol: None,
        source_ports: vec![],
        destination_ports: vec![],
        input: None,
        output: None,
        mark: None,
        target: Target::Accept,
    };
    let (mut negated, mut has_target) = (false, false);
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "!" => {
                negated = true;
                continue;
            }
            "-t" | "--table" => table = parse_table(args.expect("table")?)?,
            "-j" | "--jump" => {
                rule.target = parse_target(&mut args)?;
                has_target = true;
            }
            text => match parse_action(text, &mut args)? {
                Some(action) => command = Some(action),
                None => matches(word, &mut args, &mut rule, negated)?,
            },
        }
        negated = false;
    }
    let Some((action, chain)) = command else { return Err(args.missing("command (such as -A CHAIN)")) };
    let needs_target = matches!(action, Action::Append | Action::Insert(_) | Action::Delete(None));
    if needs_target && !has_target {
        return Err(args.missing("target (-j TARGET)"));
    }
    let change = match action {
        Action::Append => Change::Append(rule),
        Action::Insert(place) => Change::Insert(place, rule),
        Action::Delete(None) => Change::Delete(rule),
        Action::Delete(Some(place)) => Change::DeleteAt(place),
        Action::Flush => Change::Flush,
        Action::Policy(policy) => Change::Policy(policy),
        Action::List => Change::List,
    };
    Ok(Iptables { is_v6, table, chain, change })
}

/// The command that a word stands for, with its chain.
fn parse_action(text: &str, args: &mut Args) -> Result<Option<(Action, Option<Chain>)>, ParseError> {
    let of_all_chains = match text {
        "-F" | "--flush" => Some(Action::Flush),
        "-S" | "--list-rules" | "-L" | "--list" => Some(Action::List),
        _ => None,
    };
    if let Some(action) = of_all_chains {
        let chain = if args.is_empty() { None } else { Some(parse_chain(args.expect("chain")?)?) };
        return Ok(Some((action, chain)));
    }
    if !matches!(text, "-A" | "--append" | "-I" | "--insert" | "-D" | "--delete" | "-P" | "--policy") {
        return Ok(None);
    }
    let chain = parse_chain(args.expect("chain")?)?;
    let action = match text {
        "-A" | "--append" => Action::Append,
        "-I" | "--insert" => Action::Insert(place(args).unwrap_or(1)),
        "-D" | "--delete" => Action::Delete(place(args)),
        _ => Action::Policy(parse_policy(args.expect("policy")?)?),
    };
    Ok(Some((action, Some(chain))))
}

/// The matches of a rule.
fn matches(word: &Word, args: &mut Args, rule: &mut Rule, negated: bool) -> Result<(), ParseError> {
    match word.text.as_str() {
        "-s" | "--source" | "--src" => rule.source = Some((to_prefix(args.prefix("source")?), negated)),
        "-d" | "--destination" | "--dst" => {
            rule.destination = Some((to_prefix(args.prefix("destination")?), negated));
        }
        "-p" | "--protocol" | "--proto" => {
            rule.protocol = Some((parse_protocol(args.expect("protocol")?)?, negated));
        }
        "-i" | "--in-interface" => rule.input = Some(args.expect("interface")?.text.clone()),
        "-o" | "--out-interface" => rule.output = Some(args.expect("interface")?.text.clone()),
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            need_ports(word, rule)?;
            rule.destination_ports = parse_ports(args.expect("port")?)?;
        }
        "--sport" | "--source-port" | "--sports" | "--source-ports" => {
            need_ports(word, rule)?;
            rule.source_ports = parse_ports(args.expect("port")?)?;
        }
        "--mark" => rule.mark = Some(parse_mark(args.expect("mark")?)?),
        "-m" | "--match" => {
            let module = args.expect("match")?;
            if !matches!(module.text.as_str(), "tcp" | "udp" | "sctp" | "multiport" | "mark" | "comment") {
                let problem = format!("the match `{}' is not modelled", module.text);
                let cure = "use tcp, udp, sctp, multiport, mark or comment; matches of addresses, protocols and \
                    interfaces need no -m";
                return Err(ParseError::at(module, problem, cure));
            }
        }
        "--comment" => drop(args.expect("comment")?),
        text => {
            let close = ["--set-mark", "--set-xmark", "--dport", "--sport", "--dports", "--mark"]
                .into_iter()
                .find(|known| {
                    known.len() == text.len() && known[..4.min(text.len())] == text[..4.min(text.len())]
                });
            let cure = match close {
                Some(known) => format!("did you mean {known}?"),
                None => "known are: -s -d -p -i -o --dport --sport --dports -m mark --mark -j".to_string(),
            };
            return Err(ParseError::at(word, format!("unknown option \"{text}\""), cure));
        }
    }
    if negated && matches!(word.text.as_str(), "--dport" | "--sport" | "--mark" | "-i" | "-o") {
        return Err(ParseError::at(word, "`!' is not modelled for this match", "write the rule without !"));
    }
    Ok(())
}

fn place(args: &mut Args) -> Option<u32> {
    let place = args.peek()?.parse().ok()?;
    args.next();
    Some(place)
}

fn parse_table(word: &Word) -> Result<Table, ParseError> {
    match word.text.as_str() {
        "filter" => Ok(Table::Filter),
        "mangle" => Ok(Table::Mangle),
        other => {
            let problem = format!("the table `{other}' is not modelled");
            Err(ParseError::at(word, problem, "use mangle for marks, filter to accept or drop"))
        }
    }
}

fn parse_chain(word: &Word) -> Result<Chain, ParseError> {
    match word.text.as_str() {
        "PREROUTING" => Ok(Chain::Prerouting),
        "INPUT" => Ok(Chain::Input),
        "FORWARD" => Ok(Chain::Forward),
        "OUTPUT" => Ok(Chain::Output),
        "POSTROUTING" => Ok(Chain::Postrouting),
        other => {
            let problem = format!("there is no chain `{other}'");
            Err(ParseError::at(
                word,
                problem,
                "use PREROUTING, INPUT, FORWARD, OUTPUT or POSTROUTING, in capitals",
            ))
        }
    }
}

fn parse_policy(word: &Word) -> Result<Target, ParseError> {
    match word.text.as_str() {
        "ACCEPT" => Ok(Target::Accept),
        "DROP" => Ok(Target::Drop),
        _ => Err(ParseError::at(word, "a policy is ACCEPT or DROP", "write ACCEPT or DROP, in capitals")),
    }
}

fn parse_protocol(word: &Word) -> Result<u8, ParseError> {
    match word.text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(proto::TCP),
        "udp" => Ok(proto::UDP),
        "sctp" => Ok(proto::SCTP),
        "icmp" => Ok(proto::ICMP),
        "icmpv6" | "ipv6-icmp" => Ok(proto::ICMPV6),
        text => text.parse().map_err(|_| {
            let problem = format!("`{}' is not a protocol", word.text);
            ParseError::at(word, problem, "write tcp, udp, sctp, icmp or a number")
        }),
    }
}

fn need_ports(word: &Word, rule: &Rule) -> Result<(), ParseError> {
    match rule.protocol {
        Some((proto::TCP | proto::UDP | proto::SCTP, false)) => Ok(()),
        _ => {
            let problem = format!("unknown option \"{}\"", word.text);
            Err(ParseError::at(
                word,
                problem,
                "ports belong to a protocol: write -p tcp (or udp, sctp) before it",
            ))
        }
    }
}

/// `80`, `80,443`, `1000:2000`
fn parse_ports(word: &Word) -> Result<Vec<RangeInclusive<u16>>, ParseError> {
    let range = |text: &str| {
        let (low, high) = text.split_once(':').unwrap_or((text, text));
        let low = if low.is_empty() { Some(0) } else { low.parse().ok() };
        let high = if high.is_empty() { Some(u16::MAX) } else { high.parse().ok() };
        low.zip(high).filter(|(low, high)| low <= high).map(|(low, high)| low..=high)
    };
    word.text.split(',').map(range).collect::<Option<_>>().ok_or_else(|| {
        let problem = format!("`{}' is not a port or a range of ports", word.text);
        ParseError::at(word, problem, "write 80, 1000:2000, or with --dports 80,443")
    })
}

/// `VALUE` or `VALUE/MASK`
fn parse_mark(word: &Word) -> Result<(u32, u32), ParseError> {
    let (value, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
    number(value).zip(number(mask)).ok_or_else(|| {
        let problem = format!("`{}' is not a mark", word.text);
        ParseError::at(word, problem, "write VALUE or VALUE/MASK, such as 10 or 0xa/0xff")
    })
}

fn parse_target(args: &mut Args) -> Result<Target, ParseError> {
    let word = args.expect("target")?;
    match word.text.as_str() {
        "ACCEPT" => Ok(Target::Accept),
        "DROP" => Ok(Target::Drop),
        "RETURN" => Ok(Target::Return),
        "REJECT" => {
            if args.takes("--reject-with") {
                args.expect("kind of error")?;
            }
            Ok(Target::Reject)
        }
        "MARK" => {
            let option = args.expect("value (--set-mark VALUE)")?;
            let (value, mask) = match option.text.as_str() {
                "--set-mark" | "--set-xmark" => parse_mark(args.expect("mark")?)?,
                text => {
                    let problem = format!("unknown option \"{text}\"");
                    return Err(ParseError::at(option, problem, "write -j MARK --set-mark VALUE"));
                }
            };
            // --set-mark clears the bits of the value too; --set-xmark only those of the mask.
            let mask = if option.text == "--set-mark" { mask | value } else { mask };
            Ok(Target::Mark { value, mask })
        }
        other => {
            let problem = format!("there is no target `{other}' here");
            let cure = "use MARK in the mangle table, ACCEPT, DROP or REJECT in the filter table";
            Err(ParseError::at(word, problem, cure))
        }
    }
}
