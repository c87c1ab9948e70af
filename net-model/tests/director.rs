//! The director's manual: what it does where the recordings in `tests/vectors` say nothing.
//!
//! Every test is a short story of commands and packets, in the words of the recordings.

#[path = "vectors/commands.rs"]
mod commands;
#[path = "vectors/driver.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod driver;

use driver::{Host, Outcome, describe, packet, parse_packet};
use expect_test::{Expect, expect};
use net_model::addr::Addr;
use net_model::ipvs::{
    Announcement, ConnectionView, DaemonConfig, DaemonRole, Director, Kernel, SETTINGS, Timers, Verdict,
};
use net_model::packet::{Encapsulation, Icmp, Outer, Packet, Payload};
use sim_core::{Duration, Stream, Time};

/// A host whose director has run these `ipvsadm` command lines.
fn host(lines: &[&str]) -> Host {
    let mut host = Host::new(Kernel::New, Timers::ideal());
    run(&mut host, lines);
    host
}

fn run(host: &mut Host, lines: &[&str]) {
    for line in lines {
        commands::ipvsadm(host, line).expect("the command succeeds");
    }
}

fn set(host: &mut Host, setting: &str, value: &str) {
    host.director.sysctl_set(setting, value).expect("a valid setting");
}

/// What became of a packet that arrived.
fn send(host: &mut Host, text: &str) -> String {
    let packet = parse_packet(text);
    let outcome = host.receive(packet.clone());
    match outcome {
        Outcome::Nothing(why) => why.to_owned(),
        outcome => describe(&packet, &outcome),
    }
}

/// What became of a packet of a program on the director.
fn send_locally(host: &mut Host, text: &str) -> String {
    let mut packet = parse_packet(text);
    format!("{:?}", host.director.local_out(host.now, &mut packet, &host.links))
}

/// The connection table: client, virtual, real, state, seconds left.
fn table(host: &Host) -> String {
    let at = |(addr, port): (Addr, u16)| format!("{addr}:{port}");
    let line = |c: ConnectionView| {
        format!(
            "{} {} {} {} {}",
            at(c.client),
            at(c.virtual_),
            at(c.real),
            c.state,
            c.left.as_secs_f64() as u64
        )
    };
    let mut lines: Vec<String> = host.director.connections(host.now).map(line).collect();
    lines.sort();
    lines.join("\n")
}

fn check(got: &str, expected: &Expect) {
    expected.assert_eq(got);
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const WEB: [&str; 3] =
    ["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.3 -g", "-a -t 10.9.0.100:80 -r 10.0.0.4 -g"];

#[test]
fn without_a_service_nothing_is_intercepted() {
    let mut host = host(&WEB);
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S"), "dr 10.0.0.4");
    run(&mut host, &["-D -t 10.9.0.100:80"]);
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 A"), "to client from 10.9.0.100:80 R");
    check(&table(&host), &expect!["192.168.1.1:1000 10.9.0.100:80 10.0.0.4:80 SYN_RECV 60"]);
}

#[test]
fn a_server_on_the_director_gets_the_packet_unchanged_and_its_answer_counts() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.1 -g"]);
    let answer = send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S");
    assert_eq!(answer, "to client from 10.9.0.100:80 AR", "nothing listens there");
    check(&table(&host), &expect!["192.168.1.1:1000 10.9.0.100:80 10.0.0.1:80 CLOSE 10"]);
    host.wait(seconds(3));
    let counters = host.director.totals().counters;
    assert_eq!((counters.in_packets, counters.out_packets), (1, 1));
}

#[test]
fn a_masqueraded_server_on_the_director_is_rewritten_in_both_directions() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.1:8080 -m"]);
    let mut request = parse_packet("tcp 192.168.1.1:1000 10.9.0.100:80 S");
    assert_eq!(host.director.local_in(host.now, &mut request, &host.links), Verdict::Accept);
    assert_eq!((request.dst.to_string().as_str(), request.ports()), ("10.0.0.1", Some((1000, 8080))));
    assert_eq!(request.ttl, 64, "no decrement on the way to the local stack");
    let mut reply = parse_packet("tcp 10.0.0.1:8080 192.168.1.1:1000 SA");
    assert_eq!(host.director.local_out(host.now, &mut reply, &host.links), Verdict::Accept);
    assert_eq!((reply.src.to_string().as_str(), reply.ports()), ("10.9.0.100", Some((80, 1000))));
}

