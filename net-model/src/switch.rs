//! An Ethernet switch: learns where addresses are, forwards, floods what it does not know.
//!
//! The model is a Linux bridge with spanning tree off. An entry ages out 300 s after the last frame from its address;
//! a frame known to live on the port it came from is discarded; flooding goes in reverse order of attachment, the last
//! attached port first, which decides an ARP race among hosts of equal latency.

use crate::addr::Mac;
use crate::link::LinkId;
use crate::packet::Frame;
use crate::port::{PortVlans, Vlans};
use sim_core::{Duration, Time};

/// How long an address is remembered after its last frame.
pub const AGEING: Duration = Duration::from_secs(300);

/// A switch.
#[derive(Debug, Default)]
pub struct Switch {
    /// The outgoing link of each port.
    ports: Vec<LinkId>,
    table: Table,
    /// The largest packet that fits, in bytes; none if all do.
    mtu: Option<u32>,
    /// What the ports carry, if the switch tells VLANs apart. Then it learns an address once for each VLAN.
    vlans: Option<Box<Vlans>>,
}

/// The way that frames of one sender to one receiver take through a switch. It holds until the table changes or an
/// entry of one of the two may have aged out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The state of the table for which it holds; 0 for none.
    epoch: u32,
    /// The switch, by number: whoever asked it knows.
    pub(crate) switch: u32,
    /// The entry of the sender.
    from: u32,
    /// The link to the receiver.
    out: LinkId,
    /// From this instant on it has to be asked for again.
    until: Time,
}

impl Path {
    /// No way is known.
    pub(crate) const NONE: Path = Path { epoch: 0, switch: 0, from: 0, out: LinkId(0), until: Time::ZERO };

    pub(crate) fn is_known(&self) -> bool {
        self.epoch != 0
    }

    /// The link to the receiver.
    pub(crate) fn out(&self) -> LinkId {
        self.out
    }
}

/// The forwarding database: a power of two of entries, at most half of them taken, with linear probing.
#[derive(Debug)]
struct Table {
    entries: Vec<Entry>,
    known: usize,
    /// Changes whenever an address comes, goes or moves.
    epoch: u32,
}

/// An address in a VLAN: the id in the 16 bits above the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key(u64);

impl Key {
    const fn new(vlan: u16, mac: Mac) -> Key {
        Key((vlan as u64) << 48 | mac.to_bits())
    }
}

/// Where an address lives.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    seen: Time,
    port: u16,
}

