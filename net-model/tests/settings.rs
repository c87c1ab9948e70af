//! The manual of `net.ipv4.vs.*`: one test for each setting, named after it, tells the same story with several of its
//! values and shows what differs. The meanings in a sentence are in [`SETTINGS`].

#[path = "vectors/commands.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod commands;
#[path = "vectors/driver.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod driver;

use driver::{Host, Outcome, describe, packet, parse_packet};
use net_model::ipvs::{Announcement, DaemonConfig, DaemonRole, Kernel, SETTINGS, Timers};
use net_model::packet::{Icmp, Packet, Payload};
use sim_core::Duration;

/// Round robin, direct routing; the server that was added last is the first to be chosen.
const WEB: [&str; 3] =
    ["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.3 -g", "-a -t 10.9.0.100:80 -r 10.0.0.4 -g"];
const NAT: [&str; 2] = ["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.3:80 -m"];
const DNS: [&str; 2] = ["-A -u 10.9.0.100:53 -s rr", "-a -u 10.9.0.100:53 -r 10.0.0.3 -g"];

/// What the host answers where IPVS leaves a segment to it.
const RESET: &str = "to client from 10.9.0.100:80 R";

#[test]
fn am_droprate() {
    let story = |host: &mut Host| {
        set(host, "drop_packet", "3");
        numbers(1..=12, |port| syn(host, port) == "drop-packet")
    };
    assert_eq!(tell("am_droprate", ["10", "3"], &WEB, story), [vec![1, 11], vec![1, 4, 7, 10]]);
}

#[test]
fn amemthresh() {
    let story = |host: &mut Host| {
        host.director.set_available_pages(2000);
        set(host, "drop_packet", "1");
        let dropped = numbers(1..=6, |port| syn(host, port) == "drop-packet");
        (get(host, "drop_packet"), dropped)
    };
    let [enough, short] = tell("amemthresh", ["1024", "3000"], &WEB, story);
    assert_eq!(enough, ("1".to_owned(), vec![]));
    assert_eq!(short, ("2".to_owned(), vec![3, 6]), "one in 3000 / (3000 - 2000)");
}

#[test]
fn backup_only() {
    assert_eq!(tell("backup_only", ["0", "1"], &WEB, |host| syn(host, 1)), ["dr 10.0.0.4"; 2], "no daemon");
    let story = |host: &mut Host| {
        syn(host, 1);
        start(host, DaemonRole::Backup);
        send(host, "tcp 192.168.1.1:1 10.9.0.100:80 A")
    };
    assert_eq!(tell("backup_only", ["0", "1"], &WEB, story), ["dr 10.0.0.4", RESET]);
}

#[test]
fn cache_bypass() {
    let story = |host: &mut Host| {
        // What policy routing makes local is not an address of the host.
        let mut request = Packet { mark: 5, ..parse_packet("tcp 192.168.1.1:1000 10.9.7.7:80 S") };
        format!("{:?}", host.director.local_in(host.now, &mut request, &host.links))
    };
    let verdicts = tell("cache_bypass", ["0", "1"], &["-A -f 5 -s rr"], story);
    assert_eq!(verdicts, ["Drop(NoDestination)", "Send { to: 10.9.7.7 }"]);
}

#[test]
fn conn_reuse_mode() {
    // Does a new SYN get a new server after the client's RST (CLOSE), after its FIN (FIN_WAIT)?
    let story = |host: &mut Host| {
        [(1000, "R"), (2000, "FA")].map(|(port, end)| {
            let before = syn(host, port);
            for flags in ["A", end] {
                send(host, &format!("tcp 192.168.1.1:{port} 10.9.0.100:80 {flags}"));
            }
            syn(host, port) != before
        })
    };
    assert_eq!(
        tell("conn_reuse_mode", ["1", "0", "2", "3"], &WEB, story),
        [[true, false], [false, false], [true, true], [true, true]]
    );
}

#[test]
fn conntrack() {
    // Netfilter still knows the connection that was reset.
    let story = |host: &mut Host| {
        let sent = ["S", "A", "R", "S"];
        sent.map(|flags| send(host, &format!("tcp 192.168.1.1:1000 10.9.0.100:80 {flags}")))
    };
    let again = tell("conntrack", ["0", "1"], &NAT, story).map(|[.., again]| again);
    assert_eq!(again, ["nat 10.0.0.3:80", "reuse-with-conntrack"]);
}

