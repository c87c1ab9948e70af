//! The checks of a whole command line, in the order in which ipvsadm makes them: scheduler flags, the table of
//! commands and options, then what each command demands.

use super::grammar::{Draft, Method, TunnelType};
use super::options::{OPTIONS, Opt, Rule, Verb};
use super::request::{Format, List, Refusal, Request, What};
use net_model::addr::Family;
use net_model::ipvs::{
    DaemonConfig, DaemonRole, DestinationConfig, DestinationKey, Forwarding, GueChecksum, Protocol,
    ServiceConfig, ServiceKey, Tunnel,
};

/// The longest scheduler or engine name; the rest is cut off.
const NAME_LENGTH: usize = 15;

/// Turns a draft into a request.
pub(super) fn finish(draft: &Draft) -> Result<Request, Refusal> {
    let flags = scheduler_flags(draft)?;
    obey_table(draft)?;
    Ok(match draft.verb {
        Verb::AddService => Request::AddService(service_key(draft), service_config(draft, flags)?),
        Verb::EditService => Request::EditService(service_key(draft), service_config(draft, flags)?),
        Verb::DeleteService => Request::DeleteService(service_key(draft)),
        Verb::Flush => Request::Flush,
        Verb::Restore => Request::Restore,
        Verb::Save => Request::Save { numeric: draft.word_of(Opt::Numeric).is_some() },
        Verb::AddServer => {
            let (key, config) = destination(draft)?;
            Request::AddDestination(service_key(draft), key, config)
        }
        Verb::EditServer => {
            let (key, config) = destination(draft)?;
            Request::EditDestination(service_key(draft), key, config)
        }
        Verb::DeleteServer => {
            let (addr, port) = draft.server;
            Request::DeleteDestination(service_key(draft), DestinationKey { addr, port })
        }
        Verb::List => Request::List(list(draft)?),
        Verb::Zero => Request::Zero(named_service(draft).filter(|_| !is_everything(draft))),
        Verb::Set => Request::SetTimeouts(draft.timeouts),
        Verb::StartDaemon => Request::StartDaemon(daemon(draft)),
        Verb::StopDaemon => Request::StopDaemon(draft.role),
    })
}

/// The scheduler flags as bits; their names depend on the scheduler.
fn scheduler_flags(draft: &Draft) -> Result<u8, Refusal> {
    let scheduler = draft.scheduler();
    let mut bits = 0;
    for name in draft.flags.split(',').filter(|name| !name.is_empty()) {
        let (owner, bit) = match name {
            "flag-1" => (None, 1),
            "flag-2" => (None, 2),
            "flag-3" => (None, 4),
            "sh-fallback" => (Some("sh"), 1),
            "sh-port" => (Some("sh"), 2),
            "mh-fallback" => (Some("mh"), 1),
            "mh-port" => (Some("mh"), 2),
            _ => {
                let cure = "known are flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback and mh-port";
                let message = format!("invalid scheduler flag `{name}'");
                return Err(Refusal::refused(draft.word_of(Opt::SchedFlags), message, cure));
            }
        };
        if let Some(owner) = owner.filter(|&owner| owner != scheduler) {
            let message = format!("incompatible scheduler flag `{name}'");
            let cure = format!("the flag needs -s {owner}, the scheduler here is {scheduler}");
            return Err(Refusal::refused(draft.word_of(Opt::SchedFlags), message, cure));
        }
        bits |= bit;
    }
    Ok(bits)
}

