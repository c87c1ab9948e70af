//! Neighbour discovery: which solicitations a host answers, from which address it asks, and what it believes.
//!
//! IPv6 has no ARP problem of the IPv4 kind: a host answers for an address only on the interface that carries it, so a
//! virtual address on lo is never given away, and there is no `arp_ignore`. One on eth0 of a real server is answered
//! there, as loudly as the director answers. Nothing is learnt from questions to others, and nothing is locked: an
//! advertisement with the override flag replaces what was known at once. `ip -6 neigh` prints the cache.

use super::conf::ConfKeyV6;
use super::interface::{Interface, InterfaceId, Scope};
use super::neighbour::NeighbourId;
use super::policy::Policy;
use super::reachability::{Claim, Solicitation, Trust, Updated};
use super::stack::Stack;
use crate::addr::{Addr, Mac};
use crate::packet::{Body, Frame, Ndisc, NdiscFlags, NdiscKind, Packet, Payload};
use sim_core::Time;

/// The hop limit of every message: one that came through a router has less and is forged (RFC 4861, 7.1).
pub const HOP_LIMIT: u8 = 255;
/// `ff02::1`, every node of the link.
pub const ALL_NODES: Addr = Addr::v6(0xff02 << 112 | 1);

/// A message to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdiscSend {
    /// The interface it leaves by.
    pub interface: InterfaceId,
    /// The link address it goes to; none if the neighbour cache knows or must ask.
    pub to: Option<Mac>,
    /// The interface's own link address.
    pub from: Mac,
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// The message.
    pub message: Ndisc,
}

impl NdiscSend {
    /// The message in its packet and frame.
    pub fn frame(&self) -> Frame {
        let packet = Packet {
            src: self.src,
            dst: self.dst,
            mark: 0,
            flow: 0,
            len: 40 + self.message.bytes(),
            id: 0,
            fragment_offset: 0,
            more_fragments: false,
            df: false,
            ttl: HOP_LIMIT,
            tos: 0,
            payload: Payload::Ndisc(self.message),
            outer: None,
            text: None,
        };
        Frame { dst: self.to.unwrap_or(Mac::ZERO), src: self.from, vlan: 0, body: Body::Ip(packet) }
    }
}

/// What a received message leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdiscOutcome {
    /// What the host thought of it.
    pub verdict: NdiscVerdict,
    /// A neighbour whose link address is now known: send what waits for it ([`Stack::release`]), before the reply.
    pub resolved: Option<NeighbourId>,
    /// The answer to send.
    pub reply: Option<NdiscSend>,
}

/// What a host thinks of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NdiscVerdict {
    /// It asked for an address of the interface, and is answered.
    Answered,
    /// The sender's entry in the neighbour cache was brought up to date.
    Learnt,
    /// Another link address is known, and the message does not claim to override it.
    Distrusted,
    /// It does not concern this host.
    Ignored,
    /// It breaks the rules of RFC 4861, 7.1.
    Malformed,
}

impl NdiscOutcome {
    const fn quiet(verdict: NdiscVerdict) -> NdiscOutcome {
        NdiscOutcome { verdict, resolved: None, reply: None }
    }
}

impl<H> Stack<H> {
    /// A solicitation or advertisement came in on `iif`.
    pub fn ndisc_input(&mut self, now: Time, iif: InterfaceId, packet: &Packet) -> NdiscOutcome {
        self.redraw_reachable_times(now);
        let Payload::Ndisc(message) = packet.payload else {
            return NdiscOutcome::quiet(NdiscVerdict::Ignored);
        };
        let is_from_group = packet.src.is_multicast();
        if packet.ttl != HOP_LIMIT || message.target.is_multicast() || is_from_group {
            return NdiscOutcome::quiet(NdiscVerdict::Malformed);
        }
        match message.kind {
            NdiscKind::Solicitation => self.solicited(now, iif, packet, &message),
            NdiscKind::Probe => self.probed(iif, packet, &message),
            NdiscKind::Advertisement => self.advertised(now, iif, packet, &message),
        }
    }

