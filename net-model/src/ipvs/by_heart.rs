//! The short way through the director, for whoever remembers what became of the last packet of a connection.
//!
//! Nothing is searched: the packet's entry is known, and what has to be true of it is looked at before anything changes.
//! If one answer is unusual, nothing has happened, and the long way ([`passage`](super::passage)) decides. What a packet
//! does to its entry is the same on both ways. Commands, settings and the like raise the generation of the connection
//! table; what was remembered before is then worth nothing.

use super::Director;
use super::connection::{Connection, Slot, Tuple, flag};
use super::forwarding::{tunnel_overhead, wrap};
use super::mapping::MappingId;
use super::state::{self, Signal};
use super::table::{Connections, has_key};
use super::tcp_state::Kind;
use super::verdict::Surroundings;
use crate::addr::Addr;
use crate::packet::{Flags, Packet, Payload, proto};
use sim_core::Time;

/// What is remembered of the packets of a connection in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Passage {
    slot: Slot,
    /// The generation of the table for which it is true.
    generation: u32,
    /// Their mapping: while the generation lasts, its number means the same.
    mapping: MappingId,
    /// Are they the client's?
    is_request: bool,
}

impl Passage {
    /// Nothing is known.
    pub(crate) const NONE: Passage =
        Passage { slot: Slot::NONE, generation: 0, mapping: MappingId::FIRST, is_request: false };
}

/// What becomes of a client's next packets.
pub(crate) struct Foreseen {
    pub(crate) passage: Passage,
    /// The real server they go to.
    pub(crate) server: Addr,
    /// Bytes that a tunnel adds to each.
    pub(crate) overhead: u16,
    /// The addresses and ports of the answers.
    pub(crate) answers: Tuple,
}

/// Marks of entries whose packets need more than the short way does.
const UNUSUAL: u32 = flag::ONE_PACKET | flag::NO_CLIENT_PORT | flag::HELPED | flag::TEMPLATE;

impl Director {
    /// Where a client's next packets will pass.
    pub(crate) fn foresee_request(&self, tuple: &Tuple) -> Option<Foreseen> {
        if self.is_busy() || self.connections.may_be_reply(tuple) {
            return None;
        }
        let slot = self.connections.find_request_again(tuple)?;
        let connection = self.connections.get(slot);
        let mapping = self.connections.mapping(connection);
        let record = self.destinations.at_work(mapping.destination)?;
        let overhead = match connection.method() {
            flag::TUNNEL => tunnel_overhead(record.tunnel(), mapping.real.0),
            flag::MASQUERADE | flag::ROUTE => 0,
            _ => return None,
        };
        if record.path_mtu.until != Time::ZERO {
            return None;
        }
        let (src, sport) = mapping.speaker(connection.method());
        let answers = Tuple { src, sport, ..tuple.reversed() };
        Some(Foreseen { passage: self.passage(slot, true), server: mapping.real.0, overhead, answers })
    }

    /// The same for a server's packets.
    pub(crate) fn foresee_reply(&self, tuple: &Tuple) -> Option<Passage> {
        let slot = self.connections.find_reply_again(tuple).filter(|_| !self.is_busy())?;
        let mapping = self.connections.mapping(self.connections.get(slot));
        self.destinations.at_work(mapping.destination)?;
        Some(self.passage(slot, false))
    }

    /// The real server to which packets of a passage go; none if they come from it.
    pub(crate) fn server_ahead(&self, passage: &Passage) -> Option<Addr> {
        let mapping = || self.connections.mapping(self.connections.get(passage.slot));
        passage.is_request.then(|| mapping().real.0)
    }

    fn passage(&self, slot: Slot, is_request: bool) -> Passage {
        let mapping = self.connections.get(slot).mapping;
        Passage { slot, generation: self.connections.generation(), mapping, is_request }
    }

    /// Is there something that every packet has to pass?
    fn is_busy(&self) -> bool {
        #[cfg(feature = "mutants")]
        if super::mutant::acts() {
            return true;
        }
        self.hears_first_words() || self.stands_by() || self.sync.has_master()
    }

    /// LOCAL_IN for a client's segment, FORWARD for a server's, from and to where the passage was foreseen: it is ready
    /// to leave by the way that is known for the passage; or nothing has happened. It may live for another hop, and fits
    /// the way.
    #[inline(always)] // a part of director_input
    pub(crate) fn pass_by_heart(
        &mut self,
        now: Time,
        packet: &mut Packet,
        passage: &Passage,
        host: &impl Surroundings,
    ) -> bool {
        if passage.generation != self.connections.generation() || self.clock.tell(now) {
            return false;
        }
        if passage.is_request {
            self.request_by_heart(now, packet, passage, host)
        } else {
            self.reply_by_heart(now, packet, passage)
        }
    }

