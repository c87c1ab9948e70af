//! `iptables`: firewall marks in the mangle table, and simple rules of the filter table.

use super::words::{Args, ParseError, Word, number, to_prefix};
pub use net_model::host::mark::{Chain, Condition as PacketCondition, Target};
use net_model::packet::proto;

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
    /// `-S`, `-L`: nothing
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

/// The tables that are modelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Filter,
    Mangle,
}

/// Reads an `iptables` or `ip6tables` command.
pub(super) fn parse(words: &[Word]) -> Result<Iptables, ParseError> {
    let is_v6 = words.first().is_some_and(|word| word.text.ends_with("ip6tables"));
    let mut args = Args::after_program(words);
    let mut table = Table::Filter;
    let mut command: Option<(Action, Option<&Word>)> = None;
    let mut rule = Rule { matches: vec![], target: Target::Accept };
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
                None => rule.matches.extend(parse_match(word, &mut args, &rule)?.map(|m| (m, !negated))),
            },
        }
        negated = false;
    }
    let Some((action, chain)) = command else { return Err(args.missing("command (such as -A CHAIN)")) };
    let chains = match chain {
        Some(word) => vec![parse_chain(word, table)?],
        None if table == Table::Mangle => vec![Chain::ManglePrerouting, Chain::MangleOutput],
        None => vec![Chain::Input, Chain::Forward, Chain::Output],
    };
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
        Action::Policy { drops } => Change::Policy { drops },
        Action::List => Change::List,
    };
    Ok(Iptables { is_v6, chains, change })
}

