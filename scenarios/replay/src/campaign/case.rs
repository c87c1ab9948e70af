//! A case: a small cluster, and what its operators and clients do to it.
//!
//! There is one network. The director (10.0.0.1) owns two virtual addresses, server *n* is 10.0.0.10 + *n*, and one host
//! (10.0.0.254) is the way to all clients, 10.9.0.0/16. With IPv6, everything is there a second time: 2001:db8::1,
//! 2001:db8::1*n*, 2001:db8::254, and 2001:db8:9::/48. Whatever a case says in Linux's own words stays text, so that it
//! is the same in the scenario, on the kernel and in the script.

use crate::job::Close;
use serde::{Deserialize, Serialize};

/// The virtual addresses.
pub const VIPS: [&str; 4] = ["10.0.0.100", "10.0.0.101", "2001:db8::100", "2001:db8::101"];
/// From this index on they are of IPv6.
pub const V6_FROM: usize = 2;

/// The ports on which servers listen over TCP, and over UDP.
pub const TCP_PORTS: [u16; 2] = [80, 8080];
/// See [`TCP_PORTS`].
pub const UDP_PORTS: [u16; 1] = [53];

/// Milliseconds of a server beyond which its client is a patient one.
pub const SHORT: u64 = 500;
/// Milliseconds after which clients give up: hasty ones before the first retransmission, patient ones late.
pub const PATIENCE: [u64; 2] = [900, 20_000];

/// A small cluster and what happens to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Case {
    /// What it is called: the scenario's name, and that of its files.
    pub name: String,
    /// The hosts also speak IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// The real servers, in order of their numbers.
    pub servers: Vec<Server>,
    /// Lines that set the director up: `sysctl`, `iptables`, `ipvsadm`.
    pub director: Vec<String>,
    /// What happens, in order of time.
    pub steps: Vec<Step>,
}

/// A real server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Server {
    /// From 1; 0 is the director itself.
    pub number: u8,
    /// How the director reaches it.
    pub method: Method,
    /// Does it listen? Otherwise it refuses.
    pub listens: bool,
    /// `arp_ignore` and `arp_announce`.
    pub arp: (u8, u8),
}

/// A forwarding method.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Method {
    /// Masquerading, `-m`.
    Nat,
    /// Direct routing, `-g`.
    Route,
    /// A tunnel, `-i`.
    Tunnel,
    /// None: the server is the director itself.
    Local,
}

/// Something that happens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds.
    pub at: u64,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Act {
    /// A command line on the director; it may be one that looks.
    Run(String),
    /// A client asks.
    Ask(Ask),
}

/// A client's exchange.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// UDP, or else TCP.
    pub udp: bool,
    /// The client: 10.9.`network`.`host` or 2001:db8:9:`network`::`host`, and its port.
    pub client: (u8, u8, u16),
    /// Index into [`VIPS`], and the port.
    pub target: (usize, u16),
    /// Milliseconds that the server needs for its answer.
    pub hold: u64,
    /// Bytes of the answer.
    pub bytes: u32,
    /// Who closes.
    pub close: Close,
}

impl Method {
    /// The option of ipvsadm.
    pub fn option(self) -> &'static str {
        match self {
            Method::Nat => "-m",
            Method::Route | Method::Local => "-g",
            Method::Tunnel => "-i",
        }
    }
}

impl Server {
    /// The name of its host.
    pub fn host(&self) -> String {
        match self.method {
            Method::Local => "director".into(),
            Method::Nat | Method::Route | Method::Tunnel => format!("server{}", self.number),
        }
    }

    /// Its address.
    pub fn address(&self, ipv6: bool) -> String {
        let last = if self.method == Method::Local { 1 } else { 10 + self.number };
        if ipv6 { format!("2001:db8::{last}") } else { format!("10.0.0.{last}") }
    }

    /// Is it the one that a line of ipvsadm names?
    pub fn is_named(&self, line: &str) -> bool {
        let named = line.split_whitespace().skip_while(|word| *word != "-r").nth(1);
        named.is_some_and(|word| {
            [false, true].iter().any(|ipv6| {
                let address = self.address(*ipv6);
                word == address || word == format!("{address}:8080") || word == format!("[{address}]:8080")
            })
        })
    }
}

impl Ask {
    /// The client's address.
    pub fn address(&self) -> String {
        let (network, host, _) = self.client;
        if self.is_v6() { format!("2001:db8:9:{network}::{host}") } else { format!("10.9.{network}.{host}") }
    }

    /// Does it speak IPv6?
    pub fn is_v6(&self) -> bool {
        self.target.0 >= V6_FROM
    }

    /// Is the client a patient one?
    pub fn is_patient(&self) -> bool {
        self.hold > SHORT
    }
}

impl Case {
    /// What clients ask, in order of time.
    pub fn asks(&self) -> impl Iterator<Item = (u64, &Ask)> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Ask(ask) => Some((step.at, ask)),
            Act::Run(_) => None,
        })
    }

    /// The command lines after the beginning, in order of time.
    pub fn runs(&self) -> impl Iterator<Item = (u64, &String)> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Run(line) => Some((step.at, line)),
            Act::Ask(_) => None,
        })
    }

    /// How many lines of ipvsadm, iptables and sysctl it takes.
    pub fn commands(&self) -> usize {
        self.director.len() + self.runs().count()
    }

    /// When everything is over, in milliseconds: the last command was typed, and the last client has given up.
    pub fn last(&self) -> u64 {
        let over = |step: &Step| match &step.act {
            Act::Run(_) => step.at,
            Act::Ask(ask) => step.at + PATIENCE[usize::from(ask.is_patient())],
        };
        self.steps.iter().map(over).max().unwrap_or(0)
    }

    /// The same case, `by` milliseconds later.
    #[must_use]
    pub fn later(&self, by: u64) -> Case {
        let steps = self.steps.iter().map(|step| Step { at: step.at + by, act: step.act.clone() });
        Case { steps: steps.collect(), ..self.clone() }
    }
}
