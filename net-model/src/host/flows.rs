//! What a director's host remembers of the flows that pass it: the short way for the next packet of each.
//!
//! Linux has such memories (flow tables, the routes that sockets and IPVS destinations keep), which spare a packet the
//! walk through the tables as long as nothing has changed. Here one line of memory a flow and direction holds what the
//! last closer look found: the entry of the connection table and the way out. It is found by the packet's tag, and it
//! holds while addresses and ports, the interface, and the state of the host's tables are those of that look. What can
//! change with each packet is looked at each time: the neighbour, the entry, the alarms of the director. A packet that
//! finds no line, or one that does not hold, takes the long way, which decides the same.

use super::input::plain;
use super::interface::InterfaceId;
use super::neighbour::NeighbourId;
use super::node::Host;
use super::route_input::Known;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{Passage, Tuple};
use crate::packet::{Packet, Payload, Segment};

/// How many lines a host has once it needs one. Tags of exchanges are used again, the last one first, so that few are in use.
const LINES: usize = 4096;

/// The flows a host remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flows {
    /// None before the first flow is remembered.
    lines: Vec<Line>,
    /// For tests: nothing is remembered.
    #[cfg(test)]
    pub(super) are_forgotten: bool,
    /// For tests: how many packets have passed by heart.
    #[cfg(test)]
    pub(super) passed: usize,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    src: Addr,
    dst: Addr,
    sport: u16,
    dport: u16,
    /// The interface by which its packets come in.
    iif: InterfaceId,
    /// The largest packet that takes the way.
    mtu: u16,
    /// The state of the host's tables for which this holds; 0 for none.
    epoch: u32,
    /// Out of the host: the next hop. Its entry exists while the epoch lasts.
    next_hop: NeighbourId,
    /// Through the director.
    passage: Passage,
}

const _: () = assert!(size_of::<Line>() == 64, "a packet asks for one cache line");

impl Flows {
    const EMPTY: Line = Line {
        src: Addr::UNSPECIFIED_V4,
        dst: Addr::UNSPECIFIED_V4,
        sport: 0,
        dport: 0,
        iif: InterfaceId::LO,
        mtu: 0,
        epoch: 0,
        next_hop: NeighbourId(0),
        passage: Passage::NONE,
    };

    /// Where the packets of a tag are remembered, one way and the other.
    #[inline(always)] // once a packet
    fn place(tag: u32, sport: u16, dport: u16) -> usize {
        (tag as usize * 2 + usize::from(sport < dport)) % LINES
    }

    #[inline(always)] // once a packet
    fn find(
        &self,
        packet: &Packet,
        segment: &Segment,
        iif: InterfaceId,
        epoch: u32,
    ) -> Option<(usize, &Line)> {
        let place = Flows::place(packet.flow, segment.sport, segment.dport);
        let line = self.lines.get(place)?;
        let is_it = line.epoch == epoch
            && (line.sport, line.dport) == (segment.sport, segment.dport)
            && line.iif == iif
            && (line.src, line.dst) == (packet.src, packet.dst);
        is_it.then_some((place, line))
    }

    fn put(&mut self, tag: u32, line: Line) {
        #[cfg(test)]
        if self.are_forgotten {
            return;
        }
        if self.lines.is_empty() {
            self.lines = vec![Flows::EMPTY; LINES];
        }
        self.lines[Flows::place(tag, line.sport, line.dport)] = line;
    }
}

