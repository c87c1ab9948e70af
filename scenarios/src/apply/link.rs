//! `ip link` on a host.

use super::{Refused, Shell, kernel};
use crate::console::ip::{IpCommand, LinkChange, LinkKind};
use net_model::addr::Mac;
use net_model::host::InterfaceKind;
use net_model::host::admin::AdminError;

impl Shell<'_> {
    pub(super) fn link(&mut self, change: &IpCommand) -> Result<(), Refused> {
        match change {
            IpCommand::LinkAdd(name, kind) => {
                let kind = match kind {
                    LinkKind::Dummy => InterfaceKind::Dummy,
                    LinkKind::IpIp => InterfaceKind::Tunnel,
                    LinkKind::Vlan { card, id } => {
                        let card = self.dev(card)?;
                        return self.network.add_vlan(self.host, card, name, *id).map(drop).map_err(kernel);
                    }
                };
                if self.network.host(self.host).stack.interface(name).is_some() {
                    return Err(kernel(AdminError::Exists));
                }
                self.network.add_interface(self.host, name, kind, Mac::ZERO);
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
                    LinkChange::Mtu(mtu) => stack.set_mtu(dev, mtu),
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
}
