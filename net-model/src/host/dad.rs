//! Duplicate address detection: an IPv6 address is used only when nobody on the link has objected (RFC 4862).
//!
//! Linux waits a random part of a second, asks (`dad_transmits` times, a second apart), and takes the address a second
//! after the last question. Meanwhile it is `tentative`; if somebody objects it stays so, `dadfailed`, until it is
//! deleted. `nodad`, `accept_dad=0` and interfaces without neighbours (lo, tunnels) take an address at once. Addresses
//! that a host has when the simulation begins were asked for before, and so were link-local ones.

use super::admin::AdminError;
use super::ask::Ask;
use super::conf::{ConfKeyV6, NeighKey};
use super::interface::{AddressSpec, AddressState, InterfaceId};
use super::ndisc::{NdiscSend, group_mac, solicited_node};
use super::stack::{NeighbourAction, Stack};
use crate::addr::Addr;
use crate::packet::Ndisc;
use sim_core::{Duration, Time};

/// The longest wait before the first question.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// An address that the link is being asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed {
    interface: InterfaceId,
    addr: Addr,
    /// When the next question is asked, or the address taken.
    due: Time,
    questions_left: i64,
    /// What the host's own questions are known by.
    number: u64,
}

impl<H> Stack<H> {
    /// `ip addr add` on a running host: what neighbours are told about it at once.
    pub fn assign(&mut self, now: Time, id: InterfaceId, spec: AddressSpec) -> Result<Vec<Ask>, AdminError> {
        let addr = spec.addr;
        let questions_left = self.questions_before(now, id, &spec);
        if questions_left == 0 {
            self.add_address(id, spec)?;
            return Ok(self.notify(id, addr).map(Ask::Ndisc).into_iter().collect());
        }
        self.add_address_as(id, spec, AddressState::Tentative)?;
        let delay = Duration::from_nanos(self.stream.below(LONGEST_DELAY.as_nanos()));
        let due = self.neighbours.timer_kind.fires_at(now, delay);
        let number = self.stream.next_u64() & 0xffff_ffff_ffff;
        self.claimed.push(Claimed { interface: id, addr, due, questions_left, number });
        self.neighbours.has_news = true;
        Ok(Vec::new())
    }

    /// Settles when the first question about an address is asked, instead of the random instant.
    pub fn set_first_question(&mut self, addr: Addr, at: Time) {
        self.claimed.iter_mut().filter(|c| c.addr == addr).for_each(|c| c.due = at);
        self.neighbours.has_news = true;
    }

    /// Is the link being asked about an address?
    pub fn is_asking_for(&self, addr: Addr) -> bool {
        self.claimed.iter().any(|c| c.addr == addr)
    }

    fn questions_before(&self, now: Time, id: InterfaceId, spec: &AddressSpec) -> i64 {
        let device = self.interface_at(id);
        let asks = now > Time::ZERO && !spec.addr.is_v4() && !spec.nodad && device.up && device.arp;
        if asks && self.is_on_v6(id, ConfKeyV6::AcceptDad) {
            device.conf_v6.get(ConfKeyV6::DadTransmits)
        } else {
            0
        }
    }

    /// When the next question is due; never if there is none.
    pub(super) fn next_claim(&self) -> Time {
        self.claimed.iter().map(|c| c.due).min().unwrap_or(Time::NEVER)
    }

    /// Asks what is due, and takes the addresses that nobody objected to.
    pub(super) fn pursue_claims(&mut self, now: Time, out: &mut Vec<NeighbourAction>) {
        for mut claimed in self.claimed.extract_if(.., |c| c.due <= now).collect::<Vec<_>>() {
            let list = &mut self.interfaces[claimed.interface.index()].addresses;
            let is_it = |a: &&mut super::interface::Address| {
                a.addr == claimed.addr && a.state == AddressState::Tentative
            };
            // It may have been deleted meanwhile.
            let Some(address) = list.iter_mut().find(is_it) else { continue };
            if claimed.questions_left == 0 {
                address.state = AddressState::Usable;
                self.add_all_kernel_routes(claimed.interface);
                self.changed();
                let told = self.notify(claimed.interface, claimed.addr);
                out.extend(told.map(|told| NeighbourAction::Ask(Ask::Ndisc(told))));
                continue;
            }
            out.push(NeighbourAction::Ask(Ask::Ndisc(self.question(&claimed))));
            claimed.questions_left -= 1;
            let interval = self.interface_at(claimed.interface).neigh_v6.get(NeighKey::RetransTimeMs);
            claimed.due = self.neighbours.timer_kind.fires_at(now, Duration::from_millis(interval as u64));
            self.claimed.push(claimed);
        }
    }

    /// Somebody else has an address, or is about to take it. Nothing changes if the host has taken it already.
    pub(super) fn dispute(&mut self, id: InterfaceId, addr: Addr, number: Option<u64>) -> bool {
        let is_meant = |c: &Claimed| c.interface == id && c.addr == addr && number != Some(c.number);
        let Some(at) = self.claimed.iter().position(is_meant) else { return false };
        self.claimed.remove(at);
        let list = &mut self.interfaces[id.index()].addresses;
        list.iter_mut().filter(|a| a.addr == addr).for_each(|a| a.state = AddressState::Duplicate);
        true
    }

