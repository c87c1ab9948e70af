//! All sockets, and the way from the addresses and ports of a packet to its socket.
//!
//! A socket is 44 bytes, to which come a [`Transfer`] while something is under way and about six bytes of index. Most
//! packets find their socket without the index: their tag names an exchange, which knows the sockets of its two ends.

use super::alarm::Alarms;
use super::index::Index;
use super::out_of_order::Disorder;
use super::short::{Short, Shorts};
use super::socket::{App, NOBODY, Socket, SocketId, State};
use super::time_wait::Queue;
use super::transfer::{Rank, Transfer};
use super::ways::{Way, Ways};
use crate::addr::Addr;
use crate::pool::{NONE, Pool};
use sim_core::{Time, Timers};
use std::hint::black_box;

/// What identifies a socket: host, TCP or UDP, own and other address and port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The host.
    pub host: u32,
    /// UDP rather than TCP.
    pub udp: bool,
    /// Own address and port.
    pub local: (Addr, u16),
    /// The other end's address and port.
    pub remote: (Addr, u16),
}

/// The same in two words, which a call hands over in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ShortKey {
    /// Own address, and above it the other end's.
    addresses: u64,
    /// Own port, above it the other end's, above them the host, and in the highest bit UDP.
    rest: u64,
}

impl ShortKey {
    #[inline(always)] // once a packet
    fn new(host: u32, udp: bool, local: (Short, u16), remote: (Short, u16)) -> ShortKey {
        let addresses = u64::from(local.0.bits()) | u64::from(remote.0.bits()) << 32;
        let ports = u64::from(local.1) | u64::from(remote.1) << 16;
        ShortKey { addresses, rest: ports | u64::from(host) << 32 | u64::from(udp) << 63 }
    }

    #[inline(always)]
    fn of(socket: &Socket) -> ShortKey {
        let (local, remote) = ((socket.local, socket.lport), (socket.remote, socket.rport));
        ShortKey::new(u32::from(socket.host), socket.state == State::Udp, local, remote)
    }

    /// Where a key has its place; the same on every machine.
    ///
    /// Clients take ports in turn, and a connection has two ends: both ends of two neighbouring ports of a client have
    /// places in one cache line (unless an address is translated between them), so that most of what the next connection
    /// needs is in the cache. The host is not part of it: hosts seldom have the same addresses and ports.
    #[inline]
    fn hash(self) -> u32 {
        let (a, b) = (self.addresses as u32, (self.addresses >> 32) as u32);
        let (own, other) = (self.rest as u16, (self.rest >> 16) as u16);
        let ports = u32::from(own ^ other);
        let addresses = u64::from(a ^ b) << 32 | u64::from(a.wrapping_add(b));
        let pair = mix(addresses ^ 0x9e37_79b9_7f4a_7c15, u64::from(ports >> 1) ^ 0xe703_7ed1_a0b4_28db);
        let neighbours = mix(pair, 0xd6e8_feb8_6659_fd93) as u32;
        neighbours << 2 | (ports & 1) << 1 | u32::from(own > other)
    }
}

/// All sockets of all hosts.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(super) pool: Pool<Socket>,
    transfers: Pool<Transfer>,
    index: Index,
    shorts: Shorts,
    /// Ways in and out of hosts.
    pub(super) ways: Ways,
    /// Those in TIME_WAIT.
    waiting: Queue,
    /// When transfers have to be looked at.
    pub(super) alarms: Alarms,
    /// What came out of order, at the few sockets of which that can be said.
    pub(super) disorder: Disorder,
    /// Sockets that left TIME_WAIT early and whose slots are not free yet.
    left_early: usize,
}

impl Sockets {
    /// Sockets in use.
    pub fn len(&self) -> usize {
        self.pool.len() - self.left_early
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the sockets, their index and their timers occupy.
    pub fn memory(&self) -> usize {
        self.pool.memory()
            + self.transfers.memory()
            + self.index.memory()
            + self.shorts.memory()
            + self.waiting.memory()
            + self.alarms.memory()
            + self.disorder.memory()
            + self.ways.memory()
    }

    /// The socket.
    #[inline]
    pub fn get(&self, id: SocketId) -> &Socket {
        self.pool.get(id.0)
    }

    /// The socket, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: SocketId) -> &mut Socket {
        self.pool.get_mut(id.0)
    }

