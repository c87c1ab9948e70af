//! `sysctl -w NAME=VALUE` for the network layer: names, ranges and side effects.
//!
//! The tables are in `conf.rs`. Side effects as in Linux: `ip_forward` (or `conf.all.forwarding`) is copied to every
//! interface and turns `conf.all.accept_redirects` the other way; a write to `default` reaches existing interfaces on
//! which the setting was never written. `net.ipv6.conf.all.forwarding` is one switch for the whole host.

use super::conf::{ConfKey, ConfKeyV6, HostKey, NeighKey, Setting};
use super::interface::InterfaceId;
use super::stack::Stack;
use std::fmt;

/// Why a setting cannot be read or written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SysctlError {
    /// There is no setting of this name.
    Unknown {
        /// The name as given.
        name: String,
        /// The existing name that looks most like it.
        nearest: String,
    },
    /// There is no interface of this name.
    NoInterface(String),
    /// The value is not a number.
    NotANumber(String),
    /// The value is outside the range.
    OutOfRange {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
    },
}

impl fmt::Display for SysctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SysctlError::Unknown { name, nearest } => {
                write!(f, "there is no setting {name}; the most similar is {nearest}")
            }
            SysctlError::NoInterface(name) => write!(f, "there is no interface {name}"),
            SysctlError::NotANumber(value) => write!(f, "{value:?} is not a number"),
            SysctlError::OutOfRange { min, max } => write!(f, "the value must be from {min} to {max}"),
        }
    }
}

impl std::error::Error for SysctlError {}

/// Where a setting lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    All,
    Default,
    Interface(InterfaceId),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    Host(HostKey),
    Conf(Place, ConfKey),
    ConfV6(Place, ConfKeyV6),
    Neigh(Place, NeighKey),
    NeighV6(Place, NeighKey),
    LocalPorts,
    ForwardingV6,
}

