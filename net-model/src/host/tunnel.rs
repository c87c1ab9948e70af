//! Where tunnels end: which device takes a packet out of its tunnel, and what happens if none does.
//!
//! IP in IP goes to `tunl0` or another device of type ipip (what travels in IPv6 to `ip6tnl0`, which takes nothing from an
//! address of its own host), GRE to `gre0` or another one of type gre; of several that are
//! up the one that names most of the packet's outer addresses takes it, and `tunl0` and `gre0` name none. Generic UDP
//! encapsulation needs a port that listens (`ip fou add port P gue`), which hands what is inside to the ipip devices.
//! Without the module the sender is told "protocol unreachable", without a device or port "port unreachable"; a GRE
//! checksum where none is expected, or none where one is, ends a packet silently. All of it seen on Linux 6.1.

use super::icmp::Error;
use super::interface::{InterfaceId, InterfaceKind};
use super::node::Host;
use super::stack::Stack;
use crate::addr::Addr;
use crate::capture;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::packet::{Encapsulation, Outer};
use crate::recorder::Place;
use crate::verdict::DropReason;

/// What a tunnel device expects of the packets it takes: `ip link add … type ipip|gre local A remote A key K icsum`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends {
    /// The outer destination; any if left out.
    pub local: Option<Addr>,
    /// The outer source; any if left out.
    pub remote: Option<Addr>,
    /// GRE: packets have a key, which those of IPVS never have.
    pub has_key: bool,
    /// GRE: packets have a checksum (`icsum`, `csum`).
    pub has_checksum: bool,
}

/// What a UDP port takes for a tunnel: `ip fou add port P …`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// `gue`: packets with the header of generic UDP encapsulation.
    Gue,
    /// `ipproto N`: packets of one protocol without any header.
    Bare,
}

/// Why no device takes a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Missing {
    Module,
    Device,
    Port,
    Checksum,
    Header,
    Peer,
}

impl<H> Stack<H> {
    /// Makes a tunnel device expect something.
    pub fn set_ends(&mut self, id: InterfaceId, ends: Ends) {
        self.interfaces[id.index()].ends = ends;
    }

    /// `ip fou add port P gue`, or with `ipproto`; false if the port is taken.
    pub fn add_tunnel_port(&mut self, port: u16, listener: Listener) -> bool {
        let is_free = self.tunnel_port(port).is_none();
        if is_free {
            self.tunnel_ports.push((port, listener));
        }
        is_free
    }

    /// `ip fou del port P`; false if nobody listens there.
    pub fn remove_tunnel_port(&mut self, port: u16) -> bool {
        let before = self.tunnel_ports.len();
        self.tunnel_ports.retain(|(taken, _)| *taken != port);
        self.tunnel_ports.len() < before
    }

    fn tunnel_port(&self, port: u16) -> Option<Listener> {
        self.tunnel_ports.iter().find(|(taken, _)| *taken == port).map(|(_, listener)| *listener)
    }

    /// The device that takes a packet out of this header.
    fn tunnel_end(&self, outer: &Outer) -> Result<InterfaceId, Missing> {
        let (kind, has_checksum) = match outer.kind {
            Encapsulation::IpIp if outer.src.is_v4() => (InterfaceKind::Tunnel, false),
            Encapsulation::IpIp => (InterfaceKind::TunnelV6, false),
            Encapsulation::Gre { checksum } => (InterfaceKind::Gre, checksum),
            Encapsulation::Gue { dport, .. } => match self.tunnel_port(dport) {
                None => return Err(Missing::Port),
                Some(Listener::Bare) => return Err(Missing::Header),
                Some(Listener::Gue) => (InterfaceKind::Tunnel, false),
            },
        };
        let of_kind = || self.interfaces().filter(move |(_, interface)| interface.kind == kind);
        if of_kind().next().is_none() {
            return Err(Missing::Module);
        }
        let is_for_v6 = kind == InterfaceKind::TunnelV6;
        let fits = |wanted: Option<Addr>, addr| wanted.is_none_or(|wanted| wanted == addr);
        let taking = of_kind().filter(|(_, interface)| {
            let Ends { local, remote, has_key, .. } = interface.ends;
            interface.up && !has_key && fits(local, outer.dst) && fits(remote, outer.src)
        });
        let exactness = |ends: &Ends| 2 * u8::from(ends.remote.is_some()) + u8::from(ends.local.is_some());
        let (id, device) =
            taking.max_by_key(|(_, interface)| exactness(&interface.ends)).ok_or(Missing::Device)?;
        if is_for_v6 && self.is_local(outer.src) {
            return Err(Missing::Peer);
        }
        if device.ends.has_checksum == has_checksum { Ok(id) } else { Err(Missing::Checksum) }
    }
}

