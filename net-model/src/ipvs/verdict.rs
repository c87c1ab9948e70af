//! What the director answers, and what it asks its host.

use crate::addr::Addr;
use crate::packet::Packet;
use crate::verdict::DropReason;

/// What a host tells its director about the world.
pub trait Surroundings {
    /// Is this address one of the host's own (whatever routing calls local)?
    fn is_local(&self, addr: Addr) -> bool;
    /// Is this the broadcast address of one of the host's networks?
    fn is_broadcast(&self, addr: Addr) -> bool {
        let _ = addr;
        false
    }
    /// The way towards `dst`, or none without a route.
    fn route(&self, dst: Addr) -> Option<Path>;
    /// Both answers about a real server: is it an address of the host, and the way towards it.
    fn look(&self, addr: Addr) -> (bool, Option<Path>) {
        (self.is_local(addr), self.route(addr))
    }
    /// The host's address towards `addr`, to which there is a route.
    fn source(&self, addr: Addr) -> Addr {
        self.route(addr).expect("the caller knows a route").source
    }
}

/// A way out of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// The host's address towards the destination.
    pub source: Addr,
}

/// What becomes of a packet at an IPVS hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on, with the packet as it now is: to the local stack, or on its way as any other packet.
    Accept,
    /// Route the packet, as it now is, towards `to` and send it through LOCAL_OUT and POSTROUTING. IPVS hooks do not
    /// look at it again.
    Send {
        /// The real server (or, past the cache, the original destination).
        to: Addr,
    },
    /// The packet ends here.
    Drop(DropReason),
    /// The packet ends here, and an ICMP error about it as it now stands goes to its source, from its destination if
    /// that is local. The error passes LOCAL_OUT with its IPVS hooks.
    Reject(DropReason, IcmpError),
    /// The packet ends here, and this packet is sent instead. It passes LOCAL_OUT with its IPVS hooks.
    Respond(Box<Packet>),
}

/// An ICMP or ICMPv6 error to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpError {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes after the checksum: the MTU, or 0.
    pub info: u32,
}
