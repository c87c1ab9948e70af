//! The connection table (`/proc/net/ip_vs_conn`).
//!
//! Entries are found by (protocol, client address, client port); of two that match the newer wins. An entry is two
//! cache lines; its slot is reused last in, first out.

use super::clock::{Alarm, Clock};
use super::connection::{Connection, NewConnection, Slot, Tuple, flag};
use super::index::Index;
use crate::addr::Addr;
use sim_core::{Duration, Time};

/// The table.
#[derive(Debug)]
pub(super) struct Connections {
    entries: Vec<Connection>,
    free: Vec<u32>,
    index: Index,
    /// Entries whose client port is not known.
    portless: usize,
    /// Entries by the upper half of their client port. Clients' packets go to low ports and come from high ones: that
    /// one is nobody's reply is mostly seen here.
    by_port: [u32; 256],
}

impl Connections {
    pub(super) fn new() -> Connections {
        Connections {
            entries: Vec::new(),
            free: Vec::new(),
            index: Index::new(),
            portless: 0,
            by_port: [0; 256],
        }
    }

    /// Entries in the table.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Connection {
        &self.entries[slot.index()]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.entries[slot.index()]
    }

    /// Every entry of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        let slots = (0u32..).map(Slot::new);
        slots.zip(&self.entries).filter(|(_, connection)| connection.is(flag::HASHED))
    }

    /// The entry of a client's packet, templates excepted.
    #[inline(always)] // once a packet
    pub(super) fn find_request(&self, tuple: &Tuple) -> Option<Slot> {
        let matches = |c: &Connection, client_port: u16| {
            c.client_port == client_port
                && c.virtual_port == tuple.dport
                && c.protocol == tuple.protocol
                && c.client == tuple.src
                && c.virtual_ == tuple.dst
                && !c.is_template()
        };
        let known = self.find(tuple.protocol, tuple.src, tuple.sport, |c| matches(c, tuple.sport));
        if known.is_some() || self.portless == 0 {
            return known;
        }
        self.find(tuple.protocol, tuple.src, 0, |c| c.is(flag::NO_CLIENT_PORT) && matches(c, 0))
    }

    /// The entry of a server's packet: masquerading servers answer as themselves, all others as the service.
    #[inline(always)] // once a packet
    pub(super) fn find_reply(&self, tuple: &Tuple) -> Option<Slot> {
        if self.by_port[usize::from(tuple.dport >> 8)] == 0 {
            return None;
        }
        self.find(tuple.protocol, tuple.dst, tuple.dport, |c| {
            let from = if c.method() == flag::MASQUERADE {
                (c.real, c.real_port)
            } else {
                (c.virtual_, c.virtual_port)
            };
            c.client_port == tuple.dport
                && from.1 == tuple.sport
                && c.protocol == tuple.protocol
                && c.client == tuple.dst
                && from.0 == tuple.src
                && !c.is_template()
        })
    }

    /// The template of a client network, those of calls excepted.
    pub(super) fn find_template(&self, protocol: u8, client: Addr, virtual_: (Addr, u16)) -> Option<Slot> {
        self.find(protocol, client, 0, |c| {
            c.is_template()
                && !c.is(flag::CALL)
                && c.protocol == protocol
                && c.client == client
                && (c.virtual_, c.virtual_port) == virtual_
        })
    }

    /// The newest entry under this key that `matches`.
    #[inline(always)] // a part of find_request and find_reply
    fn find(
        &self,
        protocol: u8,
        client: Addr,
        port: u16,
        matches: impl Fn(&Connection) -> bool,
    ) -> Option<Slot> {
        self.index.find(hash(protocol, client, port), |at| matches(&self.entries[at as usize])).map(Slot::new)
    }

    /// Creates an entry; it enters the table unless it lives for one packet only.
    pub(super) fn insert(&mut self, now: Time, new: &NewConnection) -> Slot {
        let connection = Connection::new(now, new);
        let slot = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = connection;
                Slot::new(index)
            }
            None => {
                if self.entries.len() == self.entries.capacity() {
                    self.entries.reserve_exact(crate::tcp::table::growth(self.entries.len()));
                }
                self.entries.push(connection);
                Slot::new(self.entries.len() as u32 - 1)
            }
        };
        if new.flags & flag::ONE_PACKET == 0 {
            self.link(slot);
        }
        slot
    }

    /// Takes an entry out of the table for good. Nothing may refer to it any more.
    pub(super) fn remove(&mut self, slot: Slot) {
        if self.get(slot).is(flag::HASHED) {
            self.unlink(slot);
        }
        self.free.push(slot.index() as u32);
    }

    /// An FTP data entry learns the client's port with its first packet.
    pub(super) fn fill_client_port(&mut self, slot: Slot, port: u16) {
        self.unlink(slot);
        let connection = self.get_mut(slot);
        connection.client_port = port;
        connection.flags &= !flag::NO_CLIENT_PORT;
        self.link(slot);
    }

    /// Sets the timer to the entry's timeout from now on.
    #[inline]
    pub(super) fn rearm(&mut self, now: Time, slot: Slot, clock: &mut Clock) {
        let connection = &mut self.entries[slot.index()];
        connection.armed = now;
        connection.expires = now + Duration::from_secs(u64::from(connection.timeout));
        if connection.expires < connection.alarm {
            connection.set_alarm(slot, clock);
        }
    }

    /// Sets the timer to "now": the entry goes with the next tick, unless others hang on it.
    pub(super) fn expire_now(&mut self, now: Time, slot: Slot, clock: &mut Clock) {
        let connection = self.get_mut(slot);
        if connection.controls == 0 {
            connection.armed = now;
            connection.expires = now;
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
        if clock.fires(connection.armed, connection.expires) <= at {
            return true;
        }
        connection.set_alarm(slot, clock);
        false
    }

    /// How many places of the table there are for [`Connections::any`] to choose from.
    pub(super) fn places(&self) -> usize {
        self.index.cells()
    }

    /// The entry at a random place, if there is one.
    pub(super) fn any(&self, random: u64) -> Option<Slot> {
        self.index.cell(random).map(Slot::new)
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Connection>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.memory()
    }

    fn link(&mut self, slot: Slot) {
        self.index.insert(self.hash_of(slot), slot.index() as u32);
        let connection = self.get_mut(slot);
        connection.flags |= flag::HASHED;
        let (is_portless, port) = (connection.is(flag::NO_CLIENT_PORT), connection.client_port);
        self.portless += usize::from(is_portless);
        self.by_port[usize::from(port >> 8)] += 1;
    }

    fn unlink(&mut self, slot: Slot) {
        self.index.remove(self.hash_of(slot), slot.index() as u32);
        let connection = self.get_mut(slot);
        connection.flags &= !flag::HASHED;
        let (is_portless, port) = (connection.is(flag::NO_CLIENT_PORT), connection.client_port);
        self.portless -= usize::from(is_portless);
        self.by_port[usize::from(port >> 8)] -= 1;
    }

    fn hash_of(&self, slot: Slot) -> u32 {
        let c = self.get(slot);
        hash(c.protocol, c.client, c.client_port)
    }
}

