//! `route add|del` and `arp -s|-d`: the old ways to set routes and neighbours.

use super::Word;
use super::ip::{IpCommand, NeighbourSpec, RouteKind, RouteSpec};
use super::words::{Args, ParseError, netmask_len, prefix};
use net_model::addr::{Addr, Prefix};

/// `route add|del [-host|-net] TARGET [netmask M] [gw G] [metric N] [dev X]`
pub(super) fn parse(words: &[Word]) -> Result<Vec<IpCommand>, ParseError> {
    let mut args = Args::after_program(words);
    let mut is_v6 = false;
    while args.takes("-A") || args.takes("-6") || args.takes("inet6") {
        is_v6 = true;
    }
    let verb = args.expect("command (add or del)")?;
    let is_add = match verb.text.as_str() {
        "add" => true,
        "del" | "delete" => false,
        _ => return Err(ParseError::at(verb, "route adds and deletes", "write route add or route del")),
    };
    let is_host = args.takes("-host");
    let is_net = !is_host && args.takes("-net");
    let target = args.expect("target")?;
    let (addr, mut len) = match target.text.as_str() {
        "default" if is_v6 => (Addr::UNSPECIFIED_V6, 0),
        _ => prefix(target, "target")?,
    };
    let mut has_len = target.text.contains('/') || target.text == "default";
    let mut spec = RouteSpec::to(Prefix::host(addr));
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "netmask" => {
                let word = args.expect("netmask")?;
                let wrong =
                    || ParseError::at(word, "this is not a netmask", "write a mask such as 255.255.255.0");
                len = netmask_len(&word.text).ok_or_else(wrong)?;
                has_len = true;
            }
            "gw" | "gateway" => spec.via = Some(args.addr("gateway")?),
            "metric" => spec.metric = args.number("metric")?,
            "mss" | "mtu" => spec.mtu = args.number("MTU")?,
            "reject" => spec.kind = RouteKind::Unreachable,
            "dev" => device(&mut spec, &args.expect("device")?.text),
            text if args.is_empty() => device(&mut spec, text),
            text => {
                let problem = format!("`{text}' is not known in route");
                return Err(ParseError::at(
                    word,
                    problem,
                    "known are: netmask, gw, metric, mtu, reject, dev",
                ));
            }
        }
    }
    if is_net && !has_len {
        let cure = format!("write {addr}/LENGTH, or add netmask MASK");
        return Err(ParseError::at(target, "the length of the network is missing", cure));
    }
    super::ip::require_network(target, (addr, len))?;
    spec.prefix = Prefix::new(addr, len);
    if spec.via.is_none() && spec.dev.is_none() && spec.kind == RouteKind::Unicast && is_add {
        return Err(args.missing("gateway or device (gw ADDRESS or dev NAME)"));
    }
    Ok(vec![if is_add { IpCommand::RouteAdd(spec) } else { IpCommand::RouteDelete(spec) }])
}

/// `dev eth0:0` names the device eth0, and the alias's address as the source.
fn device(spec: &mut RouteSpec, name: &str) {
    let (dev, is_alias) = name.split_once(':').map_or((name, false), |(dev, _)| (dev, true));
    spec.dev = Some(dev.to_string());
    spec.alias = is_alias.then(|| name.to_string());
}

/// `arp -s ADDRESS MAC [-i X]`, `arp -d ADDRESS -i X`
pub(super) fn parse_arp(words: &[Word]) -> Result<Vec<IpCommand>, ParseError> {
    let mut args = Args::after_program(words);
    let mut dev = None;
    let mut command = None;
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "-i" | "--device" => dev = Some(args.expect("device")?.text.clone()),
            "-s" | "--set" => {
                let (addr, mac) = (args.addr("address")?, args.mac()?);
                command = Some(IpCommand::NeighbourReplace(NeighbourSpec {
                    addr,
                    mac,
                    dev: None,
                    permanent: true,
                }));
            }
            "-d" | "--delete" => {
                command =
                    Some(IpCommand::NeighbourDelete { addr: args.addr("address")?, dev: String::new() });
            }
            text => {
                let problem = format!("`{text}' is not known in arp");
                return Err(ParseError::at(
                    word,
                    problem,
                    "write arp -s ADDRESS MAC, or arp -d ADDRESS -i DEVICE",
                ));
            }
        }
    }
    match command {
        Some(IpCommand::NeighbourReplace(spec)) => {
            Ok(vec![IpCommand::NeighbourReplace(NeighbourSpec { dev, ..spec })])
        }
        Some(IpCommand::NeighbourDelete { addr, .. }) => match dev {
            Some(dev) => Ok(vec![IpCommand::NeighbourDelete { addr, dev }]),
            None => Err(args.missing("device (-i NAME)")),
        },
        _ => Err(args.missing("command (-s or -d)")),
    }
}
