//! A case as a shell script, for any Linux machine with ip_vs: what builds the network, then commands and traffic in
//! their order, then the director's tables.

use super::case::{Act, Ask, Case, Method, PATIENCE, Server, TCP_PORTS, UDP_PORTS, V6_FROM, VIPS};
use super::trial::Trial;
use crate::job::{Close, Command};
use crate::script::line;
use std::fmt::Write;

/// The script; `about` is told in comments at its top.
pub fn script(trial: &Trial, about: &str) -> String {
    let case = &trial.case;
    let mut text = format!("#!/bin/sh\n# {}\n", case.name);
    for line in about.lines() {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    text += "#\n# As root, on a machine with ip_vs, ipvsadm and socat; best in namespaces of its own:\n\
             #   unshare --mount --net sh -c 'mount -t tmpfs none /run && mkdir /run/netns && exec sh THIS-FILE'\n\
             set -e\nip link set lo up\n";
    let mut place: Option<&Option<String>> = None;
    for command in &trial.job.setup {
        let Command { host, .. } = command;
        if place != Some(host) {
            let _ = writeln!(text, "\n# {}", host.as_deref().unwrap_or("beside the hosts"));
            place = Some(host);
        }
        let _ = writeln!(text, "{}", line(command));
    }
    text += "\n# who asks a server hears its name\n";
    case.servers
        .iter()
        .filter(|server| server.listens)
        .for_each(|server| listen(&mut text, *server, case.ipv6));
    text += "sleep 1\n";
    steps(&mut text, case);
    text += "\nsleep 3\nip netns exec director ipvsadm -Ln --stats\nip netns exec director ipvsadm -Lnc\n\
             ip netns exec director ipvsadm -Ln\n\n# nothing is left behind\n";
    let hosts = trial.job.hosts.join(" ");
    let _ = writeln!(
        text,
        "for host in {hosts}; do\n  ip netns pids $host | while read -r pid; do kill $pid || true; done\n  \
         ip netns del $host\ndone\nip link del lan"
    );
    text
}

fn listen(text: &mut String, server: Server, ipv6: bool) {
    let host = server.host();
    for port in TCP_PORTS {
        // One for both families, if there are two.
        let kind = if ipv6 { "TCP6-LISTEN" } else { "TCP-LISTEN" };
        let both = if ipv6 { ",ipv6only=0" } else { "" };
        let _ = writeln!(
            text,
            "ip netns exec {host} socat {kind}:{port},reuseaddr,fork{both} SYSTEM:'echo {host}; sleep 1000' &"
        );
    }
    // Who is bound to the address that was asked answers from it.
    for family in [false, true].into_iter().filter(|family| !family || ipv6) {
        let kind = if family { "UDP6-RECVFROM" } else { "UDP-RECVFROM" };
        let own = server.address(family);
        let vips = if family { &VIPS[V6_FROM..] } else { &VIPS[..V6_FROM] };
        let vips = vips.iter().copied().filter(|_| server.method != Method::Nat);
        for (address, port) in
            vips.chain([own.as_str()]).flat_map(|address| UDP_PORTS.map(|port| (address, port)))
        {
            let _ = writeln!(
                text,
                "ip netns exec {host} socat {kind}:{port},bind={},fork SYSTEM:'echo {host}' &",
                bracketed(address)
            );
        }
    }
}

/// An address as socat wants it before a port.
fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.into() }
}

fn steps(text: &mut String, case: &Case) {
    let mut now = 1_000;
    for step in &case.steps {
        if step.at > now {
            let _ = writeln!(text, "sleep {}", seconds(step.at - now));
            now = step.at;
        }
        match &step.act {
            Act::Run(line) => {
                // What is refused is part of the story.
                let _ = writeln!(text, "ip netns exec director {line} || true");
            }
            Act::Ask(ask) => asks(text, ask),
        }
    }
}

/// An exchange: it prints who served it. The next step does not wait for it.
fn asks(text: &mut String, ask: &Ask) {
    let Ask { udp, client: (_, _, port), target: (vip, to), close, .. } = ask;
    let (address, vip) = (bracketed(&ask.address()), bracketed(VIPS[*vip]));
    let six = if ask.is_v6() { "6" } else { "" };
    let protocol = if *udp { "udp" } else { "tcp" };
    let patience = seconds(PATIENCE[usize::from(ask.is_patient())]);
    let ends = format!("{six}:{vip}:{to},bind={address}:{port}");
    let connect = format!("TCP{ends},reuseaddr,connect-timeout={patience}");
    let socat = "ip netns exec client socat";
    let client = match (udp, *close) {
        (true, _) => format!("(echo ?; sleep 0.5) | {socat} -t0 - UDP{ends}"),
        (false, Close::Nobody) => format!("{socat} -u {connect} -"),
        (false, Close::Reset) => format!("sleep 0.05 | {socat} -t0 - {connect},linger=0,shut-none"),
        (false, Close::Server | Close::Client) => format!("sleep 0.05 | {socat} -t0 - {connect}"),
    };
    let _ = writeln!(
        text,
        "echo '{address}:{port} asks {protocol} {vip}:{to}'; {client} 2>&1 | sed -u 's/^/{address}:{port} hears: /' &"
    );
}

/// Milliseconds in seconds.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}
