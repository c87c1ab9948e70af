//! What the agenda holds: eight bytes that say where something happens.

use crate::exchange::ExchangeId;
use crate::group::GroupId;
use crate::link::LinkId;
use crate::request::RequestId;

/// Something that happens at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Event {
    /// The frame at the head of a link arrives at its far end.
    Arrive(LinkId),
    /// Timers of TCP sockets: retransmission, delayed acknowledgement, end of TIME_WAIT.
    Sockets,
    /// A host's own timers: neighbour cache and director.
    Host(u32),
    /// A real server has finished a request.
    Served(RequestId),
    /// A processor-sharing server may have finished its next request.
    Shared(u32),
    /// A client group begins an exchange.
    Begin(GroupId),
    /// A client's own time-out, its next byte, or its end of thinking.
    Exchange(ExchangeId),
    /// The series are sampled.
    #[default]
    Sample,
}

const _: () = assert!(size_of::<Event>() == 8, "events are copied millions of times a second");
