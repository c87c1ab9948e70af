//! Redirects and path MTUs: what routers tell a host about better ways and narrow ones, and when it listens.
//!
//! A router that sends a packet back out of the interface it came in tells the sender of the better gateway
//! (`send_redirects`, on if `all` or the interface says so). A host stores it only if the redirect comes from the
//! gateway in use and the new one's link address is known; otherwise it merely starts to resolve that address.

use super::ask::Ask;
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
    Resolving(Option<Ask>),
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
        self.neighbours.has_news = true;
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
        self.neighbours.has_news = true;
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
        self.fib.tables().iter().flat_map(super::table::Table::routes).any(|r| {
            r.prefix.len() == 0 && r.hops.iter().any(|hop| hop.dev == dev && hop.via == Some(gateway))
        })
    }

    /// The state of a neighbour, if the host knows it.
    pub fn neighbour_state(&self, addr: Addr, interface: InterfaceId) -> Option<NeighbourState> {
        self.neighbour(addr, interface).map(|n| n.state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::addr::Mac;
    use crate::packet::{Icmp, Payload};

    const ROUTER: Mac = Mac::from_bits(0x0200_0000_00fe);

    /// A real server whose gateway is the director 10.0.0.1 in one network with the router 10.0.0.254.
    fn server() -> Host {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        via(&mut host, "default", "10.0.0.1");
        host
    }

    fn told(host: &mut Host, now: f64, from: &str, gateway: &str) -> Redirected {
        host.redirect_input(at(now), ETH0, addr(from), addr("192.168.1.10"), addr(gateway))
    }

    fn next_hop(host: &mut Host) -> Addr {
        host.route_output(addr("192.168.1.10"), None, 0).unwrap().next_hop
    }

    fn meets_router(host: &mut Host, now: f64) {
        let own = host.interface_at(ETH0).mac;
        host.arp_input(at(now), ETH0, &is_at("10.0.0.254", ROUTER, "10.0.0.11", own), own);
    }

    /// [seen] Catalogue 21: the first redirect only starts to resolve the router; a later one is recorded for 300 s.
    #[test]
    fn a_redirect_is_recorded_once_the_new_gateway_is_known() {
        let mut host = server();
        let Redirected::Resolving(Some(ask)) = told(&mut host, 1.0, "10.0.0.1", "10.0.0.254") else {
            panic!("an ARP request for the router");
        };
        assert_eq!((arp_of(&ask).sender, arp_of(&ask).target), (addr("10.0.0.11"), addr("10.0.0.254")));
        assert_eq!(next_hop(&mut host), addr("10.0.0.1"));
        meets_router(&mut host, 1.1);
        assert_eq!(told(&mut host, 2.0, "10.0.0.1", "10.0.0.254"), Redirected::Recorded);
        assert_eq!(next_hop(&mut host), addr("10.0.0.254"));
        let other = host.route_output(addr("192.168.1.11"), None, 0).unwrap();
        assert_eq!(other.next_hop, addr("10.0.0.1"), "only that destination");
        assert_eq!(
            told(&mut host, 3.0, "10.0.0.1", "10.0.0.253"),
            Redirected::Ignored,
            "no longer its gateway"
        );
        host.on_timer(at(301.9), &mut Vec::new());
        assert_eq!(next_hop(&mut host), addr("10.0.0.254"));
        host.on_timer(at(302.0), &mut Vec::new());
        assert_eq!(next_hop(&mut host), addr("10.0.0.1"));
    }

    #[test]
    fn redirects_that_are_not_believed() {
        let check = |settings: &str, from: &str, gateway: &str, expected: Redirected| {
            let mut host = server();
            sysctl(&mut host, settings);
            meets_router(&mut host, 0.5);
            host.resolve(at(0.5), ETH0, addr("10.0.0.254"), None);
            meets_router(&mut host, 0.6);
            let found = told(&mut host, 1.0, from, gateway);
            assert_eq!(found, expected, "{settings}, from {from} to {gateway}");
        };
        let (gateway, router) = ("10.0.0.1", "10.0.0.254");
        check("conf.all.accept_redirects=0", gateway, router, Redirected::Recorded);
        check("conf.eth0.accept_redirects=0", gateway, router, Redirected::Recorded);
        check(
            "conf.all.accept_redirects=0 conf.eth0.accept_redirects=0",
            gateway,
            router,
            Redirected::Ignored,
        );
        check("ip_forward=1", gateway, router, Redirected::Ignored);
        check("ip_forward=1 conf.all.accept_redirects=1", gateway, router, Redirected::Recorded);
        check("ip_forward=0", "10.0.0.99", router, Redirected::Ignored);
        check("ip_forward=0", gateway, "10.0.0.11", Redirected::Ignored);
        check("ip_forward=0", gateway, gateway, Redirected::Ignored);
        check("conf.all.shared_media=0 conf.eth0.shared_media=0", gateway, router, Redirected::Ignored);
        let trusting = "conf.all.shared_media=0 conf.eth0.shared_media=0 conf.all.secure_redirects=0 conf.eth0.secure_redirects=0";
        check(trusting, gateway, router, Redirected::Recorded);
    }

    /// A router names the better gateway, from its own address.
    #[test]
    fn the_redirect_itself() {
        let mut host = host(&[("eth0", "10.0.0.1/24 10.0.0.100/32")]);
        via(&mut host, "default", "10.0.0.254");
        let about = tcp("10.0.0.11", "192.168.1.10", 60);
        let made = host.redirect(at(60.0), &about, addr("10.0.0.254")).unwrap();
        assert_eq!((made.src, made.dst, made.len, made.tos), (addr("10.0.0.1"), addr("10.0.0.11"), 88, 0xc0));
        assert!(matches!(made.payload, Payload::Icmp(Icmp { kind: 5, code: 1, info: 0x0a00_00fe, .. })));
        assert_eq!(host.redirect(at(60.01), &about, addr("10.0.0.254")), None, "too soon");
    }

    /// [seen] A path MTU is stored for 600 s if it is smaller; below 552 it becomes 552 and packets go without DF.
    #[test]
    fn path_mtu() {
        let mut host = server();
        let mtu = |host: &mut Host| {
            let route = host.route_output(addr("192.168.1.10"), None, 0).unwrap();
            (route.mtu, route.mtu_locked)
        };
        assert_eq!(mtu(&mut host), (1500, false));
        assert!(!host.path_mtu_input(at(1.0), addr("192.168.1.10"), 1500), "no news");
        assert!(host.path_mtu_input(at(1.0), addr("192.168.1.10"), 1480));
        assert!(!host.path_mtu_input(at(2.0), addr("192.168.1.10"), 1490), "only smaller ones");
        assert_eq!(mtu(&mut host), (1480, false));
        host.on_timer(at(601.0), &mut Vec::new());
        assert_eq!(mtu(&mut host), (1500, false));
        assert!(host.path_mtu_input(at(700.0), addr("192.168.1.10"), 68));
        assert_eq!(mtu(&mut host), (552, true));
        host.delete_route(&super::super::fib::RouteSpec::to(prefix("default"))).unwrap();
        via(&mut host, "default", "10.0.0.1");
        assert_eq!(mtu(&mut host), (1500, false), "it went with the route");
    }

    /// A forwarding host does not apply what it learnt to packets of others, unless told to.
    #[test]
    fn path_mtu_is_for_own_packets() {
        let mut host = server();
        sysctl(&mut host, "ip_forward=1");
        host.path_mtu_input(at(1.0), addr("192.168.1.10"), 1400);
        let mtu = |host: &mut Host| match host.route_input(addr("10.0.0.50"), addr("192.168.1.10"), 0, ETH0) {
            Ok(super::super::route_input::Inbound::Forward { route, .. }) => route.mtu,
            other => panic!("forwarded, not {other:?}"),
        };
        assert_eq!(mtu(&mut host), 1500);
        sysctl(&mut host, "ip_forward_use_pmtu=1");
        assert_eq!(mtu(&mut host), 1400);
    }
}
