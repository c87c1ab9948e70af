//! The two checksums: the internet's (RFC 1071) and SCTP's CRC-32C (RFC 9260, appendix A).

use crate::addr::Addr;

/// A one's complement sum on its way. Pieces of odd length may only come last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// The pseudo header of a transport protocol's part of `len` bytes.
    pub(super) fn pseudo(src: Addr, dst: Addr, protocol: u8, len: usize) -> Sum {
        let mut sum = Sum(u64::from(protocol) + (len >> 16) as u64 + (len & 0xffff) as u64);
        for addr in [src, dst] {
            match addr.to_v4_bits() {
                Some(bits) => sum.add(&bits.to_be_bytes()),
                None => sum.add(&addr.to_bits().to_be_bytes()),
            }
        }
        sum
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let mut pairs = bytes.chunks_exact(2);
        for pair in &mut pairs {
            self.0 += u64::from(pair[0]) << 8 | u64::from(pair[1]);
        }
        if let [last] = pairs.remainder() {
            self.0 += u64::from(*last) << 8;
        }
    }

    /// What is written into the header: 0 once everything, the checksum included, has been added.
    pub(super) fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// Writes the checksum of everything from `start` on into the two bytes at `start + field`, if they are there.
pub(super) fn patch(out: &mut [u8], start: usize, field: usize, mut sum: Sum) {
    if start + field + 2 <= out.len() {
        sum.add(&out[start..]);
        out[start + field..start + field + 2].copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// CRC-32C, bit by bit: capture files are not in a hurry.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78; // Castagnoli's, reversed
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let mut sum = Sum::default();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn the_examples_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
