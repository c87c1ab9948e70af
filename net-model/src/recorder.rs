//! What a run remembers: frame balance, drops by place and reason, who answered ARP, and, when asked for, the
//! transcript of one exchange.

use crate::addr::Addr;
use crate::ledger::{Attempt, Ledger};
use crate::link::LinkId;
use crate::packet::{Body, Frame};
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

/// The tag of no packet: not even of those that belong to no exchange (0).
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
    /// The exchange to be followed, and the tag of its packets once it has begun; before, one that no packet has.
    traced: Option<u32>,
    tag: u32,
    transcript: Vec<Line>,
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
            tag: NOBODY,
            transcript: Vec::new(),
            ledger: None,
        }
    }

    /// Follows the exchange with this number.
    pub fn follow(&mut self, number: u32) {
        self.traced = Some(number);
    }

    pub(crate) fn exchange_begins(&mut self, number: u32, tag: u32) {
        if self.traced == Some(number) {
            self.tag = tag;
        }
    }

    /// The tag of the exchange that is followed, once it has begun.
    pub(crate) fn followed(&self) -> Option<u32> {
        (self.tag != 0).then_some(self.tag)
    }

    /// Is the packet with this tag being followed?
    #[inline]
    pub(crate) fn follows(&self, flow: u32) -> bool {
        flow == self.tag
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

    /// Adds a line about a packet to the transcript, if the packet is followed.
    #[inline]
    pub(crate) fn tell_of(
        &mut self,
        time: Time,
        place: Place,
        stage: Stage,
        flow: u32,
        text: impl FnOnce() -> String,
    ) {
        if self.follows(flow) {
            self.tell_lazily(time, place, stage, text);
        }
    }

    /// Out of the way of the packets that nobody follows.
    #[cold]
    #[inline(never)]
    fn tell_lazily(&mut self, time: Time, place: Place, stage: Stage, text: impl FnOnce() -> String) {
        self.tell(time, place, stage, text());
    }

    /// Adds a line to the transcript.
    pub(crate) fn tell(&mut self, time: Time, place: Place, stage: Stage, text: String) {
        self.transcript.push(Line { time, place, stage, text });
    }

    /// The transcript so far.
    pub fn transcript(&self) -> &[Line] {
        &self.transcript
    }

    /// A frame ends early.
    #[cold]
    pub(crate) fn note_drop(&mut self, now: Time, place: Place, frame: &Frame, reason: DropReason) {
        self.dropped_frames += 1;
        self.note_packet_drop(now, place, reason);
        if let Body::Ip(packet) = &frame.body
            && self.follows(packet.flow)
        {
            let text = format!("{packet}: dropped. {} {}", reason.sentence(), reason.cure());
            self.tell(now, place, Stage::Drop, text);
        }
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
