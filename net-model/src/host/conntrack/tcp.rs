//! What connection tracking makes of TCP: the phases of a connection as seen from outside, and which segments fit.
//!
//! Each answer of [`Phase::after`] was asked of Linux 6.1, segment by segment, in each phase and each direction.
//! Sequence numbers are not looked at: those of the modelled hosts are always within the window.

use crate::packet::{Flags, Segment};
use sim_core::Duration;

/// How far a connection is; the names of `/proc/net/nf_conntrack`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    SynSent,
    SynReceived,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Closed,
    /// Both sides have sent a SYN.
    SynSentTwice,
}

/// What a segment is to the tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Ack,
    Fin,
    Reset,
}

/// What a segment does to its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It moves it on, or keeps it where it is.
    To(Phase),
    /// It passes without an effect.
    Ignored,
    /// It does not fit: INVALID.
    Misfit,
    /// It ends an old connection and begins one with the same addresses and ports.
    Anew,
    /// It ends a connection that nobody has answered: that is forgotten.
    Gone,
}

impl Kind {
    /// None for a segment without any of the flags that count.
    pub(super) fn of(segment: &Segment) -> Option<Kind> {
        let has = |flag| segment.flags.has(flag);
        match () {
            () if has(Flags::RST) => Some(Kind::Reset),
            () if has(Flags::SYN) && has(Flags::ACK) => Some(Kind::SynAck),
            () if has(Flags::SYN) => Some(Kind::Syn),
            () if has(Flags::FIN) => Some(Kind::Fin),
            () if has(Flags::ACK) => Some(Kind::Ack),
            () => None,
        }
    }
}

impl Phase {
    /// Where an unknown connection begins: with a SYN, or in its middle (`nf_conntrack_tcp_loose`).
    pub(super) fn first(kind: Kind) -> Option<Phase> {
        match kind {
            Kind::Syn => Some(Phase::SynSent),
            Kind::Ack => Some(Phase::Established),
            Kind::SynAck | Kind::Fin | Kind::Reset => None,
        }
    }

    /// After a segment from the side that has opened the connection, or from the other one.
    pub(super) fn after(self, kind: Kind, is_reply: bool, is_answered: bool) -> Step {
        match kind {
            Kind::Reset if !is_answered => Step::Gone,
            Kind::Reset => Step::To(Phase::Closed),
            Kind::Syn => self.after_syn(is_reply),
            Kind::SynAck => self.after_syn_ack(is_reply),
            Kind::Ack => self.after_ack(is_reply),
            Kind::Fin => self.after_fin(),
        }
    }

    fn after_syn(self, is_reply: bool) -> Step {
        match self {
            Phase::TimeWait => Step::Anew,
            Phase::SynSentTwice => Step::To(self),
            Phase::SynSent if is_reply => Step::To(Phase::SynSentTwice),
            _ if is_reply => Step::Misfit,
            Phase::SynSent | Phase::SynReceived => Step::To(self),
            _ => Step::Ignored,
        }
    }

    fn after_syn_ack(self, is_reply: bool) -> Step {
        match self {
            Phase::SynSent if is_reply => Step::To(Phase::SynReceived),
            Phase::SynSentTwice | Phase::SynReceived => Step::To(Phase::SynReceived),
            _ if is_reply => Step::Ignored,
            _ => Step::Misfit,
        }
    }

    fn after_ack(self, is_reply: bool) -> Step {
        match self {
            Phase::SynSent | Phase::SynSentTwice | Phase::SynReceived if is_reply => Step::Ignored,
            Phase::SynSent | Phase::SynSentTwice => Step::Misfit,
            Phase::SynReceived => Step::To(Phase::Established),
            Phase::FinWait => Step::To(Phase::CloseWait),
            Phase::LastAck => Step::To(Phase::TimeWait),
            Phase::Established | Phase::CloseWait | Phase::TimeWait | Phase::Closed => Step::To(self),
        }
    }

    fn after_fin(self) -> Step {
        match self {
            Phase::SynSent | Phase::SynSentTwice => Step::Misfit,
            Phase::SynReceived | Phase::Established => Step::To(Phase::FinWait),
            Phase::FinWait | Phase::CloseWait => Step::To(Phase::LastAck),
            Phase::LastAck | Phase::TimeWait | Phase::Closed => Step::To(self),
        }
    }

