//! Capture files: pcapng written, pcap and pcapng read, both as streams.
//!
//! The formats are headers of a few bytes around packets, so the code is our own: what a crate would save in lines it would
//! cost in errors, which here name the byte at which a file goes wrong. Format: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>.

mod classic;
mod ng;
mod read;
mod write;

pub use read::{Reader, Record};
pub use write::{Name, PacketBlock, Port, Reception, Writer};

use std::fmt;

/// Longest packet or block that is believed; more means that the file is damaged.
const LONGEST: u32 = 16 << 20;

/// Why a capture file cannot be read (further), where, and the cure.
#[derive(Debug)]
pub struct Problem {
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
    /// What the operating system said, if it was that.
    pub io: Option<std::io::Error>,
}

impl Problem {
    fn new(offset: u64, what: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { offset, what: what.into(), help: help.into(), io: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}\n  help: {}", self.offset, self.what, self.help)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io.as_ref().map(|io| io as _)
    }
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Endian {
    Little,
    Big,
}

impl Endian {
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let two = [bytes[at], bytes[at + 1]];
        match self {
            Endian::Little => u16::from_le_bytes(two),
            Endian::Big => u16::from_be_bytes(two),
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Endian::Little => u32::from_le_bytes(four),
            Endian::Big => u32::from_be_bytes(four),
        }
    }
}
