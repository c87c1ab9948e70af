//! What commands do to a host: root's hands.
//!
//! A refusal is answered as the program would, on standard error and with its status. What the change leads to beyond
//! the host's tables — ARP announcements, packets that can no longer leave — is handed back to whoever owns the wires.

use super::Command;
use super::arptables::{ArpChange, Arptables};
use super::ip::{AddressSpec, IpCommand, LinkChange, LinkKind, NeighbourSpec, RouteSpec, RuleSpec};
use super::iptables::{Change, Condition, Iptables, Rule};
use super::ipvsadm::{Console, Link, Output, Request};
use super::names::Names;
use super::sysctl::Sysctl;
use net_model::addr::{Addr, Mac};
use net_model::host::admin::AdminError;
use net_model::host::arp::ArpSend;
use net_model::host::arptables::ArpRule;
use net_model::host::fib::{self, TABLE_MAIN};
use net_model::host::interface::{self, InterfaceId, InterfaceKind};
use net_model::host::mark::{FilterRule, Match};
use net_model::host::neighbour::{NeighbourId, NeighbourState};
use net_model::host::stack::Stack;
use net_model::ipvs::Director;
use sim_core::Time;

/// Root on a host at a moment of virtual time; `H` is what the host keeps of packets that wait for a neighbour.
pub struct Administrator<'a, H> {
    /// The host's network layer.
    pub stack: &'a mut Stack<H>,
    /// Its IPVS, if it has one.
    pub director: Option<&'a mut Director>,
    /// Host and service names.
    pub names: &'a Names,
    /// The moment.
    pub now: Time,
}

/// What a change leads to beyond the host's tables.
#[derive(Debug)]
pub struct Effects<H> {
    /// ARP packets to send.
    pub announce: Vec<ArpSend>,
    /// Neighbours that are known now: what waits for them can be sent.
    pub resolved: Vec<NeighbourId>,
    /// Packets that waited for neighbours that are gone.
    pub dropped: Vec<H>,
}

impl<H> Default for Effects<H> {
    fn default() -> Effects<H> {
        Effects { announce: Vec::new(), resolved: Vec::new(), dropped: Vec::new() }
    }
}

