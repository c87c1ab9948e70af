//! Which segments leave a socket, and when.
//!
//! Slow start from ten segments; no pacing, no Nagle delay (requests and answers are single writes). A close after
//! everything was sent makes a FIN of its own; with data still to send the FIN rides on the last segment.

use super::socket::{App, Socket, SocketId, State, before, size};
use super::table::Key;
use super::transfer::{End, Transfer};
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::frames::{FrameId, Frames};
use crate::host::Host;
use crate::packet::{ETHERNET_OVERHEAD, Flags, Packet, Segment};
use sim_core::Time;
use std::hint::select_unpredictable;

/// What a segment to be sent says.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    /// First byte; none for the next one of the socket.
    pub(crate) seq: Option<u32>,
    pub(crate) len: u32,
    pub(crate) flags: Flags,
}

/// What SYNs and other segments differ in.
pub(super) struct Shape {
    /// IP bytes of one without data, IPv4.
    base: u16,
    /// Bytes of TCP header.
    header: u8,
    /// The window field.
    window: u16,
    /// The maximum segment size option, 0 for none.
    mss: u16,
}

impl Shape {
    /// IP bytes of a segment between these ends.
    #[inline(always)] // a part of every segment
    fn len(&self, ends: [Addr; 2], say: Say) -> u16 {
        let family = if ends[0].is_v4() { 0 } else { size::V6 };
        self.base + family + say.len as u16
    }
}

/// All segments but SYNs. Their window is the constant one that Linux shows at the start of a connection, scaled by 64.
pub(super) const PLAIN: Shape = Shape { base: size::PLAIN, header: size::HEADER, window: 1_018, mss: 0 };

/// Bytes that the timestamp option takes from every segment.
const TIMESTAMPS: u16 = 12;
/// First retransmission of a SYN or SYN-ACK, in microseconds.
const SYN_TIMEOUT_US: u32 = 1_000_000;
/// What Linux adds to the round-trip time, at least.
const MIN_VARIANCE_US: u32 = 200_000;
/// The kernel counts the timeout in ticks of its clock before it doubles it.
const JIFFY_US: u32 = 4000;
/// No retransmission timer is longer.
const MAX_TIMEOUT_US: u32 = 120_000_000;

impl Host {
    /// Opens a connection: the SYN goes out. The caller has made sure that the addresses and ports are free.
    pub(crate) fn connect(
        &mut self,
        cx: &mut Cx,
        local: (Addr, u16),
        remote: (Addr, u16),
        app: App,
        flow: u32,
    ) -> SocketId {
        let key = Key { host: self.id, udp: false, local, remote };
        let (mss, way) = self.begin_way([local.0, remote.0]);
        let id = cx.sockets.insert(&key, State::SynSent, app, flow);
        self.keep_way(cx, id, way);
        let (socket, _) = cx.sockets.busy(id);
        socket.mss = mss;
        socket.begin_at(initial_sequence(self.stack.secret(), local, remote, cx.now.as_nanos()));
        self.watch(cx, id);
        self.send_syn(cx, id, Flags::SYN, mss);
        id
    }

    /// Sends a SYN or SYN-ACK, for the first time or again, and sets its timer. `mss` is what the way to the other end
    /// takes, whatever that end has asked for.
    pub(crate) fn send_syn(&mut self, cx: &mut Cx, id: SocketId, flags: Flags, mss: u16) {
        let now_us = stamp(cx.now);
        let (socket, transfer) = cx.sockets.busy(id);
        let seq = socket.snd_una;
        transfer.snd_nxt = seq.wrapping_add(1);
        transfer.snd_max = transfer.snd_nxt;
        transfer.timed_us = if transfer.tries == 0 { now_us } else { 0 };
        let timeout = timeout_us(socket.state, transfer);
        self.start_timer(cx, id, timeout);
        self.send_handshake(cx, id, Say { seq: Some(seq), len: 0, flags }, mss);
    }

    /// Sends a SYN or SYN-ACK because the other end has not got it, without touching its timer.
    pub(super) fn send_syn_again(&mut self, cx: &mut Cx, id: SocketId, flags: Flags) {
        let seq = Some(cx.sockets.get(id).snd_una);
        let mss = self.mss_towards(cx.sockets.other_end(id));
        self.send_handshake(cx, id, Say { seq, len: 0, flags }, mss);
    }

