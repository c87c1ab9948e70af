//! What a socket needs while something is under way: data or a FIN not yet acknowledged, an acknowledgement not yet
//! sent, a timer. An open connection on which nothing happens gives it back.

use super::output::stamp;
use super::socket::{Socket, State, before};
use crate::pool::{NONE, Record};
use sim_core::{Duration, Time, Timers};

/// The part of a socket that only a busy one has.
#[derive(Clone, Debug)]
#[repr(align(64))] // one line of the cache
pub(crate) struct Transfer {
    /// When the retransmission timer was set; never if it is off.
    set: Time,
    /// When the delayed acknowledgement was put off; never if there is none.
    ack_set: Time,
    /// The earliest alarm of this slot, whoever set it: timers are lazy.
    pub(super) posted: Time,
    /// What the retransmission timer was set to, in microseconds; in the highest bits how the flight ends.
    delay_us: u32,
    /// Timers of one instant fire in the order in which they were set: the numbers of both.
    order: u32,
    ack_order: u32,
    /// The socket; none if the slot is free.
    pub(super) socket: u32,
    /// Next byte to send.
    pub(crate) snd_nxt: u32,
    /// Highest byte ever sent: below it, sending is retransmission.
    pub(crate) snd_max: u32,
    /// Bytes that the program has written and that were not sent yet.
    pub(crate) unsent: u32,
    /// Smoothed round-trip time in microseconds; 0 before the first.
    pub(crate) srtt_us: u32,
    /// When the last segment that can be timed was sent, in microseconds (wrapping); 0 for none.
    pub(crate) timed_us: u32,
    /// Retransmissions since something was acknowledged.
    pub(crate) tries: u8,
    /// Data segments received and not acknowledged.
    pub(crate) unacked: u8,
    /// Duplicate acknowledgements in a row.
    pub(crate) duplicates: u8,
    /// How far closing has got.
    pub(crate) end: End,
}

/// How far the closing of a socket by its program has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Not at all.
    Open,
    /// A FIN follows the data.
    Wanted,
    /// Our FIN was sent (it may be sent again).
    Sent,
}

/// Whether the end of a flight is sent again soon, before the retransmission timer would fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Probe {
    /// When something is sent next, its timer will be that of a probe.
    Due,
    /// The timer is that of a probe.
    Armed,
    /// The probe was sent: only the retransmission timer is left.
    Spent,
}

/// The bits of the delay proper: no timer is longer than two minutes.
const DELAY: u32 = (1 << 28) - 1;
/// The timer is that of a probe; the probe was sent; the FIN rode on data.
const PROBE_ARMED: u32 = 1 << 29;
const PROBE_SPENT: u32 = 1 << 30;
const FIN_RODE: u32 = 1 << 31;

const _: () = assert!(size_of::<Transfer>() == 64, "one line of the cache");

/// An acknowledgement may wait this long for company.
pub(crate) const DELAYED_ACK: Duration = Duration::from_millis(40);

/// Where a timer stands among those of its instant: when it was set, and its number.
pub(super) type Rank = (Time, u32);

impl Transfer {
    /// A socket begins or resumes: everything sent so far was acknowledged.
    pub(super) fn begin(&mut self, id: u32, socket: &Socket) {
        let end = if socket.state == State::FinWait2 { End::Sent } else { End::Open };
        *self = Transfer {
            posted: self.posted,
            socket: id,
            snd_nxt: socket.snd_una,
            snd_max: socket.snd_una,
            srtt_us: socket.rest,
            end,
            ..Transfer::BLANK
        };
    }

    /// Bytes sent and not acknowledged (a FIN counts as one); `snd_una` is the first.
    #[inline]
    pub(crate) fn in_flight(&self, snd_una: u32) -> u32 {
        self.snd_nxt.wrapping_sub(snd_una)
    }

    /// What was sent and not acknowledged becomes unsent again.
    pub(crate) fn rewind(&mut self, snd_una: u32) {
        let fin = u32::from(self.end == End::Sent);
        self.unsent = self.unsent.saturating_add(self.in_flight(snd_una).saturating_sub(fin));
        self.snd_nxt = snd_una;
        if self.end == End::Sent {
            self.end = End::Wanted;
        }
        self.timed_us = 0;
        self.duplicates = 0;
    }

    /// What was timed, if anything, has been acknowledged: the round trip is smoothed into the estimate.
    #[inline]
    pub(crate) fn time_round_trip(&mut self, now: Time) {
        let timed_us = std::mem::take(&mut self.timed_us);
        if timed_us == 0 {
            return;
        }
        let sample = stamp(now).wrapping_sub(timed_us).max(1);
        let old = self.srtt_us;
        self.srtt_us = if old == 0 { sample } else { old - old / 8 + sample / 8 };
    }

    /// Moves on to `ack`, which may lie beyond what was sent since a go-back.
    #[inline]
    pub(crate) fn catch_up(&mut self, ack: u32) {
        if before(self.snd_nxt, ack) {
            let ahead = ack.wrapping_sub(self.snd_nxt);
            let data = ahead.min(self.unsent);
            self.unsent -= data;
            if self.end == End::Wanted && ahead > data {
                self.end = End::Sent;
            }
            self.snd_nxt = ack;
        }
    }

