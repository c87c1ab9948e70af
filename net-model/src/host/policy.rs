//! How a host treats its neighbours: `net.ipv4.neigh.*` and `net.ipv6.neigh.*` as intervals and counts.

use super::conf::{HostKey, NeighKey, NeighbourConf};
use super::interface::{Interface, InterfaceId};
use super::stack::Stack;
use sim_core::{Duration, Time};

/// How often all interfaces draw anew how long a confirmation lasts.
pub(super) const REDRAW_INTERVAL: Duration = Duration::from_secs(300);

/// How the table is bounded: `net.ipv4.neigh.default.gc_thresh1..3`, for both families together.
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
    /// The policy of an interface of a host for neighbours of one family.
    #[inline]
    pub(super) fn of(interface: &'a Interface, is_v4: bool, thresholds: Thresholds) -> Policy<'a> {
        let (conf, reachable_time) = match is_v4 {
            true => (&interface.neigh, interface.reachable_time),
            false => (&interface.neigh_v6, interface.reachable_time_v6),
        };
        Policy { conf, reachable_time, thresholds }
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

impl<H> Stack<H> {
    #[inline]
    pub(super) fn thresholds(&self) -> Thresholds {
        Thresholds {
            keep: self.host.get(HostKey::NeighGcThresh1) as usize,
            pressure: self.host.get(HostKey::NeighGcThresh2) as usize,
            limit: self.host.get(HostKey::NeighGcThresh3) as usize,
        }
    }

    /// Every five minutes all interfaces draw anew how long a confirmation lasts.
    pub(super) fn redraw_reachable_times(&mut self, now: Time) {
        if now < self.next_redraw {
            return;
        }
        self.next_redraw = now + REDRAW_INTERVAL;
        for at in 0..self.interfaces.len() {
            self.draw_reachable_time(InterfaceId(at as u16));
        }
    }

    /// Settles how long a confirmation lasts on an interface, until the kernel draws again.
    pub fn set_reachable_time(&mut self, id: InterfaceId, time: Duration) {
        let interface = &mut self.interfaces[id.index()];
        (interface.reachable_time, interface.reachable_time_v6) = (time, time);
    }

    /// One number is drawn for both families, which Linux draws apart.
    pub(super) fn draw_reachable_time(&mut self, id: InterfaceId) {
        let interface = &mut self.interfaces[id.index()];
        let (base, base_v6) = (base_reachable_ns(&interface.neigh), base_reachable_ns(&interface.neigh_v6));
        let drawn = if base == 0 { 0 } else { self.stream.below(base) };
        let scaled = u128::from(drawn) * u128::from(base_v6) / u128::from(base.max(1));
        interface.reachable_time = Duration::from_nanos(base / 2 + drawn);
        interface.reachable_time_v6 = Duration::from_nanos(base_v6 / 2 + scaled as u64); // less than base_v6
    }

    /// After a write to the base of IPv6.
    pub(super) fn draw_reachable_time_v6(&mut self, id: InterfaceId) {
        let interface = &mut self.interfaces[id.index()];
        let base = base_reachable_ns(&interface.neigh_v6);
        let drawn = if base == 0 { 0 } else { self.stream.below(base) };
        interface.reachable_time_v6 = Duration::from_nanos(base / 2 + drawn);
    }
}

fn base_reachable_ns(conf: &NeighbourConf) -> u64 {
    conf.get(NeighKey::BaseReachableTimeMs) as u64 * 1_000_000
}

/// The buffer memory that a waiting packet of `len` bytes is charged with: about what a network card's receive buffers
/// and the kernel's own allocations take.
pub const fn truesize(len: u16) -> u32 {
    match len {
        0..=320 => 768,
        321..=832 => 1280,
        _ => 2304,
    }
}
