//! Frames as bytes: what is written can be read back, by us and by an independent decoder, and its checksums hold.

use etherparse::checksum::Sum16BitWords;
use etherparse::{NetHeaders, PacketHeaders, PayloadSlice, TransportHeader};
use net_model::addr::{Addr, Mac};
use net_model::capture::Direction;
use net_model::packet::{
    Arp, ArpOp, Body, Chunks, Datagram, Encapsulation, Flags, Fragment, Frame, Icmp, Ndisc, NdiscFlags,
    Outer, Packet, Payload, Segment, proto,
};
use net_model::wire::{GUE_PORT, LinkType, Unreadable, decode, encode};
use proptest::prelude::*;

/// Every frame that a host of the model could send.
fn frame() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![1 => arp().prop_map(Body::Arp), 8 => packet().prop_map(Body::Ip)];
    (mac(), mac(), 0u16..4095, body).prop_map(|(dst, src, vlan, body)| Frame { dst, src, vlan, body })
}

fn mac() -> impl Strategy<Value = Mac> {
    (0u64..1 << 48).prop_map(Mac::from_bits)
}

fn addr(is_v4: bool) -> BoxedStrategy<Addr> {
    match is_v4 {
        true => any::<u32>().prop_map(Addr::v4).boxed(),
        false => any::<u128>().prop_map(|bits| Addr::v6(bits >> 8)).boxed(),
    }
}

fn arp() -> impl Strategy<Value = Arp> {
    let op = prop_oneof![Just(ArpOp::Request), Just(ArpOp::Reply)];
    (op, mac(), addr(true), mac(), addr(true)).prop_map(|(op, sender_mac, sender, target_mac, target)| Arp {
        op,
        sender_mac,
        sender,
        target_mac,
        target,
    })
}

fn packet() -> BoxedStrategy<Packet> {
    any::<bool>()
        .prop_flat_map(|is_v4| prop_oneof![5 => leaf(is_v4), 1 => later_fragment(is_v4), 2 => error(is_v4)])
        .boxed()
}

/// A packet that quotes nothing, whole or a first fragment, perhaps in a tunnel.
fn leaf(is_v4: bool) -> BoxedStrategy<Packet> {
    let outer = proptest::option::of(outer());
    (header(is_v4), transport(is_v4), outer, any::<bool>())
        .prop_map(|(head, (payload, bytes), outer, more)| {
            let more_fragments = more && head.id % 4 == 0;
            let extra = if more_fragments && !head.src.is_v4() { 8 } else { 0 };
            let id = if head.src.is_v4() || more_fragments { head.id } else { 0 };
            let whole = Packet { len: head.len + bytes, id, payload, ..head };
            if !more_fragments {
                return Packet { outer: outer.map(sized), ..whole };
            }
            let len = whole.len + extra;
            let fragment = Fragment { protocol: whole.protocol(), whole: Some(Box::new(whole.clone())) };
            Packet { len, more_fragments, payload: Payload::Fragment(fragment), ..whole }
        })
        .boxed()
}

/// A fragment that is not the first: data without ports.
fn later_fragment(is_v4: bool) -> BoxedStrategy<Packet> {
    (header(is_v4), 1u16..1000, other(is_v4), any::<bool>(), 0u16..600)
        .prop_map(|(head, offset, other, more_fragments, bytes)| {
            let Payload::Other(protocol) = other else { unreachable!("that is what it makes") };
            let payload = Payload::Fragment(Fragment { protocol, whole: None });
            let extra = if head.src.is_v4() { 0 } else { 8 };
            let len = head.len + extra + bytes;
            Packet { len, fragment_offset: offset * 8, more_fragments, payload, ..head }
        })
        .boxed()
}