    /// A busy socket and its transfer.
    #[inline]
    pub(crate) fn busy(&mut self, id: SocketId) -> (&mut Socket, &mut Transfer) {
        let socket = self.pool.get_mut(id.0);
        let transfer = self.transfers.get_mut(socket.rest);
        debug_assert_eq!(transfer.socket, id.0, "the socket is busy");
        (socket, transfer)
    }

    /// A socket and its transfer, if it is busy.
    #[inline(always)] // the beginning of everything that a segment does
    pub(crate) fn if_busy(&mut self, id: SocketId) -> Option<(&mut Socket, &mut Transfer)> {
        let socket = self.pool.get_mut(id.0);
        let transfer = self.transfers.guess_mut(socket.rest)?;
        (transfer.socket == id.0).then_some((socket, transfer))
    }

    /// The transfer of a socket, if it is busy.
    #[inline]
    pub(crate) fn transfer(&mut self, id: SocketId) -> Option<&mut Transfer> {
        let slot = self.get(id).rest;
        self.transfers.guess_mut(slot).filter(|transfer| transfer.socket == id.0)
    }

    /// Own address and port of a socket.
    pub(crate) fn local(&self, id: SocketId) -> (Addr, u16) {
        let socket = self.get(id);
        (self.shorts.addr(socket.local), socket.lport)
    }

    /// A socket that sends a segment, which acknowledges everything received, its addresses (own one first), the next byte
    /// it sends, and the way out that may be its own.
    #[inline(always)] // a part of send_segment
    pub(super) fn sender(&mut self, id: SocketId) -> (&mut Socket, [Addr; 2], u32, &Way) {
        let socket = self.pool.get_mut(id.0);
        let mut next = socket.snd_una;
        if let Some(transfer) = self.transfers.guess_mut(socket.rest)
            && transfer.socket == id.0
        {
            transfer.acks_all();
            next = transfer.snd_nxt;
        }
        let ends = [self.shorts.addr(socket.local), self.shorts.addr(socket.remote)];
        let way = self.ways.of(socket);
        (socket, ends, next, way)
    }

    /// The address of the other end.
    pub(super) fn other_end(&self, id: SocketId) -> Addr {
        self.shorts.addr(self.get(id).remote)
    }

    /// Is the other end of socket `a` what `b` calls its own?
    pub(crate) fn leads_to(&self, a: SocketId, b: SocketId) -> bool {
        let (a, b) = (self.get(a), self.get(b));
        (a.remote, a.rport) == (b.local, b.lport)
    }

    /// Finds the socket of a segment and its state, looking first at the two slots where it probably is. The addresses and
    /// ports are those of this end and of the other one.
    #[inline(always)] // a part of tcp_input
    pub(crate) fn find_likely(
        &self,
        host: u32,
        [local, remote]: [Addr; 2],
        [lport, rport]: [u16; 2],
        likely: [u32; 2],
    ) -> Option<(SocketId, State)> {
        let (Some(own), Some(other)) = (Short::of(local), Short::of(remote)) else {
            return self.find_listed(host, local, lport, remote, rport);
        };
        for slot in likely {
            // Nearly always the port alone tells the other end's socket from this one.
            if let Some(socket) = self.pool.guess(slot)
                && socket.lport == lport
                && (socket.local, socket.remote) == (own, other)
                && (socket.rport, u32::from(socket.host)) == (rport, host)
                && socket.state != State::Udp
            {
                return Some((SocketId(slot), socket.state));
            }
        }
        let id = self.look_up(ShortKey::new(host, false, (own, lport), (other, rport)))?;
        Some((id, self.get(id).state))
    }

    /// The same if an address is not its own short form. Gets the key in parts, so that the caller can keep them in
    /// registers.
    #[cold]
    #[inline(never)]
    fn find_listed(
        &self,
        host: u32,
        local: Addr,
        lport: u16,
        remote: Addr,
        rport: u16,
    ) -> Option<(SocketId, State)> {
        let id = self.find(&Key { host, udp: false, local: (local, lport), remote: (remote, rport) })?;
        Some((id, self.get(id).state))
    }

