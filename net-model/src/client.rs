//! Client programs: what a group begins at its instants, and what one exchange does.
//!
//! An exchange connects, sends its request at once after the handshake, reads the answer, and closes as its plan says.
//! A failed one is tried again as often as the group allows. Everything random is drawn from the group's own stream.

use crate::addr::Addr;
use crate::cx::Cx;
use crate::event::Event;
use crate::exchange::{Exchange, ExchangeId, Exchanges, Phase};
use crate::group::GroupId;
use crate::host::Host;
use crate::ipvs::{Protocol, endpoint};
use crate::ledger::Attempt;
use crate::outcome::Failure;
use crate::recorder::Place;
use crate::spec::{Arrivals, Close, Target};
use crate::tcp::table::Key;
use crate::tcp::{App, SocketId};
use crate::transcript::Stage;
use sim_core::{Duration, Time};

/// How many ports a client tries before it says that none is free.
const PORT_TRIES: u32 = 64;
/// A client that was refused waits this long before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

impl Host {
    /// The event of a group: an exchange begins, and the next one gets its event.
    pub(crate) fn begin_exchange(&mut self, cx: &mut Cx, group: usize) {
        let clients = &mut self.clients[group];
        let (row, request_bytes, close) = match &clients.spec.arrivals {
            Arrivals::Trace(rows) => {
                let row = clients.row;
                let bytes = whole_bytes(clients.spec.request_bytes.sample(&mut clients.stream));
                (Some(row as u32), bytes, rows[row].close)
            }
            _ => (
                None,
                whole_bytes(clients.spec.request_bytes.sample(&mut clients.stream)),
                clients.spec.close,
            ),
        };
        let exchange = Exchange::new(cx.now, clients.id, request_bytes.max(1), close);
        clients.seen.started += 1;
        if let Some(at) = clients.next_arrival(cx.now) {
            cx.agenda.post(at, Event::Begin(clients.id));
        }
        let exchange = cx.exchanges.insert(exchange, row);
        let number = cx.exchanges.next_number();
        cx.recorder.exchange_begins(number, Exchanges::tag(exchange));
        self.attempt(cx, exchange);
    }

    /// One attempt of an exchange: choose addresses, send the SYN or the datagram.
    fn attempt(&mut self, cx: &mut Cx, id: ExchangeId) {
        let exchange = cx.exchanges.get_mut(id);
        exchange.begin_attempt();
        let (local, target) = match self.endpoints(cx, id) {
            Ok(endpoints) => endpoints,
            Err(failure) => return self.exchange_over(cx, id, Err(failure)),
        };
        let remote = (target.addr, target.port);
        let group = &self.clients[self.group_index(cx.exchanges.get(id).group)];
        if let Some(limit) = group.spec.timeout {
            wake(cx, id, cx.now + limit);
        }
        let tag = Exchanges::tag(id);
        self.note_attempt(cx, id, local, target);
        self.tell_client(cx, id, || {
            format!(
                "connects from {} to {} {}",
                endpoint(local.0, local.1),
                target.protocol.name(),
                endpoint(remote.0, remote.1)
            )
        });
        match target.protocol {
            Protocol::Tcp => {
                let socket = self.connect(cx, local, remote, App::Client(id), tag);
                cx.exchanges.get_mut(id).set_socket(socket);
            }
            Protocol::Udp | Protocol::Sctp => self.ask_by_datagram(cx, id, local, remote),
        }
    }

    /// A line for the ledger, if one is kept.
    fn note_attempt(&self, cx: &mut Cx, id: ExchangeId, local: (Addr, u16), target: Target) {
        let Some(ledger) = &mut cx.recorder.ledger else { return };
        let exchange = cx.exchanges.get(id);
        let group = &self.clients[self.group_index(exchange.group)];
        let attempt = Attempt {
            exchange: Exchanges::tag(id),
            host: self.id,
            begun: cx.now,
            protocol: target.protocol,
            local,
            remote: (target.addr, target.port),
            request_bytes: exchange.request_bytes,
            words: None,
            close: exchange.close,
            timeout: group.spec.timeout,
            ping: group.row(cx.exchanges.row(id)).and_then(|row| row.ping),
            server: None,
            work: None,
            response_bytes: 0,
            result: None,
        };
        ledger.begin(Exchanges::tag(id), attempt);
    }

