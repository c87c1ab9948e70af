//! Data that came before its turn: the receiver keeps it and says so, the sender does not send it again (RFC 2018).
//!
//! A segment behind a gap draws a duplicate acknowledgement at once, with a block for it in front and the blocks of
//! those that came before behind; so does a segment that fills a gap or a part of it. Data that came twice is named in
//! the first block (RFC 2883).
//!
//! Hardly any socket ever has any of this, so it lies beside the sockets; a mark tells those that wait for a gap.

use super::Sockets;
use super::output::{PLAIN, Say};
use super::socket::{SocketId, before, size};
use super::transfer::Transfer;
use crate::cx::Cx;
use crate::host::Host;
use crate::packet::{Flags, Segment};
use crate::text::{BLOCKS, Block};
use rustc_hash::FxHashMap;

/// What came out of order at all sockets.
#[derive(Debug, Default)]
pub(super) struct Disorder {
    /// What sockets have received and cannot hand on yet.
    received: FxHashMap<SocketId, Received>,
    /// What the other ends of sockets say that they have received.
    acknowledged: FxHashMap<SocketId, Blocks>,
}

/// What one socket has received and cannot hand on yet.
#[derive(Clone, Default, Debug)]
struct Received {
    blocks: Blocks,
    /// The sequence number of the other end's FIN, if that has come.
    fin: Option<u32>,
}

/// Disjoint blocks with gaps between them, the one that has grown last in front.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Blocks(Vec<Block>);

impl Disorder {
    /// A socket is gone.
    #[inline]
    pub(super) fn forget(&mut self, id: SocketId) {
        if !self.received.is_empty() || !self.acknowledged.is_empty() {
            self.received.remove(&id);
            self.acknowledged.remove(&id);
        }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.received.capacity() * size_of::<(SocketId, Received)>()
            + self.acknowledged.capacity() * size_of::<(SocketId, Blocks)>()
    }
}

impl Host {
    /// Data or FIN that is not simply the next, or comes while a gap is open; false if there is nothing more to do for
    /// the segment.
    #[cold]
    pub(super) fn received_out_of_order(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        let socket = cx.sockets.get(id);
        let expected = socket.rcv_nxt;
        let fin = segment.flags.has(Flags::FIN).then(|| segment.seq.wrapping_add(u32::from(segment.len)));
        let data_end = segment.seq.wrapping_add(u32::from(segment.len));
        let block = (segment.seq, fin.map_or(data_end, |fin| fin.wrapping_add(1)));
        if !before(expected, block.1) {
            self.acknowledge_with(cx, id, Some(block));
            return true;
        }
        if before(expected.wrapping_add(size::WINDOW), block.1) {
            self.acknowledge_with(cx, id, None);
            return true;
        }
        if socket.is_orphan() && segment.len > 0 {
            return self.nobody_reads(cx, id, segment);
        }
        let received = cx.sockets.disorder.received.entry(id).or_default();
        received.fin = fin.or(received.fin);
        let again = received.blocks.overlap(block);
        received.blocks.add(block);
        if before(expected, block.0) {
            cx.sockets.get_mut(id).set_holes(true);
            self.acknowledge_with(cx, id, again);
            return true;
        }
        let again = if before(block.0, expected) { Some((block.0, expected)) } else { again };
        self.gap_filled(cx, id, again)
    }