/// The port of an entry that is free.
const NOWHERE: u16 = u16::MAX;
const FREE: Entry = Entry { key: Key(0), seen: Time::ZERO, port: NOWHERE };

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
        let port = u16::try_from(self.ports.len() - 1).ok().filter(|port| *port != NOWHERE);
        port.expect("a switch has at most 65,535 ports")
    }

    /// Gives all ports an MTU: larger packets end here, but for the four bytes that are kept free for a tag (seen on
    /// Linux 6.1: with 1500, one of 1504 bytes passes and one of 1505 does not).
    pub(crate) fn set_mtu(&mut self, mtu: u32) {
        self.mtu = Some(mtu);
    }

    /// The MTU of the ports, if they have one.
    pub(crate) fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    /// Does a frame fit through the ports?
    pub(crate) fn passes(&self, frame: &Frame) -> bool {
        self.mtu.is_none_or(|mtu| frame.fits(mtu))
    }

    /// The outgoing link that gets a flooded frame as number `n` (the last attached port is number 0); none if that is
    /// the port it came from, or one outside the frame's VLAN.
    pub fn flood(&self, n: usize, ingress: u16, vlan: u16) -> Option<LinkId> {
        let port = self.ports.len() - 1 - n;
        let is_inside = self.vlans.as_ref().is_none_or(|vlans| vlans.tag(port, vlan).is_some());
        (port != ingress as usize && is_inside).then(|| self.ports[port])
    }

    /// Says what a port carries. From then on the switch tells VLANs apart; ports of which nothing was said carry
    /// untagged frames of VLAN 1.
    pub fn set_port(&mut self, port: u16, carries: PortVlans) {
        self.vlans.get_or_insert_default().set(port as usize, carries);
        self.forget_port(port);
    }

    /// The VLAN of a frame that comes in with this tag (0: none); none if the port does not take it. A switch that does
    /// not tell VLANs apart treats all frames alike, as VLAN 0.
    #[inline]
    pub fn vlan_of(&self, port: u16, tag: u16) -> Option<u16> {
        match &self.vlans {
            None => Some(0),
            Some(vlans) => vlans.vlan(port as usize, tag),
        }
    }

    /// The same of a frame in front of a link away from the switch.
    pub(crate) fn vlan_at(&self, out: LinkId, tag: u16) -> Option<u16> {
        let port = self.ports.iter().position(|port| *port == out)?;
        self.vlan_of(port as u16, tag)
    }

    /// The tag that a frame of a VLAN gets towards this link; none if it keeps what it has.
    #[inline]
    pub(crate) fn tag_towards(&self, out: LinkId, vlan: u16) -> Option<u16> {
        let vlans = self.vlans.as_ref()?;
        vlans.tag(self.ports.iter().position(|port| *port == out)?, vlan)
    }

    /// All outgoing links.
    pub fn ports(&self) -> &[LinkId] {
        &self.ports
    }

    /// The way of a frame that will be here at `at`, if the switch knows both addresses and nothing but a
    /// time stamp has to change: then the frame needs no event of its own here.
    #[inline(never)]
    pub(crate) fn known_path(
        &mut self,
        at: Time,
        (ingress, tag): (u16, u16),
        src: Mac,
        dst: Mac,
    ) -> Option<Path> {
        let vlan = self.vlan_of(ingress, tag)?;
        let to = *self.table.get(Key::new(vlan, dst))?;
        if self.vlans.as_ref().is_some_and(|vlans| vlans.tag(to.port as usize, vlan) != Some(tag)) {
            return None; // the tag has to be taken off or put on
        }
        let place = self.table.place(Key::new(vlan, src));
        let from = &mut self.table.entries[place];
        let usable = from.port == ingress
            && to.port != ingress
            && at.since(to.seen) < AGEING
            && at.since(from.seen) < AGEING;
        if !usable {
            return None;
        }
        from.seen = from.seen.max(at);
        let until = from.seen.min(to.seen) + AGEING;
        let (epoch, out) = (self.table.epoch, self.ports[to.port as usize]);
        Some(Path { epoch, from: place as u32, out, until, ..Path::NONE })
    }

    /// The same for a frame whose like went this way before.
    #[inline(always)] // a part of every way out of a host
    pub(crate) fn follow(&mut self, at: Time, path: &Path) -> Option<LinkId> {
        if path.epoch != self.table.epoch || at >= path.until {
            return None;
        }
        let from = self.table.entries.get_mut(path.from as usize)?;
        from.seen = from.seen.max(at);
        Some(path.out)
    }

    /// Learns the sender; true if it was unknown or has moved.
    pub fn learn(&mut self, now: Time, ingress: u16, vlan: u16, src: Mac) -> bool {
        if src.is_group() {
            return false;
        }
        let new = Entry { key: Key::new(vlan, src), port: ingress, seen: now };
        let Some(entry) = self.table.get_mut(new.key) else {
            self.table.insert(new);
            return true;
        };
        let old = *entry;
        if old.port == ingress {
            entry.seen = old.seen.max(now); // it may have sent a frame already that is on its way here
            return now.since(old.seen) >= AGEING;
        }
        *entry = new;
        self.table.epoch += 1;
        true
    }

    /// The way of a frame that is here now.
    pub fn decide(&self, now: Time, ingress: u16, vlan: u16, dst: Mac) -> Decision {
        match self.table.get(Key::new(vlan, dst)) {
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
        let empty = Table { epoch: self.table.epoch + 1, ..Table::default() };
        let old = std::mem::replace(&mut self.table, empty);
        old.entries
            .into_iter()
            .filter(|e| e.port != NOWHERE && e.port != port)
            .for_each(|e| self.table.insert(e));
    }

    /// How many addresses are remembered.
    pub fn known(&self) -> usize {
        self.table.known
    }
}

impl Default for Table {
    fn default() -> Table {
        Table { entries: vec![FREE; 16], known: 0, epoch: 1 }
    }
}

impl Table {
    #[inline]
    fn get(&self, key: Key) -> Option<&Entry> {
        let entry = &self.entries[self.place(key)];
        (entry.port != NOWHERE).then_some(entry)
    }

