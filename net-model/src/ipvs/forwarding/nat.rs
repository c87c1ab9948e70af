//! Masquerading (`-m`): requests get the real server's address and port, replies the service's.
//!
//! The server must route its replies through the director, and the director must forward (`ip_forward`).

use super::{Verdict, Way, check, quote_mut};
use crate::ipvs::connection::Connection;
use crate::packet::{Packet, Payload};

pub(super) fn send(packet: &mut Packet, connection: &Connection, way: Way) -> Verdict {
    match check(packet, way.path, way.path_mtu, 0, true) {
        Ok(_) => {
            translate_request(packet, connection);
            Verdict::Send { to: way.to }
        }
        Err(verdict) => verdict,
    }
}

/// Client → service becomes client → server. An ICMP error gets its quoted packet translated too.
#[inline]
pub(super) fn translate_request(packet: &mut Packet, connection: &Connection) {
    if let Payload::Icmp(_) = packet.payload {
        return translate_icmp_request(packet, connection);
    }
    packet.dst = connection.real;
    packet.set_dport(connection.real_port);
}

/// Server → client becomes service → client.
#[inline]
pub(in super::super) fn translate_reply(packet: &mut Packet, connection: &Connection) {
    packet.src = connection.virtual_;
    packet.set_sport(connection.virtual_port);
}

/// An error from the client's side, about a packet of the service: for the server, about a packet of its own.
fn translate_icmp_request(packet: &mut Packet, connection: &Connection) {
    packet.dst = connection.real;
    if let Some(quote) = quote_mut(packet) {
        translate_source(quote, connection);
    }
}

/// An error from the server's side, about a packet to the server: for the client, about its packet to the service.
pub(in super::super) fn translate_icmp_reply(packet: &mut Packet, connection: &Connection) {
    packet.src = connection.virtual_;
    if let Some(quote) = quote_mut(packet) {
        quote.dst = connection.virtual_;
        quote.set_dport(connection.virtual_port);
    }
}

fn translate_source(quote: &mut Packet, connection: &Connection) {
    quote.src = connection.real;
    quote.set_sport(connection.real_port);
}
