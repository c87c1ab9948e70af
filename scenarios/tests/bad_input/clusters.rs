//! Clusters that make no sense, and mistakes that real ones have.

use crate::{check, told};
use expect_test::expect;

#[test]
fn clusters_that_make_no_sense() {
    let cluster = |body: &str| {
        format!("duration: 1s\ncluster:\n{body}clients: {{all: {{arrivals: {{poisson: 1/s}}}}}}\n")
    };
    expect![[r#"
        error: unknown word `lvs`
         --> web.yaml:3:15
          |
        3 |   forwarding: lvs
          |               ^^^
          |
          = help: one of: nat, dr, tun

        error: `10.0.0.300` is not an IP address
         --> web.yaml:4:9
          |
        4 |   vips: 10.0.0.300
          |         ^^^^^^^^^^
          |
          = help: as in 10.0.0.100 or 2001:db8::100

    "#]]
    .assert_eq(&told(&cluster("  forwarding: lvs\n  vips: 10.0.0.300\n  services: []\n  servers: {}\n")));
    let body = "  forwarding: dr\n  vips: 10.0.0.100\n  services: {port: 80, scheduler: wlx, server_port: 8080}\n  servers: {\"web[1-300]\": {}}\n  server_network: {prefix: 10.1.0.0/24}\n";
    expect![[r#"
        error: no scheduler is called `wlx`
         --> web.yaml:5:35
          |
        5 |   services: {port: 80, scheduler: wlx, server_port: 8080}
          |                                   ^^^
          |
          = help: did you mean `wlc`?

        error: only NAT can change the port
         --> web.yaml:5:53
          |
        5 |   services: {port: 80, scheduler: wlx, server_port: 8080}
          |                                                     ^^^^
          |
          = help: remove `server_port`, or use `forwarding: nat`

        error: 300 servers do not fit into 10.0.0.0/24
         --> web.yaml:6:13
          |
        6 |   servers: {"web[1-300]": {}}
          |             ^^^^^^^^^^^^
          |
          = help: give the network a shorter prefix: 10.0.0.0/16

        error: direct routing needs director and real servers in one network
         --> web.yaml:7:19
          |
        7 |   server_network: {prefix: 10.1.0.0/24}
          |                   ^^^^^^^^^^^^^^^^^^^^^
          |
          = help: remove `server_network`; NAT and tunnels can have one

    "#]]
    .assert_eq(&told(&cluster(body)));
}

#[test]
fn mistakes_that_lvs_clusters_have() {
    check(
        "    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}\n",
        "",
        &expect![[r#"
            warning: web1 answers ARP for the virtual address 10.0.0.100: the fastest answer takes all clients
              --> web.yaml:10:3
               |
            10 |   web1:
               |   ^^^^
               |
               = help: set net.ipv4.conf.all.arp_ignore (or eth0) to 1; on `lo` it has no effect

        "#]],
    );
    check(
        ", lo: {address: 10.0.0.100/32}",
        "",
        &expect![[r#"
        warning: web1 does not have the virtual address 10.0.0.100: it drops what the director sends
          --> web.yaml:10:3
           |
        10 |   web1:
           |   ^^^^
           |
           = help: add `lo: {address: 10.0.0.100/32}` to its interfaces

    "#]],
    );
    check(
        "-r 10.0.0.11 -g",
        "-r 10.0.0.11:8080 -g",
        &expect![[r#"
        warning: this port is ignored: only masquerading (-m) can change the port
         --> web.yaml:9:7
          |
        9 |       -a -t 10.0.0.100:80 -r 10.0.0.11:8080 -g
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: ipvsadm silently takes port 80 of the service; use -m, or let the server listen there

    "#]],
    );
    check(
        "-r 10.0.0.11 -g",
        "-r 10.0.0.11 -m",
        &expect![[r#"
        warning: director does not forward: answers of masqueraded servers are dropped there
         --> web.yaml:5:3
          |
        5 |   director:
          |   ^^^^^^^^
          |
          = help: add `sysctls: {net.ipv4.ip_forward: 1}`

        warning: director will send redirects: after some answers web1 talks to clients directly
         --> web.yaml:5:3
          |
        5 |   director:
          |   ^^^^^^^^
          |
          = help: set net.ipv4.conf.all.send_redirects and net.ipv4.conf.eth0.send_redirects to 0 (the kernel asks for either)

        warning: answers of web1 do not go through director
          --> web.yaml:10:3
           |
        10 |   web1:
           |   ^^^^
           |
           = help: under NAT the default gateway is the director: `routes: default via 10.0.0.1`

        warning: these clients share a network with web1, whose answers then bypass the director
          --> web.yaml:17:3
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
           |   ^^^^^^^^
           |
           = help: NAT needs clients elsewhere, or real servers in a network of their own

    "#]],
    );
    check(
        "-r 10.0.0.11 -g",
        "-r 10.0.0.11 -i",
        &expect![[r#"
            warning: web1 has no tunl0 (the ipip module is not loaded): it refuses what comes in a tunnel
              --> web.yaml:10:3
               |
            10 |   web1:
               |   ^^^^
               |
               = help: add `tunl0: {address: VIP/32}` to its interfaces

        "#]],
    );
    check(
        "    server: {ports: 80}\n",
        "",
        &expect![[r#"
        warning: no program on web1 listens on port 80
          --> web.yaml:10:3
           |
        10 |   web1:
           |   ^^^^
           |
           = help: add `server: {ports: 80}`; clients are refused otherwise

    "#]],
    );
}

#[test]
fn a_cluster_of_two_families() {
    let cluster = "duration: 1s
cluster:
  forwarding: dr
  vips: 2001:db8::100
  network: {prefix: 10.0.0.0/24}
  services: {port: 80}
  servers: {web1: {}}
clients: {a: {arrivals: {constant: 1/s}}}
";
    expect![[r#"
        error: the virtual address 2001:db8::100 is of another family than the network 10.0.0.0/24
         --> web.yaml:4:9
          |
        4 |   vips: 2001:db8::100
          |         ^^^^^^^^^^^^^
          |
          = help: give `vips` and `network: {prefix: …}` of one family; mixed clusters need the long form

    "#]]
    .assert_eq(&told(cluster));
}
