//! Command lines and what is understood of them, as a manual page would show them.

use super::*;
use expect_test::{Expect, expect};

/// What a line means, in the types' own words; or the error under the line.
fn check(line: &str, expected: &Expect) {
    let text = match Command::parse(line, &Names::default()) {
        Ok(command) => command.map_or_else(|| "nothing".to_string(), |command| brief(&command)),
        Err(error) => shown(line, &error),
    };
    expected.assert_eq(&text);
}

/// The debug text without what is not said.
fn brief(command: &Command) -> String {
    let text = format!("{command:?}");
    let silent =
        [", alias: None", ", via: None", ", dev: None", ", src: None", ", metric: 0", ", table: None"];
    let silent = silent.into_iter().chain([", scope: None", ", mtu: 0", ", hops: []"]);
    let silent = silent.chain([", broadcast: None", ", label: None", ", source_ports: []", ", input: None"]);
    let silent = silent.chain([", output: None", ", mark: None", "source: None, ", "sender: None, "]);
    let silent = silent.chain([", interface: None", ", requests: None", ", iif: None", ", nodad: false"]);
    let silent = silent.chain([", deprecated: false"]);
    silent.fold(text, |text, word| text.replace(word, ""))
}

fn shown(line: &str, error: &ParseError) -> String {
    let marks = "^".repeat(error.columns.len().max(1));
    format!("{line}\n{}{marks} {}\n= {}", " ".repeat(error.columns.start), error.problem, error.cure)
}

