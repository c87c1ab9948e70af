//! Commands on a host in the middle of a run: what they print, on which stream, how they exit, what they change.

use expect_test::{Expect, expect};
use scenarios::console::ipvsadm::Output;
use scenarios::exec::{Answer, Line, exec};
use scenarios::load::load_text;
use scenarios::scenario::Scenario;
use sim_core::{Duration, Time};
use std::path::Path;

/// A director with services of every kind; one connection every second.
const CLUSTER: &str = r"
duration: 30s
timers: ideal
networks:
  lan: {prefix: 10.0.0.0/16}
hosts:
  director:
    interfaces: {eth0: {network: lan, address: [10.0.0.1/16, 10.0.0.100/32]}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s wlc
      -a -t 10.0.0.100:80 -r 10.0.0.21 -g -w 3
      -A -t 10.0.0.100:443 -s sh -b sh-port -p 300 -M 255.255.255.0
      -a -t 10.0.0.100:443 -r 10.0.0.21 -i -w 300
      -A -u 10.0.0.100:53 -s rr -o
      -A -u 10.0.0.100:5060 -s rr -o -p 60
      -A -f 10 -s wrr -p 50
      -a -f 10 -r 10.0.0.21 -g
      -A -f 11 -s rr
      -A -t [2001:db8::1]:80 -s lblcr -p 300
      -a -t [2001:db8::1]:80 -r [2001:db8::21]:80 -g
      -A -u [2001:db8::1]:81 -s rr -o
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.21/16}, lo: {address: 10.0.0.100/32}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}
    server: {ports: [80, 443], response: 1kB}
  client:
    interfaces: {eth0: {network: lan, address: 10.0.0.2/16}}
clients:
  one: {on: client, to: 10.0.0.100:80, arrivals: {constant: 1/s}, limit: 2}
";

