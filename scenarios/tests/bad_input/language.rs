//! What the file says: keys, types, YAML itself.

use crate::{GOOD, check, told};
use expect_test::expect;

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
