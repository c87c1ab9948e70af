//! Packets as nobody should send them: every field drawn, most from a few values that belong together.

use crate::harness::one;
use net_model::addr::Addr;
use net_model::packet::{
    Chunks, Datagram, Encapsulation, Flags, Icmp, Ndisc, NdiscFlags, Outer, Packet, Payload, Segment,
};
use sim_core::Stream;

/// Virtual addresses, servers, clients, and addresses that are special.
pub(crate) const V4: [u32; 14] = [
    0x0a09_0064,
    0x0a09_0065,
    0x0a00_0001,
    0x0a00_0003,
    0x0a00_0004,
    0x0a00_0005,
    0xc0a8_0101,
    0xc0a8_0102,
    0xac10_0001,
    0x7f00_0001,
    0xffff_ffff,
    0xe000_0051,
    0,
    0x0000_0007,
];
const PORTS: [u16; 12] = [80, 443, 53, 20, 21, 5060, 500, 1000, 2000, 50_000, 0, 65_535];
const SAYS: [&str; 16] = [
    "PASV\r\n",
    "EPSV\r\n",
    "PORT 192,168,1,1,7,208\r\n",
    "PORT 192,168,1,1,0,0\r\n",
    "EPRT |1|192.168.1.1|2000|\r\n",
    "EPRT |2|fd00::1|2000|\r\n",
    "227 Entering Passive Mode (10,0,0,3,195,80).\r\n",
    "227 (10,0,0,3,0,0)",
    "229 Entering Extended Passive Mode (|||50000|)\r\n",
    "229 (|1|10.0.0.5|50000|)",
    "INVITE sip:x SIP/2.0\r\nCall-ID: a@b\r\n\r\n",
    "INVITE sip:x SIP/2.0\r\ni: c\r\n\r\n",
    "SIP/2.0 200 OK\r\nCall-ID:\r\n d@e\r\n",
    "\r\nCall-ID: ",
    "227 ",
    "",
];

/// An address of one family: one of the few, or any.
pub(crate) fn addr(stream: &mut Stream, v6: bool) -> Addr {
    let bits = one(stream, &V4);
    let anything = stream.below(16) == 0;
    match (v6, anything) {
        (false, false) => Addr::v4(bits),
        (false, true) => Addr::v4(stream.next_u32()),
        (true, false) => Addr::v6(0xfd00 << 112 | u128::from(bits)),
        (true, true) => Addr::v6(u128::from(stream.next_u64()) << 64 | u128::from(stream.next_u64())),
    }
}

pub(crate) fn port(stream: &mut Stream) -> u16 {
    if stream.below(8) == 0 { stream.next_u32() as u16 } else { one(stream, &PORTS) }
}

/// A packet; those that ICMP errors quote are at most `depth` deep in one another.
pub(crate) fn packet(stream: &mut Stream, depth: u32) -> Packet {
    let v6 = stream.below(4) == 0;
    let payload = payload(stream, depth);
    let odd = stream.below(8) == 0;
    let mut packet = Packet {
        src: addr(stream, v6),
        dst: addr(stream, v6),
        mark: one(stream, &[0, 0, 0, 7, u32::MAX]),
        flow: 0,
        len: if odd { stream.next_u32() as u16 } else { one(stream, &[40, 60, 1500, 9000]) },
        id: 0,
        fragment_offset: if odd { stream.next_u32() as u16 } else { 0 },
        more_fragments: odd && stream.chance(0.5),
        df: stream.chance(0.5),
        ttl: one(stream, &[64, 64, 64, 0, 1, 2, 255]),
        tos: stream.next_u32() as u8,
        payload,
        outer: (stream.below(16) == 0).then(|| outer(stream, v6)),
        text: None,
    };
    if stream.below(3) == 0 && packet.len <= 1500 {
        packet.say(&words(stream));
    }
    packet
}

/// Something that is said: a line that means something, perhaps with a byte changed, or noise.
fn words(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = one(stream, &SAYS).as_bytes().to_vec();
    match stream.below(4) {
        0 if !bytes.is_empty() => {
            let at = stream.below(bytes.len() as u64) as usize;
            bytes[at] = stream.next_u32() as u8;
        }
        1 => bytes.truncate(stream.below(40) as usize),
        2 => bytes.extend(one(stream, &SAYS).as_bytes()),
        _ => {}
    }
    bytes
}

fn payload(stream: &mut Stream, depth: u32) -> Payload {
    let (sport, dport) = (port(stream), port(stream));
    match stream.below(17) {
        0..=6 => {
            let usual = [Flags::SYN, Flags::ACK, Flags::FIN.with(Flags::ACK), Flags::RST, Flags::PSH];
            let odd = Flags(stream.next_u32() as u8);
            Payload::Tcp(Segment {
                sport,
                dport,
                seq: stream.next_u32(),
                ack: stream.next_u32(),
                flags: if stream.below(8) == 0 { odd } else { one(stream, &usual) },
                ..Segment::default()
            })
        }
        7..=10 => Payload::Udp(Datagram { sport, dport }),
        11 | 12 => {
            let second = stream.chance(0.3).then(|| stream.below(20) as u8);
            Payload::Sctp(Chunks { sport, dport, first: stream.below(20) as u8, second })
        }
        13 | 14 => Payload::Icmp(Icmp {
            kind: one(stream, &[3, 4, 11, 1, 2, 0, 8, 128, 135, 255]),
            code: stream.below(16) as u8,
            info: stream.next_u32(),
            quote: (depth > 0 && stream.below(8) > 0).then(|| Box::new(packet(stream, depth - 1))),
        }),
        15 => {
            let target = addr(stream, true);
            Payload::Ndisc(Ndisc::advertisement(target, NdiscFlags(stream.next_u32() as u8 & 0xe0), None))
        }
        _ => Payload::Other(one(stream, &[50, 51, 4, 41, 47, 255])),
    }
}

fn outer(stream: &mut Stream, v6: bool) -> Outer {
    let kinds = [
        Encapsulation::IpIp,
        Encapsulation::Gre { checksum: true },
        Encapsulation::Gue { sport: 1, dport: 6080, checksum: false },
    ];
    Outer {
        src: addr(stream, v6),
        dst: addr(stream, v6),
        kind: one(stream, &kinds),
        overhead: one(stream, &[20, 24, 32]),
        id: 0,
        df: stream.chance(0.5),
        ttl: stream.next_u32() as u8,
        tos: stream.next_u32() as u8,
    }
}
