//! From words to a request: options are processed strictly left to right, each value is checked when it is met, and
//! only then the command as a whole.

use super::super::names::Names;
use super::checks;
use super::options::{Means, OPTIONS, Opt, SPELLINGS, Verb};
use super::popt::{Fault, Given, Options};
use super::request::{Refusal, RefusalKind, Request, SYNC_GROUP, SYNC_PORT};
use super::values::{atoi, endpoint, inet_aton, mask, number};
use super::{Format, List, What};
use net_model::addr::{Addr, Family};
use net_model::ipvs::{DaemonRole, Protocol, TimeoutSettings};

/// The longest timeout that can be given, in seconds: 31 days.
const MAX_TIMEOUT: i64 = 31 * 86_400;
/// `-p` without a value.
const DEFAULT_PERSISTENCE: u32 = 360;

/// Reads the arguments of a command line; `program` is the name it was called by.
///
/// # Errors
/// What ipvsadm refuses without asking the kernel, in its own words.
pub fn parse(program: &str, args: &[&str], names: &Names) -> Result<Request, Refusal> {
    if args.is_empty() {
        return Ok(Request::List(List {
            what: What::Table,
            format: Format::Plain,
            numeric: false,
            exact: false,
            unsorted: false,
            engine_data: false,
        }));
    }
    let mut options = Options::new(args);
    let first = match options.next() {
        Some(Ok(first)) => first,
        Some(Err((_, word))) => return Err(no_command(program, Some(word))),
        None => return Err(no_command(program, None)),
    };
    let verb = match first.spelling.means {
        Means::Command(verb) => verb,
        Means::Help => return Ok(Request::Help),
        Means::Version => return Ok(Request::Version),
        _ => return Err(no_command(program, Some(first.word))),
    };
    let mut draft = Draft::new(verb, args, names);
    draft.take_role(first)?;
    for given in options.by_ref() {
        let given = given.map_err(|(fault, word)| unreadable(args[word], fault, word))?;
        draft.take(given)?;
    }
    let mut words = options.left_over;
    if verb == Verb::Set {
        draft.take_timeouts(&mut words)?;
    }
    if let Some(&word) = words.first() {
        let cure =
            "every value belongs to an option; quote a value that contains blanks, and remove the rest";
        return Err(Refusal::refused(Some(word), format!("unexpected argument {}", args[word]), cure));
    }
    checks::finish(&draft)
}

/// What the options have said so far.
pub(super) struct Draft<'a> {
    pub(super) verb: Verb,
    args: &'a [&'a str],
    names: &'a Names,
    /// The word in which each option was given.
    pub(super) given: [Option<usize>; OPTIONS.len()],
    pub(super) role: DaemonRole,
    pub(super) timeouts: TimeoutSettings,
    pub(super) family: Family,
    /// Known once a service was named; for a mark TCP, as far as port names go.
    pub(super) protocol: Option<Protocol>,
    pub(super) addr: Addr,
    pub(super) port: u16,
    pub(super) mark: u32,
    pub(super) scheduler: &'a str,
    pub(super) flags: &'a str,
    pub(super) persistence: Option<u32>,
    pub(super) netmask: Addr,
    pub(super) engine: &'a str,
    pub(super) server: (Addr, u16),
    pub(super) method: Method,
    pub(super) weight: i32,
    pub(super) upper: u32,
    pub(super) lower: u32,
    pub(super) tunnel: TunnelType,
    pub(super) tunnel_port: u16,
    pub(super) interface: &'a str,
    pub(super) sync_id: u8,
    pub(super) group: Addr,
    pub(super) mcast_port: u16,
    pub(super) ttl: u8,
    pub(super) max_len: Option<u16>,
}

/// -g, -i, -m
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    Gatewaying,
    Ipip,
    Masquerading,
}

/// The values of --tun-type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TunnelType {
    Ipip,
    Gue,
    Gre,
}

