//! The settings of a host's network layer: `net.ipv4.conf.*`, `net.ipv4.neigh.*` and the rest of `net.ipv4.*`.
//!
//! One table a family of settings: name, default, range, meaning. Defaults are those of Debian 12 (Linux 6.1), where
//! `rp_filter` is 0 everywhere. Where a setting exists for `all` and for each interface, [`ConfKey::combine`] says
//! how the two make the value in force: the trap of `send_redirects` and the cure of `arp_announce` are rows of it.
//! Not modelled: what a setting does to programs other than those simulated; such settings do not exist here.

use std::marker::PhantomData;

/// One row of a table of settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The last part of the name.
    pub name: &'static str,
    /// The value on a fresh host.
    pub default: i64,
    /// The smallest value that may be written.
    pub min: i64,
    /// The largest value that may be written.
    pub max: i64,
    /// What it does.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($(#[$doc:meta])* $key:ident; $($variant:ident, $name:literal, $default:literal, $min:literal..=$max:literal, $meaning:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $key {
            $(#[doc = $meaning] $variant,)*
        }

        impl $key {
            /// All keys, in the order of the table.
            pub const ALL: &'static [$key] = &[$($key::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = $key::ALL.len();
            const ROWS: &'static [Setting] = &[$(Setting { name: $name, default: $default, min: $min, max: $max, meaning: $meaning },)*];

            /// The row of the table.
            pub const fn setting(self) -> &'static Setting {
                &$key::ROWS[self as usize]
            }

            /// The key of this name.
            pub fn named(name: &str) -> Option<$key> {
                $key::ALL.iter().copied().find(|key| key.setting().name == name)
            }

        }

        impl Key for $key {
            const ALL: &'static [$key] = $key::ALL;

            fn index(self) -> usize {
                self as usize
            }

            fn default_value(self) -> i64 {
                self.setting().default
            }
        }
    };
}

settings! {
    /// `net.ipv4.conf.{all,default,INTERFACE}.*`; the default is that of an interface.
    ConfKey;
    AcceptLocal, "accept_local", 0, 0..=1, "Accept packets whose source is one of the host's own addresses.";
    AcceptRedirects, "accept_redirects", 1, 0..=1, "Believe ICMP redirects.";
    AcceptSourceRoute, "accept_source_route", 1, 0..=1, "Accept packets with source-route options.";
    ArpAccept, "arp_accept", 0, 0..=2, "Make neighbour entries from gratuitous ARP: 1 always, 2 if the sender is in a subnet of the interface.";
    ArpAnnounce, "arp_announce", 0, 0..=2, "Sender address of ARP requests: 0 any local one, 1 preferably of the target's subnet, 2 the best of the interface.";
    ArpEvictNocarrier, "arp_evict_nocarrier", 1, 0..=1, "Forget neighbours when the carrier is lost.";
    ArpFilter, "arp_filter", 0, 0..=1, "Answer ARP only if the way back to the asker leaves by the same interface.";
    ArpIgnore, "arp_ignore", 0, -2147483648..=2147483647, "Which ARP requests are answered: 0 all for local addresses, 1 only for addresses of the receiving interface, 2 also only within the subnet, 3 not for host-scope addresses, 8 none.";
    ArpNotify, "arp_notify", 0, 0..=1, "Send gratuitous ARP when the interface comes up or its link address changes.";
    DropGratuitousArp, "drop_gratuitous_arp", 0, 0..=1, "Ignore gratuitous ARP.";
    Forwarding, "forwarding", 0, 0..=1, "Forward packets that arrive here.";
    LogMartians, "log_martians", 0, 0..=1, "Log packets with impossible addresses.";
    PromoteSecondaries, "promote_secondaries", 0, 0..=1, "When a primary address is deleted its first secondary takes over.";
    ProxyArp, "proxy_arp", 0, 0..=1, "Answer ARP for addresses that are routed elsewhere.";
    ProxyArpPvlan, "proxy_arp_pvlan", 0, 0..=1, "Answer ARP for addresses that are routed back out of the same interface.";
    RouteLocalnet, "route_localnet", 0, 0..=1, "Let 127.0.0.0/8 be routed.";
    RpFilter, "rp_filter", 0, 0..=2, "Reverse-path filter: 0 off, 1 strict, 2 loose.";
    SecureRedirects, "secure_redirects", 1, 0..=1, "Believe redirects only to known gateways (if shared_media is 0).";
    SendRedirects, "send_redirects", 1, 0..=1, "Send ICMP redirects when a packet leaves by the interface it came in.";
    SharedMedia, "shared_media", 1, 0..=1, "Several subnets share the wire: redirects may cross subnets.";
}

