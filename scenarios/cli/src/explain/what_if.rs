//! `--what-if`: the run as it is beside the run with a change.

use super::{Args, line};
use crate::options::refuse;
use crate::stop::Stop;
use crate::terminal::print;
use anyhow::{Result, anyhow, bail};
use net_model::outcome::Outcome;
use reports::{Summary, is_harmless};
use scenarios::explain::PacketWalk;
use scenarios::load::Loaded;
use scenarios::run::Step;
use scenarios::scenario::Scenario;
use scenarios::what_if::{Change, Compared, Difference, compare};
use std::fmt::Write;
use std::process::ExitCode;

/// So many steps of a walk are shown before its first difference, and after.
const CONTEXT: usize = 8;

pub(super) fn run(args: &Args, loaded: &Loaded, scenario: &Scenario, stop: &Stop) -> Result<ExitCode> {
    let changes = args.choice.what_if.iter().map(|text| Change::read(text, scenario));
    let changes: Vec<Change> = changes.collect::<Result<_, _>>().map_err(|misread| anyhow!("{misread}"))?;
    let compared = compare(scenario, &changes, &mut |_| !stop.is_wanted());
    let Some(compared) = compared.map_err(|problems| refuse(&loaded.problems(problems)))? else {
        bail!("stopped");
    };
    let mut text = String::from("What if\n");
    for change in &changes {
        let _ = writeln!(text, "  {}", change.text);
    }
    text.push('\n');
    text += &match &compared.difference {
        Some(difference) => told(difference),
        None => "No packet differs: this change has no effect on the run.\n".to_owned(),
    };
    text.push('\n');
    text += &results(&compared);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The first packet that differs, with the steps that both runs have in common and those that only one has.
fn told(difference: &Difference) -> String {
    let mut text = String::new();
    match &difference.walks {
        [Some(before), Some(after)] if before.title() == after.title() => {
            let _ = writeln!(
                text,
                "The first packet with another fate, {} s: {}",
                difference.time,
                before.title()
            );
            text += "  - as it is, + with the change\n";
            text += &side_by_side(before, after);
        }
        [before, after] => {
            let _ = writeln!(text, "The first packet that differs, {} s", difference.time);
            for (name, mark, walk) in [("as it is", '-', before), ("with the change", '+', after)] {
                match walk {
                    Some(walk) => {
                        let _ = writeln!(text, "  {name}: {}", walk.title());
                        let width = widest(&walk.steps);
                        for step in walk.steps.iter().take(2 * CONTEXT) {
                            let _ = writeln!(text, "{mark} {}", line(step, width, "  "));
                        }
                    }
                    None => {
                        let _ = writeln!(text, "  {name}: nothing is sent then");
                    }
                }
            }
        }
    }
    text
}

/// Two walks of one packet, what they have in common once.
fn side_by_side(before: &PacketWalk, after: &PacketWalk) -> String {
    let width = widest(&before.steps).max(widest(&after.steps));
    let same = before.steps.iter().zip(&after.steps).take_while(|(a, b)| a == b).count();
    let skipped = same.saturating_sub(CONTEXT);
    let mut text = String::new();
    let mut put = |mark: &str, step: &Step| {
        let _ = writeln!(text, "{mark} {}", line(step, width, "  "));
    };
    before.steps[skipped..same].iter().for_each(|step| put(" ", step));
    let rest =
        |walk: &'_ PacketWalk| walk.steps[same..].iter().take(2 * CONTEXT).cloned().collect::<Vec<_>>();
    for (mark, step) in merged(&rest(before), &rest(after)) {
        put(mark, &step);
    }
    if skipped > 0 { format!("  … {skipped} steps that are the same …\n{text}") } else { text }
}

/// Both lists in one, by their longest common part: steps of both, of the first alone (-), of the second alone (+).
fn merged(left: &[Step], right: &[Step]) -> Vec<(&'static str, Step)> {
    let mut common = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            common[i][j] =
                if a == b { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut merged) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            merged.push((" ", left[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if i < left.len() && (j == right.len() || common[i + 1][j] >= common[i][j + 1]) {
            merged.push(("-", left[i].clone()));
            i += 1;
        } else {
            merged.push(("+", right[j].clone()));
            j += 1;
        }
    }
    merged
}

fn widest(steps: &[Step]) -> usize {
    steps.iter().map(|step| step.place.chars().count()).max().unwrap_or(0)
}

/// The figures of both runs, side by side; those that differ are marked.
fn results(compared: &Compared) -> String {
    let (before, after) = (figures(&compared.before.outcome), figures(&compared.after.outcome));
    let mut names: Vec<&str> = before.iter().map(|(name, _)| &**name).collect();
    names.extend(
        after.iter().map(|(name, _)| &**name).filter(|name| before.iter().all(|(known, _)| known != name)),
    );
    let of = |figures: &[(String, String)], name: &str| {
        figures.iter().find(|(known, _)| known == name).map_or("none".to_owned(), |(_, value)| value.clone())
    };
    let mut rows = vec![["".to_owned(), "as it is".to_owned(), "with the change".to_owned()]];
    rows.extend(names.iter().map(|name| [(*name).to_owned(), of(&before, name), of(&after, name)]));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second, third) = (width(0), width(1), width(2));
    let mut text = String::new();
    for (at, [name, one, other]) in rows.iter().enumerate() {
        let mark = if at > 0 && one != other { "*" } else { " " };
        let row = format!("{mark} {name:first$}  {one:>second$}  {other:>third$}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// What a run comes to: success, balance, latency, shares, owners of addresses, losses.
fn figures(outcome: &Outcome) -> Vec<(String, String)> {
    let summary = Summary::of(outcome);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let millis = |seconds: Option<f64>| seconds.map_or("–".into(), |s| format!("{:.1} ms", s * 1e3));
    let mut rows = vec![
        ("requests answered".to_owned(), format!("{} of {}", summary.succeeded, summary.started)),
        ("success".to_owned(), summary.success.map_or("–".into(), percent)),
        (
            "busiest server / fair share".to_owned(),
            summary.max_over_fair.map_or("–".into(), |x| format!("{x:.2}")),
        ),
        ("median latency".to_owned(), millis(summary.latency_s(0.5))),
        ("99th percentile".to_owned(), millis(summary.latency_s(0.99))),
    ];
    rows.extend(
        summary.causes.iter().map(|(cause, count)| (format!("failed: {}", cause.name()), count.to_string())),
    );
    let few = outcome.servers.len() <= 8;
    rows.extend(
        outcome
            .servers
            .iter()
            .filter(|_| few)
            .map(|server| (format!("served by {}", server.name), server.accepted.to_string())),
    );
    for service in outcome.directors.iter().flat_map(|director| &director.services) {
        let conns: u64 = service.destinations.iter().map(|destination| destination.conns).sum();
        rows.push((format!("scheduled, {}", service.name), conns.to_string()));
    }
    let mut addresses: Vec<_> = outcome.arp_answers.iter().map(|answer| answer.addr).collect();
    addresses.sort_unstable();
    addresses.dedup();
    for addr in addresses {
        let mut owners: Vec<&str> = outcome
            .arp_answers
            .iter()
            .filter(|answer| answer.addr == addr)
            .map(|answer| &*answer.host)
            .collect();
        owners.sort_unstable();
        owners.dedup();
        if owners.len() <= 6 {
            rows.push((format!("answer ARP for {addr}"), owners.join(", ")));
        }
    }
    let lost = outcome.drops.iter().filter(|drop| !is_harmless(drop.reason));
    rows.extend(
        lost.map(|drop| (format!("lost at {}: {}", drop.place, drop.reason.name()), drop.count.to_string())),
    );
    rows
}
