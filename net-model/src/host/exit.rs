//! The way out that was taken last: link and link addresses of a destination, found by one look.
//!
//! It stands with the remembered answer of the tables (`route_cache.rs`) and falls with it. The neighbour's entry stays
//! the judge of its link address: the cache knows only the place of that entry.

use super::route::{Route, RouteClass};
use super::route_cache::Place;
use super::stack::Stack;
use crate::addr::{Addr, Mac};
use crate::link::LinkId;
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
    /// Has an upper layer proof that packets reach the next hop?
    pub(crate) confirms: bool,
}

/// How a frame leaves: the link, and its addresses there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    pub(crate) link: LinkId,
    pub(crate) src: Mac,
    pub(crate) dst: Mac,
    /// The length of its packet in bytes.
    pub(crate) len: u16,
}

impl<H> Stack<H> {
    /// The way out, if it is remembered and its neighbour needs nothing done. The use of the neighbour is noted.
    #[inline(always)] // a part of known_way
    pub(crate) fn known_exit(&mut self, now: Time, leaver: Leaver) -> Option<Leave> {
        let place = self.cache.find(leaver.to, leaver.mark, self.epoch())?;
        if let Some(speaker) = leaver.speaker
            && !self.cache.slot(place).speaks(speaker)
        {
            return None;
        }
        self.exit_at(now, place, leaver.len, leaver.confirms)
    }

    /// The same for a destination whose place in the cache is known.
    #[inline(always)] // a part of every way out
    pub(super) fn exit_at(&mut self, now: Time, place: Place, len: u16, confirms: bool) -> Option<Leave> {
        let slot = self.cache.slot(place);
        if len > slot.mtu {
            return None;
        }
        let dst = self.neighbours.use_settled(now, slot.neighbour, confirms)?;
        Some(Leave { link: slot.link, src: slot.src, dst, len })
    }

    /// The largest packet that takes the way out remembered at a place; 0 if none is.
    #[inline]
    pub(super) fn known_mtu(&self, place: Place) -> u16 {
        self.cache.slot(place).mtu
    }

    /// Remembers the way that `route`, the answer for this destination and mark, has just opened through a cable.
    pub(crate) fn learn_exit(&mut self, to: Addr, mark: u32, route: &Route, link: LinkId) {
        let (epoch, interface) = (self.epoch(), &self.interfaces[route.oif.index()]);
        let Some(neighbour) = self.neighbours.find(route.next_hop, route.oif) else { return };
        if let Some(place) = self.cache.find(to, mark, epoch)
            && interface.up
            && route.kind == RouteClass::Unicast
        {
            let mtu = u16::try_from(self.cache.answer(place).path_mtu).unwrap_or(u16::MAX);
            self.cache.slot_mut(place).learn_exit(link, interface.mac, neighbour, mtu);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::NeighbourState;
    use super::super::testing::*;
    use super::*;

    const LEAVER: Leaver =
        Leaver { to: Addr::v4(0x0a00_0032), speaker: None, mark: 0, len: 1500, confirms: false };

    /// A host whose way to 10.0.0.50 is remembered.
    fn experienced() -> Host {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        host.set_neighbour(at(0.0), ETH0, LEAVER.to, mac(0x50), NeighbourState::Reachable).unwrap();
        let route = host.route_output(LEAVER.to, None, 0).unwrap();
        host.learn_exit(LEAVER.to, 0, &route, LinkId(7));
        host
    }

    fn way(host: &mut Host, leaver: Leaver) -> Option<(LinkId, Mac, Mac)> {
        host.known_exit(at(1.0), leaver).map(|way| (way.link, way.src, way.dst))
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
