//! How listings write addresses, ports and services.

use super::super::names::Names;
use net_model::addr::{Addr, Family};
use net_model::ipvs::{Protocol, ServiceKey};
use std::net::Ipv6Addr;

/// Address and port together are cut at this many characters, before any column is.
const ENDPOINT_LENGTH: usize = 59;

/// Figures, or names from these tables.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    pub(super) numeric: bool,
    pub(super) names: &'a Names,
}

impl Style<'_> {
    /// `10.0.0.1:80`, `[2001:db8::1]:443`, `www.example.com:http`; without a protocol the port is in figures.
    pub(super) fn endpoint(self, addr: Addr, port: u16, protocol: Option<Protocol>) -> String {
        let host = match self.names.host_of(addr).filter(|_| !self.numeric) {
            Some(name) => name.to_string(),
            None => address(addr),
        };
        let service = protocol.filter(|_| !self.numeric).and_then(|p| self.names.service_of(port, p));
        let port = service.map_or_else(|| port.to_string(), ToString::to_string);
        let text = if addr.is_v4() { format!("{host}:{port}") } else { format!("[{host}]:{port}") };
        text.chars().take(ENDPOINT_LENGTH).collect()
    }

    /// `TCP  10.0.0.1:80`, `FWM  10`, `FWM  10 IPv6`.
    pub(super) fn service(self, key: ServiceKey) -> String {
        match key {
            ServiceKey::Address { protocol, addr, port } => {
                format!("{:<4} {}", keyword(protocol), self.endpoint(addr, port, Some(protocol)))
            }
            // Marks are unsigned, but printed as signed numbers.
            ServiceKey::Mark { family: Family::V4, mark } => format!("FWM  {}", mark as i32),
            ServiceKey::Mark { family: Family::V6, mark } => format!("FWM  {} IPv6", mark as i32),
        }
    }
}

/// The protocol in listings.
pub(super) fn keyword(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// The protocol by which a service's ports have names; a mark has none.
pub(super) fn port_protocol(key: ServiceKey) -> Option<Protocol> {
    match key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Mark { .. } => None,
    }
}

/// The service's address family.
pub(super) fn family(key: ServiceKey) -> Family {
    match key {
        ServiceKey::Address { addr, .. } => addr.family(),
        ServiceKey::Mark { family, .. } => family,
    }
}

/// A netmask as listings show it: nothing if it is all ones, else a dotted quad or a prefix length.
pub(super) fn netmask(mask: Addr) -> Option<String> {
    let ones = mask.to_bits().count_ones();
    match mask.family() {
        _ if ones == u32::from(mask.width()) => None,
        Family::V4 => Some(mask.to_string()),
        Family::V6 => Some(ones.to_string()),
    }
}

/// The names of scheduler flags under this scheduler, in numeric order.
pub(super) fn flags(scheduler: &str, bits: u8) -> String {
    let names: [&str; 3] = match scheduler {
        "sh" => ["sh-fallback", "sh-port", ""],
        "mh" => ["mh-fallback", "mh-port", ""],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let set = names.iter().enumerate().filter(|(bit, name)| bits >> bit & 1 == 1 && !name.is_empty());
    set.map(|(_, &name)| name).collect::<Vec<_>>().join(",")
}

/// An address as `inet_ntop` writes it, which keeps a dotted quad in `::1.2.3.4`.
fn address(addr: Addr) -> String {
    let bits = addr.to_bits();
    let is_compatible = !addr.is_v4() && bits >> 32 == 0 && bits >> 16 != 0;
    if is_compatible {
        return format!("::{}", Addr::v4(bits as u32));
    }
    if addr.is_v4() { addr.to_string() } else { Ipv6Addr::from_bits(bits).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_inet_ntop_writes_them() {
        for text in ["10.0.0.1", "::", "::1", "::1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "fe80::"] {
            assert_eq!(address(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn flags_have_names_under_sh_and_mh_only() {
        assert_eq!(flags("sh", 3), "sh-fallback,sh-port");
        assert_eq!(flags("sh", 4), "");
        assert_eq!(flags("mh", 2), "mh-port");
        assert_eq!(flags("rr", 5), "flag-1,flag-3");
    }
}
