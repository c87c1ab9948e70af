//! What a host says to find a neighbour, or tells its neighbours about itself, whatever the address family.

use super::arp::ArpSend;
use super::interface::InterfaceId;
use super::ndisc::NdiscSend;
use crate::addr::Mac;
use crate::packet::Frame;
use std::fmt;

/// A question about a neighbour, or an announcement: ARP for IPv4, neighbour discovery for IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// An ARP packet.
    Arp(ArpSend),
    /// A solicitation or advertisement.
    Ndisc(NdiscSend),
}

impl Ask {
    /// The interface it leaves by.
    pub fn interface(&self) -> InterfaceId {
        match self {
            Ask::Arp(arp) => arp.interface,
            Ask::Ndisc(ndisc) => ndisc.interface,
        }
    }

    /// The link address it goes to; none if the neighbour cache must be asked first.
    pub fn to(&self) -> Option<Mac> {
        match self {
            Ask::Arp(arp) => Some(arp.to),
            Ask::Ndisc(ndisc) => ndisc.to,
        }
    }

    /// The frame, with a link address of zero where the neighbour cache must be asked first.
    pub fn frame(&self) -> Frame {
        match self {
            Ask::Arp(arp) => arp.frame(),
            Ask::Ndisc(ndisc) => ndisc.frame(),
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ask::Arp(send) => write!(f, "{}", send.arp),
            Ask::Ndisc(send) => write!(f, "{}", send.message),
        }
    }
}

impl From<ArpSend> for Ask {
    fn from(arp: ArpSend) -> Ask {
        Ask::Arp(arp)
    }
}

impl From<NdiscSend> for Ask {
    fn from(ndisc: NdiscSend) -> Ask {
        Ask::Ndisc(ndisc)
    }
}
