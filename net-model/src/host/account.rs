//! The words for what a director did with a packet, for the transcript of one exchange.

use super::node::Host;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{Chooser, Decision, Verdict};
use crate::packet::Body;
use crate::recorder::Place;
use crate::transcript::Stage;
use std::fmt::Write;

impl Host {
    /// Tells what the director decided about a followed packet.
    #[cold]
    pub(crate) fn tell_decision(&mut self, cx: &mut Cx, frame: &FrameId, verdict: &Verdict) {
        let place = Place::Host(self.id);
        let now = cx.now;
        let decisions = self.director.as_mut().map(|director| {
            director.record_decisions(false);
            director.take_decisions()
        });
        for decision in decisions.unwrap_or_default() {
            cx.recorder.tell(now, place, Stage::Schedule, describe(&decision));
        }
        let Body::Ip(packet) = &cx.wiring.frames.get(frame).body else {
            unreachable!("IPVS handles packets")
        };
        let text = match verdict {
            Verdict::Accept => format!("{packet}: not for a virtual service, or for a server on this host"),
            Verdict::Send { to } => format!("{packet}: to real server {to}"),
            Verdict::Drop(reason) | Verdict::Reject(reason, _) => format!("{packet}: {}", reason.sentence()),
            Verdict::Respond(answer) => format!("{packet}: answered with {answer}"),
        };
        let stage = match verdict {
            Verdict::Send { .. } => Stage::Forwarding,
            _ => Stage::Director,
        };
        cx.recorder.tell(now, place, stage, text);
    }
}

/// A decision in words: service, candidates, choice, rule.
fn describe(decision: &Decision) -> String {
    let mut text = format!("service {} matched ({})", decision.service, decision.rule.sentence());
    match &decision.chooser {
        Chooser::Template { client } => {
            let _ = write!(text, "; persistence template of {client} decides");
        }
        Chooser::Scheduler { name, .. } => {
            let _ = write!(text, "; scheduler {name} decides among");
        }
        Chooser::Nobody => text.push_str("; nobody was asked"),
    }
    for candidate in &decision.candidates {
        let _ = write!(
            text,
            "\n  {}  weight {}  active {}  inactive {}  load {}{}{}",
            crate::ipvs::endpoint(candidate.key.addr, candidate.key.port),
            candidate.weight,
            candidate.active,
            candidate.inactive,
            candidate.load,
            if candidate.overloaded { "  overloaded" } else { "" },
            if decision.outcome == Ok(candidate.key) { "  <- chosen" } else { "" },
        );
    }
    if let Chooser::Scheduler { account, .. } = &decision.chooser {
        let _ = write!(text, "\n  {account}");
    }
    if let Err(refusal) = &decision.outcome {
        let _ = write!(text, "\n  no server: {}", refusal.sentence());
    }
    text
}
