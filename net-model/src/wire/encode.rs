//! An IP packet with its headers, from the outermost in, as bytes.

use super::checksum::{Sum, patch};
use super::{ndisc, sctp, tcp};
use crate::addr::Addr;
use crate::packet::{Encapsulation, Icmp, Outer, Packet, Payload, proto};

/// Bytes of the IPv6 header.
const IPV6: usize = 40;

/// What both IP versions' headers say.
struct Header {
    src: Addr,
    dst: Addr,
    protocol: u8,
    /// Total length.
    len: u16,
    id: u16,
    /// Flags and offset of the fragment, as IPv4 writes them.
    fragment: u16,
    ttl: u8,
    tos: u8,
}

/// Appends the bytes of an IP packet: as many as its lengths say.
pub fn encode_packet(packet: &Packet, out: &mut Vec<u8>) {
    let Some(outer) = &packet.outer else { return inner(packet, out) };
    let start = out.len();
    header(&outer_header(outer, packet), out);
    let body = out.len();
    let inside = if packet.src.is_v4() { proto::IPIP } else { proto::IPV6 };
    match outer.kind {
        Encapsulation::IpIp => inner(packet, out),
        Encapsulation::Gre { checksum } => {
            let kind: [u8; 2] = if packet.src.is_v4() { [0x08, 0x00] } else { [0x86, 0xdd] };
            out.extend([if checksum { 0x80 } else { 0 }, 0]);
            out.extend(kind);
            if checksum {
                out.extend([0; 4]);
            }
            inner(packet, out);
            if checksum {
                patch(out, body, 4, Sum::default());
            }
        }
        Encapsulation::Gue { sport, dport, checksum } => {
            let len = usize::from(packet.wire_len()).saturating_sub(body - start);
            udp_header(sport, dport, len, out);
            out.extend([0, inside, 0, 0]);
            inner(packet, out);
            if checksum {
                patch_udp(out, body, Sum::pseudo(outer.src, outer.dst, proto::UDP, len));
            }
        }
    }
    out.resize(start + usize::from(packet.wire_len()), 0);
}

fn outer_header(outer: &Outer, packet: &Packet) -> Header {
    let protocol = match outer.kind {
        Encapsulation::IpIp if packet.src.is_v4() => proto::IPIP,
        Encapsulation::IpIp => proto::IPV6,
        Encapsulation::Gre { .. } => proto::GRE,
        Encapsulation::Gue { .. } => proto::UDP,
    };
    Header {
        src: outer.src,
        dst: outer.dst,
        protocol,
        len: packet.wire_len(),
        id: outer.id,
        fragment: u16::from(outer.df) << 14,
        ttl: outer.ttl,
        tos: outer.tos,
    }
}

/// The packet without its tunnel header.
fn inner(packet: &Packet, out: &mut Vec<u8>) {
    let start = out.len();
    let fragment = u16::from(packet.df) << 14 | u16::from(packet.more_fragments) << 13;
    header(
        &Header {
            src: packet.src,
            dst: packet.dst,
            protocol: packet.protocol(),
            len: packet.len,
            id: packet.id,
            fragment: fragment | (packet.fragment_offset / 8),
            ttl: packet.ttl,
            tos: packet.tos,
        },
        out,
    );
    let end = start + usize::from(packet.len);
    let body = out.len();
    if packet.fragment_offset == 0 {
        transport(packet, end.saturating_sub(body), out);
    } else {
        out.resize(end.max(body), 0);
    }
}

