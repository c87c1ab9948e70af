//! What a director does with the words in packets: calls that stay with their server (persistence engine `sip`), and
//! the data connections of FTP. Every story was told to Linux 6.1 first, frame by frame.

#[path = "vectors/commands.rs"]
mod commands;
#[path = "vectors/driver.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod driver;

use driver::{Host, Outcome, describe, parse_packet};
use expect_test::{Expect, expect};
use net_model::addr::Addr;
use net_model::ipvs::{ConnectionView, Kernel, Timers};
use net_model::packet::{Packet, Payload};
use sim_core::Duration;

const VIP: &str = "10.9.0.100";

/// A host whose director has the FTP helper and has run these `ipvsadm` command lines.
fn host(lines: &[&str]) -> Host {
    let mut host = Host::new(Kernel::New, Timers::ideal());
    host.director.load_ftp_helper(true);
    run(&mut host, lines);
    host
}

fn run(host: &mut Host, lines: &[&str]) {
    for line in lines {
        commands::ipvsadm(host, line).expect("the command succeeds");
    }
}

/// What became of a packet that said this.
fn say(host: &mut Host, packet: &str, words: &str) -> String {
    let mut packet = parse_packet(packet);
    packet.say(words.as_bytes());
    match host.receive(packet.clone()) {
        Outcome::Nothing(why) => why.to_owned(),
        outcome => describe(&packet, &outcome),
    }
}

fn call(host: &mut Host, from: &str, id: &str) -> String {
    let words = format!("INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: {id}\r\n\r\n");
    say(host, &format!("udp {from} {VIP}:5060"), &words)
}

/// The connection table: client, virtual, real, state, call.
fn check(host: &Host, expected: &Expect) {
    let at = |(addr, port): (Addr, u16)| format!("{addr}:{port}");
    let line = |c: ConnectionView| {
        let call = c.call.map_or_else(String::new, |call| format!(" {call}"));
        format!("{} {} {} {}{call}", at(c.client), at(c.virtual_), at(c.real), c.state)
    };
    let mut lines: Vec<String> = host.director.connections(host.now).map(line).collect();
    lines.sort();
    expected.assert_eq(&lines.join("\n"));
}

fn phones(options: &str) -> Host {
    let mut host = host(&[&format!("-A -u {VIP}:5060 -s rr {options}")]);
    for n in 1..=3 {
        run(&mut host, &[&format!("-a -u {VIP}:5060 -r 10.0.0.{n}:5060 -m")]);
    }
    host
}

