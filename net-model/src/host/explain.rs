//! The words for what a host decides about a packet or an ARP packet, with the address, route or setting that decided.
//!
//! All of it is said only about what somebody follows, and none of it changes anything.

use super::arp::{ArpOutcome, ArpSend, ArpVerdict};
use super::ask::Ask;
use super::conf::ConfKey;
use super::fib::{Key, RouteEntry, RouteKind};
use super::interface::{InterfaceId, InterfaceKind};
use super::mark::{Chain, Passing};
use super::neighbour::{NeighbourId, NeighbourState};
use super::node::Host;
use super::route::Route;
use super::stack::Stack;
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::endpoint;
use crate::packet::{Arp, ArpOp, Body, Frame};
use crate::recorder::Place;
use crate::tcp::table::Key as SocketKey;
use crate::trace::Subject;
use crate::transcript::Stage;
use crate::verdict::DropReason;

/// An ARP packet that is followed, and what the host knew about its sender before.
pub(super) struct Heard {
    subject: Subject,
    arp: Arp,
    before: Option<(Mac, NeighbourState)>,
}

impl Host {
    /// Adds a line about a frame to the transcript, if it is followed.
    #[inline]
    pub(crate) fn tell(
        &self,
        cx: &mut Cx,
        stage: Stage,
        frame: &FrameId,
        text: impl FnOnce(&Frame) -> String,
    ) {
        if cx.recorder.follows(cx.wiring.frames.get(frame).flow()) {
            self.tell_followed(cx, stage, frame, text);
        }
    }

    #[cold]
    fn tell_followed(&self, cx: &mut Cx, stage: Stage, id: &FrameId, text: impl FnOnce(&Frame) -> String) {
        let frame = cx.wiring.frames.get(id);
        cx.recorder.tell(cx.now, Place::Host(self.id), stage, &Subject::of(id, frame), || text(frame));
    }

    /// A packet came in.
    #[cold]
    pub(super) fn tell_input(&self, cx: &mut Cx, iif: InterfaceId, frame: &FrameId) {
        let mark = cx.wiring.frames.packet_mut(frame).mark;
        self.tell(cx, Stage::Input, frame, |frame| {
            let interface = self.stack.interface_at(iif);
            let out_of = if matches!(
                interface.kind,
                InterfaceKind::Tunnel | InterfaceKind::TunnelV6 | InterfaceKind::Gre
            ) {
                ", which took it out of its tunnel"
            } else {
                ""
            };
            format!("{frame}: in on {}{out_of}", interface.name)
        });
        if mark != 0 {
            self.tell(cx, Stage::Mark, frame, |_| format!("firewall mark {mark}"));
        }
    }

    /// A packet is for this host: worth a word where its address is not one of the interface it came in on.
    pub(super) fn tell_delivery(&self, cx: &mut Cx, iif: InterfaceId, frame: &FrameId) {
        let arrived = cx.wiring.frames.get(frame);
        if !cx.recorder.follows(arrived.flow()) || self.stack.interface_at(iif).has(destination(arrived)) {
            return;
        }
        self.tell(cx, Stage::Route, frame, |frame| {
            let dst = destination(frame);
            match self.stack.interface_of(dst) {
                Some(name) => {
                    format!("for this host: {dst} is on {name}, and its addresses count on every interface")
                }
                None => format!("for this host: {}", self.stack.deciding_route(dst)),
            }
        });
    }

    /// A packet is for another host.
    pub(super) fn tell_forwarding(&self, cx: &mut Cx, frame: &FrameId, route: &Route) {
        self.tell(cx, Stage::Route, frame, |frame| {
            let by = self.stack.deciding_route(destination(frame));
            format!("for another host: forwarded towards {} ({by})", route.next_hop)
        });
    }

    /// A packet goes no further because of where it comes from or goes to.
    pub(super) fn tell_refusal(&self, cx: &mut Cx, iif: InterfaceId, frame: &FrameId, reason: DropReason) {
        self.tell(cx, Stage::Route, frame, |frame| {
            let Body::Ip(packet) = &frame.body else { unreachable!("only packets are routed") };
            self.refusal(iif, packet.routed_src(), packet.routed_dst(), reason)
        });
    }