#[test]
fn drop_entry() {
    // Half-open connections last for 60 s; each second looks at 1/32 of the table. How many are left 30 s later, with
    // enough memory and with none?
    let story = |host: &mut Host, pages| {
        host.director.set_available_pages(pages);
        (1001..=1200).for_each(|port| assert!(syn(host, port).starts_with("dr")));
        host.wait(seconds(30));
        host.director.connection_count()
    };
    let plenty = tell("drop_entry", ["0", "1", "2", "3"], &WEB, |host| story(host, 1 << 18));
    assert_eq!(plenty[..3], [200; 3]);
    let want = tell("drop_entry", ["0", "1", "2", "3"], &WEB, |host| story(host, 0));
    assert_eq!(want[0], 200);
    for left in [plenty[3], want[1], want[2], want[3]] {
        assert!((50..110).contains(&left), "about 0.39 of them: {left}");
    }
}

#[test]
fn drop_packet() {
    let story = |host: &mut Host| {
        set(host, "am_droprate", "1");
        with_memory_and_without(host, |host, port| syn(host, port) == "drop-packet")
    };
    assert_eq!(
        tell("drop_packet", ["0", "1", "2", "3"], &WEB, story),
        [[false, false], [false, true], [false, true], [true, true]]
    );
}

#[test]
fn expire_nodest_conn() {
    let story = |host: &mut Host| {
        syn(host, 1000);
        run(host, &["-d -t 10.9.0.100:80 -r 10.0.0.4:80"]);
        host.wait(seconds(1));
        (
            host.director.connection_count(),
            send(host, "tcp 192.168.1.1:1000 10.9.0.100:80 A"),
            syn(host, 1000),
        )
    };
    let told = |count, ack: &str, syn: &str| (count, ack.to_owned(), syn.to_owned());
    assert_eq!(
        tell("expire_nodest_conn", ["0", "1"], &WEB, story),
        [told(1, "destination-gone", "destination-gone"), told(0, RESET, "dr 10.0.0.3")]
    );
    let quiesced = |host: &mut Host| {
        syn(host, 1000);
        run(host, &["-e -t 10.9.0.100:80 -r 10.0.0.4:80 -g -w 0"]);
        syn(host, 1000)
    };
    assert_eq!(
        tell("expire_nodest_conn", ["0", "1"], &WEB, quiesced),
        ["dr 10.0.0.4", "dr 10.0.0.3"],
        "a server of weight 0 keeps no connection that begins again"
    );
}

#[test]
fn expire_quiescent_template() {
    let story = |host: &mut Host| {
        run(host, &["-E -t 10.9.0.100:80 -s rr -p 300"]);
        let before = syn(host, 1000);
        run(host, &["-e -t 10.9.0.100:80 -r 10.0.0.4:80 -g -w 0"]);
        assert_eq!(before, "dr 10.0.0.4");
        syn(host, 1001)
    };
    let next = tell("expire_quiescent_template", ["0", "1"], &WEB, story);
    assert_eq!(next, ["dr 10.0.0.4", "dr 10.0.0.3"]);
}

/// It has no effect, as on Linux 6.1: what comes out of a tunnel is a new packet.
#[test]
fn ignore_tunneled() {
    let story = |host: &mut Host| {
        let mut tunnelled = parse_packet("tcp 192.168.1.1:1000 10.9.0.100:80 S");
        tunnelled.payload = Payload::Other(4);
        let outside = describe(&tunnelled, &host.receive(tunnelled.clone()));
        (outside, syn(host, 1000))
    };
    let expected = ("icmp 3/2 to client".to_owned(), "dr 10.0.0.4".to_owned());
    assert_eq!(tell("ignore_tunneled", ["0", "1"], &WEB, story), [expected.clone(), expected]);
}

/// The cache is swept every half hour. Until then the address of the service keeps its server, though a new one is idle.
#[test]
fn lblc_expiration() {
    assert_eq!(swept("lblc", "lblc_expiration"), ["dr 10.0.0.4", "dr 10.0.0.4", "dr 10.0.0.5"]);
}

#[test]
fn lblcr_expiration() {
    assert_eq!(swept("lblcr", "lblcr_expiration"), ["dr 10.0.0.4", "dr 10.0.0.4", "dr 10.0.0.5"]);
    // A crowded server gets help; later the set loses its most loaded member.
    let story = |host: &mut Host| {
        for server in ["10.0.0.3", "10.0.0.4"] {
            run(host, &[&format!("-e -t 10.9.0.100:80 -r {server}:80 -g -w 2")]);
        }
        run(host, &["-E -t 10.9.0.100:80 -s lblcr"]);
        [(1..5), (5..11)].map(|ports| {
            host.wait(seconds(2));
            ports.filter_map(|port| syn(host, port).pop()).collect::<String>()
        })
    };
    let [together, alone] = tell("lblcr_expiration", ["86400", "1"], &WEB, story);
    assert_eq!(together, ["4443", "333434"]);
    assert_eq!(alone, ["4443", "333333"]);
}

