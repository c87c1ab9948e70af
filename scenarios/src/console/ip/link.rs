//! `ip link add|set`.

use super::super::words::{Args, ParseError, Word};
use super::{IpCommand, unknown, verb};
use net_model::addr::{Addr, Mac};
use net_model::host::tunnel::{Ends, Listener};
use net_model::host::vlan::MAX_VLAN;

/// The kinds of device that `ip link add` can make here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// A device that drops what it is given; a place for addresses.
    Dummy,
    /// The end of IP in IP tunnels.
    IpIp(Ends),
    /// The end of GRE tunnels.
    Gre(Ends),
    /// A VLAN on a card.
    Vlan {
        /// The card: `link eth0`.
        card: String,
        /// `id 10`
        id: u16,
    },
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

/// `ip link add [link CARD] [name] DEV type …`
fn add(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let card = if args.takes("link") { Some(args.expect("device")?.text.clone()) } else { None };
    let is_named = args.takes("dev") || args.takes("name");
    if !is_named && args.peek() == Some("type") {
        return Err(args.missing("name (name DEV, before the type)"));
    }
    let dev = args.expect("device")?.text.clone();
    if !args.takes("type") {
        return Err(args.missing("type (type dummy)"));
    }
    let word = args.expect("type")?;
    let kind = match word.text.as_str() {
        "dummy" => LinkKind::Dummy,
        "ipip" => LinkKind::IpIp(ends(args)?),
        "gre" => LinkKind::Gre(ends(args)?),
        "ip6tnl" => LinkKind::Ip6Tnl,
        "vlan" => {
            LinkKind::Vlan { card: card.ok_or_else(|| args.missing("card (link eth0)"))?, id: vlan_id(args)? }
        }
        _ => {
            let problem = format!("devices of type `{}' are not modelled here", word.text);
            let cure = "use dummy, ipip, gre, ip6tnl or vlan; real links and switches belong into the scenario's networks";
            return Err(ParseError::at(word, problem, cure));
        }
    };
    args.end()?;
    Ok(vec![IpCommand::LinkAdd(dev, kind)])
}

/// What a tunnel device expects. How it sends is no matter here: real servers answer outside the tunnel.
fn ends(args: &mut Args) -> Result<Ends, ParseError> {
    let mut ends = Ends::default();
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "local" => ends.local = end(args)?,
            "remote" => ends.remote = end(args)?,
            "key" | "ikey" => {
                args.expect("key")?;
                ends.has_key = true;
            }
            "icsum" | "csum" => ends.has_checksum = true,
            "noicsum" | "nocsum" => ends.has_checksum = false,
            "ttl" | "tos" | "okey" | "encap" | "encap-sport" | "encap-dport" => drop(args.expect("value")?),
            "pmtudisc" | "nopmtudisc" | "ocsum" | "noocsum" | "external" | "encap-csum" | "noencap-csum"
            | "encap-remcsum" | "noencap-remcsum" => {}
            _ => return Err(unknown(word, "tunnel", "local, remote, key, icsum, ttl, tos, pmtudisc, encap")),
        }
    }
    Ok(ends)
}

/// An address; none for `any`.
fn end(args: &mut Args) -> Result<Option<Addr>, ParseError> {
    if args.takes("any") { Ok(None) } else { args.addr("address").map(Some) }
}

/// `ip fou add port P gue|ipproto N`, `ip fou del port P`
pub(super) fn parse_fou(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let adds = verb(args, "fou", &["add", "del"])? == "add";
    let (mut port, mut listener) = (None, None);
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "port" => {
                let at = args.expect("port")?;
                let wrong =
                    || ParseError::at(at, format!("`{}' is not a port", at.text), "ports are 1 to 65535");
                port = Some(at.text.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?);
            }
            "gue" if listener.is_none() => listener = Some(Listener::Gue),
            "ipproto" if listener.is_none() => {
                args.expect("protocol")?;
                listener = Some(Listener::Bare);
            }
            "gue" | "ipproto" => {
                return Err(ParseError::at(word, "fou: cannot set ipproto and gue", "IPVS sends gue"));
            }
            _ => return Err(unknown(word, "fou", "port, gue, ipproto")),
        }
    }
    let port = port.ok_or_else(|| args.missing("port (port 6080)"))?;
    match listener {
        _ if !adds => Ok(vec![IpCommand::FouDelete(port)]),
        Some(listener) => Ok(vec![IpCommand::FouAdd(port, listener)]),
        None => Err(args.missing("kind (gue)")),
    }
}

/// `id N`, which may follow `protocol 802.1Q`.
fn vlan_id(args: &mut Args) -> Result<u16, ParseError> {
    if args.takes("protocol") {
        let word = args.expect("protocol")?;
        if !word.text.eq_ignore_ascii_case("802.1q") {
            let problem = format!("VLANs of protocol `{}' are not modelled", word.text);
            return Err(ParseError::at(word, problem, "leave it out: 802.1Q"));
        }
    }
    if !args.takes("id") {
        return Err(args.missing("id (id 10)"));
    }
    parse_id(args)
}

/// `vconfig add CARD ID`
pub(in super::super) fn parse_vconfig(words: &[Word]) -> Result<Vec<IpCommand>, ParseError> {
    let mut args = Args::after_program(words);
    if !args.takes("add") {
        return Err(args.missing("command (vconfig add eth0 10)"));
    }
    let card = args.expect("card")?.text.clone();
    let id = parse_id(&mut args)?;
    args.end()?;
    Ok(vec![IpCommand::LinkAdd(format!("{card}.{id}"), LinkKind::Vlan { card, id })])
}

fn parse_id(args: &mut Args) -> Result<u16, ParseError> {
    let word = args.expect("VLAN id")?;
    let id = word.text.parse().ok().filter(|id| (1..=MAX_VLAN).contains(id));
    id.ok_or_else(|| {
        let problem = format!("`{}' is not a VLAN id", word.text);
        ParseError::at(word, problem, format!("ids are 1 to {MAX_VLAN}"))
    })
}
