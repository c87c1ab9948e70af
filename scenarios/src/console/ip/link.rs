//! `ip link add|set`.

use super::super::words::{Args, ParseError};
use super::{IpCommand, unknown, verb};
use net_model::addr::Mac;

/// The kinds of device that `ip link add` can make here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// A device that drops what it is given; a place for addresses.
    Dummy,
    /// An IP-in-IP tunnel (`tunl0`).
    IpIp,
    /// A tunnel in IPv6 (`ip6tnl0`).
    Ip6Tnl,
}

/// One change of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkChange {
    /// `up`, `down`
    Up(bool),
    /// `mtu N`
    Mtu(u32),
    /// `address MAC`
    Mac(Mac),
    /// `arp on`, `arp off`
    Arp(bool),
}

pub(super) fn parse(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    if verb(args, "link", &["add", "set"])? == "add" {
        return add(args);
    }
    args.takes("dev");
    let dev = args.expect("device")?.text.clone();
    let mut changes = Vec::new();
    while let Some(word) = args.next() {
        let change = match word.text.as_str() {
            "up" => LinkChange::Up(true),
            "down" => LinkChange::Up(false),
            "mtu" => LinkChange::Mtu(args.number("MTU")?),
            "address" | "addr" => LinkChange::Mac(args.mac()?),
            "arp" => {
                let word = args.expect("on or off")?;
                match word.text.as_str() {
                    "on" => LinkChange::Arp(true),
                    "off" => LinkChange::Arp(false),
                    _ => {
                        return Err(ParseError::at(
                            word,
                            "arp is switched on or off",
                            "write arp on or arp off",
                        ));
                    }
                }
            }
            _ => return Err(unknown(word, "link", "up, down, mtu, address, arp")),
        };
        changes.push(IpCommand::LinkSet(dev.clone(), change));
    }
    if changes.is_empty() { Err(args.missing("change (such as up)")) } else { Ok(changes) }
}

fn add(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    args.takes("dev");
    args.takes("name");
    let dev = args.expect("device")?.text.clone();
    if !args.takes("type") {
        return Err(args.missing("type (type dummy)"));
    }
    let word = args.expect("type")?;
    let kind = match word.text.as_str() {
        "dummy" => LinkKind::Dummy,
        "ipip" => LinkKind::IpIp,
        "ip6tnl" => LinkKind::Ip6Tnl,
        _ => {
            let problem = format!("devices of type `{}' are not modelled here", word.text);
            let cure =
                "use dummy, ipip or ip6tnl; real links and switches belong into the scenario's networks";
            return Err(ParseError::at(word, problem, cure));
        }
    };
    args.end()?;
    Ok(vec![IpCommand::LinkAdd(dev, kind)])
}