/// An ICMP error that quotes as much as fits, as Linux does.
fn error(is_v4: bool) -> BoxedStrategy<Packet> {
    let kind = if is_v4 { prop_oneof![Just(3u8), Just(5), Just(11)].boxed() } else { (1u8..5).boxed() };
    let longest = if is_v4 { 576 } else { 1280 };
    (header(is_v4), kind, 0u8..16, any::<u32>(), any::<bool>().prop_flat_map(leaf))
        .prop_map(move |(head, kind, code, info, about)| {
            let len = (head.len + 8 + about.wire_len()).min(longest);
            let id = if head.src.is_v4() { head.id } else { 0 };
            let payload = Payload::Icmp(Icmp { kind, code, info, quote: Some(Box::new(about)) });
            Packet { len, id, payload, ..head }
        })
        .boxed()
}

/// The header of a packet without anything behind it.
fn header(is_v4: bool) -> impl Strategy<Value = Packet> {
    (addr(is_v4), addr(is_v4), any::<u16>(), any::<bool>(), any::<u8>(), any::<u8>()).prop_map(
        move |(src, dst, id, df, ttl, tos)| Packet {
            src,
            dst,
            mark: 0,
            flow: 0,
            len: if is_v4 { 20 } else { 40 },
            id,
            fragment_offset: 0,
            more_fragments: false,
            df: df || !is_v4,
            ttl,
            tos,
            payload: Payload::Other(200),
            outer: None,
            text: None,
        },
    )
}

fn outer() -> impl Strategy<Value = Outer> {
    let kind = prop_oneof![
        Just(Encapsulation::IpIp),
        any::<bool>().prop_map(|checksum| Encapsulation::Gre { checksum }),
        (any::<u16>(), any::<bool>()).prop_map(|(sport, checksum)| Encapsulation::Gue {
            sport,
            dport: GUE_PORT,
            checksum
        }),
    ];
    (
        any::<bool>().prop_flat_map(|is_v4| (addr(is_v4), addr(is_v4))),
        kind,
        any::<u16>(),
        any::<bool>(),
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|((src, dst), kind, id, df, ttl, tos)| {
            let is_v4 = src.is_v4();
            let id = if is_v4 { id } else { 0 };
            Outer { src, dst, kind, overhead: 0, id, df: df && is_v4, ttl, tos }
        })
}

/// The same with the bytes that it adds.
fn sized(outer: Outer) -> Outer {
    let ip = if outer.src.is_v4() { 20 } else { 40 };
    let overhead = ip
        + match outer.kind {
            Encapsulation::IpIp => 0,
            Encapsulation::Gre { checksum } => {
                if checksum {
                    8
                } else {
                    4
                }
            }
            Encapsulation::Gue { .. } => 12,
        };
    Outer { overhead, ..outer }
}

/// A transport protocol's part and its bytes.
fn transport(is_v4: bool) -> BoxedStrategy<(Payload, u16)> {
    let data = 0u16..1400;
    prop_oneof![
        3 => (segment(), data.clone()).prop_map(|(segment, len)| {
            (Payload::Tcp(Segment { len, ..segment }), u16::from(segment.header) + len)
        }),
        2 => (any::<u16>(), any::<u16>(), data.clone()).prop_map(|(sport, dport, len)| {
            (Payload::Udp(Datagram { sport, dport }), 8 + len)
        }),
        1 => (any::<u16>(), any::<u16>(), any::<u8>(), proptest::option::of(any::<u8>()), 0u16..300).prop_map(
            |(sport, dport, first, second, words)| {
                (Payload::Sctp(Chunks { sport, dport, first, second }), 12 + 24 + words * 4)
            }
        ),
        1 => (any::<bool>(), any::<u32>(), data.clone()).prop_map(move |(is_request, info, len)| {
            let kinds = if is_v4 { [0, 8] } else { [129, 128] };
            let kind = kinds[usize::from(is_request)];
            (Payload::Icmp(Icmp { kind, code: 0, info, quote: None }), 8 + len)
        }),
        1 => (other(is_v4), data),
        1 => neighbour(is_v4),
    ]
    .boxed()
}

