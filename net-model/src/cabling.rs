//! Cables between hosts and switches.

use crate::host::{Cable, InterfaceId};
use crate::link::{End, LinkId};
use crate::network::{HostId, Network, SwitchId};
use crate::spec::LinkSpec;

impl Network {
    /// Plugs an interface into a switch.
    pub fn plug(&mut self, host: HostId, interface: InterfaceId, switch: SwitchId, spec: &LinkSpec) {
        self.plug_unequal(host, interface, switch, spec, spec);
    }

    /// The same with a cable whose two directions differ: from the host into the switch, and back.
    pub fn plug_unequal(
        &mut self,
        host: HostId,
        interface: InterfaceId,
        switch: SwitchId,
        away: &LinkSpec,
        towards: &LinkSpec,
    ) {
        let names = (self.interface_name(host, interface), self.switch_names[switch.0 as usize].clone());
        let seed = self.options.seed;
        let incoming = {
            let name = format!("{} > {}", names.1, names.0);
            let id = self.cx.wiring.lay(towards, End::Host(host.0, interface.0), true, seed, &name);
            self.link_names.push(name);
            id
        };
        let port = self.cx.wiring.switches[switch.0 as usize].attach(incoming);
        let name = format!("{} > {}", names.0, names.1);
        let outgoing = self.cx.wiring.lay(away, End::Switch(switch.0, port), false, seed, &name);
        self.link_names.push(name);
        if let Some(mtu) = self.cx.wiring.switches[switch.0 as usize].mtu() {
            self.host_mut(host).stack.set_carried(interface, mtu);
        }
        self.host_mut(host).plug(interface, Cable { outgoing, incoming });
    }

    /// Connects two switches.
    pub fn connect_switches(&mut self, a: SwitchId, b: SwitchId, spec: &LinkSpec) {
        // Each end's port number is needed before its link exists: links get their numbers in order.
        let first = self.link_names.len() as u32;
        let port_a = self.cx.wiring.switches[a.0 as usize].attach(LinkId(first));
        let port_b = self.cx.wiring.switches[b.0 as usize].attach(LinkId(first + 1));
        for (from, to, port) in [(a, b, port_b), (b, a, port_a)] {
            let name =
                format!("{} > {}", self.switch_names[from.0 as usize], self.switch_names[to.0 as usize]);
            self.cx.wiring.lay(spec, End::Switch(to.0, port), true, self.options.seed, &name);
            self.link_names.push(name);
        }
    }

    /// Connects two interfaces directly.
    pub fn connect_hosts(&mut self, a: (HostId, InterfaceId), b: (HostId, InterfaceId), spec: &LinkSpec) {
        let mut ids = [LinkId(0); 2];
        for (slot, (from, to)) in [(a, b), (b, a)].into_iter().enumerate() {
            let name =
                format!("{} > {}", self.interface_name(from.0, from.1), self.interface_name(to.0, to.1));
            ids[slot] = self.cx.wiring.lay(spec, End::Host(to.0.0, to.1.0), false, self.options.seed, &name);
            self.link_names.push(name);
        }
        self.host_mut(a.0).plug(a.1, Cable { outgoing: ids[0], incoming: ids[1] });
        self.host_mut(b.0).plug(b.1, Cable { outgoing: ids[1], incoming: ids[0] });
    }

    fn interface_name(&self, host: HostId, interface: InterfaceId) -> String {
        let host = self.host(host);
        format!("{}.{}", host.name, host.stack.interface_at(interface).name)
    }
}
