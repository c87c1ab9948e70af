//! What travels: Ethernet frames with ARP or IP in them, as typed values; the larger payloads are in `packet/`.
//!
//! There are no bytes here: the model is about decisions, and bytes exist only where a capture file is written.
//! A packet may carry an outer header (it is inside a tunnel) and an ICMP error quotes the packet it is about.

mod ndisc;
mod segment;

pub use ndisc::{Ndisc, NdiscFlags, NdiscKind};
pub use segment::{Flags, Segment};

use crate::addr::{Addr, Mac};
use crate::ipvs::SyncMessage;
use crate::text::Text;
use std::sync::Arc;

/// Ethernet header and frame check sequence, in bytes on the wire.
pub const ETHERNET_OVERHEAD: u32 = 18;

/// An Ethernet frame.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C, align(64))] // what every frame has stands in front, in two cache lines; a tunnel header behind them
pub struct Frame {
    /// The receiver's link address.
    pub dst: Mac,
    /// The sender's link address.
    pub src: Mac,
    /// 802.1Q tag, 0 for an untagged frame.
    pub vlan: u16,
    /// What the frame carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// An ARP packet.
    Arp(Arp),
    /// An IPv4 or IPv6 packet.
    Ip(Packet),
}

impl Frame {
    /// The tag of the exchange that the frame's packet belongs to, 0 for none.
    #[inline]
    pub fn flow(&self) -> u32 {
        match &self.body {
            Body::Arp(_) => 0,
            Body::Ip(packet) => packet.flow,
        }
    }

    /// Does it fit through a card or switch port with this MTU? A tag has room beside it: so have four more bytes of a
    /// frame without one.
    pub(crate) fn fits(&self, mtu: u32) -> bool {
        self.wire_bytes() <= mtu.saturating_add(ETHERNET_OVERHEAD + 4)
    }

    /// Bytes the frame occupies on the wire, frame check sequence included.
    #[inline]
    pub fn wire_bytes(&self) -> u32 {
        let tag = if self.vlan == 0 { 0 } else { 4 };
        ETHERNET_OVERHEAD
            + tag
            + match &self.body {
                Body::Arp(_) => 28,
                Body::Ip(packet) => packet.wire_len() as u32,
            }
    }
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Request or reply.
    pub op: ArpOp,
    /// Sender hardware address.
    pub sender_mac: Mac,
    /// Sender protocol address.
    pub sender: Addr,
    /// Target hardware address.
    pub target_mac: Mac,
    /// Target protocol address.
    pub target: Addr,
}

/// The operation of an ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOp {
    /// Operation 1, who-has
    Request,
    /// Operation 2, is-at
    Reply,
}

/// An IP packet. `len` is the total length of the inner packet, header included.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C)] // what every packet has stands in front
pub struct Packet {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Firewall mark, local to the host that handles the packet (it does not travel over links).
    pub mark: u32,
    /// The connection this packet belongs to for the trace; 0 for none. It has no meaning to any host.
    pub flow: u32,
    /// Total length in bytes, IP header included (IPv6: payload length + 40).
    pub len: u16,
    /// IPv4 identification.
    pub id: u16,
    /// Fragment offset in bytes; 0 for the first or only fragment.
    pub fragment_offset: u16,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Don't fragment.
    pub df: bool,
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Type of service, traffic class.
    pub tos: u8,
    /// The transport protocol's part.
    pub payload: Payload,
    /// What it says beside its headers, for the few packets of which that matters (see [`Packet::say`] and
    /// [`Packet::selective`]); `len` counts it.
    pub text: Option<Box<Text>>,
    /// The tunnel header around this packet, if any.
    pub outer: Option<Outer>,
}

/// A tunnel header around a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)] // the kind tells whether there is one
pub struct Outer {
    /// Which encapsulation.
    pub kind: Encapsulation,
    /// Bytes that the encapsulation adds, outer IP header included.
    pub overhead: u16,
    /// Identification of the outer header.
    pub id: u16,
    /// Don't fragment, in the outer header.
    pub df: bool,
    /// Time to live of the outer header.
    pub ttl: u8,
    /// Type of service of the outer header.
    pub tos: u8,
    /// Source address of the tunnel: the director.
    pub src: Addr,
    /// Destination address of the tunnel: the real server.
    pub dst: Addr,
}

/// The encapsulations that IPVS knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encapsulation {
    /// IP in IP: protocol 4 for IPv4 inside, 41 for IPv6 inside.
    IpIp,
    /// Generic routing encapsulation, protocol 47.
    Gre {
        /// With the optional checksum field.
        checksum: bool,
    },
    /// Generic UDP encapsulation.
    Gue {
        /// UDP source port, a hash of the flow.
        sport: u16,
        /// UDP destination port.
        dport: u16,
        /// With a UDP checksum.
        checksum: bool,
    },
}