/// A message of neighbour discovery; IPv4 has none.
fn neighbour(is_v4: bool) -> BoxedStrategy<(Payload, u16)> {
    if is_v4 {
        return (other(true), 0u16..9).boxed();
    }
    // Zeros say that there is no link address.
    let at = || proptest::option::of((1u64..1 << 48).prop_map(Mac::from_bits));
    let asked = (addr(false), at()).prop_map(|(target, from)| Ndisc::solicitation(target, from));
    let flags = (0u8..8).prop_map(|bits| NdiscFlags(bits << 5));
    let said =
        (addr(false), flags, at()).prop_map(|(target, flags, at)| Ndisc::advertisement(target, flags, at));
    prop_oneof![asked, said].prop_map(|message| (Payload::Ndisc(message), message.bytes())).boxed()
}

fn segment() -> impl Strategy<Value = Segment> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>(), any::<u16>());
    (numbers, any::<u16>(), any::<u8>(), 5u8..=15).prop_map(
        |((sport, dport, seq, ack, window), mss, flags, words)| {
            let flags = Flags(flags);
            let has_mss = flags.has(Flags::SYN) && words > 5;
            Segment {
                sport,
                dport,
                seq,
                ack,
                len: 0,
                window,
                mss: if has_mss { mss } else { 0 },
                flags,
                header: words * 4,
            }
        },
    )
}

