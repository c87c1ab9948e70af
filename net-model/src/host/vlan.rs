//! VLAN sub-interfaces: `ip link add link eth0 name eth0.10 type vlan id 10`.
//!
//! A sub-interface stands for the frames of its card that carry one 802.1Q tag: it has addresses, settings and neighbours
//! of its own, and the cable of the card. What it sends gets the tag, four bytes more on the wire; what comes in with a
//! tag goes to the sub-interface of that id, or ends. The card leads: when it goes down or up, so do its sub-interfaces;
//! a smaller MTU makes theirs smaller (a larger one does not), and those that have its link address keep having it.
//! All of it seen on Linux 6.1.
//!
//! Frames through a sub-interface take the careful way (`host/exit.rs` learns nothing about it), so that untagged ones
//! are spared every question about tags.

use super::admin::AdminError;
use super::interface::{InterfaceId, InterfaceKind};
use super::node::Host;
use super::stack::Stack;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::network::{HostId, Network};
use crate::recorder::Place;
use crate::verdict::DropReason;

/// The largest id of a VLAN; 0 marks frames that belong to none.
pub const MAX_VLAN: u16 = 4094;

impl<H> Stack<H> {
    /// `ip link add link LOWER name NAME type vlan id ID`. Errors: no such id, the id is taken on this card, no card.
    pub fn add_vlan(&mut self, lower: InterfaceId, name: &str, id: u16) -> Result<InterfaceId, AdminError> {
        let card = self.interface_at(lower);
        let (mac, mtu) = (card.mac, card.mtu);
        if card.kind != InterfaceKind::Ethernet || card.lower.is_some() {
            return Err(AdminError::NoVlans);
        }
        if !(1..=MAX_VLAN).contains(&id) {
            return Err(AdminError::InvalidVlan);
        }
        if self.vlan_on(lower, id).is_some() {
            return Err(AdminError::VlanExists);
        }
        if self.interface(name).is_some() {
            return Err(AdminError::Exists);
        }
        let new = self.add_interface(name, InterfaceKind::Ethernet, mac);
        let interface = &mut self.interfaces[new.index()];
        (interface.vlan, interface.lower, interface.mtu) = (id, Some(lower), mtu);
        Ok(new)
    }

    /// The sub-interface of a card that takes frames with this tag.
    pub fn vlan_on(&self, card: InterfaceId, id: u16) -> Option<InterfaceId> {
        let mut all = self.interfaces();
        all.find(|(_, interface)| interface.lower == Some(card) && interface.vlan == id).map(|(id, _)| id)
    }

    /// The sub-interfaces of a card.
    pub fn vlans_of(&self, card: InterfaceId) -> Vec<InterfaceId> {
        let all = self.interfaces();
        all.filter(|(_, interface)| interface.lower == Some(card)).map(|(id, _)| id).collect()
    }

    /// May the interface be set up? Not above a card that is down.
    pub fn may_go_up(&self, id: InterfaceId) -> bool {
        self.interface_at(id).lower.is_none_or(|lower| self.interface_at(lower).up)
    }
}

impl<H> Stack<H> {
    /// May the interface have this MTU? A VLAN not a larger one than its card.
    pub fn fits_card(&self, id: InterfaceId, mtu: u32) -> bool {
        self.interface_at(id).lower.is_none_or(|lower| mtu <= self.interface_at(lower).mtu)
    }
}

impl Host {
    /// A frame that may carry a tag, or be larger than the card takes, is at it.
    pub(crate) fn card_input(&mut self, cx: &mut Cx, card: InterfaceId, frame: FrameId) {
        let arrived = cx.wiring.frames.get_mut(&frame);
        if !arrived.fits(self.stack.interface_at(card).mtu) {
            return cx.drop(Place::Host(self.id), frame, DropReason::FrameTooBig);
        }
        if arrived.vlan == 0 {
            return self.input(cx, card, frame);
        }
        let Some(sub) = self.stack.vlan_on(card, arrived.vlan) else {
            return cx.drop(Place::Host(self.id), frame, DropReason::UnknownVlan);
        };
        arrived.vlan = 0;
        if cx.capture.is_some() {
            return crate::capture::input_untagged(self, cx, sub, frame);
        }
        self.input(cx, sub, frame);
    }
}

