//! The catalogue of misconfigurations: what was recorded on real wires, the scenario that shows it, what `lvsim check`
//! says about it before anything runs, and what `lvsim explain` says about the packet that shows it.
//!
//! The recordings are in `tests/wire/recordings`, and `tests/wire.rs` holds the simulated network against them. Here all
//! three agree on the cause.

use net_model::trace::{Dropped, Selection, What};
use net_model::verdict::DropReason;
use scenarios::explain::explain;
use scenarios::load::{load, load_text};
use std::path::{Path, PathBuf};

/// A row of the catalogue.
struct Entry {
    /// The recordings, by folder.
    recordings: &'static [&'static str],
    /// The scenario of the gallery.
    scenario: &'static str,
    /// What `check` says.
    finding: Finding,
    /// The packets to look at.
    packets: Packets,
    /// What `explain` says about one of them.
    explanation: &'static str,
}

enum Finding {
    /// A part of the sentence.
    Says(&'static str),
    /// Nothing, and why not.
    Nothing(&'static str),
}

enum Packets {
    /// Those of the first exchange.
    FirstExchange,
    /// ARP about the virtual address.
    Arp,
    Icmp,
    /// The first ones of each place that were dropped for this reason.
    Dropped(DropReason),
    /// Neighbour discovery about an address.
    Asked(&'static str),
    /// Those from or to an address.
    Of(&'static str),
}

use Finding::{Nothing, Says};
use Packets::{Arp, Asked, FirstExchange, Icmp, Of};

const HEALTHY: Finding = Nothing("nothing is wrong");

const fn dropped(reason: DropReason) -> Packets {
    Packets::Dropped(reason)
}

#[rustfmt::skip] // a table
const CATALOGUE: [Entry; 31] = [
    Entry { recordings: &["01-dr-ok"], scenario: "dr-arp-on-eth0", finding: HEALTHY,
        packets: FirstExchange, explanation: "is on lo, and its addresses count on every interface" },
    Entry { recordings: &["02-nat-ok"], scenario: "nat-three-servers", finding: HEALTHY,
        packets: FirstExchange, explanation: "its source is now the service" },
    Entry { recordings: &["03-tun-ok"], scenario: "tun-across-router", finding: HEALTHY,
        packets: FirstExchange, explanation: "in on tunl0, which took it out of its tunnel" },
    Entry { recordings: &["40-tun-gre"], scenario: "tun-gre", finding: HEALTHY,
        packets: FirstExchange, explanation: "in on gre0, which took it out of its tunnel" },
    Entry { recordings: &["41-tun-gue"], scenario: "tun-gue", finding: HEALTHY,
        packets: FirstExchange, explanation: "in on tunl0, which took it out of its tunnel" },
    Entry { recordings: &["04-dr-no-arp-ignore"], scenario: "dr-arp-problem",
        finding: Says("web1 answers ARP for the virtual address 10.0.0.100"),
        packets: Arp, explanation: "answers: 10.0.0.100 is on lo, and net.ipv4.conf.all.arp_ignore = 0 does not hide it" },
    Entry { recordings: &["05a-dr-no-vip-on-lo"], scenario: "dr-vip-missing",
        finding: Says("web1 does not have the virtual address 10.0.0.100: it drops"),
        packets: dropped(DropReason::NotForwarding),
        explanation: "10.0.0.100 is not an address of web1, and net.ipv4.ip_forward = 0" },
    Entry { recordings: &["05b-dr-no-vip-on-lo-forwarding"], scenario: "dr-vip-missing-loop",
        finding: Says("web1 does not have the virtual address 10.0.0.100 but forwards"),
        packets: dropped(DropReason::IpvsTtl), explanation: "a real server without the virtual address that forwards" },
    Entry { recordings: &["06-dr-no-arp-announce", "06b-dr-no-arp-announce-ping"], scenario: "dr-arp-announce",
        finding: Says("web1 may ask ARP with the virtual address 10.0.0.100 as sender"),
        packets: Arp, explanation: "tells the source of the packet that waits, for net.ipv4.conf.all.arp_announce = 0" },
    Entry { recordings: &["07-dr-vip-24-on-lo"], scenario: "dr-vip-with-its-network",
        finding: Says("10.0.0.100 on lo with a whole network"),
        packets: Of("10.0.0.50"), explanation: "for this host: local 10.0.0.0/24 dev lo" },
    Entry { recordings: &["08-nat-wrong-gateway"], scenario: "nat-wrong-gateway",
        finding: Says("answers of web1 do not go through director"),
        packets: dropped(DropReason::NoSocket), explanation: "has asked 10.0.0.100:80, and never 10.0.0.12:80: the answer has not passed the director" },
    Entry { recordings: &["09-nat-client-on-lan"], scenario: "nat-client-in-the-lan",
        finding: Says("these clients share a network with web1, whose answers then bypass the director"),
        packets: dropped(DropReason::NoSocket), explanation: "has asked 10.0.0.100:80, and never 10.0.0.12:80: the answer has not passed the director" },
    Entry { recordings: &["10-nat-ip-forward-0"], scenario: "nat-without-ip-forward",
        finding: Says("director does not forward: answers of masqueraded servers are dropped there"),
        packets: dropped(DropReason::NotForwarding),
        explanation: "198.51.100.10 is not an address of director, and net.ipv4.ip_forward = 0" },
    Entry { recordings: &["11-dr-other-port"], scenario: "dr-other-port",
        finding: Says("this port is ignored: only masquerading (-m) can change the port"),
        packets: dropped(DropReason::NoSocket), explanation: "> 10.0.0.100.80: [S], len 60: dropped" },
    Entry { recordings: &["12-dr-rs-behind-router"], scenario: "dr-behind-a-router",
        finding: Says("far is in another network than its director"),
        packets: dropped(DropReason::IpvsTtl), explanation: "or one behind a router under direct routing" },
    Entry { recordings: &["13a-tun-tunl0-down"], scenario: "tun-tunl0-down",
        finding: Says("tunl0 of web1 is down"),
        packets: dropped(DropReason::NoTunnel), explanation: "ip link set tunl0 up" },
    Entry { recordings: &["13b-tun-no-ipip-module"], scenario: "tun-without-ipip",
        finding: Says("web1 has no tunl0 (the ipip module is not loaded)"),
        packets: dropped(DropReason::NoProtocol), explanation: "modprobe ipip (IP in IP and GUE)" },
    Entry { recordings: &["14-tun-rp-filter"], scenario: "tun-rp-filter",
        finding: Says("web1 drops what comes out of the tunnel: strict reverse-path filtering"),
        packets: dropped(DropReason::ReversePath),
        explanation: "net.ipv4.conf.all.rp_filter = 1 and the way back to 198.51.100.10 is default via 10.0.0.254 dev eth0" },
    Entry { recordings: &["15-tun-mtu-df"], scenario: "tun-mtu",
        finding: Nothing("ICMP tells the client in the first exchange, and that is how it is meant to be"),
        packets: Icmp, explanation: "packets there may have 1480 bytes at most" },
    Entry { recordings: &["16-localnode"], scenario: "localnode",
        finding: Says("these clients are on director itself: requests that web1 gets carry 10.0.0.100 as source"),
        packets: dropped(DropReason::MartianSource), explanation: "the source 10.0.0.100 is an address of web1 itself" },
    Entry { recordings: &["17-rules-cleared"], scenario: "rules-cleared",
        finding: Nothing("it happens in the course of the run, on purpose"),
        packets: dropped(DropReason::NoSocket), explanation: "or move to another director without synchronisation" },
    Entry { recordings: &["18-static-arp-failover"], scenario: "static-arp-failover",
        finding: Says("router has a permanent ARP entry for the virtual address 10.0.0.100"),
        packets: Arp, explanation: "does not believe it: 10.0.0.100 is at 02:00:00:00:00:0d was set by hand (PERMANENT)" },
    Entry { recordings: &["19-two-directors"], scenario: "two-directors",
        finding: Says("director and standby both have the virtual address 10.0.0.100"),
        packets: Arp, explanation: "from now on 10.0.0.100 is at" },
    Entry { recordings: &["20-dr-director-is-gateway"], scenario: "dr-director-as-gateway",
        finding: Says("answers of web1 go through director, which has their source 10.0.0.100 itself"),
        packets: dropped(DropReason::MartianSource),
        explanation: "the source 10.0.0.100 is an address of director itself, on eth0; accept_local = 0" },
    Entry { recordings: &["21-nat-one-net-redirect"], scenario: "nat-redirects",
        finding: Says("director will send redirects: after some answers web1 talks to clients directly"),
        packets: Icmp, explanation: "believes it: packets to 198.51.100.10 go by 10.0.0.254" },
    Entry { recordings: &["22-dr-tun-ip-forward-0"], scenario: "dr-tun-without-ip-forward", finding: HEALTHY,
        packets: FirstExchange, explanation: "to real server 10.0.0.12" },
    Entry { recordings: &["23-no-route-back"], scenario: "dr-no-route-back",
        finding: Says("web1 has no route to 198.51.100.10: answers of web1 end there"),
        packets: dropped(DropReason::NoRoute), explanation: "ip route add default via GATEWAY" },
    Entry { recordings: &["24-arptables-recipe"], scenario: "dr-arptables", finding: HEALTHY,
        packets: Arp, explanation: "an arptables rule drops it" },
    Entry { recordings: &["42-dr-redirect"], scenario: "dr-redirect", finding: HEALTHY,
        packets: FirstExchange, explanation: "a redirected connection: its destination is 10.0.0.12:8080 instead of 10.0.0.100:80" },
    Entry { recordings: &["43-nat-conntrack"], scenario: "nat-conntrack", finding: HEALTHY,
        packets: FirstExchange, explanation: "its source is now the service" },
    Entry { recordings: &["44-dr-conntrack"], scenario: "dr-stateful-director",
        finding: Says("director drops the last packets of each connection: the state of a FIN is INVALID there"),
        packets: dropped(DropReason::FilterDrop), explanation: "rule 2 of INPUT drops it (its state is INVALID)" },
];

/// IPv6: neighbour discovery is about the address it asks for.
#[rustfmt::skip]
const IPV6: [Entry; 13] = [
    Entry { recordings: &["26-ipv6-dr-ok"], scenario: "ipv6-dr", finding: HEALTHY,
        packets: Asked("2001:db8::100"), explanation: "does not answer: 2001:db8::100 is on lo, and IPv6 answers for addresses of eth0 only" },
    Entry { recordings: &["27-ipv6-nat-ok", "27a-ipv6-nat-one-net"], scenario: "ipv6-nat", finding: HEALTHY,
        packets: FirstExchange, explanation: "its source is now the service" },
    Entry { recordings: &["28-ipv6-tun-ok", "37-ipv6-tun-mtu"], scenario: "ipv6-tun", finding: HEALTHY,
        packets: FirstExchange, explanation: "in on ip6tnl0, which took it out of its tunnel" },
    Entry { recordings: &["28a-ipv6-tun-vip-speaks"], scenario: "ipv6-tun-vip-speaks",
        finding: Says("director speaks with the virtual address 2001:db8::100"),
        packets: dropped(DropReason::TunnelFromSelf), explanation: "ip addr add VIP/128 dev eth0 preferred_lft 0" },
    Entry { recordings: &["28b-ipv6-tun-ip6tnl0-down"], scenario: "ipv6-tun-not-ready",
        finding: Says("ip6tnl0 of web1 is down"),
        packets: dropped(DropReason::NoTunnel), explanation: "for IPv6: modprobe ip6_tunnel and ip6tnl0" },
    Entry { recordings: &["28c-ipv6-tun-no-module"], scenario: "ipv6-tun-not-ready",
        finding: Says("web2 has no ip6tnl0 (the ip6_tunnel module is not loaded)"),
        packets: dropped(DropReason::NoProtocol), explanation: "modprobe ip6_tunnel (IPv6)" },
    Entry { recordings: &["29-ipv6-dr-vip-on-eth0"], scenario: "ipv6-dr-vip-on-eth0",
        finding: Says("web1 answers for the virtual address 2001:db8::100 on eth0"),
        packets: Asked("2001:db8::100"), explanation: "answers: 2001:db8::100 is on eth0" },
    Entry { recordings: &["30-ipv6-dead-real-server"], scenario: "ipv6-dead-server",
        finding: Says("no host has the address 2001:db8::12"),
        packets: dropped(DropReason::NeighbourFailed), explanation: "Nobody answered for the next hop's link address" },
    Entry { recordings: &["31-ipv6-dad"], scenario: "ipv6-failover",
        finding: Nothing("it happens in the course of the run, on purpose"),
        packets: Asked("2001:db8::100"), explanation: "gives 2001:db8::100 up: another host has it (dadfailed)" },
    Entry { recordings: &["32-ipv6-ndisc-notify", "33-ipv6-vip-moves"], scenario: "ipv6-failover",
        finding: Nothing("it happens in the course of the run, on purpose"),
        packets: Asked("2001:db8::100"), explanation: "from now on 2001:db8::100 is at" },
    Entry { recordings: &["34-ipv6-static-neighbour"], scenario: "ipv6-static-neighbour",
        finding: Says("router has a permanent ARP entry for the virtual address 2001:db8::100"),
        packets: Asked("2001:db8::fe"), explanation: "tells the source of the packet that waits, an address of the interface" },
    Entry { recordings: &["34-ipv6-static-neighbour"], scenario: "ipv6-static-neighbour",
        finding: Says("web1 answers for the virtual address 2001:db8::100 on eth0"),
        packets: dropped(DropReason::NeighbourFailed), explanation: "Nobody answered for the next hop's link address" },
    Entry { recordings: &["35-ipv6-dr-no-vip"], scenario: "ipv6-dr-no-vip",
        finding: Says("web2 does not have the virtual address 2001:db8::100 but forwards"),
        packets: dropped(DropReason::IpvsTtl), explanation: "a real server without the virtual address that forwards" },
];

/// The last one has three faults in one scenario.
#[rustfmt::skip]
const DEAD_SERVERS: [Entry; 3] = [
    Entry { recordings: &["25-vip-dead-real-server"], scenario: "three-ways-to-fail",
        finding: Says("no host has the address 10.0.0.12"),
        packets: dropped(DropReason::NeighbourFailed), explanation: "Nobody answered for the next hop's link address" },
    Entry { recordings: &["25-vip-dead-real-server"], scenario: "three-ways-to-fail",
        finding: Says("no program on web1 listens on port 81"),
        packets: dropped(DropReason::NoSocket), explanation: "> 10.0.0.100.81: [S], len 60: dropped" },
    Entry { recordings: &["25-vip-dead-real-server"], scenario: "three-ways-to-fail",
        finding: Says("a virtual service without real server"),
        packets: dropped(DropReason::NoDestination), explanation: "or the service has none" },
];

fn entries() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().chain(&IPV6).chain(&DEAD_SERVERS)
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_recording_is_in_the_catalogue() {
    let files = std::fs::read_dir(folder("tests/wire/recordings")).expect("the recordings exist");
    let folders = files.map(|entry| entry.expect("it can be read")).filter(|entry| entry.path().is_dir());
    let mut recorded: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    // Fragments are nobody's mistake.
    recorded.retain(|name| name.starts_with(|c: char| c.is_ascii_digit()) && name != "36-fragments");
    recorded.sort();
    let mut known: Vec<&str> = entries().flat_map(|entry| entry.recordings).copied().collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(recorded, known);
}

/// The sentence, at a line of the scenario, with a cure; or not a word.
#[test]
fn check_finds_what_can_be_known_before_the_run() {
    for entry in entries() {
        let file = folder("gallery").join(entry.scenario).with_extension("yaml");
        let loaded = load(&file).unwrap_or_else(|error| panic!("{error}"));
        match entry.finding {
            Says(sentence) => {
                let found = loaded.warnings.list.iter().find(|warning| warning.message.contains(sentence));
                let found =
                    found.unwrap_or_else(|| panic!("{}: {sentence}\n{}", entry.scenario, loaded.warnings));
                assert!(found.help.as_ref().is_some_and(|cure| !cure.is_empty()), "{found:?}");
                let place = &loaded.text()[found.span.range()];
                assert!(!place.trim().is_empty(), "{}: {sentence} points nowhere", entry.scenario);
            }
            Nothing(reason) => assert_eq!(loaded.warnings.list, [], "{}: {reason}", entry.scenario),
        }
    }
}

#[test]
fn explain_says_what_decided() {
    for entry in entries() {
        let file = folder("gallery").join(entry.scenario).with_extension("yaml");
        let scenario = load(&file).unwrap_or_else(|error| panic!("{error}")).scenario;
        let vip = "10.0.0.100".parse().expect("an address");
        let all = Selection { limit: 300, ..Selection::default() };
        let selection = match entry.packets {
            FirstExchange => Selection { exchange: Some(1), ..all },
            Arp => Selection { what: What::Arp, address: Some(vip), ..all },
            Icmp => Selection { what: What::Icmp, ..all },
            Packets::Dropped(reason) => Selection { dropped: Dropped::First(reason), ..all },
            Asked(addr) => {
                Selection { what: What::Arp, address: Some(addr.parse().expect("an address")), ..all }
            }
            Of(addr) => Selection { address: Some(addr.parse().expect("an address")), ..all },
        };
        let (_, walks) = explain(&scenario, selection, &mut |_| true)
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", entry.scenario))
            .expect("nobody stops it");
        let lines: Vec<&str> = walks.iter().flat_map(|walk| &walk.steps).map(|step| &*step.text).collect();
        assert!(
            lines.iter().any(|line| line.contains(entry.explanation)),
            "{}: nobody says \"{}\":\n{}",
            entry.scenario,
            entry.explanation,
            lines[..lines.len().min(60)].join("\n")
        );
    }
}

/// IPv6 has no ARP problem while the virtual address is on lo: neighbour discovery answers for the asked interface only.
#[test]
fn ipv6_keeps_quiet_about_addresses_on_lo() {
    let told = |on_lo: &str, on_eth0: &str| {
        let text = format!(
            "duration: 1s
networks: {{lan: {{prefix: '2001:db8::/64'}}}}
hosts:
  director:
    interfaces: {{eth0: {{network: lan, address: ['2001:db8::1/64', '2001:db8::100/128']}}}}
    ipvsadm: |
      -A -t [2001:db8::100]:80 -s rr
      -a -t [2001:db8::100]:80 -r [2001:db8::11]:80 -g
  web1:
    interfaces: {{eth0: {{network: lan, address: ['2001:db8::11/64'{on_eth0}]}}, lo: {{address: [{on_lo}]}}}}
    server: {{ports: 80}}
  client: {{interfaces: {{eth0: {{network: lan, address: '2001:db8::50/64'}}}}}}
clients: {{browsers: {{on: client, to: '[2001:db8::100]:80', arrivals: {{constant: 1/s}}}}}}
"
        );
        let loaded =
            load_text("x", "x", &text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
        loaded.warnings.list.iter().map(|warning| warning.message.clone()).collect::<Vec<String>>()
    };
    assert_eq!(told("'2001:db8::100/128'", ""), Vec::<String>::new());
    assert_eq!(
        told("", ", '2001:db8::100/128'"),
        ["web1 answers for the virtual address 2001:db8::100 on eth0: clients go to whoever spoke last"]
    );
}
