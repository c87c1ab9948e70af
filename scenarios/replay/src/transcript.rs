//! What happened when a job was done, by a kernel or by the simulation.

use crate::job::Job;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The account of a job.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// Who did it: `simulation`, `Linux 6.1.0-56-cloud-amd64`.
    pub by: String,
    /// What became of each attempt, in the order of the job.
    pub attempts: Vec<Outcome>,
    /// The answers to looks, in their order.
    pub answers: Vec<Answer>,
    /// What timed commands said.
    pub notes: Vec<Answer>,
    /// When each timed command of the job was begun and done, in nanoseconds from the beginning.
    pub done: Vec<(u64, u64)>,
    /// How long the kernel had been up at the beginning, in nanoseconds: its timers' phase.
    pub uptime: u64,
    /// How long it had been up when each host's namespace was made, in nanoseconds: the phase of its own jobs.
    #[serde(default)]
    pub made: Vec<u64>,
    /// The connections that directors decided to make, in order, if the kernel itself told them.
    #[serde(default)]
    pub chosen: Option<Vec<Chosen>>,
    /// The wall clock at the beginning, in nanoseconds since 1970: captures have its times.
    pub zero: u64,
    /// What was captured at the job's taps, as pcap files.
    #[serde(skip)]
    pub captures: Vec<Vec<u8>>,
    /// How late the agent began an attempt at the worst, in nanoseconds.
    pub latest: u64,
}

/// A connection that a director made, and the server that it chose for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chosen {
    /// When, in nanoseconds from the beginning.
    pub at: u64,
    /// The director, by its index in the job.
    pub host: usize,
    /// UDP, or TCP.
    pub udp: bool,
    /// The client.
    pub client: SocketAddr,
    /// What it wants: the address and port in its packet.
    pub service: SocketAddr,
    /// Who gets it.
    pub server: SocketAddr,
}

/// What became of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The server that took it, by its index in the job.
    pub server: Option<usize>,
    /// When it ended; none if the job ended before.
    pub ended: Option<u64>,
    /// How it ended.
    pub end: End,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum End {
    /// It did not.
    #[default]
    Open,
    /// With the whole answer.
    Answered,
    /// ECONNREFUSED.
    Refused,
    /// ECONNRESET, or the connection was closed before the answer was there.
    Reset,
    /// EHOSTUNREACH or ENETUNREACH.
    Unreachable,
    /// ETIMEDOUT, or the client's own limit.
    TimedOut,
    /// ENOPROTOOPT.
    NoProtocol,
    /// Any other error of the kernel, by its number.
    Other(i32),
}

/// What a command said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// When, in nanoseconds from the beginning.
    pub at: u64,
    /// When the answer was there at the latest: what came in since `at` may be in it, or not. 0 if nothing came in.
    #[serde(default)]
    pub done: u64,
    /// The host, or none beside them.
    pub host: Option<String>,
    /// The command line.
    pub command: String,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// Its exit status.
    pub status: i32,
}

impl Transcript {
    /// What shows that it is no account of this job: it has other attempts, or other servers took them.
    pub fn misfit(&self, job: &Job) -> Option<&'static str> {
        let is_known = |outcome: &Outcome| outcome.server.is_none_or(|server| server < job.servers.len());
        if self.attempts.len() != job.attempts.len() {
            return Some("attempts");
        }
        (!self.attempts.iter().all(is_known)).then_some("servers")
    }
}

impl End {
    /// In a word.
    pub fn name(self) -> String {
        match self {
            End::Open => "open".into(),
            End::Answered => "answered".into(),
            End::Refused => "refused".into(),
            End::Reset => "reset".into(),
            End::Unreachable => "unreachable".into(),
            End::TimedOut => "timed out".into(),
            End::NoProtocol => "no protocol".into(),
            End::Other(errno) => format!("error {errno}"),
        }
    }
}
