//! arptables: packet filter rules for ARP.
//!
//! The chains INPUT (before a host looks at an ARP packet) and OUTPUT (requests and replies it sends). The classic
//! recipe for a virtual address on a real server's own interface drops what asks for it and rewrites the sender of
//! what the host asks: `arptables -A OUTPUT -s VIP -j mangle --mangle-ip-s RIP`.

use super::interface::InterfaceId;
use crate::addr::{Addr, Prefix};
use crate::packet::{Arp, ArpOp};

/// A chain of arptables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpChain {
    /// What the host receives.
    Input,
    /// What the host sends.
    Output,
}

/// What a rule does with a packet it matches; every action ends the walk of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpAction {
    /// `-j ACCEPT`
    Accept,
    /// `-j DROP`
    Drop,
    /// `-j mangle --mangle-ip-s ADDR`: another sender address, then accept.
    MangleSender(Addr),
}

/// A rule; every part that is given must match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpRule {
    /// `-s`: sender IP and whether it must be inside (false for `! -s`).
    pub sender: Option<(Prefix, bool)>,
    /// `-d`: target IP and whether it must be inside.
    pub target: Option<(Prefix, bool)>,
    /// `-i` of INPUT, `-o` of OUTPUT.
    pub interface: Option<InterfaceId>,
    /// `--opcode`
    pub op: Option<ArpOp>,
    /// `-j`
    pub action: ArpAction,
}

impl ArpRule {
    /// A rule for every ARP packet.
    pub const fn all(action: ArpAction) -> ArpRule {
        ArpRule { sender: None, target: None, interface: None, op: None, action }
    }

    fn matches(&self, arp: &Arp, interface: InterfaceId) -> bool {
        let within =
            |part: Option<(Prefix, bool)>, addr| part.is_none_or(|(p, inside)| p.contains(addr) == inside);
        within(self.sender, arp.sender)
            && within(self.target, arp.target)
            && self.interface.is_none_or(|i| i == interface)
            && self.op.is_none_or(|op| op == arp.op)
    }
}

/// The chains of a host.
#[derive(Clone, Debug, Default)]
pub struct ArpTables {
    /// Rules of INPUT.
    pub input: Vec<ArpRule>,
    /// Rules of OUTPUT.
    pub output: Vec<ArpRule>,
    /// `-P INPUT DROP`
    pub drops_input: bool,
    /// `-P OUTPUT DROP`
    pub drops_output: bool,
}

impl ArpTables {
    /// The rules of a chain, to change them.
    pub fn chain_mut(&mut self, chain: ArpChain) -> &mut Vec<ArpRule> {
        match chain {
            ArpChain::Input => &mut self.input,
            ArpChain::Output => &mut self.output,
        }
    }

    /// The packet as it leaves the chain, or none if it is dropped.
    pub fn pass(&self, chain: ArpChain, mut arp: Arp, interface: InterfaceId) -> Option<Arp> {
        let (rules, drops) = match chain {
            ArpChain::Input => (&self.input, self.drops_input),
            ArpChain::Output => (&self.output, self.drops_output),
        };
        let first = rules.iter().find(|rule| rule.matches(&arp, interface));
        match first.map(|rule| rule.action) {
            None if drops => None,
            None | Some(ArpAction::Accept) => Some(arp),
            Some(ArpAction::Drop) => None,
            Some(ArpAction::MangleSender(addr)) => {
                arp.sender = addr;
                Some(arp)
            }
        }
    }
}
