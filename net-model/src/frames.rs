//! The pool of frames under way. A frame has one owner at a time: a link's queue, a neighbour's queue or the host that
//! is handling it, so a [`FrameId`] can neither be copied nor cloned and every frame ends exactly once.

use crate::packet::{Body, Frame, Packet};

/// A frame in the pool.
#[derive(PartialEq, Eq, Debug)]
pub struct FrameId(u32);

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
    #[inline]
    pub fn get(&self, frame: &FrameId) -> &Frame {
        &self.slots[frame.0 as usize]
    }

    /// The frame, to be changed.
    #[inline]
    pub fn get_mut(&mut self, frame: &FrameId) -> &mut Frame {
        &mut self.slots[frame.0 as usize]
    }

    /// The IP packet in the frame.
    ///
    /// # Panics
    /// If the frame carries ARP: the caller has looked before.
    #[inline]
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