/// A protocol that the model does not look into.
fn other(is_v4: bool) -> BoxedStrategy<Payload> {
    let known = move |number: &u8| match *number {
        proto::TCP | proto::UDP | proto::SCTP | proto::IPIP | proto::IPV6 => true,
        0 | 43 | proto::IPV6_FRAGMENT | 60 => !is_v4,
        // Headers into which the independent decoder looks, IGMP (2) among them.
        proto::ICMP | 2 | proto::ICMPV6 | proto::AH | 135 | 139 | 140 => true,
        _ => false,
    };
    any::<u8>().prop_filter("known", move |number| !known(number)).prop_map(Payload::Other).boxed()
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(frame, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read_back(frame in frame()) {
        let bytes = bytes_of(&frame);
        prop_assert_eq!(bytes.len() + 4, frame.wire_bytes() as usize, "all but the frame check sequence");
        let read = decode(LinkType::Ethernet, &bytes, bytes.len());
        prop_assert_eq!(read.map(|read| read.frame), Ok(frame));
    }

    #[test]
    fn an_independent_decoder_agrees(frame in frame()) {
        let bytes = bytes_of(&frame);
        let headers = PacketHeaders::from_ethernet_slice(&bytes).unwrap();
        let vlan = headers.vlan().map_or(0, |tag| match tag {
            etherparse::VlanHeader::Single(tag) => tag.vlan_id.value(),
            etherparse::VlanHeader::Double(_) => panic!("there is one tag"),
        });
        prop_assert_eq!(vlan, frame.vlan);
        match &frame.body {
            Body::Arp(arp) => {
                let Some(NetHeaders::Arp(read)) = headers.net else { panic!("ARP") };
                let read = read.try_eth_ipv4().unwrap();
                prop_assert_eq!(Addr::v4(u32::from_be_bytes(read.target_ipv4)), arp.target);
                prop_assert_eq!(Addr::v4(u32::from_be_bytes(read.sender_ipv4)), arp.sender);
            }
            Body::Ip(packet) => agrees(packet, &bytes[if frame.vlan == 0 { 14 } else { 18 }..]),
        }
    }

    /// Snapshot lengths cut captures anywhere: then the packet is cut short, or what was read of it is true.
    #[test]
    fn a_part_of_a_frame_never_says_something_else(frame in frame(), keep in 0.0..1.0f64) {
        let bytes = bytes_of(&frame);
        let part = &bytes[..(bytes.len() as f64 * keep) as usize];
        match decode(LinkType::Ethernet, part, bytes.len()) {
            Ok(read) => prop_assert_eq!(addresses(&read.frame), addresses(&frame)),
            Err(error) => prop_assert_eq!(error, Unreadable::CutShort),
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), wire_len in 0usize..100_000) {
        for link in [LinkType::Ethernet, LinkType::Raw, LinkType::LinuxCooked, LinkType::LinuxCooked2] {
            let _ = decode(link, &bytes, wire_len);
        }
        for first in [0x45, 0x46, 0x60] {
            let mut packet = bytes.clone();
            packet.splice(..packet.len().min(1), [first]);
            let _ = decode(LinkType::Raw, &packet, wire_len);
        }
    }
}

/// What a packet cut short must still say; without the tunnel if the inner header is gone.
fn addresses(frame: &Frame) -> Option<(Addr, Addr)> {
    match &frame.body {
        Body::Arp(arp) => Some((arp.sender, arp.target)),
        Body::Ip(packet) => Some((packet.routed_src(), packet.routed_dst())),
    }
}

/// Compares a packet with what the independent decoder reads, and recomputes every checksum, tunnel and all.
fn agrees(packet: &Packet, bytes: &[u8]) {
    let headers = PacketHeaders::from_ip_slice(bytes).unwrap();
    let (src, dst) = match headers.net.as_ref().unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            assert_eq!(usize::from(ip.total_len), bytes.len());
            (Addr::v4(u32::from_be_bytes(ip.source)), Addr::v4(u32::from_be_bytes(ip.destination)))
        }
        NetHeaders::Ipv6(ip, _) => {
            assert_eq!(usize::from(ip.payload_length) + 40, bytes.len());
            (Addr::v6(u128::from_be_bytes(ip.source)), Addr::v6(u128::from_be_bytes(ip.destination)))
        }
        NetHeaders::Arp(_) => panic!("it is an IP packet"),
    };
    assert_eq!((src, dst), (packet.routed_src(), packet.routed_dst()));
    let inside = match &packet.outer {
        Some(outer) => {
            let inner = Packet { outer: None, ..packet.clone() };
            let at = usize::from(outer.overhead);
            return agrees(&inner, &bytes[at..]);
        }
        None => (headers.transport, headers.payload),
    };
    if let Payload::Other(_) | Payload::Fragment(_) = packet.payload {
        return; // zeros, whatever the decoder takes them for (an empty IGMP message, say)
    }
    let payload = match &inside.1 {
        PayloadSlice::Ip(ip) => ip.payload,
        PayloadSlice::Tcp(rest)
        | PayloadSlice::Udp(rest)
        | PayloadSlice::Icmpv4(rest)
        | PayloadSlice::Icmpv6(rest) => rest,
        PayloadSlice::Empty => &[],
        other => panic!("{other:?}"),
    };
    let Some(transport) = inside.0 else {
        let is_opaque = matches!(packet.payload, Payload::Sctp(_));
        return assert!(is_opaque || packet.more_fragments || packet.fragment_offset > 0);
    };
    if let Payload::Icmp(_) | Payload::Ndisc(_) = packet.payload {
        // The decoder keeps only those fields of a message that it knows, so the sum is taken over the bytes.
        let header = if packet.src.is_v4() { 20 } else { 40 };
        let message = &bytes[bytes.len() - usize::from(packet.len - header)..];
        let sum = match headers.net.as_ref().unwrap() {
            NetHeaders::Ipv6(ip, _) => Sum16BitWords::new()
                .add_16bytes(ip.source)
                .add_16bytes(ip.destination)
                .add_2bytes((message.len() as u16).to_be_bytes())
                .add_2bytes([0, proto::ICMPV6]),
            NetHeaders::Ipv4(..) | NetHeaders::Arp(_) => Sum16BitWords::new(),
        };
        assert_eq!(sum.add_slice(message).ones_complement(), 0, "the checksum is right");
    } else {
        let mut again = transport.clone();
        match headers.net.unwrap() {
            NetHeaders::Ipv4(ip, _) => again.update_checksum_ipv4(&ip, payload).unwrap(),
            NetHeaders::Ipv6(ip, _) => again.update_checksum_ipv6(&ip, payload).unwrap(),
            NetHeaders::Arp(_) => unreachable!("seen above"),
        }
        assert_eq!(transport, again, "the checksum is right");
    }
    match (&packet.payload, transport) {
        (Payload::Tcp(segment), TransportHeader::Tcp(read)) => {
            assert_eq!((segment.sport, segment.dport), (read.source_port, read.destination_port));
            assert_eq!((segment.seq, segment.ack), (read.sequence_number, read.acknowledgment_number));
            assert_eq!(usize::from(segment.header), read.header_len());
            assert_eq!(usize::from(segment.len), payload.len());
        }
        (Payload::Udp(datagram), TransportHeader::Udp(read)) => {
            assert_eq!((datagram.sport, datagram.dport), (read.source_port, read.destination_port));
        }
        (Payload::Icmp(icmp), TransportHeader::Icmpv4(_) | TransportHeader::Icmpv6(_)) => {
            assert_eq!([icmp.kind, icmp.code], bytes[bytes.len() - payload.len() - 8..][..2]);
        }
        (Payload::Ndisc(message), TransportHeader::Icmpv6(_)) => {
            let start = bytes.len() - usize::from(message.bytes());
            assert_eq!([message.icmp_type(), 0], bytes[start..][..2]);
            assert_eq!(message.target.to_bits().to_be_bytes(), bytes[start + 8..][..16]);
        }
        (written, read) => panic!("{written:?} was read as {read:?}"),
    }
}

