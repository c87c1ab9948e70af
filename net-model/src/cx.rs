//! What travels down the walk of a packet beside the host that handles it.

use crate::addr::Addr;
use crate::capture::Capture;
use crate::event::Event;
use crate::exchange::Exchanges;
use crate::frames::FrameId;
use crate::group::GroupId;
use crate::recorder::Recorder;
use crate::request::Requests;
use crate::spec::TraceRow;
use crate::tcp::Sockets;
use crate::verdict::DropReason;
use crate::wiring::Wiring;
use rustc_hash::FxHashSet;
use sim_core::{Agenda, Duration, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// Time, future, wires and record: everything that is not a node. No node holds another node.
pub struct Cx {
    /// The present instant.
    pub now: Time,
    /// The future.
    pub agenda: Agenda<Event>,
    /// Layer 2.
    pub wiring: Wiring,
    /// All TCP and UDP sockets, whatever the host.
    pub sockets: Sockets,
    /// What client programs are doing.
    pub exchanges: Exchanges,
    /// What server programs are doing.
    pub requests: Requests,
    /// Traces that exchanges follow.
    pub plans: Plans,
    /// Counters and transcript.
    pub recorder: Recorder,
    /// Frames that a host sent to itself: handled right after the present event.
    pub loopback: VecDeque<(u32, FrameId)>,
    /// One kernel runs all hosts: the frames that confirm neighbours wherever they pass (`host/confirmation.rs`).
    pub(crate) confirming: Option<Box<FxHashSet<u32>>>,
    /// What listens at interfaces, if anything does.
    pub(crate) capture: Option<Box<Capture>>,
}

impl Cx {
    /// The frame reached the program (or the protocol) it was for.
    #[inline(always)] // once a packet
    pub fn deliver(&mut self, frame: FrameId) {
        self.recorder.delivered += 1;
        self.wiring.frames.end(frame);
    }

    /// The frame ends here, for a reason.
    pub fn drop(&mut self, place: crate::recorder::Place, frame: FrameId, reason: DropReason) {
        let dropped = self.wiring.frames.get(&frame);
        self.recorder.note_drop(self.now, place, &frame, dropped, reason);
        if let Some(capture) = &mut self.capture {
            capture.note_drop(&frame, dropped, reason);
        }
        self.wiring.frames.end(frame);
    }

    /// A host puts a frame on a wire.
    #[inline]
    pub(crate) fn transmit(&mut self, link: crate::link::LinkId, frame: FrameId) {
        self.wiring.transmit(self.now, link, frame, &mut self.agenda, &mut self.recorder);
    }

    /// An ARP answer for `addr` by `host` goes out.
    pub fn note_arp_answer(&mut self, host: u32, addr: Addr) {
        self.recorder.note_arp_answer(self.now, host, addr);
    }
}

/// The traces of the client groups, for the servers that answer as a trace says.
#[derive(Debug, Default)]
pub struct Plans {
    by_group: Vec<Option<Arc<[TraceRow]>>>,
}

impl Plans {
    /// Adds the trace of the next group, or none.
    pub(crate) fn push(&mut self, rows: Option<Arc<[TraceRow]>>) {
        self.by_group.push(rows);
    }

    /// How long the server holds the request of this row, and the bytes of its answer.
    pub(crate) fn get(&self, group: GroupId, row: u32) -> Option<(Duration, u32)> {
        let row = self.by_group[group.0 as usize].as_ref()?.get(row as usize)?;
        Some((row.hold, row.bytes.max(1)))
    }
}
