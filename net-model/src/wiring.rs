//! Layer 2: all links and switches, and the way of a frame from one interface to the next.
//!
//! A frame that a host sends into a switch needs **one** event, its arrival at the next host: while the first link is
//! fed by one host only, the instant at which the frame is whole in the switch is known when it is sent, and the switch's
//! outgoing link takes it into its queue under that instant. This is exact as long as the switch has nothing to learn
//! from the frame, so a frame with an unknown address, and every broadcast, gets an event at the switch as well.
//! When a switch learns that an address has moved, frames on their short cut to it are led to the new port.

use crate::addr::Mac;
use crate::event::Event;
use crate::frames::{FrameId, Frames};
use crate::link::{End, Link, LinkId};
use crate::recorder::{Place, Recorder};
use crate::spec::LinkSpec;
use crate::switch::{Decision, Switch};
use crate::verdict::DropReason;
use sim_core::{Agenda, Time};

/// All of layer 2.
#[derive(Debug, Default)]
pub struct Wiring {
    /// The frames under way.
    pub frames: Frames,
    /// The links, by [`LinkId`].
    pub links: Vec<Link>,
    /// The switches, by number.
    pub switches: Vec<Switch>,
    /// Frames delivered over a link.
    pub hops: u64,
}

/// What an arrival at the end of a link means.
pub(crate) enum Arrival {
    /// A frame is at an interface: host, interface, frame.
    AtHost(u32, u16, FrameId),
    /// Layer 2 has dealt with it.
    Handled,
}

impl Wiring {
    /// Lays one direction of a cable; its name names the random stream of its losses.
    pub fn lay(&mut self, spec: &LinkSpec, end: End, fed_by_switch: bool, seed: u64, name: &str) -> LinkId {
        let id = LinkId(u32::try_from(self.links.len()).expect("fewer than 2^32 links"));
        self.links.push(Link::new(spec, end, fed_by_switch, seed, name));
        id
    }

    /// A host sends a frame.
    #[inline]
    pub fn transmit(
        &mut self,
        now: Time,
        id: LinkId,
        frame: FrameId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) {
        let link = &mut self.links[id.0 as usize];
        let sent = self.frames.get(&frame);
        match link.send(now, sent.wire_bytes()) {
            Err(reason) => {
                recorder.note_drop(now, Place::Link(id), sent, reason);
                self.frames.end(frame);
            }
            Ok(arrival) => {
                self.hops += 1;
                if let End::Switch(switch, port) = link.end() {
                    let (src, dst) = (sent.src, sent.dst);
                    if let Some(out) = self.switches[switch as usize].known_path(arrival, port, src, dst) {
                        self.enqueue(arrival, out, frame, agenda);
                        return;
                    }
                }
                link.push(arrival, frame);
                self.arm(id, agenda);
            }
        }
    }

    /// The event of a link: its head arrives.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        now: Time,
        id: LinkId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) -> Arrival {
        let frames = &self.frames;
        let link = &mut self.links[id.0 as usize];
        let Some((frame, sent)) = link.take(now, |frame| frames.get(frame).wire_bytes()) else {
            return Arrival::Handled;
        };
        let (end, fed_by_switch) = (link.end(), link.fed_by_switch());
        self.arm(id, agenda);
        if let Err(reason) = sent {
            recorder.note_drop(now, Place::Link(id), self.frames.get(&frame), reason);
            self.frames.end(frame);
            return Arrival::Handled;
        }
        self.hops += u64::from(fed_by_switch);
        match end {
            End::Host(host, interface) => Arrival::AtHost(host, interface, frame),
            End::Switch(switch, port) => {
                self.switch_input(now, switch, port, frame, agenda, recorder);
                Arrival::Handled
            }
        }
    }

    /// A frame is whole in a switch.
    fn switch_input(
        &mut self,
        now: Time,
        number: u32,
        port: u16,
        frame: FrameId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) {
        let (src, dst) = {
            let f = self.frames.get(&frame);
            (f.src, f.dst)
        };
        let switch = &mut self.switches[number as usize];
        if switch.learn(now, port, src) {
            self.redirect(now, number, src, agenda);
        }
        match self.switches[number as usize].decide(now, port, dst) {
            Decision::Forward(out) => self.enqueue(now, out, frame, agenda),
            Decision::Hairpin => {
                recorder.note_drop(now, Place::Switch(number), self.frames.get(&frame), DropReason::Hairpin);
                self.frames.end(frame);
            }
            Decision::Flood => {
                let outs: Vec<LinkId> = self.switches[number as usize].flood(port).collect();
                recorder.delivered += 1; // the original ends in the switch; its copies go on
                for out in outs {
                    let copy = self.frames.copy(&frame);
                    self.enqueue(now, out, copy, agenda);
                }
                self.frames.end(frame);
            }
        }
    }

    /// A frame will be (or is) whole in a switch at `at` and leaves it by `out`.
    #[inline]
    fn enqueue(&mut self, at: Time, out: LinkId, frame: FrameId, agenda: &mut Agenda<Event>) {
        self.links[out.0 as usize].push(at, frame);
        self.arm(out, agenda);
    }

    #[inline]
    fn arm(&mut self, id: LinkId, agenda: &mut Agenda<Event>) {
        let frames = &self.frames;
        if let Some(due) = self.links[id.0 as usize].arm(|frame| frames.get(frame).wire_bytes()) {
            agenda.post(due, Event::Arrive(id));
        }
    }

    /// An address has moved: frames on their short cut to the old port take the new way.
    fn redirect(&mut self, now: Time, number: u32, mac: Mac, agenda: &mut Agenda<Event>) {
        let outs = self.switches[number as usize].ports().to_vec();
        for out in outs {
            let frames = &self.frames;
            let recalled = self.links[out.0 as usize].recall(now, |frame| frames.get(frame).dst == mac);
            if recalled.is_empty() {
                continue;
            }
            self.arm(out, agenda);
            for (at, frame) in recalled {
                match self.switches[number as usize].decide(now, u16::MAX, mac) {
                    Decision::Forward(out) => self.enqueue(at, out, frame, agenda),
                    Decision::Flood | Decision::Hairpin => unreachable!("the address has just been learnt"),
                }
            }
        }
    }

    /// Pulls or plugs a cable at a host's interface: both directions.
    pub fn set_link_up(&mut self, outgoing: LinkId, incoming: LinkId, up: bool) {
        self.links[outgoing.0 as usize].set_up(up);
        self.links[incoming.0 as usize].set_up(up);
        if let (false, End::Switch(switch, port)) = (up, self.links[outgoing.0 as usize].end()) {
            self.switches[switch as usize].forget_port(port);
        }
    }
}
