//! The state of one TCP connection at one end, or of one UDP client.

use crate::addr::Addr;
use crate::exchange::ExchangeId;
use crate::packet::Flags;
use crate::request::RequestId;
use sim_core::Time;

/// A socket of some host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub(crate) u32);

/// TCP states (RFC 9293), and the one state of a UDP socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The SYN is out.
    SynSent,
    /// The SYN-ACK is out.
    SynReceived,
    /// Open in both directions.
    Established,
    /// Our FIN is out, not yet acknowledged.
    FinWait1,
    /// Our FIN is acknowledged; theirs has not come.
    FinWait2,
    /// Both FINs are out; ours is not acknowledged.
    Closing,
    /// Both sides closed, we first: old duplicates are caught for a minute.
    TimeWait,
    /// Theirs has come; our program has not closed.
    CloseWait,
    /// Both FINs are out, theirs first.
    LastAck,
    /// UDP.
    Udp,
}

/// The program that owns a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum App {
    /// A client's exchange.
    Client(ExchangeId),
    /// A server (by its number on the host) whose program has not got a request from it.
    Server(u32),
    /// A request under way at a server.
    Request(RequestId),
    /// The program has gone; the kernel finishes alone.
    Orphan,
}

/// Whether the end of a flight is sent again soon, before the retransmission timer would fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe {
    /// When something is sent next, its timer will be that of a probe.
    Due,
    /// The timer is that of a probe.
    Armed,
    /// The probe was sent: only the retransmission timer is left.
    Spent,
}

/// Segment sizes and windows of a Linux host on Ethernet (spec of short exchanges, section 8).
pub mod size {
    /// IP bytes of a SYN or SYN-ACK with all options, IPv4.
    pub const SYN: u16 = 60;
    /// IP bytes of a segment without data, with the timestamp option, IPv4.
    pub const PLAIN: u16 = 52;
    /// IP bytes of a reset without a socket, IPv4.
    pub const RST: u16 = 40;
    /// TCP header with timestamps.
    pub const HEADER: u8 = 32;
    /// TCP header of a SYN.
    pub const SYN_HEADER: u8 = 40;
    /// What IPv6 adds to any of them.
    pub const V6: u16 = 20;
    /// Initial congestion window, in segments.
    pub const INITIAL_WINDOW: u16 = 10;
    /// Segments that are acknowledged at once at the start of a connection.
    pub const QUICK_ACKS: u8 = 16;
    /// Bytes that may be under way to a receiver: the constant receive window.
    pub const WINDOW: u32 = 3_386_848;
}

/// One end of a connection.
#[derive(Clone, Debug)]
#[repr(align(64))] // two cache lines, not three
pub struct Socket {
    /// Own address.
    pub local: Addr,
    /// The other end's address.
    pub remote: Addr,
    /// The instant of the retransmission timer, or of the end of TIME_WAIT.
    pub(crate) timer_at: Time,
    /// The instant at which a delayed acknowledgement must go out.
    pub(crate) ack_at: Time,
    /// The earliest event in the agenda for this socket: timers are lazy.
    pub(crate) posted: Time,
    /// The host.
    pub(crate) host: u32,
    /// The tag of its packets in the trace.
    pub(crate) flow: u32,
    /// First byte sent and not acknowledged.
    pub(crate) snd_una: u32,
    /// Next byte to send.
    pub(crate) snd_nxt: u32,
    /// Highest byte ever sent: below it, sending is retransmission.
    pub(crate) snd_max: u32,
    /// Next byte expected.
    pub(crate) rcv_nxt: u32,
    /// Bytes that the program has written and that were not sent yet.
    pub(crate) unsent: u32,
    /// Smoothed round-trip time in microseconds.
    pub(crate) srtt_us: u32,
    /// When the last segment that can be timed was sent, in microseconds (wrapping); 0 for none.
    pub(crate) timed_us: u32,
    /// Who owns it.
    pub(crate) app: App,
    /// Own port.
    pub lport: u16,
    /// The other end's port.
    pub rport: u16,
    /// Largest payload of a segment.
    pub(crate) mss: u16,
    /// Congestion window in segments.
    pub(crate) cwnd: u16,
    /// Slow-start threshold in segments.
    pub(crate) ssthresh: u16,
    /// State.
    pub state: State,
    /// The program has closed: a FIN follows the data.
    pub(crate) closing: bool,
    /// Our FIN was sent (it may be sent again).
    pub(crate) fin_sent: bool,
    /// Retransmissions since something was acknowledged.
    pub(crate) tries: u8,
    /// A small socket in the place of the whole one, which the kernel has freed: its packets carry no identification.
    pub(crate) is_mini: bool,
    /// IPv4 identification of the next packet: each socket counts its own.
    pub(crate) ident: u16,
    /// Segments to be acknowledged at once.
    pub(crate) quick: u8,
    /// The other end has acknowledged something: the next segment to it confirms the next hop.
    pub(crate) confirms: bool,
    /// The tail loss probe of the present flight.
    pub(crate) probe: Probe,
    /// Sequence numbers that the last segment took.
    pub(crate) tail: u16,
    /// Data segments received and not acknowledged.
    pub(crate) unacked: u8,
    /// Duplicate acknowledgements in a row.
    pub(crate) duplicates: u8,
}

const _: () = assert!(size_of::<Socket>() <= 128, "two cache lines: there are millions of them");

impl Socket {
    /// A socket in `state` that has sent nothing.
    pub(crate) fn new(host: u32, local: (Addr, u16), remote: (Addr, u16), state: State, app: App) -> Socket {
        Socket {
            local: local.0,
            remote: remote.0,
            timer_at: Time::NEVER,
            ack_at: Time::NEVER,
            posted: Time::NEVER,
            host,
            flow: 0,
            snd_una: 0,
            snd_nxt: 0,
            snd_max: 0,
            rcv_nxt: 0,
            unsent: 0,
            srtt_us: 0,
            timed_us: 0,
            app,
            lport: local.1,
            rport: remote.1,
            mss: 0,
            cwnd: size::INITIAL_WINDOW,
            ssthresh: u16::MAX,
            state,
            closing: false,
            fin_sent: false,
            tries: 0,
            is_mini: false,
            ident: 0,
            quick: size::QUICK_ACKS,
            unacked: 0,
            confirms: false,
            probe: Probe::Due,
            tail: 0,
            duplicates: 0,
        }
    }

    /// Sets the first sequence number, and with it the first identification, which is as arbitrary.
    pub(crate) fn begin_at(&mut self, sequence: u32) {
        (self.snd_una, self.snd_nxt, self.snd_max) = (sequence, sequence, sequence);
        self.ident = (sequence.wrapping_mul(0x9e37_79b9) >> 16) as u16;
    }

    /// The IPv4 identification of the next packet. While a connection is half open, and once only a small socket is
    /// left of it, there is nothing that counts.
    #[inline]
    pub(crate) fn next_id(&mut self, flags: Flags) -> u16 {
        let is_small = self.is_mini || self.state == State::SynReceived || flags.has(Flags::SYN) && flags.has(Flags::ACK);
        if is_small {
            return 0;
        }
        self.ident = self.ident.wrapping_add(1);
        self.ident
    }

    /// Is there anything left to say: data, or a FIN?
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        !self.fin_sent && (self.unsent > 0 || self.closing)
    }

    /// Bytes sent and not acknowledged (a FIN counts as one).
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.snd_nxt.wrapping_sub(self.snd_una)
    }
}

/// Does sequence number `a` come before `b` (modulo 2^32)?
#[inline]
pub(crate) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
