//! Which segments leave a socket, and when.
//!
//! Slow start from ten segments; no pacing, no Nagle delay (requests and answers are single writes). A close after
//! everything was sent makes a FIN of its own; with data still to send the FIN rides on the last segment.

use super::socket::{App, Socket, SocketId, State, size};
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::Head;
use crate::host::Host;
use crate::packet::{Flags, Packet, Segment};
use sim_core::Duration;

/// What a segment to be sent says.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    pub(crate) seq: u32,
    pub(crate) len: u32,
    pub(crate) flags: Flags,
}

/// Bytes that the timestamp option takes from every segment.
const TIMESTAMPS: u16 = 12;
/// First retransmission of a SYN or SYN-ACK.
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
/// What Linux adds to the round-trip time, at least.
const MIN_VARIANCE: Duration = Duration::from_millis(200);
/// The kernel counts the timeout in ticks of its clock before it doubles it.
const JIFFY: Duration = Duration::from_millis(4);
/// No retransmission timer is longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);

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
        let mut socket = Socket::new(self.id, local, remote, State::SynSent, app);
        let sequence = initial_sequence(&socket, cx.now.as_nanos());
        socket.flow = flow;
        socket.mss = self.mss_towards(remote.0);
        socket.begin_at(sequence);
        let id = cx.sockets.insert(socket);
        self.send_syn(cx, id, Flags::SYN);
        id
    }

    /// Sends a SYN or SYN-ACK, for the first time or again.
    pub(crate) fn send_syn(&mut self, cx: &mut Cx, id: SocketId, flags: Flags) {
        let now_us = stamp(cx);
        let socket = cx.sockets.get_mut(id);
        socket.snd_nxt = socket.snd_una.wrapping_add(1);
        socket.snd_max = socket.snd_nxt;
        socket.timed_us = if socket.tries == 0 { now_us } else { 0 };
        let seq = socket.snd_una;
        self.start_timer(cx, id, SYN_TIMEOUT);
        self.send_segment(cx, id, Say { seq, len: 0, flags });
    }

    /// The program writes `bytes`, and perhaps closes right after.
    pub(crate) fn write(&mut self, cx: &mut Cx, id: SocketId, bytes: u32) {
        let socket = cx.sockets.get_mut(id);
        socket.unsent = socket.unsent.saturating_add(bytes);
        self.push(cx, id);
    }

    /// The program closes the socket.
    pub(crate) fn close(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get_mut(id);
        if !socket.closing {
            socket.closing = true;
            self.push(cx, id);
        }
    }

    /// The program resets the connection (SO_LINGER 0) and forgets it.
    pub(crate) fn abort(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get(id);
        if !matches!(socket.state, State::SynSent | State::TimeWait | State::Udp) {
            let seq = socket.snd_nxt;
            self.send_segment(cx, id, Say { seq, len: 0, flags: Flags::RST.with(Flags::ACK) });
        }
        cx.sockets.remove(id);
    }

    /// Sends what the window allows, and the FIN if it is its turn.
    #[inline]
    pub(crate) fn push(&mut self, cx: &mut Cx, id: SocketId) {
        if cx.sockets.get(id).has_more() {
            self.push_more(cx, id);
        }
    }

    fn push_more(&mut self, cx: &mut Cx, id: SocketId) {
        let before = cx.sockets.get(id).snd_nxt;
        self.fill_window(cx, id);
        if cx.sockets.get(id).snd_nxt != before {
            self.arm_retransmission(cx, id);
        }
    }

    fn fill_window(&mut self, cx: &mut Cx, id: SocketId) {
        while cx.sockets.get(id).has_more() {
            let socket = cx.sockets.get(id);
            let open = matches!(
                socket.state,
                State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
            );
            if !open {
                return;
            }
            let window = (u32::from(socket.cwnd) * u32::from(socket.mss)).min(size::WINDOW);
            let room = window.saturating_sub(socket.in_flight());
            let len = socket.unsent.min(u32::from(socket.mss));
            let fin = socket.closing && len == socket.unsent;
            if len > 0 && room < len {
                return;
            }
            self.send_next(cx, id, len, fin);
        }
    }

    fn send_next(&mut self, cx: &mut Cx, id: SocketId, len: u32, fin: bool) {
        let now_us = stamp(cx);
        let socket = cx.sockets.get_mut(id);
        let seq = socket.snd_nxt;
        let mut flags = Flags::ACK;
        if len > 0 && len == socket.unsent {
            flags = flags.with(Flags::PSH);
        }
        socket.unsent -= len;
        socket.snd_nxt = seq.wrapping_add(len);
        if fin {
            flags = flags.with(Flags::FIN);
            socket.fin_sent = true;
            socket.snd_nxt = socket.snd_nxt.wrapping_add(1);
            socket.state = match socket.state {
                State::Established => State::FinWait1,
                State::CloseWait => State::LastAck,
                same => same,
            };
        }
        let is_new = super::socket::before(socket.snd_max, socket.snd_nxt);
        if is_new {
            socket.snd_max = socket.snd_nxt;
            if socket.timed_us == 0 {
                socket.timed_us = now_us;
            }
        } else {
            socket.timed_us = 0; // Karn: an acknowledgement of a retransmission says nothing about the round trip
        }
        socket.tail = len as u16 + u16::from(fin);
        self.send_segment(cx, id, Say { seq, len, flags });
    }

    /// A segment without data, usually an acknowledgement.
    pub(crate) fn send_ack(&mut self, cx: &mut Cx, id: SocketId) {
        let seq = cx.sockets.get(id).snd_nxt;
        self.send_segment(cx, id, Say { seq, len: 0, flags: Flags::ACK });
    }

    /// Builds a segment of a socket and hands it to the network layer.
    pub(crate) fn send_segment(&mut self, cx: &mut Cx, id: SocketId, say: Say) {
        let mss = self.advertised_mss(cx.sockets.get(id), say.flags);
        let socket = cx.sockets.get_mut(id);
        socket.unacked = 0;
        socket.ack_at = sim_core::Time::NEVER;
        let is_syn = say.flags.has(Flags::SYN);
        let (base, header) = if is_syn { (size::SYN, size::SYN_HEADER) } else { (size::PLAIN, size::HEADER) };
        let family = if socket.local.is_v4() { 0 } else { size::V6 };
        let head = Head {
            src: socket.local,
            dst: socket.remote,
            flow: socket.flow,
            len: base + family + say.len as u16,
            id: socket.next_id(say.flags),
            ttl: crate::host::DEFAULT_TTL,
        };
        let segment = Segment {
            sport: socket.lport,
            dport: socket.rport,
            seq: say.seq,
            ack: if say.flags.has(Flags::ACK) { socket.rcv_nxt } else { 0 },
            len: say.len as u16,
            window: window_field(say.flags, mss),
            mss,
            flags: say.flags,
            header,
        };
        self.confirms = std::mem::take(&mut socket.confirms);
        let frame = cx.wiring.frames.send_segment(head, segment);
        self.send_frame(cx, frame);
        self.confirms = false;
    }

    /// The MSS option of a SYN or SYN-ACK: what the way to the other end takes, whatever that end has asked for.
    #[inline]
    fn advertised_mss(&mut self, socket: &Socket, flags: Flags) -> u16 {
        if flags.has(Flags::SYN) { self.mss_towards(socket.remote) + TIMESTAMPS } else { 0 }
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
        let head = Head {
            src: packet.dst,
            dst: packet.src,
            flow: packet.flow,
            len: size::RST + family,
            id: 0,
            ttl: crate::host::DEFAULT_TTL,
        };
        let reset = Segment {
            sport: segment.dport,
            dport: segment.sport,
            seq,
            ack,
            flags,
            header: 20,
            ..Segment::default()
        };
        let frame = cx.wiring.frames.send_segment(head, reset);
        self.send_frame(cx, frame);
    }
}

