//! What the administrator does to interfaces and neighbours: `ip link`, `ip neigh`, `arping`.
//!
//! Each operation either works or is refused with the message that ip(8) prints.

use super::arp::ArpSend;
use super::conf::ConfKey;
use super::interface::{Interface, InterfaceId, InterfaceKind, SourceCheck};
use super::neighbour::{Neighbour, NeighbourId, NeighbourState};
use super::stack::{LinkChange, Stack};
use super::tunnel::Ends;
use crate::addr::{Addr, Mac};
use crate::packet::{Arp, ArpOp};
use sim_core::{Duration, Time};
use std::fmt;

/// Why the kernel refuses; printed as ip(8) prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdminError {
    /// The address, route or rule exists.
    Exists,
    /// No such address on the interface.
    AddressNotFound,
    /// No such route.
    RouteNotFound,
    /// No such neighbour or rule.
    NotFound,
    /// The gateway is not reached directly.
    InvalidGateway,
    /// The preferred source is not an address of the host.
    InvalidSource,
    /// The outgoing interface is down.
    DeviceDown,
    /// A route without a way.
    NoDevice,
    /// Arguments that do not go together.
    InvalidArgument,
    /// The neighbour cache is full.
    TableFull,
    /// Another tunnel listens at the UDP port.
    PortTaken,
    /// The id of a VLAN is out of range.
    InvalidVlan,
    /// The card has this VLAN.
    VlanExists,
    /// The device carries no VLANs.
    NoVlans,
    /// The card below is down.
    LowerDown,
    /// The MTU is larger than that of the card below.
    MtuTooLarge,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdminError::Exists => "RTNETLINK answers: File exists",
            AdminError::AddressNotFound => "RTNETLINK answers: Cannot assign requested address",
            AdminError::RouteNotFound => "RTNETLINK answers: No such process",
            AdminError::NotFound => "RTNETLINK answers: No such file or directory",
            AdminError::InvalidGateway => "Error: Nexthop has invalid gateway.",
            AdminError::InvalidSource => "Error: Invalid prefsrc address.",
            AdminError::DeviceDown => "Error: Device for nexthop is not up.",
            AdminError::NoDevice => "RTNETLINK answers: No such device",
            AdminError::InvalidArgument => "RTNETLINK answers: Invalid argument",
            AdminError::TableFull => "RTNETLINK answers: No buffer space available",
            AdminError::PortTaken => "RTNETLINK answers: Address already in use",
            AdminError::InvalidVlan => "Error: 8021q: Invalid VLAN id.",
            AdminError::VlanExists => "Error: 8021q: VLAN device already exists.",
            AdminError::NoVlans => "Error: 8021q: VLANs not supported on device.",
            AdminError::LowerDown => "RTNETLINK answers: Network is down",
            AdminError::MtuTooLarge => "RTNETLINK answers: Numerical result out of range",
        })
    }
}

impl std::error::Error for AdminError {}

impl<H> Stack<H> {
    /// A new interface, down and without addresses; its settings are those of `default`.
    pub fn add_interface(&mut self, name: &str, kind: InterfaceKind, mac: Mac) -> InterfaceId {
        let id = InterfaceId(self.interfaces.len() as u16);
        self.interfaces.push(Interface {
            name: name.to_owned(),
            kind,
            vlan: 0,
            lower: None,
            mac,
            mtu: kind.default_mtu(),
            up: false,
            carried: u32::MAX,
            carrier: true,
            arp: kind == InterfaceKind::Ethernet,
            conf: self.conf_default.inherited(),
            conf_v6: self.conf_v6_default.inherited(),
            speaks_v6: false,
            neigh: self.neigh_default.inherited(),
            neigh_v6: self.neigh_default_v6.inherited(),
            ends: Ends::default(),
            reachable_time: Duration::ZERO,
            reachable_time_v6: Duration::ZERO,
            addresses: Vec::new(),
            source_check: SourceCheck::WayBack,
            forwards: false,
        });
        self.draw_reachable_time(id);
        self.changed();
        id
    }

    /// `ip link set DEV up` or `down`. Down: the routes through it and its neighbours are gone; the `local` routes of
    /// its addresses stay. Its VLANs go with it.
    pub fn set_up(&mut self, id: InterfaceId, up: bool) -> LinkChange<H> {
        let mut change = LinkChange { announce: Vec::new(), dropped: Vec::new() };
        self.set_one_up(id, up, &mut change);
        for vlan in self.vlans_of(id) {
            self.set_one_up(vlan, up, &mut change);
        }
        self.changed();
        change
    }

    fn set_one_up(&mut self, id: InterfaceId, up: bool, change: &mut LinkChange<H>) {
        let was_up = std::mem::replace(&mut self.interfaces[id.index()].up, up);
        if up && !was_up {
            self.take_link_local(id);
            self.add_all_kernel_routes(id);
            change.announce.extend(self.announce(id));
        } else if was_up && !up {
            self.lose_v6_addresses(id);
            self.remove_routes_through(id);
            self.neighbours.remove_where(|n| n.interface == id, &mut change.dropped);
        }
    }

