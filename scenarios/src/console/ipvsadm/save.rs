//! `ipvsadm -S`: the table as command lines, in sorted order. Thresholds, timeouts and daemons are not saved.

use super::order;
use super::text::{self, Style};
use net_model::addr::Family;
use net_model::ipvs::{DestinationView, Forwarding, GueChecksum, Protocol, ServiceKey, ServiceView, Tunnel};

/// One line for each service and each of its destinations.
pub(super) fn lines(services: Vec<ServiceView<'_>>, style: Style) -> String {
    let mut out = String::new();
    for service in order::services(services) {
        let name = service_option(service.key, style);
        out += &service_line(&service, &name);
        for destination in order::destinations(&service.destinations) {
            out += &destination_line(&service, &destination, &name, style);
        }
    }
    out
}

fn service_option(key: ServiceKey, style: Style) -> String {
    match key {
        ServiceKey::Address { protocol, addr, port } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", style.endpoint(addr, port, Some(protocol)))
        }
        ServiceKey::Mark { family: Family::V4, mark } => format!("-f {}", mark as i32),
        ServiceKey::Mark { family: Family::V6, mark } => format!("-f {} -6", mark as i32),
    }
}

fn service_line(service: &ServiceView, name: &str) -> String {
    let config = service.config;
    let mut out = format!("-A {name} -s {}", config.scheduler);
    if let Some(seconds) = config.persistence {
        out += &format!(" -p {seconds}");
        if let Some(mask) = text::netmask(config.netmask) {
            out += &format!(" -M {mask}");
        }
    }
    if let Some(engine) = &config.engine {
        out += &format!(" --pe {engine}");
    }
    if config.one_packet {
        out += " -o";
    }
    if config.scheduler_flags != 0 {
        out += &format!(" -b {}", text::flags(&config.scheduler, config.scheduler_flags));
    }
    out + "\n"
}

fn destination_line(service: &ServiceView, d: &DestinationView, name: &str, style: Style) -> String {
    let server = style.endpoint(d.key.addr, d.key.port, text::port_protocol(service.key));
    let (method, tunnel) = match d.config.forwarding {
        Forwarding::Route => ("-g", String::new()),
        Forwarding::Masquerade => ("-m", String::new()),
        Forwarding::Tunnel(tunnel) => ("-i", tunnel_options(tunnel)),
    };
    format!("-a {name} -r {server} {method} -w {}{tunnel}\n", d.config.weight)
}

fn tunnel_options(tunnel: Tunnel) -> String {
    match tunnel {
        Tunnel::IpIp => " --tun-type ipip".to_string(),
        Tunnel::Gre { checksum } => {
            format!(" --tun-type gre --tun-{}", if checksum { "csum" } else { "nocsum" })
        }
        Tunnel::Gue { port, checksum } => {
            let checksum = match checksum {
                GueChecksum::None => "nocsum",
                GueChecksum::Full => "csum",
                GueChecksum::Remote => "remcsum",
            };
            format!(" --tun-type gue --tun-port {port} --tun-{checksum}")
        }
    }
}
