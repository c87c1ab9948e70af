//! The netfilter hooks of a host with rules: which chains a packet passes in PREROUTING, INPUT, OUTPUT and POSTROUTING.
//!
//! In PREROUTING and OUTPUT connection tracking comes first (and puts fragments together), then the tables mangle and
//! nat; in INPUT and OUTPUT the table filter is next. IPVS stands behind the filter of INPUT, and in OUTPUT between nat
//! and filter. What it sends on passes OUTPUT and POSTROUTING, where answers of redirected connections get their source
//! back and new connections are confirmed. The order of all of it was seen on Linux 6.1.

use super::conntrack::Conntrack;
use super::interface::{Address, InterfaceId, NO_PASS, Scope};
use super::mark::{Chain, Passing, Redirection, Ruling};
use super::node::Host;
use super::reassembly::Purpose;
use super::route::{Route, RouteClass};
use super::stack::Stack;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{Verdict, endpoint};
use crate::packet::{Body, Packet};
use crate::recorder::Place;
use crate::transcript::Stage;
use crate::verdict::DropReason;

/// Where a packet goes that IPVS sends.
pub(super) enum Onward {
    /// Out by this route, which is one for the address.
    Out(Route, Addr),
    /// A mark of the table mangle has routed it anew, to the host itself.
    Here,
    /// A rule has dropped it.
    Dropped,
}

impl Host {
    /// PREROUTING of a host with rules: the packet, if it goes on.
    #[inline(never)]
    pub(super) fn prerouting(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) -> Option<FrameId> {
        let frame = self.track_input(cx, iif, frame)?;
        let packet = cx.wiring.frames.packet_mut(&frame);
        let passing = Passing { packet, iif: Some(iif), oif: None };
        match self.stack.netfilter.pass(Chain::ManglePrerouting, passing) {
            Ruling::Accept { mark } => packet.mark = mark,
            Ruling::Drop => {
                self.drop_by_rule(cx, frame, Chain::ManglePrerouting, Some(iif), None);
                return None;
            }
        }
        if self.asks_nat() && !self.stack.netfilter.is_empty(Chain::NatPrerouting) {
            let passing = Passing { packet, iif: Some(iif), oif: None };
            if let Some(redirection) = self.stack.netfilter.redirection(Chain::NatPrerouting, passing) {
                let is_v4 = packet.dst.is_v4();
                let Some(to) = self.stack.redirect_address(iif, is_v4) else {
                    cx.drop(Place::Host(self.id), frame, DropReason::RedirectWithoutAddress);
                    return None;
                };
                self.redirect(cx, &frame, Chain::NatPrerouting, redirection, to);
            }
        }
        self.translate_destination(cx, &frame);
        Some(frame)
    }

