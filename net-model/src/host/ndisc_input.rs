//! Neighbour discovery on its way through a host: what comes in, what goes out.

use super::ask::Ask;
use super::interface::InterfaceId;
use super::ndisc::{NdiscSend, NdiscVerdict};
use super::node::Host;
use super::route::{Route, RouteClass};
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::packet::NdiscKind;
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Host {
    /// Sends a question or an announcement.
    pub(crate) fn send_ask(&mut self, cx: &mut Cx, ask: &Ask) {
        match ask {
            Ask::Ndisc(ndisc) if ndisc.to.is_none() => self.send_advertisement(cx, ndisc),
            Ask::Arp(_) | Ask::Ndisc(_) => {
                let frame = cx.wiring.frames.send(ask.frame());
                let to = cx.wiring.frames.get(&frame).dst;
                self.tell_ask(cx, &frame, ask);
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
        let iif = self.stack.interfaces().find(|(_, device)| device.mac == arrived).map(|(id, _)| id);
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
        let outcome = self.stack.ndisc_input(cx.now, iif, &packet);
        if outcome.verdict == NdiscVerdict::Malformed {
            return cx.drop(Place::Host(self.id), frame, DropReason::BadNdisc);
        }
        cx.deliver(frame);
        if let Some(id) = outcome.resolved {
            self.send_waiting(cx, id);
        }
        if let Some(reply) = outcome.reply {
            if reply.message.kind == NdiscKind::Advertisement {
                cx.note_arp_answer(self.id, reply.message.target);
            }
            self.send_ask(cx, &Ask::Ndisc(reply));
        }
        self.arm_timers(cx);
    }
}
