//! A run on record: taps at its interfaces, written as a pcapng file while it goes.

use crate::assemble::Assembled;
use crate::names::suggestion;
use crate::problem::Problem;
use crate::run::{Journey, Run};
use crate::scenario::Scenario;
use net_model::HostId;
use net_model::addr::{Addr, Mac};
use net_model::capture::{Captured, Direction};
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::packet::Body;
use net_model::pcap::{Name, PacketBlock, Port, Reception, Writer};
use net_model::verdict::DropReason;
use net_model::wire::{LinkType, encode, encode_packet};
use sim_core::{Duration, Time};
use std::collections::BTreeMap;
use std::io::Write;

/// What has been seen is written this often, so that it needs little memory.
const STEP: Duration = Duration::from_millis(1);

/// What a recorded run leaves behind, besides the file.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The run.
    pub run: Run,
    /// Packets written.
    pub packets: u64,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Commands that hosts refuse when they are set up.
    #[error("the scenario cannot be set up")]
    Refused(Vec<Problem>),
    /// An interface that does not exist.
    #[error("{0}")]
    NoInterface(String),
    /// The file cannot be written.
    #[error("cannot write the capture")]
    Write(#[from] std::io::Error),
}

/// Runs a scenario with taps at these interfaces (`HOST.DEV`, or `HOST` for all of a host; none named: everywhere) and
/// writes what they see to `out` as pcapng. None if `progress` stopped it.
///
/// # Errors
/// See [`RecordingError`].
pub fn record<W: Write>(
    scenario: &Scenario,
    interfaces: &[String],
    out: W,
    progress: &mut dyn FnMut(Time) -> bool,
) -> Result<Option<Recorded>, RecordingError> {
    record_watched(scenario, interfaces, out, progress, &mut |_| {})
}

/// The same with somebody who looks at everything that is written.
pub(crate) fn record_watched<W: Write>(
    scenario: &Scenario,
    interfaces: &[String],
    out: W,
    progress: &mut dyn FnMut(Time) -> bool,
    look: &mut dyn FnMut(&Captured),
) -> Result<Option<Recorded>, RecordingError> {
    let mut journey = Journey::begin(scenario).map_err(RecordingError::Refused)?;
    tap(&mut journey.assembled, scenario, interfaces)?;
    let mut writer = begin(&journey.assembled, scenario, out)?;
    let end = Time::ZERO + scenario.duration;
    let (mut now, mut packets, mut bytes) = (Time::ZERO, 0, Vec::new());
    loop {
        if !journey.reach(now, progress) {
            return Ok(None);
        }
        for seen in journey.assembled.network.take_captured() {
            let link = link_type(&journey.assembled, seen.tap.0 as usize);
            look(&seen);
            write(&mut writer, &seen, link, &mut bytes)?;
            packets += 1;
        }
        if now >= end {
            writer.finish()?;
            return Ok(Some(Recorded { run: journey.finish(), packets }));
        }
        now = (now + STEP).min(end);
    }
}

/// Sets the taps.
fn tap(assembled: &mut Assembled, scenario: &Scenario, interfaces: &[String]) -> Result<(), RecordingError> {
    if interfaces.is_empty() {
        assembled.network.tap_all();
    }
    for wanted in interfaces {
        let Some(found) = find(assembled, scenario, wanted) else {
            return Err(RecordingError::NoInterface(no_interface(assembled, scenario, wanted)));
        };
        for (host, interface) in found {
            assembled.network.tap(host, interface);
        }
    }
    Ok(())
}

/// The interfaces of this name: one, or all of a host.
fn find(assembled: &Assembled, scenario: &Scenario, wanted: &str) -> Option<Vec<(HostId, InterfaceId)>> {
    let id = |name: &str| scenario.host(name).map(|host| assembled.hosts[host]);
    if let Some(host) = id(wanted) {
        let interfaces = assembled.network.host(host).stack.interfaces();
        return Some(interfaces.map(|(interface, _)| (host, interface)).collect());
    }
    // Hosts and interfaces (eth0.100) may both have dots in their names.
    wanted.match_indices('.').find_map(|(dot, _)| {
        let host = id(&wanted[..dot])?;
        let interface = assembled.network.host(host).stack.interface(&wanted[dot + 1..])?;
        Some(vec![(host, interface)])
    })
}

