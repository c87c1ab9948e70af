//! ICMP errors about connections. Everything else (ping) goes its normal way.
//!
//! An error from the client's side quotes a packet of the service and follows the connection to its server. An error
//! from a masqueraded server's side gets the service's address. An error about one of our tunnel packets is told
//! to the client as an error about its own packet.

use super::Director;
use super::config::Forwarding;
use super::connection::{Slot, Tuple, flag};
use super::destination::LearntMtu;
use super::director::Hook;
use super::forwarding::{Forwarder, too_big, translate_icmp_reply, tunnel_overhead};
use super::mapping::Mapping;
use super::scheduling::Applicant;
use super::verdict::{IcmpError, Surroundings, Verdict};
use crate::packet::{Icmp, Packet, Payload};
use crate::verdict::DropReason;
use sim_core::{Duration, Time};

/// How long a learnt path MTU holds.
const PATH_MTU_LIFE: Duration = Duration::from_secs(600);

/// An ICMP error and the packet it is about.
struct Error<'a> {
    icmp: &'a Icmp,
    quote: &'a Packet,
}

impl<'a> Error<'a> {
    /// Destination unreachable, source quench, time exceeded; any ICMPv6 error.
    fn of(packet: &'a Packet) -> Option<Error<'a>> {
        let Payload::Icmp(icmp) = &packet.payload else { return None };
        let error = if packet.src.is_v4() { matches!(icmp.kind, 3 | 4 | 11) } else { icmp.kind < 128 };
        Some(Error { icmp, quote: icmp.quote.as_deref().filter(|_| error)? })
    }

    fn is_too_big(&self) -> bool {
        let v4 = (self.icmp.kind, self.icmp.code) == (3, 4);
        if self.quote.routed_src().is_v4() { v4 } else { self.icmp.kind == 2 }
    }
}

impl Director {
    /// An error from the client's side, or about a tunnel packet of ours.
    pub(super) fn icmp_request(
        &mut self,
        now: Time,
        packet: &mut Packet,
        host: &impl Surroundings,
        hook: Hook,
    ) -> Verdict {
        let Some(error) = Error::of(packet) else { return Verdict::Accept };
        if let Some(outer) = error.quote.outer {
            // Errors about tunnels in IPv6 are not passed on (recorded from Linux 6.1).
            return if outer.src.is_v4() { self.tunnel_error(now, &error, host) } else { Verdict::Accept };
        }
        let Some(quoted) = Tuple::of(error.quote) else { return Verdict::Accept };
        let tuple = quoted.reversed();
        let known = self.connections.find_request(&tuple);
        let slot = match known {
            Some(slot) => slot,
            None if self.settings.schedule_icmp != 0 => {
                match self.open(now, Applicant::of(packet, tuple, hook), host) {
                    Ok(slot) => slot,
                    Err(verdict) => return verdict,
                }
            }
            None => return Verdict::Accept,
        };
        let Director { connections, destinations, .. } = self;
        let (connection, mapping) = connections.both_mut(slot);
        destinations.count(mapping.destination, |counters| counters.count_in(u64::from(packet.len)));
        let pmtu_disc = self.settings.pmtu_disc != 0;
        let server = destinations.find_mut(mapping.destination).map(|server| &*server);
        let verdict =
            Forwarder { now, hook, host, server, pmtu_disc }.transmit(connection.method(), mapping, packet);
        if connection.is(flag::ONE_PACKET) {
            self.remove(slot);
        } else if known.is_none() {
            connection.rearm(now, slot, &mut self.clock);
        }
        verdict
    }

    /// An error from the server's side, or one of the director's own.
    pub(super) fn icmp_reply(&mut self, packet: &mut Packet) -> Option<Verdict> {
        let error = Error::of(packet)?;
        if error.quote.outer.is_some() {
            return None;
        }
        let slot = self.connections.find_reply(&Tuple::of(error.quote)?.reversed())?;
        let (connection, mapping) = self.connections.both_mut(slot);
        if connection.method() == flag::MASQUERADE {
            translate_icmp_reply(packet, mapping);
        }
        self.destinations.count(mapping.destination, |counters| counters.count_out(u64::from(packet.len)));
        Some(Verdict::Accept)
    }

