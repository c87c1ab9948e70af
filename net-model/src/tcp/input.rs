//! What a received segment does (RFC 9293 as Linux keeps it, for short exchanges).

use super::acknowledgement::Acked;
use super::socket::{App, SocketId, State, before, size};
use super::table::Key;
use super::timer::TIME_WAIT_US;
use super::transfer::End;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::host::{Host, NO_PASS};
use crate::outcome::Failure;
use crate::packet::{Flags, Packet, Payload, Segment};
use crate::recorder::Place;
use crate::verdict::DropReason;

impl Host {
    /// A TCP packet for one of this host's addresses. If it has a pass, its socket remembers that.
    #[inline(never)]
    pub(crate) fn tcp_input(&mut self, cx: &mut Cx, frame: FrameId, pass: u32) {
        let to = cx.wiring.frames.get(&frame).dst;
        let packet = cx.wiring.frames.packet_mut(&frame);
        let Payload::Tcp(segment) = packet.payload else {
            unreachable!("the caller dispatched on the protocol")
        };
        let (addresses, ports) = ([packet.dst, packet.src], [segment.dport, segment.sport]);
        let likely = cx.exchanges.likely_sockets(packet.flow);
        match cx.sockets.find_likely(self.id, addresses, ports, likely) {
            Some((id, state)) => {
                cx.sockets.admit(id, packet.flow, to, pass);
                self.socket_input(cx, id, state, frame, segment);
            }
            None => self.no_socket(cx, frame, segment, pass),
        }
    }

    /// A segment for a socket.
    #[inline(always)] // a part of segment_input, and of tcp_input
    pub(crate) fn socket_input(
        &mut self,
        cx: &mut Cx,
        id: SocketId,
        state: State,
        frame: FrameId,
        segment: Segment,
    ) {
        if matches!(state, State::SynSent | State::SynReceived | State::TimeWait) {
            return self.in_passing_state(cx, id, state, frame, segment);
        }
        self.in_synchronised(cx, id, frame, segment);
    }

    /// A segment for a socket in a state in which it gets one, or is not expected to get any.
    #[inline(never)]
    fn in_passing_state(
        &mut self,
        cx: &mut Cx,
        id: SocketId,
        state: State,
        frame: FrameId,
        segment: Segment,
    ) {
        match state {
            State::SynSent => self.in_syn_sent(cx, id, frame, segment),
            State::TimeWait => self.in_time_wait(cx, id, frame, segment),
            _ => self.in_syn_received(cx, id, frame, segment),
        }
    }

