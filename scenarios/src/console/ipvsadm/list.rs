//! Listings of services: `ipvsadm -L` and its formats.
//!
//! Lines end in blanks, because the last column is padded too; names of IPv4 services and servers are cut to their
//! column, IPv6 ones push the rest to the right.

use super::super::names::Names;
use super::order;
use super::request::{Format, List};
use super::text::{self, Style};
use net_model::addr::Family;
use net_model::ipvs::{DestinationView, Forwarding, GueChecksum, ServiceView, Tunnel};

/// The first line of a listing of the whole table; the size is that of the connection hash table.
const HEADER: &str = "IP Virtual Server version 1.2.1 (size=4096)\n";

/// The whole listing of these services, newest first: what `ipvsadm -L` prints of a table. Statistics can thus be
/// shown that no director has counted.
pub fn table(services: Vec<ServiceView<'_>>, list: &List, names: &Names) -> String {
    HEADER.to_string() + &services_table(services, list, Style { numeric: list.numeric, names })
}

/// The title lines and the services, each with its destinations. `services` are in the kernel's order, newest first.
pub(super) fn services_table(services: Vec<ServiceView<'_>>, list: &List, style: Style) -> String {
    let services = if list.unsorted { services } else { order::services(services) };
    let mut out = titles(list.format).to_string();
    for service in &services {
        out += &service_line(service, list, style);
        let destinations = match list.unsorted {
            true => service.destinations.clone(),
            false => order::destinations(&service.destinations),
        };
        for destination in &destinations {
            out += &destination_line(service, destination, list, style);
        }
    }
    out
}

fn titles(format: Format) -> &'static str {
    match format {
        Format::Plain => {
            "Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        }
        Format::Tunnels => {
            "Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        }
        Format::Stats => {
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  \
             -> RemoteAddress:Port\n"
        }
        Format::Rate => {
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  \
             -> RemoteAddress:Port\n"
        }
        Format::Thresholds => {
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  \
             -> RemoteAddress:Port\n"
        }
        Format::Persistent => {
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  \
             -> RemoteAddress:Port\n"
        }
    }
}

fn service_line(service: &ServiceView, list: &List, style: Style) -> String {
    let mut name = style.service(service.key);
    if text::family(service.key) == Family::V4 {
        name = name.chars().take(33).collect();
    }
    match list.format {
        Format::Stats => {
            let c = service.shown.counters;
            let counters = [c.conns, c.in_packets, c.out_packets, c.in_bytes, c.out_bytes];
            format!("{name:<33}{}\n", counters.map(|n| amount(n, list.exact)).concat())
        }
        Format::Rate => {
            let r = service.shown.rates;
            let rates = [r.conns, r.in_packets, r.out_packets, r.in_bytes, r.out_bytes];
            format!("{name:<33}{}\n", rates.map(|n| amount(n, list.exact)).concat())
        }
        Format::Plain | Format::Tunnels | Format::Thresholds | Format::Persistent => {
            format!("{name} {}{}\n", service.config.scheduler, service_flags(service))
        }
    }
}

/// Everything after the scheduler, each item with a blank before it.
fn service_flags(service: &ServiceView) -> String {
    let config = service.config;
    let mut out = String::new();
    if config.scheduler_flags != 0 {
        out += &format!(" ({})", text::flags(&config.scheduler, config.scheduler_flags));
    }
    if let Some(seconds) = config.persistence {
        out += &format!(" persistent {seconds}");
        if let Some(mask) = text::netmask(config.netmask) {
            out += &format!(" mask {mask}");
        }
        if let Some(engine) = &config.engine {
            out += &format!(" pe {engine}");
        }
    }
    if config.one_packet {
        out += " ops";
    }
    out
}

fn destination_line(service: &ServiceView, d: &DestinationView, list: &List, style: Style) -> String {
    let mut name = style.endpoint(d.key.addr, d.key.port, text::port_protocol(service.key));
    if text::family(service.key) == Family::V4 {
        name = name.chars().take(28).collect();
    }
    let DestinationView { active, inactive, persistent, .. } = *d;
    let weight = d.config.weight;
    let method = match d.config.forwarding {
        Forwarding::Masquerade => "Masq",
        Forwarding::Route => "Route",
        Forwarding::Tunnel(_) => "Tunnel",
    };
    let rest = match list.format {
        Format::Plain => format!(" {method:<7} {weight:<6} {active:<10} {inactive:<10}"),
        Format::Tunnels => {
            let tunnel = tunnel_info(d.config.forwarding);
            format!(" {method:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}")
        }
        Format::Thresholds => {
            format!(" {:<10} {:<10} {active:<10} {inactive:<10}", d.config.upper, d.config.lower)
        }
        Format::Persistent => format!(" {weight:<9} {persistent:<11} {active:<10} {inactive:<10}"),
        Format::Stats => {
            let c = d.shown.counters;
            // Packet counts of destinations reach the program as 32-bit numbers.
            let counters =
                [narrow(c.conns), narrow(c.in_packets), narrow(c.out_packets), c.in_bytes, c.out_bytes];
            counters.map(|n| amount(n, list.exact)).concat()
        }
        Format::Rate => {
            let r = d.shown.rates;
            let packets = [r.conns, r.in_packets, r.out_packets].map(|n| format!(" {:>8}", narrow(n)));
            let bytes = [r.in_bytes, r.out_bytes].map(|n| amount(narrow(n), list.exact));
            packets.concat() + &bytes.concat()
        }
    };
    format!("  -> {name:<28}{rest}\n")
}

fn tunnel_info(forwarding: Forwarding) -> String {
    match forwarding {
        Forwarding::Masquerade | Forwarding::Route => "n/a".to_string(),
        Forwarding::Tunnel(Tunnel::IpIp) => "ipip".to_string(),
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => format!("gre:{}", if checksum { "+c" } else { "-c" }),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            let checksum = match checksum {
                GueChecksum::None => "-c",
                GueChecksum::Full => "+c",
                GueChecksum::Remote => "r+c",
            };
            format!("gue:{port}:{checksum}")
        }
    }
}

fn narrow(n: u64) -> u64 {
    n & u64::from(u32::MAX)
}

/// A counter in nine characters: truncated to thousands, millions … and never rounded; in full with `--exact`.
fn amount(n: u64, exact: bool) -> String {
    const SCALES: [(u64, u64, &str); 3] = [
        (1_000_000_000, 1_000, "K"),
        (100_000_000_000, 1_000_000, "M"),
        (100_000_000_000_000, 1_000_000_000, "G"),
    ];
    if n < 100_000_000 {
        return format!("{n:>9}");
    }
    if exact {
        return format!(" {n}");
    }
    let (unit, letter) = SCALES
        .iter()
        .find(|(limit, ..)| n < *limit)
        .map_or((1_000_000_000_000, "T"), |&(_, unit, letter)| (unit, letter));
    format!("{:>8}{letter}", n / unit)
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn counters_are_truncated() {
        let cases = [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ];
        for (n, text) in cases {
            assert_eq!(amount(n, false), text);
        }
        assert_eq!(amount(99_999_999, true), " 99999999");
        assert_eq!(amount(1_000_000_000, true), " 1000000000");
    }
}
