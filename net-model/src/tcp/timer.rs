//! The timers of a socket: retransmission, delayed acknowledgement, end of TIME_WAIT.
//!
//! They are lazy: when and to what they were set stands in the [`Transfer`](super::transfer::Transfer), whose slot has an
//! alarm ([`Alarms`](super::alarm::Alarms)) no later than they fire. Only an alarm asks when they really fire. Setting a
//! timer again, as every acknowledgement does, costs some stores.

use super::output::{Say, timeout_us};
use super::socket::{SocketId, State};
use super::transfer::{DELAYED_ACK, Probe, Rank, Transfer};
use crate::cx::Cx;
use crate::event::Event;
use crate::host::Host;
use crate::outcome::Failure;
use crate::packet::Flags;
use crate::tcp::App;
use sim_core::{Duration, Time, Timers};

/// How long the side that closed first remembers a connection, in microseconds.
pub(crate) const TIME_WAIT_US: u32 = 60_000_000;
/// How long after two round trips a flight's last segment is sent again, and how long if it is the only one: then its
/// acknowledgement may be a delayed one. In microseconds.
const PROBE_US: u32 = 2_000;
const PROBE_ALONE_US: u32 = 200_000;
/// A socket that has become busy is looked at so much later, to see whether it is idle again. That is before nearly
/// all its timers would have to be looked at.
const BUSY: Duration = Duration::from_millis(200);
/// tcp_syn_retries, tcp_synack_retries, tcp_retries2, and the limit for sockets without a program.
const SYN_RETRIES: u8 = 6;
const SYN_ACK_RETRIES: u8 = 5;
const RETRIES: u8 = 15;
const ORPHAN_RETRIES: u8 = 8;

/// The event of all sockets: some transfers have an alarm, or some TIME_WAIT ends.
pub(crate) fn sockets_event(cx: &mut Cx, hosts: &mut [Host], timers: Timers) {
    let now = cx.now;
    if cx.sockets.alarms.event_at != now {
        return; // an earlier one was posted later, and has been handled
    }
    cx.sockets.alarms.event_at = Time::NEVER;
    cx.sockets.end_waits(now);
    let mut due = std::mem::take(&mut cx.sockets.alarms.due);
    while let Some((at, slot)) = cx.sockets.alarms.pop(now) {
        due.extend(cx.sockets.look_at(slot, at, timers));
    }
    due.sort_unstable();
    for (rank, id) in due.drain(..) {
        fire(cx, hosts, timers, rank, id);
    }
    cx.sockets.alarms.due = due;
    let next = cx.sockets.alarms.first().min(cx.sockets.next_end());
    expect_event(cx, next);
}

/// A timer of a socket fires, unless the one before it at this instant has changed that.
fn fire(cx: &mut Cx, hosts: &mut [Host], timers: Timers, rank: Rank, id: SocketId) {
    let now = cx.now;
    if cx.sockets.transfer(id).is_none_or(|transfer| transfer.rank(now, timers) != rank) {
        return;
    }
    let host = cx.sockets.get(id).host;
    hosts[usize::from(host)].socket_timer(cx, id);
    if let Some(transfer) = cx.sockets.transfer(id) {
        match transfer.next_due(timers) {
            Time::NEVER => cx.sockets.rest(id),
            next => post(cx, id, next),
        }
    }
}

/// Sets the alarm of a socket's transfer, unless it has one as early.
fn post(cx: &mut Cx, id: SocketId, at: Time) {
    let slot = cx.sockets.get(id).rest;
    let (_, transfer) = cx.sockets.busy(id);
    if at < transfer.posted {
        transfer.posted = at;
        cx.sockets.alarms.push(at, slot);
        expect_event(cx, at);
    }
}

/// Makes sure of an event at this instant or before.
fn expect_event(cx: &mut Cx, at: Time) {
    if at < cx.sockets.alarms.event_at {
        cx.sockets.alarms.event_at = at;
        cx.agenda.post(at, Event::Sockets);
    }
}

impl Host {
    /// Makes sure that a socket has a transfer: something is about to happen.
    #[inline]
    pub(crate) fn rouse(&mut self, cx: &mut Cx, id: SocketId) {
        if cx.sockets.transfer(id).is_none() {
            self.begin_transfer(cx, id);
        }
    }

    #[cold]
    fn begin_transfer(&mut self, cx: &mut Cx, id: SocketId) {
        cx.sockets.begin_transfer(id);
        self.watch(cx, id);
    }

