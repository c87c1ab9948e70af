//! A simulated Linux host, from its interfaces up to its programs.
//!
//! The walk of a packet is in `input.rs`, `output.rs` and `icmp_input.rs`; the host itself in `node.rs`. Everything else
//! is the network layer as data and functions on data: packets and instants go in, answers come out. [`stack::Stack`]
//! is that layer of one host; each other module holds one of its topics.

mod account;
pub mod address;
pub mod admin;
pub mod arp;
pub mod arptables;
pub mod ask;
pub mod conf;
mod confirmation;
pub mod conntrack;
mod dad;
pub mod exception;
mod exit;
mod explain;
pub mod fib;
mod flows;
#[cfg(test)]
mod flows_check;
mod fragment;
mod hooks;
pub mod icmp;
mod icmp_input;
mod input;
pub mod interface;
pub mod limit;
pub mod mark;
#[cfg(test)]
mod memory_check;
pub mod ndisc;
mod ndisc_input;
pub mod neighbour;
mod neighbour_state;
mod netfilter;
pub mod node;
mod output;
mod policy;
mod reachability;
mod reassembly;
pub mod redirect;
pub mod reject;
mod reply;
mod resolution;
pub mod route;
mod route_cache;
pub mod route_input;
mod routes;
pub mod stack;
mod surroundings;
mod sync;
pub mod sysctl;
pub mod table;
mod taker;
#[cfg(test)]
mod testing;
pub mod tunnel;
pub mod vlan;
mod waiting;

pub(crate) use account::describe;
pub(crate) use interface::NO_PASS;
pub use interface::{InterfaceId, InterfaceKind};
pub use node::{Cable, DEFAULT_TTL, Host};
pub use stack::Stack;
