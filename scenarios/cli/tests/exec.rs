//! `lvsim exec` as a user types it: streams, headings, exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `lvsim exec` on the first scenario of the gallery.
fn exec(args: &[&str], stdin: &str) -> Output {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../gallery/quickstart.yaml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lvsim"))
        .args(["exec", scenario])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("it reads its input");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

#[test]
fn a_single_answer_is_what_the_tool_prints() {
    let output = exec(&["--at", "1s", "-H", "director", "ipvsadm -Ln"], "");
    assert!(text(&output.stdout).starts_with("IP Virtual Server version 1.2.1 (size=4096)\n"), "{output:?}");
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
}

#[test]
fn several_answers_have_headings() {
    let output = exec(
        &["--at", "2s", "--at", "1s", "-H", "director", "-"],
        "ipvsadm -Z\n\nsysctl -n net.ipv4.ip_forward\n",
    );
    let headings: Vec<&str> = text(&output.stdout).lines().filter(|line| line.starts_with("==>")).collect();
    assert_eq!(
        headings,
        [
            "==> 1.000000 director# ipvsadm -Z <==",
            "==> 1.000000 director# sysctl -n net.ipv4.ip_forward <==",
            "==> 2.000000 director# ipvsadm -Z <==",
            "==> 2.000000 director# sysctl -n net.ipv4.ip_forward <==",
        ]
    );
}

#[test]
fn the_exit_status_is_that_of_the_last_command() {
    let bad = "ipvsadm -D -t 10.9.9.9:80";
    let output = exec(&["--at", "1s", "-H", "director", "-q", "ipvsadm -Z", bad], "");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", "No such service\n"));
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(exec(&["--at", "1s", "-H", "director", bad, "ipvsadm -Z"], "").status.code(), Some(0));
}

#[test]
fn mistakes_teach() {
    for (args, cure) in [
        (["--at", "1s", "-H", "directr", "ipvsadm -Ln"], "did you mean `director`?"),
        (["--at", "1h", "-H", "director", "ipvsadm -Ln"], "is after the end of the run at 20 s"),
        (["--at", "1s", "-H", "director", "ipvsdm -Ln"], "use one of: ipvsadm, ipvsadm-save,"),
        (["--at", "1s", "-H", "director", "-"], "one a line after `-`"),
    ] {
        let output = exec(&args, "");
        assert!(text(&output.stderr).contains(cure), "{output:?}");
        assert_eq!(output.status.code(), Some(2));
    }
}
