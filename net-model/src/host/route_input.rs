//! Input routing: is a received packet for this host, for others, or impossible?
//!
//! Linux checks source and destination addresses for what can never be ("martians"), looks the destination up, and
//! then asks the tables backwards whether the source could have come from there (`rp_filter`, `accept_local`). An own
//! address is local on every interface (weak host model), which is why a real server takes packets for a virtual
//! address on lo. Packets with source-route options are outside the model.

use super::conf::ConfKey;
use super::fib::{Key, RouteKind};
use super::icmp;
use super::interface::{Interface, InterfaceId, SourceCheck};
use super::route::{Answer, Route, RouteClass, RouteError};
use super::route_cache::{Fate, SlotId};
use super::stack::Stack;
use crate::addr::Addr;
use crate::verdict::DropReason;

/// What becomes of a received packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inbound {
    /// It is for this host.
    Deliver,
    /// It is for everybody on the link or a multicast group: listeners of this host get it.
    Broadcast,
    /// It goes on.
    Forward {
        /// The way it takes; `mtu` is that of the way out.
        route: Route,
        /// Would the sender do better to send to the next hop itself? (Before any rate limit.)
        redirect: bool,
    },
}

/// What becomes of a received packet that is nothing special and whose destination was asked for before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// It is for this host.
    Deliver,
    /// It leaves by another interface than it came in on; the slot that remembers its way.
    Forward(SlotId),
}

/// Why a received packet goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The reason.
    pub reason: DropReason,
    /// The ICMP error its sender gets (if the limits allow; see [`super::icmp::Cause::Route`]).
    pub icmp: Option<icmp::Error>,
}

impl Refusal {
    const fn silent(reason: DropReason) -> Refusal {
        Refusal { reason, icmp: None }
    }
}

impl<H> Stack<H> {
    /// What PREROUTING and [`Stack::route_input`] are known to say about a packet without a mark, if that is easy to tell:
    /// no rule looks at it.
    #[inline(always)] // a part of input
    pub(super) fn known_input(
        &self,
        src: Addr,
        dst: Addr,
        iif: InterfaceId,
        interface: &Interface,
    ) -> Option<Known> {
        if !self.netfilter.is_silent() {
            return None;
        }
        let (id, slot) = self.cache.find(dst, 0, self.epoch())?;
        let is_welcome = is_ordinary(src)
            && (!src.is_v4()
                || match interface.source_check {
                    SourceCheck::None => true,
                    SourceCheck::NotOwn => !self.is_own(src),
                    SourceCheck::WayBack => false,
                });
        match slot.inbound {
            _ if !is_welcome => None,
            Fate::Deliver => Some(Known::Deliver),
            Fate::Forward if slot.oif != iif && self.forwards(iif, src.is_v4()) => Some(Known::Forward(id)),
            Fate::Forward | Fate::Unclear => None,
        }
    }

    /// The way of a packet to be forwarded, as a slot of the cache remembers it: where to, and how.
    pub(super) fn known_route(&self, id: SlotId) -> (Addr, Route) {
        (self.cache.slot(id).dst(), self.forwarding_route(self.cache.answer(id)))
    }

    /// The fate of a packet that came in on `iif`.
    pub fn route_input(
        &mut self,
        src: Addr,
        dst: Addr,
        mark: u32,
        iif: InterfaceId,
    ) -> Result<Inbound, Refusal> {
        if !(is_ordinary(src) && is_ordinary(dst)) && self.martian_check(src, dst, iif)? {
            return Ok(Inbound::Broadcast);
        }
        let answer = self.answer(dst, Some(src), mark, Some(iif));
        if answer.kind == Some(RouteKind::Local) {
            self.validate_source(src, dst, iif, None)?;
            return Ok(Inbound::Deliver);
        }
        let answer = *answer;
        match answer.kind {
            Some(RouteKind::Broadcast) => {
                if !src.is_unspecified() {
                    self.validate_source(src, dst, iif, None)?;
                }
                return Ok(Inbound::Broadcast);
            }
            _ if !self.forwards(iif, dst.is_v4()) => return Err(Refusal::silent(DropReason::NotForwarding)),
            Some(RouteKind::Unicast) => {}
            other => return Err(refusal_of(other)),
        }
        let is_on_link = self.validate_source(src, dst, iif, Some(answer.oif))?;
        let redirect = is_on_link && answer.oif == iif && self.redirects(iif, src, answer.next_hop);
        Ok(Inbound::Forward { route: self.forwarding_route(&answer), redirect })
    }

