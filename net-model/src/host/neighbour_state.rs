//! What a host can know about a neighbour: the states of neighbour unreachability detection (RFC 4861, 7.3.2, which Linux
//! uses for ARP as well). `neighbour.rs` and `reachability.rs` lead entries from one to the next.

/// What the host knows about a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighbourState {
    /// Being asked for; packets wait.
    Incomplete,
    /// Nobody answered.
    Failed,
    /// Known, but not confirmed lately.
    Stale,
    /// Used since it became stale; about to be probed.
    Delay,
    /// Being probed by unicast.
    Probe,
    /// Confirmed lately.
    Reachable,
    /// Set by hand.
    Permanent,
}

impl NeighbourState {
    /// Is there a link address to send to, and nothing to be done?
    #[inline]
    pub const fn is_settled(self) -> bool {
        use NeighbourState::{Delay, Permanent, Probe, Reachable};
        matches!(self, Reachable | Delay | Probe | Permanent)
    }

    /// Is there a link address to send to?
    pub const fn is_valid(self) -> bool {
        !matches!(self, NeighbourState::Incomplete | NeighbourState::Failed)
    }

    /// As `ip neigh` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            NeighbourState::Incomplete => "INCOMPLETE",
            NeighbourState::Reachable => "REACHABLE",
            NeighbourState::Stale => "STALE",
            NeighbourState::Delay => "DELAY",
            NeighbourState::Probe => "PROBE",
            NeighbourState::Failed => "FAILED",
            NeighbourState::Permanent => "PERMANENT",
        }
    }
}
