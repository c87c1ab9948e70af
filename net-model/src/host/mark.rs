//! iptables, as far as a load balancer uses it: firewall marks, ACCEPT, DROP, REJECT (`reject.rs`) and REDIRECT.
//!
//! `iptables -t mangle -A PREROUTING -p tcp -d VIP -m multiport --dports 80,443 -j MARK --set-mark 1` groups services
//! for `ipvsadm -f 1`; the filter table's INPUT, FORWARD and OUTPUT accept or drop; the nat table's PREROUTING and
//! OUTPUT redirect connections to the host itself. `netfilter.rs` leads packets through the chains. Of address
//! translation there is no more than that.

use super::conntrack::{Conntrack, State, States};
use super::interface::InterfaceId;
use super::reject::Rejection;
use crate::addr::{Addr, Family, Prefix};
use crate::packet::Packet;

/// Where rules stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chain {
    /// Table mangle, before routing: every packet that comes in.
    ManglePrerouting,
    /// Table nat, before routing: the first packet of a connection.
    NatPrerouting,
    /// Table mangle, packets to the host.
    MangleInput,
    /// Table filter, packets to the host.
    Input,
    /// Table filter, packets that are forwarded.
    Forward,
    /// Table mangle, packets of the host's own (and those that IPVS sends on).
    MangleOutput,
    /// Table nat, the first packet of a connection of the host's own.
    NatOutput,
    /// Table filter, packets of the host's own (and those that IPVS sends on).
    Output,
}

impl Chain {
    const COUNT: usize = 8;

    /// Table and chain, as iptables names them.
    pub const fn name(self) -> &'static str {
        match self {
            Chain::ManglePrerouting => "mangle PREROUTING",
            Chain::NatPrerouting => "nat PREROUTING",
            Chain::MangleInput => "mangle INPUT",
            Chain::MangleOutput => "mangle OUTPUT",
            Chain::NatOutput => "nat OUTPUT",
            Chain::Input => "INPUT",
            Chain::Forward => "FORWARD",
            Chain::Output => "OUTPUT",
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// `-j ACCEPT`: this chain is done with the packet.
    Accept,
    /// `-j DROP`
    Drop,
    /// `-j REJECT`: dropped, and the sender is told.
    Reject(Rejection),
    /// `-j MARK --set-xmark VALUE/MASK`: the mark's bits under the mask are cleared, then `value` is mixed in; the walk
    /// goes on.
    Mark {
        /// Exclusive-or of these bits.
        value: u32,
        /// Clear these bits first.
        mask: u32,
    },
    /// `-j REDIRECT [--to-ports A-B]`: the connection goes to the host itself, to one of these ports or the one it asked
    /// for.
    Redirect {
        /// The ports; that of the packet if none are named.
        ports: Option<(u16, u16)>,
    },
    /// No `-j`: the rule only counts.
    Continue,
}

impl Target {
    /// `--set-mark VALUE/MASK` (without a mask: all bits).
    pub const fn set_mark(value: u32, mask: u32) -> Target {
        Target::Mark { value, mask: mask | value }
    }

    /// `--or-mark BITS`
    pub const fn or_mark(bits: u32) -> Target {
        Target::Mark { value: bits, mask: bits }
    }

    /// `--and-mark BITS`
    pub const fn and_mark(bits: u32) -> Target {
        Target::Mark { value: 0, mask: !bits }
    }

    /// `--xor-mark BITS`
    pub const fn xor_mark(bits: u32) -> Target {
        Target::Mark { value: bits, mask: 0 }
    }
}

/// A condition and whether it must hold (false for `!`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// What is looked at.
    pub what: Condition,
    /// False for `!`.
    pub holds: bool,
}

