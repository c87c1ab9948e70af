//! `-j REDIRECT`: a connection goes to the host itself, and its answers come from where it was meant to go.
//!
//! The first packet decides, and the entry of its connection remembers: packets of the original direction get their new
//! destination in PREROUTING or OUTPUT, answers their source in POSTROUTING, ICMP errors what they quote as well.

use super::tuple::Tuple;
use super::{Conntrack, Entry, Held, State};
use crate::addr::Addr;
use crate::packet::{Packet, Payload, proto};

impl Conntrack {
    /// Do the rules of the table nat see the packet? Only those that begin a connection.
    pub(in super::super) fn asks_nat(&self) -> bool {
        matches!(self.current.entry, Held::Fresh(_)) && self.current.state == State::New
    }

    /// `-j REDIRECT`: the connection goes to an address of this host, and one of these ports, if any are named.
    pub(in super::super) fn redirect(&mut self, to: Addr, ports: Option<(u16, u16)>) {
        if let Held::Fresh(entry) = &mut self.current.entry {
            let answer = &mut entry.tuples[1];
            answer.src = to;
            if let Some((low, high)) = ports
                && !(low..=high).contains(&answer.sport)
                && matches!(answer.protocol, proto::TCP | proto::UDP | proto::SCTP)
            {
                answer.sport = low + answer.sport % (high - low + 1);
            }
            entry.is_redirected = true;
        }
    }

    /// PREROUTING and OUTPUT: a packet of a redirected connection gets its new destination. Was there one to get?
    pub(in super::super) fn translate_destination(&self, packet: &mut Packet) -> bool {
        let Some(entry) = self.redirected().filter(|_| !self.current.is_reply) else { return false };
        let Tuple { src: addr, sport: port, .. } = entry.tuples[1];
        packet.dst = addr;
        packet.set_dport(port);
        if let Some(quote) = quote_mut(packet) {
            quote.src = addr;
            quote.set_sport(port);
        }
        true
    }

    /// POSTROUTING: an answer of a redirected connection comes from where the question went. Does it come from elsewhere?
    pub(in super::super) fn translate_source(&self, packet: &mut Packet) -> bool {
        let Some(entry) = self.redirected().filter(|_| self.current.is_reply) else { return false };
        let Tuple { dst: addr, dport: port, .. } = entry.tuples[0];
        packet.src = addr;
        packet.set_sport(port);
        if let Some(quote) = quote_mut(packet) {
            quote.dst = addr;
            quote.set_dport(port);
        }
        true
    }

    fn redirected(&self) -> Option<&Entry> {
        let entry = match &self.current.entry {
            Held::Nothing => None,
            Held::Known(at) => self.entries[*at as usize].as_ref(),
            Held::Fresh(entry) | Held::Ended(entry) => Some(entry),
        };
        entry.filter(|entry| entry.is_redirected)
    }
}

fn quote_mut(packet: &mut Packet) -> Option<&mut Packet> {
    match &mut packet.payload {
        Payload::Icmp(icmp) => icmp.quote.as_deref_mut(),
        _ => None,
    }
}
