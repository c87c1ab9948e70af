//! Hosts for tests, described as one types them.

use super::ask::Ask;
use super::fib::RouteSpec;
use super::interface::{AddressSpec, InterfaceId, InterfaceKind};
use super::stack::Stack;
use crate::addr::{Addr, Mac, Prefix};
use crate::packet::{Arp, ArpOp, Packet, Payload, Segment};
use sim_core::{Duration, Stream, Time, Timers};

pub(super) const ETH0: InterfaceId = InterfaceId(1);

/// A network layer whose waiting items are plain numbers.
pub(super) type Host = Stack<u32>;

pub(super) fn addr(text: &str) -> Addr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

pub(super) fn prefix(text: &str) -> Prefix {
    if text == "default" {
        return Prefix::new(Addr::UNSPECIFIED_V4, 0);
    }
    let (addr_text, len) = text.split_once('/').unwrap_or((text, "32"));
    Prefix::new(addr(addr_text), len.parse().expect("a prefix length"))
}

/// 02:00:00:00:00:XX
pub(super) fn mac(last: u8) -> Mac {
    Mac::from_bits(0x0200_0000_0000 | u64::from(last))
}

pub(super) fn at(seconds: f64) -> Time {
    Time::ZERO + Duration::from_secs_f64(seconds)
}

pub(super) fn bare(timers: Timers) -> Host {
    Stack::new(Stream::new(1, "host"), timers)
}

/// A host with interfaces that are up: `("eth0", "10.0.0.11/24 10.0.0.12/24")`, … eth0 is number 1, with MAC 11.
pub(super) fn host(interfaces: &[(&str, &str)]) -> Host {
    let mut host = bare(Timers::Ideal);
    for (name, addresses) in interfaces {
        let id = host.interface(name).unwrap_or_else(|| {
            let kind = match &name[..3] {
                "dum" => InterfaceKind::Dummy,
                "tun" => InterfaceKind::Tunnel,
                _ => InterfaceKind::Ethernet,
            };
            let last = 0x10 + host.interfaces().count() as u8;
            host.add_interface(name, kind, mac(last))
        });
        host.set_up(id, true);
        for text in addresses.split_whitespace() {
            add(&mut host, name, text);
        }
    }
    host
}

/// `ip addr add TEXT dev NAME`; `TEXT` is `ADDR/LEN` with an optional `@link` or `@host` scope.
pub(super) fn add(host: &mut Host, name: &str, text: &str) {
    let (text, scope) = text.split_once('@').unwrap_or((text, ""));
    let (addr_text, len) = text.split_once('/').expect("ADDR/LEN");
    let mut spec = AddressSpec::new(addr(addr_text), len.parse().expect("a length"));
    spec.scope = match scope {
        "link" => Some(super::interface::Scope::Link),
        "host" => Some(super::interface::Scope::Host),
        _ => None,
    };
    let id = host.interface(name).expect("the interface exists");
    host.add_address(id, spec).expect("the address is free");
}

/// `ip route add PREFIX via GATEWAY`
pub(super) fn via(host: &mut Host, to: &str, gateway: &str) {
    host.add_route(&RouteSpec::to(prefix(to)).via(addr(gateway))).expect("the gateway is on the link");
}

/// `sysctl -w net.ipv4.NAME=VALUE`, several separated by spaces.
pub(super) fn sysctl(host: &mut Host, settings: &str) {
    for setting in settings.split_whitespace() {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        host.sysctl_set(&format!("net.ipv4.{name}"), value).expect("the setting exists");
    }
}

/// Who has `target`? Tell `sender`, who is at `from`.
pub(super) fn who_has(target: &str, sender: &str, from: Mac) -> Arp {
    Arp {
        op: ArpOp::Request,
        sender_mac: from,
        sender: addr(sender),
        target_mac: Mac::ZERO,
        target: addr(target),
    }
}

/// `sender` is at `from`, says a reply to `target` at `to`.
pub(super) fn is_at(sender: &str, from: Mac, target: &str, to: Mac) -> Arp {
    Arp { op: ArpOp::Reply, sender_mac: from, sender: addr(sender), target_mac: to, target: addr(target) }
}

/// The ARP packet of a question.
pub(super) fn arp_of(ask: &Ask) -> Arp {
    match ask {
        Ask::Arp(send) => send.arp,
        Ask::Ndisc(_) => panic!("neighbour discovery is not ARP"),
    }
}

/// A TCP packet of `len` bytes.
pub(super) fn tcp(src: &str, dst: &str, len: u16) -> Packet {
    Packet {
        src: addr(src),
        dst: addr(dst),
        mark: 0,
        flow: 0,
        len,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload: Payload::Tcp(Segment { sport: 1024, dport: 80, ..Segment::default() }),
        outer: None,
        text: None,
    }
}
