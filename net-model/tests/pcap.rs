//! Capture files: what is written is read back, every dialect is understood, damage is located.

use net_model::addr::Addr;
use net_model::capture::Direction;
use net_model::pcap::{Name, PacketBlock, Port, Problem, Reader, Reception, Record, Writer};
use net_model::wire::LinkType;
use proptest::prelude::*;
use sim_core::Time;

/// A pcapng file with these packets (time in ns, bytes), in turn on `director.eth0` and `web1.tunl0`.
fn written(packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let port = |name: &str, link| Port { name: name.to_owned(), link };
    let ports = [port("director.eth0", LinkType::Ethernet), port("web1.tunl0", LinkType::Raw)];
    let names = [("10.0.0.1", "director"), ("2001:db8::1", "web1")];
    let names = names.map(|(addr, name)| Name { addr: addr.parse::<Addr>().unwrap(), name: name.to_owned() });
    let mut writer = Writer::new(Vec::new(), "lvsim", "a test", &ports, &names).unwrap();
    for (at, (ns, bytes)) in packets.iter().enumerate() {
        let comment = format!("packet {at}");
        writer
            .packet(&PacketBlock {
                port: at as u32 % 2,
                time: Time::from_nanos(*ns),
                bytes,
                direction: if at % 3 == 0 { Direction::Out } else { Direction::In },
                reception: Reception::Unknown,
                comment: (at % 2 == 0).then_some(&comment),
            })
            .unwrap();
    }
    writer.finish().unwrap()
}

/// Time in ns, interface, length on the wire, bytes and direction of each packet.
type Seen = (u64, usize, usize, Vec<u8>, Option<Direction>);

fn seen(record: &Record<'_>) -> Seen {
    (record.time.as_nanos(), record.port, record.wire_len, record.bytes.to_vec(), record.direction)
}

fn read(file: &[u8]) -> Result<Vec<Seen>, Problem> {
    let mut reader = Reader::new(file)?;
    let mut all = Vec::new();
    while let Some(record) = reader.next()? {
        all.push(seen(&record));
    }
    Ok(all)
}

/// A pcap file of one packet: 3 bytes of 60, at 2 s and 5 units.
fn classic(magic: u32, is_big: bool) -> Vec<u8> {
    let words = [magic, 0x0004_0002, 0, 0, 65535, 1, 2, 5, 3, 60];
    let bytes = words.iter().flat_map(|w| if is_big { w.to_be_bytes() } else { w.to_le_bytes() });
    bytes.chain([1, 2, 3]).collect()
}

/// A pcapng block of either byte order.
fn block(is_big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let word = |w: u32| if is_big { w.to_be_bytes() } else { w.to_le_bytes() };
    let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
    let len = word(body.len() as u32 + 12);
    [&word(kind)[..], &len, &body, &len].concat()
}

/// A section with one Ethernet interface whose times have this resolution, and a packet at `ticks`.
fn section(is_big: bool, resolution: u8, ticks: u64) -> Vec<u8> {
    let word = |w: u32| if is_big { w.to_be_bytes().to_vec() } else { w.to_le_bytes().to_vec() };
    let half = |w: u16| if is_big { w.to_be_bytes().to_vec() } else { w.to_le_bytes().to_vec() };
    let header = [word(0x1a2b_3c4d), half(1), half(0), vec![0xff; 8]].concat();
    let port =
        [half(1), half(0), word(0), half(9), half(1), vec![resolution, 0, 0, 0], half(0), half(0)].concat();
    let packet =
        [word(0), word((ticks >> 32) as u32), word(ticks as u32), word(1), word(64), vec![7]].concat();
    [block(is_big, 0x0a0d_0d0a, &header), block(is_big, 1, &port), block(is_big, 6, &packet)].concat()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(packets in proptest::collection::vec((any::<u64>(), proptest::collection::vec(any::<u8>(), 0..99)), 0..20)) {
        let all = read(&written(&packets)).unwrap();
        prop_assert_eq!(all.len(), packets.len());
        for (at, (seen, (ns, bytes))) in all.into_iter().zip(packets).enumerate() {
            let direction = if at % 3 == 0 { Direction::Out } else { Direction::In };
            prop_assert_eq!(seen, (ns, at % 2, bytes.len(), bytes, Some(direction)));
        }
    }

    /// Damage is an error or passes unseen; it never makes the reader panic or take more than it was given.
    #[test]
    fn no_damage_makes_the_reader_panic(at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>(), dialect in 0usize..4) {
        let files = [
            written(&[(1, vec![1; 60]), (2, vec![2; 61])]),
            classic(0xa1b2_c3d4, true),
            classic(0xa1b2_3c4d, false),
            section(true, 6, 1),
        ];
        let mut file = files[dialect].clone();
        let place = at.index(file.len());
        file[place] = value;
        file.truncate(cut.index(file.len() + 1));
        let _ = read(&file);
    }
}

