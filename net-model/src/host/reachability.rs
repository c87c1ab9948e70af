//! The life of a neighbour entry: what ARP packets, timers and upper layers do to it.
//!
//! `net.ipv4.neigh.*` sets the intervals and counts. Routers and directors never confirm a neighbour (forwarding is no
//! proof that packets arrive), so they probe each neighbour they use again and again.

use super::interface::InterfaceId;
use super::neighbour::{NeighbourId, NeighbourState, Neighbours};
use super::policy::Policy;
use crate::addr::{Addr, Mac};
use crate::switch::Path;
use sim_core::{Duration, Time};
use std::cmp::Reverse;

/// What a next hop's timer asks for, or a first use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Solicitation {
    pub(super) id: NeighbourId,
    pub(super) interface: InterfaceId,
    pub(super) target: Addr,
    /// The link address to ask at, none for a broadcast.
    pub(super) to: Option<Mac>,
    /// Source of the oldest waiting packet.
    pub(super) packet_source: Option<Addr>,
}

/// What the timers demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expired {
    Ask(Solicitation),
    Failed(NeighbourId),
}

/// What an ARP packet or an IPv6 neighbour claims about a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) mac: Mac,
    /// A reply to us is proof of two-way reachability; anything else is hearsay.
    pub(super) is_proof: bool,
    /// May it replace another known link address?
    pub(super) trust: Trust,
}

