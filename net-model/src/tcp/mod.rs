//! TCP (and the sockets that UDP shares with it), packet by packet, as far as short exchanges show it.
//!
//! | file | one thing |
//! |---|---|
//! | [`socket`] | the state of one connection |
//! | [`table`] | from the addresses and ports of a packet to the socket |
//! | `input` | what a received segment does |
//! | `output` | which segments leave, and when |
//! | `timer` | retransmission, delayed acknowledgement, TIME_WAIT |
//!
//! Where this is coarser than Linux: lost data is sent again from the first missing byte (go-back-N without selective
//! acknowledgement), the receive window is constant, and there are no tail loss probes.

pub mod input;
pub mod output;
pub mod socket;
pub mod table;
pub mod timer;

pub use socket::{App, Socket, SocketId, State};
pub use table::Sockets;