    /// What a socket expects next has come, with all that waited for it; false if there is nothing more to do.
    fn gap_filled(&mut self, cx: &mut Cx, id: SocketId, again: Option<Block>) -> bool {
        let expected = cx.sockets.get(id).rcv_nxt;
        let received = cx.sockets.disorder.received.get_mut(&id).expect("the segment was noted");
        let end = received.blocks.take(expected).expect("the segment begins where it should");
        let has_ended = received.fin.is_some_and(|fin| fin.wrapping_add(1) == end);
        let is_whole = received.blocks.0.is_empty();
        if is_whole {
            cx.sockets.disorder.received.remove(&id);
        }
        let data_end = end.wrapping_sub(u32::from(has_ended));
        let socket = cx.sockets.get_mut(id);
        socket.rcv_nxt = data_end;
        socket.set_holes(!is_whole);
        let bytes = data_end.wrapping_sub(expected);
        if bytes > 0 {
            if !has_ended {
                socket.take_quick();
                self.acknowledge_with(cx, id, again);
            }
            if !self.program_reads(cx, id, bytes) {
                return false;
            }
        }
        if has_ended {
            self.fin_received(cx, id);
        }
        !has_ended
    }

    /// An acknowledgement that names what waits behind gaps, and first what came twice.
    fn acknowledge_with(&mut self, cx: &mut Cx, id: SocketId, again: Option<Block>) {
        let waiting = cx.sockets.disorder.received.get(&id).map_or(&[][..], |received| &received.blocks.0);
        let mut blocks = [(0, 0); BLOCKS];
        let mut len = 0;
        for (place, block) in blocks.iter_mut().zip(again.iter().chain(waiting)) {
            *place = *block;
            len += 1;
        }
        if len == 0 {
            return self.send_ack(cx, id);
        }
        let frame = self.build_segment(cx, id, Say { seq: None, len: 0, flags: Flags::ACK }, &PLAIN);
        cx.wiring.frames.packet_mut(&frame).acknowledge_selectively(&blocks[..len]);
        self.send_built(cx, frame);
    }
}

impl Sockets {
    /// The other end has received these blocks; those that were never sent, or were acknowledged, say nothing.
    #[cold]
    pub(super) fn note_selective(&mut self, id: SocketId, blocks: &[Block]) {
        let first = self.get(id).snd_una;
        let Some(end) = self.transfer(id).map(|transfer| transfer.snd_max) else { return };
        for &block in blocks {
            let is_news = before(first, block.0) && before(block.0, block.1) && !before(end, block.1);
            if is_news {
                self.disorder.acknowledged.entry(id).or_default().add(block);
            }
        }
    }

    /// Has the other end something that lies behind a gap?
    pub(super) fn is_told_of_gap(&mut self, id: SocketId) -> bool {
        let first = self.get(id).snd_una;
        let blocks = self.disorder.acknowledged.get(&id);
        blocks.is_some_and(|blocks| blocks.0.iter().any(|block| before(first, block.0)))
    }

    /// A socket is about to send: it passes over what the other end has. Bytes up to the next block that it has; no
    /// limit for what is sent for the first time.
    #[inline]
    pub(super) fn next_hole(&mut self, id: SocketId) -> u32 {
        if self.disorder.acknowledged.is_empty() {
            return u32::MAX;
        }
        let (_, transfer) = self.busy(id);
        if transfer.snd_nxt == transfer.snd_max { u32::MAX } else { self.pass_over(id) }
    }

    #[cold]
    fn pass_over(&mut self, id: SocketId) -> u32 {
        let first = self.get(id).snd_una;
        let Some(mut blocks) = self.disorder.acknowledged.remove(&id) else { return u32::MAX };
        blocks.drop_before(first);
        let (_, transfer) = self.busy(id);
        let room = skip(transfer, &blocks);
        if !blocks.0.is_empty() {
            self.disorder.acknowledged.insert(id, blocks);
        }
        room
    }
}

/// Moves a transfer over the blocks that the other end has; bytes to the next one.
fn skip(transfer: &mut Transfer, blocks: &Blocks) -> u32 {
    if let Some(&(_, to)) = blocks.0.iter().find(|block| contains(block, transfer.snd_nxt)) {
        transfer.catch_up(to);
    }
    let ahead = blocks.0.iter().filter(|block| before(transfer.snd_nxt, block.0));
    ahead.map(|block| block.0.wrapping_sub(transfer.snd_nxt)).min().unwrap_or(u32::MAX)
}

