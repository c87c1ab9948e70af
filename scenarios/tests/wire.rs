//! The network against recordings of real wires: every set-up is one line of output.
//!
//! `tests/wire/README.md` describes the recordings. `wire/script.rs` reads a set-up, `wire/lab.rs` runs it on simulated
//! hosts, `wire/print.rs` prints the frames as tcpdump does, and `wire/compare.rs` says what must be equal.
//!
//! An argument names recordings to be run, several separated by commas. With `FIT_UPTIME` in the environment the test
//! finds the uptime of each recording instead of comparing: how `clock.txt` was made.

#[path = "wire/compare.rs"]
mod compare;
#[path = "wire/lab.rs"]
mod lab;
#[path = "wire/listing.rs"]
mod listing;
#[path = "wire/print.rs"]
mod print;
#[path = "wire/programs.rs"]
mod programs;
#[path = "wire/recording.rs"]
mod recording;
#[path = "wire/script.rs"]
mod script;

use recording::Recording;
use std::path::Path;
use std::process::ExitCode;

/// The recordings that come out frame for frame. What is not among them is run only when it is asked for by name.
const REPRODUCED: [&str; 42] = [
    "01-dr-ok",
    "02-nat-ok",
    "03-tun-ok",
    "04-dr-no-arp-ignore",
    "05a-dr-no-vip-on-lo",
    "05b-dr-no-vip-on-lo-forwarding",
    "06-dr-no-arp-announce",
    "06b-dr-no-arp-announce-ping",
    "07-dr-vip-24-on-lo",
    "08-nat-wrong-gateway",
    "09-nat-client-on-lan",
    "10-nat-ip-forward-0",
    "11-dr-other-port",
    "12-dr-rs-behind-router",
    "13a-tun-tunl0-down",
    "13b-tun-no-ipip-module",
    "14-tun-rp-filter",
    "15-tun-mtu-df",
    "16-localnode",
    "17-rules-cleared",
    "18-static-arp-failover",
    "19-two-directors",
    "20-dr-director-is-gateway",
    "21-nat-one-net-redirect",
    "22-dr-tun-ip-forward-0",
    "23-no-route-back",
    "24-arptables-recipe",
    "25-vip-dead-real-server",
    "26-ipv6-dr-ok",
    "27-ipv6-nat-ok",
    "27a-ipv6-nat-one-net",
    "28-ipv6-tun-ok",
    "28a-ipv6-tun-vip-speaks",
    "28b-ipv6-tun-ip6tnl0-down",
    "28c-ipv6-tun-no-module",
    "29-ipv6-dr-vip-on-eth0",
    "30-ipv6-dead-real-server",
    "31-ipv6-dad",
    "32-ipv6-ndisc-notify",
    "33-ipv6-vip-moves",
    "34-ipv6-static-neighbour",
    "35-ipv6-dr-no-vip",
];

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| match &wanted {
        Some(wanted) => wanted.split(',').any(|part| name.contains(part)),
        None => REPRODUCED.contains(&name),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/recordings");
    let recordings: Vec<String> = names(&folder).into_iter().filter(|name| is_wanted(name)).collect();
    if std::env::var_os("FIT_UPTIME").is_some() {
        recordings
            .iter()
            .for_each(|name| println!("{name}: uptime {:.4}", fitted_uptime(&folder.join(name))));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    for name in &recordings {
        let outcome = check(&folder.join(name));
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        failed.extend(outcome.err().map(|difference| (name, difference)));
    }
    for (name, difference) in &failed {
        println!("\n---- {name}\n{difference}");
    }
    println!("\ntest result: {} passed; {} failed", recordings.len() - failed.len(), failed.len());
    let is_complete = wanted.is_some() || recordings.len() == REPRODUCED.len();
    if failed.is_empty() && is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a set-up and compares frames and text with the recording.
fn check(folder: &Path) -> Result<(), String> {
    let recording = Recording::read(folder);
    let (printed, wires) = lab::simulate(&recording);
    let frames = compare::wires(&recording.wires, &wires);
    let text = compare::printed(&recording.printed, &printed);
    match (frames, text) {
        (Ok(()), Ok(())) => Ok(()),
        (frames, text) => Err([frames.err(), text.err()].into_iter().flatten().collect()),
    }
}

/// The uptime under which most frames come out as recorded, and nearest to their times.
fn fitted_uptime(folder: &Path) -> f64 {
    let mut recording = Recording::read(folder);
    let mut best = (0, f64::INFINITY, 0.0);
    let mut consider = |recording: &mut Recording, uptime: f64| {
        recording.clock.uptime = uptime;
        let (_, wires) = lab::simulate(recording);
        let (equal, apart) = compare::fit(&recording.wires, &wires);
        if (equal, -apart) > (best.0, -best.1) {
            best = (equal, apart, uptime);
        }
        best.2
    };
    for tick in 0..512 {
        consider(&mut recording, 5.501 + f64::from(tick) * 0.004);
    }
    let tick = consider(&mut recording, 5.5);
    for step in -8..=8 {
        consider(&mut recording, tick + f64::from(step) * 0.000_25);
    }
    best.2
}

/// The recordings, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the recordings");
    let entries = entries.map(|entry| entry.expect("a readable folder"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
