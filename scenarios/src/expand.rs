//! The `cluster:` shorthand, written out: networks, hosts, and on each host what the forwarding method needs.
//!
//! The long form is a tree like the one that was read, so it prints as a valid scenario, loads to the same thing, and
//! problems in it point at the lines of the shorthand. What the file says about a generated host or network itself
//! (under `hosts:`, `networks:`) is laid over what the shorthand makes of it.

mod hosts;
mod plan;

use crate::decode::{Spanned, decode};
use crate::problem::Problem;
use crate::schema::{Cluster, Method};
use crate::source::Span;
use crate::tree::{Key, Node, Value};
use plan::Plan;

/// The parts of a file, in the order in which the long form has them.
const PARTS: [&str; 11] = [
    "about", "seed", "duration", "sampling", "timers", "kernel", "networks", "hosts", "clients", "events",
    "expect",
];

/// What a variant changes about a scenario before it is loaded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Another scheduler for every service.
    pub scheduler: Option<String>,
    /// Another forwarding method for every real server.
    pub forwarding: Option<Method>,
}

/// Writes the shorthand out, with changes; a file without `cluster:` keeps its form.
///
/// Returns none if the shorthand makes no sense; the problems say why.
pub fn expand(root: &Node, changes: &Changes, problems: &mut Vec<Problem>) -> Option<Node> {
    let Some((key, node)) = part(root, "cluster") else {
        return change_rules(root, changes, problems);
    };
    let mut cluster: Spanned<Cluster> = decode_part(node, problems)?;
    // What is wrong with the cluster as a whole is told at its key.
    cluster.span = key.span;
    let clients = root.get("clients");
    let plan = Plan::new(cluster, node, clients, changes, problems)?;
    let mut long = Node::mapping(root.span);
    let Value::Mapping(written) = &root.value else { return None };
    for part in PARTS {
        let own = root.get(part);
        let made = match part {
            "networks" => Some(hosts::networks(&plan)),
            "hosts" => Some(hosts::hosts(&plan)),
            "clients" => own.map(|clients| hosts::clients(&plan, clients)),
            _ => own.cloned(),
        };
        match (made, own) {
            (Some(made), Some(own)) if matches!(part, "networks" | "hosts") => {
                long.push(part, lay_over(made, own));
            }
            (Some(made), _) => long.push(part, made),
            (None, _) => {}
        }
    }
    // Unknown keys stay, so that they are reported; keys keep their places.
    if let Value::Mapping(entries) = &mut long.value {
        for (key, value) in written {
            match entries.iter_mut().find(|(made, _)| made.text == key.text) {
                Some((made, _)) => made.span = key.span,
                None if key.text != "cluster" => entries.push((key.clone(), value.clone())),
                None => {}
            }
        }
    }
    Some(long)
}

fn part<'a>(root: &'a Node, name: &str) -> Option<&'a (Key, Node)> {
    let Value::Mapping(parts) = &root.value else { return None };
    parts.iter().find(|(key, _)| key.text == name)
}

fn decode_part(node: &Node, problems: &mut Vec<Problem>) -> Option<Spanned<Cluster>> {
    let before = problems.len();
    let cluster = decode(node, problems)?;
    (problems.len() == before).then_some(cluster)
}

/// `own` over `made`: mappings entry by entry, everything else as a whole.
fn lay_over(made: Node, own: &Node) -> Node {
    match (made.value, &own.value) {
        (Value::Mapping(mut entries), Value::Mapping(others)) => {
            for (key, value) in others {
                match entries.iter_mut().find(|(made, _)| made.text == key.text) {
                    Some((made_key, made)) => {
                        made_key.span = key.span;
                        *made = lay_over(std::mem::take(made), value);
                    }
                    None => entries.push((key.clone(), value.clone())),
                }
            }
            Node { span: own.span, value: Value::Mapping(entries), note: made.note }
        }
        (value, Value::Null) => Node { span: made.span, value, note: made.note },
        _ => own.clone(),
    }
}

/// Changes in a file without shorthand: schedulers can be replaced in its rules, forwarding methods cannot.
fn change_rules(root: &Node, changes: &Changes, problems: &mut Vec<Problem>) -> Option<Node> {
    if changes.forwarding.is_some() {
        let top = Span { end: root.span.start, ..root.span };
        let help = "each method needs other settings on every host: describe the cluster under `cluster:` and they are made for you";
        problems.push(
            Problem::error(top, "only a scenario with `cluster:` can vary its forwarding method").help(help),
        );
        return None;
    }
    let mut long = root.clone();
    let Some(scheduler) = &changes.scheduler else { return Some(long) };
    for name in ["hosts", "events"] {
        if let Value::Mapping(parts) = &mut long.value
            && let Some((_, part)) = parts.iter_mut().find(|(key, _)| key.text == name)
        {
            change_lines(part, "", scheduler);
        }
    }
    Some(long)
}

/// Replaces the scheduler in every `ipvsadm` line below `key`: rules, set-up commands and timed commands.
fn change_lines(node: &mut Node, key: &str, scheduler: &str) {
    match &mut node.value {
        Value::Mapping(entries) => {
            entries.iter_mut().for_each(|(key, value)| change_lines(value, &key.text, scheduler));
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| change_lines(item, key, scheduler)),
        Value::Scalar(rules) if key == "ipvsadm" => *rules = with_scheduler(rules, scheduler),
        Value::Scalar(lines) if matches!(key, "commands" | "run") && lines.contains("ipvsadm") => {
            let change = |line: &str| match is_ipvsadm(line) {
                true => with_scheduler(line, scheduler),
                false => format!("{line}\n"),
            };
            *lines = lines.lines().map(change).collect();
        }
        Value::Scalar(_) | Value::Null => {}
    }
}

/// Does a line call `ipvsadm`?
fn is_ipvsadm(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| matches!(*word, "sudo" | "$" | "#"));
    words.next().is_some_and(|program| program.rsplit('/').next() == Some("ipvsadm"))
}

/// The rules with another scheduler in every line that adds or edits a service.
fn with_scheduler(rules: &str, scheduler: &str) -> String {
    let mut changed = String::new();
    for line in rules.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_service = words.iter().any(|word| {
            word.starts_with("-A")
                || word.starts_with("-E")
                || matches!(*word, "--add-service" | "--edit-service")
        });
        if is_service {
            let mut rest = words.iter();
            let mut kept = Vec::new();
            while let Some(word) = rest.next() {
                match *word {
                    "-s" | "--scheduler" => drop(rest.next()),
                    // -b belongs to the scheduler that is replaced.
                    "-b" | "--sched-flags" => drop(rest.next()),
                    word if word.starts_with("-s") || word.starts_with("--scheduler=") => {}
                    word => kept.push(word),
                }
            }
            changed.push_str(&kept.join(" "));
            changed.push_str(" -s ");
            changed.push_str(scheduler);
        } else {
            changed.push_str(line);
        }
        changed.push('\n');
    }
    changed
}

#[cfg(test)]
mod tests;
