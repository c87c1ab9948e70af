//! Links and switches: no frame is lost from the books, and every one arrives when pencil and paper say so.

use net_model::addr::{Addr, Mac};
use net_model::host::interface::AddressSpec;
use net_model::host::neighbour::NeighbourState;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::Protocol;
use net_model::outcome::{FrameBalance, Outcome};
use net_model::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target, TraceRow,
};
use net_model::{HostId, Network, Options, SwitchId};
use proptest::prelude::*;
use sim_core::{Dist, Duration, Time, Timers};

const SERVER: Addr = Addr::v4(0x0a00_0001);

fn network(seed: u64) -> Network {
    Network::new(Options { seed, timers: Timers::Ideal, sampling: Duration::from_millis(100) })
}

fn address(number: u32) -> Addr {
    SERVER.offset(u128::from(number))
}

fn mac(number: u32) -> Mac {
    Mac::from_bits(0x0200_0000_0000 + u64::from(number))
}

/// Host `number` with its one interface on a switch.
fn host(net: &mut Network, number: u32, switch: SwitchId, cable: &LinkSpec) -> (HostId, InterfaceId) {
    let id = net.add_host(&format!("h{number}"));
    let eth0 = net.add_interface(id, "eth0", InterfaceKind::Ethernet, mac(number));
    let stack = &mut net.host_mut(id).stack;
    stack.set_up(eth0, true);
    stack.add_address(eth0, AddressSpec::new(address(number), 24)).unwrap();
    net.plug(id, eth0, switch, cable);
    (id, eth0)
}

fn serve(net: &mut Network, host: HostId, protocol: Protocol, response_bytes: f64) {
    net.add_server(
        host,
        ServerSpec {
            protocol,
            ports: vec![80],
            workers: u32::MAX,
            discipline: Discipline::Fifo,
            speed: 1.0,
            service_time: Dist::Constant(0.0),
            response_bytes: Dist::Constant(response_bytes),
            backlog: 1000,
            reply_from: ReplyFrom::Asked,
        },
    );
}

fn ask(net: &mut Network, host: HostId, name: String, protocol: Protocol, arrivals: Arrivals, bytes: f64) {
    net.add_clients(
        host,
        ClientSpec {
            name,
            sources: Sources::Host,
            target: Target { protocol, addr: SERVER, port: 80 },
            arrivals,
            request_bytes: Dist::Constant(bytes),
            close: Close::Client,
            timeout: None,
            retries: 1,
            says: Vec::new(),
            start: Time::ZERO,
            stop: Time::NEVER,
            limit: None,
        },
    );
}

fn is_balanced(outcome: &Outcome) -> bool {
    let FrameBalance { sent, delivered, dropped, in_flight } = outcome.frames;
    sent == delivered + dropped + in_flight
}

/// A network drawn at random: clients on one switch, the server on the same one or behind a second.
#[derive(Clone, Debug)]
struct Load {
    seed: u64,
    clients: u32,
    two_switches: bool,
    cable: LinkSpec,
    rate: f64,
    udp: bool,
    answer: f64,
    /// Host whose cable is pulled and plugged in again, and how often.
    pulled: u32,
    pulls: u32,
}

fn load() -> impl Strategy<Value = Load> {
    let cable = (1_000_000u64..1_000_000_000, 0u64..200, 0u64..20_000, 0.0..0.2f64);
    let cable = cable.prop_map(|(rate_bps, delay_us, queue_bytes, loss)| LinkSpec {
        rate_bps,
        delay: Duration::from_micros(delay_us),
        queue_bytes,
        loss,
    });
    let size = (any::<u64>(), 1u32..5, any::<bool>(), cable);
    let traffic = (10.0..2000.0f64, any::<bool>(), 1.0..20_000.0f64, 0u32..5, 0u32..6);
    (size, traffic).prop_map(|((seed, clients, two_switches, cable), (rate, udp, answer, pulled, pulls))| {
        Load { seed, clients, two_switches, cable, rate, udp, answer, pulled: pulled % (clients + 1), pulls }
    })
}

