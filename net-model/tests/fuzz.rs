//! Random packets, commands, settings and jumps in time, driven through a director and its backup: whatever comes,
//! nothing panics, everything ends, and memory stays within bounds.
//!
//! `LVSIM_FUZZ=10000000 cargo test --release -p net-model --test fuzz` is the long run.

#[path = "fuzz/harness.rs"]
mod harness;
#[path = "fuzz/packets.rs"]
mod packets;

use harness::{fuzz, one};
use net_model::addr::{Addr, Family};
use net_model::ipvs::{
    DaemonConfig, DaemonRole, DestinationConfig, DestinationKey, Director, Forwarding, GueChecksum, Kernel,
    KernelError, Path, Protocol, SETTINGS, ServiceConfig, ServiceKey, Surroundings, SyncMessage,
    TimeoutSettings, Timers, Tunnel,
};
use net_model::packet::Packet;
use packets::{addr, packet, port};
use sim_core::{Duration, Stream, Time};

/// The most memory that the long run may have in use at a time: with every core at it less than a megabyte.
const MEMORY: usize = 64 << 20;

/// A step of a story.
#[derive(Clone, Debug)]
enum Step {
    Arrives(Hook, Box<Packet>),
    Adds(ServiceKey, ServiceConfig),
    Edits(ServiceKey, ServiceConfig),
    Deletes(ServiceKey),
    AddsServer(ServiceKey, DestinationKey, DestinationConfig),
    EditsServer(ServiceKey, DestinationKey, DestinationConfig),
    DeletesServer(ServiceKey, DestinationKey),
    Sets(String, String),
    Timeouts(TimeoutSettings),
    Zeroes(Option<ServiceKey>),
    Flushes,
    Loads(bool),
    Starts(DaemonConfig),
    Stops(DaemonRole),
    Announces,
    Hears(Vec<u8>),
    Lists,
    Waits(Duration),
}

#[derive(Clone, Copy, Debug)]
enum Hook {
    LocalIn,
    LocalOut,
    Forward,
}

struct Host;

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        let local = packets::V4[..3].iter();
        addr.is_loopback() || local.clone().any(|bits| addr.to_bits() as u32 == *bits)
    }

    fn route(&self, dst: Addr) -> Option<Path> {
        let source = if dst.is_v4() { Addr::v4(packets::V4[2]) } else { Addr::v6(1) };
        (!dst.is_multicast()).then_some(Path { mtu: 1500, source })
    }
}

#[test]
fn nothing_that_happens_to_a_director_breaks_it() {
    fuzz(20_000, MEMORY, story, tell);
}

/// Up to 40 steps: a service with servers first, then anything.
fn story(stream: &mut Stream) -> Vec<Step> {
    let service = service(stream);
    let mut steps = vec![Step::Adds(service, service_config(stream))];
    for _ in 0..stream.below(4) {
        steps.push(Step::AddsServer(service, server(stream), server_config(stream)));
    }
    steps.extend((0..stream.below(36)).map(|_| step(stream)));
    steps
}

fn step(stream: &mut Stream) -> Step {
    let hook = one(
        stream,
        &[Hook::LocalIn, Hook::LocalIn, Hook::LocalIn, Hook::Forward, Hook::Forward, Hook::LocalOut],
    );
    match stream.below(40) {
        0..=23 => Step::Arrives(hook, Box::new(packet(stream, 2))),
        24 => Step::Adds(service(stream), service_config(stream)),
        25 => Step::Edits(service(stream), service_config(stream)),
        26 => Step::Deletes(service(stream)),
        27 | 28 => Step::AddsServer(service(stream), server(stream), server_config(stream)),
        29 => Step::EditsServer(service(stream), server(stream), server_config(stream)),
        30 => Step::DeletesServer(service(stream), server(stream)),
        31 | 32 => setting(stream),
        33 => Step::Timeouts(TimeoutSettings {
            tcp: one(stream, &[0, 1, 900, 2_678_400]),
            tcp_fin: one(stream, &[0, 1, 120]),
            udp: one(stream, &[0, 1, 300]),
        }),
        34 => match stream.below(4) {
            0 => Step::Flushes,
            1 => Step::Zeroes(None),
            2 => Step::Zeroes(Some(service(stream))),
            _ => Step::Loads(stream.chance(0.8)),
        },
        35 => daemon(stream),
        36 => Step::Announces,
        37 if stream.chance(0.5) => {
            Step::Hears((0..stream.below(90)).map(|_| stream.next_u32() as u8).collect())
        }
        37 => Step::Lists,
        _ => Step::Waits(Duration::from_millis(match stream.below(64) {
            0 => stream.below(20_000_000),
            1..=8 => stream.below(400_000),
            _ => stream.below(5_000),
        })),
    }
}

fn service(stream: &mut Stream) -> ServiceKey {
    let v6 = stream.below(4) == 0;
    match stream.below(8) {
        0 => ServiceKey::Mark {
            family: if v6 { Family::V6 } else { Family::V4 },
            mark: one(stream, &[7, u32::MAX]),
        },
        _ => ServiceKey::Address {
            protocol: one(stream, &[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]),
            addr: addr(stream, v6),
            port: port(stream),
        },
    }
}