    /// Finds the socket of a packet.
    pub fn find(&self, key: &Key) -> Option<SocketId> {
        let local = (self.shorts.find(key.local.0)?, key.local.1);
        let remote = (self.shorts.find(key.remote.0)?, key.remote.1);
        self.look_up(ShortKey::new(key.host, key.udp, local, remote))
    }

    /// Clients take ports in turn. With every eighth own port the places of this port and of the next seven are fetched
    /// from memory: waiting for four cache lines at once takes no longer than waiting for one.
    pub(crate) fn read_ahead(&self, host: u32, (own, port): (Addr, u16), (other, to): (Addr, u16)) {
        if port.is_multiple_of(8)
            && let (Some(own), Some(other)) = (Short::of(own), Short::of(other))
        {
            for ahead in [0, 2, 4, 6] {
                let key = ShortKey::new(host, false, (own, port + ahead), (other, to));
                black_box(self.index.glance(key.hash()));
            }
        }
    }

    #[inline(never)]
    fn look_up(&self, key: ShortKey) -> Option<SocketId> {
        self.index.find(key.hash(), |slot| ShortKey::of(self.pool.get(slot)) == key).map(SocketId)
    }

    /// Adds a socket whose key is not in use: it has sent nothing. One of TCP is busy.
    pub(crate) fn insert(&mut self, key: &Key, state: State, app: App, flow: u32) -> SocketId {
        debug_assert_eq!(key.udp, state == State::Udp, "UDP sockets have a state of their own");
        let local = (self.shorts.shorten(key.local.0), key.local.1);
        let remote = (self.shorts.shorten(key.remote.0), key.remote.1);
        let mut socket = Socket::new(key.host, local, remote, state);
        socket.flow = flow;
        socket.set_app(app);
        self.ways.forget(&socket);
        let hash = ShortKey::of(&socket).hash();
        let slot = self.pool.insert(socket);
        let pool = &self.pool;
        self.index.insert(hash, slot, || {
            let others = pool.iter().filter(|(other, socket)| socket.host != NOBODY && *other != slot);
            others.map(|(slot, socket)| (ShortKey::of(socket).hash(), slot))
        });
        if !key.udp {
            self.begin_transfer(SocketId(slot));
        }
        SocketId(slot)
    }

    /// A socket that was idle has something to do.
    pub(super) fn begin_transfer(&mut self, id: SocketId) {
        let slot = self.transfers.take();
        let socket = self.pool.get_mut(id.0);
        self.transfers.get_mut(slot).begin(id.0, socket);
        socket.rest = slot;
    }

    /// A socket has nothing more to do for now.
    pub(super) fn end_transfer(&mut self, id: SocketId) {
        if let Some(transfer) = self.transfer(id) {
            transfer.socket = NONE;
            let srtt_us = transfer.srtt_us;
            let slot = std::mem::replace(&mut self.get_mut(id).rest, srtt_us);
            self.transfers.remove(slot);
        }
    }

    /// No timer of a socket is running: if nothing else is under way either, it gives its transfer back.
    pub(super) fn rest(&mut self, id: SocketId) {
        let socket = self.pool.get(id.0);
        if self.transfers.get(socket.rest).is_idle(socket) {
            self.end_transfer(id);
        }
    }

    /// The alarm of a transfer's slot, set for `at`: a timer that fires now is returned, a later one gets the next alarm,
    /// and an idle socket gives its transfer back.
    pub(super) fn look_at(&mut self, slot: u32, at: Time, timers: Timers) -> Option<(Rank, SocketId)> {
        let transfer = self.transfers.get_mut(slot);
        if transfer.posted != at {
            return None; // an earlier one was set later, and has been handled
        }
        transfer.posted = Time::NEVER;
        if transfer.socket == NONE {
            return None;
        }
        let (id, next) = (SocketId(transfer.socket), transfer.next_due(timers));
        if next <= at {
            return Some((transfer.rank(at, timers), id));
        }
        if next != Time::NEVER {
            transfer.posted = next;
            self.alarms.push(next, slot);
        } else if transfer.is_idle(self.pool.get(id.0)) {
            self.end_transfer(id);
        }
        None
    }

    /// A socket enters TIME_WAIT, or stays in it longer than it would have: until `until`.
    pub(super) fn wait(&mut self, id: SocketId, until: Time) {
        self.end_transfer(id);
        let socket = self.pool.get_mut(id.0);
        if socket.state != State::TimeWait {
            socket.state = State::TimeWait;
            socket.rest = 0;
        }
        socket.rest += 1;
        self.waiting.push(until, id);
    }