    /// A socket has just become busy: its transfer gets an alarm, unless the last socket has left it one.
    #[inline]
    pub(crate) fn watch(&mut self, cx: &mut Cx, id: SocketId) {
        let (_, transfer) = cx.sockets.busy(id);
        if cx.now + BUSY < transfer.posted {
            let at = self.timers.fires_at(cx.now, BUSY);
            post(cx, id, at);
        }
    }

    /// Sets the retransmission timer.
    pub(crate) fn start_timer(&mut self, cx: &mut Cx, id: SocketId, delay_us: u32) {
        let order = cx.sockets.alarms.number();
        let (_, transfer) = cx.sockets.busy(id);
        if transfer.set_timer(cx.now, delay_us, order) {
            self.post_timer(cx, id);
        }
    }

    /// The alarm of a timer that fires before the one that is set.
    #[inline(never)]
    fn post_timer(&mut self, cx: &mut Cx, id: SocketId) {
        let at = cx.sockets.busy(id).1.timer_due(self.timers);
        post(cx, id, at);
    }

    /// Sets the retransmission timer behind what was just sent, or before it that of a probe: a flight whose end got lost
    /// draws no acknowledgement that would show it, so its last segment is sent again soon, once.
    pub(super) fn arm_retransmission(&mut self, cx: &mut Cx, id: SocketId) {
        let order = cx.sockets.alarms.number();
        let (socket, transfer) = cx.sockets.busy(id);
        let mut delay = timeout_us(socket.state, transfer);
        if transfer.probe() != Probe::Spent && transfer.tries == 0 && transfer.srtt_us > 0 {
            let is_alone = transfer.is_single(socket.snd_una, socket.mss);
            let patience = if is_alone { PROBE_ALONE_US } else { PROBE_US };
            delay = delay.min(transfer.srtt_us.saturating_mul(2).saturating_add(patience));
            transfer.set_probe(Probe::Armed);
        } else if transfer.is_timed() && transfer.tries == 0 {
            return; // the retransmission timer runs from the probe
        }
        if transfer.set_timer(cx.now, delay, order) {
            self.post_timer(cx, id);
        }
    }

    /// Sends the last segment of the flight again; the retransmission timer starts anew.
    #[cold]
    fn send_probe(&mut self, cx: &mut Cx, id: SocketId) {
        let (_, transfer) = cx.sockets.busy(id);
        transfer.set_probe(Probe::Spent);
        transfer.timed_us = 0;
        if cx.sockets.is_told_of_gap(id) {
            return self.fill_gaps(cx, id);
        }
        let (socket, transfer) = cx.sockets.busy(id);
        let (len, fin) = transfer.tail(socket.snd_una, socket.mss);
        let seq = transfer.snd_nxt.wrapping_sub(len + u32::from(fin));
        let mut flags = Flags::ACK;
        if len > 0 {
            flags = flags.with(Flags::PSH);
        }
        if fin {
            flags = flags.with(Flags::FIN);
        }
        let delay = timeout_us(socket.state, transfer);
        self.start_timer(cx, id, delay);
        self.count_retransmission(cx, id);
        self.send_segment(cx, id, Say { seq: Some(seq), len, flags });
    }

    /// The end of the flight has arrived, something before it has not: that is sent again instead.
    fn fill_gaps(&mut self, cx: &mut Cx, id: SocketId) {
        let (socket, transfer) = cx.sockets.busy(id);
        transfer.rewind(socket.snd_una);
        let delay = timeout_us(socket.state, transfer);
        self.start_timer(cx, id, delay);
        self.count_retransmission(cx, id);
        self.push(cx, id);
    }

    /// Sets the timer of the delayed acknowledgement, if it is not running.
    pub(crate) fn delay_ack(&mut self, cx: &mut Cx, id: SocketId) {
        let order = cx.sockets.alarms.number();
        let (_, transfer) = cx.sockets.busy(id);
        transfer.put_off_ack(cx.now, order);
        if cx.now + DELAYED_ACK < transfer.posted {
            let at = transfer.ack_due(self.timers);
            post(cx, id, at);
        }
    }

    /// A socket enters TIME_WAIT, or begins it anew.
    pub(crate) fn start_time_wait(&mut self, cx: &mut Cx, id: SocketId) {
        let until = self.timers.fires_at(cx.now, Duration::from_micros(u64::from(TIME_WAIT_US)));
        cx.sockets.wait(id, until);
        expect_event(cx, until);
    }

