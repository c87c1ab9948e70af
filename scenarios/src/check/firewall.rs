//! What the packet filter of a host does to the packets of LVS, as far as its rules alone tell.
//!
//! Behind IPVS connections look different to `-m state`: a director sees one side of direct routing and tunnels, and with
//! `net.ipv4.vs.conntrack=0` its packets are not tracked at all. A rule set that suits an ordinary server drops there
//! what follows the first packet, or only the last ones. Conditions that a check cannot know (interfaces, marks, sources)
//! are taken to let packets pass.

use super::View;
use crate::console::iptables::{Chain, Change, Condition, Iptables, PacketCondition, Rule, Target};
use crate::source::Span;
use net_model::addr::Addr;
use net_model::host::conntrack::State;
use net_model::ipvs::{Forwarding, Protocol, ServiceKey};
use net_model::packet::proto;

/// The rules of a host, in the order in which packets meet them.
#[derive(Debug, Default)]
pub(super) struct Firewall {
    rules: Vec<(Chain, Span, Rule)>,
    /// Chains whose policy drops, and where that was said.
    dropping: Vec<(Chain, Span)>,
    /// Rules were deleted: what is left is not known here.
    is_unknown: bool,
}

/// A packet as far as a check knows it.
#[derive(Clone, Copy)]
struct Probe {
    protocol: u8,
    /// The receiver's address and port, if they are known.
    to: Option<(Addr, u16)>,
    /// The sender's.
    from: Option<(Addr, u16)>,
    is_syn: bool,
    state: State,
}

impl Firewall {
    /// What a command does to them.
    pub(super) fn change(&mut self, span: Span, command: &Iptables) {
        for chain in &command.chains {
            match &command.change {
                Change::Append(rule) => self.rules.push((*chain, span, rule.clone())),
                Change::Insert(place, rule) => {
                    let mut places = (0..self.rules.len()).filter(|at| self.rules[*at].0 == *chain);
                    let at = places.nth(*place as usize - 1).unwrap_or(self.rules.len());
                    self.rules.insert(at, (*chain, span, rule.clone()));
                }
                Change::Policy { drops: true } => self.dropping.push((*chain, span)),
                Change::Policy { drops: false } => self.dropping.retain(|(other, _)| other != chain),
                Change::Flush => self.rules.retain(|(other, ..)| other != chain),
                Change::Delete(_) | Change::DeleteAt(_) => self.is_unknown = true,
                Change::List => {}
            }
        }
    }

    /// The port to which a rule of the table nat sends what is for this address and port, if one does.
    pub(super) fn redirects(&self, protocol: Protocol, addr: Addr, port: u16) -> Option<u16> {
        let protocol = number(protocol);
        let probe = Probe { protocol, to: Some((addr, port)), from: None, is_syn: true, state: State::New };
        let (.., rule) =
            self.rules_of(Chain::NatPrerouting).find(|(_, rule)| meets(rule, probe) != Some(false))?;
        match rule.target {
            Target::Redirect { ports: Some((low, high)) } if !(low..=high).contains(&port) => Some(low),
            Target::Redirect { .. } => Some(port),
            _ => None,
        }
    }

    fn rules_of(&self, chain: Chain) -> impl Iterator<Item = (Span, &Rule)> {
        self.rules.iter().filter(move |(other, ..)| *other == chain).map(|(_, span, rule)| (*span, rule))
    }

    /// Where it is said that such a packet is dropped, if that is sure.
    fn drops(&self, chain: Chain, probe: Probe) -> Option<Span> {
        if self.is_unknown {
            return None;
        }
        for (span, rule) in self.rules_of(chain) {
            match (meets(rule, probe), rule.target) {
                (Some(true), Target::Drop | Target::Reject(_)) => return Some(span),
                (Some(true) | None, Target::Accept) => return None,
                _ => {}
            }
        }
        self.dropping.iter().find(|(other, _)| *other == chain).map(|(_, span)| *span)
    }
}