fn no_interface(assembled: &Assembled, scenario: &Scenario, wanted: &str) -> String {
    let all: Vec<String> = scenario
        .hosts
        .iter()
        .zip(&assembled.hosts)
        .flat_map(|(host, id)| {
            let interfaces = assembled.network.host(*id).stack.interfaces();
            interfaces.map(|(_, interface)| format!("{}.{}", host.name, interface.name))
        })
        .collect();
    let cure = match suggestion(wanted, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write HOST or HOST.DEV, such as {}", all[..all.len().min(6)].join(", ")),
    };
    format!("there is no interface `{wanted}`; {cure}")
}

/// The beginning of the file: what it is, its interfaces, the names of addresses.
fn begin<W: Write>(assembled: &Assembled, scenario: &Scenario, out: W) -> Result<Writer<W>, RecordingError> {
    let network = &assembled.network;
    let taps = network.taps().iter().enumerate();
    let ports: Vec<Port> = taps
        .map(|(at, (host, interface))| {
            let host = network.host(*host);
            let name = format!("{}.{}", host.name, host.stack.interface_at(*interface).name);
            Port { name, link: link_type(assembled, at) }
        })
        .collect();
    let application = concat!("lvsim ", env!("CARGO_PKG_VERSION"));
    let about = format!("{} (seed {})\n{}", scenario.name, scenario.seed, scenario.about.trim());
    Ok(Writer::new(out, application, &about, &ports, &names(assembled))?)
}

/// What the packets of a tap begin with.
fn link_type(assembled: &Assembled, tap: usize) -> LinkType {
    let (host, interface) = assembled.network.taps()[tap];
    match assembled.network.host(host).stack.interface_at(interface).kind {
        InterfaceKind::Tunnel | InterfaceKind::TunnelV6 | InterfaceKind::Gre => LinkType::Raw,
        _ => LinkType::Ethernet,
    }
}

/// The names of addresses: `vip`, `vip2` … for those of virtual services, for others the host's name, its further
/// ones with the interface.
fn names(assembled: &Assembled) -> Vec<Name> {
    let mut names: BTreeMap<Addr, String> = BTreeMap::new();
    let hosts = || assembled.hosts.iter().map(|id| assembled.network.host(*id));
    let services = hosts().filter_map(|host| host.director.as_ref()).flat_map(|director| director.services());
    let mut vips = 0;
    for service in services {
        if let net_model::ipvs::ServiceKey::Address { addr, .. } = service.key {
            names.entry(addr).or_insert_with(|| {
                vips += 1;
                if vips == 1 { "vip".to_owned() } else { format!("vip{vips}") }
            });
        }
    }
    for host in hosts() {
        let mut is_first = true;
        for (_, interface) in host.stack.interfaces() {
            for address in interface.addresses().iter().filter(|address| !address.addr.is_loopback()) {
                names.entry(address.addr).or_insert_with(|| {
                    let first = std::mem::take(&mut is_first);
                    if first { host.name.clone() } else { format!("{}.{}", host.name, interface.name) }
                });
            }
        }
    }
    names.into_iter().map(|(addr, name)| Name { addr, name }).collect()
}

fn write<W: Write>(
    writer: &mut Writer<W>,
    seen: &Captured,
    link: LinkType,
    bytes: &mut Vec<u8>,
) -> Result<(), RecordingError> {
    bytes.clear();
    match (&seen.frame.body, link) {
        (Body::Ip(packet), LinkType::Raw) => encode_packet(packet, bytes),
        _ => encode(&seen.frame, bytes),
    }
    let comment = seen.comment();
    writer.packet(&PacketBlock {
        port: seen.tap.0,
        time: seen.time,
        bytes,
        direction: seen.direction,
        reception: reception(seen, link),
        comment: comment.as_deref(),
    })?;
    Ok(())
}

/// Whom a frame was for.
fn reception(seen: &Captured, link: LinkType) -> Reception {
    match seen.direction {
        _ if link != LinkType::Ethernet => Reception::Unknown,
        Direction::Out => Reception::Unknown,
        Direction::In if seen.frame.dst == Mac::BROADCAST => Reception::Broadcast,
        Direction::In if seen.frame.dst.is_group() => Reception::Multicast,
        Direction::In if seen.dropped == Some(DropReason::OtherHost) => Reception::Promiscuous,
        Direction::In => Reception::Unicast,
    }
}
