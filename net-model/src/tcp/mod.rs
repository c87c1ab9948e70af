//! TCP (and the sockets that UDP shares with it), packet by packet, as far as short exchanges show it.
//!
//! | file | one thing |
//! |---|---|
//! | [`socket`] | what is kept of one connection |
//! | `transfer` | what one needs beside that while something is under way |
//! | [`table`] | from the addresses and ports of a packet to the socket; `index` and `short` help it |
//! | `input` | what a received segment does |
//! | `output` | which segments leave, and when |
//! | `timer` | retransmission, delayed acknowledgement |
//! | `alarm` | which sockets have to be looked at when |
//! | `time_wait` | the queue of those in TIME_WAIT |
//!
//! Where this is coarser than Linux: lost data is sent again from the first missing byte (go-back-N without selective
//! acknowledgement), the receive window is constant, and there are no tail loss probes.

mod alarm;
mod index;
pub mod input;
pub mod output;
mod short;
pub mod socket;
pub mod table;
mod time_wait;
pub mod timer;
pub(crate) mod transfer;

pub use socket::{App, Socket, SocketId, State};
pub use table::Sockets;