impl<H> Stack<H> {
    /// Writes a setting, such as `net.ipv4.conf.all.arp_ignore`.
    pub fn sysctl_set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        let target = self.sysctl_target(name)?;
        if target == Target::LocalPorts {
            self.local_ports = parse_ports(value)?;
            return Ok(());
        }
        let (min, max) = range(target);
        let number: i64 =
            value.trim().parse().map_err(|_| SysctlError::NotANumber(value.trim().to_owned()))?;
        if number < min || number > max {
            return Err(SysctlError::OutOfRange { min, max });
        }
        match target {
            Target::Host(key) => self.host.set(key, number),
            Target::Conf(place, key) => self.set_conf(place, key, number),
            Target::ConfV6(place, key) => self.set_conf_v6(place, key, number),
            Target::Neigh(place, key) => self.set_neigh(place, key, number),
            Target::NeighV6(place, key) => self.set_neigh_v6(place, key, number),
            Target::ForwardingV6 => self.forwards_v6 = number != 0,
            Target::LocalPorts => {}
        }
        self.forwards_by_path_mtu = self.host.get(HostKey::IpForwardUsePmtu) != 0;
        self.default_ttl = self.host.get(HostKey::IpDefaultTtl) as u8; // 1 to 255
        self.changed();
        Ok(())
    }

    /// Reads a setting, as `sysctl -n` prints it.
    pub fn sysctl_get(&self, name: &str) -> Result<String, SysctlError> {
        let value = match self.sysctl_target(name)? {
            Target::LocalPorts => return Ok(format!("{}\t{}", self.local_ports.0, self.local_ports.1)),
            Target::Host(key) => self.host.get(key),
            Target::Conf(Place::All, key) => self.conf_all.get(key),
            Target::Conf(Place::Default, key) => self.conf_default.get(key),
            Target::Conf(Place::Interface(id), key) => self.interface_at(id).conf.get(key),
            Target::ConfV6(Place::All, key) => self.conf_v6_all.get(key),
            Target::ConfV6(Place::Default, key) => self.conf_v6_default.get(key),
            Target::ConfV6(Place::Interface(id), key) => self.interface_at(id).conf_v6.get(key),
            Target::Neigh(Place::Interface(id), key) => self.interface_at(id).neigh.get(key),
            Target::Neigh(Place::All | Place::Default, key) => self.neigh_default.get(key),
            Target::NeighV6(Place::Interface(id), key) => self.interface_at(id).neigh_v6.get(key),
            Target::NeighV6(Place::All | Place::Default, key) => self.neigh_default_v6.get(key),
            Target::ForwardingV6 => i64::from(self.forwards_v6),
        };
        Ok(value.to_string())
    }

    fn sysctl_target(&self, name: &str) -> Result<Target, SysctlError> {
        let dotted = normalised(name);
        let unknown = || SysctlError::Unknown { name: dotted.clone(), nearest: self.nearest_name(&dotted) };
        if let Some(rest) = dotted.strip_prefix("net.ipv6.conf.") {
            if rest == "all.forwarding" {
                return Ok(Target::ForwardingV6);
            }
            let (place, key) = rest.rsplit_once('.').ok_or_else(unknown)?;
            let key = ConfKeyV6::named(key).ok_or_else(unknown)?;
            return Ok(Target::ConfV6(self.place(place)?, key));
        }
        if let Some(rest) = dotted.strip_prefix("net.ipv6.neigh.") {
            let (place, key) = self.neigh_place(rest, &unknown)?;
            return Ok(Target::NeighV6(place, key));
        }
        let rest = dotted.strip_prefix("net.ipv4.").ok_or_else(unknown)?;
        match rest {
            "ip_forward" => return Ok(Target::Conf(Place::All, ConfKey::Forwarding)),
            "ip_local_port_range" => return Ok(Target::LocalPorts),
            _ => {}
        }
        if let Some(key) = HostKey::named(rest) {
            return Ok(Target::Host(key));
        }
        if let Some((place, key)) = rest.strip_prefix("conf.").and_then(|rest| rest.rsplit_once('.')) {
            let key = ConfKey::named(key).ok_or_else(unknown)?;
            return Ok(Target::Conf(self.place(place)?, key));
        }
        if let Some(rest) = rest.strip_prefix("neigh.") {
            let (place, key) = self.neigh_place(rest, &unknown)?;
            return Ok(Target::Neigh(place, key));
        }
        Err(unknown())
    }

    /// What `eth0.locktime` means; there is no `all`.
    fn neigh_place(
        &self,
        rest: &str,
        unknown: &dyn Fn() -> SysctlError,
    ) -> Result<(Place, NeighKey), SysctlError> {
        let (place, key) = rest.rsplit_once('.').filter(|(place, _)| *place != "all").ok_or_else(unknown)?;
        let key = NeighKey::named(key).ok_or_else(unknown)?;
        Ok((self.place(place)?, key))
    }

    fn place(&self, name: &str) -> Result<Place, SysctlError> {
        match name {
            "all" => Ok(Place::All),
            "default" => Ok(Place::Default),
            _ => {
                let id = self.interface(name).ok_or_else(|| SysctlError::NoInterface(name.to_owned()))?;
                Ok(Place::Interface(id))
            }
        }
    }

    fn set_conf(&mut self, place: Place, key: ConfKey, value: i64) {
        match place {
            Place::Interface(id) => self.interfaces[id.index()].conf.set(key, value),
            Place::Default => {
                self.conf_default.set(key, value);
                self.interfaces.iter_mut().for_each(|i| i.conf.inherit(key, value));
            }
            Place::All => {
                self.conf_all.set(key, value);
                if key == ConfKey::Forwarding {
                    self.conf_all.set(ConfKey::AcceptRedirects, i64::from(value == 0));
                    self.conf_default.set(key, value);
                    self.interfaces.iter_mut().for_each(|i| i.conf.set(key, value));
                }
            }
        }
    }

    fn set_conf_v6(&mut self, place: Place, key: ConfKeyV6, value: i64) {
        match place {
            Place::Interface(id) => self.interfaces[id.index()].conf_v6.set(key, value),
            Place::All => self.conf_v6_all.set(key, value),
            Place::Default => {
                self.conf_v6_default.set(key, value);
                self.interfaces.iter_mut().for_each(|i| i.conf_v6.inherit(key, value));
            }
        }
    }

    fn set_neigh(&mut self, place: Place, key: NeighKey, value: i64) {
        match place {
            Place::Interface(id) => self.interfaces[id.index()].neigh.set(key, value),
            Place::All | Place::Default => {
                self.neigh_default.set(key, value);
                self.interfaces.iter_mut().for_each(|i| i.neigh.inherit(key, value));
            }
        }
        if key == NeighKey::BaseReachableTimeMs {
            for at in 0..self.interfaces.len() {
                let is_meant = match place {
                    Place::Interface(id) => id.index() == at,
                    Place::All | Place::Default => true,
                };
                if is_meant {
                    self.draw_reachable_time(InterfaceId(at as u16));
                }
            }
        }
    }

    fn set_neigh_v6(&mut self, place: Place, key: NeighKey, value: i64) {
        let is_meant = |id: InterfaceId| place == Place::Default || place == Place::Interface(id);
        for at in 0..self.interfaces.len() {
            let id = InterfaceId(at as u16);
            let conf = &mut self.interfaces[at].neigh_v6;
            match place {
                Place::Interface(meant) if meant == id => conf.set(key, value),
                Place::Default => conf.inherit(key, value),
                Place::Interface(_) | Place::All => {}
            }
            if key == NeighKey::BaseReachableTimeMs && is_meant(id) {
                self.draw_reachable_time_v6(id);
            }
        }
        if place == Place::Default {
            self.neigh_default_v6.set(key, value);
        }
    }

    /// The name that looks most like `name`, with the same place if that exists.
    fn nearest_name(&self, name: &str) -> String {
        let names = self.sysctl_names();
        let nearest = names.iter().min_by_key(|candidate| distance(name, candidate));
        nearest.cloned().unwrap_or_default()
    }

    /// Every setting that exists, by name.
    pub fn sysctl_names(&self) -> Vec<String> {
        let interfaces = || self.interfaces.iter().map(|i| i.name.replace('.', "/"));
        let common = ["all", "default"].map(str::to_owned);
        let mut names: Vec<String> =
            ["net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "net.ipv6.conf.all.forwarding"]
                .map(str::to_owned)
                .to_vec();
        names.extend(HostKey::ALL.iter().map(|key| format!("net.ipv4.{}", key.setting().name)));
        for place in common.iter().cloned().chain(interfaces()) {
            names.extend(
                ConfKey::ALL.iter().map(|key| format!("net.ipv4.conf.{place}.{}", key.setting().name)),
            );
        }
        for place in common.iter().cloned().chain(interfaces()) {
            names.extend(
                ConfKeyV6::ALL.iter().map(|key| format!("net.ipv6.conf.{place}.{}", key.setting().name)),
            );
        }
        for place in common[1..].iter().cloned().chain(interfaces()) {
            names.extend(
                NeighKey::ALL.iter().map(|key| format!("net.ipv4.neigh.{place}.{}", key.setting().name)),
            );
        }
        for place in common[1..].iter().cloned().chain(interfaces()) {
            names.extend(
                NeighKey::ALL.iter().map(|key| format!("net.ipv6.neigh.{place}.{}", key.setting().name)),
            );
        }
        names
    }

    /// Does anything in the model depend on a setting? If not, writing it deserves a warning.
    pub fn sysctl_has_effect(&self, name: &str) -> Result<bool, SysctlError> {
        Ok(match self.sysctl_target(name)? {
            Target::Host(key) => key.has_effect(),
            Target::Conf(_, key) => key.has_effect(),
            Target::ConfV6(_, key) => key.has_effect(),
            Target::NeighV6(_, key) => key != NeighKey::Locktime,
            Target::Neigh(..) | Target::ForwardingV6 => true,
            Target::LocalPorts => false,
        })
    }

    /// The row of the table behind a name: default, range and meaning; none for settings that are not one number.
    pub fn sysctl_setting(&self, name: &str) -> Result<Option<&'static Setting>, SysctlError> {
        Ok(match self.sysctl_target(name)? {
            Target::Host(key) => Some(key.setting()),
            Target::Conf(_, key) => Some(key.setting()),
            Target::ConfV6(_, key) => Some(key.setting()),
            Target::Neigh(_, key) | Target::NeighV6(_, key) => Some(key.setting()),
            Target::LocalPorts | Target::ForwardingV6 => None,
        })
    }
}

