//! The `cluster:` shorthand.

use super::NetworkText;
use super::traffic::{ProtocolText, ServerText};
use crate::decode::{List, Named, Spanned};
use crate::units::{Ip, Period};
use schemars::JsonSchema;
use serde::Deserialize;

/// An LVS cluster: director, real servers, router, client, and all that the forwarding method needs on each.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// How requests reach the real servers.
    pub forwarding: Spanned<Method>,
    /// What the tunnels are made of (`forwarding: tun`, IPv4): `ipip` if left out, `gre`, or `gue` (in UDP).
    pub tunnel: Option<Spanned<TunnelText>>,
    /// The UDP port at which tunnels of GUE end (`--tun-port`), 6080 if left out.
    pub tunnel_port: Option<Spanned<u16>>,
    /// Virtual addresses.
    pub vips: List<Spanned<Ip>>,
    /// Virtual services.
    pub services: List<Spanned<ServiceText>>,
    /// Real servers; `web[1-1000]` is a group with consecutive addresses.
    pub servers: Named<Spanned<RealServersText>>,
    /// What all real servers run; each may say otherwise.
    #[serde(default)]
    pub server: Spanned<ServerText>,
    /// The director.
    #[serde(default)]
    pub director: Spanned<DirectorText>,
    /// The network of director and real servers; 10.0.0.0/24 if left out.
    #[serde(default)]
    pub network: Spanned<NetworkText>,
    /// A second network for the real servers (NAT: behind the director; TUN: behind the router).
    pub server_network: Option<Spanned<NetworkText>>,
    /// Where the clients are: behind a router, or on the director's network; `router` if left out.
    pub clients: Option<Spanned<ClientSide>>,
    /// The router's address in the director's network; the last one if left out.
    pub gateway: Option<Spanned<Ip>>,
    /// Where the real servers' ARP settings are made (direct routing and tunnels); `all` if left out.
    pub arp: Option<Spanned<ArpStyle>>,
}

/// A forwarding method.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Network address translation (`-m`).
    Nat,
    /// Direct routing (`-g`).
    #[default]
    Dr,
    /// IP in IP tunnels (`-i`).
    Tun,
}

impl Method {
    /// All methods.
    pub const ALL: [Method; 3] = [Method::Nat, Method::Dr, Method::Tun];

    /// What it does, in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Method::Nat => "network address translation (ipvsadm -m): replies come back through the director",
            Method::Dr => "direct routing (-g): one network segment, replies go straight to the client",
            Method::Tun => "tunnelling, IP in IP (-i): servers anywhere, replies go straight to the client",
        }
    }

    /// As it is written in a scenario.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Nat => "nat",
            Method::Dr => "dr",
            Method::Tun => "tun",
        }
    }

    /// The flag of ipvsadm.
    pub const fn flag(self) -> &'static str {
        match self {
            Method::Nat => "-m",
            Method::Dr => "-g",
            Method::Tun => "-i",
        }
    }
}

/// What carries a packet to its real server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunnelText {
    /// IP in IP: 20 bytes in front of every packet, 40 in IPv6.
    #[default]
    Ipip,
    /// Generic routing encapsulation: 24 bytes.
    Gre,
    /// Generic UDP encapsulation: 32 bytes, and a port that routers can tell connections apart by.
    Gue,
}

/// A virtual service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceText {
    /// Virtual address; the first of `vips` if left out.
    pub vip: Option<Spanned<Ip>>,
    /// Port.
    pub port: Spanned<u16>,
    /// tcp or udp; tcp if left out.
    pub protocol: Option<Spanned<ProtocolText>>,
    /// Scheduler; wlc if left out.
    pub scheduler: Option<Spanned<String>>,
    /// A client stays with its real server for this long.
    pub persistence: Option<Spanned<Period>>,
    /// Port of the real servers (NAT only); the service's own if left out.
    pub server_port: Option<Spanned<u16>>,
    /// Further options of `ipvsadm -A`: `-b sh-port`, `-M 255.255.255.0`.
    pub options: Option<Spanned<String>>,
}

/// A real server of a cluster, or a group of them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RealServersText {
    /// Its address, or the first of the group's; the next free one if left out.
    pub address: Option<Spanned<Ip>>,
    /// Weight, 1 if left out.
    pub weight: Option<Spanned<u32>>,
    /// Overloaded above so many connections (`-x`).
    pub upper: Option<Spanned<u32>>,
    /// No longer overloaded below so many connections (`-y`).
    pub lower: Option<Spanned<u32>>,
    /// Where it differs from the cluster's `server`.
    #[serde(default)]
    pub server: Spanned<ServerText>,
}

/// The director of a cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectorText {
    /// Its address in the cluster's network; the first one if left out.
    pub address: Option<Spanned<Ip>>,
    /// Its address in the real servers' network (NAT with two networks); the first one if left out.
    pub server_address: Option<Spanned<Ip>>,
}

/// Where the clients of a cluster are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientSide {
    /// In a network of their own behind a router.
    #[default]
    Router,
    /// In the director's network.
    OnLink,
}

/// On which interface names `arp_ignore` = 1 and `arp_announce` = 2 are set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ArpStyle {
    /// `conf.all`: enough for every interface.
    #[default]
    All,
    /// `conf.eth0`: enough for this interface.
    Eth0,
    /// `conf.lo` and `conf.all`: the first has no effect, the second does the work.
    LoAndAll,
    /// `conf.eth0` and `conf.all`.
    Eth0AndAll,
    /// `conf.lo` only: no effect at all, a common mistake.
    Lo,
    /// Nowhere: the ARP problem.
    None,
}

impl ArpStyle {
    /// The names below `net.ipv4.conf`.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            ArpStyle::All => &["all"],
            ArpStyle::Eth0 => &["eth0"],
            ArpStyle::LoAndAll => &["lo", "all"],
            ArpStyle::Eth0AndAll => &["eth0", "all"],
            ArpStyle::Lo => &["lo"],
            ArpStyle::None => &[],
        }
    }
}
