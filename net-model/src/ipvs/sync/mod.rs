//! Connection synchronisation: a master announces its connections, a backup keeps copies for the day it takes over.
//!
//! The core makes and reads messages; carrying them (UDP multicast 224.0.0.81 port 8848) is the host's business.

mod backup;
mod master;
mod message;

pub use master::Announcement;
pub use message::{SyncEntry, SyncMessage};

use super::Director;
use super::clock::Alarm;
use super::config::{DaemonConfig, DaemonRole, KernelError};
use master::Master;
use sim_core::{Duration, Time};

/// How often the master's thread looks at what it has collected.
const LOOK: Duration = Duration::from_secs(1);

/// The daemons of a director.
#[derive(Debug, Default)]
pub(super) struct Sync {
    master: Option<Master>,
    backup: Option<DaemonConfig>,
}

impl Sync {
    pub(super) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    #[inline]
    pub(super) fn has_master(&self) -> bool {
        self.master.is_some()
    }
}

impl Director {
    /// `ipvsadm --start-daemon`. Whether the interface exists and is up is for the host to check.
    ///
    /// # Errors
    /// [`KernelError::DaemonRunning`].
    pub fn start_daemon(&mut self, now: Time, config: DaemonConfig) -> Result<(), KernelError> {
        self.advance(now);
        if self.daemons().any(|daemon| daemon.role == config.role) {
            return Err(KernelError::DaemonRunning);
        }
        match config.role {
            DaemonRole::Master => {
                let look = self.clock.post_after(now, LOOK, Alarm::Announce);
                self.sync.master = Some(Master::new(config, self.settings.sync_ports, look));
            }
            DaemonRole::Backup => self.sync.backup = Some(config),
        }
        Ok(())
    }

    /// `ipvsadm --stop-daemon`.
    ///
    /// # Errors
    /// [`KernelError::NoDaemon`].
    pub fn stop_daemon(&mut self, now: Time, role: DaemonRole) -> Result<(), KernelError> {
        self.advance(now);
        let stopped = match role {
            DaemonRole::Master => self.sync.master.take().is_some(),
            DaemonRole::Backup => self.sync.backup.take().is_some(),
        };
        if stopped { Ok(()) } else { Err(KernelError::NoDaemon) }
    }

    /// The running daemons, master first.
    pub fn daemons(&self) -> impl Iterator<Item = &DaemonConfig> {
        self.sync.master.iter().map(Master::config).chain(&self.sync.backup)
    }

    /// The messages that the master has sent since the last call, oldest first.
    pub fn take_announcements(&mut self) -> Vec<Announcement> {
        self.sync.master.as_mut().map(Master::take).unwrap_or_default()
    }
}
