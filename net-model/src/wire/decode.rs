//! Bytes as an IP packet, with its tunnel header if it has one that IPVS writes.

use super::{GUE_PORT, Unreadable, ndisc, sctp, tcp, u8_at, u16_at, u32_at};
use crate::addr::Addr;
use crate::ipvs::SyncMessage;
use crate::packet::{Datagram, Encapsulation, Fragment, Icmp, Outer, Packet, Payload, SyncDatagram, proto};
use std::sync::Arc;

/// Bytes of the fragment header of IPv6.
const FRAGMENT_HEADER: u16 = 8;

/// An IP header that has been read, and what is behind it.
struct Layer<'a> {
    src: Addr,
    dst: Addr,
    protocol: u8,
    /// Total length of the packet on the wire.
    len: usize,
    /// Length of its headers, options and extension headers included.
    header: usize,
    id: u16,
    fragment_offset: u16,
    more_fragments: bool,
    df: bool,
    ttl: u8,
    tos: u8,
    /// What the capture holds of the rest.
    body: &'a [u8],
}

/// Reads an IP packet of which a capture holds `bytes`. `wire_len` counts where the header has no length of its own, as
/// in packets that the card was to cut into segments.
///
/// # Errors
/// Why the packet is none that the model has.
pub fn decode_packet(bytes: &[u8], wire_len: usize) -> Result<Packet, Unreadable> {
    packet(bytes, wire_len, false)
}

fn packet(bytes: &[u8], wire_len: usize, is_quoted: bool) -> Result<Packet, Unreadable> {
    let layer = layer(bytes, wire_len)?;
    match tunnelled(&layer, is_quoted) {
        Some(packet) => Ok(packet),
        None => plain(&layer, is_quoted),
    }
}

fn layer(bytes: &[u8], wire_len: usize) -> Result<Layer<'_>, Unreadable> {
    match u8_at(bytes, 0)? >> 4 {
        4 => ipv4(bytes, wire_len),
        6 => ipv6(bytes, wire_len),
        _ => Err(Unreadable::Malformed("an IP version other than 4 and 6")),
    }
}

fn ipv4(bytes: &[u8], wire_len: usize) -> Result<Layer<'_>, Unreadable> {
    let header = usize::from(bytes[0] & 15) * 4;
    if header < 20 {
        return Err(Unreadable::Malformed("an IPv4 header of less than 20 bytes"));
    }
    let len = match u16_at(bytes, 2)? {
        0 => wire_len.min(usize::from(u16::MAX)),
        len => usize::from(len),
    };
    if len < header {
        return Err(Unreadable::Malformed("an IPv4 packet shorter than its header"));
    }
    let fragment = u16_at(bytes, 6)?;
    Ok(Layer {
        src: Addr::v4(u32_at(bytes, 12)?),
        dst: Addr::v4(u32_at(bytes, 16)?),
        protocol: u8_at(bytes, 9)?,
        len,
        header,
        id: u16_at(bytes, 4)?,
        fragment_offset: (fragment & 0x1fff) * 8,
        more_fragments: fragment & 0x2000 != 0,
        df: fragment & 0x4000 != 0,
        ttl: u8_at(bytes, 8)?,
        tos: u8_at(bytes, 1)?,
        body: behind(bytes, header, len),
    })
}

fn ipv6(bytes: &[u8], wire_len: usize) -> Result<Layer<'_>, Unreadable> {
    if bytes.len() < 40 {
        return Err(Unreadable::CutShort);
    }
    let address = |at: usize| {
        let bits = bytes[at..at + 16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        Addr::v6(bits)
    };
    let len = match u16_at(bytes, 4)? {
        0 => wire_len.min(usize::from(u16::MAX)),
        len => (usize::from(len) + 40).min(usize::from(u16::MAX)),
    };
    let mut layer = Layer {
        src: address(8),
        dst: address(24),
        protocol: bytes[6],
        len,
        header: 40,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: true, // nobody but the sender fragments IPv6
        ttl: bytes[7],
        tos: bytes[0] << 4 | bytes[1] >> 4,
        body: &[],
    };
    extension_headers(&mut layer, bytes)?;
    layer.body = behind(bytes, layer.header, len);
    Ok(layer)
}

