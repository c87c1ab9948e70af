//! Input routing: is a received packet for this host, for others, or impossible?
//!
//! Linux checks source and destination addresses for what can never be ("martians"), looks the destination up, and
//! then asks the tables backwards whether the source could have come from there (`rp_filter`, `accept_local`). An own
//! address is local on every interface (weak host model), which is why a real server takes packets for a virtual
//! address on lo. Packets with source-route options are outside the model.

use super::conf::ConfKey;
use super::fib::{Key, RouteKind};
use super::icmp;
use super::interface::InterfaceId;
use super::route::{Answer, Route, RouteClass, RouteError};
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
    /// The fate of a packet that came in on `iif`.
    pub fn route_input(
        &mut self,
        src: Addr,
        dst: Addr,
        mark: u32,
        iif: InterfaceId,
    ) -> Result<Inbound, Refusal> {
        if self.martian_check(src, dst, iif)? {
            return Ok(Inbound::Broadcast);
        }
        let key = Key { dst, src: Some(src), mark, iif: Some(iif) };
        let answer = self.answer(&key);
        match answer.kind {
            Some(RouteKind::Local) => {
                self.validate_source(src, dst, iif, None)?;
                return Ok(Inbound::Deliver);
            }
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
        let route = Route {
            oif: answer.oif,
            kind: RouteClass::Unicast,
            next_hop: answer.next_hop,
            source: answer.source,
            mtu: if self.forwards_by_path_mtu { answer.path_mtu } else { answer.mtu },
            mtu_locked: false,
        };
        Ok(Inbound::Forward { route, redirect })
    }

    /// Does the host forward what comes in on this interface?
    #[inline]
    pub fn forwards(&self, iif: InterfaceId, is_v4: bool) -> bool {
        if is_v4 { self.interfaces[iif.index()].conf.get(ConfKey::Forwarding) != 0 } else { self.forwards_v6 }
    }

    /// Refuses impossible addresses; true if the packet is for everybody without a look-up.
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

    /// Could a packet from `src` come in here? True if the source is on the link itself.
    fn validate_source(
        &mut self,
        src: Addr,
        dst: Addr,
        iif: InterfaceId,
        oif: Option<InterfaceId>,
    ) -> Result<bool, Refusal> {
        if iif == InterfaceId::LO || !src.is_v4() {
            return Ok(false);
        }
        let rp_filter = self.effective(iif, ConfKey::RpFilter);
        let comes_back = oif == Some(iif) && self.is_on(iif, ConfKey::SendRedirects);
        if rp_filter == 0 && !comes_back {
            if self.is_on(iif, ConfKey::AcceptLocal) {
                return Ok(false);
            }
            if !self.fib.has_custom_rules && !self.fib.has_user_local_routes {
                return if self.is_own(src) {
                    Err(Refusal::silent(DropReason::MartianSource))
                } else {
                    Ok(false)
                };
            }
        }
        let key = Key { dst: src, src: Some(dst), mark: 0, iif: None };
        let back = self.answer(&key);
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
