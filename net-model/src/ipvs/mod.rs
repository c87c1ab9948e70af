//! IPVS: the director's part of a host, as a sans-I/O core. Packets and time go in, verdicts come out.
//!
//! [`Director`] is the table of contents of LVS: it follows a packet through the hooks. A host, a capture replay,
//! a console and the tests are small drivers of it.

mod by_heart;
mod clock;
mod command;
pub mod config;
mod connection;
pub mod decision;
mod defence;
mod destination;
pub mod director;
mod entries;
mod estimator;
mod expiry;
mod foresight;
mod forwarding;
mod ftp;
mod icmp;
mod index;
pub mod kernel;
mod listing;
mod mapping;
#[cfg(test)]
mod model_check;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod names;
mod passage;
mod persistence;
mod scheduling;
mod sctp_state;
mod service;
pub mod settings;
mod sip;
mod state;
pub mod sync;
mod table;
mod tcp_state;
mod threshold;
mod trash;
pub mod verdict;
pub mod view;
pub mod workload;

pub(crate) use by_heart::Passage;
pub use config::*;
pub(crate) use connection::Tuple;
pub use decision::{Candidate, Chooser, Decision, Refusal, ServiceRule};
pub use director::Director;
pub use kernel::Kernel;
pub use names::endpoint;
pub use settings::{SETTINGS, Setting, Settings, SysctlError};
pub use sim_core::Timers;
pub use sync::{Announcement, Heard, SyncEntry, SyncMessage};
pub use verdict::{IcmpError, Path, Surroundings, Verdict};
pub use view::{ConnectionView, Counters, DestinationView, Rates, ServiceView, Shown};
