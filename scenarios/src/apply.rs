//! Carrying out a command on a host of a network: the console's typed commands meet the simulated kernel.

mod firewall;
mod ipvs;
mod link;

use crate::console::Command;
use crate::console::ip::{
    AddressSpec as Address, IpCommand, RouteKind as Kind, RouteSpec as Route, RuleSpec,
};
use crate::console::ipvsadm::{self, Output, Request};
use crate::console::names::Names;
use crate::console::sysctl::Sysctl;
use net_model::host::InterfaceId;
use net_model::host::admin::AdminError;
use net_model::host::fib::{NextHop, RouteKind, RouteSpec, Rule, TABLE_MAIN};
use net_model::host::interface::AddressSpec;
use net_model::host::neighbour::NeighbourState;
use net_model::host::sysctl::SysctlError;
use net_model::ipvs::Kernel;
use net_model::{HostId, Network};
use std::collections::BTreeMap;

/// Why a host does not do what it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What the command prints.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

fn refused(message: impl Into<String>, help: impl Into<String>) -> Refused {
    Refused { message: message.into(), help: help.into() }
}

/// A shell on a host.
pub struct Shell<'a> {
    /// The network the host is in.
    pub network: &'a mut Network,
    /// The host.
    pub host: HostId,
    /// The hosts file.
    pub names: &'a Names,
    /// Which kernel a director here is.
    pub kernel: Kernel,
    /// Files that were written on the host, by their paths.
    pub files: &'a mut BTreeMap<String, String>,
}

