//! One direction of a cable: a transmitter with a queue, then a delay.
//!
//! A frame waits for the transmitter, occupies it for its length at the link's rate, and arrives `delay` after its last
//! bit left. "Transmission done" is arithmetic on `busy_until`, not an event.
//!
//! A link that a **host** feeds knows the arrival as soon as the frame is sent: nobody else can get in front.
//! A link that a **switch** feeds takes frames that have not reached the switch yet, sorted by the instant at which they
//! will (see [`crate::wiring`]); so it fixes a frame's arrival only when its event fires, when no earlier one can turn up.
//! If it may refuse frames (it loses some, its queue is short, or its cable has been touched), the fate of each is fixed
//! by an event at the instant at which it reaches the transmitter.

use crate::frames::FrameId;
use crate::ring::{Held, Ring};
use crate::spec::LinkSpec;
use crate::verdict::DropReason;
use sim_core::{Duration, Stream, Time};

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
    /// At an interface of a host that is listened to.
    Tap(u32, u16),
    /// At an interface of a host where frames may carry tags.
    Trunk(u32, u16),
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
#[repr(C, align(64))] // what the transmitter needs stands in front, in one cache line, the queue in the next
pub struct Link {
    // The counters of [`LinkCount`] stand apart: side by side they would be added as a vector, slowly.
    frames: u64,
    /// Nanoseconds a byte occupies the transmitter, in 1/2^32.
    ns_per_byte: u64,
    bytes: u64,
    delay: Duration,
    busy_ns: u64,
    /// The longest wait that the queue holds, in time at the link's rate.
    longest_wait: Duration,
    busy_until: Time,
    fed_by_switch: bool,
    /// Switch-fed: is the fate of a frame fixed as it reaches the transmitter?
    may_refuse: bool,
    /// May a frame be refused though the queue is short: by a loss, or for want of a cable?
    is_unsafe: bool,
    up: bool,
    /// Host-fed: arrival and frame. Switch-fed: the instant the frame is whole in the switch, and the frame.
    queue: Ring<Queued>,
    /// The instant of the frame that was queued last.
    last: Time,
    /// The instant of the one valid event of this link.
    armed: Time,
    /// Where the link ends.
    end: End,
    dropped: u64,
    /// If frames may be refused: those that the transmitter has taken, by their arrival.
    on_wire: Ring<Queued>,
    loss: Option<Box<Loss>>,
}

const _: () = assert!(std::mem::offset_of!(Link, queue) == 64 && std::mem::offset_of!(Link, dropped) == 128);

/// A frame on its way, with its length on the wire: to arm the link must not touch the frame.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    pub(crate) at: Time,
    pub(crate) frame: FrameId,
    pub(crate) bytes: u32,
}

impl Held for Queued {
    #[inline(always)] // once a frame
    fn take(&mut self) -> Queued {
        Queued { at: self.at, frame: std::mem::take(&mut self.frame), bytes: self.bytes }
    }
}

/// A frame in the transmitter.
pub(crate) struct Transmission {
    bytes: u32,
    busy: Duration,
    /// When its last bit leaves.
    done: Time,
    /// When it is at the far end.
    pub(crate) arrival: Time,
}

