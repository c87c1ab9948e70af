//! What every step of a packet's walk answers, and why a packet ends early.

/// Declares [`DropReason`]: each line is variant, short name (for tables and CSV), sentence, cure.
macro_rules! drop_reasons {
    ($($variant:ident, $name:literal, $sentence:literal, $cure:literal;)*) => {
        /// Why a frame or packet ended before it reached a program.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $sentence] $variant,)*
        }

        impl DropReason {
            /// All reasons, in the order of the packet's walk.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant,)*];

            /// A short name for tables and file columns, such as `queue-full`.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name,)* }
            }

            /// What happened, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(DropReason::$variant => $sentence,)* }
            }

            /// Is there anything to mend? What a switch floods to everybody, for one, is dropped by most.
            pub fn can_be_mended(self) -> bool {
                !self.cure().starts_with("Nothing to mend")
            }

            /// The reason of this short name.
            pub fn named(name: &str) -> Option<DropReason> {
                DropReason::ALL.iter().copied().find(|reason| reason.name() == name)
            }

            /// What to look at or to change.
            pub const fn cure(self) -> &'static str {
                match self { $(DropReason::$variant => $cure,)* }
            }
        }
    };
}

drop_reasons! {
    LinkDown, "link-down", "The link is down.", "Set the interface up, or expect the loss: the cable is pulled.";
    LinkLoss, "link-loss", "The link lost the frame at random.", "Lower the link's `loss`.";
    QueueFull, "queue-full", "The queue in front of the link was full.", "Raise the link's `rate` or `queue`, or lower the load.";
    FrameTooBig, "frame-too-big", "The frame is larger than the MTU of the switch port or of the card it came to.", "Use one MTU in a network: that of `networks:`, of every `ip link set … mtu`.";
    Hairpin, "hairpin", "The switch knows the receiver on the very port the frame came from.", "Usually a stale link address: look at the neighbour cache of the sender.";
    VlanRefused, "vlan-refused", "The switch port does not carry the frame's VLAN.", "Add the id to `trunk` of both interfaces, or make the untagged one's port `access: ID`.";
    UnknownVlan, "unknown-vlan", "The frame carries the tag of a VLAN that the host has no sub-interface for.", "On the receiver: ip link add link DEV name DEV.ID type vlan id ID; or make its switch port `access: ID`.";
    OtherHost, "other-host", "The frame is addressed to another link address (a switch flooded it).", "Nothing to mend: flooding stops once the switch has learnt the address.";
    InterfaceDown, "interface-down", "The interface is down.", "ip link set DEV up";
    FilterDrop, "filter-drop", "A packet filter rule dropped the packet.", "Look at the host's iptables rules.";
    FilterReject, "filter-reject", "A packet filter rule refused the packet and told its sender.", "Look at the host's iptables rules (-j REJECT).";
    RedirectWithoutAddress, "redirect-without-address", "A rule redirects the packet to the interface it came in on, which has no address.", "Give the interface an address (ip addr add ADDR/32 dev tunl0): REDIRECT sends packets to the first one there.";
    ArpFilterDrop, "arptables-drop", "An arptables rule dropped the ARP packet.", "Look at the host's arptables rules.";
    MartianSource, "martian-source", "The source address cannot come from there (it is the host's own address, or not a unicast address).", "A director that is also the real servers' gateway needs accept_local=1 under direct routing; otherwise look for an address configured twice.";
    MartianDestination, "martian-destination", "The destination address is not one that can be routed.", "Look for 0.0.0.0 or 127.0.0.0/8 on the wire.";
    ReversePath, "rp-filter", "Strict reverse-path filtering: the way back to the source leaves by another interface.", "Set rp_filter=2 or 0 on the interface (and on `all`: the larger value counts).";
    NotForwarding, "not-forwarding", "The packet is for another host and this host does not forward.", "If it is a real server: give it the virtual address (ip addr add VIP/32 dev lo). If it is a NAT director: net.ipv4.ip_forward=1.";
    NotForwardedLinkGroup, "group-frame", "Packets that came in a broadcast or multicast frame are not forwarded.", "Look for a NOARP interface or a wrong neighbour entry at the sender.";
    NoRoute, "no-route", "No route to the destination.", "Add a route: ip route add default via GATEWAY.";
    Blackhole, "blackhole", "A blackhole route swallowed the packet.", "ip route del blackhole …";
    Unreachable, "unreachable-route", "An `unreachable` route refused the packet.", "ip route del unreachable …";
    Prohibit, "prohibit-route", "A `prohibit` route refused the packet.", "ip route del prohibit …";
    TtlExpired, "ttl-expired", "The time to live ran out.", "Look for a routing loop: direct routing to a server that lacks the virtual address and forwards, or that is behind a router.";
    TooBig, "too-big", "The packet is larger than the MTU and must not be fragmented.", "Let ICMP 3/4 through, or lower the MSS.";
    BadNdisc, "bad-ndisc", "The message of neighbour discovery breaks the rules (its hop limit is not 255, or its target is a group).", "It came through a router or is forged: look who sends it.";
    NeighbourFailed, "neighbour-failed", "Nobody answered for the next hop's link address.", "Is the host up, in this network, and allowed to answer (arp_ignore)?";
    NeighbourQueue, "neighbour-queue", "Too many packets already waited for the next hop's link address.", "The oldest is dropped; it is over when the address resolves.";
    FragmentRepeated, "fragment-repeated", "The fragment had come before, or overlaps another one.", "Look for a loop, or for two hosts that use one address.";
    FragmentMemory, "fragment-memory", "Fragments that wait for the rest take 4 MB of memory already.", "Look for loss, lower net.ipv4.ipfrag_time, or send smaller datagrams.";
    ReassemblyTimeout, "reassembly-timeout", "Fragments were missing for 30 s.", "Look for loss, or for fragments that take different ways.";
    NoTunnel, "no-tunnel", "A tunnelled packet arrived and no tunnel interface takes it.", "On the real server: modprobe ipip; ip link set tunl0 up; ip addr add VIP/32 dev tunl0 (for GRE: modprobe ip_gre and gre0; for IPv6: modprobe ip6_tunnel and ip6tnl0).";
    NoTunnelPort, "no-tunnel-port", "A packet in UDP (GUE) came to a port where no tunnel ends; ICMP port unreachable answers it.", "On the real server: ip fou add port PORT gue, with the --tun-port of the director.";
    TunnelChecksum, "tunnel-checksum", "The tunnel device expects GRE packets with a checksum and got one without, or the other way round.", "--tun-csum on the director goes with `icsum` on the real server: ip link add gre1 type gre local ADDRESS icsum.";
    TunnelHeader, "tunnel-header", "The UDP port expects bare packets, and this one has the header of GUE.", "On the real server: ip fou add port PORT gue, not ipproto.";
    TunnelFromSelf, "tunnel-from-self", "The outer source of the tunnelled packet is an address of this host, so the tunnel refuses it.", "The director speaks with the virtual address: add it there as deprecated, ip addr add VIP/128 dev eth0 preferred_lft 0.";
    NoProtocol, "no-protocol", "No handler for this IP protocol.", "Load the module: modprobe ipip (IP in IP and GUE), modprobe ip_gre (GRE), modprobe ip6_tunnel (IPv6).";
    NoSocket, "no-socket", "No socket for this TCP segment; a reset answers it.", "Is the server listening on this port and address? Did the connection end, or move to another director without synchronisation?";
    NoUdpSocket, "no-udp-socket", "No socket for this UDP datagram; ICMP port unreachable answers it.", "Is the server listening on this port? Behind direct routing a UDP server must answer from the virtual address.";
    StaleSegment, "stale-segment", "The segment does not fit the connection (old, duplicate or reset out of window).", "Nothing to mend: duplicates follow retransmission.";
    BacklogFull, "backlog-full", "The accept queue of the listening socket was full.", "Raise the server's `backlog` or `workers`, or lower the load.";
    NoDestination, "no-destination", "No real server may take the connection; ICMP port unreachable answers it.", "All weights 0, all servers above -x, or the service has none: look at ipvsadm -Ln.";
    DestinationGone, "destination-gone", "The connection's real server was removed; packets are dropped silently.", "net.ipv4.vs.expire_nodest_conn=1 reschedules such connections.";
    DropDefence, "drop-packet", "The drop_packet defence dropped the packet.", "net.ipv4.vs.drop_packet=0";
    Confirmed, "reuse-with-conntrack", "The connection is rescheduled but netfilter still knows the old one.", "net.ipv4.vs.conntrack=0, or let the client use another port.";
    IpvsTtl, "ipvs-ttl", "The time to live ran out when the director forwarded the packet.", "Look for a loop: a real server without the virtual address that forwards, or one behind a router under direct routing.";
    IpvsTooBig, "ipvs-too-big", "The packet does not fit the way to the real server (tunnel overhead included).", "Let ICMP 3/4 through to the client, or set net.ipv4.vs.pmtu_disc=0.";
    IpvsNoRoute, "ipvs-no-route", "The director has no route to the real server.", "ip route add … on the director.";
    IpvsLocalSource, "ipvs-local-source", "Masquerading to 127.0.0.0/8 works only for clients on the director itself.", "Give the local server a real address.";
    TunnelMtu, "tunnel-mtu", "The MTU inside the tunnel is too small.", "Raise the MTU on the way to the real server.";
    NatIcmp, "nat-icmp-send", "A packet of a masqueraded server matches no connection and nat_icmp_send=1 refuses it.", "net.ipv4.vs.nat_icmp_send=0, or route the server's own traffic elsewhere.";
    NoCallId, "no-call-id", "A SIP datagram without Call-ID cannot be scheduled.", "Use --pe sip only for SIP.";
    NotInGroup, "not-in-group", "The packet is for a multicast group that nobody here has joined (a switch floods it).", "Nothing to mend: switches without IGMP snooping send multicast to everybody.";
    SyncQueue, "sync-queue", "More synchronisation messages waited than may.", "Raise net.ipv4.vs.sync_qlen_max, or announce less often: net.ipv4.vs.sync_threshold, sync_refresh_period.";
    SyncTooLong, "sync-too-long", "The synchronisation message does not fit the MTU of its interface (its fragments are outside the model).", "Lower --sync-maxlen to the MTU less 28.";
    SyncBuffer, "sync-buffer", "The synchronisation message is longer than the backup daemon's buffer.", "Start both daemons with the same --sync-maxlen.";
    SyncNobody, "sync-nobody", "No backup daemon listens to this group and port on this interface.", "Give both daemons the same --mcast-group, --mcast-port and net.ipv4.vs.sync_ports.";
    SyncOther, "sync-other-id", "The synchronisation message carries another syncid than the backup daemon's.", "Give both daemons the same --syncid, or the backup none (0 takes all).";
    UnansweredIcmp, "unhandled-icmp", "An ICMP message that nobody waits for.", "Nothing to mend.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sentences_end() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
        assert!(DropReason::ALL.iter().all(|r| r.sentence().ends_with('.') && !r.cure().is_empty()));
    }
}