impl<H> Administrator<'_, H> {
    /// Runs a command: what it prints, and what it leads to.
    pub fn run(&mut self, command: &Command) -> (Output, Effects<H>) {
        let mut effects = Effects::default();
        let done = match command {
            Command::Ipvsadm(request) => return (self.ipvsadm(request), effects),
            Command::Ip(changes) => {
                changes.iter().try_for_each(|change| self.ip(change, &mut effects)).map_err(|why| (why, 2))
            }
            Command::Sysctl(settings) => {
                settings.iter().try_for_each(|setting| self.sysctl(setting)).map_err(|why| (why, 1))
            }
            Command::Iptables(change) => self.iptables(change).map_err(|why| (why, 1)),
            Command::Arptables(change) => self.arptables(change).map_err(|why| (why, 1)),
        };
        let output = match done {
            Ok(()) => Output::default(),
            Err((why, status)) => Output { stderr: format!("{why}\n"), status, ..Output::default() },
        };
        (output, effects)
    }

    fn ipvsadm(&mut self, request: &Request) -> Output {
        let Some(director) = &mut self.director else {
            let message = "Can't initialize ipvs: Protocol not available\n\
                Are you sure that IP Virtual Server is built in the kernel or as module?\n";
            return Output { stderr: message.to_string(), status: 2, ..Output::default() };
        };
        let usable = |i: &interface::Interface| i.up && !i.addresses().is_empty();
        let links = self.stack.interfaces().map(|(_, i)| Link { name: i.name.clone(), is_usable: usable(i) });
        let links: Vec<Link> = links.collect();
        let mut console = Console {
            director,
            host: &*self.stack,
            links: &links,
            names: self.names,
            now: self.now,
            program: "ipvsadm",
            missing_schedulers: &[],
            is_root: true,
        };
        console.apply(request)
    }

    fn dev(&self, name: &str) -> Result<InterfaceId, String> {
        self.stack.interface(name).ok_or_else(|| format!("Cannot find device \"{name}\""))
    }

    fn sysctl(&mut self, setting: &Sysctl) -> Result<(), String> {
        let first = setting.value.split_whitespace().next().unwrap_or_default();
        let set = self.write(&setting.path, &setting.value);
        // Of `echo 1 > FILE more words` the kernel takes the leading number.
        let set = if set.is_err() && first != setting.value {
            self.write(&setting.path, first).or(set)
        } else {
            set
        };
        set.map_err(|error| format!("{}: {error}", setting.dotted()))
    }

    fn write(&mut self, path: &str, value: &str) -> Result<(), String> {
        match (path.strip_prefix("net/ipv4/vs/"), &mut self.director) {
            (Some(name), Some(director)) => {
                director.sysctl_set(name, value).map_err(|error| error.to_string())
            }
            (Some(_), None) => Err("this host is no director".to_string()),
            (None, _) => self.stack.sysctl_set(path, value).map_err(|error| error.to_string()),
        }
    }

    fn iptables(&mut self, change: &Iptables) -> Result<(), String> {
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

    fn arptables(&mut self, change: &Arptables) -> Result<(), String> {
        use net_model::host::arptables::ArpChain;
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

    fn ip(&mut self, change: &IpCommand, effects: &mut Effects<H>) -> Result<(), String> {
        let refused = |error: AdminError| error.to_string();
        match change {
            IpCommand::AddressAdd(spec) => self.add_address(spec),
            IpCommand::AddressReplace(spec) => {
                let id = self.dev(&spec.dev)?;
                if self.stack.interface_at(id).has(spec.addr) {
                    self.stack.delete_address(id, spec.addr, Some(spec.len)).map_err(refused)?;
                }
                self.add_address(spec)
            }
            IpCommand::AddressDelete(spec) => {
                let id = self.dev(&spec.dev)?;
                self.stack.delete_address(id, spec.addr, Some(spec.len)).map_err(refused)
            }
            IpCommand::AddressFlush(dev) => {
                let id = self.dev(dev)?;
                while let Some(first) = self.stack.interface_at(id).addresses().first() {
                    let (addr, len) = (first.addr, first.len);
                    self.stack.delete_address(id, addr, Some(len)).map_err(refused)?;
                }
                Ok(())
            }
            IpCommand::AddressOfLabel(spec) => {
                let id = self.dev(&spec.dev)?;
                if let Some((addr, len)) = self.labelled(id, spec.label.as_deref(), spec.addr.is_v4()) {
                    self.stack.delete_address(id, addr, Some(len)).map_err(refused)?;
                }
                self.add_address(spec)
            }
            IpCommand::LabelDown(label) => {
                let id = self.dev(label.split(':').next().unwrap_or(label))?;
                let found = self.labelled(id, Some(label), true);
                let (addr, len) = found.ok_or("SIOCSIFFLAGS: Cannot assign requested address")?;
                self.stack.delete_address(id, addr, Some(len)).map_err(refused)
            }
            IpCommand::RouteAdd(spec) => self.stack.add_route(&self.route(spec)?).map_err(refused),
            IpCommand::RouteReplace(spec) => self.stack.replace_route(&self.route(spec)?).map_err(refused),
            IpCommand::RouteDelete(spec) => self.stack.delete_route(&self.route(spec)?).map_err(refused),
            IpCommand::RuleAdd(spec) => {
                let rule = self.policy(spec)?;
                self.stack.add_rule(spec.preference, rule).map_err(refused)
            }
            IpCommand::RuleDelete(spec) => {
                let rule = self.policy(spec)?;
                self.stack.delete_rule(spec.preference, rule).map_err(refused)
            }
            IpCommand::LinkAdd(name, kind) => self.add_link(name, *kind),
            IpCommand::LinkSet(name, change) => {
                let id = self.dev(name)?;
                self.set_link(id, *change, effects);
                Ok(())
            }
            IpCommand::NeighbourReplace(_)
            | IpCommand::NeighbourDelete { .. }
            | IpCommand::NeighbourFlush { .. }
            | IpCommand::NeighbourProxy { .. } => self.neighbour(change, effects),
        }
    }

    fn add_address(&mut self, spec: &AddressSpec) -> Result<(), String> {
        let id = self.dev(&spec.dev)?;
        let address = interface::AddressSpec {
            addr: spec.addr,
            len: spec.len,
            scope: spec.scope,
            broadcast: spec.broadcast,
            label: spec.label.clone(),
        };
        self.stack.add_address(id, address).map_err(|error| error.to_string())
    }

    /// The address with this label; without a label the first that has none.
    fn labelled(&self, id: InterfaceId, label: Option<&str>, is_v4: bool) -> Option<(Addr, u8)> {
        let addresses = self.stack.interface_at(id).addresses();
        let found = addresses.iter().find(|a| a.label.as_deref() == label && a.addr.is_v4() == is_v4)?;
        Some((found.addr, found.len))
    }

    fn route(&self, spec: &RouteSpec) -> Result<fib::RouteSpec, String> {
        let dev = spec.dev.as_deref().map(|name| self.dev(name)).transpose()?;
        let hop = |hop: &super::ip::NextHop| {
            let name = hop.dev.as_deref().ok_or("Error: Nexthop has no device.")?;
            Ok(fib::NextHop { via: hop.via, dev: self.dev(name)?, weight: hop.weight })
        };
        // `dev eth0:0` prefers the alias's address as a source; on lo the local route speaks for it anyway.
        let alias = spec.alias.as_deref().zip(dev).filter(|(_, id)| *id != InterfaceId::LO);
        let of_alias =
            alias.and_then(|(label, id)| self.labelled(id, Some(label), spec.prefix.addr().is_v4()));
        let route = fib::RouteSpec {
            table: spec.table.unwrap_or(TABLE_MAIN),
            kind: fib::RouteKind::Unicast,
            prefix: spec.prefix,
            via: spec.via,
            dev,
            src: spec.src.or(of_alias.map(|(addr, _)| addr)),
            metric: spec.metric,
            mtu: spec.mtu,
            scope: spec.scope,
            multipath: spec.hops.iter().map(hop).collect::<Result<_, String>>()?,
        };
        Ok(if spec.table.is_some() {
            fib::RouteSpec { kind: spec.kind, ..route }
        } else {
            route.kind(spec.kind)
        })
    }

    fn policy(&self, spec: &RuleSpec) -> Result<fib::Rule, String> {
        Ok(fib::Rule {
            preference: spec.preference.unwrap_or(0),
            mark: spec.mark,
            from: spec.from,
            to: spec.to,
            iif: spec.iif.as_deref().map(|name| self.dev(name)).transpose()?,
            table: spec.table,
        })
    }

    fn add_link(&mut self, name: &str, kind: LinkKind) -> Result<(), String> {
        if self.stack.interface(name).is_some() {
            return Err(AdminError::Exists.to_string());
        }
        let kind = match kind {
            LinkKind::Dummy => InterfaceKind::Dummy,
            LinkKind::IpIp => InterfaceKind::Tunnel,
        };
        self.stack.add_interface(name, kind, Mac::ZERO);
        Ok(())
    }

    fn set_link(&mut self, id: InterfaceId, change: LinkChange, effects: &mut Effects<H>) {
        let change = match change {
            LinkChange::Up(up) => self.stack.set_up(id, up),
            LinkChange::Mac(mac) => self.stack.set_mac(id, mac),
            LinkChange::Mtu(mtu) => return self.stack.set_mtu(id, mtu),
            LinkChange::Arp(arp) => return effects.dropped.extend(self.stack.set_arp(id, arp)),
        };
        effects.announce.extend(change.announce);
        effects.dropped.extend(change.dropped);
    }

    fn neighbour(&mut self, change: &IpCommand, effects: &mut Effects<H>) -> Result<(), String> {
        match change {
            IpCommand::NeighbourReplace(spec) => {
                let id = self.device_towards(spec)?;
                let state =
                    if spec.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
                let set = self.stack.set_neighbour(self.now, id, spec.addr, spec.mac, state);
                effects.resolved.extend(set.map_err(|error| error.to_string())?);
            }
            IpCommand::NeighbourDelete { addr, dev } => {
                let id = self.dev(dev)?;
                let dropped = self.stack.delete_neighbour(id, *addr).map_err(|error| error.to_string())?;
                effects.dropped.extend(dropped);
            }
            IpCommand::NeighbourFlush { dev } => {
                let id = dev.as_deref().map(|name| self.dev(name)).transpose()?;
                effects.dropped.extend(self.stack.flush_neighbours(id));
            }
            IpCommand::NeighbourProxy { addr, dev } => {
                let id = self.dev(dev)?;
                self.stack.publish(id, *addr);
            }
            _ => {}
        }
        Ok(())
    }

    /// The device of a neighbour; without a name the one that routing chooses, as `arp -s` does.
    fn device_towards(&mut self, spec: &NeighbourSpec) -> Result<InterfaceId, String> {
        if let Some(name) = &spec.dev {
            return self.dev(name);
        }
        let route = self.stack.route_output(spec.addr, None, 0);
        let direct = route.ok().filter(|route| route.next_hop == spec.addr);
        direct.map(|route| route.oif).ok_or_else(|| "SIOCSARP: Network is unreachable".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_model::ipvs::{Kernel, Timers};
    use net_model::packet::ArpOp;
    use sim_core::Stream;

    /// A host with eth0 at 10.0.0.11/24, up.
    fn host() -> Stack<u32> {
        let mut stack = Stack::new(Stream::new(1, "host"), net_model::host::timers::Timers::Ideal);
        stack.add_interface("eth0", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_000b));
        assert_eq!(run(&mut stack, "ifconfig eth0 10.0.0.11 netmask 255.255.255.0"), "");
        stack
    }

    /// What the commands, one per line, print on standard error.
    fn run(stack: &mut Stack<u32>, lines: &str) -> String {
        let names = Names::default();
        let mut text = String::new();
        for line in lines.lines() {
            let command = Command::parse(line, &names).expect("a command").expect("no comment");
            let mut root = Administrator { stack, director: None, names: &names, now: Time::ZERO };
            text += &root.run(&command).0.stderr;
        }
        text
    }

    fn is_local(stack: &Stack<u32>, addr: &str) -> bool {
        stack.is_local(addr.parse().unwrap())
    }

    #[test]
    fn the_recipe_for_a_real_server() {
        let mut stack = host();
        let recipe = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore\n\
            echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce   for good\n\
            ifconfig lo:0 10.0.0.100 broadcast 10.0.0.100 netmask 255.255.255.255 up\n\
            route add -host 10.0.0.100 dev lo:0";
        assert_eq!(run(&mut stack, recipe), "");
        assert!(is_local(&stack, "10.0.0.100") && !is_local(&stack, "10.0.0.101"));
        assert_eq!(stack.sysctl_get("net.ipv4.conf.all.arp_announce").as_deref(), Ok("2"));
        assert_eq!(run(&mut stack, "ifconfig lo:0 down"), "");
        assert!(!is_local(&stack, "10.0.0.100"));
    }

    #[test]
    fn a_classful_alias_on_lo_takes_the_whole_network() {
        let mut stack = host();
        assert_eq!(run(&mut stack, "ifconfig lo:0 192.168.0.100"), "");
        assert!(is_local(&stack, "192.168.0.7"));
        assert_eq!(run(&mut stack, "ifconfig lo:0 192.168.0.100 netmask 255.255.255.255"), "");
        assert!(!is_local(&stack, "192.168.0.7") && is_local(&stack, "192.168.0.100"));
    }

    #[test]
    fn refusals_are_those_of_the_programs() {
        let mut stack = host();
        let cases = [
            ("ip addr add 10.0.0.11/24 dev eth0", "RTNETLINK answers: File exists\n"),
            ("ip addr del 10.0.0.12/24 dev eth0", "RTNETLINK answers: Cannot assign requested address\n"),
            ("ip route del 10.9.0.0/16", "RTNETLINK answers: No such process\n"),
            ("ip route add 10.9.0.0/16 via 172.16.0.1", "Error: Nexthop has invalid gateway.\n"),
            ("ip link set eth7 up", "Cannot find device \"eth7\"\n"),
            ("arp -s 172.16.0.9 02:00:00:00:00:09", "SIOCSARP: Network is unreachable\n"),
            ("iptables -D INPUT 1", "iptables: Index of deletion too big.\n"),
            (
                "sysctl -w net.ipv4.conf.all.arg_ignore=1",
                "net.ipv4.conf.all.arg_ignore: there is no setting net.ipv4.conf.all.arg_ignore; the most similar is \
                 net.ipv4.conf.all.arp_ignore\n",
            ),
            ("sysctl -w net.ipv4.vs.drop_entry=1", "net.ipv4.vs.drop_entry: this host is no director\n"),
        ];
        for (line, expected) in cases {
            assert_eq!(run(&mut stack, line), expected, "{line}");
        }
    }

    #[test]
    fn marked_packets_can_be_made_local() {
        let mut stack = host();
        let lines = "ip rule add fwmark 1 lookup 100\nip route add local 0/0 dev lo table 100\n\
            iptables -t mangle -A PREROUTING -d 10.9.0.0/16 -p tcp --dport 80 -j MARK --set-mark 1";
        assert_eq!(run(&mut stack, lines), "");
        let way = stack.route_output("10.9.0.1".parse().unwrap(), None, 1).unwrap();
        assert_eq!(way.oif, InterfaceId::LO);
        let chain = net_model::host::mark::Chain::ManglePrerouting;
        assert_eq!(stack.netfilter.chain(chain).len(), 1);
        assert_eq!(run(&mut stack, "iptables -t mangle -F"), "");
        assert!(stack.netfilter.is_empty(chain));
    }

    #[test]
    fn a_device_that_comes_up_announces_itself_if_told_to() {
        let mut stack = host();
        let names = Names::default();
        assert_eq!(run(&mut stack, "ip link set eth0 down\nsysctl -w net.ipv4.conf.eth0.arp_notify=1"), "");
        let command = Command::parse("ip link set eth0 up", &names).unwrap().unwrap();
        let mut root = Administrator { stack: &mut stack, director: None, names: &names, now: Time::ZERO };
        let (output, effects) = root.run(&command);
        assert_eq!(output, Output::default());
        assert_eq!(effects.announce.len(), 1);
        assert_eq!(effects.announce[0].arp.op, ArpOp::Request);
    }

    #[test]
    fn ipvsadm_needs_a_director_and_knows_the_host() {
        let mut stack = host();
        assert!(
            run(&mut stack, "ipvsadm -Ln").starts_with("Can't initialize ipvs: Protocol not available\n")
        );
        let mut director = Director::new(Kernel::New, Timers::ideal(), Stream::new(1, "director"));
        let names = Names::default();
        let mut ask = |line: &str| {
            let command = Command::parse(line, &names).unwrap().unwrap();
            let mut root = Administrator {
                stack: &mut stack,
                director: Some(&mut director),
                names: &names,
                now: Time::ZERO,
            };
            root.run(&command).0
        };
        assert_eq!(ask("ipvsadm -A -t 10.0.0.11:80 -s rr").status, 0);
        assert_eq!(ask("ipvsadm -a -t 10.0.0.11:80 -r 10.0.0.11 -g").status, 0, "the director itself");
        assert_eq!(ask("ipvsadm -a -t 10.0.0.11:80 -r 10.0.0.255 -g").status, 255, "a broadcast address");
        assert_eq!(ask("ipvsadm --start-daemon master --mcast-interface eth0").status, 0);
        assert_eq!(ask("sysctl -w net.ipv4.vs.expire_nodest_conn=1").status, 0);
        assert_eq!(
            ask("ipvsadm -Sn").stdout,
            "-A -t 10.0.0.11:80 -s rr\n-a -t 10.0.0.11:80 -r 10.0.0.11:80 -g -w 1\n"
        );
    }
}