/// The command that a word stands for, with the word that names its chain.
fn parse_action<'a>(
    text: &str,
    args: &mut Args<'a>,
) -> Result<Option<(Action, Option<&'a Word>)>, ParseError> {
    let of_all_chains = match text {
        "-F" | "--flush" => Some(Action::Flush),
        "-S" | "--list-rules" | "-L" | "--list" => Some(Action::List),
        _ => None,
    };
    if let Some(action) = of_all_chains {
        return Ok(Some((action, args.next())));
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

/// The condition that begins with this word; none for words that only announce one.
fn parse_match(word: &Word, args: &mut Args, rule: &Rule) -> Result<Option<Condition>, ParseError> {
    let condition = match word.text.as_str() {
        "-i" | "--in-interface" => return Ok(Some(Condition::In(args.expect("interface")?.text.clone()))),
        "-o" | "--out-interface" => return Ok(Some(Condition::Out(args.expect("interface")?.text.clone()))),
        "-s" | "--source" | "--src" => PacketCondition::Source(to_prefix(args.prefix("source")?)),
        "-d" | "--destination" | "--dst" => {
            PacketCondition::Destination(to_prefix(args.prefix("destination")?))
        }
        "-p" | "--protocol" | "--proto" => {
            PacketCondition::Protocol(parse_protocol(args.expect("protocol")?)?)
        }
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            need_ports(word, rule)?;
            PacketCondition::DestinationPorts(parse_ports(args.expect("port")?)?)
        }
        "--sport" | "--source-port" | "--sports" | "--source-ports" => {
            need_ports(word, rule)?;
            PacketCondition::SourcePorts(parse_ports(args.expect("port")?)?)
        }
        "--ports" => {
            need_ports(word, rule)?;
            PacketCondition::Ports(parse_ports(args.expect("port")?)?)
        }
        "--syn" => PacketCondition::Syn,
        "-f" | "--fragment" => PacketCondition::LaterFragment,
        "--mark" => {
            let (value, mask) = parse_mark(args.expect("mark")?)?;
            PacketCondition::Mark { value, mask }
        }
        "-m" | "--match" => {
            let module = args.expect("match")?;
            if matches!(module.text.as_str(), "tcp" | "udp" | "sctp" | "multiport" | "mark" | "comment") {
                return Ok(None);
            }
            let problem = format!("the match `{}' is not modelled", module.text);
            let cure = "use tcp, udp, sctp, multiport, mark or comment; matches of addresses, protocols and \
                interfaces need no -m";
            return Err(ParseError::at(module, problem, cure));
        }
        "--comment" => {
            args.expect("comment")?;
            return Ok(None);
        }
        text => {
            let close = ["--set-mark", "--set-xmark", "--dport", "--sport", "--dports", "--mark"]
                .into_iter()
                .find(|known| known.len() == text.len() && known.bytes().take(4).eq(text.bytes().take(4)));
            let cure = match close {
                Some(known) => format!("did you mean {known}?"),
                None => {
                    "known are: -s -d -p -i -o --dport --sport --dports --syn -m mark --mark -j".to_string()
                }
            };
            return Err(ParseError::at(word, format!("unknown option \"{text}\""), cure));
        }
    };
    Ok(Some(Condition::Packet(condition)))
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

fn parse_chain(word: &Word, table: Table) -> Result<Chain, ParseError> {
    match (table, word.text.as_str()) {
        (Table::Mangle, "PREROUTING") => Ok(Chain::ManglePrerouting),
        (Table::Mangle, "OUTPUT") => Ok(Chain::MangleOutput),
        (Table::Filter, "INPUT") => Ok(Chain::Input),
        (Table::Filter, "FORWARD") => Ok(Chain::Forward),
        (Table::Filter, "OUTPUT") => Ok(Chain::Output),
        (_, chain) => {
            let problem = format!("there is no chain `{chain}' here");
            let cure = match table {
                Table::Mangle => "with -t mangle use PREROUTING or OUTPUT, in capitals",
                Table::Filter => {
                    "use INPUT, FORWARD or OUTPUT, in capitals; PREROUTING is in the table mangle"
                }
            };
            Err(ParseError::at(word, problem, cure))
        }
    }
}

/// Does the policy drop?
fn parse_policy(word: &Word) -> Result<bool, ParseError> {
    match word.text.as_str() {
        "ACCEPT" => Ok(false),
        "DROP" => Ok(true),
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
    let has_ports = |(condition, holds): &(Condition, bool)| {
        let protocol = if let Condition::Packet(PacketCondition::Protocol(p)) = condition { *p } else { 0 };
        *holds && matches!(protocol, proto::TCP | proto::UDP | proto::SCTP)
    };
    if rule.matches.iter().any(has_ports) {
        return Ok(());
    }
    let problem = format!("unknown option \"{}\"", word.text);
    Err(ParseError::at(word, problem, "ports belong to a protocol: write -p tcp (or udp, sctp) before it"))
}

/// `80`, `80,443`, `1000:2000`
fn parse_ports(word: &Word) -> Result<Vec<(u16, u16)>, ParseError> {
    let range = |text: &str| {
        let (low, high) = text.split_once(':').unwrap_or((text, text));
        let low = if low.is_empty() { Some(0) } else { low.parse().ok() };
        let high = if high.is_empty() { Some(u16::MAX) } else { high.parse().ok() };
        low.zip(high).filter(|(low, high)| low <= high)
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
        "ACCEPT" => return Ok(Target::Accept),
        "DROP" => return Ok(Target::Drop),
        "MARK" => {}
        other => {
            let problem = format!("there is no target `{other}' here");
            let cure = "use MARK in the mangle table, ACCEPT or DROP in the filter table";
            return Err(ParseError::at(word, problem, cure));
        }
    }
    let option = args.expect("value (--set-mark VALUE)")?;
    let known = ["--set-mark", "--set-xmark", "--or-mark", "--and-mark", "--xor-mark"];
    if !known.contains(&option.text.as_str()) {
        let problem = format!("unknown option \"{}\"", option.text);
        return Err(ParseError::at(option, problem, "write -j MARK --set-mark VALUE"));
    }
    let (value, mask) = parse_mark(args.expect("mark")?)?;
    Ok(match option.text.as_str() {
        "--set-mark" => Target::set_mark(value, mask),
        "--or-mark" => Target::or_mark(value),
        "--and-mark" => Target::and_mark(value),
        "--xor-mark" => Target::xor_mark(value),
        _ => Target::Mark { value, mask },
    })
}