    /// The program writes `bytes`, and perhaps closes right after.
    pub(crate) fn write(&mut self, cx: &mut Cx, id: SocketId, bytes: u32) {
        self.rouse(cx, id);
        let (_, transfer) = cx.sockets.busy(id);
        transfer.unsent = transfer.unsent.saturating_add(bytes);
        self.push(cx, id);
    }

    /// The program closes the socket.
    pub(crate) fn close(&mut self, cx: &mut Cx, id: SocketId) {
        self.rouse(cx, id);
        let (_, transfer) = cx.sockets.busy(id);
        if transfer.end == End::Open {
            transfer.end = End::Wanted;
            self.push(cx, id);
        }
    }

    /// The program resets the connection (SO_LINGER 0) and forgets it.
    pub(crate) fn abort(&mut self, cx: &mut Cx, id: SocketId) {
        if !matches!(cx.sockets.get(id).state, State::SynSent | State::TimeWait | State::Udp) {
            let reset = Say { seq: None, len: 0, flags: Flags::RST.with(Flags::ACK) };
            self.send_segment(cx, id, reset);
        }
        cx.sockets.remove(id);
    }

    /// Sends what the window allows, and the FIN if it is its turn.
    #[inline]
    pub(crate) fn push(&mut self, cx: &mut Cx, id: SocketId) {
        if cx.sockets.transfer(id).is_some_and(|transfer| transfer.has_more()) {
            self.push_more(cx, id);
        }
    }

    fn push_more(&mut self, cx: &mut Cx, id: SocketId) {
        let now_us = stamp(cx.now);
        let mut has_sent = false;
        loop {
            let up_to = cx.sockets.next_hole(id);
            let (socket, transfer) = cx.sockets.busy(id);
            let Some(say) = socket.next_segment(transfer, now_us, up_to) else { break };
            let is_last = !transfer.has_more();
            has_sent = true;
            self.send_segment(cx, id, say);
            if is_last {
                break;
            }
        }
        if has_sent {
            self.arm_retransmission(cx, id);
        }
    }

    /// A segment without data, usually an acknowledgement.
    pub(crate) fn send_ack(&mut self, cx: &mut Cx, id: SocketId) {
        self.send_segment(cx, id, Say { seq: None, len: 0, flags: Flags::ACK });
    }

    /// Sends a segment of a socket: any but a SYN.
    pub(crate) fn send_segment(&mut self, cx: &mut Cx, id: SocketId, say: Say) {
        self.send_shaped(cx, id, say, &PLAIN);
    }

    /// Sends a SYN or SYN-ACK.
    #[inline(never)] // twice a connection
    fn send_handshake(&mut self, cx: &mut Cx, id: SocketId, say: Say, mss: u16) {
        let mss = mss + TIMESTAMPS;
        let window = window_of_syn(say.flags, mss);
        self.send_shaped(cx, id, say, &Shape { base: size::SYN, header: size::SYN_HEADER, window, mss });
    }

    /// Finds the way of a segment, builds it where it will lie, and sends it; if the way is not known by heart, the
    /// network layer looks closer.
    #[inline(always)] // a copy for SYNs, one for all others
    fn send_shaped(&mut self, cx: &mut Cx, id: SocketId, say: Say, shape: &Shape) {
        let Cx { now, agenda, wiring, recorder, sockets, .. } = cx;
        let (socket, ends, next, known) = sockets.sender(id);
        let len = shape.len(ends, say);
        self.confirms = socket.take_confirmation();
        let is_watched = recorder.follows(socket.flow) || cx.confirming.is_some();
        let ttl = self.stack.own_ttl(ends[0].is_v4());
        let next_hop = if is_watched { None } else { known.out(id, self.stack.epoch(), len) };
        let Some(way) = next_hop.and_then(|next_hop| self.own_way(*now, next_hop)) else {
            return self.send_looking(cx, id, say, shape);
        };
        let (frame, [to, from]) = write(&mut wiring.frames, socket, ends, next, say, shape, ttl);
        (*to, *from) = (way.mac, way.header.src);
        let bytes = ETHERNET_OVERHEAD + u32::from(len);
        wiring.send(*now, way.link, frame, bytes, &mut way.header.path, agenda, recorder);
        self.confirms = false;
    }

