//! `nq`, never queue: an idle server at once, otherwise as `sed`.
//!
//! A walk of the list in list order takes the **first** usable destination without active connections — the first,
//! not the heaviest. If all are busy, the smallest (active + 1) / weight wins, by cross products. There is no state.
//!
//! Ties: the first in list order, which is the server added last.

use crate::{Cx, Destination, DestinationId, Destinations, Scheduler, TooMany};

/// `nq` has no state.
#[derive(Clone, Debug)]
pub struct NeverQueue;

impl Scheduler for NeverQueue {
    const HELP: &'static str = "Gives a new connection to an idle server if there is one, even a weak one, and to the \
        shortest expected delay otherwise. Repairs sed's habit of letting weak servers idle.";
    const RULE: &'static str =
        "the first server in list order without active connections; if none, the smallest (active + 1) / weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<NeverQueue, TooMany> {
        Ok(NeverQueue)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let delay = |d: &Destination| i64::from(d.active.wrapping_add(1));
        let mut best: Option<(DestinationId, i64, i64)> = None;
        for (id, d) in cx.list.iter() {
            if d.overloaded || d.weight == 0 {
                continue;
            }
            if d.active == 0 {
                return Some(id);
            }
            let (cost, weight) = (delay(d), i64::from(d.weight));
            if best.is_none_or(|(_, best_cost, best_weight)| best_cost * weight > cost * best_weight) {
                best = Some((id, cost, weight));
            }
        }
        best.map(|(id, ..)| id)
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        match d.active {
            0 => "idle".to_string(),
            active => format!("active {active} + 1 / weight {}", d.weight),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn idle_servers_first_in_list_order_then_by_delay() {
        let mut pool = Pool::weights(&[5, 1, 2]);
        let mut nq = pool.bind("nq", 0);
        assert_eq!(pool.fill(&mut nq, 3), "3 2 1");
        assert_eq!(pool.fill(&mut nq, 5), "1 1 1 3 1");
    }

    #[test]
    fn weight_zero_and_overload_are_passed_over() {
        let mut pool = Pool::weights(&[1, 0, 1]);
        pool.set(2, |d| d.overloaded = true);
        let mut nq = pool.bind("nq", 0);
        assert_eq!(pool.fill(&mut nq, 2), "1 1");
    }
}
