//! `ping`: echo requests that a host sends because somebody asked it to, and the answers that came.

use crate::addr::Addr;
use crate::cx::Cx;
use crate::host::Host;
use crate::network::{HostId, Network};
use crate::packet::{Icmp, Packet, Payload};
use sim_core::Time;

/// An answer to an echo request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EchoReply {
    /// When it came.
    pub at: Time,
    /// Who answered.
    pub from: Addr,
    /// The identifier of the program that had asked.
    pub id: u16,
    /// The number of the request.
    pub sequence: u16,
    /// The time to live with which the answer arrived.
    pub ttl: u8,
    /// Bytes of ICMP data.
    pub bytes: u16,
}

/// The echo requests of a host.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    /// The identifiers in use.
    ids: Vec<u16>,
    replies: Vec<EchoReply>,
}

impl Pings {
    /// Takes an answer; false if nobody had asked.
    pub(crate) fn take(&mut self, now: Time, packet: &Packet, icmp: &Icmp) -> bool {
        let (id, sequence) = ((icmp.info >> 16) as u16, icmp.info as u16);
        let is_ours = self.ids.contains(&id);
        if is_ours {
            let bytes = packet.len.saturating_sub(headers(packet.src));
            self.replies.push(EchoReply { at: now, from: packet.src, id, sequence, ttl: packet.ttl, bytes });
        }
        is_ours
    }
}

impl Network {
    /// A program on a host sends an echo request of `bytes` bytes of data to `to`; false if there is no route.
    pub fn ping(&mut self, host: HostId, to: Addr, id: u16, sequence: u16, bytes: u16) -> bool {
        let Network { hosts, cx, .. } = self;
        let is_sent = hosts[host.0 as usize].ping(cx, to, id, sequence, bytes);
        self.deliver_to_self();
        is_sent
    }

    /// The answers that came to a host's echo requests.
    pub fn echo_replies(&self, host: HostId) -> &[EchoReply] {
        &self.host(host).pings.replies
    }
}

impl Host {
    fn ping(&mut self, cx: &mut Cx, to: Addr, id: u16, sequence: u16, bytes: u16) -> bool {
        let Some(source) = self.source_towards(to) else { return false };
        if !self.pings.ids.contains(&id) {
            self.pings.ids.push(id);
        }
        let (len, mtu) = (bytes + headers(to), self.mtu_towards(to));
        let request = Packet {
            src: source,
            dst: to,
            mark: 0,
            flow: 0,
            len,
            id: self.stack.next_ip_id(),
            fragment_offset: 0,
            more_fragments: false,
            df: to.is_v4() && len <= mtu,
            ttl: self.stack.own_ttl(to.is_v4()),
            tos: 0,
            payload: Payload::Icmp(Icmp {
                kind: if to.is_v4() { 8 } else { 128 },
                code: 0,
                info: u32::from(id) << 16 | u32::from(sequence),
                quote: None,
            }),
            outer: None,
            text: None,
        };
        self.send(cx, request);
        true
    }
}

/// Bytes of the IP and ICMP headers of an echo.
fn headers(addr: Addr) -> u16 {
    if addr.is_v4() { 28 } else { 48 }
}
