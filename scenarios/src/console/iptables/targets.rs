//! `-j`: what a rule does.

use super::super::words::{Args, ParseError, Word, number};
use super::{Condition, NOT_FOR_FILTERING, PacketCondition, Rule, Table, Target};
use net_model::host::reject::Rejection;
use net_model::packet::proto;

/// What `--reject-with` understands: the names of a type, the first one in full.
const REJECTIONS: [(&[&str], Rejection); 8] = [
    (&["icmp-port-unreachable", "port-unreach"], Rejection::PortUnreachable),
    (&["icmp-net-unreachable", "net-unreach"], Rejection::NetUnreachable),
    (&["icmp-host-unreachable", "host-unreach"], Rejection::HostUnreachable),
    (&["icmp-proto-unreachable", "proto-unreach"], Rejection::ProtocolUnreachable),
    (&["icmp-net-prohibited", "net-prohib"], Rejection::NetProhibited),
    (&["icmp-host-prohibited", "host-prohib"], Rejection::HostProhibited),
    (&["icmp-admin-prohibited", "admin-prohib"], Rejection::AdminProhibited),
    (&["tcp-reset", "tcp-rst"], Rejection::Reset),
];

/// Targets that iptables has and that are not modelled.
const NOT_MODELLED: [&str; 16] = [
    "DNAT",
    "SNAT",
    "MASQUERADE",
    "NETMAP",
    "LOG",
    "NFLOG",
    "RETURN",
    "CT",
    "NOTRACK",
    "CONNMARK",
    "TCPMSS",
    "TTL",
    "TOS",
    "DSCP",
    "TPROXY",
    "CLUSTERIP",
];

/// The target of this name, with its options.
pub(super) fn parse_target(word: &Word, args: &mut Args) -> Result<Target, ParseError> {
    let cure = "use MARK in the table mangle, ACCEPT, DROP or REJECT in filter, REDIRECT in nat";
    match word.text.as_str() {
        "ACCEPT" => Ok(Target::Accept),
        "DROP" => Ok(Target::Drop),
        "REJECT" => parse_rejection(args),
        "MARK" => parse_mark_target(word, args),
        "REDIRECT" => Ok(Target::Redirect { ports: parse_redirect_ports(args)? }),
        other if NOT_MODELLED.contains(&other) => {
            Err(ParseError::at(word, format!("the target `{other}' is not modelled"), cure))
        }
        other => {
            let problem = format!("Couldn't load target `{other}':No such file or directory");
            Err(ParseError::at(word, problem, cure))
        }
    }
}

/// `--set-mark VALUE[/MASK]` and its relatives.
fn parse_mark_target(word: &Word, args: &mut Args) -> Result<Target, ParseError> {
    let Some(option) = args.next() else {
        let problem = "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required";
        return Err(ParseError::at(word, problem, "write -j MARK --set-mark VALUE"));
    };
    let known = ["--set-mark", "--set-xmark", "--or-mark", "--and-mark", "--xor-mark"];
    if !known.contains(&option.text.as_str()) {
        let problem = format!("unknown option \"{}\"", option.text);
        return Err(ParseError::at(option, problem, "write -j MARK --set-mark VALUE"));
    }
    let (value, mask) = parse_mark(
        args.expect("mark")?,
        &format!("MARK: bad value for option \"{}\", or out of range.", option.text),
    )?;
    Ok(match option.text.as_str() {
        "--set-mark" => Target::set_mark(value, mask),
        "--or-mark" => Target::or_mark(value),
        "--and-mark" => Target::and_mark(value),
        "--xor-mark" => Target::xor_mark(value),
        _ => Target::Mark { value, mask },
    })
}

/// `VALUE` or `VALUE/MASK`
pub(super) fn parse_mark(word: &Word, problem: &str) -> Result<(u32, u32), ParseError> {
    let (value, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
    number(value)
        .zip(number(mask))
        .ok_or_else(|| ParseError::at(word, problem, "write VALUE or VALUE/MASK, such as 10 or 0xa/0xff"))
}

/// `[--reject-with TYPE]`
fn parse_rejection(args: &mut Args) -> Result<Target, ParseError> {
    if !args.takes("--reject-with") {
        return Ok(Target::Reject(Rejection::PortUnreachable));
    }
    let word = args.expect("reject type")?;
    let known = REJECTIONS.iter().find(|(names, _)| names.contains(&word.text.as_str()));
    known.map(|(_, rejection)| Target::Reject(*rejection)).ok_or_else(|| {
        let names: Vec<&str> = REJECTIONS.iter().map(|(names, _)| names[0]).collect();
        let problem = format!("unknown reject type \"{}\"", word.text);
        ParseError::at(word, problem, format!("use one of: {}", names.join(", ")))
    })
}

/// `[--to-ports PORT[-PORT]]`
fn parse_redirect_ports(args: &mut Args) -> Result<Option<(u16, u16)>, ParseError> {
    if !args.takes("--to-ports") && !args.takes("--to-port") {
        return Ok(None);
    }
    let word = args.expect("port")?;
    let cure = "write --to-ports 8080, or a range such as 8080-8083";
    let (low, high) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    let port = |text: &str| {
        text.parse::<u16>().map_err(|_| ParseError::at(word, format!("Port `{text}' not valid"), cure))
    };
    let range = (port(low)?, port(high)?);
    if range.0 > range.1 {
        return Err(ParseError::at(word, format!("Port range `{high}' funky"), cure));
    }
    Ok(Some(range))
}

/// Each target has its table: REJECT filter, a reset TCP, REDIRECT nat, and nat must not drop.
pub(super) fn check_target(word: &Word, args: &Args, table: Table, rule: &Rule) -> Result<(), ParseError> {
    let protocol = rule.matches.iter().find_map(|(condition, holds)| match condition {
        Condition::Packet(PacketCondition::Protocol(number)) if *holds => Some(*number),
        _ => None,
    });
    match rule.target {
        Target::Drop if table == Table::Nat => {
            Err(ParseError::at(word, NOT_FOR_FILTERING, "let the table filter drop: leave out -t nat"))
        }
        Target::Reject(_) if table != Table::Filter => {
            let cure = "use -t filter (or no -t) with INPUT, FORWARD or OUTPUT";
            Err(args.wrong("REJECT is for the filter table", cure))
        }
        Target::Reject(Rejection::Reset) if protocol != Some(proto::TCP) => {
            Err(args.wrong("only TCP has resets", "add -p tcp, or reject with an ICMP error"))
        }
        Target::Redirect { .. } if table != Table::Nat => {
            let cure = "use -t nat with PREROUTING (what comes in) or OUTPUT (the host's own)";
            Err(args.wrong("REDIRECT is for the table nat", cure))
        }
        Target::Redirect { ports: Some(_) } if protocol.is_none() => Err(ParseError::at(
            word,
            "Need TCP, UDP, SCTP or DCCP with port specification",
            "add -p tcp or -p udp",
        )),
        Target::Accept
        | Target::Drop
        | Target::Reject(_)
        | Target::Mark { .. }
        | Target::Redirect { .. }
        | Target::Continue => Ok(()),
    }
}