    /// Own and other address and port of the next attempt, unless there is no route or every port tried is in use.
    fn endpoints(&mut self, cx: &Cx, id: ExchangeId) -> Result<((Addr, u16), Target), Failure> {
        let exchange = cx.exchanges.get(id);
        let at = self.group_index(exchange.group);
        let group = &mut self.clients[at];
        let (target, fixed) = match group.row(cx.exchanges.row(id)) {
            Some(row) => (row.target, Some((row.client, row.client_port))),
            None => (group.spec.target, None),
        };
        let free = |host: u32, local: (Addr, u16)| {
            let udp = target.protocol == Protocol::Udp;
            cx.sockets.find(&Key { host, udp, local, remote: (target.addr, target.port) }).is_none()
        };
        if let Some(local) = fixed {
            return free(self.id, local).then_some((local, target)).ok_or(Failure::NoPort);
        }
        let source = match group.next_source() {
            Some(source) => source,
            None => self.source_towards(target.addr).ok_or(Failure::Unreachable)?,
        };
        let host = self.id;
        let mut ports = (0..PORT_TRIES).map(|_| (source, self.next_port()));
        let local = ports.find(|local| {
            cx.sockets.read_ahead(host, *local, (target.addr, target.port));
            free(host, *local)
        });
        local.map(|local| (local, target)).ok_or(Failure::NoPort)
    }

    /// The port that the next connection from here tries first (ip_local_port_range): all programs share the range.
    fn next_port(&mut self) -> u16 {
        let (first, last) = self.stack.local_ports();
        let port = first + self.next_port;
        self.next_port = if port >= last { 0 } else { self.next_port + 1 };
        port
    }

    /// The handshake is done: ask.
    pub(crate) fn exchange_connected(&mut self, cx: &mut Cx, id: ExchangeId) {
        let now = cx.now;
        let exchange = cx.exchanges.get_mut(id);
        exchange.phase = Phase::Waiting;
        let (started, bytes, socket) = (exchange.started, exchange.request_bytes, exchange.socket());
        let at = self.group_index(exchange.group);
        self.clients[at].seen.connect.record(now.since(started));
        let socket = socket.expect("a connected exchange has a socket");
        self.tell_client(cx, id, || {
            format!("connected after {}, asks with {bytes} bytes", now.since(started))
        });
        self.write(cx, socket, bytes);
        self.next_ping(cx, id);
    }

    /// Bytes of the answer have come; false if the socket is gone.
    pub(crate) fn exchange_reads(&mut self, cx: &mut Cx, id: ExchangeId, bytes: u32) -> bool {
        let exchange = cx.exchanges.get_mut(id);
        exchange.received = exchange.received.saturating_add(bytes);
        if !exchange.is_complete() || exchange.phase != Phase::Waiting {
            return true;
        }
        exchange.phase = Phase::Answered;
        let (close, socket) = (exchange.close, exchange.socket().expect("an answered exchange has a socket"));
        self.note_success(cx, id);
        match close {
            Close::Server | Close::None => true,
            Close::Client => {
                self.close(cx, socket);
                true
            }
            Close::Reset => {
                self.abort(cx, socket);
                self.exchange_over(cx, id, Ok(()));
                false
            }
        }
    }

    /// The other side has closed: close as well, at once. False if the socket is gone.
    pub(crate) fn exchange_reads_end(&mut self, cx: &mut Cx, id: ExchangeId, socket: SocketId) -> bool {
        let answered = cx.exchanges.get(id).phase == Phase::Answered;
        cx.sockets.get_mut(socket).set_app(App::Orphan);
        self.close(cx, socket);
        if !answered {
            note_failure(cx, id, Failure::Reset);
        }
        self.exchange_over(cx, id, if answered { Ok(()) } else { Err(Failure::Reset) });
        true
    }

    /// The attempt failed; the socket is gone.
    pub(crate) fn exchange_failed(&mut self, cx: &mut Cx, id: ExchangeId, failure: Failure) {
        self.tell_client(cx, id, || format!("the attempt failed: {}", failure.name()));
        note_failure(cx, id, failure);
        let exchange = cx.exchanges.get_mut(id);
        exchange.clear_socket();
        if exchange.phase == Phase::Answered {
            return self.exchange_over(cx, id, Ok(())); // the answer was there already
        }
        let attempts = u32::from(exchange.attempts);
        let at = self.group_index(exchange.group);
        if attempts > self.clients[at].spec.retries {
            return self.exchange_over(cx, id, Err(failure));
        }
        if failure == Failure::TimedOut {
            return self.attempt(cx, id);
        }
        cx.exchanges.get_mut(id).phase = Phase::Pausing;
        wake(cx, id, cx.now + RETRY_PAUSE);
    }

    /// The event of an exchange.
    pub(crate) fn exchange_wakes(&mut self, cx: &mut Cx, id: ExchangeId) {
        cx.exchanges.set_wake(id, Time::NEVER);
        match cx.exchanges.get(id).phase {
            Phase::Pausing | Phase::Thinking => {
                if cx.exchanges.get(id).phase == Phase::Thinking {
                    self.think_ends(cx, id);
                }
                self.attempt(cx, id);
            }
            Phase::Connecting => self.times_out(cx, id),
            Phase::Waiting | Phase::Answered => {
                if self.pings(cx, id) {
                    self.next_ping(cx, id);
                } else {
                    self.times_out(cx, id);
                }
            }
        }
    }

    /// The program's own time-out: it gives the attempt up.
    fn times_out(&mut self, cx: &mut Cx, id: ExchangeId) {
        if let Some(socket) = cx.exchanges.get(id).socket() {
            self.abort(cx, socket);
        }
        self.exchange_failed(cx, id, Failure::TimedOut);
    }

