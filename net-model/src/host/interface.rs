//! Network interfaces and the addresses on them.
//!
//! Linux keeps the IPv4 addresses of an interface in one list whose order decides which address speaks for the host
//! (`ip addr show` prints it): primaries by falling scope, then secondaries. `ip link` and `ip addr` change what is
//! here; the routes that an address brings along are made in `address.rs`.

use super::conf::{Conf, ConfV6, NeighbourConf};
use super::tunnel::Ends;
use crate::addr::{Addr, Mac, Prefix};
use sim_core::Duration;

/// The pass of packets of which nothing is to be remembered.
pub(crate) const NO_PASS: u32 = 0;

/// An interface of a host: its place in the host's list. The loopback interface is number 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceId(pub u16);

impl InterfaceId {
    /// The loopback interface of every host.
    pub const LO: InterfaceId = InterfaceId(0);

    /// The place in the host's list of interfaces.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What kind of device an interface is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterfaceKind {
    /// A network card or a VLAN on one: the only kind that speaks ARP.
    Ethernet,
    /// `lo`
    Loopback,
    /// `dummy0`: swallows what is sent through it; a place for addresses.
    Dummy,
    /// `tunl0`: takes IP in IP packets, those of any local address if nothing else was said.
    Tunnel,
    /// `gre0`: the same for GRE.
    Gre,
    /// `ip6tnl0`: the same for IPv6 in IPv6.
    TunnelV6,
}

impl InterfaceKind {
    /// The MTU a fresh interface of this kind has.
    pub const fn default_mtu(self) -> u32 {
        match self {
            InterfaceKind::Ethernet | InterfaceKind::Dummy => 1500,
            InterfaceKind::Loopback => 65536,
            InterfaceKind::Tunnel => 1480,
            InterfaceKind::Gre => 1476,
            // 40 bytes of header, 8 of the tunnel encapsulation limit (RFC 2473).
            InterfaceKind::TunnelV6 => 1452,
        }
    }
}

/// How far an address or a route is valid; the wider the scope the smaller its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Scope {
    /// Everywhere.
    #[default]
    Global = 0,
    /// This site (IPv6, deprecated).
    Site = 200,
    /// This link.
    Link = 253,
    /// This host.
    Host = 254,
    /// The destination does not exist.
    Nowhere = 255,
}

/// An address on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub addr: Addr,
    /// The length of its subnet mask.
    pub len: u8,
    /// How far it is valid.
    pub scope: Scope,
    /// The broadcast address, if one was given.
    pub broadcast: Option<Addr>,
    /// An alias name such as `eth0:0`; none for the interface's own name.
    pub label: Option<String>,
    /// Does an earlier address of the interface have the same subnet?
    pub secondary: bool,
    /// Does it speak for the host only if no other can (`preferred_lft 0`; IPv6)?
    pub deprecated: bool,
    /// May it be used (IPv6)?
    pub state: AddressState,
}

/// What duplicate address detection thinks of an IPv6 address; those of IPv4 are always usable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressState {
    /// It is the host's.
    #[default]
    Usable,
    /// The link is being asked whether somebody else has it (`tentative`).
    Tentative,
    /// Somebody else has it (`dadfailed`).
    Duplicate,
}

impl Address {
    /// The subnet of the address.
    #[inline]
    pub fn subnet(&self) -> Prefix {
        Prefix::new(self.addr, self.len)
    }
}

/// An address to add: `ip addr add ADDR/LEN [broadcast B] [scope S] [label L] dev …`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressSpec {
    /// The address.
    pub addr: Addr,
    /// The length of its subnet mask.
    pub len: u8,
    /// The scope; by default host for loopback addresses, link for fe80::/10, else global.
    pub scope: Option<Scope>,
    /// An explicit broadcast address.
    pub broadcast: Option<Addr>,
    /// An alias name.
    pub label: Option<String>,
    /// `preferred_lft 0`
    pub deprecated: bool,
    /// `nodad`: use it without asking whether somebody has it.
    pub nodad: bool,
}