/// The retransmission timeout at the present back-off.
pub(crate) fn timeout(socket: &Socket) -> Duration {
    let first = match socket.state {
        State::SynSent | State::SynReceived => SYN_TIMEOUT,
        _ => {
            let first = Duration::from_micros(u64::from(socket.srtt_us)) + MIN_VARIANCE;
            Duration::from_nanos(first.as_nanos().next_multiple_of(JIFFY.as_nanos()))
        }
    };
    let doubled = first.as_nanos().saturating_mul(1 << socket.tries.min(12));
    Duration::from_nanos(doubled.min(MAX_TIMEOUT.as_nanos()))
}

/// Now in microseconds, wrapping, never 0: 0 means "nothing timed".
pub(crate) fn stamp(cx: &Cx) -> u32 {
    (cx.now.as_nanos() / 1000) as u32 | 1
}

/// The window field as Linux shows it at the start of a connection: unscaled in a SYN, as many whole segments as fit into
/// 16 bits (those of a SYN-ACK carry timestamps); scaled by 64 later.
fn window_field(flags: Flags, mss: u16) -> u16 {
    let segment = if flags.has(Flags::ACK) { mss.saturating_sub(TIMESTAMPS) } else { mss };
    if flags.has(Flags::SYN) { u16::MAX - u16::MAX % segment.max(1) } else { 1_018 }
}

/// An initial sequence number: a hash of addresses and ports plus a clock of 64 ns, as Linux makes them.
pub(crate) fn initial_sequence(socket: &Socket, now_ns: u64) -> u32 {
    let [a, b] = socket.local.words();
    let [c, d] = socket.remote.words();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for word in [a, b, c, d, u64::from(socket.lport) << 16 | u64::from(socket.rport)] {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
    (hash >> 32) as u32 ^ (hash as u32).wrapping_add((now_ns >> 6) as u32)
}
