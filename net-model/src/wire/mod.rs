//! Bytes: frames as they stand in capture files, and back.
//!
//! Writing fills in everything that the model does not decide but a real packet has: checksums, lengths, TCP options by
//! the length of the header (maximum segment size, SACK permitted, timestamps, window scale 7, as Linux orders them),
//! and zeros for data. Timestamps have the value 0: the model has no such clock, and an invented one would mislead.
//! Reading understands what the model can hold and says why it leaves other packets alone. It does not verify checksums:
//! a capture taken on the sending host has wrong ones when the card computes them.

mod checksum;
mod decode;
mod encode;
mod ndisc;
mod sctp;
mod tcp;

pub use decode::decode_packet;
pub use encode::encode_packet;

use crate::addr::{Addr, Mac};
use crate::capture::Direction;
use crate::packet::{Arp, ArpOp, Body, Frame};
use std::fmt;

/// The UDP port of generic UDP encapsulation that IANA has assigned: the one at which a reader looks for it.
pub const GUE_PORT: u16 = 6080;

/// Ethernet types.
mod ethertype {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
    pub(super) const IPV6: u16 = 0x86dd;
}

/// What stands in front of the IP packet in a capture, by the numbers of <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkType {
    /// 1: Ethernet
    Ethernet,
    /// 101 (and 12, 14, 228, 229): nothing
    Raw,
    /// 113: Linux "cooked" capture of the device `any`
    LinuxCooked,
    /// 276: its second version
    LinuxCooked2,
}

/// A frame as it was read, and which way it went if the capture says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The frame; link addresses are zero where the capture has none.
    pub frame: Frame,
    /// In or out, if the link header says so.
    pub direction: Option<Direction>,
}

/// Why a packet of a capture is left alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unreadable {
    /// The capture holds too little of it (snapshot length).
    CutShort,
    /// Neither IP nor ARP; the Ethernet type, or the length if it is below 1536.
    NotIp(u16),
    /// It contradicts itself.
    Malformed(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::CutShort => f.write_str("cut off within its headers (snapshot length)"),
            Unreadable::NotIp(kind) if *kind < 0x600 => f.write_str("neither IP nor ARP (IEEE 802.3)"),
            Unreadable::NotIp(kind) => write!(f, "neither IP nor ARP (Ethernet type {kind:#06x})"),
            Unreadable::Malformed(what) => f.write_str(what),
        }
    }
}

impl LinkType {
    /// By its number in a capture file.
    pub const fn from_number(number: u32) -> Option<LinkType> {
        match number {
            1 => Some(LinkType::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(LinkType::Raw),
            113 => Some(LinkType::LinuxCooked),
            276 => Some(LinkType::LinuxCooked2),
            _ => None,
        }
    }

    /// The number in a capture file.
    pub const fn number(self) -> u16 {
        match self {
            LinkType::Ethernet => 1,
            LinkType::Raw => 101,
            LinkType::LinuxCooked => 113,
            LinkType::LinuxCooked2 => 276,
        }
    }
}

/// Appends the bytes of an Ethernet frame, without the frame check sequence and without padding.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) {
    out.extend(mac_bytes(frame.dst));
    out.extend(mac_bytes(frame.src));
    if frame.vlan != 0 {
        out.extend(ethertype::VLAN.to_be_bytes());
        out.extend(frame.vlan.to_be_bytes());
    }
    match &frame.body {
        Body::Arp(arp) => {
            out.extend(ethertype::ARP.to_be_bytes());
            encode_arp(arp, out);
        }
        Body::Ip(packet) => {
            let kind = if packet.routed_src().is_v4() { ethertype::IPV4 } else { ethertype::IPV6 };
            out.extend(kind.to_be_bytes());
            encode_packet(packet, out);
        }
    }
}

