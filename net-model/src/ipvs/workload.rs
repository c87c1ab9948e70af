//! The director alone: packets straight into its LOCAL_IN hook, no host and no wire around it.
//!
//! What it costs to open a connection, to pass a packet of an established one, and to choose among many servers.
//! Whoever measures brings the clock.

use super::{
    DestinationConfig, DestinationKey, Director, Forwarding, Kernel, Path, Protocol, ServiceConfig,
    ServiceKey, Surroundings, Verdict,
};
use crate::addr::Addr;
use crate::packet::{Flags, Packet, Payload, Segment};
use sim_core::{Duration, Stream, Time, Timers};

const VIP: Addr = Addr::v4(0x0a09_0064);
const DIRECTOR: Addr = Addr::v4(0x0a00_0001);
/// Clients are 192.168.0.0 and up, servers 10.0.0.3 and up.
const CLIENTS: u32 = 0xc0a8_0000;
const SERVERS: u32 = 0x0a00_0003;
/// Neighbouring connections are of one client and have neighbouring ports, as those of a browser.
const PORTS: u32 = 16;
/// Packets of a burst.
const BURST: usize = 32;

/// A director with one TCP service and the connections that were opened so far.
#[derive(Debug)]
pub struct Alone {
    director: Director,
    now: Time,
    opened: u32,
}

/// The director's host: one address beside the virtual one, and a way to every server.
struct Host;

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        addr == VIP || addr == DIRECTOR
    }

    fn route(&self, _: Addr) -> Option<Path> {
        Some(Path { mtu: 1500, source: DIRECTOR })
    }
}

impl Alone {
    /// A service with this scheduler and `servers` servers of weight 1, and no connections.
    ///
    /// # Panics
    /// If there is no scheduler of this name.
    pub fn new(scheduler: &str, forwarding: Forwarding, servers: u32) -> Alone {
        let mut director = Director::new(Kernel::New, Timers::linux(), Stream::new(1, "director"));
        let service = ServiceKey::Address { protocol: Protocol::Tcp, addr: VIP, port: 80 };
        let config = ServiceConfig {
            scheduler: scheduler.to_owned(),
            scheduler_flags: 0,
            persistence: None,
            netmask: Addr::BROADCAST_V4,
            one_packet: false,
            engine: None,
        };
        director.add_service(Time::ZERO, service, &config).expect("the scheduler exists");
        for server in 0..servers {
            let key = DestinationKey { addr: Addr::v4(SERVERS + server), port: 80 };
            let config = DestinationConfig { forwarding, weight: 1, upper: 0, lower: 0 };
            director.add_destination(Time::ZERO, service, key, &config, &Host).expect("a new server");
        }
        Alone { director, now: Time::ZERO, opened: 0 }
    }

    /// Opens `count` connections with a SYN each, 17,000 a second: at that rate a million are half open at any time,
    /// and from then on one ends for each that begins.
    pub fn open(&mut self, count: u32) {
        for _ in 0..count {
            self.now += Duration::from_micros(60);
            self.send(self.opened, Flags::SYN);
            self.opened += 1;
        }
    }

    /// Establishes `count` further connections: SYN and ACK of each.
    pub fn establish(&mut self, count: u32) {
        for _ in 0..count {
            self.now += Duration::from_micros(10);
            self.send(self.opened, Flags::SYN);
            self.send(self.opened, Flags::ACK);
            self.opened += 1;
        }
    }

    /// Sends `count` packets of the first `busy` connections, in an order that no cache foresees.
    ///
    /// # Panics
    /// If one is not sent on to its server.
    pub fn pass(&mut self, count: u32, busy: u32) {
        for n in 0..count {
            self.now += Duration::from_nanos(100);
            let verdict = self.send(scatter(n, busy), Flags::ACK);
            assert!(matches!(verdict, Verdict::Send { .. }), "the connection is known: {verdict:?}");
        }
    }

    /// The same, with the packets shown to the director in bursts of 32 before they come one by one.
    ///
    /// # Panics
    /// If one is not sent on to its server.
    pub fn pass_foreseen(&mut self, count: u32, busy: u32) {
        for burst in (0..count).step_by(BURST) {
            let end = count.min(burst + BURST as u32);
            let mut packets: [Packet; BURST] =
                std::array::from_fn(|n| packet(scatter(burst + n as u32, busy), Flags::ACK));
            self.director.foresee(packets.iter());
            for packet in packets.iter_mut().take((end - burst) as usize) {
                self.now += Duration::from_nanos(100);
                let verdict = self.director.local_in(self.now, packet, &Host);
                assert!(matches!(verdict, Verdict::Send { .. }), "the connection is known: {verdict:?}");
            }
        }
    }

    /// Entries in the connection table.
    pub fn entries(&self) -> usize {
        self.director.connection_count()
    }

    /// Bytes of heap memory.
    pub fn memory(&self) -> usize {
        self.director.memory()
    }

    #[inline]
    fn send(&mut self, connection: u32, flags: Flags) -> Verdict {
        self.director.local_in(self.now, &mut packet(connection, flags), &Host)
    }
}

/// The `n`th of a sequence of numbers below `limit` without an order.
#[inline]
fn scatter(n: u32, limit: u32) -> u32 {
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (((mixed >> 32) * u64::from(limit)) >> 32) as u32
}

#[inline]
fn packet(connection: u32, flags: Flags) -> Packet {
    Packet {
        src: Addr::v4(CLIENTS + connection / PORTS),
        dst: VIP,
        mark: 0,
        flow: 0,
        len: 40,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload: Payload::Tcp(Segment {
            sport: 1024 + (connection % PORTS) as u16,
            dport: 80,
            flags,
            ..Segment::default()
        }),
        outer: None,
        text: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_established_passes_and_what_is_half_open_ends() {
        let mut alone = Alone::new("wlc", Forwarding::Route, 10);
        alone.establish(1_000);
        alone.pass(10_000, 1_000);
        alone.pass_foreseen(10_001, 1_000);
        assert_eq!(alone.entries(), 1_000);
        let mut alone = Alone::new("wlc", Forwarding::Route, 10);
        alone.open(1_200_000);
        assert!((1_000_000..1_100_000).contains(&alone.entries()), "{}", alone.entries());
    }

    #[test]
    fn a_scattered_sequence_comes_everywhere() {
        let mut seen = [0u32; 10];
        (0..10_000).for_each(|n| seen[scatter(n, 10) as usize] += 1);
        assert!(seen.iter().all(|times| (900..1_100).contains(times)), "{seen:?}");
    }
}