fn contains(block: &Block, number: u32) -> bool {
    !before(number, block.0) && before(number, block.1)
}

impl Blocks {
    /// Adds a block, which may join others.
    fn add(&mut self, (mut from, mut to): Block) {
        self.0.retain(|&(a, b)| {
            let touches = !before(b, from) && !before(to, a);
            if touches {
                from = if before(a, from) { a } else { from };
                to = if before(to, b) { b } else { to };
            }
            !touches
        });
        self.0.insert(0, (from, to));
    }

    /// What of a block is here already: the first such part.
    fn overlap(&self, (from, to): Block) -> Option<Block> {
        let latest = |a, b| if before(a, b) { b } else { a };
        let earliest = |a, b| if before(a, b) { a } else { b };
        let common = self.0.iter().map(|&(a, b)| (latest(a, from), earliest(b, to)));
        common.filter(|&(a, b)| before(a, b)).min_by_key(|block| block.0.wrapping_sub(from))
    }

    /// Takes out the block that holds `expected`: where it ends. Blocks before it are gone as well.
    fn take(&mut self, expected: u32) -> Option<u32> {
        let at = self.0.iter().position(|block| contains(block, expected))?;
        let (_, end) = self.0.remove(at);
        self.drop_before(end);
        Some(end)
    }

    /// Forgets blocks that end before `first` or there.
    fn drop_before(&mut self, first: u32) {
        self.0.retain(|block| before(first, block.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn blocks(blocks: &[Block]) -> Blocks {
        Blocks(blocks.to_vec())
    }

    #[test]
    fn what_grew_last_stands_in_front() {
        let mut seen = Blocks::default();
        for (block, expected) in [
            ((10, 20), &[(10, 20)][..]),
            ((40, 50), &[(40, 50), (10, 20)]),
            ((20, 30), &[(10, 30), (40, 50)]),
            ((25, 45), &[(10, 50)]),
        ] {
            seen.add(block);
            assert_eq!(seen, blocks(expected));
        }
    }

    #[test]
    fn numbers_begin_again_after_the_last() {
        let mut seen = blocks(&[(u32::MAX - 9, u32::MAX)]);
        seen.add((u32::MAX, 5));
        assert_eq!(seen, blocks(&[(u32::MAX - 9, 5)]));
        assert_eq!(seen.overlap((3, 8)), Some((3, 5)));
        assert_eq!(seen.take(0), Some(5));
        assert_eq!(seen, Blocks::default());
    }

    proptest! {
        /// Whatever comes in whatever order: the blocks hold the same numbers as a set does, apart from one another, and
        /// the front of it is handed on as soon as it is whole.
        #[test]
        fn are_a_set_of_numbers(
            start in any::<u32>(),
            segments in prop::collection::vec((0u32..60, 1u32..12), 1..40),
        ) {
            let at = |n: u32| start.wrapping_add(n);
            let (mut seen, mut model) = (Blocks::default(), BTreeSet::new());
            let mut expected = 0;
            for (from, len) in segments {
                if from + len <= expected {
                    continue;
                }
                seen.add((at(from), at(from + len)));
                model.extend(from..from + len);
                if from <= expected {
                    while model.contains(&expected) {
                        expected += 1;
                    }
                    prop_assert_eq!(seen.take(at(from.max(expected - 1))), Some(at(expected)));
                }
                model.retain(|n| *n >= expected);
                let held = |n: &u32| seen.0.iter().any(|block| contains(block, at(*n)));
                let held: BTreeSet<u32> = (0..80).filter(held).collect();
                prop_assert_eq!(&held, &model);
                let apart = |a: &Block, b: &Block| a == b || before(a.1, b.0) || before(b.1, a.0);
                prop_assert!(seen.0.iter().all(|a| seen.0.iter().all(|b| apart(a, b))));
            }
        }
    }
}