    /// Somebody asks for an address. If it is one of the interface's, the asker is believed and answered: in full if the
    /// question went to the group, briefly if it came to the link address itself and only wanted a sign of life.
    fn solicited(&mut self, now: Time, iif: InterfaceId, packet: &Packet, asked: &Ndisc) -> NdiscOutcome {
        let here = &self.interfaces[iif.index()];
        let is_own = here.carries(asked.target);
        if !here.arp || !is_own && !self.stands_in(iif, asked.target) {
            return NdiscOutcome::quiet(NdiscVerdict::Ignored);
        }
        let is_to_group = packet.dst.is_multicast();
        let resolved = asked.link_address().and_then(|mac| {
            let claim = Claim { mac, is_proof: false, trust: Trust::Override };
            self.believe(now, iif, packet.src, claim, true).1
        });
        let here = &self.interfaces[iif.index()];
        let flags = NdiscFlags::SOLICITED
            .with(NdiscFlags::ROUTER.when(self.forwards_v6))
            .with(NdiscFlags::OVERRIDE.when(is_to_group && is_own));
        let message = Ndisc::advertisement(asked.target, flags, is_to_group.then_some(here.mac));
        let (from, src, dst) = (here.mac, asked.target, packet.src);
        let reply = NdiscSend { interface: iif, to: None, from, src, dst, message };
        NdiscOutcome { verdict: NdiscVerdict::Answered, resolved, reply: Some(reply) }
    }

    /// Does the host answer for an address that is not its own (`proxy_ndp` and `ip -6 neigh add proxy`)?
    fn stands_in(&self, iif: InterfaceId, target: Addr) -> bool {
        self.forwards_v6 && self.is_on_v6(iif, ConfKeyV6::ProxyNdp) && self.published.contains(&(target, iif))
    }

    /// Somebody is about to take an address. If it is one of the interface's, everybody is told so.
    fn probed(&mut self, iif: InterfaceId, packet: &Packet, asked: &Ndisc) -> NdiscOutcome {
        if self.dispute(iif, asked.target, asked.probe_number()) {
            return NdiscOutcome::quiet(NdiscVerdict::Learnt);
        }
        let here = &self.interfaces[iif.index()];
        if !here.arp || !here.carries(asked.target) || !packet.dst.is_multicast() {
            return NdiscOutcome::quiet(NdiscVerdict::Ignored);
        }
        let reply = Some(self.unsolicited(iif, asked.target));
        NdiscOutcome { verdict: NdiscVerdict::Answered, resolved: None, reply }
    }

    /// An address is said to be somewhere. Only an entry that exists is changed.
    fn advertised(&mut self, now: Time, iif: InterfaceId, packet: &Packet, said: &Ndisc) -> NdiscOutcome {
        if packet.dst.is_multicast() && said.flags.has(NdiscFlags::SOLICITED) {
            return NdiscOutcome::quiet(NdiscVerdict::Malformed);
        }
        if self.dispute(iif, said.target, None) {
            return NdiscOutcome::quiet(NdiscVerdict::Learnt);
        }
        let Some(id) = self.neighbours.find(said.target, iif) else {
            return NdiscOutcome::quiet(NdiscVerdict::Ignored);
        };
        let entry = self.neighbours.get(id);
        let known = entry.state.is_valid().then_some(entry.mac);
        let Some(mac) = said.link_address().or(known) else {
            return NdiscOutcome::quiet(NdiscVerdict::Ignored);
        };
        let is_proof = said.flags.has(NdiscFlags::SOLICITED);
        let overrides = said.flags.has(NdiscFlags::OVERRIDE);
        let trust = if overrides { Trust::Override } else { Trust::Weak };
        let (updated, resolved) = self.believe(now, iif, said.target, Claim { mac, is_proof, trust }, false);
        let verdict = match updated {
            Some(Updated::Accepted | Updated::Resolved) => {
                self.neighbours.get_mut(id).is_router = said.flags.has(NdiscFlags::ROUTER);
                NdiscVerdict::Learnt
            }
            Some(Updated::Refused) => NdiscVerdict::Distrusted,
            None => NdiscVerdict::Ignored,
        };
        NdiscOutcome { verdict, resolved, reply: None }
    }

