//! The words for what a director did with a packet, for the transcript of one exchange.

use super::node::Host;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{Candidate, Chooser, Decision, Verdict};
use crate::packet::{Body, Payload};
use crate::recorder::Place;
use crate::trace::Subject;
use crate::transcript::Stage;
use std::fmt::Write;

impl Host {
    /// Tells what the director decided about a followed packet.
    #[cold]
    pub(crate) fn tell_decision(&mut self, cx: &mut Cx, frame: &FrameId, verdict: &Verdict) {
        let place = Place::Host(self.id);
        let now = cx.now;
        let decisions = self.director.as_mut().map(|director| {
            let decisions = director.take_decisions();
            director.record_decisions(false);
            decisions
        });
        for decision in decisions.unwrap_or_default() {
            let subject = Subject::of(frame, cx.wiring.frames.get(frame));
            cx.recorder.tell(now, place, Stage::Schedule, &subject, || describe(&decision));
        }
        let Body::Ip(packet) = &cx.wiring.frames.get(frame).body else {
            unreachable!("IPVS handles packets")
        };
        let text = || match verdict {
            Verdict::Accept => format!("{packet}: not for a virtual service, or for a server on this host"),
            Verdict::Send { to } => format!("{packet}: to real server {to}"),
            Verdict::Drop(reason) | Verdict::Reject(reason, _) => format!("{packet}: {}", reason.sentence()),
            Verdict::Respond(answer) => format!("{packet}: answered with {answer}"),
        };
        let stage = match verdict {
            Verdict::Send { .. } => Stage::Forwarding,
            _ => Stage::Director,
        };
        let subject = Subject::of(frame, cx.wiring.frames.get(frame));
        cx.recorder.tell(now, place, stage, &subject, text);
    }

    /// Tells of a packet that the director sends on from another hook than LOCAL_IN.
    pub(crate) fn tell_sending(&self, cx: &mut Cx, frame: &FrameId, to: Addr) {
        self.tell(cx, Stage::Forwarding, frame, |frame| format!("{frame}: to real server {to}"));
    }

    /// Tells of a reply, or of an ICMP error from the server's side, that the director has given the service's address.
    #[inline]
    pub(crate) fn tell_reply(&self, cx: &mut Cx, frame: &FrameId, speaker: Addr) {
        if cx.recorder.follows(cx.wiring.frames.packet_mut(frame).flow) {
            self.tell_translation(cx, frame, speaker);
        }
    }

    #[cold]
    fn tell_translation(&self, cx: &mut Cx, frame: &FrameId, speaker: Addr) {
        self.tell(cx, Stage::Forwarding, frame, |frame| {
            let is_error =
                matches!(&frame.body, Body::Ip(packet) if matches!(packet.payload, Payload::Icmp(_)));
            let what = if is_error { "the error came from" } else { "the reply came from real server" };
            format!("{frame}: {what} {speaker}, its source is now the service")
        });
    }
}

/// A decision in words: service, candidates with their figures, choice, rule and tie rule.
pub(crate) fn describe(decision: &Decision) -> String {
    let mut text = format!("service {} matched {}", decision.service, decision.rule.sentence());
    match &decision.chooser {
        Chooser::Template { client } => {
            let _ = write!(text, "; the persistence template of {client} decides");
        }
        Chooser::Scheduler { name, rule, .. } => {
            let _ = write!(text, "; scheduler {name} decides: {rule}");
        }
        Chooser::Nobody => text.push_str("; no scheduler was asked"),
    }
    if let Chooser::Scheduler { state: Some(state), .. } = &decision.chooser {
        let _ = write!(text, "\n  {state}");
    }
    for candidate in &decision.candidates {
        let name = crate::ipvs::endpoint(candidate.key.addr, candidate.key.port);
        let Candidate { weight, active, inactive, figure, .. } = candidate;
        let _ = write!(
            text,
            "\n  {name:<21} weight {weight:<5} active {active:<6} inactive {inactive:<6} {figure}"
        );
        if let Some(objection) = candidate.objection {
            let _ = write!(text, "  ({objection})");
        }
        if decision.outcome == Ok(candidate.key) {
            text.push_str("  <- chosen");
        }
    }
    match &decision.outcome {
        Ok(_) => {
            if let Chooser::Scheduler { ties, .. } = &decision.chooser {
                let _ = write!(text, "\n  {ties}");
            }
        }
        Err(refusal) => {
            let _ = write!(text, "\n  no server: {}", refusal.sentence());
        }
    }
    text
}
