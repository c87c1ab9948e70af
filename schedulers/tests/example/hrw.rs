//! `hrw`, highest random weight: each client belongs to the server that draws the highest number for it.
//!
//! Every server draws one ticket for each unit of its weight; a ticket is a hash of client, server and its own number.
//! The owner of the highest ticket takes the client. If a server goes, its clients find their second highest, and
//! nobody else moves; if one comes, it takes clients only to itself. There is no state to keep.

use schedulers::{Cx, Destination, DestinationId, Destinations, Scheduler, TooMany};
use std::net::IpAddr;

/// The scheduler.
#[derive(Clone, Debug)]
pub struct HighestRandomWeight;

impl Scheduler for HighestRandomWeight {
    const HELP: &'static str = "Keeps each client at one server without remembering it, and moves as few clients as \
        possible when servers come and go. A decision looks at every unit of weight: keep weights small.";
    const RULE: &'static str = "the usable server with the highest ticket for this client";
    const TIES: &'static str = "the first in list order, newest first; ties are as rare as equal hashes";

    fn bind(_flags: u8, _list: &Destinations) -> Result<HighestRandomWeight, TooMany> {
        Ok(HighestRandomWeight)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let usable = cx.list.iter().filter(|(_, server)| server.is_usable());
        let tickets = usable.map(|(id, server)| (highest_ticket(cx.flow.client, server), id));
        // `max_by_key` would keep the last of equals; Linux keeps the first.
        tickets.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, id)| id)
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        format!("highest ticket {:016x}", highest_ticket(cx.flow.client, cx.list.get(id)))
    }
}

fn highest_ticket(client: IpAddr, server: &Destination) -> u64 {
    let seed = mix(bits(client) ^ mix(bits(server.addr) ^ u64::from(server.port)));
    (0..server.weight.unsigned_abs()).map(|ticket| mix(seed ^ u64::from(ticket))).max().unwrap_or(0)
}

/// An address as a number.
fn bits(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(addr) => u64::from(addr.to_bits()),
        IpAddr::V6(addr) => (addr.to_bits() as u64) ^ (addr.to_bits() >> 64) as u64,
    }
}

/// Spreads numbers over all numbers (the finaliser of splitmix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
