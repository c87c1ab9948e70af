//! What client groups and real servers do, as plain descriptions that a network is built from.

use crate::addr::{Addr, Prefix};
use crate::ipvs::Protocol;
use sim_core::{Dist, Duration, Time};
use std::sync::Arc;

/// A cable: rate, delay, queue and loss of each direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkSpec {
    /// Bits per second.
    pub rate_bps: u64,
    /// Propagation delay.
    pub delay: Duration,
    /// Bytes that may wait for the transmitter; `u64::MAX` for no limit.
    pub queue_bytes: u64,
    /// Probability that a frame is lost, 0 to 1.
    pub loss: f64,
}

/// A program that listens on a real server (or any host).
#[derive(Clone, PartialEq, Debug)]
pub struct ServerSpec {
    /// Transport protocol.
    pub protocol: Protocol,
    /// The ports it listens on; all share the workers. Bound to every local address.
    pub ports: Vec<u16>,
    /// How many requests are served at a time.
    pub workers: u32,
    /// How the workers share the work.
    pub discipline: Discipline,
    /// Work done per second of service time: a server of speed 2 needs half the drawn time.
    pub speed: f64,
    /// Service time of a request in seconds, at speed 1.
    pub service_time: Dist,
    /// Bytes of an answer.
    pub response_bytes: Dist,
    /// Length of the accept queue (the argument of `listen`); for UDP, datagrams that may wait.
    pub backlog: u32,
    /// Which address UDP answers come from.
    pub reply_from: ReplyFrom,
}

/// Which source address a UDP server's answers have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyFrom {
    /// The address that was asked: a server that binds to each address, or uses IP_PKTINFO.
    #[default]
    Asked,
    /// The address that routing selects: a server bound to 0.0.0.0. Behind direct routing and tunnelling the client
    /// then sees a stranger and refuses the answer.
    Routed,
}

/// How workers share the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discipline {
    /// First come, first served: each of `workers` serves one request; the rest wait in order.
    Fifo,
    /// Processor sharing: all requests are served at once and share the power of `workers`.
    ProcessorSharing,
}

/// A group of clients on one host.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientSpec {
    /// Name of the group; it names its random stream.
    pub name: String,
    /// Source addresses: the host's own choice, or the addresses of a prefix that the host owns.
    pub sources: Sources,
    /// Where to connect to. A trace has its own targets.
    pub target: Target,
    /// When exchanges begin.
    pub arrivals: Arrivals,
    /// Bytes of a request.
    pub request_bytes: Dist,
    /// Who closes the connection after the answer. A trace says it for each exchange.
    pub close: Close,
    /// The client gives up on an attempt after this long; none means the kernel's own limits.
    pub timeout: Option<Duration>,
    /// How often a failed exchange is tried again from the start: at once after a time-out, otherwise a second later.
    pub retries: u32,
    /// What datagrams say, in turn; empty if nobody reads them and only `request_bytes` counts.
    pub says: Vec<Arc<str>>,
    /// First and last instant at which exchanges may begin.
    pub start: Time,
    /// See `start`.
    pub stop: Time,
    /// No more than this many exchanges.
    pub limit: Option<u64>,
}

/// Where a client connects to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Destination address.
    pub addr: Addr,
    /// Destination port.
    pub port: u16,
}

/// Which source addresses a client group uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sources {
    /// The address that routing selects on the host.
    Host,
    /// A uniformly chosen address of the prefix for each exchange (the host answers for all of them).
    Uniform(Prefix),
    /// The addresses of the prefix in turn.
    RoundRobin(Prefix),
}

/// When exchanges begin.
#[derive(Clone, PartialEq, Debug)]
pub enum Arrivals {
    /// Poisson process, exchanges per second.
    Poisson(f64),
    /// At equal distances, exchanges per second.
    Constant(f64),
    /// A Poisson process that is switched on and off.
    Bursts {
        /// Exchanges per second while on.
        rate: f64,
        /// Length of the on periods in seconds.
        on: Dist,
        /// Length of the off periods in seconds.
        off: Dist,
    },
    /// A Poisson process whose rate follows a piecewise linear curve: instant, exchanges per second.
    Curve(Vec<(Time, f64)>),
    /// Closed loop: each user waits for the answer, thinks, and asks again.
    Users {
        /// How many users.
        users: u32,
        /// Think time in seconds.
        think: Dist,
    },
    /// Recorded exchanges, in order of time.
    Trace(Arc<[TraceRow]>),
}

/// One line of a trace file.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TraceRow {
    /// When the SYN or datagram is sent.
    pub start: Time,
    /// Source address.
    pub client: Addr,
    /// Source port.
    pub client_port: u16,
    /// Where to.
    pub target: Target,
    /// The server answers this long after the request reached it.
    pub hold: Duration,
    /// Bytes of the answer.
    pub bytes: u32,
    /// Who closes.
    pub close: Close,
    /// While the connection is open the client sends one byte each `ping`; none for zero.
    pub ping: Option<Duration>,
}

/// Who closes a connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Close {
    /// The server, right after the answer; the client follows at once.
    #[default]
    Server,
    /// The client, once it has the answer.
    Client,
    /// The client resets the connection once it has the answer.
    Reset,
    /// Nobody: the connection stays open.
    None,
}
