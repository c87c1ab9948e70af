//! Server programs: listening ports, an accept queue, workers, and the work of a request.
//!
//! **First come, first served**: like a pre-forking server, each of `workers` processes accepts a connection, reads its
//! request, works, answers, and accepts the next; connections nobody has accepted wait in the kernel's accept queue.
//! **Processor sharing**: like a threaded server, every connection is accepted at once and all requests share the
//! power of `workers` processors, none getting more than one.

use crate::addr::Addr;
use crate::cx::Cx;
use crate::event::Event;
use crate::exchange::ExchangeId;
use crate::frames::FrameId;
use crate::host::Host;
use crate::ipvs::Protocol;
use crate::recorder::Place;
use crate::request::{Asker, Request, RequestId};
use crate::sharing::Sharing;
use crate::spec::{Close, Discipline, ReplyFrom, ServerSpec};
use crate::tcp::{App, SocketId};
use crate::transcript::Stage;
use crate::verdict::DropReason;
use sim_core::{Duration, Histogram, Stream, Time};
use std::collections::VecDeque;

/// A server program of a host.
#[derive(Debug)]
pub struct Server {
    pub(crate) spec: ServerSpec,
    stream: Stream,
    /// Its number in the network, for events.
    pub(crate) number: u32,
    /// Requests that no worker has, oldest first.
    queue: VecDeque<RequestId>,
    pub(crate) busy: u32,
    pub(crate) sharing: Sharing,
    busy_ns: u128,
    busy_since: Time,
    /// Connections established (TCP), datagrams taken (UDP).
    pub accepted: u64,
    /// Requests answered.
    pub completed: u64,
    /// Connections and datagrams refused because the queue was full.
    pub overflowed: u64,
    /// From the arrival of a request to the hand-over of its answer.
    pub sojourn: Histogram,
}

impl Server {
    /// A server; `name` names its random stream.
    pub fn new(spec: ServerSpec, number: u32, seed: u64, name: &str) -> Server {
        Server {
            spec,
            stream: Stream::new(seed, name),
            number,
            queue: VecDeque::new(),
            busy: 0,
            sharing: Sharing::default(),
            busy_ns: 0,
            busy_since: Time::ZERO,
            accepted: 0,
            completed: 0,
            overflowed: 0,
            sojourn: Histogram::new(),
        }
    }

    /// Linux counts a queue of n as full when more than n wait.
    #[inline]
    pub(crate) fn accept_queue_is_full(&self) -> bool {
        self.spec.discipline == Discipline::Fifo && self.queue.len() > self.spec.backlog as usize
    }

    /// Requests waiting and in service.
    pub fn load(&self) -> u32 {
        self.busy + self.queue.len() as u32
    }

    /// Busy worker time so far, in nanoseconds.
    pub fn busy_ns(&self, now: Time) -> u128 {
        self.busy_ns + u128::from(self.power()) * u128::from(now.since(self.busy_since).as_nanos())
    }

    /// Processors at work.
    fn power(&self) -> u32 {
        self.busy.min(self.spec.workers)
    }

    pub(crate) fn change_busy(&mut self, now: Time, by: i32) {
        self.busy_ns = self.busy_ns(now);
        self.busy_since = now;
        self.busy = self.busy.checked_add_signed(by).expect("as many workers end as begin");
    }

    pub(crate) fn draw_service(&mut self) -> Duration {
        let seconds = self.spec.service_time.sample(&mut self.stream) / self.spec.speed;
        Duration::from_secs_f64(seconds)
    }

    pub(crate) fn draw_response(&mut self) -> u32 {
        crate::client::whole_bytes(self.spec.response_bytes.sample(&mut self.stream)).max(1)
    }
}

impl Host {
    /// The server that listens on a port, if one does.
    pub(crate) fn listener(&self, udp: bool, port: u16) -> Option<u32> {
        let serves = |server: &Server| {
            (server.spec.protocol == Protocol::Udp) == udp && server.spec.ports.contains(&port)
        };
        self.servers.iter().position(serves).map(|at| at as u32)
    }

    /// A connection is established: it waits to be accepted.
    pub(crate) fn connection_accepted(&mut self, cx: &mut Cx, server: u32, socket: SocketId) {
        let plan = exchange_of(cx, socket);
        let missing = plan.map_or(1, |id| cx.exchanges.get(id).request_bytes);
        let request = Request {
            host: self.id,
            server,
            asker: Asker::Tcp(socket),
            arrived: Time::NEVER,
            missing,
            response_bytes: 0,
            close: plan.map_or(Close::Server, |id| cx.exchanges.get(id).close),
            has_worker: false,
        };
        let id = cx.requests.insert(request);
        cx.sockets.get_mut(socket).set_app(App::Request(id));
        let held = plan.is_some_and(|plan| cx.exchanges.row(plan).is_some());
        let place = (self.id, server);
        cx.recorder.enter(cx.sockets.get(socket).flow, |attempt| attempt.server = Some(place));
        let server = &mut self.servers[server as usize];
        server.accepted += 1;
        if !held && server.spec.discipline == Discipline::Fifo {
            server.queue.push_back(id);
            let number = cx.requests.get(id).server;
            self.employ(cx, number);
        }
    }

