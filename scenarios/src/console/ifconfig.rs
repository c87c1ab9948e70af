//! `ifconfig`: the old way to set addresses. Aliases such as `lo:0` are labels of addresses, not devices.
//!
//! Without a netmask the class of the address decides: `ifconfig lo:0 192.168.0.100` is a /24, which makes lo claim the
//! whole network.

use super::ip::{AddressSpec, IpCommand, LinkChange};
use super::words::{Args, ParseError, netmask_len};
use net_model::addr::Addr;

pub(super) fn parse(words: &[super::Word]) -> Result<Vec<IpCommand>, ParseError> {
    let mut args = Args::after_program(words);
    let name_word = args.expect("interface")?;
    let name = name_word.text.clone();
    if !name.is_ascii() {
        let problem = format!("`{name}' is no interface: it contains a character that only looks right");
        return Err(ParseError::at(name_word, problem, "write a plain colon, as in lo:0"));
    }
    let (dev, is_alias) = match name.split_once(':') {
        Some((dev, _)) => (dev.to_string(), true),
        None => (name.clone(), false),
    };
    let mut address: Option<AddressSpec> = None;
    let mut netmask = None;
    let mut changes = Vec::new();
    let mut label_down = false;
    while let Some(word) = args.next() {
        let mut set = |change| changes.push(IpCommand::LinkSet(dev.clone(), change));
        match word.text.as_str() {
            "up" => set(LinkChange::Up(true)),
            "down" if is_alias => label_down = true,
            "down" => set(LinkChange::Up(false)),
            "arp" => set(LinkChange::Arp(true)),
            "-arp" => set(LinkChange::Arp(false)),
            "mtu" => set(LinkChange::Mtu(args.number("MTU")?)),
            "hw" => {
                args.takes("ether");
                set(LinkChange::Mac(args.mac()?));
            }
            "netmask" => {
                let word = args.expect("netmask")?;
                netmask = Some(netmask_len(&word.text).ok_or_else(|| {
                    let problem = format!("`{}' is not a netmask", word.text);
                    ParseError::at(word, problem, "write a mask such as 255.255.255.255")
                })?);
            }
            "broadcast" => {
                let broadcast = args.addr("broadcast address")?;
                match &mut address {
                    Some(spec) => spec.broadcast = Some(broadcast),
                    None => {
                        return Err(ParseError::at(
                            word,
                            "the address is missing",
                            "write the address first",
                        ));
                    }
                }
            }
            "add" | "inet6" => address = Some(spec(&name, &dev, args.prefix("IPv6 address")?)),
            text if text.contains(['.', ':']) => {
                let parts = super::words::prefix(word, "address")?;
                if text.contains('/') {
                    netmask = Some(parts.1);
                }
                address = Some(spec(&name, &dev, parts));
            }
            text => {
                let problem = format!("`{text}' is not known in ifconfig");
                let cure = "known are: an address, netmask, broadcast, up, down, mtu, hw ether, arp, -arp";
                return Err(ParseError::at(word, problem, cure));
            }
        }
    }
    if label_down {
        return Ok(vec![IpCommand::LabelDown(name)]);
    }
    if let Some(mut spec) = address {
        if spec.addr.is_v4() {
            spec.len = netmask.unwrap_or_else(|| classful_len(spec.addr));
        }
        // An address brings the device up; that comes last, as for the real command.
        let up = IpCommand::LinkSet(dev, LinkChange::Up(true));
        changes.retain(|change| *change != up);
        changes.insert(0, IpCommand::AddressOfLabel(spec));
        changes.push(up);
    }
    if changes.is_empty() { Err(args.missing("address or change")) } else { Ok(changes) }
}

fn spec(name: &str, dev: &str, (addr, len): (Addr, u8)) -> AddressSpec {
    let label = (name != dev).then(|| name.to_string());
    AddressSpec { dev: dev.to_string(), addr, len, broadcast: None, label, scope: None }
}

/// The prefix length that the class of an IPv4 address implies.
fn classful_len(addr: Addr) -> u8 {
    match addr.to_v4_bits().map_or(0, |bits| bits >> 24) {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}
