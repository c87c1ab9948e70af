//! Receiving: from the frame at the interface to the program, or on to the next host.

use super::arp::ArpSend;
use super::conntrack::Conntrack;
use super::icmp::{Cause, Error};
use super::interface::{Interface, InterfaceId, NO_PASS};
use super::mark::{Chain, Passing, Ruling};
use super::node::Host;
use super::reassembly::Purpose;
use super::route::Route;
use super::route_cache::SlotId;
use super::route_input::{Inbound, Known, Refusal};
use crate::cx::Cx;
use crate::frames::{FrameId, Frames};
use crate::packet::{Body, Packet, Payload};
use crate::recorder::{Place, Recorder};
use crate::verdict::DropReason;
use sim_core::Duration;

impl Host {
    /// A frame is at an interface.
    #[inline(always)] // a part of the loop over all events
    pub(crate) fn input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        match self.director {
            None => self.host_input(cx, iif, frame),
            Some(_) => self.director_input(cx, iif, frame),
        }
    }

    /// "Early demux": a segment for a socket that has got its like before need not pass the tables.
    #[inline(never)]
    fn host_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let pass = self.stack.pass_of(iif);
        let arrived = cx.wiring.frames.get_mut(&frame);
        if self.is_up
            && let Body::Ip(packet) = &mut arrived.body
            && !cx.recorder.follows(packet.flow)
            && let Payload::Tcp(segment) = &packet.payload
            && packet.outer.is_none()
            && self.stack.netfilter.is_silent()
            && let Some((id, state)) = cx.sockets.admitted(self.id, arrived.dst, packet, segment, pass)
        {
            let segment = *segment;
            packet.mark = 0;
            return self.socket_input(cx, id, state, frame, segment);
        }
        self.input_closely(cx, iif, frame);
    }

    /// A frame that no socket expects from here, or of which a director does not know by heart what becomes. It may still
    /// be known: no rule looks at a packet, and the tables need not be asked again.
    #[inline(never)]
    pub(super) fn input_closely(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        match plain(self.is_up, interface, &mut cx.wiring.frames, &cx.recorder, &frame) {
            Some(packet) if packet.outer.is_some() => self.tunnelled_input(cx, iif, frame),
            Some(_) if self.director.is_some() => self.director_input_and_learn(cx, iif, frame),
            Some(_) => self.input_with_tables(cx, iif, frame),
            None => self.input_with_care(cx, iif, frame),
        }
    }

    /// A packet without a tunnel comes in at a host without a director.
    #[inline(never)]
    fn input_with_tables(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        let packet = cx.wiring.frames.packet_mut(&frame);
        match self.stack.known_input(packet.src, packet.dst, iif, interface) {
            Some(Known::Deliver) => match packet.payload {
                Payload::Tcp(_) => self.tcp_input(cx, frame, self.stack.pass_of(iif)),
                _ => self.transport_input(cx, frame),
            },
            Some(Known::Forward(id)) => self.forward_as_known(cx, iif, frame, id),
            None => self.ip_input(cx, iif, frame),
        }
    }

    /// The same at a host with a director that does not know the packet's flow by heart.
    #[inline(always)] // a part of director_input_and_learn
    pub(super) fn director_input_as(
        &mut self,
        cx: &mut Cx,
        iif: InterfaceId,
        frame: FrameId,
        known: Option<Known>,
    ) {
        match known {
            Some(Known::Deliver) => self.past_director(cx, frame),
            Some(Known::Forward(id)) => self.forward_as_known(cx, iif, frame, id),
            None => self.ip_input(cx, iif, frame),
        }
    }

    /// A packet that nobody follows comes in in a tunnel. What becomes of it may be known as well.
    #[inline(never)]
    fn tunnelled_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        let packet = cx.wiring.frames.packet_mut(&frame);
        packet.mark = 0;
        match self.stack.known_input(packet.routed_src(), packet.routed_dst(), iif, interface) {
            Some(Known::Deliver) => self.tunnel_input(cx, frame),
            Some(Known::Forward(id)) => self.forward_as_known(cx, iif, frame, id),
            None => self.ip_input(cx, iif, frame),
        }
    }

    /// A frame that is followed, or ARP, or not addressed to this interface alone.
    #[inline(never)]
    fn input_with_care(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        let arrived = cx.wiring.frames.get(&frame);
        if !(interface.up && self.is_up) {
            return cx.drop(Place::Host(self.id), frame, DropReason::InterfaceDown);
        }
        if arrived.dst != interface.mac && !arrived.dst.is_group() {
            return cx.drop(Place::Host(self.id), frame, DropReason::OtherHost);
        }
        match &arrived.body {
            Body::Arp(_) => self.arp_input(cx, iif, frame),
            Body::Ip(_) => self.ip_input(cx, iif, frame),
        }
    }

    /// A packet comes in that did not come over a wire just now: from lo, or out of a tunnel.
    #[inline(never)]
    pub(crate) fn ip_input_again(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        self.is_looping = iif == InterfaceId::LO;
        self.ip_input_as_known(cx, iif, frame);
        self.is_looping = false;
    }

    fn ip_input_as_known(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        let pass = self.stack.pass_of(iif);
        let to = cx.wiring.frames.get(&frame).dst;
        let packet = cx.wiring.frames.packet_mut(&frame);
        if !cx.recorder.follows(packet.flow) {
            packet.mark = 0;
            let (src, dst) = (packet.routed_src(), packet.routed_dst());
            if let Payload::Tcp(segment) = &packet.payload
                && packet.outer.is_none()
                && self.director.is_none()
                && self.stack.netfilter.is_silent()
                && let Some((id, state)) = cx.sockets.admitted(self.id, to, packet, segment, pass)
            {
                let segment = *segment;
                return self.socket_input(cx, id, state, frame, segment);
            }
            if let Some(Known::Deliver) = self.stack.known_input(src, dst, iif, interface) {
                return self.local_input(cx, frame, pass);
            }
        }
        self.ip_input(cx, iif, frame);
    }

    /// A packet comes in: PREROUTING, then the routing decision.
    #[inline(never)]
    fn ip_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        cx.wiring.frames.packet_mut(&frame).mark = 0;
        let frame = match self.stack.netfilter.is_silent() {
            true => frame,
            false => match self.prerouting(cx, iif, frame) {
                Some(frame) => frame,
                None => return,
            },
        };
        let packet = cx.wiring.frames.packet_mut(&frame);
        if cx.recorder.follows(packet.flow) {
            self.tell_input(cx, iif, &frame);
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        match self.stack.route_input(packet.routed_src(), packet.routed_dst(), packet.mark, iif) {
            Ok(Inbound::Deliver) => {
                self.tell_delivery(cx, iif, &frame);
                if let Some(frame) = self.whole(cx, frame, Purpose::Here) {
                    self.filter_input(cx, iif, frame);
                }
            }
            Ok(Inbound::Broadcast) => self.group_input(cx, iif, frame),
            Ok(Inbound::Forward { route, redirect }) => {
                self.tell_forwarding(cx, &frame, &route);
                self.forward(cx, iif, frame, &route, redirect);
            }
            Err(refusal) => self.refused_by_route(cx, iif, frame, refusal),
        }
    }

    #[cold]
    fn refused_by_route(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId, refusal: Refusal) {
        self.tell_refusal(cx, iif, &frame, refusal.reason);
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        cx.drop(Place::Host(self.id), frame, refusal.reason);
        if let Some(error) = refusal.icmp {
            self.send_error(cx, &packet, error, Cause::Route);
        }
    }

    /// A packet filter rule, or the policy of its chain, drops a packet.
    #[cold]
    pub(super) fn drop_by_rule(
        &mut self,
        cx: &mut Cx,
        frame: FrameId,
        chain: Chain,
        iif: Option<InterfaceId>,
        oif: Option<InterfaceId>,
    ) {
        self.tell_rule(cx, &frame, chain, iif, oif);
        self.end_by_filter(cx, frame, chain, iif, oif);
    }

    /// LOCAL_IN: the rules, which see the outer header of a tunnel, and later what was inside.
    fn filter_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        if self.stack.netfilter.is_silent() {
            return self.local_input(cx, frame, NO_PASS);
        }
        if let Some(frame) = self.pass_input(cx, iif, frame) {
            self.input_past_rules(cx, frame);
        }
    }

    /// LOCAL_IN behind the filter: tunnels end here, then the director looks, then the transport protocol.
    pub(super) fn local_input(&mut self, cx: &mut Cx, frame: FrameId, pass: u32) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let is_tcp = matches!(packet.payload, Payload::Tcp(_));
        if packet.outer.is_some() {
            return self.tunnel_input(cx, frame);
        }
        if self.director.is_none() {
            self.tell_taker(cx, &frame);
            if is_tcp {
                return self.tcp_input(cx, frame, pass);
            }
        }
        self.past_director(cx, frame);
    }

    /// Drops a packet and tells its sender by ICMP.
    #[cold]
    pub(crate) fn refuse(&mut self, cx: &mut Cx, frame: FrameId, reason: DropReason, error: Error) {
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        cx.drop(Place::Host(self.id), frame, reason);
        self.send_error(cx, &packet, error, Cause::Packet);
    }

    /// The transport protocol gets the packet.
    #[inline]
    pub(crate) fn transport_input(&mut self, cx: &mut Cx, frame: FrameId) {
        match &cx.wiring.frames.packet_mut(&frame).payload {
            Payload::Tcp(_) => self.tcp_input(cx, frame, NO_PASS),
            _ => self.other_transport_input(cx, frame),
        }
    }

    #[inline(never)] // nearly all packets are TCP
    fn other_transport_input(&mut self, cx: &mut Cx, frame: FrameId) {
        match &cx.wiring.frames.packet_mut(&frame).payload {
            Payload::Tcp(_) => unreachable!("the caller has looked"),
            Payload::Udp(_) => self.udp_input(cx, frame),
            // Daemons listen to groups only: this one was sent to the host itself.
            Payload::Sync(_) => cx.drop(Place::Host(self.id), frame, DropReason::NoUdpSocket),
            Payload::Icmp(_) => self.icmp_input(cx, frame),
            Payload::Fragment(_) => {
                if let Some(frame) = self.whole(cx, frame, Purpose::Here) {
                    self.local_input(cx, frame, NO_PASS);
                }
            }
            Payload::Ndisc(_) => self.ndisc_unicast(cx, frame),
            Payload::Sctp(_) | Payload::Other(_) => {
                self.refuse(cx, frame, DropReason::NoProtocol, Error::ProtocolUnreachable);
            }
        }
    }

    /// FORWARD for a packet that no rule looks at and whose way the cache knows.
    fn forward_as_known(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId, id: SlotId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let (next_hop, mtu) = self.stack.exit_at(id);
        if ttl_of(packet) <= 1 || packet.wire_len() > mtu {
            return self.ip_input(cx, iif, frame);
        }
        decrement_ttl(packet);
        self.inherit_confirmation(cx, &frame);
        let Some(frame) = self.director_forward(cx, frame) else { return };
        let len = cx.wiring.frames.packet_mut(&frame).wire_len(); // a director may have made it longer
        let left = if len <= mtu { self.depart(cx, frame, next_hop, len) } else { Some(frame) };
        if let Some(frame) = left {
            let (to, route) = self.stack.known_route(id);
            self.emit(cx, frame, &route, to);
        }
    }

    /// FORWARD: a packet on its way to another host.
    fn forward(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId, route: &Route, redirect: bool) {
        let is_group = cx.wiring.frames.get(&frame).dst.is_group();
        if is_group {
            return cx.drop(Place::Host(self.id), frame, DropReason::NotForwardedLinkGroup);
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        if ttl_of(packet) <= 1 {
            return self.refuse(cx, frame, DropReason::TtlExpired, Error::TimeExceeded);
        }
        if u32::from(packet.wire_len()) > route.mtu && packet.stays_whole() {
            return self.refuse(cx, frame, DropReason::TooBig, Error::FragmentationNeeded { mtu: route.mtu });
        }
        decrement_ttl(packet);
        if redirect {
            let kept = self.stack.netfilter.conntrack_mut().map(Conntrack::put_aside);
            self.tell_better_way(cx, &frame, route.next_hop);
            if let (Some(kept), Some(conntrack)) = (kept, self.stack.netfilter.conntrack_mut()) {
                conntrack.resume(kept);
            }
        }
        self.inherit_confirmation(cx, &frame);
        let packet = cx.wiring.frames.packet_mut(&frame);
        let to = packet.routed_dst();
        let passing = Passing { packet, iif: Some(iif), oif: Some(route.oif) };
        if self.stack.netfilter.pass(Chain::Forward, passing) == Ruling::Drop {
            return self.drop_by_rule(cx, frame, Chain::Forward, Some(iif), Some(route.oif));
        }
        let Some(frame) = self.tracked_forward(cx, frame) else { return };
        let is_whole = u32::from(cx.wiring.frames.packet_mut(&frame).wire_len()) <= route.mtu;
        let left = if is_whole { self.leave_as_known(cx, frame, to, None) } else { Some(frame) };
        if let Some(frame) = left {
            self.emit(cx, frame, route, to);
        }
    }

    /// An ARP packet: learn, and answer if it is ours to answer.
    fn arp_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let arrived = cx.wiring.frames.get(&frame);
        let Body::Arp(arp) = arrived.body else { unreachable!("the caller dispatched on the body") };
        let to = arrived.dst;
        let heard = self.hears(cx, iif, &frame, &arp);
        cx.deliver(frame);
        let outcome = self.stack.arp_input(cx.now, iif, &arp, to);
        if let Some(heard) = heard {
            self.tell_arp(cx, iif, &heard, &outcome);
        }
        if let Some(reply) = outcome.reply {
            cx.note_arp_answer(self.id, reply.arp.sender);
            self.answer_arp(cx, reply);
        }
        if let Some(id) = outcome.resolved {
            self.send_waiting(cx, id);
        }
        self.arm_timers(cx);
    }

    /// Sends an answer, at once or when it is due.
    fn answer_arp(&mut self, cx: &mut Cx, reply: ArpSend) {
        if reply.delay == Duration::ZERO {
            return self.send_ask(cx, &reply.into());
        }
        let at = self.timers.fires_at(cx.now, reply.delay);
        let place = self.put_off.partition_point(|(other, _)| *other <= at);
        self.put_off.insert(place, (at, reply));
    }

    /// Answers on behalf of others that were put off and are due.
    pub(super) fn answer_for_others(&mut self, cx: &mut Cx) {
        while self.put_off.first().is_some_and(|(at, _)| *at <= cx.now) {
            let (_, reply) = self.put_off.remove(0);
            self.send_ask(cx, &reply.into());
        }
    }
}

/// The packet in a frame, if it is addressed to this interface alone, and nobody follows it. Marks do not travel.
#[inline(always)] // the beginning of every packet
pub(super) fn plain<'a>(
    is_up: bool,
    interface: &Interface,
    frames: &'a mut Frames,
    recorder: &Recorder,
    frame: &FrameId,
) -> Option<&'a mut Packet> {
    let arrived = frames.get_mut(frame);
    if !(interface.up && is_up && arrived.dst == interface.mac) {
        return None;
    }
    match &mut arrived.body {
        Body::Ip(packet) if !recorder.follows(packet.flow) => {
            packet.mark = 0;
            Some(packet)
        }
        Body::Ip(_) | Body::Arp(_) => None,
    }
}

fn ttl_of(packet: &Packet) -> u8 {
    packet.outer.as_ref().map_or(packet.ttl, |outer| outer.ttl)
}

fn decrement_ttl(packet: &mut Packet) {
    match &mut packet.outer {
        Some(outer) => outer.ttl -= 1,
        None => packet.ttl -= 1,
    }
}
