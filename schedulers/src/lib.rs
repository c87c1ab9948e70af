//! The IPVS schedulers as pure logic: destinations and a flow in, a destination out.
//!
//! A virtual service owns one [`AnyScheduler`]. For each new connection the director shows it the destinations with
//! their live counters ([`Cx`]) and asks [`Scheduler::schedule`]; whenever the list changes it reports what happened
//! ([`Scheduler::added`], [`Scheduler::updated`], [`Scheduler::removed`]), because some schedulers keep a pointer, a
//! table or a cache. Each scheduler is one file a student can read on its own; the table at the end of this file is
//! their registry. Behaviour follows Linux 6.1, including the order in which ties are broken: new destinations go to
//! the head of the list, and the first best in list order wins.

mod account;
mod cache;
mod destination;
pub mod hash;

pub use account::{Account, Candidate};
pub use destination::{Destination, DestinationId, Destinations, Flow, LoadFormula};

use sim_core::{Duration, Stream, Time};

/// Everything a scheduler may look at for one decision.
pub struct Cx<'a> {
    /// The service's destinations with their counters of this moment.
    pub list: Destinations<'a>,
    /// The packet that asks for a server.
    pub flow: Flow,
    /// The time of the decision.
    pub now: Time,
    /// How this kernel turns connection counts into a load.
    pub formula: LoadFormula,
    /// The director's random numbers; only `twos` draws from them.
    pub random: &'a mut Stream,
    /// The setting `lblc_expiration` for `lblc`, `lblcr_expiration` for `lblcr`.
    pub expiration: Duration,
}

/// What the kernel's `struct ip_vs_scheduler` does: one decision, and notes about changes of the list.
///
/// The constants and the methods after [`Scheduler::refers_to`] feed explanations and documentation, never decisions.
pub trait Scheduler: Sized {
    /// One paragraph: what the scheduler is for and when to choose it.
    const HELP: &'static str;
    /// The rule that decides, as a sentence.
    const RULE: &'static str;
    /// The rule for ties, as a sentence.
    const TIES: &'static str;
    /// The scheduler's flags (`ipvsadm -b`) with their bits.
    const FLAGS: &'static [(&'static str, u8)] = &[];
    /// How many destinations a service with this scheduler can have.
    const CAPACITY: usize = usize::MAX;

    /// Binds the scheduler to a service that has these destinations already.
    ///
    /// # Errors
    /// More destinations than [`Scheduler::CAPACITY`].
    fn bind(flags: u8, list: &Destinations) -> Result<Self, TooMany>;

    /// Chooses a destination for the flow, or none.
    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId>;

    /// A destination has just been put into the list.
    fn added(&mut self, _list: &Destinations, _id: DestinationId) {}

    /// A destination has just been edited, perhaps without a difference.
    fn updated(&mut self, _list: &Destinations, _id: DestinationId) {}

    /// A destination has just left the list; `predecessor` stood before it, none if it was the head.
    fn removed(&mut self, _after: &Destinations, _id: DestinationId, _predecessor: Option<DestinationId>) {}

    /// Housekeeping, every 60 seconds from binding on; `expiration` as in [`Cx`].
    fn collect(&mut self, _now: Time, _expiration: Duration) {}

    /// Does the scheduler remember this destination? A removed one then stays in the director's trash.
    fn refers_to(&self, _id: DestinationId) -> bool {
        false
    }

    /// The state that the next decision starts from, as a sentence.
    fn state(&self, _cx: &Cx) -> Option<String> {
        None
    }

    /// Why this destination cannot be chosen now, if so.
    fn objection(&self, cx: &Cx, id: DestinationId) -> Option<&'static str> {
        let d = cx.list.get(id);
        if d.weight <= 0 {
            Some("quiesced: its weight is 0")
        } else if d.overloaded {
            Some("overloaded: its upper threshold was reached")
        } else {
            None
        }
    }

    /// What is compared for this destination, with its value.
    fn figure(&self, cx: &Cx, id: DestinationId) -> String;
}

/// A service has more destinations than its scheduler can serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// The most that are possible.
    pub limit: usize,
}

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name that `ipvsadm -s` takes.
    pub name: &'static str,
    /// The name in words.
    pub title: &'static str,
    /// What it is for, one paragraph.
    pub help: &'static str,
    /// The rule that decides.
    pub rule: &'static str,
    /// The rule for ties.
    pub ties: &'static str,
    /// The flags it knows, with their bits.
    pub flags: &'static [(&'static str, u8)],
    /// How many destinations it can serve.
    pub capacity: usize,
}