    #[inline(always)] // a part of pass_by_heart
    fn request_by_heart(
        &mut self,
        now: Time,
        packet: &mut Packet,
        passage: &Passage,
        host: &impl Surroundings,
    ) -> bool {
        let Payload::Tcp(segment) = &mut packet.payload else { return false };
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(passage.slot);
        let is_it = connection.flags & (flag::HASHED | UNUSUAL) == flag::HASHED
            && has_key(connection, proto::TCP, packet.src, segment.sport)
            && connection.mapping == passage.mapping;
        if !is_it || segment.flags.has(Flags::SYN) {
            return false;
        }
        let signal = Signal::Segment(Kind::of(segment));
        packet.ttl -= 1;
        let server = destinations.get_mut(mapping.destination);
        server.statistics.live.count_in(u64::from(packet.len));
        match connection.method() {
            flag::MASQUERADE => (packet.dst, segment.dport) = mapping.real,
            flag::TUNNEL => {
                let (tunnel, to) = (server.tunnel(), mapping.real.0);
                let overhead = tunnel_overhead(tunnel, to);
                wrap(packet, [host.source(to), to], tunnel, overhead, self.settings.pmtu_disc != 0);
            }
            _ => {}
        }
        connection.in_packets = connection.in_packets.wrapping_add(1);
        let control = connection.control;
        let effect = state::track(connection, signal, false, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts {
            connection.shift(mapping, destinations);
        }
        connection.rearm(now, passage.slot, &mut self.clock);
        if effect.assures {
            self.assure(control);
        }
        true
    }

    #[inline(always)] // a part of pass_by_heart
    fn reply_by_heart(&mut self, now: Time, packet: &mut Packet, passage: &Passage) -> bool {
        let Payload::Tcp(segment) = &mut packet.payload else { return false };
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(passage.slot);
        let is_it = connection.flags & (flag::HASHED | UNUSUAL) == flag::HASHED
            && has_key(connection, proto::TCP, packet.dst, segment.dport)
            && connection.mapping == passage.mapping;
        if !is_it {
            return false;
        }
        let signal = Signal::Segment(Kind::of(segment));
        packet.ttl -= 1;
        destinations.get_mut(mapping.destination).statistics.live.count_out(u64::from(packet.len));
        if connection.method() == flag::MASQUERADE {
            (packet.src, segment.sport) = mapping.virtual_;
        }
        let control = connection.control;
        let effect = state::track(connection, signal, true, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts {
            connection.shift(mapping, destinations);
        }
        connection.rearm(now, passage.slot, &mut self.clock);
        if effect.assures {
            self.assure(control);
        }
        true
    }
}

impl Connections {
    /// What [`find_request`](Self::find_request) finds, for whoever has just found or made it: nothing is searched if it
    /// was made.
    pub(super) fn find_request_again(&self, tuple: &Tuple) -> Option<Slot> {
        match self.latest(tuple.protocol, tuple.src, tuple.sport) {
            Some((slot, connection))
                if self.mapping(connection).virtual_ == (tuple.dst, tuple.dport)
                    && !connection.is_template() =>
            {
                debug_assert_eq!(self.find_request(tuple), Some(slot));
                Some(slot)
            }
            _ => self.find_request(tuple),
        }
    }

    /// The same of [`find_reply`](Self::find_reply).
    pub(super) fn find_reply_again(&self, tuple: &Tuple) -> Option<Slot> {
        match self.latest(tuple.protocol, tuple.dst, tuple.dport) {
            Some((slot, connection))
                if self.answers_as(connection) == (tuple.src, tuple.sport) && !connection.is_template() =>
            {
                debug_assert_eq!(self.find_reply(tuple), Some(slot));
                Some(slot)
            }
            _ => self.find_reply(tuple),
        }
    }

    /// The newest entry under this key, if it is the one that was linked last.
    #[inline]
    fn latest(&self, protocol: u8, client: Addr, port: u16) -> Option<(Slot, &Connection)> {
        let slot = self.latest.some()?;
        let connection = self.get(slot);
        let is_it = connection.is(flag::HASHED) && has_key(connection, protocol, client, port);
        is_it.then_some((slot, connection))
    }
}