/// The rules of a director against the packets of one of its TCP services.
pub(super) fn states(
    view: &mut View<'_>,
    director: usize,
    key: ServiceKey,
    (server, server_port): (Addr, u16),
    forwarding: Forwarding,
) {
    let ServiceKey::Address { protocol: Protocol::Tcp, addr: vip, port } = key else { return };
    let name = view.scenario.hosts[director].name.clone();
    let facts = view.facts[director].clone();
    let is_kept = facts.sysctl("net.ipv4.vs.conntrack") != 0;
    let is_nat = forwarding == Forwarding::Masquerade;
    let opens =
        Probe { protocol: proto::TCP, to: Some((vip, port)), from: None, is_syn: true, state: State::New };
    if facts.firewall.drops(Chain::Input, opens).is_some() {
        return; // the service is closed, whatever the reason
    }
    let (next, last) = match (is_kept, is_nat) {
        (true, true) => (State::Established, State::Established),
        (true, false) => (State::Invalid, State::Invalid),
        (false, _) => (State::New, State::Invalid),
    };
    let seen = |state| Probe { is_syn: false, state, ..opens };
    let cure = match is_nat {
        true => "set net.ipv4.vs.conntrack=1, or accept by address and port, without a state",
        false => "accept by address and port, without a state",
    };
    if let Some(span) = facts.firewall.drops(Chain::Input, seen(next)) {
        let message = format!(
            "{name} drops what follows the first packet of each connection: behind IPVS its state is {}, not ESTABLISHED",
            next.name()
        );
        view.warn_once(span, "states", message, cure);
    } else if let Some(span) = facts.firewall.drops(Chain::Input, seen(last)) {
        let message = format!(
            "{name} drops the last packets of each connection: the state of a FIN is {} there",
            last.name()
        );
        view.warn_once(span, "states", message, cure);
    }
    let answer = Probe {
        protocol: proto::TCP,
        to: None,
        from: Some((server, server_port)),
        is_syn: false,
        state: if is_kept { State::Established } else { State::Invalid },
    };
    if is_nat && let Some(span) = facts.firewall.drops(Chain::Forward, answer) {
        let message = format!(
            "{name} drops the answers of masqueraded servers: to FORWARD their state is {}",
            answer.state.name()
        );
        let cure = if is_kept { "accept ESTABLISHED in FORWARD" } else { cure };
        view.warn_once(span, "answer states", message, cure);
    }
}

/// Does a rule look at the packet? None if that depends on what is not known.
fn meets(rule: &Rule, probe: Probe) -> Option<bool> {
    let mut is_sure = true;
    for (condition, holds) in &rule.matches {
        match is_met(condition, probe) {
            Some(is_met) if is_met != *holds => return Some(false),
            Some(_) => {}
            None => is_sure = false,
        }
    }
    is_sure.then_some(true)
}

fn is_met(condition: &Condition, probe: Probe) -> Option<bool> {
    let Condition::Packet(condition) = condition else { return None };
    let within = |port: u16, ranges: &[(u16, u16)]| ranges.iter().any(|&(a, b)| (a..=b).contains(&port));
    match condition {
        PacketCondition::Protocol(number) => Some(*number == probe.protocol),
        PacketCondition::Destination(prefix) => probe.to.map(|(addr, _)| prefix.contains(addr)),
        PacketCondition::DestinationPorts(ranges) => probe.to.map(|(_, port)| within(port, ranges)),
        PacketCondition::Source(prefix) => probe.from.map(|(addr, _)| prefix.contains(addr)),
        PacketCondition::SourcePorts(ranges) => probe.from.map(|(_, port)| within(port, ranges)),
        PacketCondition::State(states) => Some(states.has(probe.state)),
        PacketCondition::Syn => Some(probe.is_syn),
        PacketCondition::LaterFragment => Some(false),
        PacketCondition::In(_)
        | PacketCondition::Out(_)
        | PacketCondition::Ports(_)
        | PacketCondition::Mark { .. } => None,
    }
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => proto::TCP,
        Protocol::Udp => proto::UDP,
        Protocol::Sctp => proto::SCTP,
    }
}
