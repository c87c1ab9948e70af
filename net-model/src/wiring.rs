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
use crate::link::{End, Link, LinkId, Taken};
use crate::recorder::{Place, Recorder};
use crate::spec::LinkSpec;
use crate::switch::{Decision, Path, Switch};
use crate::trace::Subject;
use crate::transcript::Stage;
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
    /// Does any host have a VLAN?
    has_tags: bool,
}

/// What an arrival at the end of a link means.
pub(crate) enum Arrival {
    /// A frame is at an interface: host, interface, frame.
    AtHost(u32, u16, FrameId),
    /// The same at an interface that is listened to.
    AtTap(u32, u16, FrameId),
    /// The same in a network with VLANs.
    AtTrunk(u32, u16, FrameId),
    /// Layer 2 has dealt with it.
    Handled,
}

impl Wiring {
    /// Lays one direction of a cable; its name names the random stream of its losses.
    pub fn lay(&mut self, spec: &LinkSpec, end: End, fed_by_switch: bool, seed: u64, name: &str) -> LinkId {
        let id = LinkId(u32::try_from(self.links.len()).expect("fewer than 2^32 links"));
        let mut link = Link::new(spec, end, fed_by_switch, seed, name);
        if self.has_tags {
            link.expect_tags();
        }
        self.links.push(link);
        id
    }

    /// From now on frames may carry tags: hosts look at them.
    pub(crate) fn expect_tags(&mut self) {
        if !std::mem::replace(&mut self.has_tags, true) {
            self.links.iter_mut().for_each(Link::expect_tags);
        }
    }

    /// A host sends a frame.
    pub fn transmit(
        &mut self,
        now: Time,
        id: LinkId,
        frame: FrameId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) {
        let sent = self.frames.get(&frame);
        let (flow, dst, bytes) = (sent.flow(), sent.dst, sent.wire_bytes());
        let followed = recorder.follows(flow).then(|| Subject::of(&frame, sent));
        let mut path = Path::NONE;
        let Some(at) = self.send_with_care(now, id, frame, bytes, &mut path, agenda, recorder) else {
            return;
        };
        if let Some(subject) = followed {
            let text = || format!("{bytes} bytes, at the far end at {at}");
            recorder.tell(now, Place::Link(id), Stage::Link, &subject, text);
            if let (End::Switch(switch, _), true) = (self.links[id.0 as usize].end(), path.is_known()) {
                let text = || format!("knows the port of {dst}");
                recorder.tell(at, Place::Switch(switch), Stage::Switch, &subject, text);
            }
        }
    }

    /// A host sends a frame of `bytes` that nobody follows. `path` is the way that its like took through the switch at
    /// the end of the link.
    #[inline(always)] // one copy for every place where frames leave
    #[allow(clippy::too_many_arguments)] // a frame, its way, and what travels down the walk
    pub(crate) fn send(
        &mut self,
        now: Time,
        id: LinkId,
        frame: FrameId,
        bytes: u32,
        path: &mut Path,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) {
        let link = &mut self.links[id.0 as usize];
        if let Some(transmission) = link.foresee(now, bytes)
            && let Some(switch) = self.switches.get_mut(path.switch as usize)
            && let Some(out) = switch.follow(transmission.arrival, path)
        {
            link.transmit(&transmission);
            return self.enqueue(out, transmission.arrival, frame, bytes, agenda);
        }
        self.send_with_care(now, id, frame, bytes, path, agenda, recorder);
    }

    /// The same if the link may refuse the frame, or nobody knows its way. When it will be at the far end of the link.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)] // as above
    fn send_with_care(
        &mut self,
        now: Time,
        id: LinkId,
        frame: FrameId,
        bytes: u32,
        path: &mut Path,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) -> Option<Time> {
        let link = &mut self.links[id.0 as usize];
        let at = match link.send(now, bytes) {
            Ok(at) => at,
            Err(reason) => {
                self.refuse(now, id, frame, reason, recorder);
                return None;
            }
        };
        let next = match self.follow(at, path) {
            Some(out) => out,
            None => self.find_path(at, id, &frame, path).unwrap_or(id),
        };
        self.enqueue(next, at, frame, bytes, agenda);
        Some(at)
    }

    /// The way of a frame that will be in a switch at `at`, if its like went that way before.
    fn follow(&mut self, at: Time, path: &Path) -> Option<LinkId> {
        self.switches.get_mut(path.switch as usize)?.follow(at, path)
    }