settings! {
    /// `net.ipv6.conf.{all,default,INTERFACE}.*`: the larger value of `all` and the interface is in force. (The switch
    /// `net.ipv6.conf.all.forwarding` is the host's.)
    ConfKeyV6;
    AcceptDad, "accept_dad", 1, 0..=2, "Ask the link whether somebody else has a new address, before it is used.";
    AcceptRa, "accept_ra", 1, 0..=2, "Listen to router advertisements (there are none).";
    DadTransmits, "dad_transmits", 1, 0..=2147483647, "How often the link is asked, a second apart.";
    NdiscNotify, "ndisc_notify", 0, 0..=1, "Tell all neighbours of a new address, and of all when the interface comes up.";
    ProxyNdp, "proxy_ndp", 0, 0..=1, "Answer for the addresses of `ip -6 neigh add proxy`.";
}

settings! {
    /// `net.ipv4.neigh.{default,INTERFACE}.*` and `net.ipv6.neigh.{default,INTERFACE}.*`
    NeighKey;
    AppSolicit, "app_solicit", 0, 0..=2147483647, "Requests handed to a user-space daemon.";
    BaseReachableTimeMs, "base_reachable_time_ms", 30000, 0..=2147483647, "A confirmed neighbour stays REACHABLE for 0.5 to 1.5 times this long.";
    DelayFirstProbeTime, "delay_first_probe_time", 5, 0..=2147483, "Seconds between the first use of a STALE entry and its first probe.";
    GcStaleTime, "gc_stale_time", 60, 0..=2147483, "Seconds until an unused entry may be collected (only if there are more than gc_thresh1).";
    Locktime, "locktime", 100, 0..=2147483647, "Hundredths of a second for which another link address is not believed.";
    McastResolicit, "mcast_resolicit", 0, 0..=2147483647, "Broadcast requests after the unicast probes.";
    McastSolicit, "mcast_solicit", 3, 0..=2147483647, "Broadcast requests for an unknown neighbour.";
    ProxyDelay, "proxy_delay", 80, 0..=2147483647, "Longest delay of an answer on behalf of others, in hundredths of a second.";
    RetransTimeMs, "retrans_time_ms", 1000, 0..=2147483647, "Between two requests.";
    UcastSolicit, "ucast_solicit", 3, 0..=2147483647, "Unicast probes of a known neighbour.";
    UnresQlenBytes, "unres_qlen_bytes", 212992, 0..=2147483647, "Bytes of buffer memory that may wait for a link address.";
}

