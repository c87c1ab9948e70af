//! The way out that was taken last: next hop, link and link addresses of a destination, found by one look.
//!
//! It stands with the remembered answer of the tables (`route_cache.rs`) and falls with it. The neighbour's entry stays
//! the judge of its link address, and keeps what all frames to the neighbour have in common.

use super::interface::InterfaceId;
use super::neighbour::{Neighbour, NeighbourId};
use super::node::Host;
use super::route::{Route, RouteClass};
use super::route_cache::SlotId;
use super::stack::Stack;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::Path;
use crate::link::LinkId;
use crate::packet::ETHERNET_OVERHEAD;
use sim_core::Time;

/// What a packet asks that wants to leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaver {
    /// Where it is routed to.
    pub(crate) to: Addr,
    /// Its source, if that must be an address of the host.
    pub(crate) speaker: Option<Addr>,
    pub(crate) mark: u32,
    /// Its length in bytes, compared with what fits.
    pub(crate) len: u16,
}

impl<H> Stack<H> {
    /// The next hop of the way out, if that is remembered.
    #[inline(always)] // a part of leave_as_known
    pub(crate) fn known_exit(&self, leaver: Leaver) -> Option<NeighbourId> {
        let (_, slot) = self.cache.find(leaver.to, leaver.mark, self.epoch())?;
        let speaks = leaver.speaker.is_none_or(|speaker| slot.speaks(speaker));
        (speaks && leaver.len <= slot.mtu).then_some(slot.neighbour)
    }

    /// The largest packet of the host's own towards `to`, if the way out is remembered.
    pub(super) fn known_mtu(&self, to: Addr) -> Option<u16> {
        let (_, slot) = self.cache.find(to, 0, self.epoch())?;
        (slot.mtu > 0).then_some(slot.mtu)
    }

    /// The way towards another host, if it is remembered.
    pub(super) fn known_path(&self, to: Addr) -> Option<Path> {
        let (id, slot) = self.cache.find(to, 0, self.epoch())?;
        (slot.mtu > 0).then(|| Path { mtu: slot.mtu, source: self.cache.answer(id).source })
    }

    /// The same as interface, next hop and largest packet (0 if none is known).
    pub(super) fn known_next_hop(&self, to: Addr) -> Option<(InterfaceId, NeighbourId, u16)> {
        let (_, slot) = self.cache.find(to, 0, self.epoch())?;
        Some((slot.oif, slot.neighbour, slot.mtu))
    }

    /// The next hop of the way out that a slot remembers, and the largest packet that fits (0 if none is known).
    #[inline]
    pub(super) fn exit_at(&self, id: SlotId) -> (NeighbourId, u16) {
        let slot = self.cache.slot(id);
        (slot.neighbour, slot.mtu)
    }

    /// Remembers the way that `route`, the answer for this destination and mark, has just opened through a cable.
    pub(crate) fn learn_exit(&mut self, to: Addr, mark: u32, route: &Route, link: LinkId) {
        let interface = &self.interfaces[route.oif.index()];
        let is_plain = interface.up
            && interface.vlan == 0
            && interface.mtu <= interface.carried // each frame is measured otherwise
            && self.netfilter.is_silent();
        if !is_plain || route.kind != RouteClass::Unicast {
            return;
        }
        if let Some(neighbour) = self.neighbours.find(route.next_hop, route.oif)
            && let Some((id, _)) = self.cache.find(to, mark, self.epoch())
        {
            let mtu = u16::try_from(self.cache.answer(id).path_mtu).unwrap_or(u16::MAX);
            self.cache.slot_mut(id).learn_exit(neighbour, mtu);
            let entry = self.neighbours.get_mut(neighbour);
            (entry.header.src, entry.link) = (interface.mac, link);
        }
    }
}

impl Host {
    /// The way out of what a program of this host sends, if that is remembered and no director looks at it: the next hop,
    /// and the largest packet. The ends are the own address and the other one.
    pub(crate) fn known_way_out(&self, [own, other]: [Addr; 2]) -> Option<(NeighbourId, u16)> {
        let (_, slot) = self.stack.cache.find(other, 0, self.stack.epoch())?;
        let is_known = self.director.is_none() && slot.speaks(own) && slot.mtu > 0;
        is_known.then_some((slot.neighbour, slot.mtu))
    }

    /// A packet of this host goes to a neighbour: its entry, with what all frames there have in common.
    #[inline(always)] // the beginning of every segment
    pub(crate) fn own_way(&mut self, now: Time, next_hop: NeighbourId) -> Option<&mut Neighbour<FrameId>> {
        if self.director.is_some() || !self.is_up {
            return None;
        }
        self.stack.neighbours.use_settled(now, next_hop, self.confirms)
    }

