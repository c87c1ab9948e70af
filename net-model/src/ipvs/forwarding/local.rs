//! A server on the director. Direct routing and tunnels simply go on into the local stack; masquerading rewrites
//! address and port first.

use super::{Verdict, Way, nat};
use crate::ipvs::director::Hook;
use crate::ipvs::mapping::Mapping;
use crate::packet::Packet;
use crate::verdict::DropReason;

pub(super) fn deliver_translated(packet: &mut Packet, mapping: &Mapping, way: Way) -> Verdict {
    if way.to.is_loopback() && way.hook != Hook::LocalOut {
        return Verdict::Drop(DropReason::IpvsLocalSource);
    }
    nat::translate_request(packet, mapping);
    Verdict::Accept
}
