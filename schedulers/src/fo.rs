//! `fo`, weighted fail-over: the usable server of the highest weight takes everything.
//!
//! Load plays no role. Setting the favourite's weight to 0, or its reaching its upper threshold, hands all new
//! connections to the next one. There is no state: adding, editing and removing shows at the next choice.
//!
//! Ties: the first in list order, which is the server added last.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// `fo` has no state.
#[derive(Clone, Debug)]
pub struct FailOver;

impl Scheduler for FailOver {
    const HELP: &'static str = "Gives every new connection to the available server of the highest weight. For a \
        primary with stand-bys rather than for sharing load.";
    const RULE: &'static str = "the highest weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<FailOver, TooMany> {
        Ok(FailOver)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let mut best = None;
        let mut highest = 0;
        for (id, d) in cx.list.iter() {
            if d.weight > highest && !d.overloaded {
                (best, highest) = (Some(id), d.weight);
            }
        }
        best
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        format!("weight {}", cx.list.get(id).weight)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_heaviest_takes_all_until_it_fails() {
        let mut pool = Pool::weights(&[10, 30, 20]);
        let mut fo = pool.bind("fo", 0);
        assert_eq!(pool.fill(&mut fo, 3), "2 2 2");
        pool.edit(&mut fo, 1, 0);
        assert_eq!(pool.fill(&mut fo, 2), "3 3");
        pool.set(2, |d| d.overloaded = true);
        assert_eq!(pool.fill(&mut fo, 2), "1 1");
        pool.edit(&mut fo, 0, 0);
        assert_eq!(pool.run(&mut fo, 1), "-");
    }

    #[test]
    fn the_newest_wins_ties() {
        let mut pool = Pool::weights(&[5, 5, 5]);
        let mut fo = pool.bind("fo", 0);
        assert_eq!(pool.run(&mut fo, 2), "3 3");
    }
}