/// A property of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// `-p`
    Protocol(u8),
    /// `-s`
    Source(Prefix),
    /// `-d`
    Destination(Prefix),
    /// `-i`
    In(InterfaceId),
    /// `-o`
    Out(InterfaceId),
    /// `--sport A:B`, `-m multiport --sports …`: one of these ranges.
    SourcePorts(Vec<(u16, u16)>),
    /// `--dport A:B`, `-m multiport --dports …`: one of these ranges.
    DestinationPorts(Vec<(u16, u16)>),
    /// `-m multiport --ports …`: either port is in one of these ranges.
    Ports(Vec<(u16, u16)>),
    /// `-m mark --mark VALUE/MASK`
    Mark {
        /// The wanted bits.
        value: u32,
        /// The bits to look at.
        mask: u32,
    },
    /// `-f`: a fragment other than the first.
    LaterFragment,
    /// `--syn`: a TCP segment with SYN and none of ACK, RST, FIN.
    Syn,
    /// `-m state --state`, `-m conntrack --ctstate`: what it is to its connection is one of these.
    State(States),
}

/// A rule: all conditions must be met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterRule {
    /// The conditions.
    pub matches: Vec<Match>,
    /// What happens then.
    pub target: Target,
}

/// A packet with its way, as a chain sees it.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// The interface it came in on.
    pub iif: Option<InterfaceId>,
    /// The interface it leaves by.
    pub oif: Option<InterfaceId>,
}

impl Passing<'_> {
    /// The family of the packet, going by its outermost header.
    fn family(&self) -> Family {
        self.packet.routed_src().family()
    }
}

/// What a chain says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// It goes on, with this mark.
    Accept {
        /// The packet's mark from here on.
        mark: u32,
    },
    /// It is dropped.
    Drop,
}

/// The rule that redirects a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Redirection {
    /// Its number, from 1.
    pub(super) number: usize,
    /// `--to-ports`
    pub(super) ports: Option<(u16, u16)>,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    rules: Vec<FilterRule>,
    drops: bool,
}

/// The chains of a host, those of iptables and those of ip6tables.
#[derive(Clone, Debug, Default)]
pub struct Netfilter {
    /// Absent as long as nobody has changed a chain: none has anything to say then.
    tables: Option<Box<[[Rules; Chain::COUNT]; 2]>>,
    /// Present once a rule has asked for it.
    conntrack: Option<Box<Conntrack>>,
}

impl Netfilter {
    /// The rules of a chain, to change them.
    pub fn chain_mut(&mut self, family: Family, chain: Chain) -> &mut Vec<FilterRule> {
        &mut self.rules_mut(family, chain).rules
    }

    fn rules_mut(&mut self, family: Family, chain: Chain) -> &mut Rules {
        &mut self.tables.get_or_insert_default()[family as usize][chain as usize]
    }

    fn rules(&self, family: Family, chain: Chain) -> Option<&Rules> {
        self.tables.as_ref().map(|tables| &tables[family as usize][chain as usize])
    }

    /// The rules of a chain.
    pub fn chain(&self, family: Family, chain: Chain) -> &[FilterRule] {
        self.rules(family, chain).map_or(&[], |rules| &rules.rules)
    }

    /// `-P CHAIN DROP` or `ACCEPT`
    pub fn set_policy(&mut self, family: Family, chain: Chain, drops: bool) {
        self.rules_mut(family, chain).drops = drops;
    }

    /// Rules may have changed: does one need connection tracking? Once begun it goes on.
    pub(super) fn rules_changed(&mut self) {
        let Some(tables) = &self.tables else { return };
        let asks = |rule: &FilterRule| {
            matches!(rule.target, Target::Redirect { .. })
                || rule.matches.iter().any(|m| matches!(m.what, Condition::State(_)))
        };
        let is_asked = tables.iter().flatten().any(|chain| chain.rules.iter().any(asks));
        if is_asked && self.conntrack.is_none() {
            self.conntrack = Some(Box::default());
        }
    }

    /// The tracker, if there is one.
    #[inline]
    pub(super) fn conntrack(&self) -> Option<&Conntrack> {
        self.conntrack.as_deref()
    }

    /// The tracker, if there is one, to tell it something.
    #[inline]
    pub(super) fn conntrack_mut(&mut self) -> Option<&mut Conntrack> {
        self.conntrack.as_deref_mut()
    }

