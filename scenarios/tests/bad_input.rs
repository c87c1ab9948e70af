//! What a user sees when the input is wrong: every kind of mistake with its place, its name and its cure.

use expect_test::{Expect, expect};
use scenarios::load::{LoadError, load, load_text};
use std::path::Path;

/// A small scenario that is right, but for what a test changes.
const GOOD: &str = "\
duration: 10s
networks:
  lan: {prefix: 10.0.0.0/24}
hosts:
  director:
    interfaces: {eth0: {network: lan, address: [10.0.0.1/24, 10.0.0.100/32]}}
    ipvsadm: |
      -A -t 10.0.0.100:80 -s wlc
      -a -t 10.0.0.100:80 -r 10.0.0.11 -g
  web1:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}, lo: {address: 10.0.0.100/32}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.conf.all.arp_announce: 2}
    server: {ports: 80}
  client:
    interfaces: {eth0: {network: lan, address: 10.0.0.50/24}}
clients:
  browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
";

fn told(text: &str) -> String {
    let told = match load_text("web.yaml", "web", text, Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(problems) => problems.to_string(),
    };
    told.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "")
}

/// The messages for the good scenario with `old` replaced by `new`.
fn check(old: &str, new: &str, messages: &Expect) {
    assert!(GOOD.contains(old), "{old}");
    messages.assert_eq(&told(&GOOD.replace(old, new)));
}

#[test]
fn the_good_scenario_is_good() {
    assert_eq!(told(GOOD), "");
}

#[test]
fn unknown_keys_and_wrong_types_all_at_once() {
    let text = GOOD.replace("server:", "sevrer:").replace("duration: 10s", "duration: 10 parsecs\nsede: 3");
    expect![[r#"
        error: `10 parsecs` is not a duration
         --> web.yaml:1:11
          |
        1 | duration: 10 parsecs
          |           ^^^^^^^^^^
          |
          = help: write a number and a unit: 5us, 200ms, 1.5s, 10min, 24h

        error: unknown key `sede`
         --> web.yaml:2:1
          |
        2 | sede: 3
          | ^^^^
          |
          = help: did you mean `seed`?

        error: unknown key `sevrer`
          --> web.yaml:14:5
           |
        14 |     sevrer: {ports: 80}
           |     ^^^^^^
           |
           = help: did you mean `server`?

        error: expected one value such as 200/s, found a list
          --> web.yaml:18:65
           |
        18 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: [10]}}
           |                                                                 ^^^^

    "#]]
    .assert_eq(&told(&text.replace("poisson: 10/s", "poisson: [10]")));
}

