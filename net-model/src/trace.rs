//! Which packets a transcript follows: those of one exchange, or every packet that is sent, each with a number.
//!
//! A packet is recognised by the place of its frame in the pool, from the host that makes it to its end; the copies that a
//! switch makes belong to it. Numbers count all packets of a run from 1, so that one found in a list can be asked for in
//! another run. Nothing here is touched unless somebody asked for it.

use crate::addr::Addr;
use crate::frames::FrameId;
use crate::network::Network;
use crate::packet::{Arp, Body, Frame, Packet, Payload};
use crate::recorder::Place;
use crate::transcript::{Line, Stage};
use crate::verdict::DropReason;
use sim_core::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Which packets are wanted.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of which kind.
    pub what: What,
    /// Only the one with this number.
    pub packet: Option<u32>,
    /// Only those of the exchange with this number.
    pub exchange: Option<u32>,
    /// Only those that asked about, came from or went to this address.
    pub address: Option<Addr>,
    /// Only those that were dropped, and of each place and reason the first.
    pub dropped: Dropped,
    /// Only those sent at this instant or later.
    pub from: Time,
    /// Only those sent up to this instant.
    pub until: Time,
    /// So many at most; the run goes on without looking for more.
    pub limit: usize,
}

/// Which dropped packets are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// Whatever became of a packet, it is wanted.
    OrNot,
    /// The first of each place and reason, if the reason can be mended.
    FirstOfEach,
    /// The first of each place that was dropped for this reason.
    First(DropReason),
}

impl Default for Selection {
    /// Every packet of the run.
    fn default() -> Selection {
        Selection {
            what: What::Any,
            packet: None,
            exchange: None,
            address: None,
            dropped: Dropped::OrNot,
            from: Time::ZERO,
            until: Time::NEVER,
            limit: usize::MAX,
        }
    }
}

/// A kind of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Every packet.
    Any,
    /// ARP requests and replies, and the solicitations and advertisements of IPv6.
    Arp,
    /// ICMP messages.
    Icmp,
}

/// The walk of one packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Walk {
    /// Its number, from 1.
    pub number: u32,
    /// Its steps.
    pub lines: Vec<Line>,
    /// Where and why it ended early, if it did; of a flooded packet a copy that did.
    pub dropped: Option<(Place, DropReason)>,
    is_wanted: bool,
    copies: u32,
}

/// A line in the order in which things happened, to be compared with that of another run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The number of the packet.
    pub packet: u32,
    /// What was put on a wire, or dropped; 0 for all other steps, which are a host's own affair.
    pub fact: u64,
    /// The line.
    pub line: Line,
}

/// Following packets.
impl Network {
    /// Follows every packet, and keeps every line until it is fetched: see [`Network::take_steps`].
    pub fn follow_steps(&mut self) {
        self.cx.recorder.follow_steps();
    }

    /// Follows every packet, and keeps the walks of those that are selected: see [`Network::take_walks`].
    pub fn follow_packets(&mut self, selection: Selection) {
        if selection.exchange.is_some() {
            self.cx.exchanges.keep_all();
        }
        self.cx.recorder.follow_packets(selection);
    }

    /// The lines about all packets since the last call, after [`Network::follow_steps`].
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.cx.recorder.take_steps()
    }

    /// The walks of the packets that [`Network::follow_packets`] selected, in order of their numbers.
    pub fn take_walks(&mut self) -> Vec<Walk> {
        self.cx.recorder.take_walks()
    }
}

/// What a line of a transcript is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) flow: u32,
    slot: u32,
    kind: What,
    ends: (Addr, Addr),
    /// What stays the same from host to host, whatever is rewritten, and differs from the next packet in the same slot.
    signature: u64,
}