impl Host {
    /// A tunnelled packet for this host.
    #[inline(never)]
    pub(super) fn tunnel_input(&mut self, cx: &mut Cx, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let outer = packet.outer.take().expect("the caller has looked");
        let tunnel = match self.stack.tunnel_end(&outer) {
            Ok(tunnel) => tunnel,
            Err(missing) => {
                packet.outer = Some(outer);
                return self.refuse_tunnel(cx, frame, missing);
            }
        };
        if cx.capture.is_some() {
            return capture::input_again(self, cx, tunnel, frame);
        }
        self.ip_input_again(cx, tunnel, frame);
    }

    #[cold]
    fn refuse_tunnel(&mut self, cx: &mut Cx, frame: FrameId, missing: Missing) {
        let (reason, error) = match missing {
            Missing::Module => (DropReason::NoProtocol, Error::ProtocolUnreachable),
            Missing::Device => (DropReason::NoTunnel, Error::PortUnreachable),
            Missing::Port => (DropReason::NoTunnelPort, Error::PortUnreachable),
            Missing::Checksum => {
                return cx.drop(Place::Host(self.id), frame, DropReason::TunnelChecksum);
            }
            Missing::Peer => return cx.drop(Place::Host(self.id), frame, DropReason::TunnelFromSelf),
            Missing::Header => return cx.drop(Place::Host(self.id), frame, DropReason::TunnelHeader),
        };
        self.refuse(cx, frame, reason, error);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Host, addr, host};
    use super::*;

    fn header(kind: Encapsulation) -> Outer {
        let (src, dst) = (addr("10.0.0.1"), addr("10.0.0.11"));
        Outer { src, dst, kind, overhead: 24, id: 0, df: true, ttl: 62, tos: 0 }
    }

    const PLAIN: Encapsulation = Encapsulation::Gre { checksum: false };
    const CHECKED: Encapsulation = Encapsulation::Gre { checksum: true };
    const GUE: Encapsulation = Encapsulation::Gue { sport: 40_000, dport: 6080, checksum: false };

    /// The name of the device that takes a packet, or why none does.
    fn taker(host: &Host, kind: Encapsulation) -> Result<&str, Missing> {
        host.tunnel_end(&header(kind)).map(|id| host.interface_at(id).name.as_str())
    }

    /// Seen on Linux 6.1, one line after the other.
    #[test]
    fn gre_ends_at_a_device_that_is_up_and_names_the_packet() {
        let mut server = host(&[("eth0", "10.0.0.11/24"), ("tunl0", "")]);
        assert_eq!(taker(&server, PLAIN), Err(Missing::Module));
        let gre0 = server.add_interface("gre0", InterfaceKind::Gre, crate::addr::Mac::ZERO);
        assert_eq!(server.interface_at(gre0).mtu, 1476);
        assert_eq!(taker(&server, PLAIN), Err(Missing::Device), "gre0 is down");
        server.set_up(gre0, true);
        assert_eq!(taker(&server, PLAIN), Ok("gre0"));
        assert_eq!(taker(&server, CHECKED), Err(Missing::Checksum), "--tun-csum needs icsum");

        let g1 = server.add_interface("g1", InterfaceKind::Gre, crate::addr::Mac::ZERO);
        server.set_up(g1, true);
        let here = Ends { local: Some(addr("10.0.0.11")), ..Ends::default() };
        server.set_ends(g1, Ends { has_checksum: true, ..here });
        assert_eq!(taker(&server, CHECKED), Ok("g1"), "it names more than gre0");
        assert_eq!(taker(&server, PLAIN), Err(Missing::Checksum));

        server.set_up(gre0, false);
        server.set_ends(g1, Ends { remote: Some(addr("10.0.0.9")), ..Ends::default() });
        assert_eq!(taker(&server, PLAIN), Err(Missing::Device), "another remote");
        server.set_ends(g1, Ends { has_key: true, ..Ends::default() });
        assert_eq!(taker(&server, PLAIN), Err(Missing::Device), "IPVS sends no keys");
        server.set_ends(g1, Ends { remote: Some(addr("10.0.0.1")), ..here });
        assert_eq!(taker(&server, PLAIN), Ok("g1"));
    }

    /// Seen on Linux 6.1: the port hands what is inside to the ipip devices.
    #[test]
    fn gue_needs_a_port_and_an_ipip_device() {
        let mut server = host(&[("eth0", "10.0.0.11/24"), ("tunl0", "")]);
        let tunl0 = server.interface("tunl0").unwrap();
        assert_eq!(taker(&server, GUE), Err(Missing::Port));
        assert!(server.add_tunnel_port(6080, Listener::Gue));
        assert!(!server.add_tunnel_port(6080, Listener::Bare), "the port is taken");
        assert_eq!(taker(&server, GUE), Ok("tunl0"));
        server.set_up(tunl0, false);
        assert_eq!(taker(&server, GUE), Err(Missing::Device));
        server.set_up(tunl0, true);
        assert!(server.remove_tunnel_port(6080) && !server.remove_tunnel_port(6080));
        assert!(server.add_tunnel_port(6080, Listener::Bare));
        assert_eq!(taker(&server, GUE), Err(Missing::Header), "a packet without a GUE header was expected");
    }
}
