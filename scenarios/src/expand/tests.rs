use super::*;
use crate::load::load_text;
use expect_test::{Expect, expect};
use std::path::Path;

fn cluster(rest: &str) -> String {
    format!(
        "duration: 1s\ncluster:\n  vips: 10.0.0.100\n  services: {{port: 80, scheduler: wrr}}\n  servers:\n    web[1-2]: {{weight: 2}}\n{rest}clients:\n  all: {{arrivals: {{poisson: 10/s}}}}\n"
    )
}

fn check(text: &str, long: &Expect) {
    long.assert_eq(&written_out(text));
}

/// The long form, which is a scenario, and the same one.
fn written_out(text: &str) -> String {
    let loaded =
        load_text("test", "test", text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    let text = loaded.expanded(&Changes::default()).unwrap();
    let again =
        load_text("long", "test", &text, Path::new("")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(shape(&again.scenario), shape(&loaded.scenario));
    assert!(again.warnings.list.is_empty(), "{}", again.warnings);
    text
}

/// All of a scenario but its places in the file.
fn shape(scenario: &crate::scenario::Scenario) -> String {
    use std::fmt::Write;
    let mut text = format!("{:?} {:?}\n", scenario.seed, scenario.duration);
    for host in &scenario.hosts {
        let interfaces =
            host.interfaces.iter().map(|i| (&i.name, &i.plug, i.mac, &i.addresses, &i.deprecated, i.up));
        let setup = host.setup.iter().map(|line| &line.text);
        let _ = writeln!(text, "{} {:?}", host.name, interfaces.collect::<Vec<_>>());
        let _ = writeln!(text, "  {:?}\n  {:?}", setup.collect::<Vec<_>>(), host.servers);
    }
    for group in &scenario.clients {
        let _ = writeln!(text, "{} {:?}", group.host, group.spec);
    }
    text
}

#[test]
fn direct_routing() {
    check(
        &cluster("  forwarding: dr\n"),
        &expect![[r#"
        duration: 1s

        networks:
          lan: {prefix: 10.0.0.0/24}
          # where the clients are
          outside: {prefix: 198.51.100.0/24}

        hosts:
          director:
            interfaces:
              eth0:
                network: lan
                address:
                  - 10.0.0.1/24
                  # a virtual address; alone in its network, so that it brings no route of its own
                  - 10.0.0.100/32
            # to the clients
            routes: default via 10.0.0.254
            ipvsadm: |
              -A -t 10.0.0.100:80 -s wrr
              -a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 2
              -a -t 10.0.0.100:80 -r 10.0.0.12:80 -g -w 2

          "web[1-2]":
            interfaces:
              eth0: {network: lan, address: 10.0.0.11-10.0.0.12/24}
              # requests arrive with the virtual address as destination: the host must own it;
              # /32, or lo would claim the whole network
              lo: {address: 10.0.0.100/32}
            sysctls:
              # answer ARP only for addresses of the interface that was asked: the director alone owns the VIP
              net.ipv4.conf.all.arp_ignore: 1
              # never ask with the VIP as sender: routers would learn it
              net.ipv4.conf.all.arp_announce: 2
            # answers go to the client directly
            routes: default via 10.0.0.254
            server: {ports: 80}

          router:
            interfaces:
              eth0: {network: lan, address: 10.0.0.254/24}
              eth1: {network: outside, address: 198.51.100.1/24}
            sysctls: {net.ipv4.ip_forward: 1}

          client:
            interfaces: {eth0: {network: outside, address: 198.51.100.10/24}}
            routes: default via 198.51.100.1

        clients:
          all: {arrivals: {poisson: 10/s}, on: client, to: 10.0.0.100:80}
    "#]],
    );
}

#[test]
fn nat_in_one_network() {
    check(
        &cluster("  forwarding: nat\n"),
        &expect![[r#"
        duration: 1s

        networks:
          lan: {prefix: 10.0.0.0/24}
          # where the clients are
          outside: {prefix: 198.51.100.0/24}

        hosts:
          director:
            interfaces:
              eth0:
                network: lan
                address:
                  - 10.0.0.1/24
                  # a virtual address; alone in its network, so that it brings no route of its own
                  - 10.0.0.100/32
            # to the clients
            routes: default via 10.0.0.254
            sysctls:
              # answers of the real servers pass through here
              net.ipv4.ip_forward: 1
              # in one network the director would tell real servers to answer clients directly (ICMP redirect);
              # the kernel asks `all` OR the interface, so both must be 0
              net.ipv4.conf.all.send_redirects: 0
              net.ipv4.conf.eth0.send_redirects: 0
            ipvsadm: |
              -A -t 10.0.0.100:80 -s wrr
              -a -t 10.0.0.100:80 -r 10.0.0.11:80 -m -w 2
              -a -t 10.0.0.100:80 -r 10.0.0.12:80 -m -w 2

          "web[1-2]":
            interfaces: {eth0: {network: lan, address: 10.0.0.11-10.0.0.12/24}}
            # answers go back through the director, which puts the virtual address in
            routes: default via 10.0.0.1
            server: {ports: 80}

          router:
            interfaces:
              eth0: {network: lan, address: 10.0.0.254/24}
              eth1: {network: outside, address: 198.51.100.1/24}
            sysctls: {net.ipv4.ip_forward: 1}

          client:
            interfaces: {eth0: {network: outside, address: 198.51.100.10/24}}
            routes: default via 198.51.100.1

        clients:
          all: {arrivals: {poisson: 10/s}, on: client, to: 10.0.0.100:80}
    "#]],
    );
}

#[test]
fn tunnels_across_a_router() {
    check(
        &cluster("  forwarding: tun\n  server_network: {prefix: 10.1.0.0/24}\n  clients: on-link\n"),
        &expect![[r#"
            duration: 1s

            networks:
              lan: {prefix: 10.0.0.0/24}
              servers: {prefix: 10.1.0.0/24}

            hosts:
              director:
                interfaces:
                  eth0:
                    network: lan
                    address:
                      - 10.0.0.1/24
                      # a virtual address; alone in its network, so that it brings no route of its own
                      - 10.0.0.100/32
                # to the clients
                routes: default via 10.0.0.254
                ipvsadm: |
                  -A -t 10.0.0.100:80 -s wrr
                  -a -t 10.0.0.100:80 -r 10.1.0.11:80 -i -w 2
                  -a -t 10.0.0.100:80 -r 10.1.0.12:80 -i -w 2

              "web[1-2]":
                interfaces:
                  eth0: {network: servers, address: 10.1.0.11-10.1.0.12/24}
                  # the inner packet is for the virtual address; tunl0 also takes the outer one off
                  tunl0: {address: 10.0.0.100/32}
                sysctls:
                  # packets come out of the tunnel from sources whose way back is eth0:
                  # strict reverse-path filtering would drop them (the larger of `all` and tunl0 counts)
                  net.ipv4.conf.all.rp_filter: 0
                  net.ipv4.conf.tunl0.rp_filter: 0
                  # answer ARP only for addresses of the interface that was asked: the director alone owns the VIP
                  net.ipv4.conf.all.arp_ignore: 1
                  # never ask with the VIP as sender: routers would learn it
                  net.ipv4.conf.all.arp_announce: 2
                # answers go to the client directly
                routes: default via 10.1.0.254
                server: {ports: 80}

              router:
                interfaces:
                  eth0: {network: lan, address: 10.0.0.254/24}
                  eth2: {network: servers, address: 10.1.0.254/24}
                sysctls: {net.ipv4.ip_forward: 1}

              client: {interfaces: {eth0: {network: lan, address: 10.0.0.253/24}}}

            clients:
              all: {arrivals: {poisson: 10/s}, on: client, to: 10.0.0.100:80}
        "#]],
    );
}

#[test]
fn what_the_file_says_itself_is_laid_over() {
    let text = cluster("  forwarding: nat\n") + "hosts:\n  web2: {routes: default via 10.0.0.254}\n";
    assert!(load_text("t", "t", &text, Path::new("")).is_err(), "web2 is in the group web[1-2]");
    let text = text.replace("web2:", "\"web[1-2]\":");
    let loaded = load_text("t", "t", &text, Path::new("")).unwrap();
    assert_eq!(loaded.warnings.list.len(), 1);
    assert!(loaded.warnings.list[0].message.contains("do not go through director"), "{}", loaded.warnings);
}

#[test]
fn schedulers_in_commands_can_be_replaced() {
    let text = "\
about: t
duration: 5s
networks: {lan: {prefix: 10.0.0.0/24}}
hosts:
  lb:
    interfaces: {eth0: {network: lan, address: 10.0.0.1/24}}
    commands: |
      iptables -A INPUT -s 10.0.0.9 -j DROP
      sudo /sbin/ipvsadm -A -t 10.0.0.1:80 -s wlc
      ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -g
events:
  - {at: 1s, on: lb, run: \"ipvsadm -E -t 10.0.0.1:80 -s lc\"}
";
    let loaded = load_text("t", "t", text, Path::new("")).unwrap();
    let changes = Changes { scheduler: Some("mh".to_owned()), forwarding: None };
    let long = loaded.expanded(&changes).unwrap();
    for line in [
        "iptables -A INPUT -s 10.0.0.9 -j DROP",
        "sudo /sbin/ipvsadm -A -t 10.0.0.1:80 -s mh",
        "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2 -g",
        "ipvsadm -E -t 10.0.0.1:80 -s mh",
    ] {
        assert!(long.contains(line), "{line} in\n{long}");
    }
}

#[test]
fn schedulers_of_native_rules_can_be_replaced() {
    let rules = "-A -t 1.2.3.4:80 -s wlc -p 60\n-a -t 1.2.3.4:80 -r 1.2.3.5 -g\nipvsadm -A -f 1\n-E -u 1.2.3.4:53 -s sh -b sh-port\n";
    expect![[r#"
        -A -t 1.2.3.4:80 -p 60 -s rr
        -a -t 1.2.3.4:80 -r 1.2.3.5 -g
        ipvsadm -A -f 1 -s rr
        -E -u 1.2.3.4:53 -s rr
    "#]]
    .assert_eq(&with_scheduler(rules, "rr"));
}

/// IPv6 needs no settings against ARP; a tunnel needs a virtual address that does not speak.
#[test]
fn clusters_of_ipv6() {
    let text = |method: &str| {
        format!(
            "duration: 1s\ncluster:\n  forwarding: {method}\n  vips: 2001:db8::100\n  services: {{port: 80}}\n  servers: {{\"web[1-2]\": {{}}}}\nclients: {{a: {{arrivals: {{constant: 1/s}}}}}}\n"
        )
    };
    for (method, contained, absent) in [
        ("dr", ["lo: {address: 2001:db8::100/128}", "address: 2001:db8::11-2001:db8::12/64"], "arp_ignore"),
        ("nat", ["net.ipv6.conf.all.forwarding: 1", "default via 2001:db8::1"], "send_redirects"),
        ("tun", ["ip6tnl0:", "2001:db8::100/128 preferred_lft 0"], "rp_filter"),
    ] {
        let long = written_out(&text(method));
        for part in contained {
            assert!(long.contains(part), "{method}: {part}\n{long}");
        }
        assert!(!long.contains(absent), "{method}: {absent}\n{long}");
    }
}
