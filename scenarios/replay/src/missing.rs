//! What this machine does not have, and how it is had.

use crate::job::{Action, Job};
use std::fmt;
use std::path::PathBuf;

/// The programs that a plan may name, and where Debian has them.
const PROGRAMS: [(&str, &str); 12] = [
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("tc", "iproute2"),
    ("ipvsadm", "ipvsadm"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("arptables", "arptables"),
    ("tcpdump", "tcpdump"),
    ("socat", "socat"),
    ("unshare", "util-linux"),
    ("ifconfig", "net-tools"),
    ("route", "net-tools"),
];

/// What is missing, all of it, and how it is had.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missing {
    /// Programs and the packages they are in.
    pub programs: Vec<(String, &'static str)>,
    /// There is no kernel.
    pub kernel: bool,
}

impl Missing {
    /// Those of these programs that are not there.
    pub(crate) fn of(programs: &[String]) -> Missing {
        let package =
            |program: &str| PROGRAMS.iter().find(|(name, _)| *name == program).map_or("", |(_, in_)| *in_);
        let gone = programs.iter().filter(|program| which(program).is_none());
        Missing { programs: gone.map(|program| (program.clone(), package(program))).collect(), kernel: false }
    }

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

/// The programs that jobs run.
pub(crate) fn programs(jobs: &[Job]) -> Vec<String> {
    let timed = |job: &'_ Job| {
        job.events.iter().chain(&job.looks).map(|timed| timed.command.clone()).collect::<Vec<_>>()
    };
    let commands = jobs.iter().flat_map(|job| job.setup.iter().cloned().chain(timed(job)));
    let mut programs: Vec<String> = commands
        .filter_map(|command| match &command.action {
            Action::Run(words) if words[0] == "cat" => None, // the agent reads itself
            Action::Run(words) => words[0].rsplit('/').next().map(Into::into),
            Action::Set(..) | Action::Load(_) => None,
        })
        .collect();
    if jobs.iter().any(|job| !job.taps.is_empty()) {
        programs.push("tcpdump".into());
    }
    programs.sort_unstable();
    programs.dedup();
    programs
}

/// Where a program is, also in the folders that only root searches.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|path| path.is_file())
}