    /// A router or the real server complains about a tunnel packet: the client hears of it.
    fn tunnel_error(&mut self, now: Time, error: &Error, host: &impl Surroundings) -> Verdict {
        let Some((slot, inner)) = self.tunnelled(error.quote) else { return Verdict::Accept };
        let Mapping { real: (to, _), destination, .. } =
            *self.connections.mapping(self.connections.get(slot));
        self.destinations.count(destination, |counters| counters.count_out(u64::from(inner.len)));
        let record = self.destinations.get_mut(destination);
        let Forwarding::Tunnel(tunnel) = record.config.forwarding else { return Verdict::Accept };
        if !error.is_too_big() {
            return respond(inner, IcmpError { kind: error.icmp.kind, code: error.icmp.code, info: 0 });
        }
        // What the client is told is the route's MTU as it was before this error.
        let learnt = record.path_mtu.at(now);
        let known = learnt.or_else(|| host.route(to).map(|path| path.mtu));
        record.path_mtu = LearntMtu { bytes: error.icmp.info as u16, until: now + PATH_MTU_LIFE };
        self.connections.changes();
        match known {
            Some(mtu) if inner.df || !inner.src.is_v4() => {
                let mtu = mtu.saturating_sub(tunnel_overhead(tunnel, to));
                respond(inner.clone(), too_big(inner.dst, mtu))
            }
            _ => Verdict::Drop(DropReason::UnansweredIcmp),
        }
    }

    /// Nobody answers for the next hop of a tunnel packet: the host tells itself, and what was inside counts as an
    /// outgoing packet. The client hears nothing, and in IPv6 nothing counts (both recorded from Linux 6.1).
    pub(crate) fn tunnel_lost(&mut self, packet: &Packet) {
        if let Some((slot, inner)) = self.tunnelled(packet).filter(|(_, inner)| inner.src.is_v4()) {
            let destination = self.connections.mapping(self.connections.get(slot)).destination;
            self.destinations.count(destination, |counters| counters.count_out(u64::from(inner.len)));
        }
    }

    /// The entry of a tunnel packet that we sent, and what was inside.
    fn tunnelled(&self, quote: &Packet) -> Option<(Slot, Packet)> {
        let outer = quote.outer?;
        let inner = Packet { outer: None, ..quote.clone() };
        let slot = self.connections.find_request(&Tuple::of(&inner)?)?;
        let connection = self.connections.get(slot);
        let mapping = self.connections.mapping(connection);
        let ours = connection.method() == flag::TUNNEL
            && mapping.real.0 == outer.dst
            && mapping.destination().is_some();
        ours.then_some((slot, inner))
    }
}

/// The error, from the service to the client, about the client's packet.
fn respond(about: Packet, error: IcmpError) -> Verdict {
    const HEADERS: u16 = 28;
    const LONGEST: u16 = 576;
    const LONGEST_V6: u16 = 1280;
    let v4 = about.src.is_v4();
    let len = if v4 {
        (about.len.saturating_add(HEADERS)).min(LONGEST)
    } else {
        (about.len.saturating_add(48)).min(LONGEST_V6)
    };
    let response = Packet {
        src: about.dst,
        dst: about.src,
        mark: 0,
        flow: about.flow,
        len,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: false,
        ttl: 64,
        tos: if v4 { 0xc0 } else { 0 },
        payload: Payload::Icmp(Icmp {
            kind: error.kind,
            code: error.code,
            info: error.info,
            quote: Some(Box::new(about)),
        }),
        outer: None,
        text: None,
    };
    Verdict::Respond(Box::new(response))
}