#[test]
fn each_call_of_each_client_has_a_template_of_its_own() {
    let mut host = phones("-p 60 --pe sip");
    call(&mut host, "192.168.1.5:5060", "one@h");
    call(&mut host, "192.168.1.5:5061", "two@h");
    call(&mut host, "192.168.1.6:5060", "one@h");
    // A known connection goes on, whatever its datagrams say.
    call(&mut host, "192.168.1.5:5060", "two@h");
    assert_eq!(
        say(&mut host, "udp 192.168.1.7:5060 10.9.0.100:5060", "OPTIONS sip:x SIP/2.0\r\n\r\n"),
        "no-call-id"
    );
    let expected = expect![[r#"
        192.168.1.5:0 10.9.0.100:5060 10.0.0.2:5060 NONE two@h
        192.168.1.5:0 10.9.0.100:5060 10.0.0.3:5060 NONE one@h
        192.168.1.5:5060 10.9.0.100:5060 10.0.0.3:5060 UDP
        192.168.1.5:5061 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.6:0 10.9.0.100:5060 10.0.0.1:5060 NONE one@h
        192.168.1.6:5060 10.9.0.100:5060 10.0.0.1:5060 UDP"#]];
    check(&host, &expected);
}

#[test]
fn the_network_of_the_clients_shares_the_calls() {
    let mut host = phones("-p 60 -M 255.255.255.0 --pe sip");
    for (client, id) in
        [("192.168.1.5:1000", "one@h"), ("192.168.1.6:1000", "one@h"), ("192.168.1.7:1000", "two@h")]
    {
        call(&mut host, client, id);
    }
    check(
        &host,
        &expect![[r#"
        192.168.1.0:0 10.9.0.100:5060 10.0.0.2:5060 NONE two@h
        192.168.1.0:0 10.9.0.100:5060 10.0.0.3:5060 NONE one@h
        192.168.1.5:1000 10.9.0.100:5060 10.0.0.3:5060 UDP
        192.168.1.6:1000 10.9.0.100:5060 10.0.0.3:5060 UDP
        192.168.1.7:1000 10.9.0.100:5060 10.0.0.2:5060 UDP"#]],
    );
}

#[test]
fn a_service_that_is_edited_finds_the_templates_of_its_present_engine_only() {
    let mut host = phones("-p 60 --pe sip");
    call(&mut host, "192.168.1.9:1000", "one@h");
    run(&mut host, &["-E -u 10.9.0.100:5060 -s rr -p 60"]);
    call(&mut host, "192.168.1.9:1001", "one@h");
    run(&mut host, &["-E -u 10.9.0.100:5060 -s rr -p 60 --pe sip"]);
    call(&mut host, "192.168.1.9:1002", "one@h");
    check(
        &host,
        &expect![[r#"
        192.168.1.9:0 10.9.0.100:5060 10.0.0.2:5060 NONE
        192.168.1.9:0 10.9.0.100:5060 10.0.0.3:5060 NONE one@h
        192.168.1.9:1000 10.9.0.100:5060 10.0.0.3:5060 UDP
        192.168.1.9:1001 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.9:1002 10.9.0.100:5060 10.0.0.3:5060 UDP"#]],
    );
}

#[test]
fn marks_have_calls_too() {
    let mut host =
        host(&["-A -f 7 -s rr -p 60 --pe sip", "-a -f 7 -r 10.0.0.1 -m", "-a -f 7 -r 10.0.0.2 -m"]);
    commands::iptables(&mut host, "-t mangle -A PREROUTING -d 10.9.0.100 -p udp -j MARK --set-mark 7");
    call(&mut host, "192.168.1.5:1000", "one@h");
    say(&mut host, "udp 192.168.1.5:1002 10.9.0.100:5062", "\r\ni: one@h\r\n");
    check(
        &host,
        &expect![[r#"
        192.168.1.5:0 0.0.0.7:0 10.0.0.2:0 NONE one@h
        192.168.1.5:1000 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.5:1002 10.9.0.100:5062 10.0.0.2:5062 UDP"#]],
    );
}

#[test]
fn a_service_without_port_has_calls_too() {
    let mut host = host(&["-A -u 10.9.0.100:0 -s rr -p 60 --pe sip"]);
    run(&mut host, &["-a -u 10.9.0.100:0 -r 10.0.0.1:0 -m", "-a -u 10.9.0.100:0 -r 10.0.0.2:0 -m"]);
    for (port, id) in [("5060", "one@h"), ("5070", "one@h"), ("5080", "two@h")] {
        say(&mut host, &format!("udp 192.168.1.5:1000 10.9.0.100:{port}"), &format!("\r\ni: {id}\r\n"));
    }
    check(
        &host,
        &expect![[r#"
        192.168.1.5:0 10.9.0.100:0 10.0.0.1:0 NONE two@h
        192.168.1.5:0 10.9.0.100:0 10.0.0.2:0 NONE one@h
        192.168.1.5:1000 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.5:1000 10.9.0.100:5070 10.0.0.2:5070 UDP
        192.168.1.5:1000 10.9.0.100:5080 10.0.0.1:5080 UDP"#]],
    );
}

#[test]
fn tcp_cannot_name_a_call() {
    let mut host =
        host(&["-A -t 10.9.0.100:5060 -s rr -p 60 --pe sip", "-a -t 10.9.0.100:5060 -r 10.0.0.1 -m"]);
    assert_eq!(say(&mut host, "tcp 192.168.1.5:1000 10.9.0.100:5060 S", ""), "no-call-id");
}

#[test]
fn one_packet_scheduling_leaves_only_the_templates() {
    let mut host = phones("-p 60 -o --pe sip");
    for (client, id) in
        [("192.168.1.5:1000", "one@h"), ("192.168.1.5:1000", "one@h"), ("192.168.1.5:1000", "two@h")]
    {
        call(&mut host, client, id);
    }
    // A server that speaks of a call takes it over, and its connection lasts no longer than the datagram.
    say(&mut host, "udp 10.0.0.1:5060 192.168.1.5:1000", "SIP/2.0 200 OK\r\nCall-ID: one@h\r\n\r\n");
    check(
        &host,
        &expect![[r#"
        192.168.1.5:0 10.9.0.100:5060 10.0.0.1:5060 ASSURED one@h
        192.168.1.5:0 10.9.0.100:5060 10.0.0.2:5060 NONE two@h
        192.168.1.5:0 10.9.0.100:65535 10.0.0.3:65535 NONE one@h"#]],
    );
    host.wait(Duration::from_secs(3));
    let counters = host.director.totals().counters;
    assert_eq!((counters.conns, counters.in_packets, counters.out_packets), (4, 3, 1));
}

#[test]
fn a_masqueraded_server_may_call_first() {
    let mut host = phones("-p 60 --pe sip");
    let invite = "INVITE sip:x SIP/2.0\r\nCall-ID: new@s\r\n\r\n";
    let seen = say(&mut host, "udp 10.0.0.2:5060 192.168.1.77:5060", invite);
    assert_eq!(seen, "to client from 10.9.0.100");
    // Not from another port, not without a Call-ID, not from a stranger, not by TCP.
    for from in [
        "udp 10.0.0.2:5061 192.168.1.79:5060",
        "udp 10.0.0.9:5060 192.168.1.79:5060",
        "tcp 10.0.0.2:5060 192.168.1.79:5060 S",
    ] {
        say(&mut host, from, invite);
    }
    say(&mut host, "udp 10.0.0.3:5060 192.168.1.78:5060", "none");
    assert_eq!(call(&mut host, "192.168.1.77:5061", "new@s"), "nat 10.0.0.2:5060", "the call is known");
    check(
        &host,
        &expect![[r#"
        192.168.1.77:0 10.9.0.100:5060 10.0.0.2:5060 ASSURED new@s
        192.168.1.77:5060 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.77:5061 10.9.0.100:5060 10.0.0.2:5060 UDP"#]],
    );
    // Another server with the same call: the template is given up.
    say(&mut host, "udp 10.0.0.1:5060 192.168.1.77:5060", invite);
    check(
        &host,
        &expect![[r#"
        192.168.1.77:0 10.9.0.100:5060 10.0.0.1:5060 ASSURED new@s
        192.168.1.77:0 10.9.0.100:65535 10.0.0.2:65535 ASSURED new@s
        192.168.1.77:5060 10.9.0.100:5060 10.0.0.1:5060 UDP
        192.168.1.77:5060 10.9.0.100:5060 10.0.0.2:5060 UDP
        192.168.1.77:5061 10.9.0.100:5060 10.0.0.2:5060 UDP"#]],
    );
}

#[test]
fn without_persistence_a_server_needs_no_call_id_to_speak_first() {
    let mut host = phones("--pe sip");
    say(&mut host, "udp 10.0.0.2:5060 192.168.1.77:5060", "none");
    check(&host, &expect!["192.168.1.77:5060 10.9.0.100:5060 10.0.0.2:5060 UDP"]);
}

#[test]
fn templates_of_calls_expire_and_take_their_names_along() {
    let mut host = phones("-p 60 -o --pe sip");
    call(&mut host, "192.168.1.5:1000", "one@h");
    host.wait(Duration::from_secs(61));
    check(&host, &expect![[r#""#]]);
    assert_eq!(call(&mut host, "192.168.1.5:1000", "one@h"), "nat 10.0.0.2:5060", "the next server's turn");
}

/// A control connection through the director, and how many bytes each end has said.
struct Control {
    host: Host,
    from_client: u32,
    from_server: u32,
    /// What the client has heard, and the server, as far as they know.
    heard: [u32; 2],
}

impl Control {
    fn open() -> Control {
        let host = host(&["-A -t 10.9.0.100:21 -s rr", "-a -t 10.9.0.100:21 -r 10.0.0.3:21 -m"]);
        let mut control = Control { host, from_client: 1000, from_server: 5000, heard: [5000, 1000] };
        control.client("S", "");
        control.server("SA", "");
        control.client("A", "");
        control
    }

    /// The client says something; how the server reads it.
    fn client(&mut self, flags: &str, words: &str) -> String {
        let text = format!("tcp 192.168.1.5:1000 10.9.0.100:21 {flags}");
        let packet = numbered(&text, self.from_client, self.heard[0], words);
        self.from_client += words.len() as u32 + u32::from(flags == "S");
        let seen = self.pass(packet);
        self.heard[1] = self.from_client;
        read(&seen)
    }

    /// The server says something; how the client reads it.
    fn server(&mut self, flags: &str, words: &str) -> String {
        let text = format!("tcp 10.0.0.3:21 192.168.1.5:1000 {flags}");
        let packet = numbered(&text, self.from_server, self.heard[1], words);
        self.from_server += words.len() as u32 + u32::from(flags == "SA");
        let seen = self.pass(packet);
        let Payload::Tcp(segment) = &seen.payload else { panic!("TCP") };
        self.heard[0] = segment.seq + u32::from(segment.len) + u32::from(flags == "SA");
        read(&seen)
    }

    fn pass(&mut self, packet: Packet) -> Packet {
        let mut packet = packet;
        let Host { director, links, now, .. } = &mut self.host;
        if packet.src == "10.0.0.3".parse().expect("an address") {
            director.forward(*now, &mut packet, links);
        } else {
            director.local_in(*now, &mut packet, links);
        }
        packet
    }
}

fn numbered(text: &str, seq: u32, ack: u32, words: &str) -> Packet {
    let mut packet = parse_packet(text);
    packet.say(words.as_bytes());
    if let Payload::Tcp(segment) = &mut packet.payload {
        (segment.seq, segment.ack) = (seq, ack);
    }
    packet
}

/// Sequence number, length, acknowledgement and words.
fn read(packet: &Packet) -> String {
    let Payload::Tcp(segment) = &packet.payload else { panic!("TCP") };
    let words = String::from_utf8_lossy(packet.text());
    format!("seq {} len {} ack {} {}", segment.seq, segment.len, segment.ack, words.trim_end())
}

#[test]
fn passive_ftp_through_a_masquerading_director() {
    let mut ftp = Control::open();
    expect!["seq 1001 len 6 ack 5001 PASV"].assert_eq(&ftp.client("PA", "PASV\r\n"));
    let told = ftp.server("PA", "227 Entering Passive Mode (10,0,0,3,195,80).\r\n");
    expect!["seq 5001 len 48 ack 1007 227 Entering Passive Mode (10,9,0,100,195,80)."].assert_eq(&told);
    // From here on both sides count differently, and neither notices.
    expect!["seq 1007 len 6 ack 5047 NOOP"].assert_eq(&ftp.client("PA", "NOOP\r\n"));
    expect!["seq 5049 len 8 ack 1013 200 ok"].assert_eq(&ftp.server("PA", "200 ok\r\n"));
    check(
        &ftp.host,
        &expect![[r#"
        192.168.1.5:0 10.9.0.100:50000 10.0.0.3:50000 LISTEN
        192.168.1.5:1000 10.9.0.100:21 10.0.0.3:21 ESTABLISHED"#]],
    );
    let data = say(&mut ftp.host, "tcp 192.168.1.5:1001 10.9.0.100:50000 S", "");
    assert_eq!(data, "nat 10.0.0.3:50000");
    check(
        &ftp.host,
        &expect![[r#"
        192.168.1.5:1000 10.9.0.100:21 10.0.0.3:21 ESTABLISHED
        192.168.1.5:1001 10.9.0.100:50000 10.0.0.3:50000 SYN_RECV"#]],
    );
    // The control connection cannot end before the data connection.
    ftp.client("R", "");
    ftp.host.wait(Duration::from_secs(11));
    assert_eq!(ftp.host.director.connection_count(), 2);
}

#[test]
fn lines_that_nobody_asked_for_pass_unchanged() {
    let mut ftp = Control::open();
    let unasked = ftp.server("PA", "227 Entering Passive Mode (10,0,0,3,195,80).\r\n");
    assert!(unasked.ends_with("(10,0,0,3,195,80)."), "{unasked}");
    assert_eq!(ftp.host.director.connection_count(), 1);
}

#[test]
fn extended_passive_mode_needs_no_writing() {
    let mut ftp = Control::open();
    ftp.client("PA", "EPSV\r\n");
    expect!["seq 5001 len 48 ack 1007 229 Entering Extended Passive Mode (|||50002|)"]
        .assert_eq(&ftp.server("PA", "229 Entering Extended Passive Mode (|||50002|)\r\n"));
    check(
        &ftp.host,
        &expect![[r#"
        192.168.1.5:0 10.9.0.100:50002 10.0.0.3:50002 LISTEN
        192.168.1.5:1000 10.9.0.100:21 10.0.0.3:21 ESTABLISHED"#]],
    );
}

#[test]
fn active_ftp_comes_from_port_20_of_the_service() {
    let mut ftp = Control::open();
    ftp.client("PA", "PORT 192,168,1,5,7,208\r\n");
    ftp.client("PA", "EPRT |1|192.168.1.5|2001|\r\n");
    ftp.client("PA", "PORT 192,168,1,5,7,208\r\n");
    check(
        &ftp.host,
        &expect![[r#"
        192.168.1.5:1000 10.9.0.100:21 10.0.0.3:21 ESTABLISHED
        192.168.1.5:2000 10.9.0.100:20 10.0.0.3:20 LISTEN
        192.168.1.5:2001 10.9.0.100:20 10.0.0.3:20 LISTEN"#]],
    );
    for port in [2000, 2001] {
        let data = say(&mut ftp.host, &format!("tcp 10.0.0.3:20 192.168.1.5:{port} S"), "");
        assert_eq!(data, "to client from 10.9.0.100:20 S");
    }
}

#[test]
fn without_the_module_the_announcement_is_the_servers_own() {
    let mut ftp = Control::open();
    ftp.host.director.load_ftp_helper(false);
    run(&mut ftp.host, &["-A -t 10.9.0.101:21 -s rr", "-a -t 10.9.0.101:21 -r 10.0.0.3:21 -m"]);
    for flags in ["S", "A"] {
        say(&mut ftp.host, &format!("tcp 192.168.1.5:1000 10.9.0.101:21 {flags}"), "");
    }
    say(&mut ftp.host, "tcp 192.168.1.5:1000 10.9.0.101:21 PA", "PORT 192,168,1,5,7,208\r\n");
    assert_eq!(ftp.host.director.connection_count(), 2, "two control connections, no data connection");
}

/// Linux 6.1 does it so, too: the answer that is sent again is not looked at again.
#[test]
fn an_answer_that_is_repeated_keeps_its_number_but_not_its_words() {
    let mut ftp = Control::open();
    ftp.client("PA", "PASV\r\n");
    let first = ftp.server("PA", "227 Entering Passive Mode (10,0,0,3,195,80).\r\n");
    ftp.from_server -= 46;
    let again = ftp.server("PA", "227 Entering Passive Mode (10,0,0,3,195,80).\r\n");
    assert_eq!(first.split(" len").next(), again.split(" len").next(), "the same sequence number");
    assert!(again.ends_with("(10,0,0,3,195,80)."), "{again}");
}