const fn range(target: Target) -> (i64, i64) {
    let setting = match target {
        Target::Host(key) => key.setting(),
        Target::Conf(_, key) => key.setting(),
        Target::ConfV6(_, key) => key.setting(),
        Target::Neigh(_, key) | Target::NeighV6(_, key) => key.setting(),
        Target::ForwardingV6 => return (0, 1),
        Target::LocalPorts => return (1, 65535),
    };
    (setting.min, setting.max)
}

/// A name with dots between its parts: sysctl(8) takes `net/ipv4/conf/eth0.10/arp_ignore` and
/// `net.ipv4.conf.eth0/10.arp_ignore` for the same.
fn normalised(name: &str) -> String {
    let name = name.trim().trim_start_matches("/proc/sys/");
    name.replace('/', ".")
}

fn parse_ports(value: &str) -> Result<(u16, u16), SysctlError> {
    let mut parts = value.split_whitespace().map(str::parse::<i64>);
    let (Some(Ok(first)), Some(Ok(last)), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SysctlError::NotANumber(value.trim().to_owned()));
    };
    if first < 1 || last > 65535 || first > last {
        return Err(SysctlError::OutOfRange { min: 1, max: 65535 });
    }
    Ok((first as u16, last as u16))
}

/// How many letters must be changed, added or removed to make one text the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::conf::{ConfKey, HostKey};
    use super::super::testing::*;
    use super::*;

    /// [seen] Defaults of a fresh Debian 12.
    #[test]
    fn defaults() {
        let host = host(&[("eth0", "")]);
        let table = [
            ("net.ipv4.ip_forward", "0"),
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.eth0.rp_filter", "0"),
            ("net.ipv4.conf.all.accept_source_route", "0"),
            ("net.ipv4.conf.eth0.accept_source_route", "1"),
            ("net.ipv4.conf.all.send_redirects", "1"),
            ("net.ipv4.neigh.eth0.base_reachable_time_ms", "30000"),
            ("net.ipv4.neigh.default.gc_thresh3", "1024"),
            ("net.ipv4.neigh.eth0.locktime", "100"),
            ("net.ipv6.neigh.eth0.locktime", "0"),
            ("net.ipv6.neigh.default.ucast_solicit", "3"),
            ("net.ipv4.route.min_pmtu", "552"),
            ("net.ipv4.icmp_ratemask", "6168"),
            ("net.ipv4.ip_local_port_range", "32768\t60999"),
            ("net.ipv4.tcp_syn_retries", "6"),
        ];
        for (name, value) in table {
            assert_eq!(host.sysctl_get(name).as_deref(), Ok(value), "{name}");
        }
    }

    #[test]
    fn names_may_be_written_with_slashes() {
        let mut host = host(&[("eth0", ""), ("eth0.10", "")]);
        for name in [
            "net/ipv4/conf/eth0.10/arp_ignore",
            "net.ipv4.conf.eth0/10.arp_ignore",
            "/proc/sys/net/ipv4/conf/eth0.10/arp_ignore",
        ] {
            host.sysctl_set(name, " 1 ").unwrap();
            assert_eq!(host.sysctl_get("net.ipv4.conf.eth0.10.arp_ignore").unwrap(), "1");
            host.sysctl_set(name, "0").unwrap();
        }
    }

    #[test]
    fn refusals_name_the_cure() {
        let mut host = host(&[("eth0", "")]);
        let mut text = |name: &str, value: &str| host.sysctl_set(name, value).unwrap_err().to_string();
        assert_eq!(
            text("net.ipv4.conf.eth0.arp_ignor", "1"),
            "there is no setting net.ipv4.conf.eth0.arp_ignor; the most similar is net.ipv4.conf.eth0.arp_ignore"
        );
        assert_eq!(text("net.ipv4.conf.eth7.arp_ignore", "1"), "there is no interface eth7");
        assert_eq!(text("net.ipv6.neigh.eth7.ucast_solicit", "1"), "there is no interface eth7");
        assert_eq!(
            text("net.ipv6.neigh.eth0.ucast_solict", "1"),
            "there is no setting net.ipv6.neigh.eth0.ucast_solict; the most similar is net.ipv6.neigh.eth0.ucast_solicit"
        );
        assert_eq!(
            text("net.ipv6.neigh.default.gc_thresh3", "4096"),
            "there is no setting net.ipv6.neigh.default.gc_thresh3; the most similar is net.ipv4.neigh.default.gc_thresh3",
            "one table for both families"
        );
        assert_eq!(text("net.ipv4.ip_forward", "yes"), "\"yes\" is not a number");
        assert_eq!(text("net.ipv4.conf.all.arp_announce", "3"), "the value must be from 0 to 2");
        assert_eq!(text("net.ipv4.ip_local_port_range", "9 5"), "the value must be from 1 to 65535");
    }

    #[test]
    fn every_name_can_be_read_and_written_back() {
        let mut host = host(&[("eth0", "")]);
        for name in host.sysctl_names() {
            let value = host.sysctl_get(&name).unwrap_or_else(|e| panic!("{name}: {e}"));
            host.sysctl_set(&name, &value).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    /// ip_forward reaches every interface and those to come, and turns `all/accept_redirects` (seen on 6.1.192).
    #[test]
    fn ip_forward_is_copied() {
        let mut host = host(&[("eth0", "")]);
        host.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
        let eth1 = host.add_interface("eth1", super::super::interface::InterfaceKind::Ethernet, mac(2));
        assert_eq!(host.effective(ETH0, ConfKey::Forwarding), 1);
        assert_eq!(host.effective(eth1, ConfKey::Forwarding), 1);
        assert_eq!(host.sysctl_get("net.ipv4.conf.all.accept_redirects").unwrap(), "0");
        assert_eq!(host.sysctl_get("net.ipv4.conf.eth0.accept_redirects").unwrap(), "1");
        assert_eq!(host.effective(ETH0, ConfKey::AcceptRedirects), 0);
    }

    #[test]
    fn default_reaches_interfaces_on_which_nothing_was_written() {
        let mut host = host(&[("eth0", ""), ("eth1", "")]);
        sysctl(&mut host, "conf.eth0.rp_filter=0 conf.default.rp_filter=2");
        assert_eq!(host.sysctl_get("net.ipv4.conf.eth0.rp_filter").unwrap(), "0");
        assert_eq!(host.sysctl_get("net.ipv4.conf.eth1.rp_filter").unwrap(), "2");
    }

    #[test]
    fn settings_without_effect_are_known() {
        let host = host(&[("eth0", "")]);
        let table = [
            ("net.ipv4.conf.all.arp_ignore", true),
            ("net.ipv4.conf.all.log_martians", false),
            ("net.ipv4.tcp_timestamps", false),
            ("net.ipv4.neigh.eth0.locktime", true),
            ("net.ipv4.icmp_ratelimit", true),
        ];
        for (name, has_effect) in table {
            assert_eq!(host.sysctl_has_effect(name), Ok(has_effect), "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_defaults_in_range() {
        let mut names = host(&[]).sysctl_names();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        let conf = ConfKey::ALL.iter().map(|k| k.setting());
        let all = conf
            .chain(NeighKey::ALL.iter().map(|k| k.setting()))
            .chain(HostKey::ALL.iter().map(|k| k.setting()));
        for setting in all {
            assert!((setting.min..=setting.max).contains(&setting.default), "{}", setting.name);
            assert!(setting.meaning.ends_with('.'), "{}", setting.name);
        }
    }
}
