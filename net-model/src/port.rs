//! What the ports of a switch carry, once it tells VLANs apart: a Linux bridge with `vlan_filtering 1`.
//!
//! An access port carries one VLAN, untagged; a trunk carries several with their tags, and perhaps one untagged (the
//! native VLAN). A frame of a VLAN that its port does not carry ends there, and none leaves by such a port.

use crate::host::InterfaceId;
use crate::link::End;
use crate::network::{HostId, Network};

/// The VLAN of untagged frames at a port of which nothing was said (a bridge's `default_pvid`).
pub const DEFAULT_VLAN: u16 = 1;

/// What a port carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortVlans {
    /// The VLAN of untagged frames.
    pub untagged: Option<u16>,
    /// The VLANs whose frames carry their tag.
    pub tagged: Vec<u16>,
}

impl PortVlans {
    /// An access port.
    pub fn access(vlan: u16) -> PortVlans {
        PortVlans { untagged: Some(vlan), tagged: Vec::new() }
    }

    /// A trunk; untagged frames on it belong to `native`, or end.
    pub fn trunk(tagged: Vec<u16>, native: Option<u16>) -> PortVlans {
        PortVlans { untagged: native, tagged }
    }

    /// The VLAN of a frame with this tag (0: none), if the port takes it.
    fn vlan(&self, tag: u16) -> Option<u16> {
        match tag {
            0 => self.untagged,
            tag => (self.untagged == Some(tag) || self.tagged.contains(&tag)).then_some(tag),
        }
    }

    /// The tag with which a frame of a VLAN leaves by this port, if it does.
    fn tag(&self, vlan: u16) -> Option<u16> {
        match self.untagged {
            Some(untagged) if untagged == vlan => Some(0),
            _ => self.tagged.contains(&vlan).then_some(vlan),
        }
    }
}

/// The ports of a switch that tells VLANs apart; those that are missing have the default.
#[derive(Debug, Default)]
pub(crate) struct Vlans {
    ports: Vec<Option<PortVlans>>,
}

impl Vlans {
    pub(crate) fn set(&mut self, port: usize, carries: PortVlans) {
        if self.ports.len() <= port {
            self.ports.resize(port + 1, None);
        }
        self.ports[port] = Some(carries);
    }

    pub(crate) fn vlan(&self, port: usize, tag: u16) -> Option<u16> {
        match self.port(port) {
            Some(port) => port.vlan(tag),
            None => (tag == 0 || tag == DEFAULT_VLAN).then_some(DEFAULT_VLAN),
        }
    }

    pub(crate) fn tag(&self, port: usize, vlan: u16) -> Option<u16> {
        match self.port(port) {
            Some(port) => port.tag(vlan),
            None => (vlan == DEFAULT_VLAN).then_some(0),
        }
    }

    fn port(&self, port: usize) -> Option<&PortVlans> {
        self.ports.get(port)?.as_ref()
    }
}

impl Network {
    /// Says what the switch port at the other end of an interface's cable carries. Nothing happens without a switch.
    pub fn set_port(&mut self, host: HostId, interface: InterfaceId, carries: PortVlans) {
        let Some(cable) = self.host(host).cable(interface) else { return };
        let wiring = &mut self.cx.wiring;
        if let End::Switch(switch, port) = wiring.links[cable.outgoing.0 as usize].end() {
            wiring.switches[switch as usize].set_port(port, carries);
            wiring.expect_tags();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ports_take_and_give() {
        let (access, trunk) = (PortVlans::access(10), PortVlans::trunk(vec![10, 20], None));
        let native = PortVlans::trunk(vec![10, 20], Some(5));
        let table = [
            // port, tag, VLAN of a frame that comes in with it
            (&access, 0, Some(10)),
            (&access, 10, Some(10)),
            (&access, 20, None),
            (&trunk, 0, None),
            (&trunk, 20, Some(20)),
            (&trunk, 30, None),
            (&native, 0, Some(5)),
        ];
        for (port, tag, vlan) in table {
            assert_eq!(port.vlan(tag), vlan, "{port:?} tag {tag}");
        }
        let table = [
            // port, VLAN, tag with which its frames leave
            (&access, 10, Some(0)),
            (&access, 20, None),
            (&trunk, 20, Some(20)),
            (&trunk, 5, None),
            (&native, 5, Some(0)),
        ];
        for (port, vlan, tag) in table {
            assert_eq!(port.tag(vlan), tag, "{port:?} VLAN {vlan}");
        }
    }

    #[test]
    fn a_port_of_which_nothing_was_said_carries_vlan_1_untagged() {
        let mut vlans = Vlans::default();
        vlans.set(1, PortVlans::access(10));
        for unknown in [0, 2] {
            assert_eq!([0, 1, 10].map(|tag| vlans.vlan(unknown, tag)), [Some(1), Some(1), None]);
            assert_eq!([1, 10].map(|vlan| vlans.tag(unknown, vlan)), [Some(0), None]);
        }
        assert_eq!(vlans.tag(1, 10), Some(0));
    }
}
