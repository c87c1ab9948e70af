//! The tables of ipvsadm 1.31: its commands, its options, how they are written, and which goes with which.

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
}

/// An option, in the order in which the table of commands and options is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opt {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Method,
    Weight,
    Upper,
    Lower,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    Ops,
    Engine,
    SchedFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLen,
    TunInfo,
    TunType,
    TunPort,
    TunNoCsum,
    TunCsum,
    TunRemCsum,
}

/// The options in table order, with their names in messages.
pub(super) const OPTIONS: [(Opt, &str); 34] = [
    (Opt::Numeric, "numeric"),
    (Opt::Connection, "connection"),
    (Opt::Service, "service-address"),
    (Opt::Scheduler, "scheduler"),
    (Opt::Persistent, "persistent"),
    (Opt::Netmask, "netmask"),
    (Opt::Server, "real-server"),
    (Opt::Method, "forwarding-method"),
    (Opt::Weight, "weight"),
    (Opt::Upper, "u-threshold"),
    (Opt::Lower, "l-threshold"),
    (Opt::McastInterface, "mcast-interface"),
    (Opt::Timeout, "timeout"),
    (Opt::Daemon, "daemon"),
    (Opt::Stats, "stats"),
    (Opt::Rate, "rate"),
    (Opt::Thresholds, "thresholds"),
    (Opt::PersistentConn, "persistent-conn"),
    (Opt::NoSort, "nosort"),
    (Opt::SyncId, "syncid"),
    (Opt::Exact, "exact"),
    (Opt::Ops, "ops"),
    (Opt::Engine, "pe"),
    (Opt::SchedFlags, "sched-flags"),
    (Opt::McastGroup, "mcast-group"),
    (Opt::McastPort, "mcast-port"),
    (Opt::McastTtl, "mcast-ttl"),
    (Opt::SyncMaxLen, "sync-maxlen"),
    (Opt::TunInfo, "tun-info"),
    (Opt::TunType, "tun-type"),
    (Opt::TunPort, "tun-port"),
    (Opt::TunNoCsum, "tun-nocsum"),
    (Opt::TunCsum, "tun-csum"),
    (Opt::TunRemCsum, "tun-remcsum"),
];

/// What a word with a dash stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Means {
    Command(Verb),
    Help,
    Version,
    /// An option that only says so, or whose value is read by its own rule.
    Option(Opt),
    /// The four ways to name a service.
    Tcp,
    Udp,
    Sctp,
    Mark,
    /// The three forwarding methods.
    Gatewaying,
    Ipip,
    Masquerading,
    /// `-6`, which is not in the table.
    Ipv6,
    /// `--sort`, which does nothing.
    Sort,
}

/// Does an option have a value?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    No,
    Required,
    Optional,
}

/// One way of writing a command or option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spelling {
    pub(super) short: Option<char>,
    pub(super) long: &'static str,
    pub(super) value: Value,
    pub(super) means: Means,
}

const fn spelling(short: char, long: &'static str, value: Value, means: Means) -> Spelling {
    Spelling { short: if short == ' ' { None } else { Some(short) }, long, value, means }
}

