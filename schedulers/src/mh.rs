//! `mh`, Maglev hashing: source hashing that moves few clients when the list changes.
//!
//! Every server has a permutation of the 4093 slots (a start and a step, both hashed from its own address and port).
//! In turn, each takes its next free slot, or several in a row according to its weight, until all are taken. The slot
//! of a client is a hash of its address (and port with flag `mh-port`).
//! * add, remove, edit: the table is built again, but most slots come out as before.
//! * weights: the **last** weight that was not 0 counts, so quiescing a server leaves the table as it is.
//!
//! If the slot's server is quiesced or overloaded the connection is refused; with flag `mh-fallback` further hashes
//! are tried. Ties do not occur. Hashes are those of 64-bit kernels.

use crate::hash::fold;
use crate::wrr::gcd;
use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};
use std::net::IpAddr;

/// The number of slots, a prime; a choice at compile time that distributions leave at this value.
pub const SLOTS: usize = 4093;
const START_KEY: u64 = 2_654_435_761;
const STEP_KEY: u64 = 2_654_446_892;
const FALLBACK: u8 = 1;
const PORT: u8 = 2;

/// The table of `mh`.
#[derive(Clone, Debug)]
pub struct MaglevHashing {
    flags: u8,
    slots: Vec<Option<DestinationId>>,
}

/// A server while the table is being built.
struct Turn {
    id: DestinationId,
    position: usize,
    step: usize,
    turns: u32,
}

impl Scheduler for MaglevHashing {
    const HELP: &'static str = "Chooses by a hash of the client's address with Google's Maglev table: as even as sh, \
        but a server that comes or goes moves few clients of the others, and several directors agree without sharing \
        state. With mh-port the client's port is hashed too; with mh-fallback an unusable server is replaced instead \
        of refusing the connection.";
    const RULE: &'static str = "the server in the Maglev slot of the client's address";
    const TIES: &'static str = "there are no ties: one slot, one server; without mh-fallback an unusable one refuses";
    const FLAGS: &'static [(&'static str, u8)] = &[("mh-fallback", FALLBACK), ("mh-port", PORT)];
    const CAPACITY: usize = SLOTS;

    fn bind(flags: u8, list: &Destinations) -> Result<MaglevHashing, TooMany> {
        if list.order.len() > SLOTS {
            return Err(TooMany { limit: SLOTS });
        }
        let mut mh = MaglevHashing { flags, slots: vec![None; SLOTS] };
        mh.build(list);
        Ok(mh)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let usable = |&id: &DestinationId| cx.list.get(id).available && cx.list.get(id).is_usable();
        let h = self.slot(cx, 0);
        let owner = self.slots[h]?;
        if usable(&owner) {
            return Some(owner);
        }
        if self.flags & FALLBACK == 0 {
            return None;
        }
        let probes = (0..SLOTS).map(|k| self.slot(cx, ((k + h) % SLOTS) as u32));
        // An empty slot means an empty table, and ends the search.
        probes.map_while(|slot| self.slots[slot]).find(usable)
    }

    fn added(&mut self, list: &Destinations, _id: DestinationId) {
        self.build(list);
    }

    fn updated(&mut self, list: &Destinations, _id: DestinationId) {
        self.build(list);
    }

    fn removed(&mut self, after: &Destinations, _id: DestinationId, _predecessor: Option<DestinationId>) {
        self.build(after);
    }

    fn refers_to(&self, id: DestinationId) -> bool {
        self.slots.contains(&Some(id))
    }

    fn state(&self, cx: &Cx) -> Option<String> {
        let port = if self.flags & PORT == 0 { "" } else { " with its port" };
        Some(format!("client {}{port} has slot {} of {SLOTS}", cx.flow.client, self.slot(cx, 0)))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let count = self.slots.iter().filter(|&&owner| owner == Some(id)).count();
        let owner = if self.slots[self.slot(cx, 0)] == Some(id) { ", this one among them" } else { "" };
        format!("{count} slots{owner}")
    }
}

impl MaglevHashing {
    fn slot(&self, cx: &Cx, offset: u32) -> usize {
        let port = if self.flags & PORT == 0 { 0 } else { cx.flow.client_port };
        hash(key(cx.flow.client, port, offset), START_KEY) as usize % SLOTS
    }

    fn build(&mut self, list: &Destinations) {
        self.slots.fill(None);
        let positive = list.iter().map(|(_, d)| d.last_weight).filter(|&w| w > 0);
        let (Some(divisor), Some(largest)) = (positive.clone().reduce(gcd), positive.max()) else { return };
        let shift = (i32::BITS - (largest / divisor).leading_zeros()).saturating_sub(6);
        let mut servers: Vec<Turn> = list
            .iter()
            .filter(|(_, d)| d.last_weight > 0)
            .map(|(id, d)| {
                let key = key(d.addr, d.port, 0);
                let position = hash(key, START_KEY) as usize % SLOTS;
                let step = hash(key, STEP_KEY) as usize % (SLOTS - 1) + 1;
                let turns = (((d.last_weight / divisor) >> shift) as u32).max(1);
                Turn { id, position, step, turns }
            })
            .collect();
        let mut free = SLOTS;
        loop {
            for server in &mut servers {
                for _ in 0..server.turns {
                    while self.slots[server.position].is_some() {
                        server.position = (server.position + server.step) % SLOTS;
                    }
                    self.slots[server.position] = Some(server.id);
                    free -= 1;
                    if free == 0 {
                        return;
                    }
                }
            }
        }
    }
}

