//! Direct routing (`-g`): the packet goes unchanged to the real server's link address, but for the time to live.

use super::{Verdict, check};
use crate::addr::Addr;
use crate::ipvs::verdict::Surroundings;
use crate::packet::Packet;

pub(super) fn send(
    packet: &mut Packet,
    to: Addr,
    path_mtu: Option<u16>,
    host: &impl Surroundings,
) -> Verdict {
    match check(packet, to, path_mtu, 0, true, host) {
        Ok(_) => Verdict::Send { to },
        Err(verdict) => verdict,
    }
}