impl Network {
    /// `ip link add link LOWER name NAME type vlan id ID` on a host.
    ///
    /// # Errors
    /// What the kernel refuses: see [`Stack::add_vlan`].
    pub fn add_vlan(
        &mut self,
        host: HostId,
        lower: InterfaceId,
        name: &str,
        id: u16,
    ) -> Result<InterfaceId, AdminError> {
        let on = self.host_mut(host);
        let new = on.stack.add_vlan(lower, name, id)?;
        if let Some(cable) = on.cable(lower) {
            on.plug(new, cable);
        }
        self.cx.wiring.expect_tags();
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ETH0, Host, add, addr, at, host, mac, sysctl, who_has};
    use super::{InterfaceId, MAX_VLAN};

    /// What `ip link add … type vlan` refuses, with the words of Linux 6.1. (Linux takes the id 0, too, for frames that
    /// have a priority but no VLAN; here there are none.)
    #[test]
    fn ids_and_cards_that_are_refused() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        let eth0_10 = host.add_vlan(ETH0, "eth0.10", 10).unwrap();
        let table = [
            (ETH0, "eth0.0", 0, "Error: 8021q: Invalid VLAN id."),
            (ETH0, "eth0.4095", MAX_VLAN + 1, "Error: 8021q: Invalid VLAN id."),
            (ETH0, "ten", 10, "Error: 8021q: VLAN device already exists."),
            (ETH0, "eth0.10", 11, "RTNETLINK answers: File exists"),
            (InterfaceId::LO, "lo.10", 10, "Error: 8021q: VLANs not supported on device."),
            (eth0_10, "eth0.10.5", 5, "Error: 8021q: VLANs not supported on device."),
        ];
        for (lower, name, id, text) in table {
            assert_eq!(host.add_vlan(lower, name, id).unwrap_err().to_string(), text, "{name}");
        }
        assert_eq!(host.vlan_on(ETH0, 10), Some(eth0_10));
        assert_eq!(host.vlan_on(ETH0, 11), None);
    }

    /// Seen on Linux 6.1: up, down, MTU and link address follow the card.
    #[test]
    fn a_card_leads_its_sub_interfaces() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        let sub = host.add_vlan(ETH0, "eth0.10", 10).unwrap();
        add(&mut host, "eth0.10", "10.0.10.1/24");
        assert!(!host.interface_at(sub).up, "a new interface is down");
        host.set_up(sub, true);
        let way = |host: &mut Host| host.route_output(addr("10.0.10.7"), None, 0).map(|route| route.oif);
        assert_eq!(way(&mut host), Ok(sub));
        host.set_up(ETH0, false);
        assert!(!host.interface_at(sub).up && !host.may_go_up(sub));
        assert!(way(&mut host).is_err());
        assert!(host.is_local(addr("10.0.10.1")), "the local route stays");
        host.set_up(ETH0, true);
        assert_eq!(way(&mut host), Ok(sub), "it comes up with its card");

        host.set_mtu(ETH0, 1400);
        assert_eq!(host.interface_at(sub).mtu, 1400);
        host.set_mtu(ETH0, 1500);
        assert_eq!(host.interface_at(sub).mtu, 1400, "smaller only");

        host.set_mac(ETH0, mac(0x77));
        assert_eq!(host.interface_at(sub).mac, mac(0x77));
        host.set_mac(sub, mac(0x78));
        host.set_mac(ETH0, mac(0x79));
        assert_eq!(host.interface_at(sub).mac, mac(0x78), "one of its own stays");
    }

    /// `net.ipv4.conf.eth0/10.arp_ignore`: each sub-interface has settings of its own.
    #[test]
    fn settings_of_a_sub_interface() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        let sub = host.add_vlan(ETH0, "eth0.10", 10).unwrap();
        add(&mut host, "eth0.10", "10.0.10.1/24");
        host.set_up(sub, true);
        let asks = |host: &mut Host, iif| {
            let ask = who_has("10.0.0.1", "10.0.10.9", mac(9));
            host.arp_input(at(0.0), iif, &ask, crate::addr::Mac::BROADCAST).reply.is_some()
        };
        assert!(asks(&mut host, sub), "an address of another interface");
        sysctl(&mut host, "conf.eth0/10.arp_ignore=1");
        assert!(!asks(&mut host, sub));
        sysctl(&mut host, "conf.eth0/10.arp_ignore=0 conf.eth0.arp_ignore=1");
        assert!(asks(&mut host, sub), "that of the card is not its");
    }
}
