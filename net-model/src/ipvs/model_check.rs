//! Random sequences of packets, commands and time jumps: whatever happens, the books agree.

use super::connection::flag;
use super::*;
use crate::addr::{Addr, Family};
use crate::packet::{Chunks, Datagram, Flags, Icmp, Packet, Payload, Segment};
use proptest::prelude::*;
use sim_core::{Duration, Stream, Time};

struct Host;

const VIPS: [u32; 2] = [0x0a09_0064, 0x0a09_0065];

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        VIPS.map(Addr::v4).contains(&addr)
    }

    fn route(&self, _: Addr) -> Option<Path> {
        Some(Path { mtu: 1500, source: Addr::v4(0x0a00_0001) })
    }
}

/// Something that happens to a director.
#[derive(Clone, Debug)]
enum Act {
    FromClient { client: u8, service: u8, kind: u8 },
    FromServer { client: u8, service: u8, server: u8, kind: u8 },
    Icmp { client: u8, service: u8, server: u8, from_server: bool },
    AddService { service: u8, scheduler: u8, persistent: bool },
    EditService { service: u8, scheduler: u8 },
    DeleteService { service: u8 },
    AddServer { service: u8, server: u8, method: u8, weight: u8, upper: u8 },
    EditServer { service: u8, server: u8, weight: u8, upper: u8, lower: u8 },
    DeleteServer { service: u8, server: u8 },
    Set { setting: u8, value: u8 },
    Announce,
    Wait { ms: u32 },
}

fn act() -> impl Strategy<Value = Act> {
    let (client, service, server, kind) = (0..6u8, 0..6u8, 0..5u8, 0..8u8);
    prop_oneof![
        12 => (client.clone(), service.clone(), kind.clone())
            .prop_map(|(client, service, kind)| Act::FromClient { client, service, kind }),
        6 => (client.clone(), service.clone(), server.clone(), kind)
            .prop_map(|(client, service, server, kind)| Act::FromServer { client, service, server, kind }),
        1 => (client, service.clone(), server.clone(), any::<bool>())
            .prop_map(|(client, service, server, from_server)| Act::Icmp { client, service, server, from_server }),
        2 => (service.clone(), 0..14u8, any::<bool>())
            .prop_map(|(service, scheduler, persistent)| Act::AddService { service, scheduler, persistent }),
        1 => (service.clone(), 0..14u8).prop_map(|(service, scheduler)| Act::EditService { service, scheduler }),
        1 => service.clone().prop_map(|service| Act::DeleteService { service }),
        4 => (service.clone(), server.clone(), 0..3u8, 0..4u8, 0..4u8)
            .prop_map(|(service, server, method, weight, upper)| Act::AddServer { service, server, method, weight, upper }),
        2 => (service.clone(), server.clone(), 0..4u8, 0..4u8, 0..4u8)
            .prop_map(|(service, server, weight, upper, lower)| Act::EditServer { service, server, weight, upper, lower }),
        2 => (service, server).prop_map(|(service, server)| Act::DeleteServer { service, server }),
        1 => (0..12u8, 0..4u8).prop_map(|(setting, value)| Act::Set { setting, value }),
        1 => Just(Act::Announce),
        3 => prop_oneof![1..5_000u32, 1..200_000u32].prop_map(|ms| Act::Wait { ms }),
    ]
}

/// A master and its backup, which hears every announcement.
struct Pair {
    master: Director,
    backup: Director,
    now: Time,
}

impl Pair {
    fn new(kernel: Kernel, timers: Timers) -> Pair {
        let director = |name| Director::new(kernel, timers, Stream::new(7, name));
        let mut pair = Pair { master: director("master"), backup: director("backup"), now: Time::ZERO };
        pair.master.record_decisions(true);
        for role in [DaemonRole::Master, DaemonRole::Backup] {
            let config = DaemonConfig {
                role,
                interface: "eth0".to_owned(),
                sync_id: 0,
                max_len: 100,
                group: Addr::v4(0xe000_0051),
                port: 8848,
                ttl: 1,
            };
            let director = if role == DaemonRole::Master { &mut pair.master } else { &mut pair.backup };
            director.start_daemon(Time::ZERO, config).unwrap();
        }
        pair
    }