    /// The same if the socket does not know its way out by heart. The next segment may know it.
    #[inline(never)]
    fn send_looking(&mut self, cx: &mut Cx, id: SocketId, say: Say, shape: &Shape) {
        let (socket, ends, next, _) = cx.sockets.sender(id);
        let ttl = self.stack.own_ttl(ends[0].is_v4());
        let frame = write(&mut cx.wiring.frames, socket, ends, next, say, shape, ttl).0;
        self.send_built(cx, frame);
        self.keep_way(cx, id, self.known_way_out(ends));
    }

    /// Builds a segment where it will lie, for somebody who has something to add.
    pub(super) fn build_segment(&mut self, cx: &mut Cx, id: SocketId, say: Say, shape: &Shape) -> FrameId {
        let (socket, ends, next, _) = cx.sockets.sender(id);
        self.confirms = socket.take_confirmation();
        let ttl = self.stack.own_ttl(ends[0].is_v4());
        write(&mut cx.wiring.frames, socket, ends, next, say, shape, ttl).0
    }

    /// Hands a segment of a socket to the network layer.
    #[inline(never)]
    pub(super) fn send_built(&mut self, cx: &mut Cx, frame: FrameId) {
        self.send_frame(cx, frame);
        self.confirms = false;
    }

    /// The answer to a segment that no socket wants (RFC 9293, 3.10.7.1).
    pub(crate) fn send_reset(&mut self, cx: &mut Cx, packet: &Packet, segment: &Segment) {
        if segment.flags.has(Flags::RST) {
            return;
        }
        let (seq, ack, flags) = if segment.flags.has(Flags::ACK) {
            (segment.ack, 0, Flags::RST)
        } else {
            let syn_fin = u32::from(segment.flags.has(Flags::SYN)) + u32::from(segment.flags.has(Flags::FIN));
            (0, segment.seq.wrapping_add(u32::from(segment.len) + syn_fin), Flags::RST.with(Flags::ACK))
        };
        let family = if packet.dst.is_v4() { 0 } else { size::V6 };
        let (frame, blank) = cx.wiring.frames.send_segment();
        (*blank.src, *blank.dst, *blank.flow) = (packet.dst, packet.src, packet.flow);
        (*blank.len, *blank.id) = (size::RST + family, 0);
        *blank.ttl = self.stack.own_ttl(packet.dst.is_v4());
        *blank.segment = Segment {
            sport: segment.dport,
            dport: segment.sport,
            seq,
            ack,
            flags,
            header: 20,
            ..Segment::default()
        };
        self.send_frame(cx, frame);
    }
}

