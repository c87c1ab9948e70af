//! Which segments leave a socket, and when.
//!
//! Slow start from ten segments; no pacing, no Nagle delay (requests and answers are single writes). A close after
//! everything was sent makes a FIN of its own; with data still to send the FIN rides on the last segment.

use super::socket::{App, SocketId, State, before, size};
use super::table::Key;
use super::transfer::{End, Transfer};
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::host::Host;
use crate::packet::{Flags, Packet, Segment};
use sim_core::Time;

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
        let mss = self.mss_towards(remote.0);
        let id = cx.sockets.insert(&key, State::SynSent, app, flow);
        let (socket, _) = cx.sockets.busy(id);
        socket.mss = mss;
        socket.begin_at(initial_sequence(local, remote, cx.now.as_nanos()));
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
        let before = cx.sockets.busy(id).1.snd_nxt;
        self.fill_window(cx, id);
        if cx.sockets.busy(id).1.snd_nxt != before {
            self.arm_retransmission(cx, id);
        }
    }

    fn fill_window(&mut self, cx: &mut Cx, id: SocketId) {
        loop {
            let up_to = cx.sockets.next_hole(id);
            let (socket, transfer) = cx.sockets.busy(id);
            if !transfer.has_more() {
                return;
            }
            let open = matches!(
                socket.state,
                State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
            );
            if !open {
                return;
            }
            let window = (u32::from(socket.cwnd) * u32::from(socket.mss)).min(size::WINDOW);
            let room = window.saturating_sub(transfer.in_flight(socket.snd_una));
            let len = transfer.unsent.min(u32::from(socket.mss)).min(up_to);
            let fin = transfer.end == End::Wanted && len == transfer.unsent && len < up_to;
            if len > 0 && room < len {
                return;
            }
            self.send_next(cx, id, len, fin);
        }
    }

    fn send_next(&mut self, cx: &mut Cx, id: SocketId, len: u32, fin: bool) {
        let now_us = stamp(cx.now);
        let (socket, transfer) = cx.sockets.busy(id);
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
            socket.state = match socket.state {
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
        self.send_segment(cx, id, Say { seq: Some(seq), len, flags });
    }

    /// A segment without data, usually an acknowledgement.
    pub(crate) fn send_ack(&mut self, cx: &mut Cx, id: SocketId) {
        self.send_segment(cx, id, Say { seq: None, len: 0, flags: Flags::ACK });
    }

    /// Sends a segment of a socket: any but a SYN.
    pub(crate) fn send_segment(&mut self, cx: &mut Cx, id: SocketId, say: Say) {
        let frame = self.build_segment(cx, id, say, &PLAIN);
        self.send_built(cx, frame);
    }

    /// Sends a SYN or SYN-ACK.
    #[inline(never)] // twice a connection
    fn send_handshake(&mut self, cx: &mut Cx, id: SocketId, say: Say, mss: u16) {
        let mss = mss + TIMESTAMPS;
        let window = window_of_syn(say.flags, mss);
        let shape = Shape { base: size::SYN, header: size::SYN_HEADER, window, mss };
        let frame = self.build_segment(cx, id, say, &shape);
        self.send_built(cx, frame);
    }

    /// Hands a segment of a socket to the network layer.
    #[inline(always)] // the end of send_segment
    pub(super) fn send_built(&mut self, cx: &mut Cx, frame: FrameId) {
        self.send_frame(cx, frame);
        self.confirms = false;
    }

    /// Builds a segment where it will lie.
    #[inline(always)] // a copy for SYNs, one for all others
    pub(super) fn build_segment(&mut self, cx: &mut Cx, id: SocketId, say: Say, shape: &Shape) -> FrameId {
        let (frame, blank) = cx.wiring.frames.send_segment();
        let (socket, [src, dst], next) = cx.sockets.sender(id);
        let family = if src.is_v4() { 0 } else { size::V6 };
        (*blank.src, *blank.dst, *blank.flow) = (src, dst, socket.flow);
        (*blank.len, *blank.id) = (shape.base + family + say.len as u16, socket.next_id());
        *blank.ttl = crate::host::DEFAULT_TTL;
        *blank.segment = Segment {
            sport: socket.lport,
            dport: socket.rport,
            seq: say.seq.unwrap_or(next),
            ack: if say.flags.has(Flags::ACK) { socket.rcv_nxt } else { 0 },
            len: say.len as u16,
            window: shape.window,
            mss: shape.mss,
            flags: say.flags,
            header: shape.header,
        };
        self.confirms = socket.take_confirmation();
        frame
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
        (*blank.len, *blank.id, *blank.ttl) = (size::RST + family, 0, crate::host::DEFAULT_TTL);
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

/// An initial sequence number: a hash of addresses and ports plus a clock of 64 ns, as Linux makes them.
pub(crate) fn initial_sequence(local: (Addr, u16), remote: (Addr, u16), now_ns: u64) -> u32 {
    let [a, b] = local.0.words();
    let [c, d] = remote.0.words();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for word in [a, b, c, d, u64::from(local.1) << 16 | u64::from(remote.1)] {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
    (hash >> 32) as u32 ^ (hash as u32).wrapping_add((now_ns >> 6) as u32)
}
