//! Scheduling decisions on record, for `explain`: which service, which candidates, who was chosen and why.

use super::config::{DestinationKey, ServiceKey};
use crate::addr::Addr;
use sim_core::Time;

/// One scheduling decision.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// When.
    pub time: Time,
    /// Protocol number of the packet.
    pub protocol: u8,
    /// Client address and port.
    pub client: (Addr, u16),
    /// Virtual address and port, as in the packet.
    pub target: (Addr, u16),
    /// Firewall mark of the packet.
    pub mark: u32,
    /// The trace number of the packet, 0 for none.
    pub flow: u32,
    /// The service that took it.
    pub service: ServiceKey,
    /// Which step of the look-up found the service.
    pub rule: ServiceRule,
    /// Who chose.
    pub chooser: Chooser,
    /// Every destination of the service in list order, with its figures before the choice.
    pub candidates: Vec<Candidate>,
    /// The choice, or why there is none.
    pub outcome: Result<DestinationKey, Refusal>,
}

/// Which step of the service look-up matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceRule {
    /// The packet's firewall mark.
    Mark,
    /// Protocol, address and port.
    Exact,
    /// A service on port 21 takes FTP data connections.
    FtpData,
    /// A port-0 service takes every port without a service of its own.
    AnyPort,
}

/// Who chose the destination.
#[derive(Clone, PartialEq, Debug)]
pub enum Chooser {
    /// A persistence template of this client network.
    Template {
        /// The client network's address.
        client: Addr,
    },
    /// The scheduler; its account of the choice.
    Scheduler {
        /// Its name.
        name: &'static str,
        /// The rule it applied, ties included.
        account: String,
    },
    /// Nobody was asked.
    Nobody,
}

/// A destination at the moment of the decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which.
    pub key: DestinationKey,
    /// Weight.
    pub weight: i32,
    /// ActiveConn.
    pub active: i32,
    /// InActConn.
    pub inactive: i32,
    /// The load figure of lc, wlc, lblc and lblcr.
    pub load: i64,
    /// Is the overload flag set?
    pub overloaded: bool,
}

/// Why a packet got no destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The drop_packet defence.
    DropDefence,
    /// Source port 20: never scheduled.
    SourcePort20,
    /// The service has another port and is not persistent.
    OtherPort,
    /// No destination is usable.
    NothingUsable,
    /// The persistence engine found no key in the datagram.
    NoEngineKey,
}
