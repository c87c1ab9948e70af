//! ARP: which requests a host answers, what it announces when it asks, and what it learns by listening.
//!
//! Linux answers for every local address on every interface ("weak host") unless `arp_ignore` of `all` or of the
//! *receiving* interface forbids it, and asks with the source address of the waiting packet unless `arp_announce`
//! says otherwise. These two are the ARP problem of direct routing. IPv6 has `ndisc.rs` instead.

use super::arptables::ArpChain;
use super::ask::Ask;
use super::conf::{ConfKey, NeighKey};
use super::fib::RouteKind;
use super::interface::{InterfaceId, InterfaceKind, Scope};
use super::neighbour::NeighbourId;
use super::reachability::{Claim, Solicitation, Trust, Updated};
use super::route_input::Inbound;
use super::stack::Stack;
use crate::addr::{Addr, Mac};
use crate::packet::{Arp, ArpOp, Body, Frame};
use sim_core::{Duration, Time};

/// An ARP packet to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpSend {
    /// The interface it leaves by.
    pub interface: InterfaceId,
    /// The link address it goes to.
    pub to: Mac,
    /// The packet.
    pub arp: Arp,
    /// How long it waits first (answers on behalf of others only).
    pub delay: Duration,
}

impl ArpSend {
    /// The packet in its frame.
    pub fn frame(&self) -> Frame {
        Frame { dst: self.to, src: self.arp.sender_mac, vlan: 0, body: Body::Arp(self.arp) }
    }
}

/// What a received ARP packet leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpOutcome {
    /// What the host thought of it.
    pub verdict: ArpVerdict,
    /// The answer to send.
    pub reply: Option<ArpSend>,
    /// A neighbour whose link address is now known: send what waits for it ([`Stack::release`]), after the reply.
    pub resolved: Option<NeighbourId>,
}

/// What a host thinks of an ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpVerdict {
    /// A request for an own address, answered.
    Answered,
    /// A request answered on behalf of another host (proxy ARP).
    AnsweredForOther,
    /// A request for an own address that `arp_ignore` hides.
    Hidden,
    /// A request for an own address that `arp_filter` forbids to answer here.
    Filtered,
    /// An arptables rule dropped it, or the answer.
    RuleDropped,
    /// The sender's entry in the neighbour cache was made or brought up to date.
    Learnt,
    /// The sender's entry is too fresh to be replaced (locktime), or set by hand.
    Distrusted,
    /// It does not concern this host.
    Ignored,
}

impl ArpOutcome {
    const fn quiet(verdict: ArpVerdict) -> ArpOutcome {
        ArpOutcome { verdict, reply: None, resolved: None }
    }
}

impl<H> Stack<H> {
    /// An ARP packet came in on `iif`, in a frame to `to`.
    pub fn arp_input(&mut self, now: Time, iif: InterfaceId, arp: &Arp, to: Mac) -> ArpOutcome {
        self.redraw_reachable_times(now);
        let interface = &self.interfaces[iif.index()];
        if !interface.up || !interface.arp || !(to.is_group() || to == interface.mac) {
            return ArpOutcome::quiet(ArpVerdict::Ignored);
        }
        let Some(arp) = self.arptables.pass(ArpChain::Input, *arp, iif) else {
            return ArpOutcome::quiet(ArpVerdict::RuleDropped);
        };
        if arp.target.is_multicast()
            || (arp.target.is_loopback() && !self.is_on(iif, ConfKey::RouteLocalnet))
            || (arp.sender == arp.target && self.is_on(iif, ConfKey::DropGratuitousArp))
        {
            return ArpOutcome::quiet(ArpVerdict::Ignored);
        }
        if arp.sender.is_unspecified() {
            return self.answer_address_probe(iif, &arp);
        }
        if arp.op == ArpOp::Request
            && let Some(outcome) = self.answer_request(now, iif, &arp, to)
        {
            return outcome;
        }
        self.overhear(now, iif, &arp, to)
    }

    /// What neighbours are told when an interface comes up: gratuitous requests (`arp_notify`) and advertisements.
    pub(super) fn announce(&self, id: InterfaceId) -> Vec<Ask> {
        let interface = &self.interfaces[id.index()];
        if !interface.up || !interface.arp {
            return Vec::new();
        }
        let notifies = self.is_on(id, ConfKey::ArpNotify);
        let tell = |a: Addr| match a.is_v4() {
            true if notifies => self.request(id, a, a, None).map(Ask::Arp),
            true => None,
            false => self.notify(id, a).map(Ask::Ndisc),
        };
        interface.addresses().iter().filter_map(|a| tell(a.addr)).collect()
    }

