//! How packets reach a real server: one file per method.
//!
//! Common to all methods for a remote server: the time to live is checked and decremented first, then the size is
//! compared with the MTU of the way. A server on the director itself gets the packet through the local stack.

mod direct;
mod local;
mod nat;
mod tunnel;

pub(super) use nat::{translate_icmp_reply, translate_reply};

use super::config;
use super::connection::flag;
use super::destination::Destinations;
use super::director::Hook;
use super::mapping::Mapping;
use super::verdict::{IcmpError, Path, Surroundings, Verdict};
use crate::addr::Addr;
use crate::packet::{Packet, Payload};
use crate::verdict::DropReason;
use config::{Forwarding, Tunnel};
use sim_core::Time;

/// What forwarding needs to know besides the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The real server.
    to: Addr,
    /// Is it an address of the director?
    local: bool,
    /// The route to it, if there is one.
    path: Option<Path>,
    hook: Hook,
    /// Tunnel options of the destination.
    tunnel: Tunnel,
    /// Path MTU learnt from ICMP, if any.
    path_mtu: Option<u16>,
    /// Do tunnels respect Don't Fragment (`pmtu_disc`)?
    pmtu_disc: bool,
}

/// What packets are forwarded with.
pub(super) struct Forwarder<'a, H> {
    pub(super) now: Time,
    pub(super) hook: Hook,
    pub(super) host: &'a H,
    pub(super) destinations: &'a Destinations,
    /// Do tunnels respect Don't Fragment (`pmtu_disc`)?
    pub(super) pmtu_disc: bool,
}

impl<H: Surroundings> Forwarder<'_, H> {
    /// Sends a client's packet (or an ICMP error about one of the server's) on its way, by the method with this flag.
    #[inline]
    pub(super) fn transmit(&self, method: u32, mapping: &Mapping, packet: &mut Packet) -> Verdict {
        if method == flag::BYPASS {
            return direct::send(packet, packet.dst, None, self.host.route(packet.dst));
        }
        let way = self.way(mapping);
        if packet.src.is_loopback() && !way.local {
            return Verdict::Drop(DropReason::MartianSource);
        }
        match method {
            flag::MASQUERADE if way.local => local::deliver_translated(packet, mapping, way),
            flag::MASQUERADE => nat::send(packet, mapping, way),
            _ if way.local => Verdict::Accept,
            flag::TUNNEL => tunnel::send(packet, way),
            _ => direct::send(packet, way.to, way.path_mtu, way.path),
        }
    }

    /// The way to a real server.
    #[inline(always)] // a part of transmit
    fn way(&self, mapping: &Mapping) -> Way {
        let (local, path) = self.host.look(mapping.real.0);
        let mut way = Way {
            to: mapping.real.0,
            local,
            path,
            hook: self.hook,
            tunnel: Tunnel::IpIp,
            path_mtu: None,
            pmtu_disc: self.pmtu_disc,
        };
        if let Some(destination) = mapping.destination() {
            let record = self.destinations.get(destination);
            if let Forwarding::Tunnel(tunnel) = record.config.forwarding {
                way.tunnel = tunnel;
            }
            way.path_mtu = record.path_mtu.filter(|(_, until)| self.now < *until).map(|(mtu, _)| mtu);
        }
        way
    }
}

/// The part that all methods share: route, time to live, size. `overhead` is what the method adds to the packet.
fn check(
    packet: &mut Packet,
    path: Option<Path>,
    path_mtu: Option<u16>,
    overhead: u16,
    respect_df: bool,
) -> Result<Path, Verdict> {
    let Some(path) = path else {
        return Err(Verdict::Reject(DropReason::IpvsNoRoute, unreachable_host(packet.dst)));
    };
    if packet.ttl <= 1 {
        return Err(Verdict::Reject(DropReason::IpvsTtl, time_exceeded(packet.dst)));
    }
    packet.ttl -= 1;
    let mtu = path_mtu.map_or(path.mtu, |learnt| learnt.min(path.mtu)).saturating_sub(overhead);
    let smallest = if packet.dst.is_v4() { 68 } else { 1280 };
    if overhead > 0 && mtu < smallest {
        return Err(Verdict::Drop(DropReason::TunnelMtu));
    }
    let whole = if packet.dst.is_v4() { packet.df && respect_df } else { true };
    if whole && packet.len > mtu {
        return Err(Verdict::Reject(DropReason::IpvsTooBig, too_big(packet.dst, mtu)));
    }
    Ok(path)
}

fn time_exceeded(about: Addr) -> IcmpError {
    IcmpError { kind: if about.is_v4() { 11 } else { 3 }, code: 0, info: 0 }
}

fn unreachable_host(about: Addr) -> IcmpError {
    if about.is_v4() {
        IcmpError { kind: 3, code: 1, info: 0 }
    } else {
        IcmpError { kind: 1, code: 3, info: 0 }
    }
}

/// "Fragmentation needed", "packet too big".
pub(super) fn too_big(about: Addr, mtu: u16) -> IcmpError {
    let (kind, code) = if about.is_v4() { (3, 4) } else { (2, 0) };
    IcmpError { kind, code, info: u32::from(mtu) }
}

/// A number that is the same for all packets of a flow and differs between flows.
fn flow_hash(packet: &Packet) -> u64 {
    let ports = packet.ports().unwrap_or_default();
    let words = packet.src.words().into_iter().chain(packet.dst.words());
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    let hash = words.fold(u64::from(ports.0) << 16 | u64::from(ports.1), mix);
    mix(hash, u64::from(packet.protocol()))
}

/// Bytes of the outer headers of a tunnel towards `to`.
pub(super) fn tunnel_overhead(tunnel: Tunnel, to: Addr) -> u16 {
    tunnel::overhead(tunnel, to)
}

/// The packet an ICMP message quotes.
fn quote_mut(packet: &mut Packet) -> Option<&mut Packet> {
    match &mut packet.payload {
        Payload::Icmp(icmp) => icmp.quote.as_deref_mut(),
        Payload::Tcp(_) | Payload::Udp(_) | Payload::Sctp(_) | Payload::Other(_) => None,
    }
}
