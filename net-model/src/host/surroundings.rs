//! What a host's director learns from the host: which addresses are its own, and the way to a real server.

use super::fib::{Key, RouteKind};
use super::stack::Stack;
use crate::addr::Addr;
use crate::ipvs::{Path, Surroundings};

impl<H> Surroundings for Stack<H> {
    #[inline]
    fn is_local(&self, addr: Addr) -> bool {
        Stack::is_local(self, addr)
    }

    fn route(&self, dst: Addr) -> Option<Path> {
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