fn scenario() -> Scenario {
    load_text("test", "test", CLUSTER, Path::new("")).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

/// Types lines on a host, by name, at each of some seconds.
fn typed(host: &str, seconds: &[u64], lines: &[&str]) -> Vec<Answer> {
    let scenario = scenario();
    let host = scenario.hosts.iter().position(|known| known.name == host).expect("the host exists");
    let instants: Vec<Time> = seconds.iter().map(|s| Time::ZERO + Duration::from_secs(*s)).collect();
    let lines: Vec<Line> = lines.iter().filter_map(|line| Line::read(line, &scenario).unwrap()).collect();
    exec(&scenario, host, &instants, &lines, &mut |_| true).unwrap().expect("nobody stopped it")
}

fn output(line: &str) -> Output {
    typed("director", &[10], &[line]).remove(0).output
}

fn check(line: &str, expected: &Expect) {
    let Output { stdout, stderr, status } = output(line);
    assert_eq!((&*stderr, status), ("", 0));
    // The ends of lines are part of the format.
    expected.assert_eq(&stdout.lines().map(|line| format!("{line}|\n")).collect::<String>());
}

/// A line that is refused on the host: what it says, and its status.
fn refused(line: &str, stderr: &str, status: i32) {
    assert_eq!(output(line), Output { stdout: String::new(), stderr: stderr.into(), status });
}

fn misread(line: &str, expected: &Expect) {
    let error = Line::read(line, &scenario()).unwrap_err();
    expected.assert_eq(&format!(
        "{}..{} {}; {}",
        error.columns.start, error.columns.end, error.problem, error.cure
    ));
}

#[test]
fn the_kernels_own_table_has_its_format_down_to_the_last_blank() {
    check(
        "cat /proc/net/ip_vs",
        &expect![[r#"
        IP Virtual Server version 1.2.1 (size=4096)|
        Prot LocalAddress:Port Scheduler Flags|
          -> RemoteAddress:Port Forward Weight ActiveConn InActConn|
        UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0051 rr |
        TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 lblcr persistent 75000 80000000|
          -> [2001:0db8:0000:0000:0000:0000:0000:0021]:0050      Route   1      0          0         |
        FWM  0000000B rr |
        FWM  0000000A wrr persistent 12500 FFFFFFFF|
          -> 0A000015:0000      Route   1      0          0         |
        UDP  0A000064:13C4 rr ops  persistent 15000 FFFFFFFF|
        UDP  0A000064:0035 rr ops  |
        TCP  0A000064:01BB sh  persistent 75000 FFFFFF00|
          -> 0A000015:01BB      Tunnel  300    0          0         |
        TCP  0A000064:0050 wlc  |
          -> 0A000015:0050      Route   3      0          2         |
    "#]],
    );
}

#[test]
fn connections_and_statistics_are_hexadecimal() {
    check(
        "cat /proc/net/ip_vs_conn",
        &expect![[r#"
        Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData|
        TCP 0A000002 8000 0A000064 0050 0A000015 0050 FIN_WAIT        111|
        TCP 0A000002 8001 0A000064 0050 0A000015 0050 FIN_WAIT        112|
    "#]],
    );
    check(
        "cat /proc/net/ip_vs_stats",
        &expect![[r#"
           Total Incoming Outgoing         Incoming         Outgoing|
           Conns  Packets  Packets            Bytes            Bytes|
               2        A        0              3A8                0|
        |
         Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s|
               0        0        0               2B                0|
    "#]],
    );
}

#[test]
fn listings_and_settings() {
    check(
        "sudo ipvsadm -Lnc",
        &expect![[r#"
        IPVS connection entries|
        pro expire state       source             virtual            destination|
        TCP 01:51  FIN_WAIT    10.0.0.2:32768     10.0.0.100:80      10.0.0.21:80|
        TCP 01:52  FIN_WAIT    10.0.0.2:32769     10.0.0.100:80      10.0.0.21:80|
    "#]],
    );
    check(
        "sysctl net.ipv4.vs.drop_entry net.ipv4.ip_forward",
        &expect![[r#"
        net.ipv4.vs.drop_entry = 0|
        net.ipv4.ip_forward = 0|
    "#]],
    );
    check(
        "sysctl -n net.ipv4.vs.sync_threshold",
        &expect![[r#"
        3	50|
    "#]],
    );
    check(
        "sysctl -w net.ipv4.vs.drop_entry=3",
        &expect![[r#"
        net.ipv4.vs.drop_entry = 3|
    "#]],
    );
    check(
        "cat /proc/sys/net/ipv4/conf/all/arp_ignore",
        &expect![[r#"
        0|
    "#]],
    );
}

#[test]
fn what_the_tools_refuse_goes_to_standard_error() {
    refused("ipvsadm -a -t 10.0.0.100:80 -r 10.0.0.21 -g", "Destination already exists\n", 255);
    refused("ipvsadm -D -t 10.9.9.9:80", "No such service\n", 255);
    refused("ip addr add 10.0.0.1/16 dev eth0", "RTNETLINK answers: File exists\n", 2);
    refused("ip addr add 10.7.0.1/24 dev eth7", "Cannot find device \"eth7\"\n", 1);
    refused(
        "cat /proc/sys/net/ipv4/vs/nonsense",
        "cat: /proc/sys/net/ipv4/vs/nonsense: No such file or directory\n",
        1,
    );
    refused(
        "sysctl net.ipv4.nonsense",
        "sysctl: cannot stat /proc/sys/net/ipv4/nonsense: No such file or directory\n",
        1,
    );
}

#[test]
fn a_host_without_ipvs_has_no_such_file() {
    let answer = typed("web", &[1], &["cat /proc/net/ip_vs"]).remove(0);
    assert_eq!(answer.output.stderr, "cat: /proc/net/ip_vs: No such file or directory\n");
    assert_eq!(answer.output.status, 1);
}

#[test]
fn lines_that_no_host_understands_teach() {
    misread(
        "vi /etc/hosts",
        &expect![
            "0..2 there is no `vi' on the simulated hosts; use one of: ipvsadm, ipvsadm-save, ipvsadm-restore, ip, vconfig, ifconfig, route, arp, sysctl, echo, iptables, ip6tables, arptables, modprobe, rmmod, cat"
        ],
    );
    misread(
        "cat /proc/net/tcp",
        &expect![
            "4..17 there is no file `/proc/net/tcp'; the simulated hosts have /proc/net/ip_vs, /proc/net/ip_vs_conn, /proc/net/ip_vs_conn_sync, /proc/net/ip_vs_stats and the settings below /proc/sys"
        ],
    );
    misread(
        "ipvsadm -Ln | grep 80",
        &expect![
            "12..13 `|' is shell syntax; one command per line; quote the character if it belongs to a value"
        ],
    );
    misread(
        "sysctl",
        &expect![
            "0..6 `sysctl' needs a setting; write sysctl net.ipv4.ip_forward, or with =VALUE to change it"
        ],
    );
    assert_eq!(Line::read("  # a comment", &scenario()).unwrap(), None);
}

#[test]
fn commands_see_their_instant_and_change_what_comes_after() {
    let lines = ["ipvsadm -Ln", "ipvsadm -e -t 10.0.0.100:80 -r 10.0.0.21 -g -w 0"];
    let weights: Vec<bool> = typed("director", &[1, 5], &lines)
        .iter()
        .step_by(2)
        .map(|answer| answer.output.stdout.contains("10.0.0.21:80                 Route   0"))
        .collect();
    assert_eq!(weights, [false, true]);
}

#[test]
fn a_table_is_saved_to_a_file_and_restored_from_it() {
    let lines = [
        "ipvsadm-save -n > /etc/ipvsadm.rules",
        "ipvsadm -C",
        "ipvsadm-restore < /etc/ipvsadm.rules",
        "ipvsadm-save -n",
        "cat /etc/ipvsadm.rules",
        "ipvsadm-restore </etc/none",
    ];
    let outputs: Vec<Output> =
        typed("director", &[10], &lines).into_iter().map(|answer| answer.output).collect();
    assert_eq!((&*outputs[0].stdout, outputs[2].status), ("", 0));
    assert!(outputs[3].stdout.lines().count() > 5 && outputs[3] == outputs[4]);
    assert_eq!((&*outputs[5].stderr, outputs[5].status), ("sh: 1: cannot open /etc/none: No such file\n", 2));
}

#[test]
fn what_comes_in_on_standard_input_is_restored() {
    let scenario = scenario();
    let read = |text| Line::read(text, &scenario).expect("it can be read").expect("a command");
    let mut restore = read("ipvsadm-restore");
    assert!(restore.reads() && read("ipvsadm -R").reads() && !read("ipvsadm-save").reads());
    restore.give("# nothing but this\n-A -t 10.0.0.9:80 -s rr\n");
    let answers = exec(&scenario, 0, &[Time::ZERO], &[restore, read("ipvsadm -S -n")], &mut |_| true);
    assert_eq!(answers.unwrap().expect("nobody stopped it")[1].output.stdout, "-A -t 10.0.0.9:80 -s rr\n");
}
