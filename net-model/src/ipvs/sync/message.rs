//! Synchronisation messages, as values and as bytes (big-endian).
//!
//! Version 1: a header of 8 bytes, then entries of 36 (IPv4) or 72 bytes (IPv6). Version 0, for old backups: a header
//! of 4 bytes, then entries of 24 bytes, IPv4 only, without timeout and mark.

use crate::addr::Addr;
use crate::ipvs::connection::flag;
use crate::ipvs::state;

/// A message of a master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncMessage {
    /// 0 or 1.
    pub version: u8,
    /// Which master sent it; a backup with another number ignores it.
    pub sync_id: u8,
    /// The connections announced.
    pub entries: Vec<SyncEntry>,
}

/// An announced connection or template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncEntry {
    /// Protocol number, 0 for the template of a firewall-mark service.
    pub protocol: u8,
    /// Connection flags (see [`super::super::ConnectionView::flags`]).
    pub flags: u32,
    /// State number.
    pub state: u16,
    /// Client address and port.
    pub client: (Addr, u16),
    /// Virtual address and port.
    pub virtual_: (Addr, u16),
    /// Real address and port.
    pub real: (Addr, u16),
    /// Firewall mark.
    pub mark: u32,
    /// The timeout in seconds (not what is left of it).
    pub timeout: u32,
}

/// Bytes of a version 1 header.
const HEADER: usize = 8;
/// Bytes of a version 0 header.
const HEADER_V0: usize = 4;

impl SyncMessage {
    /// Bytes of the message: the payload of its datagram.
    pub fn bytes(&self) -> usize {
        let entries = self.entries.iter().map(|entry| entry.len(self.version));
        Self::header_len(self.version) + entries.sum::<usize>()
    }

    /// Bytes of a message's header.
    pub(super) fn header_len(version: u8) -> usize {
        if version == 0 { HEADER_V0 } else { HEADER }
    }

    /// The message as it travels.
    pub fn encode(&self) -> Vec<u8> {
        let body: Vec<u8> = self.entries.iter().flat_map(|entry| entry.encode(self.version)).collect();
        let [high, low] = ((body.len() + Self::header_len(self.version)) as u16).to_be_bytes();
        let count = self.entries.len() as u8;
        let mut bytes = match self.version {
            0 => vec![count, self.sync_id, high, low],
            _ => vec![0, self.sync_id, high, low, count, self.version, 0, 0],
        };
        bytes.extend(body);
        bytes
    }

    /// Reads a message; none if it is not one.
    pub fn decode(bytes: &[u8]) -> Option<SyncMessage> {
        let mut reader = Reader(bytes);
        let [first, sync_id] = reader.take()?;
        if usize::from(reader.u16()?) != bytes.len() {
            return None;
        }
        let (version, count) = if first == 0 {
            let [count, version, _, _] = reader.take()?;
            (version, count)
        } else {
            (0, first)
        };
        let read =
            |_| if version == 0 { SyncEntry::decode_v0(&mut reader) } else { SyncEntry::decode(&mut reader) };
        let entries = (0..count).map(read).collect::<Option<Vec<SyncEntry>>>()?;
        Some(SyncMessage { version, sync_id, entries })
    }
}

impl SyncEntry {
    /// Bytes of the entry; 0 if the version cannot express it.
    pub(super) fn len(&self, version: u8) -> usize {
        if self.client.0.family() != self.real.0.family() {
            return 0; // a server of the other family, behind a tunnel: no version has room for it
        }
        match (version, self.client.0.is_v4()) {
            (0, true) => 24,
            (0, false) => 0,
            (_, true) => 36,
            (_, false) => 72,
        }
    }

    /// What is left of the entry in a message of this version.
    pub(super) fn as_told(self, version: u8) -> SyncEntry {
        match version {
            0 => SyncEntry { flags: self.flags & 0xffff, mark: 0, timeout: 0, ..self },
            _ => self,
        }
    }