/// One walk through the table in its order; the first violation counts.
fn obey_table(draft: &Draft) -> Result<(), Refusal> {
    let verb = draft.verb;
    let mut alternative: Option<Opt> = None;
    for (option, name) in OPTIONS {
        let word = draft.word_of(option);
        let command = verb.name();
        match (verb.rule(option), word) {
            (Rule::Required, None) => {
                let message = format!("You need to supply the '{name}' option for the '{command}' command");
                let cure = if option == Opt::Server {
                    "add -r ADDRESS[:PORT]"
                } else {
                    "add -t, -u, --sctp-service or -f"
                };
                return Err(Refusal::refused(None, message, cure));
            }
            (Rule::Illegal, Some(_)) => {
                let message = format!("Illegal '{name}' option with the '{command}' command");
                return Err(Refusal::refused(word, message, cure_for_illegal(option, verb)));
            }
            (Rule::Alternative, Some(_)) => {
                if let Some(earlier) = alternative {
                    let earlier = earlier.name();
                    let message = format!(
                        "The option '{name}' conflicts with the '{earlier}' option in the '{command}' command"
                    );
                    return Err(Refusal::refused(
                        word,
                        message,
                        "one listing at a time: remove one of the two",
                    ));
                }
                alternative = Some(option);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where an option belongs that does not belong here.
fn cure_for_illegal(option: Opt, verb: Verb) -> &'static str {
    match (option, verb) {
        (Opt::Method | Opt::Weight | Opt::Upper | Opt::Lower, Verb::AddService | Verb::EditService) => {
            "this is said for each real server: move it to the -a lines"
        }
        (Opt::Scheduler | Opt::Persistent | Opt::Netmask | Opt::Ops, Verb::AddServer | Verb::EditServer) => {
            "this is said for the service: move it to the -A line"
        }
        _ => "remove the option",
    }
}

fn named_service(draft: &Draft) -> Option<ServiceKey> {
    draft.word_of(Opt::Service).map(|_| service_key(draft))
}

/// 0.0.0.0:0 stands for all services.
fn is_everything(draft: &Draft) -> bool {
    draft.mark == 0 && draft.addr.is_unspecified() && draft.port == 0
}

fn service_key(draft: &Draft) -> ServiceKey {
    match draft.mark {
        0 => ServiceKey::Address {
            protocol: draft.protocol.unwrap_or(Protocol::Tcp),
            addr: draft.addr,
            port: draft.port,
        },
        mark => ServiceKey::Mark { family: draft.family, mark },
    }
}

fn service_config(draft: &Draft, flags: u8) -> Result<ServiceConfig, Refusal> {
    if draft.port == 0 && draft.mark == 0 && draft.persistence.is_none() {
        let cure = "give a port; a service for all ports needs -p, since it works by remembering clients";
        let word = draft.word_of(Opt::Service);
        return Err(Refusal::refused(word, "Zero port specified for non-persistent service", cure));
    }
    if draft.word_of(Opt::Ops).is_some() && draft.mark == 0 && draft.protocol != Some(Protocol::Udp) {
        let message = "One-Packet Scheduling is only for UDP virtual services";
        return Err(Refusal::refused(draft.word_of(Opt::Ops), message, "use -u or -f, or remove -o"));
    }
    let cut = |name: &str| name.chars().take(NAME_LENGTH).collect::<String>();
    Ok(ServiceConfig {
        scheduler: cut(draft.scheduler()),
        scheduler_flags: flags,
        persistence: draft.persistence,
        netmask: draft.netmask,
        one_packet: draft.word_of(Opt::Ops).is_some(),
        engine: (!draft.engine.is_empty()).then(|| cut(draft.engine)),
    })
}

fn destination(draft: &Draft) -> Result<(DestinationKey, DestinationConfig), Refusal> {
    let (addr, mut port) = draft.server;
    if draft.mark == 0 && draft.method != Method::Masquerading {
        port = draft.port;
    }
    if addr.family() != draft.family && draft.method != Method::Ipip {
        let message = "Different address family is allowed only for tunneling servers";
        return Err(Refusal::refused(
            draft.word_of(Opt::Server),
            message,
            "use a server of the service's family, or -i",
        ));
    }
    let config = DestinationConfig {
        forwarding: forwarding(draft)?,
        weight: draft.weight,
        upper: draft.upper,
        lower: draft.lower,
    };
    Ok((DestinationKey { addr, port }, config))
}

fn forwarding(draft: &Draft) -> Result<Forwarding, Refusal> {
    const TUNNEL_OPTIONS: [Opt; 5] =
        [Opt::TunType, Opt::TunPort, Opt::TunNoCsum, Opt::TunCsum, Opt::TunRemCsum];
    let method = match draft.method {
        Method::Ipip => return Ok(Forwarding::Tunnel(tunnel(draft)?)),
        Method::Gatewaying => Forwarding::Route,
        Method::Masquerading => Forwarding::Masquerade,
    };
    if let Some(word) = TUNNEL_OPTIONS.iter().find_map(|&option| draft.word_of(option)) {
        let message = "Tunnel options conflict with forward method";
        return Err(Refusal::refused(Some(word), message, "tunnel options go with -i"));
    }
    Ok(method)
}

/// The tunnel options against the tunnel type, in the order of their table.
fn tunnel(draft: &Draft) -> Result<Tunnel, Refusal> {
    let (name, legal): (&str, &[Opt]) = match draft.tunnel {
        TunnelType::Ipip => ("ipip", &[]),
        TunnelType::Gue => ("gue", &[Opt::TunPort, Opt::TunNoCsum, Opt::TunCsum, Opt::TunRemCsum]),
        TunnelType::Gre => ("gre", &[Opt::TunNoCsum, Opt::TunCsum]),
    };
    let mut checksum: Option<Opt> = None;
    for option in [Opt::TunPort, Opt::TunNoCsum, Opt::TunCsum, Opt::TunRemCsum] {
        let word = draft.word_of(option);
        let label = option.name();
        if word.is_none() {
            if option == Opt::TunPort && draft.tunnel == TunnelType::Gue {
                let message = format!("You need to supply the '{label}' option for the '{name}' tunnel type");
                return Err(Refusal::refused(None, message, "add --tun-port PORT"));
            }
            continue;
        }
        if !legal.contains(&option) {
            let message = format!("Illegal '{label}' option with the '{name}' tunnel type");
            return Err(Refusal::refused(word, message, "remove the option, or choose another --tun-type"));
        }
        if option != Opt::TunPort {
            if let Some(earlier) = checksum {
                let earlier = earlier.name();
                let message = format!(
                    "The option '{label}' conflicts with the '{earlier}' option in the '{name}' tunnel type"
                );
                return Err(Refusal::refused(word, message, "one kind of checksum: remove one of the two"));
            }
            checksum = Some(option);
        }
    }
    Ok(match draft.tunnel {
        TunnelType::Ipip => Tunnel::IpIp,
        TunnelType::Gre => Tunnel::Gre { checksum: checksum == Some(Opt::TunCsum) },
        TunnelType::Gue => Tunnel::Gue {
            port: draft.tunnel_port,
            checksum: match checksum {
                Some(Opt::TunCsum) => GueChecksum::Full,
                Some(Opt::TunRemCsum) => GueChecksum::Remote,
                _ => GueChecksum::None,
            },
        },
    })
}

fn list(draft: &Draft) -> Result<List, Refusal> {
    let has = |option| draft.word_of(option).is_some();
    let statistics = [Opt::Stats, Opt::Rate, Opt::Thresholds];
    let is_special = has(Opt::Connection) || has(Opt::Timeout) || has(Opt::Daemon);
    let no_persistent = has(Opt::Timeout) || has(Opt::Daemon);
    let clash = statistics.into_iter().find(|&option| is_special && has(option));
    if let Some(option) = clash.or((no_persistent && has(Opt::PersistentConn)).then_some(Opt::PersistentConn))
    {
        let cure = "--stats, --rate and --thresholds are for listings of services";
        return Err(Refusal::refused(draft.word_of(option), "options conflicts in the list command", cure));
    }
    let what = if has(Opt::Connection) {
        What::Connections
    } else if let Some(key) = named_service(draft) {
        What::Service(key)
    } else if has(Opt::Timeout) {
        What::Timeouts
    } else if has(Opt::Daemon) {
        What::Daemons
    } else {
        What::Table
    };
    let formats = [
        (Opt::Stats, Format::Stats),
        (Opt::Rate, Format::Rate),
        (Opt::Thresholds, Format::Thresholds),
        (Opt::PersistentConn, Format::Persistent),
        (Opt::TunInfo, Format::Tunnels),
    ];
    Ok(List {
        what,
        format: formats
            .into_iter()
            .find(|&(option, _)| has(option))
            .map_or(Format::Plain, |(_, format)| format),
        numeric: has(Opt::Numeric),
        exact: has(Opt::Exact),
        unsorted: has(Opt::NoSort),
        engine_data: has(Opt::PersistentConn),
    })
}

/// The largest message unless one is given: what fits into 1500 bytes, whatever the interface's MTU.
fn daemon(draft: &Draft) -> DaemonConfig {
    let default = match draft.group.family() {
        Family::V4 => 1500 - 20 - 8,
        Family::V6 => 1500 - 40 - 8,
    };
    let max_len = draft.max_len.unwrap_or(default);
    DaemonConfig {
        role: draft.role,
        interface: draft.interface.to_string(),
        sync_id: draft.sync_id,
        max_len: if draft.role == DaemonRole::Backup { max_len.max(1024) } else { max_len },
        group: draft.group,
        port: draft.mcast_port,
        ttl: draft.ttl,
    }
}
