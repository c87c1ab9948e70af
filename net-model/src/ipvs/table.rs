//! The connection table (`/proc/net/ip_vs_conn`).
//!
//! Entries are found by (protocol, client address, client port); of two that match the newer wins. The
//! [index](super::index) knows the newest entry of each such key, the older ones follow it in a list.

use super::clock::Clock;
use super::connection::{Connection, NewConnection, Slot, Tuple, flag};
use super::entries::Entries;
use super::index::Index;
use super::mapping::{Mapping, Mappings};
use crate::addr::Addr;
use sim_core::Time;

/// The table.
#[derive(Debug)]
pub(super) struct Connections {
    entries: Entries,
    mappings: Mappings,
    pub(super) index: Index,
    /// Entries in the table.
    len: usize,
    /// Entries whose client port is not known.
    portless: usize,
    /// Entries by the upper half of their client port. Clients' packets go to low ports and come from high ones: that
    /// one is nobody's reply is mostly seen here.
    by_port: [u32; 256],
    /// The entry that was linked last; none before the first. While it is in the table it is the newest of its key.
    pub(super) latest: Slot,
    /// What backups were told of each entry, by slot; empty without a master.
    announced: Vec<Announced>,
}

/// What backups were told of an entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announced {
    /// When its timer was due at the last announcement.
    pub(super) due: Time,
    /// Its state then.
    pub(super) state: u8,
    /// Retries since the last full announcement.
    pub(super) retries: u8,
}

impl Connections {
    pub(super) fn new() -> Connections {
        Connections {
            entries: Entries::default(),
            mappings: Mappings::new(),
            index: Index::new(),
            len: 0,
            portless: 0,
            by_port: [0; 256],
            latest: Slot::NONE,
            announced: Vec::new(),
        }
    }

    /// Entries in the table.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Connection {
        self.entries.get(slot)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Connection {
        self.entries.get_mut(slot)
    }

    /// The mapping of an entry.
    #[inline]
    pub(super) fn mapping(&self, connection: &Connection) -> &Mapping {
        self.mappings.get(connection.mapping)
    }

    /// An entry, to be changed, and its mapping.
    #[inline(always)] // once a packet
    pub(super) fn both_mut(&mut self, slot: Slot) -> (&mut Connection, &Mapping) {
        let connection = self.entries.get_mut(slot);
        let mapping = self.mappings.get(connection.mapping);
        (connection, mapping)
    }

