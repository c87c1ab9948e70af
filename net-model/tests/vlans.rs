//! VLANs on the wire: who hears whom, what tags cost, where frames end.

use net_model::addr::{Addr, Mac};
use net_model::capture::Direction;
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::packet::Body;
use net_model::port::PortVlans;
use net_model::spec::LinkSpec;
use net_model::verdict::DropReason;
use net_model::{HostId, Network, Options, SwitchId};
use sim_core::{Duration, Time, Timers};

const CABLE: LinkSpec =
    LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(10), queue_bytes: u64::MAX, loss: 0.0 };

fn network() -> (Network, SwitchId) {
    let mut net =
        Network::new(Options { seed: 1, timers: Timers::Ideal, sampling: Duration::from_millis(100) });
    let switch = net.add_switch("switch");
    (net, switch)
}

/// Host `number` with eth0 in a switch, without an address.
fn host(net: &mut Network, switch: SwitchId, number: u64) -> HostId {
    let host = net.add_host(&format!("h{number}"));
    let mac = Mac::from_bits(0x0200_0000_0000 + number);
    let eth0 = net.add_interface(host, "eth0", InterfaceKind::Ethernet, mac);
    net.plug(host, eth0, switch, &CABLE);
    net.set_interface_up(host, eth0, true);
    host
}

fn eth0(net: &Network, host: HostId) -> InterfaceId {
    net.host(host).stack.interface("eth0").expect("every host has it")
}

/// `ip link add link eth0 name eth0.ID type vlan id ID`, up and with an address.
fn vlan(net: &mut Network, host: HostId, id: u16, address: &str) -> InterfaceId {
    let card = eth0(net, host);
    let sub = net.add_vlan(host, card, &format!("eth0.{id}"), id).expect("the id is free");
    net.set_interface_up(host, sub, true);
    give(net, host, sub, address);
    sub
}

fn give(net: &mut Network, host: HostId, interface: InterfaceId, address: &str) {
    let spec = AddressSpec::new(addr(address), 24);
    net.host_mut(host).stack.add_address(interface, spec).expect("the address is free");
}

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

/// Does a ping come back?
fn answers(net: &mut Network, from: HostId, to: &str) -> bool {
    let before = net.echo_replies(from).len();
    net.ping(from, addr(to), 1, 1, 56);
    let until = net.now() + Duration::from_secs(5);
    net.run_until(until);
    net.echo_replies(from).len() > before
}

fn dropped(net: &mut Network, reason: DropReason) -> u64 {
    let drops = net.outcome().drops;
    drops.iter().filter(|drop| drop.reason == reason).map(|drop| drop.count).sum()
}

fn is_balanced(net: &mut Network) -> bool {
    let frames = net.outcome().frames;
    frames.sent == frames.delivered + frames.dropped + frames.in_flight
}

/// A switch of which nothing was said passes tags on; a host without the sub-interface drops them, with a cure.
#[test]
fn hosts_take_only_tags_they_know() {
    let (mut net, switch) = network();
    let [one, other, third] = [1, 2, 3].map(|number| host(&mut net, switch, number));
    vlan(&mut net, one, 10, "10.0.10.1");
    vlan(&mut net, other, 10, "10.0.10.2");
    vlan(&mut net, third, 20, "10.0.10.3");
    let card = eth0(&net, third);
    give(&mut net, third, card, "10.0.10.4");
    assert!(answers(&mut net, one, "10.0.10.2"));
    assert!(!answers(&mut net, one, "10.0.10.3"), "the same prefix in another VLAN");
    assert!(!answers(&mut net, one, "10.0.10.4"), "the card itself hears untagged frames only");
    assert!(dropped(&mut net, DropReason::UnknownVlan) >= 6, "its requests end at both others");
    assert!(DropReason::UnknownVlan.cure().contains("type vlan id"));
    assert!(is_balanced(&mut net));
}

/// An access port gives its VLAN to untagged frames; a trunk carries tags; the rest ends at the port.
#[test]
fn ports_tell_vlans_apart() {
    let (mut net, switch) = network();
    let [router, ten, twenty, plain] = [1, 2, 3, 4].map(|number| host(&mut net, switch, number));
    let ports = [
        (router, Some(PortVlans::trunk(vec![10, 20], None))),
        (ten, Some(PortVlans::access(10))),
        (twenty, Some(PortVlans::access(20))),
        (plain, None),
    ];
    for (host, port) in ports {
        let card = eth0(&net, host);
        port.into_iter().for_each(|port| net.set_port(host, card, port));
    }
    vlan(&mut net, router, 10, "10.0.10.1");
    vlan(&mut net, router, 20, "10.0.20.1");
    vlan(&mut net, router, 30, "10.0.30.1");
    for (host, address) in [(ten, "10.0.10.2"), (twenty, "10.0.20.2"), (plain, "10.0.10.9")] {
        let card = eth0(&net, host);
        give(&mut net, host, card, address);
    }
    assert!(answers(&mut net, ten, "10.0.10.1"));
    assert!(answers(&mut net, twenty, "10.0.20.1"));
    assert!(answers(&mut net, router, "10.0.20.2"));
    assert!(!answers(&mut net, plain, "10.0.10.1"), "VLAN 1 is on no other port");
    assert_eq!(dropped(&mut net, DropReason::VlanRefused), 0);
    assert!(!answers(&mut net, router, "10.0.30.2"));
    assert_eq!(
        dropped(&mut net, DropReason::VlanRefused),
        3,
        "three requests with a tag the trunk does not carry"
    );
    assert!(is_balanced(&mut net));
}

