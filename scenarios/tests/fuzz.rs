//! Random command lines for ipvsadm and the console, sensible and not: no panic, no hang, bounded memory, a reason for
//! each failure that points into the line.
//!
//! `LVSIM_FUZZ=10000000 cargo test --release -p scenarios --test fuzz` is the long run.

#[path = "../../net-model/tests/fuzz/harness.rs"]
mod harness;

use harness::{fuzz, one};
use net_model::addr::Addr;
use net_model::ipvs::{Director, Kernel, Path, Surroundings, Timers};
use scenarios::console::ipvsadm::{self, Console, Link, Output};
use scenarios::console::names::Names;
use scenarios::console::{Command, words};
use sim_core::{Stream, Time};

/// The most memory that the long run may have in use at a time: with every core at it less than a megabyte.
const MEMORY: usize = 64 << 20;

/// A host with one network.
struct Host;

impl Surroundings for Host {
    fn is_local(&self, addr: Addr) -> bool {
        addr == Addr::v4(0x0a00_0002)
    }

    fn route(&self, _: Addr) -> Option<Path> {
        Some(Path { mtu: 1500, source: Addr::v4(0x0a00_0002) })
    }
}

#[test]
fn ipvsadm_answers_every_command_line() {
    fuzz(20_000, MEMORY, |stream| (0..1 + stream.below(3)).map(|_| arguments(stream)).collect(), answer);
}

#[test]
fn the_shell_takes_every_line_apart() {
    fuzz(
        40_000,
        MEMORY,
        |stream| vec![noise(stream)],
        |lines| lines.iter().for_each(|line| take_apart(line)),
    );
}

const COMMANDS: [&str; 24] = [
    "-A",
    "-A",
    "-A",
    "-a",
    "-a",
    "-a",
    "-e",
    "-E",
    "-d",
    "-D",
    "-L",
    "-l",
    "-S",
    "-Z",
    "-C",
    "-R",
    "-Ln",
    "-Lnc",
    "--set",
    "--start-daemon",
    "--stop-daemon",
    "--list",
    "-h",
    "",
];
const OPTIONS: [&str; 42] = [
    "-t",
    "-u",
    "-f",
    "-r",
    "-s",
    "-w",
    "-p",
    "-M",
    "-x",
    "-y",
    "-b",
    "-o",
    "-g",
    "-i",
    "-m",
    "-n",
    "-c",
    "-X",
    "-6",
    "--sctp-service",
    "--pe",
    "--tun-type",
    "--tun-port",
    "--tun-csum",
    "--tun-nocsum",
    "--tun-remcsum",
    "--stats",
    "--rate",
    "--thresholds",
    "--persistent-conn",
    "--nosort",
    "--sort",
    "--timeout",
    "--daemon",
    "--exact",
    "--syncid",
    "--mcast-interface",
    "--mcast-group",
    "--mcast-port",
    "--mcast-ttl",
    "--sync-maxlen",
    "--tun-info",
];
const VALUES: [&str; 48] = [
    "10.0.0.1:80",
    "10.0.0.2",
    "10.0.0.2:0",
    "[2001:db8::1]:443",
    "::1",
    "[::1]",
    "[10.0.0.1]:80",
    "0",
    "1",
    "7",
    "-1",
    "80",
    "2147483647",
    "2147483648",
    "4294967295",
    "99999999999999999999",
    "rr",
    "wlc",
    "sh",
    "mh",
    "lblcr",
    "nope",
    "sip",
    "sh-port,sh-fallback",
    "mh-port",
    "flag-1,,flag-3",
    "gue",
    "gre",
    "ipip",
    "6080",
    "255.255.255.0",
    "24",
    "128",
    "129",
    "10.1:http",
    "0x0a000001:80",
    "010.0.0.1:08",
    "www:www",
    "eth0",
    "eth9",
    "master",
    "backup",
    "224.0.0.81",
    "ff02::1",
    "300",
    "",
    "-",
    "--",
];

