//! The TCP header with the options that its length leaves room for.

use super::{Unreadable, u8_at, u16_at, u32_at};
use crate::packet::{Flags, Segment};
use crate::text::{BLOCKS, Block};

/// Bytes of the header without options.
const PLAIN: usize = 20;

/// Where the checksum stands.
pub(super) const CHECKSUM: usize = 16;

/// Bytes of header that say ports, numbers, length and flags.
const ESSENTIAL: usize = 14;

/// Option kinds: no operation, maximum segment size, window scale, SACK permitted, SACK, timestamps.
const NOP: u8 = 1;
const MSS: u8 = 2;
const WSCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// The window scale of a Linux host with default buffers.
const SCALE: u8 = 7;

/// Appends the header, its checksum 0. `selective` are the blocks that it acknowledges out of order.
pub(super) fn encode(segment: &Segment, selective: &[Block], out: &mut Vec<u8>) {
    let header = usize::from(segment.header).clamp(PLAIN, 60) / 4 * 4;
    out.extend(segment.sport.to_be_bytes());
    out.extend(segment.dport.to_be_bytes());
    out.extend(segment.seq.to_be_bytes());
    out.extend(segment.ack.to_be_bytes());
    out.extend([(header as u8 / 4) << 4, segment.flags.0]);
    out.extend(segment.window.to_be_bytes());
    out.extend([0; 4]); // checksum, urgent pointer
    options(segment, selective, header - PLAIN, out);
}

/// Fills `room` bytes with options, in Linux's order.
fn options(segment: &Segment, selective: &[Block], room: usize, out: &mut Vec<u8>) {
    let end = out.len() + room;
    let left = |out: &Vec<u8>| end - out.len();
    if segment.flags.has(Flags::SYN) {
        if segment.mss != 0 && left(out) >= 4 {
            out.extend([MSS, 4]);
            out.extend(segment.mss.to_be_bytes());
        }
        match left(out) {
            12.. => {
                out.extend([SACK_PERMITTED, 2]);
                timestamps(out);
            }
            8.. => out.extend([NOP, NOP, SACK_PERMITTED, 2]),
            _ => {}
        }
        if left(out) >= 4 {
            out.extend([NOP, WSCALE, 3, SCALE]);
        }
    } else if left(out) >= 12 {
        out.extend([NOP, NOP]);
        timestamps(out);
        if !selective.is_empty() && left(out) >= 4 + 8 * selective.len() {
            out.extend([NOP, NOP, SACK, 2 + 8 * selective.len() as u8]);
            for (from, to) in selective {
                out.extend(from.to_be_bytes());
                out.extend(to.to_be_bytes());
            }
        }
    }
    out.resize(end, NOP);
}

fn timestamps(out: &mut Vec<u8>) {
    out.extend([TIMESTAMPS, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// Reads a segment of `wire_len` bytes. A quoted one may break off after the ports.
pub(super) fn decode(bytes: &[u8], wire_len: usize, is_quoted: bool) -> Result<Segment, Unreadable> {
    let (sport, dport) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
    if bytes.len() < ESSENTIAL && is_quoted {
        let len = wire_len.saturating_sub(PLAIN) as u16;
        let seq = u32_at(bytes, 4).unwrap_or(0);
        return Ok(Segment { sport, dport, seq, len, header: PLAIN as u8, ..Segment::default() });
    }
    let header = usize::from(u8_at(bytes, 12)? >> 4) * 4;
    if header < PLAIN {
        return Err(Unreadable::Malformed("a TCP header of less than 20 bytes"));
    }
    let flags = Flags(u8_at(bytes, 13)?);
    let options = bytes.get(PLAIN..header.min(bytes.len())).unwrap_or_default();
    let mss = if flags.has(Flags::SYN) { find_mss(options).unwrap_or(0) } else { 0 };
    Ok(Segment {
        sport,
        dport,
        seq: u32_at(bytes, 4)?,
        ack: u32_at(bytes, 8)?,
        len: wire_len.saturating_sub(header) as u16,
        window: u16_at(bytes, 14).unwrap_or(0),
        mss,
        flags,
        header: header as u8,
    })
}

/// The blocks that a segment acknowledges out of order, as far as `bytes` hold them.
pub(super) fn selective(bytes: &[u8]) -> Vec<Block> {
    let header = bytes.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
    let options = bytes.get(PLAIN..header.min(bytes.len())).unwrap_or_default();
    let blocks = find(options, SACK).unwrap_or_default().chunks_exact(8);
    let word = |block: &[u8], at: usize| u32_at(block, at).expect("a block has eight bytes");
    blocks.take(BLOCKS).map(|block| (word(block, 0), word(block, 4))).collect()
}

/// The value of the maximum segment size option.
fn find_mss(options: &[u8]) -> Option<u16> {
    match find(options, MSS)? {
        [high, low] => Some(u16::from(*high) << 8 | u16::from(*low)),
        _ => None,
    }
}

/// The value of an option.
fn find(options: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = options;
    loop {
        match rest {
            [NOP, tail @ ..] => rest = tail,
            [kind, len, ..] if *kind >= 2 && *len >= 2 => {
                let (option, tail) = rest.split_at_checked(usize::from(*len))?;
                if *kind == wanted {
                    return Some(&option[2..]);
                }
                rest = tail;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options_of(flags: Flags, header: u8, mss: u16) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&Segment { flags, header, mss, ..Segment::default() }, &[], &mut out);
        assert_eq!(out.len(), usize::from(header));
        out.split_off(PLAIN)
    }

    #[test]
    fn a_syn_of_linux() {
        let ts = [8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        let all = [&[2, 4, 5, 0xb4, 4, 2][..], &ts, &[1, 3, 3, 7]].concat();
        assert_eq!(options_of(Flags::SYN, 40, 1460), all);
        let without_timestamps = [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7];
        assert_eq!(options_of(Flags::SYN, 32, 1460), without_timestamps);
        assert_eq!(options_of(Flags::SYN, 24, 1460), [2, 4, 5, 0xb4]);
        assert_eq!(options_of(Flags::ACK, 32, 0), [&[1, 1][..], &ts].concat());
        assert!(options_of(Flags::RST, 20, 0).is_empty());
    }

    #[test]
    fn blocks_that_came_out_of_order() {
        let blocks = [(1, 5), (u32::MAX - 2, 7)];
        let mut out = Vec::new();
        encode(&Segment { flags: Flags::ACK, header: 52, ..Segment::default() }, &blocks, &mut out);
        assert_eq!(out[PLAIN + 12..], [1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 5, 255, 255, 255, 253, 0, 0, 0, 7]);
        assert_eq!(selective(&out), blocks);
        assert_eq!(selective(&out[..out.len() - 1]), [], "a capture may hold less");
    }

    #[test]
    fn options_that_lie_about_their_length_end_the_search() {
        assert_eq!(find_mss(&[1, 1, 2, 4, 5, 0xb4]), Some(1460));
        assert_eq!(find_mss(&[8, 0, 2, 4, 5, 0xb4]), None);
        assert_eq!(find_mss(&[8, 200, 2, 4, 5, 0xb4]), None);
        assert_eq!(find_mss(&[0, 2, 4, 5, 0xb4]), None);
        assert_eq!(find_mss(&[2, 4, 5]), None);
    }
}