    /// How long the connection is kept without a further segment: `net.netfilter.nf_conntrack_tcp_timeout_…`.
    pub(super) fn timeout(self, is_answered: bool) -> Duration {
        Duration::from_secs(match self {
            Phase::Established if !is_answered => 300, // …_unacknowledged
            Phase::Established => 432_000,
            Phase::SynSent | Phase::SynSentTwice | Phase::FinWait | Phase::TimeWait => 120,
            Phase::SynReceived | Phase::CloseWait => 60,
            Phase::LastAck => 30,
            Phase::Closed => 10,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a connection is after these segments, each with its direction (`o` original, `r` reply) and flags.
    fn after(segments: &str) -> String {
        let mut phase: Option<Phase> = None;
        let mut is_answered = false;
        for word in segments.split_whitespace() {
            let (is_reply, kind) = (word.starts_with('r'), kind(&word[1..]));
            phase = match (phase, kind) {
                (None, Some(kind)) => Phase::first(kind),
                (known, None) => known,
                (Some(known), Some(kind)) => match known.after(kind, is_reply, is_answered) {
                    Step::To(next) => Some(next),
                    Step::Ignored => Some(known),
                    Step::Misfit => return format!("{known:?}, INVALID"),
                    Step::Anew => Phase::first(kind),
                    Step::Gone => None,
                },
            };
            is_answered |= is_reply;
        }
        phase.map_or("none".into(), |phase| format!("{phase:?}"))
    }

    fn kind(flags: &str) -> Option<Kind> {
        let flag = |letter| match letter {
            'S' => Flags::SYN,
            'A' => Flags::ACK,
            'F' => Flags::FIN,
            _ => Flags::RST,
        };
        let flags = flags.chars().map(flag).fold(Flags(0), Flags::with);
        Kind::of(&Segment { flags, ..Segment::default() })
    }

    /// Rows: what has been sent; columns: where one more segment leads. Asked of Linux 6.1, `nf_conntrack_tcp_be_liberal=1`.
    #[test]
    fn each_segment_in_each_phase_as_linux_answered() {
        #[rustfmt::skip]
        let table: [(&str, [&str; 10]); 9] = [
            // then                     oS               oSA              oA             oFA            oR        rS               rSA              rA             rFA            rR
            ("oS",                      ["SynSent", "SynSent, INVALID", "SynSent, INVALID", "SynSent, INVALID", "none", "SynSentTwice", "SynReceived", "SynSent", "SynSent, INVALID", "none"]),
            ("oS rSA",                  ["SynReceived", "SynReceived", "Established", "FinWait", "Closed", "SynReceived, INVALID", "SynReceived", "SynReceived", "FinWait", "Closed"]),
            ("oS rSA oA",               ["Established", "Established, INVALID", "Established", "FinWait", "Closed", "Established, INVALID", "Established", "Established", "FinWait", "Closed"]),
            ("oS rSA oA oFA",           ["FinWait", "FinWait, INVALID", "CloseWait", "LastAck", "Closed", "FinWait, INVALID", "FinWait", "CloseWait", "LastAck", "Closed"]),
            ("oS rSA oA oFA rA",        ["CloseWait", "CloseWait, INVALID", "CloseWait", "LastAck", "Closed", "CloseWait, INVALID", "CloseWait", "CloseWait", "LastAck", "Closed"]),
            ("oS rSA oA oFA rA rFA",    ["LastAck", "LastAck, INVALID", "TimeWait", "LastAck", "Closed", "LastAck, INVALID", "LastAck", "TimeWait", "LastAck", "Closed"]),
            ("oS rSA oA oFA rA rFA oA", ["SynSent", "TimeWait, INVALID", "TimeWait", "TimeWait", "Closed", "SynSent", "TimeWait", "TimeWait", "TimeWait", "Closed"]),
            ("oS rSA oA rR",            ["Closed", "Closed, INVALID", "Closed", "Closed", "Closed", "Closed, INVALID", "Closed", "Closed", "Closed", "Closed"]),
            ("oS rS",                   ["SynSentTwice", "SynReceived", "SynSentTwice, INVALID", "SynSentTwice, INVALID", "Closed", "SynSentTwice", "SynReceived", "SynSentTwice", "SynSentTwice, INVALID", "Closed"]),
        ];
        let next = ["oS", "oSA", "oA", "oFA", "oR", "rS", "rSA", "rA", "rFA", "rR"];
        for (before, row) in table {
            for (one_more, expected) in next.into_iter().zip(row) {
                assert_eq!(after(&format!("{before} {one_more}")), expected, "{before}, then {one_more}");
            }
        }
    }

    #[test]
    fn a_connection_begins_with_a_syn_or_in_its_middle() {
        let table =
            [("oS", "SynSent"), ("oA", "Established"), ("oSA", "none"), ("oFA", "none"), ("oR", "none")];
        for (first, expected) in table {
            assert_eq!(after(first), expected, "{first}");
        }
        assert_eq!(kind(""), None, "no flag at all");
    }
}
