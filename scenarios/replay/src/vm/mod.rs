//! A stock Linux kernel in a virtual machine without hardware acceleration, in virtual time.
//!
//! QEMU counts instructions (`-icount`), and a guest that sleeps sleeps for nothing: ten minutes of waiting take no time,
//! and a run depends on nothing but its beginning. Neither root nor KVM is needed.

mod initramfs;
pub mod kernel;
mod libraries;
mod modules;

use crate::agent::init::THROUGH_THIS_KERNEL;
use crate::backend::{Backend, BackendError, Done, answered};
use crate::job::Job;
use crate::missing::{Missing, programs, which};
use kernel::Kernel;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A virtual machine that is made anew for each job.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel and its modules.
    pub kernel: Kernel,
    /// The program that becomes the first process of the guest: it calls [`crate::agent::init::run_if_asked`].
    pub program: PathBuf,
    /// Megabytes of memory at least.
    pub memory: u32,
    /// The guest does its jobs as `--backend kernel` would: a test of that backend.
    pub through_this_kernel: bool,
    /// A nanosecond of virtual time is this many instructions, as a power of two with the sign turned: `shift` of QEMU.
    pub shift: u32,
    /// Where intermediate files go.
    pub folder: PathBuf,
}

/// What the guest's kernel is told.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on";

impl Backend for Machine {
    fn perform(&mut self, jobs: &[Job]) -> Result<Vec<Done>, BackendError> {
        let missing = self.missing(jobs);
        if !missing.is_empty() {
            return Err(BackendError::Missing(missing));
        }
        self.memory = self.memory.max(jobs.iter().map(memory).max().unwrap_or(0));
        std::fs::create_dir_all(&self.folder).map_err(|error| file(&self.folder, error))?;
        let (initramfs, answer) = (self.folder.join("initramfs"), self.folder.join("answer"));
        let image = initramfs::build(self, jobs).map_err(|error| file(&initramfs, error))?;
        std::fs::write(&initramfs, image).map_err(|error| file(&initramfs, error))?;
        let console = self.boot(&initramfs, &answer)?;
        let bytes = std::fs::read(&answer).map_err(|error| file(&answer, error))?;
        let _ = std::fs::remove_dir_all(&self.folder);
        answered(&bytes, &console)
    }
}

impl Machine {
    /// A machine with this kernel and this program as its first process.
    pub fn new(kernel: Kernel, program: PathBuf) -> Machine {
        let folder = std::env::temp_dir().join(format!("lvsim-{}", std::process::id()));
        Machine { kernel, program, memory: 1024, through_this_kernel: false, shift: 0, folder }
    }

    /// What this machine does not have and the jobs need.
    pub fn missing(&self, jobs: &[Job]) -> Missing {
        let mut missing = Missing::of(&programs(jobs));
        missing.kernel = !self.kernel.image.exists();
        if which("qemu-system-x86_64").is_none() {
            missing.programs.push(("qemu-system-x86_64".into(), "qemu-system-x86"));
        }
        missing
    }

    /// Runs the machine until it switches itself off: what its console printed.
    fn boot(&self, initramfs: &Path, answer: &Path) -> Result<String, BackendError> {
        let memory = self.memory.to_string();
        let through =
            if self.through_this_kernel { format!(" {THROUGH_THIS_KERNEL}") } else { String::new() };
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
        .args(["-m", &memory, "-serial", "stdio"])
        .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=answer,name=lvsim"])
        .args(["-chardev", &format!("file,id=answer,path={}", answer.display())])
        .arg("-kernel")
        .arg(&self.kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &format!("{COMMAND_LINE}{through}")])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
        let output = qemu.output().map_err(|error| file(Path::new("qemu-system-x86_64"), error))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        Ok(text)
    }
}

/// Megabytes that a job needs: a namespace has tables of its own, and a connection sockets and captured packets.
fn memory(job: &Job) -> u32 {
    let (hosts, attempts) = (job.hosts.len() as u32, job.attempts.len() as u32);
    512 + 2 * hosts + attempts / 40
}

fn file(path: &Path, error: std::io::Error) -> BackendError {
    BackendError::File { path: path.display().to_string(), error }
}
