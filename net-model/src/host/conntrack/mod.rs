//! Connection tracking: what a packet is to the connection it belongs to (`-m state`, `-m conntrack`), and where the
//! packets of redirected connections go.
//!
//! Linux (nf_conntrack) tracks in a network namespace while a rule there asks for it, and so does a host here: without
//! such a rule there is no tracker. A packet meets it in PREROUTING or OUTPUT, before all chains, and what was found
//! goes with the packet through the hooks; a new connection is remembered when its first packet leaves the last hook.
//! What is dropped on the way leaves no trace, and what IPVS takes out of tracking (`net.ipv4.vs.conntrack=0`) neither.
//!
//! TCP in `tcp.rs`; UDP, echoes and everything else know two phases, unanswered and answered. Entries end after the
//! times that Linux has by default (`net.netfilter.nf_conntrack_*_timeout`). Sequence numbers, helpers, and the limit of
//! the table (`nf_conntrack_max`) are outside the model.

mod redirect;
mod tcp;
mod tuple;

use crate::packet::{Packet, Payload, proto};
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time};
use std::collections::VecDeque;
use tcp::{Kind, Phase, Step};
use tuple::Tuple;

/// After this much time with traffic in both directions UDP is a stream, which is remembered longer.
const STREAM: Duration = Duration::from_secs(2);
/// So many entries may be there before the first search for dead ones.
const FEW: usize = 64;

/// What a packet is to its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// It begins one, or nobody has answered yet.
    New,
    /// Packets have gone both ways.
    Established,
    /// It is an ICMP error about one.
    Related,
    /// It belongs to none and cannot begin one, or does not fit.
    #[default]
    Invalid,
    /// Tracking leaves it alone: IPVS has taken it out, or it is neighbour discovery.
    Untracked,
}

/// A set of states: `NEW,ESTABLISHED`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct States(u8);

/// An entry of the table.
#[derive(Clone, Debug)]
struct Entry {
    /// The direction of its first packet, and the one in which answers are expected.
    tuples: [Tuple; 2],
    /// Of TCP.
    phase: Phase,
    is_answered: bool,
    /// REDIRECT has changed where it goes.
    is_redirected: bool,
    began: Time,
    expires: Time,
}

/// What is known about the packet that is passing through the hooks.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    state: State,
    is_reply: bool,
    entry: Held,
}

/// Where the entry of a packet is.
#[derive(Clone, Debug, Default)]
enum Held {
    /// It has none.
    #[default]
    Nothing,
    /// In the table, at this place.
    Known(u32),
    /// It is not remembered yet.
    Fresh(Entry),
    /// This packet has ended it: it is remembered no longer.
    Ended(Entry),
}

/// The tracker of a host.
#[derive(Clone, Debug, Default)]
pub struct Conntrack {
    index: FxHashMap<Tuple, (u32, bool)>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// When so many places are taken, dead entries are looked for.
    sweep_at: usize,
    current: Current,
    /// Of the packets that this host has sent to itself, in their order.
    looping: VecDeque<Current>,
}

impl State {
    /// The word in a rule.
    pub const fn name(self) -> &'static str {
        match self {
            State::New => "NEW",
            State::Established => "ESTABLISHED",
            State::Related => "RELATED",
            State::Invalid => "INVALID",
            State::Untracked => "UNTRACKED",
        }
    }

    /// All of them.
    pub const ALL: [State; 5] =
        [State::New, State::Established, State::Related, State::Invalid, State::Untracked];
}

impl States {
    /// This set with one more.
    #[must_use]
    pub const fn with(self, state: State) -> States {
        States(self.0 | 1 << state as u8)
    }

    /// Is it one of them?
    pub const fn has(self, state: State) -> bool {
        self.0 & 1 << state as u8 != 0
    }
}

impl Conntrack {
    /// The state of the packet that is passing.
    pub(super) fn state(&self) -> State {
        self.current.state
    }