fn key(addr: IpAddr, port: u16, offset: u32) -> u32 {
    fold(addr).wrapping_add(u32::from(port)).wrapping_add(offset)
}

/// SipHash with one compression and three finalisation rounds of four bytes, under the key (`key`, `key`), low 32 bits.
fn hash(value: u32, key: u64) -> u32 {
    const INITIAL: [u64; 4] =
        [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut v = INITIAL.map(|word| word ^ key);
    let block = 4 << 56 | u64::from(value);
    v[3] ^= block;
    sip_round(&mut v);
    v[0] ^= block;
    v[2] ^= 0xff;
    for _ in 0..3 {
        sip_round(&mut v);
    }
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

fn sip_round(v: &mut [u64; 4]) {
    let mix = |v: &mut [u64; 4], a: usize, b: usize, turn: u32| {
        v[a] = v[a].wrapping_add(v[b]);
        v[b] = v[b].rotate_left(turn) ^ v[a];
    };
    mix(v, 0, 1, 13);
    mix(v, 2, 3, 16);
    v[0] = v[0].rotate_left(32);
    mix(v, 0, 3, 21);
    mix(v, 2, 1, 17);
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnyScheduler;
    use crate::testing::Pool;

    fn shares(pool: &Pool) -> Vec<usize> {
        let AnyScheduler::MaglevHashing(mh) = pool.bind("mh", 0) else { panic!("mh is mh") };
        let owned = |id| mh.slots.iter().filter(|&&owner| owner == Some(id)).count();
        (0..3).map(|i| owned(DestinationId::new(i))).collect()
    }

    #[test]
    fn hashes_of_servers_and_clients() {
        let server = |text: &str| key(text.parse().unwrap(), 80, 0);
        let expected = [
            ("10.0.0.3", 0x2cdf_0afa, 1631, 0xedeb_33d0_u32, 3453),
            ("10.0.0.4", 0xe366_bfaf, 2801, 0x522e_d62b, 1796),
            ("10.0.0.5", 0x383d_87a8, 1323, 0xb100_6a5f, 1420),
        ];
        for (addr, first, start, second, step) in expected {
            assert_eq!(hash(server(addr), START_KEY), first);
            assert_eq!(first as usize % SLOTS, start);
            assert_eq!(hash(server(addr), STEP_KEY), second);
            assert_eq!(second as usize % (SLOTS - 1) + 1, step);
        }
        let client = |text: &str, port| hash(key(text.parse().unwrap(), port, 0), START_KEY);
        assert_eq!(client("192.168.1.1", 0), 0xd3f1_b4d3);
        assert_eq!(client("8.8.8.8", 0), 0x3251_70ec);
        assert_eq!(client("192.168.1.1", 40_000) as usize % SLOTS, 3629);
    }

    #[test]
    fn slots_follow_the_weights() {
        assert_eq!(shares(&Pool::weights(&[1, 1, 1])), [1364, 1364, 1365]);
        assert_eq!(shares(&Pool::weights(&[100, 50, 7])), [2609, 1325, 159]);
    }

    #[test]
    fn clients_find_their_servers() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut mh = pool.bind("mh", 0);
        let mut choose = |client| pool.choose(&mut mh, client, 1, "10.9.0.100").unwrap() + 3;
        assert_eq!((choose("192.168.1.1"), choose("192.168.1.2"), choose("8.8.8.8")), (5, 3, 4));
    }

    #[test]
    fn quiescing_changes_no_slot() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut mh = pool.bind("mh", 0);
        let mut fallback = pool.bind("mh", FALLBACK);
        pool.edit(&mut mh, 2, 0);
        assert_eq!(pool.choose(&mut mh, "192.168.1.1", 1, "10.9.0.100"), None);
        assert_eq!(pool.choose(&mut mh, "192.168.1.2", 1, "10.9.0.100"), Some(0));
        assert!(pool.choose(&mut fallback, "192.168.1.1", 1, "10.9.0.100").is_some_and(|i| i != 2));
    }

    #[test]
    fn more_servers_than_slots_are_refused() {
        let pool = Pool::weights(&vec![1; SLOTS + 1]);
        let refused = AnyScheduler::new("mh", 0, &pool.list()).unwrap();
        assert_eq!(refused.unwrap_err(), TooMany { limit: SLOTS });
    }
}
