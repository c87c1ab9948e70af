//! `lc`, least connection: the server with the fewest connections.
//!
//! The load is 257 · active + inactive (256 on classic kernels): an active connection counts about as much as 256
//! that are closing. The size of the weight is ignored; 0 means quiesced. There is no state: adding, editing and
//! removing servers shows at the next choice. A server that has just been added has load 0, so it receives **every**
//! new connection until it has caught up.
//!
//! Ties: the first in list order, which is the server added last.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// `lc` has no state.
#[derive(Clone, Debug)]
pub struct LeastConnection;

impl Scheduler for LeastConnection {
    const HELP: &'static str = "Gives each new connection to the server with the fewest connections, active ones \
        counting far more than closing ones. For equal servers and connections that differ much in length.";
    const RULE: &'static str = "the smallest load";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<LeastConnection, TooMany> {
        Ok(LeastConnection)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let formula = cx.formula;
        let mut least: Option<(u32, DestinationId)> = None;
        for (id, d) in cx.list.iter() {
            if d.weight == 0 || d.overloaded {
                continue;
            }
            let load = formula.load(d) as u32;
            if least.is_none_or(|(smallest, _)| load < smallest) {
                least = Some((load, id));
            }
        }
        least.map(|(_, id)| id)
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        format!("load {} = {}", cx.formula.load(cx.list.get(id)), cx.formula.text())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_newest_wins_ties_and_weights_do_not_matter() {
        let mut pool = Pool::weights(&[1, 9, 1]);
        let mut lc = pool.bind("lc", 0);
        assert_eq!(pool.fill(&mut lc, 6), "3 2 1 3 2 1");
    }

    #[test]
    fn a_closing_connection_counts_a_little() {
        let mut pool = Pool::weights(&[1, 1]);
        let mut lc = pool.bind("lc", 0);
        pool.set(1, |d| d.inactive = 1);
        assert_eq!(pool.run(&mut lc, 1), "1");
        pool.set(0, |d| d.active = 1);
        pool.set(1, |d| d.inactive = 256);
        assert_eq!(pool.run(&mut lc, 1), "2");
        pool.set(1, |d| d.inactive = 258);
        assert_eq!(pool.run(&mut lc, 1), "1");
    }

    #[test]
    fn weight_zero_and_overload_are_passed_over() {
        let mut pool = Pool::weights(&[1, 0, 1]);
        pool.set(2, |d| d.overloaded = true);
        let mut lc = pool.bind("lc", 0);
        assert_eq!(pool.fill(&mut lc, 2), "1 1");
        pool.set(0, |d| d.weight = 0);
        assert_eq!(pool.run(&mut lc, 1), "-");
    }
}