/// Everything that may follow a dash; a blank stands for "no short form".
pub(super) const SPELLINGS: &[Spelling] = &[
    spelling('A', "add-service", Value::No, Means::Command(Verb::AddService)),
    spelling('E', "edit-service", Value::No, Means::Command(Verb::EditService)),
    spelling('D', "delete-service", Value::No, Means::Command(Verb::DeleteService)),
    spelling('C', "clear", Value::No, Means::Command(Verb::Flush)),
    spelling('R', "restore", Value::No, Means::Command(Verb::Restore)),
    spelling('S', "save", Value::No, Means::Command(Verb::Save)),
    spelling('a', "add-server", Value::No, Means::Command(Verb::AddServer)),
    spelling('e', "edit-server", Value::No, Means::Command(Verb::EditServer)),
    spelling('d', "delete-server", Value::No, Means::Command(Verb::DeleteServer)),
    spelling('L', "list", Value::No, Means::Command(Verb::List)),
    spelling('l', "list", Value::No, Means::Command(Verb::List)),
    spelling('Z', "zero", Value::No, Means::Command(Verb::Zero)),
    spelling(' ', "set", Value::No, Means::Command(Verb::Set)),
    spelling(' ', "start-daemon", Value::Required, Means::Command(Verb::StartDaemon)),
    spelling(' ', "stop-daemon", Value::Required, Means::Command(Verb::StopDaemon)),
    spelling('h', "help", Value::No, Means::Help),
    spelling('v', "version", Value::No, Means::Version),
    spelling('n', "numeric", Value::No, Means::Option(Opt::Numeric)),
    spelling('c', "connection", Value::No, Means::Option(Opt::Connection)),
    spelling('t', "tcp-service", Value::Required, Means::Tcp),
    spelling('u', "udp-service", Value::Required, Means::Udp),
    spelling(' ', "sctp-service", Value::Required, Means::Sctp),
    spelling('f', "fwmark-service", Value::Required, Means::Mark),
    spelling('s', "scheduler", Value::Required, Means::Option(Opt::Scheduler)),
    spelling('p', "persistent", Value::Optional, Means::Option(Opt::Persistent)),
    spelling('M', "netmask", Value::Required, Means::Option(Opt::Netmask)),
    spelling('r', "real-server", Value::Required, Means::Option(Opt::Server)),
    spelling('g', "gatewaying", Value::No, Means::Gatewaying),
    spelling('i', "ipip", Value::No, Means::Ipip),
    spelling('m', "masquerading", Value::No, Means::Masquerading),
    spelling('w', "weight", Value::Required, Means::Option(Opt::Weight)),
    spelling('x', "u-threshold", Value::Required, Means::Option(Opt::Upper)),
    spelling('y', "l-threshold", Value::Required, Means::Option(Opt::Lower)),
    spelling(' ', "mcast-interface", Value::Required, Means::Option(Opt::McastInterface)),
    spelling(' ', "timeout", Value::No, Means::Option(Opt::Timeout)),
    spelling(' ', "daemon", Value::No, Means::Option(Opt::Daemon)),
    spelling(' ', "stats", Value::No, Means::Option(Opt::Stats)),
    spelling(' ', "rate", Value::No, Means::Option(Opt::Rate)),
    spelling(' ', "thresholds", Value::No, Means::Option(Opt::Thresholds)),
    spelling(' ', "persistent-conn", Value::No, Means::Option(Opt::PersistentConn)),
    spelling(' ', "nosort", Value::No, Means::Option(Opt::NoSort)),
    spelling(' ', "sort", Value::No, Means::Sort),
    spelling(' ', "syncid", Value::Required, Means::Option(Opt::SyncId)),
    spelling('X', "exact", Value::No, Means::Option(Opt::Exact)),
    spelling('6', "ipv6", Value::No, Means::Ipv6),
    spelling('o', "ops", Value::No, Means::Option(Opt::Ops)),
    spelling(' ', "pe", Value::Required, Means::Option(Opt::Engine)),
    spelling('b', "sched-flags", Value::Required, Means::Option(Opt::SchedFlags)),
    spelling(' ', "mcast-group", Value::Required, Means::Option(Opt::McastGroup)),
    spelling(' ', "mcast-port", Value::Required, Means::Option(Opt::McastPort)),
    spelling(' ', "mcast-ttl", Value::Required, Means::Option(Opt::McastTtl)),
    spelling(' ', "sync-maxlen", Value::Required, Means::Option(Opt::SyncMaxLen)),
    spelling(' ', "tun-info", Value::No, Means::Option(Opt::TunInfo)),
    spelling(' ', "tun-type", Value::Required, Means::Option(Opt::TunType)),
    spelling(' ', "tun-port", Value::Required, Means::Option(Opt::TunPort)),
    spelling(' ', "tun-nocsum", Value::No, Means::Option(Opt::TunNoCsum)),
    spelling(' ', "tun-csum", Value::No, Means::Option(Opt::TunCsum)),
    spelling(' ', "tun-remcsum", Value::No, Means::Option(Opt::TunRemCsum)),
];

/// How an option stands to a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    Required,
    Optional,
    /// At most one of the options so marked.
    Alternative,
    Illegal,
}

impl Opt {
    /// Its place in [`OPTIONS`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        OPTIONS[self as usize].1
    }
}

impl Verb {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Verb::AddService => "add-service",
            Verb::EditService => "edit-service",
            Verb::DeleteService => "delete-service",
            Verb::Flush => "flush",
            Verb::Restore => "restore",
            Verb::Save => "save",
            Verb::AddServer => "add-server",
            Verb::EditServer => "edit-server",
            Verb::DeleteServer => "delete-server",
            Verb::List => "list",
            Verb::Zero => "zero",
            Verb::Set => "set",
            Verb::StartDaemon => "start-daemon",
            Verb::StopDaemon => "stop-daemon",
        }
    }

    /// May `option` go with this command?
    pub(super) fn rule(self, option: Opt) -> Rule {
        use Opt::*;
        use Rule::{Alternative, Illegal, Optional, Required};
        match (self, option) {
            (Verb::AddService | Verb::EditService | Verb::DeleteService, Service) => Required,
            (Verb::AddServer | Verb::EditServer | Verb::DeleteServer, Service | Server) => Required,
            (
                Verb::AddService | Verb::EditService,
                Scheduler | Persistent | Netmask | Ops | Engine | SchedFlags,
            ) => Optional,
            (
                Verb::AddServer | Verb::EditServer,
                Method | Weight | Upper | Lower | TunType | TunPort | TunNoCsum | TunCsum | TunRemCsum,
            ) => Optional,
            (Verb::Save, Numeric) | (Verb::Zero, Service) | (Verb::StopDaemon, SyncId) => Optional,
            (Verb::List, Connection | Service | Timeout | Daemon) => Alternative,
            (
                Verb::List,
                Numeric | Stats | Rate | Thresholds | PersistentConn | NoSort | SyncId | Exact | TunInfo,
            ) => Optional,
            (Verb::StartDaemon, McastInterface | SyncId | McastGroup | McastPort | McastTtl | SyncMaxLen) => {
                Optional
            }
            _ => Illegal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_option_can_be_written() {
        for (index, (option, name)) in OPTIONS.iter().enumerate() {
            assert_eq!(option.index(), index, "{name}");
            let written = SPELLINGS.iter().any(|s| s.means == Means::Option(*option));
            assert!(written || matches!(option, Opt::Service | Opt::Method), "{name}");
        }
    }

    #[test]
    fn no_two_spellings_are_alike() {
        for (i, a) in SPELLINGS.iter().enumerate() {
            for b in &SPELLINGS[i + 1..] {
                assert!(a.short.is_none() || a.short != b.short, "-{:?}", a.short);
                assert!(a.long != b.long || a.means == b.means, "--{}", a.long);
            }
        }
    }
}
