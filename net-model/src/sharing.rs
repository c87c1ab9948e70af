//! Processor sharing: all requests in service share the power of a server's processors, none getting more than one.

use crate::cx::Cx;
use crate::event::Event;
use crate::host::Host;
use crate::request::RequestId;
use crate::server::Server;
use sim_core::{Duration, Time};
use std::collections::BTreeMap;

/// Processor sharing in virtual work: every request in service gains the same amount.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// Work each request in service has gained since the start, in nanoseconds of one processor.
    gained: f64,
    updated: Time,
    /// Requests by the work at which they are done (bits of a non-negative f64 sort like the number).
    due: BTreeMap<(u64, RequestId), ()>,
    /// The instant of the one valid event.
    next: Time,
}

impl Host {
    /// A request joins those in service.
    pub(crate) fn share(&mut self, cx: &mut Cx, id: RequestId) {
        let number = cx.requests.get(id).server;
        let server = &mut self.servers[number as usize];
        server.advance_sharing(cx.now);
        let work = server.draw_service();
        let done_at = server.sharing.gained + work.as_nanos() as f64;
        let request = cx.requests.get_mut(id);
        request.response_bytes = server.draw_response();
        request.has_worker = true;
        server.change_busy(cx.now, 1);
        server.sharing.due.insert((done_at.to_bits(), id), ());
        crate::server::note_work(cx, id, work);
        self.arm_sharing(cx, number);
    }

    /// The event of a processor-sharing server.
    pub(crate) fn sharing_event(&mut self, cx: &mut Cx, number: u32) {
        if self.servers[number as usize].sharing.next != cx.now {
            return; // an arrival or a departure has moved it
        }
        self.servers[number as usize].advance_sharing(cx.now);
        if let Some(((_, id), ())) = self.servers[number as usize].sharing.due.pop_first() {
            self.request_served(cx, id);
        }
        self.arm_sharing(cx, number);
    }

    fn arm_sharing(&mut self, cx: &mut Cx, number: u32) {
        let server = &mut self.servers[number as usize];
        let Some(((work, _), ())) = server.sharing.due.first_key_value() else {
            server.sharing.next = Time::NEVER;
            return;
        };
        let left = (f64::from_bits(*work) - server.sharing.gained).max(0.0);
        let next = cx.now + Duration::from_nanos((left / server.share()).ceil() as u64);
        if next != server.sharing.next || next == cx.now {
            server.sharing.next = next;
            cx.agenda.post(next, Event::Shared(server.number));
        }
    }
}

impl Server {
    /// How much of a processor each request in service has.
    fn share(&self) -> f64 {
        f64::from(self.spec.workers) / f64::from(self.busy.max(self.spec.workers))
    }

    fn advance_sharing(&mut self, now: Time) {
        let passed = now.since(self.sharing.updated).as_nanos() as f64;
        self.sharing.gained += passed * self.share();
        self.sharing.updated = now;
    }
}