settings! {
    /// The settings of the whole host, `net.ipv4.*`.
    HostKey;
    IcmpEchoIgnoreAll, "icmp_echo_ignore_all", 0, 0..=1, "Do not answer echo requests.";
    IcmpEchoIgnoreBroadcasts, "icmp_echo_ignore_broadcasts", 1, 0..=1, "Do not answer broadcast echo requests.";
    IcmpErrorsUseInboundIfaddr, "icmp_errors_use_inbound_ifaddr", 0, 0..=1, "Send ICMP errors from an address of the interface the packet came in on.";
    IcmpMsgsBurst, "icmp_msgs_burst", 50, 0..=2147483647, "ICMP errors that may go out at once.";
    IcmpMsgsPerSec, "icmp_msgs_per_sec", 1000, 0..=2147483647, "ICMP errors a second, to all recipients together.";
    IcmpRatelimit, "icmp_ratelimit", 1000, 0..=2147483647, "Milliseconds between ICMP errors to one recipient (six may go at once).";
    IcmpRatemask, "icmp_ratemask", 6168, 0..=4294967295, "Bit mask of the ICMP types that are limited.";
    IpDefaultTtl, "ip_default_ttl", 64, 1..=255, "Time to live of the host's own packets.";
    IpForwardUsePmtu, "ip_forward_use_pmtu", 0, 0..=1, "Learnt path MTUs hold for forwarded packets too.";
    IpNoPmtuDisc, "ip_no_pmtu_disc", 0, 0..=3, "No path-MTU discovery.";
    IpfragTime, "ipfrag_time", 30, 0..=2147483, "Seconds for which fragments wait for the rest.";
    NeighGcThresh1, "neigh.default.gc_thresh1", 128, 0..=2147483647, "Neighbours below which none is forgotten.";
    NeighGcThresh2, "neigh.default.gc_thresh2", 512, 0..=2147483647, "Neighbours above which old ones are forgotten at once.";
    NeighGcThresh3, "neigh.default.gc_thresh3", 1024, 0..=2147483647, "No more neighbours than this.";
    RouteGcTimeout, "route.gc_timeout", 300, 0..=2147483, "Seconds for which a redirect is believed.";
    RouteMinPmtu, "route.min_pmtu", 552, 68..=2147483647, "The smallest path MTU that is believed.";
    RouteMtuExpires, "route.mtu_expires", 600, 1..=2147483, "Seconds for which a path MTU is believed.";
    TcpEarlyRetrans, "tcp_early_retrans", 3, 0..=4, "Tail loss probes (3 or 4).";
    TcpEcn, "tcp_ecn", 2, 0..=2, "Explicit congestion notification.";
    TcpFinTimeout, "tcp_fin_timeout", 60, 0..=2147483, "Seconds an orphaned connection stays in FIN_WAIT_2.";
    TcpOrphanRetries, "tcp_orphan_retries", 0, 0..=255, "Retransmissions of a connection without a program; 0 means 8.";
    TcpRetries2, "tcp_retries2", 15, 0..=255, "Retransmissions of an established connection.";
    TcpSack, "tcp_sack", 1, 0..=1, "Selective acknowledgements.";
    TcpSlowStartAfterIdle, "tcp_slow_start_after_idle", 1, 0..=1, "Restart from the initial window after a pause.";
    TcpSynRetries, "tcp_syn_retries", 6, 1..=127, "Retransmissions of a SYN.";
    TcpSynackRetries, "tcp_synack_retries", 5, 0..=255, "Retransmissions of a SYN-ACK.";
    TcpTimestamps, "tcp_timestamps", 1, 0..=2, "TCP timestamps.";
    TcpWindowScaling, "tcp_window_scaling", 1, 0..=1, "TCP window scaling.";
}

impl ConfKey {
    /// Does anything here depend on it? The others may be set, so that the settings of a real host can be used as they
    /// are: there are no packets with source routes and no kernel log in the model.
    pub const fn has_effect(self) -> bool {
        !matches!(self, ConfKey::AcceptSourceRoute | ConfKey::LogMartians)
    }
}

impl ConfKeyV6 {
    /// Does anything here depend on it?
    pub const fn has_effect(self) -> bool {
        !matches!(self, ConfKeyV6::AcceptRa)
    }
}