#[test]
fn nat_icmp_send() {
    let story = |host: &mut Host| send(host, "tcp 10.0.0.3:80 192.168.1.1:1000 A");
    let stray = tell("nat_icmp_send", ["0", "1"], &NAT, story);
    assert_eq!(stray, ["to client from 10.0.0.3:80 A", "to server 10.0.0.3"]);
}

#[test]
fn pmtu_disc() {
    let tunnel = ["-A -t 10.9.0.100:80 -s rr", "-a -t 10.9.0.100:80 -r 10.0.0.5 -i"];
    let story = |host: &mut Host| {
        let full = Packet { len: 1500, ..parse_packet("tcp 192.168.1.1:1000 10.9.0.100:80 S") };
        assert!(full.df);
        describe(&full, &host.receive(full.clone()))
    };
    assert_eq!(tell("pmtu_disc", ["1", "0"], &tunnel, story), ["icmp 3/4 to client", "tun 10.0.0.5"]);
}

#[test]
fn run_estimation() {
    let story = |host: &mut Host| {
        syn(host, 1000);
        host.wait(seconds(3));
        let service = host.director.services().next().expect("the service");
        (service.shown.counters.conns, service.shown.rates.in_bytes, service.destinations[0].active)
    };
    let [on, off] = tell("run_estimation", ["1", "0"], &WEB, story);
    assert_eq!((on, off), ((1, 5, 1), (0, 0, 1)), "ActiveConn is always live");
}

#[test]
fn schedule_icmp() {
    let story = |host: &mut Host| {
        let quote = Some(Box::new(parse_packet("udp 10.9.0.100:53 192.168.1.1:1000")));
        let icmp = Payload::Icmp(Icmp { kind: 3, code: 3, info: 0, quote });
        let [src, dst] = ["192.168.1.9", "10.9.0.100"].map(|text| text.parse().expect("an address"));
        let sent_on = matches!(host.receive(packet(src, dst, icmp)), Outcome::ToServer(..));
        (sent_on, host.director.connection_count())
    };
    assert_eq!(tell("schedule_icmp", ["0", "1"], &DNS, story), [(false, 0), (true, 1)]);
}

#[test]
fn secure_tcp() {
    let story = |host: &mut Host| {
        with_memory_and_without(host, |host, port| {
            syn(host, port);
            let mut connections = host.director.connections(host.now);
            connections.find(|connection| connection.client.1 == port).expect("a connection").state
        })
    };
    assert_eq!(
        tell("secure_tcp", ["0", "1", "2", "3"], &WEB, story),
        [["SYN_RECV", "SYN_RECV"], ["SYN_RECV", "SYNACK"], ["SYN_RECV", "SYNACK"], ["SYNACK", "SYNACK"]]
    );
}

#[test]
fn sloppy_sctp() {
    let sctp = ["-A --sctp-service 10.9.0.100:80 -s rr", "-a --sctp-service 10.9.0.100:80 -r 10.0.0.3 -g"];
    // INIT, DATA, ABORT
    let story = |host: &mut Host| {
        [1, 0, 6].map(|chunk| send(host, &format!("sctp 192.168.1.{}:9 10.9.0.100:80 {chunk}", chunk + 1)))
    };
    assert_eq!(
        tell("sloppy_sctp", ["0", "1"], &sctp, story),
        [
            ["dr 10.0.0.3", "icmp 3/2 to client", "icmp 3/2 to client"],
            ["dr 10.0.0.3", "dr 10.0.0.3", "icmp 3/2 to client"]
        ]
    );
}

#[test]
fn sloppy_tcp() {
    let story = |host: &mut Host| {
        [(1, "S"), (2, "A"), (3, "R")]
            .map(|(port, flags)| send(host, &format!("tcp 192.168.1.1:{port} 10.9.0.100:80 {flags}")))
    };
    assert_eq!(
        tell("sloppy_tcp", ["0", "1"], &WEB, story),
        [["dr 10.0.0.4", RESET, "no answer"], ["dr 10.0.0.4", "dr 10.0.0.3", "no answer"]]
    );
}

