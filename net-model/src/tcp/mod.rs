//! TCP (and the sockets that UDP shares with it), packet by packet, as far as short exchanges show it.
//!
//! | file | one thing |
//! |---|---|
//! | [`socket`] | what is kept of one connection |
//! | `transfer` | what one needs beside that while something is under way |
//! | [`table`] | from the addresses and ports of a packet to the socket; `index` and `short` help it |
//! | `input` | what a received segment does |
//! | `acknowledgement` | what its acknowledgement number says |
//! | `out_of_order` | data that came before its turn, and selective acknowledgement of it |
//! | `output` | which segments leave, and when |
//! | `timer` | retransmission, delayed acknowledgement |
//! | `alarm` | which sockets have to be looked at when |
//! | `ways` | how the packets of sockets come in and leave |
//! | `time_wait` | the queue of those in TIME_WAIT |
//!
//! Where this is coarser than Linux: the third duplicate acknowledgement sends again all that is missing from the hole on
//! (Linux waits a quarter of a round trip from the first, and sends what is then late, RACK), only segments without data acknowledge selectively, and the receive
//! window is constant. `docs/network.md` has the whole line, `scenarios/tests/tcp_line.rs` both sides of it.

mod acknowledgement;
mod alarm;
mod index;
pub mod input;
mod out_of_order;
pub mod output;
mod short;
pub mod socket;
pub mod table;
mod time_wait;
pub mod timer;
pub(crate) mod transfer;
mod ways;

pub use socket::{App, Socket, SocketId, State};
pub use table::Sockets;