/// When a claim may replace another known link address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trust {
    /// At once.
    Override,
    /// When what is known is older than `locktime`: ARP.
    Locktime,
    /// Never, but it shakes the trust in what is known: an advertisement without the override flag.
    Weak,
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
        let overrides = match claim.trust {
            Trust::Override => true,
            Trust::Locktime => now.since(entry.updated) > policy.locktime(),
            Trust::Weak => false,
        };
        if was_valid && is_new_mac && !overrides {
            if claim.trust == Trust::Weak && entry.state == NeighbourState::Reachable {
                entry.state = NeighbourState::Stale;
                entry.updated = now;
                entry.due = Time::NEVER;
            }
            return Updated::Refused;
        }
        let state = match claim.is_proof {
            true => NeighbourState::Reachable,
            // What is known already changes nothing, in whatever state.
            false if !is_new_mac => return Updated::Accepted,
            false => NeighbourState::Stale,
        };
        if is_new_mac || entry.state != state {
            entry.updated = now;
        }
        let was_reachable = entry.state == NeighbourState::Reachable;
        entry.set_mac(claim.mac);
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
        entry.set_mac(mac);
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
    /// Frames to another link address take another way through the switch.
    fn set_mac(&mut self, mac: Mac) {
        if self.mac != mac {
            self.mac = mac;
            self.header.path = Path::NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::NeighbourState;
    use super::super::stack::{NeighbourAction, Resolution, truesize};
    use super::super::testing::*;
    use crate::addr::Mac;
    use crate::packet::ArpOp;
    use sim_core::{Duration, Time, Timers, Wheel};

    const PEER: &str = "10.0.0.50";
    const A: Mac = Mac::from_bits(0x0200_0000_00a0);

    /// A host on the wheel of Linux that has been up for `uptime` ms.
    fn on_wheel(uptime: u64) -> Host {
        let mut host = bare(Timers::Wheel(Wheel::new(250, Duration::from_millis(uptime))));
        let eth0 = host.add_interface("eth0", super::super::interface::InterfaceKind::Ethernet, mac(0x11));
        host.set_up(eth0, true);
        add(&mut host, "eth0", "10.0.0.11/24");
        host
    }

    /// What happens until `until`: seconds since `start` and what is asked (`who`: broadcast, `probe`: unicast) or `failed`.
    fn run(host: &mut Host, start: Time, until: f64) -> Vec<(f64, &'static str)> {
        let mut seen = Vec::new();
        let mut actions = Vec::new();
        while let Some(next) = host.next_timer().filter(|&t| t <= start + at(until).since(Time::ZERO)) {
            host.on_timer(next, &mut actions);
            for action in actions.drain(..) {
                let what = match action {
                    NeighbourAction::Ask(ask) if ask.to() == Some(Mac::BROADCAST) => "who",
                    NeighbourAction::Ask(ask) => {
                        assert_eq!((ask.to(), arp_of(&ask).op), (Some(A), ArpOp::Request));
                        "probe"
                    }
                    NeighbourAction::Failed(_) => "failed",
                };
                seen.push((next.since(start).as_secs_f64(), what));
            }
        }
        seen
    }

    fn state(host: &Host) -> NeighbourState {
        host.neighbour_state(addr(PEER), ETH0).expect("the entry exists")
    }

    /// [seen] Requests at 0, 1.02, 2.05 s; failure 3.05 to 3.10 s after the first.
    #[test]
    fn an_unresolvable_address_fails_after_three_seconds() {
        for phase in 0..32 {
            let mut host = on_wheel(phase);
            let start = at(100.0);
            let Resolution::Wait { id, ask: Some(_) } = host.resolve(start, ETH0, addr(PEER), None) else {
                panic!("the first request goes out at once");
            };
            for n in 0..3 {
                host.hold(id, n, addr("10.0.0.11"), truesize(60), &mut Vec::new());
            }
            let seen = run(&mut host, start, 60.0);
            let whats: Vec<_> = seen.iter().map(|(_, what)| *what).collect();
            assert_eq!(whats, ["who", "who", "failed"]);
            for ((t, _), (from, to)) in seen.iter().zip([(1.0, 1.033), (2.0, 2.065), (3.0, 3.10)]) {
                assert!((from..=to).contains(t), "{seen:?}");
            }
            assert_eq!(state(&host), NeighbourState::Failed);
            let waited: Vec<_> = std::iter::from_fn(|| host.discard(id)).collect();
            assert_eq!(waited, [0, 1, 2], "oldest first");
            let again = host.resolve(at(200.0), ETH0, addr(PEER), None);
            assert!(matches!(again, Resolution::Wait { ask: Some(_), .. }), "no negative cache");
        }
    }

    /// [seen] A STALE entry is used at once, probed 5.0 to 5.26 s later by three unicasts, and given up 3 s after.
    #[test]
    fn a_dead_neighbour_is_probed_to_death() {
        let mut host = on_wheel(1);
        let start = at(50.0);
        host.set_neighbour(start, ETH0, addr(PEER), A, NeighbourState::Stale).unwrap();
        assert_eq!(host.resolve(start, ETH0, addr(PEER), None), Resolution::Mac(A));
        assert_eq!(state(&host), NeighbourState::Delay);
        let seen = run(&mut host, start, 60.0);
        let whats: Vec<_> = seen.iter().map(|(_, what)| *what).collect();
        assert_eq!(whats, ["probe", "probe", "probe", "failed"]);
        assert!((5.0..=5.26).contains(&seen[0].0));
        let since_first: Vec<_> = seen.iter().map(|(t, _)| t - seen[0].0).collect();
        assert!((2.0..=2.07).contains(&since_first[2]) && (3.0..=3.10).contains(&since_first[3]));
    }

    /// `net.ipv4.neigh.*` and `net.ipv6.neigh.*`: how often a neighbour is asked for, and when it is given up.
    #[test]
    fn each_family_has_its_own_settings() {
        let given_up = |settings: &str, peer: &str| {
            let mut host = host(&[("eth0", "10.0.0.11/24")]);
            for setting in settings.split_whitespace() {
                let (name, value) = setting.split_once('=').unwrap();
                host.sysctl_set(name, value).unwrap();
            }
            let first = host.resolve(at(1.0), ETH0, addr(peer), None);
            assert!(matches!(first, Resolution::Wait { ask: Some(_), .. }));
            let (mut actions, mut asked) = (Vec::new(), 1);
            while let Some(due) = host.next_timer() {
                host.on_timer(due, &mut actions);
                for action in actions.drain(..) {
                    match action {
                        NeighbourAction::Ask(_) => asked += 1,
                        NeighbourAction::Failed(_) => return (asked, due.as_secs_f64() - 1.0),
                    }
                }
            }
            panic!("it is given up");
        };
        let (v4, v6) = ("10.0.0.50", "2001:db8::50");
        for peer in [v4, v6] {
            assert_eq!(given_up("", peer), (3, 3.0), "{peer}");
        }
        let once = "net.ipv6.neigh.eth0.mcast_solicit=1";
        assert_eq!((given_up(once, v4), given_up(once, v6)), ((3, 3.0), (1, 1.0)));
        let often = "net.ipv6.neigh.default.mcast_solicit=5 net.ipv6.neigh.default.retrans_time_ms=200";
        assert_eq!((given_up(often, v4), given_up(often, v6)), ((3, 3.0), (5, 1.0)));
        let old = "net.ipv4.neigh.eth0.mcast_solicit=2";
        assert_eq!((given_up(old, v4), given_up(old, v6)), ((2, 2.0), (3, 3.0)));
        // What was written to an interface stays, whatever `default` becomes.
        let both = "net.ipv6.neigh.eth0.mcast_solicit=2 net.ipv6.neigh.default.mcast_solicit=7";
        assert_eq!(given_up(both, v6), (2, 2.0));
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.sysctl_set("net.ipv6.neigh.eth0.base_reachable_time_ms", "2000").unwrap();
        let eth0 = host.interface_at(ETH0);
        assert!((1.0..3.0).contains(&eth0.reachable_time_v6.as_secs_f64()));
        assert!((15.0..45.0).contains(&eth0.reachable_time.as_secs_f64()));
    }

    /// [seen] In PROBE packets keep flowing, and a unicast answer makes the entry REACHABLE again.
    #[test]
    fn an_answer_to_a_probe_confirms() {
        let mut host = on_wheel(0);
        host.set_neighbour(at(50.0), ETH0, addr(PEER), A, NeighbourState::Stale).unwrap();
        host.resolve(at(50.0), ETH0, addr(PEER), None);
        let seen = run(&mut host, at(50.0), 5.5);
        assert_eq!(seen.len(), 1);
        assert_eq!(state(&host), NeighbourState::Probe);
        assert_eq!(host.resolve(at(55.5), ETH0, addr(PEER), None), Resolution::Mac(A));
        let own = host.interface_at(ETH0).mac;
        host.arp_input(at(55.5), ETH0, &is_at(PEER, A, "10.0.0.11", own), own);
        assert_eq!(state(&host), NeighbourState::Reachable);
    }

    /// REACHABLE lasts 15 to 45 s, then STALE if nobody used it; with traffic DELAY, and a confirmation prevents both.
    #[test]
    fn a_confirmation_ages() {
        let mut idle = on_wheel(0);
        let lasts = idle.interface_at(ETH0).reachable_time.as_secs_f64();
        assert!((15.0..45.0).contains(&lasts));
        idle.set_neighbour(at(50.0), ETH0, addr(PEER), A, NeighbourState::Reachable).unwrap();
        run(&mut idle, at(50.0), lasts - 0.1);
        assert_eq!(state(&idle), NeighbourState::Reachable);
        run(&mut idle, at(50.0), lasts + 2.1);
        assert_eq!(state(&idle), NeighbourState::Stale);

        let mut busy = on_wheel(0);
        busy.set_neighbour(at(50.0), ETH0, addr(PEER), A, NeighbourState::Reachable).unwrap();
        let used = at(50.0 + lasts - 1.0);
        busy.resolve(used, ETH0, addr(PEER), None);
        run(&mut busy, at(50.0), lasts + 2.1);
        assert_eq!(state(&busy), NeighbourState::Delay);

        let mut confirmed = on_wheel(0);
        confirmed.set_neighbour(at(50.0), ETH0, addr(PEER), A, NeighbourState::Reachable).unwrap();
        confirmed.confirm(at(60.0), ETH0, addr(PEER));
        run(&mut confirmed, at(50.0), lasts + 2.1);
        assert_eq!(state(&confirmed), NeighbourState::Reachable);
    }

    /// [seen] On the wheel a confirmation right at the beginning of DELAY is more than 5 s old when the timer fires.
    #[test]
    fn an_early_confirmation_in_delay_comes_too_early() {
        for (confirmed, expected) in [(50.001, NeighbourState::Probe), (52.0, NeighbourState::Reachable)] {
            let mut host = on_wheel(0);
            host.set_neighbour(at(49.0), ETH0, addr(PEER), A, NeighbourState::Stale).unwrap();
            host.resolve(at(50.0), ETH0, addr(PEER), None);
            host.confirm(at(confirmed), ETH0, addr(PEER));
            run(&mut host, at(50.0), 5.5);
            assert_eq!(state(&host), expected, "confirmed at {confirmed}");
        }
    }

    /// [seen] On resolution all that waited goes out in order, and its use makes a STALE entry DELAY.
    #[test]
    fn what_waited_goes_out_in_order() {
        let mut host = on_wheel(0);
        let Resolution::Wait { id, .. } = host.resolve(at(1.0), ETH0, addr(PEER), None) else {
            panic!("unknown")
        };
        for n in 0..3 {
            host.hold(id, n, addr("10.0.0.11"), truesize(1500), &mut Vec::new());
        }
        let outcome = host.arp_input(at(1.1), ETH0, &who_has("10.0.0.11", PEER, A), Mac::BROADCAST);
        assert_eq!(outcome.resolved, Some(id));
        let released: Vec<_> = std::iter::from_fn(|| host.release(at(1.1), id)).collect();
        assert_eq!(released, [(0, A), (1, A), (2, A)]);
        assert_eq!(state(&host), NeighbourState::Delay);
    }

    #[test]
    fn requests_carry_the_source_of_the_oldest_waiting_packet() {
        let mut host = on_wheel(0);
        add(&mut host, "lo", "10.0.0.100/32");
        let vip = addr("10.0.0.100");
        let Resolution::Wait { id, ask } = host.resolve(at(1.0), ETH0, addr(PEER), Some(vip)) else {
            panic!("unknown")
        };
        assert_eq!(arp_of(&ask.unwrap()).sender, vip);
        host.hold(id, 0, vip, truesize(60), &mut Vec::new());
        host.hold(id, 1, addr("10.0.0.11"), truesize(60), &mut Vec::new());
        let mut actions = Vec::new();
        let next = host.next_timer().unwrap();
        host.on_timer(next, &mut actions);
        assert!(matches!(actions[..], [NeighbourAction::Ask(ask)] if arp_of(&ask).sender == vip));
    }

    /// The queue is measured in buffer memory: some 92 full-size packets, the oldest go first.
    #[test]
    fn the_waiting_queue_is_bounded() {
        let mut host = on_wheel(0);
        let Resolution::Wait { id, .. } = host.resolve(at(1.0), ETH0, addr(PEER), None) else {
            panic!("unknown")
        };
        let mut dropped = Vec::new();
        for n in 0..100 {
            host.hold(id, n, addr("10.0.0.11"), truesize(1500), &mut dropped);
        }
        let kept = 212_992 / truesize(1500);
        assert_eq!(dropped, (0..100 - kept).collect::<Vec<_>>());
        assert_eq!(host.set_up(ETH0, false).dropped.len(), kept as usize);
        assert_eq!(host.neighbours().count(), 0, "an interface that goes down forgets its neighbours");
    }

    /// Loss of carrier leaves what was set by hand; `ip neigh flush` too; the interface going down leaves nothing.
    #[test]
    fn forgetting() {
        let mut host = on_wheel(0);
        let fill = |host: &mut Host| {
            host.set_neighbour(at(1.0), ETH0, addr(PEER), A, NeighbourState::Stale).unwrap();
            host.set_neighbour(at(1.0), ETH0, addr("10.0.0.51"), A, NeighbourState::Permanent).unwrap();
        };
        fill(&mut host);
        host.set_carrier(ETH0, false);
        assert_eq!(host.neighbours().count(), 1);
        fill(&mut host);
        host.flush_neighbours(Some(ETH0));
        assert_eq!(host.neighbours().count(), 1);
        assert!(host.delete_neighbour(ETH0, addr(PEER)).is_err());
        host.set_up(ETH0, false);
        assert_eq!(host.neighbours().count(), 0);
    }

    /// Entries stay for ever while there are few (gc_thresh1); many old ones are collected; gc_thresh3 is the end.
    #[test]
    fn collection_of_old_entries() {
        let mut host = on_wheel(0);
        let learn = |host: &mut Host, now: f64, n: u128| {
            let arp =
                crate::packet::Arp { sender: addr("10.0.1.0").offset(n), ..who_has("10.0.0.11", PEER, A) };
            host.arp_input(at(now), ETH0, &arp, Mac::BROADCAST).reply.is_some()
        };
        for n in 0..128 {
            learn(&mut host, 1.0, n);
        }
        learn(&mut host, 720.0, 128);
        assert_eq!(host.neighbours().count(), 129, "128 entries are kept however old");
        learn(&mut host, 800.0, 129);
        assert_eq!(host.neighbours().count(), 1, "more than that are collected when unused for a minute");
        let answered = (200..2000).filter(|&n| learn(&mut host, 900.0, n)).count();
        assert_eq!(answered, 1024);
        assert_eq!(host.resolve(at(900.0), ETH0, addr("10.0.9.9"), None), Resolution::TableFull);
        assert!(matches!(host.resolve(at(910.0), ETH0, addr("10.0.9.9"), None), Resolution::Wait { .. }));
    }
}
