//! One exchange of a client program: connect, ask, get the answer, close; again if it failed and may be retried.

use crate::group::GroupId;
use crate::pool::{NONE, Pool, Record};
use crate::spec::Close;
use crate::tcp::SocketId;
use sim_core::Time;

/// An exchange under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExchangeId(pub(crate) u32);

/// What a client program is doing.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))] // there is one for each open connection
pub struct Exchange {
    /// When its first attempt began.
    pub(crate) started: Time,
    /// Its group.
    pub(crate) group: GroupId,
    /// The socket of the present attempt, or none.
    socket: u32,
    /// The socket of the server that took the last attempt, if any; it may be gone.
    pub(crate) served_by: u32,
    /// Bytes the client asks with.
    pub(crate) request_bytes: u32,
    /// Bytes of the answer, once the server has decided (as a Content-Length header tells); 0 before.
    response_bytes: u32,
    /// Bytes of the answer that have come.
    pub(crate) received: u32,
    /// Who closes.
    pub(crate) close: Close,
    /// What it is doing.
    pub(crate) phase: Phase,
    /// Attempts made so far.
    pub(crate) attempts: u8,
}

const _: () = assert!(size_of::<Exchange>() <= 36, "there is one for each open connection");

/// What an exchange is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Waiting for the connection.
    Connecting,
    /// Waiting for the answer.
    Waiting,
    /// The answer is there, the connection still open.
    Answered,
    /// Waiting before the next attempt.
    Pausing,
    /// A user of a closed loop thinks.
    Thinking,
}

impl Exchange {
    /// An exchange of a group that begins now and has not done anything.
    pub(crate) fn new(started: Time, group: GroupId, request_bytes: u32, close: Close) -> Exchange {
        Exchange { started, group, request_bytes, close, ..Exchange::BLANK }
    }

    /// The socket of the present attempt.
    #[inline]
    pub(crate) fn socket(&self) -> Option<SocketId> {
        (self.socket != NONE).then_some(SocketId(self.socket))
    }

    /// An attempt has a socket.
    pub(crate) fn set_socket(&mut self, socket: SocketId) {
        self.socket = socket.0;
    }

    /// The socket is gone.
    pub(crate) fn clear_socket(&mut self) {
        self.socket = NONE;
    }

    /// An attempt begins: nothing has come.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Connecting;
        (self.received, self.response_bytes) = (0, 0);
    }

    /// The server answers with this many bytes, at least one.
    pub(crate) fn expect_response(&mut self, bytes: u32) {
        debug_assert!(bytes > 0, "an answer has a length");
        self.response_bytes = bytes;
    }

    /// Has the whole answer come?
    pub(crate) fn is_complete(&self) -> bool {
        self.response_bytes != 0 && self.received >= self.response_bytes
    }
}

impl Record for Exchange {
    const BLANK: Exchange = Exchange {
        started: Time::ZERO,
        group: GroupId(0),
        socket: NONE,
        served_by: NONE,
        request_bytes: 0,
        response_bytes: 0,
        received: 0,
        close: Close::None,
        phase: Phase::Connecting,
        attempts: 0,
    };

    fn link(&mut self) -> &mut u32 {
        &mut self.received
    }
}

/// All exchanges under way.
#[derive(Debug, Default)]
pub struct Exchanges {
    pool: Pool<Exchange>,
    /// The one valid event of each exchange: time-out, next ping, end of thinking, next attempt. Shorter than the pool
    /// where exchanges have none.
    wakes: Vec<Time>,
    /// The row of the trace that each follows, or none. Shorter than the pool where exchanges follow none.
    rows: Vec<u32>,
    begun: u32,
    /// Slots are not used again while a transcript is made: a packet's tag then names one exchange for good.
    keep: bool,
}

impl Exchanges {
    /// Exchanges begun so far.
    pub fn begun(&self) -> u32 {
        self.begun
    }

    /// Exchanges under way.
    pub fn len(&self) -> usize {
        self.pool.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the exchanges occupy.
    pub fn memory(&self) -> usize {
        self.pool.memory() + self.wakes.capacity() * size_of::<Time>() + self.rows.capacity() * 4
    }

    /// From now on no slot is used twice.
    pub(crate) fn keep_all(&mut self) {
        self.keep = true;
    }

    /// The number of the next exchange in the run, from 1: what `--flow` names.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.begun = self.begun.checked_add(1).expect("fewer than 2^32 exchanges in a run");
        self.begun
    }

    /// An exchange begins; it may follow a row of its group's trace.
    pub(crate) fn insert(&mut self, exchange: Exchange, row: Option<u32>) -> ExchangeId {
        let slot = self.pool.insert(exchange);
        match (row, self.rows.get_mut(slot as usize)) {
            (_, Some(place)) => *place = row.unwrap_or(NONE),
            (Some(row), None) => {
                self.rows.resize(slot as usize, NONE);
                self.rows.push(row);
            }
            (None, None) => {}
        }
        ExchangeId(slot)
    }

    /// An exchange is over.
    pub(crate) fn remove(&mut self, id: ExchangeId) {
        self.set_wake(id, Time::NEVER);
        self.get_mut(id).clear_socket();
        if !self.keep {
            self.pool.remove(id.0);
        }
    }

    /// The exchange.
    #[inline]
    pub fn get(&self, id: ExchangeId) -> &Exchange {
        self.pool.get(id.0)
    }

    /// The exchange, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ExchangeId) -> &mut Exchange {
        self.pool.get_mut(id.0)
    }

    /// The row of the trace that an exchange follows.
    #[inline]
    pub(crate) fn row(&self, id: ExchangeId) -> Option<u32> {
        self.rows.get(id.0 as usize).copied().filter(|row| *row != NONE)
    }

    /// The instant of the one valid event of an exchange, or never.
    #[inline]
    pub(crate) fn wake_at(&self, id: ExchangeId) -> Time {
        self.wakes.get(id.0 as usize).copied().unwrap_or(Time::NEVER)
    }

    /// Sets the instant of the one valid event of an exchange.
    #[inline]
    pub(crate) fn set_wake(&mut self, id: ExchangeId, at: Time) {
        let slot = id.0 as usize;
        if let Some(place) = self.wakes.get_mut(slot) {
            *place = at;
        } else if at != Time::NEVER {
            self.wakes.resize(slot, Time::NEVER);
            self.wakes.push(at);
        }
    }

    /// The tag that its packets carry; 0 is no exchange.
    #[inline]
    pub(crate) fn tag(id: ExchangeId) -> u32 {
        id.0 + 1
    }

    /// The exchange of a packet's tag. It may be over.
    #[inline]
    pub(crate) fn by_tag(&self, tag: u32) -> Option<(ExchangeId, &Exchange)> {
        let slot = tag.wrapping_sub(1);
        self.pool.guess(slot).map(|exchange| (ExchangeId(slot), exchange))
    }

    /// The sockets that a packet of this tag is probably for: that of the client, and that of the server. To be
    /// verified: they may be gone, or others by now.
    #[inline]
    pub(crate) fn likely_sockets(&self, tag: u32) -> [u32; 2] {
        match self.pool.guess(tag.wrapping_sub(1)) {
            Some(exchange) => [exchange.socket, exchange.served_by],
            None => [NONE; 2],
        }
    }

    /// A server has made a socket for the exchange of this tag.
    pub(crate) fn note_server(&mut self, tag: u32, socket: SocketId) {
        if let Some(exchange) = self.pool.guess_mut(tag.wrapping_sub(1)) {
            exchange.served_by = socket.0;
        }
    }
}
