//! Taps see what tcpdump would see, at the right instant, and change nothing.

use net_model::addr::{Addr, Mac};
use net_model::capture::{Captured, Direction, Tap};
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::{Forwarding, Protocol, Tunnel};
use net_model::packet::{Body, Payload};
use net_model::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target, TraceRow,
};
use net_model::verdict::DropReason;
use net_model::workload::Workload;
use net_model::{HostId, Network, Options, SwitchId};
use sim_core::{Dist, Duration, Time, Timers};

/// 10.0.0.1, the server.
const SERVER: Addr = Addr::v4(0x0a00_0001);

/// One gigabit a second, 5 µs.
const CABLE: LinkSpec =
    LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(5), queue_bytes: u64::MAX, loss: 0.0 };

fn at_ns(ns: u64) -> Time {
    Time::from_nanos(ns)
}

fn host(net: &mut Network, number: u32, switch: SwitchId) -> (HostId, InterfaceId) {
    let id = net.add_host(&format!("h{number}"));
    let mac = Mac::from_bits(0x0200_0000_0000 + u64::from(number));
    let eth0 = net.add_interface(id, "eth0", InterfaceKind::Ethernet, mac);
    let stack = &mut net.host_mut(id).stack;
    stack.set_up(eth0, true);
    stack.add_address(eth0, AddressSpec::new(SERVER.offset(u128::from(number)), 24)).unwrap();
    net.plug(id, eth0, switch, &CABLE);
    (id, eth0)
}

/// A server (host 0), a client that asks it once at 1 ms (host 1), and a third host, on one switch.
fn three_hosts(port: u16) -> (Network, [(HostId, InterfaceId); 3]) {
    let mut net =
        Network::new(Options { seed: 1, timers: Timers::Ideal, sampling: Duration::from_secs(1000) });
    let switch = net.add_switch("lan");
    let hosts = [0, 1, 2].map(|number| host(&mut net, number, switch));
    net.add_server(
        hosts[0].0,
        ServerSpec {
            protocol: Protocol::Tcp,
            ports: vec![80],
            workers: 1,
            discipline: Discipline::Fifo,
            speed: 1.0,
            service_time: Dist::Constant(0.0),
            response_bytes: Dist::Constant(100.0),
            backlog: 10,
            reply_from: ReplyFrom::Asked,
        },
    );
    let row = TraceRow {
        start: at_ns(1_000_000),
        client: SERVER.offset(1),
        client_port: 40_000,
        target: Target { protocol: Protocol::Tcp, addr: SERVER, port },
        hold: Duration::ZERO,
        bytes: 100,
        close: Close::Client,
        ping: None,
    };
    net.add_clients(
        hosts[1].0,
        ClientSpec {
            name: "clients".to_owned(),
            sources: Sources::Host,
            target: row.target,
            arrivals: Arrivals::Trace([row].into()),
            request_bytes: Dist::Constant(16.0),
            close: Close::Client,
            timeout: None,
            retries: 0,
            says: Vec::new(),
            start: Time::ZERO,
            stop: Time::NEVER,
            limit: None,
        },
    );
    (net, hosts)
}

/// Whoever listens changes nothing, and who does not listen pays nothing: a link that leads to a tapped interface is of
/// another kind, so that the arrival of a frame asks no question about captures.
#[test]
fn listening_changes_nothing() {
    let history = |listeners: &[usize]| {
        let (mut net, hosts) = three_hosts(80);
        for at in listeners {
            net.tap(hosts[*at].0, hosts[*at].1);
        }
        net.run_until(at_ns(2_000_000_000));
        let outcome = net.outcome();
        (net.take_captured().len(), (outcome.fingerprint, outcome.events, outcome.hops))
    };
    let (unseen, alone) = history(&[]);
    assert_eq!(unseen, 0);
    for listeners in [&[0][..], &[2], &[0, 1, 2]] {
        let (seen, history) = history(listeners);
        assert!(seen > 0, "{listeners:?}");
        assert_eq!(history, alone, "{listeners:?}");
    }
}