impl Subject {
    /// A frame.
    pub(crate) fn of(id: &FrameId, frame: &Frame) -> Subject {
        let slot = id.slot();
        match &frame.body {
            Body::Arp(arp) => Subject {
                flow: 0,
                slot,
                kind: What::Arp,
                ends: (arp.sender, arp.target),
                signature: signature_of(arp),
            },
            // What ARP is to IPv4, neighbour discovery is to IPv6.
            Body::Ip(Packet { src, payload: Payload::Ndisc(message), .. }) => Subject {
                flow: 0,
                slot,
                kind: What::Arp,
                ends: (*src, message.target),
                signature: mixed(mixed(3, message.kind as u32), message.target.to_bits() as u32),
            },
            Body::Ip(packet) => {
                let (kind, words) = match &packet.payload {
                    Payload::Icmp(icmp) => {
                        (What::Icmp, [u32::from(icmp.kind) << 8, u32::from(icmp.code), icmp.info])
                    }
                    Payload::Tcp(segment) => {
                        (What::Any, [u32::from(segment.flags.0), segment.ack, u32::from(segment.len)])
                    }
                    _ => (What::Any, [0, 0, u32::from(packet.len)]),
                };
                let id = u32::from(packet.id) << 16 | u32::from(packet.fragment_offset);
                let signature = words.into_iter().fold(mixed(1, id), mixed);
                Subject { flow: packet.flow, slot, kind, ends: (packet.src, packet.dst), signature }
            }
        }
    }
}

impl Subject {
    /// The frame with its addresses: never 0.
    fn fact(&self) -> u64 {
        let (src, dst) = self.ends;
        let words = [src.to_bits() as u32, dst.to_bits() as u32];
        self.signature ^ words.into_iter().fold(mixed(3, self.kind as u32), mixed) | 1
    }
}

fn signature_of(arp: &Arp) -> u64 {
    let words = [arp.sender_mac.to_bits(), arp.target_mac.to_bits()].map(|bits| bits as u32);
    words.into_iter().fold(mixed(2, arp.op as u32), mixed)
}

fn mixed(hash: u64, word: u32) -> u64 {
    (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
}

/// The packet that a slot of the pool holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u32,
    signature: u64,
    /// When and where its last line was, and whether it had come in there.
    last: (Time, Place),
    came_in: bool,
}

/// Every packet that is under way, and the walks of those that are wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    selection: Selection,
    /// The tag of the exchange that is wanted, once it has begun.
    tag: Option<u32>,
    held: BTreeMap<u32, Held>,
    open: BTreeMap<u32, Walk>,
    done: Vec<Walk>,
    /// Places and reasons of those that are done, if only dropped ones are wanted.
    told: BTreeSet<(Place, DropReason)>,
    /// Every line, if that is wanted instead of walks.
    steps: Option<Vec<Step>>,
    count: u32,
}

impl Trace {
    /// A trace that keeps the walks of what is selected.
    pub(crate) fn new(selection: Selection) -> Trace {
        Trace {
            selection,
            tag: None,
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            done: Vec::new(),
            told: BTreeSet::new(),
            steps: None,
            count: 0,
        }
    }

    /// A trace that keeps every line until it is fetched.
    pub(crate) fn of_steps() -> Trace {
        Trace { steps: Some(Vec::new()), ..Trace::new(Selection::default()) }
    }

    /// An exchange begins.
    pub(crate) fn exchange_begins(&mut self, number: u32, tag: u32) {
        if self.selection.exchange == Some(number) {
            self.tag = Some(tag);
        }
    }

    /// A line about a frame that is at a place; `reason` if it ends there.
    pub(crate) fn tell(
        &mut self,
        subject: &Subject,
        (time, at, stage): (Time, Place, Stage),
        reason: Option<DropReason>,
        text: impl FnOnce() -> String,
    ) {
        let number = self.number(subject, time, at, stage);
        let line = || Line { time, place: at, stage, text: text() };
        if let Some(steps) = &mut self.steps {
            let is_fact = matches!(stage, Stage::Link | Stage::Drop);
            let fact = if is_fact { subject.fact() } else { 0 };
            return steps.push(Step { packet: number, fact, line: line() });
        }
        let Some(walk) = self.open.get_mut(&number).filter(|walk| walk.is_wanted) else { return };
        walk.lines.push(line());
        let is_told = walk.dropped.is_some_and(|(_, before)| before.can_be_mended());
        if let (Some(reason), false) = (reason, is_told) {
            walk.dropped = Some((at, reason));
        }
    }

