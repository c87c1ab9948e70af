//! VLANs in scenarios and commands: what is understood, what is refused and with which cure.

use scenarios::assemble::assemble;
use scenarios::console::Command;
use scenarios::load::{Loaded, load_text};
use scenarios::topology::Topology;
use std::path::Path;

/// A host whose interfaces a test describes, and one it can talk to.
fn scenario(interfaces: &str) -> String {
    format!(
        "duration: 1s\nnetworks: {{lan: {{}}}}\nhosts:\n  box:\n    interfaces: {{{interfaces}}}\n  \
         other: {{interfaces: {{eth0: {{network: lan, access: 10, address: 10.0.10.9/24}}}}}}\n"
    )
}

fn load(interfaces: &str) -> Result<Loaded, String> {
    load_text("box.yaml", "box", &scenario(interfaces), Path::new(""))
        .map_err(|problems| problems.to_string())
}

#[test]
fn what_makes_no_sense_is_refused_with_a_cure() {
    let trunk = "eth0: {network: lan, trunk: [10, 20]}";
    let table = [
        ("eth0: {network: lan, trunk: 4095}", "`4095` is no VLAN id", "ids are 1 to 4094"),
        ("eth0: {network: lan, access: 0}", "`0` is no VLAN id", "ids are 1 to 4094"),
        (
            "eth0: {network: lan, trunk: [10], native: 10}",
            "VLAN 10 is both tagged and untagged here",
            "name it in `trunk` or in `native`, not in both",
        ),
        (
            "eth0: {network: lan, native: 10}",
            "`native` belongs to a trunk",
            "add `trunk: [ID, …]`, or write `access`",
        ),
        (
            "eth0: {network: lan, access: 10, trunk: [20]}",
            "a port is an access port or a trunk",
            "`access` for one VLAN without tags",
        ),
        (&format!("{trunk}, eth0.x: {{}}"), "`x` is no VLAN id", "an id of 1 to 4094: eth0.10"),
        (
            &format!("{trunk}, eth0.30: {{}}"),
            "the switch port of eth0 does not carry VLAN 30",
            "add 30 to the `trunk` of eth0",
        ),
        (
            &format!("{trunk}, eth1.10: {{}}"),
            "`eth1.10` is a VLAN on eth1, which the host does not have",
            "add `eth1: {network: NAME}`",
        ),
        (&format!("{trunk}, lo.10: {{}}"), "lo carries no VLANs", "plugged into a network: eth0.10"),
        (
            &format!("{trunk}, eth0.10: {{network: lan}}"),
            "`eth0.10` uses the cable and the port of eth0",
            "write this at eth0; a VLAN has `address` and `up`",
        ),
    ];
    for (interfaces, message, cure) in table {
        let told = load(interfaces).err().unwrap_or_else(|| panic!("{interfaces} is accepted"));
        assert!(told.contains(message) && told.contains(cure), "{interfaces}:\n{told}");
    }
}

/// What a shell on the host answers.
fn answer(lines: &[&str]) -> String {
    let loaded = load("eth0: {network: lan, trunk: [10]}").unwrap();
    let mut assembled = assemble(&loaded.scenario).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut told = String::new();
    for line in lines {
        let command = Command::parse(line, &assembled.names);
        let command = command.unwrap_or_else(|error| panic!("{line}: {}", error.problem)).expect("a command");
        told = match assembled.shell(0).run(&command) {
            Ok(text) => text,
            Err(refused) => refused.message,
        };
    }
    told
}

/// The words of Linux 6.1.
#[test]
fn commands_that_the_kernel_refuses() {
    let add = "ip link add link eth0 name eth0.10 type vlan id 10";
    let table: &[(&[&str], &str)] = &[
        (&[add, "ip link set eth0.10 up", "ip addr add 10.0.10.1/24 dev eth0.10"], ""),
        (&["vconfig add eth0 10", "ip link set eth0.10 up"], ""),
        (&["ip link add link eth0 name ten type vlan protocol 802.1q id 10", "ip link set ten up"], ""),
        (&[add, "vconfig add eth0 10"], "Error: 8021q: VLAN device already exists."),
        (&["ip link add link lo name lo.10 type vlan id 10"], "Error: 8021q: VLANs not supported on device."),
        (&["ip link add link eth9 name x type vlan id 10"], "Cannot find device \"eth9\""),
        (&[add, "ip link set eth0 down", "ip link set eth0.10 up"], "RTNETLINK answers: Network is down"),
        (&[add, "ip link set eth0.10 mtu 1600"], "RTNETLINK answers: Numerical result out of range"),
        (&[add, "sysctl -w net.ipv4.conf.eth0/10.arp_ignore=1"], ""),
        (&[add, "echo 1 > /proc/sys/net/ipv4/conf/eth0.10/arp_ignore"], ""),
    ];
    for (lines, told) in table {
        assert_eq!(answer(lines), *told, "{lines:?}");
    }
}

#[test]
fn commands_that_are_not_understood() {
    let table = [
        ("ip link add link eth0 name x type vlan id 4095", "`4095' is not a VLAN id"),
        ("ip link add link eth0 name x type vlan", "an id (id 10) is missing at the end"),
        ("ip link add name x type vlan id 10", "a card (link eth0) is missing at the end"),
        ("ip link add link eth0 type vlan id 10", "a name (name DEV, before the type) is missing at the end"),
        (
            "ip link add link eth0 name x type vlan protocol 802.1ad id 10",
            "VLANs of protocol `802.1ad' are not modelled",
        ),
        ("vconfig rem eth0.10", "a command (vconfig add eth0 10) is missing at the end"),
    ];
    for (line, problem) in table {
        let error = Command::parse(line, &Default::default()).expect_err(line);
        assert_eq!(error.problem, problem, "{line}");
    }
}

/// Two VLANs of one switch are two networks to those who look for ways.
#[test]
fn vlans_are_networks_of_their_own() {
    let loaded = load(
        "eth0: {network: lan, trunk: [10, 20]}, eth0.10: {address: 10.0.10.1/24}, eth0.20: {address: 10.0.20.1/24}",
    )
    .unwrap();
    let scenario = loaded.scenario;
    let interfaces = &scenario.hosts[0].interfaces;
    let segments: Vec<_> = interfaces.iter().map(|interface| interface.segment).collect();
    assert_eq!(segments, [None, Some((0, 10)), Some((0, 20))]);
    let topology = Topology::new(&scenario.networks, &scenario.hosts);
    assert!(topology.connects(0, 1), "VLAN 10 connects them");
    let apart = load("eth0: {network: lan, access: 20, address: 10.0.20.1/24}").unwrap().scenario;
    assert!(!Topology::new(&apart.networks, &apart.hosts).connects(0, 1));
}
