//! Who can do a job.

use crate::agent;
use crate::job::Job;
use crate::transcript::Transcript;
use std::fmt;

/// Something that does jobs: the simulation, a kernel in a virtual machine, the kernel of this host, a recording.
pub trait Backend {
    /// Does a job.
    ///
    /// # Errors
    /// See [`BackendError`].
    fn perform(&mut self, job: &Job) -> Result<Transcript, BackendError>;
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Something this machine does not have.
    #[error("{0}")]
    Missing(Missing),
    /// The agent could not do the job.
    #[error("{0}")]
    Agent(String),
    /// The virtual machine did not answer.
    #[error("the virtual machine did not answer: {why}\n{console}")]
    Silent {
        /// Why not.
        why: String,
        /// The end of what its console printed.
        console: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// What is missing, all of it, and how it is had.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missing {
    /// Programs and the packages they are in.
    pub programs: Vec<(String, &'static str)>,
    /// There is no kernel.
    pub kernel: bool,
}

impl Missing {
    /// Is anything missing?
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && !self.kernel
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut what: Vec<&str> = self.programs.iter().map(|(program, _)| program.as_str()).collect();
        if self.kernel {
            what.push("a kernel for the virtual machine");
        }
        writeln!(f, "this needs {}", what.join(", "))?;
        let mut packages: Vec<&str> = self.programs.iter().map(|(_, package)| *package).collect();
        packages.sort_unstable();
        packages.dedup();
        if !packages.is_empty() {
            write!(f, "  apt-get install --no-install-recommends {}", packages.join(" "))?;
        }
        if self.kernel {
            let gap = if packages.is_empty() { "" } else { "\n" };
            write!(f, "{gap}  lvsim kernel fetch")?;
        }
        Ok(())
    }
}

/// A transcript that was written earlier.
#[derive(Clone, Debug)]
pub struct Recorded(pub Transcript);

impl Backend for Recorded {
    fn perform(&mut self, _job: &Job) -> Result<Transcript, BackendError> {
        Ok(self.0.clone())
    }
}

/// The kernel that this process runs on; the process is root in namespaces of its own.
#[derive(Clone, Copy, Debug)]
pub struct ThisKernel;

impl Backend for ThisKernel {
    fn perform(&mut self, job: &Job) -> Result<Transcript, BackendError> {
        agent::perform(job).map_err(|error| BackendError::Agent(error.to_string()))
    }
}
