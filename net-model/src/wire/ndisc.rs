//! Neighbour discovery as bytes: an ICMPv6 message with at most one option.

use super::{Unreadable, u8_at, u32_at};
use crate::addr::{Addr, Mac};
use crate::packet::{Ndisc, NdiscFlags, NdiscKind};

/// Where the options begin.
const OPTIONS: usize = 24;
/// Options by their types: link address of the sender, of the target, and the number of a probe.
const SOURCE: u8 = 1;
const TARGET: u8 = 2;
const NONCE: u8 = 14;

/// Appends a message without its checksum.
pub(super) fn encode(message: &Ndisc, out: &mut Vec<u8>) {
    out.extend([message.icmp_type(), 0, 0, 0, message.flags.0, 0, 0, 0]);
    out.extend(message.target.to_bits().to_be_bytes());
    let kind = match message.kind {
        NdiscKind::Solicitation => SOURCE,
        NdiscKind::Probe => NONCE,
        NdiscKind::Advertisement => TARGET,
    };
    let option = message.link_address().map(Mac::to_bits).or(message.probe_number().filter(|n| *n != 0));
    if let Some(bits) = option {
        out.extend([kind, 1]);
        out.extend(&bits.to_be_bytes()[2..]);
    }
}

/// Is this ICMPv6 message a solicitation or an advertisement?
pub(super) fn is_message(body: &[u8]) -> bool {
    matches!(body.first(), Some(135 | 136)) && body.get(1) == Some(&0) && body.len() >= OPTIONS
}

/// Reads a message; of its options the one that the model knows.
pub(super) fn decode(body: &[u8], src: Addr) -> Result<Ndisc, Unreadable> {
    let bits = (0..4).try_fold(0, |bits, word| Ok(bits << 32 | u128::from(u32_at(body, 8 + word * 4)?)))?;
    let target = Addr::v6(bits);
    let option = |wanted: u8| {
        let mut options = body.get(OPTIONS..).unwrap_or_default();
        while let [kind, units, rest @ ..] = options
            && *units > 0
        {
            if *kind == wanted && *units == 1 && rest.len() >= 6 {
                return Some(rest[..6].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)));
            }
            options = options.get(usize::from(*units) * 8..).unwrap_or_default();
        }
        None
    };
    Ok(match u8_at(body, 0)? {
        135 if src.is_unspecified() => Ndisc::probe(target, option(NONCE).unwrap_or(0)),
        135 => Ndisc::solicitation(target, option(SOURCE).map(Mac::from_bits)),
        _ => {
            let flags = NdiscFlags(u8_at(body, 4)? & 0xe0);
            Ndisc::advertisement(target, flags, option(TARGET).map(Mac::from_bits))
        }
    })
}
