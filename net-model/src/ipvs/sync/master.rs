//! What a master announces, and when: a connection at its third packet and every fiftieth after that, at each
//! change to a closing state; a template with every packet. All of that can be set (`net.ipv4.vs.sync_*`).

use super::{LOOK, SyncEntry, SyncMessage};
use crate::ipvs::Director;
use crate::ipvs::clock::{Alarm, Clock};
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

/// How long a full message waits for others, and how many do not wait any longer.
const GATHERS: Duration = Duration::from_millis(20);
const BATCH: usize = 8;

/// The payload of a UDP datagram in an Ethernet frame, over IPv4 and IPv6.
const DATAGRAM: u16 = 1472;
const DATAGRAM_V6: u16 = 1452;

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

/// The master daemon: a thread for each port.
#[derive(Debug)]
pub(super) struct Master {
    config: DaemonConfig,
    threads: Vec<Thread>,
    sent: Vec<Announcement>,
    overflowed: u64,
}

/// A thread sleeps for a second, or until full messages have waited long enough; then it sends what is queued and what
/// has grown old.
#[derive(Debug)]
struct Thread {
    /// The message that is being filled.
    filling: SyncMessage,
    /// Bytes of its entries.
    bytes: usize,
    /// When its first entry came.
    since: Time,
    /// Full messages.
    queue: Vec<SyncMessage>,
    /// When the thread looks next. Alarms for other instants are void.
    wakes: Time,
}

impl Master {
    /// A master whose threads look first at `look`.
    pub(super) fn new(config: DaemonConfig, ports: i64, look: Time) -> Master {
        let thread = || Thread {
            filling: SyncMessage { version: 1, sync_id: config.sync_id, entries: Vec::new() },
            bytes: 0,
            since: Time::ZERO,
            queue: Vec::new(),
            wakes: look,
        };
        let threads = (0..ports).map(|_| thread()).collect();
        Master { config, threads, sent: Vec::new(), overflowed: 0 }
    }

    pub(super) fn config(&self) -> &DaemonConfig {
        &self.config
    }

    pub(super) fn take(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn take_overflowed(&mut self) -> u64 {
        std::mem::take(&mut self.overflowed)
    }

    /// Adds an entry to the message of its port; the message is queued first if the entry does not fit. Which entry goes
    /// to which port is the kernel's secret (it looks at addresses in memory): here the client's port decides.
    fn collect(&mut self, now: Time, entry: SyncEntry, settings: &Settings, clock: &mut Clock) {
        let version = settings.sync_version as u8;
        let entry = entry.as_told(version);
        let len = entry.len(version);
        if len == 0 {
            return;
        }
        let port = usize::from(entry.client.1) % self.threads.len();
        let limit = match self.config.max_len {
            0 if self.config.group.is_v4() => DATAGRAM,
            0 => DATAGRAM_V6,
            bytes => bytes,
        };
        let thread = &mut self.threads[port];
        let total = SyncMessage::header_len(version) + thread.bytes + len;
        let is_full = total > usize::from(limit) || thread.filling.entries.len() == usize::from(u8::MAX);
        if !thread.filling.entries.is_empty() && (is_full || thread.filling.version != version) {
            let has_room = (thread.queue.len() as i64) < settings.sync_qlen_max;
            let message = thread.close();
            if has_room {
                thread.queue(now, port, message, clock);
            } else {
                self.overflowed += 1;
            }
        }
        let thread = &mut self.threads[port];
        if thread.filling.entries.is_empty() {
            thread.since = now;
            thread.filling.version = version;
        }
        thread.bytes += len;
        thread.filling.entries.push(entry);
    }

    /// A thread is awake: it sends what is queued and what is old, and sleeps again.
    fn look(&mut self, now: Time, index: usize, clock: &mut Clock) {
        let Some(thread) = self.threads.get_mut(index).filter(|thread| thread.wakes == now) else { return };
        let port = self.config.port.wrapping_add(index as u16);
        let send = |message| Announcement { at: now, port, message };
        self.sent.extend(thread.queue.drain(..).map(send));
        if !thread.filling.entries.is_empty() && now.since(thread.since) >= OLDEST {
            self.sent.push(send(thread.close()));
        }
        thread.wakes = clock.post_after(now, LOOK, Alarm::Announce(index as u32));
    }
}

impl Thread {
    /// Takes the message that was being filled; the next one begins.
    fn close(&mut self) -> SyncMessage {
        let next = SyncMessage { entries: Vec::with_capacity(self.filling.entries.len()), ..self.filling };
        self.bytes = 0;
        std::mem::replace(&mut self.filling, next)
    }

    /// Queues a full message and makes sure that the thread wakes for it.
    fn queue(&mut self, now: Time, port: usize, message: SyncMessage, clock: &mut Clock) {
        self.queue.push(message);
        let alarm = Alarm::Announce(port as u32);
        let wakes = match self.queue.len() {
            1 => clock.fires(now, now + GATHERS),
            BATCH => now,
            _ => return,
        };
        if wakes < self.wakes {
            self.wakes = wakes;
            clock.post(wakes, alarm);
        }
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

    /// The look of the thread with this number; nothing, if it has been stopped or has looked in between.
    pub(in super::super) fn look_at_announcements(&mut self, now: Time, thread: u32) {
        if let Some(master) = &mut self.sync.master {
            master.look(now, thread as usize, &mut self.clock);
        }
    }

    fn announce_one(&mut self, now: Time, slot: Slot, packets: u32) {
        let Director { sync, connections, settings, clock, .. } = self;
        let Some(master) = &mut sync.master else { return };
        let mut announced = connections.announced(slot);
        let connection = connections.get(slot);
        let is_time = is_time(connection, &mut announced, packets, now, settings);
        if is_time {
            announced.state = connection.state;
            announced.due = now + Duration::from_secs(u64::from(connection.timeout));
            master.collect(now, entry(connection, connections.mapping(connection)), settings, clock);
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
    let refresh = Duration::from_secs(settings.sync_refresh_period.max(0) as u64);
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
