//! Captures: written whole or not at all, without a complaint from tshark, and read back in constant memory.

use crate::lvsim::{Called, SMALL, command, lvsim, lvsim_reading, root, scratch, text};
use net_model::addr::{Addr, Mac};
use net_model::capture::Direction;
use net_model::packet::{
    Body, Chunks, Datagram, Encapsulation, Flags, Frame, Icmp, Ndisc, NdiscFlags, Outer, Packet, Payload,
    Segment,
};
use net_model::pcap::{PacketBlock, Port, Reader, Reception, Writer};
use net_model::wire::{GUE_PORT, LinkType, encode, encode_packet};
use serde_json::Value;
use sim_core::Time;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The small cluster, with a capture at these interfaces.
fn captured(folder: &str, scenario: &str, interfaces: &[&str]) -> (PathBuf, PathBuf) {
    let folder = scratch(folder);
    let (yaml, file) = (folder.join("small.yaml"), folder.join("packets.pcapng"));
    std::fs::write(&yaml, scenario).expect("it can be written");
    let mut args = vec!["run", text(&yaml), "--quiet", "--pcap", text(&file)];
    interfaces.iter().for_each(|interface| args.extend(["--pcap-interface", interface]));
    lvsim(&args).with_status(0);
    (yaml, file)
}

/// Time, direction and bytes of every packet of a capture.
fn packets(file: &Path) -> Vec<(Time, Option<Direction>, Vec<u8>)> {
    let bytes = std::fs::read(file).expect("it is there");
    let (mut reader, mut all) = (Reader::new(&bytes[..]).expect("it is a capture"), Vec::new());
    while let Some(record) = reader.next().expect("it is whole") {
        all.push((record.time, record.direction, record.bytes.to_vec()));
    }
    all
}

#[test]
fn a_capture_changes_nothing_and_is_the_only_file() {
    let folder = scratch("pcap-only");
    let yaml = folder.join("small.yaml");
    std::fs::write(&yaml, SMALL).expect("it can be written");
    let plain = lvsim(&["run", text(&yaml)]).with_status(0);
    let file = folder.join("packets.pcapng");
    let tapped = lvsim(&["run", text(&yaml), "--pcap", text(&file)]).with_status(0);
    assert_eq!(plain.stdout, tapped.stdout);
    assert!(tapped.stderr.contains("packets.pcapng ("), "{}", tapped.stderr);
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["packets.pcapng", "small.yaml"]);
    let all = packets(&file);
    assert!(all.len() > 1000);
    assert!(all.is_sorted_by_key(|packet| packet.0));
}

#[test]
fn interfaces_can_be_chosen() {
    let (_, all) = captured("pcap-host", SMALL, &["director"]);
    let (_, one) = captured("pcap-interface", SMALL, &["director.eth0"]);
    assert_eq!(packets(&all).len(), packets(&one).len(), "nothing passes lo");
    let yaml = scratch("pcap-wrong").join("small.yaml");
    std::fs::write(&yaml, SMALL).expect("it can be written");
    let args = ["run", text(&yaml), "--pcap", "wrong.pcapng", "--pcap-interface", "directr.eth0"];
    let wrong = lvsim(&args).with_status(2);
    let said =
        "error: --pcap-interface: there is no interface `directr.eth0`; did you mean `director.eth0`?\n";
    assert_eq!(wrong.stderr, said);
    let dash = lvsim(&["run", text(&yaml), "--pcap", "-"]).with_status(2);
    assert!(dash.stderr.contains("--pcap needs the name of a file"), "{}", dash.stderr);
    let nowhere = lvsim(&["run", text(&yaml), "--pcap", "/nowhere/packets.pcapng"]).with_status(2);
    assert!(
        nowhere.stderr.contains("cannot write the capture /nowhere/packets.pcapng"),
        "{}",
        nowhere.stderr
    );
}

/// The last line of `--json`.
fn totals(called: &Called) -> Value {
    let last = called.stdout.lines().last().expect("there is a summary");
    serde_json::from_str(last).expect("it is JSON")
}

