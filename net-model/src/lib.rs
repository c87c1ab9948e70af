//! The modelled cluster: frames, links, switches, hosts, directors, clients and real servers.

pub mod addr;
mod arrivals;
mod cabling;
pub mod capture;
pub mod client;
pub mod cx;
pub mod event;
pub mod exchange;
pub mod frames;
pub mod group;
pub mod host;
pub mod ipvs;
pub mod link;
mod measure;
pub mod network;
pub mod operations;
pub mod outcome;
pub mod packet;
pub mod pcap;
pub mod ping;
mod pool;
pub mod recorder;
pub mod replay;
pub mod request;
pub mod server;
mod sharing;
pub mod spec;
pub mod switch;
pub mod tcp;
pub mod transcript;
pub mod udp;
pub mod verdict;
pub mod wire;
pub mod wiring;
pub mod workload;

pub use network::{HostId, Memory, Network, Options, SwitchId};
