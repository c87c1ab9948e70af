//! The network namespaces of the hosts, and which one the agent is in.

use super::{AgentError, kernel};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespaces of a job.
pub(super) struct Spaces {
    names: Vec<String>,
    hosts: Vec<Option<OwnedFd>>,
    home: OwnedFd,
    /// Where the agent is: a host, or at home.
    inside: Option<usize>,
}

impl Spaces {
    /// Hosts by name; their namespaces need not exist yet. The agent is at home.
    pub(super) fn new(names: &[String]) -> Spaces {
        let home = open("/proc/self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Spaces {
            names: names.to_vec(),
            hosts: names.iter().map(|_| None).collect(),
            home: home.expect("every process has a network namespace"),
            inside: None,
        }
    }

    /// All namespaces exist now.
    pub(super) fn open(&mut self) -> Result<(), AgentError> {
        (0..self.names.len()).try_for_each(|host| self.enter(Some(host)))?;
        self.enter(None)
    }

    /// The host of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Steps into a host, or home.
    pub(super) fn enter(&mut self, host: Option<usize>) -> Result<(), AgentError> {
        if self.inside == host {
            return Ok(());
        }
        let fd = match host {
            None => &self.home,
            Some(host) => {
                if self.hosts[host].is_none() {
                    let path = format!("/run/netns/{}", self.names[host]);
                    let fd = open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
                    self.hosts[host] = Some(fd.map_err(|e| kernel(&path, e))?);
                }
                self.hosts[host].as_ref().expect("it was opened")
            }
        };
        use rustix::fd::AsFd;
        move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| kernel("setns", e))?;
        self.inside = host;
        Ok(())
    }
}