    /// What the packet that passes is to its connection, if a rule of the chain wants to know.
    pub(super) fn state_for(&self, family: Family, chain: Chain) -> Option<State> {
        let mut matches = self.chain(family, chain).iter().flat_map(|rule| &rule.matches);
        let is_asked = matches.any(|m| matches!(m.what, Condition::State(_)));
        self.conntrack().filter(|_| is_asked).map(Conntrack::state)
    }

    /// Has no chain anything to say, for sure?
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.tables.is_none()
    }

    /// Has the chain nothing to say, about packets of either family?
    #[inline]
    pub fn is_empty(&self, chain: Chain) -> bool {
        let is_empty = |rules: &Rules| rules.rules.is_empty() && !rules.drops;
        self.tables.as_ref().is_none_or(|tables| tables.iter().all(|of| is_empty(&of[chain as usize])))
    }

    /// The chain's word about a packet.
    #[inline]
    pub fn pass(&self, chain: Chain, passing: Passing<'_>) -> Ruling {
        if self.is_empty(chain) {
            return Ruling::Accept { mark: passing.packet.mark };
        }
        self.walk(chain, passing)
    }

    /// The number (from 1) of the rule that drops a packet; none if the policy of the chain does.
    pub(super) fn dropping_rule(&self, chain: Chain, passing: Passing<'_>) -> Option<usize> {
        self.judge(chain, passing).1.filter(|number| {
            let target = self.chain(passing.family(), chain)[number - 1].target;
            matches!(target, Target::Drop | Target::Reject(_))
        })
    }

    /// Table nat: the rule that redirects a packet.
    pub(super) fn redirection(&self, chain: Chain, passing: Passing<'_>) -> Option<Redirection> {
        let number = self.judge(chain, passing).1?;
        match self.chain(passing.family(), chain)[number - 1].target {
            Target::Redirect { ports } => Some(Redirection { number, ports }),
            Target::Accept | Target::Drop | Target::Reject(_) | Target::Mark { .. } | Target::Continue => {
                None
            }
        }
    }

    #[inline(never)]
    fn walk(&self, chain: Chain, passing: Passing<'_>) -> Ruling {
        self.judge(chain, passing).0
    }

    /// The chain's word, and the number (from 1) of the rule that has the last one; none if that is the policy.
    fn judge(&self, chain: Chain, passing: Passing<'_>) -> (Ruling, Option<usize>) {
        let mut mark = passing.packet.mark;
        let Some(chain) = self.rules(passing.family(), chain) else { return (Ruling::Accept { mark }, None) };
        let state = self.conntrack().map_or(State::Untracked, Conntrack::state);
        for (index, rule) in chain.rules.iter().enumerate() {
            if !rule.matches.iter().all(|m| m.what.is_met(passing, mark, state) == m.holds) {
                continue;
            }
            let number = Some(index + 1);
            match rule.target {
                Target::Accept | Target::Redirect { .. } => return (Ruling::Accept { mark }, number),
                Target::Drop | Target::Reject(_) => return (Ruling::Drop, number),
                Target::Mark { value, mask } => mark = mark & !mask ^ value,
                Target::Continue => {}
            }
        }
        (if chain.drops { Ruling::Drop } else { Ruling::Accept { mark } }, None)
    }
}

impl Condition {
    fn is_met(&self, passing: Passing<'_>, now_mark: u32, state: State) -> bool {
        let packet = passing.packet;
        let is_tunnelled = packet.outer.is_some();
        let ports = if packet.fragment_offset == 0 && !is_tunnelled { packet.ports() } else { None };
        let within = |port: u16, ranges: &[(u16, u16)]| ranges.iter().any(|&(a, b)| (a..=b).contains(&port));
        match self {
            Condition::Protocol(number) => protocol(packet) == *number,
            Condition::Source(prefix) => contains(*prefix, packet.routed_src()),
            Condition::Destination(prefix) => contains(*prefix, packet.routed_dst()),
            Condition::In(interface) => passing.iif == Some(*interface),
            Condition::Out(interface) => passing.oif == Some(*interface),
            Condition::SourcePorts(ranges) => ports.is_some_and(|(s, _)| within(s, ranges)),
            Condition::DestinationPorts(ranges) => ports.is_some_and(|(_, d)| within(d, ranges)),
            Condition::Ports(ranges) => ports.is_some_and(|(s, d)| within(s, ranges) || within(d, ranges)),
            Condition::Mark { value, mask } => now_mark & mask == *value,
            Condition::LaterFragment => packet.fragment_offset > 0,
            Condition::Syn => is_syn(packet),
            Condition::State(states) => states.has(state),
        }
    }
}

