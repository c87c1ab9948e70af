//! The client programs: each attempt is a socket that connects, asks, reads the answer, and closes as the job says.

use super::spaces::Spaces;
use super::{Due, Reactor, Token, kernel};
use crate::job::{Attempt, Close, Job};
use crate::transcript::{End, Outcome};
use rustc_hash::FxHashMap;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, sockopt};
use std::net::SocketAddr;
use std::time::Duration;

/// All clients of a job.
pub(super) struct Clients<'a> {
    job: &'a Job,
    sockets: Vec<Option<Client>>,
    /// What became of each attempt.
    pub(super) outcomes: Vec<Outcome>,
    /// The last attempt from this address and port, for the servers, who want to know what they should do.
    last: FxHashMap<(bool, SocketAddr), usize>,
}

struct Client {
    fd: OwnedFd,
    is_connected: bool,
    is_answered: bool,
    /// Bytes of the request that are still to be sent.
    unsent: u32,
    received: u32,
}

/// What requests and answers consist of.
pub(super) static FILLING: [u8; 65536] = [b'.'; 65536];

impl<'a> Clients<'a> {
    pub(super) fn new(job: &'a Job) -> Clients<'a> {
        Clients {
            job,
            sockets: job.attempts.iter().map(|_| None).collect(),
            outcomes: vec![Outcome::default(); job.attempts.len()],
            last: FxHashMap::default(),
        }
    }

    /// The attempt that a server's peer is, and its plan.
    pub(super) fn plan(&self, udp: bool, peer: SocketAddr) -> Option<(usize, &'a Attempt)> {
        let index = *self.last.get(&(udp, peer))?;
        Some((index, &self.job.attempts[index]))
    }

    /// The plan of an attempt.
    pub(super) fn attempt(&self, index: usize) -> &'a Attempt {
        &self.job.attempts[index]
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, index: usize, spaces: &mut Spaces, reactor: &mut Reactor) {
        let attempt = &self.job.attempts[index];
        self.last.insert((attempt.udp, attempt.local), index);
        match self.open(index, attempt, spaces, reactor) {
            Ok(client) => {
                // Cables here take no time: an ICMP error may have come before `connect` was over, and such a one the
                // kernel only notes. On a cable that takes time it would end the attempt.
                if let Ok(Err(errno)) = sockopt::socket_error(&client.fd) {
                    return end(&mut self.outcomes[index], reactor, cause(errno));
                }
                self.sockets[index] = Some(client);
                if let Some(timeout) = attempt.timeout {
                    reactor.post(attempt.at + timeout, Due::GiveUp(index));
                }
                if attempt.udp {
                    self.ask_by_datagram(index, reactor);
                }
            }
            Err(errno) => end(&mut self.outcomes[index], reactor, cause(errno)),
        }
    }

    fn open(
        &self,
        index: usize,
        attempt: &Attempt,
        spaces: &mut Spaces,
        reactor: &Reactor,
    ) -> Result<Client, Errno> {
        spaces.enter(Some(attempt.host)).map_err(|_| Errno::NODEV)?;
        let fd = socket(attempt.local, attempt.udp)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        if attempt.local.is_ipv6() {
            // Addresses that a local route makes the host's own may be bound to without further ado in IPv4 alone.
            sockopt::set_ip_freebind(&fd, true)?;
        }
        bind(&fd, &attempt.local)?;
        match connect(&fd, &attempt.remote) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        reactor.hear(&fd, Token::Client(index), flags).map_err(|_| Errno::NOMEM)?;
        let unsent = if attempt.udp { 0 } else { attempt.request };
        Ok(Client { fd, is_connected: attempt.udp, is_answered: false, unsent, received: 0 })
    }

    fn ask_by_datagram(&mut self, index: usize, reactor: &mut Reactor) {
        let attempt = &self.job.attempts[index];
        let Some(client) = &self.sockets[index] else { return };
        let sent = match &attempt.words {
            Some(words) => rustix::io::write(&client.fd, words.as_bytes()).map(|_| ()),
            None => datagrams(attempt.request, attempt.local)
                .into_iter()
                .try_for_each(|bytes| rustix::io::write(&client.fd, &FILLING[..bytes]).map(|_| ())),
        };
        if let Err(errno) = sent {
            self.over(index, cause(errno), reactor);
        }
    }

    /// A socket has something to tell.
    pub(super) fn ready(&mut self, index: usize, reactor: &mut Reactor) {
        if self.sockets[index].is_none() {
            return;
        }
        if let Err(end) = self.proceed(index, reactor) {
            self.over(index, end, reactor);
        }
    }

