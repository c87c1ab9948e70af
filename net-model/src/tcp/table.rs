//! All sockets, and the index from the addresses and ports of a packet to its socket.
//!
//! The index is a table of slot numbers with linear probing; keys live in the sockets themselves, so that an open
//! connection costs four to eight bytes here.

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

/// All sockets of all hosts.
#[derive(Debug, Default)]
pub struct Sockets {
    slots: Vec<Socket>,
    free: Vec<u32>,
    /// Slot number + 1, or 0; a power of two long.
    index: Vec<u32>,
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
        self.slots.capacity() * size_of::<Socket>() + (self.index.capacity() + self.free.capacity()) * 4
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

    /// Finds the socket of a packet.
    #[inline]
    pub fn find(&self, key: &Key) -> Option<SocketId> {
        if self.index.is_empty() {
            return None;
        }
        let mask = self.index.len() - 1;
        let mut at = hash(key) & mask;
        loop {
            match self.index[at] {
                0 => return None,
                entry if key_of(&self.slots[entry as usize - 1]) == *key => return Some(SocketId(entry - 1)),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a socket whose key is not in use.
    pub fn insert(&mut self, socket: Socket) -> SocketId {
        if (self.len() + 1) * 4 > self.index.len() * 3 {
            self.grow();
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = socket;
                slot
            }
            None => {
                self.slots.push(socket);
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 sockets")
            }
        };
        self.enter(slot);
        SocketId(slot)
    }

    /// Removes a socket.
    pub fn remove(&mut self, id: SocketId) {
        let mask = self.index.len() - 1;
        let mut hole = hash(&key_of(self.get(id))) & mask;
        while self.index[hole] != id.0 + 1 {
            hole = (hole + 1) & mask;
        }
        // Close the gap: whoever was pushed past it by a collision moves back.
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.index[at];
            if entry == 0 {
                break;
            }
            let home = hash(&key_of(&self.slots[entry as usize - 1])) & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = entry;
                hole = at;
            }
        }
        self.index[hole] = 0;
        let socket = self.get_mut(id);
        socket.posted = sim_core::Time::NEVER;
        socket.timer_at = sim_core::Time::NEVER;
        socket.ack_at = sim_core::Time::NEVER;
        self.free.push(id.0);
    }

    fn enter(&mut self, slot: u32) {
        let mask = self.index.len() - 1;
        let mut at = hash(&key_of(&self.slots[slot as usize])) & mask;
        while self.index[at] != 0 {
            at = (at + 1) & mask;
        }
        self.index[at] = slot + 1;
    }

    fn grow(&mut self) {
        let bigger = vec![0; (self.index.len() * 2).max(64)];
        let old = std::mem::replace(&mut self.index, bigger);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            self.enter(entry - 1);
        }
    }
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

/// Mixes all parts of a key; multiply and fold.
#[inline]
fn hash(key: &Key) -> usize {
    let [a, b] = key.local.0.words();
    let [c, d] = key.remote.0.words();
    let ports = u64::from(key.local.1) << 32
        | u64::from(key.remote.1) << 48
        | u64::from(key.host) << 1
        | u64::from(key.udp);
    let first = mix(a.rotate_left(32) ^ b ^ ports, 0x9e37_79b9_7f4a_7c15);
    mix(first ^ c.rotate_left(17) ^ d, 0xd6e8_feb8_6659_fd93) as usize
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
