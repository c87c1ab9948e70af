//! Names and addresses that nothing has, or that two have.

use crate::check;
use expect_test::expect;

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
