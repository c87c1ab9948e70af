//! The three listings of the recordings, written from the director's views.

use crate::driver::Host;
use net_model::addr::Addr;
use net_model::ipvs::{Forwarding, Protocol, ServiceKey, ServiceView};
use net_model::packet::proto;
use serde_json::{Value, json};

/// Services with their destinations as `/proc/net/ip_vs` shows them; services in no particular order.
pub(crate) fn services(host: &Host, hz: u32) -> Vec<Vec<Value>> {
    let service = |service: ServiceView| {
        let head = [json!(headline(&service, hz))];
        let destinations = service.destinations.iter().map(|d| {
            let method = match d.config.forwarding {
                Forwarding::Masquerade => "Masq",
                Forwarding::Route => "Route",
                Forwarding::Tunnel(_) => "Tunnel",
            };
            json!([endpoint(d.key.addr, d.key.port), method, d.config.weight, d.active, d.inactive])
        });
        head.into_iter().chain(destinations).collect()
    };
    let mut services: Vec<Vec<Value>> = host.director.services().map(service).collect();
    services.sort_by_key(|service| service[0].to_string());
    services
}

/// The same shape from a recording.
pub(crate) fn recorded_services(recorded: &[Value]) -> Vec<Vec<Value>> {
    let mut services: Vec<Vec<Value>> = Vec::new();
    for entry in recorded {
        match (entry.as_str(), services.last_mut()) {
            (Some(head), _) => services.push(vec![json!(squeezed(head))]),
            (None, Some(service)) => service.push(entry.clone()),
            (None, None) => panic!("a destination without a service"),
        }
    }
    services.sort_by_key(|service| service[0].to_string());
    services
}

fn headline(service: &ServiceView, hz: u32) -> String {
    let name = match service.key {
        ServiceKey::Address { protocol, addr, port } => {
            let addr = match addr.to_v4_bits() {
                Some(bits) => format!("{bits:08X}"),
                None => format!("[{addr}]"),
            };
            format!("{} {addr}:{port:04X}", protocol_name(protocol))
        }
        ServiceKey::Mark { mark, .. } => format!("FWM {mark:08X}"),
    };
    let ops = if service.config.one_packet { " ops" } else { "" };
    let persistent = match service.config.persistence {
        Some(timeout) => format!(" persistent {} {:08X}", timeout * hz, service.config.netmask.to_bits()),
        None => String::new(),
    };
    squeezed(&format!("{name} {}{ops}{persistent}", service.config.scheduler))
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// With single blanks.
fn squeezed(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// An address and port as `ipvsadm` writes them.
fn endpoint(addr: Addr, port: u16) -> String {
    if addr.is_v4() { format!("{addr}:{port}") } else { format!("[{addr}]:{port}") }
}

/// A line of the connection table: everything but the seconds, and the seconds.
pub(crate) type ConnectionLine = (String, u64);

pub(crate) fn connections(host: &Host) -> Vec<ConnectionLine> {
    let line = |c: net_model::ipvs::ConnectionView| {
        let protocol = match c.protocol {
            proto::TCP => "TCP",
            proto::UDP => "UDP",
            proto::SCTP => "SCTP",
            _ => "IP",
        };
        let at = |(addr, port): (Addr, u16)| format!("{addr} {port}");
        let text = format!("{protocol} {} {} {} {}", at(c.client), at(c.virtual_), at(c.real), c.state);
        (text, c.left.as_nanos() / 1_000_000_000)
    };
    let mut lines: Vec<ConnectionLine> = host.director.connections(host.now).map(line).collect();
    lines.sort();
    lines
}

pub(crate) fn recorded_connections(recorded: &[Value]) -> Vec<ConnectionLine> {
    let line = |entry: &Value| {
        let words = entry.as_array().expect("a line of the connection table");
        let (left, words) = words.split_last().expect("seconds left");
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        (words.join(" "), left.as_u64().expect("seconds left"))
    };
    let mut lines: Vec<ConnectionLine> = recorded.iter().map(line).collect();
    lines.sort();
    lines
}

/// `ipvsadm -Ln --stats --exact`, services and destinations sorted as it sorts them.
pub(crate) fn statistics(host: &Host) -> Value {
    let counters = |c: net_model::ipvs::Counters| {
        [c.conns, c.in_packets, c.out_packets, c.in_bytes, c.out_bytes].map(|n| n.to_string())
    };
    let mut services: Vec<ServiceView> = host.director.services().collect();
    services.sort_by_key(|service| match service.key {
        ServiceKey::Address { protocol, addr, port } => (0, protocol as u8, Some(addr), port),
        ServiceKey::Mark { mark, .. } => (mark, 0, None, 0),
    });
    let mut lines = Vec::new();
    for service in services {
        let [protocol, name] = match service.key {
            ServiceKey::Address { protocol, addr, port } => {
                [protocol_name(protocol).to_owned(), endpoint(addr, port)]
            }
            ServiceKey::Mark { mark, .. } => ["FWM".to_owned(), mark.to_string()],
        };
        let [a, b, c, d, e] = counters(service.shown.counters);
        lines.push(json!([protocol, name, a, b, c, d, e]));
        let mut destinations = service.destinations;
        destinations.sort_by_key(|d| d.key);
        for d in destinations {
            let [a, b, c, dd, e] = counters(d.shown.counters);
            lines.push(json!(["->", endpoint(d.key.addr, d.key.port), a, b, c, dd, e]));
        }
    }
    Value::Array(lines)
}
