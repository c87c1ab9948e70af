//! The words inside a packet, for the few packets whose words a director reads: SIP messages, and the lines of an FTP
//! control connection. Ordinary packets have none, only a length.

use crate::packet::{Packet, Payload};

/// Bytes that a TCP segment or UDP datagram carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    bytes: Vec<u8>,
}

impl Packet {
    /// The bytes it carries, as far as they are modelled: empty for an ordinary packet, whatever its length.
    #[inline]
    pub fn text(&self) -> &[u8] {
        self.text.as_deref().map_or(&[], |text| &text.bytes)
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
        self.text = Some(Box::new(Text { bytes: bytes.to_vec() }));
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
