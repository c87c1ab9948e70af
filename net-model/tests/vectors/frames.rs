//! The recording of frames as they leave the director, per forwarding method: addresses, sizes, TTL, ICMP.

use crate::commands;
use crate::driver::{Host, Outcome, Reference, letters, packet, parse_packet};
use net_model::addr::Addr;
use net_model::ipvs::Timers;
use net_model::packet::{Encapsulation, Icmp, Outer, Packet, Payload, Segment};
use serde_json::{Map, Value, json};
use sim_core::Duration;

const CLIENT: &str = "192.168.1.1:1000";
const VIP: &str = "10.9.0.100";

/// Runs the cases in order: the first ones configure their own server, the last ones share three services.
pub(crate) fn run(vector: &Value, reference: Reference) -> Result<(), String> {
    let mut host = Host::new(reference.profile, Timers::ideal());
    let mut server = "";
    let mut shared = false;
    for case in vector["cases"].as_array().expect("cases") {
        let name = case["case"].as_str().expect("a case has a name");
        if let Some(command) = case.get("server").and_then(Value::as_str).filter(|command| *command != server)
        {
            server = command;
            let service = command.split(' ').nth(2).expect("a service");
            commands::ipvsadm(&mut host, &format!("-A -t {service} -s rr"))?;
            commands::ipvsadm(&mut host, command)?;
            host.receive(request(service, "S", 64, 40, true));
        }
        if !shared && name.starts_with("router on client side") {
            shared = true;
            host = shared_services(reference)?;
        }
        let outcomes = act(&mut host, name, server.split(' ').nth(2).unwrap_or_default())?;
        compare(case, &outcomes).map_err(|difference| format!("case {name}, {server}: {difference}"))?;
    }
    Ok(())
}

/// 80 = `-m` 10.0.0.3:8080, 81 = `-g` 10.0.0.4, 82 = `-i` 10.0.0.5; one established connection to each.
fn shared_services(reference: Reference) -> Result<Host, String> {
    let mut host = Host::new(reference.profile, Timers::ideal());
    for (port, server) in [(80, "10.0.0.3:8080 -m"), (81, "10.0.0.4 -g"), (82, "10.0.0.5 -i")] {
        commands::ipvsadm(&mut host, &format!("-A -t {VIP}:{port} -s rr"))?;
        commands::ipvsadm(&mut host, &format!("-a -t {VIP}:{port} -r {server}"))?;
        for flags in ["S", "A"] {
            host.receive(request(&format!("{VIP}:{port}"), flags, 64, 40, true));
        }
    }
    Ok(host)
}

/// What a case does; its name says it.
fn act(host: &mut Host, name: &str, service: &str) -> Result<Vec<Outcome>, String> {
    let words: Vec<&str> = name.split(' ').collect();
    let number = |prefix: &str| {
        let word = words.iter().find_map(|word| word.strip_prefix(prefix)).unwrap_or("64");
        word.parse::<u16>().map_err(|error| error.to_string())
    };
    let to = |port: &str| format!("{VIP}:{port}");
    let sent = match words.as_slice() {
        ["S"] => Packet { tos: 0xb8, ..request(service, "S", 64, 40, true) },
        [word] if word.starts_with("ttl") => request(service, "A", number("ttl")? as u8, 40, true),
        [len, _] if len.starts_with("len") => {
            request(service, "AP", 64, number("len")?, name.ends_with("df1"))
        }
        ["pmtu_disc=0", "df", "len1500", "port", port] => {
            host.director.sysctl_set("pmtu_disc", "0").map_err(|error| error.to_string())?;
            request(&to(port), "AP", 64, 1500, true)
        }
        ["mtu1400", port, _, df] => {
            host.director.sysctl_set("pmtu_disc", "1").map_err(|error| error.to_string())?;
            host.links.server_mtu = 1400;
            request(&to(&port["port".len()..]), "AP", 64, 1401, *df == "df1")
        }
        ["nat", "reply", rest @ ..] => {
            host.forwards = !rest.contains(&"ip_forward=0");
            let ttl = if rest.contains(&"ttl1") { 1 } else { 64 };
            Packet { ttl, ..parse_packet(&format!("tcp 10.0.0.3:8080 {CLIENT} SA")) }
        }
        ["ip_forward=0", "S"] | ["DR", "ip_forward=0", "S"] => {
            host.links.server_mtu = 1500;
            host.forwards = false;
            let port = if words[0] == "DR" { 81 } else { 80 };
            parse_packet(&format!("tcp 192.168.1.1:1001 {VIP}:{port} S"))
        }
        _ => return icmp_case(host, &words),
    };
    host.wait(Duration::from_millis(1));
    Ok(vec![host.receive(sent)])
}

