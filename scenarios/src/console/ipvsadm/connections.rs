//! The listing of connections: `ipvsadm -L -c`.

use super::text::Style;
use net_model::ipvs::{ConnectionView, Protocol};

/// The title lines and one line per entry, in the director's order.
pub(super) fn table(
    entries: impl Iterator<Item = ConnectionView>,
    engine_data: bool,
    style: Style,
) -> String {
    let mut out =
        "IPVS connection entries\npro expire state       source             virtual            destination"
            .to_string();
    out += if engine_data { "        pe name          pe_data\n" } else { "\n" };
    for entry in entries {
        out += &line(&entry, engine_data, style);
    }
    out
}

fn line(entry: &ConnectionView, engine_data: bool, style: Style) -> String {
    let (name, protocol) = match entry.protocol {
        6 => ("TCP", Some(Protocol::Tcp)),
        17 => ("UDP", Some(Protocol::Udp)),
        132 => ("SCTP", Some(Protocol::Sctp)),
        // The template of a firewall-mark service.
        _ => ("IP", None),
    };
    let seconds = entry.left.as_nanos() / 1_000_000_000;
    let expiry = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let [source, virtual_, destination] =
        [entry.client, entry.virtual_, entry.real].map(|(addr, port)| style.endpoint(addr, port, protocol));
    // The engine's columns stand two too far to the left of their titles.
    let engine = match entry.call.as_ref().filter(|_| engine_data) {
        Some(call) => format!("{destination:<16} {:<18} {call}", "sip"),
        None => destination,
    };
    format!("{name:<3} {expiry:<6} {:<11} {source:<18} {virtual_:<18} {engine}\n", entry.state)
}