/// What the event of a link was about.
pub(crate) enum Taken {
    /// A frame is at the far end.
    Arrived(FrameId),
    /// The transmitter has taken a frame.
    Transmitted,
    /// The transmitter has refused a frame.
    Refused(FrameId, DropReason),
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
                let scaled = u128::from(spec.queue_bytes) * u128::from(ns_per_byte) + (1 << 31);
                Duration::from_nanos(u64::try_from(scaled >> 32).unwrap_or(u64::MAX).max(1))
            },
            loss,
            fed_by_switch,
            up: true,
            is_unsafe: spec.loss > 0.0,
            end,
            busy_until: Time::ZERO,
            queue: Ring::default(),
            last: Time::ZERO,
            on_wire: Ring::default(),
            may_refuse: fed_by_switch && (spec.loss > 0.0 || spec.queue_bytes != u64::MAX),
            armed: Time::NEVER,
            frames: 0,
            busy_ns: 0,
            dropped: 0,
            bytes: 0,
        }
    }

    /// Where the link ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// Somebody listens to the interface at the far end.
    pub(crate) fn tap(&mut self) {
        if let End::Host(host, interface) | End::Trunk(host, interface) = self.end {
            self.end = End::Tap(host, interface);
        }
    }

    /// Frames that reach the far end may carry tags.
    pub(crate) fn expect_tags(&mut self) {
        if let End::Host(host, interface) = self.end {
            self.end = End::Trunk(host, interface);
        }
    }

    /// Is the link up?
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Plugs the cable in or pulls it out. What the transmitter has got by now is not concerned; the link must be armed.
    pub(crate) fn set_up(&mut self, now: Time, up: bool) {
        if self.fed_by_switch && !self.may_refuse {
            self.may_refuse = true;
            while self.queue.front().is_some_and(|head| head.at <= now) {
                self.step(now);
            }
        }
        self.up = up;
        self.is_unsafe = true;
    }

    /// What it has carried.
    pub fn count(&self) -> LinkCount {
        LinkCount { frames: self.frames, bytes: self.bytes, dropped: self.dropped, busy_ns: self.busy_ns }
    }

    /// Frames that were put on the wire by a host, or have come over it from a switch.
    pub(crate) fn delivered(&self) -> u64 {
        self.frames - self.on_wire.len() as u64
    }

    /// Frames waiting or travelling.
    pub fn pending(&self) -> impl Iterator<Item = &FrameId> {
        self.on_wire.iter().chain(self.queue.iter()).map(|queued| &queued.frame)
    }

    /// What becomes of a frame of `bytes` that reaches the transmitter at `ready`, if the link is sure to take it.
    #[inline(always)] // a part of every way out of a host
    pub(crate) fn foresee(&self, ready: Time, bytes: u32) -> Option<Transmission> {
        let begins = self.busy_until.max(ready);
        let wait = begins.as_nanos() - ready.as_nanos();
        if self.is_unsafe || wait > self.longest_wait.as_nanos() {
            return None;
        }
        let busy = occupies(self.ns_per_byte, bytes);
        let done = begins + busy;
        Some(Transmission { bytes, busy, done, arrival: done + self.delay })
    }

    /// Puts that frame on the wire.
    #[inline(always)] // a part of every way out of a host
    pub(crate) fn transmit(&mut self, frame: &Transmission) {
        self.occupy(frame.bytes, frame.busy, frame.done);
    }

    /// Puts a frame of `bytes` on the wire that reaches the transmitter at `ready`: its arrival at the far end.
    pub(crate) fn send(&mut self, ready: Time, bytes: u32) -> Result<Time, DropReason> {
        let begins = self.busy_until.max(ready);
        let wait = begins.as_nanos() - ready.as_nanos();
        if (self.is_unsafe || wait > self.longest_wait.as_nanos())
            && let Some(reason) = self.refuses(ready)
        {
            self.dropped += 1;
            return Err(reason);
        }
        let busy = occupies(self.ns_per_byte, bytes);
        let done = begins + busy;
        self.occupy(bytes, busy, done);
        Ok(done + self.delay)
    }

    /// The transmitter is busy with a frame, until `done`.
    #[inline]
    fn occupy(&mut self, bytes: u32, busy: Duration, done: Time) {
        self.busy_until = done;
        self.frames += 1;
        self.bytes += u64::from(bytes);
        self.busy_ns += busy.as_nanos();
    }

    #[inline(never)]
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

    /// Queues a frame of `bytes` under its instant, behind all frames of the same instant. The instant of the event that
    /// the link needs now, if it needs another one: the link is armed for it.
    #[inline(always)] // a part of every way out of a host
    pub(crate) fn push(&mut self, at: Time, frame: FrameId, bytes: u32) -> Option<Time> {
        if at < self.last || self.queue.is_full() {
            return self.push_with_care(Queued { at, frame, bytes });
        }
        self.last = at;
        let is_first = self.queue.is_empty();
        // Part by part: written as a whole it would have to be in memory first.
        let slot = self.queue.next_slot();
        (slot.at, slot.frame, slot.bytes) = (at, frame, bytes);
        if !is_first {
            return None;
        }
        let due = if self.may_refuse { self.next_step() } else { self.arrival_of_head(at, bytes) };
        self.arm_for(due)
    }

    /// The same where later frames may be in the queue already, or it has to grow.
    #[inline(never)]
    fn push_with_care(&mut self, queued: Queued) -> Option<Time> {
        let at = queued.at;
        self.last = self.last.max(at);
        if self.queue.insert_behind(queued, |earlier| earlier.at <= at) > 0 {
            return None;
        }
        self.arm()
    }

    /// The instant of the event that a changed link needs, if it needs one: the link is armed for it.
    pub(crate) fn arm(&mut self) -> Option<Time> {
        let due = match self.queue.front() {
            _ if self.may_refuse => self.next_step(),
            None => Time::NEVER,
            Some(&Queued { at, bytes, .. }) => self.arrival_of_head(at, bytes),
        };
        self.arm_for(due)
    }

    #[inline(always)] // a part of push
    fn arm_for(&mut self, due: Time) -> Option<Time> {
        if due == self.armed {
            return None;
        }
        self.armed = due;
        (due != Time::NEVER).then_some(due)
    }

    /// When the head of the queue arrives, a frame of `bytes` queued under `at`, if no earlier one turns up.
    #[inline(always)] // a part of arm and next_arrival
    fn arrival_of_head(&self, at: Time, bytes: u32) -> Time {
        if !self.fed_by_switch {
            return at;
        }
        self.busy_until.max(at) + occupies(self.ns_per_byte, bytes) + self.delay
    }

    /// The frame that arrives with the event at `now`, and the instant of the link's next event (never, if it has none);
    /// nothing if the event is not the valid one or the link may refuse frames: then [`Link::take`] tells what it is about.
    #[inline(always)] // the beginning of every arrival
    pub(crate) fn next_arrival(&mut self, now: Time) -> Option<(FrameId, Time)> {
        if now != self.armed || self.may_refuse {
            return None;
        }
        let Queued { at, frame, bytes } = self.queue.pop_front()?;
        if self.fed_by_switch {
            let done = Time::from_nanos(now.as_nanos() - self.delay.as_nanos());
            let begun = self.busy_until.max(at);
            self.occupy(bytes, Duration::from_nanos(done.as_nanos() - begun.as_nanos()), done);
        }
        self.armed = match self.queue.front() {
            Some(&Queued { at, bytes, .. }) => self.arrival_of_head(at, bytes),
            None => Time::NEVER,
        };
        Some((frame, self.armed))
    }

    /// Takes what the event at `now` is about on a link that may refuse frames, if that event is the valid one.
    pub(crate) fn take(&mut self, now: Time) -> Option<Taken> {
        if now != self.armed || !self.may_refuse {
            return None;
        }
        self.armed = Time::NEVER;
        self.step(now)
    }

    /// When the next frame reaches the transmitter or the far end.
    fn next_step(&self) -> Time {
        let next = |queue: &Ring<Queued>| queue.front().map_or(Time::NEVER, |queued| queued.at);
        next(&self.on_wire).min(next(&self.queue))
    }

    /// A frame reaches the far end, or the transmitter, which takes it or refuses it.
    fn step(&mut self, now: Time) -> Option<Taken> {
        if self.on_wire.front().is_some_and(|head| head.at <= now) {
            return self.on_wire.pop_front().map(|head| Taken::Arrived(head.frame));
        }
        let head = self.queue.pop_front()?;
        match self.send(head.at, head.bytes) {
            Ok(at) => {
                self.on_wire.push_back(Queued { at, ..head });
                Some(Taken::Transmitted)
            }
            Err(reason) => Some(Taken::Refused(head.frame, reason)),
        }
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
fn occupies(ns_per_byte: u64, bytes: u32) -> Duration {
    let scaled = u128::from(bytes) * u128::from(ns_per_byte) + (1 << 31);
    Duration::from_nanos(((scaled >> 32) as u64).max(1)) // 32 bits times 64, by 2^32: it fits
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
        link.set_up(at(0), false);
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
