//! What a host's director learns from the host: which addresses are its own, and the way to a real server.
//!
//! The kernel keeps the way to a real server with the destination; here the host remembers its last answers, one slot
//! for each of a few hash values, until an address, route or learnt MTU changes.

use super::fib::{Key, RouteKind};
use super::stack::Stack;
use crate::addr::Addr;
use crate::ipvs::{Path, Surroundings};
use std::cell::{Cell, OnceCell};

const SLOTS: usize = 1024;

/// The last answers to a director's questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(OnceCell<Box<[Slot]>>);

#[derive(Clone, Debug)]
struct Slot {
    addr: Cell<Addr>,
    generation: Cell<u32>,
    is_local: Cell<bool>,
    path: Cell<Option<Path>>,
}

impl Slot {
    fn empty() -> Slot {
        Slot {
            addr: Cell::new(Addr::UNSPECIFIED_V4),
            generation: Cell::new(0),
            is_local: Cell::new(false),
            path: Cell::new(None),
        }
    }
}

impl<H> Surroundings for Stack<H> {
    #[inline]
    fn is_local(&self, addr: Addr) -> bool {
        self.remembered(addr).is_local.get()
    }

    fn is_broadcast(&self, addr: Addr) -> bool {
        let key = Key { dst: addr, src: None, mark: 0, iif: None };
        self.fib.lookup(&key).is_some_and(|entry| entry.kind == RouteKind::Broadcast)
    }

    #[inline]
    fn route(&self, dst: Addr) -> Option<Path> {
        self.remembered(dst).path.get()
    }

    #[inline]
    fn look(&self, addr: Addr) -> (bool, Option<Path>) {
        let slot = self.remembered(addr);
        (slot.is_local.get(), slot.path.get())
    }
}

impl<H> Stack<H> {
    #[inline]
    fn remembered(&self, addr: Addr) -> &Slot {
        let slots = self.remembered.0.get_or_init(|| vec![Slot::empty(); SLOTS].into());
        let [high, low] = addr.words();
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &slots[(mixed >> 54) as usize];
        if slot.addr.get() != addr || slot.generation.get() != self.generation {
            self.remember(slot, addr);
        }
        slot
    }

    #[inline(never)]
    fn remember(&self, slot: &Slot, addr: Addr) {
        slot.addr.set(addr);
        slot.generation.set(self.generation);
        slot.is_local.set(Stack::is_local(self, addr));
        slot.path.set(self.path_towards(addr));
    }

    fn path_towards(&self, dst: Addr) -> Option<Path> {
        let key = Key { dst, src: None, mark: 0, iif: None };
        let entry = self.fib.lookup(&key)?;
        if !matches!(entry.kind, RouteKind::Unicast | RouteKind::Local) {
            return None;
        }
        let answer = self.describe(entry, self.choose_hop(entry, &key), dst);
        let learnt = self.exceptions.get(dst).map_or(0, |exception| exception.mtu);
        let mtu = if learnt == 0 { answer.path_mtu } else { answer.path_mtu.min(learnt) };
        Some(Path { mtu: u16::try_from(mtu).unwrap_or(u16::MAX), source: answer.source })
    }
}
