//! The persistence engine `sip` (`ipvsadm -p --pe sip`, module `ip_vs_pe_sip`): a call stays with its server.
//!
//! The template of a datagram's client network is completed by the Call-ID that the datagram says: each call has a
//! template of its own. What says none is dropped when it would have to be scheduled, and so is everything but UDP. And
//! where a service has the engine, its masqueraded servers may speak first: their datagrams open connections too. All of
//! it was tried on Linux 6.1.

use super::Director;
use super::config::{Protocol, ServiceKey};
use super::connection::{Slot, Tuple, flag};
use super::director::Hook;
use super::persistence::TemplateKey;
use super::scheduling::Applicant;
use super::service::ServiceId;
use crate::packet::{Packet, proto};
use rustc_hash::FxHashMap;
use schedulers::DestinationId;
use sim_core::Time;
use std::sync::Arc;

/// What names a call: the value of a Call-ID header.
pub(super) type CallId = Arc<str>;

/// A longer Call-ID is as good as none, in bytes.
const LONGEST: usize = 255;

/// The templates that are bound to a call.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Has there ever been a service with the engine?
    pub(super) in_use: bool,
    templates: FxHashMap<TemplateKey, Slot>,
    names: FxHashMap<Slot, TemplateKey>,
}

impl Calls {
    /// A service got this engine.
    pub(super) fn note_engine(&mut self, engine: Option<&str>) {
        self.in_use |= engine.is_some();
    }

    /// The template of a call.
    pub(super) fn find(&self, key: &TemplateKey) -> Option<Slot> {
        self.templates.get(key).copied()
    }

    /// A call has a template now.
    pub(super) fn bind(&mut self, key: TemplateKey, template: Slot) {
        self.templates.insert(key.clone(), template);
        self.names.insert(template, key);
    }

    /// A template of a call will not be found any more; it keeps its name while it lasts.
    pub(super) fn give_up(&mut self, template: Slot) {
        if let Some(key) = self.names.get(&template)
            && self.templates.get(key) == Some(&template)
        {
            self.templates.remove(key);
        }
    }

    /// A template is gone.
    pub(super) fn forget(&mut self, template: Slot) {
        self.give_up(template);
        self.names.remove(&template);
    }

    /// The call that a template is for.
    pub(super) fn name(&self, template: Slot) -> Option<&CallId> {
        self.names.get(&template)?.call.as_ref()
    }

    /// Bytes of heap memory, roughly.
    pub(super) fn memory(&self) -> usize {
        let named: usize = self.names.values().filter_map(|key| key.call.as_ref()).map(|id| id.len()).sum();
        self.templates.capacity() * size_of::<(TemplateKey, Slot)>()
            + self.names.capacity() * size_of::<(Slot, TemplateKey)>()
            + named
    }
}

impl Director {
    /// A masqueraded server speaks to a client that has no connection with it: if the server's service has the engine,
    /// there is one from now on.
    pub(super) fn originate(&mut self, now: Time, packet: &Packet, tuple: &Tuple) -> Option<Slot> {
        if !self.calls.in_use || tuple.protocol != proto::UDP {
            return None;
        }
        let (id, destination) = self.speaker(tuple)?;
        let service = self.services.get(id)?;
        let (ServiceKey::Address { addr, port, .. }, persistent) = (service.key, service.config.persistence)
        else {
            return None;
        };
        let seen =
            Tuple { protocol: tuple.protocol, src: tuple.dst, sport: tuple.dport, dst: addr, dport: port };
        let applicant = Applicant::of(packet, seen, Hook::Forward);
        let template = match persistent {
            None => None,
            Some(_) => Some(self.template_of_speaker(now, &applicant, id, destination)?),
        };
        let slot = self.create(now, &applicant, id, destination, tuple.sport);
        if let Some(template) = template {
            self.hang(now, slot, template);
        }
        Some(slot)
    }

    /// The template of the call that a server speaks of: the one there is if it leads to this server, otherwise a new
    /// one.
    fn template_of_speaker(
        &mut self,
        now: Time,
        applicant: &Applicant,
        service: ServiceId,
        destination: DestinationId,
    ) -> Option<Slot> {
        let wanted = self.template_key(applicant, service)?;
        if let Some(template) = self.valid_template(&wanted.key) {
            if self.connections.mapping(self.connections.get(template)).destination == destination {
                return Some(template);
            }
            self.give_up(template);
        }
        Some(self.create_template(now, wanted, applicant.mark, destination))
    }

    /// The masqueraded server that a datagram comes from, and its service with the engine; the newest service wins.
    fn speaker(&self, tuple: &Tuple) -> Option<(ServiceId, DestinationId)> {
        let speaks = |id: &DestinationId| {
            let record = self.destinations.get(*id);
            let key = record.key;
            (key.addr, key.port) == (tuple.src, tuple.sport)
                && record.flags() & flag::METHOD == flag::MASQUERADE
        };
        let with_engine = self.services.iter().filter(|(_, service)| {
            service.config.engine.is_some()
                && service.port() != 0
                && matches!(service.key, ServiceKey::Address { protocol: Protocol::Udp, .. })
        });
        let found =
            with_engine.filter_map(|(id, service)| Some((id, *service.order.iter().find(|d| speaks(d))?)));
        found.last()
    }
}

