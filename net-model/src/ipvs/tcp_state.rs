//! TCP as a director sees it (`/proc/net/ip_vs_conn`): a guess at both ends' states from the segments that pass.
//!
//! Masquerading sees both directions; direct routing and tunnels see the client only and guess the server's part.
//! Every packet re-arms the timer with the timeout of the state it leads to.

use crate::packet::{Flags, Segment};

/// Number of states.
pub(super) const STATES: usize = 11;

/// Names as listed.
pub(super) const NAMES: [&str; STATES] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
];

/// Timeouts in seconds.
pub(super) const TIMEOUTS: [u32; STATES] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];

/// State numbers, as they travel in synchronisation messages.
pub(super) mod state {
    /// Both sides have spoken.
    pub(in super::super) const ESTABLISHED: u8 = 1;
    pub(in super::super) const SYN_SENT: u8 = 2;
    /// The client has sent a SYN.
    pub(in super::super) const SYN_RECV: u8 = 3;
    /// The server (or, seen from one side, anybody) has closed.
    pub(in super::super) const FIN_WAIT: u8 = 4;
    pub(in super::super) const TIME_WAIT: u8 = 5;
    pub(in super::super) const CLOSE: u8 = 6;
    pub(in super::super) const CLOSE_WAIT: u8 = 7;
    /// An FTP data connection is expected.
    pub(in super::super) const LISTEN: u8 = 9;
    /// Under `secure_tcp`, waits for the proof that the client is real.
    pub(in super::super) const SYNACK: u8 = 10;
}

/// What a segment does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Syn = 0,
    Fin = 1,
    Ack = 2,
    Rst = 3,
    /// None of the four flags.
    Bare = 4,
}

impl Kind {
    /// The first that applies: RST, SYN, FIN, ACK.
    #[inline]
    pub(super) fn of(segment: &Segment) -> Kind {
        KINDS[usize::from(segment.flags.0)]
    }
}

/// By the flags of a segment.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Bare; 256];
    let mut flags = 0;
    while flags < 256 {
        kinds[flags] = if flags & Flags::RST.0 as usize != 0 {
            Kind::Rst
        } else if flags & Flags::SYN.0 as usize != 0 {
            Kind::Syn
        } else if flags & Flags::FIN.0 as usize != 0 {
            Kind::Fin
        } else if flags & Flags::ACK.0 as usize != 0 {
            Kind::Ack
        } else {
            Kind::Bare
        };
        flags += 1;
    }
    kinds
};

/// Whose packet it is, and what the director can see of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sight {
    /// The client's packet, both directions pass here.
    Client = 0,
    /// The server's packet.
    Server = 1,
    /// The client's packet, the server's are not seen.
    ClientOnly = 2,
}

/// Does a connection in this state count as active?
#[inline]
pub(super) fn is_active(now: u8) -> bool {
    const ACTIVE: u32 =
        1 << state::ESTABLISHED | 1 << state::SYN_SENT | 1 << state::SYN_RECV | 1 << state::SYNACK;
    ACTIVE >> (now % 32) & 1 != 0
}

/// The state after a segment.
#[inline]
pub(super) fn next(now: u8, sight: Sight, kind: Kind, secure: bool) -> u8 {
    STEPS[cell(now, sight, kind, secure)]
}

type Table = [[u8; 4]; STATES];

const NO: u8 = 0;
const ES: u8 = state::ESTABLISHED;
const SS: u8 = state::SYN_SENT;
const SR: u8 = state::SYN_RECV;
const FW: u8 = state::FIN_WAIT;
const TW: u8 = state::TIME_WAIT;
const CL: u8 = state::CLOSE;
const CW: u8 = state::CLOSE_WAIT;
const LA: u8 = 8;
const LI: u8 = state::LISTEN;
const SA: u8 = state::SYNACK;
/// Unchanged.
const __: u8 = u8::MAX;

#[rustfmt::skip]
const CLIENT: Table = [
    /*                 SYN FIN ACK RST */
    /* NONE        */ [SR, CL, ES, CL],
    /* ESTABLISHED */ [__, CW, __, CL],
    /* SYN_SENT    */ [ES, __, __, CL],
    /* SYN_RECV    */ [__, TW, ES, __],
    /* FIN_WAIT    */ [SR, TW, __, CL],
    /* TIME_WAIT   */ [SR, __, __, CL],
    /* CLOSE       */ [SR, __, __, __],
    /* CLOSE_WAIT  */ [SR, __, __, CL],
    /* LAST_ACK    */ [SR, __, CL, __],
    /* LISTEN      */ [SR, __, __, __],
    /* SYNACK      */ [SR, TW, ES, SR],
];

#[rustfmt::skip]
const SERVER: Table = [
    /*                 SYN FIN ACK RST */
    /* NONE        */ [SS, TW, ES, CL],
    /* ESTABLISHED */ [__, FW, __, CL],
    /* SYN_SENT    */ [__, __, __, __],
    /* SYN_RECV    */ [__, TW, ES, CL],
    /* FIN_WAIT    */ [SS, __, __, CL],
    /* TIME_WAIT   */ [SS, __, __, __],
    /* CLOSE       */ [SS, __, __, __],
    /* CLOSE_WAIT  */ [SS, TW, __, CL],
    /* LAST_ACK    */ [SS, __, __, CL],
    /* LISTEN      */ [__, __, ES, CL],
    /* SYNACK      */ [SR, TW, ES, CL],
];

