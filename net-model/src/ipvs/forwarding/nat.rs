//! Masquerading (`-m`): requests get the real server's address and port, replies the service's.
//!
//! The server must route its replies through the director, and the director must forward (`ip_forward`).

use super::{Verdict, Way, check, quote_mut};
use crate::ipvs::mapping::Mapping;
use crate::packet::{Packet, Payload};

#[inline]
pub(super) fn send(packet: &mut Packet, mapping: &Mapping, way: Way) -> Verdict {
    match check(packet, way, 0, true) {
        Ok(_) => {
            translate_request(packet, mapping);
            Verdict::Send { to: way.to }
        }
        Err(verdict) => verdict,
    }
}

/// Client → service becomes client → server. An ICMP error gets its quoted packet translated too.
#[inline]
pub(super) fn translate_request(packet: &mut Packet, mapping: &Mapping) {
    if let Payload::Icmp(_) = packet.payload {
        return translate_icmp_request(packet, mapping);
    }
    packet.dst = mapping.real.0;
    packet.set_dport(mapping.real.1);
}

/// Server → client becomes service → client.
#[inline]
pub(in super::super) fn translate_reply(packet: &mut Packet, mapping: &Mapping) {
    packet.src = mapping.virtual_.0;
    packet.set_sport(mapping.virtual_.1);
}

/// An error from the client's side, about a packet of the service: for the server, about a packet of its own.
fn translate_icmp_request(packet: &mut Packet, mapping: &Mapping) {
    packet.dst = mapping.real.0;
    if let Some(quote) = quote_mut(packet) {
        translate_source(quote, mapping);
    }
}

/// An error from the server's side, about a packet to the server: for the client, about its packet to the service.
pub(in super::super) fn translate_icmp_reply(packet: &mut Packet, mapping: &Mapping) {
    packet.src = mapping.virtual_.0;
    if let Some(quote) = quote_mut(packet) {
        quote.dst = mapping.virtual_.0;
        quote.set_dport(mapping.virtual_.1);
    }
}

fn translate_source(quote: &mut Packet, mapping: &Mapping) {
    quote.src = mapping.real.0;
    quote.set_sport(mapping.real.1);
}
