//! The network namespaces of a job: one for each host, one for the switches; and which of them the agent is in.

use super::{AgentError, execute, kernel};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open, stat};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespace of the switches; no host is called that.
const SWITCHES: &str = "lvsim.switches";

/// So many hosts share the usual limits of their kernel.
const SHARED_BY: usize = 64;

/// The namespaces of a job. They are removed when this goes.
pub(super) struct Spaces {
    /// The hosts' names, then that of the switches.
    names: Vec<String>,
    open: Vec<Option<OwnedFd>>,
    /// Where the agent was before.
    outside: OwnedFd,
    /// Where the agent is; none: where it was before.
    inside: Option<usize>,
}

impl Spaces {
    /// The hosts, whose namespaces the job makes, and the switches, whose namespace is made here.
    pub(super) fn new(hosts: &[String]) -> Result<Spaces, AgentError> {
        widen_shared_limits(hosts.len());
        let outside = namespace("/proc/self/ns/net")?;
        let names: Vec<String> = hosts.iter().cloned().chain([SWITCHES.to_owned()]).collect();
        let open = names.iter().map(|_| None).collect();
        let mut spaces = Spaces { names, open, outside, inside: None };
        execute::netns("add", &[SWITCHES])?;
        spaces.enter(None)?;
        Ok(spaces)
    }

    /// The host of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// When the hosts' namespaces were made, by the wall clock, in nanoseconds.
    pub(super) fn made(&self) -> Vec<u64> {
        let hosts = &self.names[..self.names.len() - 1];
        let times = hosts.iter().map(|host| {
            let seen = stat(format!("/run/netns/{host}")).ok()?;
            Some(seen.st_mtime.cast_unsigned() * 1_000_000_000 + seen.st_mtime_nsec)
        });
        times.collect::<Option<_>>().unwrap_or_default()
    }

    /// By what the kernel tells the hosts' namespaces apart.
    pub(super) fn inodes(&self) -> Vec<u64> {
        let hosts = &self.names[..self.names.len() - 1];
        hosts.iter().map(|host| stat(format!("/run/netns/{host}")).map_or(0, |seen| seen.st_ino)).collect()
    }

    /// Steps into a host, or to the switches.
    pub(super) fn enter(&mut self, host: Option<usize>) -> Result<(), AgentError> {
        let wanted = host.unwrap_or(self.names.len() - 1);
        if self.inside == Some(wanted) {
            return Ok(());
        }
        if self.open[wanted].is_none() {
            self.open[wanted] = Some(namespace(&format!("/run/netns/{}", self.names[wanted]))?);
        }
        self.step(self.open[wanted].as_ref().expect("it was opened"))?;
        self.inside = Some(wanted);
        Ok(())
    }

    fn step(&self, to: &OwnedFd) -> Result<(), AgentError> {
        move_into_link_name_space(to.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| kernel("setns", e))
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        let _ = self.step(&self.outside);
        let exists = |name: &&String| std::path::Path::new(&format!("/run/netns/{name}")).exists();
        let made: Vec<&str> = self.names.iter().filter(exists).map(String::as_str).collect();
        // Nobody is left to be told if it fails; what is in namespaces of the agent's own vanishes with it anyway.
        let _ = execute::netns("del", &made);
    }
}

/// All hosts of a kernel share limits which Linux has for a single one: for neighbours, and for packets that wait for the
/// processor, such as the copies of a question to all. With many hosts they are raised. Only a virtual machine lets itself
/// be told so; in namespaces these settings do not exist.
fn widen_shared_limits(hosts: usize) {
    if hosts <= SHARED_BY {
        return;
    }
    let neighbours = [("gc_thresh3", 1024), ("gc_thresh2", 512), ("gc_thresh1", 128)];
    let neighbours = neighbours.into_iter().flat_map(|(name, usual)| {
        ["ipv4", "ipv6"].map(|family| (format!("{family}/neigh/default/{name}"), usual))
    });
    for (name, usual) in neighbours.chain([("core/netdev_max_backlog".to_owned(), 1000)]) {
        // A kernel that does not speak the family does not have it.
        let _ = std::fs::write(format!("/proc/sys/net/{name}"), (usual * hosts).to_string());
    }
}

fn namespace(path: &str) -> Result<OwnedFd, AgentError> {
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| kernel(path, e))
}
