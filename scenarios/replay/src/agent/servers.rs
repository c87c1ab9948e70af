//! The server programs: who is accepted, and which worker has what.

use super::clients::{Clients, refused, socket};
use super::requests::{Asker, Request, Requests};
use super::sharing::Sharing;
use super::spaces::Spaces;
use super::{AgentError, Reactor, Token};
use crate::job::{Job, Server};
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, bind, listen, recvfrom, sockopt};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// All servers of a job.
pub(super) struct Servers<'a> {
    pub(super) programs: Vec<Program<'a>>,
    pub(super) requests: Requests,
}

/// A program that listens.
pub(super) struct Program<'a> {
    pub(super) spec: &'a Server,
    pub(super) listeners: Vec<OwnedFd>,
    /// Workers that have a request.
    pub(super) busy: u32,
    /// Requests that wait for a worker here, not in the kernel's queue.
    waiting: VecDeque<usize>,
    /// All connections are accepted at once, because some are served at once.
    is_eager: bool,
    pub(super) sharing: Sharing,
}

impl<'a> Servers<'a> {
    /// Starts all programs.
    pub(super) fn open(
        job: &'a Job,
        spaces: &mut Spaces,
        reactor: &mut Reactor,
    ) -> Result<Servers<'a>, AgentError> {
        let held = job.attempts.iter().any(|attempt| attempt.held);
        let mut programs = Vec::with_capacity(job.servers.len());
        for (number, spec) in job.servers.iter().enumerate() {
            spaces.enter(Some(spec.host))?;
            let mut listeners = Vec::with_capacity(spec.listens.len());
            for (index, addr) in spec.listens.iter().enumerate() {
                let fd = listener(*addr, spec).map_err(|e| refused("listening on", *addr, e))?;
                reactor.hear(&fd, Token::Listener(number, index), EventFlags::IN | EventFlags::ET)?;
                listeners.push(fd);
            }
            programs.push(Program {
                spec,
                listeners,
                busy: 0,
                waiting: VecDeque::new(),
                is_eager: held || spec.shares || spec.udp,
                sharing: Sharing::default(),
            });
        }
        Ok(Servers { programs, requests: Requests::default() })
    }

    /// Somebody wants something from a server.
    pub(super) fn knock(
        &mut self,
        server: usize,
        listener: usize,
        reactor: &mut Reactor,
        clients: &mut Clients<'_>,
    ) {
        let program = &self.programs[server];
        if program.spec.udp {
            while self.receive(server, listener, reactor, clients).is_some() {}
        } else if program.is_eager {
            while self.accept(server, reactor, clients).is_some() {}
        }
        self.employ(server, reactor, clients);
    }

    /// Gives work to workers that have none. All ports share the workers.
    pub(super) fn employ(&mut self, server: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) {
        while self.programs[server].busy < self.programs[server].spec.workers {
            let program = &mut self.programs[server];
            let next = match program.waiting.pop_front() {
                None if !program.is_eager => self.accept(server, reactor, clients),
                next => next,
            };
            let Some(slot) = next else { return };
            let request = self.requests.get_mut(slot);
            if matches!(request.asker, Asker::Gone) {
                self.requests.release(slot);
                continue;
            }
            request.has_worker = true;
            let is_complete = request.is_complete;
            self.programs[server].busy += 1;
            if is_complete {
                self.work(slot, reactor, clients);
            } else {
                self.ready(slot, reactor, clients);
            }
        }
    }

    /// The next connection of a server's ports.
    fn accept(&mut self, server: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) -> Option<usize> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let program = &mut self.programs[server];
        let fd = program.listeners.iter().find_map(|listener| accept_with(listener, flags).ok())?;
        let peer = rustix::net::getpeername(&fd).ok().flatten();
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        let plan = peer.and_then(|peer| clients.plan(false, peer));
        let slot = self.requests.next_slot();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let _ = reactor.hear(&fd, Token::Connection(slot), flags);
        if program.is_eager && !program.spec.shares && !plan.is_some_and(|(_, attempt)| attempt.held) {
            program.waiting.push_back(slot);
        }
        let missing = plan.map_or(1, |(_, attempt)| attempt.request);
        self.admit(slot, Request::new(server, Asker::Tcp(fd), plan.map(|(at, _)| at), missing), clients);
        Some(slot)
    }

    /// The next datagram of a socket.
    fn receive(
        &mut self,
        server: usize,
        listener: usize,
        reactor: &mut Reactor,
        clients: &mut Clients<'_>,
    ) -> Option<()> {
        let program = &mut self.programs[server];
        let (_, _, from) =
            recvfrom(&program.listeners[listener], &mut *reactor.buffer, RecvFlags::empty()).ok()?;
        let peer = SocketAddr::try_from(from?).ok()?;
        let plan = clients.plan(true, peer);
        let slot = self.requests.next_slot();
        let is_held = plan.is_some_and(|(_, attempt)| attempt.held);
        if !is_held && !program.spec.shares {
            if program.waiting.len() >= program.spec.backlog.max(1) as usize {
                return Some(()); // no room: the datagram is lost
            }
            program.waiting.push_back(slot);
        }
        let mut request = Request::new(server, Asker::Udp(listener, peer), plan.map(|(at, _)| at), 0);
        request.is_complete = true;
        self.admit(slot, request, clients);
        self.complete(slot, reactor, clients);
        Some(())
    }

    fn admit(&mut self, slot: usize, request: Request, clients: &mut Clients<'_>) {
        if let Some(attempt) = request.attempt {
            clients.outcomes[attempt].server.get_or_insert(request.server);
        }
        self.requests.insert(slot, request);
    }
}

fn listener(addr: SocketAddr, spec: &Server) -> Result<OwnedFd, Errno> {
    let fd = socket(addr, spec.udp)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    bind(&fd, &addr)?;
    if !spec.udp {
        listen(&fd, i32::try_from(spec.backlog).unwrap_or(i32::MAX))?;
    }
    Ok(fd)
}
