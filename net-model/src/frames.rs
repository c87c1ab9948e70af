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

/// A TCP packet where it lies, without fragments, options, tunnel or mark: what its sender has to fill in.
pub(crate) struct Blank<'a> {
    /// The link addresses of receiver and sender; they are zero if nobody fills them in.
    pub(crate) to: &'a mut Mac,
    pub(crate) from: &'a mut Mac,
    pub(crate) src: &'a mut Addr,
    pub(crate) dst: &'a mut Addr,
    /// The tag of the exchange.
    pub(crate) flow: &'a mut u32,
    /// Total length in bytes.
    pub(crate) len: &'a mut u16,
    /// IPv4 identification.
    pub(crate) id: &'a mut u16,
    pub(crate) ttl: &'a mut u8,
    pub(crate) segment: &'a mut Segment,
}

/// A packet with nothing filled in.
const NOTHING: Packet = Packet {
    src: Addr::UNSPECIFIED_V4,
    dst: Addr::UNSPECIFIED_V4,
    mark: 0,
    flow: 0,
    len: 0,
    id: 0,
    fragment_offset: 0,
    more_fragments: false,
    df: true,
    ttl: 0,
    tos: 0,
    payload: Payload::Tcp(Segment::NOTHING),
    outer: None,
    text: None,
};

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
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.extend(),
        };
        self.slots[slot as usize] = frame;
        FrameId(slot)
    }

    /// Puts a TCP packet with an ordinary header into the pool, to be filled in. Most slots held such a packet before.
    #[inline(always)] // the sender writes it field by field
    pub(crate) fn send_segment(&mut self) -> (FrameId, Blank<'_>) {
        self.sent += 1;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.extend(),
        };
        let frame = &mut self.slots[slot as usize];
        if !matches!(frame.body, Body::Ip(Packet { payload: Payload::Tcp(_), text: None, .. })) {
            clear(&mut frame.body);
        }
        let Frame { dst: to, src: from, vlan, body } = frame;
        (*to, *from, *vlan) = (Mac::ZERO, Mac::ZERO, 0);
        let Body::Ip(packet) = body else { unreachable!("it has just been made one") };
        let Payload::Tcp(segment) = &mut packet.payload else { unreachable!("of TCP") };
        (packet.mark, packet.fragment_offset, packet.more_fragments, packet.df) = (0, 0, false, true);
        (packet.tos, packet.outer) = (0, None);
        let Packet { src, dst, flow, len, id, ttl, .. } = packet;
        (FrameId(slot), Blank { to, from, src, dst, flow, len, id, ttl, segment })
    }

    /// A slot more.
    #[cold]
    fn extend(&mut self) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 frames are under way");
        self.slots.push(Frame { dst: Mac::ZERO, src: Mac::ZERO, vlan: 0, body: Body::Ip(NOTHING) });
        slot
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

/// Makes a body a TCP packet.
#[cold]
#[inline(never)]
fn clear(body: &mut Body) {
    *body = Body::Ip(NOTHING);
}
