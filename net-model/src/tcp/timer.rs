//! The timers of a socket: retransmission, delayed acknowledgement, end of TIME_WAIT.
//!
//! They are lazy: the instants stand in the socket, at most the earliest has an event, and an event that fires early
//! posts the next. Moving a timer back, as every acknowledgement does, costs a store.

use super::output::{Say, timeout};
use super::socket::{App, Probe, SocketId, State};
use crate::cx::Cx;
use crate::event::Event;
use crate::host::Host;
use crate::outcome::Failure;
use crate::packet::Flags;
use sim_core::{Duration, Time};

/// How long the side that closed first remembers a connection.
pub(crate) const TIME_WAIT: Duration = Duration::from_secs(60);
/// An acknowledgement may wait this long for company.
pub(crate) const DELAYED_ACK: Duration = Duration::from_millis(40);
/// tcp_syn_retries, tcp_synack_retries, tcp_retries2, and the limit for sockets without a program.
const SYN_RETRIES: u8 = 6;
const SYN_ACK_RETRIES: u8 = 5;
const RETRIES: u8 = 15;
const ORPHAN_RETRIES: u8 = 8;

/// How long after two round trips a flight's last segment is sent again, and how long if it is the only one: then its
/// acknowledgement may be a delayed one.
const PROBE: Duration = Duration::from_millis(2);
const PROBE_ALONE: Duration = Duration::from_millis(200);

impl Host {
    /// Arms the retransmission timer (or that of TIME_WAIT).
    pub(crate) fn start_timer(&mut self, cx: &mut Cx, id: SocketId, delay: Duration) {
        let at = self.timers.fires_at(cx.now, delay);
        cx.sockets.get_mut(id).timer_at = at;
        post(cx, id, at);
    }

    /// Arms the retransmission timer behind what was just sent, or before it that of a probe: a flight whose end got lost
    /// draws no acknowledgement that would show it, so its last segment is sent again soon, once.
    pub(crate) fn arm_retransmission(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get_mut(id);
        let mut delay = timeout(socket);
        if socket.probe != Probe::Spent && socket.tries == 0 && socket.srtt_us > 0 {
            let is_alone = socket.in_flight() == u32::from(socket.tail);
            let patience = if is_alone { PROBE_ALONE } else { PROBE };
            delay = delay.min(Duration::from_micros(2 * u64::from(socket.srtt_us)) + patience);
            socket.probe = Probe::Armed;
        } else if socket.timer_at != Time::NEVER && socket.tries == 0 {
            return; // the retransmission timer runs from the probe
        }
        self.start_timer(cx, id, delay);
    }

    /// Sends the last segment of the flight again; the retransmission timer starts anew.
    fn send_probe(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get_mut(id);
        socket.probe = Probe::Spent;
        socket.timed_us = 0;
        let fin = u32::from(socket.fin_sent);
        let (seq, len) = (socket.snd_nxt.wrapping_sub(u32::from(socket.tail)), u32::from(socket.tail) - fin);
        let mut flags = Flags::ACK;
        if len > 0 {
            flags = flags.with(Flags::PSH);
        }
        if fin > 0 {
            flags = flags.with(Flags::FIN);
        }
        let delay = timeout(socket);
        self.start_timer(cx, id, delay);
        self.count_retransmission(cx, id);
        self.send_segment(cx, id, Say { seq, len, flags });
    }

    /// Arms the timer of the delayed acknowledgement, if it is not running.
    pub(crate) fn delay_ack(&mut self, cx: &mut Cx, id: SocketId) {
        if cx.sockets.get(id).ack_at == Time::NEVER {
            let at = self.timers.fires_at(cx.now, DELAYED_ACK);
            cx.sockets.get_mut(id).ack_at = at;
            post(cx, id, at);
        }
    }

    /// The event of a socket.
    pub(crate) fn socket_timer(&mut self, cx: &mut Cx, id: SocketId) {
        if cx.sockets.get(id).ack_at <= cx.now {
            self.send_ack(cx, id);
        }
        if cx.sockets.get(id).timer_at <= cx.now {
            cx.sockets.get_mut(id).timer_at = Time::NEVER;
            if !self.retransmission_timer(cx, id) {
                return;
            }
        }
        let socket = cx.sockets.get(id);
        let next = socket.timer_at.min(socket.ack_at);
        if next != Time::NEVER {
            post(cx, id, next);
        }
    }

    /// Nothing was acknowledged in time (or TIME_WAIT is over); false if the socket is gone.
    fn retransmission_timer(&mut self, cx: &mut Cx, id: SocketId) -> bool {
        let socket = cx.sockets.get(id);
        if socket.probe == Probe::Armed && socket.in_flight() > 0 {
            self.send_probe(cx, id);
            return true;
        }
        let socket = cx.sockets.get_mut(id);
        let limit = match (socket.state, socket.app) {
            (State::TimeWait | State::FinWait2, _) => 0,
            (State::SynSent, _) => SYN_RETRIES,
            (State::SynReceived, _) => SYN_ACK_RETRIES,
            (_, App::Orphan) => ORPHAN_RETRIES,
            _ => RETRIES,
        };
        if socket.tries >= limit {
            self.give_up(cx, id, Failure::TimedOut);
            return false;
        }
        socket.tries += 1;
        self.count_retransmission(cx, id);
        match cx.sockets.get(id).state {
            State::SynSent => self.resend_syn(cx, id, Flags::SYN),
            State::SynReceived => self.resend_syn(cx, id, Flags::SYN.with(Flags::ACK)),
            _ => self.go_back(cx, id),
        }
        true
    }

    fn resend_syn(&mut self, cx: &mut Cx, id: SocketId, flags: Flags) {
        self.send_syn(cx, id, flags);
        let backed_off = timeout(cx.sockets.get(id));
        self.start_timer(cx, id, backed_off);
    }

    /// Sends again from the first byte that was not acknowledged.
    fn go_back(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get_mut(id);
        socket.ssthresh = (socket.cwnd / 2).max(2);
        socket.cwnd = 1;
        socket.rewind();
        let backed_off = timeout(socket);
        self.start_timer(cx, id, backed_off);
        self.push(cx, id);
    }

    /// The connection is over without a close: the program learns why, the socket is gone.
    pub(crate) fn give_up(&mut self, cx: &mut Cx, id: SocketId, failure: Failure) {
        let app = cx.sockets.get(id).app;
        cx.sockets.remove(id);
        match app {
            App::Client(exchange) => self.exchange_failed(cx, exchange, failure),
            App::Request(request) => self.request_lost(cx, request),
            App::Server(_) | App::Orphan => {}
        }
    }
}

impl super::Socket {
    /// What was sent and not acknowledged becomes unsent again.
    pub(crate) fn rewind(&mut self) {
        let fin = u32::from(self.fin_sent);
        self.unsent = self.unsent.saturating_add(self.in_flight().saturating_sub(fin));
        self.snd_nxt = self.snd_una;
        self.fin_sent = false;
        self.timed_us = 0;
        self.duplicates = 0;
    }
}

/// One event per socket: only an earlier instant than the one posted needs another.
#[inline]
fn post(cx: &mut Cx, id: SocketId, at: Time) {
    let socket = cx.sockets.get_mut(id);
    if at < socket.posted {
        socket.posted = at;
        cx.agenda.post(at, Event::Socket(id));
    }
}
