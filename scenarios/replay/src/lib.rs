//! Scenarios on a real Linux kernel, beside the simulation: the same scenario, the same answers, or the first difference.
//!
//! [`plan`] turns a scenario into commands, [`rehearse`] into a [`job`] with everything the simulation has drawn; a
//! backend does the job and writes a [`transcript`]; [`compare`] holds it against the simulation's own.

pub mod agent;
pub mod backend;
pub mod campaign;
pub mod channel;
pub mod compare;
pub mod feed;
pub mod job;
pub mod plan;
pub mod rehearse;
pub mod script;
pub mod transcript;
pub mod vm;
