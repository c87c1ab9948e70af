//! ICMP errors: which packets deserve one, from which address it comes, what it says, and how many are sent.
//!
//! An error about a packet addressed to this host comes from that address, which is why a director's errors come from
//! the virtual address; others come from the host's own. The limits are `net.ipv4.icmp_ratelimit`, `icmp_ratemask`,
//! `icmp_msgs_per_sec` and `icmp_msgs_burst`. IPv6: the same rules with the types of ICMPv6, no redirects.

use super::conf::HostKey;
use super::fib::{Key, RouteKind};
use super::route::RouteClass;
use super::stack::Stack;
use crate::addr::Addr;
use crate::packet::{Icmp, Packet, Payload};
use sim_core::{Duration, Time};

/// The longest ICMP error, IP header included (RFC 792 asks for less, RFC 1812 allows this).
const LONGEST: u16 = 576;
/// The same for IPv6 (RFC 4443).
const LONGEST_V6: u16 = 1280;
/// Precedence "internetwork control".
const ERROR_TOS: u8 = 0xc0;

/// An ICMP error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// 3/0
    NetUnreachable,
    /// 3/1
    HostUnreachable,
    /// 3/2
    ProtocolUnreachable,
    /// 3/3
    PortUnreachable,
    /// 3/4
    FragmentationNeeded {
        /// The MTU that would do.
        mtu: u32,
    },
    /// 3/9
    NetProhibited,
    /// 3/10
    HostProhibited,
    /// 3/13
    Prohibited,
    /// 11/0
    TimeExceeded,
    /// 11/1
    ReassemblyTimeExceeded,
    /// 5/1
    Redirect {
        /// The better gateway.
        gateway: Addr,
    },
}

impl Error {
    /// Type, code and the four bytes after the checksum. For IPv6 the types of RFC 4443.
    pub fn header(self, is_v4: bool) -> (u8, u8, u32) {
        if !is_v4 {
            return match self {
                Error::NetUnreachable => (1, 0, 0),
                Error::NetProhibited | Error::HostProhibited | Error::Prohibited => (1, 1, 0),
                Error::HostUnreachable => (1, 3, 0),
                Error::PortUnreachable => (1, 4, 0),
                Error::FragmentationNeeded { mtu } => (2, 0, mtu),
                Error::TimeExceeded => (3, 0, 0),
                Error::ReassemblyTimeExceeded => (3, 1, 0),
                Error::ProtocolUnreachable => (4, 1, 6),
                Error::Redirect { .. } => (137, 0, 0),
            };
        }
        match self {
            Error::NetUnreachable => (3, 0, 0),
            Error::HostUnreachable => (3, 1, 0),
            Error::ProtocolUnreachable => (3, 2, 0),
            Error::PortUnreachable => (3, 3, 0),
            Error::FragmentationNeeded { mtu } => (3, 4, mtu),
            Error::Redirect { gateway } => (5, 1, gateway.to_v4_bits().unwrap_or(0)),
            Error::TimeExceeded => (11, 0, 0),
            Error::ReassemblyTimeExceeded => (11, 1, 0),
            Error::NetProhibited => (3, 9, 0),
            Error::HostProhibited => (3, 10, 0),
            Error::Prohibited => (3, 13, 0),
        }
    }
}

/// What led to an error: it decides the source address and the price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Something about the packet itself: its port, its size, its time to live.
    Packet,
    /// Input routing refused it: the error costs two tokens.
    Route,
    /// The next hop's link address is unknown: the error comes from the host's own address even if the packet was
    /// addressed to a virtual one.
    Neighbour,
}

impl<H> Stack<H> {
    /// The error to send about a packet as it stands now, or none: some packets never get one, and there are limits.
    /// `in_group_frame`: it came in a broadcast or multicast frame.
    pub fn icmp_error(
        &mut self,
        now: Time,
        error: Error,
        cause: Cause,
        about: &Packet,
        in_group_frame: bool,
    ) -> Option<Packet> {
        if in_group_frame || !self.deserves_error(about) {
            return None;
        }
        let recipient = about.routed_src();
        let route = self.route_output(recipient, None, 0).ok()?;
        if route.kind == RouteClass::Broadcast || recipient.is_v4() != about.routed_dst().is_v4() {
            return None;
        }
        if route.kind != RouteClass::Local && !self.limits_allow(now, error, cause, recipient) {
            return None;
        }
        let addressed = about.routed_dst();
        let is_ours = cause != Cause::Neighbour && self.is_local(addressed);
        let source = if is_ours { addressed } else { route.source };
        Some(self.make_error(error, about, source))
    }

