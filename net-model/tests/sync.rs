//! The rhythm in which a master announces, against what Linux 6.1.192 (HZ = 250) was seen to send: a director with a UDP
//! service behind direct routing, `net.ipv4.vs.sync_threshold="0 1"` unless a test says otherwise, so that every datagram
//! announces its connection.

#[path = "vectors/commands.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod commands;
#[path = "vectors/driver.rs"]
#[allow(dead_code, reason = "the vectors use more of it")]
mod driver;

use driver::{Host, parse_packet};
use net_model::ipvs::{Announcement, DaemonConfig, DaemonRole, Heard, Kernel, SyncMessage, Timers};
use sim_core::Duration;

/// Master or backup with the defaults of ipvsadm.
fn daemon(role: DaemonRole) -> DaemonConfig {
    DaemonConfig {
        role,
        interface: "eth0".to_owned(),
        sync_id: 7,
        max_len: 1472,
        group: "224.0.0.81".parse().expect("an address"),
        port: 8848,
        ttl: 1,
    }
}

fn host(settings: &[(&str, &str)], config: DaemonConfig) -> Host {
    let mut host = Host::new(Kernel::New, Timers::linux());
    commands::ipvsadm(&mut host, "-A -u 10.9.0.100:53 -s rr").expect("it is new");
    commands::ipvsadm(&mut host, "-a -u 10.9.0.100:53 -r 10.0.0.11:53 -g").expect("it is new");
    set(&mut host, "sync_threshold", "0 1");
    settings.iter().for_each(|(name, value)| set(&mut host, name, value));
    host.director.start_daemon(host.now, config).expect("it does not run");
    host
}

fn set(host: &mut Host, name: &str, value: &str) {
    host.director.sysctl_set(name, value).expect("a valid setting");
}

/// One datagram from each of some ports.
fn burst(host: &mut Host, ports: std::ops::Range<u16>) {
    for port in ports {
        host.receive(parse_packet(&format!("udp 192.168.1.1:{port} 10.9.0.100:53")));
    }
}

fn take(host: &mut Host, seconds: f64) -> Vec<Announcement> {
    host.wait(Duration::from_secs_f64(seconds));
    host.director.take_announcements()
}

/// The bytes of each message that is sent within some seconds.
fn sizes(host: &mut Host, seconds: f64) -> Vec<usize> {
    take(host, seconds).iter().map(|sent| sent.message.bytes()).collect()
}

#[test]
fn a_full_message_waits_twenty_milliseconds_the_rest_two_seconds() {
    let mut host = host(&[], daemon(DaemonRole::Master));
    host.wait(Duration::from_secs_f64(5.3));
    let before = host.now;
    burst(&mut host, 1000..1041);
    let sent = take(&mut host, 5.0);
    let [full, rest] = &sent[..] else { panic!("two messages: {sent:?}") };
    assert_eq!((full.message.bytes(), rest.message.bytes()), (1448, 44));
    let waited = full.at.since(before).as_secs_f64();
    assert!((0.02..=0.024).contains(&waited), "{waited}");
    // The thread was awake at that moment: it looks a second later, and again. Seen: 2.040 s.
    let waited = rest.at.since(full.at).as_secs_f64();
    assert!((2.0..2.07).contains(&waited), "{waited}");
}

#[test]
fn eight_messages_do_not_wait() {
    let mut host = host(&[], daemon(DaemonRole::Master));
    host.wait(Duration::from_secs_f64(5.3));
    burst(&mut host, 1000..1321);
    assert_eq!(sizes(&mut host, 0.0), [1448; 8]);
}

/// Seen: of 400 entries, 40 to a message, seven messages in pairs and the last one by age with a limit of 2.
#[test]
fn what_the_queue_cannot_take_is_lost() {
    let mut limited = host(&[("sync_qlen_max", "2")], daemon(DaemonRole::Master));
    burst(&mut limited, 1000..1400);
    assert_eq!(sizes(&mut limited, 5.0), [1448; 3], "two that waited, and the one that was never full");
    assert_eq!(limited.director.take_overflowed_announcements(), 7);

    let mut nothing = host(&[("sync_qlen_max", "0")], daemon(DaemonRole::Master));
    burst(&mut nothing, 1000..1100);
    assert_eq!(sizes(&mut nothing, 5.0), [728], "what is sent by age does not queue");
}

#[test]
fn every_message_has_one_entry_at_least() {
    for (max_len, expected) in
        [(1, &[44, 44, 44, 44, 44][..]), (45, &[44, 44, 44, 44, 44]), (80, &[80, 80, 44])]
    {
        let mut host = host(&[], DaemonConfig { max_len, ..daemon(DaemonRole::Master) });
        burst(&mut host, 1000..1005);
        assert_eq!(sizes(&mut host, 4.0), expected, "--sync-maxlen {max_len}");
    }
}

#[test]
fn a_daemon_keeps_the_ports_it_was_started_with() {
    let config = DaemonConfig { max_len: 200, ..daemon(DaemonRole::Master) };
    let mut host = host(&[("sync_ports", "4")], config);
    set(&mut host, "sync_ports", "1");
    burst(&mut host, 1000..1040);
    let sent = take(&mut host, 4.0);
    let entries = |port: u16| -> usize {
        sent.iter().filter(|sent| sent.port == port).map(|sent| sent.message.entries.len()).sum()
    };
    assert_eq!([8848, 8849, 8850, 8851].map(entries), [10; 4]);
}