fn service_config(stream: &mut Stream) -> ServiceConfig {
    let scheduler = match stream.below(schedulers::SCHEDULERS.len() as u64 + 1) as usize {
        0 => "none",
        n => schedulers::SCHEDULERS[n - 1].name,
    };
    ServiceConfig {
        scheduler: scheduler.to_owned(),
        scheduler_flags: stream.below(8) as u8,
        persistence: (stream.below(3) == 0).then(|| one(stream, &[1, 60, 300, 2_678_400])),
        netmask: one(stream, &[Addr::BROADCAST_V4, Addr::v4(0xffff_ff00), Addr::v6(u128::MAX), Addr::v4(0)]),
        one_packet: stream.below(4) == 0,
        engine: (stream.below(4) == 0).then(|| one(stream, &["sip", "sip", "sip", "nope"]).to_owned()),
    }
}

fn server(stream: &mut Stream) -> DestinationKey {
    let v6 = stream.below(5) == 0;
    DestinationKey { addr: addr(stream, v6), port: port(stream) }
}

fn server_config(stream: &mut Stream) -> DestinationConfig {
    let methods = [
        Forwarding::Masquerade,
        Forwarding::Masquerade,
        Forwarding::Route,
        Forwarding::Tunnel(Tunnel::IpIp),
        Forwarding::Tunnel(Tunnel::Gre { checksum: true }),
        Forwarding::Tunnel(Tunnel::Gue { port: 6080, checksum: GueChecksum::Remote }),
    ];
    DestinationConfig {
        forwarding: one(stream, &methods),
        weight: one(stream, &[1, 1, 2, 3, 0, 65_535, i32::MAX, -1]),
        upper: one(stream, &[0, 0, 1, 2, u32::MAX]),
        lower: one(stream, &[0, 0, 1, 2]),
    }
}

fn setting(stream: &mut Stream) -> Step {
    let name = match stream.below(SETTINGS.len() as u64 + 2) as usize {
        0 => "sync_threshold",
        1 => "no_such_setting",
        n => SETTINGS[n - 2].name,
    };
    let value =
        one(stream, &["0", "1", "2", "3", "3 50", "0 0", "50 3", "-1", "100000", "2147483647", "x", ""]);
    Step::Sets(name.to_owned(), value.to_owned())
}

fn daemon(stream: &mut Stream) -> Step {
    let role = one(stream, &[DaemonRole::Master, DaemonRole::Backup]);
    if stream.below(3) == 0 {
        return Step::Stops(role);
    }
    Step::Starts(DaemonConfig {
        role,
        interface: "eth0".to_owned(),
        sync_id: one(stream, &[0, 7, 255]),
        max_len: one(stream, &[0, 1, 60, 1472, 65_507]),
        group: Addr::v4(0xe000_0051),
        port: 8848,
        ttl: 1,
    })
}

fn tell(steps: &[Step]) {
    let director = |name| Director::new(Kernel::New, Timers::linux(), Stream::new(7, name));
    let (mut master, mut backup) = (director("master"), director("backup"));
    let mut now = Time::ZERO;
    for step in steps {
        if let Step::Waits(duration) = step {
            now += *duration;
        }
        take(&mut master, &mut backup, now, step);
    }
    for director in [&mut master, &mut backup] {
        director.advance(now);
        assert!(director.connection_count() <= 2 * steps.len(), "a step creates an entry and its template");
        assert_eq!(director.connections(now).count(), director.connection_count());
        assert!(director.memory() < 1 << 20, "{} bytes after {} steps", director.memory(), steps.len());
    }
}

/// One step. What the kernel refuses changes nothing.
fn take(master: &mut Director, backup: &mut Director, now: Time, step: &Step) {
    match step {
        Step::Arrives(hook, packet) => {
            let mut packet = (**packet).clone();
            match hook {
                Hook::LocalIn => master.local_in(now, &mut packet, &Host),
                Hook::LocalOut => master.local_out(now, &mut packet, &Host),
                Hook::Forward => master.forward(now, &mut packet, &Host),
            };
        }
        Step::Sets(name, value) => {
            let _ = master.sysctl_set(name, value);
        }
        Step::Loads(is_loaded) => master.load_ftp_helper(*is_loaded),
        Step::Announces => {
            for announcement in master.take_announcements() {
                let message = SyncMessage::decode(&announcement.message.encode()).expect("it reads its own");
                backup.receive_announcement(now, &message);
            }
        }
        Step::Hears(bytes) => {
            if let Some(message) = SyncMessage::decode(bytes) {
                backup.receive_announcement(now, &message);
            }
        }
        Step::Lists => {
            let listed = format!("{:?}", master.services().collect::<Vec<_>>());
            assert!(listed.len() > 1 && master.connections(now).count() == master.connection_count());
        }
        Step::Waits(_) => {
            master.advance(now);
            backup.advance(now);
        }
        command => {
            let _ = (configure(master, now, command), configure(backup, now, command));
        }
    }
}

fn configure(director: &mut Director, now: Time, command: &Step) -> Result<(), KernelError> {
    match command {
        Step::Adds(key, config) => director.add_service(now, *key, config),
        Step::Edits(key, config) => director.edit_service(now, *key, config),
        Step::Deletes(key) => director.delete_service(now, *key),
        Step::AddsServer(service, key, config) => {
            director.add_destination(now, *service, *key, config, &Host)
        }
        Step::EditsServer(service, key, config) => director.edit_destination(now, *service, *key, config),
        Step::DeletesServer(service, key) => director.delete_destination(now, *service, *key),
        Step::Timeouts(timeouts) => director.set_timeouts(*timeouts),
        Step::Zeroes(service) => director.zero(now, *service),
        Step::Starts(config) => director.start_daemon(now, config.clone()),
        Step::Stops(role) => director.stop_daemon(now, *role),
        Step::Flushes => {
            director.flush(now);
            Ok(())
        }
        _ => unreachable!("the caller keeps the rest"),
    }
}