    /// Every entry of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        self.entries.iter().filter(|(_, connection)| connection.is(flag::HASHED))
    }

    /// The entry of a client's packet, templates excepted.
    #[inline(always)] // once a packet that is not known by heart
    pub(super) fn find_request(&self, tuple: &Tuple) -> Option<Slot> {
        if let Some((slot, connection)) = self.likely(tuple.protocol, tuple.src, tuple.sport)
            && self.mapping(connection).virtual_ == (tuple.dst, tuple.dport)
            && !connection.is_template()
        {
            return Some(slot);
        }
        let Tuple { protocol, src, sport, dst, dport } = *tuple;
        self.search_request(protocol, src, sport, dst, dport)
    }

    /// Gets the tuple in parts, so that the caller can keep it in registers.
    #[inline(never)]
    fn search_request(&self, protocol: u8, src: Addr, sport: u16, dst: Addr, dport: u16) -> Option<Slot> {
        let matches = |c: &Connection| self.mapping(c).virtual_ == (dst, dport) && !c.is_template();
        let known = self.search(protocol, src, sport, matches);
        if known.is_some() || self.portless == 0 {
            return known;
        }
        self.search(protocol, src, 0, |c| c.is(flag::NO_CLIENT_PORT) && matches(c))
    }

    /// The entry of a server's packet: masquerading servers answer as themselves, all others as the service.
    #[inline(always)] // once a packet
    pub(super) fn find_reply(&self, tuple: &Tuple) -> Option<Slot> {
        if !self.may_be_reply(tuple) {
            return None;
        }
        if let Some((slot, connection)) = self.likely(tuple.protocol, tuple.dst, tuple.dport)
            && self.answers_as(connection) == (tuple.src, tuple.sport)
            && !connection.is_template()
        {
            return Some(slot);
        }
        let Tuple { protocol, src, sport, dst, dport } = *tuple;
        self.search_reply(protocol, src, sport, dst, dport)
    }

    /// Does any client have a port like the one that the packet goes to?
    #[inline(always)] // once a packet
    pub(super) fn may_be_reply(&self, tuple: &Tuple) -> bool {
        self.by_port[usize::from(tuple.dport >> 8)] != 0
    }

    /// Gets the tuple in parts, so that the caller can keep it in registers.
    #[inline(never)]
    fn search_reply(&self, protocol: u8, src: Addr, sport: u16, dst: Addr, dport: u16) -> Option<Slot> {
        let matches = |c: &Connection| self.answers_as(c) == (src, sport) && !c.is_template();
        self.search(protocol, dst, dport, matches)
    }

    /// The source of the packets of an entry's server.
    #[inline(always)]
    pub(super) fn answers_as(&self, connection: &Connection) -> (Addr, u16) {
        self.mapping(connection).speaker(connection.method())
    }

    /// The template of a client network, those of calls excepted.
    pub(super) fn find_template(&self, protocol: u8, client: Addr, virtual_: (Addr, u16)) -> Option<Slot> {
        self.search(protocol, client, 0, |c| {
            c.is_template() && !c.is(flag::CALL) && self.mapping(c).virtual_ == virtual_
        })
    }

    /// The newest entry under this key, if it is where it mostly is.
    #[inline(always)] // a part of find_request and find_reply
    fn likely(&self, protocol: u8, client: Addr, port: u16) -> Option<(Slot, &Connection)> {
        let slot = Slot::new(self.index.likely(hash(protocol, client, port))?);
        let connection = self.entries.get(slot);
        has_key(connection, protocol, client, port).then_some((slot, connection))
    }

    /// The newest entry under this key that `matches`.
    fn search(
        &self,
        protocol: u8,
        client: Addr,
        port: u16,
        matches: impl Fn(&Connection) -> bool,
    ) -> Option<Slot> {
        let has_key = |value| has_key(self.entries.get(Slot::new(value)), protocol, client, port);
        let (_, newest) = self.index.find(hash(protocol, client, port), has_key)?;
        let mut slot = Slot::new(newest);
        loop {
            let connection = self.entries.get(slot);
            if matches(connection) {
                return Some(slot);
            }
            slot = connection.older.some()?;
        }
    }

    /// Creates an entry; it enters the table unless it lives for one packet only.
    pub(super) fn insert(&mut self, now: Time, new: &NewConnection) -> Slot {
        let mapping = self.mappings.acquire(&new.mapping);
        let slot = self.entries.insert(Connection::new(now, new, mapping));
        if new.flags & flag::ONE_PACKET == 0 {
            self.link(slot, (new.protocol, new.client.0, new.client.1));
        }
        slot
    }

    /// Takes an entry out of the table for good. Nothing may refer to it any more.
    pub(super) fn remove(&mut self, slot: Slot) {
        if self.get(slot).is(flag::HASHED) {
            self.unlink(slot);
        }
        self.mappings.release(self.get(slot).mapping);
        if let Some(announced) = self.announced.get_mut(slot.index()) {
            *announced = Announced::default();
        }
        self.entries.remove(slot);
    }

    /// Gives an entry another mapping.
    pub(super) fn remap(&mut self, slot: Slot, mapping: &Mapping) {
        self.changes();
        let id = self.mappings.acquire(mapping);
        let before = std::mem::replace(&mut self.get_mut(slot).mapping, id);
        self.mappings.release(before);
    }

    /// An FTP data entry learns the client's port with its first packet.
    #[cold]
    pub(super) fn fill_client_port(&mut self, slot: Slot, port: u16) {
        self.unlink(slot);
        let connection = self.get_mut(slot);
        connection.client_port = port;
        connection.flags &= !flag::NO_CLIENT_PORT;
        let (protocol, client) = (connection.protocol, connection.client);
        self.link(slot, (protocol, client, port));
    }

    /// Sets the timer to "now": the entry goes with the next tick, unless others hang on it.
    pub(super) fn expire_now(&mut self, now: Time, slot: Slot, clock: &mut Clock) {
        let connection = self.get_mut(slot);
        if connection.controls == 0 {
            connection.armed = now;
            connection.flags |= flag::DUE;
            connection.set_alarm(slot, clock);
        }
    }

    /// An alarm rang: is the entry's timer really due? If not, the alarm is set again.
    pub(super) fn is_due(&mut self, at: Time, slot: Slot, clock: &mut Clock) -> bool {
        let connection = self.get_mut(slot);
        if connection.alarm != at || !connection.is(flag::HASHED) {
            return false;
        }
        connection.alarm = Time::NEVER;
        if clock.fires(connection.armed, connection.expires()) <= at {
            return true;
        }
        connection.set_alarm(slot, clock);
        false
    }

    /// How many places of the table there are for [`Connections::any`] to choose from: at least as many as in a small
    /// kernel's table, and more than there are entries.
    pub(super) fn places(&self) -> usize {
        (2 * self.entries.len()).next_power_of_two().max(4096)
    }

    /// The entry at a random place, if there is one.
    pub(super) fn any(&self, random: u64) -> Option<Slot> {
        let place = random as usize & (self.places() - 1);
        let slot = Slot::new(place as u32);
        (place < self.entries.len() && self.get(slot).is(flag::HASHED)).then_some(slot)
    }

    /// What backups were told of an entry.
    pub(super) fn announced(&self, slot: Slot) -> Announced {
        self.announced.get(slot.index()).copied().unwrap_or_default()
    }

    /// Backups were told something of an entry.
    pub(super) fn set_announced(&mut self, slot: Slot, announced: Announced) {
        if self.announced.len() <= slot.index() {
            self.announced.resize(slot.index() + 1, Announced::default());
        }
        self.announced[slot.index()] = announced;
    }

    /// Counts what may alter where packets pass: commands, settings, an entry that steps in front of an older one, a
    /// mapping that is no longer.
    #[inline]
    pub(super) fn generation(&self) -> u32 {
        self.mappings.generation
    }

    /// What was found once may have to be looked for again.
    pub(super) fn changes(&mut self) {
        self.mappings.generation = self.mappings.generation.wrapping_add(1);
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.entries.memory()
            + self.mappings.memory()
            + self.index.memory()
            + self.announced.capacity() * size_of::<Announced>()
    }

    /// Puts an entry in front of those with the same key. That is its own: to read it where it has just been written
    /// would mean to wait for its memory.
    fn link(&mut self, slot: Slot, (protocol, client, port): (u8, Addr, u16)) {
        let hash = hash(protocol, client, port);
        let found = self
            .index
            .find(hash, |value| has_key(self.entries.get(Slot::new(value)), protocol, client, port));
        let value = slot.index() as u32;
        let older = match found {
            Some((place, newest)) => {
                self.index.replace(place, value);
                self.changes();
                Slot::new(newest)
            }
            None => {
                self.index.insert(hash, value);
                Slot::NONE
            }
        };
        self.len += 1;
        self.by_port[usize::from(port >> 8)] += 1;
        if self.by_port[usize::from(port >> 8)] == 1 {
            self.changes(); // what could be nobody's reply may be one now
        }
        self.latest = slot;
        let connection = self.get_mut(slot);
        connection.older = older;
        connection.flags |= flag::HASHED;
        self.portless += usize::from(connection.is(flag::NO_CLIENT_PORT));
    }

    fn unlink(&mut self, slot: Slot) {
        let c = self.get(slot);
        let (protocol, client, port, older) = (c.protocol, c.client, c.client_port, c.older);
        let hash = hash(protocol, client, port);
        match (self.index.find(hash, |value| value == slot.index() as u32), older.some()) {
            (Some((place, _)), None) => self.index.remove(place),
            (Some((place, _)), Some(older)) => self.index.replace(place, older.index() as u32),
            (None, _) => self.newer(hash, slot).older = older,
        }
        self.len -= 1;
        self.by_port[usize::from(port >> 8)] -= 1;
        let connection = self.get_mut(slot);
        connection.flags &= !flag::HASHED;
        let is_portless = connection.is(flag::NO_CLIENT_PORT);
        self.portless -= usize::from(is_portless);
    }

    /// The entry before this one in the list of its key.
    fn newer(&mut self, hash: u32, slot: Slot) -> &mut Connection {
        let c = self.get(slot);
        let (protocol, client, port) = (c.protocol, c.client, c.client_port);
        let found = self
            .index
            .find(hash, |value| has_key(self.entries.get(Slot::new(value)), protocol, client, port));
        let (_, newest) = found.expect("what is in the table is in the index or behind what is");
        let mut at = Slot::new(newest);
        while self.get(at).older != slot {
            at = self.get(at).older.some().expect("the list holds all entries of the key");
        }
        self.get_mut(at)
    }
}

