//! Direct routing (`-g`): the packet goes unchanged to the real server's link address, but for the time to live.

use super::{Verdict, Way, check};
use crate::packet::Packet;

#[inline]
pub(super) fn send(packet: &mut Packet, way: Way) -> Verdict {
    match check(packet, way, 0, true) {
        Ok(_) => Verdict::Send { to: way.to },
        Err(verdict) => verdict,
    }
}