#[test]
fn addresses() {
    check(
        "ip addr add 10.0.0.100/32 dev lo label lo:0",
        &expect![[
            r#"Ip([AddressAdd(AddressSpec { dev: "lo", addr: 10.0.0.100, len: 32, label: Some("lo:0") })])"#
        ]],
    );
    check(
        "ip a a 10.0.0.1/24 brd + dev eth0 scope link",
        &expect![[
            r#"Ip([AddressAdd(AddressSpec { dev: "eth0", addr: 10.0.0.1, len: 24, scope: Some(Link) })])"#
        ]],
    );
    check(
        "ip address del 2001:db8::1/64 dev eth0",
        &expect![[r#"Ip([AddressDelete(AddressSpec { dev: "eth0", addr: 2001:db8::1, len: 64 })])"#]],
    );
    check(
        "ip -6 addr add 2001:db8::100/128 dev eth0 nodad preferred_lft 0",
        &expect![[
            r#"Ip([AddressAdd(AddressSpec { dev: "eth0", addr: 2001:db8::100, len: 128, deprecated: true, nodad: true })])"#
        ]],
    );
    check("ip addr flush dev eth0", &expect![[r#"Ip([AddressFlush("eth0")])"#]]);
    check(
        "ip addr add 10.0.0.100/33 dev lo",
        &expect![[r#"
        ip addr add 10.0.0.100/33 dev lo
                    ^^^^^^^^^^^^^ `10.0.0.100/33' is not an address
        = write an address, or a prefix such as 10.0.0.0/24"#]],
    );
    check(
        "ip addr add 10.0.0.100/32",
        &expect![[r#"
        ip addr add 10.0.0.100/32
        ^^^^^^^^^^^^^^^^^^^^^^^^^ a device (dev NAME) is missing at the end
        = add the device (dev NAME)"#]],
    );
    check(
        "ip addr show",
        &expect![[r#"
        ip addr show
                ^^^^ `ip addr show' is not modelled
        = use one of: add, change, replace, delete, flush"#]],
    );
}

#[test]
fn routes_and_rules() {
    check(
        "ip route add default via 10.0.0.254",
        &expect!["Ip([RouteAdd(RouteSpec { kind: Unicast, prefix: 0.0.0.0/0, via: Some(10.0.0.254) })])"],
    );
    check(
        "ip r add 192.168.10.10 dev lo",
        &expect![[
            r#"Ip([RouteAdd(RouteSpec { kind: Unicast, prefix: 192.168.10.10/32, dev: Some("lo") })])"#
        ]],
    );
    check(
        "ip route add local 0/0 dev lo table 100",
        &expect![[
            r#"Ip([RouteAdd(RouteSpec { kind: Local, prefix: 0.0.0.0/0, dev: Some("lo"), table: Some(100) })])"#
        ]],
    );
    check(
        "ip -6 route replace default via fe80::1 dev eth0",
        &expect![[
            r#"Ip([RouteReplace(RouteSpec { kind: Unicast, prefix: ::/0, via: Some(fe80::1), dev: Some("eth0") })])"#
        ]],
    );
    check(
        "ip route del 10.1.0.0/16",
        &expect!["Ip([RouteDelete(RouteSpec { kind: Unicast, prefix: 10.1.0.0/16 })])"],
    );
    check(
        "ip route add 10.1.2.3/16 via 10.0.0.1",
        &expect![[r#"
        ip route add 10.1.2.3/16 via 10.0.0.1
                     ^^^^^^^^^^^ `10.1.2.3/16' has bits set beyond its prefix length
        = write 10.1.0.0/16, or 10.1.2.3 alone for this one host"#]],
    );
    check(
        "ip route add 10.0.0.0/8 over 10.0.0.1",
        &expect![[r#"
        ip route add 10.0.0.0/8 over 10.0.0.1
                                ^^^^ `over' is not known in ip route
        = known are: via, dev, src, metric, table, scope, mtu, nexthop"#]],
    );
    check(
        "ip rule add fwmark 1 lookup 100",
        &expect![
            "Ip([RuleAdd(RuleSpec { preference: None, from: None, to: None, mark: Some((1, 4294967295)), table: 100 })])"
        ],
    );
    check(
        "ip rule del from 10.0.0.0/24 pref 100 table main",
        &expect![
            "Ip([RuleDelete(RuleSpec { preference: Some(100), from: Some(10.0.0.0/24), to: None, table: 254 })])"
        ],
    );
}

#[test]
fn links_and_neighbours() {
    check(
        "ip link set dev eth0 up mtu 1400",
        &expect![[r#"Ip([LinkSet("eth0", Up(true)), LinkSet("eth0", Mtu(1400))])"#]],
    );
    check(
        "ip link set eth0 address 02:00:00:00:00:0d arp off",
        &expect![[r#"Ip([LinkSet("eth0", Mac(02:00:00:00:00:0d)), LinkSet("eth0", Arp(false))])"#]],
    );
    check("ip link add dummy0 type dummy", &expect![[r#"Ip([LinkAdd("dummy0", Dummy)])"#]]);
    check(
        "ip link add br0 type bridge",
        &expect![[r#"
            ip link add br0 type bridge
                                 ^^^^^^ devices of type `bridge' are not modelled here
            = use dummy, ipip, gre, ip6tnl or vlan; real links and switches belong into the scenario's networks"#]],
    );
    check(
        "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
        &expect![[
            r#"Ip([NeighbourReplace(NeighbourSpec { addr: 10.0.0.1, mac: 02:00:00:00:00:01, dev: Some("eth0"), permanent: true })])"#
        ]],
    );
    check(
        "ip neigh add proxy 10.0.0.9 dev eth0",
        &expect![[r#"Ip([NeighbourProxy { addr: 10.0.0.9, dev: "eth0" }])"#]],
    );
    check(
        "arp -s 10.0.0.1 02:00:00:00:00:01",
        &expect![
            "Ip([NeighbourReplace(NeighbourSpec { addr: 10.0.0.1, mac: 02:00:00:00:00:01, permanent: true })])"
        ],
    );
    check(
        "ip tunnel add x",
        &expect![[r#"
            ip tunnel add x
               ^^^^^^ `ip tunnel' is not modelled
            = use ip addr, route, rule, link, neigh or fou"#]],
    );
}

#[test]
fn the_commands_of_old_how_tos() {
    check(
        "ifconfig lo:0 172.16.24.7 broadcast 172.16.24.7 netmask 255.255.255.255 up",
        &expect![[
            r#"Ip([AddressOfLabel(AddressSpec { dev: "lo", addr: 172.16.24.7, len: 32, broadcast: Some(172.16.24.7), label: Some("lo:0") }), LinkSet("lo", Up(true))])"#
        ]],
    );
    check(
        "ifconfig lo:0 192.168.0.100",
        &expect![[
            r#"Ip([AddressOfLabel(AddressSpec { dev: "lo", addr: 192.168.0.100, len: 24, label: Some("lo:0") }), LinkSet("lo", Up(true))])"#
        ]],
    );
    check("ifconfig eth0:0 down", &expect![[r#"Ip([LabelDown("eth0:0")])"#]]);
    check(
        "ifconfig eth0 -arp up",
        &expect![[r#"Ip([LinkSet("eth0", Arp(false)), LinkSet("eth0", Up(true))])"#]],
    );
    check(
        "ifconfig lo：0 192.168.10.10",
        &expect![[r#"
        ifconfig lo：0 192.168.10.10
                 ^^^^ `lo：0' is no interface: it contains a character that only looks right
        = write a plain colon, as in lo:0"#]],
    );
    check(
        "ifconfig lo:0 192.168.10.10 boradcast 207.175.44.110",
        &expect![[r#"
        ifconfig lo:0 192.168.10.10 boradcast 207.175.44.110
                                    ^^^^^^^^^ `boradcast' is not known in ifconfig
        = known are: an address, netmask, broadcast, up, down, mtu, hw ether, arp, -arp"#]],
    );
    check(
        "route add -host 172.16.24.7 dev lo:0",
        &expect![[
            r#"Ip([RouteAdd(RouteSpec { kind: Unicast, prefix: 172.16.24.7/32, dev: Some("lo"), alias: Some("lo:0") })])"#
        ]],
    );
    check(
        "route add default gw 10.0.0.254",
        &expect!["Ip([RouteAdd(RouteSpec { kind: Unicast, prefix: 0.0.0.0/0, via: Some(10.0.0.254) })])"],
    );
    check(
        "route add -net 10.1.0.0 netmask 255.255.0.0 gw 10.0.0.1",
        &expect!["Ip([RouteAdd(RouteSpec { kind: Unicast, prefix: 10.1.0.0/16, via: Some(10.0.0.1) })])"],
    );
    check(
        "route add -net 10.1.0.0 gw 10.0.0.1",
        &expect![[r#"
        route add -net 10.1.0.0 gw 10.0.0.1
                       ^^^^^^^^ the length of the network is missing
        = write 10.1.0.0/LENGTH, or add netmask MASK"#]],
    );
    check(
        "route add -host '192.168.0.100(vip)' dev lo:0",
        &expect![[r#"
        route add -host '192.168.0.100(vip)' dev lo:0
                        ^^^^^^^^^^^^^^^^^^^^ `192.168.0.100(vip)' is not a target
        = write an address, or a prefix such as 10.0.0.0/24"#]],
    );
}

#[test]
fn settings() {
    check(
        "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0/100.rp_filter=0",
        &expect![[
            r#"Sysctl([Sysctl { path: "net/ipv4/conf/all/arp_ignore", value: "1", name_columns: 10..38, value_columns: 39..40 }, Sysctl { path: "net/ipv4/conf/eth0.100/rp_filter", value: "0", name_columns: 41..73, value_columns: 74..75 }])"#
        ]],
    );
    check(
        "echo 1 > /proc/sys/net/ipv4/ip_forward   --now",
        &expect![[
            r#"Sysctl([Sysctl { path: "net/ipv4/ip_forward", value: "1 --now", name_columns: 9..38, value_columns: 5..46 }])"#
        ]],
    );
    check(
        "echo 2 >/proc/sys/net/ipv4/conf/lo/arp_announce",
        &expect![[
            r#"Sysctl([Sysctl { path: "net/ipv4/conf/lo/arp_announce", value: "2", name_columns: 7..47, value_columns: 5..6 }])"#
        ]],
    );
    check(
        "sysctl -w net.ipv4.ip_forward = 1",
        &expect![[r#"
        sysctl -w net.ipv4.ip_forward = 1
                  ^^^^^^^^^^^^^^^^^^^ `net.ipv4.ip_forward' sets nothing
        = write NAME=VALUE, without blanks round the ="#]],
    );
    check(
        "echo 1 > /etc/passwd",
        &expect![[r#"
        echo 1 > /etc/passwd
                 ^^^^^^^^^^^ `/etc/passwd' is no setting of the kernel
        = only settings below /proc/sys can be written: echo 1 > /proc/sys/net/ipv4/ip_forward"#]],
    );
    let Ok(Some(Command::Sysctl(settings))) =
        Command::parse("sysctl -w net.ipv4.conf.eth0/100.rp_filter=0", &Names::default())
    else {
        panic!("a setting");
    };
    assert_eq!(settings[0].dotted(), "net.ipv4.conf.eth0/100.rp_filter");
}

#[test]
fn firewall_rules() {
    check(
        "iptables -t mangle -A PREROUTING -d 10.0.0.100 -p tcp --dport 80 -j MARK --set-mark 10",
        &expect![
            "Iptables(Iptables { is_v6: false, chains: [ManglePrerouting], change: Append(Rule { matches: [(Packet(Destination(10.0.0.100/32)), true), (Packet(Protocol(6)), true), (Packet(DestinationPorts([(80, 80)])), true)], target: Mark { value: 10, mask: 4294967295 } }) })"
        ],
    );
    check(
        "iptables -t mangle -A OUTPUT -p udp -m multiport --dports 80,1000:2000 -j MARK --set-xmark 0xa/0xff",
        &expect![
            "Iptables(Iptables { is_v6: false, chains: [MangleOutput], change: Append(Rule { matches: [(Packet(Protocol(17)), true), (Packet(DestinationPorts([(80, 80), (1000, 2000)])), true)], target: Mark { value: 10, mask: 255 } }) })"
        ],
    );
    check(
        "iptables -I INPUT 2 ! -s 10.0.0.0/8 -i eth0 -j DROP",
        &expect![[
            r#"Iptables(Iptables { is_v6: false, chains: [Input], change: Insert(2, Rule { matches: [(Packet(Source(10.0.0.0/8)), false), (In("eth0"), true)], target: Drop }) })"#
        ]],
    );
    check(
        "iptables -P FORWARD DROP",
        &expect!["Iptables(Iptables { is_v6: false, chains: [Forward], change: Policy { drops: true } })"],
    );
    check(
        "iptables -t mangle -F",
        &expect![
            "Iptables(Iptables { is_v6: false, chains: [ManglePrerouting, MangleInput, MangleOutput], change: Flush })"
        ],
    );
    check(
        "iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-make 10",
        &expect![[r#"
        iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-make 10
                                                                   ^^^^^^^^^^ unknown option "--set-make"
        = write -j MARK --set-mark VALUE"#]],
    );
    check(
        "iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MASK --set-make 10",
        &expect![[r#"
            iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MASK --set-make 10
                                                                  ^^^^ Couldn't load target `MASK':No such file or directory
            = use MARK in the table mangle, ACCEPT, DROP or REJECT in filter, REDIRECT in nat"#]],
    );
    check(
        "iptables -A PREROUTING -j DROP",
        &expect![[r#"
        iptables -A PREROUTING -j DROP
                    ^^^^^^^^^^ No chain/target/match by that name.
        = use INPUT, FORWARD or OUTPUT, in capitals; PREROUTING is in the tables mangle and nat"#]],
    );
    check(
        "iptables -A INPUT --dport 80 -j DROP",
        &expect![[r#"
        iptables -A INPUT --dport 80 -j DROP
                          ^^^^^^^ unknown option "--dport"
        = ports belong to a protocol: write -p tcp (or udp, sctp) before it"#]],
    );
    check(
        "iptables -t nat -A POSTROUTING -j MASQUERADE",
        &expect![[r#"
        iptables -t nat -A POSTROUTING -j MASQUERADE
                                          ^^^^^^^^^^ the target `MASQUERADE' is not modelled
        = use MARK in the table mangle, ACCEPT, DROP or REJECT in filter, REDIRECT in nat"#]],
    );
    check(
        "iptables -t nat -A PREROUTING -d 10.0.0.100 -p tcp --dport http -j REDIRECT --to-ports 8080",
        &expect![
            "Iptables(Iptables { is_v6: false, chains: [NatPrerouting], change: Append(Rule { matches: [(Packet(Destination(10.0.0.100/32)), true), (Packet(Protocol(6)), true), (Packet(DestinationPorts([(80, 80)])), true)], target: Redirect { ports: Some((8080, 8080)) } }) })"
        ],
    );
    check(
        "iptables -A INPUT -p tcp --dport 80,443 -j ACCEPT",
        &expect![[r#"
        iptables -A INPUT -p tcp --dport 80,443 -j ACCEPT
                                         ^^^^^^ invalid port/service `80,443' specified
        = several ports need -m multiport --dports"#]],
    );
    check(
        "iptables -A INPUT -o eth0 -m state --state ESTABLISHED",
        &expect![[r#"
        iptables -A INPUT -o eth0 -m state --state ESTABLISHED
                          ^^ Can't use -o with INPUT
        = what comes in has not left yet: use -i, or FORWARD"#]],
    );
    check(
        "arptables -A INPUT -d 10.0.0.100 -j DROP",
        &expect![
            "Arptables(Arptables { chain: Some(Input), change: Append(ArpRule { target: Some((10.0.0.100/32, true)), op: None, action: Drop }) })"
        ],
    );
    check(
        "arptables -A OUTPUT -s 10.0.0.100 -j mangle --mangle-ip-s 10.0.0.11",
        &expect![
            "Arptables(Arptables { chain: Some(Output), change: Append(ArpRule { sender: Some((10.0.0.100/32, true)), target: None, op: None, action: MangleSender(10.0.0.11) }) })"
        ],
    );
}

#[test]
fn ipvsadm_refusals_point_at_the_word() {
    check(
        "ipvsadm -A -t 172.16.24.7:80 -s rr -g",
        &expect![[r#"
        ipvsadm -A -t 172.16.24.7:80 -s rr -g
                                           ^^ Illegal 'forwarding-method' option with the 'add-service' command
        = this is said for each real server: move it to the -a lines"#]],
    );
    check(
        "ipvsadm -L --stat",
        &expect![[r#"
        ipvsadm -L --stat
                   ^^^^^^ --stat: unknown option
        = did you mean --stats? Long options are written in full"#]],
    );
    check(
        "sudo /sbin/ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1 -w heavy",
        &expect![[r#"
        sudo /sbin/ipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1 -w heavy
                                                            ^^^^^ illegal weight specified
        = a whole decimal number from 0 to 2147483647"#]],
    );
    check(
        "ipvsadm -A -s rr",
        &expect![[r#"
        ipvsadm -A -s rr
        ^^^^^^^^^^^^^^^^ You need to supply the 'service-address' option for the 'add-service' command
        = add -t, -u, --sctp-service or -f"#]],
    );
    check(
        "ipvsadm -s > file",
        &expect![[r#"Call(Call { tool: Ipvsadm, args: ["-s"], output: Some("file") })"#]],
    );
    check(
        "ipvsadm -A -t 10.0.0.1:80 -s sh -b mh-port",
        &expect![[r#"
        ipvsadm -A -t 10.0.0.1:80 -s sh -b mh-port
                                        ^^ incompatible scheduler flag `mh-port'
        = the flag needs -s mh, the scheduler here is sh"#]],
    );
    check(
        "service ipvsadm save",
        &expect![[r#"
            service ipvsadm save
            ^^^^^^^ the program `service' is not modelled
            = use one of: ipvsadm, ipvsadm-save, ipvsadm-restore, ip, vconfig, ifconfig, route, arp, sysctl, echo, iptables, ip6tables, arptables, modprobe, rmmod"#]],
    );
    check("# a comment", &expect!["nothing"]);
}

#[test]
fn rules_may_leave_out_the_program() {
    let names = Names::default();
    let with = Command::parse_rule("ipvsadm -A -t 10.0.0.1:80 -s rr", &names).unwrap();
    let without = Command::parse_rule("-A -t 10.0.0.1:80 -s rr  # web", &names).unwrap();
    assert_eq!(with, without);
    assert!(matches!(without, Some(Request::AddService(..))));
    assert_eq!(Command::parse_rule("", &names), Ok(None));
    let error = Command::parse_rule("-a -t 10.0.0.1:80 -r nowhere -m", &names).unwrap_err();
    assert_eq!(
        (error.columns, error.problem.as_str()),
        (21..28, "illegal real server address[:port] specified")
    );
    assert_eq!(Command::parse_rule("add service", &names).unwrap_err().columns, 0..3);
}
