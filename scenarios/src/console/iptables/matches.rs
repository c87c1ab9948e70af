//! The matches of a rule: addresses, protocol, interfaces, and what `-m` loads.

use super::super::names::Names;
use super::super::words::{Args, ParseError, Word, to_prefix};
use super::targets::parse_mark;
use super::{Chain, Condition, PacketCondition};
use net_model::host::conntrack::{State, States};
use net_model::ipvs::Protocol;
use net_model::packet::proto;

/// As many ports as a multiport match can hold; a range counts twice.
const MOST_PORTS: usize = 15;

/// Matches that iptables has and that are not modelled.
const NOT_MODELLED: [&str; 24] = [
    "addrtype",
    "cluster",
    "connlimit",
    "connmark",
    "cpu",
    "dscp",
    "ecn",
    "hashlimit",
    "icmp",
    "iprange",
    "ipvs",
    "length",
    "limit",
    "mac",
    "owner",
    "physdev",
    "pkttype",
    "policy",
    "recent",
    "set",
    "socket",
    "statistic",
    "tcpmss",
    "ttl",
];

/// Options that only a module knows, and which.
const OF_MODULES: [(&[&str], &str); 4] = [
    (&["--dports", "--destination-ports", "--sports", "--source-ports", "--ports"], "multiport"),
    (&["--mark"], "mark"),
    (&["--state"], "state"),
    (&["--ctstate"], "conntrack"),
];

