//! `ifconfig`: the old way to set addresses. Aliases such as `lo:0` are labels of addresses, not devices.
//!
//! Without a netmask the class of the address decides: `ifconfig lo:0 192.168.0.100` is a /24, which makes lo claim the
//! whole network.

use super::ip::{AddressSpec, IpCommand, LinkChange};
use super::words::{Args, ParseError, Word, netmask_len, prefix};
use net_model::addr::Addr;

pub(super) fn parse(words: &[Word]) -> Result<Vec<IpCommand>, ParseError> {
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
    let mut said =
        Said { name, dev, is_alias, address: None, netmask: None, changes: vec![], label_down: false };
    while let Some(word) = args.next() {
        said.take(word, &mut args)?;
    }
    if said.label_down {
        return Ok(vec![IpCommand::LabelDown(said.name)]);
    }
    let Said { dev, mut changes, .. } = said;
    if let Some(mut spec) = said.address {
        if spec.addr.is_v4() {
            spec.len = said.netmask.unwrap_or_else(|| classful_len(spec.addr));
        }
        // An address brings the device up; that comes last, as for the real command.
        let up = IpCommand::LinkSet(dev, LinkChange::Up(true));
        changes.retain(|change| *change != up);
        changes.insert(0, IpCommand::AddressOfLabel(spec));
        changes.push(up);
    }
    if changes.is_empty() { Err(args.missing("address or change")) } else { Ok(changes) }
}

/// What the words after the interface's name have said so far.
struct Said {
    name: String,
    dev: String,
    is_alias: bool,
    address: Option<AddressSpec>,
    netmask: Option<u8>,
    changes: Vec<IpCommand>,
    label_down: bool,
}

impl Said {
    fn take(&mut self, word: &Word, args: &mut Args) -> Result<(), ParseError> {
        let change = match word.text.as_str() {
            "up" => LinkChange::Up(true),
            "down" if self.is_alias => {
                self.label_down = true;
                return Ok(());
            }
            "down" => LinkChange::Up(false),
            "arp" => LinkChange::Arp(true),
            "-arp" => LinkChange::Arp(false),
            "mtu" => LinkChange::Mtu(args.number("MTU")?),
            "hw" => {
                args.takes("ether");
                LinkChange::Mac(args.mac()?)
            }
            _ => return self.take_address(word, args),
        };
        self.changes.push(IpCommand::LinkSet(self.dev.clone(), change));
        Ok(())
    }

    fn take_address(&mut self, word: &Word, args: &mut Args) -> Result<(), ParseError> {
        match word.text.as_str() {
            "netmask" => {
                let word = args.expect("netmask")?;
                let len = netmask_len(&word.text).ok_or_else(|| {
                    let problem = format!("`{}' is not a netmask", word.text);
                    ParseError::at(word, problem, "write a mask such as 255.255.255.255")
                })?;
                self.netmask = Some(len);
            }
            "broadcast" => {
                let broadcast = args.addr("broadcast address")?;
                match &mut self.address {
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
            "add" | "inet6" => self.address = Some(spec(&self.name, &self.dev, args.prefix("IPv6 address")?)),
            text if text.contains(['.', ':']) => {
                let parts = prefix(word, "address")?;
                if text.contains('/') {
                    self.netmask = Some(parts.1);
                }
                self.address = Some(spec(&self.name, &self.dev, parts));
            }
            text => {
                let problem = format!("`{text}' is not known in ifconfig");
                let cure = "known are: an address, netmask, broadcast, up, down, mtu, hw ether, arp, -arp";
                return Err(ParseError::at(word, problem, cure));
            }
        }
        Ok(())
    }
}

fn spec(name: &str, dev: &str, (addr, len): (Addr, u8)) -> AddressSpec {
    let label = (name != dev).then(|| name.to_string());
    AddressSpec { len, label, ..AddressSpec::new(dev.to_string(), addr) }
}

/// The prefix length that the class of an IPv4 address implies.
fn classful_len(addr: Addr) -> u8 {
    match addr.to_v4_bits().map_or(0, |bits| bits >> 24) {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}
