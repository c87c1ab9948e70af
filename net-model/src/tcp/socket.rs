//! The state of one TCP connection at one end, or of one UDP client.

use super::short::Short;
use crate::exchange::ExchangeId;
use crate::pool::Record;
use crate::request::RequestId;

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

impl State {
    /// As `ss` and `netstat` print it.
    pub const fn name(self) -> &'static str {
        match self {
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RECV",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN_WAIT1",
            State::FinWait2 => "FIN_WAIT2",
            State::Closing => "CLOSING",
            State::TimeWait => "TIME_WAIT",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Udp => "waits for an answer",
        }
    }
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

/// One end of a connection: what is kept of it however long it is idle. What is needed while something is under way
/// stands in a [`Transfer`](super::transfer::Transfer).
#[derive(Clone, Debug)]
pub struct Socket {
    /// Own address.
    pub(super) local: Short,
    /// The other end's address.
    pub(super) remote: Short,
    /// The host; [`NOBODY`] if the slot is free.
    pub(crate) host: u16,
    /// IPv4 identification of its last packet: each socket counts its own.
    ident: u16,
    /// Own port.
    pub lport: u16,
    /// The other end's port.
    pub rport: u16,
    /// The tag of its packets in the trace.
    pub(crate) flow: u32,
    /// First byte sent and not acknowledged.
    pub(crate) snd_una: u32,
    /// Next byte expected.
    pub(crate) rcv_nxt: u32,
    /// Who owns it, in short.
    owner: u32,
    /// One of three numbers. Of a busy socket: the slot of its transfer, which in turn names the socket. Of an idle one:
    /// the smoothed round-trip time in microseconds. In TIME_WAIT: how often it is in the queue of those that wait.
    pub(super) rest: u32,
    /// Largest payload of a segment.
    pub(crate) mss: u16,
    /// Congestion window in segments.
    pub(crate) cwnd: u16,
    /// Slow-start threshold in segments.
    pub(crate) ssthresh: u16,
    /// State.
    pub state: State,
    /// Segments to be acknowledged at once, and three marks.
    marks: u8,
}

/// The host of a free slot.
pub(super) const NOBODY: u16 = u16::MAX;
/// In the marks: segments to be acknowledged at once.
const QUICK: u8 = 0x1f;
/// In the marks: the other end has acknowledged something, the next segment to it confirms the next hop.
const CONFIRMS: u8 = 0x80;
/// In the marks: data waits that came before its turn.
const HOLES: u8 = 0x20;
/// In the marks: the kernel has put a small socket into the place of the whole one.
const MINI: u8 = 0x40;

const _: () = assert!(size_of::<Socket>() <= 44, "there are two for each open connection");

impl Socket {
    /// A socket in `state` that has sent nothing.
    pub(super) fn new(host: u32, local: (Short, u16), remote: (Short, u16), state: State) -> Socket {
        let host = u16::try_from(host).ok().filter(|host| *host != NOBODY);
        Socket {
            host: host.expect("fewer than 65 535 hosts have sockets"),
            state,
            local: local.0,
            remote: remote.0,
            lport: local.1,
            rport: remote.1,
            ..Socket::BLANK
        }
    }

    /// Who owns it.
    #[inline]
    pub fn app(&self) -> App {
        let number = self.owner & NUMBER;
        match self.owner >> NUMBER_BITS {
            0 => App::Client(ExchangeId(number)),
            1 => App::Server(number),
            2 => App::Request(RequestId(number)),
            _ => App::Orphan,
        }
    }

    /// It changes its owner.
    #[inline]
    pub(crate) fn set_app(&mut self, app: App) {
        let (kind, number) = match app {
            App::Client(exchange) => (0, exchange.0),
            App::Server(server) => (1, server),
            App::Request(request) => (2, request.0),
            App::Orphan => (3, 0),
        };
        assert!(number <= NUMBER, "fewer than 2^30 exchanges and requests at a time");
        self.owner = kind << NUMBER_BITS | number;
    }

    /// Sets the first sequence number, and with it the first identification, which is as arbitrary.
    pub(super) fn begin_at(&mut self, sequence: u32) {
        self.snd_una = sequence;
        self.ident = (sequence.wrapping_mul(0x9e37_79b9) >> 16) as u16;
    }

    /// The IPv4 identification of the next packet. While a connection is half open, and once only a small socket is left
    /// of it, there is nothing that counts.
    #[inline]
    pub(super) fn next_id(&mut self) -> u16 {
        if self.marks & MINI != 0 || matches!(self.state, State::SynReceived | State::TimeWait) {
            return 0;
        }
        self.ident = self.ident.wrapping_add(1);
        self.ident
    }

    /// Only a small socket is left: the connection waits for the other end's FIN, and nobody will read.
    pub(super) fn shrink(&mut self) {
        self.marks |= MINI;
    }

    /// Must a data segment be acknowledged at once, because the connection is young?
    #[inline]
    pub(super) fn is_quick(&self) -> bool {
        self.marks & QUICK > 0
    }

    /// A data segment was acknowledged at once.
    #[inline]
    pub(super) fn take_quick(&mut self) {
        self.marks -= u8::from(self.is_quick());
    }

    /// The other end has acknowledged something: the next segment to it confirms the next hop.
    #[inline]
    pub(super) fn will_confirm(&mut self) {
        self.marks |= CONFIRMS;
    }

    /// Does the segment that is about to leave confirm the next hop?
    #[inline]
    pub(super) fn take_confirmation(&mut self) -> bool {
        let confirms = self.marks & CONFIRMS != 0;
        self.marks &= !CONFIRMS;
        confirms
    }

    /// Does data wait that came before its turn?
    #[inline]
    pub(super) fn has_holes(&self) -> bool {
        self.marks & HOLES != 0
    }

    /// Data waits that came before its turn, or no longer.
    pub(super) fn set_holes(&mut self, has_holes: bool) {
        self.marks = self.marks & !HOLES | if has_holes { HOLES } else { 0 };
    }

    /// Has its program gone?
    #[inline]
    pub(crate) fn is_orphan(&self) -> bool {
        self.owner == ORPHAN
    }
}

/// Bits of the owner that are its number; the others say which kind it is.
const NUMBER_BITS: u32 = 30;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
const ORPHAN: u32 = 3 << NUMBER_BITS;

impl Record for Socket {
    const BLANK: Socket = Socket {
        local: Short::BLANK,
        remote: Short::BLANK,
        host: NOBODY,
        ident: 0,
        lport: 0,
        rport: 0,
        flow: 0,
        snd_una: 0,
        rcv_nxt: 0,
        owner: ORPHAN,
        rest: 0,
        mss: 0,
        cwnd: size::INITIAL_WINDOW,
        ssthresh: u16::MAX,
        state: State::SynSent,
        marks: size::QUICK_ACKS,
    };

    fn link(&mut self) -> &mut u32 {
        &mut self.flow
    }
}

/// Does sequence number `a` come before `b` (modulo 2^32)?
#[inline]
pub(crate) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
