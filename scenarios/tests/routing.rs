//! Routing and neighbours from end to end: hosts set up with Linux's own commands, and what becomes of their packets.
//!
//! Each test is a claim about Linux with the command that makes it true. The functions behind them have tests of their
//! own, case by case; `CLAIMS` at the end says where.

use net_model::addr::{Addr, Mac};
use net_model::capture::{Captured, Direction, Tap};
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::Kernel;
use net_model::packet::{Body, Payload};
use net_model::spec::LinkSpec;
use net_model::{HostId, Network, Options, SwitchId};
use scenarios::apply::Shell;
use scenarios::console::Command;
use scenarios::console::names::Names;
use sim_core::{Duration, Time, Timers};
use std::collections::BTreeMap;
use std::path::Path;

const CABLE: LinkSpec =
    LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(50), queue_bytes: 1 << 20, loss: 0.0 };

/// Hosts on switches, and who listens where.
struct Lab {
    net: Network,
    hosts: BTreeMap<String, HostId>,
    switches: BTreeMap<String, SwitchId>,
    taps: BTreeMap<String, Tap>,
    sequence: u16,
}

/// What came of a ping: an answer with its time to live, or the ICMP error that came instead, or nothing.
fn heard(seen: &Captured) -> Option<String> {
    let Body::Ip(packet) = &seen.frame.body else { return None };
    let Payload::Icmp(icmp) = &packet.payload else { return None };
    match (seen.direction, icmp.kind) {
        (Direction::In, 0) => Some(format!("{} answers, ttl {}", packet.src, packet.ttl)),
        (Direction::In, 3 | 5 | 11) => Some(format!("{}/{} from {}", icmp.kind, icmp.code, packet.src)),
        _ => None,
    }
}

impl Lab {
    /// `HOST.INTERFACE@SWITCH ADDRESS/LENGTH`, one a line.
    fn new(plan: &str) -> Lab {
        let net =
            Network::new(Options { seed: 1, timers: Timers::Ideal, sampling: Duration::from_secs(1000) });
        let (hosts, switches, taps) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut lab = Lab { net, hosts, switches, taps, sequence: 0 };
        for (number, line) in plan.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let (place, address) = line.split_once(' ').expect("PLACE ADDRESS");
            let (port, switch) = place.split_once('@').expect("PORT@SWITCH");
            lab.plug(port, switch, address, Mac::from_bits(0x0200_0000_0001 + number as u64));
        }
        lab
    }

    /// Client, router, server: `c` (192.168.1.10) - `rt` (192.168.1.1, 10.0.0.254) - `s` (10.0.0.11).
    fn with_a_router() -> Lab {
        let mut lab = Lab::new(
            "c.eth0@out 192.168.1.10/24
             rt.eth0@out 192.168.1.1/24
             rt.eth1@lan 10.0.0.254/24
             s.eth0@lan 10.0.0.11/24",
        );
        lab.on("rt", "sysctl -w net.ipv4.ip_forward=1");
        lab.on("c", "ip route add default via 192.168.1.1");
        lab.on("s", "ip route add default via 10.0.0.254");
        lab
    }

    fn plug(&mut self, port: &str, switch: &str, address: &str, mac: Mac) {
        let (host, device) = port.split_once('.').expect("HOST.INTERFACE");
        let net = &mut self.net;
        let host = *self.hosts.entry(host.to_owned()).or_insert_with(|| net.add_host(host));
        let switch = *self.switches.entry(switch.to_owned()).or_insert_with(|| net.add_switch(switch));
        let device = net.add_interface(host, device, InterfaceKind::Ethernet, mac);
        net.plug(host, device, switch, &CABLE);
        let stack = &mut net.host_mut(host).stack;
        stack.set_up(device, true);
        let (addr, len) = address.split_once('/').expect("ADDRESS/LENGTH");
        stack.add_address(device, AddressSpec::new(self::addr(addr), len.parse().unwrap())).unwrap();
        self.taps.insert(port.to_owned(), net.tap(host, device));
    }

    /// Commands on a host, one a line; none may be refused.
    fn on(&mut self, host: &str, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let refused = self.tries(host, line);
            assert_eq!(refused, "", "{host}: {line}");
        }
    }

    /// What a command says that is refused, or nothing.
    fn tries(&mut self, host: &str, line: &str) -> String {
        let (names, mut files) = (Names::default(), BTreeMap::new());
        let command =
            Command::parse(line, &names).unwrap_or_else(|error| panic!("{line}: {}", error.problem));
        let (network, host) = (&mut self.net, self.hosts[host]);
        let mut shell = Shell { network, host, names: &names, kernel: Kernel::New, files: &mut files };
        let refused = command.and_then(|command| shell.run(&command).err());
        self.net.settle(host);
        refused.map_or_else(String::new, |refused| refused.message)
    }

    /// One ping, and what its sender hears within a second.
    fn ping(&mut self, from: &str, to: &str) -> String {
        let heard = self.pings(from, &[to]);
        if heard.is_empty() { "nothing".to_owned() } else { heard.join(", ") }
    }

    /// Pings a millisecond apart, and what their sender hears until a second after the last.
    fn pings(&mut self, from: &str, to: &[&str]) -> Vec<String> {
        self.net.take_captured();
        for to in to {
            self.sequence += 1;
            self.net.ping(self.hosts[from], addr(to), 7, self.sequence, 56);
            self.wait(0.001);
        }
        self.wait(1.0);
        let taps: Vec<Tap> =
            self.taps.iter().filter(|tap| host_of(tap.0) == from).map(|tap| *tap.1).collect();
        let seen = self.net.take_captured();
        seen.iter().filter(|seen| taps.contains(&seen.tap)).filter_map(heard).collect()
    }

    /// The sources of the pings that come in at `HOST.INTERFACE` while `from` pings `to`.
    fn sources_at(&mut self, port: &str, from: &str, to: &str) -> Vec<String> {
        self.net.take_captured();
        self.sequence += 1;
        self.net.ping(self.hosts[from], addr(to), 7, self.sequence, 56);
        self.wait(1.0);
        let tap = self.taps[port];
        let seen = self.net.take_captured();
        let came = seen.iter().filter(|seen| seen.tap == tap && seen.direction == Direction::In);
        let is_request = |payload: &Payload| matches!(payload, Payload::Icmp(icmp) if icmp.kind == 8);
        let requests = came.filter_map(|seen| match &seen.frame.body {
            Body::Ip(packet) if is_request(&packet.payload) => Some(packet.src.to_string()),
            Body::Ip(_) | Body::Arp(_) => None,
        });
        requests.collect()
    }

    fn wait(&mut self, seconds: f64) {
        let until: Time = self.net.now() + Duration::from_secs_f64(seconds);
        self.net.run_until(until);
    }

    fn state_of(&self, host: &str, neighbour: &str) -> String {
        let stack = &self.net.host(self.hosts[host]).stack;
        stack
            .neighbour_state(addr(neighbour), InterfaceId(1))
            .map_or("none".to_owned(), |state| format!("{state:?}"))
    }
}