impl Shell<'_> {
    /// Carries a command out and returns what it prints.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn run(&mut self, command: &Command) -> Result<String, Refused> {
        let printed = match command {
            Command::Ipvsadm(request) => self.ipvsadm(request)?,
            Command::Call(call) => match self.call(call, "") {
                Output { status: 0, stdout, .. } => stdout,
                failed => {
                    return Err(refused(failed.stderr.trim_end(), "look at the file, or at what wrote it"));
                }
            },
            Command::Modules(change) => {
                if let Some(is_loaded) = change {
                    self.network.ipvs(self.host, self.kernel).0.load_ftp_helper(*is_loaded);
                }
                String::new()
            }
            Command::Ip(changes) => {
                changes.iter().try_for_each(|change| self.ip(change))?;
                String::new()
            }
            Command::Sysctl(settings) => {
                settings.iter().try_for_each(|setting| self.sysctl(setting))?;
                String::new()
            }
            Command::Iptables(change) => {
                self.iptables(change)?;
                String::new()
            }
            Command::Arptables(change) => {
                self.arptables(change)?;
                String::new()
            }
        };
        self.network.settle(self.host);
        Ok(printed)
    }

    fn ipvsadm(&mut self, request: &Request) -> Result<String, Refused> {
        if matches!(request, Request::List(_) | Request::Save { .. } | Request::Help | Request::Version) {
            return Ok(self.console(|console| console.apply(request).stdout));
        }
        let change = self.console(|console| console.change(request));
        change.map(|()| String::new()).map_err(|error| {
            refused(format!("ipvsadm: {}", ipvsadm::message(error)), "look at the lines above it in this block: ipvsadm refuses what is there already, or not there yet")
        })
    }

    fn sysctl(&mut self, setting: &Sysctl) -> Result<(), Refused> {
        // The kernel reads the leading number, whatever else `echo` was given.
        let value = setting.value.split_whitespace().next().unwrap_or_default();
        if let Some(name) = setting.path.strip_prefix("net/ipv4/vs/") {
            // Some settings take two numbers.
            let director = self.network.director(self.host, self.kernel);
            return director
                .sysctl_set(name, &setting.value)
                .or_else(|_| director.sysctl_set(name, value))
                .map_err(|error| {
                    refused(
                        format!("sysctl: {}: {error}", setting.dotted()),
                        "see the settings of IPVS: net.ipv4.vs.*",
                    )
                });
        }
        let stack = &mut self.network.host_mut(self.host).stack;
        let (name, value) =
            (setting.dotted(), if setting.path.ends_with("port_range") { &setting.value } else { value });
        stack.sysctl_set(&name, value).map_err(|error| match &error {
            SysctlError::Unknown { nearest, .. } => {
                refused(format!("sysctl: there is no setting {name}"), format!("did you mean {nearest}?"))
            }
            SysctlError::NoInterface(_) | SysctlError::NotANumber(_) | SysctlError::OutOfRange { .. } => {
                refused(format!("sysctl: {error}"), format!("the setting is {name}"))
            }
        })
    }

    fn ip(&mut self, change: &IpCommand) -> Result<(), Refused> {
        match change {
            IpCommand::AddressAdd(spec) => self.add_address(spec).map_err(told),
            IpCommand::AddressReplace(spec) => match self.add_address(spec) {
                Err(Trouble::Kernel(AdminError::Exists)) => Ok(()),
                result => result.map_err(told),
            },
            IpCommand::AddressDelete(spec) => {
                let dev = self.dev(&spec.dev)?;
                let stack = &mut self.network.host_mut(self.host).stack;
                stack.delete_address(dev, spec.addr, Some(spec.len)).map_err(kernel)
            }
            IpCommand::AddressFlush(dev) => {
                let dev = self.dev(dev)?;
                self.delete_addresses(dev, |_| true);
                Ok(())
            }
            IpCommand::AddressOfLabel(spec) => {
                let dev = self.dev(&spec.dev)?;
                let label = spec.label.clone();
                self.delete_addresses(dev, |found| found == label.as_ref());
                self.add_address(spec).map_err(told)
            }
            IpCommand::LabelDown(label) => {
                let dev = self.dev(label.split(':').next().unwrap_or_default())?;
                self.delete_addresses(dev, |found| found == Some(label));
                Ok(())
            }
            IpCommand::RouteAdd(spec) => {
                let spec = self.route(spec)?;
                self.network.host_mut(self.host).stack.add_route(&spec).map_err(kernel)
            }
            IpCommand::RouteReplace(spec) => {
                let spec = self.route(spec)?;
                self.network.host_mut(self.host).stack.replace_route(&spec).map_err(kernel)
            }
            IpCommand::RouteDelete(spec) => {
                let spec = self.route(spec)?;
                self.network.host_mut(self.host).stack.delete_route(&spec).map_err(kernel)
            }
            IpCommand::RuleAdd(spec) => {
                let rule = self.rule(spec)?;
                self.network.host_mut(self.host).stack.add_rule(spec.preference, rule).map_err(kernel)
            }
            IpCommand::RuleDelete(spec) => {
                let rule = self.rule(spec)?;
                self.network.host_mut(self.host).stack.delete_rule(spec.preference, rule).map_err(kernel)
            }
            IpCommand::LinkAdd(..)
            | IpCommand::LinkSet(..)
            | IpCommand::LinkLoad(..)
            | IpCommand::FouAdd(..)
            | IpCommand::FouDelete(_) => self.link(change),
            IpCommand::NeighbourReplace(_)
            | IpCommand::NeighbourDelete { .. }
            | IpCommand::NeighbourFlush { .. }
            | IpCommand::NeighbourProxy { .. } => self.neighbour(change),
        }
    }

    fn neighbour(&mut self, change: &IpCommand) -> Result<(), Refused> {
        let now = self.network.now();
        match change {
            IpCommand::NeighbourReplace(spec) => {
                let stack = &self.network.host(self.host).stack;
                let on_link = || stack.interfaces().find(|(_, i)| i.on_link(spec.addr)).map(|(id, _)| id);
                let dev = match &spec.dev {
                    Some(dev) => self.dev(dev)?,
                    None => on_link().ok_or_else(|| kernel(AdminError::NoDevice))?,
                };
                let state =
                    if spec.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
                let stack = &mut self.network.host_mut(self.host).stack;
                if let Some(known) =
                    stack.set_neighbour(now, dev, spec.addr, spec.mac, state).map_err(kernel)?
                {
                    self.network.release(self.host, known);
                }
            }
            IpCommand::NeighbourDelete { addr, dev } => {
                let dev = self.dev(dev)?;
                let waited =
                    self.network.host_mut(self.host).stack.delete_neighbour(dev, *addr).map_err(kernel)?;
                self.network.discard(self.host, waited);
            }
            IpCommand::NeighbourFlush { dev } => {
                let dev = dev.as_ref().map(|dev| self.dev(dev)).transpose()?;
                let waited = self.network.host_mut(self.host).stack.flush_neighbours(dev);
                self.network.discard(self.host, waited);
            }
            IpCommand::NeighbourProxy { addr, dev } => {
                let dev = self.dev(dev)?;
                self.network.host_mut(self.host).stack.publish(dev, *addr);
            }
            _ => {}
        }
        Ok(())
    }

    fn add_address(&mut self, spec: &Address) -> Result<(), Trouble> {
        let dev = self.dev(&spec.dev).map_err(Trouble::Told)?;
        let address = AddressSpec {
            addr: spec.addr,
            len: spec.len,
            scope: spec.scope,
            broadcast: spec.broadcast,
            label: spec.label.clone(),
            deprecated: spec.deprecated,
            nodad: spec.nodad,
        };
        let now = self.network.now();
        let stack = &mut self.network.host_mut(self.host).stack;
        let told = stack.assign(now, dev, address).map_err(Trouble::Kernel)?;
        self.network.announce(self.host, &told);
        Ok(())
    }

    /// Deletes the addresses whose label is chosen.
    fn delete_addresses(&mut self, dev: InterfaceId, chosen: impl Fn(Option<&String>) -> bool) {
        let stack = &mut self.network.host_mut(self.host).stack;
        let doomed: Vec<_> = stack
            .interface_at(dev)
            .addresses()
            .iter()
            .filter(|address| chosen(address.label.as_ref()))
            .map(|address| (address.addr, address.len))
            .collect();
        for (addr, len) in doomed {
            // A secondary goes with its primary.
            let _ = stack.delete_address(dev, addr, Some(len));
        }
    }

    fn route(&self, spec: &Route) -> Result<RouteSpec, Refused> {
        let dev = spec.dev.as_ref().map(|dev| self.dev(dev)).transpose()?;
        let alias = |label: &String| {
            let mut addresses = self.network.host(self.host).stack.addresses();
            addresses.find(|address| address.label.as_ref() == Some(label)).map(|address| address.addr)
        };
        let hop = |hop: &crate::console::ip::NextHop| {
            let dev = hop.dev.as_ref().map(|dev| self.dev(dev)).transpose()?;
            let near = || {
                let stack = &self.network.host(self.host).stack;
                stack.interfaces().find(|(_, i)| hop.via.is_some_and(|via| i.on_link(via))).map(|(id, _)| id)
            };
            let dev = dev.or_else(near).ok_or_else(|| kernel(AdminError::InvalidGateway))?;
            Ok(NextHop { via: hop.via, dev, weight: hop.weight })
        };
        let kind = match spec.kind {
            Kind::Unicast => RouteKind::Unicast,
            Kind::Local => RouteKind::Local,
            Kind::Broadcast => RouteKind::Broadcast,
            Kind::Blackhole => RouteKind::Blackhole,
            Kind::Unreachable => RouteKind::Unreachable,
            Kind::Prohibit => RouteKind::Prohibit,
            Kind::Throw => RouteKind::Throw,
        };
        let route = RouteSpec {
            table: spec.table.unwrap_or(TABLE_MAIN),
            kind,
            prefix: spec.prefix,
            via: spec.via,
            dev,
            src: spec.src.or_else(|| spec.alias.as_ref().and_then(alias)),
            metric: spec.metric,
            mtu: spec.mtu,
            scope: spec.scope,
            multipath: spec.hops.iter().map(hop).collect::<Result<_, Refused>>()?,
        };
        // Local and broadcast routes have a table of their own.
        Ok(route.kind(kind))
    }

    fn rule(&self, spec: &RuleSpec) -> Result<Rule, Refused> {
        let iif = spec.iif.as_ref().map(|dev| self.dev(dev)).transpose()?;
        let preference = spec.preference.unwrap_or(0);
        Ok(Rule { preference, mark: spec.mark, from: spec.from, to: spec.to, iif, table: spec.table })
    }

    fn dev(&self, name: &str) -> Result<InterfaceId, Refused> {
        let stack = &self.network.host(self.host).stack;
        stack.interface(name).ok_or_else(|| {
            let known: Vec<&str> = stack.interfaces().map(|(_, interface)| &*interface.name).collect();
            refused(format!("Cannot find device \"{name}\""), format!("the host has {}", known.join(", ")))
        })
    }
}