    /// Some timer of a socket is due.
    fn socket_timer(&mut self, cx: &mut Cx, id: SocketId) {
        let (now, timers) = (cx.now, self.timers);
        let is_due = |due: fn(&Transfer, Timers) -> Time, cx: &mut Cx| {
            cx.sockets.transfer(id).is_some_and(|transfer| due(transfer, timers) <= now)
        };
        if is_due(Transfer::ack_due, cx) {
            self.send_ack(cx, id);
        }
        if is_due(Transfer::timer_due, cx) {
            cx.sockets.busy(id).1.stop_timer();
            self.retransmission_timer(cx, id);
        }
    }

    /// Nothing was acknowledged in time.
    fn retransmission_timer(&mut self, cx: &mut Cx, id: SocketId) {
        let (socket, transfer) = cx.sockets.busy(id);
        if transfer.probe() == Probe::Armed && transfer.in_flight(socket.snd_una) > 0 {
            return self.send_probe(cx, id);
        }
        let limit = match (socket.state, socket.app()) {
            (State::FinWait2, _) => 0,
            (State::SynSent, _) => SYN_RETRIES,
            (State::SynReceived, _) => SYN_ACK_RETRIES,
            (_, App::Orphan) => ORPHAN_RETRIES,
            _ => RETRIES,
        };
        if transfer.tries >= limit {
            return self.give_up(cx, id, Failure::TimedOut);
        }
        transfer.tries += 1;
        let state = socket.state;
        self.count_retransmission(cx, id);
        match state {
            State::SynSent => self.repeat_syn(cx, id, Flags::SYN),
            State::SynReceived => self.repeat_syn(cx, id, Flags::SYN.with(Flags::ACK)),
            _ => self.go_back(cx, id),
        }
    }

    /// A router has no way for the segment that began with `seq`. If that was sent again, it was not lost because of
    /// congestion: the last doubling of the timeout is taken back, and if the time that is left has already passed, the
    /// segment is sent again at once (RFC 6069; recorded from Linux 6.1). Linux limits the repetitions of an open
    /// connection by time, here each such error allows one more.
    #[cold]
    pub(crate) fn back_off_less(&mut self, cx: &mut Cx, id: SocketId, seq: u32) {
        let socket = cx.sockets.get(id);
        let (state, first) = (socket.state, socket.snd_una);
        if state == State::SynReceived || cx.sockets.transfer(id).is_none() {
            return;
        }
        let order = cx.sockets.alarms.number();
        let (_, transfer) = cx.sockets.busy(id);
        let Some(sent) = transfer.timed_from().filter(|_| transfer.tries > 0 && seq == first) else {
            return;
        };
        transfer.tries -= 1;
        let timeout = timeout_us(state, transfer);
        if cx.now >= sent + Duration::from_micros(u64::from(timeout)) {
            transfer.stop_timer();
            self.retransmission_timer(cx, id);
        } else if transfer.set_timer(sent, timeout, order) {
            self.post_timer(cx, id);
        }
    }

    fn repeat_syn(&mut self, cx: &mut Cx, id: SocketId, flags: Flags) {
        let mss = self.mss_towards(cx.sockets.other_end(id));
        self.send_syn(cx, id, flags, mss);
    }

    /// Sends again from the first byte that was not acknowledged.
    fn go_back(&mut self, cx: &mut Cx, id: SocketId) {
        let (socket, transfer) = cx.sockets.busy(id);
        socket.ssthresh = (socket.cwnd / 2).max(2);
        socket.cwnd = 1;
        transfer.rewind(socket.snd_una);
        let backed_off = timeout_us(socket.state, transfer);
        self.start_timer(cx, id, backed_off);
        self.push(cx, id);
    }

    /// The host crashes: its connections are gone, and nobody is told.
    #[cold]
    pub(crate) fn lose_sockets(&mut self, cx: &mut Cx) {
        for id in cx.sockets.of_host(self.id) {
            let app = cx.sockets.get(id).app();
            cx.sockets.remove(id);
            match app {
                App::Client(exchange) => {
                    cx.exchanges.get_mut(exchange).clear_socket();
                    self.exchange_over(cx, exchange, Err(Failure::Reset));
                }
                App::Request(request) => self.request_lost(cx, request),
                App::Server(_) | App::Orphan => {}
            }
        }
    }

    /// The connection is over without a close: the program learns why, the socket is gone.
    pub(crate) fn give_up(&mut self, cx: &mut Cx, id: SocketId, failure: Failure) {
        let app = cx.sockets.get(id).app();
        cx.sockets.remove(id);
        match app {
            App::Client(exchange) => self.exchange_failed(cx, exchange, failure),
            App::Request(request) => self.request_lost(cx, request),
            App::Server(_) | App::Orphan => {}
        }
    }
}
