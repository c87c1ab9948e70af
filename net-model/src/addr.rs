//! Addresses: one type for IPv4 and IPv6, one for Ethernet, and prefixes.
//!
//! An [`Addr`] is 16 bytes without a tag, so that a flow compares in four words and a packet stays small.
//! IPv4 addresses sit in a corner of the IPv6 space that nobody can use: multicast with reserved flags set.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The upper half of every IPv4 address: an IPv6 multicast prefix whose reserved flag bits are set.
const V4: u64 = 0xffff_ffff_0000_0004;

/// An IPv4 or IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addr {
    high: u64,
    low: u64,
}

/// The address family of an [`Addr`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Addr {
    /// 0.0.0.0
    pub const UNSPECIFIED_V4: Addr = Addr::v4(0);
    /// 255.255.255.255
    pub const BROADCAST_V4: Addr = Addr::v4(u32::MAX);
    /// `::`
    pub const UNSPECIFIED_V6: Addr = Addr { high: 0, low: 0 };

    /// The IPv4 address with this 32-bit value (10.0.0.1 = 0x0a000001).
    pub const fn v4(bits: u32) -> Addr {
        Addr { high: V4, low: bits as u64 }
    }

    /// The IPv6 address with these 128 bits.
    pub const fn v6(bits: u128) -> Addr {
        Addr { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// IPv4 or IPv6.
    #[inline]
    pub const fn family(self) -> Family {
        if self.is_v4() { Family::V4 } else { Family::V6 }
    }

    /// Is this an IPv4 address?
    #[inline]
    pub const fn is_v4(self) -> bool {
        self.high == V4
    }

    /// The 32 bits of an IPv4 address, or none.
    #[inline]
    pub const fn to_v4_bits(self) -> Option<u32> {
        if self.is_v4() { Some(self.low as u32) } else { None }
    }

    /// The bits of the address: 32 significant ones for IPv4, 128 for IPv6.
    #[inline]
    pub const fn to_bits(self) -> u128 {
        if self.is_v4() { self.low as u128 } else { (self.high as u128) << 64 | self.low as u128 }
    }

    /// Number of bits of an address of this family: 32 or 128.
    pub const fn width(self) -> u8 {
        match self.family() {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The address with all but the first `len` bits cleared.
    #[inline]
    pub const fn masked(self, len: u8) -> Addr {
        if self.is_v4() {
            let mask = if len >= 32 { u32::MAX } else { !(u32::MAX >> len) };
            Addr::v4(self.low as u32 & mask)
        } else {
            let mask = if len >= 128 { u128::MAX } else { !(u128::MAX >> len) };
            Addr::v6(self.to_bits() & mask)
        }
    }

    /// The address `n` places further on, within its family (wrapping at the end of the space).
    pub const fn offset(self, n: u128) -> Addr {
        if self.is_v4() {
            Addr::v4((self.low as u32).wrapping_add(n as u32))
        } else {
            Addr::v6(self.to_bits().wrapping_add(n))
        }
    }

    /// 0.0.0.0 or `::`.
    pub const fn is_unspecified(self) -> bool {
        self.to_bits() == 0
    }

    /// 224.0.0.0/4 or ff00::/8.
    pub const fn is_multicast(self) -> bool {
        match self.to_v4_bits() {
            Some(bits) => bits >> 28 == 0xe,
            None => self.high >> 56 == 0xff,
        }
    }

    /// 127.0.0.0/8 or `::1`.
    pub const fn is_loopback(self) -> bool {
        match self.to_v4_bits() {
            Some(bits) => bits >> 24 == 127,
            None => self.high == 0 && self.low == 1,
        }
    }

    /// Both halves, for hash functions.
    #[inline]
    pub const fn words(self) -> [u64; 2] {
        [self.high, self.low]
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Addr {
        match ip {
            IpAddr::V4(v4) => Addr::v4(v4.to_bits()),
            IpAddr::V6(v6) => Addr::v6(v6.to_bits()),
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> IpAddr {
        match addr.to_v4_bits() {
            Some(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            None => IpAddr::V6(Ipv6Addr::from_bits(addr.to_bits())),
        }
    }
}

impl std::str::FromStr for Addr {
    type Err = std::net::AddrParseError;
    fn from_str(text: &str) -> Result<Addr, Self::Err> {
        text.parse::<IpAddr>().map(Addr::from)
    }
}

impl Ord for Addr {
    /// IPv4 before IPv6, then by value.
    fn cmp(&self, other: &Addr) -> Ordering {
        (self.family(), self.to_bits()).cmp(&(other.family(), other.to_bits()))
    }
}

impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Addr) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

/// A network prefix such as 10.0.0.0/24; the host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    addr: Addr,
    len: u8,
}

impl Prefix {
    /// The prefix of `len` bits that contains `addr`; overlong lengths become the family's width.
    pub const fn new(addr: Addr, len: u8) -> Prefix {
        let width = addr.width();
        let len = if len > width { width } else { len };
        Prefix { addr: addr.masked(len), len }
    }

    /// The prefix of this one address.
    pub const fn host(addr: Addr) -> Prefix {
        Prefix::new(addr, addr.width())
    }

    /// The network address.
    pub const fn addr(self) -> Addr {
        self.addr
    }

    /// The number of fixed bits.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Is `addr` of this family and inside?
    #[inline]
    pub fn contains(self, addr: Addr) -> bool {
        addr.is_v4() == self.addr.is_v4() && addr.masked(self.len) == self.addr
    }

    /// How many addresses the prefix holds, saturating at `u128::MAX` for `::/0`.
    pub const fn size(self) -> u128 {
        let free = self.addr.width() - self.len;
        if free >= 128 { u128::MAX } else { 1 << free }
    }

    /// The last address: the broadcast address of an IPv4 subnet.
    pub const fn last(self) -> Addr {
        self.addr.offset(self.size().wrapping_sub(1))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ethernet address in the low 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(u64);

impl Mac {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Mac = Mac(0xffff_ffff_ffff);
    /// 00:00:00:00:00:00, what an ARP request has in its target field.
    pub const ZERO: Mac = Mac(0);

    /// The address with these 48 bits.
    pub const fn from_bits(bits: u64) -> Mac {
        Mac(bits & 0xffff_ffff_ffff)
    }

    /// The 48 bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Broadcast or multicast (the group bit of the first byte)?
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0 >> 40 & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, a, b, c, d, e, g] = self.0.to_be_bytes();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_both_families() {
        for text in ["10.0.0.1", "255.255.255.255", "::", "2001:db8::1", "::ffff:1.2.3.4"] {
            assert_eq!(text.parse::<Addr>().unwrap().to_string(), text);
        }
        assert_ne!("::ffff:1.2.3.4".parse::<Addr>().unwrap(), "1.2.3.4".parse::<Addr>().unwrap());
    }

    #[test]
    fn a_prefix_contains_its_own_family_only() {
        let lan = Prefix::new("10.0.0.77".parse().unwrap(), 24);
        assert_eq!(lan.to_string(), "10.0.0.0/24");
        assert!(lan.contains("10.0.0.255".parse().unwrap()));
        assert!(!lan.contains("10.0.1.0".parse().unwrap()));
        assert_eq!(lan.last().to_string(), "10.0.0.255");
        let all = Prefix::new(Addr::UNSPECIFIED_V4, 0);
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!(!all.contains("::1".parse().unwrap()));
    }

    #[test]
    fn multicast_and_broadcast_macs_are_groups() {
        assert!(Mac::BROADCAST.is_group());
        assert!(Mac::from_bits(0x0100_5e00_0001).is_group());
        assert!(!Mac::from_bits(0x0200_0000_000d).is_group());
    }
}