    /// The answer is complete: that is what the user waited for.
    fn note_success(&mut self, cx: &mut Cx, id: ExchangeId) {
        let exchange = cx.exchanges.get_mut(id);
        let (started, latency) = (exchange.started, cx.now.since(exchange.started));
        let received = exchange.received;
        let at = self.group_index(exchange.group);
        if self.clients[at].row(cx.exchanges.row(id)).is_none_or(|row| row.ping.is_none()) {
            cx.exchanges.set_wake(id, Time::NEVER); // no time-out any more
        }
        self.tell_client(cx, id, || {
            format!("has the whole answer of {received} bytes, {latency} after the beginning")
        });
        let now = cx.now;
        cx.recorder.enter(Exchanges::tag(id), |attempt| attempt.result = Some((now, Ok(()))));
        let sampling = cx.recorder.sampling;
        self.clients[at].seen.succeeded += 1;
        self.clients[at].note_latency(started, latency, sampling);
    }

    /// The exchange ends. A user of a closed loop thinks, then begins the next one.
    pub(crate) fn exchange_over(&mut self, cx: &mut Cx, id: ExchangeId, result: Result<(), Failure>) {
        let at = self.group_index(cx.exchanges.get(id).group);
        let clients = &mut self.clients[at];
        if let Err(failure) = result {
            clients.seen.failed[failure as usize] += 1;
        }
        let Arrivals::Users { think, .. } = &clients.spec.arrivals else {
            return cx.exchanges.remove(id);
        };
        let pause = Duration::from_secs_f64(think.sample(&mut clients.stream));
        if !clients.may_begin(cx.now + pause) {
            return cx.exchanges.remove(id);
        }
        let exchange = cx.exchanges.get_mut(id);
        exchange.phase = Phase::Thinking;
        exchange.clear_socket();
        wake(cx, id, cx.now + pause);
    }

    fn think_ends(&mut self, cx: &mut Cx, id: ExchangeId) {
        let at = self.group_index(cx.exchanges.get(id).group);
        let clients = &mut self.clients[at];
        clients.seen.started += 1;
        let bytes = whole_bytes(clients.spec.request_bytes.sample(&mut clients.stream));
        let number = cx.exchanges.next_number();
        let exchange = cx.exchanges.get_mut(id);
        exchange.started = cx.now;
        exchange.attempts = 0;
        exchange.request_bytes = bytes.max(1);
        cx.recorder.exchange_begins(number, Exchanges::tag(id));
    }

    /// A line of the transcript about the client program, if its exchange is followed.
    fn tell_client(&self, cx: &mut Cx, id: ExchangeId, text: impl FnOnce() -> String) {
        cx.recorder.tell_of(cx.now, Place::Host(self.id), Stage::Client, Exchanges::tag(id), text);
    }

    /// Sends the ping that is due, if this exchange pings.
    fn pings(&mut self, cx: &mut Cx, id: ExchangeId) -> bool {
        let exchange = cx.exchanges.get(id);
        let group = &self.clients[self.group_index(exchange.group)];
        let due = group.row(cx.exchanges.row(id)).is_some_and(|row| row.ping.is_some());
        if let (true, Some(socket)) = (due, exchange.socket()) {
            self.write(cx, socket, 1);
        }
        due
    }

    fn next_ping(&mut self, cx: &mut Cx, id: ExchangeId) {
        let exchange = cx.exchanges.get(id);
        let group = &self.clients[self.group_index(exchange.group)];
        if let Some(ping) = group.row(cx.exchanges.row(id)).and_then(|row| row.ping) {
            wake(cx, id, cx.now + ping);
        }
    }

    pub(crate) fn group_index(&self, id: GroupId) -> usize {
        // A host has few groups, nearly always one.
        self.clients.iter().position(|group| group.id == id).expect("the group lives on this host")
    }

    pub(crate) fn count_retransmission(&mut self, cx: &Cx, socket: SocketId) {
        if let App::Client(id) = cx.sockets.get(socket).app() {
            let at = self.group_index(cx.exchanges.get(id).group);
            self.clients[at].seen.retransmissions += 1;
        }
    }
}

/// The ledger learns that an attempt failed, unless the answer was there before.
fn note_failure(cx: &mut Cx, id: ExchangeId, failure: Failure) {
    let now = cx.now;
    cx.recorder.enter(Exchanges::tag(id), |attempt| {
        attempt.result.get_or_insert((now, Err(failure)));
    });
}

/// Gives an exchange its one event.
pub(crate) fn wake(cx: &mut Cx, id: ExchangeId, at: Time) {
    cx.exchanges.set_wake(id, at);
    cx.agenda.post(at, Event::Exchange(id));
}

/// A drawn size as bytes: rounded, within 32 bits.
pub(crate) fn whole_bytes(drawn: f64) -> u32 {
    (drawn + 0.5) as u32 // `as` saturates
}