impl<'a> Draft<'a> {
    fn new(verb: Verb, args: &'a [&'a str], names: &'a Names) -> Draft<'a> {
        Draft {
            verb,
            args,
            names,
            given: [None; OPTIONS.len()],
            role: DaemonRole::Master,
            timeouts: TimeoutSettings { tcp: 0, tcp_fin: 0, udp: 0 },
            family: Family::V4,
            protocol: None,
            addr: Addr::UNSPECIFIED_V4,
            port: 0,
            mark: 0,
            scheduler: "",
            flags: "",
            persistence: None,
            netmask: Addr::BROADCAST_V4,
            engine: "",
            server: (Addr::UNSPECIFIED_V4, 0),
            method: Method::Gatewaying,
            weight: 1,
            upper: 0,
            lower: 0,
            tunnel: TunnelType::Ipip,
            tunnel_port: 0,
            interface: "eth0",
            sync_id: 0,
            group: SYNC_GROUP,
            mcast_port: SYNC_PORT,
            ttl: 1,
            max_len: None,
        }
    }

    /// Where an option was given, if it was.
    pub(super) fn word_of(&self, option: Opt) -> Option<usize> {
        self.given[option.index()]
    }

    /// The scheduler the service will have.
    pub(super) fn scheduler(&self) -> &'a str {
        if self.scheduler.is_empty() { "wlc" } else { self.scheduler }
    }

    /// master or backup, the argument of the daemon commands.
    fn take_role(&mut self, given: Given<'a>) -> Result<(), Refusal> {
        let message = match self.verb {
            Verb::StartDaemon => "illegal start-daemon parameter specified",
            Verb::StopDaemon => "illegal start_daemon specified",
            _ => return Ok(()),
        };
        self.role = match given.value {
            Some("master") => DaemonRole::Master,
            Some("backup") => DaemonRole::Backup,
            _ => return Err(Refusal::refused(Some(given.value_word), message, "write master or backup")),
        };
        Ok(())
    }

    /// The three numbers of --set, from the words that are no options.
    fn take_timeouts(&mut self, words: &mut Vec<usize>) -> Result<(), Refusal> {
        if words.len() < 3 {
            let cure = "give the timeouts for tcp, tcpfin and udp in seconds, 0 to leave one as it is";
            return Err(Refusal::refused(None, "--set option requires 3 timeout values", cure));
        }
        let mut values = [0; 3];
        for (value, word) in values.iter_mut().zip(words.drain(..3)) {
            *value = self.timeout(word, self.args[word], 0)?;
        }
        let [tcp, tcp_fin, udp] = values;
        self.timeouts = TimeoutSettings { tcp, tcp_fin, udp };
        Ok(())
    }

    fn timeout(&self, word: usize, text: &str, lowest: i64) -> Result<u32, Refusal> {
        number(text, lowest..=MAX_TIMEOUT).map(|seconds| seconds as u32).ok_or_else(|| {
            let message = format!("invalid timeout value `{text}' specified");
            let cure =
                format!("a timeout is a whole number of seconds from {lowest} to {MAX_TIMEOUT} (31 days)");
            Refusal::refused(Some(word), message, cure)
        })
    }

    fn take(&mut self, given: Given<'a>) -> Result<(), Refusal> {
        let text = given.value.unwrap_or("");
        let at = given.value_word;
        let option = match given.spelling.means {
            Means::Command(_) | Means::Help | Means::Version => {
                let message = format!("invalid option `{}'", self.args[given.word]);
                let cure = "one command per line: it comes first, options follow";
                return Err(Refusal::refused(Some(given.word), message, cure));
            }
            Means::Sort => return Ok(()),
            Means::Ipv6 => return self.take_ipv6(given.word),
            Means::Tcp | Means::Udp | Means::Sctp | Means::Mark => Opt::Service,
            Means::Gatewaying | Means::Ipip | Means::Masquerading => Opt::Method,
            Means::Option(option) => option,
        };
        let slot = &mut self.given[option.index()];
        if slot.is_some() {
            let message = format!("multiple '{}' options specified", option.name());
            return Err(Refusal::refused(Some(given.word), message, "give the option once"));
        }
        *slot = Some(given.word);
        match given.spelling.means {
            Means::Tcp => self.take_service(Protocol::Tcp, text, at),
            Means::Udp => self.take_service(Protocol::Udp, text, at),
            Means::Sctp => self.take_service(Protocol::Sctp, text, at),
            Means::Mark => self.take_mark(text, at),
            Means::Gatewaying => self.take_method(Method::Gatewaying),
            Means::Ipip => self.take_method(Method::Ipip),
            Means::Masquerading => self.take_method(Method::Masquerading),
            _ => self.take_value(option, given.value, at),
        }
    }

    fn take_method(&mut self, method: Method) -> Result<(), Refusal> {
        self.method = method;
        Ok(())
    }

    fn take_ipv6(&mut self, word: usize) -> Result<(), Refusal> {
        if self.mark == 0 {
            // The program really prints an empty line after this message.
            let cure = "-6 belongs behind -f MARK; an IPv6 address says its family itself";
            return Err(Refusal::refused(Some(word), "-6 used before -f\n", cure));
        }
        self.family = Family::V6;
        self.netmask = mask(Family::V6, 128);
        Ok(())
    }

    fn take_service(&mut self, protocol: Protocol, text: &'a str, word: usize) -> Result<(), Refusal> {
        self.protocol = Some(protocol);
        let Some((addr, port)) = endpoint(text, Some(protocol), self.names) else {
            let message = "illegal virtual server address[:port] specified";
            let cure = "write ADDRESS:PORT, for IPv6 [ADDRESS]:PORT";
            return Err(Refusal::refused(Some(word), message, cure));
        };
        (self.addr, self.port) = (addr, port.unwrap_or(0));
        if !addr.is_v4() {
            self.family = Family::V6;
            self.netmask = mask(Family::V6, 128);
        }
        Ok(())
    }

    fn take_mark(&mut self, text: &'a str, word: usize) -> Result<(), Refusal> {
        self.protocol = Some(Protocol::Tcp);
        let Some(mark) = number(text, 1..=i64::from(u32::MAX)) else {
            let message = format!("invalid fwmark value `{text}' specified");
            let cure = "a mark is a whole decimal number from 1 to 4294967295";
            return Err(Refusal::refused(Some(word), message, cure));
        };
        self.mark = mark as u32;
        Ok(())
    }

    fn take_server(&mut self, text: &'a str, word: usize) -> Result<(), Refusal> {
        let Some((addr, port)) = endpoint(text, self.protocol, self.names) else {
            let message = "illegal real server address[:port] specified";
            let cure = "write ADDRESS or ADDRESS:PORT, for IPv6 ADDRESS or [ADDRESS]:PORT; port names only after -t, \
                -u, --sctp-service or -f";
            return Err(Refusal::refused(Some(word), message, cure));
        };
        self.server = (addr, port.unwrap_or(self.port));
        Ok(())
    }

    fn take_netmask(&mut self, text: &'a str, word: usize) -> Result<(), Refusal> {
        if self.family == Family::V6 {
            let len = atoi(text);
            if !(1..=128).contains(&len) {
                let cure = "for IPv6 the mask is a prefix length from 1 to 128";
                return Err(Refusal::refused(Some(word), "illegal ipv6 netmask specified", cure));
            }
            self.netmask = mask(Family::V6, len as u8);
            return Ok(());
        }
        let Some(netmask) = inet_aton(text).or_else(|| self.names.ipv4_of(text)) else {
            let message = "illegal virtual server persistent mask specified";
            let cure = "write the mask as an address: 255.255.255.0, not /24";
            return Err(Refusal::refused(Some(word), message, cure));
        };
        self.netmask = Addr::v4(netmask.to_bits());
        Ok(())
    }

    fn take_value(&mut self, option: Opt, value: Option<&'a str>, word: usize) -> Result<(), Refusal> {
        let text = value.unwrap_or("");
        let whole = |what: &str, low: i64, high: i64| {
            number(text, low..=high).ok_or_else(|| {
                let cure = format!("a whole decimal number from {low} to {high}");
                Refusal::refused(Some(word), format!("illegal {what} specified"), cure)
            })
        };
        const LARGEST: i64 = i32::MAX as i64;
        match option {
            Opt::Scheduler => self.scheduler = text,
            Opt::SchedFlags => self.flags = text,
            Opt::Engine => self.engine = text,
            Opt::McastInterface => self.interface = text,
            Opt::Persistent => {
                self.persistence = Some(match value {
                    Some(text) => self.timeout(word, text, 1)?,
                    None => DEFAULT_PERSISTENCE,
                });
            }
            Opt::Netmask => self.take_netmask(text, word)?,
            Opt::Server => self.take_server(text, word)?,
            Opt::Weight => self.weight = whole("weight", 0, LARGEST)? as i32,
            Opt::Upper => self.upper = whole("u_threshold", 0, LARGEST)? as u32,
            Opt::Lower => self.lower = whole("l_threshold", 0, LARGEST)? as u32,
            Opt::SyncId => self.sync_id = whole("syncid", 0, 255)? as u8,
            Opt::McastPort => self.mcast_port = whole("mcast-port", 1, 65_535)? as u16,
            Opt::McastTtl => self.ttl = whole("mcast-ttl", 1, 255)? as u8,
            Opt::SyncMaxLen => self.max_len = Some(whole("sync-maxlen", 1, 65_507)? as u16),
            Opt::TunPort => self.tunnel_port = whole("tunnel port", 1, 65_535)? as u16,
            Opt::TunType => self.tunnel = tunnel_type(text, word)?,
            Opt::McastGroup => self.group = multicast_group(text, word)?,
            // The rest are given or not, and the draft has noted that already.
            _ => {}
        }
        Ok(())
    }
}

