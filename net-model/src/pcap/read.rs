//! Reading pcap and pcapng, one packet at a time.

use super::{Endian, LONGEST, Problem, classic, ng};
use crate::capture::Direction;
use crate::wire::LinkType;
use sim_core::Time;
use std::io::Read;

/// A packet of a capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Since 1970.
    pub time: Time,
    /// The number of its interface within the section.
    pub port: usize,
    /// The name of its interface, if the file has one.
    pub name: Option<&'a str>,
    /// What the bytes begin with.
    pub link: LinkType,
    /// What the capture holds.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub wire_len: usize,
    /// In or out, if the file says so.
    pub direction: Option<Direction>,
}

/// The head of a record, while its bytes are in the reader's buffer from `start` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) time: Time,
    pub(super) port: usize,
    pub(super) link: LinkType,
    pub(super) start: usize,
    pub(super) captured: usize,
    pub(super) wire_len: usize,
    pub(super) direction: Option<Direction>,
}

/// A capture file being read. Its memory does not grow with the file.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Classic(classic::File),
    Ng(ng::Section),
}

/// The bytes of a file, and how far they have been read.
#[derive(Debug)]
pub(super) struct Source<R> {
    input: R,
    pub(super) offset: u64,
    /// Where the present packet or block begins.
    begins: u64,
    pub(super) buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// If it is not a capture, or one of a kind that cannot be read.
    pub fn new(input: R) -> Result<Reader<R>, Problem> {
        let mut source = Source { input, offset: 0, begins: 0, buffer: Vec::new() };
        if !source.fill(4)? {
            return Err(Problem::new(0, "the file is empty", "was the capture written?"));
        }
        let magic = [source.buffer[0], source.buffer[1], source.buffer[2], source.buffer[3]];
        let format = match magic {
            [0x0a, 0x0d, 0x0d, 0x0a] => Format::Ng(ng::Section::begin(&mut source)?),
            _ => match classic::File::of(magic) {
                Some(kind) => Format::Classic(kind.begin(&mut source)?),
                None => return Err(stranger(magic)),
            },
        };
        Ok(Reader { source, format })
    }

    /// The next packet; none at the end of the file.
    ///
    /// # Errors
    /// Where the file goes wrong.
    #[expect(clippy::should_implement_trait, reason = "a packet lives until the next one is asked for")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        let (head, name) = match &mut self.format {
            Format::Classic(file) => (file.next(&mut self.source)?, None),
            Format::Ng(section) => {
                let head = section.next(&mut self.source)?;
                let name = head.and_then(|head| section.name(head.port));
                (head, name)
            }
        };
        Ok(head.map(|head| Record {
            time: head.time,
            port: head.port,
            name,
            link: head.link,
            bytes: &self.source.buffer[head.start..head.start + head.captured],
            wire_len: head.wire_len,
            direction: head.direction,
        }))
    }
}

impl<R: Read> Source<R> {
    /// Reads exactly `len` bytes, with which something new begins, into the buffer; false if the file is at its end.
    pub(super) fn fill(&mut self, len: usize) -> Result<bool, Problem> {
        self.buffer.clear();
        self.begins = self.offset;
        self.more(len).map(|got| got > 0 || len == 0)
    }

    /// Appends exactly `len` bytes to the buffer; how many, which is 0 at the end of the file.
    pub(super) fn more(&mut self, len: usize) -> Result<usize, Problem> {
        let start = self.buffer.len();
        self.buffer.resize(start + len, 0);
        let mut got = 0;
        while got < len {
            match self.input.read(&mut self.buffer[start + got..]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let help = "look at the disk, or copy the file again";
                    let problem = Problem::new(self.offset + got as u64, "cannot read on", help);
                    return Err(Problem { io: Some(error), ..problem });
                }
            }
        }
        if got != 0 && got < len {
            return Err(self.cut_off());
        }
        self.offset += got as u64;
        Ok(got)
    }

    /// The file ends too early.
    pub(super) fn cut_off(&self) -> Problem {
        Problem::new(
            self.begins,
            "the file ends in the middle of what begins here",
            "the capture was cut off, or is still being written; `editcap FILE WHOLE.pcapng` keeps what is whole",
        )
    }
}

/// A length that a file claims, if it can be believed.
pub(super) fn believable(offset: u64, len: u32) -> Result<usize, Problem> {
    if len > LONGEST {
        let what = format!("a packet or block of {len} bytes");
        let help = "the file is damaged here; `editcap FILE WHOLE.pcapng` keeps what comes before";
        return Err(Problem::new(offset, what, help));
    }
    Ok(len as usize)
}

/// The link type of this number, if it can be read.
pub(super) fn link_type(offset: u64, number: u32) -> Result<LinkType, Problem> {
    LinkType::from_number(number).ok_or_else(|| {
        let what = format!("packets of link type {number}");
        let help = "Ethernet (1), raw IP (101) and Linux cooked captures (113, 276) can be read: capture on an Ethernet \
                    interface or on `any`";
        Problem::new(offset, what, help)
    })
}

/// Not a capture; what it may be instead.
fn stranger(magic: [u8; 4]) -> Problem {
    let (what, help) = match magic {
        [0x1f, 0x8b, ..] => ("the file is compressed", "gunzip -c FILE | lvsim replay-pcap - …"),
        [0x28, 0xb5, 0x2f, 0xfd] => ("the file is compressed", "zstd -dc FILE | lvsim replay-pcap - …"),
        [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] => {
            ("an old dialect of pcap", "convert it: editcap FILE NEW.pcapng")
        }
        _ => (
            "neither a pcap nor a pcapng file",
            "write one with `tcpdump -w` or `lvsim run --pcap`, or convert it: editcap FILE NEW.pcapng",
        ),
    };
    Problem::new(0, what, help)
}

impl Endian {
    /// Two words of a time stamp, the high one first.
    pub(super) fn stamp(self, bytes: &[u8], at: usize) -> u64 {
        u64::from(self.u32(bytes, at)) << 32 | u64::from(self.u32(bytes, at + 4))
    }
}
