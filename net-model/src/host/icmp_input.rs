//! What a received ICMP message does: echo requests are answered, errors reach the socket they are about.

use super::node::Host;
use super::redirect::Redirected;
use crate::addr::Addr;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::endpoint;
use crate::outcome::Failure;
use crate::packet::{Icmp, Packet, Payload, proto};
use crate::recorder::Place;
use crate::tcp::table::Key;
use crate::tcp::{SocketId, State};
use crate::transcript::Stage;
use crate::verdict::DropReason;

/// ICMP error types that a socket can understand, whatever the address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    /// Connecting fails with this.
    Hard(Failure),
    /// A router has no way to the other end: connecting fails, and what an open connection repeats in vain is not lost
    /// because of congestion (RFC 6069).
    NoWay,
    /// The path is narrower: largest IP packet in bytes.
    TooBig(u32),
}

impl Host {
    /// An ICMP packet for this host.
    pub(crate) fn icmp_input(&mut self, cx: &mut Cx, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        let Payload::Icmp(icmp) = &packet.payload else {
            unreachable!("the caller dispatched on the protocol")
        };
        let v4 = packet.src.is_v4();
        if icmp.kind == if v4 { 8 } else { 128 } {
            self.tell(cx, Stage::Icmp, &frame, |_| "is asked for an echo: answers".into());
            cx.deliver(frame);
            return self.answer_echo(cx, &packet, icmp);
        }
        if icmp.kind == if v4 { 0 } else { 129 } && self.pings.take(cx.now, &packet, icmp) {
            return cx.deliver(frame);
        }
        if v4 && icmp.kind == 5 {
            return self.redirect_received(cx, frame);
        }
        if let (Some(Trouble::TooBig(mtu)), Some(quote)) = (trouble(icmp, v4), icmp.quote.as_deref())
            && matches!(quote.payload, Payload::Icmp(_))
        {
            // An echo request has no socket that would have to send it again.
            self.stack.path_mtu_input(cx.now, quote.routed_dst(), mtu);
            self.arm_timers(cx); // it is forgotten some day
            return cx.deliver(frame);
        }
        let about = icmp.quote.as_deref().and_then(|quote| self.key_of_quote(quote).map(|key| (quote, key)));
        let (Some((quote, key)), Some(trouble)) = (about, trouble(icmp, v4)) else {
            return cx.drop(Place::Host(self.id), frame, DropReason::UnansweredIcmp);
        };
        let Some(socket) = cx.sockets.find(&key) else {
            return cx.drop(Place::Host(self.id), frame, DropReason::UnansweredIcmp);
        };
        self.tell(cx, Stage::Icmp, &frame, |_| {
            let end = |(addr, port): (Addr, u16)| endpoint(addr, port);
            let socket = format!("{} > {}", end(key.local), end(key.remote));
            match trouble {
                Trouble::TooBig(mtu) => format!("{socket}: packets there may have {mtu} bytes at most"),
                Trouble::Hard(failure) => format!("{socket}: {}", failure.name()),
                Trouble::NoWay => format!("{socket}: {}", Failure::Unreachable.name()),
            }
        });
        cx.deliver(frame);
        let failure = match trouble {
            Trouble::TooBig(mtu) => return self.path_mtu_shrinks(cx, socket, key.remote.0, mtu),
            // Host and net unreachable do not disturb a UDP socket.
            Trouble::Hard(Failure::Refused) if key.udp => return self.datagram_refused(cx, &key),
            Trouble::Hard(failure) => failure,
            Trouble::NoWay => {
                if let Payload::Tcp(segment) = &quote.payload {
                    self.back_off_less(cx, socket, segment.seq);
                }
                Failure::Unreachable
            }
        };
        if cx.sockets.get(socket).state == State::SynSent {
            self.give_up(cx, socket, failure);
        }
    }