/// A UDP datagram from 10.0.0.1:53 to 10.0.0.2:40000 without data.
const DATAGRAM: [u8; 28] =
    [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0x9c, 0x40, 0, 8, 0, 0];

#[test]
fn link_headers_of_linux_say_the_direction() {
    for (kind, direction) in [(0, Direction::In), (1, Direction::In), (3, Direction::In), (4, Direction::Out)]
    {
        let mut cooked = vec![0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00];
        cooked.extend(DATAGRAM);
        let read = decode(LinkType::LinuxCooked, &cooked, cooked.len()).unwrap();
        assert_eq!(read.direction, Some(direction));
        let mut second = vec![0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        second.extend(DATAGRAM);
        assert_eq!(decode(LinkType::LinuxCooked2, &second, second.len()), Ok(read));
    }
}

#[test]
fn what_the_model_has_no_word_for_is_named() {
    let said = |link, bytes: &[u8]| decode(link, bytes, bytes.len()).unwrap_err().to_string();
    let ethernet = |kind: u16| [vec![0; 12], kind.to_be_bytes().to_vec(), vec![0; 40]].concat();
    assert_eq!(said(LinkType::Ethernet, &ethernet(0x88cc)), "neither IP nor ARP (Ethernet type 0x88cc)");
    assert_eq!(said(LinkType::Ethernet, &ethernet(38)), "neither IP nor ARP (IEEE 802.3)");
    assert_eq!(said(LinkType::Raw, &[0x55; 40]), "an IP version other than 4 and 6");
    assert_eq!(said(LinkType::Raw, &[0x42; 40]), "an IPv4 header of less than 20 bytes");
    assert_eq!(said(LinkType::Raw, &DATAGRAM[..22]), "cut off within its headers (snapshot length)");
}

#[test]
fn a_segment_that_the_card_was_to_cut_has_the_length_of_the_frame() {
    let mut packet = DATAGRAM.to_vec();
    packet[2..4].copy_from_slice(&[0, 0]);
    let read = decode(LinkType::Raw, &packet, 9000).unwrap();
    let Body::Ip(packet) = read.frame.body else { panic!("it is an IP packet") };
    assert_eq!(packet.len, 9000);
}