/// Seen: sync_ports takes any power of two, and 64 threads run at most.
#[test]
fn there_are_sixty_four_ports_at_most() {
    let host = host(&[("sync_ports", "1024")], daemon(DaemonRole::Backup));
    assert_eq!(host.director.sync_backup().map(|(_, ports)| ports), Some(64));
}

#[test]
fn a_stopped_master_forgets_what_it_has_collected() {
    let mut host = host(&[], daemon(DaemonRole::Master));
    burst(&mut host, 1000..1003);
    host.wait(Duration::from_millis(100));
    host.director.stop_daemon(host.now, DaemonRole::Master).expect("it runs");
    host.director.start_daemon(host.now, daemon(DaemonRole::Master)).expect("it does not run");
    assert_eq!(sizes(&mut host, 5.0), []);
}

#[test]
fn a_change_of_the_format_closes_the_message() {
    let mut host = host(&[("sync_version", "0")], daemon(DaemonRole::Master));
    burst(&mut host, 1000..1002);
    set(&mut host, "sync_version", "1");
    burst(&mut host, 1002..1004);
    let sent = take(&mut host, 5.0);
    let lengths: Vec<_> = sent.iter().map(|sent| sent.message.bytes()).collect();
    assert_eq!(lengths, [52, 80]);
    // Seen: 02 07 00 34, then entries like 00 11 a8 41 00 35 00 35 0a 00 00 09 0a 00 00 64 0a 00 00 0b 01 83 00 00.
    let bytes = sent[0].message.encode();
    assert_eq!(bytes[..6], [2, 7, 0, 52, 0, 17]);
    assert_eq!(bytes[24..28], [0x01, 0x83, 0, 0]);
    assert_eq!(SyncMessage::decode(&bytes).as_ref(), Some(&sent[0].message));
}

/// The seconds in which the messages about a connection leave that has a datagram every second.
fn announced(settings: &[(&str, &str)], seconds: u64) -> Vec<u64> {
    let mut host = host(settings, daemon(DaemonRole::Master));
    let mut said = |_: &u64| {
        burst(&mut host, 5000..5001);
        !take(&mut host, 1.0).is_empty()
    };
    (0..seconds).filter(|second| said(second)).collect()
}

/// Seen with sync_refresh_period=40, sync_retries=3 and threshold 0 0: at 0, 5, 10, 15, then 55, 60, 65, 70, 111 …
#[test]
fn retries_follow_after_an_eighth_of_the_refresh_period() {
    let times =
        announced(&[("sync_threshold", "0 0"), ("sync_refresh_period", "40"), ("sync_retries", "3")], 140);
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [5, 5, 5, 40, 5, 5, 5, 40, 5, 5, 5]);
}

/// Seen: every 40 s if a packet of the right number comes then, and never later than half the timeout.
#[test]
fn a_refresh_period_and_a_threshold_hold_both() {
    let gaps = |settings: &[(&str, &str)], seconds| -> Vec<u64> {
        announced(settings, seconds).windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    assert_eq!(gaps(&[("sync_threshold", "3 10"), ("sync_refresh_period", "40")], 150), [40, 40, 40]);
    assert_eq!(gaps(&[("sync_threshold", "0 0"), ("sync_refresh_period", "400")], 350), [150, 150]);
    assert_eq!(announced(&[("sync_threshold", "3 0")], 20).len(), 1, "the third packet only");
}

#[test]
fn a_backup_listens_to_its_syncid_and_reads_what_fits_its_buffer() {
    let mut master = host(&[], daemon(DaemonRole::Master));
    burst(&mut master, 1000..1045);
    let sent = take(&mut master, 5.0);
    let hear = |config: DaemonConfig| -> (Vec<Heard>, usize) {
        let mut backup = host(&[], config);
        let heard = sent.iter().map(|sent| backup.director.receive_announcement(backup.now, &sent.message));
        (heard.collect(), backup.director.connection_count())
    };
    let backup = || daemon(DaemonRole::Backup);
    assert_eq!(hear(backup()), (vec![Heard::Copied; 2], 45));
    assert_eq!(hear(DaemonConfig { sync_id: 0, ..backup() }), (vec![Heard::Copied; 2], 45));
    assert_eq!(hear(DaemonConfig { sync_id: 8, ..backup() }), (vec![Heard::OtherSyncId; 2], 0));
    // Seen: with --sync-maxlen 1024 on the backup the full message was lost.
    assert_eq!(hear(DaemonConfig { max_len: 1024, ..backup() }), (vec![Heard::TooLong, Heard::Copied], 5));
    assert_eq!(hear(daemon(DaemonRole::Master)), (vec![Heard::Nobody; 2], 0));
}

/// Whatever a message says, the backup's table stays sound.
#[test]
fn states_that_do_not_exist_are_refused() {
    let mut master = host(&[], daemon(DaemonRole::Master));
    burst(&mut master, 1000..1001);
    let mut message = take(&mut master, 5.0).remove(0).message;
    message.entries[0].protocol = 6;
    message.entries[0].state = 200;
    let mut backup = host(&[], daemon(DaemonRole::Backup));
    assert_eq!(backup.director.receive_announcement(backup.now, &message), Heard::Copied);
    assert_eq!(backup.director.connection_count(), 0);
}
