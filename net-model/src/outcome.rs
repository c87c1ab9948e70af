//! What a finished run leaves behind: plain numbers for tables, plots and files.

use crate::verdict::DropReason;
use sim_core::{Duration, Histogram, Time};

/// The result of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed of all random streams.
    pub seed: u64,
    /// Virtual time simulated.
    pub duration: Duration,
    /// Agenda entries handled.
    pub events: u64,
    /// Frames delivered over a link (a frame that crosses four links counts four times).
    pub hops: u64,
    /// Rolling hash of time, event and place of everything that happened.
    pub fingerprint: u64,
    /// What became of all frames.
    pub frames: FrameBalance,
    /// Real servers that some director serves, in order of their names in the scenario.
    pub servers: Vec<ServerOutcome>,
    /// Client groups in scenario order.
    pub clients: Vec<ClientOutcome>,
    /// Directors in scenario order.
    pub directors: Vec<DirectorOutcome>,
    /// Links, one entry a direction.
    pub links: Vec<LinkOutcome>,
    /// Drops by place and reason, in that order; no zeros.
    pub drops: Vec<DropCount>,
    /// Instants of the samples in every series, in order.
    pub sample_times: Vec<Time>,
    /// What the run noted along the way: who answered ARP for which address (`who`, `what`), in order of time.
    pub arp_answers: Vec<ArpAnswer>,
    /// Who held the addresses of virtual services, as the neighbour caches of the hosts had it at each sample.
    pub arp_caches: Vec<ArpCache>,
}

/// What the neighbour cache of one host said about an address of a virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArpCache {
    /// The host whose cache it is.
    pub host: String,
    /// The address.
    pub addr: crate::addr::Addr,
    /// From when on who held it: a host by name (an unknown link address as it is), none while nobody was known to.
    /// Each lasts until the next; the last until the end of the run.
    pub holders: Vec<(Time, Option<String>)>,
}

/// Frames sent = delivered + dropped + in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameBalance {
    /// Frames that a host put on a wire or a switch copied when flooding.
    pub sent: u64,
    /// Frames that ended in a host.
    pub delivered: u64,
    /// Frames lost on the way: link, queue, switch, or refused by the receiving host's interface.
    pub dropped: u64,
    /// Frames still on the way when the run ended, those waiting for a neighbour included.
    pub in_flight: u64,
}

/// What one real server did.
#[derive(Clone, Debug)]
pub struct ServerOutcome {
    /// Host name.
    pub name: String,
    /// Sum of the weights of the host's destinations at the end of the run (0 if quiesced everywhere or served by none).
    pub weight: i64,
    /// Connections (TCP) or datagrams (UDP) that were accepted here.
    pub accepted: u64,
    /// Requests answered completely.
    pub completed: u64,
    /// Connections refused or dropped because the accept queue was full.
    pub overflowed: u64,
    /// Time in the server: from the arrival of the request to the hand-over of its answer.
    pub sojourn: Histogram,
    /// Busy worker time divided by (workers × duration), 0 to 1.
    pub utilisation: f64,
    /// Samples at [`Outcome::sample_times`].
    pub series: ServerSeries,
}

/// A real server over time; every vector is as long as [`Outcome::sample_times`].
#[derive(Clone, Debug, Default)]
pub struct ServerSeries {
    /// ActiveConn over all directors.
    pub active: Vec<u32>,
    /// InActConn over all directors.
    pub inactive: Vec<u32>,
    /// Connections accepted since the start.
    pub accepted: Vec<u64>,
    /// Requests waiting and in service.
    pub queue: Vec<u32>,
    /// Utilisation within the last sampling interval, 0 to 1.
    pub utilisation: Vec<f32>,
}