/// Is this one of the entries with the key?
#[inline(always)]
pub(super) fn has_key(c: &Connection, protocol: u8, client: Addr, port: u16) -> bool {
    c.client_port == port && c.protocol == protocol && c.client == client
}

/// Two multiplications' worth of mixing; the same on every machine. Clients take ports in turn: two neighbouring ones
/// have their cells side by side, in one cache line, where the next connection finds its own.
#[inline]
pub(super) fn hash(protocol: u8, client: Addr, port: u16) -> u32 {
    let [high, low] = client.words();
    let key = low ^ u64::from(port >> 1) << 48 ^ u64::from(protocol) << 40;
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    (product as u64 ^ (product >> 64) as u64) as u32 ^ u32::from(port & 1)
}

#[cfg(test)]
mod tests {
    use super::super::connection::NO_DESTINATION;
    use super::*;
    use crate::packet::proto;

    fn entry(client: u32, port: u16, real: u32) -> NewConnection {
        NewConnection {
            protocol: proto::TCP,
            client: (Addr::v4(client), port),
            mapping: Mapping {
                virtual_: (Addr::v4(100), 80),
                real: (Addr::v4(real), 80),
                mark: 0,
                destination: NO_DESTINATION,
            },
            flags: flag::ROUTE,
            timeout: 60,
        }
    }

