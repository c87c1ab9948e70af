//! The ways of sockets: what Linux keeps at a socket of the way its packets come in (`sk_rx_dst`, by "early demux") and
//! of the way they leave (`sk_dst_cache`).
//!
//! A packet in has found its socket, and the tables have said that it may come in by this interface; a packet out has
//! found its next hop. Until something changes in the tables of the host, the next ones need not ask. What is remembered
//! stands in a few lines of memory that all sockets share, found by the tag of the connection's packets: there may be
//! millions of sockets, but those on whose connections something happens at the same time are few.

use super::input::mss_for;
use super::socket::{Socket, SocketId, State};
use super::table::Sockets;
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::host::neighbour::NeighbourId;
use crate::host::{Host, NO_PASS};
use crate::packet::{Packet, Segment};

/// How many lines there are. Tags of exchanges are used again, the last one first.
const LINES: usize = 4096;

/// The lines.
#[derive(Debug)]
pub(super) struct Ways {
    lines: Vec<Way>,
}

/// In and out of the host of a socket.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))] // two of them in a cache line: those of a connection's two ends
pub(super) struct Way {
    /// The socket; its tag leads here.
    socket: u32,
    /// The interface and the state of its host for which the socket's packets may come in; 0 for none.
    pass: u32,
    /// The link address to which they come.
    to: Mac,
    /// The state of the host for which the way out holds; 0 for none.
    epoch: u32,
    next_hop: NeighbourId,
    /// The largest packet that takes it.
    mtu: u16,
}

impl Way {
    const NONE: Way =
        Way { socket: u32::MAX, pass: 0, to: Mac::ZERO, epoch: 0, next_hop: NeighbourId::NONE, mtu: 0 };

    /// Where a packet of `len` bytes leaves that the socket sends, in this state of its host.
    #[inline(always)] // once a packet
    pub(super) fn out(&self, id: SocketId, epoch: u32, len: u16) -> Option<NeighbourId> {
        (self.socket == id.0 && self.epoch == epoch && len <= self.mtu).then_some(self.next_hop)
    }
}

impl Default for Ways {
    fn default() -> Ways {
        Ways { lines: vec![Way::NONE; LINES] }
    }
}

impl Ways {
    /// The place of a socket or packet with this tag; the ends of a connection are told apart by their ports.
    #[inline(always)] // twice a packet
    fn place(tag: u32, own: u16, other: u16) -> usize {
        (tag as usize * 2 + usize::from(own < other)) % LINES
    }

    /// The line of a socket, or of another one with the same place.
    #[inline(always)] // once a packet
    pub(super) fn of(&self, socket: &Socket) -> &Way {
        &self.lines[Ways::place(socket.flow, socket.lport, socket.rport)]
    }

    fn of_mut(&mut self, socket: &Socket, id: u32) -> &mut Way {
        let way = &mut self.lines[Ways::place(socket.flow, socket.lport, socket.rport)];
        if way.socket != id {
            *way = Way { socket: id, ..Way::NONE };
        }
        way
    }

    /// A slot has a new socket: what was known of the old one is worth nothing.
    pub(super) fn forget(&mut self, socket: &Socket) {
        self.lines[Ways::place(socket.flow, socket.lport, socket.rport)] = Way::NONE;
    }

    pub(super) fn memory(&self) -> usize {
        self.lines.capacity() * size_of::<Way>()
    }
}

impl Sockets {
    /// The socket of a segment that came in with this pass in a frame to this link address, and its state, if one like it
    /// was admitted before.
    #[inline(always)] // once a packet
    pub(crate) fn admitted(
        &self,
        host: u32,
        to: Mac,
        packet: &Packet,
        segment: &Segment,
        pass: u32,
    ) -> Option<(SocketId, State)> {
        let way = self.ways.lines.get(Ways::place(packet.flow, segment.dport, segment.sport))?;
        if way.pass != pass || way.to != to {
            return None;
        }
        let socket = self.pool.guess(way.socket)?;
        if socket.flow == packet.flow
            && (socket.lport, socket.rport) == (segment.dport, segment.sport)
            && (packet.src.is_v4() && packet.src.words()[1] as u32 == socket.remote.bits())
            && (packet.dst.is_v4() && packet.dst.words()[1] as u32 == socket.local.bits())
            && u32::from(socket.host) == host
        {
            return Some((SocketId(way.socket), socket.state));
        }
        None
    }

    /// The tables have let in a segment with this tag, in a frame to this link address, for a socket: others may come
    /// in, too. Not those to and from addresses that are listed.
    pub(super) fn admit(&mut self, id: SocketId, tag: u32, to: Mac, pass: u32) {
        let socket = self.pool.get(id.0);
        let is_plain = !(socket.local.is_listed() || socket.remote.is_listed());
        if socket.flow == tag && pass != NO_PASS && is_plain && !to.is_group() {
            let way = self.ways.of_mut(socket, id.0);
            (way.pass, way.to) = (pass, to);
        }
    }

    /// The way out by which a socket has just sent: that of the next ones up to `mtu` bytes.
    pub(super) fn learn_way_out(&mut self, id: SocketId, epoch: u32, next_hop: NeighbourId, mtu: u16) {
        let way = self.ways.of_mut(self.pool.get(id.0), id.0);
        (way.epoch, way.next_hop, way.mtu) = (epoch, next_hop, mtu);
    }
}

impl Host {
    /// What a socket with these ends needs to know of its way out: bytes of data in a segment, and the way, if it is known.
    pub(super) fn begin_way(&mut self, ends: [Addr; 2]) -> (u16, Option<(NeighbourId, u16)>) {
        let way = self.known_way_out(ends);
        let mss = match way {
            Some((_, mtu)) => mss_for(mtu, ends[1].is_v4()),
            None => self.mss_towards(ends[1]),
        };
        (mss, way)
    }

    /// A socket remembers its way out, if the host knows it.
    pub(super) fn keep_way(&self, cx: &mut Cx, id: SocketId, way: Option<(NeighbourId, u16)>) {
        if let Some((next_hop, mtu)) = way {
            cx.sockets.learn_way_out(id, self.stack.epoch(), next_hop, mtu);
        }
    }
}