/// The cases about ICMP and stray packets.
fn icmp_case(host: &mut Host, words: &[&str]) -> Result<Vec<Outcome>, String> {
    let stray = |letters: &str| parse_packet(&format!("tcp 10.0.0.3:8080 192.168.1.7:1000 {letters}"));
    let sent = match words {
        ["router", "on", "client", "side", "->", "VIP", "port", port, "frag", "needed"] => {
            let quote = format!("tcp {VIP}:{port} {CLIENT} A");
            too_big("192.168.1.9", VIP, 1000, parse_packet(&quote))
        }
        ["RS", "->", "client", ..] => error(
            "10.0.0.3",
            "192.168.1.1",
            (3, 3, 0),
            parse_packet(&format!("tcp {CLIENT} 10.0.0.3:8080 A")),
        ),
        ["inner", "router", ..] => {
            too_big("10.0.0.99", "192.168.1.1", 1000, parse_packet(&format!("tcp {CLIENT} 10.0.0.3:8080 A")))
        }
        ["tun", "pkt"] => request(&format!("{VIP}:82"), "A", 64, 40, true),
        ["ICMP", "fragneeded", ..] => too_big("10.0.0.99", "10.0.0.1", 1200, tunnelled()),
        ["ICMP", "host", "unreach", ..] => error("10.0.0.99", "10.0.0.1", (3, 1, 0), tunnelled()),
        ["RS", "packet", ..] => stray("A"),
        ["same", _, letters] => {
            host.director.sysctl_set("nat_icmp_send", "1").map_err(|error| error.to_string())?;
            stray(letters)
        }
        ["echo", ..] => {
            let [src, dst] = ["192.168.1.1", VIP].map(|text| text.parse().expect("an address"));
            packet(src, dst, Payload::Icmp(Icmp { kind: 8, code: 0, info: 1, quote: None }))
        }
        ["schedule_icmp"] => {
            host.director.sysctl_set("schedule_icmp", "1").map_err(|error| error.to_string())?;
            too_big("192.168.1.9", VIP, 1000, parse_packet(&format!("tcp {VIP}:81 192.168.1.44:1000 A")))
        }
        _ => return Err(format!("unknown case {words:?}")),
    };
    host.wait(Duration::from_millis(1));
    Ok(vec![host.receive(sent)])
}

fn request(service: &str, letters: &str, ttl: u8, len: u16, df: bool) -> Packet {
    Packet { ttl, len, df, ..parse_packet(&format!("tcp {CLIENT} {service} {letters}")) }
}

fn too_big(from: &str, to: &str, mtu: u32, quote: Packet) -> Packet {
    error(from, to, (3, 4, mtu), quote)
}

/// An ICMP error with 28 bytes of quoted packet.
fn error(from: &str, to: &str, (kind, code, info): (u8, u8, u32), quote: Packet) -> Packet {
    let [src, dst] = [from, to].map(|text| text.parse().expect("an address"));
    let icmp = Icmp { kind, code, info, quote: Some(Box::new(quote)) };
    Packet { len: 56, df: false, ..packet(src, dst, Payload::Icmp(icmp)) }
}

/// The packet of the case "tun pkt" as it left the director.
fn tunnelled() -> Packet {
    let [src, dst]: [Addr; 2] = ["10.0.0.1", "10.0.0.5"].map(|text| text.parse().expect("an address"));
    let outer = Outer { src, dst, kind: Encapsulation::IpIp, overhead: 20, id: 0, df: true, ttl: 63, tos: 0 };
    Packet { ttl: 63, outer: Some(outer), ..request(&format!("{VIP}:82"), "A", 64, 40, true) }
}

/// Compares what left on each side with the recorded frames.
fn compare(case: &Value, outcomes: &[Outcome]) -> Result<(), String> {
    let [mut to_server, mut to_client] = [Vec::new(), Vec::new()];
    for outcome in outcomes {
        match outcome {
            Outcome::ToServer(to, packet) => to_server.push((*to, packet)),
            Outcome::ToClient(packet) => to_client.push((packet.dst, packet)),
            Outcome::Nothing(_) => {}
        }
    }
    for (side, sent) in [("to_server", to_server), ("to_client", to_client)] {
        let recorded = whole(case[side].as_array().expect("frames"));
        let got: Vec<Value> = sent.iter().map(|(to, packet)| frame(*to, packet)).collect();
        let equal = recorded.len() == got.len() && recorded.iter().zip(&got).all(|(r, g)| agrees(r, g));
        if !equal {
            return Err(format!("{side}\n  recorded: {}\n  director: {}", json!(recorded), json!(got)));
        }
    }
    Ok(())
}