    /// Asks the switch at the end of a link for the way of a frame that will be there at `at`; none if it needs an event
    /// of its own there, or there is no switch.
    #[inline(never)]
    fn find_path(&mut self, at: Time, id: LinkId, frame: &FrameId, path: &mut Path) -> Option<LinkId> {
        let End::Switch(switch, port) = self.links[id.0 as usize].end() else { return None };
        let frame = self.frames.get(frame);
        if !self.switches[switch as usize].passes(frame) {
            return None;
        }
        *path = self.switches[switch as usize].known_path(at, (port, frame.vlan), frame.src, frame.dst)?;
        path.switch = switch;
        Some(path.out())
    }

    #[cold]
    fn refuse(&mut self, now: Time, id: LinkId, frame: FrameId, reason: DropReason, recorder: &mut Recorder) {
        recorder.note_drop(now, Place::Link(id), &frame, self.frames.get(&frame), reason);
        self.frames.end(frame);
    }

    /// The event of a link whose head arrives at a host's interface: host, interface, frame. Nothing has happened if it
    /// is another kind of event: then [`Wiring::arrive`] tells.
    #[inline(always)] // the beginning of every arrival
    pub(crate) fn arrive_at_host(
        &mut self,
        now: Time,
        id: LinkId,
        agenda: &mut Agenda<Event>,
    ) -> Option<(u32, u16, FrameId)> {
        let link = &mut self.links[id.0 as usize];
        let End::Host(host, interface) = link.end() else { return None };
        let (frame, next) = link.next_arrival(now)?;
        if next != Time::NEVER {
            agenda.post(next, Event::Arrive(id));
        }
        Some((host, interface, frame))
    }

    /// The event of a link: its head arrives.
    pub(crate) fn arrive(
        &mut self,
        now: Time,
        id: LinkId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) -> Arrival {
        let link = &mut self.links[id.0 as usize];
        let Some((frame, next)) = link.next_arrival(now) else {
            return self.refusing_link_event(now, id, agenda, recorder);
        };
        if next != Time::NEVER {
            agenda.post(next, Event::Arrive(id));
        }
        self.at_end(now, id, frame, agenda, recorder)
    }

    /// A frame is at the end of a link, whatever there is.
    fn at_end(
        &mut self,
        now: Time,
        id: LinkId,
        frame: FrameId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) -> Arrival {
        match self.links[id.0 as usize].end() {
            End::Host(host, interface) => Arrival::AtHost(host, interface, frame),
            End::Tap(host, interface) => Arrival::AtTap(host, interface, frame),
            End::Trunk(host, interface) => Arrival::AtTrunk(host, interface, frame),
            End::Switch(switch, port) => {
                self.switch_input(now, switch, port, frame, agenda, recorder);
                Arrival::Handled
            }
        }
    }

    /// The event of a link that may refuse frames, or one that is void.
    fn refusing_link_event(
        &mut self,
        now: Time,
        id: LinkId,
        agenda: &mut Agenda<Event>,
        recorder: &mut Recorder,
    ) -> Arrival {
        let link = &mut self.links[id.0 as usize];
        let Some(taken) = link.take(now) else { return Arrival::Handled };
        if let Some(due) = link.arm() {
            agenda.post(due, Event::Arrive(id));
        }
        match taken {
            Taken::Arrived(frame) => return self.at_end(now, id, frame, agenda, recorder),
            Taken::Transmitted => {}
            Taken::Refused(frame, reason) => self.refuse(now, id, frame, reason, recorder),
        }
        Arrival::Handled
    }