    /// A packet enters: PREROUTING, or OUTPUT.
    pub(super) fn enter(&mut self, now: Time, packet: &Packet) {
        self.current = self.judge(now, packet);
    }

    /// A packet enters by lo. What was found when it was sent still holds.
    pub(super) fn enter_again(&mut self, now: Time, packet: &Packet) {
        match self.looping.pop_front() {
            Some(sent) => self.current = sent,
            None => self.enter(now, packet),
        }
    }

    /// The packet goes to the host itself, and will come in by lo.
    pub(super) fn loop_back(&mut self) {
        self.looping.push_back(self.current.clone());
    }

    /// What is known about the packet, while another one passes.
    pub(super) fn put_aside(&mut self) -> Current {
        std::mem::take(&mut self.current)
    }

    /// Back to it.
    pub(super) fn resume(&mut self, kept: Current) {
        self.current = kept;
    }

    /// The packet leaves the last hook: its connection is remembered.
    pub(super) fn confirm(&mut self, now: Time) {
        if self.current.state == State::Related {
            return;
        }
        self.current.entry = match std::mem::take(&mut self.current.entry) {
            Held::Fresh(entry) => Held::Known(self.insert(now, entry)),
            other => other,
        };
    }

    /// IPVS takes the packet out of tracking, if it was in.
    pub(super) fn forget_packet(&mut self) {
        if !matches!(self.current.entry, Held::Nothing) {
            self.current = Current { state: State::Untracked, ..Current::default() };
        }
    }

    /// IPVS has translated the first packet of a connection: this is how it looks now, and answers will come from there.
    pub(super) fn expect_answer_to(&mut self, packet: &Packet) {
        if let (Held::Fresh(entry), Some(tuple)) = (&mut self.current.entry, Tuple::of(packet)) {
            entry.tuples[1] = tuple.inverse();
        }
    }

    /// The packet is answered in the name of its receiver (`REJECT --reject-with tcp-reset`): the reset is an error about
    /// its connection, or a packet like any other if it has none.
    pub(super) fn answer(&mut self, now: Time, reset: &Packet) {
        if let Held::Nothing = self.current.entry {
            return self.enter(now, reset);
        }
        self.current.state = State::Related;
        self.current.is_reply = !self.current.is_reply;
    }

    /// Is nothing known about the packet, although it is not left alone?
    pub(super) fn has_lost(&self) -> bool {
        self.current.state == State::Invalid
    }

    fn judge(&mut self, now: Time, packet: &Packet) -> Current {
        if packet.outer.is_none() {
            if let Payload::Ndisc(_) = packet.payload {
                return Current { state: State::Untracked, ..Current::default() };
            }
            if let Some(quote) = quote(packet) {
                return self.related(now, quote);
            }
        }
        let Some(tuple) = Tuple::of(packet) else { return Current::default() };
        match self.find(now, &tuple) {
            Some((at, is_reply)) => self.known(now, at, is_reply, tuple, packet),
            None => begun(now, tuple, packet),
        }
    }

    /// An ICMP error: about a connection that is known, or about the packet that is being refused?
    fn related(&mut self, now: Time, quote: &Packet) -> Current {
        let Some(about) = Tuple::of(quote) else { return Current::default() };
        if let Held::Fresh(entry) = &self.current.entry
            && let Some(side) = entry.tuples.iter().position(|tuple| tuple.inverse() == about)
        {
            return Current { state: State::Related, is_reply: side == 1, entry: Held::Fresh(entry.clone()) };
        }
        match self.find(now, &about.inverse()) {
            Some((at, is_reply)) => Current { state: State::Related, is_reply, entry: Held::Known(at) },
            None => Current::default(),
        }
    }

