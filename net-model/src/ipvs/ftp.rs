//! The FTP helper (module `ip_vs_ftp`): data connections of masqueraded servers.
//!
//! FTP announces its data connections inside the control connection, on port 21. The helper reads along: the client's
//! PORT and EPRT, the server's 227 and 229 that answer PASV and EPSV. It creates the entry that the data connection will
//! find, and writes the service's address over the server's in a 227. That changes the length of the line, so from then
//! on the sequence numbers of the server and the acknowledgements of the client are shifted. Direct routing and tunnels
//! do without the helper: there a persistent service on port 21 takes the data connections too. What counts as a command
//! or an answer was tried on Linux 6.1, line by line.

use super::Director;
use super::connection::{NewConnection, Slot, Tuple, flag};
use super::mapping::Mapping;
use super::service::{FTP, FTP_DATA};
use super::tcp_state::{TIMEOUTS, state};
use crate::addr::{Addr, Family};
use crate::packet::{Flags, Packet, Payload, proto};
use rustc_hash::FxHashMap;
use sim_core::Time;
use std::ops::Range;

/// The helper and the control connections it listens to.
#[derive(Debug, Default)]
pub(super) struct Helper {
    is_loaded: bool,
    controls: FxHashMap<Slot, Control>,
}

/// What the helper knows of a control connection.
#[derive(Clone, Copy, Debug, Default)]
struct Control {
    /// The command whose answer it waits for: the last of PASV and EPSV, until it is answered.
    asked: Option<Passive>,
    shift: Shift,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Passive {
    Pasv,
    Epsv,
}

/// How far the client's view of the server's sequence numbers is off.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    /// The sequence number of the segment that was changed last, as the server counts.
    at: u32,
    /// The difference up to there, and behind it.
    before: u32,
    after: u32,
}

impl Helper {
    /// Does the helper listen to a new connection?
    #[inline]
    pub(super) fn helps(&self, tuple: &Tuple, flags: u32) -> bool {
        self.is_loaded
            && tuple.protocol == proto::TCP
            && tuple.dport == FTP
            && flags & flag::METHOD == flag::MASQUERADE
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.controls.remove(&slot);
    }
}

impl Shift {
    /// The segment at `at` grew by so many bytes (modulo 2^32).
    fn note(&mut self, at: u32, by: u32) {
        if by != 0 && (self.before == self.after || is_after(at, self.at)) {
            *self = Shift { at, before: self.after, after: self.after.wrapping_add(by) };
        }
    }

    /// The server's sequence number as the client counts.
    fn sequence(&self, seq: u32) -> u32 {
        seq.wrapping_add(if is_after(seq, self.at) { self.after } else { self.before })
    }

    /// The client's acknowledgement as the server counts.
    fn acknowledgement(&self, ack: u32) -> u32 {
        let behind = is_after(ack.wrapping_sub(self.before), self.at);
        ack.wrapping_sub(if behind { self.after } else { self.before })
    }
}

impl Director {
    /// `modprobe ip_vs_ftp`, `modprobe -r ip_vs_ftp`: whether new control connections get help.
    pub fn load_ftp_helper(&mut self, is_loaded: bool) {
        self.helper.is_loaded = is_loaded;
    }

    /// A client's segment on a control connection.
    pub(super) fn help_request(&mut self, now: Time, slot: Slot, packet: &mut Packet) {
        let family = packet.src.family();
        if self.connections.get(slot).state == state::ESTABLISHED {
            match Command::read(packet.text(), family) {
                Some(Command::Passive(passive)) => {
                    self.helper.controls.entry(slot).or_default().asked = Some(passive);
                }
                Some(Command::Active(client)) => {
                    let mapping = self.connections.mapping(self.connections.get(slot));
                    let (virtual_, real) = (mapping.virtual_.0, mapping.real.0);
                    self.expect_data(now, slot, client, (virtual_, FTP_DATA), (real, FTP_DATA), 0);
                }
                None => {}
            }
        }
        if let Payload::Tcp(segment) = &mut packet.payload
            && segment.flags.has(Flags::ACK)
            && let Some(control) = self.helper.controls.get(&slot)
        {
            segment.ack = control.shift.acknowledgement(segment.ack);
        }
    }

