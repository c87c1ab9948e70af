//! What a master announces, and when: a connection at its third packet and every fiftieth after that, at each
//! change to a closing state; a template with every packet. All of that can be set (`net.ipv4.vs.sync_*`).

use super::{LOOK, SyncEntry, SyncMessage};
use crate::ipvs::Director;
use crate::ipvs::clock::Alarm;
use crate::ipvs::config::DaemonConfig;
use crate::ipvs::connection::{Connection, Slot, flag};
use crate::ipvs::mapping::Mapping;
use crate::ipvs::settings::Settings;
use crate::ipvs::table::Announced;
use crate::ipvs::{sctp_state, tcp_state};
use crate::packet::proto;
use sim_core::{Duration, Time};

/// A message is sent at the latest when its first entry is this old (and the thread looks).
const OLDEST: Duration = Duration::from_secs(2);

/// The payload of a UDP datagram in an Ethernet frame.
const DATAGRAM: u16 = 1472;

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// When it was sent.
    pub at: Time,
    /// The UDP port it goes to.
    pub port: u16,
    /// The message.
    pub message: SyncMessage,
}

/// The master daemon.
#[derive(Debug)]
pub(super) struct Master {
    config: DaemonConfig,
    /// One per port.
    collections: Vec<Collection>,
    sent: Vec<Announcement>,
    /// When the thread looks next.
    look: Time,
}

/// Entries that wait for their message to fill.
#[derive(Debug, Default)]
struct Collection {
    since: Time,
    entries: Vec<SyncEntry>,
    bytes: usize,
}

impl Master {
    pub(super) fn new(config: DaemonConfig, ports: i64, look: Time) -> Master {
        let collections = (0..ports).map(|_| Collection::default()).collect();
        Master { config, collections, sent: Vec::new(), look }
    }

    pub(super) fn config(&self) -> &DaemonConfig {
        &self.config
    }

    pub(super) fn take(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.sent)
    }

    /// Adds an entry to the message of its port, which is sent first if the entry does not fit.
    fn collect(&mut self, now: Time, entry: SyncEntry, settings: &Settings) {
        let version = settings.sync_version as u8;
        let len = entry.len(version);
        if len == 0 {
            return;
        }
        let port = usize::from(entry.client.1) % self.collections.len();
        let limit = usize::from(if self.config.max_len == 0 { DATAGRAM } else { self.config.max_len });
        let header = SyncMessage::header_len(version);
        let collection = &self.collections[port];
        if header + collection.bytes + len > limit || collection.entries.len() == usize::from(u8::MAX) {
            self.send(now, port, settings);
        }
        let collection = &mut self.collections[port];
        if collection.entries.is_empty() {
            collection.since = now;
        }
        collection.bytes += len;
        collection.entries.push(entry);
    }

    /// Sends what has waited long enough.
    fn send_old(&mut self, now: Time, settings: &Settings) {
        for port in 0..self.collections.len() {
            let collection = &self.collections[port];
            if !collection.entries.is_empty() && now.since(collection.since) >= OLDEST {
                self.send(now, port, settings);
            }
        }
    }

    fn send(&mut self, now: Time, index: usize, settings: &Settings) {
        let Collection { entries, .. } = std::mem::take(&mut self.collections[index]);
        if entries.is_empty() || self.sent.len() as i64 >= settings.sync_qlen_max {
            return;
        }
        let message =
            SyncMessage { version: settings.sync_version as u8, sync_id: self.config.sync_id, entries };
        self.sent.push(Announcement { at: now, port: self.config.port + index as u16, message });
    }
}

impl Director {
    /// A client's packet has passed: announces its connection and what that hangs on, if it is time to.
    pub(in super::super) fn announce(&mut self, now: Time, slot: Slot) {
        let connection = self.connections.get(slot);
        let (packets, control) = (connection.in_packets, connection.control);
        if !connection.is(flag::ONE_PACKET) {
            self.announce_one(now, slot, packets);
        }
        if let Some(control) = control.some() {
            let template = self.connections.get_mut(control);
            let packets = if template.is_template() {
                template.in_packets = template.in_packets.wrapping_add(1);
                template.in_packets
            } else {
                self.settings.sync_threshold.0 as u32
            };
            self.announce_one(now, control, packets);
        }
    }

