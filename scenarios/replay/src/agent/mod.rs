//! The agent: it builds a job's network on the kernel it runs on, and is all its clients and servers at once.
//!
//! One thread, one epoll, one timer. A socket belongs for good to the network namespace in which it was made, so the
//! agent steps into a host's namespace only to make one, or to start a program there.

mod btf;
mod capture;
mod clients;
mod execute;
pub mod init;
mod raster;
mod requests;
pub mod self_test;
mod servers;
mod sharing;
mod spaces;
mod witness;

use crate::job::{Command, Job, UPTIME};
use crate::transcript::{Answer, Transcript};
use clients::Clients;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use servers::Servers;
use spaces::Spaces;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use witness::Witness;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A command that builds the network failed.
    #[error("`{command}` failed: {said}")]
    Refused {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// A file or a program.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        error: String,
    },
    /// The kernel refused something to the agent itself.
    #[error("{what}: {errno}")]
    Kernel {
        /// What was wanted.
        what: String,
        /// Why not.
        errno: rustix::io::Errno,
    },
}

/// The turn of the timer wheel's fourth level, in nanoseconds: 4096 jiffies of 4 ms.
const RASTER: u64 = 16_384_000_000;

/// Something that is due at an instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    /// A timed command, by its index.
    Event(usize),
    /// An attempt begins, by its index.
    Attempt(usize),
    /// A server's work on a connection is done: the connection's slot, and how many lived there before.
    Served(usize, u32),
    /// A client's patience ends.
    GiveUp(usize),
    /// A client's next byte.
    Ping(usize),
    /// A server that shares has finished a request.
    Shared(usize),
    /// A command looks.
    Look(usize),
}

/// What an event of epoll belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Timer,
    Client(usize),
    Listener(usize, usize),
    Connection(usize),
}

/// The future, and the way to hear of sockets.
struct Reactor {
    epoll: OwnedFd,
    timer: OwnedFd,
    due: BinaryHeap<Reverse<(u64, u32, Due)>>,
    posted: u32,
    /// The monotonic clock at the beginning of the scenario.
    zero: u64,
    /// How far the kernel's jiffies lag behind that clock, in nanoseconds.
    lag: u64,
    /// What is read goes here, and is forgotten.
    buffer: Box<[u8]>,
}

/// Does a job. If there is a witness, it tells the directors' decisions.
///
/// # Errors
/// See [`AgentError`].
fn perform(job: &Job, witness: Option<&Witness>) -> Result<Transcript, AgentError> {
    allow_sockets();
    let mut spaces = Spaces::new(&job.hosts)?;
    execute::set_up(&mut spaces, &job.setup)?;
    let captures = capture::Captures::start(job, &mut spaces)?;
    let mut reactor = Reactor::new()?;
    let mut servers = Servers::open(job, &mut spaces, &mut reactor)?;
    let mut clients = Clients::new(job);
    reactor.begin(job);
    if let Some(witness) = witness {
        witness.begin(job.attempts.len());
    }
    let mut transcript = begun(&spaces, &reactor);
    let mut happened = Vec::with_capacity(256);
    loop {
        while let Some((at, due)) = reactor.next_due() {
            match due {
                Due::Event(index) => {
                    let begun = reactor.now();
                    let said = execute::run(&mut spaces, &job.events[index].command, at);
                    transcript.done.push((begun, reactor.now()));
                    if said.status != 0 || !said.stdout.is_empty() || !said.stderr.is_empty() {
                        transcript.notes.push(said);
                    }
                }
                Due::Look(index) => {
                    transcript.answers.push(look(&job.looks[index].command, &mut spaces, &reactor));
                }
                Due::Attempt(index) => {
                    transcript.latest = transcript.latest.max(reactor.now().saturating_sub(at));
                    clients.begin(index, &mut spaces, &mut reactor);
                }
                Due::GiveUp(index) => clients.gives_up(index, &mut reactor),
                Due::Ping(index) => clients.ping(index, &mut reactor),
                Due::Served(slot, life) => servers.served(slot, life, &mut reactor, &mut clients),
                Due::Shared(server) => servers.shared(server, &mut reactor, &mut clients),
            }
        }
        if reactor.now() >= job.end {
            transcript.attempts = clients.outcomes;
            transcript.captures = captures.finish()?;
            transcript.chosen = witness.and_then(|witness| witness.told(reactor.zero, &spaces.inodes()));
            return Ok(transcript);
        }
        reactor.wait(&mut happened, job.end)?;
        for token in happened.drain(..) {
            match token {
                Token::Timer => {}
                Token::Client(index) => clients.ready(index, &mut reactor),
                Token::Listener(server, listener) => {
                    servers.knock(server, listener, &mut reactor, &mut clients);
                }
                Token::Connection(slot) => {
                    servers.ready(slot, &mut reactor, &mut clients);
                }
            }
        }
    }
}

