//! What `ip`, `arptables -L`, `cat /proc/net/snmp` and `dmesg` print about a simulated host.

use net_model::addr::{Addr, Prefix};
use net_model::capture::{Captured, Direction};
use net_model::frames::FrameId;
use net_model::host::Stack;
use net_model::host::arptables::{ArpAction, ArpRule};
use net_model::host::fib::{RouteEntry, RouteKind, TABLE_LOCAL, TABLE_MAIN};
use net_model::host::interface::{AddressState, Scope};
use net_model::packet::{Body, Payload};
use net_model::verdict::DropReason;
use net_model::{HostId, Network};
use sim_core::Time;

/// Does `ip` with these words only ask?
pub(crate) fn is_question(words: &[&str]) -> bool {
    let is_listing = |word: &&str| ["show", "get", "-d"].contains(word);
    words.iter().any(is_listing) || matches!(words, ["neigh"] | ["addr"])
}

/// `ip …`
pub(crate) fn ip(network: &mut Network, host: HostId, words: &[&str]) -> String {
    let now = network.now();
    let stack = &mut network.host_mut(host).stack;
    match words {
        ["neigh"] => neighbours(stack, None),
        ["neigh", "show", addr] => neighbours(stack, addr.parse().ok()),
        ["route", "get", dst] => route_get(stack, now, dst.parse().expect("an address"), None),
        ["route", "get", dst, "from", src] => {
            route_get(stack, now, dst.parse().expect("an address"), src.parse().ok())
        }
        ["route", "show"] => routes(stack, TABLE_MAIN),
        ["route", "show", "table", "local"] => routes(stack, TABLE_LOCAL),
        ["-6", "addr", "show", "dev", dev] => addresses_v6(stack, dev),
        ["addr"] => addresses(stack, None),
        ["addr", "show", dev] => addresses(stack, Some(dev)),
        ["-d", "link", "show", _] => String::new(), // of a device as such nothing is compared
        _ => panic!("ip {words:?}"),
    }
}

/// `ip neigh`
pub(crate) fn neighbours(stack: &Stack<FrameId>, only: Option<Addr>) -> String {
    let list = stack.neighbours().filter(|neighbour| only.is_none_or(|addr| addr == neighbour.addr));
    let line = |neighbour: &net_model::host::neighbour::Neighbour<_>| {
        let device = &stack.interface_at(neighbour.interface).name;
        let is_known = neighbour.state.is_valid();
        let mac = if is_known { format!("lladdr {} ", neighbour.mac) } else { String::new() };
        let router = if neighbour.is_router { "router " } else { "" };
        format!("{} dev {device} {mac}{router}{} \n", neighbour.addr, neighbour.state.name())
    };
    list.map(line).collect()
}

/// `ip route get`
fn route_get(stack: &mut Stack<FrameId>, now: Time, dst: Addr, from: Option<Addr>) -> String {
    let Ok(route) = stack.route_output(dst, from, 0) else { return "RTNETLINK answers\n".to_owned() };
    let device = stack.interface_at(route.oif).name.clone();
    let is_local = device == "lo";
    let kind = if is_local { "local " } else { "" };
    let from = from.map(|from| format!("from {from} ")).unwrap_or_default();
    let via = if route.next_hop == dst { String::new() } else { format!("via {} ", route.next_hop) };
    let source = if from.is_empty() { format!("src {} ", route.source) } else { String::new() };
    let mut cache = String::new();
    if is_local {
        cache += "<local> ";
    }
    if let Some((_, learnt)) = stack.exceptions().find(|(addr, _)| *addr == dst) {
        if learnt.gateway.is_some() {
            cache += "<redirected> ";
        }
        cache += &format!("expires {}sec ", learnt.expires.since(now).as_nanos() / 1_000_000_000);
        if learnt.mtu != 0 {
            cache += &format!("mtu {} ", learnt.mtu);
        }
    }
    format!("{kind}{dst} {from}{via}dev {device} {source}uid 0 \n    cache {cache}\n")
}

/// `ip route show table T`
fn routes(stack: &Stack<FrameId>, table: u32) -> String {
    let is_v4 = |route: &&RouteEntry| route.prefix.addr().is_v4();
    let routes = stack.fib().table(table).map_or(&[][..], |table| table.routes()).iter().filter(is_v4);
    let mut routes: Vec<&RouteEntry> = routes.collect();
    routes.sort_by_key(|route| (route.prefix.addr(), route.prefix.len()));
    let line = |route: &RouteEntry| {
        let kind = match route.kind {
            RouteKind::Local => "local ",
            RouteKind::Broadcast => "broadcast ",
            _ => "",
        };
        let hop = route.hops.first().expect("a route of the set-ups has a way");
        let via = hop.via.map(|via| format!("via {via} ")).unwrap_or_default();
        let by = if route.by_kernel { "proto kernel " } else { "" };
        let scope = match route.scope {
            Scope::Host => "scope host ",
            Scope::Link => "scope link ",
            _ => "",
        };
        let source = route.src.map(|src| format!("src {src} ")).unwrap_or_default();
        let device = &stack.interface_at(hop.dev).name;
        format!("{kind}{} {via}dev {device} {by}{scope}{source}\n", prefix(route.prefix))
    };
    routes.into_iter().map(line).collect()
}