/// Time in ns, direction, and what it is.
fn line(seen: &Captured) -> String {
    let what = match &seen.frame.body {
        Body::Arp(arp) => format!("{:?} who-has {} tell {}", arp.op, arp.target, arp.sender),
        Body::Ip(packet) => packet.to_string(),
    };
    format!("{} {:?} {what}", seen.time.as_nanos(), seen.direction)
}

#[test]
fn a_third_host_hears_what_the_switch_floods_when_it_arrives() {
    let (mut net, hosts) = three_hosts(80);
    net.tap(hosts[2].0, hosts[2].1);
    net.run_until(at_ns(1_000_000_000));
    // 46 bytes take 368 ns and 5 µs on each of two links; only the question is a broadcast.
    let heard: Vec<String> = net.take_captured().iter().map(line).collect();
    assert_eq!(heard, ["1010736 In Request who-has 10.0.0.1 tell 10.0.0.2"]);
}

#[test]
fn both_ends_see_the_same_frames_and_only_the_sender_sees_them_leave() {
    let (mut net, hosts) = three_hosts(80);
    let (client, server) = (net.tap(hosts[1].0, hosts[1].1), net.tap(hosts[0].0, hosts[0].1));
    net.run_until(at_ns(1_000_000_000));
    let seen = net.take_captured();
    let frames = |tap: Tap, direction| {
        let of_tap = seen.iter().filter(move |seen| (seen.tap, seen.direction) == (tap, direction));
        of_tap.map(|seen| &seen.frame).collect::<Vec<_>>()
    };
    assert!(frames(client, Direction::Out).len() > 5);
    assert_eq!(frames(client, Direction::Out), frames(server, Direction::In));
    assert_eq!(frames(server, Direction::Out), frames(client, Direction::In));
    assert!(seen.is_sorted_by_key(|seen| seen.time));
    assert!(net.take_captured().is_empty(), "what was fetched is gone");
}

#[test]
fn the_comment_says_why_a_frame_was_dropped() {
    let (mut net, hosts) = three_hosts(81);
    let server = net.tap(hosts[0].0, hosts[0].1);
    net.run_until(at_ns(1_000_000_000));
    let seen = net.take_captured();
    let syn = seen.iter().find(|seen| matches!(&seen.frame.body, Body::Ip(packet) if packet.dst == SERVER));
    let syn = syn.expect("the client asked");
    assert_eq!((syn.tap, syn.dropped), (server, Some(DropReason::NoSocket)));
    assert!(syn.comment().unwrap().starts_with("dropped (no-socket): No socket for this TCP segment"));
    let reset = seen.last().expect("there is more than one frame");
    assert_eq!((reset.direction, reset.comment()), (Direction::Out, None));
}

#[test]
fn a_device_that_is_down_or_unplugged_shows_nothing() {
    for is_pulled in [false, true] {
        let (mut net, hosts) = three_hosts(80);
        let (client, eth0) = hosts[1];
        net.tap(client, eth0);
        if is_pulled {
            net.set_cable(client, eth0, false);
        } else {
            net.set_interface_up(client, eth0, false);
        }
        net.run_until(at_ns(1_000_000_000));
        assert_eq!(net.take_captured(), []);
    }
}

/// [seen on Linux 6.1: the gratuitous request is on the port of the bridge, and on no other]
#[test]
fn an_interface_that_comes_up_announces_itself_before_its_switch_listens() {
    let (mut net, hosts) = three_hosts(80);
    let [(one, eth0), (other, card), _] = hosts;
    net.host_mut(one)
        .stack
        .sysctl_set("net.ipv4.conf.eth0.arp_notify", "1")
        .expect("there is such a setting");
    net.tap(other, card);
    net.set_interface_up(one, eth0, false);
    net.set_interface_up(one, eth0, true);
    net.run_until(at_ns(900_000));
    assert_eq!(net.take_captured(), [], "nobody hears it");
    // The same announcement a moment later, as a new link address makes it.
    let change = net.host_mut(one).stack.set_mac(eth0, Mac::from_bits(0x0200_0000_0099));
    net.announce(one, &change.announce);
    net.run_until(at_ns(990_000));
    let heard = net.take_captured();
    assert!(
        matches!(&heard[..], [seen] if matches!(&seen.frame.body, Body::Arp(arp) if arp.sender == arp.target))
    );
}

