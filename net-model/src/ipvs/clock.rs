//! The director's alarms: one agenda for connection timers and periodic jobs.
//!
//! Connection timers are lazy. A packet only writes down when its entry is due (`Connection::expires`); the entry
//! keeps one alarm in the agenda, and an alarm that rings too early is posted again.

use super::connection::{Connection, Slot, flag};
use super::service::ServiceId;
use sim_core::{Agenda, Duration, Time, Timers};

/// What an alarm is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) enum Alarm {
    /// A connection's timer may be due.
    Connection(Slot),
    /// Counters are copied to the shown ones, rates are computed: every 2 s.
    #[default]
    Estimate,
    /// The trash is looked through: every 60 s while it holds something.
    Trash,
    /// The defences look at the memory and drop entries: every second.
    Defend,
    /// A scheduler cleans its cache: every 60 s from binding on.
    Scheduler(ServiceId),
    /// Connections without an available destination go (`expire_nodest_conn`).
    ExpireGone,
    /// A thread of the master daemon, by number, looks at what it has collected: every second, or when a message is full.
    Announce(u32),
}

/// A jiffy of Debian's kernel: what ideal timers wait at least.
const TICK: Duration = Duration::from_millis(4);

/// Timers and the agenda of alarms.
#[derive(Debug)]
pub(super) struct Clock {
    timers: Timers,
    agenda: Agenda<Alarm>,
    /// When the next alarm rings: what every entry point compares with.
    due: Time,
    now: Time,
}

impl Clock {
    pub(super) fn new(timers: Timers) -> Clock {
        Clock { timers, agenda: Agenda::new(), due: Time::NEVER, now: Time::ZERO }
    }

    /// When the next alarm rings; [`Time::NEVER`] without one.
    #[inline]
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// The latest time that anybody has told.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// It is `now`: does an alarm ring?
    #[inline]
    pub(super) fn tell(&mut self, now: Time) -> bool {
        self.now = now;
        self.due <= now
    }

    /// Sets an alarm `after` from now, as late as kernel timers are, and tells when it will ring.
    pub(super) fn post_after(&mut self, now: Time, after: Duration, alarm: Alarm) -> Time {
        let at = self.fires(now, now + after);
        self.post(at, alarm);
        at
    }

    /// Sets an alarm for exactly `at`.
    pub(super) fn post(&mut self, at: Time, alarm: Alarm) {
        self.agenda.post(at, alarm);
        self.due = self.due.min(at);
    }

    /// The next alarm that is due at `now`, in order of time and then of posting.
    pub(super) fn ring(&mut self, now: Time) -> Option<(Time, Alarm)> {
        if self.due > now {
            return None;
        }
        let alarm = self.agenda.pop();
        self.due = self.agenda.peek().unwrap_or(Time::NEVER);
        alarm
    }

    /// When a timer fires that is set at `armed` for `expires`: never in the jiffy in which it was set.
    #[inline]
    pub(super) fn fires(&self, armed: Time, expires: Time) -> Time {
        let at = self.timers.fires_at(armed, expires.since(armed));
        if at > armed { at } else { armed + TICK }
    }

    /// The first instant after `now` at which a job fires that was started at boot and repeats every `period`.
    pub(super) fn next_of_series(&self, now: Time, period: Duration) -> Time {
        let mut at = self.fires(Time::ZERO, Time::ZERO + period);
        while at <= now {
            at = self.fires(at, at + period);
        }
        at
    }

    /// Bytes of heap memory, roughly.
    pub(super) fn memory(&self) -> usize {
        self.agenda.len() * size_of::<(Time, Alarm)>()
    }
}

impl Connection {
    /// Sets the timer to the entry's timeout from now on. `slot` is its own.
    #[inline(always)] // once a packet
    pub(super) fn rearm(&mut self, now: Time, slot: Slot, clock: &mut Clock) {
        self.armed = now;
        self.flags &= !(flag::DUE | flag::KEPT);
        if now + Duration::from_secs(u64::from(self.timeout)) < self.alarm {
            self.set_alarm(slot, clock);
        }
    }

    /// The same for a template, of which more is known: a kernel timer that would fire at the same instant as before stays
    /// where it is among those of that instant. (Connections would have to be asked with each packet.)
    pub(super) fn rearm_template(&mut self, now: Time, slot: Slot, clock: &mut Clock) {
        let before = clock.fires(self.armed, self.expires());
        self.rearm(now, slot, clock);
        if clock.fires(self.armed, self.expires()) == before {
            self.flags |= flag::KEPT;
        }
    }

    /// Sets the alarm for when the timer fires, unless an earlier one is set.
    pub(super) fn set_alarm(&mut self, slot: Slot, clock: &mut Clock) {
        let at = clock.fires(self.armed, self.expires());
        if at < self.alarm {
            self.alarm = at;
            clock.post(at, Alarm::Connection(slot));
        }
    }
}