fn tunnel_type(text: &str, word: usize) -> Result<TunnelType, Refusal> {
    match text {
        "ipip" => Ok(TunnelType::Ipip),
        "gue" => Ok(TunnelType::Gue),
        "gre" => Ok(TunnelType::Gre),
        _ => Err(Refusal::refused(Some(word), "illegal tunnel type specified", "write ipip, gue or gre")),
    }
}

fn multicast_group(text: &str, word: usize) -> Result<Addr, Refusal> {
    let (version, is_family): (&str, fn(Addr) -> bool) =
        if text.contains(':') { ("IPv6", |addr| !addr.is_v4()) } else { ("IPv4", Addr::is_v4) };
    let group = text.parse::<Addr>().ok().filter(|&addr| is_family(addr) && addr.is_multicast());
    group.ok_or_else(|| {
        let message = format!("invalid {version} mcast-group `{text}'");
        Refusal::refused(Some(word), message, "a multicast address, such as 224.0.0.81 or ff02::81")
    })
}

pub(super) fn no_command(program: &str, word: Option<usize>) -> Refusal {
    Refusal {
        message: format!("Try `{program} -h' or '{program} --help' for more information."),
        kind: RefusalKind::NoCommand,
        word,
        cure: "the first option must be a command, such as -A, -a, -e or -L; case matters".to_string(),
    }
}

fn unreadable(token: &str, fault: Fault, word: usize) -> Refusal {
    let cure = match fault {
        Fault::Unknown => match closest(token) {
            Some(long) => format!("did you mean --{long}? Long options are written in full"),
            None => {
                "see ipvsadm -h for the options; long ones are written in full, with two dashes".to_string()
            }
        },
        Fault::MissingArgument => "add the value that the option needs".to_string(),
        Fault::UnwantedArgument => "write the option alone".to_string(),
    };
    let message = format!("{token}: {}", fault.message());
    Refusal { message, kind: RefusalKind::Unreadable, word: Some(word), cure }
}

/// The long option that an unknown word abbreviates or nearly spells.
fn closest(token: &str) -> Option<&'static str> {
    let name = token.trim_start_matches('-').split('=').next().filter(|name| name.len() > 2)?;
    let mut longs = SPELLINGS.iter().map(|s| s.long);
    longs.clone().find(|long| long.starts_with(name)).or_else(|| {
        longs.find(|long| name.starts_with(long) || long.len() == name.len() && differences(long, name) <= 2)
    })
}

fn differences(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).filter(|(a, b)| a != b).count()
}