    /// Brings an entry up to date, making it if that is wanted; the entry, if something waits for it that may go now.
    fn believe(
        &mut self,
        now: Time,
        iif: InterfaceId,
        addr: Addr,
        claim: Claim,
        creates: bool,
    ) -> (Option<Updated>, Option<NeighbourId>) {
        let thresholds = self.thresholds();
        let known = self.neighbours.find(addr, iif);
        let make = || creates.then(|| self.neighbours.create(now, addr, iif, &thresholds)).flatten();
        let Some(id) = known.or_else(make) else { return (None, None) };
        let policy = Policy::of(&self.interfaces[iif.index()], false, thresholds);
        let updated = self.neighbours.update(now, id, claim, &policy);
        let is_awaited = updated == Updated::Resolved && self.neighbours.get(id).is_awaited();
        (Some(updated), is_awaited.then_some(id))
    }

    /// The solicitation that a neighbour entry asks for.
    pub(super) fn solicit_v6(&self, ask: &Solicitation) -> Option<NdiscSend> {
        let device = &self.interfaces[ask.interface.index()];
        if !device.up || !device.arp {
            return None;
        }
        let src = self.asking_address(ask.interface, ask.packet_source);
        let (dst, to) = match ask.to {
            Some(mac) => (ask.target, mac),
            None => (solicited_node(ask.target), group_mac(solicited_node(ask.target))),
        };
        let message = Ndisc::solicitation(ask.target, Some(device.mac));
        Some(NdiscSend { interface: ask.interface, to: Some(to), from: device.mac, src, dst, message })
    }

    /// The source of a question: that of the waiting packet if the interface carries it, else the interface's
    /// link-local address. A virtual address on lo is therefore never announced.
    pub fn asking_address(&self, oif: InterfaceId, packet_source: Option<Addr>) -> Addr {
        let device = &self.interfaces[oif.index()];
        let own = packet_source.filter(|source| device.carries(*source));
        let any = || device.speakers().map(|a| a.addr).find(|a| !a.is_v4());
        own.or_else(|| device.link_local()).or_else(any).unwrap_or(Addr::UNSPECIFIED_V6)
    }

    /// Tells everybody on the link that an address is here.
    pub fn unsolicited(&self, interface: InterfaceId, target: Addr) -> NdiscSend {
        let from = self.interfaces[interface.index()].mac;
        let flags = NdiscFlags::OVERRIDE.with(NdiscFlags::ROUTER.when(self.forwards_v6));
        NdiscSend {
            interface,
            to: Some(group_mac(ALL_NODES)),
            from,
            src: target,
            dst: ALL_NODES,
            message: Ndisc::advertisement(target, flags, Some(from)),
        }
    }

    /// Is the setting of IPv6 in force on an interface: at `all` or there?
    pub(super) fn is_on_v6(&self, id: InterfaceId, key: ConfKeyV6) -> bool {
        self.interfaces[id.index()].conf_v6.get(key).max(self.conf_v6_all.get(key)) != 0
    }

    /// What `ndisc_notify` says about a new address of an interface.
    pub(super) fn notify(&self, id: InterfaceId, addr: Addr) -> Option<NdiscSend> {
        let device = &self.interfaces[id.index()];
        let is_wanted = !addr.is_v4() && device.up && device.arp && device.carries(addr);
        (is_wanted && self.is_on_v6(id, ConfKeyV6::NdiscNotify)).then(|| self.unsolicited(id, addr))
    }
}

