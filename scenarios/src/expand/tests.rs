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

/// The lines that differ between the ways to make a tunnel.
#[test]
fn tunnels_of_gre_and_gue() {
    let table = [
        (
            "tunnel: ipip",
            vec!["-r 10.0.0.11:80 -i -w 2", "tunl0: {address: 10.0.0.100/32}"],
            vec!["net.ipv4.conf.tunl0.rp_filter: 0"],
        ),
        (
            "tunnel: gre",
            vec!["-r 10.0.0.11:80 -i --tun-type gre -w 2", "gre0: {address: 10.0.0.100/32}"],
            vec!["net.ipv4.conf.gre0.rp_filter: 0", "(the larger of `all` and gre0 counts)"],
        ),
        (
            "tunnel: gue",
            vec!["-r 10.0.0.11:80 -i --tun-type gue --tun-port 6080 -w 2", "ip fou add port 6080 gue"],
            vec!["tunl0: {address: 10.0.0.100/32}", "net.ipv4.conf.tunl0.rp_filter: 0"],
        ),
        (
            "tunnel: gue\n  tunnel_port: 5555",
            vec!["-i --tun-type gue --tun-port 5555", "commands: ip fou add port 5555 gue"],
            vec!["net.ipv4.conf.all.rp_filter: 0"],
        ),
    ];
    for (tunnel, on_the_director, on_the_real_servers) in table {
        let text = cluster(&format!("  forwarding: tun\n  {tunnel}\n"));
        let long = written_out(&text);
        for part in on_the_director.iter().chain(&on_the_real_servers) {
            assert!(long.contains(part), "{tunnel}: {part}\n{long}");
        }
        let scenario = load_text("t", "t", &text, Path::new("")).unwrap().scenario;
        let outcome = crate::run::run(&scenario).unwrap().outcome;
        assert!(outcome.clients[0].succeeded > 3, "{tunnel} carries the requests");
        assert_eq!(outcome.clients[0].succeeded, outcome.clients[0].started, "{tunnel}");
    }
    let methods = Changes { scheduler: None, forwarding: Some(Method::Dr) };
    let text = cluster("  forwarding: tun\n  tunnel: gre\n");
    let long = load_text("t", "t", &text, Path::new("")).unwrap().expanded(&methods).unwrap();
    assert!(!long.contains("gre"), "a variant without tunnels has none of it\n{long}");
}

#[test]
fn tunnels_that_cannot_be() {
    let ipv6 = "duration: 1s\ncluster:\n  forwarding: tun\n  tunnel: gre\n  vips: 2001:db8::100\n  services: {port: 80}\n  servers: {\"web[1-2]\": {}}\n";
    let table = [
        (
            cluster("  forwarding: dr\n  tunnel: gre\n"),
            expect![[r#"
                error: only `forwarding: tun` has tunnels
                 --> t.yaml:8:11
                  |
                8 |   tunnel: gre
                  |           ^^^
                  |
                  = help: write `forwarding: tun`, or remove `tunnel`"#]],
        ),
        (
            cluster("  forwarding: tun\n  tunnel: gre\n  tunnel_port: 6080\n"),
            expect![[r#"
                error: only tunnels of GUE end at a port
                 --> t.yaml:9:16
                  |
                9 |   tunnel_port: 6080
                  |                ^^^^
                  |
                  = help: remove `tunnel_port`, or write `tunnel: gue`"#]],
        ),
        (
            cluster("  forwarding: tun\n  tunnel: gue\n  tunnel_port: 0\n"),
            expect![[r#"
                error: port 0 is no port
                 --> t.yaml:9:16
                  |
                9 |   tunnel_port: 0
                  |                ^
                  |
                  = help: the usual one is 6080"#]],
        ),
        (
            ipv6.to_owned(),
            expect![[r#"
                error: the shorthand makes tunnels of GRE and GUE for IPv4 only
                 --> t.yaml:4:11
                  |
                4 |   tunnel: gre
                  |           ^^^
                  |
                  = help: remove `tunnel` (IPv6 in IPv6 is what is left), or give IPv4 addresses"#]],
        ),
    ];
    for (text, told) in table {
        let Err(problems) = load_text("t.yaml", "t", &text, Path::new("")) else {
            panic!("refused:\n{text}")
        };
        told.assert_eq(problems.to_string().trim_end());
    }
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
