//! The FTP helper (module `ip_vs_ftp`): data connections of masqueraded servers.
//!
//! FTP announces its data connections inside the control connection, on port 21. Packets here carry no text, so
//! whoever models an FTP program tells the director what a segment says; the director creates the entry that the data
//! connection will find, and hands back the address that the client must read. Direct routing and tunnels do
//! without the helper: there a persistent service on port 21 takes the data connections too.

use super::Director;
use super::connection::{NewConnection, Slot, Tuple, flag};
use super::mapping::Mapping;
use super::service::{FTP, FTP_DATA};
use super::tcp_state::{TIMEOUTS, state};
use crate::addr::Addr;
use crate::packet::{Packet, proto};
use sim_core::Time;

/// What a segment of a control connection says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FtpText {
    /// The server's answer to PASV or EPSV (227, 229): it listens on this port.
    Passive {
        /// The port announced.
        port: u16,
    },
    /// The client's PORT or EPRT: it listens there, and the server will connect from port 20.
    Active {
        /// The address announced.
        addr: Addr,
        /// The port announced.
        port: u16,
    },
}

impl Director {
    /// A segment of a control connection says where a data connection will go. To be called with the segment as it
    /// arrived, before its hook. Answers with the address and port that the receiver must read instead of what was
    /// announced; none if the segment belongs to no established, masqueraded control connection.
    pub fn ftp_says(&mut self, now: Time, segment: &Packet, text: FtpText) -> Option<(Addr, u16)> {
        self.advance(now);
        let tuple = Tuple::of(segment)?;
        let control = match text {
            FtpText::Passive { .. } => self.connections.find_reply(&tuple)?,
            FtpText::Active { .. } => self.connections.find_request(&tuple)?,
        };
        let connection = self.connections.get(control);
        let mapping = self.connections.mapping(connection);
        let helped = connection.protocol == proto::TCP
            && connection.method() == flag::MASQUERADE
            && mapping.virtual_.1 == FTP
            && connection.state == state::ESTABLISHED
            && mapping.destination().is_some();
        if !helped {
            return None;
        }
        let (virtual_, real) = (mapping.virtual_.0, mapping.real.0);
        let (client, port, unknown, reads) = match text {
            FtpText::Passive { port } => {
                ((connection.client, 0), port, flag::NO_CLIENT_PORT, (virtual_, port))
            }
            FtpText::Active { addr, port } => ((addr, port), FTP_DATA, 0, (addr, port)),
        };
        let new = NewConnection {
            protocol: proto::TCP,
            client,
            mapping: Mapping { virtual_: (virtual_, port), real: (real, port), ..*mapping },
            flags: flag::MASQUERADE | flag::INACTIVE | unknown,
            timeout: TIMEOUTS[usize::from(state::LISTEN)],
        };
        self.expect_data(now, control, &new);
        Some(reads)
    }

    /// Creates the entry of an expected data connection, under its control connection.
    fn expect_data(&mut self, now: Time, control: Slot, new: &NewConnection) {
        let slot = self.connections.insert(now, new);
        self.bind(slot, new.mapping.destination);
        let data = self.connections.get_mut(slot);
        data.state = state::LISTEN;
        data.control = control;
        data.rearm(now, slot, &mut self.clock);
        self.connections.get_mut(control).controls += 1;
    }
}
