//! What the guest says and the host hears: frames with a length and a checksum, so that nothing broken is believed.
//!
//! A frame is its kind (one byte), its length and the CRC-32 of its contents (four bytes each, little end first), and its
//! contents. The last frame is an empty one of kind `End`.

use std::io::{Read, Write};

/// What a frame contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The transcript, as JSON.
    Transcript,
    /// Why the job could not be done, as text.
    Failed,
    /// A capture; they come in the order of the taps, before the transcript.
    Capture,
    /// Nothing comes any more.
    End,
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side stopped in the middle.
    #[error("the answer ends early")]
    Short,
    /// The contents are not what was sent.
    #[error("the answer is damaged: its checksum is wrong")]
    Damaged,
    /// No such kind.
    #[error("the answer has a part of unknown kind {0}")]
    Unknown(u8),
}

/// The guest's end.
pub struct Sender<W> {
    out: W,
}

impl<W: Write> Sender<W> {
    /// Frames go to `out`.
    pub fn new(out: W) -> Sender<W> {
        Sender { out }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn send(&mut self, kind: Kind, contents: &[u8]) -> std::io::Result<()> {
        let mut head = [0; 9];
        head[0] = kind.number();
        let len = u32::try_from(contents.len()).expect("frames are smaller than 4 GB");
        head[1..5].copy_from_slice(&len.to_le_bytes());
        head[5..9].copy_from_slice(&crc32fast::hash(contents).to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(contents)
    }

    /// Sends the last frame.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(&mut self) -> std::io::Result<()> {
        self.send(Kind::End, &[])?;
        self.out.flush()
    }
}

/// Reads all frames up to the last one.
///
/// # Errors
/// See [`ChannelError`].
pub fn receive(mut input: impl Read) -> Result<Vec<(Kind, Vec<u8>)>, ChannelError> {
    let mut frames = Vec::new();
    loop {
        let mut head = [0; 9];
        input.read_exact(&mut head).map_err(|_| ChannelError::Short)?;
        let kind = Kind::from_number(head[0]).ok_or(ChannelError::Unknown(head[0]))?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut contents = Vec::new();
        let read = input.by_ref().take(u64::from(number(1))).read_to_end(&mut contents);
        if read.ok() != Some(number(1) as usize) {
            return Err(ChannelError::Short);
        }
        if crc32fast::hash(&contents) != number(5) {
            return Err(ChannelError::Damaged);
        }
        if kind == Kind::End {
            return Ok(frames);
        }
        frames.push((kind, contents));
    }
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Kind::Transcript => 1,
            Kind::Failed => 2,
            Kind::Capture => 3,
            Kind::End => 4,
        }
    }

    fn from_number(number: u8) -> Option<Kind> {
        [Kind::Transcript, Kind::Failed, Kind::Capture, Kind::End]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(frames: &[(Kind, Vec<u8>)]) -> Vec<u8> {
        let mut sender = Sender::new(Vec::new());
        frames.iter().for_each(|(kind, contents)| sender.send(*kind, contents).unwrap());
        sender.finish().unwrap();
        sender.out
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(contents in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frames = vec![(Kind::Transcript, contents.clone()), (Kind::Capture, contents)];
            prop_assert_eq!(receive(&sent(&frames)[..]).unwrap(), frames);
        }

        #[test]
        fn nothing_broken_is_believed(at in 9_usize..40, bit in 0_u8..8) {
            let mut bytes = sent(&[(Kind::Transcript, vec![7; 31])]);
            bytes[at] ^= 1 << bit;
            prop_assert!(matches!(receive(&bytes[..]), Err(ChannelError::Damaged)));
        }

        #[test]
        fn a_short_answer_is_noticed(len in 0_usize..49) {
            let bytes = sent(&[(Kind::Transcript, vec![7; 31])]);
            prop_assert!(matches!(receive(&bytes[..len]), Err(ChannelError::Short)));
        }
    }
}
