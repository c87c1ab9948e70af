//! What a backup does with an announcement: it creates or updates an entry, bound to its own destination if it has
//! one. Nothing more happens at failover: the entries are simply there.

use super::{Backup, Heard, SyncEntry, SyncMessage};
use crate::ipvs::Director;
use crate::ipvs::connection::{NO_DESTINATION, NewConnection, Slot, Tuple, flag};
use crate::ipvs::mapping::Mapping;
use crate::ipvs::{sctp_state, tcp_state};
use crate::packet::proto;
use schedulers::DestinationId;
use sim_core::Time;

/// Timeout of a template whose message does not tell one, in seconds.
const TEMPLATE: u32 = 180;

impl Director {
    /// A message of a master arrives.
    pub fn receive_announcement(&mut self, now: Time, message: &SyncMessage) -> Heard {
        self.advance(now);
        let Some(Backup { config, .. }) = &self.sync.backup else { return Heard::Nobody };
        if config.max_len != 0 && message.bytes() > usize::from(config.max_len) {
            return Heard::TooLong;
        }
        if config.sync_id != 0 && config.sync_id != message.sync_id {
            return Heard::OtherSyncId;
        }
        for entry in &message.entries {
            let template = entry.flags & flag::TEMPLATE != 0;
            let refused = entry.flags & flag::ONE_PACKET != 0
                || template && entry.flags & flag::NO_CLIENT_PORT != 0
                || !is_state(entry, template);
            if !refused {
                self.copy(now, entry);
            }
        }
        Heard::Copied
    }

    fn copy(&mut self, now: Time, entry: &SyncEntry) {
        let inactive = entry.flags & flag::INACTIVE != 0;
        let mut known = self.find_copy(entry);
        if let Some(slot) = known {
            let connection = self.connections.get(slot);
            if self.connections.mapping(connection).real != entry.real {
                if inactive && !connection.is_template() {
                    return;
                }
                self.connections.expire_now(now, slot, &mut self.clock);
                known = None;
            }
        }
        let slot = match known {
            Some(slot) => {
                self.adjust(slot, inactive);
                slot
            }
            None => self.connections.insert(now, &new_copy(entry, self.copy_timeout(entry))),
        };
        if self.connections.mapping(self.connections.get(slot)).destination().is_none()
            && let Some(destination) = self.find_own(entry)
        {
            self.bind_copy(slot, destination);
        }
        let timeout = self.copy_timeout(entry);
        let connection = self.connections.get_mut(slot);
        connection.state = entry.state as u8;
        connection.timeout = timeout;
        connection.in_packets = self.settings.sync_threshold.0 as u32;
        connection.rearm(now, slot, &mut self.clock);
    }

    fn find_copy(&self, entry: &SyncEntry) -> Option<Slot> {
        if entry.flags & flag::TEMPLATE != 0 {
            return self.connections.find_template(entry.protocol, entry.client.0, entry.virtual_);
        }
        self.connections.find_request(&tuple(entry))
    }

    /// Activity as the message says.
    fn adjust(&mut self, slot: Slot, inactive: bool) {
        let (connection, mapping) = self.connections.both_mut(slot);
        if connection.is_template() || connection.is(flag::INACTIVE) == inactive {
            return;
        }
        connection.flags ^= flag::INACTIVE;
        if let Some(destination) = mapping.destination() {
            self.destinations.shift(destination, inactive);
        }
    }

    /// The backup's own destination for an announced connection: service first, then real address and port.
    fn find_own(&self, entry: &SyncEntry) -> Option<DestinationId> {
        let (id, _) = self.services.find(&tuple(entry), entry.mark)?;
        let service = self.services.get(id)?;
        let matches = |id: &DestinationId| {
            let key = self.destinations.get(*id).key;
            key.addr == entry.real.0
                && (key.port == entry.real.1 || key.port == 0 && service.mark().is_some())
        };
        service.order.iter().copied().find(matches)
    }

    /// Method and "no output" are the destination's; activity is the message's.
    fn bind_copy(&mut self, slot: Slot, destination: DestinationId) {
        let own = self.destinations.get(destination).flags();
        let (connection, mapping) = self.connections.both_mut(slot);
        connection.flags = connection.flags & !(flag::METHOD | flag::NO_OUTPUT) | own;
        let mapping = Mapping { destination, ..*mapping };
        self.connections.remap(slot, &mapping);
        self.bind(slot, destination);
    }

    fn copy_timeout(&self, entry: &SyncEntry) -> u32 {
        if entry.timeout != 0 {
            return entry.timeout;
        }
        let state = usize::from(entry.state);
        match entry.protocol {
            _ if entry.flags & flag::TEMPLATE != 0 => TEMPLATE,
            proto::TCP => self.timeouts.tcp.get(state).copied().unwrap_or(tcp_state::TIMEOUTS[0]),
            proto::SCTP => sctp_state::TIMEOUTS.get(state).copied().unwrap_or(sctp_state::TIMEOUTS[0]),
            _ => self.timeouts.udp,
        }
    }
}

/// Does the protocol have this state?
fn is_state(entry: &SyncEntry, template: bool) -> bool {
    let states = match entry.protocol {
        _ if template => return true,
        proto::TCP => tcp_state::STATES,
        proto::SCTP => sctp_state::TIMEOUTS.len(),
        _ => return true,
    };
    usize::from(entry.state) < states
}

fn tuple(entry: &SyncEntry) -> Tuple {
    Tuple {
        protocol: entry.protocol,
        src: entry.client.0,
        sport: entry.client.1,
        dst: entry.virtual_.0,
        dport: entry.virtual_.1,
    }
}

fn new_copy(entry: &SyncEntry, timeout: u32) -> NewConnection {
    NewConnection {
        protocol: entry.protocol,
        client: entry.client,
        mapping: Mapping {
            virtual_: entry.virtual_,
            real: entry.real,
            mark: entry.mark,
            destination: NO_DESTINATION,
        },
        flags: entry.flags & !(flag::HASHED | flag::PRIVATE) | flag::SYNC,
        timeout,
    }
}
