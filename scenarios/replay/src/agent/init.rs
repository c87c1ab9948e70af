//! The agent as the first and only program of a virtual machine.

use super::witness::{TRACING, Witness};
use super::{perform, self_test};
use crate::channel::{Kind, Sender};
use crate::job::Job;
use crate::transcript::Transcript;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, mount};
use std::fs::File;
use std::io::{Read, Write};
use std::process::ExitCode;

/// The modules that are in the guest, one path a line, in the order in which they are loaded.
pub(crate) const MODULES: &str = "/modules";
/// The jobs, as JSON.
pub(crate) const JOBS: &str = "/jobs.json";
/// The word on the guest's command line that has it do its jobs as `--backend kernel` would.
pub(crate) const THROUGH_THIS_KERNEL: &str = "lvsim.through_this_kernel";
/// The word that says after how many (virtual) seconds the guest has hung.
pub(crate) const SECONDS: &str = "lvsim.seconds";
/// The argument with which a program becomes the agent beside the kernel of this host.
pub(crate) const AGENT: &str = "--agent-of-lvsim";
/// The port through which the guest answers.
const PORT: &str = "/dev/virtio-ports/lvsim";

/// Is this process to be the agent: the first one of a virtual machine, or one in namespaces of its own? Then
/// everything is done here, and the program has nothing else to do.
pub fn run_if_asked() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == AGENT) {
        return Some(beside_this_kernel());
    }
    (std::process::id() == 1 && std::path::Path::new(JOBS).exists()).then(alone)
}

/// Does the jobs that come in on standard input, in namespaces of its own that vanish with it.
fn beside_this_kernel() -> ExitCode {
    let mut text = String::new();
    let outcome = mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)
        .map_err(|e| format!("mounting /run: {e}"))
        .and_then(|()| std::fs::create_dir_all("/run/netns").map_err(|e| format!("/run/netns: {e}")))
        .and_then(|()| std::io::stdin().read_line(&mut text).map_err(|e| e.to_string()))
        .and_then(|_| {
            std::thread::spawn(leave_when_nobody_waits);
            // This kernel is somebody else's: it gets no probe.
            work(text.as_bytes(), None, std::io::stdout().lock())
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends this process, and with it everything in its namespaces, when its standard input is closed.
fn leave_when_nobody_waits() {
    let mut input = std::io::stdin().lock();
    let mut buffer = [0; 64];
    while input.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
    std::process::exit(1);
}

/// Does the jobs of this virtual machine, answers, and switches the machine off.
fn alone() -> ExitCode {
    let outcome = prepare().and_then(|()| answer());
    if let Err(error) = outcome {
        eprintln!("lvsim: {error}");
    }
    rustix::fs::sync();
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    ExitCode::FAILURE
}

/// Mounts what programs expect, loads the modules.
fn prepare() -> Result<(), String> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")] {
        std::fs::create_dir_all(place).map_err(|e| format!("{place}: {e}"))?;
        mount(kind, place, kind, MountFlags::empty(), None).map_err(|e| format!("mounting {place}: {e}"))?;
    }
    // A kernel may have no trace: then it tells no decisions.
    let _ = mount("tracefs", TRACING, "tracefs", MountFlags::empty(), None);
    std::fs::create_dir_all("/run/netns").map_err(|e| format!("/run/netns: {e}"))?;
    let modules = std::fs::read_to_string(MODULES).map_err(|e| format!("{MODULES}: {e}"))?;
    modules.lines().try_for_each(insert)
}

fn answer() -> Result<(), String> {
    let text = std::fs::read(JOBS).map_err(|e| format!("{JOBS}: {e}"))?;
    let words = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let seconds = words.split_whitespace().find_map(|word| word.strip_prefix(SECONDS)?.strip_prefix('='));
    if let Some(seconds) = seconds.and_then(|seconds| seconds.parse().ok()) {
        std::thread::spawn(move || switch_off_after(seconds));
    }
    if words.split_whitespace().any(|word| word == THROUGH_THIS_KERNEL) {
        return self_test::answer(&text, port()?);
    }
    work(&text, Witness::place().as_ref(), port()?)
}

/// Switches the machine off if it works for longer than its jobs can take: somebody waits for what never comes.
fn switch_off_after(seconds: u64) {
    std::thread::sleep(std::time::Duration::from_secs(seconds));
    eprintln!("lvsim: {seconds} seconds of the guest's time have passed, and its jobs are not done");
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
}

/// Does the jobs of a text, and answers.
fn work(text: &[u8], witness: Option<&Witness>, out: impl Write) -> Result<(), String> {
    let jobs: Vec<Job> = serde_json::from_slice(text).map_err(|e| format!("the jobs cannot be read: {e}"))?;
    let answers = jobs.iter().map(|job| match perform(job, witness) {
        Ok(transcript) => Answered::Done(Box::new(transcript)),
        Err(error) => Answered::Failed(error.to_string()),
    });
    send(answers, out)
}

/// The answer to a job.
pub(super) enum Answered {
    /// Its account.
    Done(Box<Transcript>),
    /// Why there is none.
    Failed(String),
}

/// Sends answers, each as soon as it is there.
pub(super) fn send(mut answers: impl Iterator<Item = Answered>, out: impl Write) -> Result<(), String> {
    let mut sender = Sender::new(out);
    let sent = answers.try_for_each(|answer| match answer {
        Answered::Done(transcript) => {
            let text = serde_json::to_vec(&transcript).expect("a transcript is plain data");
            let captures = transcript.captures.iter().map(|file| (Kind::Capture, &file[..]));
            let mut frames = captures.chain([(Kind::Transcript, &text[..])]);
            frames.try_for_each(|(kind, contents)| sender.send(kind, contents))
        }
        Answered::Failed(why) => sender.send(Kind::Failed, why.as_bytes()),
    });
    sent.and_then(|()| sender.finish()).map_err(|e| format!("the answer cannot be sent: {e}"))
}

/// The port, by its name or, since nobody makes links in /dev here, by its number.
fn port() -> Result<File, String> {
    let names = [PORT, "/dev/vport0p1", "/dev/vport1p1", "/dev/vport2p1"];
    let found = names.iter().find_map(|name| File::options().write(true).open(name).ok());
    found.ok_or_else(|| "there is no port to answer through".into())
}

/// Loads a module that the plan names, if it is there and not loaded or built in.
pub(super) fn load(module: &str) -> Result<(), String> {
    let name = module.replace('-', "_");
    if std::path::Path::new(&format!("/sys/module/{name}")).exists() {
        return Ok(());
    }
    let known = std::fs::read_to_string(MODULES).unwrap_or_default();
    let is_it =
        |path: &&str| path.ends_with(&format!("/{module}.ko")) || path.ends_with(&format!("/{name}.ko"));
    match known.lines().find(is_it) {
        Some(path) => insert(path),
        None => {
            let output = std::process::Command::new("modprobe").arg(module).output();
            match output {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
                Err(error) => Err(format!("modprobe {module}: {error}")),
            }
        }
    }
}

fn insert(path: &str) -> Result<(), String> {
    let file =
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| format!("{path}: {e}"))?;
    match rustix::system::finit_module(&file, c"", 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(format!("{path}: {errno}")),
    }
}
