//! The pool of frames under way. A frame has one owner at a time: a link's queue, a neighbour's queue or the host that
//! is handling it, so a [`FrameId`] can neither be copied nor cloned and every frame ends exactly once.

use crate::addr::{Addr, Mac};
use crate::packet::{Body, Frame, Packet, Payload, Segment};

/// A frame in the pool.
#[derive(PartialEq, Eq, Debug)]
pub struct FrameId(u32);

impl Default for FrameId {
    /// No frame: what is left where one has been taken away.
    fn default() -> FrameId {
        FrameId(u32::MAX)
    }
}

impl FrameId {
    /// The place in the pool, which belongs to other frames before and after.
    pub(crate) fn slot(&self) -> u32 {
        self.0
    }
}

/// What differs between the IP headers of TCP packets: no fragments, no options, no tunnel, no mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    /// The tag of the exchange.
    pub(crate) flow: u32,
    /// Total length in bytes.
    pub(crate) len: u16,
    /// IPv4 identification.
    pub(crate) id: u16,
    pub(crate) ttl: u8,
}

impl Head {
    fn body(self, segment: Segment) -> Body {
        Body::Ip(Packet {
            src: self.src,
            dst: self.dst,
            mark: 0,
            flow: self.flow,
            len: self.len,
            id: self.id,
            fragment_offset: 0,
            more_fragments: false,
            df: true,
            ttl: self.ttl,
            tos: 0,
            payload: Payload::Tcp(segment),
            outer: None,
            text: None,
        })
    }
}

/// All frames under way. Slots are reused last in, first out, so that the few frames in flight stay in the cache.
#[derive(Debug, Default)]
pub struct Frames {
    slots: Vec<Frame>,
    free: Vec<u32>,
    sent: u64,
}

impl Frames {
    /// Puts a frame into the pool: it is now under way.
    #[inline]
    pub fn send(&mut self, frame: Frame) -> FrameId {
        self.sent += 1;
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = frame;
            return FrameId(slot);
        }
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 frames are under way");
        self.slots.push(frame);
        FrameId(slot)
    }

    /// Puts a TCP packet with an ordinary header into the pool. It is written where it lies: most slots held such a
    /// packet before.
    #[inline(always)] // its arguments are many
    pub(crate) fn send_segment(&mut self, head: Head, segment: Segment) -> FrameId {
        let Some(slot) = self.free.pop() else {
            return self.send(Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: head.body(segment) });
        };
        self.sent += 1;
        let frame = &mut self.slots[slot as usize];
        (frame.dst, frame.src, frame.vlan) = (Mac::ZERO, Mac::ZERO, 0);
        match &mut frame.body {
            Body::Ip(Packet {
                src,
                dst,
                mark,
                flow,
                len,
                id,
                fragment_offset,
                more_fragments,
                df,
                ttl,
                tos,
                outer,
                text: None,
                payload: Payload::Tcp(old),
            }) => {
                (*src, *dst, *mark, *flow, *len) = (head.src, head.dst, 0, head.flow, head.len);
                (*id, *fragment_offset, *more_fragments, *df) = (head.id, 0, false, true);
                (*ttl, *tos, *outer) = (head.ttl, 0, None);
                *old = segment;
            }
            other => *other = head.body(segment),
        }
        FrameId(slot)
    }

    /// Takes a frame back that was never sent.
    #[inline]
    #[allow(clippy::needless_pass_by_value)] // taking the id is what ends the frame
    pub(crate) fn take_back(&mut self, frame: FrameId) {
        self.sent -= 1;
        self.free.push(frame.0);
    }

    /// A second copy of a frame, as a switch makes when it floods.
    pub fn copy(&mut self, frame: &FrameId) -> FrameId {
        let twin = self.slots[frame.0 as usize].clone();
        self.send(twin)
    }

    /// The frame is at its end.
    #[inline]
    #[allow(clippy::needless_pass_by_value)] // taking the id is what ends the frame
    pub fn end(&mut self, frame: FrameId) {
        self.free.push(frame.0);
    }

    /// The frame.
    #[inline(always)] // every step of the walk begins with it
    pub fn get(&self, frame: &FrameId) -> &Frame {
        &self.slots[frame.0 as usize]
    }

    /// The frame, to be changed.
    #[inline(always)]
    pub fn get_mut(&mut self, frame: &FrameId) -> &mut Frame {
        &mut self.slots[frame.0 as usize]
    }

    /// The IP packet in the frame.
    ///
    /// # Panics
    /// If the frame carries ARP: the caller has looked before.
    #[inline(always)]
    pub fn packet_mut(&mut self, frame: &FrameId) -> &mut Packet {
        match &mut self.slots[frame.0 as usize].body {
            Body::Ip(packet) => packet,
            Body::Arp(_) => panic!("an ARP frame was handled as an IP packet"),
        }
    }

    /// Frames ever sent, the copies of flooding included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Frames under way now.
    pub fn under_way(&self) -> u64 {
        (self.slots.len() - self.free.len()) as u64
    }
}
