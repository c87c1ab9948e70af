//! The words of a scenario file, as types: what serde reads, what the JSON Schema describes.
//!
//! Structured where the world has structure; native text (`routes`, `iptables`, `ipvsadm`, `commands`) where Linux
//! has native text. Every field that a later check may blame knows its place.

mod cluster;
mod traffic;

pub use cluster::{
    ArpStyle, ClientSide, Cluster, DirectorText, Method, RealServersText, ServiceText, TunnelText,
};
pub use traffic::{
    ArrivalsText, BurstsText, ClientText, CloseText, CurvePoint, DisciplineText, Distribution, Lognormal,
    Pareto, Phase, ProtocolText, ReplyFromText, ServerText, Uniform, UsersText, Weibull,
};

use crate::decode::{List, Named, Spanned};
use crate::units::{BitRate, Bytes, Cidr, Fraction, MacAddress, Network, Period};
use schemars::JsonSchema;
use serde::Deserialize;

/// A scenario: networks, hosts, clients, what happens when, and what is expected.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the scenario shows, in a few sentences.
    pub about: Option<Spanned<String>>,
    /// Seed of all random numbers; 1 if left out.
    pub seed: Option<Spanned<u64>>,
    /// Virtual time to simulate.
    pub duration: Spanned<Period>,
    /// Distance of the samples in time series; a hundredth of the duration if left out.
    pub sampling: Option<Spanned<Period>>,
    /// Kernel timers: as late as Linux's timer wheel, or exact; `wheel` if left out.
    pub timers: Option<Spanned<Timers>>,
    /// Which kernel behaviour where versions differ; `new` if left out.
    pub kernel: Option<Spanned<Kernel>>,
    /// A whole LVS cluster in a few lines; `lvsim expand` shows what it stands for.
    pub cluster: Option<Spanned<Cluster>>,
    /// Networks: each is a switch, and one cable to it per interface.
    #[serde(default)]
    pub networks: Named<Spanned<NetworkText>>,
    /// Hosts; `web[1-1000]` is a group of identical ones.
    #[serde(default)]
    pub hosts: Named<Spanned<HostText>>,
    /// Groups of clients.
    #[serde(default)]
    pub clients: Named<Spanned<ClientText>>,
    /// What happens at which time.
    #[serde(default)]
    pub events: List<Spanned<EventText>>,
    /// Lines that must hold at the end, such as `success >= 99.9%`.
    #[serde(default)]
    pub expect: List<Spanned<String>>,
}

/// How late kernel timers fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Timers {
    /// Never early and usually late, by the granularity of the kernel's timer wheel.
    #[default]
    Wheel,
    /// Exactly on time.
    Ideal,
}

/// Which kernel, where versions differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Linux 6.1.183 and later: load = 257 × active + inactive.
    #[default]
    New,
    /// Earlier ones: load = 256 × active + inactive.
    Classic,
}

/// A network: a switch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkText {
    /// The addresses that belong here; interfaces are checked against it.
    pub prefix: Option<Spanned<Network>>,
    /// The cables between interfaces and the switch.
    #[serde(default)]
    pub cable: Spanned<CableText>,
    /// Largest packet in bytes, 1500 if left out.
    pub mtu: Option<Spanned<u16>>,
}

/// A cable, the same in both directions.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CableText {
    /// Bits per second, 1Gbps if left out.
    pub rate: Option<Spanned<BitRate>>,
    /// One-way delay, 50us if left out.
    pub delay: Option<Spanned<Period>>,
    /// Bytes that may wait for the transmitter, 1.5MB (1000 full frames) if left out.
    pub queue: Option<Spanned<Bytes>>,
    /// Share of frames lost at random, none if left out.
    pub loss: Option<Spanned<Fraction>>,
}

/// A host, or a group of identical ones.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostText {
    /// Interfaces: `eth0`, `eth1` … are plugged into networks; `eth0.10` is VLAN 10 on eth0; `lo`, `tunl0`, `gre0` and
    /// `dummy0` only carry addresses.
    #[serde(default)]
    pub interfaces: Named<Spanned<InterfaceText>>,
    /// Routes as `ip route add` takes them: `default via 10.0.0.1`; or `auto`: the shortest ways to all networks.
    #[serde(default)]
    pub routes: List<Spanned<String>>,
    /// Kernel settings: `net.ipv4.ip_forward: 1`.
    #[serde(default)]
    pub sysctls: Named<Spanned<String>>,
    /// Rules as iptables takes them: `-t mangle -A PREROUTING … -j MARK --set-mark 1`.
    #[serde(default)]
    pub iptables: List<Spanned<String>>,
    /// Rules as arptables takes them.
    #[serde(default)]
    pub arptables: List<Spanned<String>>,
    /// Command lines of ipvsadm, or what `ipvsadm -S` prints; one a line. They make the host a director.
    pub ipvsadm: Option<Spanned<String>>,
    /// Any other command lines, run last; one a line.
    pub commands: Option<Spanned<String>>,
    /// Programs that listen here.
    #[serde(default)]
    pub server: List<Spanned<ServerText>>,
}

/// A network interface.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceText {
    /// The network it is plugged into.
    pub network: Option<Spanned<String>>,
    /// Its addresses with the length of their network; for a group of hosts a range of addresses.
    #[serde(default)]
    pub address: List<Spanned<Cidr>>,
    /// Its Ethernet address; numbered in the order of the file if left out.
    pub mac: Option<Spanned<MacAddress>>,
    /// Differences from the network's cable.
    #[serde(default)]
    pub cable: Spanned<CableText>,
    /// Is it up? It is, if left out.
    pub up: Option<Spanned<bool>>,
    /// The VLAN of its switch port, which carries it untagged.
    pub access: Option<Spanned<u16>>,
    /// The VLANs that its switch port carries tagged.
    #[serde(default)]
    pub trunk: List<Spanned<u16>>,
    /// The VLAN of untagged frames on a trunk; they are dropped if left out.
    pub native: Option<Spanned<u16>>,
}

/// Something that happens at a time: exactly one of `run`, `unplug`, `plug`, `host`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventText {
    /// When.
    pub at: Spanned<Period>,
    /// On which host.
    pub on: Spanned<String>,
    /// A command line.
    pub run: Option<Spanned<String>>,
    /// The interface whose cable is pulled out.
    pub unplug: Option<Spanned<String>>,
    /// The interface whose cable is plugged in again.
    pub plug: Option<Spanned<String>>,
    /// The host is cut off from all its networks, or comes back.
    pub host: Option<Spanned<HostChange>>,
}

/// What happens to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostChange {
    /// From now on it receives and sends nothing.
    #[default]
    Crash,
    /// It works again, with the settings and connections it had.
    Return,
}