impl Interface {
    /// Its link-local IPv6 address.
    pub fn link_local(&self) -> Option<Addr> {
        let mut own = self.speakers().filter(|a| !a.addr.is_v4() && a.scope == Scope::Link);
        own.next().map(|a| a.addr)
    }
}

/// fe80::/64 with the link address as its lower half: seven bits inverted, ff:fe in the middle (RFC 4291, appendix A).
pub fn link_local_of(mac: Mac) -> Addr {
    let mac = u128::from(mac.to_bits());
    let identifier = (mac >> 24 << 40 | 0xff_fe00_0000 | mac & 0xff_ffff) ^ 1 << 57;
    Addr::v6(0xfe80 << 112 | identifier)
}

/// Is it an address of one link only, fe80::/10?
pub fn is_link_local(addr: Addr) -> bool {
    !addr.is_v4() && addr.to_bits() >> 118 == 0x3fa
}

/// The group to which questions about an address go: those whose addresses end so.
pub fn solicited_node(target: Addr) -> Addr {
    Addr::v6(0xff02 << 112 | 0x1_ff00_0000 | target.to_bits() & 0xff_ffff)
}

/// 33:33 and the last four bytes of the group (RFC 2464).
pub fn group_mac(group: Addr) -> Mac {
    Mac::from_bits(0x3333_0000_0000 | group.to_bits() as u64 & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::NeighbourState;
    use super::super::stack::Resolution;
    use super::super::testing::*;
    use super::*;

    const A: Mac = Mac::from_bits(0x0200_0000_00a0);
    const B: Mac = Mac::from_bits(0x0200_0000_00b0);
    const PEER: &str = "2001:db8::50";

    /// eth0 has ::11 and ::100, lo has ::200; the link-local address comes with the first.
    fn server() -> Host {
        host(&[("eth0", "2001:db8::11/64 2001:db8::100/128"), ("lo", "2001:db8::200/128")])
    }

    fn message(src: &str, dst: Addr, message: Ndisc) -> Packet {
        let send = NdiscSend { interface: ETH0, to: None, from: A, src: addr(src), dst, message };
        let Body::Ip(packet) = send.frame().body else { unreachable!("it is a packet") };
        packet
    }

    /// Who has `target`? To the group, or to the address itself.
    fn ask(host: &mut Host, target: &str, to_group: bool) -> NdiscOutcome {
        let target = addr(target);
        let dst = if to_group { solicited_node(target) } else { target };
        host.ndisc_input(at(1.0), ETH0, &message(PEER, dst, Ndisc::solicitation(target, Some(A))))
    }

    /// `PEER` is at `mac`, says an advertisement with these flags.
    fn tell(host: &mut Host, now: f64, mac: Option<Mac>, flags: NdiscFlags) -> NdiscVerdict {
        let dst = if flags.has(NdiscFlags::SOLICITED) { addr("2001:db8::11") } else { ALL_NODES };
        let said = message(PEER, dst, Ndisc::advertisement(addr(PEER), flags, mac));
        host.ndisc_input(at(now), ETH0, &said).verdict
    }

    fn entry(host: &Host) -> Option<(NeighbourState, Mac, bool)> {
        host.neighbour(addr(PEER), ETH0).map(|n| (n.state, n.mac, n.is_router))
    }

    #[test]
    fn addresses_of_link_and_group_follow_from_others() {
        let eth0 = link_local_of(Mac::from_bits(0x0200_0000_000d));
        assert_eq!(eth0, addr("fe80::ff:fe00:d"), "as recorded");
        assert_eq!(link_local_of(Mac::from_bits(0x0011_2233_4455)), addr("fe80::211:22ff:fe33:4455"));
        assert_eq!(solicited_node(addr("2001:db8::12:3456")), addr("ff02::1:ff12:3456"));
        assert_eq!(group_mac(addr("ff02::1:ff12:3456")).to_string(), "33:33:ff:12:34:56");
        assert_eq!(server().interface_at(ETH0).link_local(), Some(link_local_of(mac(0x11))));
    }

    /// Recorded from Linux 6.1: 29-ipv6-dr-vip-on-eth0. An address of lo is nobody's business on the link.
    #[test]
    fn only_addresses_of_the_interface_are_answered() {
        for (target, is_answered) in [
            ("2001:db8::11", true),
            ("2001:db8::100", true),
            ("2001:db8::200", false),
            ("2001:db8::77", false),
        ] {
            let mut host = server();
            let outcome = ask(&mut host, target, true);
            assert_eq!(outcome.reply.is_some(), is_answered, "{target}");
            let learnt = is_answered.then_some((NeighbourState::Stale, A, false));
            assert_eq!(entry(&host), learnt, "who is not answered is not learnt");
        }
    }

    #[test]
    fn the_answer_is_full_for_the_group_and_brief_for_a_probe() {
        let mut host = server();
        let full = ask(&mut host, "2001:db8::100", true).reply.unwrap();
        assert_eq!((full.src, full.dst, full.to), (addr("2001:db8::100"), addr(PEER), None));
        let own = host.interface_at(ETH0).mac;
        assert_eq!(full.message.link_address(), Some(own));
        assert_eq!(full.message.flags, NdiscFlags::SOLICITED.with(NdiscFlags::OVERRIDE));
        let brief = ask(&mut host, "2001:db8::100", false).reply.unwrap();
        assert_eq!(brief.message, Ndisc::advertisement(addr("2001:db8::100"), NdiscFlags::SOLICITED, None));
        host.sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
        let router = ask(&mut host, "2001:db8::100", false).reply.unwrap();
        assert!(router.message.flags.has(NdiscFlags::ROUTER));
    }

    /// As recorded: forwarded packets and those of an address on lo are asked for by the link-local address.
    #[test]
    fn questions_come_from_the_packet_or_the_link_local_address() {
        let host = server();
        let own = host.interface_at(ETH0).link_local().unwrap();
        for (source, asker) in [
            (None, own),
            (Some("2001:db8:1::10"), own),
            (Some("2001:db8::200"), own),
            (Some("2001:db8::100"), addr("2001:db8::100")),
        ] {
            assert_eq!(host.asking_address(ETH0, source.map(addr)), asker, "{source:?}");
        }
    }

    /// An entry made by the peer's question, then what it says (RFC 4861, 7.2.5).
    #[test]
    fn advertisements_are_believed_by_their_flags() {
        use NeighbourState::{Reachable, Stale};
        let (solicited, overriding) = (NdiscFlags::SOLICITED, NdiscFlags::OVERRIDE);
        let none = NdiscFlags(0);
        for (mac, flags, expected) in [
            (None, solicited, (Reachable, A, false)),
            (Some(A), none, (Stale, A, false)),
            (Some(A), solicited.with(NdiscFlags::ROUTER), (Reachable, A, true)),
            (Some(B), none, (Stale, A, false)),
            (Some(B), solicited, (Stale, A, false)),
            (Some(B), overriding, (Stale, B, false)),
            (Some(B), solicited.with(overriding), (Reachable, B, false)),
        ] {
            let mut host = server();
            ask(&mut host, "2001:db8::11", true);
            tell(&mut host, 1.0, mac, flags);
            assert_eq!(entry(&host), Some(expected), "{mac:?} {flags:?}");
        }
        let mut host = server();
        ask(&mut host, "2001:db8::11", true);
        tell(&mut host, 1.0, None, solicited);
        assert_eq!(tell(&mut host, 1.1, Some(B), none), NdiscVerdict::Distrusted);
        assert_eq!(entry(&host), Some((Stale, A, false)), "REACHABLE no more, but not replaced");
    }

    #[test]
    fn nothing_is_learnt_about_strangers_and_nothing_changes_what_was_set_by_hand() {
        let mut host = server();
        assert_eq!(tell(&mut host, 1.0, Some(A), NdiscFlags::OVERRIDE), NdiscVerdict::Ignored);
        assert_eq!(entry(&host), None);
        host.set_neighbour(at(1.0), ETH0, addr(PEER), A, NeighbourState::Permanent).unwrap();
        assert_eq!(tell(&mut host, 2.0, Some(B), NdiscFlags::OVERRIDE), NdiscVerdict::Distrusted);
        assert_eq!(entry(&host), Some((NeighbourState::Permanent, A, false)));
    }

    #[test]
    fn an_answer_resolves() {
        let mut host = server();
        let Resolution::Wait { id, ask: Some(asked) } = host.resolve(at(1.0), ETH0, addr(PEER), None) else {
            panic!("nobody knows it yet");
        };
        assert_eq!(asked.to().unwrap().to_string(), "33:33:ff:00:00:50");
        host.hold(id, 7, addr("2001:db8::11"), 768, &mut Vec::new());
        let said = Ndisc::advertisement(addr(PEER), NdiscFlags::SOLICITED, Some(A));
        let outcome = host.ndisc_input(at(1.1), ETH0, &message(PEER, addr("2001:db8::11"), said));
        assert_eq!((outcome.verdict, outcome.resolved), (NdiscVerdict::Learnt, Some(id)));
        assert_eq!(host.release(at(1.1), id), Some((7, A)));
    }

    #[test]
    fn messages_that_break_the_rules_are_nothing() {
        let mut host = server();
        let target = addr("2001:db8::11");
        let good = message(PEER, target, Ndisc::solicitation(target, Some(A)));
        let routed = Packet { ttl: 254, ..good.clone() };
        let about_group = message(PEER, target, Ndisc::solicitation(ALL_NODES, Some(A)));
        let answer = Ndisc::advertisement(addr(PEER), NdiscFlags::SOLICITED, Some(A));
        let answer_to_all = message(PEER, ALL_NODES, answer);
        for bad in [routed, about_group, answer_to_all] {
            assert_eq!(host.ndisc_input(at(1.0), ETH0, &bad).verdict, NdiscVerdict::Malformed, "{bad}");
        }
        assert_eq!(host.ndisc_input(at(1.0), ETH0, &good).verdict, NdiscVerdict::Answered);
    }

    /// `proxy_ndp` answers without override, and only a host that forwards does it.
    #[test]
    fn a_router_may_stand_in_for_others() {
        let mut host = server();
        host.publish(ETH0, addr("2001:db8::77"));
        for (setting, is_answered) in [("all.forwarding", false), ("eth0.proxy_ndp", true)] {
            host.sysctl_set(&format!("net.ipv6.conf.{setting}"), "1").unwrap();
            let reply = ask(&mut host, "2001:db8::77", true).reply;
            assert_eq!(reply.is_some(), is_answered, "{setting}");
            assert!(reply.is_none_or(|reply| !reply.message.flags.has(NdiscFlags::OVERRIDE)));
        }
        assert_eq!(ask(&mut host, "2001:db8::78", true).reply, None);
    }

    /// Recorded from Linux 6.1: 32-ipv6-ndisc-notify. Going down costs the interface its IPv6 addresses.
    #[test]
    fn an_interface_that_comes_up_tells_of_itself() {
        let mut host = server();
        host.sysctl_set("net.ipv6.conf.all.ndisc_notify", "1").unwrap();
        host.set_up(ETH0, false);
        assert!(host.interface_at(ETH0).addresses().is_empty());
        let told = host.set_up(ETH0, true).announce;
        let own = host.interface_at(ETH0).link_local().unwrap();
        assert_eq!(told, [host.unsolicited(ETH0, own).into()]);
    }
}
