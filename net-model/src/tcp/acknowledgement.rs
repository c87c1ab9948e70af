//! What the acknowledgement number of a segment says, and what it opens.

use super::socket::{Socket, before};
use super::transfer::{End, Probe, Transfer};
use crate::packet::{Flags, Segment};
use sim_core::Time;

/// What a segment acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Acked {
    /// Nothing new.
    Nothing,
    /// What was acknowledged before, once more.
    Again,
    /// A part of what is under way.
    Part,
    /// Everything.
    All,
    /// Everything, our FIN included.
    Fin,
}

impl Socket {
    /// Takes the acknowledgement number of a segment; also, is there more to be sent?
    #[inline(always)] // every segment acknowledges
    pub(super) fn take_acknowledgement(
        &mut self,
        transfer: &mut Transfer,
        segment: &Segment,
        now: Time,
    ) -> (Acked, bool) {
        let ack = segment.ack;
        if !before(self.snd_una, ack) || before(transfer.snd_max, ack) {
            let repeats = ack == self.snd_una && segment.len == 0 && !segment.flags.has(Flags::FIN);
            let is_awaited = transfer.in_flight(self.snd_una) > 0;
            let acked = if repeats && is_awaited { Acked::Again } else { Acked::Nothing };
            return (acked, transfer.has_more());
        }
        transfer.catch_up(ack);
        self.open_window(ack.wrapping_sub(self.snd_una));
        self.snd_una = ack;
        self.will_confirm();
        (transfer.tries, transfer.duplicates) = (0, 0);
        transfer.set_probe(Probe::Due);
        transfer.stop_timer();
        if ack != transfer.snd_nxt {
            return (Acked::Part, transfer.has_more());
        }
        transfer.time_round_trip(now);
        if transfer.end == End::Sent { (Acked::Fin, false) } else { (Acked::All, transfer.has_more()) }
    }

    /// Slow start: one segment more for each that was acknowledged; beyond the threshold one a window.
    fn open_window(&mut self, acked: u32) {
        let mss = u32::from(self.mss.max(1));
        let segments = if acked <= mss { 1 } else { acked.div_ceil(mss).min(u32::from(u16::MAX)) as u16 };
        let growth = if self.cwnd < self.ssthresh { segments } else { segments.div_ceil(self.cwnd.max(1)) };
        self.cwnd = self.cwnd.saturating_add(growth);
    }
}