    /// The packet leaves by the way that is remembered for `to`; or it comes back, for a closer look at it. A source
    /// that must be an address of the host is the `speaker`.
    #[inline(always)] // what to do with a packet that comes back is decided at the same place
    pub(crate) fn leave_as_known(
        &mut self,
        cx: &mut Cx,
        frame: FrameId,
        to: Addr,
        speaker: Option<Addr>,
    ) -> Option<FrameId> {
        let packet = cx.wiring.frames.packet_mut(&frame);
        if !self.is_up || cx.recorder.follows(packet.flow) {
            return Some(frame);
        }
        let (mark, len) = (packet.mark, packet.wire_len());
        match self.stack.known_exit(Leaver { to, speaker, mark, len }) {
            Some(next_hop) => self.depart(cx, frame, next_hop, len),
            None => Some(frame),
        }
    }

    /// A packet of `len` bytes that nobody follows goes to a neighbour; or it comes back, if the neighbour's entry needs
    /// something done.
    #[inline(always)] // the way of every frame, from three places to the agenda
    pub(super) fn depart(
        &mut self,
        cx: &mut Cx,
        frame: FrameId,
        next_hop: NeighbourId,
        len: u16,
    ) -> Option<FrameId> {
        let Cx { now, agenda, wiring, recorder, .. } = cx;
        let Some(entry) = self.stack.neighbours.use_settled(*now, next_hop, self.confirms) else {
            return Some(frame);
        };
        self.confirms = false;
        let out = wiring.frames.get_mut(&frame);
        (out.src, out.dst, out.vlan) = (entry.header.src, entry.mac, 0);
        let bytes = ETHERNET_OVERHEAD + u32::from(len);
        wiring.send(*now, entry.link, frame, bytes, &mut entry.header.path, agenda, recorder);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::NeighbourState;
    use super::super::testing::{ETH0, Host, add, addr, at, host, mac, sysctl, via};
    use super::*;
    use crate::addr::Mac;

    const LEAVER: Leaver = Leaver { to: Addr::v4(0x0a00_0032), speaker: None, mark: 0, len: 1500 };

    /// A host whose way to 10.0.0.50 is remembered.
    fn experienced() -> Host {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.set_neighbour(at(0.0), ETH0, LEAVER.to, mac(0x50), NeighbourState::Reachable).unwrap();
        let route = host.route_output(LEAVER.to, None, 0).unwrap();
        host.learn_exit(LEAVER.to, 0, &route, LinkId(7));
        host
    }

    fn way(host: &mut Host, leaver: Leaver) -> Option<(LinkId, Mac, Mac)> {
        let next_hop = host.known_exit(leaver)?;
        let entry = host.neighbours.use_settled(at(1.0), next_hop, false)?;
        Some((entry.link, entry.header.src, entry.mac))
    }

    #[test]
    fn one_look_finds_the_whole_way() {
        let mut host = experienced();
        assert_eq!(way(&mut host, LEAVER), Some((LinkId(7), mac(0x11), mac(0x50))));
        assert_eq!(way(&mut host, Leaver { len: 1501, ..LEAVER }), None, "it does not fit");
        assert_eq!(way(&mut host, Leaver { mark: 1, ..LEAVER }), None, "another mark may take another route");
        assert_eq!(way(&mut host, Leaver { to: addr("10.0.0.51"), ..LEAVER }), None);
    }

    #[test]
    fn a_source_must_have_been_found_local() {
        let mut host = experienced();
        let own = Leaver { speaker: Some(addr("10.0.0.11")), ..LEAVER };
        assert_eq!(way(&mut host, own), None);
        host.route_output(LEAVER.to, own.speaker, 0).unwrap();
        assert!(way(&mut host, own).is_some());
    }

    #[test]
    fn changes_void_it() {
        type Change = fn(&mut Host);
        let changes: [(&str, Change); 6] = [
            ("an address", |host| add(host, "eth0", "10.0.0.12/24")),
            ("a route", |host| via(host, "default", "10.0.0.254")),
            ("a setting", |host| sysctl(host, "conf.eth0.rp_filter=1")),
            ("the interface", |host| drop(host.set_up(ETH0, false))),
            ("its link address", |host| drop(host.set_mac(ETH0, mac(0x77)))),
            ("the neighbour", |host| drop(host.flush_neighbours(None))),
        ];
        for (what, change) in changes {
            let mut host = experienced();
            change(&mut host);
            assert_eq!(way(&mut host, LEAVER), None, "{what} has changed");
        }
    }

    #[test]
    fn the_neighbour_is_asked_each_time() {
        let mut host = experienced();
        host.set_neighbour(at(0.5), ETH0, LEAVER.to, mac(0x51), NeighbourState::Reachable).unwrap();
        assert_eq!(way(&mut host, LEAVER), Some((LinkId(7), mac(0x11), mac(0x51))), "it has a new card");
        host.set_neighbour(at(0.6), ETH0, LEAVER.to, mac(0x51), NeighbourState::Stale).unwrap();
        assert_eq!(way(&mut host, LEAVER), None, "a stale one starts a timer");
    }
}
