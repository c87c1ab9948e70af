//! SCTP as a director sees it: driven by the first chunk of each packet.

use crate::packet::Chunks;

/// Number of states.
pub(super) const STATES: usize = 14;

/// Names as listed.
pub(super) const NAMES: [&str; STATES] = [
    "NONE",
    "INIT1",
    "INIT",
    "C-SENT",
    "C-REPLIED",
    "C-WAIT",
    "COOKIE",
    "C-ECHOED",
    "ESTABLISHED",
    "S-SENT",
    "S-RECEIVED",
    "S-ACK-SENT",
    "REJECTED",
    "CLOSED",
];

/// Timeouts in seconds.
pub(super) const TIMEOUTS: [u32; STATES] = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];

/// State numbers, as they travel in synchronisation messages.
pub(super) mod state {
    /// A first INIT.
    pub(in super::super) const INIT1: u8 = 1;
    /// A second INIT.
    pub(in super::super) const INIT: u8 = 2;
    pub(in super::super) const ESTABLISHED: u8 = 8;
    pub(in super::super) const SHUTDOWN_ACK_SENT: u8 = 11;
    pub(in super::super) const CLOSED: u8 = 13;
}

/// Chunk types that decide something (RFC 9260).
pub(super) mod chunk {
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const ABORT: u8 = 6;
}

/// Is this a state that backups are told about: ESTABLISHED and the closing ones?
pub(super) fn is_announced(now: u8) -> bool {
    matches!(now, state::ESTABLISHED..=state::SHUTDOWN_ACK_SENT | state::CLOSED)
}

pub(super) use super::tcp_state::Sight;

/// The only state that counts as active is ESTABLISHED.
pub(super) fn is_active(now: u8) -> bool {
    now == state::ESTABLISHED
}

/// The state after a packet.
pub(super) fn next(now: u8, sight: Sight, chunks: Chunks) -> u8 {
    TABLES[sight as usize][usize::from(now)][column(chunks)]
}

/// The column of the tables. SACK, HEARTBEAT and whatever is unknown count as DATA; an ABORT behind a cookie wins.
fn column(chunks: Chunks) -> usize {
    match chunks.first {
        10 | 11 if chunks.second == Some(chunk::ABORT) => 9,
        chunk::INIT => 1,
        2 => 2,
        10 => 3,
        11 => 4,
        7 => 5,
        8 => 6,
        14 => 7,
        9 => 8,
        chunk::ABORT => 9,
        _ => 0,
    }
}

type Table = [[u8; 10]; STATES];

static TABLES: [Table; 3] = [resolved(CLIENT), resolved(SERVER), resolved(CLIENT_ONLY)];

const I1: u8 = state::INIT1;
const IN: u8 = state::INIT;
const CS: u8 = 3;
const CR: u8 = 4;
const CW: u8 = 5;
const CO: u8 = 6;
const CE: u8 = 7;
const ES: u8 = state::ESTABLISHED;
const SS: u8 = 9;
const SR: u8 = 10;
const SA: u8 = state::SHUTDOWN_ACK_SENT;
const RJ: u8 = 12;
const CL: u8 = state::CLOSED;
/// Unchanged.
const __: u8 = u8::MAX;

#[rustfmt::skip]
const CLIENT: Table = [
    /*               DATA INI IAK CEC CAK SHU SAK SCO ERR ABO */
    /* NONE        */ [ES, I1, CW, CR, ES, SR, CL, CL, CL, CL],
    /* INIT1       */ [__, IN, CW, IN, __, __, IN, CL, __, CL],
    /* INIT        */ [__, __, CW, __, __, __, __, CL, __, CL],
    /* C-SENT      */ [__, __, __, CR, __, __, __, __, __, CL],
    /* C-REPLIED   */ [__, __, __, __, __, __, __, __, __, CL],
    /* C-WAIT      */ [__, __, CO, __, __, __, __, __, __, RJ],
    /* COOKIE      */ [__, __, __, __, __, __, __, __, __, CL],
    /* C-ECHOED    */ [__, __, __, __, ES, __, __, __, CL, CL],
    /* ESTABLISHED */ [__, __, __, __, __, SR, __, __, __, CL],
    /* S-SENT      */ [__, __, __, __, __, __, CL, __, __, CL],
    /* S-RECEIVED  */ [__, __, __, __, __, __, __, __, __, CL],
    /* S-ACK-SENT  */ [__, __, __, __, __, __, CL, CL, __, CL],
    /* REJECTED    */ [__, IN, __, __, __, __, __, __, __, CL],
    /* CLOSED      */ [__, IN, __, __, __, __, __, __, __, __],
];

