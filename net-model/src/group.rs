//! A client group: who its clients are, where it stands in its arrival process, and what it saw.

use crate::addr::Addr;
use crate::outcome::Failure;
use crate::spec::{Arrivals, ClientSpec, Sources, TraceRow};
use sim_core::{ArrivalProcess, Duration, Histogram, Stream, Time};
use std::sync::Arc;

/// A client group of the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub(crate) u32);

/// A group of clients and what it saw.
#[derive(Debug)]
pub struct ClientGroup {
    pub(crate) id: GroupId,
    pub(crate) spec: ClientSpec,
    pub(crate) stream: Stream,
    /// Draws the instants of its exchanges; none for users and traces.
    pub(crate) process: Option<ArrivalProcess>,
    /// The row of the trace that begins next.
    pub(crate) row: usize,
    next_source: u64,
    /// Datagrams that have said something.
    said: usize,
    /// What the group saw.
    pub seen: Seen,
}

/// What a group of clients saw.
#[derive(Debug)]
pub struct Seen {
    /// Exchanges begun.
    pub started: u64,
    /// Ended with the whole answer.
    pub succeeded: u64,
    /// Ended otherwise, by cause.
    pub failed: [u64; Failure::ALL.len()],
    /// Segments and datagrams sent again.
    pub retransmissions: u64,
    /// First SYN to established.
    pub connect: Histogram,
    /// First SYN to the last byte of the answer.
    pub latency: Histogram,
    /// Exchanges answered and their latency in nanoseconds, by sampling interval of their beginning.
    pub by_interval: Vec<(u64, u64)>,
}

impl ClientGroup {
    /// A group that has seen nothing yet.
    pub fn new(id: GroupId, spec: ClientSpec, seed: u64) -> ClientGroup {
        let stream = Stream::new(seed, &spec.name);
        let seen = Seen {
            started: 0,
            succeeded: 0,
            failed: [0; Failure::ALL.len()],
            retransmissions: 0,
            connect: Histogram::new(),
            latency: Histogram::new(),
            by_interval: Vec::new(),
        };
        let process = crate::arrivals::process(&spec);
        ClientGroup { id, spec, stream, process, row: 0, next_source: 0, said: 0, seen }
    }

    /// The row of the trace that an exchange follows, by its number.
    pub(crate) fn row(&self, row: Option<u32>) -> Option<&TraceRow> {
        match (&self.spec.arrivals, row) {
            (Arrivals::Trace(rows), Some(row)) => Some(&rows[row as usize]),
            _ => None,
        }
    }

    /// What the next datagram says; the lines take turns.
    pub(crate) fn next_words(&mut self) -> Option<Arc<str>> {
        let turn = self.said % self.spec.says.len().max(1);
        self.said += 1;
        self.spec.says.get(turn).cloned()
    }

    /// The address the next exchange comes from; none leaves it to routing.
    pub(crate) fn next_source(&mut self) -> Option<Addr> {
        match self.spec.sources {
            Sources::Host => None,
            Sources::Uniform(prefix) => {
                let size = u64::try_from(prefix.size()).unwrap_or(u64::MAX);
                Some(prefix.addr().offset(u128::from(self.stream.below(size))))
            }
            Sources::RoundRobin(prefix) => {
                let n = u128::from(self.next_source) % prefix.size();
                self.next_source += 1;
                Some(prefix.addr().offset(n))
            }
        }
    }

    pub(crate) fn note_latency(&mut self, started: Time, latency: Duration, sampling: Duration) {
        self.seen.latency.record(latency);
        let interval = (started.as_nanos() / sampling.as_nanos().max(1)) as usize;
        if self.seen.by_interval.len() <= interval {
            self.seen.by_interval.resize(interval + 1, (0, 0));
        }
        let (count, sum) = &mut self.seen.by_interval[interval];
        *count += 1;
        *sum += latency.as_nanos();
    }
}