    /// When the next TIME_WAIT ends, or never.
    pub(super) fn next_end(&self) -> Time {
        self.waiting.first()
    }

    /// Ends TIME_WAIT where it is over.
    pub(super) fn end_waits(&mut self, now: Time) {
        while let Some(id) = self.waiting.pop(now) {
            let socket = self.pool.get_mut(id.0);
            socket.rest -= 1;
            let (stays, is_gone) = (socket.rest > 0, socket.host == NOBODY);
            if stays {
                continue;
            }
            if is_gone {
                self.left_early -= 1;
                self.pool.remove(id.0);
            } else {
                self.remove(id);
            }
        }
    }

    /// The sockets of a host.
    pub(super) fn of_host(&self, host: u32) -> Vec<SocketId> {
        let of_host = self.pool.iter().filter(|(_, socket)| u32::from(socket.host) == host);
        of_host.map(|(slot, _)| SocketId(slot)).collect()
    }

    /// Removes a socket.
    pub fn remove(&mut self, id: SocketId) {
        self.end_transfer(id);
        self.disorder.forget(id);
        let socket = self.pool.get_mut(id.0);
        self.index.remove(ShortKey::of(socket).hash(), id.0);
        socket.host = NOBODY; // nobody's: no packet is for it
        if socket.state == State::TimeWait && socket.rest > 0 {
            self.left_early += 1; // its slot is free when the queue has forgotten it
        } else {
            self.pool.remove(id.0);
        }
    }
}

/// How many more elements a full table takes. Growing moves everything, so small tables double; of millions of
/// elements the spare room counts, so large ones grow by a quarter.
pub(crate) fn growth(len: usize) -> usize {
    const LARGE: usize = 1 << 16;
    if len < LARGE { len.max(64) } else { len / 4 }
}

#[inline]
fn mix(value: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sim_core::Duration;
    use std::collections::BTreeMap;

    fn key(n: u16) -> Key {
        let server = if n.is_multiple_of(3) { Addr::v6(7) } else { Addr::v4(0x0a00_0002) };
        Key { host: 7, udp: n.is_multiple_of(5), local: (Addr::v4(0x0a00_0001), n), remote: (server, 80) }
    }

    fn add(sockets: &mut Sockets, n: u16) -> SocketId {
        let state = if key(n).udp { State::Udp } else { State::Established };
        sockets.insert(&key(n), state, App::Orphan, 0)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u16),
        Remove(u16),
        Wait(u16),
        Pass(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u16..200).prop_map(Step::Add),
            2 => (0u16..200).prop_map(Step::Remove),
            2 => (0u16..200).prop_map(Step::Wait),
            1 => (0u8..40).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// The sockets agree with a sorted map, whatever comes, goes, and waits for its end in TIME_WAIT.
        #[test]
        fn behave_like_a_map(steps in prop::collection::vec(step(), 1..600)) {
            let mut sockets = Sockets::default();
            let mut model: BTreeMap<u16, (SocketId, Time)> = BTreeMap::new();
            let mut now = Time::ZERO;
            for step in steps {
                let known = |n: &u16| model.get(n).map(|(id, _)| *id);
                match step {
                    Step::Add(n) if known(&n).is_none() => {
                        model.insert(n, (add(&mut sockets, n), Time::NEVER));
                    }
                    Step::Remove(n) => if let Some((id, _)) = model.remove(&n) { sockets.remove(id) },
                    Step::Wait(n) => if let Some(id) = known(&n).filter(|_| !key(n).udp) {
                        let until = now + Duration::from_secs(60);
                        sockets.wait(id, until);
                        model.insert(n, (id, until));
                    }
                    Step::Pass(seconds) => {
                        now += Duration::from_secs(u64::from(seconds));
                        sockets.end_waits(now);
                        model.retain(|_, (_, until)| *until > now);
                    }
                    Step::Add(_) => {}
                }
                prop_assert_eq!(sockets.len(), model.len());
            }
            for n in 0..200 {
                prop_assert_eq!(sockets.find(&key(n)), model.get(&n).map(|(id, _)| *id));
            }
        }
    }
}
