//! `ovf`, weighted overflow: fill the heaviest server, then the next.
//!
//! Here the weight is a capacity in active connections. Among the usable destinations with active ≤ weight the one of
//! the highest weight is chosen. The test is made before the new connection counts, so a server fills up to
//! weight + 1. If all are full, the connection is refused. There is no state.
//!
//! Ties: the first in list order, which is the server added last.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// `ovf` has no state.
#[derive(Clone, Debug)]
pub struct Overflow;

impl Scheduler for Overflow {
    const HELP: &'static str = "Gives new connections to the server of the highest weight until it has more active \
        connections than its weight, then to the next. Keeps spare servers idle until they are needed; UDP, which \
        has no active connections, never overflows.";
    const RULE: &'static str = "the highest weight among the servers with active ≤ weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<Overflow, TooMany> {
        Ok(Overflow)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let mut best = None;
        let mut highest = 0;
        for (id, d) in cx.list.iter() {
            if d.weight > highest && d.active <= d.weight && !d.overloaded {
                (best, highest) = (Some(id), d.weight);
            }
        }
        best
    }

    fn objection(&self, cx: &Cx, id: DestinationId) -> Option<&'static str> {
        let d = cx.list.get(id);
        match (d.weight, d.overloaded) {
            (0, _) => Some("quiesced: its weight is 0"),
            (_, true) => Some("overloaded: its upper threshold was reached"),
            _ if d.active > d.weight => Some("full: more active connections than its weight"),
            _ => None,
        }
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        let relation = if d.active <= d.weight { "≤" } else { ">" };
        format!("active {} {relation} weight {}", d.active, d.weight)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn a_server_fills_up_to_weight_plus_one() {
        let mut pool = Pool::weights(&[1, 2]);
        let mut ovf = pool.bind("ovf", 0);
        assert_eq!(pool.fill(&mut ovf, 6), "2 2 2 1 1 -");
    }

    #[test]
    fn the_newest_wins_ties_and_unusable_servers_are_passed_over() {
        let mut pool = Pool::weights(&[3, 3, 0, 9]);
        pool.set(3, |d| d.overloaded = true);
        let mut ovf = pool.bind("ovf", 0);
        assert_eq!(pool.fill(&mut ovf, 5), "2 2 2 2 1");
    }
}