fn build(load: &Load) -> (Network, Vec<(HostId, InterfaceId)>) {
    let mut net = network(load.seed);
    let first = net.add_switch("first");
    let second = if load.two_switches { net.add_switch("second") } else { first };
    if load.two_switches {
        net.connect_switches(first, second, &load.cable);
    }
    let protocol = if load.udp { Protocol::Udp } else { Protocol::Tcp };
    let mut hosts = vec![host(&mut net, 0, second, &load.cable)];
    serve(&mut net, hosts[0].0, protocol, load.answer);
    for number in 1..=load.clients {
        let client = host(&mut net, number, first, &load.cable);
        let rate = load.rate / f64::from(load.clients);
        ask(&mut net, client.0, format!("c{number}"), protocol, Arrivals::Poisson(rate), 300.0);
        hosts.push(client);
    }
    (net, hosts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Frames sent = delivered + dropped + in flight, at every instant at which one looks.
    #[test]
    fn no_frame_is_lost_from_the_books(load in load()) {
        let (mut net, hosts) = build(&load);
        let (pulled, interface) = hosts[load.pulled as usize];
        let mut is_plugged = true;
        for step in 1..=12u64 {
            net.run_until(Time::ZERO + Duration::from_micros(step * 43_217));
            let outcome = net.outcome();
            prop_assert!(is_balanced(&outcome), "{:?} after step {step}", outcome.frames);
            if step <= u64::from(load.pulls) {
                is_plugged = !is_plugged;
                net.set_cable(pulled, interface, is_plugged);
            }
        }
        let outcome = net.outcome();
        prop_assert!(outcome.frames.sent > 0);
        let drops: u64 = outcome.drops.iter().map(|drop| drop.count).sum();
        prop_assert!(outcome.frames.dropped <= drops, "every drop has a reason");
    }

    /// The same network has the same history, to the last event.
    #[test]
    fn the_same_seed_has_the_same_history(load in load()) {
        let run = || {
            let mut net = build(&load).0;
            net.run_until(Time::ZERO + Duration::from_millis(200));
            let outcome = net.outcome();
            (outcome.fingerprint, outcome.events, outcome.hops, outcome.frames)
        };
        prop_assert_eq!(run(), run());
    }
}

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn gigabit(delay: Duration) -> LinkSpec {
    LinkSpec { rate_bps: 1_000_000_000, delay, queue_bytes: u64::MAX, loss: 0.0 }
}

/// One UDP question of `wire_bytes` on the wire at `start`.
fn question(host: u32, start: Duration, answer_wire_bytes: u32) -> TraceRow {
    TraceRow {
        start: Time::ZERO + start,
        client: address(host),
        client_port: 40_000,
        target: Target { protocol: Protocol::Udp, addr: SERVER, port: 80 },
        hold: Duration::ZERO,
        bytes: answer_wire_bytes - OVERHEAD,
        close: Close::None,
        ping: None,
    }
}

/// Ethernet, IP and UDP headers around the payload of a datagram.
const OVERHEAD: u32 = 18 + 20 + 8;

/// Two clients and a server on one switch, all link addresses known to the hosts and, after a first question of each
/// client, to the switch. Client 1 has a long cable (50 us), client 2 and the server short ones (5 us). At 1 Gbit/s
/// 1000 bytes take 8 us and 500 bytes 4 us. The questions begin at 1 s, client 2's by `later`.
fn latencies(later: Duration) -> [Duration; 2] {
    let mut net = network(1);
    let switch = net.add_switch("switch");
    let (server, server_eth0) = host(&mut net, 0, switch, &gigabit(us(5)));
    serve(&mut net, server, Protocol::Udp, 1.0);
    for (number, delay) in [(1, us(50)), (2, us(5))] {
        let (client, eth0) = host(&mut net, number, switch, &gigabit(delay));
        let second = Duration::from_secs(1);
        let start = if number == 1 { second } else { second + later };
        let rows = [question(number, us(u64::from(number) * 1000), 500), question(number, start, 500)];
        let bytes = f64::from(1000 - OVERHEAD);
        ask(&mut net, client, format!("c{number}"), Protocol::Udp, Arrivals::Trace(rows.into()), bytes);
        for (on, dev, of) in [(client, eth0, 0), (server, server_eth0, number)] {
            let stack = &mut net.host_mut(on).stack;
            stack.set_neighbour(Time::ZERO, dev, address(of), mac(of), NeighbourState::Permanent).unwrap();
        }
    }
    net.run_until(Time::ZERO + Duration::from_millis(500));
    let before = net.outcome();
    net.run_until(Time::ZERO + Duration::from_secs(2));
    let outcome = net.outcome();
    // The switch flooded the very first question, and the other client's card ignored its copy.
    assert_eq!((before.frames.dropped, outcome.frames.dropped), (1, 1));
    [0, 1].map(|client| {
        // A histogram's sum is exact: mean times count.
        let sum = |o: &Outcome| {
            let seen = &o.clients[client].latency;
            seen.mean().as_nanos() * seen.count()
        };
        assert_eq!(outcome.clients[client].latency.count(), 2);
        Duration::from_nanos(2 * outcome.clients[client].latency.mean().as_nanos() - sum(&before))
    })
}

/// What a question takes on an idle network: both ways through the switch, store and forward.
fn alone(cable: Duration) -> Duration {
    let (question, answer) = (us(8), us(4));
    let there = question + cable + question + us(5);
    let back = answer + us(5) + answer + cable;
    there + back
}

#[test]
fn a_frame_on_an_idle_network_is_stored_and_forwarded() {
    // 8 + 50 + 8 + 5 there, 4 + 5 + 4 + 50 back; 8 + 5 + 8 + 5 there, 4 + 5 + 4 + 5 back.
    assert_eq!((alone(us(50)), alone(us(5))), (us(134), us(44)));
    assert_eq!(latencies(us(1000)), [us(134), us(44)]);
}

#[test]
fn a_frame_sent_later_that_reaches_the_switch_earlier_goes_first() {
    // Client 1 sends at 0: whole in the switch at 58. Client 2 sends at 40: whole in the switch at 53, on the shared
    // link from 53 to 61. Client 1's frame waits from 58 to 61, 3 us. Its answer meets nobody: the other one left the
    // server 8 us before it and takes 4 us.
    assert_eq!(latencies(us(40)), [us(134) + us(3), us(44)]);
}

#[test]
fn a_frame_that_reaches_the_switch_later_waits() {
    // Client 2 sends at 50: whole in the switch at 63. Client 1's frame, there since 58, has the link until 66.
    assert_eq!(latencies(us(50)), [us(134), us(44) + us(3)]);
}

#[test]
fn of_two_frames_at_the_same_instant_the_one_sent_first_goes_first() {
    // Client 2 sends at 45: both are whole in the switch at 58.
    assert_eq!(latencies(us(45)), [us(134), us(44) + us(8)]);
}