/// Walks over IPv6 extension headers to the transport protocol.
fn extension_headers(layer: &mut Layer, bytes: &[u8]) -> Result<(), Unreadable> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const OPTIONS: u8 = 60;
    loop {
        let at = layer.header;
        match layer.protocol {
            HOP_BY_HOP | ROUTING | OPTIONS => {
                layer.header += (usize::from(u8_at(bytes, at + 1)?) + 1) * 8;
            }
            proto::IPV6_FRAGMENT => {
                let fragment = u16_at(bytes, at + 2)?;
                layer.fragment_offset = fragment & 0xfff8;
                layer.more_fragments = fragment & 1 == 1;
                layer.id = u32_at(bytes, at + 4)? as u16;
                layer.header += 8;
            }
            _ => return Ok(()),
        }
        layer.protocol = u8_at(bytes, at)?;
    }
}

/// What the capture holds of the packet behind `header` bytes; padding of the frame is not a part of it.
fn behind(bytes: &[u8], header: usize, len: usize) -> &[u8] {
    bytes.get(header..len.min(bytes.len())).unwrap_or_default()
}

/// The packet inside, if this is the header of a tunnel that IPVS knows.
fn tunnelled(layer: &Layer, is_quoted: bool) -> Option<Packet> {
    if layer.fragment_offset != 0 || layer.more_fragments {
        return None;
    }
    let (kind, header) = match layer.protocol {
        proto::IPIP | proto::IPV6 => (Encapsulation::IpIp, 0),
        proto::GRE => gre(layer.body)?,
        proto::UDP => gue(layer.body)?,
        _ => return None,
    };
    let room = layer.len.checked_sub(layer.header + header)?;
    let inside = self::layer(layer.body.get(header..)?, room).ok()?;
    let packet = plain(&inside, is_quoted).ok()?;
    let outer = Outer {
        src: layer.src,
        dst: layer.dst,
        kind,
        overhead: (layer.len as u16).checked_sub(packet.len)?,
        id: layer.id,
        df: layer.df && layer.src.is_v4(),
        ttl: layer.ttl,
        tos: layer.tos,
    };
    Some(Packet { outer: Some(outer), ..packet })
}

/// Generic routing encapsulation of IP, and the length of its header.
fn gre(body: &[u8]) -> Option<(Encapsulation, usize)> {
    let flags = u16_at(body, 0).ok()?;
    let is_ip = matches!(u16_at(body, 2).ok()?, 0x0800 | 0x86dd);
    let has = |bit: u16| usize::from(flags & bit != 0) * 4;
    let (checksum, key, sequence) = (has(0x8000), has(0x2000), has(0x1000));
    let is_plain = flags & 7 == 0;
    (is_ip && is_plain)
        .then_some((Encapsulation::Gre { checksum: checksum != 0 }, 4 + checksum + key + sequence))
}

/// Generic UDP encapsulation of IP, and the length of both its headers.
fn gue(body: &[u8]) -> Option<(Encapsulation, usize)> {
    let (sport, dport, checksum) = (u16_at(body, 0).ok()?, u16_at(body, 2).ok()?, u16_at(body, 6).ok()?);
    let (first, inside) = (u8_at(body, 8).ok()?, u8_at(body, 9).ok()?);
    // Version 0, no control message, and no flags that would change the meaning of what follows.
    let is_ip = first >> 5 == 0 && matches!(inside, proto::IPIP | proto::IPV6);
    let header = 12 + usize::from(first & 0x1f) * 4;
    let kind = Encapsulation::Gue { sport, dport, checksum: checksum != 0 };
    (dport == GUE_PORT && is_ip).then_some((kind, header))
}

