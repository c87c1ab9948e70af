//! How a host treats its neighbours: `net.ipv4.neigh.*` as intervals and counts.

use super::conf::{NeighKey, NeighbourConf};
use super::interface::Interface;
use sim_core::Duration;

/// How the table is bounded: `net.ipv4.neigh.default.gc_thresh1..3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Thresholds {
    pub(super) keep: usize,
    pub(super) pressure: usize,
    pub(super) limit: usize,
}

/// How an interface treats its neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy<'a> {
    pub(super) conf: &'a NeighbourConf,
    pub(super) reachable_time: Duration,
    pub(super) thresholds: Thresholds,
}

impl<'a> Policy<'a> {
    /// The policy of an interface of a host.
    #[inline]
    pub(super) fn of(interface: &'a Interface, thresholds: Thresholds) -> Policy<'a> {
        Policy { conf: &interface.neigh, reachable_time: interface.reachable_time, thresholds }
    }

    pub(super) fn retrans(&self) -> Duration {
        Duration::from_millis(self.conf.get(NeighKey::RetransTimeMs).max(10) as u64)
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_secs(self.conf.get(NeighKey::DelayFirstProbeTime) as u64)
    }

    pub(super) fn locktime(&self) -> Duration {
        Duration::from_millis(self.conf.get(NeighKey::Locktime) as u64 * 10)
    }

    pub(super) fn broadcasts(&self) -> u32 {
        (self.conf.get(NeighKey::McastSolicit) + self.conf.get(NeighKey::AppSolicit)) as u32
    }

    pub(super) fn unicasts(&self) -> u32 {
        (self.conf.get(NeighKey::UcastSolicit) + self.conf.get(NeighKey::AppSolicit)) as u32
    }

    pub(super) fn resolicits(&self) -> u32 {
        self.conf.get(NeighKey::McastResolicit) as u32
    }
}
