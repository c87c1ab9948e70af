//! What the host has learnt about single destinations: path MTUs and redirects.
//!
//! ICMP "fragmentation needed" stores a path MTU for ten minutes (`net.ipv4.route.mtu_expires`), ICMP redirect another
//! gateway for five (`net.ipv4.route.gc_timeout`). `ip route get` shows them as `cache`.

use crate::addr::{Addr, Prefix};
use sim_core::Time;
use std::collections::BTreeMap;

/// What was learnt about a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// Another gateway than the route's, after a redirect.
    pub gateway: Option<Addr>,
    /// The path MTU in bytes, 0 if none was learnt.
    pub mtu: u32,
    /// Was the reported MTU too small to be believed? Then packets go without DF.
    pub mtu_locked: bool,
    /// When all this is forgotten.
    pub expires: Time,
}

/// The exceptions of a host.
#[derive(Clone, Debug)]
pub(super) struct Exceptions {
    by_destination: BTreeMap<Addr, Exception>,
    next_expiry: Time,
}

impl Exceptions {
    pub(super) fn new() -> Exceptions {
        Exceptions { by_destination: BTreeMap::new(), next_expiry: Time::NEVER }
    }

    pub(super) fn get(&self, dst: Addr) -> Option<&Exception> {
        self.by_destination.get(&dst)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Addr, &Exception)> {
        self.by_destination.iter().map(|(&dst, exception)| (dst, exception))
    }

    /// Stores a path MTU.
    pub(super) fn set_mtu(&mut self, dst: Addr, mtu: u32, locked: bool, expires: Time) {
        let exception = self.entry(dst, expires);
        exception.mtu = mtu;
        exception.mtu_locked = locked;
    }

    /// Stores another gateway.
    pub(super) fn set_gateway(&mut self, dst: Addr, gateway: Addr, expires: Time) {
        self.entry(dst, expires).gateway = Some(gateway);
    }

    fn entry(&mut self, dst: Addr, expires: Time) -> &mut Exception {
        self.next_expiry = self.next_expiry.min(expires);
        let fresh = Exception { gateway: None, mtu: 0, mtu_locked: false, expires };
        let exception = self.by_destination.entry(dst).or_insert(fresh);
        exception.expires = expires;
        exception
    }

    /// No earlier than this is anything forgotten.
    pub(super) fn next_expiry(&self) -> Time {
        self.next_expiry
    }

    /// Forgets what has expired by `now`; was there anything?
    pub(super) fn expire(&mut self, now: Time) -> bool {
        if now < self.next_expiry {
            return false;
        }
        let before = self.by_destination.len();
        self.by_destination.retain(|_, exception| exception.expires > now);
        let expiries = self.by_destination.values().map(|exception| exception.expires);
        self.next_expiry = expiries.min().unwrap_or(Time::NEVER);
        self.by_destination.len() < before
    }

    /// Forgets everything about the destinations of a route that is gone.
    pub(super) fn forget(&mut self, prefix: Prefix) {
        self.by_destination.retain(|&dst, _| !prefix.contains(dst));
    }
}
