//! What an administrator tells IPVS: services, destinations, and what the kernel refuses.

use crate::addr::{Addr, Family};

/// A transport protocol that a virtual service can have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Protocol {
    /// TCP
    Tcp = 6,
    /// UDP
    Udp = 17,
    /// SCTP
    Sctp = 132,
}

/// What identifies a virtual service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceKey {
    /// `-t`, `-u`, `--sctp-service`
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        addr: Addr,
        /// Virtual port; 0 takes every port without a service of its own.
        port: u16,
    },
    /// `-f`
    Mark {
        /// Address family.
        family: Family,
        /// Firewall mark, not 0.
        mark: u32,
    },
}

/// What `ipvsadm -A` and `-E` set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceConfig {
    /// Scheduler name as typed; the director looks it up (`SchedulerNotFound`).
    pub scheduler: String,
    /// Scheduler flags: bit 0 = flag-1 (sh-fallback, mh-fallback), bit 1 = flag-2 (sh-port, mh-port), bit 2 = flag-3.
    pub scheduler_flags: u8,
    /// Persistence timeout in seconds, if persistent.
    pub persistence: Option<u32>,
    /// Persistence netmask, as an address of the service's family with the significant bits set.
    pub netmask: Addr,
    /// One-packet scheduling (UDP).
    pub one_packet: bool,
    /// Persistence engine; only `sip` exists.
    pub engine: Option<String>,
}

/// What identifies a destination within its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DestinationKey {
    /// The real server's address.
    pub addr: Addr,
    /// The real server's port.
    pub port: u16,
}

/// What `ipvsadm -a` and `-e` set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestinationConfig {
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Weight; 0 quiesces.
    pub weight: i32,
    /// Upper threshold (-x), 0 for none.
    pub upper: u32,
    /// Lower threshold (-y), 0 for none.
    pub lower: u32,
}

/// How packets reach a real server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Forwarding {
    /// `-m`: network address translation; replies must come back through the director.
    Masquerade,
    /// `-g`: direct routing; the packet goes unchanged to the server's link address.
    Route,
    /// `-i`: wrapped into a tunnel packet.
    Tunnel(Tunnel),
}

/// `--tun-type` and its options.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tunnel {
    /// IP in IP.
    IpIp,
    /// Generic routing encapsulation.
    Gre {
        /// With checksums (`--tun-csum`).
        checksum: bool,
    },
    /// Generic UDP encapsulation.
    Gue {
        /// Destination port.
        port: u16,
        /// Which checksum.
        checksum: GueChecksum,
    },
}

/// The checksum options of GUE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GueChecksum {
    /// `--tun-nocsum`
    None,
    /// `--tun-csum`
    Full,
    /// `--tun-remcsum`
    Remote,
}

/// Timeouts that `ipvsadm --set` changes, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutSettings {
    /// TCP connections in state ESTABLISHED.
    pub tcp: u32,
    /// TCP connections in state FIN_WAIT.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// What a synchronisation daemon does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DaemonRole {
    /// Sends.
    Master,
    /// Receives.
    Backup,
}

/// `ipvsadm --start-daemon`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DaemonConfig {
    /// Master or backup.
    pub role: DaemonRole,
    /// Multicast interface; whether it exists is for the host to check.
    pub interface: String,
    /// 0 to 255; a backup with 0 takes every message.
    pub sync_id: u8,
    /// Largest payload of a message in bytes; 0 for what the interface's MTU allows.
    pub max_len: u16,
    /// Multicast group.
    pub group: Addr,
    /// UDP port.
    pub port: u16,
    /// Time to live of the messages.
    pub ttl: u8,
}

/// Why the kernel refuses a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelError {
    /// -A of an existing service.
    ServiceExists,
    /// -E, -D, -Z, -L of a missing service.
    NoSuchService,
    /// -A, -E with an unknown scheduler or persistence engine.
    SchedulerNotFound,
    /// -a, -e, -d when the service is missing.
    ServiceNotDefined,
    /// -a of an existing destination.
    DestinationExists,
    /// -e, -d of a missing destination.
    NoSuchDestination,
    /// -a of an address that is neither unicast nor local, and other EINVAL.
    InvalidOperation,
    /// Negative weight, lower threshold above the upper.
    OutOfRange,
    /// --start-daemon of a running one.
    DaemonRunning,
    /// --stop-daemon of a stopped one.
    NoDaemon,
    /// --start-daemon with an unknown interface.
    NoSuchDevice,
    /// --start-daemon with an interface that is down or has no address.
    NetworkUnreachable,
}