#[rustfmt::skip]
const SERVER: Table = [
    /*               DATA INI IAK CEC CAK SHU SAK SCO ERR ABO */
    /* NONE        */ [ES, CW, CS, CE, ES, SS, SA, CL, CL, CL],
    /* INIT1       */ [__, CW, CS, CE, ES, SS, SA, __, CL, RJ],
    /* INIT        */ [__, CW, CS, CE, ES, SS, SA, __, CL, CL],
    /* C-SENT      */ [__, CW, __, CE, ES, SS, SA, __, CL, CL],
    /* C-REPLIED   */ [__, CW, __, CE, ES, SS, SA, __, CL, CL],
    /* C-WAIT      */ [__, __, __, CE, ES, SS, __, __, __, CL],
    /* COOKIE      */ [__, CW, __, CE, ES, SS, __, __, __, CL],
    /* C-ECHOED    */ [__, CW, __, __, ES, SS, __, __, __, CL],
    /* ESTABLISHED */ [__, __, __, __, __, SS, __, __, __, CL],
    /* S-SENT      */ [__, CW, __, __, __, __, SA, __, __, CL],
    /* S-RECEIVED  */ [__, CW, __, __, __, __, SA, __, __, CL],
    /* S-ACK-SENT  */ [__, CW, __, __, __, __, __, __, __, CL],
    /* REJECTED    */ [__, CW, __, __, __, __, __, __, __, CL],
    /* CLOSED      */ [__, CW, __, __, __, __, __, __, __, __],
];

#[rustfmt::skip]
const CLIENT_ONLY: Table = [
    /*               DATA INI IAK CEC CAK SHU SAK SCO ERR ABO */
    /* NONE        */ [ES, I1, CE, ES, ES, SR, CL, CL, CL, CL],
    /* INIT1       */ [__, IN, CE, ES, __, __, IN, CL, __, CL],
    /* INIT        */ [__, __, CE, ES, __, __, __, CL, __, CL],
    /* C-SENT      */ [__, IN, CE, ES, ES, __, __, CL, __, CL],
    /* C-REPLIED   */ [__, IN, CE, ES, ES, __, __, CL, __, CL],
    /* C-WAIT      */ [ES, IN, CE, ES, __, __, __, __, __, RJ],
    /* COOKIE      */ [__, __, __, __, ES, __, __, __, __, CL],
    /* C-ECHOED    */ [__, __, __, __, ES, __, __, __, __, CL],
    /* ESTABLISHED */ [__, __, __, __, __, SR, CL, __, __, CL],
    /* S-SENT      */ [__, __, __, __, __, __, CL, __, __, CL],
    /* S-RECEIVED  */ [__, __, __, __, __, __, __, CL, __, CL],
    /* S-ACK-SENT  */ [__, __, __, __, __, __, CL, CL, __, CL],
    /* REJECTED    */ [__, IN, __, __, __, __, __, __, __, CL],
    /* CLOSED      */ [__, IN, __, __, __, __, __, __, __, __],
];

/// Writes the number of the row where a cell says "unchanged".
const fn resolved(mut table: Table) -> Table {
    let mut row = 0;
    while row < STATES {
        let mut column = 0;
        while column < 10 {
            if table[row][column] == __ {
                table[row][column] = row as u8;
            }
            column += 1;
        }
        row += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(chunks: &[u8]) -> String {
        let mut now = 0;
        let step = |first: &u8| {
            now = next(now, Sight::ClientOnly, Chunks { sport: 1, dport: 2, first: *first, second: None });
            NAMES[usize::from(now)]
        };
        chunks.iter().map(step).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_association_seen_from_the_client_side() {
        assert_eq!(walk(&[1, 10, 0, 7, 14]), "INIT1 ESTABLISHED ESTABLISHED S-RECEIVED CLOSED");
        assert_eq!(walk(&[1, 1, 6]), "INIT1 INIT CLOSED");
    }

    #[test]
    fn an_abort_behind_a_cookie_wins() {
        let cookie_and_abort = Chunks { sport: 1, dport: 2, first: 10, second: Some(6) };
        assert_eq!(next(state::INIT1, Sight::ClientOnly, cookie_and_abort), state::CLOSED);
    }
}