impl HostKey {
    /// Does anything here depend on it? The hosts' TCP has the defaults built in.
    pub const fn has_effect(self) -> bool {
        match self {
            HostKey::IcmpMsgsBurst
            | HostKey::IcmpMsgsPerSec
            | HostKey::IcmpRatelimit
            | HostKey::IcmpRatemask
            | HostKey::IpDefaultTtl
            | HostKey::IpForwardUsePmtu
            | HostKey::NeighGcThresh1
            | HostKey::NeighGcThresh2
            | HostKey::NeighGcThresh3
            | HostKey::RouteGcTimeout
            | HostKey::RouteMinPmtu
            | HostKey::RouteMtuExpires => true,
            HostKey::IcmpEchoIgnoreAll
            | HostKey::IcmpEchoIgnoreBroadcasts
            | HostKey::IcmpErrorsUseInboundIfaddr
            | HostKey::IpNoPmtuDisc
            | HostKey::IpfragTime
            | HostKey::TcpEarlyRetrans
            | HostKey::TcpEcn
            | HostKey::TcpFinTimeout
            | HostKey::TcpOrphanRetries
            | HostKey::TcpRetries2
            | HostKey::TcpSack
            | HostKey::TcpSlowStartAfterIdle
            | HostKey::TcpSynRetries
            | HostKey::TcpSynackRetries
            | HostKey::TcpTimestamps
            | HostKey::TcpWindowScaling => false,
        }
    }
}

/// How the values of `all` and of an interface make the one in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    /// The larger of the two; for switches: on if either is on.
    Max,
    /// The interface's alone; a write to `all` copies the value to every interface.
    Interface,
    /// On if both are on.
    Both,
    /// On a forwarding interface both must be on, elsewhere one is enough.
    BothIfForwarding,
}

impl ConfKey {
    /// The rule for this setting.
    pub const fn combine(self) -> Combine {
        match self {
            ConfKey::Forwarding | ConfKey::ProxyArpPvlan | ConfKey::ArpEvictNocarrier => Combine::Interface,
            ConfKey::AcceptSourceRoute => Combine::Both,
            ConfKey::AcceptRedirects => Combine::BothIfForwarding,
            ConfKey::AcceptLocal
            | ConfKey::ArpAccept
            | ConfKey::ArpAnnounce
            | ConfKey::ArpFilter
            | ConfKey::ArpIgnore
            | ConfKey::ArpNotify
            | ConfKey::DropGratuitousArp
            | ConfKey::LogMartians
            | ConfKey::PromoteSecondaries
            | ConfKey::ProxyArp
            | ConfKey::RouteLocalnet
            | ConfKey::RpFilter
            | ConfKey::SecureRedirects
            | ConfKey::SendRedirects
            | ConfKey::SharedMedia => Combine::Max,
        }
    }
}

/// A key of one of the tables above.
pub trait Key: Copy + 'static {
    /// All keys of the table.
    const ALL: &'static [Self];
    /// The row's number.
    fn index(self) -> usize;
    /// The value on a fresh host.
    fn default_value(self) -> i64;
}

/// The values of one place (`all`, `default`, an interface, the host), with a note of those that were written.
#[derive(Clone, Debug)]
pub struct Values<K, const N: usize> {
    values: [i64; N],
    written: u64,
    key: PhantomData<K>,
}

/// `net.ipv4.conf.<place>.*`
pub type Conf = Values<ConfKey, { ConfKey::COUNT }>;
/// `net.ipv6.conf.<place>.*`
pub type ConfV6 = Values<ConfKeyV6, { ConfKeyV6::COUNT }>;
/// `net.ipv4.neigh.<place>.*`, `net.ipv6.neigh.<place>.*`
pub type NeighbourConf = Values<NeighKey, { NeighKey::COUNT }>;
/// `net.ipv4.*` of the whole host.
pub type HostConf = Values<HostKey, { HostKey::COUNT }>;

impl<K: Key, const N: usize> Values<K, N> {
    /// The defaults of the table.
    pub fn new() -> Values<K, N> {
        let mut values = [0; N];
        for &key in K::ALL {
            values[key.index()] = key.default_value();
        }
        Values { values, written: 0, key: PhantomData }
    }

    /// A new interface's values: those of `default`, none of them written yet.
    #[must_use]
    pub fn inherited(&self) -> Values<K, N> {
        Values { written: 0, ..self.clone() }
    }

    /// The value of this place alone.
    #[inline]
    pub fn get(&self, key: K) -> i64 {
        self.values[key.index()]
    }

