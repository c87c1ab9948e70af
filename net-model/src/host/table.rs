//! One routing table: the longest prefix wins, then the lowest metric, then the older route.
//!
//! A host has a handful of routes, and a director for a thousand virtual addresses has a thousand of one length: a
//! sorted vector with one run of routes for each length serves both.

use super::fib::RouteEntry;
use crate::addr::Addr;

/// A routing table.
#[derive(Clone, Debug)]
pub struct Table {
    id: u32,
    /// By falling prefix length, then address, then metric, then age.
    routes: Vec<RouteEntry>,
    /// The last 64 bits of the network address of each route (all of them for IPv4), close together for the look-up.
    networks: Vec<u64>,
    /// Runs of routes of one family and prefix length.
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    is_v4: bool,
    len: u8,
    start: usize,
    end: usize,
}

/// Up to this many addresses a walk is faster than a binary search.
const WALKED: usize = 8;

impl Table {
    pub(super) fn new(id: u32) -> Table {
        Table { id, routes: Vec::new(), networks: Vec::new(), runs: Vec::new() }
    }

    /// The number of the table.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The routes, longest prefixes first.
    pub fn routes(&self) -> &[RouteEntry] {
        &self.routes
    }

    /// The route of the longest prefix around `dst`.
    #[inline]
    pub fn lookup(&self, dst: Addr) -> Option<&RouteEntry> {
        self.find(dst).map(|at| &self.routes[at])
    }

    /// Where that route is in the table.
    #[inline]
    pub(super) fn find(&self, dst: Addr) -> Option<usize> {
        let is_v4 = dst.is_v4();
        self.runs.iter().filter(|run| run.is_v4 == is_v4).find_map(|run| {
            let wanted = dst.masked(run.len);
            let [_, low] = wanted.words();
            let networks = &self.networks[run.start..run.end];
            let at = match is_v4 {
                true if networks.len() <= WALKED => networks.iter().position(|network| *network == low)?,
                true => networks.partition_point(|network| *network < low),
                false => self.routes[run.start..run.end].partition_point(|r| r.prefix.addr() < wanted),
            };
            let at = run.start + at;
            (at < run.end && self.routes[at].prefix.addr() == wanted).then_some(at)
        })
    }

    /// Puts a route behind those of the same prefix and metric.
    pub(super) fn insert(&mut self, entry: RouteEntry) {
        let rank = |r: &RouteEntry| (u8::MAX - r.prefix.len(), r.prefix.addr(), r.metric);
        let at = self.routes.partition_point(|r| rank(r) <= rank(&entry));
        self.routes.insert(at, entry);
        self.reindex();
    }

    /// Removes the first route for which `which` holds.
    pub(super) fn remove_first(&mut self, which: impl Fn(&RouteEntry) -> bool) -> Option<RouteEntry> {
        let at = self.routes.iter().position(which)?;
        let removed = self.routes.remove(at);
        self.reindex();
        Some(removed)
    }

    /// Removes the routes for which `which` holds; it may also change their ways.
    pub(super) fn remove_all(&mut self, mut which: impl FnMut(&mut RouteEntry) -> bool) {
        self.routes.retain_mut(|r| !which(r));
        self.reindex();
    }

    /// Rebuilds what the look-up uses; after every change of the routes.
    fn reindex(&mut self) {
        self.networks = self.routes.iter().map(|route| route.prefix.addr().words()[1]).collect();
        self.runs.clear();
        for (at, route) in self.routes.iter().enumerate() {
            let (is_v4, len) = (route.prefix.addr().is_v4(), route.prefix.len());
            match self.runs.last_mut() {
                Some(run) if run.is_v4 == is_v4 && run.len == len => run.end = at + 1,
                _ => self.runs.push(Run { is_v4, len, start: at, end: at + 1 }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fib::RouteKind;
    use super::super::interface::Scope;
    use super::*;
    use crate::addr::Prefix;
    use proptest::prelude::*;

    fn route(prefix: Prefix, metric: u32) -> RouteEntry {
        RouteEntry {
            kind: RouteKind::Blackhole,
            prefix,
            hops: Vec::new(),
            src: None,
            metric,
            mtu: 0,
            scope: Scope::Global,
            by_kernel: false,
        }
    }

    fn addresses() -> impl Strategy<Value = Addr> {
        prop_oneof![
            (0u32..64).prop_map(|n| Addr::v4(n << 26 | n)),
            (0u128..64).prop_map(|n| Addr::v6(n << 122 | n << 60 | n)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The look-up finds what a walk over all routes finds.
        #[test]
        fn longest_prefix_then_lowest_metric(
            prefixes in prop::collection::vec((addresses(), 0u8..=128, 0u32..3), 0..60),
            dst in addresses(),
        ) {
            let mut table = Table::new(254);
            for (addr, len, metric) in prefixes {
                table.insert(route(Prefix::new(addr, len), metric));
            }
            let around = table.routes().iter().filter(|r| r.prefix.contains(dst));
            let best = around.min_by_key(|r| (u8::MAX - r.prefix.len(), r.metric));
            let found = table.lookup(dst);
            prop_assert_eq!(found.map(|r| (r.prefix, r.metric)), best.map(|r| (r.prefix, r.metric)));
        }
    }
}