/// One link address may live on two ports, if they are in different VLANs.
#[test]
fn addresses_are_learnt_for_each_vlan() {
    let (mut net, switch) = network();
    let twins = [1, 1].map(|number| host(&mut net, switch, number));
    let hosts = [2, 3].map(|number| host(&mut net, switch, number));
    for (at, vlan) in [10, 20].into_iter().enumerate() {
        for (host, address) in [(twins[at], "10.0.0.1"), (hosts[at], "10.0.0.2")] {
            let card = eth0(&net, host);
            net.set_port(host, card, PortVlans::access(vlan));
            give(&mut net, host, card, address);
        }
    }
    for _ in 0..3 {
        for host in hosts {
            assert!(answers(&mut net, host, "10.0.0.1"));
        }
    }
    assert_eq!(dropped(&mut net, DropReason::OtherHost), 0, "nothing had to be flooded twice");
}

/// A tag is four bytes on the wire; captures have it at the card and not at the sub-interface.
#[test]
fn what_a_tag_looks_like() {
    let (mut net, switch) = network();
    let [one, other] = [1, 2].map(|number| host(&mut net, switch, number));
    let sub = vlan(&mut net, one, 10, "10.0.10.1");
    vlan(&mut net, other, 10, "10.0.10.2");
    let card = eth0(&net, one);
    let taps = [card, sub].map(|interface| net.tap(one, interface));
    assert!(answers(&mut net, one, "10.0.10.2"));
    let seen = net.take_captured();
    for (tap, vlan) in [(taps[0], 10), (taps[1], 0)] {
        let here: Vec<_> = seen.iter().filter(|captured| captured.tap == tap).collect();
        assert_eq!(here.len(), 4, "request and reply, by ARP and by ICMP");
        assert!(here.iter().all(|captured| captured.frame.vlan == vlan));
        let directions = [Direction::Out, Direction::In, Direction::Out, Direction::In];
        assert!(here.iter().map(|captured| captured.direction).eq(directions));
        let ping = here.iter().find(|captured| matches!(captured.frame.body, Body::Ip(_))).expect("a ping");
        assert_eq!(ping.frame.wire_bytes(), 84 + 18 + if vlan == 0 { 0 } else { 4 });
    }
    let sent =
        seen.iter().find(|captured| captured.direction == Direction::Out).expect("the ARP request").time;
    let heard = seen.iter().find(|captured| captured.direction == Direction::In).expect("the ARP reply").time;
    // 28 + 18 + 4 bytes over four links, each with 10 µs.
    assert_eq!(heard.since(sent), Duration::from_nanos(4 * (50 * 8 + 10_000)));
}

/// A pulled cable, and a card that goes down and up again.
#[test]
fn a_card_takes_its_vlans_along() {
    let (mut net, switch) = network();
    let [one, other] = [1, 2].map(|number| host(&mut net, switch, number));
    vlan(&mut net, one, 10, "10.0.10.1");
    let sub = vlan(&mut net, other, 10, "10.0.10.2");
    let card = eth0(&net, other);
    assert!(answers(&mut net, one, "10.0.10.2"));
    net.set_cable(other, card, false);
    assert!(!answers(&mut net, one, "10.0.10.2"));
    net.set_cable(other, card, true);
    assert!(answers(&mut net, one, "10.0.10.2"));
    net.set_interface_up(other, card, false);
    assert!(!net.host(other).stack.interface_at(sub).up);
    assert!(!answers(&mut net, one, "10.0.10.2"));
    net.set_interface_up(other, card, true);
    assert!(answers(&mut net, one, "10.0.10.2"));
    net.set_interface_up(other, sub, false);
    assert!(!answers(&mut net, one, "10.0.10.2"), "the sub-interface alone");
    assert!(net.host(other).stack.interface_at(card).up);
    assert!(is_balanced(&mut net));
}

/// Much traffic through both kinds of ports: the short cut through a switch is for equal tags only.
#[test]
fn tags_are_right_however_often_frames_pass() {
    let (mut net, switch) = network();
    let [router, ten, trunked] = [1, 2, 3].map(|number| host(&mut net, switch, number));
    for (host, port) in [
        (router, PortVlans::trunk(vec![10], None)),
        (ten, PortVlans::access(10)),
        (trunked, PortVlans::trunk(vec![10], None)),
    ] {
        let card = eth0(&net, host);
        net.set_port(host, card, port);
    }
    vlan(&mut net, router, 10, "10.0.10.1");
    vlan(&mut net, trunked, 10, "10.0.10.3");
    let card = eth0(&net, ten);
    give(&mut net, ten, card, "10.0.10.2");
    for _ in 0..5 {
        assert!(answers(&mut net, ten, "10.0.10.1"), "untagged to tagged");
        assert!(answers(&mut net, trunked, "10.0.10.1"), "tagged to tagged");
        assert!(answers(&mut net, trunked, "10.0.10.2"), "tagged to untagged");
    }
    assert!(is_balanced(&mut net));
    assert_eq!(dropped(&mut net, DropReason::UnknownVlan), 0);
    assert!(net.now() > Time::ZERO);
}
