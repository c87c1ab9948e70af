//! Direct routing (`-g`): the packet goes unchanged to the real server's link address, but for the time to live.

use super::{Verdict, check};
use crate::addr::Addr;
use crate::ipvs::verdict::Path;
use crate::packet::Packet;

pub(super) fn send(packet: &mut Packet, to: Addr, path_mtu: Option<u16>, path: Option<Path>) -> Verdict {
    match check(packet, path, path_mtu, 0, true) {
        Ok(_) => Verdict::Send { to },
        Err(verdict) => verdict,
    }
}
