//! The files of IPVS below `/proc/net`: the kernel's own words, before ipvsadm makes them readable.
//!
//! Addresses, ports and counters are hexadecimal; the timeout of persistence is in ticks (1/250 s). The formats, down
//! to the blanks at the ends of lines, were recorded from Linux 6.1.

use net_model::addr::{Addr, Family};
use net_model::ipvs::{ConnectionView, Counters, DestinationView, Director, Rates, ServiceKey, ServiceView};
use sim_core::Time;
use std::fmt::Write;

/// A file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Where it is.
    pub path: &'static str,
    /// Its text at a moment.
    pub text: fn(&Director, Time) -> String,
}

/// Every file of IPVS below `/proc/net`.
pub const FILES: &[File] = &[
    File { path: "/proc/net/ip_vs", text: |director, _| table(director) },
    File { path: "/proc/net/ip_vs_conn", text: connections },
    File { path: "/proc/net/ip_vs_conn_sync", text: origins },
    File { path: "/proc/net/ip_vs_stats", text: |director, _| stats(director) },
];

/// Ticks a second.
const HZ: u32 = 250;

fn table(director: &Director) -> String {
    let mut out = "IP Virtual Server version 1.2.1 (size=4096)\n\
        Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
        .to_string();
    // Newest first: the kernel's own order depends on addresses in its memory.
    let mut services: Vec<ServiceView> = director.services().collect();
    services.reverse();
    for service in &services {
        out += &service_line(service);
        service.destinations.iter().for_each(|destination| out += &destination_line(destination));
    }
    out
}

fn service_line(service: &ServiceView) -> String {
    let config = service.config;
    let ops = if config.one_packet { "ops " } else { "" };
    let (name, flags) = match service.key {
        ServiceKey::Address { protocol, addr, port } => (
            format!("{:<4} {}", protocol.name(), endpoint(addr, port)),
            // IPv6 services keep their one-packet scheduling to themselves.
            if addr.family() == Family::V4 { format!("{ops} ") } else { String::new() },
        ),
        ServiceKey::Mark { mark, .. } => (format!("FWM  {mark:08X}"), ops.to_string()),
    };
    let persistence = config.persistence.map_or_else(String::new, |seconds| {
        format!("persistent {} {:08X}", seconds.wrapping_mul(HZ), netmask(config.netmask))
    });
    format!("{name} {} {flags}{persistence}\n", config.scheduler)
}

/// The mask; for IPv6 the length of the prefix, its bytes in the order of the machine.
fn netmask(mask: Addr) -> u32 {
    mask.to_v4_bits().unwrap_or_else(|| mask.to_bits().leading_ones().swap_bytes())
}

fn destination_line(destination: &DestinationView) -> String {
    let DestinationView { key, config, active, inactive, .. } = destination;
    let (server, method) = (endpoint(key.addr, key.port), config.forwarding.name());
    format!("  -> {server}      {method:<7} {:<6} {active:<10} {inactive:<10}\n", config.weight)
}

fn connections(director: &Director, now: Time) -> String {
    let title =
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n".to_string();
    director.connections(now).fold(title, |out, connection| out + &connection_line(&connection))
}

/// The connection table with who made each entry: this director, or a message of another.
fn origins(director: &Director, now: Time) -> String {
    let title = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n".to_string();
    director.connections(now).fold(title, |out, connection| {
        let origin = if connection.by_sync { "SYNC" } else { "LOCAL" };
        let seconds = connection.left.as_nanos() / 1_000_000_000;
        out + &format!("{}{:<11} {origin:<6} {seconds:>7}\n", endpoints(&connection), connection.state)
    })
}

fn connection_line(connection: &ConnectionView) -> String {
    let seconds = connection.left.as_nanos() / 1_000_000_000;
    let mut line = format!("{}{:<11} {seconds:>7}", endpoints(connection), connection.state);
    if let Some(call) = &connection.call {
        let _ = write!(line, " sip {call}");
    }
    line.push('\n');
    line
}

/// Protocol and the three endpoints.
fn endpoints(connection: &ConnectionView) -> String {
    let protocol = match connection.protocol {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        // The template of a firewall-mark service.
        _ => "IP",
    };
    let mut line = format!("{protocol:<3} ");
    for (addr, port) in [connection.client, connection.virtual_, connection.real] {
        let _ = write!(line, "{} {port:04X} ", address(addr));
    }
    line
}

fn stats(director: &Director) -> String {
    let shown = director.totals();
    let Counters { conns, in_packets, out_packets, in_bytes, out_bytes } = shown.counters;
    let mut out = "   Total Incoming Outgoing         Incoming         Outgoing\n   \
        Conns  Packets  Packets            Bytes            Bytes\n"
        .to_string();
    let _ = writeln!(out, "{conns:8X} {in_packets:8X} {out_packets:8X} {in_bytes:16X} {out_bytes:16X}\n");
    out += " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n";
    let Rates { conns, in_packets, out_packets, in_bytes, out_bytes } = shown.rates;
    let _ = writeln!(out, "{conns:8X} {in_packets:8X} {out_packets:8X} {in_bytes:16X} {out_bytes:16X}");
    out
}

fn endpoint(addr: Addr, port: u16) -> String {
    match addr.family() {
        Family::V4 => format!("{}:{port:04X}", address(addr)),
        Family::V6 => format!("[{}]:{port:04X}", address(addr)),
    }
}

/// `0A000064`, or the eight groups of an IPv6 address written out.
fn address(addr: Addr) -> String {
    match addr.to_v4_bits() {
        Some(bits) => format!("{bits:08X}"),
        None => {
            let group = |n: u32| format!("{:04x}", (addr.to_bits() >> (112 - 16 * n)) & 0xffff);
            (0..8).map(group).collect::<Vec<_>>().join(":")
        }
    }
}
