//! Putting packets together from their fragments: at the host they are for, and at a director for packets that pass.
//!
//! Fragments wait for the rest for 30 s (`net.ipv4.ipfrag_time`); then they are dropped, and the sender is told (time
//! exceeded, code 1) if the first of them was there and the packet was for this host.

use super::conf::HostKey;
use super::fragment::header_of;
use super::icmp::{Cause, Error};
use super::node::Host;
use super::stack::truesize;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::packet::{Packet, Payload};
use crate::recorder::Place;
use crate::transcript::Stage;
use crate::verdict::DropReason;
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time};
use std::collections::VecDeque;

/// Buffer memory that waiting fragments may take, in bytes (`ipfrag_high_thresh`).
const MOST: u32 = 4 << 20;

/// Why a packet is put together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Purpose {
    /// It is for this host.
    Here,
    /// It passes, and the director wants to see its ports.
    ForDirector,
}

/// What the fragments of a packet have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: Addr,
    dst: Addr,
    id: u16,
    protocol: u8,
    purpose: Purpose,
}

/// The fragments of one packet that have come, by offset.
#[derive(Debug)]
struct Parts {
    parts: Vec<Part>,
    /// Bytes of the whole, once the last fragment has come.
    len: Option<u16>,
    /// When they are given up.
    expires: Time,
}

#[derive(Debug)]
struct Part {
    from: u16,
    to: u16,
    frame: FrameId,
    truesize: u32,
}

/// The packets of a host that are incomplete.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    packets: FxHashMap<Key, Parts>,
    /// When packets are given up, earliest first; those that have become complete are passed over.
    deadlines: VecDeque<(Time, Key)>,
    /// Buffer memory in use.
    bytes: u32,
}

/// What becomes of a fragment.
enum Fate {
    Waits,
    /// It was the last that was missing: all fragments by offset.
    Completes(Vec<Part>),
    Refused(FrameId, DropReason),
}

impl Reassembly {
    /// When the next packet is given up, or never.
    pub(super) fn next_timer(&self) -> Time {
        self.deadlines.front().map_or(Time::NEVER, |(at, _)| *at)
    }

    fn add(&mut self, key: Key, part: Part, is_last: bool, expires: Time) -> Fate {
        if self.bytes + part.truesize > MOST {
            return Fate::Refused(part.frame, DropReason::FragmentMemory);
        }
        let packet = self.packets.entry(key).or_insert_with(|| {
            self.deadlines.push_back((expires, key));
            Parts { parts: Vec::new(), len: None, expires }
        });
        let at = packet.parts.partition_point(|other| other.from < part.from);
        let follows = at == 0 || packet.parts[at - 1].to <= part.from;
        let precedes = packet.parts.get(at).is_none_or(|next| part.to <= next.from);
        let is_beyond = packet.len.is_some_and(|len| part.to > len || is_last && part.to != len);
        if !follows || !precedes || is_beyond {
            return Fate::Refused(part.frame, DropReason::FragmentRepeated);
        }
        if is_last {
            packet.len = Some(part.to);
        }
        self.bytes += part.truesize;
        packet.parts.insert(at, part);
        let mut end = 0;
        let is_contiguous = packet.parts.iter().all(|part| part.from == std::mem::replace(&mut end, part.to));
        if packet.len != Some(end) || !is_contiguous {
            return Fate::Waits;
        }
        Fate::Completes(self.remove(&key))
    }

    fn remove(&mut self, key: &Key) -> Vec<Part> {
        let parts = self.packets.remove(key).map(|packet| packet.parts).unwrap_or_default();
        self.bytes -= parts.iter().map(|part| part.truesize).sum::<u32>();
        parts
    }

    /// The next packet that is given up by now.
    fn expire(&mut self, now: Time) -> Option<(Key, Vec<Part>)> {
        while let Some((at, key)) = self.deadlines.front().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.pop_front();
            if self.packets.get(&key).is_some_and(|packet| packet.expires == at) {
                return Some((key, self.remove(&key)));
            }
        }
        None
    }
}

