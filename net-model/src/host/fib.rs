//! Routing tables and rules: which route does a destination take?
//!
//! `ip rule` walks its rules by preference; in each table the longest prefix wins, then the lowest metric, then the
//! older route. Tables are sorted vectors, for a host has a handful of routes; a small cache in front of the walk
//! remembers the last answers (`route.rs`).

use super::interface::{InterfaceId, Scope};
use super::table::Table;
use crate::addr::{Addr, Prefix};

/// `table local`: addresses of the host itself and broadcast addresses.
pub const TABLE_LOCAL: u32 = 255;
/// `table main`: where `ip route add` puts a route.
pub const TABLE_MAIN: u32 = 254;
/// `table default`: empty.
pub const TABLE_DEFAULT: u32 = 253;

/// What a route does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RouteKind {
    /// Send it on, to a gateway or directly.
    #[default]
    Unicast,
    /// Deliver it on this host.
    Local,
    /// It is for everybody on the link.
    Broadcast,
    /// Drop it silently.
    Blackhole,
    /// Refuse it: host unreachable.
    Unreachable,
    /// Refuse it: administratively prohibited.
    Prohibit,
    /// Leave this table and go on with the next rule.
    Throw,
}

/// One way of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// The gateway; none if destinations are on the link.
    pub via: Option<Addr>,
    /// The outgoing interface.
    pub dev: InterfaceId,
    /// Share of the flows, from 1.
    pub weight: u32,
}

/// A route to add or delete: `ip route add [KIND] PREFIX [via GATEWAY] [dev DEV] [src SOURCE] [metric M] [mtu N] …`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteSpec {
    /// The table, [`TABLE_MAIN`] by default; the kinds local and broadcast go to [`TABLE_LOCAL`].
    pub table: u32,
    /// What it does.
    pub kind: RouteKind,
    /// For which destinations.
    pub prefix: Prefix,
    /// The gateway.
    pub via: Option<Addr>,
    /// The outgoing interface; found through the gateway if not given.
    pub dev: Option<InterfaceId>,
    /// Preferred source address of the host's own packets.
    pub src: Option<Addr>,
    /// The lower the better.
    pub metric: u32,
    /// The `mtu` attribute, 0 for none.
    pub mtu: u32,
    /// By default link for direct routes, host for local ones, else global.
    pub scope: Option<Scope>,
    /// `nexthop via … dev … weight …`: several ways; empty for an ordinary route.
    pub multipath: Vec<NextHop>,
}

impl RouteSpec {
    /// A route to `prefix` in table main, still without a way.
    pub fn to(prefix: Prefix) -> RouteSpec {
        RouteSpec {
            table: TABLE_MAIN,
            kind: RouteKind::Unicast,
            prefix,
            via: None,
            dev: None,
            src: None,
            metric: 0,
            mtu: 0,
            scope: None,
            multipath: Vec::new(),
        }
    }

    /// The same through a gateway.
    #[must_use]
    pub fn via(mut self, gateway: Addr) -> RouteSpec {
        self.via = Some(gateway);
        self
    }

    /// The same through an interface.
    #[must_use]
    pub fn dev(mut self, dev: InterfaceId) -> RouteSpec {
        self.dev = Some(dev);
        self
    }

    /// The same with a preferred source.
    #[must_use]
    pub fn src(mut self, source: Addr) -> RouteSpec {
        self.src = Some(source);
        self
    }

    /// The same as another kind; local and broadcast routes move to table local.
    #[must_use]
    pub fn kind(mut self, kind: RouteKind) -> RouteSpec {
        self.kind = kind;
        if matches!(kind, RouteKind::Local | RouteKind::Broadcast) && self.table == TABLE_MAIN {
            self.table = TABLE_LOCAL;
        }
        self
    }

    /// The same in another table.
    #[must_use]
    pub fn table(mut self, table: u32) -> RouteSpec {
        self.table = table;
        self
    }

    /// The same with a metric.
    #[must_use]
    pub fn metric(mut self, metric: u32) -> RouteSpec {
        self.metric = metric;
        self
    }
}

/// A route in a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteEntry {
    /// What it does.
    pub kind: RouteKind,
    /// For which destinations.
    pub prefix: Prefix,
    /// The ways; empty for routes that send nothing anywhere.
    pub hops: Vec<NextHop>,
    /// Preferred source address.
    pub src: Option<Addr>,
    /// The lower the better.
    pub metric: u32,
    /// The `mtu` attribute, 0 for none.
    pub mtu: u32,
    /// How far the destination is.
    pub scope: Scope,
    /// Did the kernel make it (`proto kernel`), with an address?
    pub by_kernel: bool,
}

/// A rule: `ip rule add [fwmark M/MASK] [from P] [to P] [iif DEV] lookup TABLE [pref N]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Rules are tried by rising preference.
    pub preference: u32,
    /// Matches packets whose mark, under the mask, is this: (value, mask).
    pub mark: Option<(u32, u32)>,
    /// Matches packets from there.
    pub from: Option<Prefix>,
    /// Matches packets to there.
    pub to: Option<Prefix>,
    /// Matches packets that came in there.
    pub iif: Option<InterfaceId>,
    /// The table to look into.
    pub table: u32,
}