#[test]
fn masquerading_to_the_loopback_network_is_for_local_clients_only() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 127.0.0.1:80 -m"]);
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S"), "ipvs-local-source");
    check(&table(&host), &expect!["192.168.1.1:1000 10.9.0.100:80 127.0.0.1:80 SYN_RECV 60"]);
    assert_eq!(send_locally(&mut host, "tcp 10.9.0.100:1000 10.9.0.100:80 S"), "Accept");
}

#[test]
fn a_director_can_be_its_own_client() {
    let mut host = host(&WEB);
    assert_eq!(send_locally(&mut host, "tcp 10.1.0.1:1000 10.9.0.100:80 S"), "Send { to: 10.0.0.4 }");
    check(&table(&host), &expect!["10.1.0.1:1000 10.9.0.100:80 10.0.0.4:80 SYN_RECV 60"]);
}

#[test]
fn cache_bypass_sends_marked_packets_past_caches_that_are_gone() {
    let mut host = host(&["-A -f 5 -s rr"]);
    commands::iptables(&mut host, "-t mangle -A PREROUTING -d 10.9.0.0/16 -p tcp -j MARK --set-mark 5");
    set(&mut host, "cache_bypass", "1");
    let elsewhere = || Packet { mark: 5, ..parse_packet("tcp 192.168.1.1:1000 10.9.7.7:80 S") };
    // What policy routing makes local is not an address of the host.
    let verdict = host.director.local_in(host.now, &mut elsewhere(), &host.links);
    assert_eq!(format!("{verdict:?}"), "Send { to: 10.9.7.7 }");
    check(&table(&host), &expect!["192.168.1.1:1000 10.9.7.7:80 0.0.0.0:0 SYN_RECV 60"]);
    host.wait(seconds(3));
    assert_eq!(host.director.totals().counters.in_packets, 0, "such connections count nowhere");
    set(&mut host, "cache_bypass", "0");
    let verdict =
        host.director.local_in(host.now, &mut Packet { src: Addr::v4(7), ..elsewhere() }, &host.links);
    assert_eq!(format!("{verdict:?}"), "Drop(NoDestination)", "no ICMP from an address that is not local");
}

#[test]
fn backup_only_leaves_the_requests_to_the_local_stack() {
    let mut host = host(&WEB);
    set(&mut host, "backup_only", "1");
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S"), "dr 10.0.0.4");
    start(&mut host, DaemonRole::Backup, 0);
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 A"), "to client from 10.9.0.100:80 R");
}