    /// A switch has copied a frame.
    pub(crate) fn copied(&mut self, original: u32, copy: u32) {
        let Some(held) = self.held.get(&original).copied() else { return };
        self.leave(copy);
        self.held.insert(copy, held);
        if let Some(walk) = self.open.get_mut(&held.number) {
            walk.copies += 1;
        }
    }

    /// The lines since the last call, if that was wanted.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        self.steps.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The wanted walks, in order of their numbers.
    pub(crate) fn finish(&mut self) -> Vec<Walk> {
        for number in self.open.keys().copied().collect::<Vec<u32>>() {
            self.close(number);
        }
        let mut done = std::mem::take(&mut self.done);
        done.sort_by_key(|walk| walk.number);
        done.truncate(self.selection.limit);
        done
    }

    /// Are there as many as were wanted?
    pub(crate) fn is_full(&self) -> bool {
        self.done.len() >= self.selection.limit
    }

    /// The number of the packet that a line is about: a new one where a host sends what did not come in.
    fn number(&mut self, subject: &Subject, time: Time, at: Place, stage: Stage) -> u32 {
        let begins = |held: &Held| {
            let goes_on = held.came_in && held.last == (time, at);
            held.signature != subject.signature || (stage == Stage::Output && !goes_on)
        };
        match self.held.get_mut(&subject.slot) {
            Some(held) if !begins(held) => {
                held.came_in = match stage {
                    Stage::Input => true,
                    Stage::Output | Stage::Link | Stage::Switch => false,
                    _ => held.came_in,
                };
                held.last = (time, at);
                held.number
            }
            _ => self.begin(subject, time, at, stage),
        }
    }

    fn begin(&mut self, subject: &Subject, time: Time, at: Place, stage: Stage) -> u32 {
        self.leave(subject.slot);
        self.count += 1;
        let number = self.count;
        let held =
            Held { number, signature: subject.signature, last: (time, at), came_in: stage == Stage::Input };
        self.held.insert(subject.slot, held);
        let is_wanted = self.wants(subject, number, time) && !self.is_full();
        self.open.insert(number, Walk { number, lines: Vec::new(), dropped: None, is_wanted, copies: 1 });
        number
    }

    fn wants(&self, subject: &Subject, number: u32, time: Time) -> bool {
        let Selection { what, packet, exchange, address, from, until, .. } = &self.selection;
        (*what == What::Any || *what == subject.kind)
            && packet.is_none_or(|wanted| wanted == number)
            && (exchange.is_none() || self.tag == Some(subject.flow))
            && address.is_none_or(|addr| subject.ends.0 == addr || subject.ends.1 == addr)
            && (*from..=*until).contains(&time)
    }

    /// The packet in this slot has ended, or one of its copies has.
    fn leave(&mut self, slot: u32) {
        let Some(held) = self.held.remove(&slot) else { return };
        let Some(walk) = self.open.get_mut(&held.number) else { return };
        walk.copies -= 1;
        if walk.copies == 0 {
            self.close(held.number);
        }
    }

    fn close(&mut self, number: u32) {
        let Some(walk) = self.open.remove(&number) else { return };
        if !walk.is_wanted || walk.lines.is_empty() {
            return;
        }
        let is_as_wanted = match (self.selection.dropped, walk.dropped) {
            (Dropped::OrNot, _) => true,
            (Dropped::FirstOfEach, Some((place, reason))) => {
                reason.can_be_mended() && self.told.insert((place, reason))
            }
            (Dropped::First(wanted), Some((place, reason))) => {
                reason == wanted && self.told.insert((place, reason))
            }
            (Dropped::FirstOfEach | Dropped::First(_), None) => false,
        };
        if is_as_wanted {
            self.done.push(walk);
        }
    }
}
