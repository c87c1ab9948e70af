//! IPVS: the director's part of a host, as a sans-I/O core. Packets and time go in, verdicts come out.
//!
//! [`Director`] is the table of contents of LVS: it follows a packet through the hooks. A host, a capture replay,
//! a console and the tests are small drivers of it.

pub mod config;
pub mod decision;
pub mod director;
pub mod kernel;
pub mod names;
pub mod settings;
pub mod timers;
pub mod verdict;
pub mod view;

pub use config::*;
pub use decision::{Candidate, Chooser, Decision, Refusal, ServiceRule};
pub use director::Director;
pub use kernel::Kernel;
pub use names::endpoint;
pub use settings::{SETTINGS, Setting, Settings, SysctlError};
pub use timers::Timers;
pub use verdict::{IcmpError, Path, Surroundings, Verdict};
pub use view::{ConnectionView, Counters, DestinationView, Rates, ServiceView, Shown};