    fn forwarding_route(&self, answer: &Answer) -> Route {
        Route {
            oif: answer.oif,
            kind: RouteClass::Unicast,
            next_hop: answer.next_hop,
            source: answer.source,
            mtu: if self.forwards_by_path_mtu { answer.path_mtu } else { answer.mtu },
            mtu_locked: false,
        }
    }

    /// Does the host forward what comes in on this interface?
    #[inline]
    pub fn forwards(&self, iif: InterfaceId, is_v4: bool) -> bool {
        if is_v4 { self.interfaces[iif.index()].forwards } else { self.forwards_v6 }
    }

    /// Refuses impossible addresses ([`is_ordinary`] ones never are); true if the packet is for everybody without a look-up.
    fn martian_check(&self, src: Addr, dst: Addr, iif: InterfaceId) -> Result<bool, Refusal> {
        let (Some(s), Some(d)) = (src.to_v4_bits(), dst.to_v4_bits()) else {
            if src.is_multicast() || src.is_loopback() {
                return Err(Refusal::silent(DropReason::MartianSource));
            }
            if dst.is_unspecified() || dst.is_loopback() {
                return Err(Refusal::silent(DropReason::MartianDestination));
            }
            return Ok(dst.is_multicast());
        };
        if s >> 28 == 0xe || s == u32::MAX {
            return Err(Refusal::silent(DropReason::MartianSource));
        }
        if d == u32::MAX || (s == 0 && d == 0) {
            return Ok(true);
        }
        if s >> 24 == 0 {
            return Err(Refusal::silent(DropReason::MartianSource));
        }
        if d >> 24 == 0 {
            return Err(Refusal::silent(DropReason::MartianDestination));
        }
        if d >> 28 == 0xe {
            return Ok(true);
        }
        if (s >> 24 == 127 || d >> 24 == 127)
            && !self.is_on(iif, ConfKey::RouteLocalnet)
            && iif != InterfaceId::LO
        {
            let reason =
                if d >> 24 == 127 { DropReason::MartianDestination } else { DropReason::MartianSource };
            return Err(Refusal::silent(reason));
        }
        Ok(false)
    }

    /// Could a packet from `src` come in here? True if the source is on the link itself (said only if it leaves by the
    /// interface it came in on).
    #[inline]
    pub(super) fn validate_source(
        &mut self,
        src: Addr,
        dst: Addr,
        iif: InterfaceId,
        oif: Option<InterfaceId>,
    ) -> Result<bool, Refusal> {
        let check = self.interfaces[iif.index()].source_check;
        let comes_back = oif == Some(iif);
        if !comes_back && src.is_v4() {
            if check == SourceCheck::None {
                return Ok(false);
            }
            if check == SourceCheck::NotOwn {
                let is_own = self.is_own(src);
                return if is_own { Err(Refusal::silent(DropReason::MartianSource)) } else { Ok(false) };
            }
        }
        self.validate_way_back(src, dst, iif, check, comes_back)
    }

    /// The same with the way back, if it matters.
    #[inline(never)]
    fn validate_way_back(
        &mut self,
        src: Addr,
        dst: Addr,
        iif: InterfaceId,
        check: SourceCheck,
        comes_back: bool,
    ) -> Result<bool, Refusal> {
        if iif == InterfaceId::LO || !src.is_v4() {
            return Ok(false);
        }
        let may_redirect = comes_back && self.is_on(iif, ConfKey::SendRedirects);
        match check {
            SourceCheck::None if !may_redirect => return Ok(false),
            SourceCheck::NotOwn if !may_redirect && self.is_own(src) => {
                return Err(Refusal::silent(DropReason::MartianSource));
            }
            SourceCheck::NotOwn if !may_redirect => return Ok(false),
            SourceCheck::None | SourceCheck::NotOwn | SourceCheck::WayBack => {}
        }
        let rp_filter = self.effective(iif, ConfKey::RpFilter);
        let back = *self.answer(src, Some(dst), 0, None);
        let key = Key { dst: src, src: Some(dst), mark: 0, iif: None };
        self.judge_way_back(&key, &back, iif, rp_filter)
    }

