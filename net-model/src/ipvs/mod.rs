//! IPVS: the director's part of a host.
pub mod config;
pub use config::*;