impl Rule {
    /// A rule for every packet.
    pub const fn lookup(preference: u32, table: u32) -> Rule {
        Rule { preference, mark: None, from: None, to: None, iif: None, table }
    }

    fn matches(&self, key: &Key) -> bool {
        self.mark.is_none_or(|(value, mask)| key.mark & mask == value)
            && self.from.is_none_or(|p| key.src.is_some_and(|src| p.contains(src)))
            && self.to.is_none_or(|p| p.contains(key.dst))
            && self.iif.is_none_or(|iif| key.iif == Some(iif))
    }
}

/// What a look-up asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The destination.
    pub dst: Addr,
    /// The source, where it is known.
    pub src: Option<Addr>,
    /// The firewall mark.
    pub mark: u32,
    /// The interface on which the packet came in.
    pub iif: Option<InterfaceId>,
}

impl Key {
    /// A look-up for a destination alone.
    pub const fn to(dst: Addr) -> Key {
        Key { dst, src: None, mark: 0, iif: None }
    }
}

/// Where a route is, until a route comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) table: usize,
    pub(super) at: usize,
}

/// The rules of a fresh host.
const FIRST_RULES: [Rule; 3] =
    [Rule::lookup(0, TABLE_LOCAL), Rule::lookup(32766, TABLE_MAIN), Rule::lookup(32767, TABLE_DEFAULT)];

/// The tables and rules of a host.
#[derive(Clone, Debug)]
pub struct Fib {
    tables: Vec<Table>,
    rules: Vec<Rule>,
    /// Are the rules other than the three every host starts with?
    pub(super) has_custom_rules: bool,
    /// Has an administrator added a route of kind local?
    pub(super) has_user_local_routes: bool,
    /// Does the answer depend on the destination and the mark alone?
    pub(super) is_cacheable: bool,
}

impl Fib {
    /// The empty tables and three rules of a fresh host.
    pub fn new() -> Fib {
        let tables = [TABLE_LOCAL, TABLE_MAIN].map(Table::new);
        Fib {
            tables: tables.to_vec(),
            rules: FIRST_RULES.to_vec(),
            has_custom_rules: false,
            has_user_local_routes: false,
            is_cacheable: true,
        }
    }

    /// The tables that exist.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table of this number, if it exists.
    pub fn table(&self, id: u32) -> Option<&Table> {
        self.tables.iter().find(|t| t.id() == id)
    }

    /// The rules by preference.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Walks the rules: the route, or none. Kinds other than throw are answers.
    pub fn lookup(&self, key: &Key) -> Option<&RouteEntry> {
        self.find(key).map(|place| self.entry(place))
    }

    /// Where that route is.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Option<Place> {
        let matching = self.rules.iter().filter(|rule| rule.matches(key));
        let mut answers = matching.filter_map(|rule| {
            let table = self.tables.iter().position(|table| table.id() == rule.table)?;
            Some(Place { table, at: self.tables[table].find(key.dst)? })
        });
        answers.find(|place| self.entry(*place).kind != RouteKind::Throw)
    }

    /// The route at a place.
    #[inline]
    pub(super) fn entry(&self, place: Place) -> &RouteEntry {
        &self.tables[place.table].routes()[place.at]
    }

    /// Puts a route behind those of the same prefix and metric. No check whether it exists.
    pub(super) fn insert(&mut self, table: u32, entry: RouteEntry) {
        let at = self.tables.iter().position(|t| t.id() == table).unwrap_or_else(|| {
            self.tables.push(Table::new(table));
            self.tables.len() - 1
        });
        self.tables[at].insert(entry);
    }

    /// Removes the first route of a table for which `which` holds.
    pub(super) fn remove_first(
        &mut self,
        table: u32,
        which: impl Fn(&RouteEntry) -> bool,
    ) -> Option<RouteEntry> {
        self.tables.iter_mut().find(|t| t.id() == table)?.remove_first(which)
    }

    /// Removes the routes of all tables for which `which` holds; it may also change their ways.
    pub(super) fn remove_all(&mut self, mut which: impl FnMut(&mut RouteEntry) -> bool) {
        self.tables.iter_mut().for_each(|table| table.remove_all(&mut which));
    }

    /// Adds a rule behind those of the same preference.
    pub(super) fn insert_rule(&mut self, rule: Rule) {
        let at = self.rules.partition_point(|r| r.preference <= rule.preference);
        self.rules.insert(at, rule);
        self.rules_changed();
    }

    /// Removes the first rule for which `which` holds; was there one?
    pub(super) fn remove_rule(&mut self, which: impl Fn(&Rule) -> bool) -> bool {
        let Some(at) = self.rules.iter().position(which) else { return false };
        self.rules.remove(at);
        self.rules_changed();
        true
    }

    /// Notes whether an administrator's local routes exist.
    pub(super) fn note_user_local_routes(&mut self) {
        let mut all = self.tables.iter().flat_map(Table::routes);
        self.has_user_local_routes = all.any(|r| r.kind == RouteKind::Local && !r.by_kernel);
    }

    fn rules_changed(&mut self) {
        self.has_custom_rules = self.rules != FIRST_RULES;
        self.is_cacheable = self.rules.iter().all(|r| r.from.is_none() && r.iif.is_none());
    }
}

impl Default for Fib {
    fn default() -> Fib {
        Fib::new()
    }
}
