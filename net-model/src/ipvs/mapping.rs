//! Mappings: what the connections of one service with one server have in common.
//!
//! Virtual address and port, real address and port, the firewall mark and the destination are the same for thousands of
//! connections. Each combination is kept once, as long as an entry uses it, and stays in the cache; the entry has its
//! number.

use super::connection::{NO_DESTINATION, flag};
use crate::addr::Addr;
use rustc_hash::FxHashMap;
use schedulers::DestinationId;

/// From what the client sees to the server behind it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Mapping {
    /// The service as the client sees it.
    pub(super) virtual_: (Addr, u16),
    /// The real server.
    pub(super) real: (Addr, u16),
    /// Firewall mark of the packet that created the entry.
    pub(super) mark: u32,
    pub(super) destination: DestinationId,
}

impl Mapping {
    /// The destination, if the entry is bound to one.
    #[inline]
    pub(super) fn destination(&self) -> Option<DestinationId> {
        (self.destination != NO_DESTINATION).then_some(self.destination)
    }

    /// The source of the server's packets: masquerading servers answer as themselves, all others as the service.
    #[inline(always)] // once a packet
    pub(super) fn speaker(&self, method: u32) -> (Addr, u16) {
        if method == flag::MASQUERADE { self.real } else { self.virtual_ }
    }
}

/// The number of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MappingId(u32);

impl MappingId {
    /// The first of them.
    pub(super) const FIRST: MappingId = MappingId(0);
}

/// All mappings in use.
#[derive(Debug)]
pub(super) struct Mappings {
    records: Vec<Record>,
    free: Vec<MappingId>,
    by_value: FxHashMap<Mapping, MappingId>,
    /// The mapping used last of each destination, by the lowest bits of its number: mostly the one that is wanted.
    recent: [MappingId; RECENT],
    /// Changes whenever a number may come to mean something else.
    pub(super) generation: u32,
}

const RECENT: usize = 64;

#[derive(Debug)]
struct Record {
    mapping: Mapping,
    /// Entries that use it.
    references: u32,
}

impl Mappings {
    pub(super) fn new() -> Mappings {
        Mappings {
            records: Vec::new(),
            free: Vec::new(),
            by_value: FxHashMap::default(),
            recent: [MappingId(0); RECENT],
            generation: 1,
        }
    }

    #[inline]
    pub(super) fn get(&self, id: MappingId) -> &Mapping {
        &self.records[id.0 as usize].mapping
    }

    /// The number of a mapping for one more entry.
    pub(super) fn acquire(&mut self, mapping: &Mapping) -> MappingId {
        let recent = mapping.destination.index() % RECENT;
        let id = self.recent[recent];
        if let Some(record) = self.records.get_mut(id.0 as usize)
            && record.references > 0
            && record.mapping == *mapping
        {
            record.references += 1;
            return id;
        }
        let id = self.find_or_insert(mapping);
        self.recent[recent] = id;
        id
    }

    fn find_or_insert(&mut self, mapping: &Mapping) -> MappingId {
        if let Some(&id) = self.by_value.get(mapping) {
            self.records[id.0 as usize].references += 1;
            return id;
        }
        let record = Record { mapping: *mapping, references: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                self.records[id.0 as usize] = record;
                id
            }
            None => {
                self.records.push(record);
                MappingId(self.records.len() as u32 - 1)
            }
        };
        self.by_value.insert(*mapping, id);
        id
    }

    /// One entry less uses the mapping.
    pub(super) fn release(&mut self, id: MappingId) {
        let record = &mut self.records[id.0 as usize];
        record.references -= 1;
        if record.references == 0 {
            self.generation = self.generation.wrapping_add(1);
            self.by_value.remove(&record.mapping);
            self.free.push(id);
        }
    }

    /// Bytes of heap memory.
    pub(super) fn memory(&self) -> usize {
        // A place of the map has one byte of its own.
        self.records.capacity() * size_of::<Record>()
            + self.free.capacity() * size_of::<MappingId>()
            + self.by_value.capacity() * (size_of::<(Mapping, MappingId)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_kept_once_and_as_long_as_it_is_used() {
        let to = |server| Mapping {
            virtual_: (Addr::v4(100), 80),
            real: (Addr::v4(server), 80),
            mark: 0,
            destination: NO_DESTINATION,
        };
        let mut mappings = Mappings::new();
        let (a, b) = (mappings.acquire(&to(1)), mappings.acquire(&to(2)));
        assert_eq!(mappings.acquire(&to(1)), a);
        mappings.release(a);
        assert_eq!(mappings.get(a), &to(1), "one entry still uses it");
        mappings.release(a);
        assert_eq!(mappings.acquire(&to(3)), a, "its number is free");
        assert_eq!((mappings.get(a), mappings.get(b)), (&to(3), &to(2)));
    }
}