/// What one client group saw.
#[derive(Clone, Debug)]
pub struct ClientOutcome {
    /// Group name.
    pub name: String,
    /// Connections or exchanges begun.
    pub started: u64,
    /// Ended with the whole answer.
    pub succeeded: u64,
    /// Ended otherwise, by cause, in order of [`Failure`]; no zeros.
    pub failed: Vec<(Failure, u64)>,
    /// SYN, data and datagram retransmissions.
    pub retransmissions: u64,
    /// From the first SYN to the established connection.
    pub connect: Histogram,
    /// From the first SYN (or datagram) to the last byte of the answer, successful exchanges only.
    pub latency: Histogram,
    /// The same for exchanges that were begun within each sampling interval: (count, mean in seconds).
    pub latency_series: Vec<(u64, f64)>,
}

/// How an exchange failed, as the client program saw it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Failure {
    /// ECONNREFUSED: a reset, or ICMP port unreachable, answered the SYN.
    Refused,
    /// ECONNRESET: a reset on an open connection.
    Reset,
    /// EHOSTUNREACH, ENETUNREACH: an ICMP error or failed ARP.
    Unreachable,
    /// ETIMEDOUT, or the client's own time-out after its last retry.
    TimedOut,
    /// No source port was free.
    NoPort,
    /// ENOPROTOOPT: ICMP protocol unreachable answered the SYN.
    NoProtocol,
}

impl Failure {
    /// All causes in order.
    pub const ALL: [Failure; 6] = [
        Failure::Refused,
        Failure::Reset,
        Failure::Unreachable,
        Failure::TimedOut,
        Failure::NoPort,
        Failure::NoProtocol,
    ];

    /// A short name for tables and columns.
    pub const fn name(self) -> &'static str {
        match self {
            Failure::Refused => "refused",
            Failure::Reset => "reset",
            Failure::Unreachable => "unreachable",
            Failure::TimedOut => "timed-out",
            Failure::NoPort => "no-port",
            Failure::NoProtocol => "no-protocol",
        }
    }
}

/// What one director did.
#[derive(Clone, Debug)]
pub struct DirectorOutcome {
    /// Host name.
    pub name: String,
    /// Services in the order of `/proc/net/ip_vs`.
    pub services: Vec<ServiceOutcome>,
    /// Entries in the connection table at the end.
    pub connections: u64,
}

/// One virtual service at the end of the run.
#[derive(Clone, Debug)]
pub struct ServiceOutcome {
    /// As `ipvsadm -Ln` names it: `TCP 10.0.0.100:80`.
    pub name: String,
    /// Scheduler name.
    pub scheduler: String,
    /// Destinations in kernel order.
    pub destinations: Vec<DestinationOutcome>,
}

/// One destination at the end of the run.
#[derive(Clone, Debug)]
pub struct DestinationOutcome {
    /// `10.0.0.3:80`
    pub name: String,
    /// `Masq`, `Route`, `Tunnel`
    pub forwarding: &'static str,
    /// Weight.
    pub weight: i32,
    /// Connections scheduled to it.
    pub conns: u64,
    /// Active connections at the end.
    pub active: u32,
    /// Inactive connections at the end.
    pub inactive: u32,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets of replies that the director saw.
    pub out_packets: u64,
}

/// What one direction of a link carried.
#[derive(Clone, Debug)]
pub struct LinkOutcome {
    /// `web1.eth0 > lan`
    pub name: String,
    /// Frames delivered at the far end.
    pub frames: u64,
    /// Bytes delivered at the far end.
    pub bytes: u64,
    /// Frames dropped by the queue or lost.
    pub dropped: u64,
    /// Time the transmitter was busy divided by the duration, 0 to 1.
    pub utilisation: f64,
}

/// Drops at one place for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCount {
    /// Host, switch or link.
    pub place: String,
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub count: u64,
    /// How many in each sampling interval.
    pub series: Vec<u32>,
}

/// An ARP reply that some host sent for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArpAnswer {
    /// The address asked for.
    pub addr: crate::addr::Addr,
    /// The host that answered.
    pub host: String,
    /// How often.
    pub count: u64,
    /// When first.
    pub first: Time,
}
