//! UDP: a client asks with one datagram, a server answers with as many as the answer needs.
//!
//! A datagram that does not fit the MTU of its route goes in fragments; what is larger than any datagram goes in several.
//! A lost datagram is lost: the client's own time-out is what notices.

use crate::addr::Addr;
use crate::cx::Cx;
use crate::exchange::{ExchangeId, Exchanges, Phase};
use crate::frames::FrameId;
use crate::host::Host;
use crate::outcome::Failure;
use crate::packet::{Datagram, Packet, Payload};
use crate::tcp::table::Key;
use crate::tcp::{App, State};
use crate::verdict::DropReason;

/// IP and UDP header of a datagram, IPv4.
const HEADERS: u16 = 28;

impl Host {
    /// A client sends its request.
    pub(crate) fn ask_by_datagram(
        &mut self,
        cx: &mut Cx,
        id: ExchangeId,
        local: (Addr, u16),
        remote: (Addr, u16),
    ) {
        let key = Key { host: self.id, udp: true, local, remote };
        let socket = cx.sockets.insert(&key, State::Udp, App::Client(id), Exchanges::tag(id));
        let exchange = cx.exchanges.get_mut(id);
        exchange.set_socket(socket);
        exchange.phase = Phase::Waiting;
        exchange.close = crate::spec::Close::None; // there is nothing to close
        let (bytes, group) = (exchange.request_bytes, exchange.group);
        let at = self.group_index(group);
        let words = self.clients[at].next_words();
        cx.recorder.enter(Exchanges::tag(id), |attempt| attempt.words.clone_from(&words));
        let bytes = words.as_ref().map_or(bytes, |words| words.len() as u32);
        self.send_datagrams(cx, local, remote, bytes, Exchanges::tag(id), words.as_deref());
    }

    /// A server answers.
    pub(crate) fn answer_datagram(
        &mut self,
        cx: &mut Cx,
        local: (Addr, u16),
        remote: (Addr, u16),
        bytes: u32,
        flow: u32,
    ) {
        if let Some((id, exchange)) = cx.exchanges.by_tag(flow)
            && exchange.phase == Phase::Waiting
        {
            cx.exchanges.get_mut(id).expect_response(bytes);
        }
        self.send_datagrams(cx, local, remote, bytes, flow, None);
    }

    /// Datagrams of so many bytes in all. Words are said if one datagram has room for them.
    fn send_datagrams(
        &mut self,
        cx: &mut Cx,
        local: (Addr, u16),
        remote: (Addr, u16),
        bytes: u32,
        flow: u32,
        words: Option<&str>,
    ) {
        let headers = HEADERS + if local.0.is_v4() { 0 } else { crate::tcp::socket::size::V6 };
        let (room, mtu) = (u32::from(u16::MAX - headers), self.mtu_towards(remote.0));
        let mut left = bytes;
        loop {
            let payload = left.min(room);
            left -= payload;
            let words = words.filter(|words| words.len() == payload as usize);
            let mut packet = Packet {
                src: local.0,
                dst: remote.0,
                mark: 0,
                flow,
                len: headers + if words.is_some() { 0 } else { payload as u16 },
                id: self.stack.next_ip_id(),
                fragment_offset: 0,
                more_fragments: false,
                df: payload + u32::from(headers) <= u32::from(mtu),
                ttl: self.stack.own_ttl(local.0.is_v4()),
                tos: 0,
                payload: Payload::Udp(Datagram { sport: local.1, dport: remote.1 }),
                outer: None,
                text: None,
            };
            if let Some(words) = words {
                packet.say(words.as_bytes());
            }
            self.send(cx, packet);
            if left == 0 {
                return;
            }
        }
    }

    /// A UDP packet for one of this host's addresses.
    pub(crate) fn udp_input(&mut self, cx: &mut Cx, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let Payload::Udp(datagram) = packet.payload else {
            unreachable!("the caller dispatched on the protocol")
        };
        let (local, remote) = ((packet.dst, datagram.dport), (packet.src, datagram.sport));
        let headers = HEADERS + if local.0.is_v4() { 0 } else { crate::tcp::socket::size::V6 };
        let bytes = u32::from(packet.len.saturating_sub(headers));
        if let Some(socket) = cx.sockets.find(&Key { host: self.id, udp: true, local, remote }) {
            cx.deliver(frame);
            let App::Client(exchange) = cx.sockets.get(socket).app() else {
                unreachable!("only clients have UDP sockets")
            };
            return self.datagram_answers(cx, exchange, bytes);
        }
        if let Some(server) = self.listener(true, datagram.dport) {
            return self.datagram_asked(cx, server, frame, local, remote);
        }
        self.refuse(cx, frame, DropReason::NoUdpSocket, crate::host::icmp::Error::PortUnreachable);
    }

    fn datagram_answers(&mut self, cx: &mut Cx, id: ExchangeId, bytes: u32) {
        let alive = self.exchange_reads(cx, id, bytes);
        let exchange = cx.exchanges.get(id);
        if alive && exchange.phase == Phase::Answered {
            let socket = exchange.socket().expect("an answered exchange has a socket");
            cx.sockets.remove(socket);
            self.exchange_over(cx, id, Ok(()));
        }
    }

    /// An ICMP error about a datagram of ours: only "port unreachable" reaches the program.
    pub(crate) fn datagram_refused(&mut self, cx: &mut Cx, key: &Key) {
        if let Some(socket) = cx.sockets.find(key)
            && let App::Client(exchange) = cx.sockets.get(socket).app()
        {
            cx.sockets.remove(socket);
            self.exchange_failed(cx, exchange, Failure::Refused);
        }
    }
}
