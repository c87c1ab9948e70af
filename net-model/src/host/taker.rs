//! Who takes a packet that is for this host: a connection, a program that listens, or nobody. Only for packets that are
//! followed one by one (`lvsim explain`); `tcp/input.rs` and `udp.rs` decide without it.

use super::node::Host;
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::endpoint;
use crate::packet::{Body, Flags, Payload};
use crate::tcp::table::Key;
use crate::transcript::Stage;

impl Host {
    /// Tells who takes a packet, if it is followed.
    pub(super) fn tell_taker(&self, cx: &mut Cx, frame: &FrameId) {
        let Body::Ip(packet) = &cx.wiring.frames.get(frame).body else { return };
        if !cx.recorder.traces(packet.flow) {
            return;
        }
        let (udp, opens) = match &packet.payload {
            Payload::Tcp(segment) => (false, segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK)),
            Payload::Udp(_) => (true, true),
            _ => return,
        };
        let Some((sport, dport)) = packet.ports() else { return };
        let (local, remote) = ((packet.dst, dport), (packet.src, sport));
        let is_reset = matches!(&packet.payload, Payload::Tcp(segment) if segment.flags.has(Flags::RST));
        let socket = cx.sockets.find(&Key { host: self.id, udp, local, remote }).map(|id| cx.sockets.get(id));
        let protocol = if udp { "UDP" } else { "TCP" };
        let text = match socket {
            Some(socket) => {
                let [here, there] = [local, remote].map(|(addr, port)| endpoint(addr, port));
                let state = socket.state.name();
                format!("taken by the {protocol} socket {here} connected to {there} ({state})")
            }
            None if opens && !is_reset && self.listener(udp, dport).is_some() => {
                format!("taken by the program that listens at {protocol} port {dport}")
            }
            None => {
                let answer = match (udp, is_reset) {
                    (true, _) => "the answer is ICMP port unreachable",
                    (false, true) => "a reset is never answered",
                    (false, false) => "the answer is a reset",
                };
                let [here, there] = [local, remote].map(|(addr, port)| endpoint(addr, port));
                match opens {
                    true => {
                        format!("no program listens at {protocol} port {dport} of {}: {answer}", self.name)
                    }
                    false => format!("no socket of {} is {here} connected to {there}: {answer}", self.name),
                }
            }
        };
        self.tell(cx, Stage::Input, frame, |_| text);
    }
}
