//! An entry of the connection table, and the tuple of a packet that finds it.

use super::mapping::{Mapping, MappingId};
use crate::addr::Addr;
use crate::packet::{Packet, Payload, Segment, proto};
use schedulers::DestinationId;
use sim_core::{Duration, Time};

/// The place of an entry in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot(u32);

impl Slot {
    /// No entry.
    pub(super) const NONE: Slot = Slot(u32::MAX);

    /// The place with this index.
    pub(super) fn new(index: u32) -> Slot {
        Slot(index)
    }

    /// Its index.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    /// The slot, unless it is none.
    pub(super) fn some(self) -> Option<Slot> {
        (self != Slot::NONE).then_some(self)
    }
}

/// No destination: past the cache, or not found on a backup.
pub(super) const NO_DESTINATION: DestinationId = DestinationId::new(u32::MAX);

/// Bits of [`Connection::flags`], as they travel in synchronisation messages (up to 0x2000).
pub(super) mod flag {
    /// The low three bits are the forwarding method.
    pub(in super::super) const METHOD: u32 = 0x7;
    /// Method: network address translation.
    pub(in super::super) const MASQUERADE: u32 = 0;
    /// Method: tunnel.
    pub(in super::super) const TUNNEL: u32 = 2;
    /// Method: direct routing.
    pub(in super::super) const ROUTE: u32 = 3;
    /// Method: on to the original destination, past the cache.
    pub(in super::super) const BYPASS: u32 = 4;
    /// Created by a synchronisation message.
    pub(in super::super) const SYNC: u32 = 0x20;
    /// In the hash table.
    pub(in super::super) const HASHED: u32 = 0x40;
    /// The server's packets are not seen.
    pub(in super::super) const NO_OUTPUT: u32 = 0x80;
    /// Counted as inactive.
    pub(in super::super) const INACTIVE: u32 = 0x100;
    /// The client's port is not known yet (FTP data).
    pub(in super::super) const NO_CLIENT_PORT: u32 = 0x800;
    /// A persistence template.
    pub(in super::super) const TEMPLATE: u32 = 0x1000;
    /// Lives for one datagram.
    pub(in super::super) const ONE_PACKET: u32 = 0x2000;
    /// Netfilter keeps a conntrack of it.
    pub(in super::super) const CONNTRACK: u32 = 1 << 16;
    /// Ours: the timer is due at once, whatever the timeout.
    pub(in super::super) const DUE: u32 = 1 << 31;
    /// Ours: a template of a call (persistence engine `sip`).
    pub(in super::super) const CALL: u32 = 1 << 30;
    /// Ours: an FTP control connection that the helper listens to.
    pub(in super::super) const HELPED: u32 = 1 << 29;
    /// Ours: the timer was set again, but fires when it would have fired: it has kept its place among those of that
    /// instant.
    pub(in super::super) const KEPT: u32 = 1 << 28;
    /// Ours, and nobody else's business.
    pub(in super::super) const PRIVATE: u32 = DUE | CALL | HELPED | KEPT;
}

/// An entry of the connection table: one cache line. What it has in common with others is its [mapping](super::mapping).
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Connection {
    pub(super) client: Addr,
    /// When the timer was set: the distance to its end decides how late it fires.
    pub(super) armed: Time,
    /// When the entry's alarm rings; never if there is none.
    pub(super) alarm: Time,
    pub(super) mapping: MappingId,
    /// Bits of [`flag`].
    pub(super) flags: u32,
    /// What the timer is set to by each packet, in seconds.
    pub(super) timeout: u32,
    /// Packets from the client.
    pub(super) in_packets: u32,
    /// The template (or FTP control connection) this entry hangs on.
    pub(super) control: Slot,
    /// How many entries hang on this one.
    pub(super) controls: u32,
    /// The next older entry of the same protocol, client address and port.
    pub(super) older: Slot,
    pub(super) client_port: u16,
    /// 0 for the template of a firewall-mark service.
    pub(super) protocol: u8,
    /// The number of the state within its protocol.
    pub(super) state: u8,
}

const _: () = assert!(size_of::<Connection>() == 64);

impl Connection {
    /// A new entry, with its provisional timeout and without an alarm.
    pub(super) fn new(now: Time, new: &NewConnection, mapping: MappingId) -> Connection {
        Connection {
            client: new.client.0,
            armed: now,
            alarm: Time::NEVER,
            mapping,
            flags: new.flags & !flag::DUE,
            timeout: new.timeout,
            in_packets: 0,
            control: Slot::NONE,
            controls: 0,
            older: Slot::NONE,
            client_port: new.client.1,
            protocol: new.protocol,
            state: 0,
        }
    }

    #[inline]
    pub(super) fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    #[inline]
    pub(super) fn is_template(&self) -> bool {
        self.is(flag::TEMPLATE)
    }

    /// The forwarding method's bits.
    #[inline]
    pub(super) fn method(&self) -> u32 {
        self.flags & flag::METHOD
    }

    /// When the timer is due.
    #[inline]
    pub(super) fn expires(&self) -> Time {
        let seconds = if self.is(flag::DUE) { 0 } else { self.timeout };
        self.armed + Duration::from_secs(u64::from(seconds))
    }
}

/// Protocol, addresses and ports of a packet, as IPVS looks at them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple {
    pub(crate) protocol: u8,
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
}

impl Tuple {
    /// The tuple of a packet of a protocol that IPVS balances. AH and ESP follow the key exchange, UDP 500 to 500.
    #[inline(always)] // once a packet
    pub(super) fn of(packet: &Packet) -> Option<Tuple> {
        let (protocol, sport, dport) = match &packet.payload {
            Payload::Tcp(s) => (proto::TCP, s.sport, s.dport),
            Payload::Udp(d) => (proto::UDP, d.sport, d.dport),
            Payload::Sync(d) => (proto::UDP, d.sport, d.dport),
            Payload::Sctp(c) => (proto::SCTP, c.sport, c.dport),
            Payload::Other(proto::AH | proto::ESP) => (proto::UDP, 500, 500),
            Payload::Other(_) | Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Fragment(_) => return None,
        };
        Some(Tuple { protocol, src: packet.src, dst: packet.dst, sport, dport })
    }

    /// The tuple of a packet with a TCP segment.
    #[inline(always)] // once a packet
    pub(crate) fn of_segment(packet: &Packet, segment: &Segment) -> Tuple {
        let (sport, dport) = (segment.sport, segment.dport);
        Tuple { protocol: proto::TCP, src: packet.src, dst: packet.dst, sport, dport }
    }

    /// The tuple of packets in the other direction.
    pub(super) fn reversed(self) -> Tuple {
        Tuple { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, ..self }
    }
}

/// What a new entry starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewConnection {
    pub(super) protocol: u8,
    pub(super) client: (Addr, u16),
    pub(super) mapping: Mapping,
    pub(super) flags: u32,
    /// Seconds.
    pub(super) timeout: u32,
}
