//! The walks of single packets, and the list of all.

use super::{Args, Choice, json, told};
use crate::options::refuse;
use crate::stop::Stop;
use crate::terminal::{print, wrapped};
use anyhow::{Result, bail};
use net_model::outcome::Outcome;
use net_model::trace::{Dropped, Selection, What};
use net_model::verdict::DropReason;
use scenarios::explain::{PacketWalk, explain};
use scenarios::load::Loaded;
use scenarios::scenario::Scenario;
use sim_core::Time;
use std::fmt::Write;
use std::process::ExitCode;

/// So many walks are shown if nobody said otherwise, and so many lines of a list.
const WALKS: usize = 10;
const LISTED: usize = 1000;

pub(super) fn run(args: &Args, loaded: &Loaded, scenario: &Scenario, stop: &Stop) -> Result<ExitCode> {
    let selection = selection(args);
    let limit = selection.limit;
    // One more tells whether there are more.
    let wanted = Selection { limit: limit.saturating_add(1), ..selection };
    let explained = explain(scenario, wanted, &mut |_| !stop.is_wanted());
    let Some((run, mut walks)) = explained.map_err(|problems| refuse(&loaded.problems(problems)))? else {
        bail!("stopped");
    };
    let has_more = walks.len() > limit;
    walks.truncate(limit);
    for walk in &mut walks {
        walk.steps.retain(|step| args.is_there(step));
    }
    walks.retain(|walk| !walk.steps.is_empty());
    if walks.is_empty() {
        return nothing(args, &run.outcome);
    }
    let text = if args.json {
        let lines = walks.iter().flat_map(|walk| walk.steps.iter().map(|step| json(step, Some(walk.number))));
        lines.map(|line| line.to_string() + "\n").collect()
    } else if args.choice.packets.is_some() {
        list(&walks)
    } else if args.choice.drops.is_some() {
        all_walks(&walks) + &causes(&walks, &run.outcome)
    } else {
        all_walks(&walks)
    };
    print(&text)?;
    if has_more && !args.input.quiet {
        crate::terminal::tell(format_args!(
            "there are more: raise --limit (it was {limit}), or narrow it down with --at, --until, an address"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn selection(args: &Args) -> Selection {
    let Choice { packet, arp, icmp, drops, packets, .. } = &args.choice;
    let (what, address) = match (arp, icmp, packets) {
        (Some(address), _, _) => (What::Arp, *address),
        (_, Some(address), _) => (What::Icmp, *address),
        (_, _, address) => (What::Any, address.flatten()),
    };
    let dropped = match drops {
        None => Dropped::OrNot,
        Some(None) => Dropped::FirstOfEach,
        Some(Some(reason)) => Dropped::First(*reason),
    };
    let usual = match (packets, drops) {
        (Some(_), _) => LISTED,
        (None, Some(_)) => 4 * WALKS,
        (None, None) => WALKS,
    };
    Selection {
        what,
        packet: *packet,
        exchange: None,
        address,
        dropped,
        from: args.at.map_or(Time::ZERO, |at| Time::ZERO + at.0),
        until: args.until.map_or(Time::NEVER, |until| Time::ZERO + until.0),
        limit: args.limit.unwrap_or(usual).max(1),
    }
}

/// There is no such packet: is that good or bad?
fn nothing(args: &Args, outcome: &Outcome) -> Result<ExitCode> {
    match args.choice {
        Choice { drops: Some(reason), .. } if args.on.is_none() => {
            let why = reason.map_or(String::new(), |reason| format!(" for this reason ({})", reason.name()));
            print(&format!("No packet was lost{why}."))?;
            Ok(ExitCode::SUCCESS)
        }
        Choice { packet: Some(number), .. } => {
            bail!("there is no packet {number} (of {} frames); `--packets` lists them", outcome.frames.sent)
        }
        _ => bail!("there is no such packet in this run; `--packets` lists what there is"),
    }
}

/// Walk after walk, each with a heading.
fn all_walks(walks: &[PacketWalk]) -> String {
    let mut text = String::new();
    for walk in walks {
        let _ = writeln!(text, "packet {}: {}", walk.number, walk.title());
        text += &told(&walk.steps, false, "  ");
        text.push('\n');
    }
    text
}

/// One line for each packet: number, time, sender, what it is, what became of it.
fn list(walks: &[PacketWalk]) -> String {
    let places = walks.iter().filter_map(|walk| walk.steps.first());
    let width = places.map(|step| step.place.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for walk in walks {
        let first = &walk.steps[0];
        let end = match &walk.dropped {
            Some((place, reason)) if reason.can_be_mended() => {
                format!("  dropped at {place}: {}", reason.name())
            }
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{:>7}  {:>11}  {:width$}  {}{end}",
            walk.number,
            first.time,
            first.place,
            walk.title()
        );
    }
    text
}

/// The reasons for drops with their numbers in the whole run, and the cures.
fn causes(walks: &[PacketWalk], outcome: &Outcome) -> String {
    let mut text = String::from("What was lost in the whole run\n");
    for reason in DropReason::ALL {
        let places = outcome.drops.iter().filter(|drop| drop.reason == *reason);
        let told: Vec<String> = places
            .filter(|drop| {
                walks.iter().any(|walk| {
                    walk.dropped.as_ref().is_some_and(|(place, why)| *place == drop.place && why == reason)
                })
            })
            .map(|drop| format!("{} at {}", drop.count, drop.place))
            .collect();
        if told.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}: {}", reason.name(), told.join(", "));
        text += &wrapped("    ", reason.sentence());
        text += &wrapped("    ", &format!("Cure: {}", reason.cure()));
    }
    text
}