#[test]
fn names_that_nothing_has() {
    check(
        "network: lan, address: 10.0.0.50",
        "network: lam, address: 10.0.0.50",
        &expect![[r#"
        error: no network is called `lam`
          --> web.yaml:15:34
           |
        15 |     interfaces: {eth0: {network: lam, address: 10.0.0.50/24}}
           |                                  ^^^
           |
           = help: did you mean `lan`?

    "#]],
    );
    check(
        "on: client",
        "on: cleint",
        &expect![[r#"
        error: no host is called `cleint`
          --> web.yaml:17:18
           |
        17 |   browsers: {on: cleint, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
           |                  ^^^^^^
           |
           = help: did you mean `client`?

    "#]],
    );
}

#[test]
fn names_given_twice() {
    check(
        "  client:\n",
        "  web1:\n",
        &expect![[r#"
        error: `web1` appears twice in this mapping
          --> web.yaml:14:3
           |
        14 |   web1:
           |   ^^^^
           |
           = help: names and keys are unique: rename or remove one of the two

    "#]],
    );
    check(
        "  client:\n",
        "  web[1-2]:\n",
        &expect![[r#"
        error: a host called `web1` exists already
          --> web.yaml:14:3
           |
        14 |   web[1-2]:
           |   ^^^^^^^^
           |
           = help: names are unique, those within groups included

        error: 1 address for 2 hosts
          --> web.yaml:15:48
           |
        15 |     interfaces: {eth0: {network: lan, address: 10.0.0.50/24}}
           |                                                ^^^^^^^^^^^^
           |
           = help: write the first and the last address of the group: 10.0.1.1-10.0.1.250/16

        error: no host is called `client`
          --> web.yaml:17:18
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
           |                  ^^^^^^
           |
           = help: known: director, web1

    "#]],
    );
}

#[test]
fn addresses_that_overlap() {
    check(
        "10.0.0.50/24",
        "10.0.0.11/24",
        &expect![[r#"
        error: web1 and client both have 10.0.0.11
          --> web.yaml:15:18
           |
        15 |     interfaces: {eth0: {network: lan, address: 10.0.0.11/24}}
           |                  ^^^^
           |
           = help: an address belongs to one interface; groups of hosts need a range of addresses

    "#]],
    );
    check(
        "  lan: {prefix: 10.0.0.0/24}",
        "  lan: {prefix: 10.0.0.0/24}\n  wan: {prefix: 10.0.0.0/16}",
        &expect![[r#"
            error: wan (10.0.0.0/16) overlaps lan (10.0.0.0/24)
             --> web.yaml:4:3
              |
            4 |   wan: {prefix: 10.0.0.0/16}
              |   ^^^
              |
              = help: networks that routers connect have different addresses

        "#]],
    );
    check(
        "10.0.0.50/24",
        "10.0.1.50/24",
        &expect![[r#"
            error: 10.0.1.50/24 on client is not of network lan (10.0.0.0/24)
              --> web.yaml:15:18
               |
            15 |     interfaces: {eth0: {network: lan, address: 10.0.1.50/24}}
               |                  ^^^^
               |
               = help: give it an address within 10.0.0.0/24, or plug it into another network

            error: client has no route to 10.0.0.100
              --> web.yaml:17:30
               |
            17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
               |                              ^^^^^^^^^^^^^
               |
               = help: give client an address of the network that it shares with director

        "#]],
    );
}

#[test]
fn services_that_cannot_be_reached() {
    check(
        "to: 10.0.0.100:80",
        "to: 10.0.0.99:80",
        &expect![[r#"
        error: unreachable: no host has the address 10.0.0.99
          --> web.yaml:17:30
           |
        17 |   browsers: {on: client, to: 10.0.0.99:80, arrivals: {poisson: 10/s}}
           |                              ^^^^^^^^^^^^
           |
           = help: give it to the director: address: [10.0.0.1/24, VIP/32]

    "#]],
    );
    check(
        "to: 10.0.0.100:80",
        "to: 10.9.0.100:80",
        &expect![[r#"
        error: client has no route to 10.9.0.100
          --> web.yaml:17:30
           |
        17 |   browsers: {on: client, to: 10.9.0.100:80, arrivals: {poisson: 10/s}}
           |                              ^^^^^^^^^^^^^
           |
           = help: add `routes: default via GATEWAY` to that host, or an interface in the same network

        error: unreachable: no host has the address 10.9.0.100
          --> web.yaml:17:30
           |
        17 |   browsers: {on: client, to: 10.9.0.100:80, arrivals: {poisson: 10/s}}
           |                              ^^^^^^^^^^^^^
           |
           = help: give it to the director: address: [10.0.0.1/24, VIP/32]

    "#]],
    );
    check(
        "to: 10.0.0.100:80",
        "to: 10.0.0.100:443",
        &expect![[r#"
        warning: nobody serves 10.0.0.100:443
          --> web.yaml:17:30
           |
        17 |   browsers: {on: client, to: 10.0.0.100:443, arrivals: {poisson: 10/s}}
           |                              ^^^^^^^^^^^^^^
           |
           = help: add a virtual service (`ipvsadm: |`), or a `server` on the host that has the address

    "#]],
    );
}

#[test]
fn absurd_sizes() {
    check(
        "  client:\n",
        "  client[1-1000000000]:\n",
        &expect![[r#"
        error: `client[1-1000000000]` makes more than 100000 hosts
          --> web.yaml:14:3
           |
        14 |   client[1-1000000000]:
           |   ^^^^^^^^^^^^^^^^^^^^
           |
           = help: a simulation has memory for fewer: make the group smaller

        error: no host is called `client`
          --> web.yaml:17:18
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 10/s}}
           |                  ^^^^^^
           |
           = help: known: director, web1

    "#]],
    );
    check(
        "poisson: 10/s",
        "poisson: 1e12/s",
        &expect![[r#"
        error: 1e12 exchanges a second
          --> web.yaml:17:65
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 1e12/s}}
           |                                                                 ^^^^^^
           |
           = help: at most 1e8 exchanges a second are simulated

    "#]],
    );
    check(
        "server: {ports: 80}",
        "server: {ports: 80, workers: 4000000000, speed: 0}",
        &expect![[r#"
        error: 4000000000 workers
          --> web.yaml:13:34
           |
        13 |     server: {ports: 80, workers: 4000000000, speed: 0}
           |                                  ^^^^^^^^^^
           |
           = help: a server has 1 to 1000000 workers

        error: a speed of 0
          --> web.yaml:13:53
           |
        13 |     server: {ports: 80, workers: 4000000000, speed: 0}
           |                                                     ^
           |
           = help: speeds are positive; 1 is normal, 2 is twice as fast

    "#]],
    );
    check(
        "duration: 10s",
        "duration: 10s\nsampling: 1ns",
        &expect![[r#"
        error: samples without end
         --> web.yaml:2:11
          |
        2 | sampling: 1ns
          |           ^^^
          |
          = help: a run has at most 100000 samples: choose a longer `sampling`

    "#]],
    );
}

#[test]
fn bursts_of_no_length() {
    check(
        "poisson: 10/s",
        "bursts: {rate: 10/s, on: 0s, off: 1s}",
        &expect![[r#"
            error: bursts of no length begin no exchange
              --> web.yaml:17:81
               |
            17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {bursts: {rate: 10/s, on: 0s, off: 1s}}}
               |                                                                                 ^^
               |
               = help: give `on` a length above 0

        "#]],
    );
}

#[test]
fn rates_of_zero() {
    check(
        "poisson: 10/s",
        "poisson: 0/s",
        &expect![[r#"
        error: a rate of 0 never begins an exchange
          --> web.yaml:17:65
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {poisson: 0/s}}
           |                                                                 ^^^
           |
           = help: give a rate above 0, or remove the group

    "#]],
    );
    check(
        "lan: {prefix: 10.0.0.0/24}",
        "lan: {prefix: 10.0.0.0/24, cable: {rate: 0bps}}",
        &expect![[r#"
        error: a cable of rate 0 carries nothing
         --> web.yaml:3:44
          |
        3 |   lan: {prefix: 10.0.0.0/24, cable: {rate: 0bps}}
          |                                            ^^^^
          |
          = help: leave `rate` out for 1Gbps, or unplug it in `events`

    "#]],
    );
    check(
        "duration: 10s",
        "duration: 0s",
        &expect![[r#"
        error: a run of no length
         --> web.yaml:1:11
          |
        1 | duration: 0s
          |           ^^
          |
          = help: set `duration` to the virtual time to simulate

    "#]],
    );
}

#[test]
fn yaml_that_is_none() {
    check(
        "hosts:\n",
        "hosts:\n\tdirector:\n",
        &expect![[r#"
        error: not valid YAML: tabs disallowed within this context (block indentation)
         --> web.yaml:5:2
          |
        5 |     director:
          |     ^
          |
          = help: YAML is indented with spaces, never with tabs

    "#]],
    );
    check(
        "duration: 10s",
        "duration: [10s",
        &expect![[r#"
        error: not valid YAML: illegal placement of ':' indicator
         --> web.yaml:2:9
          |
        2 | networks:
          |         ^
          |
          = help: check indentation (spaces only), the blank after each colon, and quotes around texts that contain `: ` or ` #`, or begin with one of `[ { * & ! % @`

    "#]],
    );
    check(
        "clients:\n",
        "---\nclients:\n",
        &expect![[r#"
        error: a second YAML document begins here
          --> web.yaml:16:1
           |
        16 | ---
           | ^^^
           |
           = help: a scenario is one document: remove everything from the `---` on

    "#]],
    );
    expect![[r#"
        error: `duration` is missing
         --> web.yaml:1:1
          |
        1 |
          | ^
          |
          = help: add `duration: …` here

    "#]]
    .assert_eq(&told(""));
    expect![[r#"
        error: expected `key: value` lines, found a single value
         --> web.yaml:1:1
          |
        1 | just a text
          | ^^^^^^^^^^^
          |
          = help: keys here: about, seed, duration, sampling, timers, kernel, cluster, networks, hosts, clients, events, expect

    "#]].assert_eq(&told("just a text"));
}

#[test]
fn a_yaml_bomb_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        bomb += &format!("a{level}: &a{level} [{}]\n", [format!("*a{}", level - 1).as_str(); 10].join(", "));
    }
    expect![[r#"
        error: the file stands for more than 4000000 values
         --> web.yaml:7:20
          |
        7 | a6: &a6 [*a5, *a5, *a5, *a5, *a5, *a5, *a5, *a5, *a5, *a5]
          |                    ^^^
          |
          = help: aliases of aliases grow without bound; write groups of hosts as `web[1-1000]` instead

    "#]]
    .assert_eq(&told(&bomb));
}

#[test]
fn options_that_ipvsadm_does_not_have() {
    check(
        "-s wlc",
        "-s wlc --sched wrr",
        &expect![[r#"
        error: --sched: unknown option
         --> web.yaml:8:34
          |
        8 |       -A -t 10.0.0.100:80 -s wlc --sched wrr
          |                                  ^^^^^^^
          |
          = help: did you mean --scheduler? Long options are written in full

    "#]],
    );
    check(
        "-s wlc",
        "-s wlx",
        &expect![[r#"
        error: no scheduler is called `wlx`
         --> web.yaml:8:7
          |
        8 |       -A -t 10.0.0.100:80 -s wlx
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: did you mean `wlc`?

    "#]],
    );
    check(
        "-r 10.0.0.11 -g",
        "-r 10.0.0.11 -g -w many",
        &expect![[r#"
        error: illegal weight specified
         --> web.yaml:9:46
          |
        9 |       -a -t 10.0.0.100:80 -r 10.0.0.11 -g -w many
          |                                              ^^^^
          |
          = help: a whole decimal number from 0 to 2147483647

    "#]],
    );
}

#[test]
fn trace_files_that_are_missing_or_cut_off() {
    check(
        "{poisson: 10/s}",
        "{trace: tests/bad/missing.csv}",
        &expect![[r#"
        error: cannot read `tests/bad/missing.csv`: No such file or directory (os error 2)
          --> web.yaml:17:63
           |
        17 |   browsers: {on: client, to: 10.0.0.100:80, arrivals: {trace: tests/bad/missing.csv}}
           |                                                               ^^^^^^^^^^^^^^^^^^^^^
           |
           = help: file names are relative to the scenario file

    "#]],
    );
    check(
        "{poisson: 10/s}",
        "{trace: tests/bad/truncated.csv}",
        &expect![[r#"
        error: this row has 4 fields, not 10
         --> tests/bad/truncated.csv:3:1
          |
        3 | 7,10.0.0.50,40002,10.0.
          | ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: the file ends in the middle of a row: was it cut off?

    "#]],
    );
}

#[test]
fn events_that_cannot_happen() {
    let events = "events:\n  - {at: 11s, on: web1, host: crash}\n  - {at: 1s, on: web3, unplug: eth0}\n  - {at: 1s, on: web1, unplug: eth7}\n  - {at: 1s, on: web1}\nclients:\n";
    check(
        "clients:\n",
        events,
        &expect![[r#"
        error: this happens after the end of the run
          --> web.yaml:17:10
           |
        17 |   - {at: 11s, on: web1, host: crash}
           |          ^^^
           |
           = help: the run ends at 10 s

        error: no host is called `web3`
          --> web.yaml:18:18
           |
        18 |   - {at: 1s, on: web3, unplug: eth0}
           |                  ^^^^
           |
           = help: did you mean `web1`?

        error: no interface is called `eth7`
          --> web.yaml:19:32
           |
        19 |   - {at: 1s, on: web1, unplug: eth7}
           |                                ^^^^
           |
           = help: did you mean `eth0`?

        error: an event is exactly one of `run`, `unplug`, `plug`, `host`
          --> web.yaml:20:5
           |
        20 |   - {at: 1s, on: web1}
           |     ^^^^^^^^^^^^^^^^^^
           |
           = help: as in {at: 30s, on: director, run: ipvsadm -C}

    "#]],
    );
}

#[test]
fn expectations_that_make_no_sense() {
    let lines = "expect:\n  - sucess > 99%\n  - served web9 > 1\n  - 'latency p99 < 20'\nclients:\n";
    check(
        "clients:\n",
        lines,
        &expect![[r#"
        error: `sucess` is not a measure
          --> web.yaml:17:5
           |
        17 |   - sucess > 99%
           |     ^^^^^^
           |
           = help: did you mean `success`?

        error: no server is called `web9`
          --> web.yaml:18:12
           |
        18 |   - served web9 > 1
           |            ^^^^
           |
           = help: did you mean `web1`?

        error: `20` cannot be compared with this measure
          --> web.yaml:19:20
           |
        19 |   - 'latency p99 < 20'
           |                    ^^
           |
           = help: expected a duration (20ms)

    "#]],
    );
}

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
fn files_that_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("lvsim-bad-input-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let Err(LoadError::Unreadable { name, cause }) = load(&folder.join("nothing.yaml")) else { panic!() };
    assert!(name.ends_with("nothing.yaml") && cause.contains("No such file"), "{name}: {cause}");
    let large = folder.join("large.yaml");
    std::fs::write(&large, vec![b' '; 10_000_001]).unwrap();
    assert!(load(&large).unwrap_err().to_string().contains("larger than 10 MB"));
    let latin1 = folder.join("latin1.yaml");
    std::fs::write(&latin1, b"duration: 10s\nabout: caf\xe9 au lait\n").unwrap();
    let problem = load(&latin1).unwrap_err().to_string();
    expect![[r#"
        error: byte 0xe9 is not UTF-8 here
         --> latin1.yaml:2:11
          |
        2 | about: caf� au lait
          |           ^
          |
          = help: save the file as UTF-8 (in vim: `:set fileencoding=utf-8`; or `iconv -f latin1 -t utf-8`)

    "#]]
    .assert_eq(&problem.replace(&*latin1.to_string_lossy(), "latin1.yaml"));
    std::fs::remove_dir_all(&folder).unwrap();
}

mod never_panics {
    use proptest::prelude::*;
    use scenarios::expand::Changes;
    use scenarios::load::load_text;
    use std::path::{Path, PathBuf};

    fn read(text: &str) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        match load_text("fuzz", "fuzz", text, directory) {
            Ok(loaded) => drop((loaded.warnings.to_string(), loaded.expanded(&Changes::default()))),
            Err(problems) => drop((problems.to_string(), problems.to_json_lines())),
        }
    }

    fn gallery() -> Vec<String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("gallery");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.retain(|path| {
            path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("thousand-servers.yaml")
        });
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn on_garbage(text in "\\PC{0,300}") {
            read(&text);
        }

        #[test]
        fn on_yaml_like_garbage(text in "(duration|hosts|cluster|servers|web\\[1-3\\]|: |\\n|  |- |\\{|\\}|\\[|\\]|10s|\\||&a |\\*a|<<|'|\"|#|é){0,60}") {
            read(&text);
        }

        #[test]
        fn on_mutated_scenarios(which in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[ -~\\n\\té]{0,8}"), 1..4)) {
            let gallery = gallery();
            let mut text: Vec<char> = which.get(&gallery).chars().collect();
            for (place, length, with) in edits {
                let at = place.index(text.len() + 1);
                let end = (at + length).min(text.len());
                text.splice(at..end, with.chars());
            }
            read(&text.into_iter().collect::<String>());
        }

        #[test]
        fn on_cut_scenarios(which in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
            let gallery = gallery();
            let text: Vec<char> = which.get(&gallery).chars().collect();
            read(&text[..end.index(text.len() + 1)].iter().collect::<String>());
        }
    }
}

/// Two networks and a router between them; the routes are the point.
const ROUTED: &str = "duration: 1s
networks: {lan: {prefix: 10.0.0.0/24}, wan: {prefix: 10.1.0.0/24}}
hosts:
  web:
    interfaces: {eth0: {network: lan, address: 10.0.0.11/24}}
    routes: default via 10.0.0.254
    server: {ports: 80}
    ipvsadm: -A -t 10.0.0.11:80 -s rr
  router:
    interfaces: {eth0: {network: lan, address: 10.0.0.254/24}, eth1: {network: wan, address: 10.1.0.1/24}}
    sysctls: {net.ipv4.ip_forward: 1}
  client:
    interfaces: {eth0: {network: wan, address: 10.1.0.10/24}}
    routes: default via 10.1.0.1
clients:
  browsers: {on: client, to: 10.0.0.11:80, arrivals: {poisson: 10/s}}
";

/// What `check` says about the ways of packets when a text of [`ROUTED`] is replaced: message and cure.
fn ways(from: &str, to: &str) -> String {
    assert!(ROUTED.contains(from));
    let text = ROUTED.replace(from, to);
    let problems = match load_text("web.yaml", "web", &text, Path::new(".")) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let about_ways = problems.list.iter().filter(|problem| !problem.message.contains("virtual service"));
    about_ways
        .map(|problem| format!("{}\n  {}\n", problem.message, problem.help.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn ways_that_lead_nowhere() {
    let table = [
        ("default via 10.1.0.1", "auto", ""),
        (
            "default via 10.1.0.1",
            "10.9.0.0/16 via 10.1.0.1",
            "client has no route to 10.0.0.11\n  add `routes: default via 10.1.0.1` (router) or `routes: auto` to client\n",
        ),
        (
            "default via 10.0.0.254",
            "10.9.0.0/16 via 10.0.0.254",
            "web has no route to 10.1.0.10: answers of web end there\n  \
             add `routes: default via 10.0.0.254` (router) or `routes: auto` to web\n",
        ),
        (
            "default via 10.0.0.254",
            "default via 10.0.0.250",
            "no host has the address 10.0.0.250, the gateway of web to 10.1.0.10\n  \
             add `routes: default via 10.0.0.254` (router) or `routes: auto` to web\n",
        ),
        (
            "    sysctls: {net.ipv4.ip_forward: 1}\n",
            "",
            "router does not forward: requests of client to 10.0.0.11 end there\n  \
             add `sysctls: {net.ipv4.ip_forward: 1}` to router\n",
        ),
        (
            "{network: wan, address: 10.1.0.1/24}",
            "{network: lan, address: 10.0.0.253/24}",
            "router has no route to 10.1.0.10: answers of web end there\n  \
             no cables lead from router to client: plug both into one network, or a router into both of theirs\n\
             no host has the address 10.1.0.1, the gateway of client to 10.0.0.11\n  \
             no cables lead from client to web: plug both into one network, or a router into both of theirs\n",
        ),
    ];
    for (from, to, told) in table {
        let found = ways(from, to);
        assert!(found.starts_with(told), "{from} -> {to}:\n{found}");
        assert_eq!(found.is_empty(), told.is_empty(), "{from} -> {to}:\n{found}");
    }
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