    /// Bytes of a request came; false if the socket is gone.
    pub(crate) fn program_reads(&mut self, cx: &mut Cx, socket: SocketId, bytes: u32) -> bool {
        match cx.sockets.get(socket).app() {
            App::Client(exchange) => return self.exchange_reads(cx, exchange, bytes),
            App::Request(id) => {
                let now = cx.now;
                let request = cx.requests.get_mut(id);
                if request.arrived == Time::NEVER {
                    request.missing = request.missing.saturating_sub(bytes);
                    if request.missing == 0 {
                        request.arrived = now;
                        self.request_complete(cx, id);
                    }
                }
            }
            App::Server(_) | App::Orphan => {}
        }
        true
    }

    /// The client has closed its side; false if the socket is gone. A server without work for it closes too.
    pub(crate) fn program_reads_end(&mut self, cx: &mut Cx, socket: SocketId) -> bool {
        match cx.sockets.get(socket).app() {
            App::Client(exchange) => self.exchange_reads_end(cx, exchange, socket),
            App::Request(id) if cx.requests.get(id).arrived != Time::NEVER => true, // the answer is on its way
            App::Request(id) => {
                self.request_lost(cx, id);
                cx.sockets.get_mut(socket).set_app(App::Orphan);
                self.close(cx, socket);
                true
            }
            App::Server(_) | App::Orphan => {
                cx.sockets.get_mut(socket).set_app(App::Orphan);
                self.close(cx, socket);
                true
            }
        }
    }

    /// A datagram for a listening port.
    pub(crate) fn datagram_asked(
        &mut self,
        cx: &mut Cx,
        number: u32,
        frame: FrameId,
        asked: (Addr, u16),
        from: (Addr, u16),
    ) {
        let server = &mut self.servers[number as usize];
        if server.spec.discipline == Discipline::Fifo
            && server.queue.len() >= server.spec.backlog.max(1) as usize
        {
            server.overflowed += 1;
            return cx.drop(Place::Host(self.id), frame, DropReason::BacklogFull);
        }
        server.accepted += 1;
        let flow = cx.wiring.frames.packet_mut(&frame).flow;
        cx.deliver(frame);
        let place = (self.id, number);
        cx.recorder.enter(flow, |attempt| attempt.server = Some(place));
        let request = Request {
            host: self.id,
            server: number,
            asker: Asker::Udp { asked, from, flow },
            arrived: cx.now,
            missing: 0,
            response_bytes: 0,
            close: Close::None,
            has_worker: false,
        };
        let id = cx.requests.insert(request);
        let held = cx.exchanges.by_tag(flow).is_some_and(|(id, _)| cx.exchanges.row(id).is_some());
        if !held && self.servers[number as usize].spec.discipline == Discipline::Fifo {
            self.servers[number as usize].queue.push_back(id);
        }
        self.request_complete(cx, id);
        self.employ(cx, number);
    }

    /// A request is there: a trace's one is held as long as the trace says, another is worked on.
    fn request_complete(&mut self, cx: &mut Cx, id: RequestId) {
        if let Some((hold, bytes)) = self.planned(cx, id) {
            cx.requests.get_mut(id).response_bytes = bytes;
            note_work(cx, id, hold);
            cx.agenda.post(cx.now + hold, Event::Served(id));
            return;
        }
        let request = cx.requests.get(id);
        let (number, has_worker) = (request.server, request.has_worker);
        match self.servers[number as usize].spec.discipline {
            Discipline::Fifo if has_worker => self.work(cx, id),
            Discipline::Fifo => {}
            Discipline::ProcessorSharing => self.share(cx, id),
        }
    }

    /// Hold time and answer of a request that follows a trace.
    fn planned(&self, cx: &Cx, id: RequestId) -> Option<(Duration, u32)> {
        let tag = match cx.requests.get(id).asker {
            Asker::Tcp(socket) => crate::exchange::Exchanges::tag(exchange_of(cx, socket)?),
            Asker::Udp { flow, .. } => flow,
            Asker::Gone => return None,
        };
        let (id, exchange) = cx.exchanges.by_tag(tag)?;
        cx.plans.get(exchange.group, cx.exchanges.row(id)?)
    }

    /// Gives waiting requests to idle workers.
    fn employ(&mut self, cx: &mut Cx, number: u32) {
        loop {
            let server = &mut self.servers[number as usize];
            if server.busy >= server.spec.workers {
                return;
            }
            let Some(id) = server.queue.pop_front() else { return };
            if matches!(cx.requests.get(id).asker, Asker::Gone) {
                cx.requests.remove(id); // accepted, found closed, dismissed
                continue;
            }
            server.change_busy(cx.now, 1);
            cx.requests.get_mut(id).has_worker = true;
            if cx.requests.get(id).arrived != Time::NEVER {
                self.work(cx, id);
            }
        }
    }