    /// Nobody owns the segment: a listener may take a SYN, everything else draws a reset.
    fn no_socket(&mut self, cx: &mut Cx, frame: FrameId, segment: Segment, pass: u32) {
        let is_open = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK.with(Flags::RST));
        if let (true, Some(server)) = (is_open, self.listener(false, segment.dport)) {
            return self.listen_input(cx, server, frame, segment, pass);
        }
        self.tell_stranger(cx, &frame);
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        cx.drop(Place::Host(self.id), frame, DropReason::NoSocket);
        self.send_reset(cx, &packet, &segment);
    }

    /// A SYN for a listening port. Linux drops it while the accept queue is full.
    fn listen_input(&mut self, cx: &mut Cx, server: u32, frame: FrameId, segment: Segment, pass: u32) {
        if self.servers[server as usize].accept_queue_is_full() {
            self.servers[server as usize].overflowed += 1;
            return cx.drop(Place::Host(self.id), frame, DropReason::BacklogFull);
        }
        let to = cx.wiring.frames.get(&frame).dst;
        let packet: &Packet = cx.wiring.frames.packet_mut(&frame);
        let (local, remote) = ((packet.dst, segment.dport), (packet.src, segment.sport));
        let flow = packet.flow;
        cx.deliver(frame);
        let key = Key { host: self.id, udp: false, local, remote };
        let (mss, way) = self.begin_way([local.0, remote.0]);
        let id = cx.sockets.insert(&key, State::SynReceived, App::Server(server), flow);
        cx.exchanges.note_server(flow, id);
        cx.sockets.admit(id, flow, to, pass);
        self.keep_way(cx, id, way);
        let (socket, _) = cx.sockets.busy(id);
        let now = cx.now.as_nanos();
        socket.begin_at(super::output::initial_sequence(self.stack.secret(), local, remote, now));
        socket.rcv_nxt = segment.seq.wrapping_add(1);
        socket.mss = mss.min(segment.mss.saturating_sub(12).max(88));
        self.watch(cx, id);
        self.send_syn(cx, id, Flags::SYN.with(Flags::ACK), mss);
    }

    fn in_syn_sent(&mut self, cx: &mut Cx, id: SocketId, frame: FrameId, segment: Segment) {
        let (socket, transfer) = cx.sockets.busy(id);
        let acks_us = segment.flags.has(Flags::ACK) && segment.ack == transfer.snd_nxt;
        if segment.flags.has(Flags::RST) {
            if !acks_us {
                return cx.drop(Place::Host(self.id), frame, DropReason::StaleSegment);
            }
            cx.deliver(frame);
            return self.give_up(cx, id, Failure::Refused);
        }
        if !(acks_us && segment.flags.has(Flags::SYN)) {
            return cx.drop(Place::Host(self.id), frame, DropReason::StaleSegment);
        }
        transfer.time_round_trip(cx.now);
        transfer.tries = 0;
        transfer.stop_timer();
        socket.snd_una = segment.ack;
        socket.rcv_nxt = segment.seq.wrapping_add(1);
        socket.mss = socket.mss.min(segment.mss.saturating_sub(12).max(88));
        socket.state = State::Established;
        let App::Client(exchange) = socket.app() else { unreachable!("only clients connect") };
        socket.will_confirm();
        cx.deliver(frame);
        self.send_ack(cx, id);
        self.exchange_connected(cx, exchange);
    }

    /// SYN_RECEIVED: the SYN again, or the third segment of the handshake.
    fn in_syn_received(&mut self, cx: &mut Cx, id: SocketId, frame: FrameId, segment: Segment) {
        if segment.flags.has(Flags::SYN) {
            cx.deliver(frame);
            return self.send_syn_again(cx, id, Flags::SYN.with(Flags::ACK));
        }
        if is_ordinary(&segment) && !self.established(cx, id, &segment) {
            return cx.drop(Place::Host(self.id), frame, DropReason::BacklogFull);
        }
        self.in_synchronised(cx, id, frame, segment);
    }

    /// TIME_WAIT: a new SYN may begin anew, a late FIN is acknowledged again.
    fn in_time_wait(&mut self, cx: &mut Cx, id: SocketId, frame: FrameId, segment: Segment) {
        let socket = cx.sockets.get(id);
        if segment.flags.has(Flags::RST) {
            cx.deliver(frame);
            cx.sockets.remove(id);
        } else if segment.flags.has(Flags::SYN)
            && !segment.flags.has(Flags::ACK)
            && before(socket.rcv_nxt, segment.seq)
        {
            cx.sockets.remove(id);
            self.no_socket(cx, frame, segment, NO_PASS);
        } else {
            cx.deliver(frame);
            if segment.flags.has(Flags::FIN) || segment.len > 0 {
                self.start_time_wait(cx, id);
                self.send_ack(cx, id);
            }
        }
    }

    /// All states from SYN_RECEIVED on.
    #[inline(always)] // nearly every segment, and the third one of a connection
    fn in_synchronised(&mut self, cx: &mut Cx, id: SocketId, frame: FrameId, segment: Segment) {
        if !is_ordinary(&segment) {
            return self.in_synchronised_oddly(cx, id, frame, segment);
        }
        if segment.header > size::HEADER {
            cx.sockets.note_selective(id, cx.wiring.frames.packet_mut(&frame).selective());
        }
        cx.deliver(frame);
        let (acked, has_more) = match cx.sockets.if_busy(id) {
            Some((socket, transfer)) => socket.take_acknowledgement(transfer, &segment, cx.now),
            None => self.acknowledge_idle(cx, id, &segment),
        };
        if !matches!(acked, Acked::Nothing | Acked::All) && !self.acknowledged(cx, id, acked, &segment) {
            return; // the last acknowledgement of a closed connection
        }
        let news = segment.len > 0 || segment.flags.has(Flags::FIN);
        if news && !self.received(cx, id, &segment) {
            return;
        }
        if has_more || acked == Acked::Again {
            self.push(cx, id);
        }
    }

    /// Takes the acknowledgement number of a segment that rouses an idle socket.
    #[cold]
    fn acknowledge_idle(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> (Acked, bool) {
        self.rouse(cx, id);
        let (socket, transfer) = cx.sockets.busy(id);
        socket.take_acknowledgement(transfer, segment, cx.now)
    }

    /// A reset, or a repeated SYN-ACK.
    #[cold]
    fn in_synchronised_oddly(&mut self, cx: &mut Cx, id: SocketId, frame: FrameId, segment: Segment) {
        let is_reset = segment.flags.has(Flags::RST);
        if is_reset && segment.seq != cx.sockets.get(id).rcv_nxt {
            return cx.drop(Place::Host(self.id), frame, DropReason::StaleSegment);
        }
        cx.deliver(frame);
        if is_reset {
            self.give_up(cx, id, Failure::Reset);
        } else {
            self.send_ack(cx, id); // the one of before was lost
        }
    }

    /// The third segment of the handshake reached a server. False if its accept queue is full: Linux ignores the
    /// segment, and the client believes the connection open.
    fn established(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        let App::Server(server) = cx.sockets.get(id).app() else {
            unreachable!("only servers are in SYN_RECEIVED")
        };
        if self.servers[server as usize].accept_queue_is_full() {
            self.servers[server as usize].overflowed += 1;
            return false;
        }
        let (socket, transfer) = cx.sockets.busy(id);
        if segment.ack != transfer.snd_nxt {
            return true; // not ours; the acknowledgement check below ignores it
        }
        transfer.time_round_trip(cx.now);
        transfer.tries = 0;
        transfer.stop_timer();
        socket.snd_una = segment.ack;
        socket.state = State::Established;
        self.connection_accepted(cx, server, id);
        true
    }

    /// What an acknowledgement brings about; false if the socket is gone.
    #[inline(never)]
    fn acknowledged(&mut self, cx: &mut Cx, id: SocketId, acked: Acked, segment: &Segment) -> bool {
        match acked {
            Acked::Nothing | Acked::All => {}
            Acked::Again => self.duplicate_ack(cx, id),
            Acked::Part => self.arm_retransmission(cx, id),
            Acked::Fin => return self.fin_acknowledged(cx, id, segment),
        }
        true
    }

    /// Everything sent is acknowledged, our FIN among it: the connection moves on. False if it is over.
    fn fin_acknowledged(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        let socket = cx.sockets.get_mut(id);
        match socket.state {
            State::FinWait1 => {
                socket.state = State::FinWait2;
                if socket.is_orphan() {
                    if !segment.flags.has(Flags::FIN) {
                        socket.shrink();
                    }
                    self.start_timer(cx, id, TIME_WAIT_US); // tcp_fin_timeout has the same length
                }
            }
            State::Closing => self.enter_time_wait(cx, id),
            State::LastAck => {
                cx.sockets.remove(id);
                return false;
            }
            _ => {}
        }
        true
    }

    fn duplicate_ack(&mut self, cx: &mut Cx, id: SocketId) {
        let (socket, transfer) = cx.sockets.busy(id);
        transfer.duplicates = transfer.duplicates.saturating_add(1);
        if transfer.duplicates == 3 {
            socket.ssthresh = (socket.cwnd / 2).max(2);
            socket.cwnd = socket.ssthresh;
            transfer.rewind(socket.snd_una);
            transfer.duplicates = 4; // one recovery a flight
            self.count_retransmission(cx, id);
            self.push(cx, id);
        }
    }

    /// Data or FIN; false if there is nothing more to do for this segment.
    fn received(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        let socket = cx.sockets.get_mut(id);
        if segment.seq != socket.rcv_nxt || socket.has_holes() {
            return self.received_out_of_order(cx, id, segment);
        }
        socket.rcv_nxt = socket.rcv_nxt.wrapping_add(u32::from(segment.len));
        if segment.len > 0 && !self.data_received(cx, id, segment) {
            return false;
        }
        if segment.flags.has(Flags::FIN) {
            self.fin_received(cx, id);
            return false;
        }
        true
    }

    /// Acknowledges data by the rules of section 8.3, then hands it to the program. False if the socket is gone.
    fn data_received(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        if cx.sockets.get(id).is_orphan() {
            return self.nobody_reads(cx, id, segment);
        }
        let (socket, transfer) = cx.sockets.busy(id);
        transfer.unacked = transfer.unacked.saturating_add(1);
        let at_once = socket.is_quick() || transfer.unacked > 1;
        if segment.flags.has(Flags::FIN) {
            // The FIN's acknowledgement covers the data.
        } else if at_once {
            socket.take_quick();
            self.send_ack(cx, id);
        } else {
            self.delay_ack(cx, id);
        }
        self.program_reads(cx, id, u32::from(segment.len))
    }

    /// Data came for a socket whose program has gone: a reset, and the socket is gone.
    #[cold]
    pub(super) fn nobody_reads(&mut self, cx: &mut Cx, id: SocketId, segment: &Segment) -> bool {
        let reset = super::output::Say { seq: Some(segment.ack), len: 0, flags: Flags::RST };
        self.send_segment(cx, id, reset);
        cx.sockets.remove(id);
        false
    }

    pub(super) fn fin_received(&mut self, cx: &mut Cx, id: SocketId) {
        let socket = cx.sockets.get_mut(id);
        socket.rcv_nxt = socket.rcv_nxt.wrapping_add(1);
        match socket.state {
            State::Established => {
                socket.state = State::CloseWait;
                // A program that closes in the same instant lets the acknowledgement ride on its own FIN.
                if self.program_reads_end(cx, id) && cx.sockets.busy(id).1.end != End::Sent {
                    self.send_ack(cx, id);
                }
            }
            State::FinWait1 => {
                socket.state = State::Closing;
                self.send_ack(cx, id);
                self.program_reads_end(cx, id);
            }
            State::FinWait2 => {
                self.send_ack(cx, id);
                if self.program_reads_end(cx, id) {
                    self.enter_time_wait(cx, id);
                }
            }
            _ => self.send_ack(cx, id),
        }
    }

    fn enter_time_wait(&mut self, cx: &mut Cx, id: SocketId) {
        cx.sockets.get_mut(id).set_app(App::Orphan);
        self.start_time_wait(cx, id);
    }
}

/// Does the segment acknowledge, and neither reset nor synchronise?
#[inline]
fn is_ordinary(segment: &Segment) -> bool {
    segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN.with(Flags::RST))
}

/// Bytes of a segment's data at most, for a path of this MTU.
pub(crate) fn mss_for(mtu: u16, v4: bool) -> u16 {
    let headers = size::PLAIN + if v4 { 0 } else { size::V6 };
    mtu.saturating_sub(headers).max(36)
}