impl Host {
    /// The packet in a frame, if it is whole, or becomes so by this fragment; otherwise the fragment waits.
    pub(super) fn whole(&mut self, cx: &mut Cx, frame: FrameId, purpose: Purpose) -> Option<FrameId> {
        let packet = cx.wiring.frames.packet_mut(&frame);
        if matches!(packet.payload, Payload::Fragment(_)) {
            self.gather(cx, frame, purpose)
        } else {
            Some(frame)
        }
    }

    #[cold]
    fn gather(&mut self, cx: &mut Cx, frame: FrameId, purpose: Purpose) -> Option<FrameId> {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let flow = packet.flow;
        let text = format!("{packet}: a fragment");
        let key =
            Key { src: packet.src, dst: packet.dst, id: packet.id, protocol: packet.protocol(), purpose };
        let from = packet.fragment_offset;
        let to = from.saturating_add(packet.len.saturating_sub(header_of(packet)));
        let (is_last, truesize) = (!packet.more_fragments, truesize(packet.len));
        let patience = Duration::from_secs(self.stack.host_setting(HostKey::IpfragTime) as u64);
        let expires = self.timers.fires_at(cx.now, patience);
        let place = Place::Host(self.id);
        let fate = self.reassembly.add(key, Part { from, to, frame, truesize }, is_last, expires);
        match fate {
            Fate::Waits => {
                cx.recorder
                    .tell_of(cx.now, place, Stage::Input, flow, || format!("{text}, waits for the rest"));
                self.arm_timers(cx);
                None
            }
            Fate::Refused(frame, reason) => {
                cx.drop(place, frame, reason);
                None
            }
            Fate::Completes(parts) => {
                cx.recorder.tell_of(cx.now, place, Stage::Input, flow, || {
                    format!("{text}, the last of {}: they are put together", parts.len())
                });
                Some(put_together(cx, parts))
            }
        }
    }

    /// Fragments whose rest has not come in time.
    pub(super) fn reassembly_timers(&mut self, cx: &mut Cx) {
        while let Some((key, parts)) = self.reassembly.expire(cx.now) {
            let first = parts.first().filter(|part| part.from == 0);
            let about = first.map(|part| cx.wiring.frames.packet_mut(&part.frame).clone());
            for part in parts {
                cx.drop(Place::Host(self.id), part.frame, DropReason::ReassemblyTimeout);
            }
            if let Some(about) = about.filter(|_| key.purpose == Purpose::Here) {
                self.send_error(cx, &about, Error::ReassemblyTimeExceeded, Cause::Packet);
            }
        }
    }
}

/// The frame of the first fragment carries the whole packet from now on; the others are at their end.
fn put_together(cx: &mut Cx, parts: Vec<Part>) -> FrameId {
    let len = parts.last().map_or(0, |part| part.to);
    let mut parts = parts.into_iter();
    let first = parts.next().expect("a packet has fragments").frame;
    parts.for_each(|part| cx.deliver(part.frame));
    let packet = cx.wiring.frames.packet_mut(&first);
    if let Some(whole) = whole_of(packet, len) {
        *packet = whole;
    }
    first
}