    fn judge_way_back(
        &self,
        key: &Key,
        back: &Answer,
        iif: InterfaceId,
        rp_filter: i64,
    ) -> Result<bool, Refusal> {
        match back.kind {
            None if rp_filter == 0 => return Ok(false),
            None => return Err(Refusal::silent(DropReason::ReversePath)),
            Some(RouteKind::Unicast) => {}
            Some(RouteKind::Local) if self.is_on(iif, ConfKey::AcceptLocal) => {}
            Some(_) => return Err(Refusal::silent(DropReason::MartianSource)),
        }
        if back.oif == iif {
            return Ok(back.on_link);
        }
        if back.is_multipath
            && let Some(hop) = self.hop_through(key, iif)
        {
            return Ok(hop.via.is_none());
        }
        let has_address = !self.interfaces[iif.index()].addresses().is_empty();
        match rp_filter {
            1 => Err(Refusal::silent(DropReason::ReversePath)),
            2 if !has_address => Err(Refusal::silent(DropReason::ReversePath)),
            _ => Ok(false),
        }
    }

    /// May a redirect to `next_hop` be sent to an on-link `src`?
    fn redirects(&self, iif: InterfaceId, src: Addr, next_hop: Addr) -> bool {
        let interface = &self.interfaces[iif.index()];
        let one_subnet = || {
            interface.addresses().iter().any(|a| a.subnet().contains(src) && a.subnet().contains(next_hop))
        };
        self.is_on(iif, ConfKey::SendRedirects) && (self.is_on(iif, ConfKey::SharedMedia) || one_subnet())
    }
}

/// Outside the blocks that are special: IPv4 but 0/8, 127/8, 224/4 and 240/4, and of IPv6 2000::/3 and fc00::/7.
#[inline]
pub(super) fn is_ordinary(addr: Addr) -> bool {
    match addr.to_v4_bits() {
        Some(bits) => matches!(bits >> 24, 1..=126 | 128..=223),
        None => matches!(addr.words()[0] >> 57, 0x10..=0x1f | 0x7e),
    }
}

fn refusal_of(kind: Option<RouteKind>) -> Refusal {
    let error = match kind {
        None | Some(RouteKind::Throw) => RouteError::NoRoute,
        Some(RouteKind::Unreachable) => RouteError::Unreachable,
        Some(RouteKind::Prohibit) => RouteError::Prohibited,
        Some(RouteKind::Blackhole) => RouteError::Blackhole,
        Some(RouteKind::Unicast | RouteKind::Local | RouteKind::Broadcast) => {
            return Refusal::silent(DropReason::MartianDestination);
        }
    };
    Refusal { reason: error.drop_reason(), icmp: error.icmp() }
}

#[cfg(test)]
mod tests {
    use super::super::fib::{RouteSpec, Rule};
    use super::super::testing::*;
    use super::*;

