//! Captures: tcpdump at the interfaces that the job names, from before the first instant to after the last.

use super::spaces::Spaces;
use super::{AgentError, execute};
use crate::job::{Action, Job};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the files are written.
const FOLDER: &str = "/run/capture";
/// Bytes of each packet that are kept: enough for all headers; all of it where directors tell each other things.
const LENGTHS: [&str; 2] = ["128", "65535"];
/// The kernel hands packets over in blocks, the last of them after a second: waking tcpdump for each one would take as
/// long as everything else together.
const HANDED_OVER: Duration = Duration::from_secs(2);

/// Captures under way.
pub(super) struct Captures {
    running: Vec<(Child, String)>,
}

impl Captures {
    /// Starts them, and waits until they listen.
    pub(super) fn start(job: &Job, spaces: &mut Spaces) -> Result<Captures, AgentError> {
        let (taps, length) = (&job.taps, LENGTHS[usize::from(talks(job))]);
        let mut running = Vec::with_capacity(taps.len());
        for (index, tap) in taps.iter().enumerate() {
            std::fs::create_dir_all(FOLDER).map_err(|e| execute::file(FOLDER, &e))?;
            spaces.enter(Some(tap.host))?;
            let path = format!("{FOLDER}/{index}.pcap");
            let mut tcpdump = Command::new("tcpdump");
            tcpdump
                .args(["-i", &tap.device, "-n", "-s", length, "-B", "16384", "-Z", "root"])
                .args(["--time-stamp-precision=nano", "-w", &path])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            let mut child = tcpdump.spawn().map_err(|e| execute::file("tcpdump", &e))?;
            let mut said = String::new();
            let mut lines = BufReader::new(child.stderr.take().expect("it was asked for"));
            while !said.contains("listening on") {
                if lines.read_line(&mut said).unwrap_or(0) == 0 {
                    let command = format!("tcpdump -i {}", tap.device);
                    return Err(AgentError::Refused { command, said: said.trim().into() });
                }
            }
            child.stderr = Some(lines.into_inner());
            running.push((child, path));
        }
        Ok(Captures { running })
    }

    /// Ends them: the files, in the order of the taps.
    pub(super) fn finish(self) -> Result<Vec<Vec<u8>>, AgentError> {
        let mut files = Vec::with_capacity(self.running.len());
        std::thread::sleep(HANDED_OVER);
        for (mut child, path) in self.running {
            let _ = kill_process(Pid::from_child(&child), Signal::INT);
            let _ = child.wait();
            files.push(std::fs::read(&path).map_err(|e| execute::file(&path, &e))?);
        }
        Ok(files)
    }
}

/// Do directors tell each other about connections, or read what datagrams say?
fn talks(job: &Job) -> bool {
    let commands = job.setup.iter().chain(job.events.iter().map(|timed| &timed.command));
    let is_talk = |word: &String| matches!(word.as_str(), "--start-daemon" | "--pe" | "ip_vs_ftp");
    commands.into_iter().any(|command| match &command.action {
        Action::Run(words) => words.iter().any(is_talk),
        Action::Load(module) => is_talk(module),
        Action::Set(..) => false,
    })
}
