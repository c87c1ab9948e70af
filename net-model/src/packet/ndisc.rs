//! Neighbour discovery (RFC 4861): what IPv6 has instead of ARP.
//!
//! A solicitation asks a group of (almost always) one member who has an address; the advertisement answers. A probe is
//! the solicitation of a host that wants an address for itself and asks whether somebody else has it already
//! (RFC 4862), with a random number to know its own question by (RFC 7527). All three are ICMPv6.

use crate::addr::{Addr, Mac};

/// Who has an address, and at which link address: a solicitation or an advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)] // no larger than a TCP segment
pub struct Ndisc {
    /// The address in question.
    pub target: Addr,
    /// The option: a link address, or a probe's number. Zero for none.
    option: [u8; 6],
    /// What an advertisement says about itself.
    pub flags: NdiscFlags,
    /// Question or answer.
    pub kind: NdiscKind,
}

/// What kind of message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum NdiscKind {
    /// Type 135: who has the target?
    Solicitation,
    /// Type 135 from nobody: does anybody have the target that I am about to take?
    Probe,
    /// Type 136: the target is here.
    Advertisement,
}

/// The flags of an advertisement, as they stand in its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NdiscFlags(pub u8);

impl NdiscFlags {
    /// The sender forwards packets.
    pub const ROUTER: NdiscFlags = NdiscFlags(0x80);
    /// It answers a question of the receiver: proof that packets get there and back.
    pub const SOLICITED: NdiscFlags = NdiscFlags(0x40);
    /// Its link address replaces whatever was known.
    pub const OVERRIDE: NdiscFlags = NdiscFlags(0x20);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: NdiscFlags) -> NdiscFlags {
        NdiscFlags(self.0 | other.0)
    }

    /// The flags if `condition` holds, else none.
    #[must_use]
    pub const fn when(self, condition: bool) -> NdiscFlags {
        if condition { self } else { NdiscFlags(0) }
    }

    /// Is any of `other`'s flags set?
    pub const fn has(self, other: NdiscFlags) -> bool {
        self.0 & other.0 != 0
    }
}

impl Ndisc {
    /// Who has `target`? The asker is at `from`.
    pub const fn solicitation(target: Addr, from: Option<Mac>) -> Ndisc {
        let option = option(from);
        Ndisc { target, option, flags: NdiscFlags(0), kind: NdiscKind::Solicitation }
    }

    /// Does anybody have `target`? The question is known by `number`, of which 48 bits count.
    pub const fn probe(target: Addr, number: u64) -> Ndisc {
        let option = option(Some(Mac::from_bits(number)));
        Ndisc { target, option, flags: NdiscFlags(0), kind: NdiscKind::Probe }
    }

    /// `target` is at `at`; an answer to a question that came to the link address itself need not say where.
    pub const fn advertisement(target: Addr, flags: NdiscFlags, at: Option<Mac>) -> Ndisc {
        Ndisc { target, option: option(at), flags, kind: NdiscKind::Advertisement }
    }

    /// The link address of the asker or of the target.
    pub fn link_address(&self) -> Option<Mac> {
        let is_given = self.kind != NdiscKind::Probe && self.option != [0; 6];
        is_given.then(|| Mac::from_bits(self.option_bits()))
    }

    /// The number of a probe; 0 for one without.
    pub fn probe_number(&self) -> Option<u64> {
        (self.kind == NdiscKind::Probe).then(|| self.option_bits())
    }

    /// The type of the ICMPv6 message.
    pub const fn icmp_type(&self) -> u8 {
        match self.kind {
            NdiscKind::Solicitation | NdiscKind::Probe => 135,
            NdiscKind::Advertisement => 136,
        }
    }

    /// The bytes of the ICMPv6 message: header, target, and the option if there is one.
    pub fn bytes(&self) -> u16 {
        if self.option == [0; 6] { 24 } else { 32 }
    }

    fn option_bits(&self) -> u64 {
        self.option.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

const fn option(mac: Option<Mac>) -> [u8; 6] {
    match mac {
        None => [0; 6],
        Some(mac) => {
            let [_, _, option @ ..] = mac.to_bits().to_be_bytes();
            option
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Payload, Segment};

    #[test]
    fn an_option_takes_eight_bytes() {
        let (target, mac) = (Addr::v6(1), Mac::from_bits(0x0200_0000_0011));
        let bare = Ndisc::advertisement(target, NdiscFlags::SOLICITED, None);
        assert_eq!((bare.bytes(), bare.link_address(), bare.icmp_type()), (24, None, 136));
        let asking = Ndisc::solicitation(target, Some(mac));
        assert_eq!((asking.bytes(), asking.link_address(), asking.icmp_type()), (32, Some(mac), 135));
        let probe = Ndisc::probe(target, 0x1234_5678_9abc);
        assert_eq!((probe.link_address(), probe.probe_number()), (None, Some(0x1234_5678_9abc)));
    }

    /// Frames are copied whole: a rare kind of message must not make them larger.
    #[test]
    fn packets_do_not_grow() {
        assert_eq!(size_of::<Ndisc>(), 24);
        assert_eq!(size_of::<Payload>(), 24);
        assert!(size_of::<Segment>() <= size_of::<Ndisc>());
    }
}