/// Declares the scheduler modules, the enum over them with its dispatch, and the registry.
macro_rules! schedulers {
    ($($(#[$doc:meta])* $name:ident $type:ident $title:literal;)*) => {
        $(pub mod $name;)*

        /// One of the schedulers, dispatched by a `match`.
        #[derive(Clone, Debug)]
        pub enum AnyScheduler {
            $(#[doc = concat!("`", stringify!($name), "`: ", $title)] $type($name::$type),)*
        }

        /// All schedulers, in the order in which the documentation presents them.
        pub const SCHEDULERS: &[Entry] = &[$(Entry {
            name: stringify!($name),
            title: $title,
            help: <$name::$type as Scheduler>::HELP,
            rule: <$name::$type as Scheduler>::RULE,
            ties: <$name::$type as Scheduler>::TIES,
            flags: <$name::$type as Scheduler>::FLAGS,
            capacity: <$name::$type as Scheduler>::CAPACITY,
        }),*];

        impl AnyScheduler {
            /// Binds the scheduler of this name to a service with these destinations; none if there is no such name.
            pub fn new(name: &str, flags: u8, list: &Destinations) -> Option<Result<AnyScheduler, TooMany>> {
                match name {
                    $(stringify!($name) => {
                        Some(<$name::$type as Scheduler>::bind(flags, list).map(AnyScheduler::$type))
                    })*
                    _ => None,
                }
            }

            /// The name that `ipvsadm` shows.
            pub fn name(&self) -> &'static str {
                match self {
                    $(AnyScheduler::$type(_) => stringify!($name),)*
                }
            }

            /// How many destinations the service can have.
            pub fn capacity(&self) -> usize {
                match self {
                    $(AnyScheduler::$type(_) => <$name::$type as Scheduler>::CAPACITY,)*
                }
            }

            /// See [`Scheduler::schedule`].
            #[inline]
            pub fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
                match self {
                    $(AnyScheduler::$type(s) => s.schedule(cx),)*
                }
            }

            /// See [`Scheduler::added`].
            pub fn added(&mut self, list: &Destinations, id: DestinationId) {
                match self {
                    $(AnyScheduler::$type(s) => s.added(list, id),)*
                }
            }

            /// See [`Scheduler::updated`].
            pub fn updated(&mut self, list: &Destinations, id: DestinationId) {
                match self {
                    $(AnyScheduler::$type(s) => s.updated(list, id),)*
                }
            }

            /// See [`Scheduler::removed`].
            pub fn removed(
                &mut self,
                after: &Destinations,
                id: DestinationId,
                predecessor: Option<DestinationId>,
            ) {
                match self {
                    $(AnyScheduler::$type(s) => s.removed(after, id, predecessor),)*
                }
            }

            /// See [`Scheduler::collect`].
            pub fn collect(&mut self, now: Time, expiration: Duration) {
                match self {
                    $(AnyScheduler::$type(s) => s.collect(now, expiration),)*
                }
            }

            /// See [`Scheduler::refers_to`].
            pub fn refers_to(&self, id: DestinationId) -> bool {
                match self {
                    $(AnyScheduler::$type(s) => s.refers_to(id),)*
                }
            }

            /// Explains the decision that [`AnyScheduler::schedule`] is about to take; ask before it.
            pub fn account(&self, cx: &Cx) -> Account {
                match self {
                    $(AnyScheduler::$type(s) => account::of(stringify!($name), s, cx),)*
                }
            }
        }
    };
}

schedulers! {
    rr  RoundRobin                 "round robin";
    wrr WeightedRoundRobin         "weighted round robin";
    lc  LeastConnection            "least connection";
    wlc WeightedLeastConnection    "weighted least connection";
    sed ShortestExpectedDelay      "shortest expected delay";
    nq  NeverQueue                 "never queue";
    lblc  LocalityBased            "locality-based least connection";
    lblcr Replicated               "locality-based least connection with replication";
    dh  DestinationHashing         "destination hashing";
    sh  SourceHashing              "source hashing";
    mh  MaglevHashing              "Maglev hashing";
    fo  FailOver                   "weighted fail-over";
    ovf Overflow                   "weighted overflow";
    twos TwoChoices                "power of two choices";
}

#[cfg(test)]
mod testing;
