//! Tunnelling (`-i`): the packet travels inside another one, from the director to the real server.

use super::{Verdict, Way, check, flow_hash};
use crate::addr::Addr;
use crate::ipvs::config::{GueChecksum, Tunnel};
use crate::ipvs::director::Hook;
use crate::packet::{Encapsulation, Outer, Packet};

/// The source ports of GUE packets: an ephemeral port that the flow's hash chooses.
const EPHEMERAL: std::ops::Range<u64> = 32_768..61_000;

pub(super) fn send(packet: &mut Packet, way: Way, tunnel: Tunnel, hook: Hook, pmtu_disc: bool) -> Verdict {
    let overhead = overhead(tunnel, way.to) + remote_checksum(tunnel, hook);
    let path = match check(packet, way, overhead, pmtu_disc) {
        Ok(path) => path,
        Err(verdict) => return verdict,
    };
    wrap(packet, [path.source, way.to], tunnel, overhead, pmtu_disc);
    Verdict::Send { to: way.to }
}

/// Puts a packet that fits into a tunnel between these ends.
#[inline(always)] // once a packet
pub(in super::super) fn wrap(
    packet: &mut Packet,
    [src, dst]: [Addr; 2],
    tunnel: Tunnel,
    overhead: u16,
    pmtu_disc: bool,
) {
    let df = packet.df && pmtu_disc && dst.is_v4();
    packet.outer = Some(Outer {
        src,
        dst,
        kind: encapsulation(tunnel, packet),
        overhead,
        id: if df || !dst.is_v4() { 0 } else { identification(packet) },
        df,
        ttl: packet.ttl,
        tos: outer_tos(packet.tos),
    });
}

/// An arbitrary identification for the outer header of a packet that may be cut: fragments are put together by it.
fn identification(packet: &Packet) -> u16 {
    let flow = flow_hash(packet);
    (packet.id.wrapping_add((flow >> 48 ^ flow >> 16) as u16)).max(1)
}

/// Bytes of the outer headers.
pub(super) fn overhead(tunnel: Tunnel, to: Addr) -> u16 {
    let ip = if to.is_v4() { 20 } else { 40 };
    ip + match tunnel {
        Tunnel::IpIp => 0,
        Tunnel::Gre { checksum: false } => 4,
        Tunnel::Gre { checksum: true } => 8,
        Tunnel::Gue { .. } => 12,
    }
}

/// `--tun-remcsum` leaves the checksum of the inner packet to the real server: eight bytes more, and only for packets whose
/// checksum the director would have to compute, those of its own programs (recorded from Linux 6.1).
fn remote_checksum(tunnel: Tunnel, hook: Hook) -> u16 {
    let is_remote = matches!(tunnel, Tunnel::Gue { checksum: GueChecksum::Remote, .. });
    if is_remote && hook == Hook::LocalOut { 8 } else { 0 }
}

fn encapsulation(tunnel: Tunnel, packet: &Packet) -> Encapsulation {
    match tunnel {
        Tunnel::IpIp => Encapsulation::IpIp,
        Tunnel::Gre { checksum } => Encapsulation::Gre { checksum },
        Tunnel::Gue { port, checksum } => Encapsulation::Gue {
            sport: (EPHEMERAL.start + flow_hash(packet) % (EPHEMERAL.end - EPHEMERAL.start)) as u16,
            dport: port,
            checksum: checksum != GueChecksum::None,
        },
    }
}

/// DSCP is copied, and so is ECN, except that "congestion experienced" becomes ECT(0) (RFC 3168).
fn outer_tos(inner: u8) -> u8 {
    const ECT0: u8 = 2;
    const CE: u8 = 3;
    if inner & CE == CE { (inner & !CE) | ECT0 } else { inner }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn congestion_experienced_becomes_ect0_outside() {
        assert_eq!([0xb8, 0xb9, 0xba, 0xbb].map(outer_tos), [0xb8, 0xb9, 0xba, 0xba]);
    }

    #[test]
    fn the_overhead_of_each_encapsulation() {
        let v4 = Addr::v4(0x0a00_0003);
        let gue = Tunnel::Gue { port: 6080, checksum: GueChecksum::None };
        let tunnels = [Tunnel::IpIp, Tunnel::Gre { checksum: false }, Tunnel::Gre { checksum: true }, gue];
        assert_eq!(tunnels.map(|tunnel| 1500 - overhead(tunnel, v4)), [1480, 1476, 1472, 1468]);
        assert_eq!(overhead(Tunnel::IpIp, Addr::v6(1)), 40);
    }

    #[test]
    fn a_checksum_left_to_the_server_costs_the_directors_own_packets_eight_bytes() {
        let with = |checksum| Tunnel::Gue { port: 6080, checksum };
        assert_eq!(remote_checksum(with(GueChecksum::Remote), Hook::LocalOut), 8);
        assert_eq!(remote_checksum(with(GueChecksum::Remote), Hook::LocalIn), 0);
        assert_eq!(remote_checksum(with(GueChecksum::Full), Hook::LocalOut), 0);
    }
}
