//! Sending: a packet of this host, or one that passes through, finds its way out.
//!
//! Own packets are routed, pass LOCAL_OUT with its IPVS hooks, and then, like forwarded ones, are given the link address
//! of the next hop and put on the wire. A packet for the host itself comes back in at once.

use super::fragment::cut;
use super::icmp::{Cause, Error};
use super::mark::{Chain, Passing, Ruling};
use super::neighbour::NeighbourId;
use super::netfilter::Onward;
use super::node::Host;
use super::route::{Route, RouteClass};
use super::stack::{NeighbourAction, Resolution, truesize};
use crate::addr::{Addr, Mac};
use crate::capture;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{IcmpError, Verdict};
use crate::outcome::Failure;
use crate::packet::{Body, Frame, Packet};
use crate::recorder::Place;
use crate::tcp::State;
use crate::transcript::Stage;
use crate::verdict::DropReason;

/// IPVS looks for the way to a real server without the packet's firewall mark: in a set-up where a rule makes marked
/// packets local (`ip rule add fwmark 1 lookup 100`, `ip route add local 0/0 dev lo table 100`) they would come back for
/// ever otherwise.
pub(super) const UNMARKED: u32 = 0;

impl Host {
    /// Sends a packet that this host made: LOCAL_OUT, then the wire.
    pub(crate) fn send(&mut self, cx: &mut Cx, packet: Packet) {
        let frame = Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Ip(packet) };
        let frame = cx.wiring.frames.send(frame);
        self.send_frame(cx, frame);
    }

    /// The same with the packet where it lies.
    #[inline(always)] // the end of every segment
    pub(crate) fn send_frame(&mut self, cx: &mut Cx, frame: FrameId) {
        self.mark_confirmation(cx, &frame);
        if self.director.is_some() {
            return self.send_past_director(cx, frame);
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        let (to, speaker) = (packet.routed_dst(), Some(packet.routed_src()));
        if let Some(frame) = self.leave_as_known(cx, frame, to, speaker) {
            if !self.begin_output(cx, &frame) {
                return self.lose(cx, frame, DropReason::FilterDrop);
            }
            self.route_own(cx, frame);
        }
    }

    /// LOCAL_OUT of a host with a director.
    #[inline(never)]
    fn send_past_director(&mut self, cx: &mut Cx, mut frame: FrameId) {
        if !self.begin_output(cx, &frame) {
            return self.lose(cx, frame, DropReason::FilterDrop);
        }
        let before = self.tracked(cx, &frame);
        if let Some(director) = &mut self.director
            && let packet = cx.wiring.frames.packet_mut(&frame)
            && director.intercepts(packet.dst.family())
        {
            let (speaker, followed) = (packet.src, cx.recorder.follows(packet.flow));
            if followed {
                director.record_decisions(true);
            }
            let verdict = director.local_out(cx.now, packet, &self.stack);
            let is_translated = packet.src != speaker;
            if followed && verdict != Verdict::Accept {
                self.tell_decision(cx, &frame, &verdict);
            }
            self.arm_director(cx);
            if let Some(before) = before {
                self.track_past_director(cx, &frame, &before, matches!(verdict, Verdict::Send { .. }));
            }
            match verdict {
                Verdict::Accept if is_translated => {
                    let Some(reply) = self.send_reply(cx, frame, speaker) else { return };
                    frame = reply;
                }
                Verdict::Accept => {}
                Verdict::Send { to } => return self.send_towards(cx, frame, to),
                Verdict::Drop(reason) => return self.lose(cx, frame, reason),
                Verdict::Reject(reason, error) => {
                    let packet = cx.wiring.frames.packet_mut(&frame).clone();
                    self.lose(cx, frame, reason);
                    let error = error_of_ipvs(error, packet.dst.is_v4());
                    return self.send_error(cx, &packet, error, Cause::Packet);
                }
                Verdict::Respond(answer) => *cx.wiring.frames.packet_mut(&frame) = *answer,
            }
        }
        self.route_own(cx, frame);
    }

    /// Routes a packet that this host made, for the first time or after a change.
    #[inline(never)]
    fn route_own(&mut self, cx: &mut Cx, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let to = packet.routed_dst();
        match self.stack.route_output(to, Some(packet.routed_src()), packet.mark) {
            Ok(route) if self.filters_output(cx, &frame, &route) => {
                self.lose(cx, frame, DropReason::FilterDrop);
            }
            Ok(route) => self.emit(cx, frame, &route, to),
            Err(error) => self.lose(cx, frame, error.drop_reason()),
        }
    }

    /// Sends a packet of IPVS towards a real server, whatever its destination address says.
    pub(crate) fn send_towards(&mut self, cx: &mut Cx, frame: FrameId, to: Addr) {
        cx.wiring.frames.packet_mut(&frame).mark = UNMARKED;
        match self.stack.route_output(to, None, UNMARKED) {
            Ok(route) => match self.pass_output(cx, &frame, route, to) {
                Onward::Out(route, to) => self.emit(cx, frame, &route, to),
                Onward::Here => self.deliver_here(cx, frame),
                Onward::Dropped => self.lose(cx, frame, DropReason::FilterDrop),
            },
            Err(_) => self.lose(cx, frame, DropReason::IpvsNoRoute),
        }
    }

    /// Table filter, OUTPUT: does it drop a packet of this host, or one that its director sends on?
    #[inline]
    pub(super) fn filters_output(&mut self, cx: &mut Cx, frame: &FrameId, route: &Route) -> bool {
        if self.stack.netfilter.is_empty(Chain::Output) {
            return false;
        }
        let packet = cx.wiring.frames.packet_mut(frame);
        let passing = Passing { packet, iif: None, oif: Some(route.oif) };
        let drops = self.stack.netfilter.pass(Chain::Output, passing) == Ruling::Drop;
        if drops {
            self.tell_rule(cx, frame, Chain::Output, None, Some(route.oif));
        }
        drops
    }

    /// A packet of this host finds no way out: it was never sent.
    #[cold]
    fn lose(&mut self, cx: &mut Cx, frame: FrameId, reason: DropReason) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        cx.recorder.note_packet_drop(cx.now, Place::Host(self.id), reason);
        if cx.recorder.follows(packet.flow) {
            let lost = cx.wiring.frames.get(&frame);
            cx.recorder.tell_drop(cx.now, Place::Host(self.id), &frame, lost, reason);
        }
        cx.wiring.frames.take_back(frame);
    }

    /// Puts a frame on its way, which is the route for `to`: link address, then the wire.
    #[inline(never)]
    pub(crate) fn emit(&mut self, cx: &mut Cx, frame: FrameId, route: &Route, to: Addr) {
        if !self.stack.netfilter.is_silent() {
            self.postrouting(cx, &frame);
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        let is_plain = route.kind != RouteClass::Local
            && u32::from(packet.wire_len()) <= route.mtu
            && !cx.recorder.follows(packet.flow);
        if is_plain && let Some(mac) = self.stack.known_mac(cx.now, route.oif, route.next_hop, self.confirms)
        {
            self.confirms = false;
            if let Some(cable) = self.cable(route.oif)
                && cx.capture.is_none()
            {
                let mark = cx.wiring.frames.packet_mut(&frame).mark;
                self.stack.learn_exit(to, mark, route, cable.outgoing);
            }
            return self.put_on_wire(cx, frame, route.oif, mac);
        }
        self.emit_with_care(cx, frame, route);
    }

    /// Puts a frame on its way that stays here, is too big, is followed, or whose next hop is unknown or not trusted.
    #[inline(never)]
    pub(super) fn emit_with_care(&mut self, cx: &mut Cx, frame: FrameId, route: &Route) {
        if route.kind == RouteClass::Local {
            self.tell(cx, Stage::Output, &frame, |frame| format!("{frame}: to this host itself, out of lo"));
            if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
                conntrack.loop_back();
            }
            cx.loopback.push_back((self.id, frame));
            return;
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        let (source, len) = (packet.routed_src(), packet.wire_len());
        if u32::from(len) > route.mtu {
            return self.fragment(cx, frame, route);
        }
        self.tell(cx, Stage::Output, &frame, |frame| self.describe_output(frame, route));
        match self.stack.resolve(cx.now, route.oif, route.next_hop, Some(source)) {
            Resolution::Mac(mac) => {
                if std::mem::take(&mut self.confirms) {
                    self.stack.confirm(cx.now, route.oif, route.next_hop);
                }
                self.put_on_wire(cx, frame, route.oif, mac);
            }
            Resolution::Wait { id, ask } => {
                self.tell_waiting(cx, &frame, route.next_hop, ask.as_ref());
                if let Some(ask) = ask {
                    self.send_ask(cx, &ask);
                }
                let mut dropped = Vec::new();
                self.stack.hold(id, frame, source, truesize(len), &mut dropped);
                for oldest in dropped {
                    cx.drop(Place::Host(self.id), oldest, DropReason::NeighbourQueue);
                }
            }
            Resolution::TableFull => return cx.drop(Place::Host(self.id), frame, DropReason::NeighbourQueue),
        }
        if self.stack.has_set_timer() {
            self.arm_timers(cx); // an entry is being asked for, or was used for the first time since it became stale
        }
    }

    /// Gives the frame its link addresses and hands it to the cable.
    pub(crate) fn put_on_wire(&mut self, cx: &mut Cx, frame: FrameId, oif: super::InterfaceId, mac: Mac) {
        let interface = self.stack.interface_at(oif);
        let out = cx.wiring.frames.get_mut(&frame);
        (out.src, out.dst, out.vlan) = (interface.mac, mac, interface.vlan);
        let reason = match self.cable(oif) {
            Some(cable) if interface.up && self.is_up => {
                if cx.capture.is_some() {
                    capture::output(cx, self.id, (oif, interface.lower), cable.outgoing, &frame);
                }
                return cx.transmit(cable.outgoing, frame);
            }
            Some(_) => DropReason::InterfaceDown,
            // It comes back in at once, with a source address of this very host.
            None if oif == super::InterfaceId::LO => DropReason::MartianSource,
            None => {
                if cx.capture.is_some() {
                    capture::output_alone(cx, self.id, interface.lower.unwrap_or(oif), &frame);
                }
                DropReason::LinkDown
            }
        };
        cx.drop(Place::Host(self.id), frame, reason);
    }

    /// A neighbour's link address is known: what waited for it goes.
    pub(crate) fn send_waiting(&mut self, cx: &mut Cx, id: NeighbourId) {
        let interface = self.stack.neighbour_at(id).interface;
        while let Some((frame, mac)) = self.stack.release(cx.now, id) {
            self.tell_release(cx, &frame, id, mac);
            self.put_on_wire(cx, frame, interface, mac);
        }
    }

    /// The timers of the neighbour cache.
    pub(crate) fn neighbour_timers(&mut self, cx: &mut Cx) {
        let mut actions = std::mem::take(&mut self.actions);
        self.stack.on_timer(cx.now, &mut actions);
        for action in actions.drain(..) {
            match action {
                NeighbourAction::Ask(ask) => self.send_ask(cx, &ask),
                NeighbourAction::Failed(id) => self.neighbour_failed(cx, id),
            }
        }
        self.actions = actions; // its memory serves again
    }

    /// Nobody answered for a next hop: own packets fail at their sockets, those of others draw an ICMP error each.
    fn neighbour_failed(&mut self, cx: &mut Cx, id: NeighbourId) {
        while let Some(frame) = self.stack.discard(id) {
            let packet = cx.wiring.frames.packet_mut(&frame).clone();
            cx.drop(Place::Host(self.id), frame, DropReason::NeighbourFailed);
            let is_own = self.stack.is_local(packet.routed_src());
            match self.key_of_quote(&packet).and_then(|key| cx.sockets.find(&key)) {
                Some(socket) if is_own && cx.sockets.get(socket).state == State::SynSent => {
                    self.give_up(cx, socket, Failure::Unreachable);
                }
                _ if is_own => {
                    if let Some(director) = &mut self.director {
                        director.tunnel_lost(&packet);
                    }
                }
                _ => self.send_error(cx, &packet, Error::HostUnreachable, Cause::Neighbour),
            }
        }
    }

    /// Sends an ICMP error about `packet`, if one may be sent.
    pub(crate) fn send_error(&mut self, cx: &mut Cx, packet: &Packet, error: Error, cause: Cause) {
        if let Some(message) = self.stack.icmp_error(cx.now, error, cause, packet, false) {
            self.send(cx, message);
        }
    }

    /// A packet is about to leave by the interface it came in on: its sender had better send to the next hop itself.
    #[cold]
    pub(super) fn tell_better_way(&mut self, cx: &mut Cx, frame: &FrameId, next_hop: Addr) {
        let about = cx.wiring.frames.packet_mut(frame);
        if let Some(message) = self.stack.redirect(cx.now, about, next_hop) {
            self.send(cx, message);
        }
    }

    /// A packet that does not fit the way out: it goes in pieces, or its sender is told.
    #[cold]
    fn fragment(&mut self, cx: &mut Cx, frame: FrameId, route: &Route) {
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        let is_own = self.stack.is_local(packet.routed_src());
        let may_cut =
            !packet.stays_whole() || is_own && packet.outer.is_none() && !packet.src.is_v4() && !packet.df;
        let Some(pieces) = cut(&packet, route.mtu).filter(|_| may_cut) else {
            cx.drop(Place::Host(self.id), frame, DropReason::TooBig);
            return self.send_error(
                cx,
                &packet,
                Error::FragmentationNeeded { mtu: route.mtu },
                Cause::Packet,
            );
        };
        cx.recorder.tell_of(cx.now, Place::Host(self.id), Stage::Output, packet.flow, || {
            format!("{packet}: larger than the MTU of {}, cut into {} fragments", route.mtu, pieces.len())
        });
        cx.wiring.frames.take_back(frame);
        for piece in pieces {
            let frame = Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Ip(piece) };
            let frame = cx.wiring.frames.send(frame);
            self.emit_with_care(cx, frame, route);
        }
    }

    fn describe_output(&self, frame: &Frame, route: &Route) -> String {
        let Body::Ip(packet) = &frame.body else { unreachable!("only packets are described") };
        let way = if route.next_hop == packet.routed_dst() {
            String::new()
        } else {
            format!(" via {}", route.next_hop)
        };
        format!("{packet}: out of {}{way}", self.stack.interface_at(route.oif).name)
    }
}

/// The host's name for an error that IPVS asks for.
pub(crate) fn error_of_ipvs(error: IcmpError, is_v4: bool) -> Error {
    match (is_v4, error.kind, error.code) {
        (true, 3, 4) | (false, 2, _) => Error::FragmentationNeeded { mtu: error.info },
        (true, 11, 0) | (false, 3, 0) => Error::TimeExceeded,
        (true, 3, 0) | (false, 1, 0) => Error::NetUnreachable,
        (true, 3, 1) | (false, 1, 3) => Error::HostUnreachable,
        (true, 3, 2) | (false, 4, 1) => Error::ProtocolUnreachable,
        _ => Error::PortUnreachable,
    }
}
