//! `arptables`: the rules by which how-tos hide a virtual address from ARP.

use super::words::{Args, ParseError, Word, to_prefix};
use net_model::addr::Prefix;
pub use net_model::host::arptables::{ArpAction, ArpChain};
use net_model::packet::ArpOp;

/// A change of the ARP filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arptables {
    /// INPUT or OUTPUT; none for both (`-F`).
    pub chain: Option<ArpChain>,
    /// What happens to it.
    pub change: ArpChange,
}

/// What happens to a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArpChange {
    /// `-A`
    Append(ArpRule),
    /// `-I`
    Insert(ArpRule),
    /// `-D`
    Delete(ArpRule),
    /// `-F`
    Flush,
    /// `-P`: does what no rule matches drop?
    Policy {
        /// `-P CHAIN DROP`
        drops: bool,
    },
}

/// A rule: all that is given must match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArpRule {
    /// `-s`: sender address, and whether it must be inside (false for `! -s`)
    pub sender: Option<(Prefix, bool)>,
    /// `-d`: target address, and whether it must be inside
    pub target: Option<(Prefix, bool)>,
    /// `-i`, `-o`
    pub interface: Option<String>,
    /// `--opcode`
    pub op: Option<ArpOp>,
    /// `-j`
    pub action: ArpAction,
}

/// Reads an `arptables` command.
pub(super) fn parse(words: &[Word]) -> Result<Arptables, ParseError> {
    let mut args = Args::after_program(words);
    let mut command: Option<(char, Option<ArpChain>)> = None;
    let mut rule =
        ArpRule { sender: None, target: None, interface: None, op: None, action: ArpAction::Accept };
    let (mut negated, mut has_action) = (false, false);
    while let Some(word) = args.next() {
        let text = word.text.as_str();
        match text {
            "!" => {
                negated = true;
                continue;
            }
            "-A" | "--append" => command = Some(('A', Some(chain(&mut args)?))),
            "-I" | "--insert" => command = Some(('I', Some(chain(&mut args)?))),
            "-D" | "--delete" => command = Some(('D', Some(chain(&mut args)?))),
            "-P" | "--policy" => {
                command = Some(('P', Some(chain(&mut args)?)));
                rule.action = action(&mut args)?;
            }
            "-F" | "--flush" => {
                command = Some(('F', if args.is_empty() { None } else { Some(chain(&mut args)?) }));
            }
            "-s" | "--source-ip" | "--src-ip" => {
                rule.sender = Some((to_prefix(args.prefix("sender")?), !negated));
            }
            "-d" | "--destination-ip" | "--dst-ip" => {
                rule.target = Some((to_prefix(args.prefix("target")?), !negated));
            }
            "-i" | "-o" | "--in-interface" | "--out-interface" => {
                rule.interface = Some(args.expect("interface")?.text.clone());
            }
            "--opcode" => rule.op = Some(opcode(args.expect("opcode")?)?),
            "-j" | "--jump" => {
                rule.action = action(&mut args)?;
                has_action = true;
            }
            _ => {
                let problem = format!("`{text}' is not known in arptables");
                let cure = "known are: -A -I -D -F -P, -s -d -i -o --opcode, -j ACCEPT|DROP|mangle --mangle-ip-s ADDRESS";
                return Err(ParseError::at(word, problem, cure));
            }
        }
        negated = false;
    }
    let Some((letter, chain)) = command else { return Err(args.missing("command (such as -A INPUT)")) };
    let change = match letter {
        'F' => ArpChange::Flush,
        'P' => ArpChange::Policy { drops: rule.action == ArpAction::Drop },
        _ if !has_action => return Err(args.missing("target (-j TARGET)")),
        'A' => ArpChange::Append(rule),
        'I' => ArpChange::Insert(rule),
        _ => ArpChange::Delete(rule),
    };
    Ok(Arptables { chain, change })
}

fn chain(args: &mut Args) -> Result<ArpChain, ParseError> {
    let word = args.expect("chain")?;
    match word.text.as_str() {
        "INPUT" | "IN" => Ok(ArpChain::Input),
        "OUTPUT" | "OUT" => Ok(ArpChain::Output),
        other => Err(ParseError::at(word, format!("there is no chain `{other}'"), "use INPUT or OUTPUT")),
    }
}

fn opcode(word: &Word) -> Result<ArpOp, ParseError> {
    match word.text.to_ascii_lowercase().as_str() {
        "1" | "request" => Ok(ArpOp::Request),
        "2" | "reply" => Ok(ArpOp::Reply),
        _ => Err(ParseError::at(word, "ARP packets are requests or replies", "write Request or Reply")),
    }
}

fn action(args: &mut Args) -> Result<ArpAction, ParseError> {
    let word = args.expect("target")?;
    match word.text.as_str() {
        "ACCEPT" => Ok(ArpAction::Accept),
        "DROP" => Ok(ArpAction::Drop),
        "mangle" => {
            if !args.takes("--mangle-ip-s") {
                return Err(args.missing("replacement (--mangle-ip-s ADDRESS)"));
            }
            Ok(ArpAction::MangleSender(args.addr("address")?))
        }
        other => {
            let problem = format!("the target `{other}' is not modelled");
            Err(ParseError::at(word, problem, "use ACCEPT, DROP or mangle --mangle-ip-s ADDRESS"))
        }
    }
}
