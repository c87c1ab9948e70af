//! SCTP: the common header and the first two chunks (RFC 9260).

use super::checksum::crc32c;
use super::{Unreadable, u8_at, u16_at};
use crate::packet::Chunks;

/// Bytes of the common header.
const HEADER: usize = 12;

/// Appends a packet of `room` bytes.
pub(super) fn encode(chunks: &Chunks, room: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(chunks.sport.to_be_bytes());
    out.extend(chunks.dport.to_be_bytes());
    out.extend([0; 8]); // verification tag, checksum
    let left = room.saturating_sub(HEADER);
    match chunks.second {
        None => chunk(chunks.first, left, out),
        Some(second) => {
            let first_len = smallest(chunks.first).min(left);
            chunk(chunks.first, first_len, out);
            chunk(second, left - first_len, out);
        }
    }
    out.resize(start + room, 0);
    if room >= HEADER {
        let crc = crc32c(&out[start..]);
        out[start + 8..start + HEADER].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A chunk that fills `len` bytes with zeros after its header.
fn chunk(kind: u8, len: usize, out: &mut Vec<u8>) {
    let end = out.len() + len;
    out.extend([kind, 0]);
    out.extend((len as u16).to_be_bytes());
    out.resize(end, 0);
}

/// The shortest chunk of a type, as far as its fixed fields go; a multiple of 4.
fn smallest(kind: u8) -> usize {
    match kind {
        0..=2 => 20, // DATA with a byte, INIT, INIT ACK
        3 => 16,     // SACK
        4 | 5 => 8,  // HEARTBEAT and its answer, with an empty parameter
        7 => 8,      // SHUTDOWN
        _ => 4,
    }
}

/// Reads the ports and the types of the first chunks. A quoted packet may break off after the ports.
pub(super) fn decode(bytes: &[u8], is_quoted: bool) -> Result<Chunks, Unreadable> {
    let (sport, dport) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
    if bytes.len() <= HEADER && is_quoted {
        return Ok(Chunks { sport, dport, first: 0, second: None });
    }
    let first = u8_at(bytes, HEADER)?;
    let len = u16_at(bytes, HEADER + 2).map_or(0, usize::from);
    let next = HEADER + len.next_multiple_of(4);
    let second = (len >= 4).then(|| bytes.get(next).copied()).flatten();
    Ok(Chunks { sport, dport, first, second })
}
