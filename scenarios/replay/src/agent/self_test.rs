//! A test of `--backend kernel`, where it can run for real: in a virtual machine. Its agent is interrupted once and works
//! once, and both times everything is as it was before.

use super::init::{AGENT, Answered, send};
use crate::backend::Backend;
use crate::job::Job;
use crate::this_kernel::ThisKernel;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What can be seen of namespaces from outside: network interfaces, named namespaces, mounts, processes.
#[derive(PartialEq, Eq, Debug)]
struct Traces {
    interfaces: Vec<String>,
    namespaces: Vec<String>,
    mounts: usize,
    processes: usize,
}

/// Does the jobs of a text through the backend, and answers; an agent that leaves traces has failed.
pub(super) fn answer(text: &[u8], out: impl Write) -> Result<(), String> {
    let jobs: Vec<Job> = serde_json::from_slice(text).map_err(|e| format!("the jobs cannot be read: {e}"))?;
    let before = Traces::now();
    interrupted(text)?;
    let after_interruption = before.difference();
    let done = ThisKernel { program: "/init".into() }.perform(&jobs).map_err(|error| error.to_string())?;
    let traces = after_interruption.or_else(|| before.difference());
    let answers = done.into_iter().map(|one| match &traces {
        Some(traces) => Answered::Failed(traces.clone()),
        None => one.map_or_else(Answered::Failed, |transcript| Answered::Done(Box::new(transcript))),
    });
    send(answers, out)
}

/// An agent whose master dies in the middle of its work.
fn interrupted(text: &[u8]) -> Result<(), String> {
    let mut agent = Command::new("unshare");
    agent
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/init", AGENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = agent.spawn().map_err(|e| format!("unshare: {e}"))?;
    let mut leash = child.stdin.take().expect("it was asked for");
    leash.write_all(text).and_then(|()| leash.write_all(b"\n")).map_err(|e| format!("unshare: {e}"))?;
    std::thread::sleep(Duration::from_secs(3));
    drop(leash);
    child.wait().map(|_| ()).map_err(|e| format!("unshare: {e}"))
}

impl Traces {
    fn now() -> Traces {
        // Namespaces are taken down by the kernel in its own time.
        std::thread::sleep(Duration::from_secs(5));
        let names = |folder: &str| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            names
        };
        let is_program = |name: &String| {
            let line = std::fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
            !line.is_empty() // kernel threads have none
        };
        Traces {
            interfaces: names("/sys/class/net"),
            namespaces: names("/run/netns"),
            mounts: std::fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines().count(),
            processes: names("/proc").iter().filter(|name| is_program(name)).count(),
        }
    }

    fn difference(&self) -> Option<String> {
        let now = Traces::now();
        (now != *self).then(|| format!("the agent has left traces: before {self:?}, after {now:?}"))
    }
}