fn host_of(port: &str) -> &str {
    port.split('.').next().unwrap_or_default()
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

#[test]
fn an_own_address_never_leaves_the_host() {
    let mut lab = Lab::with_a_router();
    assert_eq!(lab.sources_at("rt.eth0", "c", "10.0.0.11"), ["192.168.1.10"]);
    lab.on("c", "ip addr add 10.0.0.11/32 dev lo");
    assert_eq!(lab.sources_at("rt.eth0", "c", "10.0.0.11"), [""; 0], "table local comes before main");
    lab.on("c", "ip addr del 10.0.0.11/32 dev lo");
    assert_eq!(lab.sources_at("rt.eth0", "c", "10.0.0.11"), ["192.168.1.10"]);
}

#[test]
fn what_a_router_says_about_each_type_of_route() {
    let mut lab = Lab::with_a_router();
    lab.on(
        "rt",
        "ip route add blackhole 172.16.1.0/24
         ip route add unreachable 172.16.2.0/24
         ip route add prohibit 172.16.3.0/24
         ip route add local 172.16.4.0/24 dev lo
         ip route add throw 172.16.5.0/24",
    );
    let table = [
        ("172.16.1.1", "nothing"),
        ("172.16.2.1", "3/1 from 192.168.1.1"),
        ("172.16.3.1", "3/13 from 192.168.1.1"),
        ("172.16.4.1", "172.16.4.1 answers, ttl 64"),
        ("172.16.5.1", "3/0 from 192.168.1.1"),
        ("172.16.6.1", "3/0 from 192.168.1.1"),
        ("10.0.0.11", "10.0.0.11 answers, ttl 63"),
    ];
    for (to, expected) in table {
        assert_eq!(lab.ping("c", to), expected, "{to}");
    }
}

#[test]
fn throw_leaves_a_table_and_the_next_rule_decides() {
    let mut lab = Lab::with_a_router();
    lab.on(
        "rt",
        "ip rule add to 10.0.0.0/8 lookup 7
         ip route add prohibit 10.0.0.0/8 table 7",
    );
    assert_eq!(lab.ping("c", "10.0.0.11"), "3/13 from 192.168.1.1");
    lab.on("rt", "ip route add throw 10.0.0.0/24 table 7");
    assert_eq!(lab.ping("c", "10.0.0.11"), "10.0.0.11 answers, ttl 63");
}

#[test]
fn the_lowest_metric_wins_and_the_next_takes_over() {
    let mut lab = Lab::with_a_router();
    lab.on(
        "c",
        "ip route add 10.0.0.0/24 via 192.168.1.99 metric 20
         ip route add 10.0.0.0/24 via 192.168.1.1 metric 10",
    );
    assert_eq!(lab.ping("c", "10.0.0.11"), "10.0.0.11 answers, ttl 63");
    lab.on("c", "ip route del 10.0.0.0/24 via 192.168.1.1 metric 10");
    assert_eq!(lab.ping("c", "10.0.0.11"), "nothing", "nobody is 192.168.1.99");
    assert_eq!(
        lab.tries("c", "ip route add 10.0.0.0/24 via 192.168.1.1 metric 20"),
        "RTNETLINK answers: File exists"
    );
}

#[test]
fn the_source_of_a_packet() {
    let mut lab = Lab::with_a_router();
    let source = |lab: &mut Lab| lab.sources_at("s.eth0", "c", "10.0.0.11").join(" ");
    assert_eq!(source(&mut lab), "192.168.1.10");
    lab.on("c", "ip addr add 192.168.1.77/32 dev eth0");
    assert_eq!(source(&mut lab), "192.168.1.10", "the one whose subnet has the gateway");
    lab.on("c", "ip route replace default via 192.168.1.1 src 192.168.1.77");
    assert_eq!(source(&mut lab), "192.168.1.77", "the route prefers it");
    lab.on(
        "c",
        "ip route replace default via 192.168.1.1
         ip addr del 192.168.1.10/24 dev eth0
         ip addr add 192.168.1.10/24 dev eth0 scope link
         ip addr del 192.168.1.77/32 dev eth0
         ip addr add 172.31.0.1/32 dev lo
         ip route replace default via 192.168.1.1",
    );
    assert_eq!(
        source(&mut lab),
        "172.31.0.1",
        "a gateway's route wants a global address, whatever carries it"
    );
    let stranger = lab.tries("c", "ip route replace default via 192.168.1.1 src 9.9.9.9");
    assert_eq!(stranger, "Error: Invalid prefsrc address.");
}

#[test]
fn a_mark_chooses_the_table() {
    let mut lab = Lab::with_a_router();
    lab.on(
        "rt",
        "iptables -t mangle -A PREROUTING -s 192.168.1.10 -j MARK --set-mark 5
         ip rule add fwmark 5 lookup 100
         ip route add prohibit default table 100",
    );
    assert_eq!(lab.ping("c", "10.0.0.11"), "3/13 from 192.168.1.1");
    lab.on("rt", "iptables -t mangle -F PREROUTING");
    assert_eq!(lab.ping("c", "10.0.0.11"), "10.0.0.11 answers, ttl 63");
}

#[test]
fn equal_ways_share_the_destinations_not_the_packets() {
    let mut lab = Lab::new(
        "c.eth0@out 192.168.1.10/24
         one.eth0@out 192.168.1.1/24
         two.eth0@out 192.168.1.2/24",
    );
    lab.on("c", "ip route add default nexthop via 192.168.1.1 weight 1 nexthop via 192.168.1.2 weight 1");
    for router in ["one", "two"] {
        lab.on(router, "ip route add local 10.0.0.0/8 dev lo");
    }
    let mut firsts = 0;
    for n in 1..=40 {
        let to = format!("10.0.0.{n}");
        let by_one = |lab: &mut Lab| lab.sources_at("one.eth0", "c", &to).len();
        let way = by_one(&mut lab);
        assert_eq!(by_one(&mut lab), way, "{to} keeps its way");
        firsts += way;
    }
    assert!((10..=30).contains(&firsts), "{firsts} of 40 by the first");
}

/// The server has two interfaces; clients are reached through the other one than they come in by.
#[test]
fn the_reverse_path_filter() {
    let table = [
        // all, eth0: with a way back through eth1, with no way back
        (0, 0, true, true),
        (1, 0, false, false),
        (0, 1, false, false),
        (2, 0, true, false),
        (1, 2, true, false),
        (2, 1, true, false),
        (1, 1, false, false),
    ];
    for (all, eth0, other, none) in table {
        for (back, passes) in [("192.168.1.0/24 dev eth1", other), ("192.168.9.0/24 dev eth1", none)] {
            let mut lab = Lab::with_a_router();
            lab.plug("s.eth1", "elsewhere", "172.16.0.11/24", Mac::from_bits(0x0200_0000_0099));
            lab.on("s", "ip route del default via 10.0.0.254");
            lab.on("s", &format!("ip route add {back}"));
            lab.on(
                "s",
                &format!("sysctl -w net.ipv4.conf.all.rp_filter={all} net.ipv4.conf.eth0.rp_filter={eth0}"),
            );
            lab.sources_at("s.eth0", "c", "10.0.0.11");
            let dropped = lab.net.outcome().drops.iter().any(|drop| drop.reason.name() == "rp-filter");
            assert_eq!(!dropped, passes, "all={all} eth0={eth0}, the way back: {back}");
        }
    }
}

#[test]
fn an_own_source_is_a_martian_unless_it_is_accepted() {
    for (setting, answers) in
        [("all.accept_local=0", false), ("all.accept_local=1", true), ("eth0.accept_local=1", true)]
    {
        let mut lab = Lab::new("c.eth0@lan 10.0.0.50/24\ns.eth0@lan 10.0.0.11/24");
        lab.on("s", &format!("ip addr add 10.9.9.9/32 dev lo\nsysctl -w net.ipv4.conf.{setting}"));
        lab.on(
            "c",
            "ip addr add 10.9.9.9/32 dev eth0
             ip route add 10.0.0.11/32 dev eth0 src 10.9.9.9
             ip neigh replace 10.0.0.11 lladdr 02:00:00:00:00:02 dev eth0 nud permanent",
        );
        lab.sources_at("s.eth0", "c", "10.0.0.11");
        let outcome = lab.net.outcome();
        let martians: u64 = outcome
            .drops
            .iter()
            .filter(|drop| drop.reason.name() == "martian-source")
            .map(|drop| drop.count)
            .sum();
        assert_eq!(martians == 0, answers, "{setting}");
    }
}

/// `traceroute`: with a time to live of n the n-th router answers.
#[test]
fn every_router_takes_one_from_the_time_to_live() {
    let mut lab = Lab::new(
        "c.eth0@a 10.1.0.10/24
         r1.eth0@a 10.1.0.1/24
         r1.eth1@b 10.2.0.1/24
         r2.eth0@b 10.2.0.2/24
         r2.eth1@c 10.3.0.1/24
         r3.eth0@c 10.3.0.2/24
         r3.eth1@d 10.4.0.1/24
         s.eth0@d 10.4.0.10/24",
    );
    for router in ["r1", "r2", "r3"] {
        lab.on(router, "sysctl -w net.ipv4.ip_forward=1");
    }
    lab.on("c", "ip route add default via 10.1.0.1");
    lab.on("r1", "ip route add default via 10.2.0.2");
    lab.on("r2", "ip route add default via 10.3.0.2\nip route add 10.1.0.0/24 via 10.2.0.1");
    lab.on("r3", "ip route add default via 10.3.0.1");
    lab.on("s", "ip route add default via 10.4.0.1");
    let hops =
        ["11/0 from 10.1.0.1", "11/0 from 10.2.0.2", "11/0 from 10.3.0.2", "10.4.0.10 answers, ttl 61"];
    for (ttl, expected) in (1..).zip(hops) {
        lab.on("c", &format!("sysctl -w net.ipv4.ip_default_ttl={ttl}"));
        assert_eq!(lab.ping("c", "10.4.0.10"), expected);
    }
    // r2 and r3 each believe that the other has 172.16.0.0/16.
    lab.on("r2", "ip route add 172.16.0.0/16 via 10.3.0.2");
    lab.on("c", "sysctl -w net.ipv4.ip_default_ttl=64");
    assert_eq!(lab.ping("c", "172.16.0.1"), "11/0 from 10.2.0.2", "a loop ends where the time to live does");
}

#[test]
fn errors_to_one_recipient_are_limited() {
    let ten = ["10.0.0.11"; 10];
    let mut lab = Lab::with_a_router();
    lab.on("c", "sysctl -w net.ipv4.ip_default_ttl=1");
    assert_eq!(lab.pings("c", &ten).len(), 6, "six at once");
    assert_eq!(lab.pings("c", &ten).len(), 1, "then one a second");
    lab.on("rt", "sysctl -w net.ipv4.icmp_ratelimit=0");
    assert_eq!(lab.pings("c", &ten).len(), 10);
    // Without a route each costs two, of five.
    let mut lab = Lab::with_a_router();
    assert_eq!(lab.pings("c", &["172.16.0.1"; 10]).len(), 2);
}

/// The server's gateway is `d`, whose own gateway is the router of the same network.
#[test]
fn redirects_are_sent_and_obeyed() {
    let plan = "
        s.eth0@lan 10.0.0.11/24
        d.eth0@lan 10.0.0.1/24
        rt.eth0@lan 10.0.0.254/24
        rt.eth1@out 192.168.1.1/24
        c.eth0@out 192.168.1.10/24";
    let lab = |settings: &[(&str, &str)]| {
        let mut lab = Lab::new(plan);
        lab.on("s", "ip route add default via 10.0.0.1");
        lab.on("d", "ip route add default via 10.0.0.254");
        lab.on("c", "ip route add default via 192.168.1.1");
        for router in ["d", "rt"] {
            lab.on(router, "sysctl -w net.ipv4.ip_forward=1");
        }
        for (host, setting) in settings {
            lab.on(host, &format!("sysctl -w {setting}"));
        }
        lab
    };
    let story = |settings: &[(&str, &str)]| {
        let mut lab = lab(settings);
        (0..3).map(|_| lab.ping("s", "192.168.1.10")).collect::<Vec<_>>()
    };
    let told = "5/1 from 10.0.0.1, 192.168.1.10 answers, ttl 63";
    let silent = "192.168.1.10 answers, ttl 63";
    // The first one only makes the server look for the router; the second is taken down; the third packet goes there.
    assert_eq!(story(&[]), [told, told, silent]);
    let all_off = ("d", "net.ipv4.conf.all.send_redirects=0");
    assert_eq!(story(&[all_off])[0], told, "`all` OR the interface");
    assert_eq!(story(&[all_off, ("d", "net.ipv4.conf.eth0.send_redirects=0")]), [silent; 3]);
    let deaf = "net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.eth0.accept_redirects=0";
    assert_eq!(story(&[("s", deaf)]), [told; 3]);
    assert_eq!(
        story(&[("s", "net.ipv4.conf.all.accept_redirects=0")]),
        [told, told, silent],
        "one is enough"
    );
    let apart = "net.ipv4.conf.all.shared_media=0 net.ipv4.conf.eth0.shared_media=0";
    assert_eq!(story(&[("s", apart)]), [told; 3], "secure_redirects: only to a default gateway it knows");
    let trusting = "net.ipv4.conf.all.secure_redirects=0 net.ipv4.conf.eth0.secure_redirects=0";
    assert_eq!(story(&[("s", apart), ("s", trusting)]), [told, told, silent]);
    // It is forgotten after five minutes.
    let mut lab = lab(&[]);
    (0..3).for_each(|_| drop(lab.ping("s", "192.168.1.10")));
    lab.wait(299.0);
    assert!(lab.ping("s", "192.168.1.10").starts_with("5/1"));
}

#[test]
fn permanent_neighbours_and_interfaces_without_arp() {
    let mut lab = Lab::new("c.eth0@lan 10.0.0.50/24\ns.eth0@lan 10.0.0.11/24");
    lab.on("c", "ip neigh replace 10.0.0.11 lladdr 02:00:00:00:00:77 dev eth0 nud permanent");
    assert_eq!(lab.ping("c", "10.0.0.11"), "nothing", "the link address is wrong");
    lab.ping("s", "10.0.0.50");
    assert_eq!(lab.state_of("c", "10.0.0.11"), "Permanent", "and no packet corrects it");
    lab.on("c", "ip neigh del 10.0.0.11 dev eth0");
    assert_eq!(lab.ping("c", "10.0.0.11"), "10.0.0.11 answers, ttl 64");
    lab.on("s", "ip link set eth0 arp off");
    lab.on("c", "ip neigh flush dev eth0");
    assert_eq!(lab.ping("c", "10.0.0.11"), "nothing", "nobody answers for it now");
}

/// A claim, and the test that holds it, in a file of the repository.
const CLAIMS: &[(&str, &str, &str)] = &[
    ("arp_ignore 0 to 3 and 8", ARP, "arp_ignore_decides_by_the_receiving_interface"),
    ("arp_announce 0 to 2", ARP, "arp_announce_chooses_the_sender"),
    ("arp_filter", ARP, "arp_filter_wants_the_way_back"),
    ("arp_accept", ARP, "strangers_are_not_learnt_unless_they_ask_us_or_arp_accept"),
    ("arp_accept 2", ARP, "arp_accept_2_wants_the_sender_in_a_subnet_of_the_interface"),
    ("arp_notify", ARP, "arp_notify_announces_addresses_when_the_interface_comes_up"),
    ("proxy_arp, published entries", ARP, "proxy_arp_answers_for_what_is_routed_elsewhere"),
    ("proxy_delay", "net-model/tests/walk.rs", "an_answer_on_behalf_of_others_comes_late"),
    ("NOARP", ARP, "an_interface_without_arp_is_mute"),
    ("gratuitous ARP, locktime, permanent entries", ARP, "a_known_link_address_is_replaced_by_rule"),
    ("maximum and OR of `all` and the interface", "net-model/src/host/conf.rs", "combinations"),
    ("length of the unresolved queue", REACHABILITY, "the_waiting_queue_is_bounded"),
    ("failure to the sender", REACHABILITY, "an_unresolvable_address_fails_after_three_seconds"),
    ("states and timers", REACHABILITY, "a_dead_neighbour_is_probed_to_death"),
    ("net.ipv6.neigh", REACHABILITY, "each_family_has_its_own_settings"),
    ("tables local and main", ROUTE, "a_gateway_that_lo_has_made_local"),
    ("route types, as local senders and senders elsewhere see them", ROUTE, "route_types"),
    ("metrics", ROUTE, "longest_prefix_then_lowest_metric_wins"),
    ("source selection", ROUTE, "the_source_suits_the_next_hop"),
    ("scopes", ROUTE, "narrow_scopes_do_not_speak_to_gateways"),
    ("rules by mark", ROUTE, "marks_choose_the_table"),
    ("rules by source", ROUTE, "a_rule_by_source_is_asked_every_time"),
    ("equal-cost multipath", ROUTE, "several_ways_share_the_flows"),
    ("rp_filter, larger of `all` and the interface", INPUT, "rp_filter_on_a_tunnel"),
    ("rp_filter without a way back", INPUT, "rp_filter_without_any_way_back"),
    ("martians", INPUT, "impossible_addresses"),
    ("accept_local", INPUT, "a_director_refuses_answers_from_its_own_virtual_address"),
    ("weak host model", INPUT, "local_whatever_the_interface"),
    ("limits of ICMP errors, recorded", LIMIT, "errors_to_one_recipient_as_recorded"),
    (
        "limit for all recipients together",
        LIMIT,
        "fifty_errors_at_once_then_a_thousand_a_second_to_everybody",
    ),
    ("limit of redirects", LIMIT, "redirects_come_at_doubling_distances"),
    ("redirects sent", INPUT, "redirects_are_due_on_one_network"),
    ("redirects obeyed, secure and shared", REDIRECT, "redirects_that_are_not_believed"),
    ("path MTU learnt and forgotten", "net-model/tests/walk.rs", "a_path_mtu_is_forgotten"),
    ("path MTU of one's own packets only", REDIRECT, "path_mtu_is_for_own_packets"),
    ("fragmentation", "net-model/src/host/fragment.rs", "as_linux_cuts_an_echo_request_of_3000_bytes"),
    ("reassembly", "net-model/src/host/reassembly.rs", "fragments_reassemble_to_the_original"),
    ("reassembly gives up", "net-model/src/host/reassembly.rs", "patience_ends"),
];

const ARP: &str = "net-model/src/host/arp.rs";
const REACHABILITY: &str = "net-model/src/host/reachability.rs";
const ROUTE: &str = "net-model/src/host/route.rs";
const INPUT: &str = "net-model/src/host/route_input.rs";
const LIMIT: &str = "net-model/src/host/limit.rs";
const REDIRECT: &str = "net-model/src/host/redirect.rs";

#[test]
fn every_claim_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (claim, file, test) in CLAIMS {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_test = text.contains(&format!("#[test]\n    fn {test}("))
            || text.contains(&format!("#[test]\nfn {test}("));
        let is_property = text.contains("proptest!") && text.contains(&format!("fn {test}("));
        assert!(is_test || is_property, "{claim}: {file} has no test {test}");
    }
}
