//! What a scheduler sees: destinations in list order, and the flow that wants one.

use std::net::IpAddr;

/// A destination's index in the director's pool; stable for as long as the director remembers the destination.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DestinationId(u32);

/// A real server of a service, as far as schedulers look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination {
    /// The real server's address.
    pub addr: IpAddr,
    /// The real server's port, 0 for the port of the packet.
    pub port: u16,
    /// The weight; 0 means quiesced: no new connections.
    pub weight: i32,
    /// The last weight that was not 0 (or the weight it was added with); only `mh` looks at it.
    pub last_weight: i32,
    /// Connections in an active state, such as ESTABLISHED.
    pub active: i32,
    /// All other connections; every UDP connection is one of them.
    pub inactive: i32,
    /// Has the upper threshold been reached, and not yet been left behind?
    pub overloaded: bool,
    /// Is the destination in its service's list, and not in the trash?
    pub available: bool,
}

/// The destinations of one service.
#[derive(Clone, Copy, Debug)]
pub struct Destinations<'a> {
    /// The list in list order: newest first.
    pub order: &'a [DestinationId],
    /// What the ids stand for; it may hold other services' destinations too.
    pub pool: &'a [Destination],
}

/// The addresses of the packet that is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// The packet's source address.
    pub client: IpAddr,
    /// The packet's source port; 0 unless the protocol is TCP, UDP or SCTP.
    pub client_port: u16,
    /// The packet's destination address.
    pub target: IpAddr,
    /// The packet's destination port.
    pub target_port: u16,
}

/// How a kernel turns connection counts into a load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadFormula {
    /// 257 · active + inactive: Linux 6.1.183 and later of that series.
    New,
    /// 256 · active + inactive: before that.
    Classic,
}

impl DestinationId {
    /// The destination at `index` of the pool.
    pub const fn new(index: u32) -> DestinationId {
        DestinationId(index)
    }

    /// Its index in the pool.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'a> Destinations<'a> {
    /// A service without destinations.
    pub const EMPTY: Destinations<'static> = Destinations { order: &[], pool: &[] };

    /// The destination with this id.
    #[inline]
    pub fn get(&self, id: DestinationId) -> &'a Destination {
        &self.pool[id.index()]
    }

    /// The destinations in list order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (DestinationId, &'a Destination)> + Clone + use<'a> {
        let pool = self.pool;
        self.order.iter().map(move |&id| (id, &pool[id.index()]))
    }

    /// Where in the list the destination stands; it must be in it.
    pub fn position(&self, id: DestinationId) -> usize {
        self.order.iter().position(|&other| other == id).expect("the destination is in the list")
    }
}

impl Destination {
    /// May a new connection go there: neither quiesced nor overloaded?
    #[inline]
    pub fn is_usable(&self) -> bool {
        self.weight > 0 && !self.overloaded
    }
}

impl LoadFormula {
    /// How many inactive connections an active one weighs.
    #[inline]
    pub const fn active_factor(self) -> i32 {
        match self {
            LoadFormula::New => 257,
            LoadFormula::Classic => 256,
        }
    }

    /// The load of a destination, in 32-bit arithmetic that wraps beyond some 8.3 million active connections.
    #[inline]
    pub fn load(self, d: &Destination) -> i32 {
        d.active.wrapping_mul(self.active_factor()).wrapping_add(d.inactive)
    }

    /// The formula in words.
    pub const fn text(self) -> &'static str {
        match self {
            LoadFormula::New => "257 · active + inactive",
            LoadFormula::Classic => "256 · active + inactive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Pool;

    #[test]
    fn one_active_connection_outweighs_256_inactive_ones_by_one_on_new_kernels() {
        let mut pool = Pool::weights(&[1, 1]);
        pool.set(0, |d| d.active = 1);
        pool.set(1, |d| d.inactive = 256);
        let [one_active, many_inactive] = [pool.get(0), pool.get(1)];
        assert_eq!((LoadFormula::New.load(&one_active), LoadFormula::New.load(&many_inactive)), (257, 256));
        assert_eq!(LoadFormula::Classic.load(&one_active), LoadFormula::Classic.load(&many_inactive));
    }

    #[test]
    fn the_load_wraps_like_a_32_bit_integer() {
        let mut pool = Pool::weights(&[1]);
        pool.set(0, |d| d.active = 8_400_000);
        assert!(LoadFormula::New.load(&pool.get(0)) < 0);
    }
}