    /// The request that a neighbour entry asks for.
    pub(super) fn solicit(&self, ask: &Solicitation) -> Option<Ask> {
        if !ask.target.is_v4() {
            return self.solicit_v6(ask).map(Ask::Ndisc);
        }
        let sender = self.announced_sender(ask.interface, ask.target, ask.packet_source);
        self.request(ask.interface, ask.target, sender, ask.to).map(Ask::Arp)
    }

    /// The sender address of a request for `target`, given the source of the packet that waits (`arp_announce`).
    pub fn announced_sender(&self, oif: InterfaceId, target: Addr, packet_source: Option<Addr>) -> Addr {
        let local_source = packet_source.filter(|&s| self.is_local(s));
        let fitting = match (local_source, self.effective(oif, ConfKey::ArpAnnounce)) {
            (Some(source), 0) => Some(source),
            (Some(source), 1) => {
                let primaries = self.interfaces[oif.index()].addresses().iter().filter(|a| !a.secondary);
                let mut subnets = primaries.map(super::interface::Address::subnet);
                subnets.any(|p| p.contains(target) && p.contains(source)).then_some(source)
            }
            (Some(_) | None, _) => None,
        };
        let best = || self.select_source(oif, target, Scope::Link);
        fitting.or_else(best).unwrap_or(Addr::UNSPECIFIED_V4)
    }

    fn request(
        &self,
        interface: InterfaceId,
        target: Addr,
        sender: Addr,
        to: Option<Mac>,
    ) -> Option<ArpSend> {
        let device = &self.interfaces[interface.index()];
        if !device.up || !device.arp {
            return None;
        }
        let sender_mac = device.mac;
        let arp = Arp { op: ArpOp::Request, sender_mac, sender, target_mac: Mac::ZERO, target };
        let arp = self.arptables.pass(ArpChain::Output, arp, interface)?;
        let to = to.unwrap_or(Mac::BROADCAST);
        Some(ArpSend { interface, to, arp, delay: Duration::ZERO })
    }

    /// A probe for a duplicate address: answered without learning.
    fn answer_address_probe(&self, iif: InterfaceId, arp: &Arp) -> ArpOutcome {
        if arp.op != ArpOp::Request || !self.is_local(arp.target) {
            return ArpOutcome::quiet(ArpVerdict::Ignored);
        }
        if self.hides(iif, arp) {
            return ArpOutcome::quiet(ArpVerdict::Hidden);
        }
        self.reply(iif, arp, ArpVerdict::Answered, Duration::ZERO)
    }

    /// What to do about a request that concerns this host; none if it does not, or says too little about its sender.
    fn answer_request(&mut self, now: Time, iif: InterfaceId, arp: &Arp, to: Mac) -> Option<ArpOutcome> {
        // Every host of a link hears every question. Most are about others, and a host that forwards nothing is nobody's
        // proxy: the tables need not be asked, nor the question be remembered.
        if !(self.has_rules() || self.forwards(iif, true) || self.is_local(arp.target)) {
            return None;
        }
        let inbound = self.route_input(arp.sender, arp.target, 0, iif).ok()?;
        let (verdict, delay) = match inbound {
            Inbound::Deliver if self.hides(iif, arp) => return Some(ArpOutcome::quiet(ArpVerdict::Hidden)),
            Inbound::Deliver if self.filters(iif, arp) => {
                return Some(ArpOutcome::quiet(ArpVerdict::Filtered));
            }
            Inbound::Deliver => (ArpVerdict::Answered, Duration::ZERO),
            Inbound::Forward { route, .. } if self.answers_for(iif, arp, route.oif) => {
                (ArpVerdict::AnsweredForOther, self.proxy_delay(iif, to))
            }
            Inbound::Forward { .. } | Inbound::Broadcast => return None,
        };
        let Some((_, updated)) =
            self.learn(now, iif, arp, Claim { mac: arp.sender_mac, is_proof: false, trust: Trust::Override })
        else {
            return Some(ArpOutcome::quiet(ArpVerdict::Ignored));
        };
        let mut outcome = self.reply(iif, arp, verdict, delay);
        outcome.resolved = updated;
        Some(outcome)
    }