    /// Writes a value.
    pub fn set(&mut self, key: K, value: i64) {
        self.values[key.index()] = value;
        self.written |= 1 << key.index();
    }

    /// Takes over a value of `default`, unless this place has one of its own.
    pub fn inherit(&mut self, key: K, value: i64) {
        if self.written & 1 << key.index() == 0 {
            self.values[key.index()] = value;
        }
    }
}

impl<K: Key, const N: usize> Default for Values<K, N> {
    fn default() -> Values<K, N> {
        Values::new()
    }
}

impl NeighbourConf {
    /// The defaults of IPv6, which believes advertisements by their flags and locks nothing (seen on Linux 6.1).
    pub(super) fn of_ipv6() -> NeighbourConf {
        let mut conf = NeighbourConf::new();
        conf.values[NeighKey::Locktime.index()] = 0;
        conf
    }
}

impl ConfV6 {
    /// The defaults of `all`: interfaces decide for themselves whether the link is asked, and how often.
    pub fn all() -> ConfV6 {
        let mut conf = ConfV6::new();
        conf.values = [0; ConfKeyV6::COUNT];
        conf
    }
}

impl Conf {
    /// The defaults of `all`: as an interface's, but source routes are off.
    pub fn all() -> Conf {
        let mut conf = Conf::new();
        conf.values[ConfKey::AcceptSourceRoute as usize] = 0;
        conf
    }

    /// The value in force on an interface with these values, given those of `all`.
    #[inline]
    pub fn effective(&self, all: &Conf, key: ConfKey) -> i64 {
        let (own, all) = (self.get(key), all.get(key));
        match key.combine() {
            Combine::Max => own.max(all),
            Combine::Interface => own,
            Combine::Both => own.min(all),
            Combine::BothIfForwarding if self.get(ConfKey::Forwarding) != 0 => own.min(all),
            Combine::BothIfForwarding => own.max(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value in force for each pair (all, interface): 0 0, 0 1, 1 0, 1 1.
    fn truth(key: ConfKey, forwarding: i64) -> [i64; 4] {
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(of_all, own)| {
            let (mut all, mut interface) = (Conf::all(), Conf::new());
            interface.set(ConfKey::Forwarding, forwarding);
            all.set(key, of_all);
            interface.set(key, own);
            interface.effective(&all, key)
        })
    }

    /// How the values of `all` and of the interface combine.
    #[test]
    fn combinations() {
        use ConfKey::*;
        let either = [
            ArpIgnore,
            ArpAnnounce,
            ArpAccept,
            ArpNotify,
            RpFilter,
            SharedMedia,
            SecureRedirects,
            SendRedirects,
            ProxyArp,
            LogMartians,
            AcceptLocal,
            ArpFilter,
            DropGratuitousArp,
            PromoteSecondaries,
            RouteLocalnet,
        ];
        for key in either {
            assert_eq!(truth(key, 0), [0, 1, 1, 1], "{key:?}");
        }
        assert_eq!(truth(Forwarding, 0), [0, 1, 0, 1]);
        assert_eq!(truth(ProxyArpPvlan, 0), [0, 1, 0, 1]);
        assert_eq!(truth(AcceptSourceRoute, 0), [0, 0, 0, 1]);
        assert_eq!(truth(AcceptRedirects, 1), [0, 0, 0, 1], "a forwarding interface");
        assert_eq!(truth(AcceptRedirects, 0), [0, 1, 1, 1], "another");
    }

    /// [seen] `rp_filter`: the larger value, so that 2 on an interface exempts it from a strict `all`.
    #[test]
    fn rp_filter_of_all_and_interface() {
        for (of_all, own, effective) in [(1, 0, 1), (1, 2, 2), (0, 1, 1), (2, 1, 2)] {
            let (mut all, mut interface) = (Conf::all(), Conf::new());
            all.set(ConfKey::RpFilter, of_all);
            interface.set(ConfKey::RpFilter, own);
            assert_eq!(interface.effective(&all, ConfKey::RpFilter), effective);
        }
    }
}