#[test]
fn a_reused_tuple_with_conntrack_is_dropped_once() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.3:80 -m"]);
    set(&mut host, "conntrack", "1");
    for (flags, result) in [("S", "nat 10.0.0.3:80"), ("A", "nat 10.0.0.3:80"), ("R", "nat 10.0.0.3:80")] {
        assert_eq!(send(&mut host, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}")), result);
    }
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S"), "reuse-with-conntrack");
    host.wait(seconds(1));
    assert_eq!(send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S"), "nat 10.0.0.3:80");
}

#[test]
fn drop_entry_clears_half_open_connections_and_keeps_the_others() {
    let mut host = host(&WEB);
    for client in 1..200 {
        send(&mut host, &format!("tcp 192.168.1.{client}:1000 10.9.0.100:80 S"));
    }
    send(&mut host, "tcp 192.168.1.200:1000 10.9.0.100:80 S");
    send(&mut host, "tcp 192.168.1.200:1000 10.9.0.100:80 A");
    assert_eq!(host.director.chance_since(), None);
    set(&mut host, "drop_entry", "3");
    // Each second looks at 1/32 of the table: 50 s leave about a fifth of the half-open ones.
    host.wait(seconds(50));
    let left = host.director.connection_count();
    assert!((10..90).contains(&left), "{left}");
    assert!(table(&host).contains("192.168.1.200:1000"));
    assert!(host.director.chance_since().is_some(), "from the first that was dropped on");
}

/// Jobs run in the phase of the moment in which the host's network namespace was made.
#[test]
fn jobs_have_a_phase_of_their_own() {
    let mut host = host(&WEB);
    host.director.estimate_at(Time::from_nanos(300_000_000));
    send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S");
    let shown = |host: &Host| host.director.services().next().expect("the service").shown.counters.conns;
    host.wait(Duration::from_millis(299));
    assert_eq!(shown(&host), 0);
    host.wait(Duration::from_millis(1));
    assert_eq!(shown(&host), 1);
}

#[test]
fn an_icmp_error_can_open_a_connection_and_one_packet_scheduling_forgets_it() {
    let mut host = host(&["-A -u 10.9.0.100:53 -s rr -o", "-a -u 10.9.0.100:53 -r 10.0.0.3 -g"]);
    set(&mut host, "schedule_icmp", "1");
    let quote = parse_packet("udp 10.9.0.100:53 192.168.1.1:1000");
    let outcome = host.receive(icmp("192.168.1.9", "10.9.0.100", (3, 3, 0), quote));
    assert!(matches!(outcome, Outcome::ToServer(..)));
    check(&table(&host), &expect![""]);
    let service = host.director.services().next().expect("the service");
    assert_eq!((service.live.conns, service.destinations[0].inactive), (1, 0));
}

#[test]
fn the_second_error_about_a_tunnel_tells_the_learnt_mtu() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.5 -i"]);
    send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S");
    let mut told = || {
        let [src, dst] = ["10.0.0.1", "10.0.0.5"].map(addr);
        let outer =
            Outer { src, dst, kind: Encapsulation::IpIp, overhead: 20, id: 0, df: true, ttl: 63, tos: 0 };
        let quote = Packet { outer: Some(outer), ..parse_packet("tcp 192.168.1.1:1000 10.9.0.100:80 A") };
        match host.receive(icmp("10.0.0.99", "10.0.0.1", (3, 4, 1200), quote)) {
            Outcome::ToClient(Packet { payload: Payload::Icmp(icmp), .. }) => icmp.info,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([told(), told()], [1480, 1180]);
}

#[test]
fn mixed_families_need_a_tunnel() {
    let mut host = host(&["-A -t 10.9.0.100:80 -s rr"]);
    for method in ["-g", "-m"] {
        let refused = commands::ipvsadm(&mut host, &format!("-a -t 10.9.0.100:80 -r [fd00::3]:80 {method}"));
        assert!(refused.expect_err("refused").ends_with("InvalidOperation"));
    }
    run(&mut host, &["-a -t 10.9.0.100:80 -r [fd00::3]:80 -i"]);
    let mut packet = parse_packet("tcp 192.168.1.1:1000 10.9.0.100:80 S");
    host.director.local_in(host.now, &mut packet, &host.links);
    let outer = packet.outer.expect("a tunnel");
    assert_eq!((outer.dst, outer.overhead, outer.df), (addr("fd00::3"), 40, false));
}

/// Recorded from Linux 6.1: what stands for the virtual address is the mark, as the first of the address's words.
#[test]
fn templates_of_marks_are_listed_under_the_mark() {
    let mut host = host(&[
        "-A -f 2 -s rr -p 300",
        "-a -f 2 -r 10.0.0.3 -g",
        "-A -f 2 -6 -s rr -p 300",
        "-a -f 2 -6 -r [fd00::3]:0 -g",
    ]);
    commands::iptables(&mut host, "-d 10.9.0.100/32 -p tcp --set-mark 2");
    commands::iptables(&mut host, "-d fd09::100/128 -p tcp --set-mark 2");
    send(&mut host, "tcp 192.168.1.1:1000 10.9.0.100:80 S");
    send(&mut host, "tcp [fd02::1]:1000 [fd09::100]:80 S");
    let templates: Vec<String> = host
        .director
        .connections(host.now)
        .filter(|c| c.state == "NONE")
        .map(|c| c.virtual_.0.to_string())
        .collect();
    assert_eq!(templates, ["0.0.0.2", "0:2::"]);
}

/// Recorded from Linux 6.1: an established connection makes its template a good one, which outlives the connection; but
/// when `expire_nodest_conn` clears up behind a removed server, it goes with the last of its connections.
#[test]
fn a_removed_server_takes_good_templates_along() {
    for (setting, left) in [("0", 2), ("1", 0)] {
        let mut host = host(&["-A -t 10.9.0.100:80 -s rr -p 300", "-a -t 10.9.0.100:80 -r 10.0.0.3 -g"]);
        set(&mut host, "expire_nodest_conn", setting);
        for flags in ["S", "A", "A"] {
            send(&mut host, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}"));
        }
        check(
            &table(&host),
            &expect![[r#"
                192.168.1.1:0 10.9.0.100:80 10.0.0.3:80 ASSURED 300
                192.168.1.1:1000 10.9.0.100:80 10.0.0.3:80 ESTABLISHED 900"#]],
        );
        run(&mut host, &["-d -t 10.9.0.100:80 -r 10.0.0.3:80"]);
        host.wait(seconds(1));
        assert_eq!(host.director.connection_count(), left, "expire_nodest_conn={setting}");
    }
}

/// Recorded from Linux 6.1, twelve times at other phases: a kernel timer that is set again and still fires in the same
/// turn of the wheel keeps its place there. So a template of 20 s, first set with the first of two connections, goes after
/// both, and does not wait for another minute.
#[test]
fn connections_take_their_template_along() {
    for offset in 0..12 {
        let mut host = Host::new(Kernel::New, Timers::linux());
        run(
            &mut host,
            &["--set 0 0 20", "-A -u 10.9.0.100:53 -s rr -p 20", "-a -u 10.9.0.100:53 -r 10.0.0.3 -g"],
        );
        host.wait(Duration::from_millis(330 * offset));
        send(&mut host, "udp 192.168.1.1:1000 10.9.0.100:53");
        host.wait(Duration::from_millis(300));
        send(&mut host, "udp 192.168.1.1:1001 10.9.0.100:53");
        host.wait(seconds(15));
        assert_eq!(host.director.connection_count(), 3);
        host.wait(seconds(10));
        check(&table(&host), &expect![""]);
    }
}

#[test]
fn a_backup_continues_what_was_announced_to_it() {
    let mut master = host(&WEB);
    let mut backup = host(&WEB);
    start(&mut master, DaemonRole::Master, 3);
    start(&mut backup, DaemonRole::Backup, 3);
    for flags in ["S", "A", "A"] {
        send(&mut master, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}"));
    }
    send(&mut master, "tcp 192.168.1.2:1000 10.9.0.100:80 S");
    copy(&mut master, &mut backup);
    check(&table(&backup), &expect!["192.168.1.1:1000 10.9.0.100:80 10.0.0.4:80 ESTABLISHED 900"]);
    let active: Vec<u32> =
        backup.director.services().flat_map(|s| s.destinations).map(|d| d.active).collect();
    assert_eq!(active, [1, 0], "bound to the backup's own destination, counted there");
    // Failover: the announced connection goes on, the other one is unknown.
    assert_eq!(send(&mut backup, "tcp 192.168.1.1:1000 10.9.0.100:80 A"), "dr 10.0.0.4");
    assert_eq!(send(&mut backup, "tcp 192.168.1.2:1000 10.9.0.100:80 A"), "to client from 10.9.0.100:80 R");
}

#[test]
fn a_backup_without_the_server_forwards_anyway_and_binds_later() {
    let mut master = host(&WEB);
    let mut backup = host(&["-A -t 10.9.0.100:80 -s rr"]);
    start(&mut master, DaemonRole::Master, 0);
    start(&mut backup, DaemonRole::Backup, 0);
    for flags in ["S", "A", "A"] {
        send(&mut master, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}"));
    }
    copy(&mut master, &mut backup);
    assert_eq!(send(&mut backup, "tcp 192.168.1.1:1000 10.9.0.100:80 A"), "dr 10.0.0.4");
    run(&mut backup, &["-a -t 10.9.0.100:80 -r 10.0.0.4 -g"]);
    send(&mut master, "tcp 192.168.1.1:1000 10.9.0.100:80 FA");
    copy(&mut master, &mut backup);
    check(&table(&backup), &expect!["192.168.1.1:1000 10.9.0.100:80 10.0.0.4:80 FIN_WAIT 120"]);
    let service = backup.director.services().next().expect("the service");
    assert_eq!((service.destinations[0].inactive, service.live.conns), (1, 0));
}

#[test]
fn editing_a_service_with_its_own_scheduler_does_not_start_it_again() {
    let mut host = host(&WEB);
    let next = |host: &mut Host, port: u16| send(host, &format!("tcp 192.168.1.1:{port} 10.9.0.100:80 S"));
    assert_eq!(next(&mut host, 1), "dr 10.0.0.4");
    run(&mut host, &["-E -t 10.9.0.100:80 -s rr -b flag-1"]);
    assert_eq!(next(&mut host, 2), "dr 10.0.0.3");
    run(&mut host, &["-E -t 10.9.0.100:80 -s wrr"]);
    assert_eq!(next(&mut host, 3), "dr 10.0.0.4");
}

#[test]
fn a_server_that_comes_and_goes_is_remembered_from_the_last_removal() {
    let mut host = host(&WEB);
    let conns =
        |host: &Host| host.director.services().next().expect("the service").destinations[0].live.conns;
    assert_eq!(send(&mut host, "udp 192.168.1.1:1 10.9.0.100:80"), "icmp 3/3 to client");
    send(&mut host, "tcp 192.168.1.1:1 10.9.0.100:80 S");
    host.wait(seconds(100));
    for _ in 0..3 {
        run(&mut host, &["-d -t 10.9.0.100:80 -r 10.0.0.4:80"]);
        host.wait(seconds(30));
        run(&mut host, &["-a -t 10.9.0.100:80 -r 10.0.0.4 -g"]);
    }
    run(&mut host, &["-d -t 10.9.0.100:80 -r 10.0.0.4:80"]);
    host.wait(seconds(179));
    run(&mut host, &["-a -t 10.9.0.100:80 -r 10.0.0.4 -g"]);
    assert_eq!(conns(&host), 1, "three minutes are not over");
    run(&mut host, &["-d -t 10.9.0.100:80 -r 10.0.0.4:80"]);
    host.wait(seconds(181));
    run(&mut host, &["-a -t 10.9.0.100:80 -r 10.0.0.4 -g"]);
    assert_eq!(conns(&host), 0);
}

#[test]
fn a_backup_ignores_other_syncids() {
    let mut master = host(&WEB);
    let mut backup = host(&WEB);
    start(&mut master, DaemonRole::Master, 3);
    start(&mut backup, DaemonRole::Backup, 4);
    for flags in ["S", "A", "A"] {
        send(&mut master, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}"));
    }
    copy(&mut master, &mut backup);
    check(&table(&backup), &expect![""]);
}

#[test]
fn the_clock_may_be_asked_when_something_happens_next() {
    let mut host = host(&WEB);
    let next = host.director.next_timer().expect("the estimator");
    assert!(next.since(host.now) <= seconds(2));
    let quiet = Director::new(Kernel::New, Timers::ideal(), Stream::new(0, "quiet"));
    assert_eq!(quiet.next_timer(), None, "a host without services has nothing to do");
    host.director.flush(host.now);
    assert_eq!(host.director.services().count(), 0);
}

#[test]
fn every_setting_can_be_read_and_written() {
    let mut host = host(&[]);
    for setting in SETTINGS {
        assert_eq!(host.director.sysctl_get(setting.name), Ok(setting.default.to_string()));
        set(&mut host, setting.name, &setting.min.to_string());
        assert!(!setting.meaning.is_empty());
    }
}

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

fn icmp(src: &str, dst: &str, (kind, code, info): (u8, u8, u32), quote: Packet) -> Packet {
    packet(addr(src), addr(dst), Payload::Icmp(Icmp { kind, code, info, quote: Some(Box::new(quote)) }))
}

fn start(host: &mut Host, role: DaemonRole, sync_id: u8) {
    let config = DaemonConfig {
        role,
        interface: "eth0".to_owned(),
        sync_id,
        max_len: 0,
        group: addr("224.0.0.81"),
        port: 8848,
        ttl: 1,
    };
    host.director.start_daemon(host.now, config).expect("no daemon runs yet");
}

/// Lets the master's messages leave and reach the backup.
fn copy(master: &mut Host, backup: &mut Host) {
    master.wait(seconds(4));
    for Announcement { message, .. } in master.director.take_announcements() {
        backup.director.receive_announcement(backup.now, &message);
    }
}