/// The value of the Call-ID header (compact form `i`) of a SIP message, if it has a proper one: RFC 3261's
/// `word ["@" word]`, up to the end of its line. The first header of the name decides.
pub(super) fn call_id(message: &[u8]) -> Option<&str> {
    let lines = (1..message.len()).filter(|at| matches!(message[at - 1], b'\r' | b'\n'));
    let value = lines.map(|at| &message[at..]).find_map(after_name)?;
    let value = after_blanks(after_blanks(value).strip_prefix(b":")?);
    let len = value.iter().position(|byte| !is_word(*byte) && *byte != b'@')?;
    let (id, rest) = value.split_at(len);
    let mut words = id.split(|byte| *byte == b'@');
    let proper = words.by_ref().take(2).all(|word| !word.is_empty()) && words.next().is_none();
    let ends = matches!(rest.first(), Some(b'\r' | b'\n'));
    if proper && ends && len <= LONGEST { std::str::from_utf8(id).ok() } else { None }
}

/// What follows the header's name, at the beginning of a line. The compact name must not be the beginning of another.
fn after_name(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"call-id";
    match line.split_at_checked(NAME.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(NAME) => Some(rest),
        _ => match line {
            [b'i' | b'I', next, ..] if !next.is_ascii_alphabetic() => Some(&line[1..]),
            _ => None,
        },
    }
}

/// Behind blanks, also those of a folded line: a line that begins with a blank continues the one before it.
fn after_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b' ' | b'\t', rest @ ..] => rest,
            [b'\r', b'\n', b' ' | b'\t', ..] => &text[2..],
            [b'\r' | b'\n', b' ' | b'\t', ..] => &text[1..],
            _ => return text,
        }
    }
}

/// RFC 3261, `word`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~()<>:\\\"/[]?{}".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::call_id;

    fn check(header: &str, expected: Option<&str>) {
        let message = format!("INVITE sip:x SIP/2.0\r\n{header}");
        assert_eq!(call_id(message.as_bytes()), expected, "{header:?}");
    }

    /// Each line was sent to a kernel's service with the engine (Linux 6.1).
    #[test]
    fn what_a_kernel_takes_for_a_call_id() {
        check("Call-ID: one@h\r\n", Some("one@h"));
        check("CALL-ID: upper@h\r\n", Some("upper@h"));
        check("Call-ID : spaced@h\r\n", Some("spaced@h"));
        check("Call-ID:nospace@h\r\n", Some("nospace@h"));
        check("Call-ID:\t  tabs@h\r\n", Some("tabs@h"));
        check("i: compact@h\r\n", Some("compact@h"));
        check("I : compact@h\r\n", Some("compact@h"));
        check("Call-ID: noat\r\n", Some("noat"));
        check("Call-ID: cr@h\r", Some("cr@h"));
        check("Call-ID: lf@h\n", Some("lf@h"));
        check("Call-ID:\r\n folded@h\r\n", Some("folded@h"));
        check("Via: a\r\n\r\nCall-ID: body@h\r\n", Some("body@h"));
        check("Call-ID: a@h\r\nCall-ID: b@h\r\n", Some("a@h"));
    }

    #[test]
    fn what_a_kernel_does_not_take_for_one() {
        for header in [
            "",
            "Via: x\r\n",
            "Call-ID: noend@h",
            "Call-ID: \r\n",
            "Call-ID: trailing@h \r\n",
            "Call-ID: with space@h\r\n",
            "Call-ID: a@b@c\r\n",
            "Call-ID: @x\r\n",
            "Call-ID: x@\r\n",
            "Call-ID: end@h;tag=1\r\n",
            "Call-ID: a\u{f6}b\r\n",
            "Call-ID nocolon@h\r\n",
            "Call-ID:\r\nnext@h\r\n",
            "X-Call-ID: x@h\r\n",
            "it: x@h\r\n",
            "Subject: a\r\n Call-ID: folded@h\r\n",
            // The first header that has the name decides, be it none.
            "Call-IDx: x\r\nCall-ID: after@h\r\n",
            "Call-ID: bad,\r\nCall-ID: second@h\r\n",
            "i1: x@h\r\ni: second@h\r\n",
        ] {
            check(header, None);
        }
        assert_eq!(call_id(b"Call-ID: first@h\r\n"), None, "the first line of a message is no header");
        assert_eq!(call_id(b"\r\nCall-ID: first@h\r\n"), Some("first@h"));
    }

    #[test]
    fn a_call_id_has_255_bytes_at_most() {
        let long = "a".repeat(255);
        check(&format!("Call-ID: {long}\r\n"), Some(&long));
        check(&format!("Call-ID: {long}a\r\n"), None);
    }
}
