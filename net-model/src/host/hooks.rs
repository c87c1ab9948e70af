//! Where packets of others meet the host's director: LOCAL_IN and FORWARD, and what its verdicts lead to.

use super::exit::Leaver;
use super::netfilter::Onward;
use super::node::Host;
use super::output::{UNMARKED, error_of_ipvs};
use super::reassembly::Purpose;
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::Verdict;
use crate::packet::{Body, Frame, Payload};
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Host {
    /// LOCAL_IN: the director looks, if there is one, then the transport protocol.
    #[inline(never)]
    pub(super) fn past_director(&mut self, cx: &mut Cx, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let Some(director) = &mut self.director else { return self.transport_input(cx, frame) };
        // What LOCAL_OUT has seen is not looked at again: a packet of this host's own clients and servers counts once.
        if self.is_looping || !director.intercepts(packet.dst.family()) {
            self.tell_taker(cx, &frame);
            return self.transport_input(cx, frame);
        }
        let followed = cx.recorder.follows(packet.flow);
        if followed {
            director.record_decisions(true);
        }
        let verdict = director.local_in(cx.now, packet, &self.stack);
        if let (Verdict::Send { to }, false) = (&verdict, followed) {
            packet.mark = UNMARKED;
            let leaver = Leaver { to: *to, speaker: None, mark: UNMARKED, len: packet.wire_len() };
            self.arm_director(cx);
            self.inherit_confirmation(cx, &frame);
            return self.send_received(cx, frame, leaver);
        }
        self.follow_verdict(cx, frame, verdict, followed);
    }

    /// What the director has said about a packet for this host.
    #[inline(never)]
    pub(super) fn follow_verdict(&mut self, cx: &mut Cx, frame: FrameId, verdict: Verdict, followed: bool) {
        if followed {
            self.tell_decision(cx, &frame, &verdict);
        }
        self.arm_director(cx);
        match verdict {
            Verdict::Accept => {
                self.tell_taker(cx, &frame);
                self.transport_input(cx, frame);
            }
            Verdict::Send { to } => {
                self.inherit_confirmation(cx, &frame);
                cx.wiring.frames.packet_mut(&frame).mark = UNMARKED;
                self.send_received_towards(cx, frame, to);
            }
            other => self.ended_by_ipvs(cx, frame, other),
        }
    }

    /// Sends a packet of somebody else towards a real server. Nobody follows it.
    #[inline(always)] // a part of past_director
    fn send_received(&mut self, cx: &mut Cx, frame: FrameId, leaver: Leaver) {
        let left = match self.stack.known_exit(leaver) {
            Some(next_hop) => self.depart(cx, frame, next_hop, leaver.len),
            None => Some(frame),
        };
        if let Some(frame) = left {
            self.send_received_towards(cx, frame, leaver.to);
        }
    }

    /// Sends a packet of somebody else towards a real server, for the first time or after a change.
    #[inline(never)]
    pub(super) fn send_received_towards(&mut self, cx: &mut Cx, frame: FrameId, to: Addr) {
        match self.stack.route_output(to, None, UNMARKED) {
            Ok(route) => match self.pass_output(cx, &frame, route, to) {
                Onward::Out(route, to) => self.emit(cx, frame, &route, to),
                Onward::Here => self.deliver_here(cx, frame),
                Onward::Dropped => cx.drop(Place::Host(self.id), frame, DropReason::FilterDrop),
            },
            Err(_) => cx.drop(Place::Host(self.id), frame, DropReason::IpvsNoRoute),
        }
    }

    /// The director let the packet end.
    #[cold]
    fn ended_by_ipvs(&mut self, cx: &mut Cx, frame: FrameId, verdict: Verdict) {
        match verdict {
            Verdict::Drop(reason) => cx.drop(Place::Host(self.id), frame, reason),
            Verdict::Reject(reason, error) => {
                let is_v4 = cx.wiring.frames.packet_mut(&frame).dst.is_v4();
                self.refuse(cx, frame, reason, error_of_ipvs(error, is_v4));
            }
            Verdict::Respond(mut answer) => {
                answer.id = self.stack.next_ip_id();
                cx.deliver(frame);
                self.send(cx, *answer);
            }
            Verdict::Accept | Verdict::Send { .. } => unreachable!("the packet goes on"),
        }
    }

    #[inline(never)] // one copy for the packets that tables and rules have looked at
    pub(super) fn director_forward_with_care(&mut self, cx: &mut Cx, frame: FrameId) -> Option<FrameId> {
        self.director_forward(cx, frame)
    }

    /// The director at FORWARD: the packet, if it goes on.
    #[inline(always)] // and one for all others
    pub(super) fn director_forward(&mut self, cx: &mut Cx, frame: FrameId) -> Option<FrameId> {
        let Some(director) = &mut self.director else { return Some(frame) };
        let packet = cx.wiring.frames.packet_mut(&frame);
        if !director.intercepts(packet.dst.family()) {
            return Some(frame);
        }
        let speaker = packet.src;
        let verdict = director.forward(cx.now, packet, &self.stack);
        let is_translated = packet.src != speaker;
        self.arm_director(cx);
        match verdict {
            Verdict::Accept if is_translated => self.forward_reply(cx, frame, speaker),
            Verdict::Accept => self.whole_for_director(cx, frame),
            other => self.forwarded_no_further(cx, frame, other),
        }
    }

    /// A packet that the director has let pass: it goes on, unless it is a fragment. The director wants to see the whole.
    #[inline]
    fn whole_for_director(&mut self, cx: &mut Cx, frame: FrameId) -> Option<FrameId> {
        let is_fragment = matches!(cx.wiring.frames.packet_mut(&frame).payload, Payload::Fragment(_));
        if is_fragment { self.forward_fragment(cx, frame) } else { Some(frame) }
    }

    #[cold]
    fn forward_fragment(&mut self, cx: &mut Cx, frame: FrameId) -> Option<FrameId> {
        let whole = self.whole(cx, frame, Purpose::ForDirector)?;
        self.director_forward_with_care(cx, whole)
    }

    /// The director sends a packet elsewhere that was to be forwarded, or it ends here.
    #[inline(never)]
    fn forwarded_no_further(&mut self, cx: &mut Cx, frame: FrameId, verdict: Verdict) -> Option<FrameId> {
        match verdict {
            Verdict::Send { to } => {
                self.tell_sending(cx, &frame, to);
                let packet = cx.wiring.frames.packet_mut(&frame).clone();
                let body = Body::Ip(packet);
                let sent = cx.wiring.frames.send(Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body });
                cx.recorder.note_copy(&frame, &sent);
                cx.deliver(frame);
                let frame = sent;
                self.send_towards(cx, frame, to);
            }
            other => self.ended_by_ipvs(cx, frame, other),
        }
        None
    }
}
