//! One direction of a cable: a transmitter with a queue, then a delay.
//!
//! A frame waits for the transmitter, occupies it for its length at the link's rate, and arrives `delay` after its last
//! bit left. "Transmission done" is arithmetic on `busy_until`, not an event.
//!
//! A link that a **host** feeds knows the arrival as soon as the frame is sent: nobody else can get in front.
//! A link that a **switch** feeds takes frames that have not reached the switch yet, sorted by the instant at which they
//! will (see [`crate::wiring`]); so it fixes a frame's fate only when its event fires, when no earlier one can turn up.

use crate::frames::FrameId;
use crate::spec::LinkSpec;
use crate::verdict::DropReason;
use sim_core::{Duration, Stream, Time};
use std::collections::VecDeque;

/// A link of the network (one direction).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub(crate) u32);

/// Where a link ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// At an interface of a host: host and interface number.
    Host(u32, u16),
    /// At a port of a switch: switch and port number.
    Switch(u32, u16),
}

/// What a link has carried so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCount {
    /// Frames put on the wire.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames dropped by the queue, lost, or sent while the link was down.
    pub dropped: u64,
    /// Nanoseconds the transmitter was busy.
    pub busy_ns: u64,
}

/// One direction of a cable.
#[derive(Debug)]
pub struct Link {
    /// Nanoseconds a byte occupies the transmitter, in 1/2^32.
    ns_per_byte: u64,
    delay: Duration,
    /// The longest wait that the queue holds, in time at the link's rate.
    longest_wait: Duration,
    loss: Option<Box<Loss>>,
    fed_by_switch: bool,
    up: bool,
    end: End,
    busy_until: Time,
    /// Host-fed: arrival and frame. Switch-fed: the instant the frame is whole in the switch, and the frame.
    queue: VecDeque<Queued>,
    /// The instant of the one valid event of this link.
    armed: Time,
    /// When the last head was taken.
    taken_at: Time,
    count: LinkCount,
}

/// A frame on its way, with its length on the wire: to arm the link must not touch the frame.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) at: Time,
    pub(crate) frame: FrameId,
    pub(crate) bytes: u32,
}

#[derive(Debug)]
struct Loss {
    probability: f64,
    stream: Stream,
}

impl Link {
    /// A link that ends at `end`; `name` names its random stream.
    pub fn new(spec: &LinkSpec, end: End, fed_by_switch: bool, seed: u64, name: &str) -> Link {
        let ns_per_byte =
            ((8_000_000_000u128 << 32) / u128::from(spec.rate_bps)).min(u128::from(u64::MAX)) as u64;
        let loss = (spec.loss > 0.0)
            .then(|| Box::new(Loss { probability: spec.loss, stream: Stream::new(seed, name) }));
        Link {
            ns_per_byte,
            delay: spec.delay,
            longest_wait: if spec.queue_bytes == u64::MAX {
                Duration::MAX
            } else {
                occupies(ns_per_byte, spec.queue_bytes)
            },
            loss,
            fed_by_switch,
            up: true,
            end,
            busy_until: Time::ZERO,
            queue: VecDeque::new(),
            armed: Time::NEVER,
            taken_at: Time::ZERO,
            count: LinkCount::default(),
        }
    }

    /// Where the link ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// Is the link fed by a switch (or by a host)?
    #[inline]
    pub(crate) fn fed_by_switch(&self) -> bool {
        self.fed_by_switch
    }

    /// Is the link up?
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Plugs the cable in or pulls it out.
    pub fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    /// What it has carried.
    pub fn count(&self) -> LinkCount {
        self.count
    }

    /// Frames waiting or travelling.
    pub fn pending(&self) -> impl Iterator<Item = &FrameId> {
        self.queue.iter().map(|queued| &queued.frame)
    }

    /// Puts a frame of `bytes` on the wire that reaches the transmitter at `ready`: its arrival at the far end.
    #[inline]
    pub(crate) fn send(&mut self, ready: Time, bytes: u32) -> Result<Time, DropReason> {
        if let Some(reason) = self.refuses(ready) {
            self.count.dropped += 1;
            return Err(reason);
        }
        let busy = occupies(self.ns_per_byte, u64::from(bytes));
        self.busy_until = self.busy_until.max(ready) + busy;
        self.count.frames += 1;
        self.count.bytes += u64::from(bytes);
        self.count.busy_ns += busy.as_nanos();
        Ok(self.busy_until + self.delay)
    }

    #[inline]
    fn refuses(&mut self, ready: Time) -> Option<DropReason> {
        if !self.up {
            return Some(DropReason::LinkDown);
        }
        if self.busy_until.since(ready) > self.longest_wait {
            return Some(DropReason::QueueFull);
        }
        let loss = self.loss.as_mut()?;
        (loss.stream.uniform() < loss.probability).then_some(DropReason::LinkLoss)
    }

