//! Who can do a job.

use crate::channel::{self, Kind};
use crate::job::Job;
use crate::missing::Missing;
use crate::transcript::Transcript;

/// Something that does jobs: the simulation, a kernel in a virtual machine, the kernel of this host, a recording.
pub trait Backend {
    /// Does jobs, one after the other; each has an account, or a sentence why it could not be done.
    ///
    /// # Errors
    /// See [`BackendError`].
    fn perform(&mut self, jobs: &[Job]) -> Result<Vec<Done>, BackendError>;
}

/// What became of a job.
pub type Done = Result<Transcript, String>;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Something this machine does not have.
    #[error("{0}")]
    Missing(Missing),
    /// This kernel, or this user, cannot do it.
    #[error("{0}")]
    Unable(String),
    /// The agent did not answer.
    #[error("the agent did not answer: {why}\n{console}")]
    Silent {
        /// Why not.
        why: String,
        /// The end of what its console printed.
        console: String,
    },
    /// The user does not want to wait for it any more.
    #[error("interrupted")]
    Interrupted,
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

impl BackendError {
    /// An agent that does not answer, with the end of what its console printed.
    pub(crate) fn silent(why: String, console: &str) -> BackendError {
        BackendError::Silent { why, console: last_lines(console) }
    }
}

/// Transcripts that were written earlier, of the same jobs.
#[derive(Clone, Debug)]
pub struct Recorded(pub Vec<Transcript>);

impl Backend for Recorded {
    fn perform(&mut self, _jobs: &[Job]) -> Result<Vec<Done>, BackendError> {
        Ok(self.0.iter().cloned().map(Ok).collect())
    }
}

/// What an agent has answered about so many jobs.
pub(crate) fn answered(bytes: &[u8], console: &str) -> Result<Vec<Done>, BackendError> {
    let silent = |why: String| BackendError::silent(why, console);
    let (mut all, mut captures) = (Vec::new(), Vec::new());
    for (kind, contents) in channel::receive(bytes).map_err(|error| silent(error.to_string()))? {
        match kind {
            Kind::Capture => captures.push(contents),
            Kind::Failed => all.push(Err(String::from_utf8_lossy(&contents).into_owned())),
            Kind::Transcript => {
                let read: Transcript =
                    serde_json::from_slice(&contents).map_err(|error| silent(error.to_string()))?;
                all.push(Ok(Transcript { captures: std::mem::take(&mut captures), ..read }));
            }
            Kind::End => {}
        }
    }
    Ok(all)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
