//! `ip addr add|replace|del|flush`.

use super::super::words::{Args, ParseError};
use super::{IpCommand, Scope, route, unknown, verb};
use net_model::addr::Addr;

/// An address of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressSpec {
    /// The device, never an alias such as `eth0:0`.
    pub dev: String,
    /// The address.
    pub addr: Addr,
    /// The length of its subnet's prefix.
    pub len: u8,
    /// An explicit broadcast address.
    pub broadcast: Option<Addr>,
    /// The label, such as `lo:0`, if it is not the device's name.
    pub label: Option<String>,
    /// The scope; without one host for 127.0.0.0/8 and global for the rest.
    pub scope: Option<Scope>,
    /// `preferred_lft 0`: it speaks for the host only if no other address can (IPv6).
    pub deprecated: bool,
    /// Is it used without asking the link first (IPv6)?
    pub nodad: bool,
}

impl AddressSpec {
    /// An address alone in its network.
    pub fn new(dev: String, addr: Addr) -> AddressSpec {
        AddressSpec {
            dev,
            addr,
            len: addr.width(),
            broadcast: None,
            label: None,
            scope: None,
            deprecated: false,
            nodad: false,
        }
    }
}

pub(super) fn parse(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let verb = verb(args, "addr", &["add", "change", "replace", "delete", "flush"])?;
    if verb == "flush" {
        args.takes("dev");
        let dev = args.expect("device")?.text.clone();
        args.end()?;
        return Ok(vec![IpCommand::AddressFlush(dev)]);
    }
    let (addr, len) = match args.peek() {
        Some("local") => {
            args.next();
            args.prefix("address")?
        }
        _ => args.prefix("address")?,
    };
    let mut spec = AddressSpec { len, ..AddressSpec::new(String::new(), addr) };
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "dev" => spec.dev = args.expect("device")?.text.clone(),
            "label" => spec.label = Some(args.expect("label")?.text.clone()),
            "scope" => spec.scope = Some(route::scope(args)?),
            "brd" | "broadcast" => {
                if !args.takes("+") && !args.takes("-") {
                    spec.broadcast = Some(args.addr("broadcast address")?);
                }
            }
            "noprefixroute" => {}
            "nodad" => spec.nodad = true,
            "preferred_lft" => {
                spec.deprecated = matches!(args.expect("lifetime")?.text.as_str(), "0" | "0sec");
            }
            "valid_lft" => drop(args.expect("lifetime")?),
            _ => return Err(unknown(word, "addr", "dev, label, scope, brd, nodad, preferred_lft")),
        }
    }
    if spec.dev.is_empty() {
        return Err(args.missing("device (dev NAME)"));
    }
    Ok(vec![match verb {
        "add" => IpCommand::AddressAdd(spec),
        "delete" => IpCommand::AddressDelete(spec),
        _ => IpCommand::AddressReplace(spec),
    }])
}
