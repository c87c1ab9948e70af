//! Stations of a packet's walk, each with a network of two or three hosts: what rules, settings and crashes do to it.

use net_model::addr::{Addr, Mac};
use net_model::host::interface::AddressSpec;
use net_model::host::mark::{Chain, Condition, FilterRule, Match, Target};
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::Protocol;
use net_model::outcome::Failure;
use net_model::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target as Address,
};
use net_model::{HostId, Network, Options, SwitchId};
use sim_core::{Dist, Duration, Time, Timers};

const CABLE: LinkSpec =
    LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(50), queue_bytes: 1 << 20, loss: 0.0 };

fn network() -> Network {
    Network::new(Options { seed: 1, timers: Timers::Ideal, sampling: Duration::from_secs(1000) })
}

/// A host 10.0.0.`number` with its one interface on a switch.
fn host(net: &mut Network, number: u32, len: u8, switch: SwitchId) -> (HostId, InterfaceId) {
    let id = net.add_host(&format!("h{number}"));
    let mac = Mac::from_bits(0x0200_0000_0000 + u64::from(number));
    let eth0 = net.add_interface(id, "eth0", InterfaceKind::Ethernet, mac);
    let stack = &mut net.host_mut(id).stack;
    stack.set_up(eth0, true);
    stack.add_address(eth0, AddressSpec::new(addr(number), len)).unwrap();
    net.plug(id, eth0, switch, &CABLE);
    (id, eth0)
}

fn addr(number: u32) -> Addr {
    Addr::v4(0x0a00_0000 + number)
}

fn run(net: &mut Network, milliseconds: u64) {
    let until = net.now() + Duration::from_millis(milliseconds);
    net.run_until(until);
}

/// Does a ping come back?
fn reaches(net: &mut Network, from: HostId, to: Addr, sequence: u16) -> bool {
    let before = net.echo_replies(from).len();
    net.ping(from, to, 7, sequence, 56);
    run(net, 900);
    net.echo_replies(from).len() > before
}

#[test]
fn the_filter_sees_what_a_host_sends() {
    let mut net = network();
    let switch = net.add_switch("s");
    let (a, _) = host(&mut net, 1, 24, switch);
    host(&mut net, 2, 24, switch);
    assert!(reaches(&mut net, a, addr(2), 1));
    let icmp = Match { what: Condition::Protocol(1), holds: true };
    let rule = FilterRule { matches: vec![icmp], target: Target::Drop };
    net.host_mut(a).stack.netfilter.chain_mut(net_model::addr::Family::V4, Chain::Output).push(rule);
    net.settle(a);
    assert!(!reaches(&mut net, a, addr(2), 2));
    net.host_mut(a).stack.netfilter.chain_mut(net_model::addr::Family::V4, Chain::Output).clear();
    net.settle(a);
    assert!(reaches(&mut net, a, addr(2), 3));
}

/// h1 believes 10.0.9.9 on its own network; h2 is the router and answers for it, after a while.
#[test]
fn an_answer_on_behalf_of_others_comes_late() {
    let mut net = network();
    let (switch, behind) = (net.add_switch("s"), net.add_switch("behind"));
    let (a, _) = host(&mut net, 1, 16, switch);
    let (router, _) = host(&mut net, 2, 24, switch);
    let eth1 = net.add_interface(router, "eth1", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_0909));
    let stack = &mut net.host_mut(router).stack;
    stack.set_up(eth1, true);
    stack.add_address(eth1, AddressSpec::new(addr(0x0909), 24)).unwrap();
    for setting in ["net.ipv4.ip_forward", "net.ipv4.conf.eth0.proxy_arp"] {
        stack.sysctl_set(setting, "1").unwrap();
    }
    net.plug(router, eth1, behind, &CABLE);
    let tap = net.tap(a, InterfaceId(1));
    net.ping(a, addr(0x0901), 7, 1, 56);
    run(&mut net, 900);
    let seen = net.take_captured();
    let arp: Vec<Time> = seen
        .iter()
        .filter(|seen| seen.tap == tap && matches!(seen.frame.body, net_model::packet::Body::Arp(_)))
        .map(|seen| seen.time)
        .collect();
    let [asked, answered] = arp[..2] else { panic!("a question and an answer") };
    let delay = answered.since(asked);
    assert!(delay > Duration::from_millis(1) && delay < Duration::from_millis(801), "{delay}");
}

/// The server crashes in the middle of an exchange and returns: it knows nothing of the connection.
#[test]
fn a_host_that_crashed_has_forgotten_its_connections() {
    let mut net = network();
    let switch = net.add_switch("s");
    let (a, _) = host(&mut net, 1, 24, switch);
    let (b, _) = host(&mut net, 2, 24, switch);
    net.add_server(
        b,
        ServerSpec {
            protocol: Protocol::Tcp,
            ports: vec![80],
            workers: 1,
            discipline: Discipline::Fifo,
            speed: 1.0,
            service_time: Dist::Constant(0.01),
            response_bytes: Dist::Constant(2_000_000.0),
            backlog: 9,
            reply_from: ReplyFrom::Asked,
        },
    );
    let group = net.add_clients(
        a,
        ClientSpec {
            name: "c".into(),
            sources: Sources::Host,
            target: Address { protocol: Protocol::Tcp, addr: addr(2), port: 80 },
            arrivals: Arrivals::Users { users: 1, think: Dist::Constant(0.0) },
            request_bytes: Dist::Constant(3_000_000.0),
            says: Vec::new(),
            close: Close::Client,
            timeout: None,
            retries: 0,
            start: Time::ZERO,
            stop: Time::NEVER,
            limit: Some(1),
        },
    );
    run(&mut net, 15); // the request is under way
    net.set_host_up(b, false);
    run(&mut net, 5);
    net.set_host_up(b, true);
    run(&mut net, 5000);
    let seen = net.seen_by(a, group);
    assert_eq!((seen.succeeded, seen.failed[Failure::Reset as usize]), (0, 1));
}

/// A path MTU is believed for ten minutes (`net.ipv4.route.mtu_expires`).
#[test]
fn a_path_mtu_is_forgotten() {
    let mut net = network();
    let (near, far) = (net.add_switch("near"), net.add_switch("far"));
    let (a, _) = host(&mut net, 1, 24, near);
    let (router, _) = host(&mut net, 2, 24, near);
    let eth1 = net.add_interface(router, "eth1", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_0909));
    let stack = &mut net.host_mut(router).stack;
    stack.set_up(eth1, true);
    stack.set_mtu(eth1, 1400);
    stack.add_address(eth1, AddressSpec::new(addr(0x0909), 24)).unwrap();
    stack.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    net.plug(router, eth1, far, &CABLE);
    let route =
        net_model::host::fib::RouteSpec::to(net_model::addr::Prefix::new(addr(0x0900), 24)).via(addr(2));
    net.host_mut(a).stack.add_route(&route).unwrap();
    net.ping(a, addr(0x0901), 7, 1, 1472);
    run(&mut net, 900);
    let mtus = |net: &Network| net.host(a).stack.exceptions().map(|(_, known)| known.mtu).collect::<Vec<_>>();
    assert_eq!(mtus(&net), [1400]);
    run(&mut net, 598_000);
    assert_eq!(mtus(&net), [1400]);
    run(&mut net, 20_000);
    assert_eq!(mtus(&net), []);
}
