//! Commands carried out: what `ip`, `sysctl`, `iptables`, `arptables` and `ipvsadm` do to a host of a running network.

use super::arptables::{ArpAction, ArpChain, ArpChange, ArpRule, Arptables};
use super::iptables::{Chain, Change, Iptables, Rule, Table, Target};
use super::ipvsadm::{Console, Link, Output};
use super::names::Names;
use super::sysctl::Sysctl;
use super::{Command, route_shell};
use net_model::host::interface::{InterfaceId, InterfaceKind};
use net_model::host::mark::{self, Condition, FilterRule, Match};
use net_model::host::{arptables, sysctl as settings};
use net_model::ipvs::Kernel;
use net_model::packet::ArpOp;
use net_model::{HostId, Network};

/// A root shell on one host.
pub struct Shell<'a> {
    /// The network.
    pub network: &'a mut Network,
    /// The host.
    pub host: HostId,
    /// The kernel the host runs.
    pub kernel: Kernel,
    /// Host and service names.
    pub names: &'a Names,
}

impl Shell<'_> {
    /// Carries out a command: what it prints and its exit status.
    pub fn run(&mut self, command: &Command) -> Output {
        let output = match command {
            Command::Ipvsadm(request) => self.with_console(|console| console.apply(request)),
            Command::Ip(commands) => first_failure(commands, |command| route_shell::run(self, command)),
            Command::Sysctl(all) => first_failure(all, |setting| self.sysctl(setting)),
            Command::Iptables(change) => done(self.iptables(change), 1),
            Command::Arptables(change) => done(self.arptables(change), 1),
        };
        self.network.settle(self.host);
        output
    }

    /// Gives an ipvsadm console on this host to `action`.
    pub fn with_console<T>(
        &mut self,
        action: impl FnOnce(&mut Console<'_, net_model::host::Stack<net_model::frames::FrameId>>) -> T,
    ) -> T {
        let stack = &self.network.host(self.host).stack;
        let links: Vec<Link> = stack
            .interfaces()
            .map(|(_, i)| Link { name: i.name.clone(), is_usable: i.up && !i.addresses().is_empty() })
            .collect();
        let now = self.network.now();
        let (director, host) = self.network.ipvs(self.host, self.kernel);
        action(&mut Console {
            director,
            host,
            links: &links,
            names: self.names,
            now,
            program: "ipvsadm",
            missing_schedulers: &[],
            is_root: true,
        })
    }

    fn sysctl(&mut self, setting: &Sysctl) -> Result<(), String> {
        let name = setting.dotted();
        if let Some(name) = name.strip_prefix("net.ipv4.vs.") {
            let (director, _) = self.network.ipvs(self.host, self.kernel);
            let set = director.sysctl_set(name, &setting.value);
            return set.map_err(|error| format!("sysctl: net.ipv4.vs.{name}: {error}"));
        }
        let stack = &mut self.network.host_mut(self.host).stack;
        stack.sysctl_set(&setting.path, &setting.value).map_err(|error| explain(&error))
    }

    fn iptables(&mut self, wanted: &Iptables) -> Result<(), String> {
        if wanted.is_v6 {
            return Err("ip6tables rules are not modelled".into());
        }
        let chains = match (wanted.table, wanted.chain) {
            (Table::Mangle, None) => vec![mark::Chain::ManglePrerouting, mark::Chain::MangleOutput],
            (Table::Filter, None) => vec![mark::Chain::Input, mark::Chain::Forward, mark::Chain::Output],
            (table, Some(chain)) => vec![chain_of(table, chain)?],
        };
        for chain in chains {
            self.change_chain(chain, &wanted.change)?;
        }
        Ok(())
    }

    fn change_chain(&mut self, chain: mark::Chain, change: &Change) -> Result<(), String> {
        let new = match change {
            Change::Append(rule) | Change::Insert(_, rule) | Change::Delete(rule) => {
                Some(self.filter_rule(rule)?)
            }
            Change::DeleteAt(_) | Change::Flush | Change::Policy(_) | Change::List => None,
        };
        let netfilter = &mut self.network.host_mut(self.host).stack.netfilter;
        let rules = netfilter.chain_mut(chain);
        let missing = || "iptables: Bad rule (does a matching rule exist in that chain?).".to_string();
        match (change, new) {
            (Change::Append(_), Some(rule)) => rules.push(rule),
            (Change::Insert(at, _), Some(rule)) => {
                let at = (*at as usize).saturating_sub(1);
                if at > rules.len() {
                    return Err("iptables: Index of insertion too big.".into());
                }
                rules.insert(at, rule);
            }
            (Change::Delete(_), Some(rule)) => {
                let at = rules.iter().position(|known| *known == rule).ok_or_else(missing)?;
                rules.remove(at);
            }
            (Change::DeleteAt(at), _) => {
                let at = (*at as usize).checked_sub(1).filter(|at| *at < rules.len()).ok_or_else(missing)?;
                rules.remove(at);
            }
            (Change::Flush, _) => rules.clear(),
            (Change::Policy(target), _) => netfilter.set_policy(chain, *target == Target::Drop),
            (Change::List, _) => {}
            (Change::Append(_) | Change::Insert(..) | Change::Delete(_), None) => {
                unreachable!("the rule was made")
            }
        }
        Ok(())
    }

    fn filter_rule(&self, rule: &Rule) -> Result<FilterRule, String> {
        let mut matches = Vec::new();
        let mut add = |what: Condition, negated: bool| matches.push(Match { what, holds: !negated });
        if let Some((prefix, negated)) = rule.source {
            add(Condition::Source(prefix), negated);
        }
        if let Some((prefix, negated)) = rule.destination {
            add(Condition::Destination(prefix), negated);
        }
        if let Some((protocol, negated)) = rule.protocol {
            add(Condition::Protocol(protocol), negated);
        }
        let ranges =
            |ports: &[std::ops::RangeInclusive<u16>]| ports.iter().map(|p| (*p.start(), *p.end())).collect();
        if !rule.source_ports.is_empty() {
            add(Condition::SourcePorts(ranges(&rule.source_ports)), false);
        }
        if !rule.destination_ports.is_empty() {
            add(Condition::DestinationPorts(ranges(&rule.destination_ports)), false);
        }
        if let Some(name) = &rule.input {
            add(Condition::In(self.interface(name)?), false);
        }
        if let Some(name) = &rule.output {
            add(Condition::Out(self.interface(name)?), false);
        }
        if let Some((value, mask)) = rule.mark {
            add(Condition::Mark { value, mask }, false);
        }
        let target = match rule.target {
            Target::Accept | Target::Return => mark::Target::Accept,
            Target::Drop => mark::Target::Drop,
            Target::Reject => return Err("the target REJECT is not modelled: use DROP".into()),
            Target::Mark { value, mask } => mark::Target::Mark { value, mask },
        };
        Ok(FilterRule { matches, target })
    }

    fn arptables(&mut self, wanted: &Arptables) -> Result<(), String> {
        let chains = match wanted.chain {
            Some(ArpChain::Input) => vec![arptables::ArpChain::Input],
            Some(ArpChain::Output) => vec![arptables::ArpChain::Output],
            None => vec![arptables::ArpChain::Input, arptables::ArpChain::Output],
        };
        for chain in chains {
            self.change_arp_chain(chain, &wanted.change)?;
        }
        Ok(())
    }

    fn change_arp_chain(&mut self, chain: arptables::ArpChain, change: &ArpChange) -> Result<(), String> {
        let new = match change {
            ArpChange::Append(rule) | ArpChange::Insert(rule) | ArpChange::Delete(rule) => {
                Some(self.arp_rule(rule)?)
            }
            ArpChange::Flush | ArpChange::Policy { .. } => None,
        };
        let tables = &mut self.network.host_mut(self.host).stack.arptables;
        match (change, new) {
            (ArpChange::Append(_), Some(rule)) => tables.chain_mut(chain).push(rule),
            (ArpChange::Insert(_), Some(rule)) => tables.chain_mut(chain).insert(0, rule),
            (ArpChange::Delete(_), Some(rule)) => {
                let rules = tables.chain_mut(chain);
                let at = rules.iter().position(|known| *known == rule);
                rules.remove(at.ok_or("arptables: no such rule")?);
            }
            (ArpChange::Flush, _) => tables.chain_mut(chain).clear(),
            (ArpChange::Policy { drops }, _) => match chain {
                arptables::ArpChain::Input => tables.drops_input = *drops,
                arptables::ArpChain::Output => tables.drops_output = *drops,
            },
            (ArpChange::Append(_) | ArpChange::Insert(_) | ArpChange::Delete(_), None) => {
                unreachable!("the rule was made")
            }
        }
        Ok(())
    }

    fn arp_rule(&self, rule: &ArpRule) -> Result<arptables::ArpRule, String> {
        Ok(arptables::ArpRule {
            sender: rule.sender.map(|(prefix, negated)| (prefix, !negated)),
            target: rule.target.map(|(prefix, negated)| (prefix, !negated)),
            interface: rule.interface.as_deref().map(|name| self.interface(name)).transpose()?,
            op: rule.requests.map(|requests| if requests { ArpOp::Request } else { ArpOp::Reply }),
            action: match rule.action {
                ArpAction::Accept => arptables::ArpAction::Accept,
                ArpAction::Drop => arptables::ArpAction::Drop,
                ArpAction::MangleSender(addr) => arptables::ArpAction::MangleSender(addr),
            },
        })
    }

    /// The interface of this name; an alias (`eth0:0`) is its device.
    pub(super) fn interface(&self, name: &str) -> Result<InterfaceId, String> {
        let device = name.split(':').next().unwrap_or(name);
        let stack = &self.network.host(self.host).stack;
        stack.interface(device).ok_or_else(|| format!("Cannot find device \"{name}\""))
    }

    /// Makes sure that `tunl0` exists: what `modprobe ipip` does.
    pub(super) fn tunnel(&mut self) -> InterfaceId {
        let stack = &mut self.network.host_mut(self.host).stack;
        match stack.interface("tunl0") {
            Some(id) => id,
            None => {
                let mac = net_model::addr::Mac::ZERO;
                stack.add_interface("tunl0", InterfaceKind::Tunnel, mac)
            }
        }
    }
}