#[rustfmt::skip]
const CLIENT_ONLY: Table = [
    /*                 SYN FIN ACK RST */
    /* NONE        */ [SR, CL, ES, CL],
    /* ESTABLISHED */ [__, FW, __, CL],
    /* SYN_SENT    */ [ES, __, __, CL],
    /* SYN_RECV    */ [__, TW, ES, __],
    /* FIN_WAIT    */ [SR, __, __, CL],
    /* TIME_WAIT   */ [SR, __, __, CL],
    /* CLOSE       */ [SR, __, __, __],
    /* CLOSE_WAIT  */ [SR, __, __, CL],
    /* LAST_ACK    */ [SR, __, CL, __],
    /* LISTEN      */ [SR, __, __, __],
    /* SYNACK      */ [SR, TW, ES, CL],
];

/// The cells that `secure_tcp` changes: a connection counts as established only once the server's ACK (or, seen from
/// one side, the client's) has proved it.
#[rustfmt::skip]
const STRICTER: [(Sight, u8, Kind, u8); 15] = [
    (Sight::Client,     SA, Kind::Syn, SA),
    (Sight::Client,     SA, Kind::Fin, SA),
    (Sight::Client,     SR, Kind::Ack, SR),
    (Sight::Client,     SA, Kind::Ack, SA),
    (Sight::Client,     SA, Kind::Rst, CL),
    (Sight::Server,     SR, Kind::Syn, SA),
    (Sight::Server,     SA, Kind::Syn, SA),
    (Sight::ClientOnly, NO, Kind::Syn, SA),
    (Sight::ClientOnly, FW, Kind::Syn, SA),
    (Sight::ClientOnly, TW, Kind::Syn, SA),
    (Sight::ClientOnly, CL, Kind::Syn, SA),
    (Sight::ClientOnly, CW, Kind::Syn, SA),
    (Sight::ClientOnly, LA, Kind::Syn, SA),
    (Sight::ClientOnly, LI, Kind::Syn, SA),
    (Sight::ClientOnly, SA, Kind::Syn, SA),
];

/// All tables in one, the cells of a row side by side with room for five kinds.
static STEPS: [u8; 1024] = {
    let mut steps = [NO; 1024];
    fill(&mut steps, false);
    fill(&mut steps, true);
    steps
};

/// The place of a cell in [`STEPS`].
#[inline]
const fn cell(now: u8, sight: Sight, kind: Kind, secure: bool) -> usize {
    ((secure as usize) << 9 | (sight as usize) << 7 | (now as usize % 16) << 3 | kind as usize) % 1024
}

const fn fill(steps: &mut [u8; 1024], secure: bool) {
    let sights = [Sight::Client, Sight::Server, Sight::ClientOnly];
    let kinds = [Kind::Syn, Kind::Fin, Kind::Ack, Kind::Rst];
    let tables = [resolved(CLIENT), resolved(SERVER), resolved(CLIENT_ONLY)];
    let mut sight = 0;
    while sight < 3 {
        let mut row = 0;
        while row < STATES as u8 {
            let mut column = 0;
            while column < 4 {
                let next = tables[sight][row as usize][column];
                steps[cell(row, sights[sight], kinds[column], secure)] = next;
                column += 1;
            }
            steps[cell(row, sights[sight], Kind::Bare, secure)] = state::CLOSE;
            row += 1;
        }
        sight += 1;
    }
    let mut i = 0;
    while secure && i < STRICTER.len() {
        let (sight, row, kind, next) = STRICTER[i];
        steps[cell(row, sight, kind, true)] = next;
        i += 1;
    }
}

/// Writes the number of the row where a cell says "unchanged".
const fn resolved(mut table: Table) -> Table {
    let mut row = 0;
    while row < STATES {
        let mut column = 0;
        while column < 4 {
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

    /// The listed states after each letter: lower case from the client, upper case from the server.
    fn walk(segments: &str, one_sided: bool, secure: bool) -> String {
        let mut now = 0;
        let step = |c: char| {
            let sight = match (c.is_uppercase(), one_sided) {
                (true, _) => Sight::Server,
                (false, true) => Sight::ClientOnly,
                (false, false) => Sight::Client,
            };
            let kind = match c.to_ascii_lowercase() {
                's' => Kind::Syn,
                'f' => Kind::Fin,
                'a' => Kind::Ack,
                'r' => Kind::Rst,
                _ => Kind::Bare,
            };
            now = next(now, sight, kind, secure);
            NAMES[usize::from(now)]
        };
        segments.chars().map(step).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_normal_life() {
        assert_eq!(
            walk("sSafAFa", false, false),
            "SYN_RECV SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT"
        );
        assert_eq!(walk("saafa", true, false), "SYN_RECV ESTABLISHED ESTABLISHED FIN_WAIT FIN_WAIT");
        assert_eq!(
            walk("sSaFfA", false, false),
            "SYN_RECV SYN_RECV ESTABLISHED FIN_WAIT TIME_WAIT TIME_WAIT"
        );
    }

    #[test]
    fn a_client_reset_does_not_close_a_half_open_connection() {
        assert_eq!(walk("srar", true, false), "SYN_RECV SYN_RECV ESTABLISHED CLOSE");
        assert_eq!(walk("sfs", true, false), "SYN_RECV TIME_WAIT SYN_RECV");
        assert_eq!(walk("sR", false, false), "SYN_RECV CLOSE");
    }

    #[test]
    fn secure_tcp_waits_for_proof() {
        assert_eq!(walk("sa", true, true), "SYNACK ESTABLISHED");
        assert_eq!(walk("sSaA", false, true), "SYN_RECV SYNACK SYNACK ESTABLISHED");
    }

    #[test]
    fn a_segment_without_flags_closes() {
        assert_eq!(walk("sa.", true, false), "SYN_RECV ESTABLISHED CLOSE");
    }
}
