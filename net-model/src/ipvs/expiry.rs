//! The end of an entry.

use super::Director;
use super::connection::{Slot, flag};
use super::persistence::ASSURED;
use sim_core::Time;
use std::cmp::Reverse;

/// What an entry that others hang on gets when its timer fires, in seconds. It keeps this timeout.
const GRACE: u32 = 60;

impl Director {
    /// Fires the timers of entries that are due at the same instant, the one that was set last first, as timer wheels
    /// do: a connection goes before the template that was re-armed for it. A template that has been due at this instant
    /// for longer than it was set the last time goes after all of them (recorded from Linux 6.1: two connections within a
    /// turn of the wheel take their template along).
    pub(super) fn expire_all(&mut self, at: Time, due: &mut Vec<Slot>) {
        due.sort_by_key(|slot| {
            let connection = self.connections.get(*slot);
            (connection.is(flag::KEPT), Reverse(connection.armed), connection.controls > 0)
        });
        for slot in due.drain(..) {
            // It may have gone with another one.
            if self.connections.get(slot).is(flag::HASHED) {
                self.expire(at, slot);
            }
        }
    }

    /// The timer of an entry fired.
    fn expire(&mut self, now: Time, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        if connection.controls > 0 {
            connection.timeout = GRACE;
            connection.rearm(now, slot, &mut self.clock);
        } else {
            self.remove(slot);
        }
    }

    /// Removes an entry on purpose, before its time: its template goes with it if nothing else hangs on that and it
    /// is not assured.
    pub(super) fn discard(&mut self, slot: Slot) {
        self.connections.get_mut(slot).timeout = 0;
        self.remove(slot);
    }

    /// Takes an entry out of the table, out of its destination's counts and off its template.
    pub(super) fn remove(&mut self, slot: Slot) {
        let connection = self.connections.get(slot).clone();
        let mapping = *self.connections.mapping(&connection);
        self.connections.remove(slot);
        if connection.is(flag::CALL | flag::HELPED) {
            self.calls.forget(slot);
            self.helper.forget(slot);
        }
        if let Some(control) = connection.control.some() {
            let template = self.connections.get_mut(control);
            template.controls -= 1;
            let assured = template.is_template() && template.state == ASSURED;
            if connection.timeout == 0 && template.controls == 0 && !assured {
                self.discard(control);
            }
        }
        if let Some(destination) = mapping.destination() {
            let (template, inactive) = (connection.is_template(), connection.is(flag::INACTIVE));
            self.destinations.release(self.profile, destination, template, inactive);
        }
    }

    /// `expire_nodest_conn`: entries without an available destination go, those that control others excepted; and with
    /// the last of its connections goes a template, even an assured one.
    pub(super) fn expire_gone(&mut self) {
        let gone = |(slot, c): (Slot, &super::connection::Connection)| {
            (self.is_gone(slot) && c.controls == 0).then_some(slot)
        };
        let slots: Vec<Slot> = self.connections.iter().filter_map(gone).collect();
        for slot in slots {
            // A template may have gone with the last of its connections.
            if !self.connections.get(slot).is(flag::HASHED) {
                continue;
            }
            let control = self.connections.get(slot).control.some();
            self.discard(slot);
            let is_left = |slot: &Slot| {
                let template = self.connections.get(*slot);
                template.is(flag::HASHED) && template.controls == 0
            };
            if let Some(control) = control.filter(is_left) {
                self.discard(control);
            }
        }
    }
}