    fn run(&mut self, act: &Act) {
        let now = self.now;
        match act {
            Act::FromClient { client, service, kind } => {
                let mut packet = from_client(*client, *service, *kind);
                self.master.local_in(now, &mut packet, &Host);
            }
            Act::FromServer { client, service, server, kind } => {
                let mut packet = from_server(*client, *service, *server, *kind);
                self.master.forward(now, &mut packet, &Host);
            }
            Act::Icmp { client, service, server, from_server: true } => {
                let quote = Packet { dst: server_addr(*server), ..from_client(*client, *service, 0) };
                self.master.forward(now, &mut icmp(server_addr(*server), client_addr(*client), quote), &Host);
            }
            Act::Icmp { client, service, from_server: false, .. } => {
                let quote = reply_of(&from_client(*client, *service, 1));
                let vip = quote.src;
                self.master.local_in(now, &mut icmp(client_addr(*client), vip, quote), &Host);
            }
            Act::Set { setting, value } => {
                let names = [
                    "expire_nodest_conn",
                    "expire_quiescent_template",
                    "conn_reuse_mode",
                    "cache_bypass",
                    "drop_entry",
                    "drop_packet",
                    "secure_tcp",
                    "sloppy_tcp",
                    "schedule_icmp",
                    "sync_persist_mode",
                    "conntrack",
                    "lblc_expiration",
                ];
                self.master.sysctl_set(names[usize::from(*setting)], &value.to_string()).unwrap();
            }
            Act::Announce => {
                for announcement in self.master.take_announcements() {
                    let message = SyncMessage::decode(&announcement.message.encode()).unwrap();
                    self.backup.receive_announcement(now, &message);
                }
            }
            Act::Wait { ms } => self.wait(Duration::from_millis(u64::from(*ms))),
            command => {
                for director in [&mut self.master, &mut self.backup] {
                    // The kernel refuses what does not fit; that changes nothing.
                    let _ = configure(director, now, command);
                }
            }
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.master.advance(self.now);
        self.backup.advance(self.now);
    }
}

fn configure(director: &mut Director, now: Time, act: &Act) -> Result<(), KernelError> {
    let config = |scheduler: u8, persistent: bool| ServiceConfig {
        scheduler: schedulers::SCHEDULERS[usize::from(scheduler)].name.to_owned(),
        scheduler_flags: scheduler % 4,
        persistence: persistent.then_some(50),
        netmask: Addr::v4(0xffff_fffc),
        one_packet: scheduler.is_multiple_of(3),
        engine: None,
    };
    let server_config = |method: u8, weight: u8, upper: u8, lower: u8| DestinationConfig {
        forwarding: [Forwarding::Masquerade, Forwarding::Route, Forwarding::Tunnel(Tunnel::IpIp)]
            [usize::from(method)],
        weight: i32::from(weight),
        upper: u32::from(upper),
        lower: u32::from(lower),
    };
    let key =
        |server: u8| DestinationKey { addr: server_addr(server), port: if server == 0 { 0 } else { 80 } };
    match *act {
        Act::AddService { service, scheduler, persistent } => {
            director.add_service(now, service_key(service), &config(scheduler, persistent))
        }
        Act::EditService { service, scheduler } => {
            director.edit_service(now, service_key(service), &config(scheduler, false))
        }
        Act::DeleteService { service } => director.delete_service(now, service_key(service)),
        Act::AddServer { service, server, method, weight, upper } => {
            let config = server_config(method, weight, upper, 0);
            director.add_destination(now, service_key(service), key(server), &config, &Host)
        }
        Act::EditServer { service, server, weight, upper, lower } => director.edit_destination(
            now,
            service_key(service),
            key(server),
            &server_config(1, weight, upper, lower),
        ),
        Act::DeleteServer { service, server } => {
            director.delete_destination(now, service_key(service), key(server))
        }
        _ => Ok(()),
    }
}

fn service_key(service: u8) -> ServiceKey {
    let address =
        |protocol, vip: usize, port| ServiceKey::Address { protocol, addr: Addr::v4(VIPS[vip]), port };
    match service {
        0 => address(Protocol::Tcp, 0, 80),
        1 => address(Protocol::Tcp, 0, 0),
        2 => address(Protocol::Udp, 0, 53),
        3 => address(Protocol::Sctp, 1, 80),
        4 => address(Protocol::Tcp, 1, 21),
        _ => ServiceKey::Mark { family: Family::V4, mark: 5 },
    }
}

fn client_addr(client: u8) -> Addr {
    Addr::v4(0xc0a8_0100 + u32::from(client))
}

fn server_addr(server: u8) -> Addr {
    Addr::v4(0x0a00_0003 + u32::from(server))
}

fn from_client(client: u8, service: u8, kind: u8) -> Packet {
    let (vip, dport) = [(0, 80), (0, 8080), (0, 53), (1, 80), (1, 5000), (1, 443)][usize::from(service)];
    let flags = [Flags::SYN, Flags::ACK, Flags::FIN.with(Flags::ACK), Flags::RST][usize::from(kind % 4)];
    let sport = 1000;
    let payload = match service {
        2 => Payload::Udp(Datagram { sport, dport }),
        3 => Payload::Sctp(Chunks {
            sport,
            dport,
            first: [1, 10, 0, 7, 8, 14, 6, 11][usize::from(kind)],
            second: None,
        }),
        _ => Payload::Tcp(Segment { sport, dport, flags, ..Segment::default() }),
    };
    Packet {
        mark: if service == 5 { 5 } else { 0 },
        ..packet(client_addr(client), Addr::v4(VIPS[vip]), payload)
    }
}

fn from_server(client: u8, service: u8, server: u8, kind: u8) -> Packet {
    Packet { src: server_addr(server), ..reply_of(&from_client(client, service, kind)) }
}

fn reply_of(request: &Packet) -> Packet {
    let mut reply = Packet { src: request.dst, dst: request.src, ..request.clone() };
    let (sport, dport) = request.ports().unwrap();
    reply.set_sport(dport);
    reply.set_dport(sport);
    reply
}

fn icmp(src: Addr, dst: Addr, quote: Packet) -> Packet {
    packet(src, dst, Payload::Icmp(Icmp { kind: 3, code: 1, info: 0, quote: Some(Box::new(quote)) }))
}

fn packet(src: Addr, dst: Addr, payload: Payload) -> Packet {
    Packet {
        src,
        dst,
        mark: 0,
        flow: 0,
        len: 40,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload,
        outer: None,
        text: None,
    }
}

/// Holds the books of a director against its connection table.
fn audit(director: &Director) -> Result<(), TestCaseError> {
    let pool = &director.destinations.pool;
    let mut counts = vec![(0, 0, 0, 0); pool.len()];
    for (slot, connection) in director.connections.iter() {
        let controlled = director.connections.iter().filter(|(_, other)| other.control == slot).count();
        prop_assert_eq!(connection.controls as usize, controlled, "control count of {:?}", connection);
        if let Some(control) = connection.control.some() {
            prop_assert!(director.connections.get(control).is(flag::HASHED), "a template that is gone");
        }
        let Some(destination) = director.connections.mapping(connection).destination() else { continue };
        let (active, inactive, persistent, references) = &mut counts[destination.index()];
        *references += 1;
        match (connection.is_template(), connection.is(flag::INACTIVE)) {
            (true, _) => *persistent += 1,
            (false, true) => *inactive += 1,
            (false, false) => *active += 1,
        }
    }
    let in_service: Vec<_> =
        director.services.iter().flat_map(|(_, service)| service.order.clone()).collect();
    for id in in_service.iter().chain(&director.destinations.trash) {
        let (record, figures) = (director.destinations.get(*id), &pool[id.index()]);
        let kept = (figures.active, figures.inactive, record.persistent, record.references);
        prop_assert_eq!(kept, counts[id.index()], "counts of {:?}", record.key);
        prop_assert!(record.config.upper != 0 || !figures.overloaded, "overloaded without a threshold");
        prop_assert_eq!(figures.available, in_service.contains(id));
        counts[id.index()] = (0, 0, 0, 0);
    }
    prop_assert!(counts.iter().all(|count| *count == (0, 0, 0, 0)), "entries of a forgotten destination");
    Ok(())
}

/// A scheduler's choice is one of the candidates, and none that must not be chosen.
fn audit_decisions(decisions: &[Decision]) -> Result<(), TestCaseError> {
    for decision in decisions {
        if let (Chooser::Scheduler { .. }, Ok(chosen)) = (&decision.chooser, &decision.outcome) {
            let candidate = decision.candidates.iter().find(|candidate| candidate.key == *chosen);
            let weight = candidate.map(|candidate| candidate.weight);
            prop_assert!(weight.is_some_and(|weight| weight > 0), "{decision:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_books_agree_and_everything_ends(
        acts in prop::collection::vec(act(), 1..120),
        classic in any::<bool>(),
        ideal in any::<bool>(),
    ) {
        let kernel = if classic { Kernel::Classic } else { Kernel::New };
        let mut pair = Pair::new(kernel, if ideal { Timers::ideal() } else { Timers::linux() });
        for act in &acts {
            pair.run(act);
            audit(&pair.master)?;
            audit(&pair.backup)?;
        }
        audit_decisions(&pair.master.take_decisions())?;
        for director in [&mut pair.master, &mut pair.backup] {
            director.flush(pair.now);
        }
        // Nothing outlives an hour: 900 s, and a template's grace.
        pair.wait(Duration::from_secs(3600));
        for director in [&pair.master, &pair.backup] {
            audit(director)?;
            prop_assert_eq!(director.connection_count(), 0);
            prop_assert!(director.destinations.trash.is_empty());
        }
    }

    #[test]
    fn the_same_acts_have_the_same_outcome(acts in prop::collection::vec(act(), 1..60)) {
        let outcome = || {
            let mut pair = Pair::new(Kernel::New, Timers::linux());
            acts.iter().for_each(|act| pair.run(act));
            let listing: Vec<ConnectionView> = pair.master.connections(pair.now).collect();
            (format!("{:?}", pair.master.take_decisions()), listing)
        };
        prop_assert_eq!(outcome(), outcome());
    }

    #[test]
    fn statistics_of_servers_and_service_add_up(acts in prop::collection::vec(act(), 1..120)) {
        let mut pair = Pair::new(Kernel::New, Timers::ideal());
        let removes = |act: &Act| matches!(act, Act::DeleteService { .. } | Act::DeleteServer { .. });
        for act in acts.iter().filter(|act| !removes(act)) {
            pair.run(act);
        }
        let sum = |counters: Vec<Counters>| {
            counters.iter().fold([0; 5], |sum, c| {
                let fields = [c.conns, c.in_packets, c.out_packets, c.in_bytes, c.out_bytes];
                std::array::from_fn(|i| sum[i] + fields[i])
            })
        };
        let services: Vec<ServiceView> = pair.master.services().collect();
        for service in &services {
            let destinations = service.destinations.iter().map(|destination| destination.live).collect();
            prop_assert_eq!(sum(destinations), sum(vec![service.live]));
        }
        let all = services.iter().map(|service| service.live).collect();
        pair.master.settle_all();
        prop_assert_eq!(sum(all), sum(vec![pair.master.totals.live]));
    }
}