    /// A packet of a known connection.
    fn known(&mut self, now: Time, at: u32, is_reply: bool, tuple: Tuple, packet: &Packet) -> Current {
        let entry = self.entries[at as usize].as_mut().expect("the index knows only entries that exist");
        let step = match &packet.payload {
            Payload::Tcp(segment) if tuple.protocol == proto::TCP => Kind::of(segment)
                .map_or(Step::Misfit, |kind| entry.phase.after(kind, is_reply, entry.is_answered)),
            _ => Step::To(entry.phase),
        };
        if step == Step::Misfit {
            return Current::default();
        }
        if step == Step::Anew {
            self.remove(at);
            return begun(now, tuple, packet);
        }
        entry.is_answered |= is_reply;
        let state = if entry.is_answered { State::Established } else { State::New };
        match step {
            Step::To(phase) => {
                entry.phase = phase;
                entry.expires = now + entry.lifetime(now);
            }
            Step::Gone => {
                let entry = self.remove(at).map_or(Held::Nothing, Held::Ended);
                return Current { state, is_reply, entry };
            }
            Step::Ignored | Step::Misfit | Step::Anew => {}
        }
        Current { state, is_reply, entry: Held::Known(at) }
    }

    /// The entry of a direction, and whether that is the one of answers.
    fn find(&mut self, now: Time, tuple: &Tuple) -> Option<(u32, bool)> {
        let (at, is_reply) = *self.index.get(tuple)?;
        if self.is_dead(now, at) {
            self.remove(at);
            return None;
        }
        Some((at, is_reply))
    }

    fn is_dead(&self, now: Time, at: u32) -> bool {
        self.entries[at as usize].as_ref().is_some_and(|entry| entry.expires <= now)
    }

    fn insert(&mut self, now: Time, mut entry: Entry) -> u32 {
        self.sweep(now);
        entry.expires = now + entry.lifetime(now);
        let tuples = entry.tuples;
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        self.entries[at as usize] = Some(entry);
        for (tuple, is_reply) in tuples.into_iter().zip([false, true]) {
            self.index.insert(tuple, (at, is_reply));
        }
        at
    }

    fn remove(&mut self, at: u32) -> Option<Entry> {
        let entry = self.entries[at as usize].take()?;
        for tuple in entry.tuples {
            // An entry that came later may have taken its place.
            if self.index.get(&tuple).is_some_and(|(holder, _)| *holder == at) {
                self.index.remove(&tuple);
            }
        }
        self.free.push(at);
        Some(entry)
    }

    /// Removes what is dead, whenever the table has doubled since the last time.
    fn sweep(&mut self, now: Time) {
        let taken = self.entries.len() - self.free.len();
        if taken < self.sweep_at.max(FEW) {
            return;
        }
        for at in 0..self.entries.len() as u32 {
            if self.is_dead(now, at) {
                self.remove(at);
            }
        }
        self.sweep_at = 2 * (self.entries.len() - self.free.len());
    }
}

impl Entry {
    /// How long it is kept if nothing comes any more.
    fn lifetime(&self, now: Time) -> Duration {
        match self.tuples[0].protocol {
            proto::TCP => self.phase.timeout(self.is_answered),
            proto::UDP if self.is_answered && now >= self.began + STREAM => Duration::from_secs(120),
            proto::UDP | proto::ICMP | proto::ICMPV6 => Duration::from_secs(30),
            _ => Duration::from_secs(600),
        }
    }
}

/// A packet of no known connection: can it begin one?
fn begun(now: Time, tuple: Tuple, packet: &Packet) -> Current {
    let phase = match &packet.payload {
        Payload::Tcp(segment) if tuple.protocol == proto::TCP => Kind::of(segment).and_then(Phase::first),
        Payload::Icmp(icmp) if packet.outer.is_none() && !tuple::asks(icmp) => None,
        _ => Some(Phase::SynSent),
    };
    let Some(phase) = phase else { return Current::default() };
    let entry = Entry {
        tuples: [tuple, tuple.inverse()],
        phase,
        is_answered: false,
        is_redirected: false,
        began: now,
        expires: now,
    };
    Current { state: State::New, is_reply: false, entry: Held::Fresh(entry) }
}

/// The packet that an ICMP error is about.
fn quote(packet: &Packet) -> Option<&Packet> {
    match &packet.payload {
        Payload::Icmp(icmp) => icmp.quote.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
