//! pcapng: blocks of a type and a length. Sections and interfaces are remembered, packets handed on, the rest is passed by.

use super::read::{Head, Source, believable, link_type};
use super::{Endian, Problem};
use crate::capture::Direction;
use sim_core::Time;
use std::io::Read;

/// The section of a file that is being read.
#[derive(Debug)]
pub(super) struct Section {
    endian: Endian,
    ports: Vec<Port>,
}

/// An interface of the section.
#[derive(Debug)]
struct Port {
    name: Option<String>,
    /// Where it is described, and its link type.
    at: u64,
    link: u32,
    resolution: Resolution,
    /// Seconds to be added to all its times.
    shift_s: i64,
}

/// What a tick of a time stamp is.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// A second divided by ten this often.
    Decimal(u8),
    /// A second halved this often.
    Binary(u8),
}

/// Where the fields of a packet block are.
const STAMP: usize = 12;
const LENGTHS: usize = 20;
const BYTES: usize = 28;

impl Section {
    /// A file begins with a section; the type of its first block has been read.
    pub(super) fn begin<R: Read>(source: &mut Source<R>) -> Result<Section, Problem> {
        let mut section = Section { endian: Endian::Little, ports: Vec::new() };
        section.header(source, 0)?;
        Ok(section)
    }

    /// The name of an interface.
    pub(super) fn name(&self, port: usize) -> Option<&str> {
        self.ports.get(port)?.name.as_deref()
    }

    /// The next packet of the file.
    pub(super) fn next<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Head>, Problem> {
        loop {
            let at = source.offset;
            if !source.fill(4)? {
                return Ok(None);
            }
            if source.buffer == [0x0a, 0x0d, 0x0d, 0x0a] {
                self.header(source, at)?;
                continue;
            }
            let kind = self.endian.u32(&source.buffer, 0);
            let len = self.body(source, at)?;
            match kind {
                1 => self.port(&source.buffer[..len], at)?,
                2 => {
                    let port = if len >= 20 { self.endian.u16(&source.buffer, 8).into() } else { 0 };
                    return self.packet(source, at, len, port).map(Some);
                }
                6 => {
                    let port = if len >= 20 { self.endian.u32(&source.buffer, 8) as usize } else { 0 };
                    return self.packet(source, at, len, port).map(Some);
                }
                3 => {
                    let what = "a packet without a time (simple packet block)";
                    let help =
                        "packets enter at their times: capture with tcpdump or dumpcap, which write them";
                    return Err(Problem::new(at, what, help));
                }
                _ => {}
            }
        }
    }

    /// A section header; the order of its bytes is the one in which its magic number can be read.
    fn header<R: Read>(&mut self, source: &mut Source<R>, at: u64) -> Result<(), Problem> {
        if source.more(8)? == 0 {
            return Err(source.cut_off());
        }
        self.endian = match source.buffer[8..12] {
            [0x4d, 0x3c, 0x2b, 0x1a] => Endian::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Endian::Big,
            _ => return Err(damaged(at, "a section header without its magic number")),
        };
        self.ports.clear();
        let len = self.length(&source.buffer, at)?;
        if len < 28 {
            return Err(damaged(at, "a section header that is too short"));
        }
        self.rest(source, at, len)
    }

    /// Reads the rest of a block whose type is in the buffer; the buffer then holds all but the second length.
    fn body<R: Read>(&self, source: &mut Source<R>, at: u64) -> Result<usize, Problem> {
        if source.more(4)? == 0 {
            return Err(source.cut_off());
        }
        let len = self.length(&source.buffer, at)?;
        self.rest(source, at, len)?;
        Ok(len - 4)
    }

    fn length(&self, block: &[u8], at: u64) -> Result<usize, Problem> {
        let len = believable(at, self.endian.u32(block, 4))?;
        if len < 12 || len % 4 != 0 {
            return Err(damaged(at, &format!("a block of {len} bytes")));
        }
        Ok(len)
    }

    fn rest<R: Read>(&self, source: &mut Source<R>, at: u64, len: usize) -> Result<(), Problem> {
        let missing = len - source.buffer.len();
        if source.more(missing)? < missing {
            return Err(source.cut_off());
        }
        let again = self.endian.u32(&source.buffer, len - 4) as usize;
        if again != len {
            return Err(damaged(at, &format!("a block whose two lengths differ ({len} and {again})")));
        }
        Ok(())
    }