fn prefix(prefix: Prefix) -> String {
    match prefix.len() {
        0 => "default".to_owned(),
        32 => prefix.addr().to_string(),
        len => format!("{}/{len}", prefix.addr()),
    }
}

/// `ip addr`: the addresses.
fn addresses(stack: &Stack<FrameId>, only: Option<&str>) -> String {
    let interfaces = stack.interfaces().filter(|(_, i)| only.is_none_or(|only| only == i.name));
    let line = |device: &str, address: &net_model::host::interface::Address| {
        let broadcast = address.broadcast.map(|addr| format!("brd {addr} ")).unwrap_or_default();
        let scope = if address.scope == Scope::Host { "host" } else { "global" };
        format!("    inet {}/{} {broadcast}scope {scope} {device}\n", address.addr, address.len)
    };
    interfaces
        .flat_map(|(_, i)| i.addresses().iter().map(move |a| (i.name.as_str(), a)))
        .filter(|(_, address)| address.addr.is_v4())
        .map(|(device, address)| line(device, address))
        .collect()
}

/// `ip -6 addr show dev DEV`: the addresses.
fn addresses_v6(stack: &Stack<FrameId>, dev: &str) -> String {
    let line = |address: &net_model::host::interface::Address| {
        let scope = match address.scope {
            Scope::Host => "host",
            Scope::Link => "link",
            _ => "global",
        };
        let state = match address.state {
            AddressState::Usable => "",
            AddressState::Tentative => "tentative ",
            AddressState::Duplicate => "dadfailed tentative ",
        };
        let deprecated = if address.deprecated { "deprecated " } else { "" };
        format!("    inet6 {}/{} scope {scope} {deprecated}{state}\n", address.addr, address.len)
    };
    let id = stack.interface(dev).expect("the interface exists");
    stack.interface_at(id).addresses().iter().filter(|a| !a.addr.is_v4()).map(line).collect()
}

/// `arptables -L -n`
pub(crate) fn arptables(stack: &Stack<FrameId>) -> String {
    let chain = |name: &str, rules: &[ArpRule]| {
        let rules: String = rules.iter().map(|rule| format!("{}\n", arp_rule(rule))).collect();
        format!("Chain {name} (policy ACCEPT)\n{rules}\n")
    };
    let tables = &stack.arptables;
    chain("INPUT", &tables.input) + &chain("OUTPUT", &tables.output) + "Chain FORWARD (policy ACCEPT)\n"
}

fn arp_rule(rule: &ArpRule) -> String {
    let (target, more) = match rule.action {
        ArpAction::Accept => ("ACCEPT", String::new()),
        ArpAction::Drop => ("DROP", String::new()),
        ArpAction::MangleSender(addr) => ("mangle", format!("--mangle-ip-s {addr} ")),
    };
    let part = |option: &str, matched: Option<(Prefix, bool)>| {
        matched.map(|(addresses, _)| format!("{option} {} ", prefix(addresses))).unwrap_or_default()
    };
    format!("-j {target} {}{}{more}", part("-s", rule.sender), part("-d", rule.target))
}

/// `/proc/net/snmp`, counted from what was seen on the wires of a host.
pub(crate) fn snmp(seen: &[&Captured], forwards: bool) -> String {
    let is_ip = |seen: &&&Captured| matches!(seen.frame.body, Body::Ip(_));
    let packets: Vec<&&Captured> = seen.iter().filter(is_ip).collect();
    let of = |direction: Direction| packets.iter().filter(move |seen| seen.direction == direction);
    let received = of(Direction::In).filter(|seen| seen.dropped != Some(DropReason::OtherHost)).count();
    let astray = of(Direction::In).filter(|seen| seen.dropped == Some(DropReason::NotForwarding)).count();
    let errors = of(Direction::Out)
        .filter(|seen| matches!(&seen.frame.body, Body::Ip(packet) if matches!(&packet.payload, Payload::Icmp(icmp) if icmp.kind == 3)))
        .count();
    let forwarding = if forwards { 1 } else { 2 };
    format!(
        "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards \
         InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails \
         FragCreates\n\
         Ip: {forwarding} 64 {received} 0 {astray} 0 0 0 0 {} 0 0 0 0 0 0 0 0 0\n\
         Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos \
         InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal \
         OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps \
         OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps\n\
         Icmp: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {errors} 0 0 0 {errors} 0 0 0 0 0 0 0 0 0 0\n",
        of(Direction::Out).count(),
    )
}

/// `dmesg`: martian packets seen on the taps of hosts that log them. The first address is the destination.
pub(crate) fn martians<'a>(seen: impl Iterator<Item = (&'a Captured, &'a str)>) -> String {
    let line = |(seen, device): (&Captured, &str)| {
        let is_martian = matches!(seen.dropped, Some(DropReason::MartianSource | DropReason::ReversePath));
        let Body::Ip(packet) = &seen.frame.body else { return None };
        let (src, dst) = (packet.routed_src(), packet.routed_dst());
        // The same packet was seen in its tunnel before.
        (is_martian && packet.outer.is_none())
            .then(|| format!("[] IPv4: martian source {dst} from {src}, on dev {device}\n"))
    };
    seen.filter_map(line).collect()
}