fn contains(prefix: Prefix, addr: Addr) -> bool {
    prefix.contains(addr)
}

/// The protocol the host sees: that of the outermost header.
fn protocol(packet: &Packet) -> u8 {
    use crate::packet::{Encapsulation, proto};
    match packet.outer.map(|outer| outer.kind) {
        None => packet.protocol(),
        Some(Encapsulation::IpIp) if packet.src.is_v4() => proto::IPIP,
        Some(Encapsulation::IpIp) => proto::IPV6,
        Some(Encapsulation::Gre { .. }) => proto::GRE,
        Some(Encapsulation::Gue { .. }) => proto::UDP,
    }
}

fn is_syn(packet: &Packet) -> bool {
    use crate::packet::{Flags, Payload};
    match &packet.payload {
        Payload::Tcp(segment) if packet.outer.is_none() => {
            segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK.with(Flags::RST).with(Flags::FIN))
        }
        Payload::Tcp(_)
        | Payload::Udp(_)
        | Payload::Sync(_)
        | Payload::Sctp(_)
        | Payload::Icmp(_)
        | Payload::Ndisc(_)
        | Payload::Fragment(_)
        | Payload::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::addr::Family::V4;
    use crate::packet::{Flags, Payload, Segment};

    fn rule(matches: &[(Condition, bool)], target: Target) -> FilterRule {
        let matches =
            matches.iter().map(|(what, holds)| Match { what: what.clone(), holds: *holds }).collect();
        FilterRule { matches, target }
    }

    fn ruling(netfilter: &Netfilter, chain: Chain, packet: &Packet) -> Ruling {
        netfilter.pass(chain, Passing { packet, iif: Some(ETH0), oif: None })
    }

    /// `-d VIP -p tcp -m multiport --dports 80,443 -j MARK --set-mark 1`
    #[test]
    fn services_are_grouped_by_a_mark() {
        let mut netfilter = Netfilter::default();
        let web = [
            (Condition::Destination(prefix("10.0.0.100")), true),
            (Condition::Protocol(6), true),
            (Condition::DestinationPorts(vec![(80, 80), (443, 443)]), true),
        ];
        netfilter.chain_mut(V4, Chain::ManglePrerouting).push(rule(&web, Target::set_mark(1, u32::MAX)));
        let mut packet = tcp("192.168.1.10", "10.0.0.100", 60);
        assert_eq!(ruling(&netfilter, Chain::ManglePrerouting, &packet), Ruling::Accept { mark: 1 });
        packet.set_dport(8080);
        assert_eq!(ruling(&netfilter, Chain::ManglePrerouting, &packet), Ruling::Accept { mark: 0 });
        packet.set_dport(443);
        packet.dst = addr("10.0.0.101");
        assert_eq!(ruling(&netfilter, Chain::ManglePrerouting, &packet), Ruling::Accept { mark: 0 });
    }

    #[test]
    fn masks_change_only_their_bits() {
        let cases = [
            (Target::set_mark(0x10, 0xf0), 0xabcd, 0xab1d),
            (Target::set_mark(0x7, u32::MAX), 0xabcd, 0x7),
            (Target::set_mark(0x0f, 0xf0), 0xab55, 0xab0f),
            (Target::Mark { value: 0x11, mask: 0xff }, 0xabcd, 0xab11),
            (Target::or_mark(0xf0), 0x0d, 0xfd),
            (Target::and_mark(0x0f), 0xcd, 0x0d),
            (Target::xor_mark(0xff), 0x0f, 0xf0),
        ];
        for (target, before, after) in cases {
            let mut netfilter = Netfilter::default();
            netfilter.chain_mut(V4, Chain::ManglePrerouting).push(rule(&[], target));
            let packet = Packet { mark: before, ..tcp("192.168.1.10", "10.0.0.100", 60) };
            let found = ruling(&netfilter, Chain::ManglePrerouting, &packet);
            assert_eq!(found, Ruling::Accept { mark: after }, "{target:x?} on {before:x}");
        }
    }

    #[test]
    fn a_later_rule_sees_the_mark_of_an_earlier_one() {
        let mut netfilter = Netfilter::default();
        let chain = netfilter.chain_mut(V4, Chain::ManglePrerouting);
        chain.push(rule(&[], Target::set_mark(1, u32::MAX)));
        chain.push(rule(&[(Condition::Mark { value: 1, mask: 1 }, true)], Target::or_mark(2)));
        chain.push(rule(&[(Condition::Mark { value: 0, mask: 2 }, true)], Target::Drop));
        let packet = tcp("192.168.1.10", "10.0.0.100", 60);
        assert_eq!(ruling(&netfilter, Chain::ManglePrerouting, &packet), Ruling::Accept { mark: 3 });
    }

    #[test]
    fn the_first_accept_or_drop_decides_and_then_the_policy() {
        let mut netfilter = Netfilter::default();
        let packet = tcp("192.168.1.10", "10.0.0.100", 60);
        assert_eq!(ruling(&netfilter, Chain::Input, &packet), Ruling::Accept { mark: 0 });
        netfilter.set_policy(V4, Chain::Input, true);
        assert_eq!(ruling(&netfilter, Chain::Input, &packet), Ruling::Drop);
        let from_lan = [(Condition::Source(prefix("10.0.0.0/24")), false), (Condition::In(ETH0), true)];
        netfilter.chain_mut(V4, Chain::Input).push(rule(&from_lan, Target::Accept));
        netfilter.chain_mut(V4, Chain::Input).push(rule(&[], Target::Drop));
        assert_eq!(ruling(&netfilter, Chain::Input, &packet), Ruling::Accept { mark: 0 });
        let local = tcp("10.0.0.50", "10.0.0.100", 60);
        assert_eq!(ruling(&netfilter, Chain::Input, &local), Ruling::Drop);
    }

    #[test]
    fn syn_ports_and_interfaces() {
        let mut netfilter = Netfilter::default();
        let opening = [(Condition::Syn, true), (Condition::Ports(vec![(1000, 2000)]), true)];
        netfilter.chain_mut(V4, Chain::Forward).push(rule(&opening, Target::Drop));
        let with = |flags: Flags| {
            let segment = Segment { sport: 1024, dport: 80, flags, ..Segment::default() };
            Packet { payload: Payload::Tcp(segment), ..tcp("192.168.1.10", "10.0.0.100", 60) }
        };
        assert_eq!(ruling(&netfilter, Chain::Forward, &with(Flags::SYN)), Ruling::Drop);
        let answer = with(Flags::SYN.with(Flags::ACK));
        assert_eq!(ruling(&netfilter, Chain::Forward, &answer), Ruling::Accept { mark: 0 });
        let mut other = with(Flags::SYN);
        other.set_sport(3000);
        assert_eq!(ruling(&netfilter, Chain::Forward, &other), Ruling::Accept { mark: 0 });
        netfilter.chain_mut(V4, Chain::Output).push(rule(&[(Condition::Out(ETH0), true)], Target::Drop));
        netfilter
            .chain_mut(V4, Chain::Output)
            .push(rule(&[(Condition::SourcePorts(vec![(1024, 1024)]), false)], Target::Drop));
        assert_eq!(ruling(&netfilter, Chain::Output, &answer), Ruling::Accept { mark: 0 });
    }
}
