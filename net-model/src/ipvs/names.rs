//! How services, destinations and decisions are named in listings and transcripts.

use super::config::{Forwarding, Protocol, ServiceKey};
use super::decision::{Refusal, ServiceRule};
use crate::addr::{Addr, Family};
use std::fmt;

/// `10.0.0.3:80` or `[fd00::3]:80`.
pub fn endpoint(addr: Addr, port: u16) -> String {
    std::net::SocketAddr::new(addr.into(), port).to_string()
}

impl Protocol {
    /// As listings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { protocol, addr, port } => {
                write!(f, "{} {}", protocol.name(), endpoint(*addr, *port))
            }
            ServiceKey::Mark { family: Family::V4, mark } => write!(f, "FWM {mark}"),
            ServiceKey::Mark { family: Family::V6, mark } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

impl Forwarding {
    /// As listings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Forwarding::Masquerade => "Masq",
            Forwarding::Route => "Route",
            Forwarding::Tunnel(_) => "Tunnel",
        }
    }
}

impl ServiceRule {
    /// Why the service took the packet.
    pub const fn sentence(self) -> &'static str {
        match self {
            ServiceRule::Mark => "by the packet's firewall mark",
            ServiceRule::Exact => "by protocol, address and port",
            ServiceRule::FtpData => "as FTP data of a service on port 21",
            ServiceRule::AnyPort => "as a port-0 service, which takes every port",
        }
    }
}

impl Refusal {
    /// Why there was no server, and what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Refusal::DropDefence => {
                "the drop_packet defence dropped the packet (net.ipv4.vs.drop_packet=0 ends it)"
            }
            Refusal::SourcePort20 => "packets from source port 20 are never scheduled",
            Refusal::OtherPort => {
                "the service has another port and is not persistent: add -p, or a service for the port"
            }
            Refusal::NothingUsable => {
                "no server is usable: all weights are 0, all are above -x, or there is none"
            }
            Refusal::NoEngineKey => "the persistence engine found no key in the datagram",
        }
    }
}