#[test]
fn pcap_of_both_byte_orders_and_both_resolutions() {
    let packet = |ns| [(ns, 0, 60, vec![1, 2, 3], None)];
    for is_big in [true, false] {
        assert_eq!(read(&classic(0xa1b2_c3d4, is_big)).unwrap(), packet(2_000_005_000));
        assert_eq!(read(&classic(0xa1b2_3c4d, is_big)).unwrap(), packet(2_000_000_005));
    }
}

#[test]
fn pcapng_of_both_byte_orders_and_any_resolution() {
    for is_big in [true, false] {
        let ns = |resolution, ticks| read(&section(is_big, resolution, ticks)).unwrap()[0].0;
        assert_eq!(ns(6, 2_000_005), 2_000_005_000);
        assert_eq!(ns(9, 2_000_000_005), 2_000_000_005);
        assert_eq!(ns(3, 2_001), 2_001_000_000);
        assert_eq!(ns(0x80 | 10, 2048 + 512), 2_500_000_000, "in 1/1024 s");
        assert_eq!(ns(12, 1_000_000_001_999), 1_000_000_001, "picoseconds are cut");
    }
}

#[test]
fn a_second_section_has_interfaces_of_its_own() {
    let file = [section(true, 6, 1), section(false, 9, 1)].concat();
    let times: Vec<u64> = read(&file).unwrap().iter().map(|seen| seen.0).collect();
    assert_eq!(times, [1000, 1]);
}

#[test]
fn interfaces_have_names() {
    let file = written(&[(1, vec![0; 20]), (2, vec![0; 20])]);
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().name, Some("director.eth0"));
    assert_eq!(reader.next().unwrap().unwrap().name, Some("web1.tunl0"));
}

/// The error of a file, as users see it.
fn complaint(file: &[u8]) -> String {
    read(file).unwrap_err().to_string()
}

#[test]
fn errors_say_where_and_what_to_do() {
    assert_eq!(complaint(b""), "at byte 0: the file is empty\n  help: was the capture written?");
    assert_eq!(
        complaint(b"hosts:\n  web1:"),
        "at byte 0: neither a pcap nor a pcapng file\n  help: write one with `tcpdump -w` or `lvsim run --pcap`, or \
         convert it: editcap FILE NEW.pcapng"
    );
    assert_eq!(
        complaint(&[0x1f, 0x8b, 8, 0, 0]),
        "at byte 0: the file is compressed\n  help: gunzip -c FILE | lvsim replay-pcap - …"
    );
    let cut = "the file ends in the middle of what begins here\n  help: the capture was cut off, or is still being \
               written; `editcap FILE WHOLE.pcapng` keeps what is whole";
    let whole = classic(0xa1b2_c3d4, true);
    assert_eq!(complaint(&whole[..10]), format!("at byte 0: {cut}"));
    for end in [30, 40, 42] {
        assert_eq!(complaint(&whole[..end]), format!("at byte 24: {cut}"));
    }
    let mut wireless = whole.clone();
    wireless[23] = 105;
    assert!(
        complaint(&wireless)
            .starts_with("at byte 20: packets of link type 105\n  help: Ethernet (1), raw IP")
    );
    let mut huge = whole;
    huge[32] = 0x7f;
    assert!(
        complaint(&huge)
            .starts_with("at byte 24: a packet or block of 2130706435 bytes\n  help: the file is damaged")
    );
    let mut unequal = section(false, 6, 1);
    let end = unequal.len();
    unequal[end - 4] = 0;
    assert!(complaint(&unequal).starts_with("at byte 60: a block whose two lengths differ (36 and 0)"));
    let port = [block(false, 0x0a0d_0d0a, &section(false, 6, 1)[8..24]), block(false, 6, &[0; 24])].concat();
    assert!(complaint(&port).starts_with("at byte 28: a packet of interface 0, which is not described"));
    let simple = [block(false, 0x0a0d_0d0a, &section(false, 6, 1)[8..24]), block(false, 3, &[0; 8])].concat();
    assert!(complaint(&simple).starts_with("at byte 28: a packet without a time (simple packet block)"));
}

#[test]
fn a_comment_that_is_too_long_is_cut() {
    let port = Port { name: "eth0".to_owned(), link: LinkType::Ethernet };
    let mut writer = Writer::new(Vec::new(), "lvsim", "", &[port], &[]).unwrap();
    let block = PacketBlock {
        port: 0,
        time: Time::ZERO,
        bytes: &[1, 2, 3],
        direction: Direction::In,
        reception: Reception::Unicast,
        comment: Some(&"long ".repeat(20_000)),
    };
    writer.packet(&block).unwrap();
    assert_eq!(read(&writer.finish().unwrap()).unwrap()[0].3, [1, 2, 3]);
}
