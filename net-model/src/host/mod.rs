//! A simulated Linux host, from its interfaces up to IP: addresses, routes, neighbours, ARP and ICMP errors.
//!
//! Everything here is data and functions on data: packets and instants go in, answers come out. [`stack::Stack`] is
//! the network layer of one host; each other module holds one of its topics.

pub mod address;
pub mod admin;
pub mod arp;
pub mod arptables;
pub mod conf;
pub mod exception;
pub mod fib;
pub mod icmp;
pub mod interface;
pub mod limit;
pub mod mark;
pub mod neighbour;
mod reachability;
pub mod redirect;
pub mod route;
pub mod route_input;
mod routes;
pub mod stack;
pub mod sysctl;
#[cfg(test)]
mod testing;
pub mod timers;
