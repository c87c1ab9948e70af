//! What cases are made of: the schedulers, services, numbers and settings among which a case is drawn.

use super::case::{V6_FROM, VIPS};
use crate::job::Close;

/// Schedulers of Debian's kernel, with the flags they know.
pub(super) const SCHEDULERS: [(&str, &[&str]); 13] = [
    ("rr", &[]),
    ("wrr", &[]),
    ("lc", &[]),
    ("wlc", &[]),
    ("sed", &[]),
    ("nq", &[]),
    ("fo", &[]),
    ("ovf", &[]),
    ("dh", &[]),
    ("lblc", &[]),
    ("lblcr", &[]),
    ("sh", &["sh-fallback", "sh-port", "sh-fallback,sh-port"]),
    ("mh", &["mh-fallback", "mh-port", "mh-fallback,mh-port"]),
];

/// Weights, the usual ones most often.
pub(super) const WEIGHTS: [i32; 16] = [1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 10, 100, 0, 0, 65_535];

/// Who closes, the usual ones most often.
pub(super) const CLOSES: [Close; 8] = [
    Close::Server,
    Close::Server,
    Close::Client,
    Close::Reset,
    Close::Reset,
    Close::Nobody,
    Close::Nobody,
    Close::Nobody,
];

/// Settings of the director that change what it decides, with values that they take.
pub(super) const SETTINGS: [(&str, &[&str]); 5] = [
    ("conn_reuse_mode", &["0", "1", "2", "3"]),
    ("expire_nodest_conn", &["0", "1"]),
    ("expire_quiescent_template", &["0", "1"]),
    ("sloppy_tcp", &["0", "1"]),
    ("secure_tcp", &["0", "3"]),
];

/// `arp_ignore` and `arp_announce` of real servers that have the virtual addresses, and of those that do not. Of the
/// first some speak up for addresses that are not theirs.
pub(super) const ARP_WITH_VIP: [(u8, u8); 16] = [
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 2),
    (1, 1),
    (1, 1),
    (1, 0),
    (2, 2),
    (2, 2),
    (8, 2),
    (0, 0),
];
/// See [`ARP_WITH_VIP`].
pub(super) const ARP_WITHOUT_VIP: [(u8, u8); 6] = [(0, 0), (0, 0), (0, 0), (1, 0), (1, 2), (2, 1)];
/// ARP settings of a director that has some.
pub(super) const ARP_OF_DIRECTOR: [(u8, u8); 4] = [(1, 0), (1, 2), (0, 1), (0, 2)];

/// The commands that look at the director.
pub(super) const LOOKS: [&str; 3] = ["ipvsadm -Ln", "ipvsadm -Lnc", "ipvsadm -Ln --stats --exact"];

/// Lengths of persistence in seconds: short ones, which end within a case, and usual ones.
pub(super) const PERSISTENCE: [u32; 8] = [2, 3, 5, 8, 15, 30, 60, 360];
/// Networks of clients that are one client.
pub(super) const NETMASKS: [&str; 2] = ["255.255.255.0", "255.255.0.0"];
/// See [`NETMASKS`], for IPv6.
pub(super) const PREFIXES: [&str; 3] = ["120", "64", "48"];
/// Seconds for `ipvsadm --set`: TCP, TCP after a FIN, UDP. 0 changes nothing.
pub(super) const TIMEOUTS: [&[u32]; 3] = [&[0, 3, 6, 12, 30, 600], &[0, 1, 2, 4, 30], &[0, 1, 2, 5, 10, 60]];

/// A virtual service that a case may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Service {
    /// What identifies it on the command line.
    pub(super) id: &'static str,
    /// Its port, 0 for all.
    pub(super) port: u16,
    /// What clients ask for: UDP or not, virtual address, port.
    pub(super) asked: &'static [(bool, usize, u16)],
    /// It must be persistent.
    pub(super) persistent: bool,
}

const fn service(id: &'static str, port: u16, asked: &'static [(bool, usize, u16)]) -> Service {
    Service { id, port, asked, persistent: false }
}

const fn persistent(id: &'static str, asked: &'static [(bool, usize, u16)]) -> Service {
    Service { id, port: 0, asked, persistent: true }
}

/// All services, those of IPv4 first, and in the same order those of IPv6.
pub(super) const SERVICES: [Service; 12] = [
    service("-t 10.0.0.100:80", 80, &[(false, 0, 80)]),
    service("-u 10.0.0.100:53", 53, &[(true, 0, 53)]),
    persistent("-t 10.0.0.100:0", &[(false, 0, 8080), (false, 0, 80)]),
    service("-f 1", 0, &[(false, 1, 80), (true, 1, 53), (false, 0, 80)]),
    service("-t 10.0.0.101:80", 80, &[(false, 1, 80)]),
    service("-u 10.0.0.101:53", 53, &[(true, 1, 53)]),
    service("-t [2001:db8::100]:80", 80, &[(false, 2, 80)]),
    service("-u [2001:db8::100]:53", 53, &[(true, 2, 53)]),
    persistent("-t [2001:db8::100]:0", &[(false, 2, 8080), (false, 2, 80)]),
    service("-f 2 -6", 0, &[(false, 3, 80), (true, 3, 53), (false, 2, 80)]),
    service("-t [2001:db8::101]:80", 80, &[(false, 3, 80)]),
    service("-u [2001:db8::101]:53", 53, &[(true, 3, 53)]),
];

impl Service {
    /// Does it speak IPv6?
    pub(super) fn is_v6(&self) -> bool {
        self.asked[0].1 >= V6_FROM
    }

    /// Is it one of a firewall mark?
    pub(super) fn is_marked(&self) -> bool {
        self.id.starts_with("-f")
    }

    /// Does it get datagrams?
    pub(super) fn has_datagrams(&self) -> bool {
        self.asked.iter().any(|(udp, ..)| *udp)
    }

    /// The rules that may mark its packets.
    pub(super) fn rules(&self) -> [String; 4] {
        let (program, mark) = if self.is_v6() { ("ip6tables", 2) } else { ("iptables", 1) };
        let (_, vip, _) = self.asked[0];
        let to = format!("-d {}", VIPS[vip]);
        let what = [
            to.clone(),
            format!("{to} -p tcp --dport 80"),
            format!("{to} -p udp --dport 53"),
            "-p tcp --dport 80".into(),
        ];
        what.map(|what| format!("{program} -t mangle -A PREROUTING {what} -j MARK --set-mark {mark}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_are_at_the_virtual_addresses() {
        for service in SERVICES.iter().filter(|service| !service.is_marked()) {
            let (_, vip, _) = service.asked[0];
            assert!(service.id.contains(VIPS[vip]), "{}", service.id);
            assert!(service.asked.iter().all(|(_, of, _)| (*of >= V6_FROM) == service.is_v6()));
        }
    }

    #[test]
    fn the_services_of_ipv6_are_those_of_ipv4() {
        let (four, six) = SERVICES.split_at(SERVICES.len() / 2);
        for (four, six) in four.iter().zip(six) {
            assert!(!four.is_v6() && six.is_v6());
            assert_eq!(
                (four.port, four.persistent, four.is_marked()),
                (six.port, six.persistent, six.is_marked())
            );
            assert_eq!(four.asked.len(), six.asked.len());
        }
    }
}
