//! A host on its own, to which somebody hands frames: captures are replayed that way.
//!
//! What it sends ends at its interfaces, and it asks nobody for link addresses, so that it goes on deciding although
//! nobody answers.

use crate::frames::FrameId;
use crate::host::{Cable, InterfaceId, InterfaceKind};
use crate::ipvs::Decision;
use crate::network::{HostId, Network};
use crate::packet::{Frame, Packet, Payload};
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Network {
    /// Cuts a host off from its cables. Client programs anywhere stay silent from now on, and series are not sampled.
    ///
    /// # Panics
    /// If the network has already run.
    pub fn isolate(&mut self, host: HostId) {
        assert!(!self.is_started, "a host is isolated before the network runs");
        self.is_started = true; // without samples and clients
        let stack = &mut self.host_mut(host).stack;
        let is_card = |id: &InterfaceId, stack: &crate::host::Stack<FrameId>| {
            stack.interface_at(*id).kind == InterfaceKind::Ethernet
        };
        let count = stack.interfaces().count() as u16;
        let cards: Vec<InterfaceId> = (0..count).map(InterfaceId).filter(|id| is_card(id, stack)).collect();
        for card in cards {
            let waiting = self.host_mut(host).stack.set_arp(card, false);
            self.discard(host, waiting);
        }
        self.host_mut(host).cables.iter_mut().for_each(|cable: &mut Option<Cable>| *cable = None);
    }

    /// Hands a frame to an isolated host's interface, whatever link address it was for: what its director decides.
    /// A tag leads to the sub-interface of its VLAN, if the host has it.
    pub fn inject(&mut self, host: HostId, interface: InterfaceId, mut frame: Frame) -> Vec<Decision> {
        let on = &mut self.hosts[host.0 as usize];
        let interface = on.stack.vlan_on(interface, frame.vlan).unwrap_or(interface);
        frame.vlan = 0;
        if !frame.dst.is_group() {
            frame.dst = on.stack.interface_at(interface).mac;
        }
        if let Some(director) = &mut on.director {
            director.record_decisions(true);
        }
        let id = self.cx.wiring.frames.send(frame);
        on.input(&mut self.cx, interface, id);
        self.deliver_to_self();
        let director = self.hosts[host.0 as usize].director.as_mut();
        director.map(|director| director.take_decisions()).unwrap_or_default()
    }

    /// Is this something that an isolated host's kernel said itself and the isolated host cannot come to on its own? It
    /// asks nobody for link addresses, so it does not notice that nobody answers.
    pub fn is_own_news(&self, host: HostId, packet: &Packet) -> bool {
        let is_unreachable = match &packet.payload {
            Payload::Icmp(icmp) if packet.src.is_v4() => (icmp.kind, icmp.code) == (3, 1),
            Payload::Icmp(icmp) => (icmp.kind, icmp.code) == (1, 3),
            _ => false,
        };
        is_unreachable && self.host(host).stack.is_local(packet.src)
    }

    /// An isolated host's director sees at LOCAL_OUT what its kernel said itself.
    pub fn overhear(&mut self, host: HostId, packet: &Packet) {
        let now = self.cx.now;
        let on = &mut self.hosts[host.0 as usize];
        if let Some(director) = &mut on.director {
            director.local_out(now, &mut packet.clone(), &on.stack);
        }
    }

    /// How often a host has dropped packets for each reason, the ends of what it sent into nowhere left out.
    pub fn drops_of(&self, host: HostId) -> impl Iterator<Item = (DropReason, u64)> {
        let at = Place::Host(host.0);
        let drops = self.cx.recorder.drops.iter().filter(move |((place, _), _)| *place == at);
        drops
            .map(|((_, reason), drops)| (*reason, drops.count))
            .filter(|(reason, _)| *reason != DropReason::LinkDown)
    }
}
