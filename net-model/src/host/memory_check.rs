//! What a host remembers is what it would find if it were asked for the first time: whatever happens to addresses,
//! routes, rules, settings, interfaces, neighbours and learnt MTUs, and however much time passes.

use super::exit::Leaver;
use super::fib::{RouteKind, RouteSpec, Rule};
use super::interface::{AddressSpec, InterfaceId, InterfaceKind};
use super::mark::{Chain, FilterRule, Target};
use super::neighbour::NeighbourState;
use super::route::RouteClass;
use super::route_cache::RouteCache;
use super::route_input::{Inbound, Known};
use super::testing::{Host, addr, at, bare, mac};
use crate::addr::{Addr, Prefix};
use crate::link::LinkId;
use proptest::prelude::*;
use sim_core::{Duration, Time, Timers};

/// Own ones, neighbours, strangers, and special ones.
const ADDRESSES: [&str; 10] = [
    "10.0.0.11",
    "10.0.0.12",
    "10.0.0.50",
    "10.0.1.50",
    "8.8.8.8",
    "127.0.0.1",
    "224.0.0.1",
    "10.0.0.255",
    "2001:db8::1",
    "2001:db8::2",
];
const INTERFACES: [(&str, InterfaceKind); 3] =
    [("eth0", InterfaceKind::Ethernet), ("eth1", InterfaceKind::Ethernet), ("tunl0", InterfaceKind::Tunnel)];
const SETTINGS: [&str; 8] = [
    "net.ipv4.ip_forward",
    "net.ipv4.ip_forward_use_pmtu",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.eth0.rp_filter",
    "net.ipv4.conf.eth1.accept_local",
    "net.ipv4.conf.eth0.forwarding",
    "net.ipv4.conf.all.send_redirects",
    "net.ipv6.conf.all.forwarding",
];

#[derive(Clone, Debug)]
enum Step {
    AddAddress { on: u16, addr: Addr, len: u8 },
    DeleteAddress { on: u16, addr: Addr },
    Up { on: u16, up: bool },
    Mac { on: u16, last: u8 },
    Mtu { on: u16, mtu: u32 },
    Arp { on: u16, arp: bool },
    Carrier { on: u16, carrier: bool },
    AddRoute(Box<RouteSpec>),
    DeleteRoute { prefix: Prefix },
    Rule(Rule),
    Filter { has_rule: bool },
    Setting { which: usize, value: i64 },
    Neighbour { on: u16, addr: Addr, last: u8, state: NeighbourState },
    Forget { on: Option<u16> },
    PathMtu { dst: Addr, mtu: u32 },
    Wait { ms: u64 },
}

fn addresses() -> impl Strategy<Value = Addr> {
    prop::sample::select(ADDRESSES.map(addr).to_vec())
}

fn routes() -> impl Strategy<Value = RouteSpec> {
    use RouteKind::{Blackhole, Local, Unicast, Unreachable};
    let kinds = prop::sample::select(vec![Unicast, Unicast, Unicast, Local, Blackhole, Unreachable]);
    let lens = prop::sample::select(vec![0u8, 8, 24, 32]);
    let via = prop::option::of(addresses());
    let tables = prop::sample::select(vec![100u32, 254]);
    (addresses(), lens, kinds, prop::option::of(1u16..3), via, tables, prop::sample::select(vec![0u32, 1400]))
        .prop_map(|(addr, len, kind, dev, via, table, mtu)| {
            let dev = dev.map(InterfaceId);
            RouteSpec { kind, dev, via, table, mtu, ..RouteSpec::to(Prefix::new(addr, len)) }
        })
}

fn rules() -> impl Strategy<Value = Rule> {
    let from = prop::option::of(addresses().prop_map(|addr| Prefix::new(addr, 32)));
    let iif = prop::option::of((0u16..3).prop_map(InterfaceId));
    (prop::option::of(0u32..2), from, iif).prop_map(|(mark, from, iif)| {
        let mark = mark.map(|mark| (mark, u32::MAX));
        Rule { mark, from, iif, ..Rule::lookup(0, 100) }
    })
}