    /// An interface description.
    fn port(&mut self, block: &[u8], at: u64) -> Result<(), Problem> {
        if block.len() < 16 {
            return Err(damaged(at, "an interface description that is too short"));
        }
        let link = u32::from(self.endian.u16(block, 8));
        let mut port = Port { name: None, at, link, resolution: Resolution::Decimal(6), shift_s: 0 };
        for (kind, value) in options(self.endian, &block[16..]) {
            match (kind, value) {
                (2, name) => port.name = Some(String::from_utf8_lossy(name).into_owned()),
                (9, [exponent, ..]) if exponent & 0x80 != 0 => {
                    port.resolution = Resolution::Binary(exponent & 0x7f);
                }
                (9, [exponent, ..]) => port.resolution = Resolution::Decimal(*exponent),
                (14, [_, _, _, _, _, _, _, _]) => {
                    let (low, high) = match self.endian {
                        Endian::Little => (self.endian.u32(value, 0), self.endian.u32(value, 4)),
                        Endian::Big => (self.endian.u32(value, 4), self.endian.u32(value, 0)),
                    };
                    port.shift_s = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
        }
        self.ports.push(port);
        Ok(())
    }

    /// An enhanced packet block, or its obsolete predecessor: they differ in the width of the interface's number.
    fn packet<R>(&self, source: &Source<R>, at: u64, len: usize, port: usize) -> Result<Head, Problem> {
        let block = &source.buffer[..len];
        if len < BYTES {
            return Err(damaged(at, "a packet block that is too short"));
        }
        let Some(on) = self.ports.get(port) else {
            return Err(damaged(at, &format!("a packet of interface {port}, which is not described")));
        };
        let captured = self.endian.u32(block, LENGTHS) as usize;
        let end = BYTES.saturating_add(captured).next_multiple_of(4);
        if captured > len || end > len {
            return Err(damaged(at, &format!("a packet of {captured} bytes in a block of {}", len + 4)));
        }
        let direction = options(self.endian, &block[end..]).find_map(|(kind, value)| match (kind, value) {
            (2, [_, _, _, _]) => match self.endian.u32(value, 0) & 3 {
                1 => Some(Direction::In),
                2 => Some(Direction::Out),
                _ => None,
            },
            _ => None,
        });
        Ok(Head {
            time: on.time(self.endian.stamp(block, STAMP)),
            port,
            link: link_type(on.at, on.link)?,
            start: BYTES,
            captured,
            wire_len: self.endian.u32(block, LENGTHS + 4) as usize,
            direction,
        })
    }
}

impl Port {
    /// A time stamp in nanoseconds since 1970; what a clock cannot say is cut to what it can.
    fn time(&self, stamp: u64) -> Time {
        const SECOND: u128 = 1_000_000_000;
        let (ticks, stamp) = match self.resolution {
            Resolution::Decimal(exponent) => (10u128.checked_pow(exponent.into()), u128::from(stamp)),
            Resolution::Binary(exponent) => (1u128.checked_shl(exponent.into()), u128::from(stamp)),
        };
        let ns = ticks.map_or(0, |ticks| {
            let (seconds, rest) = (stamp / ticks, stamp % ticks);
            seconds * SECOND + rest.saturating_mul(SECOND) / ticks
        });
        let shifted = ns.cast_signed() + i128::from(self.shift_s) * SECOND.cast_signed();
        Time::from_nanos(u64::try_from(shifted.max(0)).unwrap_or(u64::MAX - 1))
    }
}

/// The options at the end of a block; damaged ones end the list.
fn options(endian: Endian, mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        if rest.len() < 4 {
            return None;
        }
        let (kind, len) = (endian.u16(rest, 0), usize::from(endian.u16(rest, 2)));
        let value = rest.get(4..4 + len).filter(|_| kind != 0)?;
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn damaged(at: u64, what: &str) -> Problem {
    Problem::new(at, what, "the file is damaged here; `editcap FILE WHOLE.pcapng` keeps what comes before")
}