    /// A router says that packets to the destination of one of this host's had better go to another gateway.
    #[cold]
    pub(super) fn redirect_received(&mut self, cx: &mut Cx, frame: FrameId) {
        let to = cx.wiring.frames.get(&frame).dst;
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        let Payload::Icmp(Icmp { info, quote: Some(quote), .. }) = &packet.payload else {
            return cx.drop(Place::Host(self.id), frame, DropReason::UnansweredIcmp);
        };
        let way = self.stack.route_output(quote.routed_dst(), None, 0).map(|route| route.oif);
        let came_by = way.ok().filter(|oif| self.stack.interface_at(*oif).mac == to);
        let (Some(iif), true) = (came_by, self.has_live_flow(cx, quote)) else {
            self.tell(cx, Stage::Icmp, &frame, |_| {
                "does not believe it: it is about no open connection (half-open ones do not count)".into()
            });
            return cx.drop(Place::Host(self.id), frame, DropReason::UnansweredIcmp);
        };
        let about = self.remember(cx, &frame);
        cx.deliver(frame);
        let (gateway, to) = (Addr::v4(*info), quote.routed_dst());
        let redirected = self.stack.redirect_input(cx.now, iif, packet.src, to, gateway);
        self.tell_after(cx, Stage::Icmp, about, || match redirected {
            Redirected::Recorded => format!("believes it: packets to {to} go by {gateway} for 300 s"),
            Redirected::Resolving(_) => format!("does not believe it yet: {gateway} is no known neighbour"),
            Redirected::Ignored => "does not believe it".into(),
        });
        if let Redirected::Resolving(Some(ask)) = redirected {
            self.send_ask(cx, &ask);
        }
        self.arm_timers(cx);
    }

    /// Does the quoted packet belong to something that is alive here? A half-open connection is not yet.
    fn has_live_flow(&self, cx: &Cx, quote: &Packet) -> bool {
        match self.key_of_quote(quote) {
            None => matches!(quote.payload, Payload::Icmp(_)),
            Some(key) if key.udp => {
                cx.sockets.find(&key).is_some() || self.listener(true, key.local.1).is_some()
            }
            Some(key) => cx.sockets.find(&key).is_some_and(|socket| {
                !matches!(cx.sockets.get(socket).state, State::SynReceived | State::TimeWait)
            }),
        }
    }

    fn answer_echo(&mut self, cx: &mut Cx, request: &Packet, icmp: &Icmp) {
        let v4 = request.src.is_v4();
        let reply = Packet {
            src: request.dst,
            dst: request.src,
            mark: 0,
            flow: request.flow,
            len: request.len,
            id: self.stack.next_ip_id(),
            fragment_offset: 0,
            more_fragments: false,
            df: false,
            ttl: self.stack.own_ttl(v4),
            tos: request.tos,
            payload: Payload::Icmp(Icmp {
                kind: if v4 { 0 } else { 129 },
                code: 0,
                info: icmp.info,
                quote: None,
            }),
            outer: None,
            text: None,
        };
        self.send(cx, reply);
    }

    /// The socket that sent the quoted packet.
    pub(crate) fn key_of_quote(&self, quote: &Packet) -> Option<Key> {
        let udp = match quote.protocol() {
            proto::TCP => false,
            proto::UDP => true,
            _ => return None,
        };
        let (sport, dport) = quote.ports()?;
        Some(Key { host: self.id, udp, local: (quote.src, sport), remote: (quote.dst, dport) })
    }

    /// Remembers the path's MTU, and sends again at once what was too big.
    fn path_mtu_shrinks(&mut self, cx: &mut Cx, id: SocketId, remote: Addr, mtu: u32) {
        if !self.stack.path_mtu_input(cx.now, remote, mtu) {
            return;
        }
        self.arm_timers(cx); // it is forgotten some day
        let mss = self.mss_towards(remote);
        let socket = cx.sockets.get_mut(id);
        if !matches!(socket.state, State::Udp | State::TimeWait) && mss < socket.mss {
            socket.mss = mss;
            self.rouse(cx, id);
            let (socket, transfer) = cx.sockets.busy(id);
            transfer.rewind(socket.snd_una);
            self.push(cx, id);
        }
    }
}

/// What an error means to a socket.
fn trouble(icmp: &Icmp, v4: bool) -> Option<Trouble> {
    let kind = match (v4, icmp.kind, icmp.code) {
        (true, 3, 4) | (false, 2, _) => return Some(Trouble::TooBig(icmp.info)),
        (true, 3, 3) | (false, 1, 4) => Failure::Refused,
        (true, 3, 2) | (false, 4, 1) => Failure::NoProtocol,
        // Linux leaves "address unreachable" of IPv6 out.
        (true, 3, 0 | 1) | (false, 1, 0) => return Some(Trouble::NoWay),
        (true, 3, _) | (false, 1, _) | (true, 11, _) | (false, 3, _) => Failure::Unreachable,
        _ => return None,
    };
    Some(Trouble::Hard(kind))
}