    /// A server's segment on a control connection, its addresses not yet translated.
    pub(super) fn help_reply(&mut self, now: Time, slot: Slot, packet: &mut Packet) {
        let Some(mut control) = self.helper.controls.get(&slot).copied() else { return };
        let Payload::Tcp(segment) = &packet.payload else { return };
        let seq = segment.seq;
        let connection = self.connections.get(slot);
        let mapping = self.connections.mapping(connection);
        let (client, virtual_, real) = (connection.client, mapping.virtual_.0, mapping.real.0);
        if let Some(asked) = control.asked.filter(|_| connection.state == state::ESTABLISHED)
            && let Some(answer) = Answer::read(packet.text(), asked)
        {
            let before = packet.text().len();
            if let Some(written) = &answer.written {
                packet.say(&rewritten(packet.text(), written.clone(), virtual_, answer.port));
            }
            control.shift.note(seq, (packet.text().len() as u32).wrapping_sub(before as u32));
            control.asked = None;
            let real = (answer.addr.unwrap_or(real), answer.port);
            let virtual_ = (virtual_, answer.port);
            self.expect_data(now, slot, (client, 0), virtual_, real, flag::NO_CLIENT_PORT);
            self.helper.controls.insert(slot, control);
        }
        if let Payload::Tcp(segment) = &mut packet.payload {
            segment.seq = control.shift.sequence(seq);
        }
    }

    /// Creates the entry of an expected data connection, under its control connection, unless there is one.
    fn expect_data(
        &mut self,
        now: Time,
        control: Slot,
        client: (Addr, u16),
        virtual_: (Addr, u16),
        real: (Addr, u16),
        unknown: u32,
    ) {
        let protocol = proto::TCP;
        let seen = Tuple { protocol, src: client.0, sport: client.1, dst: virtual_.0, dport: virtual_.1 };
        let mapping = *self.connections.mapping(self.connections.get(control));
        let Some(destination) = mapping.destination() else { return };
        if self.connections.find_request(&seen).is_some() {
            return;
        }
        let new = NewConnection {
            protocol,
            client,
            mapping: Mapping { virtual_, real, ..mapping },
            flags: flag::MASQUERADE | flag::INACTIVE | unknown,
            timeout: TIMEOUTS[usize::from(state::LISTEN)],
        };
        let slot = self.connections.insert(now, &new);
        self.bind(slot, destination);
        let data = self.connections.get_mut(slot);
        data.state = state::LISTEN;
        data.control = control;
        data.rearm(now, slot, &mut self.clock);
        self.connections.get_mut(control).controls += 1;
    }
}

/// What a client's segment asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Command {
    /// PASV, EPSV: the server shall listen.
    Passive(Passive),
    /// PORT, EPRT: the client listens there.
    Active((Addr, u16)),
}

impl Command {
    fn read(text: &[u8], family: Family) -> Option<Command> {
        let verb = text.split_at_checked(4);
        match verb.map(|(verb, rest)| (verb.to_ascii_uppercase(), rest)) {
            Some((verb, rest)) if verb == b"PORT" => {
                let ([a, b, c, d, p, q], _) = six_numbers(arguments(rest)?)?;
                let addr = Addr::v4(u32::from_be_bytes([a, b, c, d]));
                (family == Family::V4).then_some(Command::Active((addr, u16::from_be_bytes([p, q]))))
            }
            Some((verb, rest)) if verb == b"EPRT" => {
                let (announced, port) = extended(arguments(rest)?)?;
                let addr = announced.filter(|addr| addr.family() == family)?;
                Some(Command::Active((addr, port)))
            }
            _ => Passive::read(text, family).map(Command::Passive),
        }
    }
}

impl Passive {
    /// PASV is found anywhere, EPSV too; the number after EPSV is the family: 1 for IPv4, 2 for IPv6.
    fn read(text: &[u8], family: Family) -> Option<Passive> {
        let own_family: &[u8] = if family == Family::V4 { b"EPSV 1" } else { b"EPSV 2" };
        let says = |words: &[u8]| text.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words));
        if family == Family::V4 && says(b"PASV\r\n") {
            Some(Passive::Pasv)
        } else if says(b"EPSV\r\n") || says(own_family) {
            Some(Passive::Epsv)
        } else {
            None
        }
    }
}

/// Where a server listens, by its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Answer {
    addr: Option<Addr>,
    port: u16,
    /// Where address and port stand in a 227.
    written: Option<Range<usize>>,
}

