//! A test of `--backend kernel`, where it can run for real: in a virtual machine. Replays end there in every way in which
//! they can end, and each time everything is as it was before.

use super::init::{AGENT, Answered, send};
use crate::backend::{Backend, BackendError};
use crate::job::{Attempt, Job};
use crate::this_kernel::ThisKernel;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The argument with which the program under test has its jobs done by [`ThisKernel`], and stops when it is interrupted.
pub const MASTER: &str = "--master-of-the-agent-of-lvsim";

/// What can be seen from outside, each kind of thing in lines.
#[derive(PartialEq, Eq)]
struct Traces(BTreeMap<&'static str, Vec<String>>);

/// Does the jobs of a text through the backend, and answers; an agent that leaves traces has failed.
pub(super) fn answer(text: &[u8], out: impl Write) -> Result<(), String> {
    let jobs: Vec<Job> = serde_json::from_slice(text).map_err(|e| format!("the jobs cannot be read: {e}"))?;
    let before = Traces::now();
    let mut complaints = Vec::new();
    let mut tried = |what: &str, outcome: Result<(), String>| {
        let left = before.difference().map_or(Ok(()), |traces| Err(format!("has left traces: {traces}")));
        complaints.extend(outcome.and(left).err().map(|why| format!("{what}: {why}")));
    };
    tried("an agent whose master is gone", deserted(text));
    tried("an agent that panics", panicking(&jobs));
    // As a terminal does: everybody in the foreground hears of it.
    tried("Ctrl-C", ended_by(|master| kill_process_group(master, Signal::INT)).and_then(is_interrupted));
    tried("SIGTERM", ended_by(|master| kill_process_group(master, Signal::TERM)).and_then(is_interrupted));
    tried("SIGKILL", ended_by(|master| kill_process(master, Signal::KILL)).map(|_| ()));
    let done = ThisKernel::new("/init".into()).perform(&jobs).map_err(|error| error.to_string());
    tried("a replay", done.as_ref().map(|_| ()).map_err(Clone::clone));
    let answers = done?.into_iter().map(|one| match complaints.first() {
        Some(_) => Answered::Failed(complaints.join("\n")),
        None => one.map_or_else(Answered::Failed, |transcript| Answered::Done(Box::new(transcript))),
    });
    send(answers, out)
}

/// An agent whose master dies in the middle of its work.
fn deserted(text: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("unshare: {error}");
    let mut agent = Command::new("unshare");
    agent
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/init", AGENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = agent.spawn().map_err(failed)?;
    let mut leash = child.stdin.take().expect("it was asked for");
    leash.write_all(text).and_then(|()| leash.write_all(b"\n")).map_err(failed)?;
    wait_for_captures(&mut child)?;
    drop(leash);
    child.wait().map(|_| ()).map_err(failed)
}

/// A job that makes the agent panic in the middle: a client on a host that is not there.
fn panicking(jobs: &[Job]) -> Result<(), String> {
    let mut jobs = jobs.to_vec();
    let Some(first) = jobs.iter_mut().find_map(|job| job.attempts.first_mut()) else {
        return Err("the test needs a job with an attempt".into());
    };
    *first = Attempt { host: usize::MAX - 1, ..first.clone() };
    match (ThisKernel::new("/init".into())).perform(&jobs) {
        Err(BackendError::Silent { console, .. }) if console.contains("panicked") => Ok(()),
        Err(error) => Err(format!("it was to say that it panicked: {error}")),
        Ok(_) => Err("it did not panic".into()),
    }
}

/// A master that a signal ends while its agent works.
fn ended_by(signal: impl Fn(Pid) -> rustix::io::Result<()>) -> Result<ExitStatus, String> {
    let mut program = Command::new("/init");
    // A group of its own, as shells give to what they start.
    program.arg(MASTER).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    let mut master = program.spawn().map_err(|e| format!("/init: {e}"))?;
    wait_for_captures(&mut master)?;
    signal(Pid::from_child(&master)).map_err(|e| e.to_string())?;
    for _ in 0..100 {
        if let Some(status) = master.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = master.kill();
    Err("it goes on all the same".into())
}

/// Did the program end by itself, and say that it was interrupted?
fn is_interrupted(status: ExitStatus) -> Result<(), String> {
    match status.code() {
        Some(2) => Ok(()),
        _ => Err(format!("exit status 2 was expected, not: {status}")),
    }
}

/// Waits until an agent is in the middle of its work: its network is built, and somebody listens there.
fn wait_for_captures(child: &mut Child) -> Result<(), String> {
    for _ in 0..600 {
        if processes().iter().any(|line| line.starts_with("tcpdump")) {
            std::thread::sleep(Duration::from_secs(2));
            return Ok(());
        }
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("it ended before its work had begun: {status}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("its work never begins".into())
}

impl Traces {
    fn now() -> Traces {
        // Namespaces are taken down by the kernel in its own time.
        std::thread::sleep(Duration::from_secs(5));
        let lines = |file: &str| -> Vec<String> {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines().map(Into::into).collect()
        };
        let mut settings = Vec::new();
        read_all(Path::new("/proc/sys/net"), &mut settings);
        Traces(BTreeMap::from([
            ("interfaces", names("/sys/class/net")),
            ("namespaces", names("/run/netns")),
            ("mounts", lines("/proc/self/mounts")),
            ("virtual services", lines("/proc/net/ip_vs")),
            ("routes", lines("/proc/net/route")),
            ("settings", settings),
            ("processes", processes()),
        ]))
    }

    /// What is there now and was not, or the other way round.
    fn difference(&self) -> Option<String> {
        let (Traces(before), Traces(after)) = (self, Traces::now());
        let mut text = String::new();
        for (kind, lines) in before {
            let new = after[kind].iter().filter(|line| !lines.contains(line)).map(|line| format!("+{line}"));
            let gone = lines.iter().filter(|line| !after[kind].contains(line)).map(|line| format!("-{line}"));
            let changed: Vec<String> = new.chain(gone).collect();
            if !changed.is_empty() {
                text += &format!("{kind} {}; ", changed.join(" "));
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// What is in a folder, in order.
fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// The command lines of all programs, in order; kernel threads have none.
fn processes() -> Vec<String> {
    let line = |name: String| {
        let words = std::fs::read(format!("/proc/{name}/cmdline")).ok()?;
        (!words.is_empty()).then(|| String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned())
    };
    let mut lines: Vec<String> = names("/proc").into_iter().filter_map(line).collect();
    lines.sort_unstable();
    lines
}

/// All files below a folder that can be read, each with what is in it.
fn read_all(folder: &Path, into: &mut Vec<String>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            read_all(&path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            into.push(format!("{} = {}", path.display(), text.trim()));
        }
    }
}