    fn request(client: u32, port: u16) -> Tuple {
        Tuple { protocol: proto::TCP, src: Addr::v4(client), dst: Addr::v4(100), sport: port, dport: 80 }
    }

    #[test]
    fn the_newer_of_two_equal_entries_is_found_also_after_growth() {
        let mut table = Connections::new();
        for client in 0..5_000 {
            table.insert(Time::ZERO, &entry(client, 1000, 1));
            table.insert(Time::ZERO, &entry(client, 1000, 2));
        }
        for client in 0..5_000 {
            let slot = table.find_request(&request(client, 1000)).unwrap();
            assert_eq!(table.mapping(table.get(slot)).real.0, Addr::v4(2));
            table.remove(slot);
            let slot = table.find_request(&request(client, 1000)).unwrap();
            assert_eq!(table.mapping(table.get(slot)).real.0, Addr::v4(1));
        }
        assert_eq!(table.len(), 5_000);
    }

    #[test]
    fn slots_are_reused_last_in_first_out() {
        let mut table = Connections::new();
        let [a, b] = [1, 2].map(|client| table.insert(Time::ZERO, &entry(client, 1, 1)));
        table.remove(a);
        table.remove(b);
        assert_eq!(table.insert(Time::ZERO, &entry(3, 1, 1)), b);
        assert_eq!(table.insert(Time::ZERO, &entry(4, 1, 1)), a);
    }

    #[test]
    fn replies_match_by_the_real_address_only_when_masquerading() {
        let mut table = Connections::new();
        table.insert(Time::ZERO, &entry(1, 1000, 3));
        table.insert(Time::ZERO, &NewConnection { flags: flag::MASQUERADE, ..entry(2, 1000, 3) });
        let reply = |from: u32, client: u32| {
            let tuple = Tuple { src: Addr::v4(from), ..request(client, 1000).reversed() };
            table.find_reply(&tuple).is_some()
        };
        assert!(reply(100, 1) && !reply(3, 1));
        assert!(reply(3, 2) && !reply(100, 2));
    }
}