    fn work(&mut self, cx: &mut Cx, id: RequestId) {
        let server = &mut self.servers[cx.requests.get(id).server as usize];
        let service = server.draw_service();
        let (busy, workers, waiting) = (server.busy, server.spec.workers, server.queue.len());
        self.tell_server(cx, id, || {
            format!("a worker takes the request for {service}: {busy} of {workers} workers busy, {waiting} requests wait")
        });
        let server = &mut self.servers[cx.requests.get(id).server as usize];
        cx.requests.get_mut(id).response_bytes = server.draw_response();
        note_work(cx, id, service);
        cx.agenda.post(cx.now + service, Event::Served(id));
    }

    /// The event of a request: its work is done, the answer goes out.
    pub(crate) fn request_served(&mut self, cx: &mut Cx, id: RequestId) {
        let request = cx.requests.get(id).clone();
        let sojourn = cx.now.since(request.arrived);
        self.tell_server(cx, id, || {
            format!("answers with {} bytes, {sojourn} after the request", request.response_bytes)
        });
        cx.requests.remove(id);
        let server = &mut self.servers[request.server as usize];
        if request.has_worker {
            server.change_busy(cx.now, -1);
        }
        if !matches!(request.asker, Asker::Gone) {
            server.completed += 1;
            server.sojourn.record(cx.now.since(request.arrived));
        }
        self.answer(cx, &request);
        self.employ(cx, request.server);
    }

    /// A line of the transcript about the server program, if the request's exchange is followed.
    fn tell_server(&self, cx: &mut Cx, id: RequestId, text: impl FnOnce() -> String) {
        let flow = match cx.requests.get(id).asker {
            Asker::Tcp(socket) => cx.sockets.get(socket).flow,
            Asker::Udp { flow, .. } => flow,
            Asker::Gone => 0,
        };
        cx.recorder.tell_of(cx.now, Place::Host(self.id), Stage::Server, flow, text);
    }

    fn answer(&mut self, cx: &mut Cx, request: &Request) {
        match request.asker {
            Asker::Tcp(socket) => {
                if let Some(exchange) = exchange_of(cx, socket) {
                    cx.exchanges.get_mut(exchange).expect_response(request.response_bytes);
                }
                let client_closed = cx.sockets.get(socket).state == crate::tcp::State::CloseWait;
                let closes = request.close == Close::Server || client_closed;
                let owner = if closes { App::Orphan } else { App::Server(request.server) };
                cx.sockets.get_mut(socket).set_app(owner);
                self.write(cx, socket, request.response_bytes);
                if closes {
                    self.close(cx, socket);
                }
            }
            Asker::Udp { asked, from, flow } => {
                let source = match self.servers[request.server as usize].spec.reply_from {
                    ReplyFrom::Asked => asked.0,
                    ReplyFrom::Routed => self.source_towards(from.0).unwrap_or(asked.0),
                };
                self.answer_datagram(cx, (source, asked.1), from, request.response_bytes, flow);
            }
            Asker::Gone => {}
        }
    }

    /// The connection of a request is gone. A worker that has it finishes all the same.
    pub(crate) fn request_lost(&mut self, cx: &mut Cx, id: RequestId) {
        let request = cx.requests.get_mut(id);
        request.asker = Asker::Gone;
        let (number, has_worker, unread) =
            (request.server, request.has_worker, request.arrived == Time::NEVER);
        if unread && has_worker {
            // The worker's read fails: it accepts the next connection.
            cx.requests.remove(id);
            self.servers[number as usize].change_busy(cx.now, -1);
            self.employ(cx, number);
        } else if unread && self.servers[number as usize].spec.discipline == Discipline::ProcessorSharing {
            cx.requests.remove(id);
        }
    }
}

/// The ledger learns what a server has to do for a request.
pub(crate) fn note_work(cx: &mut Cx, id: RequestId, work: Duration) {
    let request = cx.requests.get(id);
    let tag = match request.asker {
        Asker::Tcp(socket) => cx.sockets.get(socket).flow,
        Asker::Udp { flow, .. } => flow,
        Asker::Gone => return,
    };
    cx.recorder.enter(tag, |attempt| {
        (attempt.work, attempt.response_bytes) = (Some(work), request.response_bytes);
    });
}

/// The exchange at the other end of a server's socket, if it is still the one that opened it.
fn exchange_of(cx: &Cx, socket: SocketId) -> Option<ExchangeId> {
    let (id, exchange) = cx.exchanges.by_tag(cx.sockets.get(socket).flow)?;
    cx.sockets.leads_to(socket, exchange.socket()?).then_some(id)
}
