//! `iptables` and `arptables` on a host.

use super::super::arptables::{ArpChange, Arptables};
use super::super::iptables::{Change, Condition, Iptables, Rule};
use super::Administrator;
use net_model::host::arptables::{ArpChain, ArpRule};
use net_model::host::mark::{FilterRule, Match};

impl<H> Administrator<'_, H> {
    pub(super) fn iptables(&mut self, change: &Iptables) -> Result<(), String> {
        for &chain in &change.chains {
            let rule = match &change.change {
                Change::Append(rule) | Change::Insert(_, rule) | Change::Delete(rule) => {
                    Some(self.rule(rule)?)
                }
                Change::DeleteAt(_) | Change::Flush | Change::Policy { .. } | Change::List => None,
            };
            let rules = self.stack.netfilter.chain_mut(chain);
            match (&change.change, rule) {
                (Change::Append(_), Some(rule)) => rules.push(rule),
                (Change::Insert(place, _), Some(rule)) => {
                    let at = (*place as usize).saturating_sub(1);
                    if *place == 0 || at > rules.len() {
                        return Err("iptables: Index of insertion too big.".to_string());
                    }
                    rules.insert(at, rule);
                }
                (Change::Delete(_), Some(rule)) => {
                    let at = rules.iter().position(|r| *r == rule);
                    rules
                        .remove(at.ok_or("iptables: Bad rule (does a matching rule exist in that chain?).")?);
                }
                (Change::DeleteAt(place), _) => {
                    let at = (*place as usize).checked_sub(1).filter(|&at| at < rules.len());
                    rules.remove(at.ok_or("iptables: Index of deletion too big.")?);
                }
                (Change::Flush, _) => rules.clear(),
                (Change::Policy { drops }, _) => self.stack.netfilter.set_policy(chain, *drops),
                (Change::List | Change::Append(_) | Change::Insert(..) | Change::Delete(_), _) => {}
            }
        }
        Ok(())
    }

    fn rule(&self, rule: &Rule) -> Result<FilterRule, String> {
        use net_model::host::mark::Condition as Known;
        let matches = rule.matches.iter().map(|(condition, holds)| {
            let what = match condition {
                Condition::In(name) => Known::In(self.dev(name)?),
                Condition::Out(name) => Known::Out(self.dev(name)?),
                Condition::Packet(condition) => condition.clone(),
            };
            Ok(Match { what, holds: *holds })
        });
        Ok(FilterRule { matches: matches.collect::<Result<_, String>>()?, target: rule.target })
    }

    pub(super) fn arptables(&mut self, change: &Arptables) -> Result<(), String> {
        let chains = match change.chain {
            Some(chain) => vec![chain],
            None => vec![ArpChain::Input, ArpChain::Output],
        };
        for chain in chains {
            if let ArpChange::Policy { drops } = change.change {
                match chain {
                    ArpChain::Input => self.stack.arptables.drops_input = drops,
                    ArpChain::Output => self.stack.arptables.drops_output = drops,
                }
            }
            let rule = match &change.change {
                ArpChange::Append(rule) | ArpChange::Insert(rule) | ArpChange::Delete(rule) => {
                    let interface = rule.interface.as_deref().map(|name| self.dev(name)).transpose()?;
                    let (sender, target, op, action) = (rule.sender, rule.target, rule.op, rule.action);
                    Some(ArpRule { sender, target, interface, op, action })
                }
                ArpChange::Flush | ArpChange::Policy { .. } => None,
            };
            let rules = self.stack.arptables.chain_mut(chain);
            match (&change.change, rule) {
                (ArpChange::Append(_), Some(rule)) => rules.push(rule),
                (ArpChange::Insert(_), Some(rule)) => rules.insert(0, rule),
                (ArpChange::Delete(_), Some(rule)) => {
                    let at = rules.iter().position(|r| *r == rule);
                    rules
                        .remove(at.ok_or("arptables: Bad rule (does a matching rule exist in that chain?)")?);
                }
                (ArpChange::Flush, _) => rules.clear(),
                (
                    ArpChange::Policy { .. }
                    | ArpChange::Append(_)
                    | ArpChange::Insert(_)
                    | ArpChange::Delete(_),
                    _,
                ) => {}
            }
        }
        Ok(())
    }
}
