//! Where the packets of a capture enter the director, and which of them do.
//!
//! A capture at a director shows each packet twice under direct routing: as it comes and as it goes. Only what comes in
//! enters. pcapng and Linux cooked captures say which is which; otherwise the director's link addresses tell, which a
//! capture shows by ARP answers for the director's addresses and by the first packet to one of them.

use super::{Incoming, Replay};
use net_model::addr::Mac;
use net_model::capture::Direction;
use net_model::host::{InterfaceId, InterfaceKind, Stack};
use net_model::packet::{ArpOp, Body, Frame, Packet};
use net_model::pcap::Record;

/// The MTU that lets packets pass which the card has merged.
const MERGED: u32 = 65_535;

/// An interface of the capture.
pub(super) struct Port {
    name: Option<String>,
    place: Place,
    /// The director's link addresses, as far as the capture has shown them.
    own: Vec<Mac>,
    /// The interface is called as in the scenario, so that its link address is known, also when a command changes it.
    is_known: bool,
}

/// Where on the director the packets of an interface come in.
#[derive(Clone, Copy)]
enum Place {
    /// At this interface.
    Here(InterfaceId),
    /// At the interface that leads back to their source.
    BySource,
    /// They were seen at another host, or at an interface that repeats what others have shown.
    Elsewhere,
}

impl Port {
    /// Learns which link addresses are the director's; true if it has sent the frame itself.
    fn learn<H>(&mut self, stack: &Stack<H>, direction: Option<Direction>, frame: &Frame) -> bool {
        let shown = match &frame.body {
            _ if direction == Some(Direction::Out) => Some(frame.src),
            Body::Arp(arp) if arp.op == ArpOp::Reply && stack.is_local(arp.sender) => Some(arp.sender_mac),
            Body::Ip(packet) if self.own.is_empty() && stack.is_local(packet.routed_dst()) => Some(frame.dst),
            Body::Arp(_) | Body::Ip(_) => None,
        };
        let is_new = |mac: &Mac| *mac != Mac::ZERO && !mac.is_group() && !self.own.contains(mac);
        self.own.extend(shown.filter(is_new));
        match direction {
            Some(direction) => direction == Direction::Out,
            None => self.own.contains(&frame.src),
        }
    }

    /// May a frame be for the director?
    fn takes(&self, frame: &Frame) -> bool {
        let to = frame.dst;
        to.is_group() || to == Mac::ZERO || self.own.is_empty() || self.own.contains(&to)
    }
}

impl Replay<'_> {
    /// The port of a record: what is known about the interface of the capture that saw it.
    pub(super) fn port_of(&mut self, record: &Record<'_>) -> usize {
        if self.current.len() <= record.port {
            self.current.resize(record.port + 1, None);
        }
        let known = self.current[record.port].filter(|port| self.ports[*port].name.as_deref() == record.name);
        known.unwrap_or_else(|| {
            let port = self.port(record.name);
            self.ports.push(port);
            self.current[record.port] = Some(self.ports.len() - 1);
            self.ports.len() - 1
        })
    }

    /// The interface at which a packet enters; none if it does not.
    pub(super) fn place(&mut self, incoming: &Incoming) -> Option<InterfaceId> {
        let Incoming { port, direction, ref frame, .. } = *incoming;
        let stack = &self.assembled.network.host(self.id()).stack;
        let port = &mut self.ports[port];
        if let (true, Place::Here(interface)) = (port.is_known, port.place) {
            let mac = stack.interface_at(interface).mac;
            if !port.own.contains(&mac) {
                port.own.push(mac);
            }
        }
        let is_sent = port.learn(stack, direction, frame);
        let is_for_it = port.takes(frame);
        let counter = match (port.place, &frame.body) {
            (Place::Elsewhere, _) => &mut self.counts.elsewhere,
            _ if is_sent => &mut self.counts.sent,
            (_, Body::Arp(_)) => &mut self.counts.arp,
            _ if !is_for_it => &mut self.counts.elsewhere,
            (Place::Here(interface), Body::Ip(_)) => return Some(interface),
            (Place::BySource, Body::Ip(packet)) => return Some(self.way_back(packet)),
        };
        *counter += 1;
        None
    }

    /// Where the packets of an interface of the capture come in, by its name.
    fn port(&self, name: Option<&str>) -> Port {
        let host = self.assembled.network.host(self.id());
        let mut port =
            Port { name: name.map(str::to_owned), place: Place::BySource, own: Vec::new(), is_known: false };
        let Some(name) = name else { return port };
        let mut splits = name.match_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]));
        let of_scenario = splits.find(|(host, _)| self.scenario.host(host).is_some());
        let device = match of_scenario {
            Some((other, _)) if other != host.name => {
                port.place = Place::Elsewhere;
                return port;
            }
            Some((_, device)) => device,
            None => name,
        };
        if let Some(id) = host.stack.interface(device) {
            let interface = host.stack.interface_at(id);
            port.place = match interface.kind {
                InterfaceKind::Ethernet => Place::Here(id),
                _ => Place::Elsewhere,
            };
            port.is_known = of_scenario.is_some();
        }
        port
    }

    /// The interface that leads back to a packet's source.
    fn way_back(&mut self, packet: &Packet) -> InterfaceId {
        let host = self.id();
        let stack = &mut self.assembled.network.host_mut(host).stack;
        let route = stack.route_output(packet.routed_src(), None, 0).ok().map(|route| route.oif);
        let is_card = |id: &InterfaceId| stack.interface_at(*id).kind == InterfaceKind::Ethernet;
        let first = || stack.interfaces().map(|(id, _)| id).find(is_card);
        route.filter(is_card).or_else(first).unwrap_or(InterfaceId::LO)
    }

    /// Packets that the card has merged are larger than any that it lets in otherwise.
    pub(super) fn make_room(&mut self, interface: InterfaceId, packet: &Packet) {
        let host = self.id();
        let stack = &mut self.assembled.network.host_mut(host).stack;
        if u32::from(packet.wire_len()) <= stack.interface_at(interface).mtu {
            return;
        }
        self.counts.merged += 1;
        for id in (0..stack.interfaces().count() as u16).map(InterfaceId) {
            stack.set_mtu(id, MERGED);
        }
    }
}