    /// Is there anything left to say: data, or a FIN?
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        match self.end {
            End::Open => self.unsent > 0,
            End::Wanted => true,
            End::Sent => false,
        }
    }

    /// Is nothing under way, so that the socket alone says everything?
    pub(super) fn is_idle(&self, socket: &Socket) -> bool {
        self.set == Time::NEVER
            && self.ack_set == Time::NEVER
            && self.snd_max == socket.snd_una
            && self.unacked == 0
            && !self.has_more()
    }

    /// Sets the retransmission timer. Its number is `order`. May it fire before the slot's alarm?
    #[inline]
    pub(super) fn set_timer(&mut self, now: Time, delay_us: u32, order: u32) -> bool {
        (self.set, self.order) = (now, order);
        self.delay_us = self.delay_us & !DELAY | delay_us;
        now + Duration::from_micros(u64::from(delay_us)) < self.posted // it never fires early
    }

    /// The tail loss probe of the present flight.
    #[inline]
    pub(super) fn probe(&self) -> Probe {
        match self.delay_us & (PROBE_ARMED | PROBE_SPENT) {
            0 => Probe::Due,
            PROBE_ARMED => Probe::Armed,
            _ => Probe::Spent,
        }
    }

    /// What becomes of the probe.
    #[inline]
    pub(super) fn set_probe(&mut self, probe: Probe) {
        let bits = match probe {
            Probe::Due => 0,
            Probe::Armed => PROBE_ARMED,
            Probe::Spent => PROBE_SPENT,
        };
        self.delay_us = self.delay_us & !(PROBE_ARMED | PROBE_SPENT) | bits;
    }

    /// A FIN is sent, on a segment with data or alone.
    pub(super) fn note_fin(&mut self, rides: bool) {
        self.end = End::Sent;
        self.delay_us = self.delay_us & !FIN_RODE | if rides { FIN_RODE } else { 0 };
    }

    /// Data bytes of the last segment that was sent, and whether it carries the FIN.
    pub(super) fn tail(&self, snd_una: u32, mss: u16) -> (u32, bool) {
        let fin = self.end == End::Sent;
        let data = self.in_flight(snd_una).saturating_sub(u32::from(fin));
        if data == 0 || fin && self.delay_us & FIN_RODE == 0 {
            return (0, fin);
        }
        ((data - 1) % u32::from(mss.max(1)) + 1, fin)
    }

    /// Is the flight a single segment?
    #[inline]
    pub(super) fn is_single(&self, snd_una: u32, mss: u16) -> bool {
        let fin = self.end == End::Sent;
        let data = self.in_flight(snd_una).saturating_sub(u32::from(fin));
        let fin_is_apart = fin && self.delay_us & FIN_RODE == 0;
        data == 0 || data <= u32::from(mss) && !fin_is_apart
    }

    /// Turns the retransmission timer off.
    #[inline]
    pub(crate) fn stop_timer(&mut self) {
        self.set = Time::NEVER;
    }

    /// Is the retransmission timer running?
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.set != Time::NEVER
    }

    /// Since when the retransmission timer runs, if it does.
    pub(super) fn timed_from(&self) -> Option<Time> {
        self.is_timed().then_some(self.set)
    }

    /// Puts an acknowledgement off, unless one is put off already.
    pub(super) fn put_off_ack(&mut self, now: Time, order: u32) {
        if self.ack_set == Time::NEVER {
            (self.ack_set, self.ack_order) = (now, order);
        }
    }

    /// Everything received is acknowledged.
    #[inline]
    pub(crate) fn acks_all(&mut self) {
        self.unacked = 0;
        self.ack_set = Time::NEVER;
    }

    /// When the delayed acknowledgement is due, or never.
    pub(super) fn ack_due(&self, timers: Timers) -> Time {
        due(self.ack_set, timers, DELAYED_ACK)
    }

    /// When the retransmission timer fires, or never.
    pub(super) fn timer_due(&self, timers: Timers) -> Time {
        due(self.set, timers, Duration::from_micros(u64::from(self.delay_us & DELAY)))
    }

    /// When the first timer fires, or never.
    pub(super) fn next_due(&self, timers: Timers) -> Time {
        self.ack_due(timers).min(self.timer_due(timers))
    }

    /// The rank of the first of the timers that fire now.
    pub(super) fn rank(&self, now: Time, timers: Timers) -> Rank {
        let never = (Time::NEVER, u32::MAX);
        let ack = if self.ack_due(timers) <= now { (self.ack_set, self.ack_order) } else { never };
        let timer = if self.timer_due(timers) <= now { (self.set, self.order) } else { never };
        ack.min(timer)
    }
}

fn due(set: Time, timers: Timers, delay: Duration) -> Time {
    if set == Time::NEVER { set } else { timers.fires_at(set, delay) }
}

impl Record for Transfer {
    const BLANK: Transfer = Transfer {
        set: Time::NEVER,
        ack_set: Time::NEVER,
        posted: Time::NEVER,
        delay_us: 0,
        order: 0,
        ack_order: 0,
        socket: NONE,
        snd_nxt: 0,
        snd_max: 0,
        unsent: 0,
        srtt_us: 0,
        timed_us: 0,
        tries: 0,
        unacked: 0,
        duplicates: 0,
        end: End::Open,
    };

    fn link(&mut self) -> &mut u32 {
        &mut self.snd_nxt
    }
}
