//! pcap as tcpdump writes it: a header of 24 bytes, then packets with headers of 16.

use super::read::{Head, Source, believable, link_type};
use super::{Endian, Problem};
use crate::wire::LinkType;
use sim_core::Time;
use std::io::Read;

/// A pcap file, past its header.
#[derive(Debug)]
pub(super) struct File {
    kind: Kind,
    link: LinkType,
}

/// What the first four bytes say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    endian: Endian,
    /// Nanoseconds of the unit behind the seconds.
    unit_ns: u64,
}

impl File {
    /// The kind of file that begins like this.
    pub(super) fn of(magic: [u8; 4]) -> Option<Kind> {
        let (endian, unit_ns) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (Endian::Big, 1000),
            [0xd4, 0xc3, 0xb2, 0xa1] => (Endian::Little, 1000),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Endian::Big, 1),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Endian::Little, 1),
            _ => return None,
        };
        Some(Kind { endian, unit_ns })
    }

    pub(super) fn next<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Head>, Problem> {
        let at = source.offset;
        if !source.fill(16)? {
            return Ok(None);
        }
        let word = |n: usize| self.kind.endian.u32(&source.buffer, n * 4);
        let ns = u64::from(word(0)) * 1_000_000_000 + u64::from(word(1)) * self.kind.unit_ns;
        let (captured, wire_len) = (believable(at, word(2))?, word(3) as usize);
        if source.more(captured)? < captured {
            return Err(source.cut_off());
        }
        let time = Time::from_nanos(ns);
        Ok(Some(Head { time, port: 0, link: self.link, start: 16, captured, wire_len, direction: None }))
    }
}

impl Kind {
    /// Reads the rest of the file's header.
    pub(super) fn begin<R: Read>(self, source: &mut Source<R>) -> Result<File, Problem> {
        if source.more(20)? == 0 {
            return Err(source.cut_off());
        }
        // The upper bits say whether frames have check sequences, which nobody reads here.
        let link = link_type(20, self.endian.u32(&source.buffer, 20) & 0x0fff_ffff)?;
        Ok(File { kind: self, link })
    }
}