    /// The state by name, as listings have it.
    pub fn state_name(&self) -> &'static str {
        let is_template = self.flags & flag::TEMPLATE != 0;
        state::name_of(self.protocol, is_template, u8::try_from(self.state).unwrap_or(u8::MAX))
    }

    fn encode(&self, version: u8) -> Vec<u8> {
        if version == 0 {
            return self.encode_v0();
        }
        let v6 = !self.client.0.is_v4();
        let mut bytes = vec![u8::from(v6), self.protocol];
        bytes.extend((self.len(version) as u16).to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for word in [self.state, self.client.1, self.virtual_.1, self.real.1] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(self.mark.to_be_bytes());
        bytes.extend(self.timeout.to_be_bytes());
        for addr in [self.client.0, self.virtual_.0, self.real.0] {
            match addr.to_v4_bits() {
                Some(bits) => bytes.extend(bits.to_be_bytes()),
                None => bytes.extend(addr.to_bits().to_be_bytes()),
            }
        }
        bytes
    }

    fn encode_v0(&self) -> Vec<u8> {
        let mut bytes = vec![0, self.protocol];
        for port in [self.client.1, self.virtual_.1, self.real.1] {
            bytes.extend(port.to_be_bytes());
        }
        for addr in [self.client.0, self.virtual_.0, self.real.0] {
            bytes.extend((addr.to_bits() as u32).to_be_bytes());
        }
        bytes.extend((self.flags as u16).to_be_bytes());
        bytes.extend(self.state.to_be_bytes());
        bytes
    }

    fn decode(reader: &mut Reader) -> Option<SyncEntry> {
        let [kind, protocol] = reader.take()?;
        let size = usize::from(reader.u16()? & 0xfff);
        let flags = reader.u32()?;
        let state = reader.u16()?;
        let ports = [reader.u16()?, reader.u16()?, reader.u16()?];
        let (mark, timeout) = (reader.u32()?, reader.u32()?);
        let v6 = kind & 1 == 1;
        let mut addr = || {
            if v6 { reader.take().map(u128::from_be_bytes).map(Addr::v6) } else { reader.u32().map(Addr::v4) }
        };
        let [client, virtual_, real] = [addr()?, addr()?, addr()?];
        // Options (sequence numbers, persistence engine) follow; they say nothing that is modelled.
        let plain = if v6 { 72 } else { 36 };
        reader.skip(size.checked_sub(plain)?.next_multiple_of(4))?;
        Some(SyncEntry {
            protocol,
            flags,
            state,
            client: (client, ports[0]),
            virtual_: (virtual_, ports[1]),
            real: (real, ports[2]),
            mark,
            timeout,
        })
    }

    fn decode_v0(reader: &mut Reader) -> Option<SyncEntry> {
        let [_, protocol] = reader.take()?;
        let ports = [reader.u16()?, reader.u16()?, reader.u16()?];
        let mut addr = || reader.u32().map(Addr::v4);
        let [client, virtual_, real] = [addr()?, addr()?, addr()?];
        let (flags, state) = (u32::from(reader.u16()?), reader.u16()?);
        Some(SyncEntry {
            protocol,
            flags,
            state,
            client: (client, ports[0]),
            virtual_: (virtual_, ports[1]),
            real: (real, ports[2]),
            mark: 0,
            timeout: 0,
        })
    }
}

/// Takes numbers off the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(addr: fn(u32) -> Addr) -> SyncEntry {
        SyncEntry {
            protocol: 6,
            flags: 0x83,
            state: 1,
            client: (addr(1), 1000),
            virtual_: (addr(2), 80),
            real: (addr(3), 80),
            mark: 0,
            timeout: 900,
        }
    }

    /// Recorded: the header of a message with one IPv4 entry from a master with syncid 7.
    #[test]
    fn the_bytes_of_a_recorded_message() {
        let message = SyncMessage { version: 1, sync_id: 7, entries: vec![entry(Addr::v4)] };
        let bytes = message.encode();
        assert_eq!(bytes[..8], [0, 7, 0, 0x2c, 1, 1, 0, 0]);
        assert_eq!(bytes[8..16], [0, 6, 0, 36, 0, 0, 0, 0x83]);
        assert_eq!((bytes.len(), message.bytes()), (44, 44));
    }

    #[test]
    fn both_versions_read_back_what_they_write() {
        let v6 = |n| Addr::v6(u128::from(n));
        let v1 = SyncMessage { version: 1, sync_id: 0, entries: vec![entry(Addr::v4), entry(v6)] };
        assert_eq!(SyncMessage::decode(&v1.encode()), Some(v1));
        let v0 = SyncMessage {
            version: 0,
            sync_id: 3,
            entries: vec![SyncEntry { timeout: 0, ..entry(Addr::v4) }],
        };
        assert_eq!(SyncMessage::decode(&v0.encode()), Some(v0));
    }

    /// Found by fuzzing: such an entry was written with addresses of two lengths, and nobody could read the message.
    #[test]
    fn a_server_of_the_other_family_cannot_be_announced() {
        let mixed = SyncEntry { real: (Addr::v6(3), 80), ..entry(Addr::v4) };
        assert_eq!((mixed.len(0), mixed.len(1)), (0, 0));
    }

    #[test]
    fn cut_messages_are_refused() {
        let bytes = SyncMessage { version: 1, sync_id: 0, entries: vec![entry(Addr::v4)] }.encode();
        assert!((0..bytes.len()).all(|len| SyncMessage::decode(&bytes[..len]).is_none()));
    }
}
