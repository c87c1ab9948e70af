//! `sed`, shortest expected delay: the smallest (active + 1) / weight.
//!
//! The expected delay of the new connection, if a server of weight w works w times as fast: it would have active + 1
//! connections to serve. Closing connections do not count. Compared by cross products, as in `wlc`. Unlike `wlc` it
//! prefers the strong server in an idle cluster; a weak one may get nothing while load is low. There is no state.
//!
//! Ties: the first in list order, which is the server added last.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany, wlc::lightest};

/// `sed` has no state.
#[derive(Clone, Debug)]
pub struct ShortestExpectedDelay;

impl Scheduler for ShortestExpectedDelay {
    const HELP: &'static str = "Gives each new connection to the server on which it should finish first: the fewest \
        active connections, itself included, in relation to the weight. Prefers strong servers when load is low.";
    const RULE: &'static str = "the smallest (active + 1) / weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<ShortestExpectedDelay, TooMany> {
        Ok(ShortestExpectedDelay)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        lightest(&cx.list, |d| d.active.wrapping_add(1))
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        format!("active {} + 1 / weight {}", d.active, d.weight)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_strong_server_takes_the_first_connections() {
        let mut pool = Pool::weights(&[3, 1]);
        let mut sed = pool.bind("sed", 0);
        // 1/3, 2/3, then 3/3 against 1/1: the newest wins the tie.
        assert_eq!(pool.fill(&mut sed, 4), "1 1 2 1");
    }

    #[test]
    fn closing_connections_do_not_count() {
        let mut pool = Pool::weights(&[1, 1]);
        pool.set(1, |d| d.inactive = 1_000_000);
        let mut sed = pool.bind("sed", 0);
        assert_eq!(pool.run(&mut sed, 1), "2");
    }
}
