//! Vectors made of steps: commands, packets, waits, and what was observed in between.

use crate::driver::{Host, Outcome, Reference, describe, parse_packet};
use crate::{commands, listing};
use net_model::ipvs::Timers;
use serde_json::Value;
use sim_core::{Duration, Time};
use std::collections::BTreeSet;

/// Where a vector first differs.
struct Difference {
    step: usize,
    text: String,
}

/// What a recording does not tell: the phase of the jiffy counter, and before which steps a tick passed. Where the
/// director differs, the tick may have passed before that step, or before the packets that led to it.
pub(crate) fn run(vector: &Value, reference: Reference) -> Result<(), String> {
    let steps = vector["steps"].as_array().expect("steps");
    let mut furthest: Option<Difference> = None;
    for timers in reference.clocks() {
        match run_with(steps, reference, timers) {
            Ok(()) => return Ok(()),
            Err(difference) if furthest.as_ref().is_none_or(|known| difference.step > known.step) => {
                furthest = Some(difference);
            }
            Err(_) => {}
        }
    }
    let Difference { step, text } = furthest.expect("there is at least one clock");
    Err(format!("{}\nstep {step}: {text}", vector["title"].as_str().unwrap_or_default()))
}

fn run_with(steps: &[Value], reference: Reference, timers: Timers) -> Result<(), Difference> {
    let mut ticks = BTreeSet::new();
    let mut difference = match run_once(steps, reference, timers, &ticks) {
        Ok(()) => return Ok(()),
        Err(difference) => difference,
    };
    loop {
        let before = difference.step;
        let packets = (0..before).rev().find(|step| steps[*step].get("sends").is_some());
        for tick in [Some(before), packets].into_iter().flatten() {
            let mut with_tick = ticks.clone();
            with_tick.insert(tick);
            match run_once(steps, reference, timers, &with_tick) {
                Ok(()) => return Ok(()),
                Err(later) if later.step > difference.step => (difference, ticks) = (later, with_tick),
                Err(_) => {}
            }
        }
        if difference.step == before {
            return Err(difference);
        }
    }
}

fn run_once(
    steps: &[Value],
    reference: Reference,
    timers: Timers,
    ticks: &BTreeSet<usize>,
) -> Result<(), Difference> {
    let mut host = Host::new(reference.profile, timers);
    let start = host.now;
    for (index, step) in steps.iter().enumerate() {
        if ticks.contains(&index) {
            host.wait(reference.tick());
        }
        run_step(&mut host, start, step, reference).map_err(|text| Difference { step: index, text })?;
    }
    Ok(())
}

fn run_step(host: &mut Host, start: Time, step: &Value, reference: Reference) -> Result<(), String> {
    let (kind, value) =
        step.as_object().and_then(|object| object.iter().next()).expect("a step is an object");
    let seconds = || Duration::from_secs_f64(value.as_f64().expect("seconds"));
    match kind.as_str() {
        "ipvsadm" => commands::ipvsadm(host, value.as_str().expect("arguments"))?,
        "iptables" => commands::iptables(host, value.as_str().expect("arguments")),
        "sysctl" => {
            let setting = step["value"].as_str().expect("a value");
            host.director.sysctl_set(value.as_str().expect("a name"), setting).map_err(|e| e.to_string())?;
        }
        "note" => note(host, value.as_str().expect("a text"))?,
        "wait" => host.wait(seconds()),
        "wait_until" => {
            let wait = (start + seconds()).since(host.now);
            host.wait(wait);
        }
        "sends" | "from_server" => send(host, value.as_array().expect("packets"))?,
        "dests" => {
            let expected = listing::recorded_services(value.as_array().expect("services"));
            same(&listing::services(host, reference.hz), &expected)?;
        }
        "conns" => {
            let expected = listing::recorded_connections(value.as_array().expect("connections"));
            same_connections(&listing::connections(host), &expected, reference.drift)?;
        }
        "stats" => same(&listing::statistics(host), value)?,
        other => panic!("unknown step {other}"),
    }
    Ok(())
}

/// What the recordings did without a step of its own.
fn note(host: &mut Host, text: &str) -> Result<(), String> {
    if text == "10.9.0.0/16 is routed to the local host" {
        host.links.all_local = true;
        return Ok(());
    }
    let expected = "sent, in this order: for i in 0..255: S, A, FA from 192.168.(10+i/200).(1+i%200):5000 to 10.9.0.100:80";
    if text != expected {
        return Err(format!("unknown note: {text}"));
    }
    for i in 0..256 {
        for flags in ["S", "A", "FA"] {
            let packet = format!("tcp 192.168.{}.{}:5000 10.9.0.100:80 {flags}", 10 + i / 200, 1 + i % 200);
            host.receive(parse_packet(&packet));
        }
    }
    Ok(())
}

fn send(host: &mut Host, packets: &[Value]) -> Result<(), String> {
    for pair in packets {
        let [text, expected] =
            [&pair[0], &pair[1]].map(|value| value.as_str().expect("a packet and its result"));
        let packet = parse_packet(text);
        let outcome = host.receive(packet.clone());
        let got = describe(&packet, &outcome);
        if got != expected {
            let why = if let Outcome::Nothing(why) = outcome { why } else { "" };
            return Err(format!("{text}\n  recorded: {expected}\n  director: {got} {why}"));
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("\n  recorded: {expected:?}\n  director: {got:?}")) }
}

/// Everything but the seconds must be equal; real time ran up to `drift` seconds ahead of the recorded waits.
fn same_connections(
    got: &[listing::ConnectionLine],
    expected: &[listing::ConnectionLine],
    drift: u64,
) -> Result<(), String> {
    let equal = got.len() == expected.len()
        && got.iter().zip(expected).all(|((got, ours), (expected, theirs))| {
            got == expected && *theirs <= ours + 1 && *ours <= theirs + drift
        });
    if equal { Ok(()) } else { Err(format!("\n  recorded: {expected:?}\n  director: {got:?}")) }
}