/// Writes a segment into the pool of frames: the frame, and the places of the link addresses of receiver and sender.
#[inline(always)] // a part of every segment
fn write<'a>(
    frames: &'a mut Frames,
    socket: &mut Socket,
    ends: [Addr; 2],
    next: u32,
    say: Say,
    shape: &Shape,
    ttl: u8,
) -> (FrameId, [&'a mut Mac; 2]) {
    let (frame, blank) = frames.send_segment();
    (*blank.src, *blank.dst, *blank.flow) = (ends[0], ends[1], socket.flow);
    (*blank.len, *blank.id, *blank.ttl) = (shape.len(ends, say), socket.next_id(), ttl);
    *blank.segment = Segment {
        sport: socket.lport,
        dport: socket.rport,
        // Every second segment says it: no processor can foresee which.
        seq: select_unpredictable(say.seq.is_some(), say.seq.unwrap_or(0), next),
        ack: if say.flags.has(Flags::ACK) { socket.rcv_nxt } else { 0 },
        len: say.len as u16,
        window: shape.window,
        mss: shape.mss,
        flags: say.flags,
        header: shape.header,
    };
    (frame, [blank.to, blank.from])
}

impl Socket {
    /// The next segment that the window allows, or the FIN if it is its turn: it counts as sent. The other end has what
    /// lies `up_to` bytes ahead.
    #[inline]
    fn next_segment(&mut self, transfer: &mut Transfer, now_us: u32, up_to: u32) -> Option<Say> {
        if !(transfer.has_more() && self.may_send()) {
            return None;
        }
        let window = (u32::from(self.cwnd) * u32::from(self.mss)).min(size::WINDOW);
        let room = window.saturating_sub(transfer.in_flight(self.snd_una));
        let len = transfer.unsent.min(u32::from(self.mss)).min(up_to);
        if len > 0 && room < len {
            return None;
        }
        let fin = transfer.end == End::Wanted && len == transfer.unsent && len < up_to;
        let seq = transfer.snd_nxt;
        let mut flags = Flags::ACK;
        if len > 0 && len == transfer.unsent {
            flags = flags.with(Flags::PSH);
        }
        transfer.unsent -= len;
        transfer.snd_nxt = seq.wrapping_add(len);
        if fin {
            flags = flags.with(Flags::FIN);
            transfer.note_fin(len > 0);
            transfer.snd_nxt = transfer.snd_nxt.wrapping_add(1);
            self.state = match self.state {
                State::Established => State::FinWait1,
                State::CloseWait => State::LastAck,
                same => same,
            };
        }
        if before(transfer.snd_max, transfer.snd_nxt) {
            transfer.snd_max = transfer.snd_nxt;
            if transfer.timed_us == 0 {
                transfer.timed_us = now_us;
            }
        } else {
            transfer.timed_us = 0; // Karn: an acknowledgement of a retransmission says nothing about the round trip
        }
        Some(Say { seq: Some(seq), len, flags })
    }

    /// May data or a FIN be sent (again) in this state?
    #[inline]
    fn may_send(&self) -> bool {
        use State::{CloseWait, Closing, Established, FinWait1, LastAck};
        matches!(self.state, Established | CloseWait | FinWait1 | Closing | LastAck)
    }
}

/// The retransmission timeout at the present back-off, in microseconds.
pub(crate) fn timeout_us(state: State, transfer: &Transfer) -> u32 {
    let first = match state {
        State::SynSent | State::SynReceived => SYN_TIMEOUT_US,
        _ => transfer.srtt_us.saturating_add(MIN_VARIANCE_US).next_multiple_of(JIFFY_US),
    };
    let doubled = u64::from(first) << transfer.tries.min(12);
    doubled.min(u64::from(MAX_TIMEOUT_US)) as u32
}

/// Now in microseconds, wrapping, never 0: 0 means "nothing timed".
#[inline]
pub(crate) fn stamp(now: Time) -> u32 {
    (now.as_nanos() / 1000) as u32 | 1
}

/// The window field of a SYN as Linux shows it: unscaled, as many whole segments as fit into 16 bits (those of a SYN-ACK
/// carry timestamps).
fn window_of_syn(flags: Flags, mss: u16) -> u16 {
    let segment = if flags.has(Flags::ACK) { mss.saturating_sub(TIMESTAMPS) } else { mss };
    u16::MAX - u16::MAX % segment.max(1)
}

/// An initial sequence number: a hash of addresses, ports and the host's secret, plus a clock of 64 ns, as Linux makes
/// them. A client that uses its port again towards the same server is always ahead of itself; towards another address of
/// the same server only by chance.
pub(crate) fn initial_sequence(secret: u64, local: (Addr, u16), remote: (Addr, u16), now_ns: u64) -> u32 {
    let [a, b] = local.0.words();
    let [c, d] = remote.0.words();
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ secret;
    for word in [a, b, c, d, u64::from(local.1) << 16 | u64::from(remote.1)] {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
    let start = (hash >> 32) as u32 ^ hash as u32;
    start.wrapping_add((now_ns >> 6) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn who_begins_anew_is_ahead_of_himself(
            secret: u64,
            ends: (u32, u16, u32, u16),
            now in 0..1_u64 << 50,
            later in 1_000..130_000_000_000_u64,
        ) {
            let (local, remote) = ((Addr::v4(ends.0), ends.1), (Addr::v4(ends.2), ends.3));
            let [first, second] = [now, now + later].map(|at| initial_sequence(secret, local, remote, at));
            prop_assert!(second.wrapping_sub(first).cast_signed() > 0);
        }
    }
}
