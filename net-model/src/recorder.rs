//! What a run remembers: frame balance, drops by place and reason, who answered ARP, and, when asked for, the
//! transcript of one exchange or the walks of single packets.

use crate::addr::Addr;
use crate::frames::FrameId;
use crate::ledger::{Attempt, Ledger};
use crate::link::LinkId;
use crate::packet::Frame;
use crate::trace::{Selection, Step, Subject, Trace, Walk};
use crate::transcript::{Line, Stage};
use crate::verdict::DropReason;
use sim_core::{Duration, Time};
use std::collections::BTreeMap;

/// Where something happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// On a link.
    Link(LinkId),
    /// In a switch, by number.
    Switch(u32),
    /// In a host, by number.
    Host(u32),
}

/// Drops at one place for one reason.
#[derive(Clone, Debug, Default)]
pub struct Drops {
    /// How many.
    pub count: u64,
    /// How many in each sampling interval.
    pub series: Vec<u32>,
}

/// ARP answers of one host for one address.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// How many.
    pub count: u64,
    /// When the first.
    pub first: Time,
}

/// A tag above those of all packets.
const NOBODY: u32 = u32::MAX;

/// Counters and transcript of a run.
#[derive(Debug)]
pub struct Recorder {
    /// Length of a sampling interval.
    pub sampling: Duration,
    /// Frames that ended in a host (or, flooded, in a switch).
    pub delivered: u64,
    /// Frames that ended early.
    pub dropped_frames: u64,
    /// By place and reason.
    pub drops: BTreeMap<(Place, DropReason), Drops>,
    /// By address and host.
    pub arp_answers: BTreeMap<(Addr, u32), Answers>,
    /// The exchange to be followed.
    traced: Option<u32>,
    /// The lowest tag of packets that may be followed: that of the exchange, once it has begun; 0 if all are; else one
    /// that no packet has. So those that nobody follows are told by one comparison.
    lowest: u32,
    transcript: Vec<Line>,
    /// All packets, if they are followed.
    trace: Option<Box<Trace>>,
    /// What each attempt was and became, if somebody wants to know.
    pub(crate) ledger: Option<Box<Ledger>>,
}

impl Recorder {
    /// A recorder that counts by intervals of this length.
    pub fn new(sampling: Duration) -> Recorder {
        Recorder {
            sampling,
            delivered: 0,
            dropped_frames: 0,
            drops: BTreeMap::new(),
            arp_answers: BTreeMap::new(),
            traced: None,
            lowest: NOBODY,
            transcript: Vec::new(),
            trace: None,
            ledger: None,
        }
    }

    /// Follows the exchange with this number.
    pub fn follow(&mut self, number: u32) {
        self.traced = Some(number);
    }

    /// Follows all packets, and keeps the walks of those that are selected.
    pub fn follow_packets(&mut self, selection: Selection) {
        self.lowest = 0;
        self.trace = Some(Box::new(Trace::new(selection)));
    }

    /// Follows all packets, and keeps every line until [`Recorder::take_steps`].
    pub fn follow_steps(&mut self) {
        self.lowest = 0;
        self.trace = Some(Box::new(Trace::of_steps()));
    }

    pub(crate) fn exchange_begins(&mut self, number: u32, tag: u32) {
        if self.traced == Some(number) {
            self.lowest = tag;
        }
        if let Some(trace) = &mut self.trace {
            trace.exchange_begins(number, tag);
        }
    }

    /// The tag of the exchange that is followed, once it has begun.
    pub(crate) fn followed(&self) -> Option<u32> {
        (self.trace.is_none() && self.lowest != 0).then_some(self.lowest)
    }

    /// Is the packet with this tag being followed?
    #[inline]
    pub(crate) fn follows(&self, flow: u32) -> bool {
        flow >= self.lowest && self.is_followed(flow)
    }

    #[cold]
    fn is_followed(&self, flow: u32) -> bool {
        flow == self.lowest || self.trace.is_some()
    }

    /// Is a packet of this exchange followed for its own sake (and not only as a part of the exchange)?
    #[inline]
    pub(crate) fn traces(&self, flow: u32) -> bool {
        self.trace.is_some() && self.follows(flow)
    }

    /// Are all packets followed, ARP among them?
    #[inline]
    pub(crate) fn follows_all(&self) -> bool {
        self.follows(0)
    }

