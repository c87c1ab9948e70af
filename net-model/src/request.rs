//! The requests at servers: who asks, and how far each is.

use crate::addr::Addr;
use crate::spec::Close;
use crate::tcp::SocketId;
use sim_core::Time;

/// A request at some server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(crate) u32);

/// Where the answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// Over the connection.
    Tcp(SocketId),
    /// To the sender of the datagram: the address that was asked, and who asked.
    Udp { asked: (Addr, u16), from: (Addr, u16), flow: u32 },
    /// The connection is gone; a worker may still be busy with it.
    Gone,
}

/// A connection that was accepted or waits for it, or a datagram.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) host: u32,
    pub(crate) server: u32,
    pub(crate) asker: Asker,
    /// When its last byte came; never while it is incomplete.
    pub(crate) arrived: Time,
    /// Bytes still to come.
    pub(crate) missing: u32,
    pub(crate) response_bytes: u32,
    pub(crate) close: Close,
    /// A worker has it.
    pub(crate) has_worker: bool,
}

/// All requests of all servers.
#[derive(Debug, Default)]
pub struct Requests {
    slots: Vec<Request>,
    free: Vec<u32>,
}

impl Requests {
    pub(crate) fn insert(&mut self, request: Request) -> RequestId {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = request;
            return RequestId(slot);
        }
        self.slots.push(request);
        RequestId(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 requests at a time"))
    }

    pub(crate) fn remove(&mut self, id: RequestId) {
        self.free.push(id.0);
    }

    pub(crate) fn get(&self, id: RequestId) -> &Request {
        &self.slots[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: RequestId) -> &mut Request {
        &mut self.slots[id.0 as usize]
    }

    /// Bytes that the requests occupy.
    pub(crate) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Request>() + self.free.capacity() * 4
    }

    /// The host of a request.
    pub(crate) fn host(&self, id: RequestId) -> u32 {
        self.get(id).host
    }
}