    /// Frames delivered over a link so far.
    pub fn hops(&self) -> u64 {
        self.links.iter().map(Link::delivered).sum()
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
        let arrived = self.frames.get(&frame);
        let (src, dst, tag, flow) = (arrived.src, arrived.dst, arrived.vlan, arrived.flow());
        let switch = &mut self.switches[number as usize];
        let vlan = match switch.vlan_of(port, tag).ok_or(DropReason::VlanRefused) {
            Ok(vlan) if switch.passes(arrived) => vlan,
            refused => {
                let reason = refused.err().unwrap_or(DropReason::FrameTooBig);
                recorder.note_drop(now, Place::Switch(number), &frame, arrived, reason);
                return self.frames.end(frame);
            }
        };
        if switch.learn(now, port, vlan, src) {
            self.redirect(now, number, vlan, src, agenda);
        }
        match self.switches[number as usize].decide(now, port, vlan, dst) {
            Decision::Forward(out) => {
                if recorder.follows(flow) {
                    let subject = Subject::of(&frame, self.frames.get(&frame));
                    let text = || format!("knows the port of {dst}");
                    recorder.tell(now, Place::Switch(number), Stage::Switch, &subject, text);
                }
                self.leave_switch(now, (number, out), vlan, frame, agenda);
            }
            Decision::Hairpin => {
                let dropped = self.frames.get(&frame);
                recorder.note_drop(now, Place::Switch(number), &frame, dropped, DropReason::Hairpin);
                self.frames.end(frame);
            }
            Decision::Flood => {
                let followed = recorder.follows(flow);
                if followed {
                    let subject = Subject::of(&frame, self.frames.get(&frame));
                    let text = || match dst.is_group() {
                        true => format!("{dst} is for all: a copy to every other port"),
                        false => format!("does not know {dst}: a copy to every other port"),
                    };
                    recorder.tell(now, Place::Switch(number), Stage::Switch, &subject, text);
                }
                recorder.delivered += 1; // the original ends in the switch; its copies go on
                for index in 0..self.switches[number as usize].ports().len() {
                    let Some(out) = self.switches[number as usize].flood(index, port, vlan) else { continue };
                    let copy = self.frames.copy(&frame);
                    if followed {
                        recorder.note_copy(&frame, &copy);
                    }
                    self.leave_switch(now, (number, out), vlan, copy, agenda);
                }
                self.frames.end(frame);
            }
        }
    }

    /// A frame of a VLAN leaves a switch, with the tag or without it as the port wants it.
    fn leave_switch(
        &mut self,
        at: Time,
        (number, out): (u32, LinkId),
        vlan: u16,
        frame: FrameId,
        agenda: &mut Agenda<Event>,
    ) {
        let leaving = self.frames.get_mut(&frame);
        if let Some(tag) = self.switches[number as usize].tag_towards(out, vlan) {
            leaving.vlan = tag;
        }
        let bytes = leaving.wire_bytes();
        self.enqueue(out, at, frame, bytes, agenda);
    }

    /// A frame takes its place in the queue of a link, and the link its event.
    #[inline(always)] // the end of every way out of a host
    fn enqueue(&mut self, id: LinkId, at: Time, frame: FrameId, bytes: u32, agenda: &mut Agenda<Event>) {
        let link = &mut self.links[id.0 as usize];
        if let Some(due) = link.push(at, frame, bytes) {
            agenda.post(due, Event::Arrive(id));
        }
    }

    /// An address has moved: frames on their short cut to the old port take the new way.
    fn redirect(&mut self, now: Time, number: u32, vlan: u16, mac: Mac, agenda: &mut Agenda<Event>) {
        let outs = self.switches[number as usize].ports().to_vec();
        for out in outs {
            let (frames, switch) = (&self.frames, &self.switches[number as usize]);
            let is_meant = |frame: &FrameId| {
                let queued = frames.get(frame);
                queued.dst == mac && switch.vlan_at(out, queued.vlan) == Some(vlan)
            };
            let recalled = self.links[out.0 as usize].recall(now, is_meant);
            if recalled.is_empty() {
                continue;
            }
            if let Some(due) = self.links[out.0 as usize].arm() {
                agenda.post(due, Event::Arrive(out));
            }
            for queued in recalled {
                match self.switches[number as usize].decide(now, u16::MAX, vlan, mac) {
                    Decision::Forward(out) => {
                        self.leave_switch(queued.at, (number, out), vlan, queued.frame, agenda);
                    }
                    Decision::Flood | Decision::Hairpin => unreachable!("the address has just been learnt"),
                }
            }
        }
    }

    /// The interface at the end of a link takes smaller frames than the wire carries: it looks at each.
    pub(crate) fn narrow(&mut self, id: LinkId) {
        self.links[id.0 as usize].expect_tags();
    }

    /// Somebody listens to the interface at the end of a link.
    pub(crate) fn tap(&mut self, id: LinkId) {
        self.links[id.0 as usize].tap();
    }

    /// Pulls or plugs a cable at a host's interface: both directions.
    pub fn set_link_up(
        &mut self,
        now: Time,
        outgoing: LinkId,
        incoming: LinkId,
        up: bool,
        agenda: &mut Agenda<Event>,
    ) {
        for id in [outgoing, incoming] {
            let link = &mut self.links[id.0 as usize];
            link.set_up(now, up);
            if let Some(due) = link.arm() {
                agenda.post(due, Event::Arrive(id));
            }
        }
        if let (false, End::Switch(switch, port)) = (up, self.links[outgoing.0 as usize].end()) {
            self.switches[switch as usize].forget_port(port);
        }
    }
}
