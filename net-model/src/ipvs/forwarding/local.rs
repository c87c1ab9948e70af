//! A server on the director. Direct routing and tunnels simply go on into the local stack; masquerading rewrites
//! address and port first.

use super::{Verdict, nat};
use crate::ipvs::director::Hook;
use crate::ipvs::mapping::Mapping;
use crate::packet::Packet;
use crate::verdict::DropReason;

pub(super) fn deliver_translated(packet: &mut Packet, mapping: &Mapping, hook: Hook) -> Verdict {
    if mapping.real.0.is_loopback() && hook != Hook::LocalOut {
        return Verdict::Drop(DropReason::IpvsLocalSource);
    }
    nat::translate_request(packet, mapping);
    Verdict::Accept
}