    /// In one word: what becomes of a packet from `src` to `dst` on the interface `name`.
    fn fate(host: &mut Host, name: &str, src: &str, dst: &str) -> &'static str {
        let iif = host.interface(name).unwrap();
        match host.route_input(addr(src), addr(dst), 0, iif) {
            Ok(Inbound::Deliver) => "deliver",
            Ok(Inbound::Broadcast) => "broadcast",
            Ok(Inbound::Forward { redirect: false, .. }) => "forward",
            Ok(Inbound::Forward { redirect: true, .. }) => "forward and redirect",
            Err(refusal) => refusal.reason.name(),
        }
    }

    #[test]
    fn impossible_addresses() {
        let mut host = host(&[("eth0", "10.0.0.11/24")]);
        let table = [
            ("224.0.0.1", "10.0.0.11", "martian-source"),
            ("255.255.255.255", "10.0.0.11", "martian-source"),
            ("0.0.0.0", "255.255.255.255", "broadcast"),
            ("0.0.0.0", "0.0.0.0", "broadcast"),
            ("10.0.0.50", "255.255.255.255", "broadcast"),
            ("10.0.0.50", "10.0.0.255", "broadcast"),
            ("10.0.0.50", "224.0.0.81", "broadcast"),
            ("0.0.0.0", "10.0.0.11", "martian-source"),
            ("0.1.2.3", "10.0.0.11", "martian-source"),
            ("10.0.0.50", "0.1.2.3", "martian-destination"),
            ("10.0.0.50", "127.0.0.1", "martian-destination"),
            ("127.0.0.1", "10.0.0.11", "martian-source"),
            ("10.0.0.11", "10.0.0.11", "martian-source"),
            ("10.0.0.50", "10.0.0.11", "deliver"),
        ];
        for (src, dst, expected) in table {
            assert_eq!(fate(&mut host, "eth0", src, dst), expected, "{src} to {dst}");
        }
        sysctl(&mut host, "conf.eth0.route_localnet=1");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.50", "127.0.0.1"), "deliver");
    }

    /// [seen] Weak host: an own address is local wherever its packet comes in.
    #[test]
    fn local_whatever_the_interface() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("eth1", "172.16.0.1/24"), ("lo", "10.0.0.100/32")]);
        for dst in ["10.0.0.11", "172.16.0.1", "10.0.0.100"] {
            assert_eq!(fate(&mut host, "eth0", "10.0.0.50", dst), "deliver");
        }
        assert_eq!(fate(&mut host, "eth0", "10.0.0.50", "10.0.0.77"), "not-forwarding");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.50", "8.8.8.8"), "not-forwarding");
    }

    /// [seen] Catalogue 07: VIP/24 on lo. Requests of the subnet are accepted all the same, but answers go nowhere.
    #[test]
    fn a_subnet_made_local_by_lo_may_still_send() {
        let mut host = host(&[("eth0", "10.0.0.11/24"), ("lo", "10.0.0.100/24")]);
        assert_eq!(fate(&mut host, "eth0", "10.0.0.50", "10.0.0.100"), "deliver");
        assert_eq!(fate(&mut host, "eth0", "192.168.1.10", "10.0.0.100"), "deliver");
        let back = host.route_output(addr("10.0.0.50"), Some(addr("10.0.0.100")), 0).unwrap();
        assert_eq!(back.kind, RouteClass::Local);
    }

    /// [seen] Catalogue 14: strict filtering on tunl0 wants the way back to the client to leave by tunl0.
    #[test]
    fn rp_filter_on_a_tunnel() {
        let table = [
            ("0", "0", "deliver"),
            ("1", "0", "rp-filter"),
            ("0", "1", "rp-filter"),
            ("1", "2", "deliver"),
            ("2", "1", "deliver"),
        ];
        for (all, tunl0, expected) in table {
            let mut host = host(&[("eth0", "10.0.0.12/24"), ("tunl0", "10.0.0.100/32")]);
            via(&mut host, "default", "10.0.0.254");
            sysctl(&mut host, &format!("conf.all.rp_filter={all} conf.tunl0.rp_filter={tunl0}"));
            let found = fate(&mut host, "tunl0", "192.168.1.10", "10.0.0.100");
            assert_eq!(found, expected, "all={all} tunl0={tunl0}");
        }
        let mut outer = host(&[("eth0", "10.0.0.12/24"), ("tunl0", "10.0.0.100/32")]);
        sysctl(&mut outer, "conf.eth0.rp_filter=1");
        assert_eq!(fate(&mut outer, "eth0", "10.0.0.1", "10.0.0.12"), "deliver", "the outer packet");
    }

    #[test]
    fn rp_filter_without_any_way_back() {
        for (value, expected) in [(0, "deliver"), (1, "rp-filter"), (2, "rp-filter")] {
            let mut host = host(&[("eth0", "10.0.0.11/24")]);
            sysctl(&mut host, &format!("conf.eth0.rp_filter={value}"));
            assert_eq!(fate(&mut host, "eth0", "192.168.1.10", "10.0.0.11"), expected, "rp_filter={value}");
        }
    }

    /// [seen] Catalogue 20: answers of real servers come to a director that owns their source address.
    #[test]
    fn a_director_refuses_answers_from_its_own_virtual_address() {
        for (settings, expected) in [
            ("ip_forward=1", "martian-source"),
            ("ip_forward=1 conf.all.accept_local=1", "forward"),
            ("ip_forward=1 conf.eth0.accept_local=1", "forward"),
        ] {
            let mut host = host(&[("eth0", "10.0.0.1/24 10.0.0.100/32")]);
            via(&mut host, "default", "10.0.0.254");
            sysctl(&mut host, settings);
            let found = fate(&mut host, "eth0", "10.0.0.100", "192.168.1.10");
            assert_eq!(found.split(' ').next().unwrap(), expected, "{settings}");
        }
    }

    /// [seen] Catalogue 21: a packet that leaves by the interface it came in deserves a redirect if its source is on
    /// the link; `send_redirects` is on if either `all` or the interface says so.
    #[test]
    fn redirects_are_due_on_one_network() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        via(&mut host, "default", "10.0.0.254");
        sysctl(&mut host, "ip_forward=1");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.11", "192.168.1.10"), "forward and redirect");
        assert_eq!(
            fate(&mut host, "eth0", "192.168.1.10", "10.0.0.11"),
            "forward",
            "its source is behind a router"
        );
        sysctl(&mut host, "conf.all.send_redirects=0");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.11", "192.168.1.10"), "forward and redirect", "the trap");
        sysctl(&mut host, "conf.eth0.send_redirects=0");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.11", "192.168.1.10"), "forward");
    }

    #[test]
    fn without_shared_media_only_within_one_subnet() {
        let mut host = host(&[("eth0", "10.0.0.1/24 10.1.0.1/24")]);
        via(&mut host, "172.16.0.0/16", "10.0.0.254");
        sysctl(&mut host, "ip_forward=1 conf.all.shared_media=0 conf.eth0.shared_media=0");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.11", "172.16.0.1"), "forward and redirect");
        assert_eq!(fate(&mut host, "eth0", "10.1.0.11", "172.16.0.1"), "forward");
    }

    #[test]
    fn forwarding_belongs_to_the_receiving_interface() {
        let mut host = host(&[("eth0", "10.0.0.254/24"), ("eth1", "192.168.1.1/24")]);
        sysctl(&mut host, "ip_forward=1 conf.eth1.forwarding=0");
        assert_eq!(fate(&mut host, "eth0", "10.0.0.11", "192.168.1.10"), "forward");
        assert_eq!(fate(&mut host, "eth1", "192.168.1.10", "10.0.0.11"), "not-forwarding");
    }

    /// [seen] The way to serve firewall marks without any virtual address on the director.
    #[test]
    fn a_mark_makes_packets_local() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        host.add_rule(None, Rule { mark: Some((1, u32::MAX)), ..Rule::lookup(0, 100) }).unwrap();
        host.add_route(&RouteSpec::to(prefix("default")).kind(RouteKind::Local).table(100)).unwrap();
        let mut of = |mark| host.route_input(addr("192.168.1.10"), addr("10.0.0.100"), mark, ETH0).is_ok();
        assert!(of(1));
        assert!(!of(0));
    }

    #[test]
    fn a_host_that_stands_for_a_prefix_takes_answers_to_it() {
        let mut host = host(&[("eth0", "10.0.0.50/24")]);
        host.add_local_prefix(prefix("172.16.0.0/16")).unwrap();
        assert_eq!(fate(&mut host, "eth0", "10.0.0.100", "172.16.3.4"), "deliver");
        assert_eq!(fate(&mut host, "eth0", "8.8.8.8", "172.16.3.4"), "deliver", "no way back, rp_filter 0");
        assert_eq!(fate(&mut host, "eth0", "172.16.3.5", "172.16.3.4"), "martian-source");
    }

    #[test]
    fn ipv6_needs_its_own_switch() {
        let mut host = host(&[("eth0", "2001:db8::1/64"), ("eth1", "2001:db8:1::1/64")]);
        sysctl(&mut host, "ip_forward=1");
        assert_eq!(fate(&mut host, "eth0", "2001:db8::11", "2001:db8:1::10"), "not-forwarding");
        host.sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
        assert_eq!(fate(&mut host, "eth0", "2001:db8::11", "2001:db8:1::10"), "forward");
        assert_eq!(fate(&mut host, "eth0", "2001:db8::11", "2001:db8::1"), "deliver");
        assert_eq!(fate(&mut host, "eth0", "ff02::1", "2001:db8::1"), "martian-source");
    }
}
