//! Names for addresses and ports, as a hosts file and a services file give them.

use net_model::addr::Addr;
use net_model::ipvs::Protocol;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

/// The usual services file of a Debian system: port, protocol, name, aliases.
const SERVICES: &str = include_str!("services.tsv");

/// A hosts file, together with the usual services file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    hosts: Vec<Host>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Host {
    addr: Addr,
    /// The canonical name, then the aliases.
    names: Vec<String>,
}

struct Service {
    port: u16,
    protocol: &'static str,
    name: &'static str,
    aliases: &'static str,
}

static ROWS: LazyLock<Vec<Service>> = LazyLock::new(|| {
    let rows = SERVICES.lines().skip(1).map(|line| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().expect("four fields in a row of services.tsv");
        let port = field().parse().expect("a port number in services.tsv");
        Service { port, protocol: field(), name: field(), aliases: field() }
    });
    rows.collect()
});

impl Names {
    /// Adds a line of the hosts file: an address, its canonical name and its aliases.
    pub fn add(&mut self, addr: Addr, names: &[&str]) {
        self.hosts.push(Host { addr, names: names.iter().map(ToString::to_string).collect() });
    }

    /// The first IPv4 address of a host name.
    pub fn ipv4_of(&self, name: &str) -> Option<Ipv4Addr> {
        let matches =
            |host: &&Host| host.addr.is_v4() && host.names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let bits = self.hosts.iter().find(matches)?.addr.to_v4_bits()?;
        Some(Ipv4Addr::from_bits(bits))
    }

    /// The canonical name of an address.
    pub fn host_of(&self, addr: Addr) -> Option<&str> {
        self.hosts.iter().find(|host| host.addr == addr)?.names.first().map(String::as_str)
    }

    /// The port of a service name or alias.
    pub fn port_of(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let is_meant = |row: &&Service| {
            row.protocol == keyword(protocol)
                && (row.name == name
                    || row.aliases.split(' ').any(|alias| !alias.is_empty() && alias == name))
        };
        ROWS.iter().find(is_meant).map(|row| row.port)
    }

    /// The name of a port.
    pub fn service_of(&self, port: u16, protocol: Protocol) -> Option<&'static str> {
        ROWS.iter().find(|row| row.port == port && row.protocol == keyword(protocol)).map(|row| row.name)
    }
}

/// The protocol's name in the services file.
fn keyword(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_names_depend_on_the_protocol() {
        let names = Names::default();
        assert_eq!(names.port_of("http", Protocol::Tcp), Some(80));
        assert_eq!(names.port_of("www", Protocol::Tcp), Some(80));
        assert_eq!(names.port_of("http", Protocol::Udp), None);
        assert_eq!(names.port_of("", Protocol::Tcp), None);
        assert_eq!(names.service_of(8080, Protocol::Tcp), Some("http-alt"));
        assert_eq!(names.service_of(5353, Protocol::Udp), Some("mdns"));
        assert_eq!(names.service_of(8443, Protocol::Tcp), None);
    }

    #[test]
    fn hosts_resolve_by_name_and_alias_to_ipv4_only() {
        let mut names = Names::default();
        names.add("2001:db8::1".parse().unwrap(), &["v6.example.com"]);
        names.add("10.0.0.1".parse().unwrap(), &["www.example.com", "www"]);
        assert_eq!(names.ipv4_of("WWW"), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(names.ipv4_of("v6.example.com"), None);
        assert_eq!(names.host_of("10.0.0.1".parse().unwrap()), Some("www.example.com"));
        assert_eq!(names.host_of("2001:db8::1".parse().unwrap()), Some("v6.example.com"));
    }
}
