//! ARP: which requests a host answers, what it announces when it asks, and what it learns by listening.
//!
//! Linux answers for every local address on every interface ("weak host") unless `arp_ignore` of `all` or of the
//! *receiving* interface forbids it, and asks with the source address of the waiting packet unless `arp_announce`
//! says otherwise. These two are the ARP problem of direct routing. IPv6: neighbour solicitations travel as ARP
//! packets with IPv6 addresses, are answered for addresses of the receiving interface only, and no sysctl applies.

use super::arptables::ArpChain;
use super::conf::{ConfKey, NeighKey};
use super::fib::RouteKind;
use super::interface::{InterfaceId, InterfaceKind, Scope};
use super::neighbour::{NeighbourId, Solicitation};
use super::reachability::{Claim, Updated};
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

    /// Gratuitous requests for the addresses of an interface: what `arp_notify` sends when it comes up.
    pub(super) fn announce(&self, id: InterfaceId) -> Vec<ArpSend> {
        let interface = &self.interfaces[id.index()];
        if !interface.up || !interface.arp || !self.is_on(id, ConfKey::ArpNotify) {
            return Vec::new();
        }
        let v4 = interface.addresses().iter().filter(|a| a.addr.is_v4());
        let request = |a: Addr| self.request(id, a, a, None);
        v4.filter_map(|a| request(a.addr)).collect()
    }

    /// The request that a neighbour entry asks for.
    pub(super) fn solicit(&self, ask: &Solicitation) -> Option<ArpSend> {
        let sender = self.announced_sender(ask.interface, ask.target, ask.packet_source);
        self.request(ask.interface, ask.target, sender, ask.to)
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
        let unspecified = if target.is_v4() { Addr::UNSPECIFIED_V4 } else { Addr::UNSPECIFIED_V6 };
        fitting.or_else(|| self.select_source(oif, target, Scope::Link)).unwrap_or(unspecified)
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
        let to = to.unwrap_or_else(|| asking_mac(target));
        Some(ArpSend { interface, to, arp, delay: Duration::ZERO })
    }

    /// A probe for a duplicate address: answered without learning.
    fn answer_address_probe(&self, iif: InterfaceId, arp: &Arp) -> ArpOutcome {
        if arp.op != ArpOp::Request || !self.answers_here(iif, arp.target) {
            return ArpOutcome::quiet(ArpVerdict::Ignored);
        }
        if self.hides(iif, arp) {
            return ArpOutcome::quiet(ArpVerdict::Hidden);
        }
        self.reply(iif, arp, ArpVerdict::Answered, Duration::ZERO)
    }

    /// What to do about a request that concerns this host; none if it does not, or says too little about its sender.
    fn answer_request(&mut self, now: Time, iif: InterfaceId, arp: &Arp, to: Mac) -> Option<ArpOutcome> {
        let inbound = self.route_input(arp.sender, arp.target, 0, iif).ok()?;
        let (verdict, delay) = match inbound {
            Inbound::Deliver if !self.answers_here(iif, arp.target) => return None,
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
            self.learn(now, iif, arp, Claim { mac: arp.sender_mac, is_proof: false, overrides: true })
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

    /// Could the host answer for this address on this interface? IPv6 answers for the interface's own only.
    fn answers_here(&self, iif: InterfaceId, target: Addr) -> bool {
        if target.is_v4() { self.is_local(target) } else { self.interfaces[iif.index()].has(target) }
    }

    /// Does `arp_ignore` forbid the answer?
    fn hides(&self, iif: InterfaceId, arp: &Arp) -> bool {
        if !arp.target.is_v4() {
            return false;
        }
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
        arp.target.is_v4()
            && self.is_on(iif, ConfKey::ArpFilter)
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
        let claim = Claim { mac: arp.sender_mac, is_proof, overrides: is_gratuitous };
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
        let policy = super::stack::policy(interface, thresholds);
        let updated = self.neighbours.update(now, id, claim, &policy);
        Some((updated, (updated == Updated::Resolved).then_some(id)))
    }

    /// The link address that a next hop has by its nature: groups, and interfaces that do not ask.
    pub(super) fn mapped_mac(&self, oif: InterfaceId, next_hop: Addr) -> Option<Mac> {
        let interface = &self.interfaces[oif.index()];
        match interface.kind {
            InterfaceKind::Loopback | InterfaceKind::Tunnel => Some(Mac::ZERO),
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
fn group_mac(addr: Addr) -> Option<Mac> {
    let bits = addr.to_bits() as u64;
    match (addr.is_multicast(), addr.is_v4()) {
        (false, _) => None,
        (true, true) => Some(Mac::from_bits(0x0100_5e00_0000 | bits & 0x7f_ffff)),
        (true, false) => Some(Mac::from_bits(0x3333_0000_0000 | bits & 0xffff_ffff)),
    }
}

/// Where a question about an unknown neighbour goes: everybody, or the group of those whose IPv6 address ends so.
fn asking_mac(target: Addr) -> Mac {
    if target.is_v4() {
        Mac::BROADCAST
    } else {
        Mac::from_bits(0x3333_ff00_0000 | target.to_bits() as u64 & 0xff_ffff)
    }
}
