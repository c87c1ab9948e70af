//! Neighbour discovery on its way through a host: what comes in, what goes out.

use super::ask::Ask;
use super::interface::InterfaceId;
use super::ndisc::{self, NdiscSend, NdiscVerdict};
use super::neighbour::NeighbourState;
use super::node::Host;
use super::route::{Route, RouteClass};
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::packet::{Ndisc, NdiscKind, Payload};
use crate::recorder::Place;
use crate::transcript::Stage;
use crate::verdict::DropReason;

/// A message, and what the host knew about the neighbour it tells of.
struct Judged {
    iif: InterfaceId,
    message: Ndisc,
    whom: Addr,
    before: Option<(Mac, NeighbourState)>,
}

impl Host {
    /// Sends a question or an announcement.
    pub(crate) fn send_ask(&mut self, cx: &mut Cx, ask: &Ask) {
        match ask {
            Ask::Ndisc(ndisc) if ndisc.to.is_none() => self.send_advertisement(cx, ndisc),
            Ask::Arp(_) | Ask::Ndisc(_) => {
                let frame = cx.wiring.frames.send(ask.frame());
                match ask {
                    Ask::Arp(send) => self.tell_arp_output(cx, &frame, send),
                    Ask::Ndisc(send) => self.tell_ndisc_output(cx, &frame, send),
                }
                let to = cx.wiring.frames.get(&frame).dst;
                self.put_on_wire(cx, frame, ask.interface(), to);
            }
        }
    }

    /// An answer is a packet like others: its way begins in the neighbour cache.
    fn send_advertisement(&mut self, cx: &mut Cx, answer: &NdiscSend) {
        let route = Route {
            oif: answer.interface,
            kind: RouteClass::Unicast,
            next_hop: answer.dst,
            source: answer.src,
            mtu: self.stack.interface_at(answer.interface).mtu,
            mtu_locked: false,
        };
        let frame = cx.wiring.frames.send(answer.frame());
        self.emit_with_care(cx, frame, &route);
    }

    /// A message that came to the host's own link address.
    #[cold]
    pub(crate) fn ndisc_unicast(&mut self, cx: &mut Cx, frame: FrameId) {
        let arrived = cx.wiring.frames.get(&frame).dst;
        let Payload::Ndisc(message) = cx.wiring.frames.packet_mut(&frame).payload else {
            return cx.deliver(frame);
        };
        // VLANs share the link address of their card: the message concerns only one of them.
        let devices = || self.stack.interfaces().filter(|(_, device)| device.mac == arrived);
        let concerned = devices().find(|(id, device)| match message.kind {
            NdiscKind::Advertisement => self.stack.neighbour(message.target, *id).is_some(),
            NdiscKind::Solicitation | NdiscKind::Probe => device.carries(message.target),
        });
        let iif = concerned.or_else(|| devices().next()).map(|(id, _)| id);
        match iif {
            Some(iif) => self.ndisc_input(cx, iif, frame),
            // It is the host's own, and has never been on a wire.
            None => cx.deliver(frame),
        }
    }

    /// A solicitation or advertisement: learn, and answer if it is ours to answer.
    #[cold]
    pub(crate) fn ndisc_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        let about = self.remember(cx, &frame);
        let Payload::Ndisc(message) = packet.payload else { return cx.deliver(frame) };
        let whom = if message.kind == NdiscKind::Advertisement { message.target } else { packet.src };
        let before = self.stack.neighbour(whom, iif).map(|known| (known.mac, known.state));
        let outcome = self.stack.ndisc_input(cx.now, iif, &packet);
        self.tell_after(cx, Stage::Ndisc, about, || {
            let judged = Judged { iif, message, whom, before };
            self.ndisc_words(&judged, outcome.verdict)
        });
        if outcome.verdict == NdiscVerdict::Malformed {
            return cx.drop(Place::Host(self.id), frame, DropReason::BadNdisc);
        }
        cx.deliver(frame);
        if let Some(id) = outcome.resolved {
            self.send_waiting(cx, id);
        }
        if let Some(reply) = outcome.reply {
            // Signs of life of link-local addresses are not what people look for.
            if !ndisc::is_link_local(reply.message.target) {
                cx.note_arp_answer(self.id, reply.message.target);
            }
            self.send_ask(cx, &Ask::Ndisc(reply));
        }
        self.arm_timers(cx);
    }

    /// A question or an announcement leaves.
    fn tell_ndisc_output(&self, cx: &mut Cx, frame: &FrameId, send: &NdiscSend) {
        self.tell(cx, Stage::Output, frame, |frame| {
            let name = &self.stack.interface_at(send.interface).name;
            let why = match send.message.kind {
                NdiscKind::Solicitation if send.to.is_none_or(|to| !to.is_group()) => {
                    "checks an entry it has (unicast)"
                }
                NdiscKind::Solicitation if ndisc::is_link_local(send.src) => "tells its link-local address",
                NdiscKind::Solicitation => {
                    "tells the source of the packet that waits, an address of the interface"
                }
                NdiscKind::Probe => "asks whether the address is free (accept_dad)",
                NdiscKind::Advertisement => "tells everybody",
            };
            format!("{frame}: out of {name} ({why})")
        });
    }

    /// What the host made of a message.
    fn ndisc_words(&self, judged: &Judged, verdict: NdiscVerdict) -> String {
        let Judged { message: Ndisc { target, kind, .. }, whom, before, .. } = judged;
        let name = &self.stack.interface_at(judged.iif).name;
        match verdict {
            NdiscVerdict::Answered => format!("answers: {target} is on {name}{}", self.news(judged)),
            NdiscVerdict::Learnt if *kind == NdiscKind::Probe => {
                format!("gives {target} up: another host wants it too (dadfailed)")
            }
            NdiscVerdict::Learnt if self.stack.neighbour(*whom, judged.iif).is_none() => {
                format!("gives {target} up: another host has it (dadfailed)")
            }
            NdiscVerdict::Learnt => format!("hears it{}", self.news(judged)),
            NdiscVerdict::Distrusted => match before {
                Some((mac, NeighbourState::Permanent)) => {
                    format!("does not believe it: {whom} is at {mac} was set by hand (PERMANENT)")
                }
                _ => format!(
                    "does not believe it: another link address of {whom} is known, and it does not override"
                ),
            },
            NdiscVerdict::Ignored if *kind == NdiscKind::Advertisement => "learns nothing from it".into(),
            NdiscVerdict::Ignored => match self.stack.interface_of(*target) {
                Some(holder) => format!(
                    "does not answer: {target} is on {holder}, and IPv6 answers for addresses of {name} only"
                ),
                None => format!("not its business: {target} is not its address"),
            },
            NdiscVerdict::Malformed => "it breaks the rules".into(),
        }
    }

    /// What has changed in the neighbour cache.
    fn news(&self, judged: &Judged) -> String {
        let Judged { whom, before, iif, .. } = judged;
        let Some(now) = self.stack.neighbour(*whom, *iif).filter(|known| known.state.is_valid()) else {
            return String::new();
        };
        match before {
            Some((old, state)) if state.is_valid() && *old != now.mac => {
                format!("; from now on {whom} is at {}, no longer at {old}", now.mac)
            }
            Some((_, state)) if state.is_valid() => String::new(),
            _ => format!("; learns that {whom} is at {}", now.mac),
        }
    }
}
