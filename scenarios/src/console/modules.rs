//! `modprobe` and `rmmod`: `ip_vs_ftp` makes a difference that nothing else makes, `ipip` and `ip_gre` bring a device
//! along. The others are loaded by whoever needs them, as on a real host.

use super::Command;
use super::ip::{IpCommand, LinkKind};
use super::words::{Args, ParseError, Word};
use net_model::host::tunnel::Ends;

/// The module that helps FTP through masquerading.
const FTP: &str = "ip_vs_ftp";

/// Modules that hosts have anyway.
const BUILT_IN: &[&str] = &[
    "ip_vs",
    "ip_vs_pe_sip",
    "nf_conntrack",
    "nf_nat",
    "ip_tables",
    "iptable_mangle",
    "iptable_filter",
    "xt_mark",
    "arp_tables",
    "arptable_filter",
    "8021q",
    "ipip",
    "ip6_tunnel",
    "ip_gre",
    "fou",
    "dummy",
];

/// What loading or removing a module does.
pub(super) fn parse(words: &[Word]) -> Result<Command, ParseError> {
    let mut args = Args::after_program(words);
    let mut removes = words[0].text.ends_with("rmmod");
    let mut change = None;
    let mut devices = Vec::new();
    let mut named = false;
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "-r" | "--remove" => removes = true,
            "-a" | "-q" | "-v" | "--all" | "--quiet" | "--verbose" => continue,
            FTP => change = Some(!removes),
            name if removes => {
                let problem = format!("`{name}' cannot be removed here");
                return Err(ParseError::at(word, problem, format!("only {FTP} can be removed")));
            }
            "ipip" => devices.push(IpCommand::LinkLoad("tunl0", LinkKind::IpIp(Ends::default()))),
            "ip_gre" => devices.push(IpCommand::LinkLoad("gre0", LinkKind::Gre(Ends::default()))),
            name if BUILT_IN.contains(&name) || is_scheduler(name) => {}
            name => {
                let problem = format!("there is no module `{name}'");
                let cure = format!("use one of: {FTP}, {}, ip_vs_SCHEDULER", BUILT_IN.join(", "));
                return Err(ParseError::at(word, problem, cure));
            }
        }
        named |= !word.text.starts_with('-');
    }
    match (named, change) {
        (false, _) => Err(args.missing("module")),
        (true, None) if !devices.is_empty() => Ok(Command::Ip(devices)),
        (true, change) => Ok(Command::Modules(change)),
    }
}

fn is_scheduler(name: &str) -> bool {
    name.strip_prefix("ip_vs_")
        .is_some_and(|name| schedulers::SCHEDULERS.iter().any(|entry| entry.name == name))
}
