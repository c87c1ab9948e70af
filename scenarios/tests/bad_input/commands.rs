//! Commands and events that cannot be carried out, and expectations that nothing can meet.

use crate::check;
use expect_test::expect;

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