/// The director rewrites the reply all the same, and tells its host whether to route it again; with policy routing it may
/// then leave by another way.
#[test]
fn snat_reroute() {
    let story = |host: &mut Host| {
        syn(host, 1000);
        (send(host, "tcp 10.0.0.3:80 192.168.1.1:1000 SA"), host.director.reroutes_replies())
    };
    let reply = || "to client from 10.9.0.100:80 SA".to_owned();
    assert_eq!(tell("snat_reroute", ["1", "0"], &NAT, story), [(reply(), true), (reply(), false)]);
}

#[test]
fn sync_persist_mode() {
    let story = |host: &mut Host| {
        run(host, &["-E -u 10.9.0.100:53 -s rr -p 300"]);
        set(host, "sync_threshold", "0 1");
        let mut ports = client_ports(&announced(host, 1));
        ports.sort_unstable();
        ports
    };
    let told = tell("sync_persist_mode", ["0", "1"], &DNS, story);
    assert_eq!(told, [vec![0, 1000], vec![0]], "port 0: the template");
}

#[test]
fn sync_ports() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "0 1");
        let mut ports: Vec<u16> = announced(host, 8).iter().map(|sent| sent.port).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(tell("sync_ports", ["1", "4"], &DNS, story), [vec![8848], vec![8848, 8849, 8850, 8851]]);
}

#[test]
fn sync_qlen_max() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "0 1");
        let sent = announced(host, 400);
        (client_ports(&sent).len(), host.director.take_overflowed_announcements())
    };
    let [all, few] = tell("sync_qlen_max", ["16384", "2"], &DNS, story);
    assert_eq!((all, few), ((400, 0), (120, 7)), "40 to a message: two that waited, and the last one");
}

#[test]
fn sync_refresh_period() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "1 0");
        pauses(host, 100)
    };
    assert_eq!(tell("sync_refresh_period", ["0", "40"], &DNS, story), [vec![], vec![40, 40]]);
}

#[test]
fn sync_retries() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "0 0");
        set(host, "sync_refresh_period", "40");
        pauses(host, 100)
    };
    let told = tell("sync_retries", ["0", "3"], &DNS, story);
    assert_eq!(told, [vec![40, 40], vec![5, 5, 5, 40, 5, 5, 5]]);
}

/// It has no effect: a simulated backup reads at once.
#[test]
fn sync_sock_size() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "0 1");
        let sent = announced(host, 400);
        let mut backup = self::host(&DNS);
        set(&mut backup, "sync_sock_size", &get(host, "sync_sock_size"));
        start(&mut backup, DaemonRole::Backup);
        for announcement in &sent {
            backup.director.receive_announcement(backup.now, &announcement.message);
        }
        (sent.len(), backup.director.connection_count())
    };
    assert_eq!(tell("sync_sock_size", ["0", "2048"], &DNS, story), [(10, 400); 2]);
}

#[test]
fn sync_threshold() {
    // Of 110 datagrams of one connection
    let story = |host: &mut Host| {
        start(host, DaemonRole::Master);
        (0..110).for_each(|_| datagram(host, 1000));
        host.wait(seconds(5));
        client_ports(&host.director.take_announcements()).len()
    };
    assert_eq!(
        tell("sync_threshold", ["3 50", "10 20", "0 1", "3 0"], &DNS, story),
        [3, 6, 110, 1],
        "3, 53, 103; 10, 30 … 110; all; the third only"
    );
    // A backup's copy has the first number as its packets.
    let copied = |host: &mut Host| {
        let mut master = self::host(&DNS);
        set(&mut master, "sync_threshold", "0 1");
        start(host, DaemonRole::Backup);
        for announcement in announced(&mut master, 1) {
            host.director.receive_announcement(host.now, &announcement.message);
        }
        let copy = host.director.connections(host.now).next();
        copy.expect("the copy").in_packets
    };
    assert_eq!(tell("sync_threshold", ["3 50", "10 20"], &DNS, copied), [3, 10]);
}

/// Of one connection: version 1 has a header of 8 bytes and entries of 36, version 0 has 4 and 24.
#[test]
fn sync_version() {
    let story = |host: &mut Host| {
        set(host, "sync_threshold", "0 1");
        announced(host, 1).iter().map(|sent| sent.message.bytes()).collect::<Vec<_>>()
    };
    assert_eq!(tell("sync_version", ["1", "0"], &DNS, story), [vec![44], vec![28]]);
}

#[test]
fn every_setting_has_its_test_here() {
    let mut tests: Vec<&str> = include_str!("settings.rs")
        .split("#[test]\nfn ")
        .skip(1)
        .filter_map(|test| test.split('(').next())
        .filter(|test| !test.starts_with("every_"))
        .collect();
    let mut settings: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    settings.push("sync_threshold");
    tests.sort_unstable();
    settings.sort_unstable();
    assert_eq!(tests, settings);
}

