//! Connection synchronisation on the wire: the master's messages go out as UDP multicast (224.0.0.81 port 8848 unless
//! `ipvsadm --start-daemon` says otherwise), and a host with a backup daemon takes in those of its group.
//!
//! The messages leave by the daemon's interface (`--mcast-interface`) whatever the routes say, from its first address,
//! without Don't Fragment, and are not looped back to a backup daemon on the same host. Switches flood them; a host that
//! has not joined the group on the interface ignores them. Firewall rules for INPUT hold; a message that is lost is not
//! repeated. Left out: IGMP, fragments of messages that are longer than the MTU, and how long a backup takes to read a
//! message, so its socket's buffer (`sync_sock_size`) never overflows.

use super::arp::group_mac;
use super::interface::{InterfaceId, Scope};
use super::mark::{Chain, Passing, Ruling};
use super::node::Host;
use crate::addr::{Addr, Mac};
use crate::cx::Cx;
use crate::frames::FrameId;
use crate::ipvs::{Announcement, DaemonConfig, Heard, SyncEntry, SyncMessage};
use crate::packet::{Body, Frame, Packet, Payload, SyncDatagram};
use crate::recorder::Place;
use crate::transcript::Stage;
use crate::verdict::DropReason;
use std::sync::Arc;

/// IP and UDP header.
const HEADERS: usize = 28;
const HEADERS_V6: usize = 48;

/// The port that the first thread of a master sends from: what Linux takes is as good as random.
const SOURCE_PORT: u16 = 50_000;

impl Host {
    /// Sends what the master daemon has to say.
    pub(crate) fn send_announcements(&mut self, cx: &mut Cx) {
        let Some(director) = self.director.as_mut() else { return };
        let Some(config) = director.sync_master().cloned() else { return };
        let announcements = director.take_announcements();
        let overflowed = director.take_overflowed_announcements();
        for _ in 0..overflowed {
            cx.recorder.note_packet_drop(cx.now, Place::Host(self.id), DropReason::SyncQueue);
        }
        for announcement in announcements {
            self.send_announcement(cx, &config, announcement);
        }
    }

    fn send_announcement(&mut self, cx: &mut Cx, config: &DaemonConfig, announcement: Announcement) {
        let place = Place::Host(self.id);
        let way = self.stack.interface(&config.interface).and_then(|interface| {
            let source = self.stack.interface_at(interface).select(config.group, Scope::Link)?;
            Some((interface, source, group_mac(config.group)?))
        });
        let Some((interface, source, mac)) = way else {
            return cx.recorder.note_packet_drop(cx.now, place, DropReason::NoRoute);
        };
        let packet = datagram(config, source, announcement);
        if u32::from(packet.len) > self.stack.interface_at(interface).mtu {
            return cx.recorder.note_packet_drop(cx.now, place, DropReason::SyncTooLong);
        }
        if let Some(entry) = followed(cx, &packet) {
            let text = format!("{packet}: announces {}", describe(&entry));
            cx.recorder.tell_exchange(cx.now, place, Stage::Sync, || text);
        }
        let frame = Frame { dst: mac, src: Mac::ZERO, vlan: 0, body: Body::Ip(packet) };
        let frame = cx.wiring.frames.send(frame);
        self.put_on_wire(cx, frame, interface, mac);
    }

    /// A packet for everybody on the link, or for a multicast group.
    #[inline(never)]
    pub(crate) fn group_input(&mut self, cx: &mut Cx, iif: InterfaceId, frame: FrameId) {
        let packet = cx.wiring.frames.packet_mut(&frame);
        let datagram = match &packet.payload {
            Payload::Sync(datagram) => datagram,
            Payload::Ndisc(_) => return self.ndisc_input(cx, iif, frame),
            _ => return cx.deliver(frame),
        };
        let (group, port, message) = (packet.dst, datagram.dport, Arc::clone(&datagram.message));
        let place = Place::Host(self.id);
        let Some((first, ports)) = self.joined(iif, group) else {
            return cx.drop(place, frame, DropReason::NotInGroup);
        };
        if let Err(refusal) = self.stack.validate_source(packet.src, group, iif, None) {
            return cx.drop(place, frame, refusal.reason);
        }
        let passing = Passing { packet, iif: Some(iif), oif: None };
        if self.stack.netfilter.pass(Chain::Input, passing) == Ruling::Drop {
            return cx.drop(place, frame, DropReason::FilterDrop);
        }
        if port.wrapping_sub(first) >= ports {
            return cx.drop(place, frame, DropReason::SyncNobody);
        }
        let packet = cx.wiring.frames.packet_mut(&frame).clone();
        match self.hear(cx, &message) {
            Heard::Copied => cx.deliver(frame),
            Heard::OtherSyncId => return cx.drop(place, frame, DropReason::SyncOther),
            Heard::TooLong => return cx.drop(place, frame, DropReason::SyncBuffer),
            Heard::Nobody => return cx.drop(place, frame, DropReason::SyncNobody),
        }
        if let Some(entry) = followed(cx, &packet) {
            let text = format!("{packet}: copies {}", describe(&entry));
            cx.recorder.tell_exchange(cx.now, place, Stage::Sync, || text);
        }
    }

    /// Has a backup daemon joined this group on this interface? Its first port, and how many it has.
    fn joined(&self, iif: InterfaceId, group: Addr) -> Option<(u16, u16)> {
        let (config, ports) = self.director.as_ref()?.sync_backup()?;
        let joined = config.group == group && self.stack.interface_at(iif).name == config.interface;
        joined.then_some((config.port, ports))
    }

    fn hear(&mut self, cx: &mut Cx, message: &SyncMessage) -> Heard {
        let Some(director) = self.director.as_mut() else { return Heard::Nobody };
        let heard = director.receive_announcement(cx.now, message);
        self.arm_timers(cx);
        heard
    }
}

fn datagram(config: &DaemonConfig, source: Addr, announcement: Announcement) -> Packet {
    let headers = if source.is_v4() { HEADERS } else { HEADERS_V6 };
    let thread = announcement.port.wrapping_sub(config.port);
    Packet {
        src: source,
        dst: config.group,
        mark: 0,
        flow: 0,
        len: (headers + announcement.message.bytes()) as u16,
        id: 0,
        fragment_offset: 0,
        more_fragments: false,
        df: false,
        ttl: config.ttl,
        tos: 0,
        payload: Payload::Sync(SyncDatagram {
            sport: SOURCE_PORT + thread,
            dport: announcement.port,
            message: Arc::new(announcement.message),
        }),
        outer: None,
        text: None,
    }
}

/// What a message says about the connection of the exchange that is followed.
fn followed(cx: &Cx, packet: &Packet) -> Option<SyncEntry> {
    let Payload::Sync(datagram) = &packet.payload else { return None };
    let (_, exchange) = cx.exchanges.by_tag(cx.recorder.followed()?)?;
    let client = cx.sockets.local(exchange.socket()?);
    datagram.message.entries.iter().find(|entry| entry.client == client).copied()
}

fn describe(entry: &SyncEntry) -> String {
    let client = crate::ipvs::endpoint(entry.client.0, entry.client.1);
    let server = crate::ipvs::endpoint(entry.real.0, entry.real.1);
    format!("the connection of {client} with {server}: {}, {} s", entry.state_name(), entry.timeout)
}
