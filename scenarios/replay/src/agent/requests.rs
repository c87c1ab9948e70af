//! The requests at servers: reading them, working on them, answering.

use super::clients::{Clients, FILLING, datagrams};
use super::servers::Servers;
use super::{Due, Reactor};
use crate::job::{Attempt, Close};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send, sendto};
use std::net::SocketAddr;

/// A connection, or a datagram.
pub(super) struct Request {
    /// Its server.
    pub(super) server: usize,
    /// Who wants the answer.
    pub(super) asker: Asker,
    /// The attempt it belongs to; none if nobody knows the client.
    pub(super) attempt: Option<usize>,
    /// Bytes still to come.
    pub(super) missing: u32,
    /// A worker has it.
    pub(super) has_worker: bool,
    /// The whole request is there.
    pub(super) is_complete: bool,
    /// The client has closed its side.
    is_half: bool,
    /// Bytes of the answer still to be sent, once it is there.
    unsent: Option<u32>,
}

/// Who wants the answer.
pub(super) enum Asker {
    /// The other end of this connection.
    Tcp(OwnedFd),
    /// The sender of a datagram, answered from this socket of the server.
    Udp(usize, SocketAddr),
    /// Nobody any more.
    Gone,
}

/// All requests. Slots are used again; `lives` tells the old requests from the new.
#[derive(Default)]
pub(super) struct Requests {
    slots: Vec<Request>,
    lives: Vec<u32>,
    free: Vec<usize>,
}

impl Request {
    pub(super) fn new(server: usize, asker: Asker, attempt: Option<usize>, missing: u32) -> Request {
        Request {
            server,
            asker,
            attempt,
            missing,
            has_worker: false,
            is_complete: false,
            is_half: false,
            unsent: None,
        }
    }
}

impl Requests {
    /// Where the next request will be.
    pub(super) fn next_slot(&self) -> usize {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    /// A request in the next slot.
    pub(super) fn insert(&mut self, slot: usize, request: Request) {
        debug_assert_eq!(slot, self.next_slot());
        if self.free.pop().is_some() {
            self.slots[slot] = request;
        } else {
            self.slots.push(request);
            self.lives.push(0);
        }
    }

    pub(super) fn get(&self, slot: usize) -> &Request {
        &self.slots[slot]
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> &mut Request {
        &mut self.slots[slot]
    }

    /// Which life of its slot a request is.
    pub(super) fn life(&self, slot: usize) -> u32 {
        self.lives[slot]
    }

    /// Nobody needs the request any more; its socket is closed.
    pub(super) fn release(&mut self, slot: usize) {
        self.slots[slot].asker = Asker::Gone;
        self.lives[slot] += 1;
        self.free.push(slot);
    }
}

impl Servers<'_> {
    /// A connection has something to tell.
    pub(super) fn ready(&mut self, slot: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) {
        let request = self.requests.get_mut(slot);
        let Asker::Tcp(fd) = &request.asker else { return };
        let is_lost = loop {
            match rustix::io::read(fd, &mut *reactor.buffer) {
                Ok(0) => {
                    request.is_half = true;
                    break false;
                }
                Ok(bytes) => request.missing = request.missing.saturating_sub(bytes as u32),
                Err(Errno::AGAIN) => break false,
                Err(_) => break true,
            }
        };
        let newly = !request.is_complete && request.missing == 0;
        request.is_complete |= newly;
        let is_over = request.is_half && (!request.is_complete || request.unsent == Some(0));
        if is_lost || is_over {
            self.lost(slot, reactor, clients);
        } else if newly {
            self.complete(slot, reactor, clients);
        } else if request.unsent.is_some_and(|unsent| unsent > 0) {
            self.send(slot, clients);
        }
    }

    /// The connection ends. A worker that has the request finishes all the same, unless the request never came.
    fn lost(&mut self, slot: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) {
        let request = self.requests.get_mut(slot);
        let (server, has_worker) = (request.server, request.has_worker);
        if request.unsent.is_some() {
            self.requests.release(slot);
        } else if has_worker && !request.is_complete {
            self.requests.release(slot);
            self.programs[server].busy -= 1;
            self.employ(server, reactor, clients);
        } else {
            request.asker = Asker::Gone; // whoever takes it next finds out
        }
    }

    /// The whole request is there.
    pub(super) fn complete(&mut self, slot: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) {
        let request = self.requests.get(slot);
        let is_held = request.attempt.is_some_and(|attempt| clients.attempt(attempt).held);
        if is_held || request.has_worker {
            self.work(slot, reactor, clients);
        } else if self.programs[request.server].spec.shares {
            self.share(slot, reactor, clients);
        }
    }

    /// Somebody works on it.
    pub(super) fn work(&mut self, slot: usize, reactor: &mut Reactor, clients: &Clients<'_>) {
        let request = self.requests.get(slot);
        let server = self.programs[request.server].spec;
        let work = request.attempt.map_or(0, |attempt| {
            let Attempt { work, held, .. } = *clients.attempt(attempt);
            if held { work } else { server.needs(work) }
        });
        reactor.post(reactor.now() + work, Due::Served(slot, self.requests.life(slot)));
    }

    /// The work is done: the answer goes out, and the worker takes the next request.
    pub(super) fn served(
        &mut self,
        slot: usize,
        life: u32,
        reactor: &mut Reactor,
        clients: &mut Clients<'_>,
    ) {
        if self.requests.life(slot) != life {
            return;
        }
        let request = self.requests.get_mut(slot);
        let (server, had_worker) = (request.server, std::mem::take(&mut request.has_worker));
        if had_worker {
            self.programs[server].busy -= 1;
        }
        let bytes = request.attempt.map_or(1, |attempt| clients.attempt(attempt).response.max(1));
        match &request.asker {
            Asker::Tcp(_) => {
                request.unsent = Some(bytes);
                self.send(slot, clients);
            }
            Asker::Udp(listener, to) => {
                let fd = &self.programs[server].listeners[*listener];
                for size in datagrams(bytes, *to) {
                    let _ = sendto(fd, &FILLING[..size], SendFlags::empty(), to);
                }
                self.requests.release(slot);
            }
            Asker::Gone => self.requests.release(slot),
        }
        self.employ(server, reactor, clients);
    }

    /// As much of the answer as the socket takes; then it is closed, if the server closes.
    fn send(&mut self, slot: usize, clients: &Clients<'_>) {
        let request = self.requests.get_mut(slot);
        let (Asker::Tcp(fd), Some(unsent)) = (&request.asker, &mut request.unsent) else { return };
        while *unsent > 0 {
            let piece = (*unsent as usize).min(FILLING.len());
            match send(fd, &FILLING[..piece], SendFlags::NOSIGNAL) {
                Ok(sent) => *unsent -= sent as u32,
                Err(Errno::AGAIN) => return,
                Err(_) => return self.requests.release(slot),
            }
        }
        let close = request.attempt.map_or(Close::Server, |attempt| clients.attempt(attempt).close);
        if close == Close::Server || request.is_half {
            self.requests.release(slot);
        }
    }
}
