//! `iptables` and `arptables` on a host.

use super::{Refused, Shell, refused};
use crate::console::arptables::{
    ArpAction as Verdict, ArpChain as Hook, ArpChange, ArpRule as Wanted, Arptables,
};
use crate::console::iptables::{Chain as Name, Change, Iptables, Rule, Table, Target as Goal};
use net_model::host::arptables::{ArpAction, ArpChain, ArpRule};
use net_model::host::mark::{Chain, Condition, FilterRule, Match, Target};
use net_model::packet::ArpOp;

impl Shell<'_> {
    pub(super) fn iptables(&mut self, command: &Iptables) -> Result<(), Refused> {
        if command.change == Change::List {
            return Ok(());
        }
        let Some(name) = command.chain else {
            // -F without a chain empties all chains of the table.
            let chains: &[Chain] = match command.table {
                Table::Filter => &[Chain::Input, Chain::Forward, Chain::Output],
                Table::Mangle => &[Chain::ManglePrerouting, Chain::MangleOutput],
            };
            let netfilter = &mut self.network.host_mut(self.host).stack.netfilter;
            chains.iter().for_each(|chain| netfilter.chain_mut(*chain).clear());
            return Ok(());
        };
        let chain = match (command.table, name) {
            (Table::Mangle, Name::Prerouting) => Chain::ManglePrerouting,
            (Table::Mangle, Name::Output) => Chain::MangleOutput,
            (Table::Filter, Name::Input) => Chain::Input,
            (Table::Filter, Name::Forward) => Chain::Forward,
            (Table::Filter, Name::Output) => Chain::Output,
            (Table::Mangle | Table::Filter, _) => {
                let help = "modelled are INPUT, FORWARD, OUTPUT of the filter table, PREROUTING and OUTPUT of mangle";
                return Err(refused("this chain of this table is not modelled", help));
            }
        };
        let change = match &command.change {
            Change::Append(rule) => (None, Some(self.filter_rule(rule)?)),
            Change::Insert(at, rule) => (Some((*at).max(1) as usize - 1), Some(self.filter_rule(rule)?)),
            Change::Delete(rule) => {
                let rule = self.filter_rule(rule)?;
                let rules = self.network.host_mut(self.host).stack.netfilter.chain_mut(chain);
                let at = rules.iter().position(|known| *known == rule);
                let at = at.ok_or_else(|| {
                    refused(
                        "iptables: Bad rule (does a matching rule exist in that chain?)",
                        "spell the rule as it was added",
                    )
                })?;
                rules.remove(at);
                return Ok(());
            }
            Change::DeleteAt(number) => {
                let rules = self.network.host_mut(self.host).stack.netfilter.chain_mut(chain);
                let at = (*number as usize).wrapping_sub(1);
                if at >= rules.len() {
                    return Err(refused(
                        "iptables: Index of deletion too big.",
                        format!("the chain has {} rules", rules.len()),
                    ));
                }
                rules.remove(at);
                return Ok(());
            }
            Change::List => return Ok(()),
            Change::Flush => {
                self.network.host_mut(self.host).stack.netfilter.chain_mut(chain).clear();
                return Ok(());
            }
            Change::Policy(goal) => {
                let drops = *goal == Goal::Drop;
                self.network.host_mut(self.host).stack.netfilter.set_policy(chain, drops);
                return Ok(());
            }
        };
        let rules = self.network.host_mut(self.host).stack.netfilter.chain_mut(chain);
        if let (at, Some(rule)) = change {
            let at = at.unwrap_or(rules.len()).min(rules.len());
            rules.insert(at, rule);
        }
        Ok(())
    }

    fn filter_rule(&self, rule: &Rule) -> Result<FilterRule, Refused> {
        let mut matches = Vec::new();
        let mut add = |what, holds| matches.push(Match { what, holds });
        if let Some((prefix, negated)) = rule.source {
            add(Condition::Source(prefix), !negated);
        }
        if let Some((prefix, negated)) = rule.destination {
            add(Condition::Destination(prefix), !negated);
        }
        if let Some((protocol, negated)) = rule.protocol {
            add(Condition::Protocol(protocol), !negated);
        }
        let ranges = |ports: &[std::ops::RangeInclusive<u16>]| {
            ports.iter().map(|range| (*range.start(), *range.end())).collect()
        };
        if !rule.source_ports.is_empty() {
            add(Condition::SourcePorts(ranges(&rule.source_ports)), true);
        }
        if !rule.destination_ports.is_empty() {
            add(Condition::DestinationPorts(ranges(&rule.destination_ports)), true);
        }
        if let Some(dev) = &rule.input {
            add(Condition::In(self.dev(dev)?), true);
        }
        if let Some(dev) = &rule.output {
            add(Condition::Out(self.dev(dev)?), true);
        }
        if let Some((value, mask)) = rule.mark {
            add(Condition::Mark { value, mask }, true);
        }
        let target = match rule.target {
            Goal::Accept => Target::Accept,
            Goal::Drop => Target::Drop,
            Goal::Mark { value, mask } => Target::Mark { value, mask },
            Goal::Reject => {
                return Err(refused(
                    "REJECT is not modelled",
                    "use DROP: the client then waits instead of being told",
                ));
            }
            Goal::Return => {
                return Err(refused(
                    "RETURN is not modelled",
                    "use ACCEPT: in these chains it does the same",
                ));
            }
        };
        Ok(FilterRule { matches, target })
    }

    pub(super) fn arptables(&mut self, command: &Arptables) -> Result<(), Refused> {
        let chains: &[ArpChain] = match command.chain {
            Some(Hook::Input) => &[ArpChain::Input],
            Some(Hook::Output) => &[ArpChain::Output],
            None => &[ArpChain::Input, ArpChain::Output],
        };
        let rule = match &command.change {
            ArpChange::Append(rule) | ArpChange::Insert(rule) | ArpChange::Delete(rule) => {
                Some(self.arp_rule(rule)?)
            }
            ArpChange::Flush | ArpChange::Policy { .. } => None,
        };
        let tables = &mut self.network.host_mut(self.host).stack.arptables;
        for chain in chains {
            match (&command.change, rule) {
                (ArpChange::Append(_), Some(rule)) => tables.chain_mut(*chain).push(rule),
                (ArpChange::Insert(_), Some(rule)) => tables.chain_mut(*chain).insert(0, rule),
                (ArpChange::Delete(_), Some(rule)) => {
                    let rules = tables.chain_mut(*chain);
                    let at = rules.iter().position(|known| *known == rule);
                    let at = at.ok_or_else(|| {
                        refused("arptables: No such rule", "spell the rule as it was added")
                    })?;
                    rules.remove(at);
                }
                (ArpChange::Policy { drops }, _) => match chain {
                    ArpChain::Input => tables.drops_input = *drops,
                    ArpChain::Output => tables.drops_output = *drops,
                },
                (ArpChange::Flush, _) | (_, None) => tables.chain_mut(*chain).clear(),
            }
        }
        Ok(())
    }

    fn arp_rule(&self, rule: &Wanted) -> Result<ArpRule, Refused> {
        let within =
            |part: Option<(net_model::addr::Prefix, bool)>| part.map(|(prefix, negated)| (prefix, !negated));
        Ok(ArpRule {
            sender: within(rule.sender),
            target: within(rule.target),
            interface: rule.interface.as_ref().map(|dev| self.dev(dev)).transpose()?,
            op: rule.requests.map(|requests| if requests { ArpOp::Request } else { ArpOp::Reply }),
            action: match rule.action {
                Verdict::Accept => ArpAction::Accept,
                Verdict::Drop => ArpAction::Drop,
                Verdict::MangleSender(addr) => ArpAction::MangleSender(addr),
            },
        })
    }
}