    /// The tracker looks at a packet that comes in. It wants to see it whole.
    fn track_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) -> Option<FrameId> {
        if self.stack.netfilter.conntrack().is_none() {
            return Some(frame);
        }
        let is_ours = self.stack.is_local(cx.wiring.frames.packet_mut(&frame).routed_dst());
        let frame = self.whole(cx, frame, if is_ours { Purpose::Here } else { Purpose::ForDirector })?;
        let packet = cx.wiring.frames.packet_mut(&frame);
        if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
            match iif {
                InterfaceId::LO => conntrack.enter_again(cx.now, packet),
                _ => conntrack.enter(cx.now, packet),
            }
        }
        Some(frame)
    }

    /// INPUT of a host with rules: the packet, if it goes on.
    #[inline(never)]
    pub(super) fn pass_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) -> Option<FrameId> {
        for chain in [Chain::MangleInput, Chain::Input] {
            let packet = cx.wiring.frames.packet_mut(&frame);
            let passing = Passing { packet, iif: Some(iif), oif: None };
            match self.stack.netfilter.pass(chain, passing) {
                Ruling::Accept { mark } => packet.mark = mark,
                Ruling::Drop => {
                    self.drop_by_rule(cx, frame, chain, Some(iif), None);
                    return None;
                }
            }
        }
        Some(frame)
    }

    /// LOCAL_IN behind the rules: IPVS, then the end of the hook, where new connections are remembered.
    #[inline(never)]
    pub(super) fn input_past_rules(&mut self, cx: &mut Cx, frame: FrameId) {
        if self.stack.netfilter.conntrack().is_none() {
            return self.local_input(cx, frame, NO_PASS);
        }
        let packet = cx.wiring.frames.packet_mut(&frame);
        let is_for_director = packet.outer.is_none()
            && self.director.as_ref().is_some_and(|director| director.intercepts(packet.dst.family()));
        if !is_for_director {
            self.confirm(cx);
            return self.local_input(cx, frame, NO_PASS);
        }
        let before = packet.clone();
        let followed = cx.recorder.follows(packet.flow);
        let director = self.director.as_mut().expect("it intercepts");
        if followed {
            director.record_decisions(true);
        }
        let verdict = director.local_in(cx.now, packet, &self.stack);
        self.track_past_director(cx, &frame, &before, matches!(verdict, Verdict::Send { .. }));
        if verdict == Verdict::Accept {
            self.confirm(cx);
        }
        self.follow_verdict(cx, frame, verdict, followed);
    }

    /// FORWARD behind the rules: the director looks, and may take an answer out of tracking.
    #[inline]
    pub(super) fn tracked_forward(&mut self, cx: &mut Cx, frame: FrameId) -> Option<FrameId> {
        if self.stack.netfilter.conntrack().is_none() || self.director.is_none() {
            return self.director_forward_with_care(cx, frame);
        }
        let answer = cx.wiring.frames.packet_mut(&frame).clone();
        self.track_past_director(cx, &frame, &answer, false);
        self.director_forward_with_care(cx, frame)
    }

    /// How a packet that is tracked looks before the director has seen it.
    #[inline]
    pub(super) fn tracked(&self, cx: &mut Cx, frame: &FrameId) -> Option<Packet> {
        let is_tracked = !self.stack.netfilter.is_silent() && self.stack.netfilter.conntrack().is_some();
        is_tracked.then(|| cx.wiring.frames.packet_mut(frame).clone())
    }

    /// What becomes of the tracking of a packet that the director has looked at: with `net.ipv4.vs.conntrack=0` its
    /// connections are not tracked; with 1 answers are expected from the real server that masquerading has chosen.
    pub(super) fn track_past_director(
        &mut self,
        cx: &mut Cx,
        frame: &FrameId,
        before: &Packet,
        is_sent: bool,
    ) {
        let Some(director) = &self.director else { return };
        let keeps = director.keeps_conntrack(before);
        let Some(conntrack) = self.stack.netfilter.conntrack_mut() else { return };
        let packet = cx.wiring.frames.packet_mut(frame);
        match keeps {
            None if !is_sent => return, // none of its business
            Some(true) if is_sent && packet.outer.is_none() => conntrack.expect_answer_to(packet),
            Some(true) if is_sent => conntrack.confirm(cx.now), // a tunnel begins, and is tracked by itself
            Some(true) => {}
            Some(false) | None => conntrack.forget_packet(),
        }
        if is_sent && (packet.outer.is_some() || conntrack.has_lost()) {
            conntrack.enter(cx.now, packet);
        }
    }

    /// OUTPUT of a packet that this host has made, as far as IPVS: does it go on?
    #[inline]
    pub(super) fn begin_output(&mut self, cx: &mut Cx, frame: &FrameId) -> bool {
        self.stack.netfilter.is_silent() || self.begin_output_by_rules(cx, frame)
    }

    #[inline(never)]
    fn begin_output_by_rules(&mut self, cx: &mut Cx, frame: &FrameId) -> bool {
        let packet = cx.wiring.frames.packet_mut(frame);
        if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
            conntrack.enter(cx.now, packet);
        }
        let [has_marks, has_nat] =
            [Chain::MangleOutput, Chain::NatOutput].map(|chain| !self.stack.netfilter.is_empty(chain));
        if !has_marks && !has_nat {
            self.translate_destination(cx, frame);
            return true;
        }
        let way = self.stack.route_output(packet.routed_dst(), Some(packet.routed_src()), packet.mark);
        let Ok(Route { oif, .. }) = way else { return true }; // it will be lost for want of a route
        if !self.marks_output(cx, frame, oif) {
            return false;
        }
        if has_nat && self.asks_nat() {
            let packet = cx.wiring.frames.packet_mut(frame);
            let is_v4 = packet.dst.is_v4();
            let passing = Passing { packet, iif: None, oif: Some(oif) };
            if let Some(redirection) = self.stack.netfilter.redirection(Chain::NatOutput, passing) {
                let to = if is_v4 { Addr::v4(0x7f00_0001) } else { Addr::v6(1) };
                self.redirect(cx, frame, Chain::NatOutput, redirection, to);
            }
        }
        self.translate_destination(cx, frame);
        true
    }

    /// Table mangle, OUTPUT: does the packet go on?
    fn marks_output(&mut self, cx: &mut Cx, frame: &FrameId, oif: InterfaceId) -> bool {
        let packet = cx.wiring.frames.packet_mut(frame);
        let passing = Passing { packet, iif: None, oif: Some(oif) };
        match self.stack.netfilter.pass(Chain::MangleOutput, passing) {
            Ruling::Accept { mark } => {
                packet.mark = mark;
                true
            }
            Ruling::Drop => {
                self.tell_rule(cx, frame, Chain::MangleOutput, None, Some(oif));
                false
            }
        }
    }

    /// OUTPUT of a packet that IPVS sends towards `to`: a mark of the table mangle routes it anew, by its own destination.
    #[inline]
    pub(super) fn pass_output(&mut self, cx: &mut Cx, frame: &FrameId, route: Route, to: Addr) -> Onward {
        if self.stack.netfilter.is_silent() {
            return Onward::Out(route, to);
        }
        self.pass_output_by_rules(cx, frame, route, to)
    }

    #[inline(never)]
    fn pass_output_by_rules(&mut self, cx: &mut Cx, frame: &FrameId, route: Route, to: Addr) -> Onward {
        if !self.marks_output(cx, frame, route.oif) {
            return Onward::Dropped;
        }
        let (mut route, mut to) = (route, to);
        let packet = cx.wiring.frames.packet_mut(frame);
        if packet.mark != super::output::UNMARKED {
            to = packet.routed_dst();
            match self.stack.route_output(to, None, packet.mark) {
                Ok(anew) => route = anew,
                Err(_) => return Onward::Dropped,
            }
        }
        match () {
            () if self.filters_output(cx, frame, &route) => Onward::Dropped,
            () if route.kind == RouteClass::Local && packet_is_plain(cx, frame) => Onward::Here,
            () => Onward::Out(route, to),
        }
    }

    /// A packet of IPVS that a mark has routed to this host: IPVS does not look at it again.
    #[cold]
    pub(super) fn deliver_here(&mut self, cx: &mut Cx, frame: FrameId) {
        self.tell(cx, Stage::Mark, &frame, |frame| {
            format!("{frame}: its mark has routed it anew, to this host itself")
        });
        if let Some(frame) = self.pass_input(cx, InterfaceId::LO, frame) {
            self.confirm(cx);
            self.transport_input(cx, frame);
        }
    }

    /// POSTROUTING of a host that tracks.
    #[cold]
    pub(super) fn postrouting(&mut self, cx: &mut Cx, frame: &FrameId) {
        let Some(conntrack) = self.stack.netfilter.conntrack_mut() else { return };
        let packet = cx.wiring.frames.packet_mut(frame);
        let speaker = sender(packet);
        let is_translated = conntrack.translate_source(packet);
        conntrack.confirm(cx.now);
        if is_translated {
            self.tell(cx, Stage::Mark, frame, |frame| {
                let Body::Ip(packet) = &frame.body else { unreachable!("only packets are translated") };
                format!(
                    "an answer of a redirected connection: its source is {} again, not {speaker}",
                    sender(packet)
                )
            });
        }
    }

    /// The end of LOCAL_IN: the packet's connection is remembered.
    fn confirm(&mut self, cx: &Cx) {
        if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
            conntrack.confirm(cx.now);
        }
    }

    fn asks_nat(&self) -> bool {
        self.stack.netfilter.conntrack().is_some_and(Conntrack::asks_nat)
    }

    /// A rule of the table nat redirects the connection that a packet begins.
    #[cold]
    fn redirect(&mut self, cx: &mut Cx, frame: &FrameId, chain: Chain, by: Redirection, to: Addr) {
        if let Some(conntrack) = self.stack.netfilter.conntrack_mut() {
            conntrack.redirect(to, by.ports);
        }
        self.tell(cx, Stage::Mark, frame, |_| {
            format!("rule {} of {} redirects the connection to this host", by.number, chain.name())
        });
    }

    fn translate_destination(&mut self, cx: &mut Cx, frame: &FrameId) {
        let Some(conntrack) = self.stack.netfilter.conntrack() else { return };
        let packet = cx.wiring.frames.packet_mut(frame);
        let asked = receiver(packet);
        if conntrack.translate_destination(packet) {
            self.tell(cx, Stage::Mark, frame, |frame| {
                let Body::Ip(packet) = &frame.body else { unreachable!("only packets are translated") };
                format!("a redirected connection: its destination is {} instead of {asked}", receiver(packet))
            });
        }
    }
}

impl<H> Stack<H> {
    /// Where REDIRECT sends what comes in on an interface: the first address there (IPv6: of those beyond the link).
    fn redirect_address(&self, iif: InterfaceId, is_v4: bool) -> Option<Addr> {
        let suits =
            |address: &&Address| address.addr.is_v4() == is_v4 && (is_v4 || address.scope != Scope::Link);
        self.interface_at(iif).speakers().find(suits).map(|address| address.addr)
    }
}

fn packet_is_plain(cx: &mut Cx, frame: &FrameId) -> bool {
    cx.wiring.frames.packet_mut(frame).outer.is_none()
}

fn sender(packet: &Packet) -> String {
    endpoint(packet.src, packet.ports().map_or(0, |(sport, _)| sport))
}

fn receiver(packet: &Packet) -> String {
    endpoint(packet.dst, packet.ports().map_or(0, |(_, dport)| dport))
}
