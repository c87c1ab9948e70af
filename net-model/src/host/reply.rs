//! Replies of masqueraded servers, after the director has given them the service's address.
//!
//! Linux routes them again as if the director itself had sent them (`net.ipv4.vs.snat_reroute`, on by default): rules that
//! look at the source address then see the service, rules for an incoming interface match no longer, and the packet's
//! mark counts as it is now. Only policy routing (`ip rule`) makes a difference. With 0 a forwarded reply keeps the way
//! that its server's address found, and so does the reply of a server on the director.

use super::node::Host;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::recorder::Place;

impl Host {
    /// A reply on its way through, from the server's address `speaker`: the packet, if it goes on as it was routed.
    #[inline]
    pub(super) fn forward_reply(&mut self, cx: &mut Cx, frame: FrameId, speaker: Addr) -> Option<FrameId> {
        self.tell_reply(cx, &frame, speaker);
        if !self.stack.has_rules() || !self.reroutes_replies() {
            return Some(frame);
        }
        let source = cx.wiring.frames.packet_mut(&frame).src;
        self.send_as(cx, frame, source);
        None
    }

    /// A reply of a server on this host, from its address `speaker`: the packet, if it is routed like any other.
    pub(super) fn send_reply(&mut self, cx: &mut Cx, frame: FrameId, speaker: Addr) -> Option<FrameId> {
        self.tell_reply(cx, &frame, speaker);
        if !self.stack.has_rules() {
            return Some(frame);
        }
        let source = if self.reroutes_replies() { cx.wiring.frames.packet_mut(&frame).src } else { speaker };
        self.send_as(cx, frame, source);
        None
    }

    fn reroutes_replies(&self) -> bool {
        self.director.as_ref().is_some_and(|director| director.reroutes_replies())
    }

    /// Sends a packet the way that packets of `source` take, whoever has that address.
    #[cold]
    fn send_as(&mut self, cx: &mut Cx, frame: FrameId, source: Addr) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let (to, mark) = (packet.dst, packet.mark);
        match self.stack.route_output_as(to, source, mark) {
            Ok(route) => self.emit(cx, frame, &route, to),
            Err(error) => cx.drop(Place::Host(self.id), frame, error.drop_reason()),
        }
    }
}