#[test]
fn a_replay_prints_decisions_tables_and_balance() {
    let (yaml, file) = captured("pcap-replay", SMALL, &["director"]);
    let args = ["replay-pcap", text(&file), "--scenario", text(&yaml)];
    let all = lvsim(&args).with_status(0).stdout;
    assert!(all.lines().next().unwrap().contains("10.0.0.100:80  (rr)") || all.contains("  (rr)\n"), "{all}");
    assert!(
        all.contains("  -> 10.0.0.12:80") && all.contains("\nbalance of TCP 10.0.0.100:80 (rr): "),
        "{all}"
    );
    let quiet = lvsim(&[&args[..], &["--quiet"]].concat()).with_status(0).stdout;
    assert!(all.ends_with(&quiet) && !quiet.contains(" > "), "{quiet}");
    let other = lvsim(&[&args[..], &["--scheduler", "mh", "-q"]].concat()).with_status(0).stdout;
    assert!(other.contains("\nbalance of TCP 10.0.0.100:80 (mh): "), "{other}");
    let json = lvsim(&[&args[..], &["--json"]].concat()).with_status(0);
    let done = totals(&json);
    let servers = done["services"][0]["servers"].as_array().expect("there are servers");
    let chosen: u64 = servers.iter().map(|server| server["connections"].as_u64().unwrap()).sum();
    assert_eq!(json.stdout.lines().count() as u64, chosen + 1, "a line for each decision, and the summary");
    assert!(chosen > 50 && done["packets"]["late"] == 0, "{done}");
}

/// What tcpdump writes without being asked for more: no directions, no names, microseconds.
fn classic(file: &Path) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut out = words(&[0xa1b2_c3d4, 0x0002_0004, 0, 0, 65535, 1]);
    for (time, _, bytes) in packets(file) {
        let (ns, len) = (time.as_nanos(), bytes.len() as u32);
        out.extend(words(&[(ns / 1_000_000_000) as u32, (ns % 1_000_000_000 / 1000) as u32, len, len]));
        out.extend(bytes);
    }
    out
}

#[test]
fn without_directions_the_link_addresses_tell_what_came_in() {
    for method in ["dr", "nat", "tun"] {
        let scenario = SMALL.replace("forwarding: dr", &format!("forwarding: {method}"));
        let (yaml, file) = captured(&format!("pcap-classic-{method}"), &scenario, &["director.eth0"]);
        let plain = file.with_extension("pcap");
        std::fs::write(&plain, classic(&file)).expect("it can be written");
        let replay = |file: &Path| {
            let args = ["replay-pcap", text(file), "--scenario", text(&yaml), "--json"];
            lvsim(&args).with_status(0)
        };
        let servers = |called: &Called| -> Vec<String> {
            let decisions = called.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            decisions.map(|line| format!("{} {}", line["client"], line["server"])).collect()
        };
        let (exact, rounded) = (replay(&file), replay(&plain));
        assert!(servers(&exact).len() > 50);
        assert_eq!(servers(&exact), servers(&rounded), "{method}");
        assert_eq!(totals(&exact)["packets"], totals(&rounded)["packets"], "{method}");
    }
}

#[test]
fn bad_files_say_where_and_what_to_do() {
    let (yaml, file) = captured("pcap-bad", SMALL, &["director"]);
    let replay = |file: &Path| lvsim(&["replay-pcap", text(file), "--scenario", text(&yaml), "-q"]);
    let whole = std::fs::read(&file).expect("it is there");
    let cut = file.with_file_name("cut.pcapng");
    std::fs::write(&cut, &whole[..whole.len() - 10]).expect("it can be written");
    let said = replay(&cut).with_status(2).stderr;
    assert!(
        said.contains("cut.pcapng: at byte ") && said.contains("help: the capture was cut off"),
        "{said}"
    );
    let said = replay(&yaml).with_status(2).stderr;
    assert!(said.contains("the capture and the scenario are the same file"), "{said}");
    let said = replay(Path::new("missing.pcap")).with_status(2).stderr;
    assert!(said.contains("cannot read missing.pcap"), "{said}");
    let args = ["replay-pcap", "-", "--scenario", text(&yaml)];
    let said = lvsim_reading("hello", &args).with_status(2).stderr;
    assert!(said.contains("-: at byte 0: neither a pcap nor a pcapng file"), "{said}");
    let args = [&args[..], &["--director", "web1"]].concat();
    let said = lvsim(&args).with_status(2).stderr;
    assert!(said.contains("`web1` is no director of this scenario; the directors are: director"), "{said}");
}

