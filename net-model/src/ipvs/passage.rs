//! The passage of a packet: known entry or new one, then state, forwarding, timer.

use super::Director;
use super::connection::{Connection, Slot, Tuple, flag};
use super::director::{Hook, port_unreachable};
use super::forwarding::{Forwarder, translate_reply};
use super::sctp_state::chunk;
use super::state::{self, Signal};
use super::tcp_state::Kind;
use super::verdict::{Surroundings, Verdict};
use super::{sctp_state, tcp_state};
use crate::packet::{Flags, Packet, Payload, Segment, proto};
use crate::verdict::DropReason;
use sim_core::Time;

/// What the table and the state machines look at in a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    tuple: Tuple,
    signal: Signal,
    /// Does it open connections (SYN, INIT)?
    opens: bool,
}

impl Seen {
    #[inline(always)] // once a packet
    pub(super) fn of(packet: &Packet) -> Option<Seen> {
        Some(Seen { tuple: Tuple::of(packet)?, signal: Signal::of(packet), opens: opens(packet) })
    }

    /// What moves the state machine.
    #[inline(always)] // once a packet
    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// The same of a packet with a TCP segment.
    #[inline(always)] // once a packet
    pub(super) fn of_segment(packet: &Packet, segment: &Segment) -> Seen {
        let tuple = Tuple::of_segment(packet, segment);
        Seen { tuple, signal: Signal::Segment(Kind::of(segment)), opens: segment.flags.has(Flags::SYN) }
    }
}