    /// Puts an error about `about` together: header, type and code, and as much of the packet as fits.
    pub(super) fn make_error(&mut self, error: Error, about: &Packet, source: Addr) -> Packet {
        let recipient = about.routed_src();
        let is_v4 = recipient.is_v4();
        let (kind, code, info) = error.header(is_v4);
        let (header, longest) = if is_v4 { (28, LONGEST) } else { (48, LONGEST_V6) };
        Packet {
            src: source,
            dst: recipient,
            mark: 0,
            flow: about.flow,
            len: header + about.wire_len().min(longest - header),
            id: self.next_ip_id(),
            fragment_offset: 0,
            more_fragments: false,
            df: false,
            ttl: self.own_ttl(is_v4),
            tos: if is_v4 { ERROR_TOS } else { 0 },
            payload: Payload::Icmp(Icmp { kind, code, info, quote: Some(Box::new(about.clone())) }),
            outer: None,
            text: None,
        }
    }

    /// Never about ICMP errors, later fragments, packets to everybody, or packets from nobody in particular.
    pub(super) fn deserves_error(&self, about: &Packet) -> bool {
        let is_error = about.outer.is_none() && is_icmp_error(about);
        let (src, dst) = (about.routed_src(), about.routed_dst());
        let is_from_nobody = src.is_unspecified()
            || src.is_multicast()
            || src == Addr::BROADCAST_V4
            || (src.is_loopback() && !self.is_local(dst))
            || self.local_kind(src) == Some(RouteKind::Broadcast);
        let is_to_all = dst.is_multicast()
            || dst == Addr::BROADCAST_V4
            || self.local_kind(dst) == Some(RouteKind::Broadcast);
        about.fragment_offset == 0 && !is_error && !is_from_nobody && !is_to_all
    }

    /// What an error costs. IPv6 has more bandwidth for wider routes: half the price for each 32 bits that the route to
    /// the recipient leaves open (recorded from Linux 6.1: 8 errors at once to a /48 or /64, a sixteenth of a second each
    /// by the default route).
    fn ratelimit(&self, recipient: Addr) -> Duration {
        let ratelimit = self.host.get(HostKey::IcmpRatelimit) as u64;
        if recipient.is_v4() {
            return Duration::from_millis(ratelimit);
        }
        let route = self.fib.lookup(&Key::to(recipient));
        let open = route.map_or(0, |route| 128 - route.prefix.len());
        /// Linux counts in jiffies, and halves those.
        const JIFFY_MS: u64 = 4;
        Duration::from_millis(((ratelimit / JIFFY_MS) >> (open >> 5)) * JIFFY_MS)
    }

    fn limits_allow(&mut self, now: Time, error: Error, cause: Cause, recipient: Addr) -> bool {
        let (kind, code, _) = error.header(recipient.is_v4());
        let is_size = if recipient.is_v4() { (kind, code) == (3, 4) } else { kind == 2 };
        let mask = self.host.get(HostKey::IcmpRatemask);
        let is_masked = recipient.is_v4() && (kind > 31 || mask >> kind & 1 == 0);
        if is_size || is_masked {
            return true;
        }
        let per_second = self.host.get(HostKey::IcmpMsgsPerSec) as u64;
        let burst = self.host.get(HostKey::IcmpMsgsBurst) as u64;
        let ratelimit = self.ratelimit(recipient);
        let now = self.neighbours.timer_kind.last_tick(now);
        // The recipient's account comes first: what it refuses costs the others nothing.
        self.limits.allows(now, recipient, ratelimit, cause == Cause::Route)
            && self.limits.allows_any(now, per_second, burst)
    }
}

