//! The kernel of this host: the same agent as in the virtual machine, in namespaces of its own.
//!
//! `unshare` gives it a mount namespace, a network namespace and a process namespace. Whatever it makes is inside, and
//! nothing of it is left when its process ends, however it ends.

use crate::agent::init::AGENT;
use crate::backend::{Backend, BackendError, Done, answered};
use crate::job::Job;
use crate::missing::{Missing, programs, which};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The kernel of this host.
#[derive(Clone, Debug)]
pub struct ThisKernel {
    /// The program that becomes the agent: it calls [`crate::agent::init::run_if_asked`].
    pub program: PathBuf,
    /// When this becomes true, the agent goes, and everything that it made with it.
    pub interrupted: Arc<AtomicBool>,
}

/// How often somebody looks whether the user wants to wait any longer.
const LOOK: Duration = Duration::from_millis(20);

impl ThisKernel {
    /// The kernel of this host, with this program as the agent.
    pub fn new(program: PathBuf) -> ThisKernel {
        ThisKernel { program, interrupted: Arc::default() }
    }
}

impl Backend for ThisKernel {
    fn perform(&mut self, jobs: &[Job]) -> Result<Vec<Done>, BackendError> {
        able()?;
        let mut needed = programs(jobs);
        needed.push("unshare".into());
        let missing = Missing::of(&needed);
        if !missing.is_empty() {
            return Err(BackendError::Missing(missing));
        }
        let file = |error| BackendError::File { path: "unshare".into(), error };
        let mut agent = Command::new("unshare");
        agent
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(&self.program)
            .arg(AGENT)
            // Ctrl-C is for its master, which takes it at its word; the agent is no program of a terminal.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = agent.spawn().map_err(file)?;
        let mut text = serde_json::to_vec(jobs).expect("jobs are plain data");
        text.push(b'\n');
        let mut leash = child.stdin.take().expect("it was asked for");
        // An agent that does not read says why. As long as the other end of its input is open there is somebody who
        // waits for its answer; when that is gone, it goes.
        let _ = leash.write_all(&text);
        let waiting = std::thread::spawn(move || child.wait_with_output());
        let mut leash = Some(leash);
        while !waiting.is_finished() {
            if self.interrupted.load(Ordering::SeqCst) {
                leash = None;
            }
            std::thread::sleep(LOOK);
        }
        let output = waiting.join().expect("it only waits").map_err(file)?;
        if leash.is_none() {
            return Err(BackendError::Interrupted);
        }
        answered(&output.stdout, &String::from_utf8_lossy(&output.stderr))
    }
}

/// Is this process allowed to, and does the kernel have IPVS?
fn able() -> Result<(), BackendError> {
    let unable = |text: &str| Err(BackendError::Unable(text.into()));
    if !rustix::process::geteuid().is_root() {
        return unable("the kernel of this host takes root; without root use `--backend vm`");
    }
    let loaded = || std::path::Path::new("/proc/net/ip_vs").exists();
    if !loaded() && which("modprobe").is_some() {
        let _ = Command::new("modprobe").arg("ip_vs").stderr(Stdio::null()).status();
    }
    if !loaded() {
        return unable(
            "the kernel of this host has no ip_vs, and `modprobe ip_vs` does not bring it; use `--backend vm`",
        );
    }
    Ok(())
}
