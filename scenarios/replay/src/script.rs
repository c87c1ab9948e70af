//! A plan as a shell script, for any Linux machine and for whoever wants to learn how it is done.

use crate::job::{Action, Command, Timed};
use crate::plan::Plan;
use std::fmt::Write;

/// The script: what builds the network, then what happens at its times.
pub fn script(name: &str, plan: &Plan) -> String {
    let mut text = format!(
        "#!/bin/sh\n# {name}: as root, on a machine with ip_vs; best in namespaces of its own, which vanish with it:\n\
         #   unshare --mount --net sh -c 'mount -t tmpfs none /run && mkdir /run/netns && exec sh THIS-FILE'\n\
         set -e\nip link set lo up\n"
    );
    let mut place = None;
    for command in &plan.setup {
        if place != Some(&command.host) {
            let _ = writeln!(text, "\n# {}", command.host.as_deref().unwrap_or("beside the hosts"));
            place = Some(&command.host);
        }
        text += &line(command);
        text.push('\n');
    }
    let mut now = 0;
    for Timed { at, command, .. } in &plan.events {
        if *at > now {
            let _ = write!(text, "\nsleep {}\n", seconds(at - now));
            now = *at;
        }
        text += &line(command);
        text.push('\n');
    }
    text
}

/// A command as it is typed.
pub fn line(command: &Command) -> String {
    let host = command.host.as_deref();
    let (namespace, words) = match &command.action {
        Action::Run(words) => (host, words.clone()),
        Action::Set(path, value) => {
            let name = path.replace('.', "\u{1}").replace('/', ".").replace('\u{1}', "/");
            (host, vec!["sysctl".into(), "-qw".into(), format!("{name}={value}")])
        }
        Action::Load(module) => (None, vec!["modprobe".into(), module.clone()]),
    };
    let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    match (namespace, words.first().map(String::as_str)) {
        (None, _) => typed.join(" "),
        (Some(host), Some(tool @ ("ip" | "bridge" | "tc"))) => {
            format!("{tool} -n {} {}", quoted(host), typed[1..].join(" "))
        }
        (Some(host), _) => format!("ip netns exec {} {}", quoted(host), typed.join(" ")),
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%!".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn seconds(ns: u64) -> String {
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}