/// The conditions of a rule, as they are read.
pub(super) struct Matches<'a> {
    names: &'a Names,
    found: Vec<(Condition, bool)>,
    /// What `-m` has loaded, and whether one of its options was there.
    modules: Vec<(&'a Word, bool)>,
    /// Options that may stand once.
    seen: Vec<&'static str>,
    interfaces: [Option<&'a Word>; 2],
}

impl<'a> Matches<'a> {
    pub(super) fn new(names: &'a Names) -> Matches<'a> {
        Matches { names, found: vec![], modules: vec![], seen: vec![], interfaces: [None; 2] }
    }

    /// Reads the match that begins with this word.
    pub(super) fn read(
        &mut self,
        word: &'a Word,
        args: &mut Args<'a>,
        holds: bool,
    ) -> Result<(), ParseError> {
        if let Some(once) = once(&word.text) {
            if self.seen.contains(&once) {
                let problem = format!("multiple {once} flags not allowed");
                return Err(ParseError::at(word, problem, "write a rule for each"));
            }
            self.seen.push(once);
        }
        self.needs_module(word)?;
        if let Some(condition) = self.condition(word, args)? {
            self.found.push((condition, holds));
        }
        Ok(())
    }

    fn condition(&mut self, word: &'a Word, args: &mut Args<'a>) -> Result<Option<Condition>, ParseError> {
        let condition = match word.text.as_str() {
            "-i" | "--in-interface" => {
                self.interfaces[0] = Some(word);
                return Ok(Some(Condition::In(args.expect("interface")?.text.clone())));
            }
            "-o" | "--out-interface" => {
                self.interfaces[1] = Some(word);
                return Ok(Some(Condition::Out(args.expect("interface")?.text.clone())));
            }
            "-s" | "--source" | "--src" => PacketCondition::Source(to_prefix(args.prefix("source")?)),
            "-d" | "--destination" | "--dst" => {
                PacketCondition::Destination(to_prefix(args.prefix("destination")?))
            }
            "-p" | "--protocol" | "--proto" => match parse_protocol(args.expect("protocol")?)? {
                0 => return Ok(None),
                number => PacketCondition::Protocol(number),
            },
            "--dport" | "--destination-port" => PacketCondition::DestinationPorts(self.range(word, args)?),
            "--sport" | "--source-port" => PacketCondition::SourcePorts(self.range(word, args)?),
            "--dports" | "--destination-ports" => PacketCondition::DestinationPorts(self.list(args)?),
            "--sports" | "--source-ports" => PacketCondition::SourcePorts(self.list(args)?),
            "--ports" => PacketCondition::Ports(self.list(args)?),
            "--syn" if self.protocol() == Some(proto::TCP) => PacketCondition::Syn,
            "-f" | "--fragment" => PacketCondition::LaterFragment,
            "--mark" => {
                let problem = "mark: bad integer value for option \"--mark\", or out of range.";
                let (value, mask) = parse_mark(args.expect("mark")?, problem)?;
                PacketCondition::Mark { value, mask }
            }
            "--state" => PacketCondition::State(parse_states(args.expect("state")?, "Bad state")?),
            "--ctstate" => PacketCondition::State(parse_states(args.expect("state")?, "Bad ctstate")?),
            "-m" | "--match" => {
                self.modules.push((known_module(args.expect("match")?)?, false));
                return Ok(None);
            }
            "--comment" => {
                args.expect("comment")?;
                return Ok(None);
            }
            _ => return Err(unknown(word)),
        };
        Ok(Some(Condition::Packet(condition)))
    }

    /// The protocol that the rule has named so far.
    fn protocol(&self) -> Option<u8> {
        self.found.iter().find_map(|(condition, holds)| match condition {
            Condition::Packet(PacketCondition::Protocol(number)) if *holds => Some(*number),
            _ => None,
        })
    }

    fn needs_module(&mut self, word: &Word) -> Result<(), ParseError> {
        let Some((_, module)) = OF_MODULES.iter().find(|(options, _)| options.contains(&word.text.as_str()))
        else {
            return Ok(());
        };
        if let Some((_, is_used)) = self.modules.iter_mut().find(|(loaded, _)| loaded.text == *module) {
            *is_used = true;
            return Ok(());
        }
        let problem = format!("unknown option \"{}\"", word.text);
        Err(ParseError::at(word, problem, format!("write -m {module} before it")))
    }

    /// `--dport 80`, `--dport 1000:2000`
    fn range(&self, option: &Word, args: &mut Args) -> Result<Vec<(u16, u16)>, ParseError> {
        if self.port_protocol().is_none() {
            let problem = format!("unknown option \"{}\"", option.text);
            let cure = "ports belong to a protocol: write -p tcp (or udp, sctp) before it";
            return Err(ParseError::at(option, problem, cure));
        }
        let word = args.expect("port")?;
        let (low, high) = word.text.split_once(':').unwrap_or((&word.text, &word.text));
        let low = if low.is_empty() { 0 } else { self.port(word, low)? };
        let high = if high.is_empty() { u16::MAX } else { self.port(word, high)? };
        match low <= high {
            true => Ok(vec![(low, high)]),
            false => {
                Err(ParseError::at(word, "invalid portrange (min > max)", "write the smaller one first"))
            }
        }
    }

    /// `--dports 80,443,1000:2000`
    fn list(&self, args: &mut Args) -> Result<Vec<(u16, u16)>, ParseError> {
        let word = args.expect("port")?;
        let mut ranges = Vec::new();
        let mut places = 0;
        for part in word.text.split(',') {
            let (low, high) = part.split_once(':').map_or((part, None), |(low, high)| (low, Some(high)));
            let low = self.port(word, low)?;
            let high = high.map(|high| self.port(word, high)).transpose()?;
            places += if high.is_some() { 2 } else { 1 };
            if high.is_some_and(|high| low >= high) {
                return Err(ParseError::at(
                    word,
                    "invalid portrange specified",
                    "write the smaller one first",
                ));
            }
            ranges.push((low, high.unwrap_or(low)));
        }
        if places > MOST_PORTS {
            let cure = format!("{MOST_PORTS} at most, and a range counts twice: write two rules");
            return Err(ParseError::at(word, "too many ports specified", cure));
        }
        Ok(ranges)
    }

    /// A port by number or name.
    fn port(&self, word: &Word, text: &str) -> Result<u16, ParseError> {
        let named = self.port_protocol().and_then(|protocol| self.names.port_of(text, protocol));
        text.parse().ok().or(named).ok_or_else(|| {
            let cure = match text {
                "!" => "write the ! in front of the option",
                _ if text.contains(',') => "several ports need -m multiport --dports",
                _ => "write a port such as 80, a range such as 1000:2000, or the name of a service",
            };
            ParseError::at(word, format!("invalid port/service `{text}' specified"), cure)
        })
    }

    /// The protocol, or the one it must not be, if it has ports.
    fn port_protocol(&self) -> Option<Protocol> {
        let is_protocol = |(condition, _): &(Condition, bool)| match condition {
            Condition::Packet(PacketCondition::Protocol(number)) => Some(*number),
            _ => None,
        };
        match self.found.iter().find_map(is_protocol)? {
            proto::TCP => Some(Protocol::Tcp),
            proto::UDP => Some(Protocol::Udp),
            proto::SCTP => Some(Protocol::Sctp),
            _ => None,
        }
    }

    /// All conditions, once the rule is complete.
    pub(super) fn finish(self, args: &Args, chain: Chain) -> Result<Vec<(Condition, bool)>, ParseError> {
        for (module, is_used) in &self.modules {
            self.check_module(module, *is_used)?;
        }
        let [has_in, has_out] = match chain {
            Chain::ManglePrerouting | Chain::NatPrerouting | Chain::MangleInput | Chain::Input => {
                [true, false]
            }
            Chain::MangleOutput | Chain::NatOutput | Chain::Output => [false, true],
            Chain::Forward => [true, true],
        };
        for (word, has) in self.interfaces.into_iter().zip([has_in, has_out]) {
            if let (Some(word), false) = (word, has) {
                let name = chain.name().rsplit(' ').next().unwrap_or_default();
                let (letter, cure) = match has_in {
                    true => ("-o", "what comes in has not left yet: use -i, or FORWARD"),
                    false => ("-i", "what the host sends has not come in: use -o"),
                };
                return Err(ParseError::at(word, format!("Can't use {letter} with {name}"), cure));
            }
        }
        let is_not_tcp = |(condition, holds): &(Condition, bool)| {
            !holds && matches!(condition, Condition::Packet(PacketCondition::Protocol(_)))
        };
        let has_ports = |(condition, _): &(Condition, bool)| {
            use PacketCondition::{DestinationPorts, Ports, SourcePorts};
            matches!(condition, Condition::Packet(DestinationPorts(_) | SourcePorts(_) | Ports(_)))
        };
        if self.found.iter().any(is_not_tcp) && self.found.iter().any(has_ports) {
            return Err(args.wrong("Invalid argument.", "ports belong to one protocol: write -p without !"));
        }
        Ok(self.found)
    }

    fn check_module(&self, module: &Word, is_used: bool) -> Result<(), ParseError> {
        let (problem, cure) = match module.text.as_str() {
            "multiport" if self.protocol().is_none() => (
                "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'",
                "add -p tcp or -p udp",
            ),
            "multiport" if self.port_protocol().is_none() => {
                ("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP", "use -p tcp or -p udp")
            }
            "multiport" if !is_used => ("multiport expection an option", "add --dports PORT,PORT"),
            "mark" if !is_used => ("mark: option \"--mark\" must be specified", "add --mark VALUE"),
            "state" if !is_used => ("state: option \"--state\" must be specified", "add --state NEW"),
            "conntrack" if !is_used => ("conntrack: At least one option is required", "add --ctstate NEW"),
            _ => return Ok(()),
        };
        Err(ParseError::at(module, problem, cure))
    }
}

/// The flag that a word is, if it may stand only once in a rule.
fn once(text: &str) -> Option<&'static str> {
    match text {
        "-s" | "--source" | "--src" => Some("-s"),
        "-d" | "--destination" | "--dst" => Some("-d"),
        "-p" | "--protocol" | "--proto" => Some("-p"),
        "-i" | "--in-interface" => Some("-i"),
        "-o" | "--out-interface" => Some("-o"),
        _ => None,
    }
}

/// A module that is modelled.
fn known_module(word: &Word) -> Result<&Word, ParseError> {
    let name = word.text.as_str();
    if matches!(name, "tcp" | "udp" | "sctp" | "multiport" | "mark" | "state" | "conntrack" | "comment") {
        return Ok(word);
    }
    let problem = match NOT_MODELLED.contains(&name) {
        true => format!("the match `{name}' is not modelled"),
        false => format!("Couldn't load match `{name}':No such file or directory"),
    };
    let cure = "use tcp, udp, sctp, multiport, mark, state, conntrack or comment; matches of addresses, protocols and \
        interfaces need no -m";
    Err(ParseError::at(word, problem, cure))
}

fn parse_protocol(word: &Word) -> Result<u8, ParseError> {
    match word.text.to_ascii_lowercase().as_str() {
        "all" => Ok(0),
        "tcp" => Ok(proto::TCP),
        "udp" => Ok(proto::UDP),
        "sctp" => Ok(proto::SCTP),
        "icmp" => Ok(proto::ICMP),
        "icmpv6" | "ipv6-icmp" => Ok(proto::ICMPV6),
        text => text.parse().map_err(|_| {
            let problem = format!("unknown protocol \"{text}\" specified");
            ParseError::at(word, problem, "write tcp, udp, sctp, icmp or a number")
        }),
    }
}

/// `NEW,ESTABLISHED`, in capitals or not.
fn parse_states(word: &Word, problem: &str) -> Result<States, ParseError> {
    let mut states = States::default();
    let mut rest = word.text.as_str();
    loop {
        let (name, further) = rest.split_once(',').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        match State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name)) {
            Some(state) => states = states.with(state),
            None => {
                let is_translation =
                    problem == "Bad ctstate" && ["SNAT", "DNAT"].iter().any(|n| n.eq_ignore_ascii_case(name));
                let problem = match is_translation {
                    true => format!("the state {name} is not modelled"),
                    false => format!("{problem} \"{rest}\""),
                };
                let cure = "use NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED, with commas between them";
                return Err(ParseError::at(word, problem, cure));
            }
        }
        match further {
            Some(further) => rest = further,
            None => return Ok(states),
        }
    }
}

fn unknown(word: &Word) -> ParseError {
    let text = word.text.as_str();
    let close = ["--set-mark", "--set-xmark", "--dport", "--sport", "--dports", "--mark"]
        .into_iter()
        .find(|known| known.len() == text.len() && known.bytes().take(4).eq(text.bytes().take(4)));
    let cure = match (text, close) {
        ("--syn", _) => "only TCP has it: write -p tcp before it".to_owned(),
        (_, Some(known)) => format!("did you mean {known}?"),
        (_, None) => "known are: -s -d -p -i -o --dport --sport --syn -m multiport --dports -m mark --mark -m state --state -j"
            .to_owned(),
    };
    ParseError::at(word, format!("unknown option \"{text}\""), cure)
}
