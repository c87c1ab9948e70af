//! `modprobe` and `rmmod`: of all kernel modules only `ip_vs_ftp` makes a difference that nothing else makes. The others
//! are loaded by whoever needs them, as on a real host.

use super::words::{Args, ParseError, Word};

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
    "ipip",
    "ip6_tunnel",
    "ip_gre",
    "fou",
    "dummy",
];

/// Whether the FTP helper is there from now on; none if the line changes nothing.
pub(super) fn parse(words: &[Word]) -> Result<Option<bool>, ParseError> {
    let mut args = Args::after_program(words);
    let mut removes = words[0].text.ends_with("rmmod");
    let mut change = None;
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
            name if BUILT_IN.contains(&name) || is_scheduler(name) => {}
            name => {
                let problem = format!("there is no module `{name}'");
                let cure = format!("use one of: {FTP}, {}, ip_vs_SCHEDULER", BUILT_IN.join(", "));
                return Err(ParseError::at(word, problem, cure));
            }
        }
        named |= !word.text.starts_with('-');
    }
    if named { Ok(change) } else { Err(args.missing("module")) }
}

fn is_scheduler(name: &str) -> bool {
    name.strip_prefix("ip_vs_")
        .is_some_and(|name| schedulers::SCHEDULERS.iter().any(|entry| entry.name == name))
}
