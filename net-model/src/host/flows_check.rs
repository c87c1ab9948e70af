//! A director that knows its flows by heart does what one does that looks closely at every packet: whatever an operator
//! does to services, servers, settings, interfaces and neighbours in the middle of the traffic.

use super::interface::InterfaceId;
use super::mark::{Chain, FilterRule, Target};
use crate::addr::Addr;
use crate::ipvs::{
    DaemonConfig, DaemonRole, DestinationConfig, DestinationKey, Forwarding, Protocol, ServiceConfig,
    ServiceKey, Tunnel,
};
use crate::network::{HostId, Network};
use crate::spec::Close;
use crate::workload::Workload;
use proptest::prelude::*;
use sim_core::{Duration, Time};

const DIRECTOR: HostId = HostId(0);
const SERVICE: ServiceKey =
    ServiceKey::Address { protocol: Protocol::Tcp, addr: Addr::v4(0x0a00_0001), port: 80 };
const SETTINGS: [&str; 5] =
    ["backup_only", "nat_icmp_send", "expire_nodest_conn", "conn_reuse_mode", "pmtu_disc"];
const SYSCTLS: [&str; 3] =
    ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.accept_local"];

#[derive(Clone, Debug)]
enum Step {
    Weight { server: u32, weight: i32 },
    DeleteServer { server: u32 },
    AddServer { server: u32 },
    DeleteService,
    AddService { persistence: Option<u32> },
    Daemon { role: DaemonRole, starts: bool },
    Setting { which: usize, value: u8 },
    Sysctl { which: usize, value: u8 },
    Interface { on: u16, up: bool },
    Rule { chain: Chain, present: bool },
    ForgetNeighbours,
    PathMtu { server: u32, mtu: u32 },
}

fn steps() -> impl Strategy<Value = Step> {
    let server = || 0u32..3;
    let roles = prop::sample::select(vec![DaemonRole::Master, DaemonRole::Backup]);
    let chains = prop::sample::select(vec![Chain::ManglePrerouting, Chain::Input, Chain::Forward]);
    prop_oneof![
        (server(), 0i32..3).prop_map(|(server, weight)| Step::Weight { server, weight }),
        server().prop_map(|server| Step::DeleteServer { server }),
        server().prop_map(|server| Step::AddServer { server }),
        Just(Step::DeleteService),
        prop::option::of(Just(300)).prop_map(|persistence| Step::AddService { persistence }),
        (roles, any::<bool>()).prop_map(|(role, starts)| Step::Daemon { role, starts }),
        (0..SETTINGS.len(), 0u8..2).prop_map(|(which, value)| Step::Setting { which, value }),
        (0..SYSCTLS.len(), 0u8..2).prop_map(|(which, value)| Step::Sysctl { which, value }),
        (1u16..3, prop::bool::weighted(0.7)).prop_map(|(on, up)| Step::Interface { on, up }),
        (chains, any::<bool>()).prop_map(|(chain, present)| Step::Rule { chain, present }),
        Just(Step::ForgetNeighbours),
        (server(), 600u32..1600).prop_map(|(server, mtu)| Step::PathMtu { server, mtu }),
    ]
}

fn server_key(server: u32) -> DestinationKey {
    DestinationKey { addr: Addr::v4(0x0a01_0002 + server), port: 80 }
}

fn apply(net: &mut Network, forwarding: Forwarding, step: &Step) {
    let now = net.now();
    let host = net.host_mut(DIRECTOR);
    let ipvs = host.director.as_mut().expect("it is a director");
    let config = |weight| DestinationConfig { forwarding, weight, upper: 0, lower: 0 };
    match step {
        Step::Weight { server, weight } => {
            let _ = ipvs.edit_destination(now, SERVICE, server_key(*server), &config(*weight));
        }
        Step::DeleteServer { server } => {
            let _ = ipvs.delete_destination(now, SERVICE, server_key(*server));
        }
        Step::AddServer { server } => {
            let _ = ipvs.add_destination(now, SERVICE, server_key(*server), &config(1), &host.stack);
        }
        Step::DeleteService => drop(ipvs.delete_service(now, SERVICE)),
        Step::AddService { persistence } => {
            let config = ServiceConfig {
                scheduler: "rr".to_owned(),
                scheduler_flags: 0,
                persistence: *persistence,
                netmask: Addr::BROADCAST_V4,
                one_packet: false,
                engine: None,
            };
            let _ = ipvs.add_service(now, SERVICE, &config);
        }
        Step::Daemon { role, starts: false } => drop(ipvs.stop_daemon(now, *role)),
        Step::Daemon { role, starts: true } => {
            let group = Addr::v4(0xe000_0051);
            let interface = "eth1".to_owned();
            let (sync_id, max_len, port, ttl) = (1, 0, 8848, 1);
            let config = DaemonConfig { role: *role, interface, sync_id, max_len, group, port, ttl };
            let _ = ipvs.start_daemon(now, config);
        }
        Step::Setting { which, value } => drop(ipvs.sysctl_set(SETTINGS[*which], &value.to_string())),
        Step::Sysctl { which, value } => drop(host.stack.sysctl_set(SYSCTLS[*which], &value.to_string())),
        Step::Interface { on, up } => net.set_interface_up(DIRECTOR, InterfaceId(*on), *up),
        Step::Rule { chain, present } => {
            let rules = host.stack.netfilter.chain_mut(crate::addr::Family::V4, *chain);
            rules.clear();
            if *present {
                rules.push(FilterRule { matches: Vec::new(), target: Target::Drop });
            }
            host.stack.rules_changed();
        }
        Step::ForgetNeighbours => {
            let waiting = host.stack.flush_neighbours(None);
            net.discard(DIRECTOR, waiting);
        }
        Step::PathMtu { server, mtu } => {
            host.stack.path_mtu_input(now, server_key(*server).addr, *mtu);
        }
    }
    net.settle(DIRECTOR);
}

/// Everything that can be seen of a network after these steps, 2 ms after each.
fn play(forwarding: Forwarding, steps: &[Step], by_heart: bool) -> (String, usize) {
    let workload = Workload {
        clients: 3,
        servers: 3,
        rate: 20_000.0,
        forwarding,
        scheduler: "rr",
        close: Close::Client,
        ..Workload::default()
    };
    let mut net = workload.build();
    net.host_mut(DIRECTOR).flows.are_forgotten = !by_heart;
    net.run_until(Time::ZERO + Duration::from_millis(2));
    for step in steps {
        apply(&mut net, forwarding, step);
        net.run_until(net.now() + Duration::from_millis(2));
    }
    let outcome = net.outcome();
    let director = net.host(DIRECTOR).director.as_ref().expect("it is a director");
    let services: Vec<_> = director.services().collect();
    let connections: Vec<_> = director.connections(net.now()).collect();
    let seen = format!("{outcome:?} {services:?} {connections:?}");
    (seen, net.host(DIRECTOR).flows.passed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_known_by_heart_is_what_a_closer_look_finds(
        forwarding in prop::sample::select(vec![
            Forwarding::Route, Forwarding::Masquerade, Forwarding::Tunnel(Tunnel::IpIp),
        ]),
        steps in prop::collection::vec(steps(), 0..12),
    ) {
        let (by_heart, passed) = play(forwarding, &steps, true);
        let (with_care, none) = play(forwarding, &steps, false);
        prop_assert!(passed > 100 && none == 0, "{} packets passed by heart", passed);
        prop_assert_eq!(by_heart, with_care);
    }
}
