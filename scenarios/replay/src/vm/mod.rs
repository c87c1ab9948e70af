//! A stock Linux kernel in a virtual machine without hardware acceleration, in virtual time.
//!
//! QEMU counts instructions (`-icount`), and a guest that sleeps sleeps for nothing: ten minutes of waiting take no time,
//! and a run depends on nothing but its beginning. Neither root nor KVM is needed.

mod initramfs;
pub mod kernel;
mod libraries;
mod modules;

use crate::backend::{Backend, BackendError, Missing};
use crate::channel::{self, Kind};
use crate::job::{Action, Job};
use crate::transcript::Transcript;
use kernel::Kernel;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A virtual machine that is made anew for each job.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel and its modules.
    pub kernel: Kernel,
    /// The program that becomes the first process of the guest: it calls [`crate::agent::init::main`].
    pub program: PathBuf,
    /// Megabytes of memory.
    pub memory: u32,
    /// A nanosecond of virtual time is this many instructions, as a power of two with the sign turned: `shift` of QEMU.
    pub shift: u32,
    /// Where intermediate files go.
    pub folder: PathBuf,
}

/// The programs that a plan may name, and where Debian has them.
const PROGRAMS: [(&str, &str); 10] = [
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("tc", "iproute2"),
    ("ipvsadm", "ipvsadm"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("arptables", "arptables"),
    ("tcpdump", "tcpdump"),
    ("ifconfig", "net-tools"),
    ("route", "net-tools"),
];

impl Backend for Machine {
    fn perform(&mut self, job: &Job) -> Result<Transcript, BackendError> {
        let missing = self.missing(job);
        if !missing.is_empty() {
            return Err(BackendError::Missing(missing));
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| file(&self.folder, error))?;
        let (initramfs, answer) = (self.folder.join("initramfs"), self.folder.join("answer"));
        let image = initramfs::build(self, job).map_err(|error| file(&initramfs, error))?;
        std::fs::write(&initramfs, image).map_err(|error| file(&initramfs, error))?;
        let output = self.boot(&initramfs, &answer)?;
        let silent = |why: String| BackendError::Silent { why, console: last_lines(&output) };
        let bytes = std::fs::read(&answer).map_err(|error| file(&answer, error))?;
        let mut captures = Vec::new();
        for (kind, contents) in channel::receive(&bytes[..]).map_err(|error| silent(error.to_string()))? {
            match kind {
                Kind::Transcript => {
                    let transcript: Transcript =
                        serde_json::from_slice(&contents).map_err(|error| silent(error.to_string()))?;
                    return Ok(Transcript { captures, ..transcript });
                }
                Kind::Failed => return Err(BackendError::Agent(String::from_utf8_lossy(&contents).into())),
                Kind::Capture => captures.push(contents),
                Kind::End => {}
            }
        }
        Err(silent("there is no transcript in its answer".into()))
    }
}

impl Machine {
    /// What this machine does not have and the job needs.
    pub fn missing(&self, job: &Job) -> Missing {
        let mut missing = Missing { kernel: !self.kernel.image.exists(), ..Missing::default() };
        if which("qemu-system-x86_64").is_none() {
            missing.programs.push(("qemu-system-x86_64".into(), "qemu-system-x86"));
        }
        for program in programs(job) {
            if which(&program).is_none() {
                let package =
                    PROGRAMS.iter().find(|(name, _)| *name == program).map_or("", |(_, package)| package);
                missing.programs.push((program, package));
            }
        }
        missing
    }

    /// Runs the machine until it switches itself off: what its console printed.
    fn boot(&self, initramfs: &Path, answer: &Path) -> Result<String, BackendError> {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-accel",
            "tcg",
            "-icount",
            &format!("shift={},sleep=off", self.shift),
            "-rtc",
            "clock=vm",
        ])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-no-hpet"])
        .args(["-m", &self.memory.to_string(), "-serial", "stdio"])
        .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=answer,name=lvsim"])
        .args(["-chardev", &format!("file,id=answer,path={}", answer.display())])
        .arg("-kernel")
        .arg(&self.kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
        let output = qemu.output().map_err(|error| file(Path::new("qemu-system-x86_64"), error))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        Ok(text)
    }
}

/// The programs that a job runs.
fn programs(job: &Job) -> Vec<String> {
    let commands = job.setup.iter().chain(job.events.iter().chain(&job.looks).map(|timed| &timed.command));
    let mut programs: Vec<String> = commands
        .filter_map(|command| match &command.action {
            Action::Run(words) => words[0].rsplit('/').next().map(Into::into),
            Action::Set(..) | Action::Load(_) => None,
        })
        .collect();
    if !job.taps.is_empty() {
        programs.push("tcpdump".into());
    }
    programs.sort_unstable();
    programs.dedup();
    programs
}

/// Where a program is, also in the folders that only root searches.
fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn file(path: &Path, error: std::io::Error) -> BackendError {
    BackendError::File { path: path.display().to_string(), error }
}
