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
        let rule = match &command.change {
            Change::Append(rule) | Change::Insert(_, rule) | Change::Delete(rule) => {
                Some(self.filter_rule(rule)?)
            }
            Change::DeleteAt(_) | Change::Flush | Change::Policy(_) | Change::List => None,
        };
        let netfilter = &mut self.network.host_mut(self.host).stack.netfilter;
        for chain in chains(command.table, command.chain)? {
            let rules = netfilter.chain_mut(*chain);
            match (&command.change, &rule) {
                (Change::Append(_), Some(rule)) => rules.push(rule.clone()),
                (Change::Insert(number, _), Some(rule)) => {
                    let at = (*number as usize).saturating_sub(1).min(rules.len());
                    rules.insert(at, rule.clone());
                }
                (Change::Delete(_), Some(rule)) => {
                    let at = rules.iter().position(|known| known == rule).ok_or_else(|| {
                        let message = "iptables: Bad rule (does a matching rule exist in that chain?)";
                        refused(message, "spell the rule as it was added")
                    })?;
                    rules.remove(at);
                }
                (Change::DeleteAt(number), _) => {
                    let at = (*number as usize).wrapping_sub(1);
                    if at >= rules.len() {
                        let help = format!("the chain has {} rules", rules.len());
                        return Err(refused("iptables: Index of deletion too big.", help));
                    }
                    rules.remove(at);
                }
                (Change::Policy(goal), _) => netfilter.set_policy(*chain, *goal == Goal::Drop),
                (Change::Flush, _) => rules.clear(),
                (Change::List | Change::Append(_) | Change::Insert(..) | Change::Delete(_), _) => {}
            }
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

/// The chains a command means; without a name all of the table.
fn chains(table: Table, name: Option<Name>) -> Result<&'static [Chain], Refused> {
    Ok(match (table, name) {
        (Table::Mangle, Some(Name::Prerouting)) => &[Chain::ManglePrerouting],
        (Table::Mangle, Some(Name::Output)) => &[Chain::MangleOutput],
        (Table::Mangle, None) => &[Chain::ManglePrerouting, Chain::MangleOutput],
        (Table::Filter, Some(Name::Input)) => &[Chain::Input],
        (Table::Filter, Some(Name::Forward)) => &[Chain::Forward],
        (Table::Filter, Some(Name::Output)) => &[Chain::Output],
        (Table::Filter, None) => &[Chain::Input, Chain::Forward, Chain::Output],
        (Table::Mangle | Table::Filter, Some(_)) => {
            let help =
                "modelled are INPUT, FORWARD, OUTPUT of the filter table, PREROUTING and OUTPUT of mangle";
            return Err(refused("this chain of this table is not modelled", help));
        }
    })
}