    fn refusal(&self, iif: InterfaceId, src: Addr, dst: Addr, reason: DropReason) -> String {
        let name = &self.stack.interface_at(iif).name;
        match reason {
            DropReason::NotForwarding if dst.is_v4() => format!(
                "{dst} is not an address of {}, and {} = 0 forbids to forward what comes in on {name}",
                self.name,
                self.stack.origin(iif, ConfKey::Forwarding),
            ),
            DropReason::NotForwarding => {
                format!("{dst} is not an address of {}, which does not forward", self.name)
            }
            DropReason::ReversePath => format!(
                "{} = {} and the way back to {src} is {}, not by {name}",
                self.stack.origin(iif, ConfKey::RpFilter),
                self.stack.effective(iif, ConfKey::RpFilter),
                self.stack.deciding_route(src),
            ),
            DropReason::MartianSource => match self.stack.interface_of(src) {
                Some(own) => format!(
                    "the source {src} is an address of {} itself, on {own}; accept_local = 0 and rp_filter = {} on {name}",
                    self.name,
                    self.stack.effective(iif, ConfKey::RpFilter),
                ),
                None => format!("{src} cannot be the source of a packet that comes in on {name}"),
            },
            DropReason::NoRoute => format!("no route of {} leads to {dst}", self.name),
            _ => format!("{} decides", self.stack.deciding_route(dst)),
        }
    }

    /// A chain dropped a packet: by which rule?
    pub(super) fn tell_rule(
        &self,
        cx: &mut Cx,
        frame: &FrameId,
        chain: Chain,
        iif: Option<InterfaceId>,
        oif: Option<InterfaceId>,
    ) {
        self.tell(cx, Stage::Mark, frame, |frame| {
            let Body::Ip(packet) = &frame.body else { unreachable!("iptables sees no ARP") };
            let netfilter = &self.stack.netfilter;
            let state = netfilter.state_for(packet.routed_src().family(), chain);
            let state = state.map_or(String::new(), |state| format!(" (its state is {})", state.name()));
            match netfilter.dropping_rule(chain, Passing { packet, iif, oif }) {
                Some(number) => format!("rule {number} of {} drops it{state}", chain.name()),
                None => format!("no rule of {} takes it{state}, and the policy is DROP", chain.name()),
            }
        });
    }

    /// A TCP segment that no socket takes: does somebody else answer for the one that a client here has asked?
    pub(crate) fn tell_stranger(&self, cx: &mut Cx, frame: &FrameId) {
        if !cx.recorder.follows(cx.wiring.frames.get(frame).flow()) {
            return;
        }
        let packet = cx.wiring.frames.packet_mut(frame);
        let Some((sport, dport)) = packet.ports() else { return };
        let (local, stranger) = ((packet.dst, dport), (packet.src, sport));
        let asked = self.clients.iter().map(|group| (group.spec.target.addr, group.spec.target.port)).find(
            |remote| {
                let key = SocketKey { host: self.id, udp: false, local, remote: *remote };
                *remote != stranger && cx.sockets.find(&key).is_some()
            },
        );
        if let Some(asked) = asked {
            let [asked, stranger] = [asked, stranger].map(|(addr, port)| endpoint(addr, port));
            self.tell(cx, Stage::Route, frame, |_| {
                format!(
                    "this port has asked {asked}, and never {stranger}: the answer has not passed the director, \
                     which would have given it the address of the service"
                )
            });
        }
    }

    /// A packet waits for the link address of its next hop.
    pub(super) fn tell_waiting(&self, cx: &mut Cx, frame: &FrameId, next_hop: Addr, ask: Option<&Ask>) {
        self.tell(cx, Stage::Neighbour, frame, |_| {
            let unknown = format!("link address of {next_hop} unknown: the packet waits");
            match ask {
                Some(ask) => format!("{unknown} for the answer to \"{ask}\""),
                None => unknown,
            }
        });
    }

