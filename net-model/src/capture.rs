//! Taps: the frames at chosen interfaces, as `tcpdump -i DEV` on the host would see them, and what became of them.
//!
//! A frame going out is seen as it is handed to the device, and not at all if the device is down or its cable is out; it
//! may still be lost in the queue or on the wire. A frame coming in is seen when it is whole at the interface, whoever it
//! is for: a tap listens like a card in promiscuous mode, so what a switch floods is there too. On lo each packet is seen
//! once, on a tunnel interface without its outer header, on a VLAN sub-interface without its tag (and on its card with it).
//!
//! Taps cost nothing while there are none: a tapped link ends in [`End::Tap`](crate::link::End), an arm of a `match` that
//! is there anyway, and while there are taps hosts learn no short way out, so that every frame passes the place in
//! `host/output.rs` that looks for a tap.

use crate::addr::Mac;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::host::{Host, InterfaceId, InterfaceKind};
use crate::ipvs::{Candidate, Decision};
use crate::link::LinkId;
use crate::network::{HostId, Network};
use crate::packet::Frame;
use crate::verdict::DropReason;
use rustc_hash::FxHashMap;
use sim_core::Time;
use std::fmt::Write;

/// A tapped interface, numbered from 0 in the order of tapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tap(pub u32);

/// Into the host or out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The frame came to the interface.
    In,
    /// The host handed the frame to the interface.
    Out,
}

/// A frame as a tap has seen it.
#[derive(Clone, PartialEq, Debug)]
pub struct Captured {
    /// When.
    pub time: Time,
    /// Where.
    pub tap: Tap,
    /// In or out.
    pub direction: Direction,
    /// The frame at that instant.
    pub frame: Frame,
    /// Why the host dropped it at once; none if it did not. Only of frames coming in.
    pub dropped: Option<DropReason>,
    /// What the host's director decided because of it. Only of frames coming in.
    pub decisions: Vec<Decision>,
}

impl Captured {
    /// What became of the frame, in words; none if there is nothing to say.
    pub fn comment(&self) -> Option<String> {
        let mut text = String::new();
        for decision in &self.decisions {
            let (decision, left_out) = shortened(decision);
            let _ = writeln!(text, "{}", crate::host::describe(&decision));
            if left_out > 0 {
                let _ = writeln!(text, "  ({left_out} more servers)");
            }
        }
        if let Some(reason) = self.dropped {
            let _ = writeln!(text, "dropped ({}): {} {}", reason.name(), reason.sentence(), reason.cure());
        }
        text.pop();
        (!text.is_empty()).then_some(text)
    }
}

/// So many candidates of a decision are told in a comment.
const CANDIDATES: usize = 12;

/// The decision with few candidates, the chosen one among them, and how many were left out.
fn shortened(decision: &Decision) -> (Decision, usize) {
    let told = decision.candidates.iter().enumerate();
    let told = told.filter(|(at, candidate)| *at < CANDIDATES || decision.outcome == Ok(candidate.key));
    let candidates: Vec<Candidate> = told.map(|(_, candidate)| candidate.clone()).collect();
    let left_out = decision.candidates.len() - candidates.len();
    let short = Decision { candidates, chooser: decision.chooser.clone(), ..*decision };
    (short, left_out)
}

/// All taps of a network, and what they have seen since it was fetched last.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    taps: Vec<(HostId, InterfaceId)>,
    by_interface: FxHashMap<(u32, InterfaceId), Tap>,
    /// The host that is on its own, if there is one: what it sends leads nowhere and is seen all the same.
    alone: Option<u32>,
    records: Vec<Captured>,
    /// The records of the frame that its host is handling right now, outermost first.
    open: Vec<usize>,
    handled: Option<FrameNumber>,
}

/// Tells a frame from others while its host handles it: where it lies, and the addresses with which it came. What the
/// host sends in the meantime may lie there too, but has other addresses.
#[derive(PartialEq, Eq, Debug)]
struct FrameNumber {
    slot: u32,
    src: Mac,
    dst: Mac,
}

impl Capture {
    fn see(
        &mut self,
        time: Time,
        host: u32,
        interface: InterfaceId,
        direction: Direction,
        frame: &Frame,
    ) -> bool {
        let Some(&tap) = self.by_interface.get(&(host, interface)) else { return false };
        let mut frame = frame.clone();
        if interface == InterfaceId::LO {
            (frame.src, frame.dst) = (Mac::ZERO, Mac::ZERO);
        }
        self.records.push(Captured { time, tap, direction, frame, dropped: None, decisions: Vec::new() });
        true
    }

    fn open(&mut self, id: &FrameId, frame: &Frame) {
        self.open.push(self.records.len() - 1);
        self.handled = Some(FrameNumber { slot: id.slot(), src: frame.src, dst: frame.dst });
    }

    fn close(&mut self, decisions: Vec<Decision>) {
        let record = self.open.pop().expect("it was opened");
        self.records[record].decisions = decisions;
        if self.open.is_empty() {
            self.handled = None;
        }
    }

    /// A host drops a frame.
    pub(crate) fn note_drop(&mut self, id: &FrameId, frame: &Frame, reason: DropReason) {
        if self.handled == Some(FrameNumber { slot: id.slot(), src: frame.src, dst: frame.dst }) {
            for record in &self.open {
                self.records[*record].dropped = Some(reason);
            }
        }
    }
}

