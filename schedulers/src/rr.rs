//! `rr`, round robin: every server in turn, whatever its weight or load.
//!
//! State: a pointer to the destination chosen last, at first the head of the list. A choice walks once round the
//! list from the element after the pointer and takes the first usable destination, so the pointed one comes last.
//! * add: the pointer stays; the new server stands at the head and is met when the walk wraps round.
//! * edit: nothing; a weight only says whether a server is used at all.
//! * remove: if the pointed destination goes, the pointer moves to its predecessor (or the head), so that nobody
//!   is skipped.
//!
//! Ties do not occur. If no destination is usable, the pointer stays.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// The state of `rr`.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    /// Where in the list the destination chosen last stands; none for the head.
    last: Option<usize>,
}

impl Scheduler for RoundRobin {
    const HELP: &'static str = "Gives each new connection to the next server in the list. Fair when connections cost \
        about the same and the servers are equally strong; weights other than 0 are ignored.";
    const RULE: &'static str =
        "the first usable server after the one chosen last, going round the list in list order (newest first)";
    const TIES: &'static str = "there are no ties: the position in the list decides";

    fn bind(_flags: u8, _list: &Destinations) -> Result<RoundRobin, TooMany> {
        Ok(RoundRobin { last: None })
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let order = cx.list.order;
        let start = self.last.map_or(0, |last| last + 1);
        let usable = |&at: &usize| cx.list.get(order[at]).is_usable();
        let at = (start..order.len()).chain(0..start).find(usable)?;
        self.last = Some(at);
        Some(order[at])
    }

    fn added(&mut self, list: &Destinations, id: DestinationId) {
        let at = list.position(id);
        if let Some(last) = &mut self.last
            && *last >= at
        {
            *last += 1;
        }
    }

    fn removed(&mut self, after: &Destinations, _id: DestinationId, predecessor: Option<DestinationId>) {
        let at = predecessor.map_or(0, |before| after.position(before) + 1);
        if let Some(last) = self.last
            && last >= at
        {
            self.last = last.checked_sub(1);
        }
    }

    fn state(&self, _cx: &Cx) -> Option<String> {
        Some(match self.last {
            Some(at) => format!("the server chosen last stands at place {} of the list", at + 1),
            None => "the walk starts at the head of the list".to_string(),
        })
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let n = cx.list.order.len();
        let start = self.last.map_or(0, |last| last + 1);
        format!("visited as number {} of the walk", (cx.list.position(id) + n - start % n) % n + 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_newest_server_is_first() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut rr = pool.bind("rr", 0);
        assert_eq!(pool.run(&mut rr, 7), "3 2 1 3 2 1 3");
    }

    #[test]
    fn weight_zero_and_overload_are_passed_over() {
        let mut pool = Pool::weights(&[1, 0, 1, 1]);
        pool.set(2, |d| d.overloaded = true);
        let mut rr = pool.bind("rr", 0);
        assert_eq!(pool.run(&mut rr, 4), "4 1 4 1");
    }

    #[test]
    fn a_new_server_waits_for_the_walk_to_wrap() {
        let mut pool = Pool::weights(&[1, 1]);
        let mut rr = pool.bind("rr", 0);
        assert_eq!(pool.run(&mut rr, 1), "2");
        pool.add(&mut rr, 1);
        assert_eq!(pool.run(&mut rr, 4), "1 3 2 1");
    }

    #[test]
    fn removing_the_server_chosen_last_skips_nobody() {
        let mut pool = Pool::weights(&[1, 1, 1, 1]);
        let mut rr = pool.bind("rr", 0);
        assert_eq!(pool.run(&mut rr, 2), "4 3");
        pool.remove(&mut rr, 2);
        assert_eq!(pool.run(&mut rr, 3), "2 1 4");
        pool.remove(&mut rr, 3);
        assert_eq!(pool.run(&mut rr, 2), "2 1", "the head was removed: the walk starts there again");
    }

    #[test]
    fn without_a_usable_server_the_pointer_stays() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut rr = pool.bind("rr", 0);
        assert_eq!(pool.run(&mut rr, 1), "3");
        for i in 0..3 {
            pool.edit(&mut rr, i, 0);
        }
        assert_eq!(pool.run(&mut rr, 2), "- -");
        for i in 0..3 {
            pool.edit(&mut rr, i, 1);
        }
        assert_eq!(pool.run(&mut rr, 2), "2 1");
    }
}
