//! `ip`: addresses, routes, rules, links and neighbours, as typed commands. Devices are named; a host knows their ids.
//!
//! Objects and commands may be abbreviated as `ip` itself allows: `ip a a`, `ip ro add`, `ip r add`.

mod address;
mod link;
mod neigh;
mod route;
mod rule;

pub use address::AddressSpec;
pub(super) use link::parse_vconfig;
pub use link::{LinkChange, LinkKind};
pub use neigh::NeighbourSpec;
pub use net_model::host::fib::RouteKind;
pub use net_model::host::interface::Scope;
pub(super) use route::require_network;
pub use route::{NextHop, RouteSpec};
pub use rule::RuleSpec;

use super::words::{Args, ParseError, Word};
use net_model::addr::Addr;
use net_model::host::tunnel::Listener;

/// A change of a host's network configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IpCommand {
    /// `ip addr add`
    AddressAdd(AddressSpec),
    /// `ip addr replace`
    AddressReplace(AddressSpec),
    /// `ip addr del`
    AddressDelete(AddressSpec),
    /// `ip addr flush dev X`
    AddressFlush(String),
    /// `ifconfig LABEL ADDRESS`: the address with this label becomes this one, whatever it was.
    AddressOfLabel(AddressSpec),
    /// `ifconfig eth0:0 down`: the address with this label goes.
    LabelDown(String),
    /// `ip route add`
    RouteAdd(RouteSpec),
    /// `ip route replace`, `ip route change`
    RouteReplace(RouteSpec),
    /// `ip route del`
    RouteDelete(RouteSpec),
    /// `ip rule add`
    RuleAdd(RuleSpec),
    /// `ip rule del`
    RuleDelete(RuleSpec),
    /// `ip link add`
    LinkAdd(String, LinkKind),
    /// `ip link set`
    LinkSet(String, LinkChange),
    /// `modprobe ipip`, `modprobe ip_gre`: the device that comes with the module, if it is not there.
    LinkLoad(&'static str, LinkKind),
    /// `ip fou add`
    FouAdd(u16, Listener),
    /// `ip fou del`
    FouDelete(u16),
    /// `ip neigh add`, `replace`, `change`; `arp -s`
    NeighbourReplace(NeighbourSpec),
    /// `ip neigh del`
    NeighbourDelete {
        /// The neighbour's address.
        addr: Addr,
        /// The device.
        dev: String,
    },
    /// `ip neigh flush`
    NeighbourFlush {
        /// Only on this device.
        dev: Option<String>,
    },
    /// `ip neigh add proxy`: answer for this address on this device.
    NeighbourProxy {
        /// The address.
        addr: Addr,
        /// The device.
        dev: String,
    },
}

/// Reads an `ip` command; some (`ip link set X up mtu 1400`) are several changes.
pub(super) fn parse(words: &[Word]) -> Result<Vec<IpCommand>, ParseError> {
    let mut args = Args::after_program(words);
    while args.peek().is_some_and(|word| matches!(word, "-4" | "-6" | "-family" | "-f")) {
        let has_value = args.next().is_some_and(|word| word.text.starts_with("-f"));
        if has_value {
            args.expect("family")?;
        }
    }
    const OBJECTS: &[&str] = &["address", "route", "rule", "link", "neighbour", "neighbor", "fou"];
    let object = args.expect("object (addr, route, rule, link, neigh)")?;
    match abbreviated(&object.text, OBJECTS) {
        Some("address") => address::parse(&mut args),
        Some("route") => route::parse(&mut args),
        Some("rule") => rule::parse(&mut args),
        Some("link") => link::parse(&mut args),
        Some("neighbour" | "neighbor") => neigh::parse(&mut args),
        Some("fou") => link::parse_fou(&mut args),
        _ => {
            let problem = format!("`ip {}' is not modelled", object.text);
            Err(ParseError::at(object, problem, "use ip addr, route, rule, link, neigh or fou"))
        }
    }
}

/// The first of `full` that `text` begins, as `ip` abbreviates.
fn abbreviated(text: &str, full: &[&'static str]) -> Option<&'static str> {
    full.iter().copied().find(|word| !text.is_empty() && word.starts_with(text))
}

/// The command after the object; without one `ip` lists, which a scenario has no use for.
fn verb(args: &mut Args, object: &str, full: &[&'static str]) -> Result<&'static str, ParseError> {
    let word = args.expect("command (such as add)")?;
    abbreviated(&word.text, full).ok_or_else(|| {
        let problem = format!("`ip {object} {}' is not modelled", word.text);
        ParseError::at(word, problem, format!("use one of: {}", full.join(", ")))
    })
}

/// An error about a word that no rule knows.
fn unknown(word: &Word, object: &str, known: &str) -> ParseError {
    ParseError::at(
        word,
        format!("`{}' is not known in ip {object}", word.text),
        format!("known are: {known}"),
    )
}
