//! Connection synchronisation: a master announces its connections, a backup keeps copies for the day it takes over.
//!
//! The core makes and reads messages; carrying them (UDP multicast 224.0.0.81 port 8848) is the host's business
//! (`host/sync.rs`).

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

/// The kernel starts no more threads than this, whatever `sync_ports` says.
const MOST_THREADS: i64 = 64;

/// How often a master's thread looks at what it has collected.
const LOOK: Duration = Duration::from_secs(1);

/// The daemons of a director.
#[derive(Debug, Default)]
pub(super) struct Sync {
    master: Option<Master>,
    backup: Option<Backup>,
}

/// The backup daemon.
#[derive(Debug)]
struct Backup {
    config: DaemonConfig,
    /// It listens on this many ports, the configured one and those after it.
    ports: u16,
}

/// What a backup daemon makes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Its connections are copied.
    Copied,
    /// It is from a master with another syncid.
    OtherSyncId,
    /// It is longer than the daemon's buffer (`--sync-maxlen`).
    TooLong,
    /// No daemon listens.
    Nobody,
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
        self.changes(now);
        if self.daemons().any(|daemon| daemon.role == config.role) {
            return Err(KernelError::DaemonRunning);
        }
        match config.role {
            DaemonRole::Master => {
                let ports = self.settings.sync_ports.min(MOST_THREADS);
                let look = self.clock.fires(now, now + LOOK);
                (0..ports).for_each(|thread| self.clock.post(look, Alarm::Announce(thread as u32)));
                self.sync.master = Some(Master::new(config, ports, look));
            }
            DaemonRole::Backup => {
                let ports = self.settings.sync_ports.min(MOST_THREADS) as u16;
                self.sync.backup = Some(Backup { config, ports });
            }
        }
        Ok(())
    }

    /// `ipvsadm --stop-daemon`.
    ///
    /// # Errors
    /// [`KernelError::NoDaemon`].
    pub fn stop_daemon(&mut self, now: Time, role: DaemonRole) -> Result<(), KernelError> {
        self.changes(now);
        let stopped = match role {
            DaemonRole::Master => self.sync.master.take().is_some(),
            DaemonRole::Backup => self.sync.backup.take().is_some(),
        };
        if stopped { Ok(()) } else { Err(KernelError::NoDaemon) }
    }

    /// The running daemons, master first.
    pub fn daemons(&self) -> impl Iterator<Item = &DaemonConfig> {
        let backup = self.sync.backup.iter().map(|backup| &backup.config);
        self.sync.master.iter().map(Master::config).chain(backup)
    }

    /// The messages that the master has sent since the last call, oldest first.
    pub fn take_announcements(&mut self) -> Vec<Announcement> {
        self.sync.master.as_mut().map(Master::take).unwrap_or_default()
    }

    /// How many messages were lost since the last call because `sync_qlen_max` others waited.
    pub fn take_overflowed_announcements(&mut self) -> u64 {
        self.sync.master.as_mut().map_or(0, Master::take_overflowed)
    }

    /// How the master's messages travel, if it runs.
    pub fn sync_master(&self) -> Option<&DaemonConfig> {
        self.sync.master.as_ref().map(Master::config)
    }

    /// The backup daemon with the number of its ports, if it runs.
    pub fn sync_backup(&self) -> Option<(&DaemonConfig, u16)> {
        self.sync.backup.as_ref().map(|backup| (&backup.config, backup.ports))
    }
}
