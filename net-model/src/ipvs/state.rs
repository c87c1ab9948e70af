//! What a packet does to its entry: state, activity, timeout.

use super::connection::{Connection, flag};
use super::persistence::ASSURED;
use super::tcp_state::{Kind, Sight};
use super::{sctp_state, tcp_state};
use crate::packet::{Packet, Payload, proto};

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
    packet: &Packet,
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
    let (next, timeout, active) = match &packet.payload {
        Payload::Tcp(segment) => {
            let next = tcp_state::next(connection.state, sight, Kind::of(segment), secure_tcp);
            (next, timeouts.tcp[usize::from(next)], tcp_state::is_active(next))
        }
        Payload::Sctp(chunks) => {
            let next = sctp_state::next(connection.state, sight, *chunks);
            (next, sctp_state::TIMEOUTS[usize::from(next)], sctp_state::is_active(next))
        }
        Payload::Udp(_) => (0, timeouts.udp, false),
        Payload::Icmp(_) | Payload::Other(_) => return Effect::default(),
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

/// The state of an entry, as listed.
pub(super) fn name(connection: &Connection) -> &'static str {
    let state = usize::from(connection.state);
    if connection.is_template() {
        return if connection.state == ASSURED { "ASSURED" } else { "NONE" };
    }
    match connection.protocol {
        proto::TCP => tcp_state::NAMES.get(state).copied().unwrap_or("ERR!"),
        proto::SCTP => sctp_state::NAMES.get(state).copied().unwrap_or("ERR!"),
        proto::UDP => "UDP",
        _ => "NONE",
    }
}