/// Appends an IP header; of IPv6 with the fragment header if there is something to say in it.
fn header(header: &Header, out: &mut Vec<u8>) {
    let start = out.len();
    if let (Some(src), Some(dst)) = (header.src.to_v4_bits(), header.dst.to_v4_bits()) {
        out.extend([0x45, header.tos]);
        out.extend(header.len.to_be_bytes());
        out.extend(header.id.to_be_bytes());
        out.extend(header.fragment.to_be_bytes());
        out.extend([header.ttl, header.protocol, 0, 0]);
        out.extend(src.to_be_bytes());
        out.extend(dst.to_be_bytes());
        return patch(out, start, 10, Sum::default());
    }
    let (offset, more) = (header.fragment & 0x1fff, header.fragment >> 13 & 1);
    let is_fragment = offset != 0 || more != 0;
    out.extend([0x60 | header.tos >> 4, header.tos << 4, 0, 0]);
    out.extend((header.len.saturating_sub(IPV6 as u16)).to_be_bytes());
    out.extend([if is_fragment { proto::IPV6_FRAGMENT } else { header.protocol }, header.ttl]);
    out.extend(header.src.to_bits().to_be_bytes());
    out.extend(header.dst.to_bits().to_be_bytes());
    if is_fragment {
        out.extend([header.protocol, 0]);
        out.extend((offset << 3 | more).to_be_bytes());
        out.extend(u32::from(header.id).to_be_bytes());
    }
}

/// The transport protocol's part: `room` bytes.
fn transport(packet: &Packet, room: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let pseudo = |protocol| Sum::pseudo(packet.src, packet.dst, protocol, room);
    match &packet.payload {
        Payload::Tcp(segment) => {
            tcp::encode(segment, packet.selective(), out);
            out.resize(start + room, 0);
            patch(out, start, tcp::CHECKSUM, pseudo(proto::TCP));
        }
        Payload::Udp(datagram) => {
            udp_header(datagram.sport, datagram.dport, room, out);
            out.resize(start + room, 0);
            patch_udp(out, start, pseudo(proto::UDP));
        }
        Payload::Sync(datagram) => {
            udp_header(datagram.sport, datagram.dport, room, out);
            out.extend(datagram.message.encode());
            out.resize(start + room, 0);
            patch_udp(out, start, pseudo(proto::UDP));
        }
        Payload::Fragment(fragment) => {
            if let Some(whole) = &fragment.whole {
                first_part(whole, room, out);
            }
            out.resize(start + room, 0);
        }
        Payload::Sctp(chunks) => sctp::encode(chunks, room, out),
        Payload::Ndisc(message) => {
            ndisc::encode(message, out);
            out.resize(start + room, 0);
            patch(out, start, 2, pseudo(proto::ICMPV6));
        }
        Payload::Icmp(icmp) => {
            icmp_message(icmp, out);
            out.resize(start + room, 0);
            let sum = if packet.src.is_v4() { Sum::default() } else { pseudo(proto::ICMPV6) };
            patch(out, start, 2, sum);
        }
        Payload::Other(_) => out.resize(start + room, 0),
    }
}

/// The first `room` bytes of what is behind the outermost header of a packet: lengths and checksums are those of the
/// whole.
fn first_part(whole: &Packet, room: usize, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    encode_packet(whole, &mut bytes);
    let header = if whole.routed_src().is_v4() { 20 } else { IPV6 };
    out.extend(bytes.iter().skip(header).take(room));
}

/// A UDP header without a checksum.
fn udp_header(sport: u16, dport: u16, len: usize, out: &mut Vec<u8>) {
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend((len as u16).to_be_bytes());
    out.extend([0, 0]);
}

/// UDP's checksum is never 0, which means that there is none.
fn patch_udp(out: &mut [u8], start: usize, sum: Sum) {
    patch(out, start, 6, sum);
    if let Some(field @ [0, 0]) = out.get_mut(start + 6..start + 8) {
        field.fill(0xff);
    }
}

/// Type, code, the four bytes after the checksum, and as much of the quoted packet as there will be room for.
fn icmp_message(icmp: &Icmp, out: &mut Vec<u8>) {
    out.extend([icmp.kind, icmp.code, 0, 0]);
    out.extend(icmp.info.to_be_bytes());
    if let Some(quote) = &icmp.quote {
        encode_packet(quote, out);
    }
}
