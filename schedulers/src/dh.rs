//! `dh`, destination hashing: the server follows from the packet's destination address.
//!
//! A table of 256 slots; slot k holds element k mod n of the list, in list order. The slot is a multiplicative hash of
//! the **destination** address, so everything for one target goes to one server: made for transparent caches, behind
//! a firewall mark that covers many addresses (one virtual address alone always hits the same server).
//! * add, remove: the table is filled again, which moves most targets.
//! * edit: nothing. Weights play no role, and a quiesced server keeps its slots.
//!
//! If the slot's server is quiesced or overloaded the connection is **refused**: there is no second try. Ties do not
//! occur.

use crate::hash::{fold, golden};
use crate::{Cx, DestinationId, Destinations, Flow, Scheduler, TooMany};

const BITS: u32 = 8;

/// The table of `dh`.
#[derive(Clone, Debug)]
pub struct DestinationHashing {
    slots: Vec<Option<DestinationId>>,
}

impl Scheduler for DestinationHashing {
    const HELP: &'static str = "Chooses by a hash of the destination address, so that each target always meets the \
        same server. For clusters of transparent caches behind a firewall mark. If that server cannot take the \
        connection, it is refused.";
    const RULE: &'static str = "the server in the hash slot of the packet's destination address";
    const TIES: &'static str = "there are no ties: one slot, one server; if it is unusable the connection is refused";

    fn bind(_flags: u8, list: &Destinations) -> Result<DestinationHashing, TooMany> {
        let mut dh = DestinationHashing { slots: vec![None; 1 << BITS] };
        dh.fill(list);
        Ok(dh)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        self.slots[slot(&cx.flow)].filter(|&id| cx.list.get(id).available && cx.list.get(id).is_usable())
    }

    fn added(&mut self, list: &Destinations, _id: DestinationId) {
        self.fill(list);
    }

    fn removed(&mut self, after: &Destinations, _id: DestinationId, _predecessor: Option<DestinationId>) {
        self.fill(after);
    }

    fn refers_to(&self, id: DestinationId) -> bool {
        self.slots.contains(&Some(id))
    }

    fn state(&self, cx: &Cx) -> Option<String> {
        Some(format!("target {} has slot {} of {}", cx.flow.target, slot(&cx.flow), self.slots.len()))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let count = self.slots.iter().filter(|&&owner| owner == Some(id)).count();
        let owner = if self.slots[slot(&cx.flow)] == Some(id) { ", this one among them" } else { "" };
        format!("{count} slots{owner}")
    }
}

impl DestinationHashing {
    fn fill(&mut self, list: &Destinations) {
        let n = list.order.len();
        for (k, slot) in self.slots.iter_mut().enumerate() {
            *slot = if n == 0 { None } else { Some(list.order[k % n]) };
        }
    }
}

fn slot(flow: &Flow) -> usize {
    golden(fold(flow.target), BITS)
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_target_decides_and_the_client_does_not() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut dh = pool.bind("dh", 0);
        // 8.8.8.8 has slot 188 = 2 mod 3, the third in list order; 192.168.1.1 slot 136 = 1 mod 3.
        assert_eq!(pool.choose(&mut dh, "1.1.1.1", 1, "8.8.8.8"), Some(0));
        assert_eq!(pool.choose(&mut dh, "9.9.9.9", 2, "8.8.8.8"), Some(0));
        assert_eq!(pool.choose(&mut dh, "1.1.1.1", 1, "192.168.1.1"), Some(1));
    }

    #[test]
    fn an_unusable_server_refuses_and_keeps_its_slots() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut dh = pool.bind("dh", 0);
        pool.edit(&mut dh, 0, 0);
        assert_eq!(pool.choose(&mut dh, "1.1.1.1", 1, "8.8.8.8"), None);
        pool.edit(&mut dh, 0, 9);
        assert_eq!(pool.choose(&mut dh, "1.1.1.1", 1, "8.8.8.8"), Some(0));
        pool.remove(&mut dh, 0);
        assert_eq!(pool.choose(&mut dh, "1.1.1.1", 1, "8.8.8.8"), Some(2), "188 mod 2 = 0: the head");
    }
}
