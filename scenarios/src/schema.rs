//! The words of a scenario file, as types: what serde reads, what the JSON Schema describes.
//!
//! Structured where the world has structure; native text (`routes`, `iptables`, `ipvsadm`, `commands`) where Linux
//! has native text. Every field that a later check may blame knows its place.

use crate::decode::{List, Named, Spanned};
use crate::units::{
    BitRate, Bytes, Cidr, Endpoint, Fraction, Ip, MacAddress, Network, PerSecond, Period, SourceAddresses,
};
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
    /// Interfaces: `eth0`, `eth1` … are plugged into networks; `lo`, `tunl0` and `dummy0` only carry addresses.
    #[serde(default)]
    pub interfaces: Named<Spanned<InterfaceText>>,
    /// Routes as `ip route add` takes them: `default via 10.0.0.1`.
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
}

/// A program that serves requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerText {
    /// Ports it listens on; all share the workers. 80 if left out.
    #[serde(default)]
    pub ports: List<Spanned<u16>>,
    /// tcp or udp; tcp if left out.
    pub protocol: Option<Spanned<ProtocolText>>,
    /// Requests served at a time, 8 if left out.
    pub workers: Option<Spanned<u32>>,
    /// How the workers share the work; `fifo` if left out.
    pub discipline: Option<Spanned<DisciplineText>>,
    /// Speed: a server of speed 2 needs half the time. 1 if left out.
    pub speed: Option<Spanned<f64>>,
    /// Time a worker needs for a request at speed 1; 1ms if left out.
    pub service_time: Option<Spanned<Distribution<Period>>>,
    /// Bytes of an answer; 1kB if left out.
    pub response: Option<Spanned<Distribution<Bytes>>>,
    /// Connections that may wait to be accepted (UDP: datagrams that may wait), 511 if left out.
    pub backlog: Option<Spanned<u32>>,
    /// Which address UDP answers come from; `asked` if left out.
    pub reply_from: Option<Spanned<ReplyFromText>>,
}

/// Which source address a UDP server's answers have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFromText {
    /// The address that was asked: the server is bound to it.
    #[default]
    Asked,
    /// The address that routing selects: the server is bound to 0.0.0.0, which fails behind direct routing and tunnels.
    Routed,
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolText {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}

/// How workers share the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisciplineText {
    /// First come, first served.
    #[default]
    Fifo,
    /// Processor sharing: all requests at once share the workers.
    Ps,
}

/// A distribution; a value alone is constant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution<Q> {
    /// Always the same.
    Constant(Q),
    /// Uniform between `low` and `high`.
    Uniform(Uniform<Q>),
    /// Exponential with this mean.
    Exponential(Q),
    /// Lognormal.
    Lognormal(Lognormal<Q>),
    /// Pareto, cut off at `max`.
    Pareto(Pareto<Q>),
    /// Weibull.
    Weibull(Weibull<Q>),
    /// A mixture of exponentials.
    Hyperexponential(List<Phase<Q>>),
    /// Measured values from a file, one a line; drawn at random.
    Empirical(Spanned<String>),
}

impl<Q: Default> Default for Distribution<Q> {
    fn default() -> Distribution<Q> {
        Distribution::Constant(Q::default())
    }
}

/// See [`Distribution::Uniform`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniform<Q> {
    /// Smallest value.
    pub low: Q,
    /// Largest value.
    pub high: Q,
}

/// See [`Distribution::Lognormal`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lognormal<Q> {
    /// Half of the values are smaller.
    pub median: Q,
    /// Standard deviation of the logarithm.
    pub sigma: f64,
}

/// See [`Distribution::Pareto`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pareto<Q> {
    /// Smallest value.
    pub min: Q,
    /// Tail index: the smaller, the heavier the tail.
    pub shape: f64,
    /// Largest value.
    pub max: Q,
}

/// See [`Distribution::Weibull`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weibull<Q> {
    /// Scale.
    pub scale: Q,
    /// Shape.
    pub shape: f64,
}

/// One exponential of a mixture.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase<Q> {
    /// How often it is drawn.
    pub share: Fraction,
    /// Its mean.
    pub mean: Q,
}

/// A group of clients on one host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientText {
    /// The host they run on; with `cluster:` it is `client` if left out.
    pub on: Option<Spanned<String>>,
    /// Where they connect to; with `cluster:` it is the first service if left out. A trace has its own targets.
    pub to: Option<Spanned<Endpoint>>,
    /// When exchanges begin.
    pub arrivals: Spanned<ArrivalsText>,
    /// Source addresses: `host` (its own), or a prefix that the host answers for.
    pub sources: Option<Spanned<SourceAddresses>>,
    /// Bytes of a request, 200B if left out.
    pub request: Option<Spanned<Distribution<Bytes>>>,
    /// Who closes the connection after the answer; `server` if left out.
    pub close: Option<Spanned<CloseText>>,
    /// A client gives up after this time; the kernel's own limits if left out.
    pub timeout: Option<Spanned<Period>>,
    /// How often a failed exchange is tried again, 0 if left out.
    pub retries: Option<Spanned<u32>>,
    /// When the first exchange may begin, 0s if left out.
    pub start: Option<Spanned<Period>>,
    /// When the last exchange may begin; the end of the run if left out.
    pub stop: Option<Spanned<Period>>,
    /// At most so many exchanges.
    pub limit: Option<Spanned<u64>>,
}

/// Who closes a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseText {
    /// The server, right after the answer.
    #[default]
    Server,
    /// The client, once it has the answer.
    Client,
    /// The client, with a reset.
    Reset,
    /// Nobody: the connection stays open.
    None,
}

/// When exchanges begin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsText {
    /// A Poisson process: independent of one another, so many a second on average.
    Poisson(Spanned<PerSecond>),
    /// At equal distances.
    Constant(Spanned<PerSecond>),
    /// A Poisson process that is switched on and off.
    Bursts(BurstsText),
    /// A Poisson process whose rate follows straight lines between points, over the day for example.
    Curve(List<CurvePoint>),
    /// Users who wait for the answer, think, and ask again.
    Users(UsersText),
    /// Recorded exchanges from a CSV file, named relative to the scenario.
    Trace(Spanned<String>),
}

impl Default for ArrivalsText {
    fn default() -> ArrivalsText {
        ArrivalsText::Users(UsersText::default())
    }
}

/// See [`ArrivalsText::Bursts`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BurstsText {
    /// Exchanges a second while on.
    pub rate: Spanned<PerSecond>,
    /// Length of the busy periods.
    pub on: Spanned<Distribution<Period>>,
    /// Length of the quiet periods.
    pub off: Spanned<Distribution<Period>>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// When.
    pub at: Spanned<Period>,
    /// Exchanges a second at that time.
    pub rate: Spanned<PerSecond>,
}

/// See [`ArrivalsText::Users`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersText {
    /// How many.
    pub count: Spanned<u32>,
    /// How long they think between an answer and the next request.
    pub think: Spanned<Distribution<Period>>,
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

/// An LVS cluster: director, real servers, router, client, and all that the forwarding method needs on each.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// How requests reach the real servers.
    pub forwarding: Spanned<Method>,
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