#[test]
fn what_a_host_says_to_itself_is_seen_once_on_lo() {
    let (mut net, hosts) = three_hosts(80);
    let lo = net.tap(hosts[0].0, InterfaceId::LO);
    let row_target = Target { protocol: Protocol::Tcp, addr: SERVER, port: 80 };
    net.add_clients(
        hosts[0].0,
        ClientSpec {
            name: "local".to_owned(),
            sources: Sources::Host,
            target: row_target,
            arrivals: Arrivals::Constant(1.0),
            request_bytes: Dist::Constant(16.0),
            close: Close::Client,
            timeout: None,
            retries: 0,
            says: Vec::new(),
            start: Time::ZERO,
            stop: Time::NEVER,
            limit: Some(1),
        },
    );
    net.run_until(at_ns(5_000_000_000));
    let seen = net.take_captured();
    assert!(seen.iter().all(|seen| seen.tap == lo && seen.direction == Direction::In));
    assert!(seen.iter().all(|seen| (seen.frame.src, seen.frame.dst) == (Mac::ZERO, Mac::ZERO)));
    let syns = seen.iter().filter(|seen| line(seen).contains("> 10.0.0.1.80: [S],"));
    assert_eq!(syns.count(), 1);
}

/// A small W1 with taps everywhere; what was seen, and the network.
fn tapped(forwarding: Forwarding) -> (Vec<Captured>, Network) {
    let workload = Workload { clients: 2, servers: 3, rate: 500.0, forwarding, ..Workload::default() };
    let (mut plain, mut net) = (workload.build(), workload.build());
    net.tap_all();
    plain.run_until(at_ns(300_000_000));
    net.run_until(at_ns(300_000_000));
    assert_eq!(net.outcome().fingerprint, plain.outcome().fingerprint, "a tap changes nothing");
    (net.take_captured(), net)
}

#[test]
fn the_director_tells_its_decision_with_the_packet_that_caused_it() {
    for forwarding in [Forwarding::Route, Forwarding::Masquerade] {
        let (seen, net) = tapped(forwarding);
        let decided: Vec<&Captured> = seen.iter().filter(|seen| !seen.decisions.is_empty()).collect();
        assert!(decided.len() > 100);
        for seen in decided {
            let Body::Ip(packet) = &seen.frame.body else { panic!("ARP is not scheduled") };
            let decision = &seen.decisions[0];
            assert_eq!((decision.client.0, decision.target.0), (packet.src, packet.dst));
            assert_eq!(seen.decisions.len(), 1);
            assert!(seen.comment().unwrap().contains("scheduler wlc decides"));
            let (host, _) = net.taps()[seen.tap.0 as usize];
            assert_eq!(net.host(host).name, "director");
        }
    }
}

#[test]
fn a_tunnel_interface_shows_packets_without_their_outer_header() {
    let (seen, net) = tapped(Forwarding::Tunnel(Tunnel::IpIp));
    let on = |seen: &Captured, name: &str| {
        let (host, interface) = net.taps()[seen.tap.0 as usize];
        net.host(host).name != "director" && net.host(host).stack.interface_at(interface).name == name
    };
    let packet = |seen: &Captured| match &seen.frame.body {
        Body::Ip(packet) if matches!(packet.payload, Payload::Tcp(_)) => Some(packet.clone()),
        Body::Ip(_) | Body::Arp(_) => None,
    };
    let wrapped = seen.iter().filter(|seen| on(seen, "eth0") && seen.direction == Direction::In);
    let wrapped: Vec<_> = wrapped.filter_map(packet).filter(|packet| packet.outer.is_some()).collect();
    let bare: Vec<_> = seen.iter().filter(|seen| on(seen, "tunl0")).filter_map(packet).collect();
    assert!(wrapped.len() > 100);
    let unwrapped = wrapped.into_iter().map(|packet| net_model::packet::Packet { outer: None, ..packet });
    assert_eq!(bare, unwrapped.collect::<Vec<_>>());
}
