//! One exchange of a client program: connect, ask, get the answer, close; again if it failed and may be retried.

use crate::group::GroupId;
use crate::spec::Close;
use crate::tcp::SocketId;
use sim_core::Time;

/// An exchange under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExchangeId(pub(crate) u32);

/// What a client program is doing.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When its first attempt began.
    pub(crate) started: Time,
    /// The one valid event of this exchange: time-out, next ping, end of thinking, next attempt.
    pub(crate) wake_at: Time,
    /// Its group.
    pub(crate) group: GroupId,
    /// Its number in the run, from 1: what `--flow` names.
    pub(crate) number: u32,
    /// The socket of the present attempt.
    pub(crate) socket: Option<SocketId>,
    /// Bytes the client asks with.
    pub(crate) request_bytes: u32,
    /// Bytes of the answer, once the server has decided (as a Content-Length header tells).
    pub(crate) response_bytes: Option<u32>,
    /// Bytes of the answer that have come.
    pub(crate) received: u32,
    /// The row of the trace it follows.
    pub(crate) row: Option<u32>,
    /// Who closes.
    pub(crate) close: Close,
    /// What it is doing.
    pub(crate) phase: Phase,
    /// Attempts made so far.
    pub(crate) attempts: u8,
}

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

/// All exchanges under way.
#[derive(Debug, Default)]
pub struct Exchanges {
    slots: Vec<Exchange>,
    free: Vec<u32>,
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
        self.slots.len() - self.free.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the exchanges occupy.
    pub fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Exchange>() + self.free.capacity() * 4
    }

    /// From now on no slot is used twice.
    pub(crate) fn keep_all(&mut self) {
        self.keep = true;
    }

    /// Gives an exchange its number.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.begun = self.begun.checked_add(1).expect("fewer than 2^32 exchanges in a run");
        self.begun
    }

    pub(crate) fn insert(&mut self, exchange: Exchange) -> ExchangeId {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = exchange;
            return ExchangeId(slot);
        }
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(crate::tcp::table::growth(self.slots.len())); // as for sockets
        }
        self.slots.push(exchange);
        ExchangeId(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 exchanges at a time"))
    }

    pub(crate) fn remove(&mut self, id: ExchangeId) {
        let exchange = self.get_mut(id);
        exchange.wake_at = Time::NEVER;
        exchange.socket = None;
        if !self.keep {
            self.free.push(id.0);
        }
    }

    /// The exchange.
    #[inline]
    pub fn get(&self, id: ExchangeId) -> &Exchange {
        &self.slots[id.0 as usize]
    }

    /// The exchange, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ExchangeId) -> &mut Exchange {
        &mut self.slots[id.0 as usize]
    }

    /// The tag that its packets carry; 0 is no exchange.
    #[inline]
    pub(crate) fn tag(id: ExchangeId) -> u32 {
        id.0 + 1
    }

    /// The exchange of a packet's tag.
    #[inline]
    pub(crate) fn by_tag(&self, tag: u32) -> Option<(ExchangeId, &Exchange)> {
        let slot = tag.checked_sub(1)?;
        self.slots.get(slot as usize).map(|exchange| (ExchangeId(slot), exchange))
    }
}
