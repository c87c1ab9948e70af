//! A stock Linux kernel in a virtual machine without hardware acceleration, in virtual time.
//!
//! QEMU counts instructions (`-icount`), and a guest that sleeps sleeps for nothing: ten minutes of waiting take no time,
//! and a run depends on nothing but its beginning. Neither root nor KVM is needed.

mod initramfs;
pub mod kernel;
mod libraries;
mod modules;
mod qemu;

use crate::agent::init::{SECONDS, THROUGH_THIS_KERNEL};
use crate::backend::{Backend, BackendError, Done, answered};
use crate::job::Job;
use crate::missing::{Missing, programs, which};
use kernel::Kernel;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
    /// So many machines share the jobs, at the same time.
    pub at_once: usize,
    /// The processor time that a machine may take; none: as much as its jobs can need.
    pub limit: Option<Duration>,
    /// When this becomes true, the machines are ended.
    pub interrupted: Arc<AtomicBool>,
}

/// What the guest's kernel is told. Programs are always at the same addresses, so that QEMU translates them once.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on norandmaps init_on_alloc=0";

impl Backend for Machine {
    fn perform(&mut self, jobs: &[Job]) -> Result<Vec<Done>, BackendError> {
        let missing = self.missing(jobs);
        if !missing.is_empty() {
            return Err(BackendError::Missing(missing));
        }
        let share = jobs.len().div_ceil(self.at_once.max(1)).max(1);
        std::thread::scope(|scope| {
            let machine = &*self;
            let shares: Vec<_> = jobs
                .chunks(share)
                .enumerate()
                .map(|(number, jobs)| scope.spawn(move || machine.perform_alone(number, jobs)))
                .collect();
            let done = shares.into_iter().map(|share| share.join().expect("nobody panics there"));
            done.collect::<Result<Vec<_>, _>>().map(|done| done.concat())
        })
    }
}

impl Machine {
    /// A machine with this kernel and this program as its first process.
    pub fn new(kernel: Kernel, program: PathBuf) -> Machine {
        let folder = std::env::temp_dir().join(format!("lvsim-{}", std::process::id()));
        Machine {
            kernel,
            program,
            memory: 1024,
            through_this_kernel: false,
            shift: 0,
            folder,
            at_once: 1,
            limit: None,
            interrupted: Arc::default(),
        }
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

    /// One machine does these jobs.
    fn perform_alone(&self, number: usize, jobs: &[Job]) -> Result<Vec<Done>, BackendError> {
        let folder = Folder(self.folder.join(number.to_string()));
        let Folder(path) = &folder;
        std::fs::create_dir_all(path).map_err(|error| file(path, error))?;
        let (initramfs, answer) = (path.join("initramfs"), path.join("answer"));
        let image = initramfs::build(self, jobs).map_err(|error| file(&initramfs, error))?;
        std::fs::write(&initramfs, image).map_err(|error| file(&initramfs, error))?;
        let console = self.boot(jobs, &initramfs, &answer)?;
        let bytes = std::fs::read(&answer).map_err(|error| file(&answer, error))?;
        answered(&bytes, &console)
    }

    /// Runs the machine until it switches itself off: what its console printed.
    fn boot(&self, jobs: &[Job], initramfs: &Path, answer: &Path) -> Result<String, BackendError> {
        let memory = jobs.iter().map(memory).max().unwrap_or(0).max(self.memory).to_string();
        let seconds = seconds(jobs);
        let through =
            if self.through_this_kernel { format!(" {THROUGH_THIS_KERNEL}") } else { String::new() };
        let mut qemu = qemu::command();
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
        .args(["-append", &format!("{COMMAND_LINE} {SECONDS}={seconds}{through}")]);
        let limit = self.limit.unwrap_or_else(|| patience(jobs, seconds));
        qemu::run(qemu, qemu::Limit(limit), &self.interrupted)
    }
}

/// A folder that goes with its owner, and the one it is in with the last of its kind.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let Folder(path) = self;
        let _ = std::fs::remove_dir_all(&path);
        let _ = path.parent().map(std::fs::remove_dir);
    }
}

/// The virtual seconds after which a guest has hung: each job begins on the raster of kernel timers, up to 33 s after it
/// was set up, and the test of the other backend does them all twice.
fn seconds(jobs: &[Job]) -> u64 {
    let jobs = jobs.iter().map(|job| job.end / 1_000_000_000 + 60);
    120 + 2 * jobs.sum::<u64>()
}

/// The processor time that no machine needs: several times of what was measured for booting, for setting a host up, for a
/// client, and for an idle second.
fn patience(jobs: &[Job], seconds: u64) -> Duration {
    let of = |job: &Job| 5_000 + 1_000 * job.hosts.len() as u64 + 50 * job.attempts.len() as u64;
    let of_jobs: u64 = jobs.iter().map(of).sum();
    Duration::from_millis(120_000 + of_jobs + 20 * seconds)
}

/// Megabytes that a job needs: a namespace has tables of its own, and a connection sockets and captured packets.
fn memory(job: &Job) -> u32 {
    let (hosts, attempts) = (job.hosts.len() as u32, job.attempts.len() as u32);
    512 + 2 * hosts + attempts / 40
}

fn file(path: &Path, error: std::io::Error) -> BackendError {
    BackendError::File { path: path.display().to_string(), error }
}
