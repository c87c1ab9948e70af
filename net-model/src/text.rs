//! What a few packets say beside their headers: words that a director reads (SIP messages, the lines of an FTP control
//! connection), and which data a TCP segment acknowledges out of order. Ordinary packets have none of it, only a length.

use crate::packet::{Packet, Payload};

/// What a TCP segment or UDP datagram says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text {
    bytes: Vec<u8>,
    selective: Vec<Block>,
}

/// Sequence numbers from the first to before the second (RFC 2018).
pub type Block = (u32, u32);

/// A TCP header has room for so many blocks beside timestamps.
pub const BLOCKS: usize = 3;

impl Packet {
    /// The bytes it carries, as far as they are modelled: empty for an ordinary packet, whatever its length.
    #[inline]
    pub fn text(&self) -> &[u8] {
        self.text.as_deref().map_or(&[], |text| &text.bytes)
    }

    /// It carries these bytes, which its length counts already.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.text.get_or_insert_default().bytes = bytes.to_vec();
        }
    }

    /// Puts these bytes in place of those it carries; the length of the packet follows. A packet without text gets
    /// longer by all of them.
    ///
    /// # Panics
    /// If the packet would be longer than 65,535 bytes.
    pub fn say(&mut self, bytes: &[u8]) {
        let before = self.text().len();
        let fits = "a packet has at most 65,535 bytes";
        self.len = u16::try_from(usize::from(self.len) - before + bytes.len()).expect(fits);
        if let Payload::Tcp(segment) = &mut self.payload {
            segment.len = u16::try_from(usize::from(segment.len) - before + bytes.len()).expect(fits);
        }
        self.text.get_or_insert_default().bytes = bytes.to_vec();
    }

    /// The data that a TCP segment acknowledges out of order. In the first block may stand data that came twice
    /// (RFC 2883).
    pub fn selective(&self) -> &[Block] {
        self.text.as_deref().map_or(&[], |text| &text.selective)
    }

    /// A TCP segment whose header has room for them acknowledges these blocks.
    pub(crate) fn note_selective(&mut self, blocks: Vec<Block>) {
        if !blocks.is_empty() {
            self.text.get_or_insert_default().selective = blocks;
        }
    }

    /// A TCP segment acknowledges these blocks, at most [`BLOCKS`]; header and packet get longer by the option.
    ///
    /// # Panics
    /// If it is no TCP segment, or the blocks are none or too many.
    pub fn acknowledge_selectively(&mut self, blocks: &[Block]) {
        let Payload::Tcp(segment) = &mut self.payload else { panic!("only TCP acknowledges selectively") };
        assert!(
            (1..=BLOCKS).contains(&blocks.len()),
            "one block at least, and no more than there is room for"
        );
        let option = 4 + 8 * blocks.len() as u8;
        segment.header += option;
        self.len += u16::from(option);
        self.text.get_or_insert_default().selective = blocks.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;
    use crate::packet::{Packet, Payload, Segment};

    #[test]
    fn a_packet_is_as_long_as_what_it_says() {
        let mut packet = Packet {
            src: Addr::v4(1),
            dst: Addr::v4(2),
            mark: 0,
            flow: 0,
            len: 40,
            id: 0,
            fragment_offset: 0,
            more_fragments: false,
            df: true,
            ttl: 64,
            tos: 0,
            payload: Payload::Tcp(Segment::default()),
            outer: None,
            text: None,
        };
        assert_eq!(packet.text(), b"");
        for line in ["PASV\r\n", "227 Entering Passive Mode (10,0,0,1,4,1)\r\n", ""] {
            packet.say(line.as_bytes());
            let Payload::Tcp(segment) = &packet.payload else { unreachable!("it was made of a segment") };
            assert_eq!((packet.text(), usize::from(segment.len)), (line.as_bytes(), line.len()));
            assert_eq!(usize::from(packet.len), 40 + line.len());
        }
    }
}