    fn reply(&self, iif: InterfaceId, request: &Arp, verdict: ArpVerdict, delay: Duration) -> ArpOutcome {
        let arp = Arp {
            op: ArpOp::Reply,
            sender_mac: self.interfaces[iif.index()].mac,
            sender: request.target,
            target_mac: request.sender_mac,
            target: request.sender,
        };
        match self.arptables.pass(ArpChain::Output, arp, iif) {
            Some(arp) => {
                let reply = ArpSend { interface: iif, to: request.sender_mac, arp, delay };
                ArpOutcome { verdict, reply: Some(reply), resolved: None }
            }
            None => ArpOutcome::quiet(ArpVerdict::RuleDropped),
        }
    }

    /// Does `arp_ignore` forbid the answer?
    fn hides(&self, iif: InterfaceId, arp: &Arp) -> bool {
        let here = &self.interfaces[iif.index()];
        match self.effective(iif, ConfKey::ArpIgnore) {
            1 => !here.has(arp.target),
            2 => {
                let of_both = |p: crate::addr::Prefix| {
                    p.contains(arp.target) && (arp.sender.is_unspecified() || p.contains(arp.sender))
                };
                !(here.has(arp.target) && here.addresses().iter().any(|a| of_both(a.subnet())))
            }
            3 => {
                let mut all = self.addresses();
                !all.any(|a| a.addr == arp.target && a.scope < Scope::Host)
            }
            8 => true,
            _ => false,
        }
    }

    /// Does `arp_filter` forbid the answer: would the way to the asker leave by another interface?
    fn filters(&mut self, iif: InterfaceId, arp: &Arp) -> bool {
        self.is_on(iif, ConfKey::ArpFilter)
            && !self.route_output(arp.sender, Some(arp.target), 0).is_ok_and(|route| route.oif == iif)
    }

    /// Does the host answer for an address that it routes to `oif`?
    fn answers_for(&self, iif: InterfaceId, arp: &Arp, oif: InterfaceId) -> bool {
        if oif == iif {
            return self.is_on(iif, ConfKey::ProxyArpPvlan) && arp.sender != arp.target;
        }
        self.is_on(iif, ConfKey::ProxyArp) || self.published.contains(&(arp.target, iif))
    }

    fn proxy_delay(&mut self, iif: InterfaceId, to: Mac) -> Duration {
        let longest = self.interfaces[iif.index()].neigh.get(NeighKey::ProxyDelay) as u64 * 10_000_000;
        if longest == 0 || !to.is_group() {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.stream.below(longest))
    }

    /// A packet that is not answered may still tell something about its sender.
    fn overhear(&mut self, now: Time, iif: InterfaceId, arp: &Arp, to: Mac) -> ArpOutcome {
        let is_gratuitous =
            arp.sender == arp.target && (arp.op == ArpOp::Request || arp.target_mac == arp.sender_mac);
        let is_known = self.neighbours.find(arp.sender, iif).is_some();
        if !is_known && !self.creates(iif, arp, is_gratuitous) {
            return ArpOutcome::quiet(ArpVerdict::Ignored);
        }
        let is_proof = arp.op == ArpOp::Reply && !to.is_group();
        let trust = if is_gratuitous { Trust::Override } else { Trust::Locktime };
        let claim = Claim { mac: arp.sender_mac, is_proof, trust };
        match self.learn(now, iif, arp, claim) {
            None => ArpOutcome::quiet(ArpVerdict::Ignored),
            Some((Updated::Refused, _)) => ArpOutcome::quiet(ArpVerdict::Distrusted),
            Some((Updated::Accepted | Updated::Resolved, resolved)) => {
                ArpOutcome { verdict: ArpVerdict::Learnt, reply: None, resolved }
            }
        }
    }

    /// Does an unasked packet make a new entry (`arp_accept`)?
    fn creates(&self, iif: InterfaceId, arp: &Arp, is_gratuitous: bool) -> bool {
        let is_wanted = match self.effective(iif, ConfKey::ArpAccept) {
            0 => false,
            1 => true,
            _ => self.interfaces[iif.index()].on_link(arp.sender),
        };
        is_wanted && (is_gratuitous || arp.op == ArpOp::Reply) && self.is_plain_unicast(arp.sender)
    }

    fn learn(
        &mut self,
        now: Time,
        iif: InterfaceId,
        arp: &Arp,
        claim: Claim,
    ) -> Option<(Updated, Option<NeighbourId>)> {
        let thresholds = self.thresholds();
        let id = match self.neighbours.find(arp.sender, iif) {
            Some(id) => id,
            None => self.neighbours.create(now, arp.sender, iif, &thresholds)?,
        };
        let interface = &self.interfaces[iif.index()];
        let policy = super::policy::Policy::of(interface, true, thresholds);
        let updated = self.neighbours.update(now, id, claim, &policy);
        let is_awaited = updated == Updated::Resolved && self.neighbours.get(id).is_awaited();
        Some((updated, is_awaited.then_some(id)))
    }