/// What can go wrong with an address.
enum Trouble {
    Kernel(AdminError),
    Told(Refused),
}

fn told(trouble: Trouble) -> Refused {
    match trouble {
        Trouble::Kernel(error) => kernel(error),
        Trouble::Told(refused) => refused,
    }
}

/// An answer of the kernel with what usually is the reason.
fn kernel(error: AdminError) -> Refused {
    let help = match error {
        AdminError::Exists => "it is there already: remove this line",
        AdminError::AddressNotFound | AdminError::RouteNotFound | AdminError::NotFound => {
            "there is no such thing to delete"
        }
        AdminError::PortTaken => "one tunnel listens at a port: take another one, or remove this line",
        AdminError::InvalidVlan => "ids are 1 to 4094",
        AdminError::VlanExists => "an id is used once on a card: take another one, or remove this line",
        AdminError::NoVlans => "VLANs are on cards such as eth0",
        AdminError::LowerDown => "the card below is down: ip link set CARD up",
        AdminError::MtuTooLarge => "a VLAN's MTU is at most that of its card: set the card's first",
        AdminError::InvalidGateway => "the gateway must be in a network of one of the host's interfaces",
        AdminError::InvalidSource => "`src` must be an address of the host",
        AdminError::DeviceDown => "set the interface up first",
        AdminError::NoDevice => "say through which device: dev eth0",
        AdminError::InvalidArgument => "these arguments do not go together",
        AdminError::TableFull => "raise net.ipv4.neigh.default.gc_thresh3",
    };
    refused(error.to_string(), help)
}