/// The packet of which this is the first fragment, as it has become on its way; `len` bytes behind its outermost header.
fn whole_of(first: &Packet, len: u16) -> Option<Packet> {
    let Payload::Fragment(fragment) = &first.payload else { return None };
    let mut whole = Packet::clone(fragment.whole.as_deref()?);
    (whole.mark, whole.flow) = (first.mark, first.flow);
    match &mut whole.outer {
        Some(outer) => (outer.ttl, outer.tos) = (first.ttl, first.tos),
        None => {
            let header = header_of(&whole);
            let longer = (header + len).saturating_sub(whole.len); // what a capture holds of it may be less
            if let Payload::Tcp(segment) = &mut whole.payload {
                segment.len += longer;
            }
            (whole.len, whole.ttl, whole.tos) = (header + len, first.ttl, first.tos);
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::super::fragment::tests::{fitting, large};
    use super::*;
    use crate::addr::Mac;
    use crate::frames::Frames;
    use crate::packet::{Body, Frame};
    use proptest::prelude::*;

    const KEY: Key = Key { src: Addr::v4(1), dst: Addr::v4(2), id: 3, protocol: 17, purpose: Purpose::Here };

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn part(from: u16, to: u16) -> Part {
        Part { from, to, frame: FrameId::default(), truesize: 2304 }
    }

    fn fate(reassembly: &mut Reassembly, from: u16, to: u16, is_last: bool) -> &'static str {
        match reassembly.add(KEY, part(from, to), is_last, at(30)) {
            Fate::Waits => "waits",
            Fate::Completes(_) => "completes",
            Fate::Refused(_, reason) => reason.name(),
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut reassembly = Reassembly::default();
        for (from, to, is_last, expected) in [
            (1480, 2960, false, "waits"),
            (1480, 2960, false, "fragment-repeated"),
            (0, 1488, false, "fragment-repeated"),
            (2960, 3000, true, "waits"),
            (3000, 3008, false, "fragment-repeated"),
            (0, 1480, false, "completes"),
            (0, 1480, false, "waits"),
        ] {
            assert_eq!(fate(&mut reassembly, from, to, is_last), expected, "{from}..{to}");
        }
    }

    #[test]
    fn patience_ends() {
        let mut reassembly = Reassembly::default();
        fate(&mut reassembly, 0, 1480, false);
        fate(&mut reassembly, 1480, 1500, true);
        fate(&mut reassembly, 0, 1480, false);
        assert_eq!(reassembly.next_timer(), at(30));
        assert!(reassembly.expire(at(29)).is_none());
        let (_, parts) = reassembly.expire(at(30)).unwrap();
        assert_eq!((parts.len(), reassembly.bytes), (1, 0));
        assert!(reassembly.expire(at(30)).is_none());
        assert_eq!(reassembly.next_timer(), Time::NEVER);
    }

    #[test]
    fn memory_has_an_end() {
        let mut reassembly = Reassembly::default();
        let mut add = |id| reassembly.add(Key { id, ..KEY }, part(0, 1480), false, at(30));
        let refused =
            (0..3000).filter(|&id| matches!(add(id), Fate::Refused(_, DropReason::FragmentMemory))).count();
        assert_eq!(refused, 3000 - (MOST / 2304) as usize);
    }

    proptest! {
        /// Fragments reassemble to the original, in whatever order they come, and however often they were cut.
        #[test]
        fn fragments_reassemble_to_the_original(
            packet in large(),
            mtu in 100u32..1500,
            smaller in 68u32..1500,
            order in any::<prop::sample::Index>(),
            step in 1usize..50,
        ) {
            prop_assume!(u32::from(packet.wire_len()) > mtu);
            let (mut frames, mut reassembly) = (Frames::default(), Reassembly::default());
            let mut left: Vec<Packet> =
                fitting(&packet, mtu).iter().flat_map(|fragment| fitting(fragment, smaller)).collect();
            let mut next = order.index(left.len());
            while !left.is_empty() {
                let fragment = left.remove(next % left.len());
                next += step;
                let (from, is_last) = (fragment.fragment_offset, !fragment.more_fragments);
                let to = from + fragment.len - header_of(&fragment);
                let body = Body::Ip(fragment);
                let frame = frames.send(Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body });
                let fate = reassembly.add(KEY, Part { from, to, frame, truesize: 768 }, is_last, at(30));
                match fate {
                    Fate::Waits => prop_assert!(!left.is_empty()),
                    Fate::Refused(_, reason) => prop_assert!(false, "{}", reason.sentence()),
                    Fate::Completes(parts) => {
                        prop_assert!(left.is_empty());
                        let len = parts.last().unwrap().to;
                        let whole = whole_of(frames.packet_mut(&parts[0].frame), len);
                        prop_assert_eq!(whole.as_ref(), Some(&packet));
                    }
                }
            }
        }
    }
}
