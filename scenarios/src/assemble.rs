//! A scenario becomes a network: a straight walk over networks, hosts, their set-up, clients.
//!
//! The only thing that can still go wrong is a command that a host's kernel refuses; after that nothing can fail.

use crate::apply::Shell;
use crate::console::names::Names;
use crate::native;
use crate::problem::Problem;
use crate::scenario::{Host, Interface, Scenario};
use crate::schema::{Kernel, Timers};
use net_model::addr::Mac;
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::{HostId, Network, Options, SwitchId};
use std::collections::BTreeMap;

/// A network at time 0, with what is needed to steer it.
pub struct Assembled {
    /// The network.
    pub network: Network,
    /// Hosts, by index in [`Scenario::hosts`].
    pub hosts: Vec<HostId>,
    /// Interfaces of each host, by index in [`Host::interfaces`].
    pub interfaces: Vec<Vec<InterfaceId>>,
    /// The hosts file that all hosts share.
    pub names: Names,
    /// Which kernel directors have.
    pub kernel: net_model::ipvs::Kernel,
    /// Files that commands have written, by host and path.
    pub files: Vec<BTreeMap<String, String>>,
}

/// Builds the network of a scenario.
///
/// # Errors
/// The commands that hosts refuse, each with its place and a cure.
pub fn assemble(scenario: &Scenario) -> Result<Assembled, Vec<Problem>> {
    let options = Options {
        seed: scenario.seed,
        timers: match scenario.timers {
            Timers::Wheel => sim_core::Timers::Wheel(sim_core::Wheel::new(250, scenario.uptime)),
            Timers::Ideal => sim_core::Timers::ideal(),
        },
        sampling: scenario.sampling,
    };
    let mut network = Network::new(options);
    let switches: Vec<SwitchId> = scenario.networks.iter().map(|net| network.add_switch(&net.name)).collect();
    for (net, &switch) in scenario.networks.iter().zip(&switches) {
        network.set_switch_mtu(switch, u32::from(net.mtu));
    }
    let mut assembled = Assembled {
        network,
        hosts: Vec::with_capacity(scenario.hosts.len()),
        interfaces: Vec::with_capacity(scenario.hosts.len()),
        names: names(scenario),
        kernel: match scenario.kernel {
            Kernel::New => net_model::ipvs::Kernel::New,
            Kernel::Classic => net_model::ipvs::Kernel::Classic,
        },
        files: vec![BTreeMap::new(); scenario.hosts.len()],
    };
    let mut problems = Vec::new();
    for host in &scenario.hosts {
        assembled.add_host(scenario, host, &switches, &mut problems);
    }
    // Rules may name any host, and servers are checked against routes: set-up comes when all interfaces exist.
    for (index, host) in scenario.hosts.iter().enumerate() {
        assembled.set_up(index, host, &mut problems);
    }
    for group in &scenario.clients {
        assembled.network.add_clients(assembled.hosts[group.host], group.spec.clone());
    }
    if problems.is_empty() { Ok(assembled) } else { Err(problems) }
}

/// The hosts file: every host by the first of its addresses.
pub(crate) fn names(scenario: &Scenario) -> Names {
    let mut names = Names::default();
    for host in &scenario.hosts {
        let mut addresses =
            host.interfaces.iter().filter(|interface| interface.segment.is_some()).flat_map(|i| &i.addresses);
        if let Some((addr, _)) = addresses.next() {
            names.add(*addr, &[&host.name]);
        }
    }
    names
}

impl Assembled {
    fn add_host(
        &mut self,
        scenario: &Scenario,
        host: &Host,
        switches: &[SwitchId],
        problems: &mut Vec<Problem>,
    ) {
        let id = self.network.add_host(&host.name);
        let mut interfaces = Vec::with_capacity(host.interfaces.len());
        for interface in &host.interfaces {
            interfaces.push(self.add_interface(scenario, id, interface, switches, problems));
        }
        self.hosts.push(id);
        self.interfaces.push(interfaces);
    }

    fn add_interface(
        &mut self,
        scenario: &Scenario,
        host: HostId,
        interface: &Interface,
        switches: &[SwitchId],
        problems: &mut Vec<Problem>,
    ) -> InterfaceId {
        let network = &mut self.network;
        let id = match (kind(&interface.name), interface.plug) {
            _ if interface.vlan.is_some() => add_vlan(network, host, interface),
            (InterfaceKind::Loopback, _) => InterfaceId::LO,
            (kind, None) => network.add_interface(host, &interface.name, kind, Mac::ZERO),
            (kind, Some((net, cable))) => {
                let id = network.add_interface(host, &interface.name, kind, interface.mac);
                network.host_mut(host).stack.set_mtu(id, u32::from(scenario.networks[net].mtu));
                network.plug(host, id, switches[net], &cable);
                if let Some(port) = &interface.port {
                    network.set_port(host, id, port.clone());
                }
                id
            }
        };
        let stack = &mut network.host_mut(host).stack;
        stack.set_up(id, interface.up);
        for &(addr, len) in &interface.addresses {
            let deprecated = interface.deprecated.contains(&addr);
            if let Err(error) =
                stack.add_address(id, AddressSpec { deprecated, ..AddressSpec::new(addr, len) })
            {
                let message = format!("{addr}/{len} on {}: {error}", interface.name);
                problems.push(
                    Problem::error(interface.span, message).help("an address is given to an interface once"),
                );
            }
        }
        id
    }

    fn set_up(&mut self, index: usize, host: &Host, problems: &mut Vec<Problem>) {
        for line in host.setup.iter() {
            let command = match native::read(line, &self.names) {
                Ok(Some(command)) => command,
                Ok(None) => continue,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if let Err(refused) = self.shell(index).run(&command) {
                let message = format!("{}: {}", host.name, refused.message);
                problems.push(Problem::error(line.span, message).help(refused.help));
            }
        }
        for server in host.servers.iter() {
            self.network.add_server(self.hosts[index], server.clone());
        }
    }

    /// A shell on a host, by its index in the scenario.
    pub fn shell(&mut self, index: usize) -> Shell<'_> {
        Shell {
            network: &mut self.network,
            host: self.hosts[index],
            names: &self.names,
            kernel: self.kernel,
            files: &mut self.files[index],
        }
    }
}

/// A VLAN on a card that exists already.
fn add_vlan(network: &mut Network, host: HostId, interface: &Interface) -> InterfaceId {
    let (card, id) = interface.vlan.as_ref().expect("the caller has looked");
    let card = network.host(host).stack.interface(card).expect("cards come before their VLANs");
    network.add_vlan(host, card, &interface.name, *id).expect("the id is in range, and names are unique")
}

/// What kind of device a name means.
fn kind(name: &str) -> InterfaceKind {
    match name {
        "lo" => InterfaceKind::Loopback,
        name if name.starts_with("tunl") => InterfaceKind::Tunnel,
        name if name.starts_with("gre") => InterfaceKind::Gre,
        name if name.starts_with("ip6tnl") => InterfaceKind::TunnelV6,
        name if name.starts_with("dummy") => InterfaceKind::Dummy,
        _ => InterfaceKind::Ethernet,
    }
}