/// What a story tells with each of these values of a setting, the first of which is the default.
fn tell<T, const N: usize>(
    setting: &str,
    values: [&str; N],
    commands: &[&str],
    story: impl Fn(&mut Host) -> T,
) -> [T; N] {
    let untouched = host(&[]).director.sysctl_get(setting).expect("a setting");
    assert_eq!(untouched.replace('\t', " "), values[0], "the default of {setting}");
    values.map(|value| {
        let mut host = host(commands);
        set(&mut host, setting, value);
        story(&mut host)
    })
}

fn host(commands: &[&str]) -> Host {
    let mut host = Host::new(Kernel::New, Timers::ideal());
    run(&mut host, commands);
    host
}

fn run(host: &mut Host, commands: &[&str]) {
    for line in commands {
        commands::ipvsadm(host, line).expect("the command succeeds");
    }
}

fn set(host: &mut Host, setting: &str, value: &str) {
    host.director.sysctl_set(setting, value).expect("a valid setting");
}

fn get(host: &Host, setting: &str) -> String {
    host.director.sysctl_get(setting).expect("a setting")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What becomes of a packet that arrives.
fn send(host: &mut Host, text: &str) -> String {
    let packet = parse_packet(text);
    match host.receive(packet.clone()) {
        Outcome::Nothing(why) => why.to_owned(),
        outcome => describe(&packet, &outcome),
    }
}

/// What becomes of a SYN from this port.
fn syn(host: &mut Host, port: u16) -> String {
    send(host, &format!("tcp 192.168.1.1:{port} 10.9.0.100:80 S"))
}

fn datagram(host: &mut Host, port: u16) {
    send(host, &format!("udp 192.168.1.1:{port} 10.9.0.100:53"));
}

/// Asks twice, with ports of their own: while there is enough memory, and while there is none.
fn with_memory_and_without<T>(host: &mut Host, mut ask: impl FnMut(&mut Host, u16) -> T) -> [T; 2] {
    [(1, 1 << 18), (2, 0)].map(|(port, pages)| {
        host.director.set_available_pages(pages);
        host.wait(seconds(2));
        ask(host, port)
    })
}

/// The numbers for which something holds, asked in order.
fn numbers(range: std::ops::RangeInclusive<u16>, mut holds: impl FnMut(u16) -> bool) -> Vec<u16> {
    range.filter(|number| holds(*number)).collect()
}

/// A service is used, gets a new and idle server, and is used again after 31 minutes. Where does it go with the default,
/// with an expiration longer than the pause, with a shorter one?
fn swept(scheduler: &str, setting: &str) -> [String; 3] {
    let story = |host: &mut Host| {
        run(host, &[&format!("-E -t 10.9.0.100:80 -s {scheduler}")]);
        assert_eq!(syn(host, 1000), "dr 10.0.0.4");
        run(host, &["-a -t 10.9.0.100:80 -r 10.0.0.5 -g"]);
        host.wait(seconds(1860));
        syn(host, 1001)
    };
    tell(setting, ["86400", "1900", "600"], &WEB, story)
}

fn start(host: &mut Host, role: DaemonRole) {
    let config = DaemonConfig {
        role,
        interface: "eth0".to_owned(),
        sync_id: 7,
        max_len: 1472,
        group: "224.0.0.81".parse().expect("an address"),
        port: 8848,
        ttl: 1,
    };
    host.director.start_daemon(host.now, config).expect("it does not run");
}

/// What a master sends about this many connections of one datagram each, from port 1000 on.
fn announced(host: &mut Host, connections: u16) -> Vec<Announcement> {
    start(host, DaemonRole::Master);
    (1000..1000 + connections).for_each(|port| datagram(host, port));
    host.wait(seconds(5));
    host.director.take_announcements()
}

/// The clients' ports of all announced entries.
fn client_ports(sent: &[Announcement]) -> Vec<u16> {
    sent.iter().flat_map(|sent| &sent.message.entries).map(|entry| entry.client.1).collect()
}

/// The seconds between announcements of a connection that has a datagram every second.
fn pauses(host: &mut Host, duration: u64) -> Vec<u64> {
    start(host, DaemonRole::Master);
    let mut said = |_: &u64| {
        datagram(host, 1000);
        host.wait(seconds(1));
        !host.director.take_announcements().is_empty()
    };
    let times: Vec<u64> = (0..duration).filter(|second| said(second)).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
