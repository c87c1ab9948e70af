//! The modelled cluster: frames, links, switches, hosts, directors, clients and real servers.

pub mod addr;
pub mod host;
pub mod ipvs;
pub mod outcome;
pub mod packet;
pub mod spec;
pub mod verdict;
