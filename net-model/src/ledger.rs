//! The ledger of a run: one line for each attempt of a client program, with everything that was drawn for it and what
//! became of it. Whoever repeats a run elsewhere (on a real kernel, say) repeats these lines.

use crate::addr::Addr;
use crate::ipvs::Protocol;
use crate::outcome::Failure;
use crate::spec::Close;
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time};
use std::sync::Arc;

/// An attempt of a client program to be served.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// The number of its exchange, from 1; attempts of one exchange share it, and so do all exchanges of a user of a
    /// closed loop.
    pub exchange: u32,
    /// The host of the client, by number.
    pub host: u32,
    /// When the SYN or the datagram was sent.
    pub begun: Time,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The client's address and port.
    pub local: (Addr, u16),
    /// Where it connected to.
    pub remote: (Addr, u16),
    /// Bytes of the request.
    pub request_bytes: u32,
    /// What the datagram said, if it said anything.
    pub words: Option<Arc<str>>,
    /// Who closes after the answer.
    pub close: Close,
    /// The client gives up after this long.
    pub timeout: Option<Duration>,
    /// While the connection is open the client sends one byte each `ping`.
    pub ping: Option<Duration>,
    /// The server program that took it: its host's number, and its index there.
    pub server: Option<(u32, u32)>,
    /// Work that the server had with it.
    pub work: Option<Duration>,
    /// Bytes of the answer; 0 if nobody worked on it.
    pub response_bytes: u32,
    /// When the client had the whole answer, or failed and why; none if the run ended before.
    pub result: Option<(Time, Result<(), Failure>)>,
}

/// All attempts of a run, in the order of their beginning.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Vec<Attempt>,
    /// The last attempt of each exchange, by the tag of its packets.
    by_tag: FxHashMap<u32, usize>,
}

impl Ledger {
    /// The attempts so far.
    pub fn into_attempts(self) -> Vec<Attempt> {
        self.lines
    }

    /// An attempt begins.
    pub(crate) fn begin(&mut self, tag: u32, attempt: Attempt) {
        self.by_tag.insert(tag, self.lines.len());
        self.lines.push(attempt);
    }

    /// The last attempt of the exchange whose packets carry this tag.
    pub(crate) fn line(&mut self, tag: u32) -> Option<&mut Attempt> {
        let at = *self.by_tag.get(&tag)?;
        Some(&mut self.lines[at])
    }
}
