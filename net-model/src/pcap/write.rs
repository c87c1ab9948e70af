//! Writing pcapng: one section, its interfaces, the names of addresses, then packets.

use crate::addr::Addr;
use crate::capture::Direction;
use crate::wire::LinkType;
use sim_core::Time;
use std::io::{self, Write};

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const ENHANCED_PACKET: u32 = 6;

/// An interface at which packets were captured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// `director.eth0`
    pub name: String,
    /// What its packets begin with.
    pub link: LinkType,
}

/// The name of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The address.
    pub addr: Addr,
    /// Its name.
    pub name: String,
}

/// A packet and what is known about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketBlock<'a> {
    /// Index of the interface.
    pub port: u32,
    /// When; the file counts it from 1970.
    pub time: Time,
    /// Its bytes, from the link header on.
    pub bytes: &'a [u8],
    /// In or out.
    pub direction: Direction,
    /// Whom the frame was for, by its link address.
    pub reception: Reception,
    /// A comment of any length that 64 KiB hold.
    pub comment: Option<&'a str>,
}

/// Whom a received frame was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reception {
    /// Not said.
    Unknown = 0,
    /// This host.
    Unicast = 1,
    /// A group.
    Multicast = 2,
    /// Everybody.
    Broadcast = 3,
    /// Somebody else.
    Promiscuous = 4,
}

/// A pcapng file being written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file: `application` and a comment about the whole, its interfaces, and names for addresses.
    ///
    /// # Errors
    /// What `out` refuses.
    pub fn new(
        out: W,
        application: &str,
        about: &str,
        ports: &[Port],
        names: &[Name],
    ) -> io::Result<Writer<W>> {
        let mut writer = Writer { out, block: Vec::new() };
        writer.begin(SECTION);
        writer.u32(0x1a2b_3c4d);
        writer.u16(1);
        writer.u16(0);
        writer.block.extend([0xff; 8]); // the section's length is not said
        writer.option(1, about.as_bytes());
        writer.option(4, application.as_bytes());
        writer.end_options();
        writer.end()?;
        for port in ports {
            writer.port(port)?;
        }
        if !names.is_empty() {
            writer.names(names)?;
        }
        Ok(writer)
    }

    fn port(&mut self, port: &Port) -> io::Result<()> {
        self.begin(INTERFACE);
        self.u16(port.link.number());
        self.u16(0);
        self.u32(0); // no snapshot length
        self.option(2, port.name.as_bytes());
        self.option(9, &[9]); // nanoseconds
        self.end_options();
        self.end()
    }

    fn names(&mut self, names: &[Name]) -> io::Result<()> {
        self.begin(NAMES);
        for Name { addr, name } in names {
            let (kind, mut value) = match addr.to_v4_bits() {
                Some(bits) => (1, bits.to_be_bytes().to_vec()),
                None => (2, addr.to_bits().to_be_bytes().to_vec()),
            };
            value.extend(name.as_bytes());
            value.push(0);
            self.option(kind, &value);
        }
        self.end_options();
        self.end()
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// What the output refuses.
    pub fn packet(&mut self, packet: &PacketBlock<'_>) -> io::Result<()> {
        let (ns, len) = (packet.time.as_nanos(), packet.bytes.len() as u32);
        self.begin(ENHANCED_PACKET);
        self.u32(packet.port);
        self.u32((ns >> 32) as u32);
        self.u32(ns as u32);
        self.u32(len);
        self.u32(len);
        self.block.extend(packet.bytes);
        self.pad();
        let direction = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        self.option(2, &(direction | (packet.reception as u32) << 2).to_le_bytes());
        if let Some(comment) = packet.comment {
            self.option(1, comment.as_bytes());
        }
        self.end_options();
        self.end()
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the output refuses.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        self.u32(0); // the length comes at the end
    }

    fn end(&mut self) -> io::Result<()> {
        let len = self.block.len() as u32 + 4;
        self.block[4..8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
        self.out.write_all(&self.block)
    }

    /// An option; text that is too long for one is cut.
    fn option(&mut self, kind: u16, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.u16(kind);
        self.u16(value.len() as u16);
        self.block.extend(value);
        self.pad();
    }

    fn end_options(&mut self) {
        self.u32(0);
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend(value.to_le_bytes());
    }
}
