//! What a packet does to its entry: state, activity, timeout.

use super::connection::{Connection, flag};
use super::destination::Destinations;
use super::mapping::Mapping;
use super::persistence::ASSURED;
use super::tcp_state::{Kind, Sight};
use super::{sctp_state, tcp_state};
use crate::packet::{Chunks, Packet, Payload, proto};

/// Timeouts per protocol and state, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Timeouts {
    pub(super) tcp: [u32; tcp_state::STATES],
    pub(super) udp: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { tcp: tcp_state::TIMEOUTS, udp: 300 }
    }
}

/// What a packet says to a state machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// A TCP segment.
    Segment(Kind),
    /// An SCTP packet.
    Chunks(Chunks),
    /// A UDP datagram.
    Datagram,
    /// Nothing: a protocol without states.
    Nothing,
}

impl Signal {
    #[inline(always)] // once a packet
    pub(super) fn of(packet: &Packet) -> Signal {
        match &packet.payload {
            Payload::Tcp(segment) => Signal::Segment(Kind::of(segment)),
            Payload::Sctp(chunks) => Signal::Chunks(*chunks),
            Payload::Udp(_) | Payload::Sync(_) => Signal::Datagram,
            Payload::Icmp(_) | Payload::Ndisc(_) | Payload::Fragment(_) | Payload::Other(_) => {
                Signal::Nothing
            }
        }
    }
}

/// What a packet changes beyond its entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effect {
    /// It becomes active or inactive, to be counted so at its destination.
    pub(super) shifts: bool,
    /// The template it hangs on has proved good.
    pub(super) assures: bool,
}

/// Runs the state machine of an entry for one of its packets.
#[inline(always)] // once a packet, from either direction
pub(super) fn track(
    connection: &mut Connection,
    signal: Signal,
    from_server: bool,
    timeouts: &Timeouts,
    secure_tcp: bool,
) -> Effect {
    let sight = if from_server {
        // From now on both directions are known to pass here.
        connection.flags &= !flag::NO_OUTPUT;
        Sight::Server
    } else if connection.is(flag::NO_OUTPUT) {
        Sight::ClientOnly
    } else {
        Sight::Client
    };
    let (next, timeout, active) = match signal {
        Signal::Segment(kind) => {
            let next = tcp_state::next(connection.state, sight, kind, secure_tcp);
            (next, timeouts.tcp[usize::from(next)], tcp_state::is_active(next))
        }
        Signal::Chunks(chunks) => {
            let next = sctp_state::next(connection.state, sight, chunks);
            (next, sctp_state::TIMEOUTS[usize::from(next)], sctp_state::is_active(next))
        }
        Signal::Datagram => (0, timeouts.udp, false),
        Signal::Nothing => return Effect::default(),
    };
    let before = std::mem::replace(&mut connection.state, next);
    connection.timeout = timeout;
    let shifts = active == connection.is(flag::INACTIVE);
    let assures = connection.control.some().is_some()
        && match connection.protocol {
            proto::TCP => next == tcp_state::state::ESTABLISHED && before != next,
            proto::SCTP => next == sctp_state::state::ESTABLISHED && before != next,
            _ => from_server,
        };
    Effect { shifts, assures }
}

impl Connection {
    /// It has become active or inactive: its destination counts it so.
    pub(super) fn shift(&mut self, mapping: &Mapping, destinations: &mut Destinations) {
        if let Some(destination) = mapping.destination() {
            self.flags ^= flag::INACTIVE;
            destinations.shift(destination, self.is(flag::INACTIVE));
        }
    }
}

/// The state of an entry, as listed.
pub(super) fn name(connection: &Connection) -> &'static str {
    name_of(connection.protocol, connection.is_template(), connection.state)
}

/// The name of a state.
pub(super) fn name_of(protocol: u8, is_template: bool, state: u8) -> &'static str {
    if is_template {
        return if state == ASSURED { "ASSURED" } else { "NONE" };
    }
    let state = usize::from(state);
    match protocol {
        proto::TCP => tcp_state::NAMES.get(state).copied().unwrap_or("ERR!"),
        proto::SCTP => sctp_state::NAMES.get(state).copied().unwrap_or("ERR!"),
        proto::UDP => "UDP",
        _ => "NONE",
    }
}
