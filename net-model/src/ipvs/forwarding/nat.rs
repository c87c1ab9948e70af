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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Addr;
    use crate::packet::{Chunks, Datagram, Icmp, Segment};
    use proptest::prelude::*;
    use schedulers::DestinationId;

    fn addr() -> impl Strategy<Value = Addr> {
        any::<u32>().prop_map(Addr::v4)
    }

    fn payload() -> impl Strategy<Value = Payload> {
        (any::<[u16; 2]>(), any::<[u32; 2]>(), 0..3).prop_map(|([sport, dport], [seq, ack], kind)| match kind
        {
            0 => Payload::Tcp(Segment { sport, dport, seq, ack, header: 20, ..Segment::default() }),
            1 => Payload::Udp(Datagram { sport, dport }),
            _ => Payload::Sctp(Chunks { sport, dport, first: 1, second: None }),
        })
    }

    fn packet() -> impl Strategy<Value = Packet> {
        (addr(), addr(), payload(), 40u16..1500, any::<u16>()).prop_map(|(src, dst, payload, len, id)| {
            Packet {
                src,
                dst,
                mark: 0,
                flow: 0,
                len,
                id,
                fragment_offset: 0,
                more_fragments: false,
                df: true,
                ttl: 64,
                tos: 0,
                payload,
                outer: None,
                text: None,
            }
        })
    }

    /// The same packet the other way.
    fn turned(packet: &Packet) -> Packet {
        let (sport, dport) = packet.ports().unwrap();
        let mut turned = Packet { src: packet.dst, dst: packet.src, ..packet.clone() };
        turned.set_sport(dport);
        turned.set_dport(sport);
        turned
    }

    fn error(src: Addr, dst: Addr, quote: &Packet) -> Packet {
        let icmp = Icmp { kind: 3, code: 1, info: 0, quote: Some(Box::new(quote.clone())) };
        Packet { src, dst, payload: Payload::Icmp(icmp), ..quote.clone() }
    }

    fn quoted(error: &Packet) -> &Packet {
        let Payload::Icmp(icmp) = &error.payload else { panic!("it is an error") };
        icmp.quote.as_deref().unwrap()
    }

    proptest! {
        /// Out ∘ in is the identity: whatever goes in and is answered comes out as if the service itself had answered,
        /// and errors speak to each side of its own packets.
        #[test]
        fn neither_side_sees_the_translation(request in packet(), real in (addr(), any::<u16>()), stranger in addr()) {
            let mapping = Mapping {
                virtual_: (request.dst, request.ports().unwrap().1),
                real,
                mark: 0,
                destination: DestinationId::new(0),
            };
            let mut inside = request.clone();
            translate_request(&mut inside, &mapping);
            prop_assert_eq!((inside.dst, inside.ports().unwrap().1), real);

            let mut reply = turned(&inside);
            translate_reply(&mut reply, &mapping);
            prop_assert_eq!(&reply, &turned(&request));

            let mut refusal = error(real.0, request.src, &inside);
            translate_icmp_reply(&mut refusal, &mapping);
            prop_assert_eq!((refusal.src, quoted(&refusal)), (request.dst, &request));

            let mut complaint = error(stranger, request.dst, &turned(&request));
            translate_request(&mut complaint, &mapping);
            prop_assert_eq!((complaint.dst, quoted(&complaint)), (real.0, &turned(&inside)));
        }
    }
}
