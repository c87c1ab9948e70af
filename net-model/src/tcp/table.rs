//! All sockets, and the index from the addresses and ports of a packet to its socket.
//!
//! The index is a table of slot numbers with linear probing. Beside each number stands the key's hash, so that neither a
//! collision nor a removal touches other sockets; the keys live in the sockets themselves.

use super::socket::{Socket, SocketId, State};
use crate::addr::Addr;

/// What identifies a socket: host, TCP or UDP, own and other address and port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The host.
    pub host: u32,
    /// UDP rather than TCP.
    pub udp: bool,
    /// Own address and port.
    pub local: (Addr, u16),
    /// The other end's address and port.
    pub remote: (Addr, u16),
}

/// An entry of the index: slot number + 1 (0 if the entry is free) and the key's hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Entry {
    slot: u32,
    hash: u32,
}

/// All sockets of all hosts.
#[derive(Debug, Default)]
pub struct Sockets {
    slots: Vec<Socket>,
    free: Vec<u32>,
    /// A power of two long, at most half full.
    index: Vec<Entry>,
}

impl Sockets {
    /// Sockets in use.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the sockets and their index occupy.
    pub fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Socket>()
            + self.index.capacity() * size_of::<Entry>()
            + self.free.capacity() * 4
    }

    /// The socket.
    #[inline]
    pub fn get(&self, id: SocketId) -> &Socket {
        &self.slots[id.0 as usize]
    }

    /// The socket, to be changed.
    #[inline]
    pub fn get_mut(&mut self, id: SocketId) -> &mut Socket {
        &mut self.slots[id.0 as usize]
    }

    /// Finds the socket of a packet, looking first at the two slots where it probably is.
    #[inline]
    pub(crate) fn find_likely(&self, key: &Key, likely: [u32; 2]) -> Option<SocketId> {
        for slot in likely {
            if self.slots.get(slot as usize).is_some_and(|socket| is_of(socket, key)) {
                return Some(SocketId(slot));
            }
        }
        self.find(key)
    }

    /// Finds the socket of a packet.
    pub fn find(&self, key: &Key) -> Option<SocketId> {
        if self.index.is_empty() {
            return None;
        }
        let mask = self.index.len() - 1;
        let hash = hash(key);
        let mut at = hash as usize & mask;
        loop {
            let entry = self.index[at];
            if entry.slot == 0 {
                return None;
            }
            if entry.hash == hash && is_of(&self.slots[entry.slot as usize - 1], key) {
                return Some(SocketId(entry.slot - 1));
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a socket whose key is not in use.
    pub fn insert(&mut self, socket: Socket) -> SocketId {
        if (self.len() + 1) * 2 > self.index.len() {
            self.grow();
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = socket;
                slot
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    self.slots.reserve_exact(growth(self.slots.len()));
                }
                self.slots.push(socket);
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 sockets")
            }
        };
        let hash = hash(&key_of(&self.slots[slot as usize]));
        self.enter(Entry { slot: slot + 1, hash });
        SocketId(slot)
    }

    /// Removes a socket.
    pub fn remove(&mut self, id: SocketId) {
        let mask = self.index.len() - 1;
        let mut hole = hash(&key_of(self.get(id))) as usize & mask;
        while self.index[hole].slot != id.0 + 1 {
            hole = (hole + 1) & mask;
        }
        // Close the gap: whoever was pushed past it by a collision moves back.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.index[at];
            if entry.slot == 0 {
                break;
            }
            let home = entry.hash as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = entry;
                hole = at;
            }
        }
        self.index[hole] = Entry::default();
        let socket = self.get_mut(id);
        socket.host = u32::MAX; // nobody's: no packet is for it
        socket.posted = sim_core::Time::NEVER;
        socket.timer_at = sim_core::Time::NEVER;
        socket.ack_at = sim_core::Time::NEVER;
        self.free.push(id.0);
    }

    fn enter(&mut self, entry: Entry) {
        let mask = self.index.len() - 1;
        let mut at = entry.hash as usize & mask;
        while self.index[at].slot != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = entry;
    }

    fn grow(&mut self) {
        let bigger = vec![Entry::default(); (self.index.len() * 2).max(64)];
        let old = std::mem::replace(&mut self.index, bigger);
        for entry in old.into_iter().filter(|entry| entry.slot != 0) {
            self.enter(entry);
        }
    }
}

/// How many more elements a full pool takes. Growing moves everything, so small pools double; of millions of elements
/// the spare room counts, so large ones grow by a quarter.
pub(crate) fn growth(len: usize) -> usize {
    const LARGE: usize = 1 << 16;
    if len < LARGE { len.max(64) } else { len / 4 }
}

/// Is this the socket of the key? The parts that differ most often first.
#[inline]
fn is_of(socket: &Socket, key: &Key) -> bool {
    (socket.rport, socket.lport) == (key.remote.1, key.local.1)
        && socket.remote == key.remote.0
        && socket.local == key.local.0
        && socket.host == key.host
        && (socket.state == State::Udp) == key.udp
}

#[inline]
fn key_of(socket: &Socket) -> Key {
    Key {
        host: socket.host,
        udp: socket.state == State::Udp,
        local: (socket.local, socket.lport),
        remote: (socket.remote, socket.rport),
    }
}

/// Where a key has its place; the same on every machine.
///
/// Clients take ports in turn, and a connection has two ends: both ends of four neighbouring ports of a client have
/// places in one cache line (unless an address is translated between them), so that most of what the next connection
/// needs is in the cache. The host is not part of it: hosts seldom have the same addresses and ports.
#[inline]
fn hash(key: &Key) -> u32 {
    let [a, b] = key.local.0.words();
    let [c, d] = key.remote.0.words();
    let (own, other) = (key.local.1, key.remote.1);
    let ports = u64::from(own ^ other);
    let addresses =
        mix((a ^ c).rotate_left(32) ^ b ^ d ^ 0x9e37_79b9_7f4a_7c15, b.wrapping_add(d) ^ (ports >> 2) << 40);
    let neighbours = mix(addresses, 0xd6e8_feb8_6659_fd93) as u32;
    neighbours << 3 | (ports as u32 & 3) << 1 | u32::from(own > other)
}

#[inline]
fn mix(value: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::super::socket::App;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn socket(n: u16) -> Socket {
        let local = (Addr::v4(0x0a00_0001), n);
        Socket::new(7, local, (Addr::v4(0x0a00_0002), 80), State::Established, App::Orphan)
    }

    proptest! {
        /// The index agrees with a sorted map, whatever comes and goes.
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((0u16..200, any::<bool>()), 1..600)) {
            let mut sockets = Sockets::default();
            let mut model = BTreeMap::new();
            for (port, add) in steps {
                match (add, model.get(&port).copied()) {
                    (true, None) => { model.insert(port, sockets.insert(socket(port))); }
                    (false, Some(id)) => { sockets.remove(id); model.remove(&port); }
                    _ => {}
                }
                prop_assert_eq!(sockets.len(), model.len());
            }
            for port in 0..200 {
                prop_assert_eq!(sockets.find(&key_of(&socket(port))), model.get(&port).copied());
            }
        }
    }
}