    /// The cable is plugged in or out. Out: neighbours that were not set by hand are forgotten
    /// (`arp_evict_nocarrier`).
    pub fn set_carrier(&mut self, id: InterfaceId, carrier: bool) -> Vec<H> {
        let mut dropped = Vec::new();
        let had_carrier = std::mem::replace(&mut self.interfaces[id.index()].carrier, carrier);
        if had_carrier && !carrier && self.is_on(id, ConfKey::ArpEvictNocarrier) {
            let is_here = |n: &Neighbour<H>| n.interface == id;
            self.neighbours
                .remove_where(|n| is_here(n) && n.state != NeighbourState::Permanent, &mut dropped);
        }
        dropped
    }

    /// `ip link set DEV arp on` or `off` (`ifconfig DEV -arp`). Off: its neighbours are forgotten.
    pub fn set_arp(&mut self, id: InterfaceId, arp: bool) -> Vec<H> {
        let mut dropped = Vec::new();
        self.interfaces[id.index()].arp = arp;
        if !arp {
            self.neighbours.remove_where(|n| n.interface == id, &mut dropped);
        }
        dropped
    }

    /// `ip link set DEV mtu N`
    pub fn set_mtu(&mut self, id: InterfaceId, mtu: u32) {
        self.interfaces[id.index()].mtu = mtu;
        for vlan in self.vlans_of(id) {
            let interface = &mut self.interfaces[vlan.index()];
            interface.mtu = interface.mtu.min(mtu);
        }
        self.changed();
    }

    /// What the wire of an interface carries, in bytes of packet: larger ones may be sent, and do not arrive.
    pub(crate) fn set_carried(&mut self, id: InterfaceId, mtu: u32) {
        self.interfaces[id.index()].carried = mtu;
        self.changed();
    }

    /// `ip link set DEV address MAC`: its neighbours are forgotten, and `arp_notify` announces the change. VLANs that
    /// have the same address change with it.
    pub fn set_mac(&mut self, id: InterfaceId, mac: Mac) -> LinkChange<H> {
        let mut change = LinkChange { announce: Vec::new(), dropped: Vec::new() };
        let old = self.interfaces[id.index()].mac;
        let mut changing = self.vlans_of(id);
        changing.retain(|vlan| self.interface_at(*vlan).mac == old);
        changing.insert(0, id);
        for each in changing {
            self.interfaces[each.index()].mac = mac;
            self.neighbours.remove_where(|n| n.interface == each, &mut change.dropped);
            change.announce.extend(self.announce(each));
        }
        self.changed();
        change
    }

    /// `ip neigh replace ADDR lladdr MAC dev DEV nud STATE` (`arp -s`). What waits may go if an entry comes back.
    pub fn set_neighbour(
        &mut self,
        now: Time,
        id: InterfaceId,
        addr: Addr,
        mac: Mac,
        state: NeighbourState,
    ) -> Result<Option<NeighbourId>, AdminError> {
        let thresholds = self.thresholds();
        let neighbour = match self.neighbours.find(addr, id) {
            Some(neighbour) => neighbour,
            None => self.neighbours.create(now, addr, id, &thresholds).ok_or(AdminError::TableFull)?,
        };
        let policy = super::policy::Policy::of(&self.interfaces[id.index()], addr.is_v4(), thresholds);
        let is_resolved = self.neighbours.set(now, neighbour, mac, state, &policy);
        Ok(is_resolved.then_some(neighbour))
    }

    /// `ip neigh del ADDR dev DEV`; what waited comes out.
    pub fn delete_neighbour(&mut self, id: InterfaceId, addr: Addr) -> Result<Vec<H>, AdminError> {
        let neighbour = self.neighbours.find(addr, id).ok_or(AdminError::NotFound)?;
        let mut dropped = Vec::new();
        self.neighbours.remove(neighbour, &mut dropped);
        Ok(dropped)
    }

    /// `ip neigh flush [dev DEV]`: all but permanent entries; what waited comes out.
    pub fn flush_neighbours(&mut self, dev: Option<InterfaceId>) -> Vec<H> {
        let mut dropped = Vec::new();
        let is_meant = |n: &Neighbour<H>| {
            dev.is_none_or(|dev| n.interface == dev) && n.state != NeighbourState::Permanent
        };
        self.neighbours.remove_where(is_meant, &mut dropped);
        dropped
    }

    /// `ip neigh add proxy ADDR dev DEV`: answer requests for an address that is routed through another interface.
    pub fn publish(&mut self, id: InterfaceId, addr: Addr) {
        if !self.published.contains(&(addr, id)) {
            self.published.push((addr, id));
        }
    }

    /// A gratuitous request or reply for an address, as `arping -U` and `arping -A` send them after a failover.
    pub fn gratuitous(&self, id: InterfaceId, addr: Addr, op: ArpOp) -> ArpSend {
        let sender_mac = self.interfaces[id.index()].mac;
        let target_mac = match op {
            ArpOp::Request => Mac::BROADCAST,
            ArpOp::Reply => sender_mac,
        };
        let arp = Arp { op, sender_mac, sender: addr, target_mac, target: addr };
        ArpSend { interface: id, to: Mac::BROADCAST, arp, delay: Duration::ZERO }
    }
}