impl Director {
    /// Nearly all packets are TCP segments: they have a copy of the way to themselves, without the questions about
    /// other protocols.
    #[inline(always)] // a part of the hooks
    pub(super) fn reply_or_request(
        &mut self,
        now: Time,
        packet: &mut Packet,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Verdict {
        let Payload::Tcp(segment) = &packet.payload else {
            return self.other(now, packet, host, hook);
        };
        let seen = Seen::of_segment(packet, segment);
        self.known_or_new(now, packet, seen, host, hook)
    }

    /// A packet of another protocol, or one without ports.
    #[inline(never)]
    fn other(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings, hook: Hook) -> Verdict {
        if let Some(seen) = Seen::of(packet) {
            return self.known_or_new(now, packet, seen, host, hook);
        }
        if let Some(verdict) = self.icmp_reply(packet) {
            return verdict;
        }
        match packet.payload {
            Payload::Icmp(_) if !self.stands_by() => self.icmp_request(now, packet, host, hook),
            _ => Verdict::Accept,
        }
    }

    /// A packet of a connection is a server's or a client's.
    #[inline(always)] // once a packet
    fn known_or_new(
        &mut self,
        now: Time,
        packet: &mut Packet,
        seen: Seen,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Verdict {
        if seen.opens {
            self.connections.read_ahead(&seen.tuple);
        }
        if let Some(verdict) = self.reply(now, packet, seen) {
            return verdict;
        }
        if self.stands_by() {
            return Verdict::Accept;
        }
        match self.connections.find_request(&seen.tuple) {
            Some(slot) if !seen.opens && !self.is_gone(slot) => {
                self.request(now, packet, seen.signal, slot, host, hook)
            }
            known => self.renew(now, known, packet, host, hook),
        }
    }

    /// `backup_only`: a backup leaves clients' packets alone.
    #[inline]
    pub(super) fn stands_by(&self) -> bool {
        self.settings.backup_only != 0 && self.sync.has_backup()
    }

    /// A packet from a client, of an entry whose destination is in service: state, forwarding, timer.
    #[inline(always)] // once a packet
    fn request(
        &mut self,
        now: Time,
        packet: &mut Packet,
        signal: Signal,
        slot: Slot,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Verdict {
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(slot);
        let effect = state::track(connection, signal, false, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts {
            connection.shift(mapping, destinations);
        }
        let server = destinations.find_mut(mapping.destination).map(|server| {
            server.statistics.live.count_in(u64::from(packet.len));
            &*server
        });
        let pmtu_disc = self.settings.pmtu_disc != 0;
        let verdict =
            Forwarder { now, hook, host, server, pmtu_disc }.transmit(connection.method(), mapping, packet);
        connection.in_packets = connection.in_packets.wrapping_add(1);
        if connection.is(flag::ONE_PACKET | flag::NO_CLIENT_PORT | flag::HELPED)
            || effect.assures
            || self.sync.has_master()
        {
            let port = packet.ports().map_or(0, |(sport, _)| sport);
            self.finish_unusual(now, slot, packet, port, effect.assures);
        } else {
            connection.rearm(now, slot, &mut self.clock);
        }
        verdict
    }

    /// What a client's packet leads to beyond its entry: the template is assured, backups hear of it, the entry goes or
    /// learns the client's port, the FTP helper listens.
    #[inline(never)]
    fn finish_unusual(&mut self, now: Time, slot: Slot, packet: &mut Packet, port: u16, assures: bool) {
        let Connection { flags, control, .. } = *self.connections.get(slot);
        if flags & flag::HELPED != 0 {
            self.help_request(now, slot, packet);
        }
        if assures {
            self.assure(control);
        }
        if self.sync.has_master() {
            self.announce(now, slot);
        }
        if flags & flag::ONE_PACKET != 0 {
            return self.remove(slot);
        }
        if flags & flag::NO_CLIENT_PORT != 0 {
            self.connections.fill_client_port(slot, port);
        }
        self.connections.get_mut(slot).rearm(now, slot, &mut self.clock);
    }

    /// A packet from a client that has no entry, that begins a connection anew, or whose server is gone.
    #[inline(never)]
    fn renew(
        &mut self,
        now: Time,
        known: Option<Slot>,
        packet: &mut Packet,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Verdict {
        match self.entry_for(now, known, packet, host, hook) {
            Ok(slot) => self.request(now, packet, Signal::of(packet), slot, host, hook),
            Err(verdict) => verdict,
        }
    }

    fn entry_for(
        &mut self,
        now: Time,
        known: Option<Slot>,
        packet: &Packet,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Result<Slot, Verdict> {
        if let Some(slot) = known {
            if opens(packet) && self.reuses(slot) {
                self.connections.expire_now(now, slot, &mut self.clock);
                if self.connections.get(slot).is(flag::CONNTRACK) {
                    return Err(Verdict::Drop(DropReason::Confirmed));
                }
            } else if !self.is_gone(slot) {
                return Ok(slot);
            } else if self.settings.expire_nodest_conn == 0 {
                return Err(Verdict::Drop(DropReason::DestinationGone));
            } else {
                self.connections.expire_now(now, slot, &mut self.clock);
            }
        }
        match Tuple::of(packet) {
            Some(tuple) => self.schedule(now, packet, tuple, host, hook),
            None => Err(Verdict::Accept),
        }
    }

    /// A packet from a server: none if it belongs to no connection.
    #[inline(always)] // once a packet
    pub(super) fn reply(&mut self, now: Time, packet: &mut Packet, seen: Seen) -> Option<Verdict> {
        match self.known_reply(&seen) {
            Some(slot) => {
                self.answer(now, packet, seen.signal, slot);
                Some(Verdict::Accept)
            }
            None if self.hears_first_words() => self.first_word(now, packet),
            None => None,
        }
    }

    /// The entry to which a server's packet belongs.
    #[inline(always)] // once a packet
    pub(super) fn known_reply(&self, seen: &Seen) -> Option<Slot> {
        self.connections.find_reply(&seen.tuple)
    }

    /// Does it matter if a packet of a server's side belongs to no connection?
    #[inline]
    pub(super) fn hears_first_words(&self) -> bool {
        self.calls.in_use || self.settings.nat_icmp_send != 0
    }

    /// A packet of a server's side that belongs to no connection: a service with a persistence engine lets its servers
    /// speak first, `nat_icmp_send` refuses.
    #[cold]
    #[inline(never)]
    pub(super) fn first_word(&mut self, now: Time, packet: &mut Packet) -> Option<Verdict> {
        let seen = Seen::of(packet)?;
        let Some(slot) = self.originate(now, packet, &seen.tuple) else {
            return if self.settings.nat_icmp_send == 0 { None } else { self.refuse_stray(packet) };
        };
        self.answer(now, packet, seen.signal, slot);
        if self.connections.get(slot).is(flag::ONE_PACKET) {
            self.remove(slot);
        }
        Some(Verdict::Accept)
    }

    /// A packet from the server of an entry: source rewritten, state, timer.
    #[inline(always)] // once a packet
    pub(super) fn answer(&mut self, now: Time, packet: &mut Packet, signal: Signal, slot: Slot) {
        if self.connections.get(slot).is(flag::HELPED) {
            self.help_reply(now, slot, packet);
        }
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(slot);
        if connection.method() == flag::MASQUERADE {
            translate_reply(packet, mapping);
        }
        destinations.count(mapping.destination, |counters| counters.count_out(u64::from(packet.len)));
        let effect = state::track(connection, signal, true, &self.timeouts, self.defences.secure_tcp());
        if effect.shifts {
            connection.shift(mapping, destinations);
        }
        connection.rearm(now, slot, &mut self.clock);
        if effect.assures {
            let control = connection.control;
            self.assure(control);
        }
    }

    /// `nat_icmp_send`: a masqueraded server that speaks without a connection is told so.
    #[cold]
    fn refuse_stray(&self, packet: &Packet) -> Option<Verdict> {
        let tuple = Tuple::of(packet)?;
        let harmless = match &packet.payload {
            Payload::Tcp(segment) => segment.flags.has(Flags::RST),
            Payload::Sctp(chunks) => chunks.first == chunk::ABORT,
            Payload::Udp(_)
            | Payload::Sync(_)
            | Payload::Icmp(_)
            | Payload::Ndisc(_)
            | Payload::Fragment(_)
            | Payload::Other(_) => false,
        };
        let mut servers = self.services.iter().flat_map(|(_, service)| &service.order);
        let masqueraded = servers.any(|id| {
            let record = self.destinations.get(*id);
            record.flags() & flag::METHOD == flag::MASQUERADE
                && (record.key.addr, record.key.port) == (tuple.src, tuple.sport)
        });
        let refuse = masqueraded && !harmless;
        refuse.then(|| Verdict::Reject(DropReason::NatIcmp, port_unreachable(tuple.src)))
    }

    /// Does a SYN or INIT on this entry start a new connection, with a new choice?
    fn reuses(&self, slot: Slot) -> bool {
        let connection = self.connections.get(slot);
        if self.settings.expire_nodest_conn != 0
            && let Some(destination) = self.connections.mapping(connection).destination()
            && self.destinations.pool[destination.index()].weight == 0
        {
            return true;
        }
        let mode = self.settings.conn_reuse_mode;
        if mode == 0 || connection.control.some().is_some() {
            return false;
        }
        use tcp_state::state as tcp;
        match (connection.protocol, connection.state) {
            (proto::TCP, tcp::TIME_WAIT | tcp::CLOSE) => true,
            (proto::TCP, tcp::FIN_WAIT) => mode & 2 != 0 && connection.is(flag::NO_OUTPUT),
            (proto::SCTP, state) => state == sctp_state::state::CLOSED,
            _ => false,
        }
    }
}

/// Is this a segment or chunk that opens connections: SYN or INIT?
#[inline(always)] // once a packet
fn opens(packet: &Packet) -> bool {
    match &packet.payload {
        Payload::Tcp(segment) => segment.flags.has(Flags::SYN),
        Payload::Sctp(chunks) => chunks.first == chunk::INIT,
        Payload::Udp(_)
        | Payload::Sync(_)
        | Payload::Icmp(_)
        | Payload::Ndisc(_)
        | Payload::Fragment(_)
        | Payload::Other(_) => false,
    }
}