impl Host {
    /// A frame comes in at a host with a director.
    #[inline(never)]
    pub(super) fn director_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        if let Some(packet) = plain(self.is_up, interface, &mut cx.wiring.frames, &cx.recorder, &frame)
            && let Payload::Tcp(segment) = &packet.payload
            && packet.outer.is_none()
            && let Some(director) = &mut self.director
            && let Some((place, line)) = self.flows.find(packet, segment, iif, self.stack.epoch())
            && self.stack.netfilter.is_silent()
            && packet.ttl > 1
            && packet.len <= line.mtu
            && director.pass_by_heart(cx.now, packet, &line.passage, &self.stack)
        {
            let (next_hop, len) = (line.next_hop, packet.wire_len());
            #[cfg(test)]
            {
                self.flows.passed += 1;
            }
            return self.send_passed(cx, frame, next_hop, len, place);
        }
        self.input_closely(cx, iif, frame);
    }

    /// A packet without a tunnel, if its flow is not known by heart. What becomes of the packet may teach how to treat
    /// the next.
    #[inline(never)]
    pub(super) fn director_input_and_learn(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let interface = self.stack.interface_at(iif);
        let packet = cx.wiring.frames.packet_mut(&frame);
        let known = self.stack.known_input(packet.src, packet.dst, iif, interface);
        let Payload::Tcp(segment) = &packet.payload else {
            return self.director_input_as(cx, iif, frame, known);
        };
        let (tag, tuple, epoch) = (packet.flow, Tuple::of_segment(packet, segment), self.stack.epoch());
        self.director_input_as(cx, iif, frame, known);
        if cx.confirming.is_some() || self.stack.epoch() != epoch {
            return;
        }
        match known {
            Some(Known::Deliver) => self.learn_request(tag, &tuple, iif),
            Some(Known::Forward(_)) => self.learn_reply(tag, &tuple, iif),
            None => {}
        }
    }

    /// The director has let a packet of `len` bytes pass; its flow's place is known.
    #[inline(never)]
    fn send_passed(&mut self, cx: &mut Cx, frame: FrameId, next_hop: NeighbourId, len: u16, place: usize) {
        if self.director_has_set_timer() {
            self.arm_timers(cx);
        }
        if let Some(frame) = self.depart(cx, frame, next_hop, len) {
            self.send_passed_with_care(cx, frame, place);
        }
    }

    /// The same where the neighbour's entry needs something done.
    #[inline(never)]
    fn send_passed_with_care(&mut self, cx: &mut Cx, frame: FrameId, place: usize) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let passage = &self.flows.lines[place].passage;
        let server = self.director.as_ref().and_then(|director| director.server_ahead(passage));
        let to = server.unwrap_or(packet.dst);
        self.send_received_towards(cx, frame, to);
    }

    /// What the tables and the director would say of another packet like the client's that has just passed, and of the
    /// answers to it: that is remembered.
    #[inline(never)]
    fn learn_request(&mut self, tag: u32, tuple: &Tuple, iif: InterfaceId) {
        let Some(director) = &self.director else { return };
        let Some(request) = director.foresee_request(tuple) else { return };
        let Some((oif, next_hop, mtu)) = self.stack.known_next_hop(request.server) else { return };
        let least = if request.server.is_v4() { 68 } else { 1280 };
        let mtu = mtu.saturating_sub(request.overhead);
        if mtu < least {
            return; // no tunnel may be so narrow
        }
        self.know_flow(tag, tuple, iif, request.passage, next_hop, mtu);
        self.learn_reply(tag, &request.answers, oif);
    }

    /// The same of a server's packet.
    fn learn_reply(&mut self, tag: u32, tuple: &Tuple, iif: InterfaceId) {
        let interface = self.stack.interface_at(iif);
        if let Some(Known::Forward(way)) = self.stack.known_input(tuple.src, tuple.dst, iif, interface)
            && let Some(passage) = self.director.as_ref().and_then(|director| director.foresee_reply(tuple))
            && !self.stack.has_rules()
        {
            let (next_hop, mtu) = self.stack.exit_at(way);
            self.know_flow(tag, tuple, iif, passage, next_hop, mtu);
        }
    }

    #[inline]
    fn know_flow(
        &mut self,
        tag: u32,
        tuple: &Tuple,
        iif: InterfaceId,
        passage: Passage,
        next_hop: NeighbourId,
        mtu: u16,
    ) {
        if mtu > 0 {
            let epoch = self.stack.epoch();
            let Tuple { src, dst, sport, dport, .. } = *tuple;
            self.flows.put(tag, Line { src, dst, sport, dport, iif, mtu, epoch, next_hop, passage });
        }
    }
}