fn steps() -> impl Strategy<Value = Step> {
    use NeighbourState::{Delay, Failed, Permanent, Probe, Reachable, Stale};
    let states = prop::sample::select(vec![Reachable, Reachable, Permanent, Delay, Probe, Stale, Failed]);
    let on = || 1u16..4;
    prop_oneof![
        3 => (0u16..4, addresses(), prop::sample::select(vec![24u8, 32]))
            .prop_map(|(on, addr, len)| Step::AddAddress { on, addr, len }),
        2 => (0u16..4, addresses()).prop_map(|(on, addr)| Step::DeleteAddress { on, addr }),
        1 => (on(), any::<bool>()).prop_map(|(on, up)| Step::Up { on, up }),
        1 => (on(), 0u8..3).prop_map(|(on, last)| Step::Mac { on, last }),
        1 => (on(), prop::sample::select(vec![576u32, 1500, 9000])).prop_map(|(on, mtu)| Step::Mtu { on, mtu }),
        1 => (on(), any::<bool>()).prop_map(|(on, arp)| Step::Arp { on, arp }),
        1 => (on(), any::<bool>()).prop_map(|(on, carrier)| Step::Carrier { on, carrier }),
        3 => routes().prop_map(|spec| Step::AddRoute(Box::new(spec))),
        1 => routes().prop_map(|spec| Step::DeleteRoute { prefix: spec.prefix }),
        1 => rules().prop_map(Step::Rule),
        1 => any::<bool>().prop_map(|has_rule| Step::Filter { has_rule }),
        3 => (0..SETTINGS.len(), 0i64..3).prop_map(|(which, value)| Step::Setting { which, value }),
        6 => (on(), addresses(), 0u8..3, states)
            .prop_map(|(on, addr, last, state)| Step::Neighbour { on, addr, last, state }),
        1 => prop::option::of(on()).prop_map(|on| Step::Forget { on }),
        1 => (addresses(), 500u32..1600).prop_map(|(dst, mtu)| Step::PathMtu { dst, mtu }),
        2 => (0u64..700_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A host and the time, and how often the host knew something by heart.
struct World {
    host: Host,
    now: Time,
    known: usize,
}

impl World {
    fn new() -> World {
        let mut host = bare(Timers::linux());
        for (number, (name, kind)) in INTERFACES.into_iter().enumerate() {
            let id = host.add_interface(name, kind, mac(0x11 + number as u8));
            host.set_up(id, true);
        }
        World { host, now: at(1.0), known: 0 }
    }

    fn apply(&mut self, step: Step) {
        let World { host, now, .. } = self;
        match step {
            Step::AddAddress { on, addr, len } => {
                let _ = host.add_address(InterfaceId(on), AddressSpec::new(addr, len));
            }
            Step::DeleteAddress { on, addr } => {
                let _ = host.delete_address(InterfaceId(on), addr, None);
            }
            Step::Up { on, up } => drop(host.set_up(InterfaceId(on), up)),
            Step::Mac { on, last } => drop(host.set_mac(InterfaceId(on), mac(0x20 + last))),
            Step::Mtu { on, mtu } => host.set_mtu(InterfaceId(on), mtu),
            Step::Arp { on, arp } => drop(host.set_arp(InterfaceId(on), arp)),
            Step::Carrier { on, carrier } => drop(host.set_carrier(InterfaceId(on), carrier)),
            Step::AddRoute(spec) => {
                let _ = host.add_route(&spec);
            }
            Step::DeleteRoute { prefix } => {
                let _ = host.delete_route(&RouteSpec::to(prefix));
            }
            Step::Rule(rule) => {
                let _ = host.add_rule(None, rule).or_else(|_| host.delete_rule(None, rule));
            }
            Step::Filter { has_rule } => {
                let rules = host.netfilter.chain_mut(crate::addr::Family::V4, Chain::Input);
                rules.clear();
                if has_rule {
                    rules.push(FilterRule { matches: Vec::new(), target: Target::Drop });
                }
            }
            Step::Setting { which, value } => {
                let _ = host.sysctl_set(SETTINGS[which], &value.to_string());
            }
            Step::Neighbour { on, addr, last, state } => {
                let _ = host.set_neighbour(*now, InterfaceId(on), addr, mac(0x50 + last), state);
            }
            Step::Forget { on } => drop(host.flush_neighbours(on.map(InterfaceId))),
            Step::PathMtu { dst, mtu } => {
                host.path_mtu_input(*now, dst, mtu);
            }
            Step::Wait { ms } => {
                let end = *now + Duration::from_millis(ms);
                while let Some(next) = host.next_timer().filter(|&next| next <= end) {
                    *now = next.max(*now);
                    host.on_timer(*now, &mut Vec::new());
                }
                *now = end;
            }
        }
    }

    /// The host as it is, but without memory.
    fn fresh(&self) -> Host {
        let mut fresh = self.host.clone();
        fresh.cache = RouteCache::new();
        fresh
    }

    fn check(&mut self) {
        let mut fresh = self.fresh();
        for dst in ADDRESSES.map(addr) {
            for src in ADDRESSES.map(addr).into_iter().filter(|src| src.is_v4() == dst.is_v4()) {
                for iif in (0..=INTERFACES.len() as u16).map(InterfaceId) {
                    fresh.cache = RouteCache::new();
                    self.check_input(&mut fresh, src, dst, iif);
                }
                fresh.cache = RouteCache::new();
                self.check_output(&mut fresh, Some(src), dst);
            }
            fresh.cache = RouteCache::new();
            self.check_output(&mut fresh, None, dst);
        }
    }

    fn check_input(&mut self, fresh: &mut Host, src: Addr, dst: Addr, iif: InterfaceId) {
        let host = &mut self.host;
        let found = fresh.route_input(src, dst, 0, iif);
        let known = host.known_input(src, dst, iif, host.interface_at(iif));
        let context = format!("{src} to {dst} on {iif:?}");
        match known {
            Some(Known::Deliver) => assert_eq!(found, Ok(Inbound::Deliver), "{context}"),
            Some(Known::Forward(id)) => {
                let (to, route) = host.known_route(id);
                assert_eq!((to, found), (dst, Ok(Inbound::Forward { route, redirect: false })), "{context}");
            }
            None => {}
        }
        if known.is_some() {
            let is_silent = [Chain::ManglePrerouting, Chain::Input, Chain::Forward]
                .into_iter()
                .all(|chain| host.netfilter.is_empty(chain));
            assert!(is_silent, "{context}: a rule wants to see it");
            self.known += 1;
        }
        assert_eq!(self.host.route_input(src, dst, 0, iif), found, "{context}");
    }

    fn check_output(&mut self, fresh: &mut Host, speaker: Option<Addr>, to: Addr) {
        for (mark, len) in [(0, 1500), (1, 600)] {
            let context = format!("{speaker:?} to {to}, mark {mark}");
            let found = fresh.route_output(to, speaker, mark);
            if let Some(next_hop) = self.host.known_exit(Leaver { to, speaker, mark, len }) {
                let route = found.unwrap_or_else(|error| panic!("{context}: {error:?}"));
                let entry = self.host.neighbours.get(next_hop);
                assert_eq!((entry.addr, entry.interface), (route.next_hop, route.oif), "{context}");
                assert_eq!(route.kind, RouteClass::Unicast, "{context}");
                assert!(u32::from(len) <= route.mtu, "{context}");
                let interface = fresh.interface_at(route.oif);
                assert!(interface.up, "{context}");
                assert_eq!((entry.header.src, entry.link), (interface.mac, link_of(route.oif)), "{context}");
                self.known += 1;
            }
            assert_eq!(self.host.route_output(to, speaker, mark), found, "{context}");
            if let Ok(route) = found
                && let Some(entry) = self.host.neighbour(route.next_hop, route.oif)
                && entry.state.is_settled()
            {
                self.host.learn_exit(to, mark, &route, link_of(route.oif));
            }
        }
    }
}

fn link_of(interface: InterfaceId) -> LinkId {
    LinkId(u32::from(interface.0))
}

#[test]
fn a_quiet_host_knows_most_by_heart() {
    let mut world = World::new();
    for (on, own) in [(1, "10.0.0.11"), (2, "10.0.1.11")] {
        world.apply(Step::AddAddress { on, addr: addr(own), len: 24 });
    }
    world.apply(Step::Setting { which: 0, value: 1 });
    for (on, other) in [(1, "10.0.0.50"), (2, "10.0.1.50")] {
        let state = NeighbourState::Reachable;
        world.apply(Step::Neighbour { on, addr: addr(other), last: 0, state });
    }
    world.check();
    let at_first = std::mem::take(&mut world.known);
    world.check();
    assert!(world.known > 30 && at_first < world.known, "{at_first} times at first, then {}", world.known);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_is_what_would_be_found(steps in prop::collection::vec(steps(), 1..50)) {
        let mut world = World::new();
        for step in steps {
            world.apply(step);
            world.check();
        }
    }
}
