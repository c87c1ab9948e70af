//! `lblcr`, locality-based least connection with replication: each destination address has a *set* of servers.
//!
//! Within the set the smallest load per weight serves (as `wlc`, in set order, newest member first). If that server is
//! *crowded* (as in `lblc`) or none is usable, `wlc` chooses from the whole service and the choice joins the set at its
//! front. A set of several that has not changed for `lblcr_expiration` loses its most loaded member — which may
//! be the very one just chosen; it still serves this once.
//! * add, edit, remove: nothing; members that left the list are unavailable until their sets forget them.
//!
//! Ties: in the set its newest member, in the service the first in list order. Sets unused for `lblcr_expiration` are
//! collected.

use crate::cache::{Cache, endpoint, is_crowded};
use crate::wlc::lightest;
use crate::{Cx, DestinationId, Destinations, LoadFormula, Scheduler, TooMany};
use sim_core::{Duration, Time};

/// The cache of `lblcr`.
#[derive(Clone, Debug)]
pub struct Replicated {
    cache: Cache<Replicas>,
}

/// The servers of one destination address, newest member first.
#[derive(Clone, Debug)]
struct Replicas {
    members: Vec<DestinationId>,
    modified: Time,
}

impl Scheduler for Replicated {
    const HELP: &'static str = "Like lblc, but a destination address in demand gets a set of servers that grows while \
        they are crowded and shrinks again when things calm down. For clusters of transparent caches with popular \
        targets.";
    const RULE: &'static str = "the smallest load / weight within the set remembered for the destination address \
        unless that is crowded, otherwise within the whole service";
    const TIES: &'static str =
        "on a tie the newest member of the set wins, in the whole service the server added last";

    fn bind(_flags: u8, _list: &Destinations) -> Result<Replicated, TooMany> {
        Ok(Replicated { cache: Cache::new() })
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let (list, formula, now) = (&cx.list, cx.formula, cx.now);
        let choose = || lightest(list, |d| formula.load(d));
        let Some(set) = self.cache.get(cx.flow.target, now) else {
            let chosen = choose()?;
            self.cache.insert(cx.flow.target, now, Replicas { members: vec![chosen], modified: now });
            return Some(chosen);
        };
        let least = set.least(list, formula);
        if set.members.len() > 1 && now > set.modified + cx.expiration {
            set.drop_most_loaded(list, formula, now);
        }
        if let Some(id) = least.filter(|&id| !is_crowded(list.get(id), list)) {
            return Some(id);
        }
        let chosen = choose()?;
        if !set.members.contains(&chosen) {
            set.members.insert(0, chosen);
            set.modified = now;
        }
        Some(chosen)
    }

    fn collect(&mut self, now: Time, expiration: Duration) {
        self.cache.collect(now, expiration);
    }

    fn refers_to(&self, id: DestinationId) -> bool {
        self.cache.values().any(|set| set.members.contains(&id))
    }

    fn state(&self, cx: &Cx) -> Option<String> {
        let target = cx.flow.target;
        Some(match self.cache.peek(target) {
            None => format!("no set of servers is remembered for {target}"),
            Some(set) => {
                let members: Vec<String> = set.members.iter().map(|&id| endpoint(&cx.list, id)).collect();
                format!("the set of {target}, newest member first: {}", members.join(", "))
            }
        })
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        let member = self.cache.peek(cx.flow.target).is_some_and(|set| set.members.contains(&id));
        let role = if member { "in the set, " } else { "" };
        format!("{role}load {} ({}) / weight {}", cx.formula.load(d), cx.formula.text(), d.weight)
    }
}

impl Replicas {
    /// The usable member of smallest load per weight, first in set order on a tie.
    fn least(&self, list: &Destinations, formula: LoadFormula) -> Option<DestinationId> {
        let usable = |&id: &DestinationId| list.get(id).is_usable() && list.get(id).available;
        let mut rest = self.members.iter().copied().skip_while(|id| !usable(id));
        let first = rest.next()?;
        Some(rest.filter(|&id| !list.get(id).overloaded && list.get(id).available).fold(first, |best, id| {
            let (a, b) = per_weight(list, formula, best, id);
            if a > b { id } else { best }
        }))
    }

    /// Removes the member of largest load per weight, overloaded and removed ones included.
    fn drop_most_loaded(&mut self, list: &Destinations, formula: LoadFormula, now: Time) {
        let weighty = self.members.iter().copied().filter(|&id| list.get(id).weight > 0);
        let most = weighty.reduce(|most, id| {
            let (a, b) = per_weight(list, formula, most, id);
            if a < b { id } else { most }
        });
        if let Some(most) = most {
            self.members.retain(|&id| id != most);
            self.modified = now;
        }
    }
}

/// Two servers' loads per weight, over a common denominator.
fn per_weight(list: &Destinations, formula: LoadFormula, a: DestinationId, b: DestinationId) -> (i64, i64) {
    let (a, b) = (list.get(a), list.get(b));
    let product = |load, weight| i64::from(load) * i64::from(weight);
    (product(formula.load(a), b.weight), product(formula.load(b), a.weight))
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;
    use crate::{DestinationId, Duration, Time};

    #[test]
    fn a_crowded_set_grows_and_serves_its_least_loaded() {
        let mut pool = Pool::weights(&[2, 2]);
        let mut lblcr = pool.bind("lblcr", 0);
        assert_eq!(pool.fill(&mut lblcr, 6), "2 2 2 1 1 1");
        assert_eq!(pool.fill(&mut lblcr, 2), "1 2", "equal: the newest member, then the other");
        assert!(lblcr.refers_to(DestinationId::new(0)) && lblcr.refers_to(DestinationId::new(1)));
    }

    #[test]
    fn a_set_left_alone_loses_its_most_loaded_member() {
        let mut pool = Pool::weights(&[2, 2]);
        let mut lblcr = pool.bind("lblcr", 0);
        assert_eq!(pool.fill(&mut lblcr, 4), "2 2 2 1");
        let day = Duration::from_secs(86_400);
        pool.now = Time::ZERO + day;
        assert_eq!(pool.run(&mut lblcr, 1), "1");
        assert!(lblcr.refers_to(DestinationId::new(1)), "a day has not passed yet");
        pool.now += Duration::from_nanos(1);
        assert_eq!(pool.run(&mut lblcr, 1), "1");
        assert!(!lblcr.refers_to(DestinationId::new(1)));
    }

    #[test]
    fn an_overloaded_member_is_passed_over() {
        let mut pool = Pool::weights(&[1, 1]);
        let mut lblcr = pool.bind("lblcr", 0);
        assert_eq!(pool.run(&mut lblcr, 1), "2");
        pool.set(1, |d| d.overloaded = true);
        assert_eq!(pool.run(&mut lblcr, 1), "1");
    }
}