impl Connection {
    /// Sets the alarm for when the timer fires, unless an earlier one is set.
    fn set_alarm(&mut self, slot: Slot, clock: &mut Clock) {
        let at = clock.fires(self.armed, self.expires);
        if at < self.alarm {
            self.alarm = at;
            clock.post(at, Alarm::Connection(slot));
        }
    }
}

/// Two multiplications' worth of mixing; the same on every machine. Clients take ports in turn: four neighbouring
/// ones have their cells side by side, in one cache line, where the next connection finds its own.
#[inline]
fn hash(protocol: u8, client: Addr, port: u16) -> u32 {
    let [high, low] = client.words();
    let key = low ^ u64::from(port >> 2) << 48 ^ u64::from(protocol) << 40;
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    (product as u64 ^ (product >> 64) as u64) as u32 & !3 | u32::from(port) & 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::proto;

    fn entry(client: u32, port: u16, real: u32) -> NewConnection {
        NewConnection {
            protocol: proto::TCP,
            client: (Addr::v4(client), port),
            virtual_: (Addr::v4(100), 80),
            real: (Addr::v4(real), 80),
            flags: flag::ROUTE,
            mark: 0,
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
            assert_eq!(table.get(slot).real, Addr::v4(2));
            table.remove(slot);
            let slot = table.find_request(&request(client, 1000)).unwrap();
            assert_eq!(table.get(slot).real, Addr::v4(1));
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