/// 10.0.0.`last`
fn host(last: u32) -> Addr {
    Addr::v4(0x0a00_0000 + last)
}

/// A packet of 100 bytes from 10.0.0.1 to 10.0.0.2, or over IPv6.
fn packet(is_v4: bool, payload: Payload) -> Packet {
    let addr = |last: u32| if is_v4 { host(last) } else { Addr::v6(0xfd00 << 112 | u128::from(last)) };
    Packet {
        src: addr(1),
        dst: addr(2),
        mark: 0,
        flow: 0,
        len: 100,
        id: 7,
        fragment_offset: 0,
        more_fragments: false,
        df: true,
        ttl: 64,
        tos: 0,
        payload,
        outer: None,
        text: None,
    }
}

/// A segment of a connection that is open.
fn segment(header: u8, ip: u16) -> Segment {
    let len = 100 - ip - u16::from(header);
    Segment { sport: 40_000, dport: 80, seq: 1, ack: 1, len, window: 502, mss: 0, flags: Flags::ACK, header }
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_packets_need_no_more_memory_than_a_few() {
    use std::io::Write;
    use std::process::Stdio;
    let yaml = scratch("pcap-large").join("small.yaml");
    std::fs::write(&yaml, SMALL).expect("it can be written");
    let mut command = command(&["replay-pcap", "-", "--scenario", text(&yaml), "-q", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = std::io::BufWriter::with_capacity(1 << 16, child.stdin.take().expect("it was asked for"));
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    stdin.write_all(&words(&[0xa1b2_3c4d, 0x0004_0002, 0, 0, 65535, 101])).unwrap();
    let clients: Vec<Vec<u8>> = (0..1000u16)
        .map(|port| {
            let segment = Segment { sport: 30_000 + port, flags: Flags::SYN, ..segment(20, 20) };
            let mut bytes = Vec::new();
            encode_packet(
                &Packet { src: host(200), dst: host(100), ..packet(true, Payload::Tcp(segment)) },
                &mut bytes,
            );
            bytes
        })
        .collect();
    for number in 0..1_000_000u32 {
        let client = &clients[number as usize % clients.len()];
        stdin
            .write_all(&words(&[1_700_000_000 + number / 100_000, number % 100_000 * 10_000, 100, 100]))
            .unwrap();
        stdin.write_all(client).unwrap();
    }
    stdin.flush().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it waits for more");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().expect("it is a number");
    assert!(peak_kb < 40_000, "{peak_kb} kB for a file of 116 MB");
    let done: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert_eq!(done["packets"]["entered"], 1_000_000);
    let servers = done["services"][0]["servers"].as_array().expect("there are servers");
    assert_eq!(servers.iter().map(|server| server["connections"].as_u64().unwrap()).sum::<u64>(), 1000);
}

/// tshark with all checksums verified; none if it is missing, which is a failure where `LVSIM_TSHARK` is set.
fn tshark(args: &[&str]) -> Option<String> {
    let mut command = Command::new("tshark");
    for field in ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"] {
        command.args(["-o", &format!("{field}:TRUE")]);
    }
    let output = match command.args(["-o", "sctp.checksum:CRC 32c"]).args(args).output() {
        Ok(output) => output,
        Err(_) if std::env::var_os("LVSIM_TSHARK").is_none() => {
            eprintln!(
                "not run: tshark is missing (Debian package tshark), so nobody else has looked at captures"
            );
            return None;
        }
        Err(error) => panic!("LVSIM_TSHARK is set, but tshark does not start: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("tshark writes UTF-8"))
}

/// What tshark finds malformed, wrong or of severity error.
fn complaints(file: &Path) -> Option<Vec<String>> {
    let expert = tshark(&["-r", text(file), "-q", "-z", "expert"])?;
    let is_bad =
        |line: &&str| line.starts_with("Errors") || line.contains("Malformed") || line.contains("Checksum");
    Some(expert.lines().filter(is_bad).map(str::to_owned).collect())
}

/// How many packets match a filter.
fn count(file: &Path, filter: &str) -> usize {
    tshark(&["-r", text(file), "-Y", filter]).map_or(0, |lines| lines.lines().count())
}

#[test]
fn tshark_has_no_complaint_about_runs() {
    for (name, method) in [("dr", "dr"), ("nat", "nat"), ("tun", "tun"), ("refused", "dr")] {
        let mut scenario = SMALL.replace("forwarding: dr", &format!("forwarding: {method}"));
        if name == "refused" {
            scenario = scenario.replace("\"web[1-2]\": {}", "\"web[1-2]\": {weight: 0}");
        }
        let (_, file) = captured(&format!("pcap-tshark-{name}"), &scenario, &[]);
        let Some(found) = complaints(&file) else { return };
        assert_eq!(found, [""; 0], "{name}");
        assert!(count(&file, "arp") > 4, "{name}");
        assert!(count(&file, "tcp.flags.syn == 1 && frame.interface_name == \"client.eth0\"") > 50, "{name}");
        let (decided, dropped) = match name {
            "refused" => (0, count(&file, "icmp.type == 3 && icmp.code == 3 && ip.src == 10.0.0.100")),
            _ => (count(&file, "frame.comment contains \"scheduler rr decides\""), 1),
        };
        assert!(dropped > 0 && (decided > 50 || name == "refused"), "{name}: {decided} {dropped}");
        let hosts = tshark(&["-r", text(&file), "-q", "-z", "hosts"]).expect("it was there before");
        assert!(hosts.contains("10.0.0.100\tvip") && hosts.contains("\tweb1"), "{hosts}");
    }
}

#[test]
fn tshark_has_no_complaint_about_any_kind_of_frame() {
    let folder = scratch("pcap-kinds");
    let good = folder.join("good.pcapng");
    let kinds = kinds();
    write(&good, &kinds, |_| {});
    let Some(found) = complaints(&good) else { return };
    assert_eq!(found, [""; 0]);
    for (filter, least) in [
        ("tcp.checksum.status == 1", 10),
        ("udp.checksum.status == 1", 4),
        ("sctp.checksum.status == 1", 4),
        ("icmp.checksum.status == 1", 3),
        ("icmpv6.checksum.status == 1", 3),
        ("vlan.id == 30", 1),
        ("gre", 4),
        ("udp.dstport == 6080", 4),
        ("ipv6", 10),
    ] {
        assert!(count(&good, filter) >= least, "{filter}: {}", count(&good, filter));
    }
    // The same with a bit of every packet turned over: it is seen.
    let bad = folder.join("bad.pcapng");
    write(&bad, &kinds, |bytes| *bytes.last_mut().expect("frames are not empty") ^= 1);
    let found = complaints(&bad).expect("it was there before");
    assert!(found.iter().any(|line| line.contains("Checksum")), "{found:?}");
}

fn write(file: &Path, frames: &[Frame], spoil: impl Fn(&mut Vec<u8>)) {
    let port = Port { name: "eth0".to_owned(), link: LinkType::Ethernet };
    let mut writer = Writer::new(Vec::new(), "lvsim", "every kind", &[port], &[]).unwrap();
    for frame in frames {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes);
        spoil(&mut bytes);
        let block = PacketBlock {
            port: 0,
            time: Time::ZERO,
            bytes: &bytes,
            direction: Direction::In,
            reception: Reception::Unicast,
            comment: None,
        };
        writer.packet(&block).unwrap();
    }
    std::fs::write(file, writer.finish().unwrap()).expect("it can be written");
}

/// What IPv6 neighbours say to each other.
fn neighbours() -> Vec<Packet> {
    let (mac, nobody) = (Some(Mac::from_bits(0x0200_0000_0001)), Addr::UNSPECIFIED_V6);
    let of = |text: &str| text.parse::<Addr>().expect("an address");
    let (asker, target, group, all) =
        (of("2001:db8::1"), of("2001:db8::100"), of("ff02::1:ff00:100"), of("ff02::1"));
    let (solicited, overriding) = (NdiscFlags::SOLICITED, NdiscFlags::OVERRIDE);
    [
        (asker, group, Ndisc::solicitation(target, mac)),
        (nobody, group, Ndisc::probe(target, 0x1234_5678_9abc)),
        (nobody, group, Ndisc::probe(target, 0)),
        (target, asker, Ndisc::advertisement(target, solicited.with(overriding), mac)),
        (target, asker, Ndisc::advertisement(target, solicited.with(NdiscFlags::ROUTER), None)),
        (target, all, Ndisc::advertisement(target, overriding, mac)),
    ]
    .map(|(src, dst, message)| {
        let payload = Payload::Ndisc(message);
        Packet { src, dst, len: 40 + message.bytes(), ttl: 255, ..packet(false, payload) }
    })
    .into()
}

/// Frames of every kind: protocols over both IP versions, plain, in every tunnel, quoted by an error, with a tag.
fn kinds() -> Vec<Frame> {
    let mut packets = Vec::new();
    for is_v4 in [true, false] {
        let ip = if is_v4 { 20 } else { 40 };
        let syn = Segment { flags: Flags::SYN, mss: 1460, header: 40, ack: 0, ..segment(40, ip) };
        let transports = [
            Payload::Tcp(segment(32, ip)),
            Payload::Tcp(Segment { len: 100 - ip - 40, ..syn }),
            Payload::Udp(Datagram { sport: 40_000, dport: 40_001 }),
            Payload::Sctp(Chunks { sport: 40_000, dport: 80, first: 10, second: None }),
            Payload::Sctp(Chunks { sport: 40_000, dport: 80, first: 11, second: Some(10) }),
            Payload::Icmp(Icmp {
                kind: if is_v4 { 8 } else { 128 },
                code: 0,
                info: 0x0001_0002,
                quote: None,
            }),
        ];
        for payload in transports {
            packets.push(packet(is_v4, payload));
        }
        if !is_v4 {
            packets.extend(neighbours());
        }
        let inside = packet(is_v4, Payload::Tcp(segment(32, ip)));
        let kinds = [
            (Encapsulation::IpIp, 0),
            (Encapsulation::Gre { checksum: false }, 4),
            (Encapsulation::Gre { checksum: true }, 8),
            (Encapsulation::Gue { sport: 50_000, dport: GUE_PORT, checksum: false }, 12),
            (Encapsulation::Gue { sport: 50_000, dport: GUE_PORT, checksum: true }, 12),
        ];
        for (kind, extra) in kinds {
            let (src, dst) = (host(3), host(4));
            let outer = Outer { src, dst, kind, overhead: 20 + extra, id: 0, df: true, ttl: 64, tos: 0 };
            packets.push(Packet { outer: Some(outer), ..inside.clone() });
        }
        let (unreachable, too_big) = if is_v4 { ((3, 3), (3, 4)) } else { ((1, 4), (2, 0)) };
        for ((kind, code), info, quote) in [
            (unreachable, 0, inside.clone()),
            (too_big, 1480, packets.last().expect("there are some").clone()),
        ] {
            let len = ip + 8 + quote.wire_len();
            let error = Payload::Icmp(Icmp { kind, code, info, quote: Some(Box::new(quote)) });
            packets.push(Packet { len, ..packet(is_v4, error) });
        }
    }
    let mac = |last: u64| Mac::from_bits(0x0200_0000_0000 + last);
    let frame = |packet| Frame { dst: mac(2), src: mac(1), vlan: 0, body: Body::Ip(packet) };
    let mut frames: Vec<Frame> = packets.into_iter().map(frame).collect();
    frames.push(Frame { vlan: 30, ..frames[0].clone() });
    frames
}

#[test]
fn the_page_about_captures_names_what_there_is() {
    let page = std::fs::read_to_string(root().join("docs/captures.md")).expect("the page is there");
    let run = lvsim(&["run", "--help"]).with_status(0).stdout;
    let replay = lvsim(&["replay-pcap", "--help"]).with_status(0).stdout;
    for option in ["--pcap", "--pcap-interface"] {
        assert!(page.contains(option) && run.contains(option), "{option}");
    }
    for option in ["--scenario", "--scheduler", "--json", "--quiet"] {
        assert!(page.contains(option) && replay.contains(option), "{option}");
    }
}
