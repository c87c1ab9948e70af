//! Defences against floods: drop_packet, drop_entry, secure_tcp. A job looks at the memory every second.

use super::Director;
use super::clock::Alarm;
use super::connection::Connection;
use super::persistence::ASSURED;
use super::settings::Settings;
use super::{sctp_state, tcp_state};
use crate::packet::proto;
use sim_core::{Duration, Time};

const SECOND: Duration = Duration::from_secs(1);

/// Entries idle for less than this are kept.
const IDLE: Duration = Duration::from_secs(60);

/// What the defences are up to.
#[derive(Clone, Debug)]
pub(super) struct Defences {
    /// Free and buffer pages of the host.
    pub(super) available_pages: u64,
    /// Every how many opening packets one is dropped; 0 for never.
    drop_rate: i64,
    drop_counter: i64,
    drops_entries: bool,
    secure_tcp: bool,
    /// Candidates for drop_entry so far, by packet count (0 to 8).
    candidates: [u32; 9],
    /// When the job runs next; [`Time::NEVER`] while nobody needs it.
    next: Time,
    /// When it first dropped an entry, which chance had chosen.
    first_drop: Option<Time>,
}

impl Default for Defences {
    fn default() -> Defences {
        Defences {
            available_pages: 1 << 18,
            drop_rate: 0,
            drop_counter: 0,
            drops_entries: false,
            secure_tcp: false,
            candidates: [0; 9],
            next: Time::NEVER,
            first_drop: None,
        }
    }
}

impl Defences {
    /// Is the strict TCP table in force?
    #[inline]
    pub(super) fn secure_tcp(&self) -> bool {
        self.secure_tcp
    }

    /// A packet would open a connection: does drop_packet take it? The first does, then every n-th.
    pub(super) fn drops_packet(&mut self) -> bool {
        if self.drop_rate == 0 {
            return false;
        }
        self.drop_counter -= 1;
        if self.drop_counter > 0 {
            return false;
        }
        self.drop_counter = self.drop_rate;
        true
    }

    /// Looks at the memory and at the settings; modes 1 and 2 turn into each other.
    fn judge(&mut self, settings: &mut Settings) {
        let missing = settings.amemthresh - self.available_pages as i64;
        let short = missing > 0;
        let automatic = |mode: &mut i64| match *mode {
            1 | 2 => {
                *mode = if short { 2 } else { 1 };
                short
            }
            mode => mode == 3,
        };
        let mode_before = settings.drop_packet;
        let dropping = automatic(&mut settings.drop_packet);
        self.drop_rate = match (dropping, mode_before) {
            (false, _) => 0,
            (true, 3) => settings.am_droprate,
            (true, _) => {
                self.drop_counter = settings.amemthresh / missing;
                self.drop_counter
            }
        };
        self.drops_entries = automatic(&mut settings.drop_entry);
        self.secure_tcp = automatic(&mut settings.secure_tcp);
    }
}

impl Director {
    /// Tells the director how much memory its host has free, in pages; it matters to the automatic modes.
    pub fn set_available_pages(&mut self, pages: u64) {
        self.defences.available_pages = pages;
    }

    /// A setting of the defences changed.
    pub(super) fn judge_defences(&mut self, now: Time) {
        self.defences.judge(&mut self.settings);
        let Settings { drop_packet, drop_entry, secure_tcp, .. } = self.settings;
        if self.defences.next == Time::NEVER && (drop_packet | drop_entry | secure_tcp) != 0 {
            self.defences.next = self.clock.post_after(now, SECOND, Alarm::Defend);
        }
    }

    /// The job's next run, if it runs at all: where its phase is that of the moment in which the host's network namespace
    /// was made.
    pub fn defend_at(&mut self, at: Time) {
        if self.defences.next != Time::NEVER {
            self.defences.next = at;
            self.clock.post(at, Alarm::Defend);
        }
    }

    /// Since when chance has decided about the table, as no two kernels do alike: the first entry that drop_entry dropped.
    pub fn chance_since(&self) -> Option<Time> {
        self.defences.first_drop
    }

    /// The job.
    pub(super) fn defend(&mut self, now: Time) {
        if now != self.defences.next {
            return; // an alarm of another phase
        }
        self.defences.next = Time::NEVER;
        self.judge_defences(now);
        if self.defences.drops_entries {
            self.drop_random_entries(now);
        }
    }

    /// Looks at one place of the table in 32, chosen at random with repetition.
    fn drop_random_entries(&mut self, now: Time) {
        for _ in 0..self.connections.places() / 32 {
            let Some(slot) = self.connections.any(self.stream.next_u64()) else { continue };
            let connection = self.connections.get(slot);
            if connection.controls == 0 && self.defences.dispensable(connection, now) {
                self.defences.first_drop.get_or_insert(now);
                self.discard(slot);
            }
        }
    }
}

impl Defences {
    fn dispensable(&mut self, connection: &Connection, now: Time) -> bool {
        use {sctp_state::state as sctp, tcp_state::state as tcp};
        if connection.is_template() {
            return connection.state != ASSURED;
        }
        match (connection.protocol, connection.state) {
            (proto::TCP, tcp::SYN_RECV | tcp::SYNACK) | (proto::SCTP, sctp::INIT1 | sctp::INIT) => true,
            (proto::TCP, tcp::ESTABLISHED) | (proto::SCTP, sctp::ESTABLISHED) => {
                self.idle_turn(connection, now)
            }
            (proto::TCP | proto::SCTP, _) => false,
            _ => self.idle_turn(connection, now),
        }
    }

    /// Of the idle entries with n packets (1 to 8) every n-th goes.
    fn idle_turn(&mut self, connection: &Connection, now: Time) -> bool {
        let n = connection.in_packets as usize;
        if now.since(connection.armed) <= IDLE || !(1..=8).contains(&n) {
            return false;
        }
        let turn = &mut self.candidates[n];
        *turn += 1;
        if *turn < n as u32 {
            return false;
        }
        *turn = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_packet_takes_the_first_and_then_every_nth() {
        let mut settings = Settings { drop_packet: 3, am_droprate: 3, ..Settings::default() };
        let mut defences = Defences::default();
        defences.judge(&mut settings);
        let drops: Vec<bool> = (0..7).map(|_| defences.drops_packet()).collect();
        assert_eq!(drops, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn the_automatic_modes_follow_the_memory() {
        let mut settings = Settings { drop_packet: 1, secure_tcp: 2, ..Settings::default() };
        let mut defences = Defences { available_pages: 512, ..Defences::default() };
        defences.judge(&mut settings);
        assert_eq!((settings.drop_packet, settings.secure_tcp), (2, 2));
        assert!(defences.secure_tcp());
        // amemthresh / (amemthresh − available) = 1024 / 512
        assert!(!defences.drops_packet() && defences.drops_packet());
        defences.available_pages = 4096;
        defences.judge(&mut settings);
        assert_eq!((settings.drop_packet, settings.secure_tcp), (1, 1));
        assert!(!defences.secure_tcp() && !defences.drops_packet());
    }
}
