//! What listings (`ipvsadm -L`, `/proc/net/ip_vs*`) show.

use super::config::{DestinationConfig, DestinationKey, Forwarding, ServiceConfig, ServiceKey};
use crate::addr::Addr;
use sim_core::Duration;
use std::sync::Arc;

/// Event counts of a destination, a service or the whole director.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Connections scheduled.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients that the director saw.
    pub out_packets: u64,
    /// IP bytes of the packets from clients, as received.
    pub in_bytes: u64,
    /// IP bytes of the packets to clients, as sent.
    pub out_bytes: u64,
}

/// Smoothed rates per second, as shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// Connections per second.
    pub conns: u64,
    /// Packets from clients per second.
    pub in_packets: u64,
    /// Packets to clients per second.
    pub out_packets: u64,
    /// Bytes from clients per second.
    pub in_bytes: u64,
    /// Bytes to clients per second.
    pub out_bytes: u64,
}

/// Statistics as listings show them: refreshed by the estimator every two seconds, zeroed by `ipvsadm -Z`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// `--stats`
    pub counters: Counters,
    /// `--rate`
    pub rates: Rates,
}

/// A virtual service.
#[derive(Clone, Debug)]
pub struct ServiceView<'a> {
    /// What identifies it.
    pub key: ServiceKey,
    /// How it is configured.
    pub config: &'a ServiceConfig,
    /// Its statistics as shown.
    pub shown: Shown,
    /// Its statistics as they are at this moment.
    pub live: Counters,
    /// Its destinations, in list order (newest first).
    pub destinations: Vec<DestinationView>,
}

/// A destination of a service.
#[derive(Clone, Copy, Debug)]
pub struct DestinationView {
    /// What identifies it within its service.
    pub key: DestinationKey,
    /// How it is configured.
    pub config: DestinationConfig,
    /// ActiveConn, live.
    pub active: u32,
    /// InActConn, live.
    pub inactive: u32,
    /// Persistence templates, live.
    pub persistent: u32,
    /// Is the overload flag (-x) set?
    pub overloaded: bool,
    /// Its statistics as shown.
    pub shown: Shown,
    /// Its statistics as they are at this moment.
    pub live: Counters,
}

/// An entry of the connection table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionView {
    /// Protocol number; 0 ("IP") for the template of a firewall-mark service.
    pub protocol: u8,
    /// Client address and port; port 0 if unknown or a template.
    pub client: (Addr, u16),
    /// Virtual address and port; for the template of a firewall-mark service the mark as an address.
    pub virtual_: (Addr, u16),
    /// Real address and port.
    pub real: (Addr, u16),
    /// State as listed: `ESTABLISHED`, `UDP`, `NONE`, `ASSURED` …
    pub state: &'static str,
    /// Time until the timer is due, zero if it is overdue.
    pub left: Duration,
    /// The duration the timer is re-armed with.
    pub timeout: Duration,
    /// Flags as in synchronisation messages (method 0 masquerading, 1 local, 2 tunnel, 3 direct, 4 bypass; 0x20 by
    /// sync; 0x80 no output; 0x100 inactive; 0x1000 template).
    pub flags: u32,
    /// Is it a persistence template?
    pub template: bool,
    /// Was it created by a synchronisation message?
    pub by_sync: bool,
    /// Firewall mark of the packet that created it.
    pub mark: u32,
    /// Packets from the client so far.
    pub in_packets: u32,
    /// The forwarding method, or none for an entry past the cache.
    pub forwarding: Option<Forwarding>,
    /// The Call-ID of a template that the persistence engine `sip` made.
    pub call: Option<Arc<str>>,
}
