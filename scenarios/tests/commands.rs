//! What commands do to a host, and what a host answers to commands that make no sense.

use scenarios::assemble::{Assembled, assemble};
use scenarios::console::Command;
use scenarios::load::load_text;
use std::path::Path;

/// A host with two interfaces, and nothing else.
fn host() -> Assembled {
    let text = "
duration: 1s
networks: {lan: {prefix: 10.0.0.0/24}, wan: {prefix: 10.1.0.0/24}}
hosts:
  box:
    interfaces: {eth0: {network: lan, address: 10.0.0.1/24}, eth1: {network: wan, address: 10.1.0.1/24}}
";
    let loaded =
        load_text("box.yaml", "box", text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    assemble(&loaded.scenario).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Runs the lines one after another; what each printed or why it was refused.
fn run(assembled: &mut Assembled, lines: &[&str]) -> Vec<String> {
    let run = |line: &&str| {
        let command =
            Command::parse(line, &assembled.names).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        match assembled.shell(0).run(&command.unwrap()) {
            Ok(text) => text,
            Err(refused) => format!("{} [{}]", refused.message, refused.help),
        }
    };
    lines.iter().map(run).collect()
}

fn succeed(lines: &[&str]) -> Assembled {
    let mut assembled = host();
    for (line, said) in lines.iter().zip(run(&mut assembled, lines)) {
        assert_eq!(said, "", "{line}");
    }
    assembled
}

fn addresses(assembled: &Assembled) -> Vec<String> {
    let stack = &assembled.network.host(assembled.hosts[0]).stack;
    stack
        .addresses()
        .map(|address| format!("{}/{}", address.addr, address.len))
        .filter(|a| !a.starts_with("127") && !a.starts_with("::"))
        .collect()
}

#[test]
fn addresses_come_and_go() {
    let box_ = succeed(&[
        "ip addr add 10.0.0.100/32 dev lo",
        "ip addr add 10.0.0.101/32 dev eth0",
        "ip addr replace 10.0.0.101/32 dev eth0",
        "ip addr del 10.0.0.101/32 dev eth0",
        "ip addr flush dev eth1",
    ]);
    assert_eq!(addresses(&box_), ["10.0.0.100/32", "10.0.0.1/24"]);
}

#[test]
fn an_alias_of_ifconfig_moves_and_goes_down() {
    let box_ = succeed(&[
        "ifconfig eth0:0 10.0.0.100 netmask 255.255.255.255 up",
        "ifconfig eth0:0 10.0.0.101 netmask 255.255.255.255 up",
        "ifconfig lo:0 10.0.0.102 netmask 255.255.255.255 up",
        "ifconfig lo:0 down",
    ]);
    assert_eq!(addresses(&box_), ["10.0.0.1/24", "10.0.0.101/32", "10.1.0.1/24"]);
}

#[test]
fn routes_need_a_gateway_in_reach() {
    let mut box_ = succeed(&[
        "ip route add default via 10.0.0.254",
        "ip route replace default via 10.1.0.254",
        "ip route add 192.168.0.0/16 via 10.0.0.253 dev eth0 metric 5",
        "ip route add local 10.9.0.0/16 dev lo",
        "ip route add blackhole 10.8.0.0/16",
        "ip route del 192.168.0.0/16",
        "ip rule add fwmark 1 lookup 100",
        "route add -net 172.16.0.0 netmask 255.240.0.0 gw 10.0.0.7",
    ]);
    let stack = &box_.network.host(box_.hosts[0]).stack;
    assert!(stack.is_local("10.9.3.4".parse().unwrap()), "a whole prefix is local");
    let said = run(
        &mut box_,
        &[
            "ip route add default via 10.1.0.254",
            "ip route add 1.0.0.0/8 via 9.9.9.9",
            "ip route add 1.0.0.0/8 dev eth9",
        ],
    );
    expect_test::expect![[r#"
        RTNETLINK answers: File exists [it is there already: remove this line]
        Error: Nexthop has invalid gateway. [the gateway must be in a network of one of the host's interfaces]
        Cannot find device "eth9" [the host has lo, eth0, eth1]"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn settings_take_the_leading_number() {
    let box_ = succeed(&[
        "sysctl -w net.ipv4.ip_forward=1",
        "echo 2 > /proc/sys/net/ipv4/conf/eth0/arp_announce",
        "sysctl -w net.ipv4.vs.conn_reuse_mode=0",
        "sysctl -w net.ipv4.vs.sync_threshold=\"5 0\"",
        "sysctl -w net.ipv4.ip_local_port_range=\"20000 30000\"",
    ]);
    let on = box_.network.host(box_.hosts[0]);
    assert_eq!(on.stack.sysctl_get("net.ipv4.conf.eth1.forwarding").unwrap(), "1");
    assert_eq!(on.stack.sysctl_get("net.ipv4.conf.eth0.arp_announce").unwrap(), "2");
    assert_eq!(on.stack.local_ports(), (20000, 30000));
    assert_eq!(on.director.as_ref().unwrap().sysctl_get("conn_reuse_mode").unwrap(), "0");
    let said = run(
        &mut host(),
        &[
            "sysctl -w net.ipv4.conf.all.arg_ignore=1",
            "sysctl -w net.ipv4.ip_forward=x",
            "sysctl -w net.ipv4.vs.nothing=1",
        ],
    );
    expect_test::expect![[r#"
        sysctl: there is no setting net.ipv4.conf.all.arg_ignore [did you mean net.ipv4.conf.all.arp_ignore?]
        sysctl: "x" is not a number [the setting is net.ipv4.ip_forward]
        sysctl: net.ipv4.vs.nothing: No such file or directory [see the settings of IPVS: net.ipv4.vs.*]"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn interfaces_and_neighbours() {
    let box_ = succeed(&[
        "ip link add dummy0 type dummy",
        "ip link set dummy0 up mtu 1400",
        "ip addr add 10.0.0.100/32 dev dummy0",
        "ip link set eth1 address 02:00:00:00:00:77",
        "ip link set eth1 arp off",
        "ip link set eth1 down",
        "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0",
        "arp -s 10.0.0.8 02:00:00:00:00:08",
        "ip neigh del 10.0.0.9 dev eth0",
        "ip neigh flush dev eth0",
    ]);
    let stack = &box_.network.host(box_.hosts[0]).stack;
    let dummy = stack.interface("dummy0").unwrap();
    assert_eq!((stack.interface_at(dummy).up, stack.interface_at(dummy).mtu), (true, 1400));
    assert!(!stack.interface_at(stack.interface("eth1").unwrap()).up);
}

#[test]
fn rules_of_the_firewalls() {
    let mut box_ = succeed(&[
        "iptables -t mangle -A PREROUTING -d 10.0.0.100 -p tcp --dport 80 -j MARK --set-mark 1",
        "iptables -A INPUT -s 10.0.0.66 -j DROP",
        "iptables -I INPUT -s 10.0.0.67 -j ACCEPT",
        "iptables -D INPUT -s 10.0.0.66 -j DROP",
        "iptables -P FORWARD DROP",
        "arptables -A INPUT -d 10.0.0.100 -j DROP",
        "arptables -A OUTPUT -s 10.0.0.100 -j mangle --mangle-ip-s 10.0.0.1",
        "arptables -D INPUT -d 10.0.0.100 -j DROP",
    ]);
    use net_model::addr::Family;
    use net_model::host::mark::Chain;
    let stack = &box_.network.host(box_.hosts[0]).stack;
    assert_eq!(stack.netfilter.chain(Family::V4, Chain::ManglePrerouting).len(), 1);
    assert_eq!(stack.netfilter.chain(Family::V4, Chain::Input).len(), 1);
    assert_eq!((stack.arptables.input.len(), stack.arptables.output.len()), (0, 1));
    let said =
        run(&mut box_, &["iptables -D INPUT -s 1.2.3.4 -j DROP", "iptables -D INPUT 7", "iptables -F"]);
    expect_test::expect![[r#"
        iptables: Bad rule (does a matching rule exist in that chain?) [spell the rule as it was added]
        iptables: Index of deletion too big. [the chain has 1 rules]
    "#]]
    .assert_eq(&said.join("\n"));
    assert!(box_.network.host(box_.hosts[0]).stack.netfilter.chain(Family::V4, Chain::Input).is_empty());
}

#[test]
fn rules_of_ipvsadm_and_their_listing() {
    let mut box_ =
        succeed(&["ipvsadm -A -t 10.0.0.1:80 -s wlc", "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.11 -g -w 3"]);
    let said = run(
        &mut box_,
        &["ipvsadm -A -t 10.0.0.1:80", "ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.12", "ipvsadm -Sn"],
    );
    expect_test::expect![[r#"
        ipvsadm: Service already exists [look at the lines above it in this block: ipvsadm refuses what is there already, or not there yet]
        ipvsadm: No such destination [look at the lines above it in this block: ipvsadm refuses what is there already, or not there yet]
        -A -t 10.0.0.1:80 -s wlc
        -a -t 10.0.0.1:80 -r 10.0.0.11:80 -g -w 3
    "#]].assert_eq(&said.join("\n"));
}
