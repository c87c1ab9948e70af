//! What a kernel did, kept in a file: so that the comparison can be made again where there is no such kernel.

use crate::job::Job;
use crate::transcript::Transcript;
use serde::{Deserialize, Serialize};

/// A transcript with its captures, and the job it is the account of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// How it was made, for people.
    pub recipe: String,
    /// The CRC-32 of the job, as JSON and without its set-up: another job's account is no use.
    job: u32,
    /// The account.
    transcript: Transcript,
    /// The captures, in hexadecimal digits.
    captures: Vec<String>,
}

/// Why a recording is no use.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It is not one.
    #[error("this is no recording: {0}")]
    Strange(String),
    /// It is another job's.
    #[error(
        "this was recorded for another scenario, another seed, or another version of the simulator; record it again"
    )]
    Stale,
}

impl Recording {
    /// Records an account of a job.
    pub fn new(recipe: &str, job: &Job, transcript: &Transcript) -> Recording {
        let captures = transcript.captures.iter().map(|file| digits(file)).collect();
        Recording { recipe: recipe.into(), job: checksum(job), transcript: transcript.clone(), captures }
    }

    /// As a file.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a recording is plain data") + "\n"
    }

    /// Reads a file: the account of this job.
    ///
    /// # Errors
    /// See [`RecordingError`].
    pub fn read(text: &str, job: &Job) -> Result<Transcript, RecordingError> {
        let strange = |why: String| RecordingError::Strange(why);
        let recording: Recording = serde_json::from_str(text).map_err(|error| strange(error.to_string()))?;
        if recording.job != checksum(job) {
            return Err(RecordingError::Stale);
        }
        let captures: Option<Vec<Vec<u8>>> = recording.captures.iter().map(|text| bytes(text)).collect();
        let captures = captures.ok_or_else(|| strange("a capture is damaged".into()))?;
        match misfit(&recording.transcript, &captures, job) {
            Some(what) => Err(strange(format!("its {what} are not those of the scenario; record it again"))),
            None => Ok(Transcript { captures, ..recording.transcript }),
        }
    }
}

/// What of a recorded account is not that of the job.
fn misfit(account: &Transcript, captures: &[Vec<u8>], job: &Job) -> Option<&'static str> {
    let counts = [
        (account.answers.len() == job.looks.len(), "answers"),
        (account.done.len() <= job.events.len(), "timed commands"),
        (captures.len() == job.taps.len(), "captures"),
    ];
    let other = counts.into_iter().find(|(fits, _)| !fits).map(|(_, what)| what);
    account.misfit(job).or(other)
}

/// Of what clients and servers do; how the network is built may be said in other words.
fn checksum(job: &Job) -> u32 {
    let job = Job { setup: Vec::new(), phase: 0, ..job.clone() };
    crc32fast::hash(&serde_json::to_vec(&job).expect("a job is plain data"))
}

fn digits(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|n| char::from_digit(n.into(), 16).unwrap_or('0'))
        .collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Tap;
    use crate::transcript::{Answer, Outcome};

    #[test]
    fn what_is_recorded_reads_back() {
        let tap = |device: &str| Tap { host: 0, device: device.into() };
        let job = Job { name: "a".into(), taps: vec![tap("eth0"), tap("eth1")], ..Job::default() };
        let transcript =
            Transcript { captures: vec![vec![0, 127, 255], vec![]], zero: 5, ..Transcript::default() };
        let text = Recording::new("by hand", &job, &transcript).text();
        assert_eq!(Recording::read(&text, &job).unwrap(), transcript);
        assert!(matches!(Recording::read(&text, &Job::default()), Err(RecordingError::Stale)));
        assert!(matches!(Recording::read("{}", &job), Err(RecordingError::Strange(_))));
        assert!(matches!(
            Recording::read(&text.replace("007fff", "007ffg"), &job),
            Err(RecordingError::Strange(_))
        ));
    }

    #[test]
    fn an_account_of_something_else_is_refused() {
        let job = Job { taps: vec![Tap { host: 0, device: "eth0".into() }], ..Job::default() };
        let refused = |account: Transcript| {
            let read = Recording::read(&Recording::new("by hand", &job, &account).text(), &job);
            read.expect_err("it does not fit").to_string()
        };
        let captures = vec![vec![]];
        let attempts = vec![Outcome::default()];
        let answers = vec![Answer::default()];
        let done = vec![(1, 2)];
        assert!(refused(Transcript::default()).contains("its captures are not those of the scenario"));
        let with = || Transcript { captures: captures.clone(), ..Transcript::default() };
        assert!(refused(Transcript { attempts, ..with() }).contains("its attempts"));
        assert!(refused(Transcript { answers, ..with() }).contains("its answers"));
        assert!(refused(Transcript { done, ..with() }).contains("its timed commands"));
    }
}