/// An account of which only the beginning is known.
fn begun(spaces: &Spaces, reactor: &Reactor) -> Transcript {
    let booted = realtime() - monotonic() + reactor.lag;
    Transcript {
        by: format!("Linux {}", rustix::system::uname().release().to_string_lossy()),
        uptime: reactor.zero - reactor.lag,
        made: spaces.made().into_iter().map(|at| at.saturating_sub(booted)).collect(),
        zero: realtime() + reactor.zero.saturating_sub(monotonic()),
        ..Transcript::default()
    }
}

impl Reactor {
    fn new() -> Result<Reactor, AgentError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| kernel("epoll", e))?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(|e| kernel("timerfd", e))?;
        let mut reactor = Reactor {
            epoll,
            timer,
            due: BinaryHeap::new(),
            posted: 0,
            zero: 0,
            lag: 0,
            buffer: vec![0; 65536].into(),
        };
        let timer = reactor.timer.try_clone().expect("a descriptor can be copied");
        reactor.hear(&timer, Token::Timer, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        reactor.timer = timer;
        Ok(reactor)
    }

    /// The scenario begins, now: everything that the job knows of is due.
    fn begin(&mut self, job: &Job) {
        // A little later, so that what was started before is awake; and where on the raster of kernel timers (to 16 s,
        // as coarse as timers of seventeen minutes are) the simulation begins as well.
        self.lag = raster::lag();
        let ready = monotonic() + 1_000_000_000;
        self.zero = (ready / RASTER + 1) * RASTER + self.lag + UPTIME + job.phase;
        let events = job.events.iter().enumerate().map(|(index, timed)| (timed.at, Due::Event(index)));
        let attempts = job.attempts.iter().enumerate().map(|(index, a)| (a.at, Due::Attempt(index)));
        let looks = job.looks.iter().enumerate().map(|(index, timed)| (timed.at, Due::Look(index)));
        for (at, due) in events.chain(attempts).chain(looks) {
            self.post(at, due);
        }
    }

    /// Nanoseconds since the beginning; 0 before it.
    fn now(&self) -> u64 {
        monotonic().saturating_sub(self.zero)
    }

    fn post(&mut self, at: u64, due: Due) {
        self.posted += 1;
        self.due.push(Reverse((at, self.posted, due)));
    }

    /// What is due, if anything is. Nothing is before the beginning.
    fn next_due(&mut self) -> Option<(u64, Due)> {
        let Reverse((at, _, due)) = *self.due.peek()?;
        if monotonic() < self.zero + at {
            return None;
        }
        self.due.pop();
        Some((at, due))
    }

    fn hear(
        &self,
        fd: &impl rustix::fd::AsFd,
        token: Token,
        flags: epoll::EventFlags,
    ) -> Result<(), AgentError> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token.number()), flags)
            .map_err(|e| kernel("epoll", e))
    }

    /// Sleeps until something is due or a socket has something to tell.
    fn wait(&mut self, happened: &mut Vec<Token>, end: u64) -> Result<(), AgentError> {
        let next = self.due.peek().map_or(end, |Reverse((at, ..))| (*at).min(end)) + self.zero;
        let at = Timespec {
            tv_sec: (next / 1_000_000_000).cast_signed(),
            tv_nsec: (next % 1_000_000_000).cast_signed(),
        };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec).map_err(|e| kernel("timerfd", e))?;
        let mut events =
            [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 64];
        match epoll::wait(&self.epoll, &mut events, None) {
            Ok(count) => {
                happened.extend(events[..count].iter().map(|event| Token::from_number(event.data.u64())));
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(kernel("epoll", errno)),
        }
    }
}

impl Token {
    fn number(self) -> u64 {
        match self {
            Token::Timer => 0,
            Token::Client(index) => 1 << 62 | index as u64,
            Token::Listener(server, listener) => 2 << 62 | (server as u64) << 16 | listener as u64,
            Token::Connection(slot) => 3 << 62 | slot as u64,
        }
    }

    fn from_number(number: u64) -> Token {
        let index = (number & !(3 << 62)) as usize;
        match number >> 62 {
            0 => Token::Timer,
            1 => Token::Client(index),
            2 => Token::Listener(index >> 16, index & 0xffff),
            _ => Token::Connection(index),
        }
    }
}

/// A command looks. A file is read at once; a program asks the kernel shortly before it ends.
fn look(command: &Command, spaces: &mut Spaces, reactor: &Reactor) -> Answer {
    let begun = reactor.now();
    let said = execute::run(spaces, command, begun);
    let done = reactor.now();
    if execute::is_file(command) { Answer { done, ..said } } else { Answer { at: done, ..said } }
}

/// Raises the limit of open files as far as the kernel lets it: each connection has two here.
fn allow_sockets() {
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    if let Some(most) = most {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        // Whoever may not raise it has fewer connections, and is told so when they are too many.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// The monotonic clock in nanoseconds.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// The wall clock in nanoseconds since 1970.
fn realtime() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

fn kernel(what: &str, errno: rustix::io::Errno) -> AgentError {
    AgentError::Kernel { what: what.into(), errno }
}
