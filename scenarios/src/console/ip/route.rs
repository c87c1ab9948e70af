//! `ip route add|append|replace|change|del`.

use super::super::words::{Args, ParseError, Word, prefix, to_prefix};
use super::{IpCommand, abbreviated, unknown, verb};
use net_model::addr::{Addr, Prefix};
use net_model::host::fib::RouteKind;
use net_model::host::interface::Scope;

/// One of several ways of a multipath route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// The gateway, none for "on the link".
    pub via: Option<Addr>,
    /// The device.
    pub dev: Option<String>,
    /// Its share.
    pub weight: u32,
}

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteSpec {
    /// What it does.
    pub kind: RouteKind,
    /// Where to.
    pub prefix: Prefix,
    /// The gateway.
    pub via: Option<Addr>,
    /// The device, never an alias.
    pub dev: Option<String>,
    /// The alias it was given by (`route add … dev eth0:0`): its address becomes the preferred source.
    pub alias: Option<String>,
    /// The preferred source address.
    pub src: Option<Addr>,
    /// Lower wins.
    pub metric: u32,
    /// The table's number; none for local or main, as the kind wants.
    pub table: Option<u32>,
    /// The scope.
    pub scope: Option<Scope>,
    /// The route's MTU, 0 for the device's.
    pub mtu: u32,
    /// The ways of a multipath route.
    pub hops: Vec<NextHop>,
}

impl RouteSpec {
    /// A plain route to this prefix.
    pub(in super::super) fn to(prefix: Prefix) -> RouteSpec {
        RouteSpec {
            kind: RouteKind::Unicast,
            prefix,
            via: None,
            dev: None,
            alias: None,
            src: None,
            metric: 0,
            table: None,
            scope: None,
            mtu: 0,
            hops: Vec::new(),
        }
    }
}

pub(super) fn parse(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let verb = verb(args, "route", &["add", "append", "replace", "change", "delete"])?;
    let mut word = args.expect("destination")?;
    let kind = match word.text.as_str() {
        "unicast" => Some(RouteKind::Unicast),
        "local" => Some(RouteKind::Local),
        "broadcast" => Some(RouteKind::Broadcast),
        "blackhole" => Some(RouteKind::Blackhole),
        "unreachable" => Some(RouteKind::Unreachable),
        "prohibit" => Some(RouteKind::Prohibit),
        "throw" => Some(RouteKind::Throw),
        _ => None,
    };
    if kind.is_some() || word.text == "to" {
        word = args.expect("destination")?;
    }
    let destination = prefix(word, "destination")?;
    require_network(word, destination)?;
    let mut spec = RouteSpec { kind: kind.unwrap_or_default(), ..RouteSpec::to(to_prefix(destination)) };
    while let Some(word) = args.next() {
        option(word, args, &mut spec)?;
    }
    // `default via 2001:db8::1` is ::/0.
    let is_v6 = [spec.via, spec.src].into_iter().flatten().any(|addr| !addr.is_v4());
    if is_v6 && spec.prefix.len() == 0 {
        spec.prefix = Prefix::new(Addr::UNSPECIFIED_V6, 0);
    }
    Ok(vec![match verb {
        "add" | "append" => IpCommand::RouteAdd(spec),
        "delete" => IpCommand::RouteDelete(spec),
        _ => IpCommand::RouteReplace(spec),
    }])
}

fn option(word: &Word, args: &mut Args, spec: &mut RouteSpec) -> Result<(), ParseError> {
    match word.text.as_str() {
        "via" => spec.via = Some(gateway(args)?),
        "dev" => spec.dev = Some(args.expect("device")?.text.clone()),
        "src" => spec.src = Some(args.addr("source address")?),
        "metric" | "priority" | "preference" => spec.metric = args.number("metric")?,
        "table" => spec.table = Some(table(args)?),
        "scope" => spec.scope = Some(scope(args)?),
        "mtu" => {
            args.takes("lock");
            spec.mtu = args.number("MTU")?;
        }
        "proto" | "protocol" => drop(args.expect("protocol")?),
        "nexthop" => {
            let mut hop = NextHop { via: None, dev: None, weight: 1 };
            loop {
                if args.takes("via") {
                    hop.via = Some(gateway(args)?);
                } else if args.takes("dev") {
                    hop.dev = Some(args.expect("device")?.text.clone());
                } else if args.takes("weight") {
                    hop.weight = args.number("weight")?;
                } else {
                    break;
                }
            }
            spec.hops.push(hop);
        }
        _ => return Err(unknown(word, "route", "via, dev, src, metric, table, scope, mtu, nexthop")),
    }
    Ok(())
}

fn gateway(args: &mut Args) -> Result<Addr, ParseError> {
    if !args.takes("inet6") {
        args.takes("inet");
    }
    args.addr("gateway")
}

/// A table by number or by one of the names of /etc/iproute2/rt_tables.
pub(super) fn table(args: &mut Args) -> Result<u32, ParseError> {
    match args.peek() {
        Some("local") => Ok(args.next().map_or(255, |_| 255)),
        Some("main") => Ok(args.next().map_or(254, |_| 254)),
        Some("default") => Ok(args.next().map_or(253, |_| 253)),
        _ => args.number("table number"),
    }
}

/// A scope by name or number.
pub(super) fn scope(args: &mut Args) -> Result<Scope, ParseError> {
    let word = args.expect("scope")?;
    match word.text.as_str() {
        "0" => Ok(Scope::Global),
        "253" => Ok(Scope::Link),
        "254" => Ok(Scope::Host),
        text => match abbreviated(text, &["global", "universe", "link", "host"]) {
            Some("link") => Ok(Scope::Link),
            Some("host") => Ok(Scope::Host),
            Some(_) => Ok(Scope::Global),
            None => {
                let problem = format!("`{}' is not a scope", word.text);
                Err(ParseError::at(word, problem, "write global, link or host"))
            }
        },
    }
}

/// A destination has no bits beyond its length.
pub(in super::super) fn require_network(word: &Word, (addr, len): (Addr, u8)) -> Result<(), ParseError> {
    let network = addr.masked(len);
    if network == addr {
        return Ok(());
    }
    let problem = format!("`{}' has bits set beyond its prefix length", word.text);
    Err(ParseError::at(word, problem, format!("write {network}/{len}, or {addr} alone for this one host")))
}
