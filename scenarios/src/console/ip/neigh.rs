//! `ip neigh add|replace|change|del|flush`.

use super::super::words::{Args, ParseError};
use super::{IpCommand, unknown, verb};
use net_model::addr::{Addr, Mac};

/// An entry of the neighbour cache set by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighbourSpec {
    /// The neighbour's address.
    pub addr: Addr,
    /// Its link address.
    pub mac: Mac,
    /// The device; none for the one that routing chooses (`arp -s`).
    pub dev: Option<String>,
    /// Is it never aged (`nud permanent`)?
    pub permanent: bool,
}

pub(super) fn parse(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let verb = verb(args, "neigh", &["add", "replace", "change", "delete", "flush"])?;
    let (mut addr, mut mac, mut dev, mut proxy, mut permanent) = (None, None, None, false, true);
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "dev" => dev = Some(args.expect("device")?.text.clone()),
            "lladdr" => mac = Some(args.mac()?),
            "to" => addr = Some(args.addr("address")?),
            "proxy" => (addr, proxy) = (Some(args.addr("address")?), true),
            "nud" => {
                let word = args.expect("state")?;
                permanent = match word.text.as_str() {
                    "permanent" | "noarp" => true,
                    "reachable" | "stale" | "delay" | "probe" => false,
                    _ => {
                        return Err(ParseError::at(
                            word,
                            "not a state",
                            "write permanent, reachable or stale",
                        ));
                    }
                };
            }
            "all" if verb == "flush" => {}
            _ if addr.is_none() && word.text.parse::<Addr>().is_ok() => addr = word.text.parse().ok(),
            _ => return Err(unknown(word, "neigh", "an address, lladdr, dev, nud, proxy")),
        }
    }
    if verb == "flush" {
        return Ok(vec![IpCommand::NeighbourFlush { dev }]);
    }
    let addr = addr.ok_or_else(|| args.missing("address"))?;
    let dev = dev.ok_or_else(|| args.missing("device (dev NAME)"))?;
    if verb == "delete" {
        return Ok(vec![IpCommand::NeighbourDelete { addr, dev }]);
    }
    if proxy {
        return Ok(vec![IpCommand::NeighbourProxy { addr, dev }]);
    }
    let mac = mac.ok_or_else(|| args.missing("link address (lladdr MAC)"))?;
    Ok(vec![IpCommand::NeighbourReplace(NeighbourSpec { addr, mac, dev: Some(dev), permanent })])
}
