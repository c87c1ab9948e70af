//! Confirmations that travel: what network namespaces of one kernel do, and machines of a real network do not.
//!
//! A segment sent by a socket that has just been acknowledged something confirms the neighbour it goes to. The kernel
//! keeps the mark on the packet itself, and between namespaces (veth) it survives: every router and director on the way
//! confirms its own next hop, too. [`Network::share_one_kernel`] switches this on, to compare with recordings made
//! that way; by default the mark stays in the host.

use super::node::Host;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::network::Network;

impl Network {
    /// All hosts are namespaces of one kernel: confirmations travel with packets.
    pub fn share_one_kernel(&mut self) {
        self.cx.confirming.get_or_insert_default();
    }
}

impl Host {
    /// A packet of this host: does it carry the mark?
    #[inline]
    pub(super) fn mark_confirmation(&self, cx: &mut Cx, frame: &FrameId) {
        if let Some(confirming) = &mut cx.confirming {
            match self.confirms {
                true => confirming.insert(frame.slot()),
                false => confirming.remove(&frame.slot()),
            };
        }
    }

    /// A packet of another host that this one sends on: the mark counts here, too.
    #[inline]
    pub(super) fn inherit_confirmation(&mut self, cx: &Cx, frame: &FrameId) {
        if let Some(confirming) = &cx.confirming {
            self.confirms = confirming.contains(&frame.slot());
        }
    }
}