    fn question(&self, claimed: &Claimed) -> NdiscSend {
        let dst = solicited_node(claimed.addr);
        NdiscSend {
            interface: claimed.interface,
            to: Some(group_mac(dst)),
            from: self.interface_at(claimed.interface).mac,
            src: Addr::UNSPECIFIED_V6,
            dst,
            message: Ndisc::probe(claimed.addr, claimed.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::packet::{Body, Frame, NdiscFlags, Packet};

    fn vip() -> AddressSpec {
        AddressSpec::new(addr("2001:db8::100"), 128)
    }

    /// What the host says until `until`, and when.
    fn run(host: &mut Host, until: f64) -> Vec<(Time, Frame)> {
        let mut said = Vec::new();
        let mut actions = Vec::new();
        while let Some(next) = host.next_timer().filter(|t| *t <= at(until)) {
            host.on_timer(next, &mut actions);
            said.extend(actions.drain(..).filter_map(|action| match action {
                NeighbourAction::Ask(ask) => Some((next, ask.frame())),
                NeighbourAction::Failed(_) => None,
            }));
        }
        said
    }

    fn packet(frame: &Frame) -> Packet {
        let Body::Ip(packet) = &frame.body else { panic!("neighbour discovery travels in packets") };
        packet.clone()
    }

    fn state(host: &Host) -> AddressState {
        host.interface_at(ETH0).addresses()[0].state
    }

    /// Recorded from Linux 6.1: 31-ipv6-dad.
    #[test]
    fn the_first_to_ask_has_the_address() {
        let mut first = host(&[("eth0", "2001:db8::1/64")]);
        assert_eq!(first.assign(at(1.0), ETH0, vip()), Ok(Vec::new()));
        assert_eq!(state(&first), AddressState::Tentative);
        assert!(!first.is_local(addr("2001:db8::100")));
        let said = run(&mut first, 9.0);
        let [(asked, question)] = &said[..] else { panic!("one question, not {said:?}") };
        assert!(*asked >= at(1.0) && *asked < at(2.0), "within a second");
        assert_eq!(packet(question).src, addr("::"));
        assert_eq!(question.dst.to_string(), "33:33:ff:00:01:00");
        assert_eq!((state(&first), first.is_local(addr("2001:db8::100"))), (AddressState::Usable, true));

        let mut second = host(&[("eth0", "2001:db8::11/64")]);
        second.assign(at(10.0), ETH0, vip()).unwrap();
        let question = packet(&run(&mut second, 11.0)[0].1);
        assert_eq!(second.ndisc_input(at(11.0), ETH0, &question).reply, None, "its own, by the number");
        assert_eq!(state(&second), AddressState::Tentative);
        let objection = first.ndisc_input(at(11.0), ETH0, &question).reply.expect("it has the address");
        assert_eq!((objection.dst, objection.message.flags), (addr("ff02::1"), NdiscFlags::OVERRIDE));
        second.ndisc_input(at(11.1), ETH0, &packet(&objection.frame()));
        assert_eq!(state(&second), AddressState::Duplicate);
        assert!(run(&mut second, 20.0).is_empty() && !second.is_local(addr("2001:db8::100")));
    }

    #[test]
    fn two_that_ask_at_once_both_fail() {
        let [mut one, mut other] = ["2001:db8::1/64", "2001:db8::2/64"].map(|own| host(&[("eth0", own)]));
        one.assign(at(1.0), ETH0, vip()).unwrap();
        other.assign(at(1.0), ETH0, vip()).unwrap();
        one.stream = sim_core::Stream::new(2, "another host");
        one.claimed[0].number += 1;
        let question = packet(&run(&mut one, 2.0)[0].1);
        other.ndisc_input(at(2.0), ETH0, &question);
        assert_eq!(state(&other), AddressState::Duplicate);
    }

    /// A host that boots, `nodad`, `accept_dad=0`, IPv4, and lo.
    #[test]
    fn who_does_not_ask() {
        let fresh = || host(&[("eth0", "2001:db8::1/64")]);
        let is_asked = |host: &mut Host, now: f64, id, spec| {
            host.assign(at(now), id, spec).unwrap();
            !host.claimed.is_empty()
        };
        assert!(is_asked(&mut fresh(), 1.0, ETH0, vip()));
        assert!(!is_asked(&mut fresh(), 0.0, ETH0, vip()));
        assert!(!is_asked(&mut fresh(), 1.0, ETH0, AddressSpec { nodad: true, ..vip() }));
        assert!(!is_asked(&mut fresh(), 1.0, ETH0, AddressSpec::new(addr("10.0.0.1"), 24)));
        assert!(!is_asked(&mut fresh(), 1.0, InterfaceId::LO, vip()));
        let mut trusting = fresh();
        trusting.sysctl_set("net.ipv6.conf.eth0.accept_dad", "0").unwrap();
        assert!(!is_asked(&mut trusting, 1.0, ETH0, vip()));
        trusting.sysctl_set("net.ipv6.conf.all.accept_dad", "1").unwrap();
        let other = AddressSpec::new(addr("2001:db8::101"), 128);
        assert!(is_asked(&mut trusting, 1.0, ETH0, other), "the larger value counts");
    }

    #[test]
    fn an_address_deleted_meanwhile_is_not_taken() {
        let mut host = host(&[("eth0", "2001:db8::1/64")]);
        host.assign(at(1.0), ETH0, vip()).unwrap();
        host.delete_address(ETH0, addr("2001:db8::100"), None).unwrap();
        assert!(run(&mut host, 9.0).is_empty());
        assert!(!host.is_local(addr("2001:db8::100")));
    }
}