/// The packet of this header, taken for one without a tunnel.
fn plain(layer: &Layer, is_quoted: bool) -> Result<Packet, Unreadable> {
    let payload = if layer.fragment_offset == 0 {
        payload(layer, is_quoted)?
    } else {
        Payload::Fragment(Fragment { protocol: layer.protocol, whole: None })
    };
    let mut packet = Packet {
        src: layer.src,
        dst: layer.dst,
        mark: 0,
        flow: 0,
        len: layer.len as u16,
        id: layer.id,
        fragment_offset: layer.fragment_offset,
        more_fragments: layer.more_fragments,
        df: layer.df,
        ttl: layer.ttl,
        tos: layer.tos,
        payload,
        outer: None,
        text: None,
    };
    if let Payload::Tcp(_) = packet.payload {
        packet.note_selective(tcp::selective(layer.body));
    }
    let is_first = layer.more_fragments && layer.fragment_offset == 0;
    Ok(if is_first { first_fragment(&packet) } else { packet })
}

/// A packet that goes on in other fragments: as much of the whole as is known.
fn first_fragment(packet: &Packet) -> Packet {
    let protocol = packet.protocol();
    let header = if packet.src.is_v4() { 0 } else { FRAGMENT_HEADER };
    let whole = Packet { len: packet.len - header, more_fragments: false, ..packet.clone() };
    let payload = Payload::Fragment(Fragment { protocol, whole: Some(Box::new(whole)) });
    Packet { payload, text: None, ..packet.clone() }
}

fn payload(layer: &Layer, is_quoted: bool) -> Result<Payload, Unreadable> {
    let body = layer.body;
    let wire_len = layer.len.saturating_sub(layer.header);
    Ok(match layer.protocol {
        proto::TCP => Payload::Tcp(tcp::decode(body, wire_len, is_quoted)?),
        proto::UDP if layer.dst.is_multicast() => group_datagram(body)?,
        proto::UDP => Payload::Udp(Datagram { sport: u16_at(body, 0)?, dport: u16_at(body, 2)? }),
        proto::SCTP => Payload::Sctp(sctp::decode(body, is_quoted)?),
        proto::ICMP if layer.src.is_v4() => Payload::Icmp(icmp(body, is_quoted, kind_quotes)?),
        proto::ICMPV6 if !layer.src.is_v4() && ndisc::is_message(body) => {
            Payload::Ndisc(ndisc::decode(body, layer.src)?)
        }
        proto::ICMPV6 if !layer.src.is_v4() => Payload::Icmp(icmp(body, is_quoted, |kind| kind < 128)?),
        other => Payload::Other(other),
    })
}

/// A datagram for a group: it may be a synchronisation message.
fn group_datagram(body: &[u8]) -> Result<Payload, Unreadable> {
    let (sport, dport) = (u16_at(body, 0)?, u16_at(body, 2)?);
    let message = body.get(8..).and_then(SyncMessage::decode).map(Arc::new);
    Ok(match message {
        Some(message) => Payload::Sync(SyncDatagram { sport, dport, message }),
        None => Payload::Udp(Datagram { sport, dport }),
    })
}

/// Destination unreachable, source quench, redirect, time exceeded, parameter problem.
fn kind_quotes(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// An ICMP message; an error with the packet it is about. A quoted one quotes nothing.
fn icmp(body: &[u8], is_quoted: bool, quotes: impl Fn(u8) -> bool) -> Result<Icmp, Unreadable> {
    let kind = u8_at(body, 0)?;
    let quote = match body.get(8..) {
        Some(about) if quotes(kind) && !is_quoted => packet(about, about.len(), true).ok().map(Box::new),
        _ => None,
    };
    Ok(Icmp { kind, code: u8_at(body, 1)?, info: u32_at(body, 4)?, quote })
}