    /// The next hop has answered.
    pub(super) fn tell_release(&self, cx: &mut Cx, frame: &FrameId, id: NeighbourId, mac: Mac) {
        self.tell(cx, Stage::Neighbour, frame, |_| {
            format!("{} is at {mac}: the packet goes on", self.stack.neighbour_at(id).addr)
        });
    }

    /// An ARP packet leaves.
    pub(super) fn tell_arp_output(&self, cx: &mut Cx, frame: &FrameId, send: &ArpSend) {
        self.tell(cx, Stage::Output, frame, |frame| {
            let name = &self.stack.interface_at(send.interface).name;
            let to = if send.to.is_group() { "everybody".into() } else { send.to.to_string() };
            let why = self.why_asks(send);
            format!("{frame}: out of {name} to {to}{why}")
        });
    }

    /// Why does a request have this sender?
    fn why_asks(&self, send: &ArpSend) -> String {
        let Arp { op, sender, target, .. } = send.arp;
        if op == ArpOp::Reply || !target.is_v4() || sender == target {
            return String::new();
        }
        let announce = self.stack.effective(send.interface, ConfKey::ArpAnnounce);
        let origin = self.stack.origin(send.interface, ConfKey::ArpAnnounce);
        let purpose = if send.to.is_group() { "" } else { "; checks an entry it has (unicast)" };
        if self.stack.interface_at(send.interface).has(sender) {
            return format!(" (tells an address of the interface; {origin} = {announce}){purpose}");
        }
        format!(" (tells the source of the packet that waits, for {origin} = {announce}){purpose}")
    }

    /// What will have to be said about a frame after its end, if it is followed.
    #[inline]
    pub(super) fn remember(&self, cx: &Cx, frame: &FrameId) -> Option<Subject> {
        let arrived = cx.wiring.frames.get(frame);
        cx.recorder.follows(arrived.flow()).then(|| Subject::of(frame, arrived))
    }

    /// Says it.
    pub(super) fn tell_after(
        &self,
        cx: &mut Cx,
        stage: Stage,
        about: Option<Subject>,
        text: impl FnOnce() -> String,
    ) {
        if let Some(subject) = about {
            cx.recorder.tell(cx.now, Place::Host(self.id), stage, &subject, text);
        }
    }

    /// An ARP packet came in that is followed.
    pub(super) fn hears(&self, cx: &mut Cx, iif: InterfaceId, frame: &FrameId, arp: &Arp) -> Option<Heard> {
        if !cx.recorder.follows_all() {
            return None;
        }
        self.tell(cx, Stage::Input, frame, |frame| {
            format!("{frame}: in on {}", self.stack.interface_at(iif).name)
        });
        let before = self.stack.neighbour(arp.sender, iif).map(|known| (known.mac, known.state));
        Some(Heard { subject: Subject::of(frame, cx.wiring.frames.get(frame)), arp: *arp, before })
    }

    /// What the host made of it.
    #[cold]
    pub(super) fn tell_arp(&self, cx: &mut Cx, iif: InterfaceId, heard: &Heard, outcome: &ArpOutcome) {
        let place = Place::Host(self.id);
        cx.recorder
            .tell(cx.now, place, Stage::Arp, &heard.subject, || self.arp_words(iif, heard, outcome.verdict));
    }