/// Fragments put together: cutting is the host's business.
fn whole(frames: &[Value]) -> Vec<Value> {
    let mut packets: Vec<Map<String, Value>> = Vec::new();
    for frame in frames {
        let mut frame = frame.as_object().expect("a frame").clone();
        let field = frame.remove("frag_field").and_then(|field| field.as_u64()).unwrap_or(0);
        match packets.last_mut() {
            Some(first) if field & 0x1fff != 0 => {
                let sum = first["len"].as_u64().unwrap_or(0) + frame["len"].as_u64().unwrap_or(0) - 20;
                first.insert("len".to_owned(), json!(sum));
            }
            _ => packets.push(frame),
        }
    }
    packets.into_iter().map(Value::Object).collect()
}

/// Everything recorded must be there; GUE's source port depends on the boot.
fn agrees(recorded: &Value, got: &Value) -> bool {
    match (recorded, got) {
        (Value::Object(recorded), Value::Object(got)) => {
            let gue = recorded.get("proto") == Some(&json!(17));
            recorded
                .iter()
                .all(|(key, value)| (gue && key == "sport") || got.get(key).is_some_and(|g| agrees(value, g)))
        }
        _ => recorded == got,
    }
}

/// A packet in the words of the recording.
fn frame(to: Addr, packet: &Packet) -> Value {
    let last_byte = to.to_bits() as u8;
    let mac = if (to.to_bits() as u32) >> 8 == 0x000a_0000 { last_byte } else { 254 };
    let mut frame = match &packet.outer {
        Some(outer) => encapsulated(outer, packet),
        None => ip(packet),
    };
    frame.insert("mac".to_owned(), json!(mac));
    Value::Object(frame)
}

fn encapsulated(outer: &Outer, packet: &Packet) -> Map<String, Value> {
    let inner = Value::Object(ip(&Packet { outer: None, ..packet.clone() }));
    let mut frame = header(outer.src, outer.dst, outer.ttl, packet.wire_len(), outer.tos, outer.df);
    let details = match outer.kind {
        Encapsulation::IpIp => json!({"proto": 4, "inner": inner}),
        Encapsulation::Gre { checksum } => {
            json!({"proto": 47, "inner": inner, "gre": if checksum { "80000800" } else { "00000800" }})
        }
        Encapsulation::Gue { dport, .. } => json!({"proto": 17, "dport": dport}),
    };
    frame.extend(details.as_object().expect("an object").clone());
    frame
}

fn ip(packet: &Packet) -> Map<String, Value> {
    let mut frame = header(packet.src, packet.dst, packet.ttl, packet.len, packet.tos, packet.df);
    frame.insert("proto".to_owned(), json!(packet.protocol()));
    if let Some((sport, dport)) = packet.ports() {
        frame.insert("sport".to_owned(), json!(sport));
        frame.insert("dport".to_owned(), json!(dport));
    }
    match &packet.payload {
        Payload::Tcp(Segment { flags, .. }) => {
            frame.insert("flags".to_owned(), json!(letters(*flags)));
        }
        Payload::Icmp(icmp) => {
            frame.insert("icmp".to_owned(), json!([icmp.kind, icmp.code]));
            frame.insert("mtu".to_owned(), json!(icmp.info));
            frame.insert(
                "inner".to_owned(),
                icmp.quote.as_deref().map_or(Value::Null, |quote| Value::Object(ip(quote))),
            );
        }
        Payload::Udp(_)
        | Payload::Sync(_)
        | Payload::Sctp(_)
        | Payload::Ndisc(_)
        | Payload::Fragment(_)
        | Payload::Other(_) => {}
    }
    frame
}

fn header(src: Addr, dst: Addr, ttl: u8, len: u16, tos: u8, df: bool) -> Map<String, Value> {
    let header = json!({"src": src.to_string(), "dst": dst.to_string(), "ttl": ttl, "len": len, "tos": tos, "df": u8::from(df)});
    header.as_object().expect("an object").clone()
}
