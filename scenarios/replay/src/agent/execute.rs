//! The commands of a job: programs, settings, modules.

use super::spaces::Spaces;
use super::{AgentError, init};
use crate::job::{Action, Command};
use crate::script;
use crate::transcript::Answer;
use std::io::Write;
use std::process::{Command as Process, Stdio};

/// Builds the network. Neighbouring `ip` commands of one host are given to one `ip -batch`.
pub(super) fn set_up(spaces: &mut Spaces, commands: &[Command]) -> Result<(), AgentError> {
    let mut rest = commands;
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|next| batch_line(next).is_some() && next.host == first.host);
        let count = alike.count();
        let said = if count > 1 {
            let said = batch(spaces, &rest[..count]);
            rest = &rest[count..];
            said
        } else {
            rest = &rest[1..];
            run(spaces, first, 0)
        };
        if said.status != 0 {
            return Err(AgentError::Refused { command: said.command, said: said.stderr.trim().into() });
        }
    }
    Ok(())
}

/// Runs a command.
pub(super) fn run(spaces: &mut Spaces, command: &Command, at: u64) -> Answer {
    let mut answer =
        Answer { at, host: command.host.clone(), command: script::line(command), ..Answer::default() };
    let host = command.host.as_ref().and_then(|name| spaces.find(name));
    if let Err(error) = spaces.enter(host) {
        return failed(answer, &error.to_string());
    }
    match &command.action {
        // At once, without a program.
        Action::Run(words) if is_file(command) => {
            answer.command = words.join(" ");
            match std::fs::read_to_string(&words[1]) {
                Ok(stdout) => Answer { stdout, ..answer },
                Err(error) => failed(answer, &format!("{}: {error}", words[1])),
            }
        }
        Action::Run(words) => {
            answer.command = words.join(" ");
            let mut process = Process::new(&words[0]);
            process.args(&words[1..]).stdin(Stdio::null());
            match process.output() {
                Ok(output) => said(answer, &output),
                Err(error) => failed(answer, &format!("{}: {error}", words[0])),
            }
        }
        Action::Set(path, value) => {
            let path = format!("/proc/sys/{path}");
            match std::fs::write(&path, value) {
                Ok(()) => answer,
                Err(error) => failed(answer, &format!("{path}: {error}")),
            }
        }
        Action::Load(module) => match init::load(module) {
            Ok(()) => answer,
            Err(error) => failed(answer, &error),
        },
    }
}

/// Is it `cat FILE`, which takes no program?
pub(super) fn is_file(command: &Command) -> bool {
    matches!(&command.action, Action::Run(words) if words.len() == 2 && words[0] == "cat")
}

/// The command as a line for `ip -batch`, if it is one.
fn batch_line(command: &Command) -> Option<String> {
    let Action::Run(words) = &command.action else { return None };
    let plain = words.iter().all(|word| !word.is_empty() && !word.contains([' ', '"', '\'', '#', '\\']));
    (words[0] == "ip" && words.get(1).is_none_or(|word| !word.starts_with('-')) && plain)
        .then(|| words[1..].join(" "))
}

fn batch(spaces: &mut Spaces, commands: &[Command]) -> Answer {
    let host = commands[0].host.clone();
    let lines: Vec<String> = commands.iter().filter_map(batch_line).collect();
    let command = format!("ip -batch, {} lines", lines.len());
    let answer = Answer { host: host.clone(), command, ..Answer::default() };
    let inside = host.as_ref().and_then(|name| spaces.find(name));
    if let Err(error) = spaces.enter(inside) {
        return failed(answer, &error.to_string());
    }
    let mut answer = ip_batch(answer, &lines);
    // "Command failed -:3": the line to blame.
    let number = answer.stderr.rsplit("-:").next().and_then(|n| n.trim().parse::<usize>().ok());
    if let Some(command) = number.and_then(|n| commands.get(n - 1)).filter(|_| answer.status != 0) {
        answer.command = script::line(command);
    }
    answer
}

/// Makes namespaces, or removes them.
pub(super) fn netns(verb: &str, names: &[&str]) -> Result<(), AgentError> {
    let lines: Vec<String> = names.iter().map(|name| format!("netns {verb} {name}")).collect();
    let said = ip_batch(Answer { command: format!("ip netns {verb}"), ..Answer::default() }, &lines);
    match said.status {
        0 => Ok(()),
        _ => Err(AgentError::Refused { command: said.command, said: said.stderr.trim().into() }),
    }
}

/// Gives lines to `ip -batch`.
fn ip_batch(answer: Answer, lines: &[String]) -> Answer {
    let mut process = Process::new("ip");
    process.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = process.spawn().and_then(|mut child| {
        let mut stdin = child.stdin.take().expect("it was asked for");
        stdin.write_all((lines.join("\n") + "\n").as_bytes())?;
        drop(stdin);
        child.wait_with_output()
    });
    match output {
        Ok(output) => said(answer, &output),
        Err(error) => failed(answer, &format!("ip: {error}")),
    }
}

/// A file, or a program, that is not as it should be.
pub(super) fn file(path: &str, error: &std::io::Error) -> AgentError {
    AgentError::File { path: path.into(), error: error.to_string() }
}

fn said(answer: Answer, output: &std::process::Output) -> Answer {
    Answer {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(128),
        ..answer
    }
}

fn failed(answer: Answer, why: &str) -> Answer {
    Answer { stderr: why.into(), status: 127, ..answer }
}