    /// Queues a frame under its instant, behind all frames of the same instant; true if it is the new head.
    #[inline]
    pub(crate) fn push(&mut self, queued: Queued) -> bool {
        if self.queue.back().is_none_or(|last| last.at <= queued.at) {
            self.queue.push_back(queued);
            return self.queue.len() == 1;
        }
        let place = self.queue.partition_point(|earlier| earlier.at <= queued.at);
        self.queue.insert(place, queued);
        place == 0
    }

    /// The instant of the event that a new head needs, if it needs one: the link is armed for it.
    #[inline]
    pub(crate) fn arm(&mut self) -> Option<Time> {
        let Some(head) = self.queue.front() else {
            self.armed = Time::NEVER;
            return None;
        };
        let due = if self.fed_by_switch {
            self.busy_until.max(head.at) + occupies(self.ns_per_byte, u64::from(head.bytes)) + self.delay
        } else {
            head.at
        };
        // A head that was dropped has left `busy_until` alone, so a smaller one behind it may seem due before it was.
        let due = due.max(self.taken_at);
        if due == self.armed {
            return None;
        }
        self.armed = due;
        Some(due)
    }

    /// Takes the head of the queue if the event at `now` is the valid one; with the frame, `Err` if it was dropped.
    #[inline]
    pub(crate) fn take(&mut self, now: Time) -> Option<(FrameId, Result<(), DropReason>)> {
        if now != self.armed {
            return None;
        }
        self.armed = Time::NEVER;
        self.taken_at = now;
        let head = self.queue.pop_front()?;
        let sent = if self.fed_by_switch { self.send(head.at, head.bytes).map(|_| ()) } else { Ok(()) };
        Some((head.frame, sent))
    }

    /// Takes out the frames that a switch has not yet got at `now` and that `which` selects.
    pub(crate) fn recall(&mut self, now: Time, mut which: impl FnMut(&FrameId) -> bool) -> Vec<Queued> {
        let mut recalled = Vec::new();
        if self.fed_by_switch {
            for _ in 0..self.queue.len() {
                let queued = self.queue.pop_front().expect("as many as counted");
                if queued.at > now && which(&queued.frame) {
                    recalled.push(queued);
                } else {
                    self.queue.push_back(queued);
                }
            }
        }
        recalled
    }
}

/// How long `bytes` occupy a transmitter, rounded to the nanosecond, at least one: time always moves on.
#[inline]
fn occupies(ns_per_byte: u64, bytes: u64) -> Duration {
    let scaled = u128::from(bytes) * u128::from(ns_per_byte) + (1 << 31);
    Duration::from_nanos(u64::try_from(scaled >> 32).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Time {
        Time::from_nanos(ns)
    }

    fn gigabit(queue_bytes: u64) -> Link {
        let spec =
            LinkSpec { rate_bps: 1_000_000_000, delay: Duration::from_micros(5), queue_bytes, loss: 0.0 };
        Link::new(&spec, End::Switch(0, 0), false, 1, "link")
    }

    #[test]
    fn frames_queue_behind_each_other() {
        let mut link = gigabit(u64::MAX);
        assert_eq!(link.send(at(0), 1000), Ok(at(8_000 + 5_000)));
        assert_eq!(link.send(at(2_000), 1000), Ok(at(16_000 + 5_000)));
        assert_eq!(link.send(at(50_000), 125), Ok(at(51_000 + 5_000)));
        assert_eq!(link.count(), LinkCount { frames: 3, bytes: 2125, dropped: 0, busy_ns: 17_000 });
    }

    #[test]
    fn a_full_queue_drops_from_the_tail() {
        let mut link = gigabit(1_500);
        assert!(link.send(at(0), 1000).is_ok());
        assert!(link.send(at(0), 1000).is_ok());
        assert_eq!(link.send(at(0), 1000), Err(DropReason::QueueFull));
        assert!(link.send(at(8_000), 1000).is_ok());
    }

    #[test]
    fn a_pulled_cable_drops_everything() {
        let mut link = gigabit(u64::MAX);
        link.set_up(false);
        assert_eq!(link.send(at(0), 64), Err(DropReason::LinkDown));
    }

    #[test]
    fn slow_and_absurdly_fast_links_have_finite_times() {
        for rate_bps in [1, u64::MAX] {
            let spec = LinkSpec { rate_bps, delay: Duration::ZERO, queue_bytes: u64::MAX, loss: 0.0 };
            let mut link = Link::new(&spec, End::Switch(0, 0), false, 1, "link");
            assert!(link.send(at(0), 1500).unwrap() > at(0));
        }
    }
}