impl Answer {
    fn read(text: &[u8], asked: Passive) -> Option<Answer> {
        match asked {
            Passive::Pasv => {
                let rest = text.strip_prefix(b"227 ")?;
                let start = text.len() - rest.len() + rest.iter().position(u8::is_ascii_digit)?;
                let ([a, b, c, d, p, q], len) = six_numbers(&text[start..])?;
                let addr = Addr::v4(u32::from_be_bytes([a, b, c, d]));
                let port = u16::from_be_bytes([p, q]);
                Some(Answer { addr: Some(addr), port, written: Some(start..start + len) })
            }
            Passive::Epsv => {
                let rest = text.strip_prefix(b"229 ")?;
                let open = rest.iter().position(|byte| *byte == b'(')?;
                let (addr, port) = extended(&rest[open + 1..])?;
                Some(Answer { addr, port, written: None })
            }
        }
    }
}

/// A 227 that names the service's address. An IPv6 address has no place in one.
fn rewritten(text: &[u8], written: Range<usize>, addr: Addr, port: u16) -> Vec<u8> {
    let ([a, b, c, d], [p, q]) = ((addr.to_bits() as u32).to_be_bytes(), port.to_be_bytes());
    let numbers = format!("{a},{b},{c},{d},{p},{q}");
    [&text[..written.start], numbers.as_bytes(), &text[written.end..]].concat()
}

/// What follows the blanks after a verb, of which there is at least one.
fn arguments(rest: &[u8]) -> Option<&[u8]> {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    (blanks > 0).then_some(&rest[blanks..])
}

/// `192,168,10,1,195,80`, with something behind it; and how long it is.
fn six_numbers(text: &[u8]) -> Option<([u8; 6], usize)> {
    let mut numbers = [0; 6];
    let mut rest = text;
    for (n, number) in numbers.iter_mut().enumerate() {
        if n > 0 {
            rest = rest.strip_prefix(b",")?;
        }
        (*number, rest) = decimal(rest)?;
    }
    (!rest.is_empty()).then_some((numbers, text.len() - rest.len()))
}

/// `|1|192.168.1.5|2001|`, or `|||2001|` without an address; any character may stand for the bar.
fn extended(text: &[u8]) -> Option<(Option<Addr>, u16)> {
    let (bar, rest) = text.split_first()?;
    let mut fields = rest.split(|byte| byte == bar);
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let (family, addr, port) = (field()?, field()?, field()?);
    let addr: Option<Addr> = match family {
        "" => addr.is_empty().then_some(None)?,
        "1" => Some(addr.parse().ok().filter(|addr: &Addr| addr.family() == Family::V4)?),
        "2" => Some(addr.parse().ok().filter(|addr: &Addr| addr.family() == Family::V6)?),
        _ => return None,
    };
    field()?; // the closing bar
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port != 0)?;
    Some((addr, port))
}

