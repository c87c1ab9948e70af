//! The life of a neighbour entry: what ARP packets, timers and upper layers do to it.
//!
//! `net.ipv4.neigh.*` sets the intervals and counts. Routers and directors never confirm a neighbour (forwarding is no
//! proof that packets arrive), so they probe each neighbour they use again and again.

use super::neighbour::{Expired, NeighbourId, NeighbourState, Neighbours, Policy, Solicitation};
use crate::addr::{Addr, Mac};
use sim_core::{Duration, Time};
use std::cmp::Reverse;

/// What an ARP packet claims about a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) mac: Mac,
    /// A reply to us is proof of two-way reachability; anything else is hearsay.
    pub(super) is_proof: bool,
    /// May it replace another known link address at once?
    pub(super) overrides: bool,
}

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Updated {
    /// Not believed: another link address is known and was updated less than `locktime` ago.
    Refused,
    /// Believed, or nothing new.
    Accepted,
    /// The entry had no link address before: what waits may go.
    Resolved,
}

impl<H> Neighbours<H> {
    /// Believes a claim, or does not.
    pub(super) fn update(
        &mut self,
        now: Time,
        id: NeighbourId,
        claim: Claim,
        policy: &Policy<'_>,
    ) -> Updated {
        let entry = self.get_mut(id);
        if entry.state == NeighbourState::Permanent {
            return Updated::Refused;
        }
        let was_valid = entry.state.is_valid();
        let is_new_mac = !was_valid || entry.mac != claim.mac;
        let overrides = claim.overrides || now.since(entry.updated) > policy.locktime();
        if was_valid && is_new_mac && !overrides {
            return Updated::Refused;
        }
        let state = match claim.is_proof {
            true => NeighbourState::Reachable,
            false if !is_new_mac && entry.state == NeighbourState::Reachable => return Updated::Accepted,
            false => NeighbourState::Stale,
        };
        if is_new_mac || entry.state != state {
            entry.updated = now;
        }
        let was_reachable = entry.state == NeighbourState::Reachable;
        entry.mac = claim.mac;
        entry.state = state;
        entry.probes = 0;
        if claim.is_proof {
            entry.confirmed = now;
            if !was_reachable {
                self.arm(now, id, policy.reachable_time);
            }
        } else {
            if is_new_mac {
                entry.confirmed = Time::ZERO;
            }
            entry.due = Time::NEVER;
        }
        if was_valid { Updated::Accepted } else { Updated::Resolved }
    }

    /// Sets an entry by hand.
    pub(super) fn set(
        &mut self,
        now: Time,
        id: NeighbourId,
        mac: Mac,
        state: NeighbourState,
        policy: &Policy<'_>,
    ) -> bool {
        let entry = self.get_mut(id);
        let was_valid = entry.state.is_valid();
        entry.mac = mac;
        entry.state = state;
        entry.updated = now;
        entry.probes = 0;
        entry.due = Time::NEVER;
        match state {
            NeighbourState::Reachable => {
                entry.confirmed = now;
                self.arm(now, id, policy.reachable_time);
            }
            NeighbourState::Delay => self.arm(now, id, policy.delay()),
            NeighbourState::Probe | NeighbourState::Incomplete => self.arm(now, id, policy.retrans()),
            NeighbourState::Stale | NeighbourState::Failed | NeighbourState::Permanent => {}
        }
        !was_valid && state.is_valid()
    }

    /// An upper layer has proof that the neighbour hears us.
    pub(super) fn confirm(&mut self, now: Time, id: NeighbourId) {
        self.get_mut(id).confirmed = now;
    }

    /// The next timer that has fired by `now`, as the entry it belongs to.
    pub(super) fn pop_fired(&mut self, now: Time) -> Option<NeighbourId> {
        while let Some(&Reverse((at, _, slot))) = self.timers.peek() {
            if at > now {
                return None;
            }
            self.timers.pop();
            let Some(entry) = self.entries[slot as usize].as_mut() else { continue };
            if entry.posted != at {
                continue;
            }
            entry.posted = Time::NEVER;
            let (id, due) = (NeighbourId(slot), entry.due);
            if due <= now {
                entry.due = Time::NEVER;
                return Some(id);
            }
            if due < Time::NEVER {
                self.post(id, due);
            }
        }
        None
    }

    /// What an entry does when its timer has fired.
    pub(super) fn fire(&mut self, now: Time, id: NeighbourId, policy: &Policy<'_>) -> Option<Expired> {
        let entry = self.get_mut(id);
        match entry.state {
            NeighbourState::Reachable => {
                let until = entry.confirmed + policy.reachable_time;
                if now < until {
                    self.arm(now, id, until.since(now));
                } else if now <= entry.used + policy.delay() {
                    self.enter(now, id, NeighbourState::Delay, policy.delay());
                } else {
                    entry.state = NeighbourState::Stale;
                    entry.updated = now;
                }
                None
            }
            NeighbourState::Delay if now <= entry.confirmed + policy.delay() => {
                let until = entry.confirmed + policy.reachable_time;
                self.enter(now, id, NeighbourState::Reachable, until.since(now));
                None
            }
            NeighbourState::Delay => {
                entry.probes = 0;
                self.enter(now, id, NeighbourState::Probe, policy.retrans());
                self.ask_again(now, id, policy)
            }
            NeighbourState::Probe | NeighbourState::Incomplete => self.ask_again(now, id, policy),
            NeighbourState::Stale | NeighbourState::Failed | NeighbourState::Permanent => None,
        }
    }

    /// The next request of a round, or the end of it.
    fn ask_again(&mut self, now: Time, id: NeighbourId, policy: &Policy<'_>) -> Option<Expired> {
        let entry = self.get_mut(id);
        let is_probe = entry.state == NeighbourState::Probe;
        let unicasts = if is_probe { policy.unicasts() } else { 0 };
        let requests = if is_probe { unicasts + policy.resolicits() } else { policy.broadcasts() };
        if entry.probes >= requests {
            entry.state = NeighbourState::Failed;
            entry.updated = now;
            entry.due = Time::NEVER;
            return Some(Expired::Failed(id));
        }
        entry.probes += 1;
        let ask = Solicitation {
            id,
            interface: entry.interface,
            target: entry.addr,
            to: (entry.probes <= unicasts).then_some(entry.mac),
            packet_source: entry.oldest_source(),
        };
        self.arm(now, id, policy.retrans());
        Some(Expired::Ask(ask))
    }

    fn enter(&mut self, now: Time, id: NeighbourId, state: NeighbourState, delay: Duration) {
        let entry = self.get_mut(id);
        entry.state = state;
        entry.updated = now;
        self.arm(now, id, delay);
    }
}

impl<H> super::neighbour::Neighbour<H> {
    /// The source address of the packet that has waited longest.
    pub(super) fn oldest_source(&self) -> Option<Addr> {
        self.waiting.front().map(|w| w.source)
    }
}
