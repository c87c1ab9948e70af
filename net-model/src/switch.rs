//! An Ethernet switch: learns where addresses are, forwards, floods what it does not know.
//!
//! The model is a Linux bridge with spanning tree off. An entry ages out 300 s after the last frame from its address;
//! a frame known to live on the port it came from is discarded; flooding goes in reverse order of attachment, the last
//! attached port first, which decides an ARP race among hosts of equal latency.

use crate::addr::Mac;
use crate::link::LinkId;
use rustc_hash::FxHashMap;
use sim_core::{Duration, Time};

/// How long an address is remembered after its last frame.
pub const AGEING: Duration = Duration::from_secs(300);

/// A switch.
#[derive(Debug, Default)]
pub struct Switch {
    /// The outgoing link of each port.
    ports: Vec<LinkId>,
    table: FxHashMap<Mac, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    port: u16,
    seen: Time,
}

/// What a switch does with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Send it to this link.
    Forward(LinkId),
    /// Send it to all ports but the one it came from.
    Flood,
    /// The receiver is on the port the frame came from.
    Hairpin,
}

impl Switch {
    /// Attaches a cable; the number of the port.
    pub fn attach(&mut self, outgoing: LinkId) -> u16 {
        self.ports.push(outgoing);
        u16::try_from(self.ports.len() - 1).expect("a switch has at most 65,536 ports")
    }

    /// The outgoing links to flood to, in the order in which they get the frame.
    pub fn flood(&self, ingress: u16) -> impl Iterator<Item = LinkId> {
        self.ports
            .iter()
            .enumerate()
            .rev()
            .filter(move |(port, _)| *port != ingress as usize)
            .map(|(_, link)| *link)
    }

    /// All outgoing links.
    pub fn ports(&self) -> &[LinkId] {
        &self.ports
    }

    /// The way of a frame that will be here at `at`, if the switch knows both addresses and nothing but a
    /// time stamp has to change: then the frame needs no event of its own here.
    #[inline]
    pub fn known_path(&mut self, at: Time, ingress: u16, src: Mac, dst: Mac) -> Option<LinkId> {
        let to = *self.table.get(&dst)?;
        let from = self.table.get_mut(&src)?;
        let usable = from.port == ingress
            && to.port != ingress
            && at.since(to.seen) < AGEING
            && at.since(from.seen) < AGEING;
        if !usable {
            return None;
        }
        from.seen = from.seen.max(at);
        Some(self.ports[to.port as usize])
    }

    /// Learns the sender; true if it was unknown or has moved.
    pub fn learn(&mut self, now: Time, ingress: u16, src: Mac) -> bool {
        if src.is_group() {
            return false;
        }
        let old = self.table.insert(src, Place { port: ingress, seen: now });
        old.is_none_or(|old| old.port != ingress || now.since(old.seen) >= AGEING)
    }

    /// The way of a frame that is here now.
    pub fn decide(&self, now: Time, ingress: u16, dst: Mac) -> Decision {
        match self.table.get(&dst) {
            Some(place) if now.since(place.seen) < AGEING && !dst.is_group() => {
                if place.port == ingress {
                    Decision::Hairpin
                } else {
                    Decision::Forward(self.ports[place.port as usize])
                }
            }
            _ => Decision::Flood,
        }
    }

    /// Forgets what lives behind a port whose link went down.
    pub fn forget_port(&mut self, port: u16) {
        self.table.retain(|_, place| place.port != port);
    }

    /// How many addresses are remembered.
    pub fn known(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Time {
        Time::ZERO + Duration::from_secs(s)
    }

    fn mac(n: u64) -> Mac {
        Mac::from_bits(0x0200_0000_0000 + n)
    }

    #[test]
    fn learns_forwards_floods_and_forgets() {
        let mut switch = Switch::default();
        for link in 0..3 {
            switch.attach(LinkId(link));
        }
        assert_eq!(switch.decide(secs(0), 0, mac(2)), Decision::Flood);
        assert_eq!(switch.flood(0).collect::<Vec<_>>(), [LinkId(2), LinkId(1)]);
        assert!(switch.learn(secs(0), 1, mac(2)));
        assert!(!switch.learn(secs(1), 1, mac(2)));
        assert_eq!(switch.decide(secs(1), 0, mac(2)), Decision::Forward(LinkId(1)));
        assert_eq!(switch.decide(secs(1), 1, mac(2)), Decision::Hairpin);
        assert_eq!(switch.decide(secs(301), 0, mac(2)), Decision::Flood);
        assert!(switch.learn(secs(2), 2, mac(2)), "the host has moved");
        switch.forget_port(2);
        assert_eq!(switch.known(), 0);
    }

    #[test]
    fn the_short_cut_needs_both_addresses() {
        let mut switch = Switch::default();
        switch.attach(LinkId(0));
        switch.attach(LinkId(1));
        switch.learn(secs(0), 1, mac(2));
        assert_eq!(switch.known_path(secs(1), 0, mac(1), mac(2)), None);
        switch.learn(secs(1), 0, mac(1));
        assert_eq!(switch.known_path(secs(1), 0, mac(1), mac(2)), Some(LinkId(1)));
        assert_eq!(switch.known_path(secs(1), 1, mac(1), mac(2)), None, "the sender is on another port now");
    }
}