/// A number at the beginning, and the rest.
fn decimal<T: std::str::FromStr>(text: &[u8]) -> Option<(T, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// Does sequence number `a` come after `b` (modulo 2^32)?
fn is_after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Option<Command> {
        Command::read(text.as_bytes(), Family::V4)
    }

    fn active(text: &str) -> Option<String> {
        match client(text)? {
            Command::Active((addr, port)) => Some(format!("{addr} {port}")),
            Command::Passive(_) => None,
        }
    }

    fn answer(text: &str, asked: Passive) -> Option<String> {
        let answer = Answer::read(text.as_bytes(), asked)?;
        Some(match answer.addr {
            Some(addr) => format!("{addr} {}", answer.port),
            None => answer.port.to_string(),
        })
    }

    /// Each line was sent through a kernel's director (Linux 6.1).
    #[test]
    fn commands_that_a_kernel_takes() {
        for text in ["PASV\r\n", "pasv\r\n", " PASV\r\n", "XPASV\r\n", "NOOP\r\nPASV\r\n"] {
            assert_eq!(client(text), Some(Command::Passive(Passive::Pasv)), "{text:?}");
        }
        for text in ["EPSV\r\n", "epsv\r\n", "EPSV 1\r\n"] {
            assert_eq!(client(text), Some(Command::Passive(Passive::Epsv)), "{text:?}");
        }
        for end in ["\r\n", "\n", "\r", " x\r\n"] {
            let text = format!("PORT 192,168,1,5,7,208{end}");
            assert_eq!(active(&text).as_deref(), Some("192.168.1.5 2000"), "{text:?}");
        }
        for verb in ["port ", "PORT  ", "PORT\t"] {
            let text = format!("{verb}192,168,1,5,0,0\r\n");
            assert_eq!(active(&text).as_deref(), Some("192.168.1.5 0"), "{text:?}");
        }
        for text in ["EPRT |1|192.168.1.5|2001|\r\n", "eprt  !1!192.168.1.5!2001!"] {
            assert_eq!(active(text).as_deref(), Some("192.168.1.5 2001"), "{text:?}");
        }
    }

    #[test]
    fn commands_that_a_kernel_passes_by() {
        for text in [
            "PASV",
            "PASV\n",
            "PASV\r",
            "PASV x\r\n",
            "EPSV\n",
            "EPSV \r\n",
            "EPSV  1\r\n",
            "EPSV 2\r\n",
            "EPSV ALL\r\n",
            "PORT 192,168,1,5,7,208",
            "PORT 192,168,1,5,7\r\n",
            "PORT 192,168,1,5,7,300\r\n",
            "PORT 192, 168,1,5,7,208\r\n",
            " PORT 192,168,1,5,7,208\r\n",
            "NOOP\r\nPORT 192,168,1,5,7,208\r\n",
            "EPRT|1|192.168.1.5|2001|\r\n",
            "EPRT |2|192.168.1.5|2001|\r\n",
            "EPRT |1|192.168.1.5|0|\r\n",
            "EPRT |1|192.168.1.5|2001\r\n",
            "NOOP\r\nEPRT |1|192.168.1.5|2001|\r\n",
            "",
        ] {
            assert_eq!(client(text), None, "{text:?}");
        }
    }

    #[test]
    fn answers_that_a_kernel_takes() {
        for text in [
            "227 Entering Passive Mode (192,168,10,1,195,80).\r\n",
            "227 (192,168,10,1,195,80)\r\n",
            "227 Entering Passive Mode 192,168,10,1,195,80\r\n",
            "227 =192,168,10,1,195,80\r\n",
            "227 E (192,168,10,1,195,80,3)\r\n",
            "227 E (192,168,10,1,195,80)",
        ] {
            assert_eq!(answer(text, Passive::Pasv).as_deref(), Some("192.168.10.1 50000"), "{text:?}");
        }
        assert_eq!(answer("229 E (|||50001|)\r\n", Passive::Epsv).as_deref(), Some("50001"));
        assert_eq!(answer("229 E (!!!50001!)\r\n", Passive::Epsv).as_deref(), Some("50001"));
        let own = answer("229 E (|1|192.168.10.1|50001|)\r\n", Passive::Epsv);
        assert_eq!(own.as_deref(), Some("192.168.10.1 50001"));
    }

    #[test]
    fn answers_that_a_kernel_passes_by() {
        for text in [
            "220-x\r\n227 E (192,168,10,1,195,81)\r\n",
            " 227 E (192,168,10,1,195,81)\r\n",
            "227-E (192,168,10,1,195,82)\r\n",
            "227\tE (192,168,10,1,195,82)\r\n",
            "227 Mode2 (192,168,10,1,195,93)\r\n",
            "227 E (192,168,10,1,195)\r\n",
            "227 E (192,168,10,1,300,96)\r\n",
            "227 E (192, 168,10,1,195,73)\r\n",
            "228 E (192,168,10,1,195,95)\r\n",
            "229 E (|||50003|)\r\n",
        ] {
            assert_eq!(answer(text, Passive::Pasv), None, "{text:?}");
        }
        for text in [
            "229 E |||50006|\r\n",
            "229 E (x) (|||50007|)\r\n",
            "229 E (|||70000|)\r\n",
            "229 E (|||50109)\r\n",
            "229 E (|!|50110|)\r\n",
            "229 E (|1||50111|)\r\n",
            "229-E (|||50107|)\r\n",
            "227 E (192,168,10,1,195,80)\r\n",
        ] {
            assert_eq!(answer(text, Passive::Epsv), None, "{text:?}");
        }
    }

    /// Two lines lost two bytes each, at 5012 and 5070; recorded from Linux 6.1. A repetition of a changed line keeps
    /// the place it had.
    #[test]
    fn sequence_numbers_shift_behind_each_changed_line() {
        let mut shift = Shift::default();
        shift.note(5012, 2u32.wrapping_neg());
        assert_eq!((shift.sequence(5012), shift.sequence(5062)), (5012, 5060));
        assert_eq!((shift.acknowledgement(5012), shift.acknowledgement(5060)), (5012, 5062));
        shift.note(5070, 2u32.wrapping_neg());
        assert_eq!((shift.sequence(5070), shift.sequence(5120)), (5068, 5116));
        assert_eq!((shift.acknowledgement(5068), shift.acknowledgement(5116)), (5070, 5120));
    }
}