/// A command line by its grammar: a command, options with or without their values, bundles, things out of place.
fn arguments(stream: &mut Stream) -> Vec<String> {
    let mut line = vec![one(stream, &COMMANDS).to_owned()];
    if stream.below(4) > 0 {
        line.extend([one(stream, &["-t", "-u", "-f"]), one(stream, &VALUES)].map(str::to_owned));
    }
    for _ in 0..stream.below(6) {
        let (option, value) = (one(stream, &OPTIONS), one(stream, &VALUES));
        match stream.below(8) {
            0 => line.push(value.to_owned()),
            1 => line.push(format!("{option}={value}")),
            2 => line.push(format!("{option}{value}")),
            3 => line.push(format!("{option}{}", one(stream, &OPTIONS).trim_start_matches('-'))),
            4 => line.push(option.to_owned()),
            5 if stream.below(4) == 0 => line.push(noise(stream)),
            _ => line.extend([option, value].map(str::to_owned)),
        }
    }
    if stream.below(8) == 0 {
        let (a, b) = (stream.below(line.len() as u64) as usize, stream.below(line.len() as u64) as usize);
        line.swap(a, b);
    }
    line
}

/// Bytes as they come, those that mean something to a shell more often than others.
fn noise(stream: &mut Stream) -> String {
    const LIKELY: &[u8] = b"-- \t'\"\\#|;&`<>[]:.,=0123456789abipvsadm\n\r";
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..stream.below(24) {
        match stream.below(8) {
            0 => bytes.push(stream.next_u32() as u8),
            1 => bytes.extend(one(stream, &OPTIONS).bytes()),
            2 => bytes.extend(one(stream, &VALUES).bytes()),
            3 => bytes.extend(
                one(stream, &["ipvsadm ", "ip ", "echo ", "iptables ", "sysctl ", "é", "：", "\u{3000}"])
                    .bytes(),
            ),
            _ => bytes.push(one(stream, LIKELY)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs the lines one after the other on one director, and once more as what `-R` reads.
fn answer(lines: &[Vec<String>]) {
    let names = Names::default();
    let links = [Link { name: "eth0".to_owned(), is_usable: true }];
    let mut director = Director::new(Kernel::New, Timers::ideal(), Stream::new(1, "director"));
    let mut run = |args: &[&str], stdin: &str| {
        let mut console = Console {
            director: &mut director,
            host: &Host,
            links: &links,
            names: &names,
            now: Time::ZERO,
            program: "ipvsadm",
            missing_schedulers: &["twos"],
            is_root: true,
        };
        console.run(args, stdin)
    };
    for line in lines {
        let args: Vec<&str> = line.iter().map(String::as_str).collect();
        check(&run(&args, &line.join("\n")), line);
        if let Err(refusal) = ipvsadm::parse("ipvsadm", &args, &names) {
            assert!(refusal.word.is_none_or(|word| word < args.len()), "{refusal:?} points into {args:?}");
            assert!(!refusal.message.is_empty() && !refusal.cure.is_empty(), "{refusal:?}");
        }
    }
    let text: Vec<String> = lines.iter().map(|line| line.join(" ")).collect();
    check(&run(&["-R"], &text.join("\n")), lines.last().map_or(&[], Vec::as_slice));
    check(&run(&["-L", "-n"], ""), &[]);
    // Whatever it is by now, it can be saved.
    check(&run(&["-S", "-n"], ""), &[]);
}

fn check(answer: &Output, line: &[String]) {
    assert!([0, 1, 2, 255].contains(&answer.status), "{line:?}: {answer:?}");
    assert!(answer.status == 0 || !answer.stderr.is_empty(), "a failure says why: {line:?}");
}

/// Every word has its place in the line, and every complaint too.
fn take_apart(line: &str) {
    let length = line.chars().count();
    let mut from = 0;
    for word in words(line).unwrap_or_default() {
        assert!(from <= word.columns.start && word.columns.start <= word.columns.end, "{line:?}: {word:?}");
        assert!(word.columns.end <= length, "{line:?}: {word:?}");
        from = word.columns.end;
    }
    let names = Names::default();
    for error in
        [Command::parse(line, &names).err(), Command::parse_rule(line, &names).err()].into_iter().flatten()
    {
        assert!(
            error.columns.start <= error.columns.end && error.columns.end <= length,
            "{line:?}: {error:?}"
        );
        assert!(!error.problem.is_empty() && !error.cure.is_empty(), "{line:?}: {error:?}");
    }
}
