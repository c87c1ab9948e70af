//! What led to a decision that differs: the decisions and packets before it, and the table as the kernel had it.

use crate::decided::Decided;
use crate::feed::packets;
use crate::job::Job;
use crate::rehearse::SNAPSHOT;
use crate::transcript::Transcript;
use net_model::ipvs::Decision;
use net_model::packet::Body;
use net_model::wire::decode;
use sim_core::Time;
use std::fmt::Write;

/// So many decisions and packets are told.
const LAST: usize = 8;

/// The history of a director's decision, given those about which both could be asked, it being the last of them.
pub(crate) fn before(job: &Job, seen: &Transcript, director: usize, made: &[&Decided]) -> String {
    let Some((last, earlier)) = made.split_last() else { return String::new() };
    let decision = &last.decision;
    let mut text = table(job, seen, director, decision.time);
    let same = earlier.iter().filter(|one| one.decision.service == decision.service);
    let same: Vec<&&Decided> = same.collect();
    if !same.is_empty() {
        text += "\n  decisions of the service before, simulation and kernel:";
    }
    for one in same.iter().skip(same.len().saturating_sub(LAST)) {
        let (addr, port) = one.decision.client;
        let client = net_model::ipvs::endpoint(addr, port);
        let (simulation, kernel) = (one.choice(job), one.kernels_choice(job));
        let _ = write!(text, "\n    {} {client}: {simulation}, {kernel}", seconds(one.decision.time));
    }
    text + &heard(job, seen, director, decision)
}

/// The kernel's own table, at the last snapshot before.
fn table(job: &Job, seen: &Transcript, director: usize, at: Time) -> String {
    let host = Some(&job.hosts[director]);
    let snapshots =
        seen.answers.iter().filter(|answer| answer.command == SNAPSHOT && answer.host.as_ref() == host);
    let Some(last) = snapshots.take_while(|answer| answer.at <= at.as_nanos()).last() else {
        return String::new();
    };
    let mut text = format!("\n  the kernel's table at {} ({SNAPSHOT}):", seconds(Time::from_nanos(last.at)));
    for line in last.stdout.lines().skip(3).take(2 * LAST) {
        let _ = write!(text, "\n    {}", line.trim_end());
    }
    text
}

/// The last packets that the director got for the virtual address, the one that was decided about being the last.
fn heard(job: &Job, seen: &Transcript, director: usize, decision: &Decision) -> String {
    let Ok(all) = packets(job, seen, director) else { return String::new() };
    let until = all.partition_point(|packet| packet.time <= decision.time);
    let lines = all[..until].iter().rev().filter_map(|packet| {
        let Body::Ip(inside) = decode(packet.link, &packet.bytes, packet.wire_len).ok()?.frame.body else {
            return None;
        };
        let device = &job.taps[packet.tap].device;
        (inside.routed_dst() == decision.target.0)
            .then(|| format!("\n    {} {device} {inside}", seconds(packet.time)))
    });
    let mut lines: Vec<String> = lines.take(LAST).collect();
    lines.reverse();
    if lines.is_empty() { String::new() } else { format!("\n  packets before:{}", lines.concat()) }
}

fn seconds(at: Time) -> String {
    format!("{:.6}", at.as_nanos() as f64 / 1e9)
}