/// Taps.
impl Network {
    /// Taps an interface. Frames are seen from now on; they wait to be fetched with [`Network::take_captured`].
    ///
    /// # Panics
    /// If the network has already run: hosts that know their ways out would pass the tap by.
    pub fn tap(&mut self, host: HostId, interface: InterfaceId) -> Tap {
        assert!(!self.is_started, "taps are set before the network runs");
        let capture = self.cx.capture.get_or_insert_default();
        let next = Tap(capture.taps.len() as u32);
        let tap = *capture.by_interface.entry((host.0, interface)).or_insert(next);
        if tap == next {
            capture.taps.push((host, interface));
            if let Some(cable) = self.hosts[host.0 as usize].cable(interface) {
                self.cx.wiring.tap(cable.incoming);
            }
        }
        tap
    }

    /// Taps every interface of every host, host by host.
    ///
    /// # Panics
    /// If the network has already run.
    pub fn tap_all(&mut self) {
        for host in (0..self.hosts.len() as u32).map(HostId) {
            for interface in (0..self.host(host).stack.interfaces().count() as u16).map(InterfaceId) {
                self.tap(host, interface);
            }
        }
    }

    /// Taps the cards of a host that is to be isolated: what it sends is seen although nobody gets it.
    ///
    /// # Panics
    /// If the network has already run.
    pub fn tap_alone(&mut self, host: HostId) {
        let stack = &self.host(host).stack;
        let cards = stack.interfaces().filter(|(_, interface)| interface.kind == InterfaceKind::Ethernet);
        for card in cards.map(|(id, _)| id).collect::<Vec<_>>() {
            self.tap(host, card);
        }
        self.cx.capture.get_or_insert_default().alone = Some(host.0);
    }

    /// The tapped interfaces, by [`Tap`].
    pub fn taps(&self) -> &[(HostId, InterfaceId)] {
        self.cx.capture.as_ref().map_or(&[], |capture| &capture.taps)
    }

    /// What the taps have seen since the last call, in order of time.
    pub fn take_captured(&mut self) -> Vec<Captured> {
        self.cx.capture.as_mut().map(|capture| std::mem::take(&mut capture.records)).unwrap_or_default()
    }
}

/// A frame is at a tapped card.
#[cold]
pub(crate) fn input(host: &mut Host, cx: &mut Cx, card: InterfaceId, frame: FrameId) {
    let listens = host.is_up && host.stack.interface_at(card).up;
    let is_seen = listens && see_incoming(host, cx, card, &frame);
    host.card_input(cx, card, frame);
    if is_seen {
        close(host, cx);
    }
}

/// A frame is at a sub-interface, its tag taken off.
#[cold]
pub(crate) fn input_untagged(host: &mut Host, cx: &mut Cx, vlan: InterfaceId, frame: FrameId) {
    let listens = host.is_up && host.stack.interface_at(vlan).up;
    let is_seen = listens && see_incoming(host, cx, vlan, &frame);
    host.input(cx, vlan, frame);
    if is_seen {
        close(host, cx);
    }
}

/// A packet comes in again: from lo, or out of a tunnel.
#[cold]
pub(crate) fn input_again(host: &mut Host, cx: &mut Cx, interface: InterfaceId, frame: FrameId) {
    let is_seen = see_incoming(host, cx, interface, &frame);
    host.ip_input_again(cx, interface, frame);
    if is_seen {
        close(host, cx);
    }
}

/// A host hands a frame to an interface; to a sub-interface without its tag, which gives it with the tag to its card.
#[cold]
pub(crate) fn output(
    cx: &mut Cx,
    host: u32,
    (interface, card): (InterfaceId, Option<InterfaceId>),
    link: LinkId,
    frame: &FrameId,
) {
    let is_plugged = cx.wiring.links[link.0 as usize].is_up();
    let Some(capture) = cx.capture.as_mut().filter(|_| is_plugged) else { return };
    let sent = cx.wiring.frames.get(frame);
    match card {
        None => drop(capture.see(cx.now, host, interface, Direction::Out, sent)),
        Some(card) => {
            let untagged = Frame { vlan: 0, ..sent.clone() };
            capture.see(cx.now, host, interface, Direction::Out, &untagged);
            capture.see(cx.now, host, card, Direction::Out, sent);
        }
    }
}

/// A host that is on its own hands a frame to a card, which leads nowhere.
#[cold]
pub(crate) fn output_alone(cx: &mut Cx, host: u32, card: InterfaceId, frame: &FrameId) {
    let Some(capture) = cx.capture.as_mut().filter(|capture| capture.alone == Some(host)) else { return };
    capture.see(cx.now, host, card, Direction::Out, cx.wiring.frames.get(frame));
}

fn see_incoming(host: &mut Host, cx: &mut Cx, interface: InterfaceId, id: &FrameId) -> bool {
    let Some(capture) = &mut cx.capture else { return false };
    let frame = cx.wiring.frames.get(id);
    if !capture.see(cx.now, host.id, interface, Direction::In, frame) {
        return false;
    }
    capture.open(id, frame);
    if let Some(director) = &mut host.director {
        director.record_decisions(true);
    }
    true
}

fn close(host: &mut Host, cx: &mut Cx) {
    let decisions = host.director.as_mut().map(|director| {
        let decisions = director.take_decisions();
        director.record_decisions(false);
        decisions
    });
    let capture = cx.capture.as_mut().expect("taps are never taken away");
    capture.close(decisions.unwrap_or_default());
}