    fn proceed(&mut self, index: usize, reactor: &mut Reactor) -> Result<(), End> {
        let attempt = &self.job.attempts[index];
        let client = self.sockets[index].as_mut().expect("the caller looked");
        if !client.is_connected {
            sockopt::socket_error(&client.fd).map_err(cause)?.map_err(cause)?;
            if !matches!(rustix::net::getpeername(&client.fd), Ok(Some(_))) {
                return Ok(()); // not yet
            }
            client.is_connected = true;
            if let Some(ping) = attempt.ping {
                reactor.post(reactor.now() + ping, Due::Ping(index));
            }
        }
        while client.unsent > 0 {
            let piece = (client.unsent as usize).min(FILLING.len());
            match rustix::net::send(&client.fd, &FILLING[..piece], rustix::net::SendFlags::NOSIGNAL) {
                Ok(sent) => client.unsent -= sent as u32,
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(cause(errno)),
            }
        }
        self.read(index, reactor)
    }

    fn read(&mut self, index: usize, reactor: &mut Reactor) -> Result<(), End> {
        let attempt = &self.job.attempts[index];
        loop {
            let client = self.sockets[index].as_mut().expect("the caller looked");
            match rustix::io::read(&client.fd, &mut *reactor.buffer) {
                Ok(0) if !attempt.udp => return Err(End::Reset), // or the end after the answer
                Ok(bytes) => client.received += bytes as u32,
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(cause(errno)),
            }
            if client.is_answered || client.received < attempt.response.max(1) {
                continue;
            }
            client.is_answered = true;
            end(&mut self.outcomes[index], reactor, End::Answered);
            match attempt.close {
                _ if attempt.udp => self.sockets[index] = None,
                Close::Server | Close::Nobody => continue,
                Close::Client => self.sockets[index] = None,
                Close::Reset => {
                    let _ = sockopt::set_socket_linger(&client.fd, Some(Duration::ZERO));
                    self.sockets[index] = None;
                }
            }
            return Ok(());
        }
    }

    /// The client's own time limit.
    pub(super) fn gives_up(&mut self, index: usize, reactor: &mut Reactor) {
        let Some(client) = &self.sockets[index] else { return };
        if client.is_answered {
            return;
        }
        let _ = sockopt::set_socket_linger(&client.fd, Some(Duration::ZERO));
        self.over(index, End::TimedOut, reactor);
    }

    /// A byte, to show that the client is alive.
    pub(super) fn ping(&mut self, index: usize, reactor: &mut Reactor) {
        let Some(client) = &self.sockets[index] else { return };
        let _ = rustix::net::send(&client.fd, &FILLING[..1], rustix::net::SendFlags::NOSIGNAL);
        let ping = self.job.attempts[index].ping.expect("only such attempts ping");
        reactor.post(reactor.now() + ping, Due::Ping(index));
    }

    fn over(&mut self, index: usize, with: End, reactor: &mut Reactor) {
        self.sockets[index] = None;
        end(&mut self.outcomes[index], reactor, with);
    }
}

/// Writes down how an attempt ended, unless it had ended before.
fn end(outcome: &mut Outcome, reactor: &Reactor, with: End) {
    if outcome.end == End::Open {
        (outcome.end, outcome.ended) = (with, Some(reactor.now()));
    }
}

/// A socket of the address's family that never blocks.
pub(super) fn socket(addr: SocketAddr, udp: bool) -> Result<OwnedFd, Errno> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if udp { SocketType::DGRAM } else { SocketType::STREAM };
    rustix::net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

/// The sizes of the datagrams that carry so many bytes.
pub(super) fn datagrams(bytes: u32, addr: SocketAddr) -> Vec<usize> {
    let room: u32 = if addr.is_ipv4() { 1472 } else { 1452 };
    let mut sizes = vec![room as usize; (bytes / room) as usize];
    if !bytes.is_multiple_of(room) || bytes == 0 {
        sizes.push((bytes % room) as usize);
    }
    sizes
}

fn cause(errno: Errno) -> End {
    match errno {
        Errno::CONNREFUSED => End::Refused,
        Errno::CONNRESET | Errno::PIPE => End::Reset,
        Errno::HOSTUNREACH | Errno::NETUNREACH => End::Unreachable,
        Errno::TIMEDOUT => End::TimedOut,
        Errno::NOPROTOOPT => End::NoProtocol,
        other => End::Other(other.raw_os_error()),
    }
}

/// What the kernel refused to a program that is to be set up.
pub(super) fn refused(what: &str, addr: SocketAddr, errno: Errno) -> super::AgentError {
    kernel(&format!("{what} {addr}"), errno)
}
