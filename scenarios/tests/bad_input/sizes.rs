//! Numbers that cannot be meant.

use crate::check;
use expect_test::expect;

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
