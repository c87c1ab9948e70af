//! The sequence diagram of one exchange.

use super::{Args, told};
use crate::options::refuse;
use crate::stop::Stop;
use crate::terminal::print;
use anyhow::{Result, bail};
use net_model::trace::Selection;
use net_model::transcript::Stage;
use reports::{Explanation, Hop, Ladder, check_place, write_explanation};
use scenarios::explain::{PacketWalk, explain};
use scenarios::load::Loaded;
use scenarios::run::{Step, Watch, run_watched};
use scenarios::scenario::Scenario;
use std::process::ExitCode;

pub(super) fn run(args: &Args, loaded: &Loaded, scenario: &Scenario, stop: &Stop) -> Result<ExitCode> {
    let flow = args.choice.flow.unwrap_or(1);
    if let Some(dir) = &args.out {
        check_place(dir)?;
    }
    let failed = |problems| refuse(&loaded.problems(problems));
    let selection = Selection { exchange: Some(flow), ..Selection::default() };
    let explained = explain(scenario, selection, &mut |_| !stop.is_wanted()).map_err(failed)?;
    let mut go_on = |_| !stop.is_wanted();
    let followed =
        run_watched(scenario, &mut Watch { follow: Some(flow), progress: &mut go_on }).map_err(failed)?;
    let (Some((_, walks)), Some(followed)) = (explained, followed) else { bail!("stopped") };
    let steps: Vec<Step> = followed.transcript.into_iter().filter(|step| args.shows(step)).collect();
    let ladder = ladder(scenario, &walks, args, &ending(&steps));
    if ladder.hops.is_empty() {
        let begun: u64 = followed.outcome.clients.iter().map(|group| group.started).sum();
        bail!("flow {flow} has no packets here (the run had {begun} flows; --at and --until may hide them)");
    }
    match &args.out {
        Some(dir) => {
            let manifest = args.input.manifest(loaded, scenario.seed);
            let steps = told(&steps, false, "");
            let explanation = Explanation {
                title: &scenario.name,
                description: &scenario.about,
                ladder: &ladder,
                steps: &steps,
                manifest: &manifest,
            };
            let files = write_explanation(dir, &explanation)?;
            if args.ladder {
                print(&ladder.text())?;
            }
            if !args.input.quiet {
                crate::terminal::tell(format_args!("page: {}", files[0].display()));
            }
        }
        None => print(&ladder.text())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How it ended, in the words of the client program.
fn ending(steps: &[Step]) -> String {
    let client = steps.iter().rfind(|step| step.stage == Stage::Client);
    match client.map(|step| &*step.text) {
        Some(text) if text.starts_with("has the whole answer") => "The client has its answer".into(),
        Some(text) if text.starts_with("connected") => "The client waits for its answer".into(),
        Some(text) => match text.strip_prefix("the attempt failed: ") {
            Some(failure) => format!("The client fails ({failure})"),
            None => "The client waits to be connected".into(),
        },
        None => "The connection goes on".into(),
    }
}

/// The packets of an exchange as arrows from host to host.
fn ladder(scenario: &Scenario, walks: &[PacketWalk], args: &Args, ending: &str) -> Ladder {
    let mut hosts: Vec<usize> = Vec::new();
    let mut hops: Vec<Hop> = Vec::new();
    for walk in walks {
        hops.extend(hops_of(scenario, walk, args, &mut hosts));
    }
    hops.sort_by(|a, b| a.sent_s.total_cmp(&b.sent_s));
    let hosts = hosts.iter().map(|host| scenario.hosts[*host].name.clone()).collect();
    Ladder { hosts, hops, finding: String::new() }.with_title(ending)
}

/// The arrows of one packet. Hosts get their places from left to right as they appear.
fn hops_of(scenario: &Scenario, walk: &PacketWalk, args: &Args, hosts: &mut Vec<usize>) -> Vec<Hop> {
    let mut place = |host: usize| {
        hosts.iter().position(|known| *known == host).unwrap_or_else(|| {
            hosts.push(host);
            hosts.len() - 1
        })
    };
    let mut hops: Vec<Hop> = Vec::new();
    let mut sent: Option<(f64, usize)> = None;
    let mut label = label(walk.title());
    for step in walk.steps.iter().filter(|step| args.shows(step)) {
        let time = step.time.as_secs_f64();
        match step.stage {
            Stage::Link => {
                sent = sender(scenario, &step.place).map(|host| (time, place(host)));
            }
            Stage::Input => {
                label = self::label(&step.text);
                if let (Some((sent_s, from)), Some(to)) = (sent.take(), scenario.host(&step.place)) {
                    hops.push(Hop { sent_s, from, to: place(to), label: label.clone(), dropped: None });
                }
            }
            Stage::Drop => {
                let reason = step.text.split("dropped (").nth(1).and_then(|rest| rest.split(')').next());
                let reason = reason.unwrap_or_default();
                if reason == "other-host" {
                    continue; // a copy that a switch flooded
                }
                let here = scenario.host(&step.place).map(&mut place);
                match hops.last_mut() {
                    Some(hop) if Some(hop.to) == here && sent.is_none() => hop.dropped = Some(reason.into()),
                    _ => {
                        let from = here.or(sent.take().map(|(_, from)| from)).unwrap_or(0);
                        let dropped = Some(reason.to_owned());
                        hops.push(Hop { sent_s: time, from, to: from, label: label.clone(), dropped });
                    }
                }
            }
            _ => {}
        }
    }
    hops
}

/// The host that a link leads away from: `client` in `client.eth0 > outside`.
fn sender(scenario: &Scenario, link: &str) -> Option<usize> {
    let is_at = |name: &str| link.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let hosts = scenario.hosts.iter().enumerate().filter(|(_, host)| is_at(&host.name));
    hosts.max_by_key(|(_, host)| host.name.len()).map(|(index, _)| index)
}

/// A packet in few words: `[S] 60 B`, `IPIP [S] 60 B`, `ICMP redirect`.
fn label(text: &str) -> String {
    let tunnel = if text.contains(" tunnel ") { "IPIP " } else { "" };
    let packet = text.split(": out of").next().unwrap_or(text).split(": in on").next().unwrap_or(text);
    let words = packet.rsplit_once(": ").map_or(packet, |(_, words)| words);
    match words.split_once(", len ") {
        Some((what, _)) if what.starts_with("ICMP") => format!("{tunnel}{what}"),
        Some((what, len)) => format!("{tunnel}{what} {len} B"),
        None => words.to_owned(),
    }
}
