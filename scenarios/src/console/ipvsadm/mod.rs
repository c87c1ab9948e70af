//! ipvsadm 1.31 on a simulated director: what it accepts, what it prints, how it exits.
//!
//! [`parse`] reads a command line without touching anything; [`Console`] carries it out. The way of a command line is
//! the order of the files: `popt` cuts it into options, `grammar` takes their values from left to right, `checks`
//! judges the whole, `apply` asks the director, and `list`, `connections` and `save` print.

mod apply;
mod checks;
mod companions;
mod connections;
mod grammar;
mod help;
mod list;
mod options;
mod order;
mod popt;
mod request;
mod save;
mod text;
mod values;

pub use apply::message;
pub use companions::{Call, Tool};
pub use grammar::parse;
pub use list::table;
pub use request::{Format, List, Refusal, RefusalKind, Request, What};

use super::names::Names;
use net_model::ipvs::{Director, Surroundings};
use sim_core::Time;

/// What a command leaves behind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status.
    pub status: i32,
}

/// An interface, as far as a synchronisation daemon cares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Is it up, with an address?
    pub is_usable: bool,
}

/// A shell on the director's host at a moment of virtual time.
pub struct Console<'a, S: Surroundings> {
    /// The IPVS of the host.
    pub director: &'a mut Director,
    /// The host.
    pub host: &'a S,
    /// The host's interfaces.
    pub links: &'a [Link],
    /// Host and service names.
    pub names: &'a Names,
    /// The moment.
    pub now: Time,
    /// The name ipvsadm is called by, for messages.
    pub program: &'a str,
    /// Schedulers that the host's kernel was built without.
    pub missing_schedulers: &'a [&'a str],
    /// Is the user root?
    pub is_root: bool,
}
