//! `lblc`, locality-based least connection: each destination address keeps its server, unless that is crowded.
//!
//! A cache remembers the server for each destination **address** (made for transparent caches behind a firewall mark).
//! The remembered server is used if it is available, its weight is not 0 and it is not *crowded*: more active
//! connections than its weight, while another server has less than half of its own. Otherwise `wlc` chooses, and the
//! cache learns the answer.
//! * add, edit: nothing; the cache keeps what it knows.
//! * remove: nothing either; entries of a removed server are replaced when next used, and keep it in the trash until then.
//!
//! A cached server's overload flag (`-x`) is **not** looked at. Ties: as in `wlc`, the first in list order.
//! Entries unused for `lblc_expiration` are collected.

use crate::cache::{Cache, endpoint, is_crowded};
use crate::wlc::lightest;
use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};
use sim_core::{Duration, Time};

/// The cache of `lblc`.
#[derive(Clone, Debug)]
pub struct LocalityBased {
    cache: Cache<DestinationId>,
}

impl Scheduler for LocalityBased {
    const HELP: &'static str = "Sends everything for one destination address to one server, to make good use of its \
        cache, until that server is crowded; new and displaced addresses go where wlc says. For clusters of \
        transparent caches behind a firewall mark.";
    const RULE: &'static str =
        "the server remembered for the destination address unless it is crowded, otherwise the smallest load / weight";
    const TIES: &'static str = "on a tie the first in list order wins: the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<LocalityBased, TooMany> {
        Ok(LocalityBased { cache: Cache::new() })
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let (list, formula) = (&cx.list, cx.formula);
        let choose = || lightest(list, |d| formula.load(d));
        match self.cache.get(cx.flow.target, cx.now) {
            Some(cached) if serves(list, *cached) => Some(*cached),
            Some(cached) => {
                *cached = choose()?;
                Some(*cached)
            }
            None => {
                let chosen = choose()?;
                self.cache.insert(cx.flow.target, cx.now, chosen);
                Some(chosen)
            }
        }
    }

    fn collect(&mut self, now: Time, expiration: Duration) {
        self.cache.collect(now, expiration);
    }

    fn refers_to(&self, id: DestinationId) -> bool {
        self.cache.values().any(|&cached| cached == id)
    }

    fn state(&self, cx: &Cx) -> Option<String> {
        let target = cx.flow.target;
        Some(match self.cache.peek(target) {
            None => format!("no server is remembered for {target}"),
            Some(&id) if serves(&cx.list, id) => {
                format!("{} is remembered for {target} and is not crowded", endpoint(&cx.list, id))
            }
            Some(&id) => format!("{} is remembered for {target} but cannot be used", endpoint(&cx.list, id)),
        })
    }

    fn objection(&self, cx: &Cx, id: DestinationId) -> Option<&'static str> {
        let d = cx.list.get(id);
        let remembered = self.cache.peek(cx.flow.target) == Some(&id);
        match (d.weight > 0, d.overloaded, remembered) {
            (false, ..) => Some("quiesced: its weight is 0"),
            (_, true, false) => Some("overloaded: its upper threshold was reached"),
            (true, true, true) | (true, false, _) => None,
        }
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        format!("load {} ({}) / weight {}", cx.formula.load(d), cx.formula.text(), d.weight)
    }
}

/// Can the remembered server be used as it is? Its overload flag does not matter.
fn serves(list: &Destinations, id: DestinationId) -> bool {
    let d = list.get(id);
    d.available && d.weight > 0 && !is_crowded(d, list)
}

#[cfg(test)]
mod tests {
    use crate::DestinationId;
    use crate::testing::Pool;

    #[test]
    fn a_target_keeps_its_server_until_that_is_crowded() {
        let mut pool = Pool::weights(&[2, 2]);
        let mut lblc = pool.bind("lblc", 0);
        assert_eq!(pool.fill(&mut lblc, 3), "2 2 2", "one target, one server");
        assert_eq!(pool.choose(&mut lblc, "1.1.1.1", 1, "8.8.8.8"), Some(0), "another target goes by wlc");
        assert_eq!(pool.run(&mut lblc, 2), "1 1", "3 active > weight 2, and the other has less than half of its own");
    }

    #[test]
    fn a_crowded_server_keeps_the_target_if_nobody_is_half_empty() {
        let mut pool = Pool::weights(&[2, 2]);
        let mut lblc = pool.bind("lblc", 0);
        pool.fill(&mut lblc, 3);
        pool.set(0, |d| d.active = 1);
        assert_eq!(pool.run(&mut lblc, 1), "2");
    }

    #[test]
    fn the_overload_flag_of_a_remembered_server_is_ignored() {
        let mut pool = Pool::weights(&[1, 1]);
        let mut lblc = pool.bind("lblc", 0);
        assert_eq!(pool.run(&mut lblc, 1), "2");
        pool.set(1, |d| d.overloaded = true);
        assert_eq!(pool.run(&mut lblc, 1), "2");
        assert_eq!(pool.choose(&mut lblc, "1.1.1.1", 1, "8.8.8.8"), Some(0), "a new choice skips it");
    }

    #[test]
    fn a_removed_server_is_referred_to_until_it_is_replaced() {
        let mut pool = Pool::weights(&[1, 1]);
        let mut lblc = pool.bind("lblc", 0);
        assert_eq!(pool.run(&mut lblc, 1), "2");
        pool.remove(&mut lblc, 1);
        assert!(lblc.refers_to(DestinationId::new(1)));
        assert_eq!(pool.run(&mut lblc, 1), "1");
        assert!(!lblc.refers_to(DestinationId::new(1)));
    }
}