fn chain_of(table: Table, chain: Chain) -> Result<mark::Chain, String> {
    match (table, chain) {
        (Table::Mangle, Chain::Prerouting) => Ok(mark::Chain::ManglePrerouting),
        (Table::Mangle, Chain::Output) => Ok(mark::Chain::MangleOutput),
        (Table::Filter, Chain::Input) => Ok(mark::Chain::Input),
        (Table::Filter, Chain::Forward) => Ok(mark::Chain::Forward),
        (Table::Filter, Chain::Output) => Ok(mark::Chain::Output),
        (Table::Mangle, _) => Err("of the mangle table only PREROUTING and OUTPUT are modelled".into()),
        (Table::Filter, _) => Err("the filter table has the chains INPUT, FORWARD and OUTPUT".into()),
    }
}

fn explain(error: &settings::SysctlError) -> String {
    format!("sysctl: {error}")
}

/// Runs the parts of a command up to the first that fails.
fn first_failure<T>(parts: &[T], mut run: impl FnMut(&T) -> Result<(), String>) -> Output {
    done(parts.iter().try_for_each(&mut run), 2)
}

fn done(result: Result<(), String>, status: i32) -> Output {
    match result {
        Ok(()) => Output::default(),
        Err(message) => Output { stdout: String::new(), stderr: format!("{message}\n"), status },
    }
}
