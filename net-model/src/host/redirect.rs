//! Redirects and path MTUs: what routers tell a host about better ways and narrow ones, and when it listens.
//!
//! A router that sends a packet back out of the interface it came in tells the sender of the better gateway
//! (`send_redirects`, on if `all` or the interface says so). A host stores it only if the redirect comes from the
//! gateway in use and the new one's link address is known; otherwise it merely starts to resolve that address.

use super::arp::ArpSend;
use super::conf::{ConfKey, HostKey};
use super::icmp::Error;
use super::interface::InterfaceId;
use super::neighbour::NeighbourState;
use super::route::RouteClass;
use super::stack::{Resolution, Stack};
use crate::addr::Addr;
use crate::packet::Packet;
use sim_core::{Duration, Time};

/// What became of a redirect that was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redirected {
    /// Not believed.
    Ignored,
    /// The new gateway's link address is unknown: ask for it, forget the redirect.
    Resolving(Option<ArpSend>),
    /// Packets to the destination take the new gateway from now on.
    Recorded,
}

impl<H> Stack<H> {
    /// The redirect to send about a packet that is forwarded to `next_hop` and for which [`super::route_input::Inbound`]
    /// said one is due; none if the limit says no. `about`: the packet after its TTL was decremented.
    pub fn redirect(&mut self, now: Time, about: &Packet, next_hop: Addr) -> Option<Packet> {
        let recipient = about.routed_src();
        if !recipient.is_v4() || !self.deserves_error(about) {
            return None;
        }
        let route = self.route_output(recipient, None, 0).ok()?;
        let ratelimit = Duration::from_millis(self.host.get(HostKey::IcmpRatelimit) as u64);
        if route.kind != RouteClass::Unicast || !self.limits.allows_redirect(now, recipient, ratelimit) {
            return None;
        }
        Some(self.make_error(Error::Redirect { gateway: next_hop }, about, route.source))
    }

    /// A redirect came in on `iif` from router `from`: packets to `dst` had better go to `gateway`. The caller has
    /// checked that it quotes a packet of a live flow.
    pub fn redirect_input(
        &mut self,
        now: Time,
        iif: InterfaceId,
        from: Addr,
        dst: Addr,
        gateway: Addr,
    ) -> Redirected {
        if !self.believes_redirect(iif, from, dst, gateway) {
            return Redirected::Ignored;
        }
        let is_known = self.neighbour(gateway, iif).is_some_and(|n| n.state.is_valid());
        if !is_known {
            return Redirected::Resolving(match self.resolve(now, iif, gateway, None) {
                Resolution::Wait { ask, .. } => ask,
                Resolution::Mac(_) | Resolution::TableFull => None,
            });
        }
        let expires = now + Duration::from_secs(self.host.get(HostKey::RouteGcTimeout) as u64);
        self.exceptions.set_gateway(dst, gateway, expires);
        self.changed();
        Redirected::Recorded
    }

    /// A router reports that packets to `dst` must not be larger than `mtu`. Is that news?
    pub fn path_mtu_input(&mut self, now: Time, dst: Addr, mtu: u32) -> bool {
        let smallest = if dst.is_v4() { self.host.get(HostKey::RouteMinPmtu) as u32 } else { 1280 };
        let Ok(route) = self.route_output(dst, None, 0) else { return false };
        let is_locked = mtu < smallest;
        let mtu = mtu.max(smallest);
        if route.kind != RouteClass::Unicast || mtu >= route.mtu {
            return false;
        }
        let expires = now + Duration::from_secs(self.host.get(HostKey::RouteMtuExpires) as u64);
        self.exceptions.set_mtu(dst, mtu, is_locked, expires);
        self.changed();
        true
    }

    fn believes_redirect(&mut self, iif: InterfaceId, from: Addr, dst: Addr, gateway: Addr) -> bool {
        if !self.is_on(iif, ConfKey::AcceptRedirects) || gateway == from || !gateway.is_v4() {
            return false;
        }
        let Ok(route) = self.route_output(dst, None, 0) else { return false };
        let comes_from_gateway =
            route.kind == RouteClass::Unicast && route.oif == iif && route.next_hop == from;
        let is_plain = self.is_plain_unicast(gateway);
        let interface = &self.interfaces[iif.index()];
        let may_be = self.is_on(iif, ConfKey::SharedMedia)
            || (interface.on_link(gateway)
                && (!self.is_on(iif, ConfKey::SecureRedirects) || self.is_default_gateway(iif, gateway)));
        comes_from_gateway && is_plain && may_be
    }

    /// Is it an address of some other single host?
    pub(super) fn is_plain_unicast(&self, addr: Addr) -> bool {
        !addr.is_unspecified()
            && !addr.is_multicast()
            && !addr.is_loopback()
            && addr != Addr::BROADCAST_V4
            && self.local_kind(addr).is_none()
    }

    fn is_default_gateway(&self, dev: InterfaceId, gateway: Addr) -> bool {
        self.fib.tables().iter().flat_map(super::fib::Table::routes).any(|r| {
            r.prefix.len() == 0 && r.hops.iter().any(|hop| hop.dev == dev && hop.via == Some(gateway))
        })
    }

    /// The state of a neighbour, if the host knows it.
    pub fn neighbour_state(&self, addr: Addr, interface: InterfaceId) -> Option<NeighbourState> {
        self.neighbour(addr, interface).map(|n| n.state)
    }
}