/// Is this packet an ICMP error (and not an echo or another question)?
pub fn is_icmp_error(packet: &Packet) -> bool {
    match &packet.payload {
        Payload::Icmp(icmp) if packet.src.is_v4() => matches!(icmp.kind, 3 | 4 | 5 | 11 | 12),
        Payload::Icmp(icmp) => icmp.kind < 128 || icmp.kind == 137,
        Payload::Tcp(_)
        | Payload::Udp(_)
        | Payload::Sync(_)
        | Payload::Sctp(_)
        | Payload::Ndisc(_)
        | Payload::Fragment(_)
        | Payload::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::host::interface::InterfaceKind;
    use crate::packet::{Encapsulation, Outer};
    use sim_core::{Timers, Wheel};

    fn director() -> Host {
        let mut host = host(&[("eth0", "10.0.0.1/24 10.0.0.100/32")]);
        via(&mut host, "default", "10.0.0.254");
        sysctl(&mut host, "ip_forward=1");
        host
    }

    fn error(host: &mut Host, error: Error, cause: Cause, about: &Packet) -> Option<Packet> {
        host.icmp_error(at(1.0), error, cause, about, false)
    }

    /// [seen] A 60-byte SYN is quoted whole (88 bytes); a full-size segment is cut so that the error has 576 bytes.
    #[test]
    fn layout() {
        for (len, expected) in [(60, 88), (548, 576), (549, 576), (1500, 576)] {
            let about = tcp("192.168.1.10", "10.0.0.100", len);
            let made = error(&mut director(), Error::PortUnreachable, Cause::Packet, &about).unwrap();
            assert_eq!(made.len, expected);
            assert_eq!((made.tos, made.ttl, made.df), (0xc0, 64, false));
            let Payload::Icmp(icmp) = &made.payload else { panic!("an ICMP error") };
            assert_eq!((icmp.kind, icmp.code, icmp.info), (3, 3, 0));
            assert_eq!(icmp.quote.as_deref(), Some(&about));
        }
        let big = Error::FragmentationNeeded { mtu: 1480 };
        let made =
            error(&mut director(), big, Cause::Packet, &tcp("192.168.1.10", "10.0.0.100", 1500)).unwrap();
        assert!(matches!(made.payload, Payload::Icmp(Icmp { kind: 3, code: 4, info: 1480, .. })));
    }

    /// [seen] Errors about packets to the virtual address come from it, but for a real server whose link address is
    /// unknown; errors about packets passing through come from the host's own address towards the recipient.
    #[test]
    fn source() {
        let to_vip = tcp("192.168.1.10", "10.0.0.100", 60);
        let passing = tcp("192.168.1.10", "10.9.0.1", 60);
        let table = [
            (&to_vip, Cause::Packet, "10.0.0.100"),
            (&to_vip, Cause::Neighbour, "10.0.0.1"),
            (&passing, Cause::Packet, "10.0.0.1"),
            (&passing, Cause::Route, "10.0.0.1"),
        ];
        for (about, cause, source) in table {
            let made = error(&mut director(), Error::HostUnreachable, cause, about).unwrap();
            assert_eq!((made.src, made.dst), (addr(source), addr("192.168.1.10")), "{cause:?}");
        }
    }

    #[test]
    fn a_tunnelled_packet_is_answered_to_the_tunnel() {
        let mut server = host(&[("eth0", "10.0.0.12/24")]);
        let mut about = tcp("192.168.1.10", "10.0.0.100", 60);
        about.outer = Some(Outer {
            src: addr("10.0.0.1"),
            dst: addr("10.0.0.12"),
            kind: Encapsulation::IpIp,
            overhead: 20,
            id: 0,
            df: true,
            ttl: 62,
            tos: 0,
        });
        let made = error(&mut server, Error::PortUnreachable, Cause::Packet, &about).unwrap();
        assert_eq!((made.src, made.dst), (addr("10.0.0.12"), addr("10.0.0.1")));
        assert_eq!(made.len, 108, "as recorded: the outer packet of a SYN is quoted");
    }

    #[test]
    fn some_packets_never_get_an_error() {
        let plain = tcp("192.168.1.10", "10.0.0.100", 60);
        let mut host = director();
        assert!(error(&mut host, Error::PortUnreachable, Cause::Packet, &plain).is_some());
        assert!(host.icmp_error(at(1.0), Error::PortUnreachable, Cause::Packet, &plain, true).is_none());
        let about_error = error(&mut host, Error::PortUnreachable, Cause::Packet, &plain).unwrap();
        let later_fragment = Packet { fragment_offset: 1480, ..plain.clone() };
        let about = |src: &str, dst: &str| tcp(src, dst, 60);
        let never = [
            about_error,
            later_fragment,
            about("0.0.0.0", "10.0.0.100"),
            about("224.0.0.1", "10.0.0.100"),
            about("255.255.255.255", "10.0.0.100"),
            about("10.0.0.255", "10.0.0.100"),
            about("192.168.1.10", "10.0.0.255"),
            about("192.168.1.10", "224.0.0.1"),
        ];
        for about in never {
            assert_eq!(error(&mut host, Error::TimeExceeded, Cause::Packet, &about), None, "{about:?}");
        }
        let mut ping = plain;
        ping.payload = Payload::Icmp(Icmp { kind: 8, code: 0, info: 0, quote: None });
        assert!(error(&mut host, Error::TimeExceeded, Cause::Packet, &ping).is_some(), "an echo request may");
    }

    #[test]
    fn without_a_route_to_the_sender_nothing_is_said() {
        let mut host = host(&[("eth0", "10.0.0.1/24")]);
        let about = tcp("192.168.1.10", "10.0.0.1", 60);
        assert_eq!(error(&mut host, Error::PortUnreachable, Cause::Packet, &about), None);
    }

    /// Six at once to one recipient; 3/4 is free, and other recipients have accounts of their own. A missing route
    /// costs two tokens.
    #[test]
    fn limits() {
        let count = |kind: Error, cause| {
            let mut host = director();
            let about = tcp("192.168.1.10", "10.9.0.1", 60);
            let sent = (0..20).filter(|_| error(&mut host, kind, cause, &about).is_some()).count();
            let other = tcp("192.168.1.11", "10.9.0.1", 60);
            assert!(error(&mut host, kind, cause, &other).is_some());
            sent
        };
        assert_eq!(count(Error::TimeExceeded, Cause::Packet), 6);
        assert_eq!(count(Error::NetUnreachable, Cause::Route), 2);
        assert_eq!(count(Error::FragmentationNeeded { mtu: 1400 }, Cause::Packet), 20);
        let mut unlimited = director();
        sysctl(&mut unlimited, "icmp_ratelimit=0 icmp_msgs_burst=1000");
        let about = tcp("192.168.1.10", "10.9.0.1", 60);
        let sent =
            (0..20).filter(|_| error(&mut unlimited, Error::TimeExceeded, Cause::Packet, &about).is_some());
        assert_eq!(sent.count(), 20);
    }

    /// Recorded from Linux 6.1: a host that has spent all it had answers again 250 jiffies later, which is 996 to 1000 ms
    /// after the last answer.
    #[test]
    fn tokens_are_earned_tick_by_tick() {
        let about = tcp("192.168.1.10", "10.0.0.100", 60);
        for phase_ms in [0, 1, 2, 3] {
            let mut host = bare(Timers::Wheel(Wheel::new(250, Duration::from_millis(phase_ms))));
            let eth0 = host.add_interface("eth0", InterfaceKind::Ethernet, mac(0x01));
            host.set_up(eth0, true);
            add(&mut host, "eth0", "10.0.0.1/24");
            via(&mut host, "default", "10.0.0.254");
            let mut answers = |ms: u64| {
                let now = Time::ZERO + Duration::from_millis(ms);
                host.icmp_error(now, Error::PortUnreachable, Cause::Packet, &about, false).is_some()
            };
            assert_eq!((0..10).filter(|_| answers(100)).count(), 6);
            let next = (1000..).find(|ms| answers(*ms)).expect("some day");
            assert_eq!(next, 1100 - phase_ms, "{phase_ms} ms after a tick");
        }
    }

    /// Recorded from Linux 6.1, which counts in jiffies of 4 ms: after six errors at once the next one is due a second
    /// later by the route to a single host, and the sooner the wider the route is. IPv4 does not look at routes.
    #[test]
    fn wide_routes_of_ipv6_earn_tokens_faster() {
        let mut host = host(&[("eth0", "10.0.0.1/24 2001:db8::1/64")]);
        let routes = [
            ("2001:db8:1::1/128", "2001:db8:1::1", 1000),
            ("2001:db8:2::/96", "2001:db8:2::1", 500),
            ("2001:db8:3::/64", "2001:db8:3::1", 248),
            ("2001:db8:4::/48", "2001:db8:4::1", 248),
            ("::/0", "2001:db8:5::1", 60),
            ("0.0.0.0/0", "192.168.1.10", 1000),
        ];
        for (to, recipient, price_ms) in routes {
            let is_v4 = recipient.contains('.');
            via(&mut host, to, if is_v4 { "10.0.0.254" } else { "2001:db8::254" });
            let about = tcp(recipient, if is_v4 { "10.0.0.1" } else { "2001:db8::1" }, 60);
            let mut answers = |ms: u64| {
                let now = Time::ZERO + Duration::from_millis(ms);
                host.icmp_error(now, Error::PortUnreachable, Cause::Packet, &about, false).is_some()
            };
            assert_eq!((0..10).filter(|_| answers(1000)).count(), 6, "{to}");
            assert_eq!((1001..).find(|ms| answers(*ms)), Some(1000 + price_ms), "{to}");
        }
    }

    #[test]
    fn errors_to_the_host_itself_are_not_limited() {
        let mut host = director();
        let about = tcp("10.0.0.1", "10.0.0.100", 60);
        let sent =
            (0..20).filter(|_| error(&mut host, Error::PortUnreachable, Cause::Packet, &about).is_some());
        assert_eq!(sent.count(), 20);
    }

    #[test]
    fn ipv6_errors_have_their_own_types() {
        let mut host = host(&[("eth0", "2001:db8::1/64")]);
        let about = tcp("2001:db8::50", "2001:db8::1", 1500);
        let made = error(&mut host, Error::PortUnreachable, Cause::Packet, &about).unwrap();
        assert_eq!(made.len, 1280);
        assert!(matches!(made.payload, Payload::Icmp(Icmp { kind: 1, code: 4, .. })));
        assert!(is_icmp_error(&made));
    }
}