    /// The thread's look, once a second; nothing, if the thread has been stopped (and perhaps another was started).
    pub(in super::super) fn look_at_announcements(&mut self, now: Time) {
        if let Some(master) = self.sync.master.as_mut().filter(|master| master.look == now) {
            master.send_old(now, &self.settings);
            master.look = self.clock.post_after(now, LOOK, Alarm::Announce);
        }
    }

    fn announce_one(&mut self, now: Time, slot: Slot, packets: u32) {
        let Director { sync, connections, settings, .. } = self;
        let Some(master) = &mut sync.master else { return };
        let mut announced = connections.announced(slot);
        let connection = connections.get(slot);
        let is_time = is_time(connection, &mut announced, packets, now, settings);
        if is_time {
            announced.state = connection.state;
            announced.due = now + Duration::from_secs(u64::from(connection.timeout));
            master.collect(now, entry(connection, connections.mapping(connection)), settings);
        }
        connections.set_announced(slot, announced);
    }
}

/// Is it time to announce this entry? A retry is noted.
fn is_time(
    connection: &Connection,
    announced: &mut Announced,
    packets: u32,
    now: Time,
    settings: &Settings,
) -> bool {
    let template = connection.is_template();
    if !template {
        if connection.control.some().is_some() && settings.sync_persist_mode != 0 || !has_news(connection) {
            return false;
        }
        let (streams, established) = match connection.protocol {
            proto::TCP => (true, tcp_state::state::ESTABLISHED),
            proto::SCTP => (true, sctp_state::state::ESTABLISHED),
            _ => (false, 0),
        };
        if streams && connection.state != announced.state && connection.state != established {
            announced.retries = 0;
            return true;
        }
    }
    let refresh = Duration::from_secs(settings.sync_refresh_period as u64);
    if refresh > Duration::ZERO && !refreshes(connection, announced, now, refresh, settings.sync_retries) {
        return false;
    }
    let (threshold, period) = settings.sync_threshold;
    match (period, refresh) {
        (0, Duration::ZERO) => i64::from(packets) == threshold,
        (0, _) => true,
        _ if template => true,
        (period, _) => i64::from(packets) % period == threshold,
    }
}

/// Is the state one that backups should know?
fn has_news(connection: &Connection) -> bool {
    use tcp_state::state as tcp;
    match connection.protocol {
        proto::TCP => matches!(
            connection.state,
            tcp::ESTABLISHED | tcp::FIN_WAIT | tcp::CLOSE | tcp::CLOSE_WAIT | tcp::TIME_WAIT
        ),
        proto::SCTP => sctp_state::is_announced(connection.state),
        _ => true,
    }
}

/// `sync_refresh_period`: has the due time moved enough since the last announcement, or is a retry due?
fn refreshes(
    connection: &Connection,
    announced: &mut Announced,
    now: Time,
    refresh: Duration,
    retries: i64,
) -> bool {
    let timeout = Duration::from_secs(u64::from(connection.timeout));
    let due = now + timeout;
    let moved = due.since(announced.due).max(announced.due.since(due));
    let half = Duration::from_nanos(timeout.as_nanos() / 2).max(Duration::from_secs(10));
    if moved >= refresh.min(half) {
        announced.retries = 0;
        return true;
    }
    let eighth = Duration::from_nanos(refresh.as_nanos() / 8);
    if i64::from(announced.retries) >= retries || moved < eighth {
        return false;
    }
    announced.retries += 1;
    true
}

fn entry(connection: &Connection, mapping: &Mapping) -> SyncEntry {
    SyncEntry {
        protocol: connection.protocol,
        flags: connection.flags & !(flag::HASHED | flag::PRIVATE),
        state: u16::from(connection.state),
        client: (connection.client, connection.client_port),
        virtual_: mapping.virtual_,
        real: mapping.real,
        mark: mapping.mark,
        timeout: connection.timeout,
    }
}
