//! `sh`, source hashing: the server follows from the client's address.
//!
//! A table of 256 slots, filled by walking the list round and round: each destination takes max(weight, 1)
//! consecutive slots, so a quiesced server keeps one, and with large weights the last of the list may get none. The
//! slot is a multiplicative hash of the client's address, plus its port with flag `sh-port`.
//! * add, remove, edit: the table is filled again, which moves many clients.
//!
//! If the slot's server is quiesced or overloaded the connection is refused; with flag `sh-fallback` other slots are
//! tried, from slot 2h on (not h + 1). Ties do not occur.

use crate::hash::{fold, golden};
use crate::{Cx, DestinationId, Destinations, Flow, Scheduler, TooMany};

const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const FALLBACK: u8 = 1;
const PORT: u8 = 2;

/// The table of `sh`.
#[derive(Clone, Debug)]
pub struct SourceHashing {
    flags: u8,
    slots: Vec<Option<DestinationId>>,
}

impl Scheduler for SourceHashing {
    const HELP: &'static str = "Chooses by a hash of the client's address, so that a client always meets the same \
        server without any state. Weights count up to 256 in total. Every change of the list moves many clients; mh \
        moves few. With sh-port the client's port is hashed too; with sh-fallback an unusable server is replaced \
        instead of refusing the connection.";
    const RULE: &'static str = "the server in the hash slot of the client's address";
    const TIES: &'static str = "there are no ties: one slot, one server; without sh-fallback an unusable one refuses";
    const FLAGS: &'static [(&'static str, u8)] = &[("sh-fallback", FALLBACK), ("sh-port", PORT)];

    fn bind(flags: u8, list: &Destinations) -> Result<SourceHashing, TooMany> {
        let mut sh = SourceHashing { flags, slots: vec![None; SLOTS] };
        sh.fill(list);
        Ok(sh)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let usable = |&id: &DestinationId| cx.list.get(id).available && cx.list.get(id).is_usable();
        let h = self.slot(&cx.flow);
        let owner = self.slots[h]?;
        if usable(&owner) {
            return Some(owner);
        }
        if self.flags & FALLBACK == 0 {
            return None;
        }
        let probes = (0..SLOTS).map(|k| ((k + h) % SLOTS + h) % SLOTS);
        probes.filter_map(|slot| self.slots[slot]).find(usable)
    }

    fn added(&mut self, list: &Destinations, _id: DestinationId) {
        self.fill(list);
    }

    fn updated(&mut self, list: &Destinations, _id: DestinationId) {
        self.fill(list);
    }

    fn removed(&mut self, after: &Destinations, _id: DestinationId, _predecessor: Option<DestinationId>) {
        self.fill(after);
    }

    fn refers_to(&self, id: DestinationId) -> bool {
        self.slots.contains(&Some(id))
    }

    fn state(&self, cx: &Cx) -> Option<String> {
        let port = if self.flags & PORT == 0 { "" } else { " with its port" };
        Some(format!("client {}{port} has slot {} of {SLOTS}", cx.flow.client, self.slot(&cx.flow)))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let count = self.slots.iter().filter(|&&owner| owner == Some(id)).count();
        let owner = if self.slots[self.slot(&cx.flow)] == Some(id) { ", this one among them" } else { "" };
        format!("{count} slots{owner}")
    }
}

impl SourceHashing {
    fn slot(&self, flow: &Flow) -> usize {
        let port = if self.flags & PORT == 0 { 0 } else { u32::from(flow.client_port) };
        golden(fold(flow.client).wrapping_add(port), BITS)
    }

    fn fill(&mut self, list: &Destinations) {
        let runs = list.iter().flat_map(|(id, d)| std::iter::repeat_n(id, d.weight.max(1) as usize));
        let mut owners = runs.cycle();
        self.slots.fill_with(|| owners.next());
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;
    use crate::{AnyScheduler, DestinationId};

    const FALLBACK: u8 = super::FALLBACK;
    const PORT: u8 = super::PORT;

    fn client(pool: &mut Pool, sh: &mut AnyScheduler, client: &str, port: u16) -> Option<usize> {
        pool.choose(sh, client, port, "10.9.0.100")
    }

    #[test]
    fn slots_are_dealt_by_weight_in_list_order() {
        let mut pool = Pool::weights(&[1, 2, 3]);
        let AnyScheduler::SourceHashing(sh) = pool.bind("sh", 0) else { panic!("sh is sh") };
        let first: Vec<usize> = sh.slots.iter().take(12).flatten().map(|id| id.index() + 1).collect();
        assert_eq!(first, [3, 3, 3, 2, 2, 1, 3, 3, 3, 2, 2, 1]);
        let mut sh = AnyScheduler::SourceHashing(sh);
        assert_eq!(client(&mut pool, &mut sh, "192.168.1.1", 0), Some(1), "slot 136");
        assert_eq!(client(&mut pool, &mut sh, "8.8.8.8", 0), Some(2), "slot 188");
    }

    #[test]
    fn the_port_counts_only_with_its_flag() {
        let mut pool = Pool::weights(&[1, 1]);
        let (mut plain, mut ports) = (pool.bind("sh", 0), pool.bind("sh", PORT));
        // 192.168.1.7 alone has slot 211, with port 40000 slot 119; odd slots are the second in list order.
        assert_eq!(client(&mut pool, &mut plain, "192.168.1.7", 40_000), Some(0));
        let distinct = |pool: &mut Pool, sh: &mut AnyScheduler| {
            let mut chosen: Vec<_> = (0..50).map(|port| client(pool, sh, "192.168.1.7", port)).collect();
            chosen.sort_unstable();
            chosen.dedup();
            chosen.len()
        };
        assert_eq!((distinct(&mut pool, &mut plain), distinct(&mut pool, &mut ports)), (1, 2));
    }

    #[test]
    fn large_weights_leave_no_slot_for_the_last() {
        let pool = Pool::weights(&[100, 300]);
        let sh = pool.bind("sh", 0);
        assert!(sh.refers_to(DestinationId::new(1)));
        assert!(!sh.refers_to(DestinationId::new(0)));
    }

    #[test]
    fn a_quiesced_server_refuses_unless_fallback_is_on() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        // 8.8.8.8 has slot 188 = 2 mod 3: the third in list order. Probing begins at 376 mod 256 = 120 = 0 mod 3.
        pool.set(0, |d| d.weight = 0);
        let (mut plain, mut fallback) = (pool.bind("sh", 0), pool.bind("sh", FALLBACK));
        assert_eq!(client(&mut pool, &mut plain, "8.8.8.8", 0), None);
        assert_eq!(client(&mut pool, &mut fallback, "8.8.8.8", 0), Some(2));
        pool.set(1, |d| d.weight = 0);
        pool.set(2, |d| d.overloaded = true);
        assert_eq!(client(&mut pool, &mut fallback, "8.8.8.8", 0), None, "all 256 probes fail");
    }
}
