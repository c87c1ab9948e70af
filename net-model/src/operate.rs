//! What an operator does to a running network: cables, power, and the consequences of commands.
//!
//! A change of a host's configuration is made on the host itself ([`Network::host_mut`]). If it sets frames free or
//! makes the host speak, the frames and what it says are handed in here.

use crate::frames::FrameId;
use crate::host::InterfaceId;
use crate::host::arp::ArpSend;
use crate::host::neighbour::NeighbourId;
use crate::network::{HostId, Network};
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Network {
    /// Pulls the cable of an interface out, or plugs it in again.
    pub fn set_cable(&mut self, host: HostId, interface: InterfaceId, plugged: bool) {
        let Some(cable) = self.host(host).cable(interface) else { return };
        self.cx.wiring.set_link_up(cable.outgoing, cable.incoming, plugged);
        let waiting = self.host_mut(host).stack.set_carrier(interface, plugged);
        self.discard(host, waiting);
        self.settle(host);
    }

    /// Cuts a host off, or brings it back: a host that is down neither receives nor sends.
    pub fn set_power(&mut self, host: HostId, is_up: bool) {
        self.host_mut(host).is_up = is_up;
        self.settle(host);
    }

    /// Frames that waited for a neighbour which a command has removed.
    pub fn discard(&mut self, host: HostId, frames: Vec<FrameId>) {
        for frame in frames {
            self.cx.drop(Place::Host(host.0), frame, DropReason::NeighbourFailed);
        }
    }

    /// What a host says in ARP after a command (`arp_notify`).
    pub fn announce(&mut self, host: HostId, asks: &[ArpSend]) {
        let Network { hosts, cx, .. } = self;
        asks.iter().for_each(|ask| hosts[host.0 as usize].send_arp(cx, ask));
    }

    /// A command has made a neighbour known: what waited for it goes.
    pub fn release(&mut self, host: HostId, neighbour: NeighbourId) {
        let Network { hosts, cx, .. } = self;
        hosts[host.0 as usize].send_waiting(cx, neighbour);
    }

    /// To be called after a change of a host's configuration: its timers may be due earlier now.
    pub fn settle(&mut self, host: HostId) {
        let Network { hosts, cx, .. } = self;
        hosts[host.0 as usize].arm_timers(cx);
    }
}
