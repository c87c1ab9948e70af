//! What an operator does to a running network: interfaces up and down, cables out and in, hosts that crash and return.

use crate::frames::FrameId;
use crate::group::{GroupId, Seen};
use crate::host::ask::Ask;
use crate::host::neighbour::NeighbourId;
use crate::host::{Host, InterfaceId, Stack};
use crate::ipvs::{Director, Kernel};
use crate::network::{HostId, Network};
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Network {
    /// `ip link set DEV up|down`: what waited for neighbours of the interface is lost, and the switch at the other end of
    /// its cable sees the link go down and forgets who was there.
    ///
    /// When it comes up, the switch notices a moment after the host has: what `arp_notify` announces at once gets lost at
    /// a port that does not forward yet. [seen: the request is there on the port of the bridge, and on no other] What
    /// `ndisc_notify` announces comes later, and is heard. [recorded: 32-ipv6-ndisc-notify]
    pub fn set_interface_up(&mut self, host: HostId, interface: InterfaceId, up: bool) {
        let Network { hosts, cx, .. } = self;
        let on = &mut hosts[host.0 as usize];
        let has_carrier = on.stack.interface_at(interface).carrier;
        let is_card = on.stack.interface_at(interface).lower.is_none();
        let cable = on.cable(interface).filter(|_| has_carrier && is_card);
        if let Some(cable) = cable.filter(|_| !up) {
            cx.wiring.set_link_up(cx.now, cable.outgoing, cable.incoming, false, &mut cx.agenda);
        }
        let change = on.stack.set_up(interface, up);
        for frame in change.dropped {
            cx.drop(Place::Host(host.0), frame, DropReason::InterfaceDown);
        }
        let (at_once, later): (Vec<_>, Vec<_>) =
            change.announce.iter().partition(|announcement| matches!(announcement, Ask::Arp(_)));
        at_once.into_iter().for_each(|announcement| on.send_ask(cx, announcement));
        if let Some(cable) = cable.filter(|_| up) {
            cx.wiring.set_link_up(cx.now, cable.outgoing, cable.incoming, true, &mut cx.agenda);
        }
        later.into_iter().for_each(|announcement| on.send_ask(cx, announcement));
        on.arm_timers(cx);
    }

    /// `ip link set DEV mtu MTU`: from now on it takes no larger frames either.
    pub fn set_mtu(&mut self, host: HostId, interface: InterfaceId, mtu: u32) {
        let Network { hosts, cx, .. } = self;
        let on = &mut hosts[host.0 as usize];
        on.stack.set_mtu(interface, mtu);
        if let Some(cable) = on.cable(interface).filter(|_| mtu < on.stack.interface_at(interface).carried) {
            cx.wiring.narrow(cable.incoming);
        }
    }

    /// Pulls or plugs the cable of an interface.
    pub fn set_cable(&mut self, host: HostId, interface: InterfaceId, plugged: bool) {
        let Network { hosts, cx, .. } = self;
        let on = &mut hosts[host.0 as usize];
        let is_up = on.stack.interface_at(interface).up;
        if let Some(cable) = on.cable(interface).filter(|_| is_up) {
            cx.wiring.set_link_up(cx.now, cable.outgoing, cable.incoming, plugged, &mut cx.agenda);
        }
        let vlans = on.stack.vlans_of(interface);
        for interface in std::iter::once(interface).chain(vlans) {
            for frame in on.stack.set_carrier(interface, plugged) {
                cx.drop(Place::Host(host.0), frame, DropReason::LinkDown);
            }
        }
        on.arm_timers(cx);
    }

    /// What a client group on a host has seen so far.
    ///
    /// # Panics
    /// If the group is on another host.
    pub fn seen_by(&self, host: HostId, group: GroupId) -> &Seen {
        let host = self.host(host);
        &host.clients[host.group_index(group)].seen
    }

    /// A host crashes (it neither sends nor receives from now on) or returns. Its connections are lost with its programs:
    /// whoever still has the other end of one draws a reset when the host is back. Its settings are made again, as scripts
    /// do that run when a host starts; they stay as they are.
    pub fn set_host_up(&mut self, host: HostId, up: bool) {
        let Network { hosts, cx, .. } = self;
        let host = &mut hosts[host.0 as usize];
        if host.is_up && !up {
            host.lose_sockets(cx);
        }
        host.is_up = up;
    }

    /// Ends frames that an administrative command has thrown out of a queue.
    pub fn discard(&mut self, host: HostId, frames: Vec<FrameId>) {
        for frame in frames {
            self.cx.drop(Place::Host(host.0), frame, DropReason::NeighbourQueue);
        }
    }

    /// What a host tells its neighbours because of a command (`arp_notify`, `ndisc_notify`).
    pub fn announce(&mut self, host: HostId, announcements: &[Ask]) {
        let Network { hosts, cx, .. } = self;
        announcements.iter().for_each(|announcement| hosts[host.0 as usize].send_ask(cx, announcement));
    }

    /// A command has made a neighbour known: what waited for it goes.
    pub fn release(&mut self, host: HostId, neighbour: NeighbourId) {
        let Network { hosts, cx, .. } = self;
        hosts[host.0 as usize].send_waiting(cx, neighbour);
    }

    /// A host's director and network layer together, for commands that need both; `modprobe ip_vs` happens if needed.
    pub fn ipvs(&mut self, host: HostId, kernel: Kernel) -> (&mut Director, &Stack<FrameId>) {
        self.director(host, kernel);
        let Host { stack, director, .. } = self.host_mut(host);
        (director.as_mut().expect("it was made if it was missing"), stack)
    }

    /// After commands on a host: its timers may be due earlier.
    pub fn settle(&mut self, host: HostId) {
        let Network { hosts, cx, .. } = self;
        let host = &mut hosts[host.0 as usize];
        host.stack.rules_changed();
        host.arm_timers(cx);
    }
}
