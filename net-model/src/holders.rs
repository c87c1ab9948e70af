//! Who holds the virtual addresses, as the other hosts believe: their neighbour caches, sampled.
//!
//! An address of a virtual service belongs to a director. What the caches of routers and clients say decides who really
//! gets the packets; that is the ARP problem, and the moment of every failover.

use crate::addr::{Addr, Mac};
use crate::host::Host;
use crate::ipvs::{Director, ServiceKey};
use crate::outcome::ArpCache;
use sim_core::Time;
use std::collections::BTreeMap;

/// More caches than these are not watched.
const MOST: usize = 200;

/// An address and the host whose cache it is in.
type Cache = (Addr, u32);
/// From when on which link address was known, none for none.
type Seen = Vec<(Time, Option<Mac>)>;

/// What the caches have said so far; only changes are kept.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    by_cache: BTreeMap<Cache, Seen>,
}

impl Holders {
    /// Looks into all caches.
    pub(crate) fn sample(&mut self, now: Time, hosts: &[Host]) {
        let services = hosts.iter().filter_map(|host| host.director.as_deref()).flat_map(Director::services);
        let mut virtual_addresses: Vec<Addr> = services
            .filter_map(|service| match service.key {
                ServiceKey::Address { addr, .. } => Some(addr),
                ServiceKey::Mark { .. } => None,
            })
            .collect();
        virtual_addresses.sort_unstable();
        virtual_addresses.dedup();
        if virtual_addresses.is_empty() {
            return;
        }
        for host in hosts {
            for entry in host.stack.neighbours() {
                if virtual_addresses.binary_search(&entry.addr).is_err() {
                    continue;
                }
                let holder = entry.state.is_valid().then_some(entry.mac);
                self.note(now, (entry.addr, host.id), holder);
            }
        }
    }

    fn note(&mut self, now: Time, cache: Cache, holder: Option<Mac>) {
        if self.by_cache.len() >= MOST && !self.by_cache.contains_key(&cache) {
            return;
        }
        let seen = self.by_cache.entry(cache).or_default();
        if seen.last().is_none_or(|(_, before)| *before != holder) {
            seen.push((now, holder));
        }
    }

    /// The same with the names of hosts.
    pub(crate) fn outcome(&self, hosts: &[Host]) -> Vec<ArpCache> {
        let owner = |mac: Mac| {
            let has = |host: &&Host| host.stack.interfaces().any(|(_, interface)| interface.mac == mac);
            hosts.iter().find(has).map_or_else(|| mac.to_string(), |host| host.name.clone())
        };
        let named = |((addr, host), seen): (&Cache, &Seen)| ArpCache {
            host: hosts[*host as usize].name.clone(),
            addr: *addr,
            holders: seen.iter().map(|(at, mac)| (*at, mac.map(owner))).collect(),
        };
        self.by_cache.iter().map(named).collect()
    }
}