    #[inline]
    fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        let place = self.place(key);
        let entry = &mut self.entries[place];
        (entry.port != NOWHERE).then_some(entry)
    }

    /// Adds an address that is not there yet.
    fn insert(&mut self, entry: Entry) {
        if (self.known + 1) * 2 > self.entries.len() {
            self.make_room(entry.seen);
        }
        let place = self.place(entry.key);
        self.entries[place] = entry;
        self.known += 1;
        self.epoch += 1;
    }

    /// Entries that have aged out leave; if that is not enough, the table grows.
    #[cold]
    fn make_room(&mut self, now: Time) {
        let is_alive = |entry: &Entry| entry.port != NOWHERE && now < entry.seen + AGEING;
        let alive: Vec<Entry> = self.entries.iter().copied().filter(is_alive).collect();
        let len = (alive.len() * 4).next_power_of_two().max(self.entries.len());
        self.entries.clear();
        self.entries.resize(len, FREE);
        self.known = alive.len();
        for old in alive {
            let place = self.place(old.key);
            self.entries[place] = old;
        }
    }

    /// Where the address is, or where it would be put.
    #[inline]
    fn place(&self, key: Key) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = (key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.entries[at].key != key && self.entries[at].port != NOWHERE {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(switch.decide(secs(0), 0, 0, mac(2)), Decision::Flood);
        assert_eq!([0, 1, 2].map(|n| switch.flood(n, 0, 0)), [Some(LinkId(2)), Some(LinkId(1)), None]);
        assert!(switch.learn(secs(0), 1, 0, mac(2)));
        assert!(!switch.learn(secs(1), 1, 0, mac(2)));
        assert_eq!(switch.decide(secs(1), 0, 0, mac(2)), Decision::Forward(LinkId(1)));
        assert_eq!(switch.decide(secs(1), 1, 0, mac(2)), Decision::Hairpin);
        assert_eq!(switch.decide(secs(301), 0, 0, mac(2)), Decision::Flood);
        assert!(switch.learn(secs(2), 2, 0, mac(2)), "the host has moved");
        switch.forget_port(2);
        assert_eq!(switch.known(), 0);
    }

    #[test]
    fn the_short_cut_needs_both_addresses() {
        let mut switch = Switch::default();
        switch.attach(LinkId(0));
        switch.attach(LinkId(1));
        switch.learn(secs(0), 1, 0, mac(2));
        assert!(switch.known_path(secs(1), (0, 0), mac(1), mac(2)).is_none());
        switch.learn(secs(1), 0, 0, mac(1));
        assert_eq!(switch.known_path(secs(1), (0, 0), mac(1), mac(2)).map(|path| path.out), Some(LinkId(1)));
        let elsewhere = switch.known_path(secs(1), (1, 0), mac(1), mac(2));
        assert!(elsewhere.is_none(), "the sender is on another port now");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Learn { port: u16, mac: u64 },
        Send { port: u16, from: u64, to: u64 },
        Unplug { port: u16 },
        Wait { secs: u64 },
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u16..3, 0u64..5).prop_map(|(port, mac)| Step::Learn { port, mac }),
            8 => (0u16..3, 0u64..5, 0u64..5).prop_map(|(port, from, to)| Step::Send { port, from, to }),
            1 => (0u16..3).prop_map(|port| Step::Unplug { port }),
            2 => (0u64..200).prop_map(|secs| Step::Wait { secs }),
        ]
    }

    /// The switch and its twin that is always asked anew.
    fn two() -> [Switch; 2] {
        [(); 2].map(|()| {
            let mut switch = Switch::default();
            for link in 0..3 {
                switch.attach(LinkId(link));
            }
            switch
        })
    }

    proptest! {
        /// However many addresses come and go: the table has room for those of the last five minutes, and not much more.
        #[test]
        fn addresses_that_came_and_went_take_no_room(crowds in prop::collection::vec((1u64..200, 0u64..400), 1..40)) {
            let [mut switch, _] = two();
            let (mut now, mut next) = (secs(0), 0);
            let mut heard: Vec<(Time, u64)> = Vec::new();
            let mut most = 0;
            for (crowd, pause) in crowds {
                now += Duration::from_secs(pause);
                for number in next..next + crowd {
                    switch.learn(now, 0, 0, mac(number));
                    heard.push((now, number));
                }
                next += crowd;
                heard.retain(|(at, _)| now.since(*at) < AGEING);
                most = most.max(heard.len());
                for (_, number) in &heard {
                    prop_assert_eq!(switch.decide(now, 1, 0, mac(*number)), Decision::Forward(LinkId(0)));
                }
            }
            prop_assert!(switch.table.entries.len() <= (most * 8).max(16), "{} for {most}", switch.table.entries.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        /// A path that is remembered leads where the table would, and leaves the same time stamps behind.
        #[test]
        fn remembered_paths_are_those_of_the_table(steps in prop::collection::vec(steps(), 1..120)) {
            let [mut switch, mut twin] = two();
            let mut paths = std::collections::BTreeMap::new();
            let mut now = secs(0);
            for step in steps {
                match step {
                    Step::Learn { port, mac: number } => {
                        prop_assert_eq!(
                            switch.learn(now, port, 0, mac(number)),
                            twin.learn(now, port, 0, mac(number))
                        );
                    }
                    Step::Unplug { port } => [&mut switch, &mut twin].into_iter().for_each(|one| one.forget_port(port)),
                    Step::Wait { secs } => now += Duration::from_secs(secs),
                    Step::Send { port, from, to } => {
                        let at = now + Duration::from_micros(5);
                        let path = paths.entry((port, from, to)).or_insert(Path::NONE);
                        let out = switch.follow(at, path).or_else(|| {
                            *path = switch.known_path(at, (port, 0), mac(from), mac(to))?;
                            Some(path.out)
                        });
                        let asked = twin.known_path(at, (port, 0), mac(from), mac(to)).map(|path| path.out);
                        prop_assert_eq!(out, asked);
                    }
                }
                for number in 0..5 {
                    prop_assert_eq!(
                        switch.table.get(Key::new(0, mac(number))).map(|entry| (entry.port, entry.seen)),
                        twin.table.get(Key::new(0, mac(number))).map(|entry| (entry.port, entry.seen))
                    );
                }
            }
        }
    }
}