/// Reads what a capture holds of a frame. `wire_len` is its length on the wire, from the link header on.
///
/// # Errors
/// Why the frame is none that the model has.
pub fn decode(link: LinkType, bytes: &[u8], wire_len: usize) -> Result<Read, Unreadable> {
    let (kind, header, direction) = match link {
        LinkType::Raw => {
            let packet = decode_packet(bytes, wire_len)?;
            let frame = Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Ip(packet) };
            return Ok(Read { frame, direction: None });
        }
        LinkType::Ethernet => return decode_ethernet(bytes, wire_len),
        LinkType::LinuxCooked => (u16_at(bytes, 14)?, 16, u16_at(bytes, 0)?),
        LinkType::LinuxCooked2 => (u16_at(bytes, 0)?, 20, u16::from(u8_at(bytes, 10)?)),
    };
    let body = decode_body(kind, &bytes[header.min(bytes.len())..], wire_len.saturating_sub(header))?;
    let direction = Some(if direction == 4 { Direction::Out } else { Direction::In });
    Ok(Read { frame: Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body }, direction })
}

fn decode_ethernet(bytes: &[u8], wire_len: usize) -> Result<Read, Unreadable> {
    let (mut vlan, mut header) = (0, 14);
    let mut kind = u16_at(bytes, 12)?;
    while matches!(kind, ethertype::VLAN | ethertype::SERVICE_VLAN) {
        vlan = u16_at(bytes, header)? & 0x0fff;
        kind = u16_at(bytes, header + 2)?;
        header += 4;
    }
    let body = decode_body(kind, &bytes[header..], wire_len.saturating_sub(header))?;
    let mac = |at: usize| bytes[at..at + 6].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let frame = Frame { dst: Mac::from_bits(mac(0)), src: Mac::from_bits(mac(6)), vlan, body };
    Ok(Read { frame, direction: None })
}

fn decode_body(kind: u16, bytes: &[u8], wire_len: usize) -> Result<Body, Unreadable> {
    match kind {
        ethertype::ARP => decode_arp(bytes).map(Body::Arp),
        ethertype::IPV4 | ethertype::IPV6 => decode_packet(bytes, wire_len).map(Body::Ip),
        other => Err(Unreadable::NotIp(other)),
    }
}

/// Hardware type Ethernet, protocol type IPv4, lengths 6 and 4.
const ARP_HEADER: [u8; 6] = [0, 1, 8, 0, 6, 4];

fn encode_arp(arp: &Arp, out: &mut Vec<u8>) {
    let op: u16 = match arp.op {
        ArpOp::Request => 1,
        ArpOp::Reply => 2,
    };
    out.extend(ARP_HEADER);
    out.extend(op.to_be_bytes());
    for (mac, addr) in [(arp.sender_mac, arp.sender), (arp.target_mac, arp.target)] {
        out.extend(mac_bytes(mac));
        out.extend(addr.to_v4_bits().unwrap_or(0).to_be_bytes());
    }
}

fn decode_arp(bytes: &[u8]) -> Result<Arp, Unreadable> {
    if bytes.len() < 28 {
        return Err(Unreadable::CutShort);
    }
    if bytes[..6] != ARP_HEADER {
        return Err(Unreadable::Malformed("ARP for other networks than IPv4 on Ethernet"));
    }
    let op = match u16_at(bytes, 6)? {
        1 => ArpOp::Request,
        2 => ArpOp::Reply,
        _ => return Err(Unreadable::Malformed("an ARP operation other than request and reply")),
    };
    let mac = |at: usize| {
        Mac::from_bits(bytes[at..at + 6].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    };
    Ok(Arp {
        op,
        sender_mac: mac(8),
        sender: Addr::v4(u32_at(bytes, 14)?),
        target_mac: mac(18),
        target: Addr::v4(u32_at(bytes, 24)?),
    })
}

fn mac_bytes(mac: Mac) -> [u8; 6] {
    let bytes = mac.to_bits().to_be_bytes();
    [bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
}

fn u8_at(bytes: &[u8], at: usize) -> Result<u8, Unreadable> {
    bytes.get(at).copied().ok_or(Unreadable::CutShort)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Unreadable> {
    Ok(u16::from(u8_at(bytes, at)?) << 8 | u16::from(u8_at(bytes, at + 1)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Unreadable> {
    Ok(u32::from(u16_at(bytes, at)?) << 16 | u32::from(u16_at(bytes, at + 2)?))
}