impl AddressSpec {
    /// `ip addr add ADDR/LEN`
    pub fn new(addr: Addr, len: u8) -> AddressSpec {
        AddressSpec {
            addr,
            len: len.min(addr.width()),
            scope: None,
            broadcast: None,
            label: None,
            deprecated: false,
            nodad: false,
        }
    }

    /// The same with a scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> AddressSpec {
        self.scope = Some(scope);
        self
    }
}

/// A network interface.
#[derive(Clone, Debug)]
#[repr(C)] // what every packet needs stands in front, in one cache line
pub struct Interface {
    /// Its link address.
    pub mac: Mac,
    /// The largest IP packet it sends, in bytes.
    pub mtu: u32,
    /// Is it administratively up (`ip link set X up`)?
    pub up: bool,
    pub(super) source_check: SourceCheck,
    /// Is IPv4 forwarded that comes in here?
    pub(super) forwards: bool,
    /// What kind of device.
    pub kind: InterfaceKind,
    /// The tag of the frames it sends and takes, 0 for untagged ones.
    pub vlan: u16,
    /// The card it is a VLAN on (`host/vlan.rs`).
    pub lower: Option<InterfaceId>,
    /// The largest packet its wire carries, in bytes.
    pub(crate) carried: u32,
    /// Is the cable in? Only `arp_evict_nocarrier` looks at changes of it.
    pub carrier: bool,
    /// Does it speak ARP? False after `ip link set X arp off` (the NOARP flag) and for everything but Ethernet.
    pub arp: bool,
    /// Its name, as `ip link` prints it.
    pub name: String,
    /// `net.ipv4.conf.<name>.*`
    pub conf: Conf,
    /// `net.ipv6.conf.<name>.*`
    pub conf_v6: ConfV6,
    /// Has it ever had an IPv6 address? Then it has a link-local one while it is up.
    pub(super) speaks_v6: bool,
    /// `net.ipv4.neigh.<name>.*`
    pub neigh: NeighbourConf,
    /// `net.ipv6.neigh.<name>.*`
    pub neigh_v6: NeighbourConf,
    /// What a tunnel device expects of the packets it takes.
    pub ends: Ends,
    /// How long a confirmed neighbour stays REACHABLE: drawn from 0.5 to 1.5 × `base_reachable_time`.
    pub reachable_time: Duration,
    /// The same for IPv6.
    pub reachable_time_v6: Duration,
    pub(super) addresses: Vec<Address>,
}

/// How the source address of a received IPv4 packet is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SourceCheck {
    /// Not at all: the interface is lo, or `accept_local` is on.
    None,
    /// It must not be an address of the host.
    NotOwn,
    /// The tables are asked for the way to it: `rp_filter` is on, or there are rules or local routes made by hand.
    WayBack,
}

impl Interface {
    /// The addresses, in the order `ip addr` lists them.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Does the interface carry this address?
    pub fn has(&self, addr: Addr) -> bool {
        self.addresses.iter().any(|a| a.addr == addr)
    }

    /// The addresses that may be used.
    pub fn speakers(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|a| a.state == AddressState::Usable)
    }

    /// Does the interface carry this address, and may it be used?
    pub fn carries(&self, addr: Addr) -> bool {
        self.speakers().any(|a| a.addr == addr)
    }

    /// Is `addr` in the subnet of an address of the interface?
    pub fn on_link(&self, addr: Addr) -> bool {
        self.addresses.iter().any(|a| a.subnet().contains(addr))
    }

    /// The primary address of at most this scope that suits `target` best: the first whose subnet contains it, else the
    /// first.
    pub fn select(&self, target: Addr, limit: Scope) -> Option<Addr> {
        let mut first = None;
        for a in self.addresses.iter().filter(|a| !a.secondary && a.addr.is_v4() == target.is_v4()) {
            if a.scope > limit {
                continue;
            }
            if a.subnet().contains(target) {
                return Some(a.addr);
            }
            first = first.or(Some(a.addr));
        }
        first
    }
}
