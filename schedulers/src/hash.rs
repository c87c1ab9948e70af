//! The hashes that the kernel's schedulers use on addresses.

use std::net::IpAddr;

/// An address as 32 bits: IPv4 by value (10.0.0.1 = 0x0a000001), IPv6 as the exclusive-or of its four words.
pub fn fold(addr: IpAddr) -> u32 {
    match addr {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits >> 96) as u32 ^ (bits >> 64) as u32 ^ (bits >> 32) as u32 ^ bits as u32
        }
    }
}

/// Multiplicative hashing: the upper `bits` bits of the product with 2³² divided by the golden ratio.
#[inline]
pub const fn golden(value: u32, bits: u32) -> usize {
    (value.wrapping_mul(0x61C8_8647) >> (32 - bits)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_well_known_addresses() {
        let slot = |text: &str| golden(fold(text.parse().unwrap()), 8);
        assert_eq!(slot("192.168.1.1"), 136);
        assert_eq!(slot("192.168.1.7"), 211);
        assert_eq!(slot("8.8.8.8"), 188);
        assert_eq!(slot("223.255.255.254"), 92);
        assert_eq!(slot("2001:db8::1"), 63);
        assert_eq!(slot("2400:cb00:2048:1::c629:d7a2"), 224);
        assert_eq!(golden(fold("192.168.1.1".parse().unwrap()), 10), 547);
        assert_eq!(golden(0xc0a8_9d47, 8), 119, "192.168.1.7 plus port 40000");
    }
}
