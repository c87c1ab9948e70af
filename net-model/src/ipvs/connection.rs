//! An entry of the connection table, and the tuple of a packet that finds it.

use crate::addr::Addr;
use crate::packet::{Packet, Payload, proto};
use schedulers::DestinationId;
use sim_core::{Duration, Time};

/// The place of an entry in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Slot(u32);

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
    /// Ours: a template of a call (persistence engine `sip`).
    pub(in super::super) const CALL: u32 = 1 << 30;
    /// Ours: an FTP control connection that the helper listens to.
    pub(in super::super) const HELPED: u32 = 1 << 29;
    /// Ours: what no backup gets to know.
    pub(in super::super) const PRIVATE: u32 = CALL | HELPED;
}

/// An entry of the connection table.
#[derive(Clone, Debug)]
#[repr(align(128))]
pub(super) struct Connection {
    pub(super) client: Addr,
    pub(super) virtual_: Addr,
    pub(super) real: Addr,
    /// When the timer is due.
    pub(super) expires: Time,
    /// When the timer was set: the distance decides how late it fires.
    pub(super) armed: Time,
    /// When the entry's alarm rings; never if there is none.
    pub(super) alarm: Time,
    /// Due time at the last announcement to backups.
    pub(super) synced: Time,
    pub(super) client_port: u16,
    pub(super) virtual_port: u16,
    pub(super) real_port: u16,
    pub(super) protocol: u8,
    /// The number of the state within its protocol.
    pub(super) state: u8,
    /// Bits of [`flag`].
    pub(super) flags: u32,
    /// What the timer is set to by each packet, in seconds.
    pub(super) timeout: u32,
    pub(super) destination: DestinationId,
    /// The template (or FTP control connection) this entry hangs on.
    pub(super) control: Slot,
    /// How many entries hang on this one.
    pub(super) controls: u32,
    /// Packets from the client.
    pub(super) in_packets: u32,
    /// Firewall mark of the packet that created it.
    pub(super) mark: u32,
    /// State at the last announcement to backups.
    pub(super) synced_state: u8,
    /// Retries since the last full announcement.
    pub(super) sync_retries: u8,
}

const _: () = assert!(size_of::<Connection>() == 128);

impl Connection {
    /// A new entry, with its provisional timeout and without an alarm.
    pub(super) fn new(now: Time, new: &NewConnection) -> Connection {
        Connection {
            client: new.client.0,
            virtual_: new.virtual_.0,
            real: new.real.0,
            expires: now + Duration::from_secs(u64::from(new.timeout)),
            armed: now,
            alarm: Time::NEVER,
            synced: Time::ZERO,
            client_port: new.client.1,
            virtual_port: new.virtual_.1,
            real_port: new.real.1,
            protocol: new.protocol,
            state: 0,
            flags: new.flags,
            timeout: new.timeout,
            destination: NO_DESTINATION,
            control: Slot::NONE,
            controls: 0,
            in_packets: 0,
            mark: new.mark,
            synced_state: 0,
            sync_retries: 0,
        }
    }

    pub(super) fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is_template(&self) -> bool {
        self.is(flag::TEMPLATE)
    }

    /// The forwarding method's bits.
    pub(super) fn method(&self) -> u32 {
        self.flags & flag::METHOD
    }
}

/// Protocol, addresses and ports of a packet, as IPVS looks at them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tuple {
    pub(super) protocol: u8,
    pub(super) src: Addr,
    pub(super) dst: Addr,
    pub(super) sport: u16,
    pub(super) dport: u16,
}

impl Tuple {
    /// The tuple of a packet of a protocol that IPVS balances. AH and ESP follow the key exchange, UDP 500 to 500.
    #[inline]
    pub(super) fn of(packet: &Packet) -> Option<Tuple> {
        let (protocol, sport, dport) = match &packet.payload {
            Payload::Tcp(s) => (proto::TCP, s.sport, s.dport),
            Payload::Udp(d) => (proto::UDP, d.sport, d.dport),
            Payload::Sctp(c) => (proto::SCTP, c.sport, c.dport),
            Payload::Other(proto::AH | proto::ESP) => (proto::UDP, 500, 500),
            Payload::Other(_) | Payload::Icmp(_) => return None,
        };
        Some(Tuple { protocol, src: packet.src, dst: packet.dst, sport, dport })
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
    pub(super) virtual_: (Addr, u16),
    pub(super) real: (Addr, u16),
    pub(super) flags: u32,
    pub(super) mark: u32,
    /// Seconds.
    pub(super) timeout: u32,
}
