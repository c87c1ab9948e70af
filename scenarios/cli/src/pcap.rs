//! `lvsim run --pcap`: a capture file, whole or not at all.

use crate::options::refuse;
use crate::run::with_bar;
use crate::stop::Stop;
use anyhow::{Context, Result, anyhow, bail};
use scenarios::load::Loaded;
use scenarios::recording::{RecordingError, record};
use scenarios::run::Run;
use scenarios::scenario::Scenario;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a run writes down packet by packet.
#[derive(clap::Args)]
pub(crate) struct Capture {
    /// Write the packets as pcapng, for Wireshark and tcpdump: every interface as tcpdump on its host would see it,
    /// with the director's decisions and the reasons of drops as packet comments
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Only this interface, or all of this host (may be repeated): `director.eth0`, `web1`
    #[arg(long, value_name = "HOST[.DEV]", requires = "pcap")]
    pub(crate) pcap_interface: Vec<String>,
}

/// Runs a scenario with a capture; none if it was stopped, and then there is no file either.
pub(crate) fn recorded(
    scenario: &Scenario,
    stop: &Stop,
    quiet: bool,
    file: &Path,
    interfaces: &[String],
    loaded: &Loaded,
) -> Result<Option<Run>> {
    let target = Target::open(file)?;
    let out = BufWriter::with_capacity(1 << 20, &target.file);
    let recorded = with_bar(scenario, stop, quiet, |progress| record(scenario, interfaces, out, progress));
    let recorded = recorded.map_err(|error| match error {
        RecordingError::Refused(problems) => refuse(&loaded.problems(problems)),
        RecordingError::NoInterface(text) => anyhow!("--pcap-interface: {text}"),
        RecordingError::Write(error) => {
            anyhow::Error::from(error).context(format!("cannot write {}", file.display()))
        }
    })?;
    let Some(recorded) = recorded else { return Ok(None) };
    target.keep()?;
    if !quiet {
        crate::terminal::tell(format_args!("capture: {} ({} packets)", file.display(), recorded.packets));
    }
    Ok(Some(recorded.run))
}

/// A file that appears under its name when it is whole. Pipes and devices get their bytes as they come.
struct Target {
    file: File,
    name: PathBuf,
    /// Where it is until it is whole; none for pipes, and once it is there.
    unfinished: Option<PathBuf>,
}

impl Target {
    fn open(name: &Path) -> Result<Target> {
        if name == Path::new("-") {
            bail!("--pcap needs the name of a file; for a pipe: --quiet --pcap /dev/stdout | tcpdump -r -");
        }
        let refused = || format!("cannot write the capture {}", name.display());
        let is_special = fs::metadata(name).is_ok_and(|found| !found.is_file());
        if is_special {
            let file = File::options().write(true).open(name).with_context(refused)?;
            return Ok(Target { file, name: name.to_owned(), unfinished: None });
        }
        let mut beside = name.as_os_str().to_owned();
        beside.push(format!(".unfinished-{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let file = File::create(&beside).with_context(refused)?;
        Ok(Target { file, name: name.to_owned(), unfinished: Some(beside) })
    }

    /// The file is whole.
    fn keep(mut self) -> Result<()> {
        (&self.file).flush().with_context(|| format!("cannot write {}", self.name.display()))?;
        if let Some(beside) = self.unfinished.take() {
            fs::rename(&beside, &self.name)
                .inspect_err(|_| {
                    let _ = fs::remove_file(&beside); // the first error is the one to be told
                })
                .with_context(|| format!("cannot write {}", self.name.display()))?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(beside) = &self.unfinished {
            let _ = fs::remove_file(beside); // there is nothing to be done about it
        }
    }
}
