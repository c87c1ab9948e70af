//! What a command line asks for, and why it is refused.

use net_model::addr::Addr;
use net_model::ipvs::{
    DaemonConfig, DaemonRole, DestinationConfig, DestinationKey, ServiceConfig, ServiceKey, TimeoutSettings,
};

/// A command line that ipvsadm accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// `-h`
    Help,
    /// `-v`
    Version,
    /// `-A`
    AddService(ServiceKey, ServiceConfig),
    /// `-E`
    EditService(ServiceKey, ServiceConfig),
    /// `-D`
    DeleteService(ServiceKey),
    /// `-C`
    Flush,
    /// `-R`
    Restore,
    /// `-S`
    Save {
        /// In figures (`-n`).
        numeric: bool,
    },
    /// `-a`
    AddDestination(ServiceKey, DestinationKey, DestinationConfig),
    /// `-e`
    EditDestination(ServiceKey, DestinationKey, DestinationConfig),
    /// `-d`
    DeleteDestination(ServiceKey, DestinationKey),
    /// `-L`
    List(List),
    /// `-Z`
    Zero(Option<ServiceKey>),
    /// `--set`; 0 leaves a timeout alone
    SetTimeouts(TimeoutSettings),
    /// `--start-daemon`
    StartDaemon(DaemonConfig),
    /// `--stop-daemon`
    StopDaemon(DaemonRole),
}

/// Which listing is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List {
    /// What is listed.
    pub what: What,
    /// In which form.
    pub format: Format,
    /// Addresses and ports in figures (`-n`).
    pub numeric: bool,
    /// Counters in full (`--exact`).
    pub exact: bool,
    /// In the kernel's order (`--nosort`).
    pub unsorted: bool,
    /// Persistence engine data of connections (`-c --persistent-conn`).
    pub engine_data: bool,
}

/// What a listing is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// All services.
    Table,
    /// One service.
    Service(ServiceKey),
    /// `-c`
    Connections,
    /// `--timeout`
    Timeouts,
    /// `--daemon`
    Daemons,
}

/// The form of a table listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Method, weight, connections.
    Plain,
    /// `--stats`
    Stats,
    /// `--rate`
    Rate,
    /// `--thresholds`
    Thresholds,
    /// `--persistent-conn`
    Persistent,
    /// `--tun-info`
    Tunnels,
}

/// Why ipvsadm does not even ask the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The line on standard error, without its newline.
    pub message: String,
    /// How it ends.
    pub kind: RefusalKind,
    /// The word of the command line that is to blame, counted from the first argument; none if something is missing.
    pub word: Option<usize>,
    /// What to write instead.
    pub cure: String,
}

/// The kinds of refusal; they differ in exit status and in what `-R` makes of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// No command: exit status 255; ends a restore.
    NoCommand,
    /// A word that cannot be read as an option: exit status 255; a restore goes on.
    Unreadable,
    /// A bad value or combination: exit status 2; ends a restore.
    Refused,
}

impl Refusal {
    pub(super) fn refused(
        word: Option<usize>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Refusal {
        Refusal { message: message.into(), kind: RefusalKind::Refused, word, cure: cure.into() }
    }

    /// The exit status.
    pub fn status(&self) -> i32 {
        match self.kind {
            RefusalKind::NoCommand | RefusalKind::Unreadable => 255,
            RefusalKind::Refused => 2,
        }
    }
}

/// The multicast group of synchronisation messages unless another is given: 224.0.0.81.
pub(super) const SYNC_GROUP: Addr = Addr::v4(0xe000_0051);
/// Their UDP port.
pub(super) const SYNC_PORT: u16 = 8848;