    fn arp_words(&self, iif: InterfaceId, heard: &Heard, verdict: ArpVerdict) -> String {
        let Heard { arp, before, .. } = heard;
        let (name, at) = (&self.stack.interface_at(iif).name, self.stack.interface_of(arp.target));
        let holder = at.unwrap_or("a route of kind local");
        let ignore = self.stack.origin(iif, ConfKey::ArpIgnore);
        let value = self.stack.effective(iif, ConfKey::ArpIgnore);
        let learnt = self.learnt_words(iif, heard);
        match verdict {
            ArpVerdict::Answered if holder == name => format!("answers: {} is on {name}{learnt}", arp.target),
            ArpVerdict::Answered => {
                format!(
                    "answers: {} is on {holder}, and {ignore} = {value} does not hide it on {name}{learnt}",
                    arp.target
                )
            }
            ArpVerdict::AnsweredForOther => format!("answers for another host (proxy_arp){learnt}"),
            ArpVerdict::Hidden => {
                format!(
                    "does not answer: {} is on {holder}, not on {name}, and {ignore} = {value}",
                    arp.target
                )
            }
            ArpVerdict::Filtered => {
                format!(
                    "does not answer: arp_filter = 1, and the way to {} leaves by another interface",
                    arp.sender
                )
            }
            ArpVerdict::RuleDropped => "an arptables rule drops it".into(),
            ArpVerdict::Learnt => format!("hears it{learnt}"),
            ArpVerdict::Distrusted => match before {
                Some((mac, NeighbourState::Permanent)) => {
                    format!("does not believe it: {} is at {mac} was set by hand (PERMANENT)", arp.sender)
                }
                Some((mac, _)) => format!(
                    "does not believe it: {} is at {mac} was learnt less than locktime (1 s) ago",
                    arp.sender
                ),
                None => "does not believe it".into(),
            },
            ArpVerdict::Ignored if at.is_none() => {
                format!("not its business: {} is not its address", arp.target)
            }
            ArpVerdict::Ignored => "learns nothing from it".into(),
        }
    }

    /// What has changed in the neighbour cache.
    fn learnt_words(&self, iif: InterfaceId, heard: &Heard) -> String {
        let Heard { arp, before, .. } = heard;
        let now = self.stack.neighbour(arp.sender, iif).map(|known| (known.mac, known.state));
        match (before, now) {
            (Some((old, state)), Some((new, _))) if state.is_valid() && *old != new => {
                format!("; from now on {} is at {new}, no longer at {old}", arp.sender)
            }
            (Some((_, state)), Some((mac, _))) if !state.is_valid() => {
                format!("; learns that {} is at {mac}", arp.sender)
            }
            (None, Some((mac, _))) => format!("; learns that {} is at {mac}", arp.sender),
            _ => String::new(),
        }
    }
}

fn destination(frame: &Frame) -> Addr {
    match &frame.body {
        Body::Ip(packet) => packet.routed_dst(),
        Body::Arp(arp) => arp.target,
    }
}

impl<H> Stack<H> {
    /// The name of the interface that has the address.
    pub(super) fn interface_of(&self, addr: Addr) -> Option<&str> {
        self.interfaces().find(|(_, interface)| interface.has(addr)).map(|(_, interface)| &*interface.name)
    }

    /// The name of the setting that decides on an interface: that of `all` where both count and it is the larger.
    fn origin(&self, iif: InterfaceId, key: ConfKey) -> String {
        let interface = &self.interfaces[iif.index()];
        let is_all = self.conf_all.get(key) > interface.conf.get(key) || interface.conf.get(key) == 0;
        let place = if is_all { "all" } else { &*interface.name };
        match key {
            ConfKey::Forwarding if is_all => "net.ipv4.ip_forward".into(),
            _ => format!("net.ipv4.conf.{place}.{}", key.setting().name),
        }
    }

    /// The route to a destination as `ip route` prints it, or what a redirect has put in its place.
    pub(super) fn deciding_route(&self, dst: Addr) -> String {
        if let Some(gateway) = self.exceptions.get(dst).and_then(|exception| exception.gateway) {
            return format!("{dst} via {gateway}, as a redirect has taught");
        }
        match self.fib.lookup(&Key::to(dst)) {
            Some(entry) => self.words_of(entry),
            None => "there is no route".into(),
        }
    }

    fn words_of(&self, entry: &RouteEntry) -> String {
        let kind = match entry.kind {
            RouteKind::Unicast => "",
            RouteKind::Local => "local ",
            RouteKind::Broadcast => "broadcast ",
            RouteKind::Blackhole => "blackhole ",
            RouteKind::Unreachable => "unreachable ",
            RouteKind::Prohibit => "prohibit ",
            RouteKind::Throw => "throw ",
        };
        let prefix = if entry.prefix.len() == 0 { "default".into() } else { entry.prefix.to_string() };
        let mut text = format!("{kind}{prefix}");
        for hop in &entry.hops {
            if let Some(via) = hop.via {
                text += &format!(" via {via}");
            }
            text += &format!(" dev {}", self.interface_at(hop.dev).name);
        }
        text
    }
}