    /// Writes something into the ledger's line of the exchange with this tag, if there is a ledger.
    #[inline]
    pub(crate) fn enter(&mut self, tag: u32, write: impl FnOnce(&mut Attempt)) {
        if let Some(ledger) = &mut self.ledger
            && let Some(line) = ledger.line(tag)
        {
            write(line);
        }
    }

    /// Adds a line about an exchange, not about one of its packets, to the transcript, if the exchange is followed.
    #[inline]
    pub(crate) fn tell_of(
        &mut self,
        time: Time,
        place: Place,
        stage: Stage,
        flow: u32,
        text: impl FnOnce() -> String,
    ) {
        if self.follows(flow) && self.trace.is_none() {
            self.tell_exchange(time, place, stage, text);
        }
    }

    /// Adds a line about the exchange that is followed.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_exchange(
        &mut self,
        time: Time,
        place: Place,
        stage: Stage,
        text: impl FnOnce() -> String,
    ) {
        self.transcript.push(Line { time, place, stage, text: text() });
    }

    /// Adds a line about a frame that is followed to the transcript.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell(
        &mut self,
        time: Time,
        place: Place,
        stage: Stage,
        subject: &Subject,
        text: impl FnOnce() -> String,
    ) {
        self.tell_or_trace(subject, (time, place, stage), None, text);
    }

    fn tell_or_trace(
        &mut self,
        subject: &Subject,
        (time, place, stage): (Time, Place, Stage),
        reason: Option<DropReason>,
        text: impl FnOnce() -> String,
    ) {
        match &mut self.trace {
            Some(trace) => {
                trace.tell(subject, (time, place, stage), reason, text);
                self.rest();
            }
            None if subject.flow == self.lowest => self.tell_exchange(time, place, stage, text),
            None => {}
        }
    }

    /// A switch has copied a frame that is followed.
    pub(crate) fn note_copy(&mut self, original: &FrameId, copy: &FrameId) {
        if let Some(trace) = &mut self.trace {
            trace.copied(original.slot(), copy.slot());
        }
    }

    /// When there are as many walks as were wanted, the run goes on at full speed.
    fn rest(&mut self) {
        if self.trace.as_ref().is_some_and(|trace| trace.is_full()) {
            self.lowest = NOBODY;
        }
    }

    /// The transcript so far.
    pub fn transcript(&self) -> &[Line] {
        &self.transcript
    }

    /// The walks of the packets that were selected.
    pub fn take_walks(&mut self) -> Vec<Walk> {
        self.trace.as_mut().map(|trace| trace.finish()).unwrap_or_default()
    }

    /// The lines about all packets since the last call.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.trace.as_mut().map(|trace| trace.take_steps()).unwrap_or_default()
    }

    /// A frame ends early.
    #[cold]
    pub(crate) fn note_drop(
        &mut self,
        now: Time,
        place: Place,
        id: &FrameId,
        frame: &Frame,
        reason: DropReason,
    ) {
        self.dropped_frames += 1;
        self.note_packet_drop(now, place, reason);
        if self.follows(frame.flow()) {
            self.tell_drop(now, place, id, frame, reason);
        }
    }

    /// Tells of a frame that is followed and ends early.
    #[cold]
    pub(crate) fn tell_drop(
        &mut self,
        time: Time,
        place: Place,
        id: &FrameId,
        frame: &Frame,
        reason: DropReason,
    ) {
        let text =
            || format!("{frame}: dropped ({}). {} {}", reason.name(), reason.sentence(), reason.cure());
        self.tell_or_trace(&Subject::of(id, frame), (time, place, Stage::Drop), Some(reason), text);
    }

    /// A packet that never became a frame ends early.
    pub(crate) fn note_packet_drop(&mut self, now: Time, place: Place, reason: DropReason) {
        let interval = (now.as_nanos() / self.sampling.as_nanos().max(1)) as usize;
        let drops = self.drops.entry((place, reason)).or_default();
        drops.count += 1;
        if drops.series.len() <= interval {
            drops.series.resize(interval + 1, 0);
        }
        drops.series[interval] += 1;
    }

    pub(crate) fn note_arp_answer(&mut self, now: Time, host: u32, addr: Addr) {
        let answers = self.arp_answers.entry((addr, host)).or_insert(Answers { count: 0, first: now });
        answers.count += 1;
    }
}
