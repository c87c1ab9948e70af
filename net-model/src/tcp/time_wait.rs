//! The queue of the sockets in TIME_WAIT.
//!
//! All wait equally long, so that they end in the order in which they came, and as kernel timers of a minute are two
//! seconds coarse, many end at one instant: an instant and how many end then, and the sockets in order.

use super::socket::SocketId;
use sim_core::Time;
use std::collections::VecDeque;

/// Sockets in the order in which their TIME_WAIT ends.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ends: VecDeque<(Time, u32)>,
    sockets: VecDeque<SocketId>,
}

impl Queue {
    /// A socket waits until an instant not before that of any other.
    pub(super) fn push(&mut self, until: Time, id: SocketId) {
        match self.ends.back_mut() {
            Some((at, count)) if *at == until => *count += 1,
            last => {
                debug_assert!(last.is_none_or(|(at, _)| *at < until), "TIME_WAIT has one length");
                self.ends.push_back((until, 1));
            }
        }
        if self.sockets.len() == self.sockets.capacity() {
            self.sockets.reserve_exact(super::table::growth(self.sockets.len()));
        }
        self.sockets.push_back(id);
    }

    /// When the first one ends, or never.
    pub(super) fn first(&self) -> Time {
        self.ends.front().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// The next one that ends no later than `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<SocketId> {
        let (_, count) = self.ends.front_mut().filter(|(at, _)| *at <= now)?;
        *count -= 1;
        if *count == 0 {
            self.ends.pop_front();
        }
        self.sockets.pop_front()
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<(Time, u32)>() + self.sockets.capacity() * size_of::<SocketId>()
    }
}