    /// The link address that a next hop has by its nature: groups, and interfaces that do not ask.
    pub(super) fn mapped_mac(&self, oif: InterfaceId, next_hop: Addr) -> Option<Mac> {
        let interface = &self.interfaces[oif.index()];
        match interface.kind {
            InterfaceKind::Loopback
            | InterfaceKind::Tunnel
            | InterfaceKind::TunnelV6
            | InterfaceKind::Gre => Some(Mac::ZERO),
            InterfaceKind::Ethernet | InterfaceKind::Dummy if !interface.arp => Some(interface.mac),
            InterfaceKind::Ethernet | InterfaceKind::Dummy => {
                let is_broadcast =
                    next_hop == Addr::BROADCAST_V4 || self.local_kind(next_hop) == Some(RouteKind::Broadcast);
                if is_broadcast { Some(Mac::BROADCAST) } else { group_mac(next_hop) }
            }
        }
    }
}

/// The link address of a multicast group.
pub(super) fn group_mac(addr: Addr) -> Option<Mac> {
    let bits = addr.to_bits() as u64;
    match (addr.is_multicast(), addr.is_v4()) {
        (false, _) => None,
        (true, true) => Some(Mac::from_bits(0x0100_5e00_0000 | bits & 0x7f_ffff)),
        (true, false) => Some(super::ndisc::group_mac(addr)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arptables::{ArpAction, ArpRule};
    use super::super::neighbour::NeighbourState;
    use super::super::stack::Resolution;
    use super::super::testing::*;
    use super::*;

    const ASKER: Mac = Mac::from_bits(0x0200_0000_0050);

    fn is_answered(host: &mut Host, target: &str, sender: &str) -> bool {
        let outcome = host.arp_input(at(1.0), ETH0, &who_has(target, sender, ASKER), Mac::BROADCAST);
        outcome.reply.is_some()
    }

    /// Which requests of 10.0.0.50 on eth0 are answered, by `arp_ignore` and by where the address is. [seen]
    #[test]
    fn arp_ignore_decides_by_the_receiving_interface() {
        let targets =
            ["10.0.0.11", "10.0.0.12", "10.1.0.1", "172.16.0.1", "10.0.0.100", "10.0.0.101", "10.0.0.102"];
        let table = [
            (0, [true, true, true, true, true, true, true]),
            (1, [true, true, true, false, false, false, false]),
            (2, [true, true, false, false, false, false, false]),
            (3, [true, true, true, true, true, true, false]),
            (4, [true, true, true, true, true, true, true]),
            (8, [false; 7]),
            (9, [true; 7]),
            (-1, [true; 7]),
        ];
        for (value, answers) in table {
            for place in ["all", "eth0"] {
                let mut host = host(&[
                    ("eth0", "10.0.0.11/24 10.0.0.12/24 10.1.0.1/24"),
                    ("eth1", "172.16.0.1/24"),
                    ("lo", "10.0.0.100/32 10.0.0.101/32@link 10.0.0.102/32@host"),
                ]);
                if place == "eth0" && value < 0 {
                    continue; // the larger of 0 and a negative value is 0
                }
                sysctl(&mut host, &format!("conf.{place}.arp_ignore={value}"));
                for (target, expected) in targets.iter().zip(answers) {
                    let answered = is_answered(&mut host, target, "10.0.0.50");
                    assert_eq!(answered, expected, "{place}/arp_ignore={value}, {target}");
                }
            }
        }
    }

    /// [seen] The value on the interface that carries the address does not matter.
    #[test]
    fn arp_ignore_on_lo_alone_hides_nothing() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/32")]);
        sysctl(&mut host, "conf.lo.arp_ignore=1");
        assert!(is_answered(&mut host, "10.0.0.100", "10.0.0.50"));
        sysctl(&mut host, "conf.all.arp_ignore=1");
        assert!(!is_answered(&mut host, "10.0.0.100", "10.0.0.50"));
    }

    /// [seen] For value 2 the address and the subnet may come from different entries.
    #[test]
    fn arp_ignore_2_takes_the_subnet_from_any_address() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.100/32")]);
        sysctl(&mut host, "conf.eth0.arp_ignore=2");
        assert!(is_answered(&mut host, "10.0.0.100", "10.0.0.50"));
        assert!(!is_answered(&mut host, "10.0.0.100", "10.9.0.50"));
    }

    /// [seen] A virtual address on an interface that is down, or on one that does not speak ARP, is answered for.
    #[test]
    fn addresses_of_silent_interfaces_are_answered_for() {
        let mut host =
            host(&[("eth0", "10.0.0.11/24"), ("dummy0", "10.0.0.100/32"), ("tunl0", "10.0.0.101/32")]);
        assert!(is_answered(&mut host, "10.0.0.100", "10.0.0.50"));
        assert!(is_answered(&mut host, "10.0.0.101", "10.0.0.50"));
        let tunl0 = host.interface("tunl0").unwrap();
        host.set_up(tunl0, false);
        assert!(is_answered(&mut host, "10.0.0.101", "10.0.0.50"));
        let lo = InterfaceId::LO;
        host.set_arp(lo, false);
        add(&mut host, "lo", "10.0.0.102/32");
        assert!(is_answered(&mut host, "10.0.0.102", "10.0.0.50"), "-arp on lo hides nothing");
    }

    /// [seen] A host without default route is asked by 10.9.9.9, to which it has no route.
    #[test]
    fn the_source_check_applies_to_requests() {
        for (rp_filter, answered) in [(0, true), (1, false), (2, false)] {
            let mut host = host(&[("eth0", "10.0.0.11/24")]);
            sysctl(&mut host, &format!("conf.all.rp_filter={rp_filter}"));
            assert_eq!(is_answered(&mut host, "10.0.0.11", "10.9.9.9"), answered, "rp_filter={rp_filter}");
        }
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.12/24")]);
        assert!(!is_answered(&mut host, "10.0.0.11", "10.0.0.12"), "an own address asks");
    }

    /// [seen] arp_filter: silence if the way to the asker leaves by another interface.
    #[test]
    fn arp_filter_wants_the_way_back() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("eth1", "172.16.0.1/24")]);
        sysctl(&mut host, "conf.eth0.arp_filter=1");
        assert!(is_answered(&mut host, "10.0.0.11", "10.0.0.50"));
        assert!(!is_answered(&mut host, "10.0.0.11", "172.16.0.50"));
        assert!(!is_answered(&mut host, "10.0.0.11", "10.9.9.9"), "no route at all");
    }

    #[test]
    fn the_reply_has_the_address_asked_for_and_the_link_address_of_the_receiving_interface() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("eth1", "172.16.0.1/24")]);
        let outcome =
            host.arp_input(at(1.0), ETH0, &who_has("172.16.0.1", "10.0.0.50", ASKER), Mac::BROADCAST);
        let reply = outcome.reply.expect("weak host: answered");
        assert_eq!(reply.arp, is_at("172.16.0.1", host.interface_at(ETH0).mac, "10.0.0.50", ASKER));
        assert_eq!((reply.interface, reply.to, reply.delay), (ETH0, ASKER, Duration::ZERO));
    }

    /// [seen] A probe with sender 0.0.0.0 is answered without learning; other packets of 0.0.0.0 are nothing.
    #[test]
    fn duplicate_address_probes_are_answered() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/32")]);
        let probe = |target| who_has(target, "0.0.0.0", ASKER);
        let reply = host.arp_input(at(1.0), ETH0, &probe("10.0.0.11"), Mac::BROADCAST).reply.unwrap();
        assert_eq!(reply.arp.target, addr("0.0.0.0"));
        assert!(host.neighbours().next().is_none());
        for value in [1, 2] {
            sysctl(&mut host, &format!("conf.all.arp_ignore={value}"));
            assert!(host.arp_input(at(1.0), ETH0, &probe("10.0.0.11"), Mac::BROADCAST).reply.is_some());
            assert!(host.arp_input(at(1.0), ETH0, &probe("10.0.0.100"), Mac::BROADCAST).reply.is_none());
        }
        assert!(host.arp_input(at(1.0), ETH0, &probe("10.0.0.77"), Mac::BROADCAST).reply.is_none());
    }

    /// The sender address of requests: rows by `arp_announce` and source of the waiting packet; columns by target. [seen]
    #[test]
    fn arp_announce_chooses_the_sender() {
        let every = ["10.0.0.11", "10.0.0.12", "10.0.0.14", "10.1.0.1", "172.16.0.1", "10.0.0.100"]
            .map(|s| (s, s, s, s));
        let lan = ["10.0.0.11", "10.0.0.12", "10.0.0.14", "10.0.0.100"].map(|s| (s, s, "10.1.0.1", s));
        let other = ["10.1.0.1", "172.16.0.1"].map(|s| (s, "10.0.0.11", "10.1.0.1", "10.0.0.11"));
        let best = every.map(|(s, ..)| (s, "10.0.0.11", "10.1.0.1", "10.0.0.11"));
        let table: [(i64, &[_]); 4] = [(0, &every), (1, &lan), (1, &other), (2, &best)];
        for (value, rows) in table {
            for place in ["all", "eth0"] {
                let mut host = host(&[
                    ("eth0", "10.0.0.11/24 10.0.0.12/24 10.1.0.1/24 10.0.0.14/32"),
                    ("eth1", "172.16.0.1/24"),
                    ("lo", "10.0.0.100/32"),
                ]);
                sysctl(&mut host, &format!("conf.{place}.arp_announce={value}"));
                for &(source, lan, other_lan, gateway) in rows {
                    for (target, sender) in
                        [("10.0.0.60", lan), ("10.1.0.9", other_lan), ("10.0.0.254", gateway)]
                    {
                        let announced = host.announced_sender(ETH0, addr(target), Some(addr(source)));
                        assert_eq!(announced, addr(sender), "{place}={value}, from {source}, for {target}");
                    }
                }
            }
        }
    }

    #[test]
    fn forwarded_packets_and_probes_announce_the_interface() {
        let host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/32")]);
        for source in [None, Some(addr("192.168.1.10"))] {
            assert_eq!(host.announced_sender(ETH0, addr("10.0.0.254"), source), addr("10.0.0.11"));
        }
    }

    /// [seen] Without an address on eth0 the virtual address is announced even with 2.
    #[test]
    fn an_interface_without_address_announces_what_lo_has() {
        let mut host = host(&[("eth0", ""), ("lo", "10.0.0.100/32")]);
        sysctl(&mut host, "conf.all.arp_announce=2");
        assert_eq!(
            host.announced_sender(ETH0, addr("10.0.0.254"), Some(addr("10.0.0.100"))),
            addr("10.0.0.100")
        );
        assert_eq!(
            super::super::testing::host(&[("eth0", "")]).announced_sender(ETH0, addr("10.0.0.254"), None),
            addr("0.0.0.0")
        );
    }

    /// A host that has (or has not) an entry for 10.0.0.50 at link address A0.
    fn knowing(state: Option<NeighbourState>, since: f64) -> Host {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        if let Some(state) = state {
            host.set_neighbour(at(since), ETH0, addr("10.0.0.50"), A, state).unwrap();
        }
        host
    }

    const A: Mac = Mac::from_bits(0x0200_0000_00a0);
    const B: Mac = Mac::from_bits(0x0200_0000_00b0);

    fn entry(host: &Host) -> Option<(NeighbourState, Mac)> {
        host.neighbour(addr("10.0.0.50"), ETH0).map(|n| (n.state, n.mac))
    }

    fn hear(host: &mut Host, now: f64, arp: Arp) -> ArpOutcome {
        host.arp_input(at(now), ETH0, &arp, Mac::BROADCAST)
    }

    fn gratuitous_request(from: Mac) -> Arp {
        who_has("10.0.0.50", "10.0.0.50", from)
    }

    fn gratuitous_reply(from: Mac) -> Arp {
        is_at("10.0.0.50", from, "10.0.0.50", from)
    }

    fn for_a_third(from: Mac) -> Arp {
        who_has("10.0.0.77", "10.0.0.50", from)
    }

    fn for_us(from: Mac) -> Arp {
        who_has("10.0.0.11", "10.0.0.50", from)
    }

    /// [seen] The experiments on what is learnt without an entry.
    #[test]
    fn strangers_are_not_learnt_unless_they_ask_us_or_arp_accept() {
        use NeighbourState::Stale;
        for arp in [for_a_third(A), gratuitous_request(A), gratuitous_reply(A)] {
            let mut host = knowing(None, 0.0);
            hear(&mut host, 1.0, arp);
            assert_eq!(entry(&host), None);
        }
        let mut host = knowing(None, 0.0);
        hear(&mut host, 1.0, for_us(A));
        assert_eq!(entry(&host), Some((Stale, A)));
        for (arp, learnt) in [
            (for_a_third(A), None),
            (gratuitous_request(A), Some((Stale, A))),
            (gratuitous_reply(A), Some((Stale, A))),
        ] {
            let mut host = knowing(None, 0.0);
            sysctl(&mut host, "conf.eth0.arp_accept=1");
            hear(&mut host, 1.0, arp);
            assert_eq!(entry(&host), learnt, "{arp:?}");
        }
    }

    #[test]
    fn arp_accept_2_wants_the_sender_in_a_subnet_of_the_interface() {
        let mut host = knowing(None, 0.0);
        sysctl(&mut host, "conf.all.arp_accept=2");
        hear(&mut host, 1.0, who_has("10.9.0.50", "10.9.0.50", A));
        assert!(host.neighbour(addr("10.9.0.50"), ETH0).is_none());
        hear(&mut host, 1.0, gratuitous_request(A));
        assert_eq!(entry(&host), Some((NeighbourState::Stale, A)));
    }

    /// [seen] The experiments on what replaces a known link address: entry made at 10 s, packet heard at `t`.
    #[test]
    fn a_known_link_address_is_replaced_by_rule() {
        use NeighbourState::{Permanent, Reachable, Stale};
        let table = [
            (Stale, 11.0, gratuitous_reply(B), (Stale, B)),
            (Stale, 10.02, for_a_third(B), (Stale, A)),
            (Stale, 13.0, for_a_third(B), (Stale, B)),
            (Stale, 10.02, for_us(B), (Stale, B)),
            (Reachable, 10.02, gratuitous_request(B), (Stale, B)),
            (Reachable, 13.0, for_a_third(A), (Reachable, A)),
            (Permanent, 13.0, gratuitous_request(B), (Permanent, A)),
            (Permanent, 13.0, gratuitous_reply(B), (Permanent, A)),
        ];
        for (state, t, arp, expected) in table {
            let mut host = knowing(Some(state), 10.0);
            hear(&mut host, t, arp);
            assert_eq!(entry(&host), Some(expected), "{state:?} at 10 s, {arp:?} at {t} s");
        }
        let mut host = knowing(Some(Permanent), 10.0);
        let outcome = hear(&mut host, 13.0, for_us(B));
        assert_eq!(outcome.reply.unwrap().to, B, "answered to where the request came from");
        assert_eq!(entry(&host), Some((Permanent, A)));
    }

    /// Seen on Linux 6.1.192: hearing the known address again does not start `locktime` anew.
    #[test]
    fn hearing_the_same_again_is_no_update() {
        for state in [NeighbourState::Stale, NeighbourState::Reachable] {
            let mut host = knowing(Some(state), 0.0);
            hear(&mut host, 3.0, for_a_third(A));
            hear(&mut host, 3.3, for_a_third(B));
            assert_eq!(entry(&host), Some((NeighbourState::Stale, B)));
        }
    }

    /// [seen] Of two answers to one request the first wins; a third, later than locktime, would not.
    #[test]
    fn the_first_of_two_answers_wins() {
        let mut host = knowing(None, 0.0);
        let Resolution::Wait { ask, .. } = host.resolve(at(1.0), ETH0, addr("10.0.0.50"), None) else {
            panic!("nobody knows it yet");
        };
        assert_eq!(ask.unwrap().to(), Some(Mac::BROADCAST));
        let own = host.interface_at(ETH0).mac;
        let first = host.arp_input(at(1.001), ETH0, &is_at("10.0.0.50", A, "10.0.0.11", own), own);
        assert_eq!((first.verdict, first.resolved), (ArpVerdict::Learnt, None), "nothing waited");
        let second = host.arp_input(at(1.002), ETH0, &is_at("10.0.0.50", B, "10.0.0.11", own), own);
        assert_eq!(second.verdict, ArpVerdict::Distrusted);
        assert_eq!(entry(&host), Some((NeighbourState::Reachable, A)));
        host.arp_input(at(2.5), ETH0, &is_at("10.0.0.50", B, "10.0.0.11", own), own);
        assert_eq!(entry(&host), Some((NeighbourState::Reachable, B)));
    }

    /// [seen] arp_notify: a gratuitous request for each address when the interface comes up, none when one is added.
    #[test]
    fn arp_notify_announces_addresses_when_the_interface_comes_up() {
        let mut host = host(&[("eth0", "10.0.0.11/24 10.0.0.100/32")]);
        host.set_up(ETH0, false);
        assert!(host.set_up(ETH0, true).announce.is_empty(), "off by default");
        host.set_up(ETH0, false);
        sysctl(&mut host, "conf.all.arp_notify=1");
        let announced: Vec<_> = host
            .set_up(ETH0, true)
            .announce
            .iter()
            .map(|a| (arp_of(a).sender, arp_of(a).target, a.to()))
            .collect();
        let each = ["10.0.0.11", "10.0.0.100"].map(|a| (addr(a), addr(a), Some(Mac::BROADCAST)));
        assert_eq!(announced, each);
    }

    /// [seen] `ip link set eth0 arp off`: neither answers nor asks; frames leave with the interface's own address.
    #[test]
    fn an_interface_without_arp_is_mute() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.set_arp(ETH0, false);
        assert!(!is_answered(&mut host, "10.0.0.11", "10.0.0.50"));
        let own = host.interface_at(ETH0).mac;
        assert_eq!(host.resolve(at(1.0), ETH0, addr("10.0.0.50"), None), Resolution::Mac(own));
    }

    /// [seen] Proxy ARP needs forwarding, the sysctl, and a route through another interface.
    #[test]
    fn proxy_arp_answers_for_what_is_routed_elsewhere() {
        let router = || {
            let mut host = host(&[("eth0", "10.0.0.254/24"), ("eth1", "192.168.1.1/24")]);
            sysctl(&mut host, "ip_forward=1 conf.eth0.proxy_arp=1");
            host
        };
        let mut host = router();
        let outcome = hear(&mut host, 1.0, who_has("192.168.1.10", "10.0.0.50", ASKER));
        assert_eq!(outcome.verdict, ArpVerdict::AnsweredForOther);
        assert!(outcome.reply.unwrap().delay < Duration::from_millis(800));
        assert!(!is_answered(&mut host, "172.16.0.1", "10.0.0.50"), "no route");
        assert!(!is_answered(&mut host, "10.0.0.77", "10.0.0.50"), "same interface");
        let mut silent = router();
        sysctl(&mut silent, "conf.eth0.forwarding=0");
        assert!(!is_answered(&mut silent, "192.168.1.10", "10.0.0.50"));
        let mut publishing = router();
        sysctl(&mut publishing, "conf.eth0.proxy_arp=0");
        publishing.publish(ETH0, addr("192.168.1.10"));
        assert!(is_answered(&mut publishing, "192.168.1.10", "10.0.0.50"));
        assert!(!is_answered(&mut publishing, "192.168.1.11", "10.0.0.50"));
    }

    /// The classic recipe for a virtual address on eth0 itself (seen to work).
    #[test]
    fn arptables_hide_an_address() {
        let mut host = host(&[("eth0", "10.0.0.12/24 10.0.0.100/32")]);
        let vip = Some((prefix("10.0.0.100"), true));
        host.arptables.input.push(ArpRule { target: vip, ..ArpRule::all(ArpAction::Drop) });
        assert!(!is_answered(&mut host, "10.0.0.100", "10.0.0.50"));
        assert!(is_answered(&mut host, "10.0.0.12", "10.0.0.50"));
        let asked_with = |host: &mut Host, gateway: &str| match host.resolve(
            at(1.0),
            ETH0,
            addr(gateway),
            Some(addr("10.0.0.100")),
        ) {
            Resolution::Wait { ask: Some(ask), .. } => arp_of(&ask).sender,
            other => panic!("a request was due, not {other:?}"),
        };
        assert_eq!(asked_with(&mut host, "10.0.0.254"), addr("10.0.0.100"));
        let own = host.interface_at(ETH0).mac;
        let answer = host.arp_input(at(1.0), ETH0, &is_at("10.0.0.254", A, "10.0.0.100", own), own);
        assert_eq!(answer.verdict, ArpVerdict::RuleDropped, "without the second rule no gateway");
        let mangle = ArpAction::MangleSender(addr("10.0.0.12"));
        host.arptables.output.push(ArpRule { sender: vip, ..ArpRule::all(mangle) });
        assert_eq!(asked_with(&mut host, "10.0.0.253"), addr("10.0.0.12"));
    }

    #[test]
    fn groups_and_ipv6_neighbours_have_their_own_link_addresses() {
        let mut host = host(&[("eth0", "10.0.0.11/24 2001:db8::11/64")]);
        let mut mac_of = |next_hop: &str| match host.resolve(at(1.0), ETH0, addr(next_hop), None) {
            Resolution::Mac(mac) => mac.to_string(),
            Resolution::Wait { ask, .. } => format!("asks {}", ask.unwrap().to().unwrap()),
            Resolution::TableFull => "full".to_owned(),
        };
        assert_eq!(mac_of("224.0.0.81"), "01:00:5e:00:00:51");
        assert_eq!(mac_of("239.255.1.2"), "01:00:5e:7f:01:02");
        assert_eq!(mac_of("255.255.255.255"), "ff:ff:ff:ff:ff:ff");
        assert_eq!(mac_of("10.0.0.255"), "ff:ff:ff:ff:ff:ff");
        assert_eq!(mac_of("ff02::1"), "33:33:00:00:00:01");
        assert_eq!(mac_of("2001:db8::99"), "asks 33:33:ff:00:00:99");
    }
}
