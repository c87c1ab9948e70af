//! When transfers have to be looked at: the alarms of all sockets, of which only the first has an event.
//!
//! An alarm belongs to the slot of a transfer, not to its socket: whoever takes the slot later finds it set, and hardly
//! ever needs an earlier one. So the few slots that thousands of short connections use one after the other have an
//! alarm each fifth of a second, and setting a timer costs three stores and a comparison.

use super::socket::SocketId;
use super::transfer::Rank;
use sim_core::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The alarms.
#[derive(Debug)]
pub(crate) struct Alarms {
    /// When, and the slot of the transfer. Only the earliest of a slot counts.
    pending: BinaryHeap<Reverse<(Time, u32)>>,
    /// The instant of the one valid event.
    pub(super) event_at: Time,
    /// How many timers were set, modulo 2^32.
    set: u32,
    /// Timers that fire at the present instant, while they do; its memory serves again.
    pub(super) due: Vec<(Rank, SocketId)>,
}

impl Default for Alarms {
    fn default() -> Alarms {
        Alarms { pending: BinaryHeap::new(), event_at: Time::NEVER, set: 0, due: Vec::new() }
    }
}

impl Alarms {
    /// The number of a timer that is set now.
    #[inline]
    pub(super) fn number(&mut self) -> u32 {
        self.set = self.set.wrapping_add(1);
        self.set
    }

    /// Sets an alarm.
    pub(super) fn push(&mut self, at: Time, slot: u32) {
        self.pending.push(Reverse((at, slot)));
    }

    /// When the first alarm is, or never.
    pub(super) fn first(&self) -> Time {
        self.pending.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }

    /// The next alarm no later than `now`: when it was set for, and the slot.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Time, u32)> {
        let Reverse(first) = *self.pending.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.pending.pop();
        Some(first)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.pending.capacity() * size_of::<(Time, u32)>()
            + self.due.capacity() * size_of::<(Rank, SocketId)>()
    }
}
