//! VLANs: `eth0.10` on a host, `access`, `trunk` and `native` of switch ports.

use super::{Resolver, is_virtual};
use crate::decode::Spanned;
use crate::scenario::Interface;
use crate::schema::{HostText, InterfaceText};
use net_model::host::vlan::MAX_VLAN;
use net_model::port::{DEFAULT_VLAN, PortVlans};

impl Resolver<'_> {
    /// The card and the id of an interface called `CARD.ID`.
    pub(super) fn vlan(
        &mut self,
        name: &Spanned<String>,
        text: &InterfaceText,
        host: &HostText,
    ) -> Option<(String, u16)> {
        let (card, id) = name.rsplit_once('.')?;
        let Some(id) = id.parse().ok().filter(|id| (1..=MAX_VLAN).contains(id)) else {
            let message = format!("`{id}` is no VLAN id");
            self.error(
                name.span,
                message,
                format!("a VLAN is called CARD.ID with an id of 1 to {MAX_VLAN}: eth0.10"),
            );
            return None;
        };
        let below = host.interfaces.0.iter().find(|(other, _)| other.value == card);
        if is_virtual(card) || card.contains('.') || below.is_some_and(|(_, below)| below.network.is_none()) {
            let message = format!("{card} carries no VLANs");
            self.error(name.span, message, "VLANs are on cards that are plugged into a network: eth0.10");
            return None;
        }
        let Some((_, below)) = below else {
            let message = format!("`{}` is a VLAN on {card}, which the host does not have", name.value);
            self.error(name.span, message, format!("add `{card}: {{network: NAME}}`"));
            return None;
        };
        let of_the_card = [
            text.network.as_ref().map(|network| network.span),
            text.access.map(|id| id.span),
            text.trunk.0.first().map(|id| id.span),
            text.native.map(|id| id.span),
            text.mac.map(|mac| mac.span),
        ];
        if let Some(span) = of_the_card.into_iter().flatten().next() {
            let message = format!("`{}` uses the cable and the port of {card}", name.value);
            self.error(span, message, format!("write this at {card}; a VLAN has `address` and `up`"));
        }
        if text.access.is_none() && below.access.is_none() && !below.trunk.0.is_empty() {
            self.expect_on_trunk(name, id, card, below);
        }
        Some((card.into(), id))
    }

    /// A VLAN that the port of its card does not carry.
    fn expect_on_trunk(&mut self, name: &Spanned<String>, id: u16, card: &str, below: &InterfaceText) {
        if below.trunk.0.iter().all(|carried| carried.value != id) {
            let message = format!("the switch port of {card} does not carry VLAN {id}");
            self.error(name.span, message, format!("add {id} to the `trunk` of {card}"));
        }
    }

    /// What the switch port of an interface carries.
    pub(super) fn port(&mut self, text: &InterfaceText) -> Option<PortVlans> {
        let ids = text.trunk.0.iter().chain(&text.access).chain(&text.native);
        for id in ids.filter(|id| !(1..=MAX_VLAN).contains(&id.value)) {
            self.error(id.span, format!("`{}` is no VLAN id", id.value), format!("ids are 1 to {MAX_VLAN}"));
        }
        if let (Some(access), Some(_)) = (&text.access, text.trunk.0.first()) {
            let cure = "`access` for one VLAN without tags, `trunk` for several with tags, `native` for one of them without";
            self.error(access.span, "a port is an access port or a trunk", cure);
        }
        if let Some(native) = &text.native {
            if text.trunk.0.is_empty() {
                self.error(
                    native.span,
                    "`native` belongs to a trunk",
                    "add `trunk: [ID, …]`, or write `access`",
                );
            } else if text.trunk.0.iter().any(|id| id.value == native.value) {
                let message = format!("VLAN {} is both tagged and untagged here", native.value);
                self.error(native.span, message, "name it in `trunk` or in `native`, not in both");
            }
        }
        match (text.access, text.trunk.0.as_slice()) {
            (Some(access), _) => Some(PortVlans::access(access.value)),
            (None, []) => None,
            (None, tagged) => {
                let tagged = tagged.iter().map(|id| id.value).collect();
                Some(PortVlans::trunk(tagged, text.native.map(|native| native.value)))
            }
        }
    }
}

/// The interfaces of a host with their broadcast domains. VLANs come after all cards, which they need.
pub(super) fn with_segments(mut interfaces: Vec<Interface>) -> Vec<Interface> {
    interfaces.sort_by_key(|interface| interface.vlan.is_some());
    for at in 0..interfaces.len() {
        let segment = match &interfaces[at].vlan {
            Some((card, id)) => interfaces
                .iter()
                .find(|interface| interface.name == *card)
                .and_then(|card| Some((card.plug?.0, named(*id)))),
            None => interfaces[at].plug.and_then(|(network, _)| {
                let untagged = match &interfaces[at].port {
                    None => Some(0),
                    Some(port) => port.untagged.map(named),
                };
                Some((network, untagged?))
            }),
        };
        interfaces[at].segment = segment;
    }
    interfaces
}

/// The VLAN of ports of which nothing is said is that of hosts that know of none.
fn named(id: u16) -> u16 {
    if id == DEFAULT_VLAN { 0 } else { id }
}
