//! `wlc`, weighted least connection: the smallest load per weight. The kernel's default.
//!
//! The load is 257 · active + inactive (256 on classic kernels). Loads are compared without division: a server is
//! better than the best so far if load(best) · weight > load · weight(best). There is no state.
//!
//! Ties: the first in list order, which is the server added last. A server without any connection cannot be beaten,
//! whatever its weight: in an idle cluster everything goes to the newest server.

use crate::{Cx, Destination, DestinationId, Destinations, Scheduler, TooMany};

/// `wlc` has no state.
#[derive(Clone, Debug)]
pub struct WeightedLeastConnection;

impl Scheduler for WeightedLeastConnection {
    const HELP: &'static str = "Gives each new connection to the server with the fewest connections in relation to \
        its weight. The default: right for servers of unequal strength and connections that differ much in length.";
    const RULE: &'static str = "the smallest load / weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<WeightedLeastConnection, TooMany> {
        Ok(WeightedLeastConnection)
    }

    #[inline]
    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let formula = cx.formula;
        lightest(&cx.list, |d| formula.load(d))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        format!("load {} ({}) / weight {}", cx.formula.load(d), cx.formula.text(), d.weight)
    }
}

/// The first usable destination of smallest `cost` per weight, by 64-bit cross products.
#[inline]
pub(crate) fn lightest(list: &Destinations, cost: impl Fn(&Destination) -> i32) -> Option<DestinationId> {
    let mut rest = list.iter();
    let (mut best, first) = rest.find(|(_, d)| d.is_usable())?;
    let (mut best_cost, mut best_weight) = (i64::from(cost(first)), i64::from(first.weight));
    for (id, d) in rest {
        let (cost, weight) = (i64::from(cost(d)), i64::from(d.weight));
        if best_cost * weight > cost * best_weight && !d.overloaded {
            (best, best_cost, best_weight) = (id, cost, weight);
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn equal_weights_take_turns_from_the_newest() {
        let mut pool = Pool::weights(&[1, 1, 1]);
        let mut wlc = pool.bind("wlc", 0);
        assert_eq!(pool.fill(&mut wlc, 6), "3 2 1 3 2 1");
    }

    #[test]
    fn connections_follow_the_weights() {
        let mut pool = Pool::weights(&[3, 1]);
        let mut wlc = pool.bind("wlc", 0);
        pool.fill(&mut wlc, 40);
        assert_eq!((pool.get(0).active, pool.get(1).active), (30, 10));
    }

    #[test]
    fn an_idle_server_cannot_be_beaten_by_weight() {
        let mut pool = Pool::weights(&[100, 1]);
        let mut wlc = pool.bind("wlc", 0);
        assert_eq!(pool.run(&mut wlc, 3), "2 2 2");
    }

    #[test]
    fn weight_zero_and_overload_are_passed_over_wherever_they_stand() {
        for (weights, overloaded) in [([1, 1, 0], 1), ([1, 0, 1], 2)] {
            let mut pool = Pool::weights(&weights);
            pool.set(overloaded, |d| d.overloaded = true);
            pool.set(0, |d| d.active = 1000);
            let mut wlc = pool.bind("wlc", 0);
            assert_eq!(pool.run(&mut wlc, 2), "1 1");
        }
    }

    #[test]
    fn the_account_shows_what_was_compared() {
        let mut pool = Pool::weights(&[2, 0]);
        pool.set(0, |d| d.active = 3);
        let wlc = pool.bind("wlc", 0);
        let expected = "wlc: the smallest load / weight
  #1 weight 0, active 0, inactive 0: load 0 (257 · active + inactive) / weight 0 (quiesced: its weight is 0)
  #0 weight 2, active 3, inactive 0: load 771 (257 · active + inactive) / weight 2
  on a tie the first in list order wins: the server added last";
        assert_eq!(pool.account(&wlc), expected);
    }
}
