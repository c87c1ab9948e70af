//! Addresses in four bytes, for records of which there are millions.
//!
//! An IPv4 address is its own short form. The addresses of 240.0.0.0/4, which hardly any network uses, give their
//! short forms away: they number a list of the IPv6 addresses (and the few others) that the run has met.

use crate::addr::Addr;
use rustc_hash::FxHashMap;

/// An address, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Short(u32);

/// From here on short forms are numbers of the list.
const LISTED: u32 = 0xf000_0000;

impl Short {
    /// 0.0.0.0, for records that mean nothing.
    pub(crate) const BLANK: Short = Short(0);

    /// The short form of an address that is its own.
    #[inline(always)] // twice a packet
    pub(crate) fn of(addr: Addr) -> Option<Short> {
        addr.to_v4_bits().filter(|bits| *bits < LISTED).map(Short)
    }

    /// Is it the number of an address that is not its own short form?
    pub(super) fn is_listed(self) -> bool {
        self.0 >= LISTED
    }

    /// The bits, for hash functions.
    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

/// The list of the addresses that are not their own short form.
#[derive(Debug, Default)]
pub(crate) struct Shorts {
    listed: Vec<Addr>,
    numbers: FxHashMap<Addr, u32>,
}

impl Shorts {
    /// The short form of an address.
    #[inline]
    pub(crate) fn shorten(&mut self, addr: Addr) -> Short {
        match Short::of(addr) {
            Some(short) => short,
            None => self.list(addr),
        }
    }

    /// The short form of an address, unless it was never shortened before.
    pub(crate) fn find(&self, addr: Addr) -> Option<Short> {
        Short::of(addr).or_else(|| self.numbers.get(&addr).map(|number| Short(LISTED + number)))
    }

    /// The address.
    #[inline(always)]
    pub(crate) fn addr(&self, short: Short) -> Addr {
        if short.0 < LISTED { Addr::v4(short.0) } else { self.listed_at(short.0 - LISTED) }
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        // A hash map has a byte of its own for each place.
        self.listed.capacity() * size_of::<Addr>() + self.numbers.capacity() * (size_of::<(Addr, u32)>() + 1)
    }

    #[cold]
    fn listed_at(&self, number: u32) -> Addr {
        self.listed[number as usize]
    }

    #[cold]
    fn list(&mut self, addr: Addr) -> Short {
        let next = u32::try_from(self.listed.len()).ok().filter(|next| *next < u32::MAX - LISTED);
        let next = next.expect("fewer than 2^28 IPv6 addresses in a run");
        let number = *self.numbers.entry(addr).or_insert(next);
        if number == next {
            self.listed.push(addr);
        }
        Short(LISTED + number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_a_short_form_of_its_own() {
        let mut shorts = Shorts::default();
        let texts =
            ["10.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "2001:db8::1", "::1"];
        let addrs = texts.map(|text| text.parse::<Addr>().expect("it is an address"));
        assert_eq!(shorts.find(addrs[5]), None);
        let forms = addrs.map(|addr| shorts.shorten(addr));
        for (i, (addr, form)) in addrs.iter().zip(forms).enumerate() {
            assert_eq!(
                (shorts.addr(form), shorts.shorten(*addr), shorts.find(*addr)),
                (*addr, form, Some(form))
            );
            assert!(!forms[..i].contains(&form));
        }
        assert_eq!(shorts.listed.len(), 5);
    }
}
