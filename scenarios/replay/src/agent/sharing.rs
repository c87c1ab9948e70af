//! Processor sharing: all requests at a server at once share the power of its workers, none getting more than one.

use super::clients::Clients;
use super::servers::{Program, Servers};
use super::{Due, Reactor};
use std::collections::BTreeMap;

/// The requests that share a server.
#[derive(Default)]
pub(super) struct Sharing {
    /// Work each has gained since the beginning, in nanoseconds of one worker.
    gained: f64,
    updated: u64,
    /// Slots and their lives, by the work at which they are done (bits of a non-negative f64 sort like the number).
    due: BTreeMap<(u64, usize), u32>,
}

impl Servers<'_> {
    /// A request joins the others.
    pub(super) fn share(&mut self, slot: usize, reactor: &mut Reactor, clients: &Clients<'_>) {
        let request = self.requests.get_mut(slot);
        request.has_worker = true;
        let (server, life) = (request.server, self.requests.life(slot));
        let attempt = self.requests.get(slot).attempt;
        let spec = self.programs[server].spec;
        let work = spec.needs(attempt.map_or(0, |attempt| clients.attempt(attempt).work));
        let program = &mut self.programs[server];
        program.advance(reactor.now());
        program.busy += 1;
        let done = program.sharing.gained + work as f64;
        program.sharing.due.insert((done.to_bits(), slot), life);
        self.arm(server, reactor);
    }

    /// The next request of a server that shares may be done.
    pub(super) fn shared(&mut self, server: usize, reactor: &mut Reactor, clients: &mut Clients<'_>) {
        let program = &mut self.programs[server];
        program.advance(reactor.now());
        while let Some(((work, slot), life)) = program_first(&self.programs[server]) {
            if f64::from_bits(work) > self.programs[server].sharing.gained {
                break;
            }
            self.programs[server].sharing.due.pop_first();
            self.served(slot, life, reactor, clients);
        }
        self.arm(server, reactor);
    }

    fn arm(&mut self, server: usize, reactor: &mut Reactor) {
        let program = &self.programs[server];
        if let Some(((work, _), _)) = program_first(program) {
            let left = (f64::from_bits(work) - program.sharing.gained).max(0.0);
            reactor.post(reactor.now() + (left / program.share()).ceil() as u64, Due::Shared(server));
        }
    }
}

impl Program<'_> {
    /// How much of a worker each request has.
    fn share(&self) -> f64 {
        f64::from(self.spec.workers) / f64::from(self.busy.max(self.spec.workers))
    }

    fn advance(&mut self, now: u64) {
        let passed = now.saturating_sub(self.sharing.updated) as f64;
        self.sharing.gained += passed * self.share();
        self.sharing.updated = now;
    }
}

fn program_first(program: &Program<'_>) -> Option<((u64, usize), u32)> {
    program.sharing.due.first_key_value().map(|(key, life)| (*key, *life))
}