/// The transport protocol's part of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// TCP
    Tcp(Segment),
    /// UDP
    Udp(Datagram),
    /// UDP between directors: a synchronisation message of IPVS.
    Sync(SyncDatagram),
    /// SCTP
    Sctp(Chunks),
    /// ICMP or ICMPv6
    Icmp(Icmp),
    /// A part of a packet that was too large for some link.
    Fragment(Fragment),
    /// ICMPv6: a question about a neighbour, or the answer
    Ndisc(Ndisc),
    /// Any other protocol, by number.
    Other(u8),
}

/// What a fragment carries: `fragment_offset` and `more_fragments` of its packet say which part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// The protocol that the header names: that of the transport, or of the outermost tunnel.
    pub protocol: u8,
    /// In the first fragment, the packet of which these are parts.
    pub whole: Option<Box<Packet>>,
}

/// A UDP datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Datagram {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

/// A UDP datagram with a synchronisation message. A switch copies it to many ports, so the copies share the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncDatagram {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// What it says.
    pub message: Arc<SyncMessage>,
}

/// The first chunks of an SCTP packet, by type number (RFC 9260).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunks {
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Type of the first chunk.
    pub first: u8,
    /// Type of the second chunk, if there is one.
    pub second: Option<u8>,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes after the checksum: MTU, gateway (IPv4), or identifier and sequence number of an echo.
    pub info: u32,
    /// The packet an error is about, as it stood when the error was made.
    pub quote: Option<Box<Packet>>,
}

/// Protocol numbers.
pub mod proto {
    /// ICMP
    pub const ICMP: u8 = 1;
    /// IPv4 in IP
    pub const IPIP: u8 = 4;
    /// TCP
    pub const TCP: u8 = 6;
    /// UDP
    pub const UDP: u8 = 17;
    /// IPv6 in IP
    pub const IPV6: u8 = 41;
    /// The fragment header of IPv6
    pub const IPV6_FRAGMENT: u8 = 44;
    /// GRE
    pub const GRE: u8 = 47;
    /// ESP
    pub const ESP: u8 = 50;
    /// AH
    pub const AH: u8 = 51;
    /// ICMPv6
    pub const ICMPV6: u8 = 58;
    /// SCTP
    pub const SCTP: u8 = 132;
}

impl Packet {
    /// The number of the transport protocol of the inner packet.
    #[inline]
    pub fn protocol(&self) -> u8 {
        match &self.payload {
            Payload::Tcp(_) => proto::TCP,
            Payload::Udp(_) | Payload::Sync(_) => proto::UDP,
            Payload::Sctp(_) => proto::SCTP,
            Payload::Icmp(_) if self.src.is_v4() => proto::ICMP,
            Payload::Icmp(_) | Payload::Ndisc(_) => proto::ICMPV6,
            Payload::Fragment(fragment) => fragment.protocol,
            Payload::Other(number) => *number,
        }
    }

    /// Source and destination port, for the protocols that have them; later fragments have none.
    #[inline]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match &self.payload {
            Payload::Tcp(s) => Some((s.sport, s.dport)),
            Payload::Udp(d) => Some((d.sport, d.dport)),
            Payload::Sync(d) => Some((d.sport, d.dport)),
            Payload::Sctp(c) => Some((c.sport, c.dport)),
            Payload::Fragment(fragment) => {
                fragment.whole.as_deref().filter(|whole| whole.outer.is_none()).and_then(Packet::ports)
            }
            Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Other(_) => None,
        }
    }

    /// Replaces the source port, where there is one.
    #[inline]
    pub fn set_sport(&mut self, port: u16) {
        match &mut self.payload {
            Payload::Tcp(s) => s.sport = port,
            Payload::Udp(d) => d.sport = port,
            Payload::Sync(d) => d.sport = port,
            Payload::Sctp(c) => c.sport = port,
            Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Fragment(_) | Payload::Other(_) => {}
        }
    }

    /// Replaces the destination port, where there is one.
    #[inline]
    pub fn set_dport(&mut self, port: u16) {
        match &mut self.payload {
            Payload::Tcp(s) => s.dport = port,
            Payload::Udp(d) => d.dport = port,
            Payload::Sync(d) => d.dport = port,
            Payload::Sctp(c) => c.dport = port,
            Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Fragment(_) | Payload::Other(_) => {}
        }
    }

    /// The destination the network sees: the outer header's, if there is one.
    #[inline]
    pub fn routed_dst(&self) -> Addr {
        match &self.outer {
            Some(outer) => outer.dst,
            None => self.dst,
        }
    }

    /// The source the network sees: the outer header's, if there is one.
    #[inline]
    pub fn routed_src(&self) -> Addr {
        match &self.outer {
            Some(outer) => outer.src,
            None => self.src,
        }
    }

    /// Must no router cut the packet, going by the header the network sees? Nobody but the sender cuts IPv6.
    #[inline]
    pub fn stays_whole(&self) -> bool {
        match &self.outer {
            Some(outer) => outer.df || !outer.src.is_v4(),
            None => self.df || !self.src.is_v4(),
        }
    }

    /// IP bytes on the wire, the tunnel's overhead included.
    #[inline]
    pub fn wire_len(&self) -> u16 {
        match &self.outer {
            Some(outer) => self.len + outer.overhead,
            None => self.len,
        }
    }
}
