//! `ip link` and `ip fou` on a host.

use super::{Refused, Shell, kernel};
use crate::console::ip::{IpCommand, LinkChange, LinkKind};
use net_model::addr::Mac;
use net_model::host::InterfaceKind;
use net_model::host::admin::AdminError;
use net_model::host::tunnel::Ends;

impl Shell<'_> {
    pub(super) fn link(&mut self, change: &IpCommand) -> Result<(), Refused> {
        match change {
            IpCommand::LinkLoad(name, kind) => {
                let is_there = self.network.host(self.host).stack.interface(name).is_some();
                return if is_there { Ok(()) } else { self.add_link(name, kind) };
            }
            IpCommand::LinkAdd(name, kind) => self.add_link(name, kind)?,
            IpCommand::FouAdd(port, listener) => {
                let stack = &mut self.network.host_mut(self.host).stack;
                if !stack.add_tunnel_port(*port, *listener) {
                    return Err(kernel(AdminError::PortTaken));
                }
            }
            IpCommand::FouDelete(port) => {
                let stack = &mut self.network.host_mut(self.host).stack;
                if !stack.remove_tunnel_port(*port) {
                    return Err(kernel(AdminError::NotFound));
                }
            }
            IpCommand::LinkSet(dev, change) => {
                let dev = self.dev(dev)?;
                let stack = &mut self.network.host_mut(self.host).stack;
                match *change {
                    LinkChange::Up(true) if !stack.may_go_up(dev) => {
                        return Err(kernel(AdminError::LowerDown));
                    }
                    LinkChange::Mtu(mtu) if !stack.fits_card(dev, mtu) => {
                        return Err(kernel(AdminError::MtuTooLarge));
                    }
                    LinkChange::Up(up) => self.network.set_interface_up(self.host, dev, up),
                    LinkChange::Mtu(mtu) => self.network.set_mtu(self.host, dev, mtu),
                    LinkChange::Mac(mac) => {
                        let change = stack.set_mac(dev, mac);
                        self.network.announce(self.host, &change.announce);
                        self.network.discard(self.host, change.dropped);
                    }
                    LinkChange::Arp(arp) => {
                        let dropped = stack.set_arp(dev, arp);
                        self.network.discard(self.host, dropped);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_link(&mut self, name: &str, kind: &LinkKind) -> Result<(), Refused> {
        let (kind, ends) = match kind {
            LinkKind::Dummy => (InterfaceKind::Dummy, Ends::default()),
            LinkKind::IpIp(ends) => (InterfaceKind::Tunnel, *ends),
            LinkKind::Gre(ends) => (InterfaceKind::Gre, *ends),
            LinkKind::Ip6Tnl => (InterfaceKind::TunnelV6, Ends::default()),
            LinkKind::Vlan { card, id } => {
                let card = self.dev(card)?;
                return self.network.add_vlan(self.host, card, name, *id).map(drop).map_err(kernel);
            }
        };
        if self.network.host(self.host).stack.interface(name).is_some() {
            return Err(kernel(AdminError::Exists));
        }
        let id = self.network.add_interface(self.host, name, kind, Mac::ZERO);
        self.network.host_mut(self.host).stack.set_ends(id, ends);
        Ok(())
    }
}
