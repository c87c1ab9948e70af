//! What a kernel is to do: everything that the agent beside it needs to know, in one file.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Between two ticks of the kernel's clock (a jiffy), in nanoseconds: Debian's kernels have HZ = 250.
pub const TICK: u64 = 4_000_000;

/// Where between two ticks of the kernel's clock a scenario begins, in nanoseconds: in the middle, so that nothing that
/// happens at even instants meets a tick.
pub const UPTIME: u64 = 2_000_000;

/// A scenario as work for a kernel. All instants are nanoseconds from the beginning of the scenario.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// The scenario's name.
    pub name: String,
    /// The hosts' names, each a network namespace.
    pub hosts: Vec<String>,
    /// What builds the network, in order.
    pub setup: Vec<Command>,
    /// What happens later, in order of time.
    pub events: Vec<Timed>,
    /// Programs that listen.
    pub servers: Vec<Server>,
    /// What clients do, in order of time.
    pub attempts: Vec<Attempt>,
    /// Commands that look, in order of time.
    pub looks: Vec<Timed>,
    /// Interfaces that are watched.
    pub taps: Vec<Tap>,
    /// When everything is over.
    pub end: u64,
    /// So many nanoseconds later than usual the scenario begins: another phase of the kernel's timers.
    pub phase: u64,
}

/// An interface that is watched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tap {
    /// Index into [`Job::hosts`].
    pub host: usize,
    /// `eth0`
    pub device: String,
}

/// A command, and where it runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command {
    /// The host in whose network namespace it runs; none: beside the hosts, where the switches are.
    pub host: Option<String>,
    /// What is done.
    pub action: Action,
}

/// What a command does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// A program runs with these words.
    Run(Vec<String>),
    /// A kernel setting: its path below `/proc/sys`, and its value.
    Set(String, String),
    /// A kernel module is loaded.
    Load(String),
}

/// A command at an instant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// When.
    pub at: u64,
    /// Which of the scenario's events it belongs to; 0 for looks.
    pub event: usize,
    /// What.
    pub command: Command,
}

/// A program that listens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Index into [`Job::hosts`].
    pub host: usize,
    /// UDP, or else TCP.
    pub udp: bool,
    /// Where it listens; all share the workers.
    pub listens: Vec<SocketAddr>,
    /// How many requests are served at a time.
    pub workers: u32,
    /// Length of the accept queue; for UDP, datagrams that may wait.
    pub backlog: u32,
    /// All requests are served at once and share the workers; otherwise first come, first served.
    pub shares: bool,
    /// So many times faster than one of speed 1 it works, in billionths.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub speed: u64,
}

/// The speed of most servers.
pub const USUAL: u64 = 1_000_000_000;

fn usual() -> u64 {
    USUAL
}

fn is_usual(speed: &u64) -> bool {
    *speed == USUAL
}

impl Server {
    /// How long it works on what takes a server of speed 1 so many nanoseconds.
    pub fn needs(&self, work: u64) -> u64 {
        let time = u128::from(work) * u128::from(USUAL) / u128::from(self.speed.max(1));
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

/// An attempt of a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Index into [`Job::hosts`].
    pub host: usize,
    /// When.
    pub at: u64,
    /// UDP, or else TCP.
    pub udp: bool,
    /// The client's address and port.
    pub local: SocketAddr,
    /// Where it connects to.
    pub remote: SocketAddr,
    /// Bytes of the request.
    pub request: u32,
    /// What the datagram says.
    pub words: Option<String>,
    /// Who closes.
    pub close: Close,
    /// The client gives up after this long.
    pub timeout: Option<u64>,
    /// It sends a byte at this distance while the connection is open.
    pub ping: Option<u64>,
    /// It is served at once, whatever the workers do.
    pub held: bool,
    /// How long a worker of speed 1 works on it, or how long it is held.
    pub work: u64,
    /// Bytes of the answer.
    pub response: u32,
}

/// Who closes a connection after the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Close {
    /// The server, right after the answer.
    Server,
    /// The client, once it has the answer.
    Client,
    /// The client, with a reset.
    Reset,
    /// Nobody.
    Nobody,
}
