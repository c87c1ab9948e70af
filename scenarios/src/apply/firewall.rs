//! `iptables` and `arptables` on a host.

use super::{Refused, Shell, refused};
use crate::console::arptables::{
    ArpAction as Verdict, ArpChain as Hook, ArpChange, ArpRule as Wanted, Arptables,
};
use crate::console::iptables::{Change, Condition as Wish, Iptables, Rule};
use net_model::addr::Family;
use net_model::host::arptables::{ArpAction, ArpChain, ArpRule};
use net_model::host::mark::{Chain, Condition, FilterRule, Match};

impl Shell<'_> {
    pub(super) fn iptables(&mut self, command: &Iptables) -> Result<(), Refused> {
        let family = if command.is_v6 { Family::V6 } else { Family::V4 };
        command.chains.iter().try_for_each(|chain| self.change_chain(family, *chain, &command.change))
    }

    fn change_chain(&mut self, family: Family, chain: Chain, change: &Change) -> Result<(), Refused> {
        let new = match change {
            Change::Append(rule) | Change::Insert(_, rule) | Change::Delete(rule) => {
                Some(self.filter_rule(rule)?)
            }
            Change::DeleteAt(_) | Change::Flush | Change::Policy { .. } | Change::List => None,
        };
        if *change == Change::List {
            return Ok(());
        }
        let netfilter = &mut self.network.host_mut(self.host).stack.netfilter;
        let rules = netfilter.chain_mut(family, chain);
        match (change, new) {
            (Change::Append(_), Some(rule)) => rules.push(rule),
            (Change::Insert(at, _), Some(rule)) => {
                let at = (*at as usize).saturating_sub(1).min(rules.len());
                rules.insert(at, rule);
            }
            (Change::Delete(_), Some(rule)) => {
                let at = rules.iter().position(|known| *known == rule).ok_or_else(|| {
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
            (Change::Flush, _) => rules.clear(),
            (Change::Policy { drops }, _) => netfilter.set_policy(family, chain, *drops),
            (Change::List, _) => {}
            (Change::Append(_) | Change::Insert(..) | Change::Delete(_), None) => {
                unreachable!("these changes bring a rule")
            }
        }
        Ok(())
    }

    fn filter_rule(&self, rule: &Rule) -> Result<FilterRule, Refused> {
        let mut matches = Vec::new();
        for (wish, holds) in &rule.matches {
            let what = match wish {
                Wish::In(dev) => Condition::In(self.dev(dev)?),
                Wish::Out(dev) => Condition::Out(self.dev(dev)?),
                Wish::Packet(condition) => condition.clone(),
            };
            matches.push(Match { what, holds: *holds });
        }
        Ok(FilterRule { matches, target: rule.target })
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
        Ok(ArpRule {
            sender: rule.sender,
            target: rule.target,
            interface: rule.interface.as_ref().map(|dev| self.dev(dev)).transpose()?,
            op: rule.op,
            action: match rule.action {
                Verdict::Accept => ArpAction::Accept,
                Verdict::Drop => ArpAction::Drop,
                Verdict::MangleSender(addr) => ArpAction::MangleSender(addr),
            },
        })
    }
}
