//! How packets reach a real server: one file per method.
//!
//! Common to all methods for a remote server: the time to live is checked and decremented first, then the size is
//! compared with the MTU of the way. A server on the director itself gets the packet through the local stack.

mod direct;
mod local;
mod nat;
mod tunnel;

pub(super) use nat::{translate_icmp_reply, translate_reply};
pub(super) use tunnel::wrap;

use super::config;
use super::connection::flag;
use super::destination::Record;
use super::director::Hook;
use super::mapping::Mapping;
use super::verdict::{IcmpError, Path, Surroundings, Verdict};
use crate::addr::Addr;
use crate::packet::{Packet, Payload};
use crate::verdict::DropReason;
use config::Tunnel;
use sim_core::Time;

/// What packets are forwarded with.
pub(super) struct Forwarder<'a, H> {
    pub(super) now: Time,
    pub(super) hook: Hook,
    pub(super) host: &'a H,
    /// The destination, if the connection has one.
    pub(super) server: Option<&'a Record>,
    /// Do tunnels respect Don't Fragment (`pmtu_disc`)?
    pub(super) pmtu_disc: bool,
}

/// The way to a remote real server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    to: Addr,
    /// The route, if there is one.
    path: Option<Path>,
    /// Path MTU learnt from ICMP, if any.
    path_mtu: Option<u16>,
}

impl<H: Surroundings> Forwarder<'_, H> {
    /// Sends a client's packet (or an ICMP error about one of the server's) on its way, by the method with this flag.
    #[inline(always)] // once a packet
    pub(super) fn transmit(&self, method: u32, mapping: &Mapping, packet: &mut Packet) -> Verdict {
        if method == flag::BYPASS {
            let way = Way { to: packet.dst, path: self.host.route(packet.dst), path_mtu: None };
            return direct::send(packet, way);
        }
        let (is_local, path) = self.host.look(mapping.real.0);
        if is_local {
            return self.deliver(method, mapping, packet);
        }
        if packet.src.is_loopback() {
            return Verdict::Drop(DropReason::MartianSource);
        }
        let path_mtu = self.server.and_then(|server| server.path_mtu.at(self.now));
        let way = Way { to: mapping.real.0, path, path_mtu };
        match method {
            flag::MASQUERADE => nat::send(packet, mapping, way),
            flag::TUNNEL => tunnel::send(packet, way, self.tunnel(), self.hook, self.pmtu_disc),
            _ => direct::send(packet, way),
        }
    }

    /// The server is on the director.
    #[cold]
    fn deliver(&self, method: u32, mapping: &Mapping, packet: &mut Packet) -> Verdict {
        match method {
            flag::MASQUERADE => local::deliver_translated(packet, mapping, self.hook),
            _ => Verdict::Accept,
        }
    }

    fn tunnel(&self) -> Tunnel {
        self.server.map_or(Tunnel::IpIp, Record::tunnel)
    }
}

/// The part that all methods share: route, time to live, size. `overhead` is what the method adds to the packet.
#[inline(always)] // a part of each method
fn check(packet: &mut Packet, way: Way, overhead: u16, respect_df: bool) -> Result<Path, Verdict> {
    let Some(path) = way.path else {
        return Err(Verdict::Reject(DropReason::IpvsNoRoute, unreachable_host(packet.dst)));
    };
    if packet.ttl <= 1 {
        return Err(Verdict::Reject(DropReason::IpvsTtl, time_exceeded(packet.dst)));
    }
    packet.ttl -= 1;
    let mtu = way.path_mtu.map_or(path.mtu, |learnt| learnt.min(path.mtu)).saturating_sub(overhead);
    if overhead > 0 && mtu < if packet.dst.is_v4() { 68 } else { 1280 } {
        return Err(Verdict::Drop(DropReason::TunnelMtu));
    }
    let whole = !packet.dst.is_v4() || packet.df && respect_df;
    if packet.len > mtu && whole {
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
        Payload::Tcp(_)
        | Payload::Udp(_)
        | Payload::Sync(_)
        | Payload::Sctp(_)
        | Payload::Ndisc(_)
        | Payload::Fragment(_)
        | Payload::Other(_) => None,
    }
}
